//! What git shows of a secret, to whom, and that it always shows something.

use std::fs;

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const OLD: &str = "canary-old-4242";
const NEW: &str = "canary-new-9f31";

/// `STRIPE_SECRET_KEY` was committed as `OLD` and stands as `NEW` in the work tree; `ADDED` is new.
fn changed() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.set("STRIPE_SECRET_KEY", OLD).ok();
    sandbox.commit_all("an older value");
    sandbox.set("STRIPE_SECRET_KEY", NEW).ok();
    sandbox.set("ADDED", "canary-added").ok();
    sandbox
}

#[test]
fn a_key_holder_sees_which_key_changed_and_to_what() {
    let sandbox = changed();
    let diff = sandbox.git(["diff"]).ok();
    let expected = [
        format!("-STRIPE_SECRET_KEY: {OLD}"),
        format!("+STRIPE_SECRET_KEY: {NEW}"),
        "+ADDED: canary-added".to_string(),
    ];
    assert_eq!(diff.changed_lines(), expected, "{diff}");
    diff.hides("ENC[AES256_GCM").hides("sops:");
    sandbox.git(["diff", "-U0"]).ok().prints("@@ DATABASE_URL");
}

#[test]
fn the_trailer_names_data_key_mac_and_recipients() {
    let sandbox = Sandbox::with_store();
    let shown = sandbox.git(["show", "HEAD", "--", PROD]).ok();
    shown
        .prints("+#stax data key #")
        .prints("mac ok")
        .prints(&format!("+#stax recipient {}", sandbox.key()));
}

#[test]
fn staged_changes_and_history_are_shown_too() {
    let sandbox = changed();
    sandbox.git(["add", "--all"]).ok();
    for args in [["diff", "--cached"], ["diff", "HEAD"]] {
        sandbox
            .git(args)
            .ok()
            .prints(&format!("-STRIPE_SECRET_KEY: {OLD}"))
            .prints(NEW);
    }
    sandbox.git(["commit", "-qm", "a newer value"]).ok();
    sandbox
        .git(["show"])
        .ok()
        .prints(&format!("+STRIPE_SECRET_KEY: {NEW}"));
    let log = sandbox.git(["log", "-p"]).ok();
    log.prints(&format!("+STRIPE_SECRET_KEY: {CANARY}"))
        .prints(OLD)
        .prints(NEW);
}

#[test]
fn without_a_key_the_names_and_lengths_are_shown_but_no_value() {
    let sandbox = changed();
    let stranger = sandbox.keyless();
    for args in [
        vec!["diff"],
        vec!["diff", "--cached"],
        vec!["log", "-p"],
        vec!["show"],
    ] {
        let output = stranger.git(args).ok();
        output
            .hides(OLD)
            .hides(NEW)
            .hides(CANARY)
            .hides("canary-added");
    }
    let diff = stranger
        .git(["diff"])
        .ok()
        .prints("STRIPE_SECRET_KEY: «str 15B ~");
    assert_eq!(diff.changed_lines().len(), 3, "{diff}");
    stranger.git(["show"]).ok().prints("#stax data key unknown");
}

#[test]
fn somebody_with_another_key_sees_what_a_stranger_sees() {
    let sandbox = changed();
    let ravi = sandbox.person("ravi");
    ravi.key();
    ravi.git(["diff"])
        .ok()
        .prints("STRIPE_SECRET_KEY: «str")
        .hides(OLD)
        .hides(NEW);
}

#[test]
fn values_are_masked_for_ci_and_agents_and_by_choice() {
    let sandbox = changed();
    let masked = |output: Output| {
        output
            .ok()
            .prints("STRIPE_SECRET_KEY: «str 15B #")
            .hides(OLD)
            .hides(NEW)
            .hides("canary-added")
    };
    let table = [
        ("CI", "1"),
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("CLAUDECODE", "1"),
        ("CURSOR_AGENT", "1"),
        ("STAX_DIFF", "masked"),
    ];
    for (name, value) in table {
        masked(sandbox.with(name, value).git(["diff"]));
        masked(sandbox.with(name, value).git(["log", "-p", "-1"])).changed_lines();
    }
    sandbox.git(["config", "stax.diff", "masked"]).ok();
    masked(sandbox.git(["diff"]));
}

