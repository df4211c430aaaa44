//! The promise in one journey: an empty repository, a team of two, and one who leaves.

use crate::support::{PROD, Sandbox};

#[test]
fn from_an_empty_repository_to_a_teammate_who_left() {
    let sandbox = Sandbox::new();

    // Ana sets up the store and the first secret
    let ana = sandbox.key();
    sandbox.stax(["secrets", "init", "--env", "production"]).ok().shows(&ana);
    sandbox.set("DATABASE_URL", "canary-database").ok();
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-4242").ok();
    sandbox.git(["add", ".sops.yaml", ".stax/vault.json", ".envrc", ".gitattributes", "infra/secrets/"]).ok();
    sandbox.git(["commit", "-qm", "chore(secrets): bootstrap encrypted store"]).ok().hides("canary");
    sandbox.stax(["secrets", "verify"]).ok();

    // she changes it, and git shows which key and to what
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-9f31").ok();
    let diff = sandbox.git(["diff"]).ok();
    let lines = ["-STRIPE_SECRET_KEY: canary-stripe-4242", "+STRIPE_SECRET_KEY: canary-stripe-9f31"];
    assert_eq!(diff.changed_lines(), lines, "{diff}");
    sandbox.git(["commit", "-qam", "chore(secrets): roll the Stripe key"]).ok();
    sandbox.sops(["decrypt", PROD]).ok().prints("canary-stripe-9f31");

    // a hasty value in clear is refused, sealed with the command that the refusal names, and accepted
    let clear = sandbox.read(PROD).replacen("sops:\n", "WEBHOOK: canary-in-clear\nsops:\n", 1);
    sandbox.write(PROD, clear);
    let refused = sandbox.git(["commit", "-am", "add webhook"]).exits(1).shows("error[F04 plaintext]");
    refused.shows("WEBHOOK").shows("commit refused").hides("canary-in-clear");
    sandbox.git(["restore", PROD]).ok();
    sandbox.set("WEBHOOK", "canary-webhook").ok();
    sandbox.git(["commit", "-qam", "add webhook"]).ok();

    // Ravi clones and cannot read; Ana adds him; he pulls and reads
    let ravi = sandbox.clone_for("ravi");
    let key = ravi.key();
    ravi.stax(["secrets", "install"]).ok();
    ravi.get("STRIPE_SECRET_KEY").exits(3).says("no identity opens").says(&key).hides("canary");
    let args = ["secrets", "add-recipient", &key, "--name", "Ravi <ravi@example.com>", "--role", "engineer"];
    sandbox.stax(args).ok();
    sandbox.git(["diff", "--", PROD]).ok().prints(&format!("+#stax recipient {key} Ravi"));
    sandbox.git(["commit", "-qam", "chore(secrets): add Ravi"]).ok();
    ravi.git(["pull", "--quiet"]).ok();
    ravi.get("STRIPE_SECRET_KEY").ok().prints_exactly("canary-stripe-9f31\n");
    ravi.git(["log", "-p", "-1"]).ok().prints("#stax recipient");
    let saved = ravi.read(PROD);

    // Ravi leaves: new data key, and the list of what he must be assumed to know
    let removed = sandbox.stax(["secrets", "remove-recipient", "ravi@example.com"]).ok().hides("canary");
    let removed = removed.prints("DATABASE_URL").prints("STRIPE_SECRET_KEY").prints("WEBHOOK");
    removed.prints("checked: the old data key opens no value and no MAC of the new file");
    sandbox.set("STRIPE_SECRET_KEY", "canary-stripe-after").ok();
    sandbox.git(["commit", "-qam", "chore(secrets): remove Ravi"]).ok();

    // he pulls the new version and keeps the old data key: neither stax, git nor sops opens it for him
    ravi.git(["pull", "--quiet"]).ok();
    ravi.get("STRIPE_SECRET_KEY").exits(3).hides("canary");
    ravi.git(["show"]).ok().hides("canary-stripe-after");
    let block = |text: &str| {
        text[text.find("    age:\n").expect("age")..text.find("    lastmodified:").expect("date")].to_string()
    };
    let new = ravi.read(PROD);
    ravi.write("forged.yaml", new.replace(&block(&new), &block(&saved)));
    ravi.sops(["decrypt", "--ignore-mac", "forged.yaml"]).exits(25).hides("canary");

    // Ana goes on, and nothing is left to find
    sandbox.sops(["decrypt", PROD]).ok().prints("canary-stripe-after");
    sandbox.stax(["secrets", "verify"]).ok();
    sandbox.stax(["secrets", "status"]).ok().hides("canary").hides(&key);
    let people = sandbox.stax(["secrets", "recipients"]).ok();
    people.prints(&ana).hides(&key);
}
