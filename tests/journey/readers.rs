//! Who reads a merged file, and with which data key.

use crate::merge::{decrypted, merge, on_branch, set, sops};
use crate::support::{Output, PROD, Person, Sandbox};

fn readers(person: &Person, file: &str) -> usize {
    person.read(file).matches("recipient: age1").count()
}

pub(super) fn opens(person: &Person) -> bool {
    sops(person, PROD).code == 0
}

/// Ana shares the store with Bob.
pub(super) fn shared() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox
        .add_recipient(&bob, "Bob <bob@example.com>", "sre")
        .ok();
    sandbox.commit_all("bob joins");
    (sandbox, bob)
}

/// Merges; the policy files are the business of git and of a person, the secret file is ours.
fn merge_secrets(sandbox: &Sandbox, branch: &str) -> Output {
    let output = merge(sandbox, branch).exits_with_one_of(&[0, 1]);
    assert!(
        !sandbox.read(PROD).contains("<<<<<<<"),
        "{output}\n{}",
        sandbox.read(PROD)
    );
    assert!(opens(sandbox), "{output}");
    output
}

#[test]
fn readers_of_both_sides_are_added_and_a_removal_wins_with_a_key_that_the_removed_never_had() {
    let (sandbox, bob) = shared();
    let carol = sandbox.person("carol");
    on_branch(&sandbox, "carol", |ana| {
        drop(ana.add_recipient(&carol, "Carol", "engineer").ok())
    });
    sandbox
        .stax(["secrets", "remove-recipient", &bob.key()])
        .ok();
    sandbox.commit_all("bob leaves");
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-after");
    sandbox.commit_all("a new value");
    merge_secrets(&sandbox, "carol").says("STRIPE_SECRET_KEY (main)");
    assert_eq!(readers(&sandbox, PROD), 2);
    assert!(opens(&carol), "carol was added");
    assert!(!opens(&bob), "bob was removed");
    // and the other way round
    let (sandbox, bob) = shared();
    let (carol, dave) = (sandbox.person("carol"), sandbox.person("dave"));
    on_branch(&sandbox, "leaves", |ana| {
        drop(ana.stax(["secrets", "remove-recipient", &bob.key()]).ok())
    });
    sandbox.add_recipient(&carol, "Carol", "engineer").ok();
    sandbox.add_recipient(&dave, "Dave", "engineer").ok();
    sandbox.commit_all("carol and dave join");
    merge_secrets(&sandbox, "leaves");
    assert_eq!(readers(&sandbox, PROD), 3);
    assert!(opens(&carol) && opens(&dave) && !opens(&bob));
}

#[test]
fn what_was_set_beside_an_updatekeys_gets_a_data_key_that_the_removed_never_had() {
    let (sandbox, bob) = shared();
    on_branch(&sandbox, "values", |ana| {
        set(ana, "STRIPE_SECRET_KEY", "canary-set")
    });
    let old = sandbox.read(PROD);
    let policy = sandbox.read(".sops.yaml");
    let without: String = policy
        .lines()
        .filter(|line| !line.contains(&bob.key()))
        .map(|line| format!("{line}\n"))
        .collect();
    sandbox.write(".sops.yaml", without);
    sandbox.sops(["updatekeys", "--yes", PROD]).ok();
    sandbox
        .git([
            "commit",
            "--quiet",
            "--all",
            "--no-verify",
            "-m",
            "bob leaves",
        ])
        .ok();
    merge_secrets(&sandbox, "values").says("new data key");
    assert_eq!(readers(&sandbox, PROD), 1);
    // the stanza that bob saved gives no value of the new file
    sandbox.write(
        "saved.yaml",
        crate::support::graft(&sandbox.read(PROD), &old),
    );
    bob.sops(["decrypt", "--ignore-mac", "saved.yaml"])
        .exits_with_one_of(&[1, 25, 51, 128]);
    assert!(!opens(&bob) && decrypted(&sandbox, PROD).contains("canary-set"));
}

