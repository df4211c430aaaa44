//! Bad input: one clear line, the right exit code, nothing lost, no value shown.

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

/// Runs the command; the file of the store keeps its bytes and no value is shown.
#[track_caller]
fn harmless(sandbox: &Sandbox, output: impl FnOnce() -> Output) -> Output {
    let before = std::fs::read(sandbox.path(PROD)).ok();
    let output = output();
    assert!(
        before == std::fs::read(sandbox.path(PROD)).ok(),
        "the file changed\n{output}"
    );
    output.hides(CANARY).hides("AGE-SECRET-KEY-1")
}

/// Every command that must open the file.
const OPENING: [&[&str]; 8] = [
    &["secrets", "get", "STRIPE_SECRET_KEY"],
    &["secrets", "export"],
    &["secrets", "exec", "--", "true"],
    &["secrets", "decrypt", PROD],
    &["secrets", "edit"],
    &["secrets", "set", "STRIPE_SECRET_KEY"],
    &["secrets", "unset", "STRIPE_SECRET_KEY"],
    &["secrets", "rotate"],
];

#[track_caller]
fn every_opening_command(sandbox: &Sandbox, person: &Person, code: i32) {
    for args in OPENING {
        harmless(sandbox, || person.stax_with(args, "canary-new\n"))
            .exits(code)
            .one_error()
            .hides("canary-new");
    }
}

#[test]
fn without_a_key_every_opening_command_says_so() {
    let sandbox = Sandbox::with_store();
    every_opening_command(&sandbox, &sandbox.keyless(), 3);
    let output = sandbox
        .keyless()
        .get("PORT")
        .says("no identity opens")
        .says(PROD);
    output.says("hint: ").says("keygen");
}

#[test]
fn with_the_wrong_key_the_tried_source_and_the_readers_are_named() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    let key = ravi.key();
    every_opening_command(&sandbox, &ravi, 3);
    let named = ravi.keyless().with("SOPS_AGE_KEY_FILE", ravi.key_file());
    let output = harmless(&sandbox, || named.get("STRIPE_SECRET_KEY"))
        .exits(3)
        .one_error();
    let output = output.says(&format!("error: no identity opens {PROD} (production)\n"));
    let output = output
        .says(&format!("tried: {key} from SOPS_AGE_KEY_FILE="))
        .says("readable by: Ana Silva");
    output.says(&format!(
        "stax secrets add-recipient {key} -e production --name"
    ));
}

#[test]
fn a_broken_identity_source_is_named() {
    let sandbox = Sandbox::with_store();
    let person = sandbox.keyless();
    let table = [
        ("SOPS_AGE_KEY", "AGE-SECRET-KEY-1QQQQQQ"),
        ("SOPS_AGE_KEY_FILE", "/no/such/file"),
        ("SOPS_AGE_KEY_CMD", "false"),
        ("SOPS_AGE_KEY_CMD", "no-such-command"),
        ("SOPS_AGE_KEY_CMD", "'unclosed"),
    ];
    for (name, value) in table {
        let person = person.with(name, value);
        harmless(&sandbox, || person.get("PORT"))
            .exits(3)
            .one_error()
            .says(name)
            .hides("1QQQQQQ");
    }
}

