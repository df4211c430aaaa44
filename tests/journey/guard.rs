//! `git commit` refuses what would leak or lock out, and lets honest commits pass.

use crate::support::{CANARY, Output, PROD, Sandbox};

const LEAK: &str = "canary-in-clear";

/// One value stands in clear in the work tree.
fn with_plaintext() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
}

fn head(sandbox: &Sandbox) -> String {
    sandbox.git(["rev-parse", "HEAD"]).stdout
}

/// The commit was refused for the plaintext, the value not repeated, the history untouched.
#[track_caller]
fn refused_for_plaintext(sandbox: &Sandbox, commit: impl FnOnce() -> Output) {
    let before = head(sandbox);
    let output = commit()
        .exits(1)
        .shows("error[F04 plaintext]")
        .shows("STRIPE_SECRET_KEY")
        .shows(PROD);
    output
        .shows("stax secrets encrypt -i")
        .shows("commit refused")
        .hides(LEAK)
        .hides("panicked");
    assert_eq!(before, head(sandbox));
}

#[test]
fn a_plaintext_value_is_refused_however_it_is_committed() {
    let table: [&[&str]; 5] = [
        &["commit", "-am", "wip"],
        &["commit", "-m", "wip", PROD],
        &["commit", "-m", "wip", "-o", PROD],
        &["commit", "-m", "wip", "-i", PROD],
        &["commit", "-a", "--amend", "--no-edit"],
    ];
    for args in table {
        let sandbox = with_plaintext();
        refused_for_plaintext(&sandbox, || sandbox.git(args));
    }
    let sandbox = with_plaintext();
    sandbox.git(["add", PROD]).ok();
    refused_for_plaintext(&sandbox, || sandbox.git(["commit", "-m", "wip"]));
    let below = sandbox.at(sandbox.path("infra"));
    refused_for_plaintext(&sandbox, || below.git(["commit", "-m", "wip"]));
}

#[test]
fn the_first_commit_is_guarded_too() {
    let sandbox = Sandbox::initialised();
    sandbox.set("STRIPE_SECRET_KEY", CANARY).ok();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "-m", "first"])
        .exits(1)
        .shows("F04")
        .hides(LEAK);
    sandbox
        .git(["rev-parse", "--verify", "--quiet", "HEAD"])
        .exits(1);
}

#[test]
fn the_hook_judges_the_index_and_not_the_work_tree() {
    // bad in the index, good in the work tree
    let sandbox = with_plaintext();
    sandbox.git(["add", PROD]).ok();
    sandbox
        .git(["restore", "--source=HEAD", "--worktree", PROD])
        .ok();
    refused_for_plaintext(&sandbox, || sandbox.git(["commit", "-m", "wip"]));

    // good in the index, bad in the work tree
    let sandbox = Sandbox::with_store();
    sandbox.set("PORT", "6543").ok();
    sandbox.git(["add", PROD]).ok();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.git(["commit", "-m", "an honest change"]).ok();

    // a partial commit of another file does not carry the staged leak
    let sandbox = with_plaintext();
    sandbox.write("notes.txt", "x\n");
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "-m", "only the notes", "notes.txt"])
        .ok();
    refused_for_plaintext(&sandbox, || sandbox.git(["commit", "-m", "the rest"]));
}

#[test]
fn the_work_tree_is_left_as_it_was() {
    let sandbox = with_plaintext();
    let before = sandbox.bytes(PROD);
    sandbox.git(["commit", "-am", "wip"]).exits(1);
    assert_eq!(before, sandbox.bytes(PROD));
}

#[test]
fn verify_finds_it_before_the_commit_does() {
    let sandbox = with_plaintext();
    for args in [
        ["secrets", "verify", "--keyless"].as_slice(),
        &["secrets", "verify"],
    ] {
        sandbox
            .stax(args)
            .exits(1)
            .prints("F04")
            .prints("STRIPE_SECRET_KEY")
            .hides(LEAK);
    }
    sandbox.stax(["secrets", "verify", "--staged"]).ok();
    sandbox.git(["add", PROD]).ok();
    sandbox
        .stax(["secrets", "verify", "--staged"])
        .exits(1)
        .prints("F04");
    let found = sandbox
        .stax(["secrets", "verify", "--format", "json"])
        .exits(1)
        .hides(LEAK)
        .json();
    assert!(found.to_string().contains("F04"), "{found}");
}

#[test]
fn a_recipient_whom_the_policy_does_not_name_is_refused() {
    let sandbox = Sandbox::with_store();
    let mallory = sandbox.person("mallory").key();
    sandbox
        .sops(["rotate", "-i", "--add-age", &mallory, PROD])
        .ok();
    let before = head(&sandbox);
    sandbox
        .git(["commit", "-am", "wip"])
        .exits(1)
        .shows("error[K01")
        .shows(PROD)
        .shows("stax secrets");
    assert_eq!(before, head(&sandbox));
}

#[test]
fn a_recipient_of_the_policy_who_cannot_read_is_refused() {
    let sandbox = Sandbox::with_store();
    let ravi = sandbox.person("ravi");
    sandbox.add_recipient(&ravi, "Ravi", "engineer").ok();
    sandbox.commit_all("add Ravi");
    sandbox
        .sops(["rotate", "-i", "--rm-age", &ravi.key(), PROD])
        .ok();
    sandbox
        .git(["commit", "-am", "wip"])
        .exits(1)
        .shows("error[K01")
        .shows(PROD);
}