#[test]
fn a_rotation_beside_a_value_keeps_the_rotated_key_and_two_rotations_make_a_third() {
    for both in [false, true] {
        let sandbox = Sandbox::with_store();
        on_branch(&sandbox, "rotated", |ana| {
            drop(ana.sops(["rotate", "-i", PROD]).ok())
        });
        if both {
            sandbox.sops(["rotate", "-i", PROD]).ok();
        }
        set(&sandbox, "STRIPE_SECRET_KEY", "canary-set");
        sandbox.commit_all("ours");
        let output = merge(&sandbox, "rotated").ok();
        assert_eq!(output.stderr.contains("new data key"), both, "{output}");
        assert!(decrypted(&sandbox, PROD).contains("canary-set"));
    }
}

#[test]
fn a_revert_of_a_removal_gives_nobody_access_back() {
    let (sandbox, bob) = shared();
    sandbox
        .stax(["secrets", "remove-recipient", &bob.key()])
        .ok();
    sandbox.commit_all("bob leaves");
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-after");
    sandbox.commit_all("a new value");
    let reverted = sandbox.git(["revert", "--no-edit", "HEAD~1"]).exits(1);
    reverted
        .says("the revert would give access back to")
        .says("conflict: sops.age");
    assert!(opens(&sandbox) && !opens(&bob));
    assert_eq!(readers(&sandbox, PROD), 1);
    sandbox
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .exits(2)
        .says("add-recipient");
    sandbox
        .stax(["secrets", "resolve", PROD, "--ours"])
        .ok()
        .prints("git revert --continue");
    assert!(opens(&sandbox) && decrypted(&sandbox, PROD).contains("canary-after"));
}

#[test]
fn without_a_key_new_readers_on_one_side_and_values_on_the_other_still_merge() {
    let sandbox = Sandbox::with_store();
    let carol = sandbox.person("carol");
    on_branch(&sandbox, "carol", |ana| {
        drop(ana.add_recipient(&carol, "Carol", "engineer").ok())
    });
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-ours");
    sandbox.commit_all("ours");
    merge(&sandbox.keyless(), "carol").ok();
    assert!(opens(&carol) && decrypted(&sandbox, PROD).contains("canary-ours"));
}

#[test]
fn a_stanza_that_opens_for_nobody_is_not_made_a_real_one() {
    let (sandbox, bob) = shared();
    let eve = sandbox.person("eve").key();
    // somebody without a key writes a label above a stanza of somebody else
    on_branch(&sandbox, "smuggled", |ana| {
        let text = ana.read(PROD);
        let start = text.find("        - recipient: ").expect("a stanza");
        let end = text[start + 1..]
            .find("        - recipient: ")
            .expect("another one")
            + start
            + 1;
        let forged = text[start..end].replace(&ana.key(), &eve);
        ana.write(
            PROD,
            format!("{}{forged}{}", &text[..start], &text[start..]),
        );
        ana.git([
            "commit",
            "--quiet",
            "--all",
            "--no-verify",
            "-m",
            "smuggled",
        ])
        .ok();
        ana.write("other", "x");
    });
    // under one data key the stanza stays what it is
    sandbox.git(["checkout", "--quiet", "-b", "same"]).ok();
    set(&sandbox, "ADDED", "canary-added");
    sandbox.commit_all("added");
    merge_secrets(&sandbox, "smuggled");
    assert!(sandbox.read(PROD).contains(&eve) && !opens(&sandbox.person("eve")));
    sandbox.git(["reset", "--quiet", "--hard"]).ok();
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    // under a new one it would have to be made
    sandbox
        .stax(["secrets", "remove-recipient", &bob.key()])
        .ok();
    sandbox.commit_all("bob leaves");
    let merged = merge(&sandbox, "smuggled").exits(1);
    merged
        .says("whom no .sops.yaml names; not wrapped to them")
        .says("conflict: sops.age");
    assert!(
        !sandbox.read(PROD).contains(&eve) && opens(&sandbox) && !opens(&sandbox.person("eve"))
    );
    sandbox.stax(["secrets", "resolve", PROD, "--ours"]).ok();
}
