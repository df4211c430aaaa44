//! What `resolve` says of merges that ended in another way than it would end them.

use crate::merge::{conflicting, decrypted, merge, on_branch, seal, set, sops};
use crate::support::{PROD, Sandbox};

/// A rebase that had a conflict and is over, and a stash.
fn after_a_rebase() -> Sandbox {
    let sandbox = conflicting();
    sandbox.git(["checkout", "--quiet", "payments"]).ok();
    sandbox.git(["rebase", "main"]).exits(1);
    let done = sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    done.prints("next: git rebase --continue");
    sandbox
        .with("GIT_EDITOR", "true")
        .git(["rebase", "--continue"])
        .ok();
    // or the test says nothing
    sandbox.git(["rev-parse", "--verify", "REBASE_HEAD"]).ok();
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-stashed");
    sandbox.git(["stash", "--quiet"]).ok();
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-later");
    sandbox.commit_all("later");
    sandbox
}

#[test]
fn a_rebase_that_is_over_lends_no_name_to_a_stash_or_a_revert() {
    let sandbox = after_a_rebase();
    sandbox.git(["stash", "pop"]).exits(1);
    sandbox.stax(["secrets", "resolve"]).exits(1);
    sandbox.git(["add", PROD]).ok();
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    shown.prints("theirs  canary-stashed  stash\n");
    let done = sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    done.prints("from stash").prints("next: git stash drop");

    let sandbox = after_a_rebase();
    sandbox.git(["revert", "--no-edit", "HEAD~1"]).exits(1);
    sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .prints("  before ");
    sandbox
        .stax(["secrets", "resolve", PROD, "--ours"])
        .ok()
        .prints("next: git revert --continue");
}

#[test]
fn a_patch_in_conflict_is_named_and_continued_as_a_patch() {
    let sandbox = conflicting();
    sandbox
        .git(["format-patch", "--quiet", "-1", "-o", "..", "payments"])
        .ok();
    sandbox
        .sh("git am -3 --quiet ../0001-*.patch")
        .exits(128)
        .says("conflict: STRIPE_SECRET_KEY");
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    let shown = shown.prints("theirs  canary-theirs   patch 1\n");
    shown.says("only `git push` is refused");
    sandbox.git(["add", PROD]).ok();
    let done = sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    done.prints("from patch 1")
        .prints("next: git am --continue");
    sandbox.git(["am", "--continue"]).ok();
    assert!(decrypted(&sandbox, PROD).contains("canary-theirs"));
}

#[test]
fn a_line_that_was_committed_is_found_and_can_be_ended() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    sandbox.git(["add", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-edit", "--no-verify"])
        .ok();
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints(&format!("fix: stax secrets resolve {PROD}"));
    let listed = sandbox.stax(["secrets", "resolve"]).exits(1);
    listed.prints(&format!("{PROD}: STRIPE_SECRET_KEY (its merge is over)\n"));
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    shown
        .says("STRIPE_SECRET_KEY stayed open, and that merge is over")
        .says("--ours");
    sandbox
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .exits(1)
        .says("stax secrets log -p -f");
    sandbox
        .stax(["secrets", "log", "-p", "-f", PROD])
        .ok()
        .prints("canary-theirs");
    sandbox
        .stax(["secrets", "resolve", PROD, "NOPE", "--ours"])
        .exits(1)
        .says("open: STRIPE_SECRET_KEY");
    sandbox
        .keyless()
        .stax(["secrets", "resolve", PROD, "--ours"])
        .exits(3);
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-theirs");
    let done = sandbox.stax(["secrets", "resolve", PROD, "--ours"]).ok();
    done.prints(
        "STRIPE_SECRET_KEY as the file has it; MAC valid, no conflict left, staged; next: git commit",
    );
    sandbox.git(["commit", "--quiet", "-m", "settled"]).ok();
    sandbox.stax(["secrets", "verify"]).ok();
    assert!(decrypted(&sandbox, PROD).contains("canary-theirs"));
    sandbox
        .stax(["secrets", "resolve"])
        .ok()
        .says("no secret file is in conflict");
}

#[test]
fn a_key_in_the_place_of_the_file_brings_the_line_to_type() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    let slip = sandbox
        .stax(["secrets", "resolve", "STRIPE_SECRET_KEY", "--ours"])
        .exits(1);
    slip.says(&format!(
        "hint: stax secrets resolve {PROD} STRIPE_SECRET_KEY\n"
    ));
}

#[test]
fn an_editor_that_changed_nothing_settles_nothing() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    let before = sandbox.read(PROD);
    let left = sandbox
        .editing("true")
        .stax(["secrets", "resolve", PROD, "--edit"])
        .exits(1);
    left.says("nothing was changed in the editor")
        .says("--ours");
    assert_eq!(sandbox.read(PROD), before);
    sandbox
        .stax(["secrets", "resolve"])
        .exits(1)
        .prints("STRIPE_SECRET_KEY");
}

