//! The way out of a MAC that no longer holds: `stax secrets reseal`, and what `verify` says before
//! and after.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rexpect::session::spawn_command;

use crate::support::{Output, Person, Sandbox};

const FILE: &str = "u.yaml";
const TEXT: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: old\n  labels: {tier: db}\n\
                    stringData:\n  a: one\n  b: \"7\"\n  many:\n    - x\n    - y\n";

/// A manifest of which sops encrypts `stringData` alone.
fn manifest() -> Sandbox {
    let sandbox = Sandbox::new();
    let rule = format!(
        "creation_rules:\n  - encrypted_regex: ^stringData$\n    age: {}\n",
        sandbox.key()
    );
    sandbox.write(".sops.yaml", rule);
    sandbox.write(FILE, TEXT);
    sandbox.sops(["encrypt", "-i", FILE]).ok();
    sandbox.commit_all("base");
    sandbox
}

/// Changes the file by hand and commits it.
#[track_caller]
fn by_hand(sandbox: &Person, change: &dyn Fn(&str) -> String) {
    let text = sandbox.read(FILE);
    let changed = change(&text);
    assert_ne!(changed, text);
    sandbox.write(FILE, changed);
    sandbox
        .git(["commit", "--quiet", "--no-verify", "--all", "-m", "by hand"])
        .ok();
}

fn range(person: &Person, range: &str) -> Output {
    person
        .keyless()
        .stax(["secrets", "verify", "--keyless", "--range", range])
}

/// What the finding says to type.
#[track_caller]
fn fix(output: &Output) -> String {
    let line = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("  fix: "))
        .expect("a fix");
    line.split("   (").next().unwrap_or_default().to_owned()
}

#[test]
fn an_unencrypted_value_changed_by_hand_is_accepted_by_name() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    sandbox.sops(["decrypt", FILE]).exits(51);
    let found = range(&sandbox, "HEAD~1..HEAD").ok();
    let found = found
        .prints("warning[D11 mac-unchanged]")
        .prints("unencrypted `metadata.name` changed under the old MAC");
    let command = fix(&found);
    assert_eq!(command, "stax secrets reseal u.yaml --accept metadata.name");
    sandbox
        .sh(&command)
        .ok()
        .prints("~ metadata.name: \"old\" → \"new\"");
    sandbox
        .sops(["decrypt", FILE])
        .ok()
        .prints("name: new")
        .prints("a: one");
    sandbox.commit_all("a new MAC");
    range(&sandbox, "HEAD~2..HEAD")
        .ok()
        .prints("notice[D11 mac-unchanged]")
        .prints("a later commit made a new MAC");
    range(&sandbox, "HEAD~1..HEAD").ok().hides("D11");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn without_a_terminal_the_line_to_type_is_printed_and_nothing_is_written() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| {
        text.replace("name: old", "name: new")
            .replace("tier: db", "tier: web")
    });
    let before = sandbox.read(FILE);
    let refused = sandbox
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .exits(2);
    let line = "stax secrets reseal u.yaml --accept metadata.labels.tier metadata.name";
    refused
        .says("nobody has accepted 1 unencrypted value")
        .says(line);
    sandbox
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.nam"])
        .exits(2)
        .says("--accept metadata.nam:");
    sandbox
        .stax(["secrets", "reseal", FILE, "--dry-run"])
        .ok()
        .prints("→ \"new\"")
        .prints("→ \"web\"");
    assert_eq!(sandbox.read(FILE), before);
    sandbox.sh(line).ok();
    sandbox.sops(["decrypt", FILE]).ok();
    sandbox.commit_all("a new MAC");
    // as sops spells it, and once more
    by_hand(&sandbox, &|text| text.replace("name: new", "name: newer"));
    sandbox
        .stax([
            "secrets",
            "reseal",
            FILE,
            "--accept",
            r#"["metadata"]["name"]"#,
        ])
        .ok();
    sandbox
        .stax(["secrets", "reseal", FILE])
        .ok()
        .says("nothing to do");
}