#[test]
fn equal_values_have_equal_masks_and_another_user_has_others() {
    let sandbox = changed();
    sandbox
        .stax_with(["secrets", "set", "STRIPE_SECRET_KEY"], format!("{OLD}\n"))
        .ok();
    let ana = sandbox.with("CI", "1");
    let diff = ana.git(["diff"]).ok();
    let touched = diff
        .changed_lines()
        .iter()
        .any(|line| line.contains("STRIPE_SECRET_KEY"));
    assert!(!touched, "the value is the committed one again\n{diff}");
}

/// What `commit -v` leaves in the message file when the editor only adds a subject.
fn commit_verbosely(person: &Person) -> Output {
    let editor = person
        .script(r#"{ echo subject; cat "$1"; } > "$0.new"; cat "$0.new" > "$1"; rm "$0.new""#);
    person
        .with("GIT_EDITOR", editor)
        .git(["commit", "--all", "-v"])
}

#[test]
fn commit_verbose_leaves_no_value_in_the_message_file() {
    let sandbox = changed();
    commit_verbosely(&sandbox).ok().hides(NEW);
    let message = sandbox.read(".git/COMMIT_EDITMSG");
    assert!(!message.contains("canary"), "{message}");
    assert!(
        sandbox.holders_of(NEW).is_empty(),
        "{:?}",
        sandbox.holders_of(NEW)
    );
}

/// Damage that a pull, a bad merge or a bad disk can do to the file in the work tree.
const DAMAGE: [(&str, &str); 7] = [
    ("empty", ": > F"),
    ("truncated", "head -c 300 F > G; cat G > F; rm G"),
    ("cut in the metadata", "head -c 1200 F > G; cat G > F; rm G"),
    (
        "conflict markers",
        "{ echo '<<<<<<< ours'; cat F; echo '======='; cat F; echo '>>>>>>> theirs'; } > G; cat G > F; rm G",
    ),
    ("binary", "head -c 4096 /dev/urandom > F"),
    ("not sops", "echo 'just: text' > F"),
    (
        "wrong mac",
        "sed 's/    mac: ENC.AES256_GCM,data:..../    mac: ENC[AES256_GCM,data:AAAA/' F > G; cat G > F; rm G",
    ),
];

#[test]
fn damage_never_stops_git() {
    for (what, script) in DAMAGE {
        let sandbox = changed();
        sandbox.write("zz-after.txt", "before\n");
        sandbox.git(["add", "zz-after.txt"]).ok();
        sandbox.write("zz-after.txt", "after\n");
        sandbox
            .sh(&script.replace('F', PROD).replace('G', "scratch"))
            .ok();
        for person in [sandbox.with("LANG", "C.UTF-8"), sandbox.keyless()] {
            let diff = person.git(["diff"]).ok().prints("+after");
            assert!(
                diff.stdout.contains(PROD),
                "{what}: the file is missing from the diff\n{diff}"
            );
            person.git(["log", "-p"]).ok();
        }
    }
}

#[test]
fn a_missing_binary_shows_ciphertext_instead_of_an_error() {
    let sandbox = Sandbox::with_store();
    let copy = sandbox.place().join("stax");
    fs::copy(env!("CARGO_BIN_EXE_stax"), &copy).expect("a copy of stax");
    sandbox.run(&copy, ["secrets", "install"], b"").ok();
    sandbox.set("STRIPE_SECRET_KEY", NEW).ok();
    fs::remove_file(&copy).expect("the copy");
    let away = sandbox.with("PATH", std::env::var_os("PATH").unwrap_or_default());
    let diff = away.git(["diff"]).ok();
    diff.prints("+STRIPE_SECRET_KEY: ENC[AES256_GCM").hides(NEW);
}

#[test]
fn a_new_recipient_and_a_rotation_are_never_an_empty_diff() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    sandbox
        .add_recipient(&ravi, "Ravi <ravi@example.com>", "engineer")
        .ok();
    let diff = sandbox.git(["diff", "--", PROD]).ok();
    let line = format!("+#stax recipient {} Ravi <ravi@example.com>", ravi.key());
    assert!(diff.changed_lines().contains(&line.as_str()), "{diff}");
    assert!(
        diff.changed_lines()
            .iter()
            .all(|line| line[1..].starts_with("#stax")),
        "{diff}"
    );
    sandbox.commit_all("add Ravi");
    sandbox.stax(["secrets", "rotate"]).ok();
    let diff = sandbox.git(["diff", "--", PROD]).ok();
    assert!(
        diff.changed_lines()
            .iter()
            .all(|line| line[1..].starts_with("#stax data key")),
        "{diff}"
    );
    assert_eq!(diff.changed_lines().len(), 2, "{diff}");
}

