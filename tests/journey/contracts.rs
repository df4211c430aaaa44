//! What scripts hold on to: the shape of every `--json` (`schema` 1, which only grows), and the
//! exit codes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::support::{CANARY, PROD, Sandbox, fixture};

/// Adds `path: type` for a value and all that is in it; the entries of a list are one.
fn add_shape(found: &mut BTreeSet<String>, path: &str, value: &Value) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(entries) => {
            entries
                .iter()
                .for_each(|entry| add_shape(found, &format!("{path}[]"), entry));
            "list"
        }
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| add_shape(found, &format!("{path}.{name}"), value));
            "object"
        }
    };
    found.insert(format!("{path}: {kind}"));
}

/// A store with two environments, somebody who left, a conflict of values, a leak and an exception.
fn eventful() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
    for key in ["DATABASE_URL", "STRIPE_SECRET_KEY", "EXTRA"] {
        sandbox
            .stax_with(
                ["secrets", "set", key, "-e", "staging"],
                format!("{CANARY}\n"),
            )
            .ok();
    }
    sandbox
        .stax_with(["secrets", "set", "EMPTY", "-e", "staging", "--empty"], "")
        .ok();
    sandbox.commit_all("staging");
    let ravi = sandbox.person("ravi");
    let add = [
        "secrets",
        "add-recipient",
        &ravi.key(),
        "--name",
        "Ravi <ravi@example.com>",
        "--role",
        "sre",
    ];
    sandbox.stax(add.iter().chain(&["--all"])).ok();
    sandbox.commit_all("ravi joins");
    sandbox.stax(["secrets", "remove-recipient", "ravi"]).ok();
    sandbox.commit_all("ravi leaves");
    sandbox
        .stax_with(["secrets", "set", "PORT", "-e", "production"], "6543\n")
        .ok();
    sandbox.write("notes.txt", format!("the key is {CANARY}\n"));
    sandbox.git(["add", "notes.txt"]).ok();
    sandbox
}

/// Every command that prints JSON; `1` is a negative answer.
const COMMANDS: [(&str, &[&str], i32); 13] = [
    ("allow", &["allow", "--json"], 0),
    (
        "blame",
        &["secrets", "blame", "--json", "-e", "production"],
        0,
    ),
    (
        "compare",
        &["secrets", "compare", "--json", "production", "staging"],
        1,
    ),
    ("diff", &["secrets", "diff", "--json"], 0),
    (
        "explain",
        &["secrets", "verify", "--explain", "F04", "--json"],
        0,
    ),
    ("exposure", &["secrets", "exposure", "--json"], 1),
    ("history", &["secrets", "history", "--json"], 0),
    (
        "list",
        &["secrets", "list", "--json", "--age", "-e", "production"],
        0,
    ),
    ("log", &["secrets", "log", "--json", "-e", "production"], 0),
    ("recipients", &["secrets", "recipients", "--json"], 0),
    ("scan", &["secrets", "scan", "--json"], 1),
    ("status", &["secrets", "status", "--json"], 0),
    ("verify", &["secrets", "verify", "--json"], 1),
];

#[test]
fn every_json_has_the_shape_that_was_promised() {
    let sandbox = eventful();
    sandbox.stax(["allow", "env", "HTTPS_PROXY"]).ok();
    let folder = fixture("json");
    let mut shapes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, args, code) in COMMANDS {
        let mut found = BTreeSet::new();
        if name == "verify" {
            sandbox.put_in_clear(PROD, "PORT", "canary-in-clear");
        }
        let printed = sandbox.stax(args).exits(code);
        let value: Value = serde_json::from_str(&printed.stdout).expect("JSON");
        assert_eq!(value["schema"], 1, "{name}");
        assert!(!printed.stdout.contains("ENC["), "{name}");
        add_shape(&mut found, "", &value);
        shapes.insert(name, found);
    }
    for (name, found) in shapes {
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("STAX_WRITE_SHAPES").is_some() {
            let text: String = found.iter().map(|line| format!("{line}\n")).collect();
            fs::create_dir_all(&folder).expect("the folder");
            fs::write(&file, text).expect("the shape");
        }
        let known = fs::read_to_string(&file).expect("a recorded shape");
        let known: BTreeSet<String> = known.lines().map(str::to_owned).collect();
        let lost: Vec<&String> = known.difference(&found).collect();
        assert!(
            lost.is_empty(),
            "{name} no longer prints, and scripts read it: {lost:#?}"
        );
        let new: Vec<&String> = found.difference(&known).collect();
        assert!(
            new.is_empty(),
            "{name} prints more; record it with STAX_WRITE_SHAPES=1: {new:#?}"
        );
    }
}

