//! Who can read: people come, people go, and who went cannot read what is written later.

use serde_json::Value;

use crate::support::{CANARY, PROD, Person, Sandbox, graft};

const LATER: &str = "canary-after-the-removal";
const RAVI: &str = "Ravi <ravi@example.com>";

/// A committed store that Ana and Ravi read; Ravi has a clone.
fn with_ravi() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    sandbox.add_recipient(&ravi, RAVI, "engineer").ok();
    sandbox.commit_all("chore(secrets): add Ravi");
    let ravi = sandbox.clone_for("ravi");
    (sandbox, ravi)
}

/// All objects of a JSON document that have a `name`.
fn named(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(map) if map.contains_key("name") => vec![value],
        Value::Object(map) => map.values().flat_map(named).collect(),
        Value::Array(items) => items.iter().flat_map(named).collect(),
        _ => Vec::new(),
    }
}

/// Policy, roster and file: what changes together or not at all.
fn access(sandbox: &Sandbox) -> Vec<String> {
    [".sops.yaml", "infra/secrets/recipients.md", PROD]
        .map(|file| sandbox.read(file))
        .into()
}

#[test]
fn a_teammate_is_added_and_reads() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    ravi.key();
    ravi.get("STRIPE_SECRET_KEY")
        .exits(3)
        .one_error()
        .hides(CANARY);
    let output = sandbox.add_recipient(&ravi, RAVI, "engineer").ok();
    output
        .shows("git commit -m")
        .shows("older version")
        .hides(CANARY);
    ravi.get("STRIPE_SECRET_KEY")
        .ok()
        .prints_exactly(format!("{CANARY}\n"));
    ravi.sops(["decrypt", PROD]).ok().prints(CANARY);
    sandbox.commit_all("chore(secrets): add Ravi");
    sandbox.stax(["secrets", "verify"]).ok();
    let ravi = sandbox.clone_for("ravi");
    ravi.stax(["secrets", "install"]).ok();
    ravi.set("FROM_RAVI", "canary-ravi").ok();
    ravi.commit_all("Ravi adds a value");
    ravi.git(["show"]).ok().prints("+FROM_RAVI: canary-ravi");
}

#[test]
fn adding_keeps_the_data_key_and_every_value() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.read(PROD);
    sandbox
        .add_recipient(&sandbox.person("ravi"), RAVI, "engineer")
        .ok();
    let tokens = |text: &str| {
        text.lines()
            .take_while(|l| *l != "sops:")
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(tokens(&before), tokens(&sandbox.read(PROD)));
}

#[test]
fn adding_with_rotation_hides_the_older_versions() {
    let sandbox = Sandbox::with_store();
    let (old, ravi) = (sandbox.read(PROD), sandbox.person("ravi"));
    let args = [
        "secrets",
        "add-recipient",
        &ravi.key(),
        "--name",
        RAVI,
        "--role",
        "engineer",
        "--rotate",
    ];
    sandbox.stax(args).ok();
    let new = sandbox.read(PROD);
    ravi.sops(["decrypt", PROD]).ok().prints(CANARY);
    sandbox.write("forged.yaml", graft(&old, &new));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"])
        .exits(25)
        .hides(CANARY);
}