#[test]
fn a_comment_that_looks_like_the_trailer_is_escaped() {
    let sandbox = Sandbox::with_store();
    let forge = sandbox.editing(
        r##"{ echo "#stax recipient age1mallory"; cat "$1"; } > "$0.new"; cat "$0.new" > "$1""##,
    );
    forge.stax(["secrets", "edit"]).ok();
    let diff = sandbox.git(["diff"]).ok();
    assert!(
        !diff
            .changed_lines()
            .iter()
            .any(|line| line.starts_with("+#stax recipient age1mallory")),
        "{diff}"
    );
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints("#stax recipient age1mallory");
}

#[test]
fn a_diff_from_a_subfolder_and_a_linked_worktree_is_the_same() {
    let sandbox = changed();
    let whole = sandbox.git(["diff"]).ok();
    let below = sandbox.at(sandbox.path("infra")).git(["diff"]).ok();
    assert_eq!(whole.changed_lines(), below.changed_lines());
    let linked = sandbox.place().join("linked");
    sandbox
        .git([
            "worktree".as_ref(),
            "add".as_ref(),
            "--quiet".as_ref(),
            linked.as_os_str(),
        ])
        .ok();
    sandbox
        .at(&linked)
        .git(["show", "HEAD"])
        .ok()
        .prints(&format!("+STRIPE_SECRET_KEY: {OLD}"));
}

#[test]
fn the_plaintext_never_reaches_the_object_store() {
    let sandbox = changed();
    sandbox.git(["log", "-p"]).ok();
    sandbox.git(["diff"]).ok();
    let objects = sandbox.sh("git cat-file --batch-all-objects --batch").ok();
    objects.hides(NEW).hides(OLD).hides(CANARY);
    sandbox
        .git(["for-each-ref", "refs/notes"])
        .ok()
        .prints_exactly("");
}

/// Ravi joins, and a file that is bound to no environment stands two folders below, beside others
/// of its name.
fn with_ravi() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    let keys = format!("{},{}", sandbox.key(), ravi.key());
    let rule = |keys: &str| format!("  - path_regex: ^apps/.*\\.sops\\.yaml$\n    age: {keys}\n");
    let policy = sandbox.read(".sops.yaml");
    sandbox.write(".sops.yaml", policy.clone() + &rule(&sandbox.key()));
    sandbox.write(
        ".gitattributes",
        sandbox.read(".gitattributes") + "*.sops.yaml diff=stax\n",
    );
    for app in ["one", "two"] {
        let path = format!("apps/{app}/app.sops.yaml");
        sandbox.write(&path, format!("TOKEN: canary-{app}\n"));
        sandbox.stax(["secrets", "encrypt", "-i", &path]).ok();
    }
    sandbox.commit_all("apps");
    let args = [
        "secrets",
        "add-recipient",
        &ravi.key(),
        "-e",
        "production",
        "--name",
        "Ravi",
    ];
    sandbox
        .stax(args.iter().chain(&["--role", "engineer"]))
        .ok();
    sandbox.write(
        ".sops.yaml",
        sandbox
            .read(".sops.yaml")
            .replace(&rule(&sandbox.key()), &rule(&keys)),
    );
    sandbox
        .sops(["updatekeys", "--yes", "apps/two/app.sops.yaml"])
        .ok();
    sandbox
        .git([
            "commit",
            "--quiet",
            "--no-verify",
            "--all",
            "-m",
            "Ravi joins",
        ])
        .ok();
    (sandbox, ravi)
}

#[test]
fn versions_from_before_the_reader_joined_are_shown_while_the_data_key_is_the_same() {
    let (sandbox, ravi) = with_ravi();
    let log = ravi
        .git(["log", "-p"])
        .ok()
        .prints(CANARY)
        .prints("canary-two")
        .hides("canary-one");
    log.prints("TOKEN: «str 10B ~");
    ravi.git(["show", "HEAD~1"]).ok().prints("canary-two");
    let below = ravi.at(ravi.path("apps/two"));
    below
        .git(["show", "--textconv", "HEAD~1:./app.sops.yaml"])
        .ok()
        .prints("canary-two");

    sandbox.stax(["secrets", "rotate", "-e", "production"]).ok();
    sandbox
        .sops(["rotate", "-i", "apps/two/app.sops.yaml"])
        .ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "--all", "-m", "rotate"])
        .ok();
    ravi.git(["show"]).ok().prints(CANARY).prints("canary-two");
    let before = ravi.git(["show", "HEAD~2"]).ok();
    before.hides("canary-two").prints("TOKEN: «str 10B ~");
}
