//! What is honest alarms nobody, and what is told reads well where there is much of it.

use std::fs;

use crate::support::{Output, PROD, Person, Sandbox};

fn policy(rules: &[(&str, String)]) -> String {
    let rule =
        |(pattern, keys): &(&str, String)| format!("  - path_regex: {pattern}\n    age: {keys}\n");
    format!(
        "creation_rules:\n{}",
        rules.iter().map(rule).collect::<String>()
    )
}

fn verify(person: &Person, args: &[&str]) -> Output {
    person.stax(["secrets", "verify", "--keyless"].iter().chain(args))
}

fn sealed(sandbox: &Sandbox, path: &str, text: &str) {
    sandbox.write(path, text);
    sandbox.sops(["encrypt", "-i", path]).ok();
}

#[test]
fn a_folder_that_moves_publishes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write(".sops.yaml", policy(&[(r"\.sops\.yaml$", sandbox.key())]));
    let manifest = |kind: &str, rest: &str| {
        format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: a\n  namespace: b\n{rest}")
    };
    let secret = manifest("Secret", "stringData:\n  password: hunter2hunter2\n");
    sealed(&sandbox, "old/secret.sops.yaml", &secret);
    sandbox.write("old/map.yaml", manifest("ConfigMap", "data:\n  a: b\n"));
    sandbox.commit_all("one");
    sandbox.git(["mv", "old", "new"]).ok();
    sandbox.write("new/map.yaml", manifest("ConfigMap", "data:\n  a: c\n"));
    sandbox.commit_all("move the folder");
    verify(&sandbox, &["--range", "HEAD~1..HEAD"])
        .ok()
        .hides("F04");
    // the same secret in plaintext under another name
    sandbox.git(["rm", "-q", "new/secret.sops.yaml"]).ok();
    sandbox.write("new/secret.yaml", secret);
    sandbox.commit_all("open it");
    verify(&sandbox, &["--range", "HEAD~1..HEAD"])
        .exits(1)
        .prints("error[F04 plaintext]");
}

#[test]
fn which_side_of_a_merge_a_value_comes_from_is_no_step_back() {
    let sandbox = Sandbox::with_store();
    let base = sandbox
        .git(["rev-parse", "HEAD"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    sandbox.git(["branch", "side"]).ok();
    sandbox
        .set("DATABASE_URL", "postgres://db.example.com/new")
        .ok();
    sandbox.commit_all("main");
    sandbox.git(["checkout", "--quiet", "side"]).ok();
    sandbox.set("PORT", "5433").ok();
    sandbox.commit_all("side");
    sandbox
        .git(["merge", "--quiet", "-m", "main into the branch", "main"])
        .ok();
    for range in ["main..side".to_owned(), format!("{base}..side")] {
        verify(&sandbox, &["--range", &range]).ok().hides("D06");
    }
    sandbox.git(["checkout", &base, "--", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "back"])
        .ok();
    verify(&sandbox, &["--range", "HEAD~1..HEAD"]).prints("notice[D06 old-token]");
}

#[test]
fn a_secret_key_is_told_with_its_owner() {
    let sandbox = Sandbox::initialised();
    let (bob, test) = (sandbox.person("bob"), sandbox.person("test"));
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("two readers");
    let secret = |person: &Person| {
        person.key();
        fs::read_to_string(person.key_file()).expect("the key file")
    };
    sandbox.write("a_test.go", secret(&test));
    sandbox.git(["add", "--all"]).ok();
    let told = verify(&sandbox, &[]).ok().hides("of a reader");
    told.prints("warning[G05 age-key]: holds a secret key")
        .prints("is a reader of nothing here");
    // a key that opens nothing yet may be that of a reader tomorrow
    sandbox
        .git(["commit", "--quiet", "-m", "a test"])
        .exits(1)
        .shows("error[G05 age-key]");
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "a test"])
        .ok();
    sandbox.write("b.txt", secret(&bob));
    sandbox.git(["add", "b.txt"]).ok();
    verify(&sandbox, &["--staged"])
        .exits(1)
        .shows("b.txt")
        .shows("holds the secret key of Bob");
    sandbox.git(["reset", "--quiet", "--", "b.txt"]).ok();
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    sandbox
        .git(["commit", "--quiet", "-am", "without Bob"])
        .ok();
    sandbox.git(["add", "b.txt"]).ok();
    verify(&sandbox, &["--staged"])
        .exits(1)
        .shows("who could read files here");
}