/// What happens to the file, how the opening commands end.
const DAMAGE: [(&str, &str, i32); 8] = [
    (
        "truncated in a value",
        "head -c 120 F > G; cat G > F; rm G",
        2,
    ),
    (
        "truncated in the metadata",
        "grep -v 'mac:\\|version:\\|lastmodified:' F > G; cat G > F; rm G",
        2,
    ),
    ("empty", ": > F", 2),
    ("not YAML", "echo '{' >> F", 2),
    ("not sops", "echo 'just: text' > F", 2),
    (
        "a value removed",
        "grep -v ^PORT: F > G; cat G > F; rm G",
        4,
    ),
    (
        "a value changed",
        "sed 's/^\\(PORT: ENC.AES256_.CM,data:\\)..../\\1AAAA/' F > G; cat G > F; rm G",
        4,
    ),
    ("mac removed", "grep -v ' mac:' F > G; cat G > F; rm G", 4),
];

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    for (what, script, code) in DAMAGE {
        let sandbox = Sandbox::with_store();
        sandbox
            .sh(&script.replace('F', PROD).replace('G', "scratch"))
            .ok();
        for args in OPENING {
            let run = || sandbox.stax_with(args, "canary-new\n");
            let output = harmless(&sandbox, run).exits(code).one_error();
            assert!(
                output.stderr.contains("prod.enc.yaml"),
                "{what}: which file?\n{output}"
            );
        }
        harmless(&sandbox, || sandbox.stax(["secrets", "verify"])).exits(1);
        harmless(&sandbox, || sandbox.stax(["secrets", "status"])).exits_with_one_of(&[0, 1]);
    }
}

#[test]
fn a_mac_error_shows_neither_hash() {
    let sandbox = Sandbox::with_store();
    sandbox
        .sh(&format!(
            "grep -v ^PORT: {PROD} > scratch; cat scratch > {PROD}"
        ))
        .ok();
    let output = sandbox
        .stax(["secrets", "decrypt", PROD])
        .exits(4)
        .one_error()
        .says("MAC");
    let long = output
        .stderr
        .split(|c: char| !c.is_ascii_hexdigit())
        .any(|word| word.len() >= 64);
    assert!(!long, "{output}");
}

#[test]
fn outside_a_repository_the_reason_is_said() {
    let sandbox = Sandbox::without_git();
    sandbox.key();
    for args in [
        ["secrets", "list"],
        ["secrets", "recipients"],
        ["secrets", "install"],
        ["secrets", "verify"],
    ] {
        sandbox
            .stax(args)
            .exits(2)
            .one_error()
            .says("git repository");
    }
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .exits(2)
        .one_error()
        .says("git repository");
}

#[test]
fn before_init_the_next_step_is_said() {
    let sandbox = Sandbox::new();
    sandbox.key();
    sandbox
        .get("PORT")
        .exits(2)
        .one_error()
        .says("stax secrets init");
}

#[test]
fn an_unknown_environment_is_refused_and_the_known_are_named() {
    let sandbox = Sandbox::with_store();
    for args in [
        ["secrets", "get", "PORT", "-e", "prodution"],
        ["secrets", "unset", "PORT", "-e", "prodution"],
    ] {
        harmless(&sandbox, || sandbox.stax(args))
            .exits(2)
            .one_error()
            .says("prodution")
            .says("production");
    }
    for name in ["../x", "a/b", "", ".hidden", "a\nb", "-e"] {
        sandbox
            .stax(["secrets", "init", &format!("--env={name}")])
            .exits(2);
    }
    sandbox
        .git(["status", "--porcelain"])
        .ok()
        .prints_exactly("");
}

#[test]
fn a_key_that_is_no_variable_name_is_refused_in_one_line() {
    let sandbox = Sandbox::with_store();
    for name in [
        "A\nB",
        "A B",
        "1A",
        "",
        "é",
        "A=B",
        "sops",
        "sops_mac",
        "A\u{1b}[2J",
        "\u{202e}A",
    ] {
        let output = harmless(&sandbox, || {
            sandbox.stax_with(["secrets", "set", "--", name], "x\n")
        });
        output
            .exits(2)
            .one_error()
            .hides("\u{1b}")
            .hides("\u{202e}")
            .hides("A\nB");
    }
    let long = "A".repeat(5000);
    harmless(&sandbox, || sandbox.set(&long, "x"))
        .exits(2)
        .one_error();
}

