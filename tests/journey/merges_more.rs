//! The rarer ways in which git merges: the result opens in the real sops, or it is a conflict that
//! nobody can overlook.

use crate::merge::{conflicting, decrypted, disjoint, on_branch, set};
use crate::support::{Output, PROD, Person, Sandbox};

type Way = fn(&Person) -> Output;

/// Brings `payments` to `main` by other means than `git merge`.
const WAYS: [(&str, Way); 6] = [
    ("am -3", |ana| {
        ana.sh("git format-patch -q --stdout main..payments > ../p && git am -q -3 ../p")
    }),
    ("rebase --apply", |ana| {
        ana.sh("git switch -q payments && git rebase -q --apply main")
    }),
    ("apply -3", |ana| {
        ana.sh("git diff --no-textconv --full-index main...payments > ../p && git apply -3 ../p")
    }),
    ("checkout -m", |ana| {
        ana.sh("git diff --no-textconv payments...main > ../p && git switch -q --detach $(git merge-base main payments) && git apply ../p && git checkout -q -m payments")
    }),
    ("merge --squash", |ana| {
        ana.git(["merge", "-q", "--squash", "payments"])
    }),
    ("cherry-pick -n", |ana| {
        ana.git(["cherry-pick", "-n", "main..payments"])
    }),
];

#[test]
fn patches_and_moved_changes_merge_by_key() {
    for (way, bring) in WAYS {
        let sandbox = disjoint();
        let output = bring(&sandbox);
        println!("{way}\n{output}");
        output.ok().hides("whsec_77");
        let text = decrypted(&sandbox, PROD);
        assert!(
            text.contains("PORT: 5433\n") && text.contains("STRIPE_WEBHOOK_SECRET: whsec_77\n"),
            "{way}\n{text}"
        );
        sandbox.stax(["secrets", "verify"]).ok();
    }
}

#[test]
fn a_conflict_of_patches_and_moved_changes_is_marked_and_not_committed() {
    for (way, bring) in WAYS {
        let sandbox = conflicting();
        let output = bring(&sandbox).hides("canary-");
        println!("{way}\n{output}");
        // git itself calls a checkout done that left a conflict
        assert_eq!(output.code == 0, way == "checkout -m", "{way}");
        let file = sandbox.read(PROD);
        assert!(
            file.starts_with("# stax-conflict STRIPE_SECRET_KEY\n"),
            "{way}\n{file}"
        );
        let text = decrypted(&sandbox, PROD);
        assert!(
            text.contains("canary-ours") != text.contains("canary-theirs"),
            "{way}\n{text}"
        );
        sandbox.git(["add", PROD]).ok();
        sandbox
            .stax(["secrets", "verify", "--staged"])
            .exits(1)
            .shows("F06");
        sandbox
            .git(["commit", "-qm", "unseen"])
            .exits(1)
            .shows("stax secrets resolve");
    }
}

fn with_third(sandbox: &Sandbox) {
    on_branch(sandbox, "third", |ana| {
        set(ana, "DATABASE_URL", "canary-third");
        ana.write("third.txt", "third\n");
    });
}

/// These call no driver: git merges the lines, and two MACs never agree.
#[test]
fn a_strategy_without_drivers_stops_and_commits_nothing() {
    let sandbox = disjoint();
    with_third(&sandbox);
    let before = (
        sandbox.git(["rev-parse", "HEAD"]).ok().stdout,
        sandbox.read(PROD),
    );
    sandbox
        .git(["merge", "-q", "--no-edit", "payments", "third"])
        .exits(2)
        .hides("canary-");
    assert_eq!(
        (
            sandbox.git(["rev-parse", "HEAD"]).ok().stdout,
            sandbox.read(PROD)
        ),
        before
    );
    sandbox
        .git(["status", "--porcelain"])
        .ok()
        .prints_exactly("");

    sandbox
        .git(["merge", "-q", "--no-edit", "-s", "resolve", "payments"])
        .exits(1)
        .hides("canary-");
    assert!(
        sandbox.read(PROD).contains("<<<<<<<"),
        "{}",
        sandbox.read(PROD)
    );
    sandbox
        .git(["commit", "-qam", "unseen"])
        .exits(1)
        .shows("error[F")
        .hides("canary-");
    sandbox.stax(["secrets", "resolve", PROD]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("PORT: 5433\n") && text.contains("STRIPE_WEBHOOK_SECRET: whsec_77\n"),
        "{text}"
    );
    sandbox.git(["commit", "-qm", "resolved"]).ok();
}

#[test]
fn an_octopus_takes_a_secret_that_one_branch_changed() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "one", |ana| ana.write("one.txt", "one\n"));
    on_branch(&sandbox, "two", |ana| ana.write("two.txt", "two\n"));
    with_third(&sandbox);
    sandbox
        .git(["merge", "-q", "--no-edit", "one", "two", "third"])
        .ok();
    assert!(decrypted(&sandbox, PROD).contains("canary-third"));
    sandbox.stax(["secrets", "verify"]).ok();
    // and with the secret changed here it stops
    sandbox.git(["reset", "-q", "--hard", "HEAD~"]).ok();
    set(&sandbox, "PORT", "7777");
    sandbox.commit_all("another port");
    sandbox
        .git(["merge", "-q", "--no-edit", "one", "two", "third"])
        .exits_with_one_of(&[1, 2]);
    sandbox.git(["reset", "-q", "--hard"]).ok();
    sandbox.git(["merge", "-q", "--no-edit", "one", "two"]).ok();
    sandbox.git(["merge", "-q", "--no-edit", "third"]).ok();
    let text = decrypted(&sandbox, PROD);
    assert!(
        text.contains("canary-third") && text.contains("PORT: 7777"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_named_like_an_option_merges_by_key() {
    for name in ["-q", "--help", "--version", "-C"] {
        let sandbox = Sandbox::with_store();
        sandbox.write(
            ".gitattributes",
            sandbox.read(".gitattributes") + "/-* merge=stax\n",
        );
        sandbox.write(name, "a: 1\nb: 1\n");
        sandbox.commit_all("a file");
        on_branch(&sandbox, "other", |ana| ana.write(name, "a: 1\nb: 2\n"));
        sandbox.write(name, "a: 2\nb: 1\n");
        sandbox.commit_all("ours");
        sandbox.git(["merge", "-q", "--no-edit", "other"]).exits(1);
        let text = sandbox.read(name);
        assert!(
            text.contains("<<<<<<<") && text.contains("b: 2"),
            "{name}\n{text}"
        );
    }
}