#[test]
fn a_file_that_a_rule_names_is_not_committed_in_plaintext() {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        policy(&[(r"talos/.*\.ya?ml$", key.clone()), (r"\.sops\.yaml$", key)]),
    );
    sandbox.stax(["secrets", "install"]).ok();
    sandbox.commit_all("the policy");
    let (random, word) = ("token: 8fk3ls.0jq2m5xk2a9s8d7f\n", "name: web\n");
    for (path, text, severity) in [
        ("talos/machine.yaml", random, Some("error")),
        ("app.sops.yaml", word, Some("error")),
        ("app.enc.yaml", word, Some("warning")),
        ("talos/patch.yaml", word, None),
        ("talos/machine.yaml.example", random, None),
        ("talos/template.yaml", random, None),
        ("talos/app.sops.yaml", "name: ${NAME}\n", None),
    ] {
        sandbox.write(path, text);
        sandbox.git(["add", "--all"]).ok();
        let told = verify(&sandbox, &["--staged"]).exits(i32::from(severity == Some("error")));
        match severity {
            Some(severity) => told.shows(&format!("{severity}[B02 unsealed]")).shows(path),
            None => told.hides("B02"),
        };
        sandbox.git(["rm", "--quiet", "--force", path]).ok();
    }
}

#[test]
fn a_rule_is_told_by_its_pattern_and_a_file_by_its_name() {
    let sandbox = Sandbox::new();
    let (key, bob) = (sandbox.key(), sandbox.person("bob"));
    sandbox.write(".sops.yaml", policy(&[(".*", key.clone())]));
    sealed(&sandbox, "a/s.yaml", "a: one\n");
    sealed(&sandbox, "old/o.yaml", "o: one\n");
    let both = format!("{key},{}", bob.key());
    sandbox.write(
        ".sops.yaml",
        policy(&[("^a/s", key.clone()), ("^gone/.*", key), ("^a/.*", both)]),
    );
    sandbox.commit_all("rules");
    let told = verify(&sandbox, &[]).prints("the rule `^gone/.*` matches no file of the index");
    told.prints("1 file of `^a/s` also match `^a/.*` in line 6")
        .prints("\n  a/s.yaml")
        .prints("\n  old/o.yaml");
}

/// K01 of thirty files: one block, a line each.
#[test]
fn one_cause_is_one_block_and_a_file_one_line() {
    let sandbox = Sandbox::new();
    let (key, bob) = (sandbox.key(), sandbox.person("bob"));
    sandbox.write(
        ".sops.yaml",
        policy(&[(".*", format!("{key},{}", bob.key()))]),
    );
    for number in 0..30 {
        sealed(&sandbox, &format!("d/f{number}.yaml"), "a: one\n");
    }
    sandbox.write(".sops.yaml", policy(&[(".*", key)]));
    sandbox.commit_all("files");
    let told = verify(&sandbox, &[]).exits(1);
    let number = |text: &str| told.stdout.matches(text).count();
    assert_eq!(
        (number("error[K01"), number("why: "), number("d/f17.yaml")),
        (1, 1, 1),
        "{told}"
    );
    let json = verify(&sandbox, &["--format", "json"]).exits(1);
    assert_eq!(json.stdout.matches("\"path\": \"d/f").count(), 30, "{json}");
}

