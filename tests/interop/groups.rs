//! A data key split over key groups, and keys of other kinds beside age.

use crate::support::{Person, Sandbox, fixture};

/// A vector and the two people who open it.
const VECTORS: [(&str, &str, &str); 3] = [
    ("y22-shamir-2of3.enc.yaml", "alice", "ci"),
    ("j10-shamir.enc.json", "bob", "ci"),
    ("d09-shamir.enc.env", "alice", "bob"),
];

pub fn secret(of: &str) -> String {
    std::fs::read_to_string(fixture("sops/keys").join(format!("{of}.txt"))).expect("a key")
}

pub fn public(of: &str) -> String {
    let text = secret(of);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .expect("a public key");
    line.to_owned()
}

/// Somebody with the keys of two people.
pub fn both(sandbox: &Sandbox, one: &str, other: &str) -> Person {
    sandbox.take_key(one);
    sandbox.with("SOPS_AGE_KEY", secret(other))
}

pub fn both_print(person: &Person, file: &str) -> String {
    let theirs = person.sops(["decrypt", file]).ok();
    person
        .stax(["secrets", "decrypt", file])
        .ok()
        .prints_exactly(&theirs.bytes);
    theirs.stdout
}

/// The lines that the data key and its readers stand on.
fn stanzas(text: &str) -> Vec<&str> {
    let is_changing = |line: &&str| {
        line.contains("ENC[") || line.contains("lastmodified") || line.contains("new")
    };
    text.lines().filter(|line| !is_changing(line)).collect()
}

const POLICY: &str = "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age:\n          - ALICE\n      - age:\n          - BOB\n      - age:\n          - CI\n";

