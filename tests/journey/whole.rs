//! The promise in one journey: an empty repository, a team of two, and one who leaves.

use crate::support::{PROD, Person, Sandbox, graft};

#[test]
fn from_an_empty_repository_to_a_teammate_who_left() {
    let sandbox = Sandbox::new();
    ana_sets_up_the_store(&sandbox);
    she_changes_a_value_and_git_shows_it(&sandbox);
    a_hasty_value_is_refused(&sandbox);
    let ravi = ravi_joins(&sandbox);
    let saved = ravi.read(PROD);
    ravi_leaves(&sandbox);
    he_cannot_read_on(&ravi, &saved);
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints("canary-stripe-after");
    sandbox.stax(["secrets", "verify"]).ok();
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .hides("canary")
        .hides(&ravi.key());
    sandbox
        .stax(["secrets", "recipients"])
        .ok()
        .prints(&sandbox.key())
        .hides(&ravi.key());
}

fn ana_sets_up_the_store(sandbox: &Sandbox) {
    let ana = sandbox.key();
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok()
        .shows(&ana);
    sandbox.set("DATABASE_URL", "canary-database").ok();
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-4242").ok();
    sandbox
        .git([
            "add",
            ".sops.yaml",
            ".stax/vault.json",
            ".envrc",
            ".gitattributes",
            "infra/secrets/",
        ])
        .ok();
    sandbox
        .git(["commit", "-qm", "chore(secrets): bootstrap encrypted store"])
        .ok()
        .hides("canary");
    sandbox.stax(["secrets", "verify"]).ok();
}

fn she_changes_a_value_and_git_shows_it(sandbox: &Sandbox) {
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-9f31").ok();
    let diff = sandbox.git(["diff"]).ok();
    let lines = [
        "-STRIPE_SECRET_KEY: canary-stripe-4242",
        "+STRIPE_SECRET_KEY: canary-stripe-9f31",
    ];
    assert_eq!(diff.changed_lines(), lines, "{diff}");
    sandbox
        .git(["commit", "-qam", "chore(secrets): roll the Stripe key"])
        .ok();
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints("canary-stripe-9f31");
}

fn a_hasty_value_is_refused(sandbox: &Sandbox) {
    let clear = sandbox
        .read(PROD)
        .replacen("sops:\n", "WEBHOOK: canary-in-clear\nsops:\n", 1);
    sandbox.write(PROD, clear);
    let refused = sandbox
        .git(["commit", "-am", "add webhook"])
        .exits(1)
        .shows("error[F04 plaintext]");
    refused
        .shows("WEBHOOK")
        .shows("commit refused")
        .hides("canary-in-clear");
    sandbox.git(["restore", PROD]).ok();
    sandbox.set("WEBHOOK", "canary-webhook").ok();
    sandbox.git(["commit", "-qam", "add webhook"]).ok();
}

/// Ravi clones and cannot read; Ana adds him; he pulls and reads.
fn ravi_joins(sandbox: &Sandbox) -> Person {
    let ravi = sandbox.clone_for("ravi");
    let key = ravi.key();
    ravi.stax(["secrets", "install"]).ok();
    ravi.get("STRIPE_SECRET_KEY")
        .exits(3)
        .says("no identity opens")
        .says(&key)
        .hides("canary");
    let args = [
        "secrets",
        "add-recipient",
        &key,
        "--name",
        "Ravi <ravi@example.com>",
        "--role",
        "engineer",
    ];
    sandbox.stax(args).ok();
    sandbox
        .git(["diff", "--", PROD])
        .ok()
        .prints(&format!("+#stax recipient {key} Ravi"));
    sandbox
        .git(["commit", "-qam", "chore(secrets): add Ravi"])
        .ok();
    ravi.git(["pull", "--quiet"]).ok();
    ravi.get("STRIPE_SECRET_KEY")
        .ok()
        .prints_exactly("canary-stripe-9f31\n");
    ravi.git(["log", "-p", "-1"]).ok().prints("#stax recipient");
    ravi
}

/// A new data key, and the list of what he must be assumed to know.
fn ravi_leaves(sandbox: &Sandbox) {
    let removed = sandbox
        .stax(["secrets", "remove-recipient", "ravi@example.com"])
        .ok()
        .hides("canary");
    let removed = removed
        .prints("DATABASE_URL")
        .prints("STRIPE_SECRET_KEY")
        .prints("WEBHOOK");
    removed.prints("checked: the old data key opens no value and no MAC of the new file");
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-after").ok();
    sandbox
        .git(["commit", "-qam", "chore(secrets): remove Ravi"])
        .ok();
}

/// He pulls the new version and kept the old data key: neither stax, git nor sops opens it for him.
fn he_cannot_read_on(ravi: &Person, saved: &str) {
    ravi.git(["pull", "--quiet"]).ok();
    ravi.get("STRIPE_SECRET_KEY").exits(3).hides("canary");
    ravi.git(["show"]).ok().hides("canary-stripe-after");
    let new = ravi.read(PROD);
    ravi.write("forged.yaml", graft(&new, saved));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"])
        .exits(25)
        .hides("canary");
}