#[test]
fn a_key_that_both_sides_added_had_no_base() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "other", |ana| set(ana, "ADDED", "canary-theirs"));
    set(&sandbox, "ADDED", "canary-ours");
    sandbox.commit_all("ours");
    merge(&sandbox, "other").exits(1);
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    shown.prints("base    (none)").hides("(removed)");
}

#[test]
fn a_file_that_one_side_deleted_is_listed_as_that() {
    let sandbox = Sandbox::with_store();
    on_branch(&sandbox, "other", |ana| set(ana, "ADDED", "canary-added"));
    sandbox.git(["rm", "--quiet", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "gone"])
        .ok();
    merge(&sandbox, "other").exits(1);
    let listed = sandbox.stax(["secrets", "resolve"]).exits(1);
    listed.prints(&format!(
        "{PROD}: deleted on one side, changed on the other\n"
    ));
}

#[test]
fn markers_of_a_text_merge_are_a_conflict_and_no_riddle() {
    let sandbox = Sandbox::with_store();
    let json = "infra/secrets/x.enc.json";
    sandbox.write(".gitattributes", "infra/secrets/* merge=stax\n");
    seal(&sandbox, json, "{\"a\": \"1\"}\n");
    sandbox.commit_all("json");
    let change = |value: &str| {
        sandbox
            .stax_with(["secrets", "set", "a", "-f", json], value)
            .ok();
        sandbox
            .stax([
                "secrets",
                "add-recipient",
                KEYS[usize::from(value == "2")],
                "--name",
                value,
            ])
            .ok();
    };
    on_branch(&sandbox, "other", |_| change("2"));
    change("3");
    sandbox.commit_all("ours");
    merge(&sandbox, "other").exits(1);
    let found = sandbox.stax(["secrets", "verify"]).exits(1);
    let found = found
        .prints("error[F06 conflict]")
        .prints(&format!("fix: stax secrets resolve {json}"));
    found
        .prints("holds the markers of a merge")
        .prints("git add .sops.yaml")
        .hides("expected");
    // committed as it is
    sandbox
        .git([
            "checkout",
            "--ours",
            ".sops.yaml",
            "infra/secrets/recipients.md",
        ])
        .exits_with_one_of(&[0, 1]);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "markers"])
        .ok();
    let listed = sandbox.stax(["secrets", "resolve"]).exits(1);
    listed.prints(&format!("{json}: markers of a merge that is over\n"));
    let told = sandbox.stax(["secrets", "resolve", json]).exits(1);
    told.says(&format!("git restore --source=COMMIT {json}"));
    let judged = sandbox
        .stax(["secrets", "verify", "--range", "HEAD^..HEAD"])
        .exits(1);
    judged
        .prints("a value may be in clear between them")
        .prints("where every value is `ENC[…]` nothing is published");
}

const KEYS: [&str; 2] = [
    "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78",
    "age1s4lxeef4x9we08ew2hwl2yn6pnt972ee6c75jee7vmxd0rcs5spqfzfhm8",
];

#[test]
fn a_binary_value_is_not_poured_onto_the_screen() {
    let sandbox = Sandbox::with_store();
    let path = "infra/secrets/x.enc.bin";
    sandbox.write(".gitattributes", "infra/secrets/* merge=stax\n");
    let policy = sandbox.home.join("policy.yaml");
    let policy = policy.to_str().expect("a path");
    seal(&sandbox, "infra/secrets/first.enc.yaml", "a: 1\n");
    let change = |bytes: &[u8]| {
        sandbox.write(path, bytes);
        sandbox
            .sops(["--config", policy, "encrypt", "--in-place", path])
            .ok();
    };
    change(b"\xff\x00base");
    sandbox.commit_all("base");
    on_branch(&sandbox, "other", |_| change(b"\xff\x00canary-theirs"));
    change(b"\xff\x00canary-ours");
    sandbox.commit_all("ours");
    merge(&sandbox, "other").exits(1);
    let shown = sandbox.stax(["secrets", "resolve", path]).exits(1);
    shown
        .prints("«binary 13B»")
        .prints("«binary 15B»")
        .hides("canary-ours");
    sandbox.stax(["secrets", "resolve", path, "--theirs"]).ok();
    sops(&sandbox, path).ok().prints("canary-theirs");
}

#[test]
fn a_comment_in_clear_of_an_ini_file_is_no_forged_value() {
    let sandbox = Sandbox::with_store();
    let path = "infra/secrets/x.enc.ini";
    seal(&sandbox, path, "[one]\nA = canary-a\n");
    sandbox.write(path, "; in clear\n".to_owned() + &sandbox.read(path));
    sops(&sandbox, path).ok().prints("canary-a");
    sandbox
        .stax(["secrets", "decrypt", path])
        .ok()
        .prints("canary-a")
        .prints("; in clear");
    sandbox.git(["add", "--all"]).ok();
    sandbox.stax(["secrets", "verify"]).hides("C02");
}