#[test]
fn a_file_in_a_folder_is_named_as_it_was_typed() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    sandbox.write("deep/x", "");
    let there = sandbox.at(sandbox.path("deep"));
    there
        .stax(["secrets", "reseal", "../u.yaml"])
        .exits(2)
        .says("reseal ../u.yaml --accept metadata.name");
}

#[test]
fn another_order_needs_no_answer() {
    let sandbox = manifest();
    let swap = |text: &str| {
        text.replacen(
            "apiVersion: v1\nkind: Secret\n",
            "kind: Secret\napiVersion: v1\n",
            1,
        )
    };
    by_hand(&sandbox, &swap);
    sandbox.sops(["decrypt", FILE]).exits(51);
    let found = range(&sandbox, "HEAD~1..HEAD").ok();
    let found = found
        .prints("warning[D11 mac-unchanged]: the values are")
        .prints("in another order under the old MAC");
    let command = fix(&found);
    assert_eq!(command, "stax secrets reseal u.yaml");
    sandbox
        .sh(&command)
        .ok()
        .prints("the values are in another order");
    sandbox.sops(["decrypt", FILE]).ok();
}

#[test]
fn a_formatter_is_told_from_a_change() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| {
        text.replace("name: old", "name: |\n        old")
    });
    range(&sandbox, "HEAD~1..HEAD")
        .prints("unencrypted `metadata.name` was reformatted under the old MAC");
    let other_quotes = |text: &str| {
        text.replace("kind: Secret", "kind: \"Secret\"")
            .replace("    version: 3", "\n    version: 3")
    };
    by_hand(&sandbox, &other_quotes);
    range(&sandbox, "HEAD~1..HEAD").ok().hides("D11");
    sandbox
        .stax(["secrets", "diff", "HEAD~1"])
        .hides("other metadata");
}

#[test]
fn what_was_deleted_is_called_deleted() {
    let sandbox = manifest();
    let without_b = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("b: ENC["))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    by_hand(&sandbox, &without_b);
    let found = range(&sandbox, "HEAD~1..HEAD").exits(1);
    let found = found
        .prints("error[D11 mac-unchanged]")
        .prints("`stringData.b` was deleted without the data key")
        .hides("`stringData.b` changed");
    assert!(fix(&found).starts_with("git log -p -- u.yaml"), "{found}");
}

#[test]
fn a_new_mac_heals_no_change_of_an_encrypted_value() {
    let sandbox = manifest();
    let before = sandbox.read(FILE);
    by_hand(&sandbox, &|text| {
        text.lines()
            .filter(|line| !line.contains("b: ENC["))
            .map(|line| format!("{line}\n"))
            .collect()
    });
    sandbox.write(FILE, before);
    sandbox
        .stax_with(["secrets", "set", "stringData.a", "-f", FILE], "three")
        .ok();
    sandbox.commit_all("repaired");
    range(&sandbox, "HEAD~2..HEAD")
        .exits(1)
        .prints("error[D11 mac-unchanged]");
}

/// Nothing is written, the exit is 4, and this is why.
#[track_caller]
fn refuses(sandbox: &Person, change: &dyn Fn(&str) -> String, why: &str) {
    let kept = sandbox.read(FILE);
    by_hand(sandbox, change);
    let before = sandbox.read(FILE);
    sandbox
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .exits(4)
        .one_error()
        .says(why);
    assert_eq!(sandbox.read(FILE), before);
    sandbox.write(FILE, kept);
}

fn token(text: &str, key: &str) -> String {
    let lead = format!("{key}: ");
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(&lead))
        .expect("the token");
    line.to_owned()
}

