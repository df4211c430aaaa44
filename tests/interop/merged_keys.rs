//! Merges where one side changed key groups or keys of other kinds, and the real sops opens what
//! comes out.

use crate::groups::{both, both_print, public, secret};
use crate::support::{Output, Person, Sandbox};

/// A rule of key groups; `of` names who is in each.
fn policy(threshold: usize, of: &[&[&str]]) -> String {
    let group = |names: &&[&str]| {
        let keys: Vec<String> = names.iter().map(|name| public(name)).collect();
        format!("      - age: [{}]\n", keys.join(", "))
    };
    let groups: String = of.iter().map(group).collect();
    format!(
        "creation_rules:\n  - path_regex: ^s\\.\n    shamir_threshold: {threshold}\n    key_groups:\n{groups}"
    )
}

const FORMATS: [(&str, &str); 4] = [
    ("s.yaml", "a: one\nb: two\nc: old\n"),
    (
        "s.json",
        "{\"a\": \"one\", \"b\": \"two\", \"c\": \"old\"}\n",
    ),
    ("s.env", "a=one\nb=two\nc=old\n"),
    ("s.ini", "[s]\na = one\nb = two\nc = old\n"),
];

fn commit(person: &Person, message: &str) {
    person.git(["add", "--all"]).ok();
    person
        .git(["commit", "--quiet", "--no-verify", "-m", message])
        .ok();
}

fn branch(person: &Person, name: &str) {
    person.git(["checkout", "--quiet", "-b", name, "main"]).ok();
}

/// A file of two groups under the merge driver, and somebody who has the keys of both.
fn split(file: &str, text: &str) -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    let two = both(&sandbox, "alice", "bob");
    sandbox.write(".sops.yaml", policy(2, &[&["alice"], &["bob"]]));
    sandbox.write(".gitattributes", "s.* -text diff=stax merge=stax\n");
    sandbox.write(file, text);
    two.sops(["encrypt", "-i", file]).ok();
    commit(&two, "base");
    two.stax(["secrets", "install"]).ok();
    (sandbox, two)
}

fn key(file: &str, name: &str) -> String {
    if file == "s.ini" {
        format!("s.{name}")
    } else {
        name.to_owned()
    }
}

fn set(person: &Person, file: &str, name: &str, value: &str) {
    person
        .stax_with(["secrets", "set", &key(file, name), "-f", file], value)
        .ok();
}

fn update_keys(person: &Person, file: &str, policy: &str) {
    person.write(".sops.yaml", policy);
    person.sops(["updatekeys", "-y", file]).ok();
}

fn merge(person: &Person, other: &str) -> Output {
    person.git(["merge", "--no-edit", other])
}

fn values(person: &Person, file: &str) -> String {
    both_print(person, file)
        .replace(['"', ',', ' '], "")
        .replace(':', "=")
}

#[test]
fn a_side_that_changed_who_is_in_a_group_and_one_that_changed_a_value_merge() {
    for (file, text) in FORMATS {
        for (with, without) in [("groups", "values"), ("values", "groups")] {
            let (sandbox, two) = split(file, text);
            branch(&two, "groups");
            update_keys(&two, file, &policy(2, &[&["alice"], &["bob", "ci"]]));
            set(&two, file, "b", "of-groups");
            commit(&two, "ci joins a group");
            branch(&two, "values");
            set(&two, file, "a", "of-values");
            commit(&two, "a value");
            two.git(["checkout", "--quiet", with]).ok();
            merge(&two, without).ok().hides("merged as text");
            let shown = values(&two, file);
            assert!(
                shown.contains("a=of-values") && shown.contains("b=of-groups"),
                "{file}: {shown}"
            );
            // the newcomer reads, with somebody of the other group
            both_print(&both(&sandbox, "alice", "ci"), file);
            two.stax(["secrets", "verify"]).ok().hides("K0").hides("C0");
        }
    }
}

#[test]
fn who_left_a_group_opens_nothing_of_a_merge_with_a_value() {
    for (with, without) in [("groups", "values"), ("values", "groups")] {
        let (sandbox, two) = split("s.yaml", "a: one\nb: two\n");
        let three = policy(2, &[&["alice"], &["bob", "ci"]]);
        update_keys(&two, "s.yaml", &three);
        commit(&two, "ci joins");
        // the data key of a removal by sops stays
        branch(&two, "groups");
        update_keys(&two, "s.yaml", &policy(2, &[&["alice"], &["bob"]]));
        commit(&two, "ci leaves");
        let left = two.read("s.yaml");
        branch(&two, "values");
        set(&two, "s.yaml", "a", "of-values");
        commit(&two, "a value");
        let before = two.read("s.yaml");
        two.git(["checkout", "--quiet", with]).ok();
        merge(&two, without).ok().says("new data key");
        assert!(values(&two, "s.yaml").contains("a=of-values"));
        let after = two.read("s.yaml");
        assert!(
            after
                .lines()
                .filter(|line| line.contains("ENC["))
                .all(|line| !before.contains(line))
        );
        assert!(!left.is_empty());
        both(&sandbox, "alice", "ci")
            .sops(["decrypt", "s.yaml"])
            .exits(128);
    }
}