#[test]
fn the_removed_cannot_read_the_new_version_even_with_the_data_key_saved_before() {
    let (sandbox, ravi) = with_ravi();
    let old = ravi.read(PROD);
    // the control: under the same data key the forgery opens
    sandbox.set("LATER", "canary-control").ok();
    ravi.write("forged.yaml", graft(&sandbox.read(PROD), &old));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"])
        .ok()
        .prints("canary-control");

    let output = sandbox
        .stax(["secrets", "remove-recipient", "ravi"])
        .ok()
        .shows("new data key");
    let output = output
        .shows("checked: the old data key opens")
        .hides(CANARY);
    for key in ["DATABASE_URL", "STRIPE_SECRET_KEY", "PORT", "LATER"] {
        assert!(
            output.stdout.contains(key),
            "the checklist misses {key}\n{output}"
        );
    }
    sandbox.set("LATER", LATER).ok();
    sandbox.commit_all("chore(secrets): remove Ravi");

    ravi.write("forged.yaml", graft(&sandbox.read(PROD), &old));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"])
        .exits(25)
        .hides("canary");
    ravi.stax(["secrets", "decrypt", "forged.yaml"])
        .exits(4)
        .one_error()
        .hides("canary");
    ravi.git(["pull", "--quiet"]).ok();
    ravi.get("LATER").exits(3).one_error().hides(LATER);
    ravi.sops(["decrypt", PROD]).exits(128).hides("canary");
    ravi.stax(["secrets", "install"]).ok();
    // what he could read before he still can; what came after he cannot
    ravi.git(["show"]).ok().hides(LATER);
    sandbox
        .get("LATER")
        .ok()
        .prints_exactly(format!("{LATER}\n"));
    sandbox.sops(["decrypt", PROD]).ok().prints(LATER);
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn rotation_changes_every_token_and_no_value() {
    let (sandbox, _) = with_ravi();
    let before = sandbox.read(PROD);
    let values = sandbox.sops(["decrypt", PROD]).ok().stdout;
    sandbox.stax(["secrets", "rotate"]).ok().hides(CANARY);
    let after = sandbox.read(PROD);
    for line in before.lines().filter(|line| line.contains("ENC[")) {
        let iv = &line[line.find(",iv:").expect("an iv")..line.find(",tag:").expect("a tag")];
        assert!(!after.contains(iv), "an iv was kept: {line}");
    }
    sandbox.sops(["decrypt", PROD]).ok().prints_exactly(values);
    sandbox.person("ravi").sops(["decrypt", PROD]).ok();
}

#[test]
fn recipients_are_listed_as_a_table_and_as_json() {
    let (sandbox, ravi) = with_ravi();
    let today = sandbox
        .sh("TZ=UTC git log -1 --format=%ad --date=format-local:%Y-%m-%d")
        .ok()
        .stdout;
    let table = sandbox.stax(["secrets", "recipients"]).ok();
    table
        .prints(&ravi.key())
        .prints("Ravi")
        .prints("engineer")
        .prints(today.trim())
        .prints("Ana Silva");
    let json = sandbox
        .stax(["secrets", "recipients", "--json"])
        .ok()
        .json();
    let people = named(&json);
    assert_eq!(people.len(), 2, "{json}");
    let found = people
        .iter()
        .find(|person| person["key"] == ravi.key())
        .expect("Ravi's key");
    assert_eq!(
        (&found["name"], &found["role"]),
        (&RAVI.into(), &"engineer".into()),
        "{json}"
    );
    assert_eq!(found["onboarded"], today.trim(), "{json}");
    let roster = sandbox.read("infra/secrets/recipients.md");
    assert!(
        roster.contains("| Public key | Name | Role | Onboarded |"),
        "{roster}"
    );
    assert!(roster.contains(&ravi.key()), "{roster}");
}

#[test]
fn strange_names_survive_the_table() {
    for name in [
        "A|B",
        r"back\slash \| both",
        "<b>bold</b>",
        "`code`",
        "名前 🔑",
        "a  b",
        "| --- |",
    ] {
        let sandbox = Sandbox::with_store();
        let ravi = sandbox.person("ravi");
        sandbox.add_recipient(&ravi, name, "on|call").ok();
        let json = sandbox
            .stax(["secrets", "recipients", "--json"])
            .ok()
            .json();
        let people = named(&json);
        assert_eq!(people.len(), 2, "{name}: {json}");
        assert!(
            people
                .iter()
                .any(|person| person["name"] == name && person["role"] == "on|call"),
            "{json}"
        );
        sandbox.commit_all("a strange name");
        sandbox.stax(["secrets", "verify"]).ok();
        sandbox
            .stax(["secrets", "recipients"])
            .ok()
            .hides("\u{202e}");
        sandbox
            .stax(["secrets", "remove-recipient", &ravi.key()])
            .ok();
        let people = sandbox
            .stax(["secrets", "recipients", "--json"])
            .ok()
            .json();
        assert_eq!(named(&people).len(), 1, "{name}: {people}");
    }
}

#[test]
fn a_name_with_a_line_break_is_refused() {
    for name in [
        "Ravi\n| age1x | Mallory | owner | 2020-01-01 |",
        "Ravi\r",
        "a\u{1b}[2Jb",
        "\u{202e}evil",
    ] {
        let sandbox = Sandbox::with_store();
        let before = access(&sandbox);
        sandbox
            .add_recipient(&sandbox.person("ravi"), name, "engineer")
            .exits(2)
            .one_error()
            .hides("\u{1b}");
        assert_eq!(before, access(&sandbox));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_never_passed_over() {
    let (sandbox, _) = with_ravi();
    let text = sandbox.read(PROD);
    sandbox.write(PROD, format!("PORT: \"\"\n{text}"));
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "a duplicate key"])
        .ok();
    let before = access(&sandbox);
    let output = sandbox
        .stax(["secrets", "remove-recipient", "ravi"])
        .exits(1);
    output
        .prints(&format!("✗ {PROD}: cannot be read: line 4: duplicate key"))
        .says("nothing was written");
    assert_eq!(before, access(&sandbox));
}

#[test]
fn adding_twice_changes_nothing_the_second_time() {
    let (sandbox, _) = with_ravi();
    let before = access(&sandbox);
    sandbox
        .add_recipient(&sandbox.person("ravi"), RAVI, "engineer")
        .ok();
    assert_eq!(before, access(&sandbox));
}

#[test]
fn a_half_done_addition_is_finished() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    sandbox.add_to_policy_only(&sandbox.key(), &ravi.key());
    sandbox.add_recipient(&ravi, RAVI, "engineer").ok();
    ravi.get("STRIPE_SECRET_KEY").ok();
    sandbox.commit_all("finished");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn a_removal_begun_with_updatekeys_is_finished_with_a_new_data_key() {
    let (sandbox, ravi) = with_ravi();
    let (old, with_both) = (ravi.read(PROD), sandbox.read(".sops.yaml"));
    let key = ravi.key();
    let without = with_both
        .lines()
        .filter(|line| line.trim() != format!("- {key}"))
        .collect::<Vec<_>>()
        .join("\n");
    let without = without
        .replace(&format!(",{key}"), "")
        .replace(&format!("{key},"), "");
    assert!(!without.contains(&key), "{without}");
    sandbox.write(".sops.yaml", without + "\n");
    sandbox.sops(["updatekeys", "-y", PROD]).ok();
    sandbox.stax(["secrets", "remove-recipient", &key]).ok();
    ravi.write("forged.yaml", graft(&sandbox.read(PROD), &old));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"])
        .exits(25)
        .hides("canary");
    sandbox.commit_all("removed");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn a_removal_leaves_one_file_to_others_and_does_the_rest() {
    let sandbox = Sandbox::new();
    let (ana, ravi, ci) = (sandbox.key(), sandbox.person("ravi"), sandbox.person("ci"));
    let policy = format!("creation_rules:\n  - age: {ana},{}\n", ravi.key());
    sandbox.write(".sops.yaml", &policy);
    sandbox.write("a.yaml", "k: canary-1\n");
    sandbox.write("b/c.json", "{\"k\": \"canary-1\"}\n");
    sandbox.write("d.env", "k=canary-1\n");
    for name in ["a.yaml", "b/c.json", "d.env"] {
        sandbox.sops(["encrypt", "-i", name]).ok();
    }
    sandbox.commit_all("three files, one rule");
    sandbox.add_recipient(&ci, "CI", "ci").ok();
    for name in ["a.yaml", "b/c.json", "d.env"] {
        ci.sops(["decrypt", name]).ok().prints("canary-1");
    }
    sandbox.commit_all("add CI");

    // one file that Ana cannot open: a rotation is refused, a removal names it and does the rest
    sandbox
        .sops(["rotate", "-i", "--rm-age", &ana, "d.env"])
        .ok();
    let before = ["a.yaml", "b/c.json", "d.env", ".sops.yaml"].map(|file| sandbox.read(file));
    sandbox
        .stax(["secrets", "rotate"])
        .fails()
        .one_error()
        .says("d.env");
    assert_eq!(
        before,
        ["a.yaml", "b/c.json", "d.env", ".sops.yaml"].map(|file| sandbox.read(file))
    );
    sandbox
        .stax(["secrets", "remove-recipient", &ravi.key()])
        .exits(1)
        .prints("✗ d.env: ");
    for name in ["a.yaml", "b/c.json"] {
        ravi.sops(["decrypt", name]).exits(128);
        ci.sops(["decrypt", name]).ok().prints("canary-1");
    }
    assert_eq!(before[2], sandbox.read("d.env"));
}

#[test]
fn somebody_unknown_or_ambiguous_is_refused() {
    let (sandbox, _) = with_ravi();
    let before = access(&sandbox);
    for who in ["nobody", "age1", "", "@example.com"] {
        sandbox
            .stax(["secrets", "remove-recipient", who])
            .exits(2)
            .one_error();
    }
    for key in ["age1notakey", "AGE-SECRET-KEY-1QQQQ", "ssh-ed25519"] {
        let args = [
            "secrets",
            "add-recipient",
            key,
            "--name",
            "X",
            "--role",
            "y",
        ];
        sandbox
            .stax(args)
            .exits(2)
            .one_error()
            .hides("AGE-SECRET-KEY-1QQQQ");
    }
    assert_eq!(before, access(&sandbox));
}

#[test]
fn somebody_without_access_cannot_give_access() {
    let sandbox = Sandbox::with_store();
    let (ravi, before) = (sandbox.person("ravi"), access(&sandbox));
    ravi.add_recipient(&ravi, RAVI, "engineer")
        .exits(3)
        .one_error();
    assert_eq!(before, access(&sandbox));
}

#[test]
fn with_several_environments_one_must_be_named() {
    let sandbox = Sandbox::with_store();
    sandbox
        .stax(["secrets", "init", "--env", "development"])
        .ok();
    sandbox.commit_all("a second environment");
    let ravi = sandbox.person("ravi");
    sandbox
        .add_recipient(&ravi, RAVI, "engineer")
        .exits(2)
        .one_error()
        .says("-e");
    let key = ravi.key();
    let args = [
        "secrets",
        "add-recipient",
        &key,
        "--name",
        RAVI,
        "--role",
        "engineer",
        "-e",
        "development",
    ];
    sandbox.stax(args).ok();
    ravi.sops(["decrypt", "infra/secrets/dev.enc.yaml"]).ok();
    ravi.sops(["decrypt", PROD]).exits(128);
}

#[test]
fn a_row_is_written_and_nobody_reads_more() {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("bob reads");
    let table = "infra/secrets/recipients.md";
    let (policy, file) = (sandbox.read(".sops.yaml"), sandbox.read(PROD));
    let key = bob.key();
    let without: String = sandbox
        .read(table)
        .split_inclusive('\n')
        .filter(|line| !line.contains(&key))
        .collect();
    sandbox.write(table, without);
    let command = format!("stax secrets recipients --set {key}");
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints(&command);
    sandbox
        .stax(["secrets", "recipients", "--set", &key])
        .exits(2);
    sandbox
        .stax([
            "secrets",
            "recipients",
            "--set",
            &key,
            "--name",
            "Bob B",
            "--role",
            "sre",
        ])
        .ok();
    assert!(
        sandbox.read(table).contains("| Bob B | sre |"),
        "{}",
        sandbox.read(table)
    );
    sandbox
        .stax(["secrets", "recipients", "--set", "Bob B", "--name", "Bob"])
        .ok();
    assert!(
        sandbox.read(table).contains("| Bob | sre |"),
        "{}",
        sandbox.read(table)
    );
    assert_eq!(
        (sandbox.read(".sops.yaml"), sandbox.read(PROD)),
        (policy, file)
    );
    // whom nothing names gets no row
    let carol = sandbox.person("carol").key();
    sandbox
        .stax(["secrets", "recipients", "--set", &carol, "--name", "Carol"])
        .exits(2)
        .one_error();
}