#[test]
fn a_token_that_is_not_what_it_was_is_never_sealed() {
    let sandbox = manifest();
    let with_name = |text: String| text.replace("name: old", "name: new");
    let moved = |text: &str| with_name(text.replace(&token(text, "b"), &token(text, "a")));
    refuses(&sandbox, &moved, "`stringData.b`");
    let dropped =
        |text: &str| with_name(text.replace(&format!("    b: {}\n", token(text, "b")), ""));
    refuses(
        &sandbox,
        &dropped,
        "`stringData.b` was encrypted and is gone",
    );
    let retyped = |text: &str| {
        with_name(text.replace(
            &token(text, "b"),
            &token(text, "b").replace("type:str", "type:int"),
        ))
    };
    refuses(&sandbox, &retyped, "`stringData.b` has another type");
    let swapped = |text: &str| {
        let items: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_start().starts_with("- ENC["))
            .collect();
        with_name(
            text.replace(items[0], "FIRST")
                .replace(items[1], items[0])
                .replace("FIRST", items[1]),
        )
    };
    refuses(
        &sandbox,
        &swapped,
        "`stringData.many[0]` has another encrypted value",
    );
    let plaintext = |text: &str| with_name(text.replace(&token(text, "b"), "two"));
    refuses(&sandbox, &plaintext, "`stringData.b`");
    let other_rule = |text: &str| {
        with_name(text.replace(
            "encrypted_regex: ^stringData$",
            "encrypted_regex: ^(stringData|x)$",
        ))
    };
    refuses(&sandbox, &other_rule, "another rule than in");
    let uncovered = |text: &str| {
        with_name(text.replace(
            "    encrypted_regex",
            "    mac_only_encrypted: true\n    encrypted_regex",
        ))
    };
    refuses(&sandbox, &uncovered, "another rule than in");
    let no_mac =
        |text: &str| with_name(text.replace(&format!("    mac: {}\n", token(text, "mac")), ""));
    refuses(&sandbox, &no_mac, "MAC is missing");
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    sandbox
        .keyless()
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .exits(3)
        .one_error();
}

#[test]
fn without_an_earlier_version_nothing_is_sealed_and_that_is_said() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    let look = |person: &Person, why: &str| {
        let refused = person
            .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
            .exits(2)
            .one_error();
        refused
            .says("could not look at an earlier version")
            .says(why);
    };
    sandbox
        .git([
            "clone",
            "--quiet",
            "--depth",
            "1",
            &format!("file://{}", sandbox.dir.display()),
            "../shallow",
        ])
        .ok();
    let shallow = sandbox.at(sandbox.path("../shallow"));
    look(&shallow, "git fetch --unshallow");
    shallow.git(["fetch", "--quiet", "--unshallow"]).ok();
    shallow
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .ok();
    sandbox.git(["rm", "--quiet", "--cached", FILE]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "--amend", "-m", "gone"])
        .ok();
    sandbox
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .ok();
    let alone = sandbox.at(sandbox.path("../alone"));
    fs::create_dir(&alone.dir).expect("a folder");
    alone.write(FILE, shallow.read(FILE).replace("name: new", "name: newer"));
    look(&alone, "no git repository");
    alone.git(["init", "--quiet"]).ok();
    look(&alone, "git has no version of it");
}

#[test]
fn what_is_staged_counts_as_an_earlier_version() {
    let sandbox = manifest();
    sandbox
        .stax_with(["secrets", "set", "stringData.a", "-f", FILE], "three")
        .ok();
    sandbox.git(["add", FILE]).ok();
    sandbox.write(FILE, sandbox.read(FILE).replace("name: old", "name: new"));
    sandbox
        .stax(["secrets", "reseal", FILE, "--accept", "metadata.name"])
        .ok()
        .prints("against the index");
    sandbox
        .sops(["decrypt", FILE])
        .ok()
        .prints("a: three")
        .prints("name: new");
}

#[test]
fn a_renamed_file_is_compared_with_what_it_was() {
    let sandbox = manifest();
    sandbox.git(["mv", FILE, "v.yaml"]).ok();
    sandbox.write(
        "v.yaml",
        sandbox.read("v.yaml").replace("name: old", "name: new"),
    );
    sandbox
        .git(["commit", "--quiet", "--no-verify", "--all", "-m", "moved"])
        .ok();
    sandbox
        .stax(["secrets", "reseal", "v.yaml", "--accept", "metadata.name"])
        .ok();
}