/// The names below `Commands:` of a help text.
fn commands_in(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| !line.is_empty());
    let names = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn no_command_with_json_is_forgotten() {
    let sandbox = Sandbox::new();
    let known: BTreeSet<String> = COMMANDS
        .iter()
        .map(|(_, args, _)| {
            args.iter()
                .take_while(|word| !word.starts_with('-'))
                .copied()
                .collect::<Vec<_>>()
        })
        .map(|words| words[..words.len().min(2)].join(" "))
        .collect();
    let mut found = BTreeSet::new();
    for top in commands_in(&sandbox.stax(["--help"]).ok().stdout) {
        if top == "help" {
            continue;
        }
        let help = sandbox.stax([&top, "--help"]).ok().stdout;
        let mut words = vec![vec![top.clone()]];
        words.extend(
            commands_in(&help)
                .into_iter()
                .filter(|name| name != "help")
                .map(|name| vec![top.clone(), name]),
        );
        for words in words {
            let help = sandbox
                .stax(words.iter().map(String::as_str).chain(["--help"]))
                .ok()
                .stdout;
            if help.contains("--json") {
                found.insert(words.join(" "));
            }
        }
    }
    assert_eq!(found, known);
}

#[test]
fn exit_codes_mean_what_the_manual_says() {
    let sandbox = eventful();
    let leak = sandbox.read(PROD);
    sandbox.put_in_clear(PROD, "PORT", "canary-in-clear");
    let half = sandbox.read(PROD);
    sandbox.write(PROD, &leak);
    let mac = leak.replacen(
        "mac: ENC[AES256_GCM,data:",
        "mac: ENC[AES256_GCM,data:AAAA",
        1,
    );
    assert_ne!(mac, leak);
    let keyless = sandbox.keyless();
    let outside = sandbox.at(sandbox.place());
    let on = ["-e", "production"];
    let table: [(&str, i32, &crate::support::Person, &str, &[&str]); 17] = [
        (
            "done",
            0,
            &sandbox,
            &leak,
            &["secrets", "get", "PORT", on[0], on[1]],
        ),
        (
            "no finding",
            0,
            &sandbox,
            &leak,
            &["secrets", "verify", "--keyless"],
        ),
        ("a finding", 1, &sandbox, &half, &["secrets", "verify"]),
        ("a leak elsewhere", 1, &sandbox, &leak, &["secrets", "scan"]),
        (
            "no such key",
            1,
            &sandbox,
            &leak,
            &["secrets", "get", "NONE", on[0], on[1]],
        ),
        (
            "values differ",
            1,
            &sandbox,
            &leak,
            &["secrets", "diff", "--exit-code"],
        ),
        (
            "a word that is none",
            2,
            &sandbox,
            &leak,
            &["secrets", "nonesuch"],
        ),
        (
            "no such environment",
            2,
            &sandbox,
            &leak,
            &["secrets", "get", "PORT", "-e", "none"],
        ),
        ("no repository", 2, &outside, &leak, &["secrets", "verify"]),
        (
            "no such range",
            2,
            &sandbox,
            &leak,
            &["secrets", "verify", "--range", "none..HEAD"],
        ),
        (
            "no identity",
            3,
            &keyless,
            &leak,
            &["secrets", "get", "PORT", on[0], on[1]],
        ),
        (
            "no identity to write",
            3,
            &keyless,
            &leak,
            &["secrets", "rotate", on[0], on[1]],
        ),
        (
            "a broken MAC",
            4,
            &sandbox,
            &mac,
            &["secrets", "get", "PORT", on[0], on[1]],
        ),
        (
            "a broken MAC, judged",
            1,
            &sandbox,
            &mac,
            &["secrets", "verify"],
        ),
        (
            "a program that is none",
            127,
            &sandbox,
            &leak,
            &["secrets", "exec", on[0], on[1], "--", "none-such"],
        ),
        (
            "a file that is no program",
            126,
            &sandbox,
            &leak,
            &["secrets", "exec", on[0], on[1], "--", "./notes.txt"],
        ),
        (
            "its own code",
            7,
            &sandbox,
            &leak,
            &["secrets", "exec", on[0], on[1], "--", "sh", "-c", "exit 7"],
        ),
    ];
    for (what, code, person, text, args) in table {
        sandbox.write(PROD, text);
        let output = person.stax(args);
        assert_eq!(output.code, code, "{what}: {output}");
    }
}