#[test]
fn a_group_that_is_needed_besides_wins_and_takes_a_new_data_key() {
    let (_sandbox, two) = split("s.yaml", "a: one\n");
    branch(&two, "groups");
    two.write(".sops.yaml", policy(3, &[&["alice"], &["bob"], &["ci"]]));
    let ci = public("ci");
    let more = [
        "groups",
        "add",
        "--in-place",
        "--file",
        "s.yaml",
        "--age",
        &ci,
    ];
    two.sops([&more[..], &["--shamir-secret-sharing-threshold", "3"]].concat())
        .ok();
    commit(&two, "all three are needed");
    branch(&two, "values");
    set(&two, "s.yaml", "a", "of-values");
    commit(&two, "a value");
    merge(&two, "groups").ok().says("new data key");
    two.sops(["decrypt", "s.yaml"]).exits(128);
    let all = two.with(
        "SOPS_AGE_KEY",
        format!("{}\n{}", secret("bob"), secret("ci")),
    );
    assert!(values(&all, "s.yaml").contains("a=of-values"));
}

#[test]
fn two_sides_that_both_changed_the_groups_lose_nothing() {
    let (_sandbox, two) = split("s.yaml", "a: one\nb: two\n");
    branch(&two, "groups");
    update_keys(&two, "s.yaml", &policy(2, &[&["alice"], &["bob", "ci"]]));
    set(&two, "s.yaml", "b", "of-groups");
    commit(&two, "one way");
    branch(&two, "others");
    update_keys(&two, "s.yaml", &policy(2, &[&["alice", "ci"], &["bob"]]));
    set(&two, "s.yaml", "a", "of-others");
    commit(&two, "another way");
    merge(&two, "groups")
        .exits(1)
        .says("the sides differ in `key_groups`");
    let hint = two.stax(["secrets", "resolve", "s.yaml"]).exits(2);
    hint.says("the sides differ in `key_groups`")
        .says("set again what the other side changed");
}

/// A file for alice and a key of gpg, and a branch in which sops added bob; `None` without gpg.
fn beside_pgp(file: &str, text: &str) -> Option<(Sandbox, Person)> {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let home = sandbox.place().join("gnupg");
    let made = sandbox.sh(&format!(
        "command -v gpg >/dev/null || exit 9; mkdir -m 700 {0}; GNUPGHOME={0} gpg --batch --quiet --passphrase '' --quick-gen-key t@example.com default default never && GNUPGHOME={0} gpg --list-keys --with-colons | awk -F: '/^fpr/{{print $10; exit}}' > print",
        home.display()
    ));
    if made.code == 9 {
        return None;
    }
    made.ok();
    let person = sandbox.with("GNUPGHOME", home);
    let print = person.read("print").trim().to_owned();
    std::fs::remove_file(person.path("print")).expect("the fingerprint");
    let rule = |age: &str| {
        format!("creation_rules:\n  - path_regex: ^s\\.\n    age: {age}\n    pgp: {print}\n")
    };
    person.write(".sops.yaml", rule(&public("alice")));
    person.write(".gitattributes", "s.* -text diff=stax merge=stax\n");
    person.write(file, text);
    person.sops(["encrypt", "-i", file]).ok();
    commit(&person, "base");
    person.stax(["secrets", "install"]).ok();
    branch(&person, "keys");
    update_keys(
        &person,
        file,
        &rule(&format!("{},{}", public("alice"), public("bob"))),
    );
    commit(&person, "bob joins");
    Some((sandbox, person))
}

#[test]
fn beside_a_key_of_gpg_a_value_and_a_new_reader_merge_with_a_key_and_without() {
    for (file, text) in FORMATS {
        for is_keyless in [true, false] {
            let Some((sandbox, person)) = beside_pgp(file, text) else {
                return;
            };
            branch(&person, "values");
            set(&person, file, "a", "of-values");
            commit(&person, "a value");
            let who = if is_keyless {
                person.keyless()
            } else {
                person.clone()
            };
            merge(&who, "keys").ok().hides("merged as text");
            let bob = sandbox.person("bob");
            bob.take_key("bob");
            assert!(values(&bob, file).contains("a=of-values"), "{file}");
            // the gpg key still opens it, alone
            person.keyless().sops(["decrypt", file]).ok();
            person.sh("gpgconf --kill all").ok();
        }
    }
}

#[test]
fn beside_a_key_of_gpg_both_sides_may_change_values() {
    let Some((_sandbox, person)) = beside_pgp("s.yaml", "a: one\nb: two\nc: old\n") else {
        return;
    };
    set(&person, "s.yaml", "b", "of-keys");
    commit(&person, "a value beside the reader");
    branch(&person, "values");
    set(&person, "s.yaml", "a", "of-values");
    commit(&person, "a value");
    merge(&person, "keys").ok().hides("merged as text");
    let shown = values(&person, "s.yaml");
    assert!(
        shown.contains("a=of-values") && shown.contains("b=of-keys"),
        "{shown}"
    );
    person.keyless().sops(["decrypt", "s.yaml"]).ok();
    person.sh("gpgconf --kill all").ok();
}