#[test]
fn a_folder_that_takes_no_file_leaves_it_as_it_was() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    let before = sandbox.read(FILE);
    fs::set_permissions(&sandbox.dir, fs::Permissions::from_mode(0o500)).expect("a mode");
    let output = sandbox.stax(["secrets", "reseal", FILE, "--accept", "metadata.name"]);
    fs::set_permissions(&sandbox.dir, fs::Permissions::from_mode(0o700)).expect("a mode");
    // root writes everywhere
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        output.ok();
    } else {
        output.exits(2).one_error();
        assert_eq!(sandbox.read(FILE), before);
    }
}

#[test]
fn more_values_than_fit_a_line_are_left_to_the_question() {
    let sandbox = manifest();
    let many: String = (0..21).map(|number| format!("k{number}: v\n")).collect();
    by_hand(&sandbox, &|text| format!("{many}{text}"));
    assert_eq!(
        fix(&range(&sandbox, "HEAD~1..HEAD")),
        "stax secrets reseal u.yaml"
    );
}

#[test]
fn the_other_formats_are_sealed_anew_as_well() {
    let sandbox = manifest();
    for (path, text, from, to) in [
        (
            "a.json",
            "{\"x_unencrypted\": \"old\", \"b\": \"two\"}\n",
            "\"old\"",
            "\"new\"",
        ),
        ("a.env", "x_unencrypted=old\nb=two\n", "=old", "=new"),
        (
            "a.ini",
            "[s]\nx_unencrypted = old\nb = two\n",
            "= old",
            "= new",
        ),
    ] {
        sandbox.write(path, text);
        sandbox
            .sops([
                "--config",
                "/dev/null",
                "encrypt",
                "--age",
                &sandbox.key(),
                "-i",
                path,
            ])
            .ok();
        sandbox.commit_all("base");
        sandbox.write(path, sandbox.read(path).replacen(from, to, 1));
        sandbox
            .git(["commit", "--quiet", "--no-verify", "--all", "-m", "by hand"])
            .ok();
        let command = fix(&range(&sandbox, "HEAD~1..HEAD"));
        sandbox.sh(&command).ok();
        sandbox.sops(["decrypt", path]).ok().prints("new");
    }
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| text.replace("name: old", "name: new"));
    let before = sandbox.read(FILE);
    let ask = || {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_stax"));
        command.args(["secrets", "reseal", FILE]);
        let mut terminal = spawn_command(command, Some(20_000)).expect("a terminal");
        terminal
            .exp_string("make a new MAC for u.yaml with 1 unencrypted value as shown?")
            .expect("it asks");
        terminal
    };
    let mut terminal = ask();
    terminal.send_control('c').expect("Ctrl-C");
    terminal.exp_eof().expect("it ends");
    assert_eq!(sandbox.read(FILE), before);
    let mut terminal = ask();
    terminal.send_line("").expect("Enter");
    terminal
        .exp_string("nothing was changed")
        .expect("no is the default");
    terminal.exp_eof().expect("it ends");
    assert_eq!(sandbox.read(FILE), before);
    let mut terminal = ask();
    terminal.send_line("y").expect("yes");
    terminal
        .exp_string("new MAC over 1 changed unencrypted value")
        .expect("it is done");
    terminal.exp_eof().expect("it ends");
    sandbox.sops(["decrypt", FILE]).ok().prints("name: new");
}

/// What its own rule wants encrypted is no value to accept: sealing it makes a new MAC, too.
#[test]
fn plaintext_where_a_token_belongs_leads_to_encrypt() {
    let sandbox = manifest();
    by_hand(&sandbox, &|text| {
        text.replace("stringData:\n", "stringData:\n    new: plain\n")
    });
    let output = range(&sandbox, "HEAD~..HEAD").exits(1);
    output
        .prints("D11")
        .prints("fix: stax secrets encrypt -i u.yaml")
        .hides("stax secrets reseal");
    sandbox.stax(["secrets", "encrypt", "-i", FILE]).ok();
    sandbox.sops(["decrypt", FILE]).ok().prints("new: plain");
    sandbox.commit_all("sealed");
    range(&sandbox, "HEAD~..HEAD").ok();
}