#[test]
fn a_policy_line_that_no_file_follows_is_refused() {
    let sandbox = Sandbox::with_store();
    let mallory = sandbox.person("mallory").key();
    sandbox.add_to_policy_only(&sandbox.key(), &mallory);
    let before = head(&sandbox);
    sandbox
        .git(["commit", "-am", "let them in quietly"])
        .exits(1)
        .shows("error[")
        .shows("stax secrets");
    assert_eq!(before, head(&sandbox));
}

#[test]
fn a_broken_policy_is_refused() {
    let table = [
        ("near miss", "path_regex:", "path_regexp:"),
        ("not RE2", "path_regex: ", "path_regex: (?=x)"),
        ("not YAML", "creation_rules:", "creation_rules: ["),
    ];
    for (what, from, to) in table {
        let sandbox = Sandbox::with_store();
        let text = sandbox.read(".sops.yaml");
        assert!(text.contains(from), "{what}: no {from:?} in\n{text}");
        sandbox.write(".sops.yaml", text.replacen(from, to, 1));
        let output = sandbox.git(["commit", "-am", "wip"]).exits(1);
        output.shows(".sops.yaml").hides("panicked");
    }
}

#[test]
fn a_secret_file_that_loses_its_encryption_is_refused() {
    let sandbox = Sandbox::with_store();
    let plain = sandbox.sops(["decrypt", PROD]).ok().stdout;
    sandbox.write(PROD, plain);
    sandbox
        .git(["commit", "-am", "wip"])
        .exits(1)
        .shows("error[")
        .shows(PROD)
        .hides(CANARY);
}

#[test]
fn a_forged_token_is_refused() {
    let sandbox = Sandbox::with_store();
    let text = sandbox.read(PROD);
    sandbox.write(PROD, text.replacen("type:str]", "type:str]x", 1));
    sandbox.git(["commit", "-am", "wip"]).exits(1).shows("F03");
}

#[test]
fn honest_commits_pass_and_say_nothing() {
    let sandbox = Sandbox::with_store();
    sandbox.set("STRIPE_SECRET_KEY", "canary-next").ok();
    sandbox
        .git(["commit", "-qam", "replace the key"])
        .ok()
        .hides("error")
        .hides("canary");
    sandbox
        .sops(["set", PROD, r#"["DATABASE_URL"]"#, r#""postgres://other""#])
        .ok();
    sandbox
        .git(["commit", "-qam", "written by sops"])
        .ok()
        .hides("error");
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox
        .git(["commit", "-qam", "rotate"])
        .ok()
        .hides("error");
    sandbox.write("src.txt", "unrelated\n");
    sandbox.git(["add", "src.txt"]).ok();
    sandbox
        .git(["commit", "-qm", "unrelated"])
        .ok()
        .hides("error");
    sandbox
        .git(["commit", "--amend", "-qm", "unrelated, better said"])
        .ok()
        .hides("error");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn older_findings_do_not_stop_an_unrelated_commit() {
    let sandbox = with_plaintext();
    sandbox
        .git(["commit", "--no-verify", "-qam", "past the guard"])
        .ok();
    sandbox.write("src.txt", "unrelated\n");
    sandbox.git(["add", "src.txt"]).ok();
    sandbox.git(["commit", "-qm", "unrelated"]).ok();
    sandbox.stax(["secrets", "verify"]).exits(1).prints("F04");
}

#[test]
fn a_linked_worktree_is_guarded_by_the_same_hook() {
    let sandbox = Sandbox::with_store();
    let linked = sandbox.place().join("linked");
    sandbox
        .git([
            "worktree".as_ref(),
            "add".as_ref(),
            "-q".as_ref(),
            linked.as_os_str(),
        ])
        .ok();
    let there = sandbox.at(linked);
    there.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    there
        .git(["commit", "-am", "wip"])
        .exits(1)
        .shows("F04")
        .hides(LEAK);
}

#[test]
fn the_command_that_the_hook_names_mends_it() {
    let sandbox = with_plaintext();
    sandbox.git(["commit", "-am", "wip"]).exits(1);
    sandbox
        .stax(["secrets", "encrypt", "-i", PROD])
        .ok()
        .says("sealed STRIPE_SECRET_KEY")
        .hides(LEAK);
    sandbox.git(["commit", "-am", "sealed"]).ok();
    sandbox.get("STRIPE_SECRET_KEY").ok().prints(LEAK);
    sandbox.sops(["decrypt", PROD]).ok().prints(LEAK);
}

#[test]
fn a_clear_file_is_encrypted_by_its_rule_and_never_for_nobody() {
    let sandbox = Sandbox::new();
    let ana = sandbox.key();
    sandbox.write("app.yaml", "A: canary-clear\n");
    sandbox.write(
        ".sops.yaml",
        "creation_rules:\n  - path_regex: app\\.yaml$\n",
    );
    sandbox
        .stax(["secrets", "encrypt", "-i", "app.yaml"])
        .exits(2)
        .one_error()
        .says("no recipient");
    assert_eq!(sandbox.read("app.yaml"), "A: canary-clear\n");
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: app\\.yaml$\n    age: {ana}\n"),
    );
    sandbox.stax(["secrets", "encrypt", "-i", "app.yaml"]).ok();
    sandbox
        .sops(["decrypt", "app.yaml"])
        .ok()
        .prints_exactly("A: canary-clear\n");
}
