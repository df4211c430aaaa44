//! A sparse checkout that leaves out files of stax: read from the index, never written anew.

use crate::merge::{conflicting, decrypted, merge};
use crate::support::{PROD, Sandbox};

#[test]
fn a_binding_that_is_not_checked_out_binds_and_is_not_founded_again() {
    for index in ["--no-sparse-index", "--sparse-index"] {
        let sandbox = Sandbox::with_store();
        let vault = sandbox.read(".stax/vault.json");
        sandbox
            .git(["sparse-checkout", "set", "--cone", index, "infra"])
            .ok();
        assert!(sandbox.path(PROD).exists() && !sandbox.path(".stax").exists());
        let status = sandbox.stax(["secrets", "status"]).ok();
        status
            .prints("✓ Canonical source")
            .prints("[env=production]")
            .hides("stax secrets init");
        sandbox.get("PORT").ok().prints_exactly("5432\n");
        sandbox.set("ADDED", "canary-added").ok();
        sandbox
            .stax(["secrets", "init", "--env", "staging"])
            .exits(2)
            .says("hint: git sparse-checkout add .stax\n");
        assert!(
            !sandbox.path(".stax").exists()
                && !sandbox.path("infra/secrets/staging.enc.yaml").exists()
        );
        sandbox.git(["sparse-checkout", "add", ".stax"]).ok();
        assert_eq!(sandbox.read(".stax/vault.json"), vault);
        sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
        sandbox.git(["commit", "--quiet", "-am", "ADDED"]).ok();
    }
}

#[test]
fn a_secret_or_a_table_that_is_not_checked_out_says_how_to_bring_it() {
    let sandbox = Sandbox::with_store();
    sandbox.write("app/main.txt", "x\n");
    sandbox.commit_all("app");
    sandbox
        .git(["sparse-checkout", "set", "--cone", "app"])
        .ok();
    let left_out = sandbox.get("PORT").exits(2);
    left_out
        .says(&format!(
            "{PROD} is in git, and this sparse checkout leaves it out"
        ))
        .says("add infra/secrets\n");
    sandbox
        .git([
            "sparse-checkout",
            "set",
            "--no-cone",
            "/*",
            "!/infra/secrets/recipients.md",
        ])
        .ok();
    let ravi = sandbox.person("ravi");
    let key = ravi.key();
    let before = sandbox.read(PROD);
    sandbox
        .stax(["secrets", "add-recipient", &key, "--name", "Ravi"])
        .exits(2)
        .says("git sparse-checkout add");
    assert_eq!(sandbox.read(PROD), before);
}

#[test]
fn what_a_merge_brings_into_a_sparse_checkout_is_settled_and_staged() {
    let sandbox = conflicting();
    sandbox.write("app/main.txt", "x\n");
    sandbox.commit_all("app");
    sandbox
        .git(["sparse-checkout", "set", "--cone", "app"])
        .ok();
    merge(&sandbox, "payments").exits(1);
    sandbox
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .ok()
        .prints("no conflict left, staged");
    assert!(decrypted(&sandbox, PROD).contains("canary-theirs"));
    sandbox.git(["commit", "--quiet", "--no-edit"]).ok();
    sandbox.stax(["secrets", "verify"]).ok();
}