#[test]
fn a_value_that_cannot_be_carried_is_refused() {
    let sandbox = Sandbox::with_store();
    let table: [(&str, &[u8], &str); 3] = [
        ("NUL", b"canary\0value", "NUL"),
        ("not UTF-8", b"canary\xff\xfe", "UTF-8"),
        ("too long", &[b'x'; 70_000], "KiB"),
    ];
    for (what, value, phrase) in table {
        let run = || sandbox.stax_with(["secrets", "set", "STRIPE_SECRET_KEY"], value);
        let output = harmless(&sandbox, run).exits(2).one_error().hides("canary");
        assert!(
            output.stderr.contains(phrase),
            "{what}: expected {phrase:?}\n{output}"
        );
    }
    for (kind, value) in [
        ("int", "5x"),
        ("int", "1.5"),
        ("bool", "perhaps"),
        ("float", "canary"),
    ] {
        let run = || sandbox.set_typed("NEW", value, kind);
        harmless(&sandbox, run)
            .exits(2)
            .one_error()
            .says(kind)
            .hides("canary");
    }
}

#[test]
fn a_broken_policy_or_binding_is_named_with_its_line() {
    let table = [
        (".sops.yaml", "creation_rules: [\n", ".sops.yaml"),
        (
            ".sops.yaml",
            "creation_rules:\n  - path_regexp: x\n    age: age1x\n",
            "path_regex",
        ),
        (".stax/vault.json", "{", "vault.json"),
        (
            ".stax/vault.json",
            "{\"version\": 3}",
            "version 3 needs a newer stax",
        ),
        (
            ".stax/vault.json",
            "{\"version\": 1, \"backend\": \"sops-age\", \"files\": [{\"path\": \"../x.yaml\", \"env\": \"p\"}]}",
            "../x.yaml",
        ),
    ];
    for (file, text, phrase) in table {
        let sandbox = Sandbox::with_store();
        sandbox.write(file, text);
        harmless(&sandbox, || sandbox.stax(["secrets", "rotate"]))
            .exits(2)
            .one_error()
            .says(phrase);
    }
}

#[test]
fn a_missing_or_strange_file_is_refused() {
    let sandbox = Sandbox::with_store();
    std::fs::create_dir(sandbox.path("folder.yaml")).expect("a folder");
    for (file, name) in [
        ("no-such.yaml", "no-such.yaml"),
        ("folder.yaml", "folder.yaml"),
        ("/etc/hostname", "hostname"),
    ] {
        harmless(&sandbox, || sandbox.stax(["secrets", "decrypt", file]))
            .exits(2)
            .one_error()
            .says(name);
    }
}

#[test]
fn wrong_usage_is_code_two() {
    let sandbox = Sandbox::with_store();
    let table: [&[&str]; 5] = [
        &["secrets"],
        &["secrets", "sett", "A"],
        &["secrets", "get"],
        &["secrets", "init", "--env", "production", "--format", "toml"],
        &["secrets", "export", "--format", "fish"],
    ];
    for args in table {
        harmless(&sandbox, || sandbox.stax(args))
            .exits(2)
            .hides("panicked");
    }
    sandbox.stax(["--help"]).ok().prints("secrets");
    sandbox
        .stax(["secrets", "--help"])
        .ok()
        .prints("add-recipient");
    sandbox.stax(["--version"]).ok().prints("stax ");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let sandbox = Sandbox::with_store();
    let output = sandbox
        .sh("stax secrets export | head -c 1 >/dev/null; stax secrets list | true")
        .ok();
    output.hides("panicked").hides("Broken pipe");
}

#[test]
fn a_read_only_folder_keeps_the_old_file() {
    let sandbox = Sandbox::with_store();
    let root = sandbox.sh("id -u").stdout.trim() == "0";
    sandbox.sh("chmod 500 infra/secrets").ok();
    let output = harmless(&sandbox, || sandbox.stax(["secrets", "list"]));
    output.ok();
    if !root {
        harmless(&sandbox, || sandbox.set("PORT", "1"))
            .fails()
            .one_error();
    }
    sandbox.sh("chmod 700 infra/secrets").ok();
}
