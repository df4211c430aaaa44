//! `scrub`: what a refused commit left in the object store, and nothing else.

use crate::support::{CANARY, PROD, Sandbox};

const LEAK: &str = "canary-in-clear";

/// The names of all objects.
fn objects(sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox
        .git([
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objectname)",
        ])
        .ok();
    output.stdout.lines().map(str::to_owned).collect()
}

fn holds(sandbox: &Sandbox, text: &str) -> bool {
    sandbox
        .sh("git cat-file --batch-all-objects --batch")
        .ok()
        .stdout
        .contains(text)
}

#[test]
fn what_a_refused_commit_left_is_removed_and_nothing_else() {
    let sandbox = Sandbox::with_store();
    // honest and unreachable
    sandbox.write("notes.txt", "nothing secret\n");
    sandbox.git(["add", "notes.txt"]).ok();
    sandbox.git(["rm", "-q", "--cached", "notes.txt"]).ok();
    let before = objects(&sandbox);
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
        .git(["commit", "-qam", "wip"])
        .exits(1)
        .shows("stax secrets scrub");
    sandbox.git(["add", PROD]).ok();

    // still staged, so git reaches it
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("nothing to remove");
    assert!(holds(&sandbox, LEAK));
    sandbox.stax(["secrets", "encrypt", "-i", PROD]).ok();
    sandbox.git(["add", PROD]).ok();
    let sealed = objects(&sandbox);
    let output = sandbox.stax(["secrets", "scrub", "--dry-run"]).ok();
    output
        .prints("a SOPS document with `STRIPE_SECRET_KEY` in clear")
        .hides(LEAK);
    assert_eq!(sealed, objects(&sandbox));
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("removed ")
        .shows("every other object is as it was")
        .hides(LEAK);
    assert!(!holds(&sandbox, LEAK));
    assert!(
        before
            .iter()
            .all(|object| objects(&sandbox).contains(object))
    );
    sandbox.git(["commit", "-qm", "sealed"]).ok();
    sandbox.git(["fsck", "--strict"]).ok();
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("blob that git does not reach holds no known secret");
}

#[test]
fn every_kind_of_plaintext_is_known() {
    let sandbox = Sandbox::with_store();
    let secret = std::fs::read_to_string(sandbox.key_file()).expect("the key file");
    let clear = format!("DATABASE_URL: postgres://x\nSTRIPE_SECRET_KEY: {LEAK}\nPORT: 1\n");
    let shown = sandbox.sh(&format!("stax git textconv {PROD}")).ok().stdout;
    let table = [
        (clear, "infra/secrets/prod.enc.yaml in clear"),
        (shown, "what a diff showed"),
        (secret, "the secret key of a reader"),
        (
            format!("KEY = \"{CANARY}\"\n"),
            "the value of STRIPE_SECRET_KEY",
        ),
    ];
    for (text, what) in &table {
        sandbox
            .run("git", ["hash-object", "-w", "--stdin"], text.as_bytes())
            .ok();
        sandbox
            .stax(["secrets", "scrub"])
            .ok()
            .prints(what)
            .hides(LEAK)
            .hides(CANARY);
        sandbox
            .stax(["secrets", "scrub"])
            .ok()
            .prints("nothing to remove");
    }
    for text in ["PORT: 1\n", "a: b\n", &sandbox.read(PROD), ""] {
        sandbox
            .run("git", ["hash-object", "-w", "--stdin"], text.as_bytes())
            .ok();
        sandbox
            .stax(["secrets", "scrub"])
            .ok()
            .prints("nothing to remove");
    }
    sandbox
        .at(&sandbox.home)
        .stax(["secrets", "scrub"])
        .exits(2)
        .shows("is not in a git repository");
}

/// A merge that stops, with what was not committed put aside.
#[test]
fn what_git_has_put_aside_stays() {
    let sandbox = Sandbox::with_store();
    sandbox.write("notes.txt", "1\n");
    sandbox.commit_all("notes");
    for (branch, text) in [("side", "2\n"), ("main", "3\n")] {
        sandbox.git(["switch", "-qC", branch]).ok();
        sandbox.write("notes.txt", text);
        sandbox.commit_all(branch);
        if branch == "side" {
            sandbox.git(["branch", "-qf", "main", "HEAD~"]).ok();
            sandbox.git(["switch", "-q", "main"]).ok();
        }
    }
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox.git(["merge", "-q", "--autostash", "side"]).exits(1);
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("nothing to remove");
    sandbox.git(["merge", "--abort"]).ok();
    assert!(
        sandbox.read(PROD).contains(LEAK),
        "the work of a person is gone"
    );
    // given back, it is an object like any other
    sandbox.git(["restore", PROD]).ok();
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("a SOPS document with `STRIPE_SECRET_KEY` in clear");
    assert!(!holds(&sandbox, LEAK));
}

#[test]
fn what_another_work_tree_has_staged_stays_and_so_does_what_a_command_at_work_stored() {
    let sandbox = Sandbox::with_store();
    sandbox.git(["worktree", "add", "-q", "../linked"]).ok();
    let linked = sandbox.at(sandbox.dir.with_file_name("linked"));
    linked.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    linked.git(["add", PROD]).ok();
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("nothing to remove: git reaches every blob");
    linked.git(["rm", "-qf", "--cached", PROD]).ok();
    for lock in [".git/index.lock", ".git/worktrees/linked/index.lock"] {
        sandbox.write(lock, "");
        let output = sandbox.stax(["secrets", "scrub"]).exits(2);
        output
            .shows("another git command is at work here")
            .shows(lock);
        assert!(holds(&sandbox, LEAK));
        std::fs::remove_file(sandbox.path(lock)).expect("the lock");
    }
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("a SOPS document with `STRIPE_SECRET_KEY` in clear");
    assert!(!holds(&sandbox, LEAK));
}

#[test]
fn what_was_not_looked_at_is_said() {
    let sandbox = Sandbox::with_store();
    // a quote is missing, so nothing tells which values are in clear
    let damaged = format!("NEW: \"{LEAK}\n{}", sandbox.read(PROD));
    sandbox
        .run("git", ["hash-object", "-w", "--stdin"], damaged.as_bytes())
        .ok();
    let output = sandbox.keyless().stax(["secrets", "scrub"]).ok();
    output
        .shows("1 blob may be a damaged SOPS document and stays: git cat-file blob ")
        .shows("no key here opens 1 SOPS file, so their values were not looked for");
    // with a value that is known it goes
    let known = format!("STRIPE_SECRET_KEY: \"{CANARY}\n{}", sandbox.read(PROD));
    sandbox
        .run("git", ["hash-object", "-w", "--stdin"], known.as_bytes())
        .ok();
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("the value of STRIPE_SECRET_KEY")
        .hides(CANARY);

    sandbox.git(["repack", "-qad", "--cruft"]).ok();
    sandbox.sh("git prune-packed").ok();
    let output = sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("git reaches every blob");
    output
        .shows("git has packed objects that it does not reach, and those stay: git gc --prune=now");
    sandbox.git(["gc", "-q", "--prune=now"]).ok();
    sandbox.stax(["secrets", "scrub"]).ok().hides("packed");
}