#[test]
fn a_merge_says_whom_it_lets_read_and_whose_values_it_took() {
    let sandbox = Sandbox::with_store();
    let (bob, carol) = (sandbox.person("bob"), sandbox.person("carol"));
    let (bob_key, carol_key) = (bob.key(), carol.key());
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("bob");
    on_branch(&sandbox, "values", |ana| {
        set(ana, "STRIPE_SECRET_KEY", "canary-theirs")
    });
    on_branch(&sandbox, "without-bob", |ana| {
        drop(ana.stax(["secrets", "remove-recipient", "bob"]).ok())
    });
    sandbox.add_recipient(&carol, "Carol", "sre").ok();
    sandbox.commit_all("carol");

    let keyless = sandbox.keyless();
    keyless
        .git(["merge", "--no-commit", "values"])
        .ok()
        .says("values of values as they are, without a key");
    assert!(decrypted(&sandbox, PROD).contains("canary-theirs"));
    sandbox.git(["merge", "--abort"]).ok();
    keyless.git(["checkout", "--quiet", "values"]).ok();
    let said = keyless.git(["merge", "--no-commit", "main"]).ok();
    said.says(&format!(
        "values of values as they are, without a key; now also for {carol_key}\n"
    ));
    sandbox.git(["merge", "--abort"]).ok();
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    // the policy and the table stay for a person
    let said = merge(&sandbox, "without-bob").exits(1);
    said.says(&format!(
        "stax: infra/secrets/prod.enc.yaml: no value changed; no more for {bob_key}"
    ));
}

#[test]
fn what_stops_a_person_who_goes_on_is_said_as_it_is_in_this_clone() {
    let sandbox = conflicting();
    merge(&sandbox, "payments").exits(1);
    sandbox
        .stax(["secrets", "resolve", PROD])
        .exits(1)
        .says("`git commit` is refused until none is open");
    sandbox.git(["merge", "--abort"]).ok();
    let bare = sandbox
        .clone_for("ravi")
        .with("SOPS_AGE_KEY_FILE", sandbox.key_file());
    bare.git(["branch", "payments", "origin/payments"]).ok();
    merge(&bare, "payments").exits(1);
    bare.stax(["secrets", "resolve", PROD])
        .exits(1)
        .says("no hook of this clone stops a commit until then: stax secrets install");
    bare.git(["add", PROD]).ok();
    bare.git(["commit", "--quiet", "--no-edit"]).ok();
}

#[test]
fn a_path_as_it_is_printed_works_in_every_folder() {
    let sandbox = conflicting();
    let folder = sandbox.path("infra/secrets");
    let below = sandbox.at(&folder);
    below
        .stax(["secrets", "get", "PORT", "-f", PROD])
        .ok()
        .prints_exactly("5433\n");
    below
        .stax(["secrets", "get", "PORT", "-f", "prod.enc.yaml"])
        .ok()
        .prints_exactly("5433\n");
    below
        .stax(["secrets", "get", "PORT", "-f", "nope/x.enc.yaml"])
        .exits(2)
        .says("nope/x.enc.yaml does not exist");
    below
        .stax(["secrets", "log", "-f", PROD])
        .ok()
        .prints("PORT");
    merge(&sandbox, "payments").exits(1);
    let listed = below.stax(["secrets", "resolve"]).exits(1);
    let next = listed.says(&format!("next: stax secrets resolve {PROD}\n"));
    assert!(next.stdout.starts_with(PROD));
    below
        .stax(["secrets", "resolve", PROD, "--theirs"])
        .ok()
        .prints("staged; next: git commit");
    // a folder of this name in this place goes first
    sandbox.write(
        "infra/secrets/infra/secrets/prod.enc.yaml",
        sandbox.read(PROD),
    );
    below.set("PORT", "1").ok();
    below
        .stax(["secrets", "get", "PORT", "-f", PROD])
        .ok()
        .prints_exactly("5433\n");
}

#[test]
fn a_squash_and_a_checkout_with_conflict_are_no_stash() {
    let sandbox = conflicting();
    set(&sandbox, "PORT", "1");
    sandbox.git(["stash", "--quiet"]).ok();
    sandbox.git(["merge", "--squash", "payments"]).exits(1);
    sandbox.git(["add", PROD]).ok();
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    shown
        .prints("theirs  canary-theirs   payments  Ana Silva")
        .hides("stash");
    let done = sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    done.prints("from payments")
        .prints("staged; next: git commit\n");
    sandbox.git(["commit", "--quiet", "-m", "squashed"]).ok();
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    // changes that are carried to another branch
    set(&sandbox, "STRIPE_SECRET_KEY", "canary-carried");
    sandbox
        .git(["checkout", "--quiet", "-m", "payments"])
        .exits_with_one_of(&[0, 1]);
    let shown = sandbox.stax(["secrets", "resolve", PROD]).exits(1);
    shown.prints("the other side").hides("stash");
    let done = sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    done.prints("from the other side")
        .prints("staged; next: git commit\n");
    sandbox.git(["stash", "drop"]).ok();
}