#[test]
fn many_changed_files_are_named_once_and_what_is_printed_works() {
    let sandbox = Sandbox::new();
    sandbox.write(".sops.yaml", policy(&[(".*", sandbox.key())]));
    for number in 0..25 {
        sealed(&sandbox, &format!("d/f {number}.yaml"), "a: one\n");
    }
    sandbox.commit_all("files");
    let told = sandbox.stax(["secrets", "rotate", "--all"]).ok();
    let names =
        told.stdout.matches("d/f 17.yaml").count() + told.stderr.matches("d/f 17.yaml").count();
    assert_eq!(names, 1, "{told}");
    let command = |lead: &str| {
        let line = told
            .stderr
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(lead))
            .expect("a line");
        line.trim().to_owned()
    };
    sandbox.write("other.txt", "not part of it\n");
    sandbox.git(["add", "other.txt"]).ok();
    sandbox.sh(&command("undo: ")).ok();
    sandbox.git(["diff", "--quiet"]).ok();
    sandbox.stax(["secrets", "rotate", "--all"]).ok();
    let commit = told
        .stderr
        .lines()
        .find(|line| line.contains("git commit"))
        .expect("the commit")
        .trim();
    sandbox.sh(commit).ok();
    let committed = sandbox
        .git(["show", "--name-only", "--format=", "HEAD"])
        .ok();
    assert_eq!(committed.stdout.lines().count(), 25, "{committed}");
}

/// Bob reads with a new key what he read with the old one.
#[test]
fn keys_that_share_a_mail_are_one_person() {
    let sandbox = Sandbox::with_store();
    let (old, new) = (sandbox.person("old"), sandbox.person("new"));
    sandbox
        .add_recipient(&old, "Bob <bob@example.com>", "sre")
        .ok();
    sandbox.commit_all("Bob");
    sandbox
        .stax(["secrets", "remove-recipient", &old.key()])
        .ok();
    sandbox
        .add_recipient(&new, "Robert <bob@example.com>", "sre")
        .ok();
    sandbox.commit_all("another key of Bob");
    let exposure = |args: &[&str]| sandbox.stax(["secrets", "exposure"].iter().chain(args));
    exposure(&[]).ok().prints("nobody was removed");
    exposure(&["bob@example.com"])
        .ok()
        .prints("nothing is exposed");
    // a key that was lost is asked about by itself
    exposure(&[&old.key()])
        .exits(1)
        .prints("of 3 still exposed");
    sandbox
        .stax(["secrets", "history"])
        .ok()
        .prints("+ Robert [age1")
        .prints("- Bob [age1");
}

#[test]
fn all_keys_of_a_person_go_together() {
    let sandbox = Sandbox::with_store();
    for (name, called) in [
        ("one", "Bob <bob@example.com>"),
        ("two", "Robert <bob@example.com>"),
    ] {
        sandbox
            .add_recipient(&sandbox.person(name), called, "sre")
            .ok();
    }
    sandbox.commit_all("two keys");
    let removed = sandbox
        .stax(["secrets", "remove-recipient", "bob@example.com"])
        .ok();
    assert_eq!(removed.stderr.matches("next: ").count(), 1, "{removed}");
    let undo = removed
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("undo: "))
        .expect("a way back");
    for name in ["one", "two"] {
        let key = sandbox.person(name).key();
        assert!(
            !sandbox.read(PROD).contains(&key) && !sandbox.read(".sops.yaml").contains(&key),
            "{name}"
        );
    }
    sandbox.sh(undo).ok();
    sandbox.git(["diff", "--quiet"]).ok();
}

#[test]
fn exposure_and_the_checklist_of_a_removal_print_one_command() {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("Bob");
    let removed = sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    removed.prints("stax secrets set KEY\n");
    sandbox.commit_all("without Bob");
    let told = sandbox
        .stax(["secrets", "exposure"])
        .exits(1)
        .prints("; stax secrets set PORT\n");
    assert!(told.stdout.starts_with("3 of 3 still exposed"), "{told}");
}

#[test]
fn files_with_the_same_readers_stand_together() {
    let sandbox = Sandbox::new();
    let (key, bob) = (sandbox.key(), sandbox.person("bob"));
    let both = format!("{key},{}", bob.key());
    sandbox.write(
        ".sops.yaml",
        policy(&[("^a", key.clone()), ("^b", both), ("^c", key)]),
    );
    for path in ["a.yaml", "b.yaml", "c.yaml"] {
        sealed(&sandbox, path, "a: one\n");
    }
    sandbox.commit_all("files");
    let told = sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .prints("a.yaml, c.yaml\n")
        .prints("b.yaml\n");
    assert_eq!(told.stdout.matches("Onboarded").count(), 2, "{told}");
}
