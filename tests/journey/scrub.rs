//! `scrub`: what a refused commit left in the object store, and nothing else.

use crate::support::{CANARY, PROD, Sandbox};

const LEAK: &str = "canary-in-clear";

/// The names of all objects.
fn objects(sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox.git(["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]).ok();
    output.stdout.lines().map(str::to_owned).collect()
}

fn holds(sandbox: &Sandbox, text: &str) -> bool {
    sandbox.sh("git cat-file --batch-all-objects --batch").ok().stdout.contains(text)
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
    sandbox.git(["commit", "-qam", "wip"]).exits(1).shows("stax secrets scrub");
    sandbox.git(["add", PROD]).ok();

    // still staged, so git reaches it
    sandbox.stax(["secrets", "scrub"]).ok().prints("nothing to remove");
    assert!(holds(&sandbox, LEAK));
    sandbox.stax(["secrets", "encrypt", "-i", PROD]).ok();
    sandbox.git(["add", PROD]).ok();
    let sealed = objects(&sandbox);
    let output = sandbox.stax(["secrets", "scrub", "--dry-run"]).ok();
    output.prints("a SOPS document with `STRIPE_SECRET_KEY` in clear").hides(LEAK);
    assert_eq!(sealed, objects(&sandbox));
    sandbox
        .stax(["secrets", "scrub"])
        .ok()
        .prints("removed ")
        .shows("every other object is as it was")
        .hides(LEAK);
    assert!(!holds(&sandbox, LEAK));
    assert!(before.iter().all(|object| objects(&sandbox).contains(object)));
    sandbox.git(["commit", "-qm", "sealed"]).ok();
    sandbox.git(["fsck", "--strict"]).ok();
    sandbox.stax(["secrets", "scrub"]).ok().prints("none with a secret in clear");
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
        (format!("KEY = \"{CANARY}\"\n"), "the value of STRIPE_SECRET_KEY"),
    ];
    for (text, what) in &table {
        sandbox.run("git", ["hash-object", "-w", "--stdin"], text.as_bytes()).ok();
        sandbox.stax(["secrets", "scrub"]).ok().prints(what).hides(LEAK).hides(CANARY);
        sandbox.stax(["secrets", "scrub"]).ok().prints("nothing to remove");
    }
    for text in ["PORT: 1\n", "a: b\n", &sandbox.read(PROD), ""] {
        sandbox.run("git", ["hash-object", "-w", "--stdin"], text.as_bytes()).ok();
        sandbox.stax(["secrets", "scrub"]).ok().prints("nothing to remove");
    }
    sandbox.at(&sandbox.home).stax(["secrets", "scrub"]).exits(2).shows("is not in a git repository");
}