/// A committed file of each format under a policy of three groups.
fn split_store() -> (Sandbox, Person, [&'static str; 6]) {
    let sandbox = Sandbox::new();
    let two = both(&sandbox, "alice", "bob");
    let policy = ["ALICE", "BOB", "CI"]
        .iter()
        .fold(POLICY.to_owned(), |text, name| {
            text.replace(name, &public(&name.to_lowercase()))
        });
    sandbox.write(".sops.yaml", policy);
    let files = ["a.yaml", "b.json", "c.env", "d.bin", "e.ini", "f.yaml"];
    for (file, text) in files.iter().zip([
        "k: v\n",
        "{\"k\": \"v\"}\n",
        "k=v\n",
        "v\n",
        "[s]\nk = v\n",
        "k: v\n---\nk: w\n",
    ]) {
        sandbox.write(file, text);
        two.sops(["encrypt", "-i", file]).ok();
    }
    sandbox.commit_all("a store of sops");
    (sandbox, two, files)
}

#[test]
fn two_of_three_groups_open_what_sops_split_and_one_does_not() {
    for (name, one, other) in VECTORS {
        let sandbox = Sandbox::new();
        sandbox.write(
            name,
            std::fs::read(fixture("sops").join(name)).expect("the document"),
        );
        let two = both(&sandbox, one, other);
        let expected = std::fs::read(fixture("sops").join(name.replace(".enc.", ".dec.")))
            .expect("what sops printed");
        two.stax(["secrets", "decrypt", name])
            .ok()
            .prints_exactly(expected);
        let alone = sandbox
            .stax(["secrets", "decrypt", name])
            .exits(3)
            .one_error();
        alone
            .says("no identity opens")
            .says("of 3 opened, and 2 are needed");
        let shown = two.stax(["git", "textconv", name]).ok();
        shown
            .prints("mac ok")
            .prints("#stax key groups: 2 of 3 give the data key");
        sandbox
            .stax(["git", "textconv", name])
            .ok()
            .prints("#stax data key unknown");
    }
}

#[test]
fn a_value_changes_and_the_key_groups_keep_every_byte() {
    for (name, one, other) in VECTORS {
        let sandbox = Sandbox::new();
        sandbox.write(
            name,
            std::fs::read(fixture("sops").join(name)).expect("the document"),
        );
        let two = both(&sandbox, one, other);
        let before = sandbox.read(name);
        two.stax_with(["secrets", "set", "-f", name, "new"], "value\n")
            .ok();
        assert_eq!(stanzas(&before), stanzas(&sandbox.read(name)), "{name}");
        assert!(both_print(&two, name).contains("value"), "{name}");
        two.sops(["set", name, r#"["new"]"#, r#""theirs""#]).ok();
        assert!(both_print(&two, name).contains("theirs"), "{name}");
        let editor = two.with(
            "EDITOR",
            sandbox.script("sed 's/theirs/edited/' \"$1\" > \"$0.new\"; cat \"$0.new\" > \"$1\""),
        );
        editor.stax(["secrets", "edit", "-f", name]).ok();
        assert!(both_print(&two, name).contains("edited"), "{name}");
    }
}

#[test]
fn parts_of_two_splits_are_told_apart_from_a_missing_key() {
    let (sandbox, two, _) = split_store();
    let one = sandbox.read("a.yaml");
    sandbox.write("other.yaml", "k: v\n");
    two.sops(["encrypt", "-i", "other.yaml"]).ok();
    let other = sandbox.read("other.yaml");
    let group = |text: &str| {
        let (_, rest) = text.split_once("- hc_vault: []\n").expect("a group");
        rest.split_once("        - hc_vault")
            .expect("a second group")
            .0
            .to_owned()
    };
    sandbox.write("a.yaml", one.replacen(&group(&one), &group(&other), 1));
    two.stax(["secrets", "decrypt", "a.yaml"])
        .exits(4)
        .one_error()
        .says("the parts of the data key in key groups 1, 2 do not belong together");
    two.sops(["decrypt", "a.yaml"]).exits(25);
    two.stax(["secrets", "verify", "a.yaml"])
        .exits(1)
        .prints("do not belong together");
    sandbox.write(
        "a.yaml",
        one.replace("shamir_threshold: 2", "shamir_threshold: 1"),
    );
    two.stax(["secrets", "decrypt", "a.yaml"])
        .exits(2)
        .one_error()
        .says("from 2 to 3");
}

#[test]
fn a_split_that_is_not_the_policys_is_a_finding_and_no_place_to_write() {
    let (sandbox, two, _) = split_store();
    let policy = sandbox.read(".sops.yaml");
    let flat = format!(
        "creation_rules:\n  - age:\n      - {}\n      - {}\n",
        public("alice"),
        public("bob")
    );
    let moved = policy
        .replace(&public("ci"), "CI")
        .replace(&public("bob"), &public("ci"))
        .replace("CI", &public("bob"));
    for changed in [
        policy.replace("shamir_threshold: 2", "shamir_threshold: 3"),
        moved,
        flat,
    ] {
        sandbox.write(".sops.yaml", changed);
        two.stax(["secrets", "verify"])
            .exits(1)
            .prints("K01 ")
            .prints("stax secrets updatekeys a.yaml");
        let set = two
            .stax_with(["secrets", "set", "-f", "a.yaml", "k"], "x\n")
            .exits(2)
            .one_error();
        set.says("other key groups")
            .says("stax secrets updatekeys a.yaml");
        two.stax(["secrets", "rotate"]).exits(2).one_error();
        both_print(&two, "a.yaml");
    }
}

#[test]
fn readers_of_key_groups_come_and_go_and_data_keys_turn() {
    let (sandbox, two, files) = split_store();
    let policy = sandbox.read(".sops.yaml");
    let carol = sandbox.person("carol");
    let key = carol.key();
    // in which group somebody stands is for the author to say
    two.stax(["secrets", "add-recipient", &key, "--name", "Carol"])
        .exits(2)
        .one_error()
        .says("key group");
    let bob = public("bob");
    sandbox.write(
        ".sops.yaml",
        policy.replace(
            &format!("          - {bob}\n"),
            &format!("          - {bob}\n          - {key}\n"),
        ),
    );
    two.stax(["secrets", "set", "-f", "a.yaml", "k", "--generate"])
        .exits(2)
        .one_error()
        .says("other key groups");
    two.stax(["secrets", "add-recipient", &key, "--name", "Carol"])
        .ok();
    let hers = carol.with("SOPS_AGE_KEY", secret("ci"));
    for file in files {
        both_print(&two, file);
        both_print(&hers, file);
        carol.stax(["secrets", "decrypt", file]).exits(3);
    }
    sandbox.commit_all("carol reads");
    // nobody here has a row in recipients.md; keys and values are in order
    two.stax(["secrets", "verify"])
        .ok()
        .prints("warning[R01")
        .hides("K0")
        .hides("C0");
    two.stax(["secrets", "rotate"]).ok();
    for file in files {
        both_print(&two, file);
        both_print(&hers, file);
    }
    sandbox.commit_all("rotated");
    two.stax(["secrets", "remove-recipient", &key]).ok();
    for file in files {
        both_print(&two, file);
        hers.stax(["secrets", "decrypt", file]).exits(3);
        hers.sops(["decrypt", file]).exits(128);
    }
    sandbox.commit_all("carol is gone");
    // nobody here has a row in recipients.md; keys and values are in order
    two.stax(["secrets", "verify"])
        .ok()
        .prints("warning[R01")
        .hides("K0")
        .hides("C0");
}

/// The lines of the metadata that are equal whenever a file is encrypted; an INI file has them in
/// any order.
fn lasting(text: &str) -> Vec<&str> {
    let names = [
        "recipient",
        "hc_vault",
        "shamir_threshold",
        "key_groups",
        "version",
    ];
    let is_lasting =
        |line: &&str| names.iter().any(|name| line.contains(name)) && !line.contains("BEGIN AGE");
    let mut lines: Vec<&str> = text.lines().filter(is_lasting).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_new_file_is_split_as_sops_splits_it() {
    let (sandbox, two, files) = split_store();
    for (file, text) in files.iter().zip([
        "k: v\n",
        "{\"k\": \"v\"}\n",
        "k=v\n",
        "v\n",
        "[s]\nk = v\n",
        "k: v\n---\nk: w\n",
    ]) {
        let of_sops = sandbox.read(file);
        sandbox.write(file, text);
        two.stax(["secrets", "encrypt", "-i", file]).ok();
        assert_eq!(lasting(&sandbox.read(file)), lasting(&of_sops), "{file}");
        both_print(&two, file);
        // both go on with what the other wrote
        sandbox.sops(["decrypt", file]).exits(128);
        two.sops(["rotate", "-i", file]).ok();
        both_print(&two, file);
        two.stax(["secrets", "rotate", file]).ok();
        both_print(&two, file);
    }
    two.stax(["secrets", "verify"]).ok().hides("K0").hides("C0");
}

#[test]
fn a_split_that_sops_cannot_make_is_refused_by_its_line() {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let groups = |head: &str, second: &str| {
        let (alice, bob) = (public("alice"), public("bob"));
        let second = second.replace("BOB", &bob);
        format!(
            "creation_rules:\n  - {head}key_groups:\n      - age: [{alice}]\n      - {second}\n"
        )
    };
    for (policy, what) in [
        (
            groups("shamir_threshold: 1\n    ", "age: [BOB]"),
            "not a number from 2 to 2",
        ),
        (
            groups("shamir_threshold: 3\n    ", "age: [BOB]"),
            "not a number from 2 to 2",
        ),
        (
            groups("shamir_threshold: -1\n    ", "age: [BOB]"),
            "not a number from 2 to 2",
        ),
        (groups("", "age: []"), "names no recipient"),
        (
            groups("", "pgp: [FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4]"),
            "needs sops",
        ),
    ] {
        sandbox.write(".sops.yaml", policy);
        sandbox.write("a.yaml", "k: v\n");
        sandbox
            .stax(["secrets", "encrypt", "-i", "a.yaml"])
            .exits(2)
            .one_error()
            .says(what)
            .says(".sops.yaml:2");
        assert_eq!(sandbox.read("a.yaml"), "k: v\n");
        assert_ne!(
            sandbox.sops(["encrypt", "a.yaml"]).code,
            0,
            "sops makes it: {what}"
        );
    }
    // without a number, or with 0, every group is needed; one group is no split
    for head in ["", "shamir_threshold: 0\n    "] {
        sandbox.write(".sops.yaml", groups(head, "age: [BOB]"));
        sandbox.write("a.yaml", "k: v\n");
        sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
        sandbox.sops(["decrypt", "a.yaml"]).exits(128);
        both_print(&both(&sandbox, "alice", "bob"), "a.yaml");
    }
    let one = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{}]\n",
        public("alice")
    );
    sandbox.write(".sops.yaml", one);
    sandbox.write("a.yaml", "k: v\n");
    sandbox.stax(["secrets", "encrypt", "-i", "a.yaml"]).ok();
    both_print(&sandbox, "a.yaml");
}

/// Entries that nobody here can open, as sops writes them.
const FOREIGN: [(&str, &str, &str, &str); 3] = [
    (
        "y01-flat.enc.yaml",
        "sops:\n",
        "    kms:\n        - arn: arn:aws:kms:eu-west-1:1:key/x\n          created_at: \"2026-01-10T12:00:00Z\"\n          enc: AQICAHh\n          aws_profile: \"\"\n    pgp:\n        - created_at: \"2026-01-10T12:00:00Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n            x\n            -----END PGP MESSAGE-----\n          fp: FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4\n",
        "kms, pgp",
    ),
    (
        "j01-flat.enc.json",
        "\"sops\": {\n",
        "\t\t\"gcp_kms\": [{\"resource_id\": \"projects/x\", \"created_at\": \"2026-01-10T12:00:00Z\", \"enc\": \"Q2lR\"}],\n",
        "gcp_kms",
    ),
    (
        "d01-flat.enc.env",
        "sops_lastmodified",
        "sops_hc_vault__list_0__map_vault_address=https://vault.example.com\nsops_hc_vault__list_0__map_engine_path=sops\nsops_hc_vault__list_0__map_key_name=x\nsops_hc_vault__list_0__map_created_at=2026-01-10T12:00:00Z\nsops_hc_vault__list_0__map_enc=vault:v1:x\nsops_lastmodified",
        "hc_vault",
    ),
];

#[test]
fn keys_of_other_kinds_stay_while_the_data_key_stays() {
    for (name, after, entries, kinds) in FOREIGN {
        let sandbox = Sandbox::new();
        sandbox.take_key("alice");
        let clean = std::fs::read_to_string(fixture("sops").join(name)).expect("the document");
        let entries = if entries.ends_with(after) {
            entries.to_owned()
        } else {
            format!("{after}{entries}")
        };
        sandbox.write(name, clean.replacen(after, &entries, 1));
        sandbox.write(
            ".sops.yaml",
            format!("creation_rules:\n  - age:\n      - {}\n", public("alice")),
        );
        sandbox.commit_all("a file of two kinds of keys");
        both_print(&sandbox, name);
        let before = sandbox.read(name);
        sandbox
            .stax_with(["secrets", "set", "-f", name, "new"], "value\n")
            .ok();
        assert_eq!(stanzas(&before), stanzas(&sandbox.read(name)), "{name}");
        assert!(both_print(&sandbox, name).contains("value"), "{name}");
        sandbox
            .stax(["git", "textconv", name])
            .ok()
            .prints("#stax other keys: ");
        sandbox
            .stax(["secrets", "add-recipient", &public("bob"), "--name", "Bob"])
            .ok();
        assert!(
            sandbox.read(name).contains(&entries),
            "{name}: the other keys are not as they were"
        );
        both_print(&sandbox, name);
        sandbox.commit_all("bob reads");
        let refused = sandbox
            .stax(["secrets", "rotate"])
            .exits(2)
            .one_error()
            .says(kinds);
        refused.says(&format!("sops rotate -i {name}"));
        let left = sandbox
            .stax(["secrets", "remove-recipient", "Bob"])
            .exits(1)
            .prints(kinds);
        left.prints(&format!(
            "sops rotate -i --rm-age {} {name}\n",
            public("bob")
        ));
        both_print(&sandbox, name);
    }
}

#[test]
fn somebody_joins_the_key_group_that_is_named_and_leaves_it() {
    let (sandbox, two, files) = split_store();
    let ravi = sandbox.person("ravi");
    let key = ravi.key();
    let add = |more: &[&str]| {
        let args = ["secrets", "add-recipient", &key, "--name", "Ravi"];
        two.stax(args.iter().chain(more))
    };
    for wrong in [&[][..], &["--group", "0"], &["--group", "4"]] {
        let refused = add(wrong).exits(2).one_error();
        refused.says("the rule has 3 key groups: choose one with --group, 1 to 3");
    }
    let before = sandbox.read(".sops.yaml");
    add(&["--group", "2"]).ok();
    let bob = format!("          - {}\n", public("bob"));
    let joined = before.replace(&bob, &format!("{bob}          - {key}\n"));
    assert_eq!(sandbox.read(".sops.yaml"), joined);
    // with somebody of another group, and not with one of his own
    let with_alice = ravi.with("SOPS_AGE_KEY", secret("alice"));
    let with_bob = ravi.with("SOPS_AGE_KEY", secret("bob"));
    for file in files {
        both_print(&with_alice, file);
        with_bob.stax(["secrets", "decrypt", file]).exits(3);
        with_bob.sops(["decrypt", file]).exits(128);
    }
    two.stax(["secrets", "verify"]).ok();

    two.stax(["secrets", "remove-recipient", "Ravi"]).ok();
    for file in files {
        both_print(&two, file);
        with_alice.stax(["secrets", "decrypt", file]).exits(3);
        with_alice.sops(["decrypt", file]).exits(128);
    }
    assert_eq!(sandbox.read(".sops.yaml"), before);
}

#[test]
fn a_rule_without_groups_has_none_to_choose() {
    let sandbox = Sandbox::with_store();
    let key = sandbox.person("ravi").key();
    let args = [
        "secrets",
        "add-recipient",
        &key,
        "--name",
        "Ravi",
        "--group",
        "1",
    ];
    sandbox
        .stax(args)
        .exits(2)
        .one_error()
        .says("the rule has no key groups");
}
