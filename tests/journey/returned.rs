//! A merge or a revert that lets a removed person read again, or brings a replaced value back.

use crate::support::{Output, PROD, Person, Sandbox};

/// Ana and Bob read. Bob is removed on `main`; `feature`, where Ana stands, has not heard of it.
fn parted() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("add bob");
    sandbox.git(["branch", "feature"]).ok();
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    sandbox.commit_all("remove bob");
    sandbox.git(["switch", "--quiet", "feature"]).ok();
    sandbox.write("notes.txt", "x\n");
    sandbox.commit_all("notes");
    (sandbox, bob)
}

fn short(person: &Person, revision: &str) -> String {
    person
        .git(["rev-parse", "--short=7", revision])
        .ok()
        .stdout
        .trim()
        .to_owned()
}

fn verify(person: &Person, args: &[&str]) -> Output {
    person
        .keyless()
        .stax([&["secrets", "verify", "--keyless"], args].concat())
}

fn reads(bob: &Person) -> bool {
    bob.sops(["decrypt", PROD]).code == 0
}

#[test]
fn a_merge_that_lets_somebody_back_in_is_refused_and_so_is_the_commit_that_git_offers_then() {
    let (sandbox, bob) = parted();
    let removal = short(&sandbox, "main");
    for args in [
        &["merge", "-s", "ours", "--no-edit", "main"][..],
        &["commit", "--no-edit"],
    ] {
        let refused = sandbox.git(args).fails();
        refused
            .shows(&format!(
                "error[K08 reader-returned]: this merge lets Bob read {PROD} again"
            ))
            .shows(&format!("removed in {removal} (main, "))
            .shows(") with a new data key; the merge keeps the version before it")
            .shows("fix: git merge --abort; git merge main  ")
            .shows(&format!(
                "then, if Bob is to return: stax secrets add-recipient {} --name Bob",
                bob.key()
            ))
            .shows("commit refused: 1 error in 1 file");
    }
    sandbox.git(["merge", "--abort"]).ok();
    sandbox.git(["merge", "--no-edit", "main"]).ok();
    assert!(!reads(&bob));
    verify(&sandbox, &[]).ok().prints("no finding");
    // the side with the removal may be kept as it is
    sandbox
        .git(["switch", "--quiet", "-c", "again", "main"])
        .ok();
    sandbox
        .git(["merge", "-s", "ours", "--no-edit", "feature~1"])
        .ok();
    verify(&sandbox, &["--history"]).ok().hides("K08");
}

#[test]
fn files_that_are_put_back_in_the_middle_of_a_merge_are_judged_against_both_sides() {
    let (sandbox, _) = parted();
    sandbox.git(["merge", "--no-commit", "main"]).ok();
    sandbox.git(["checkout", "HEAD", "--", "."]).ok();
    sandbox
        .git(["commit", "--no-edit"])
        .exits(1)
        .shows("K08 reader-returned");
    // the other way round, and with a version of its own
    sandbox.git(["merge", "--abort"]).ok();
    sandbox.git(["switch", "--quiet", "main"]).ok();
    sandbox
        .git(["merge", "--no-commit", "--no-ff", "feature"])
        .ok();
    sandbox.git(["checkout", "feature", "--", "."]).ok();
    sandbox
        .git(["commit", "--no-edit"])
        .exits(1)
        .shows("K08 reader-returned");
    sandbox.set("PORT", "6543").ok();
    sandbox.git(["add", "--all"]).ok();
    let refused = sandbox.git(["commit", "--no-edit"]).exits(1);
    refused
        .shows("K08 reader-returned")
        .shows("the merge lists them again");
}

#[test]
fn a_merge_that_landed_is_found_everywhere_until_somebody_decides() {
    let (sandbox, bob) = parted();
    let removal = short(&sandbox, "main");
    sandbox
        .git(["init", "--quiet", "--bare", "../origin.git"])
        .ok();
    sandbox
        .git(["remote", "add", "origin", "../origin.git"])
        .ok();
    sandbox.git(["push", "--quiet", "origin", "main"]).ok();
    sandbox
        .git(["merge", "--no-verify", "-s", "ours", "--no-edit", "main"])
        .ok();
    assert!(reads(&bob));
    let merge = short(&sandbox, "HEAD");
    for args in [&[][..], &["--range", "main..feature"], &["--history"]] {
        let found = verify(&sandbox, args).exits(1);
        found
            .prints(&format!(
                "error[K08 reader-returned]: merge {merge} lets Bob read {PROD} again"
            ))
            .prints(&format!("removed in {removal} ("))
            .prints(&format!("fix: stax secrets remove-recipient {}", bob.key()));
    }
    sandbox
        .git(["push", "origin", "feature:main"])
        .fails()
        .shows("K08 reader-returned")
        .shows("push refused");
    // a forge merges without a hook, and what comes later hides nothing
    sandbox.set("PORT", "6543").ok();
    sandbox.commit_all("another port");
    verify(&sandbox, &[])
        .exits(1)
        .prints(&format!("merge {merge} lets Bob read"));

    let before = short(&sandbox, "HEAD");
    let accept = format!(r#"{{"rule": "K08", "path": "{PROD}", "why": "Bob is back"}}"#);
    let vault = sandbox.read(".stax/vault.json");
    sandbox.write(
        ".stax/vault.json",
        vault.trim_end().trim_end_matches('}').trim_end().to_owned()
            + &format!(",\n  \"allow\": [{accept}]\n}}\n"),
    );
    // an exception counts once it is committed
    verify(&sandbox, &[])
        .exits(1)
        .says("1 exception in .stax/vault.json is not committed");
    sandbox.commit_all("accept that Bob is back");
    verify(&sandbox, &[])
        .ok()
        .prints("1 accepted in .stax/vault.json")
        .says("Bob is back");
    sandbox.git(["reset", "--quiet", "--hard", &before]).ok();

    sandbox
        .stax(["secrets", "remove-recipient", &bob.key()])
        .ok();
    verify(&sandbox, &[]).ok().prints("no finding");
    sandbox.commit_all("remove bob again");
    verify(&sandbox, &[]).ok().prints("no finding");
    sandbox
        .git(["push", "--quiet", "origin", "feature:main"])
        .ok();
}

#[test]
fn who_is_added_after_a_removal_is_no_returner() {
    let (sandbox, bob) = parted();
    sandbox.git(["switch", "--quiet", "main"]).ok();
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("bob is back");
    sandbox.git(["merge", "--no-edit", "feature"]).ok();
    sandbox.git(["switch", "--quiet", "feature"]).ok();
    sandbox
        .set("DATABASE_URL", "postgres://db2.example.com/app")
        .ok();
    sandbox.commit_all("another database");
    sandbox.git(["merge", "--no-edit", "main"]).ok();
    for args in [&[][..], &["--range", "main..feature"], &["--history"]] {
        verify(&sandbox, args).ok().hides("K08");
    }
}

#[test]
fn a_commit_that_brings_an_old_data_key_back_is_told_by_what_ended_it() {
    let (sandbox, _) = parted();
    sandbox.git(["switch", "--quiet", "main"]).ok();
    sandbox.git(["revert", "--no-edit", "HEAD"]).ok();
    let commit = short(&sandbox, "HEAD");
    for args in [&[][..], &["--range", "HEAD~1..HEAD"], &["--history"]] {
        let found = verify(&sandbox, args).exits(1);
        found.prints(&format!(
            "error[K08 reader-returned]: commit {commit} lets Bob read {PROD} again"
        ));
    }
    sandbox.git(["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    // by hand, and under another name that no vault binds
    sandbox.git(["checkout", "HEAD~1", "--", "."]).ok();
    let refused = sandbox.git(["commit", "-m", "as before"]).exits(1);
    refused
        .shows("error[K08 reader-returned]: this commit lets Bob read")
        .shows(&format!("fix: git restore --staged --worktree {PROD}"));
    sandbox.git(["mv", PROD, "infra/secrets/old.enc.yaml"]).ok();
    let vault = sandbox
        .read(".stax/vault.json")
        .replace("prod.enc.yaml", "old.enc.yaml");
    sandbox.write(".stax/vault.json", vault);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "-m", "another name"])
        .exits(1)
        .shows("K08 reader-returned");
    sandbox.git(["reset", "--quiet", "--hard"]).ok();
    // nobody left with the data key that a rotation ended
    sandbox.stax(["secrets", "rotate"]).ok();
    sandbox.commit_all("rotate");
    sandbox.git(["revert", "--no-edit", "HEAD"]).ok();
    let told = verify(&sandbox, &[]).ok();
    told.prints("warning[K08 reader-returned]")
        .prints("from before a rotation")
        .hides("lets");
    sandbox.stax(["secrets", "rotate"]).ok();
    verify(&sandbox, &[]).ok().hides("K08");
}

#[test]
fn a_value_that_was_replaced_and_comes_back_by_a_merge_is_a_warning() {
    let sandbox = Sandbox::with_store();
    sandbox.git(["branch", "feature"]).ok();
    sandbox
        .set("STRIPE_SECRET_KEY", "replaced-after-a-leak")
        .ok();
    sandbox.commit_all("replace the leaked key");
    let replaced = short(&sandbox, "HEAD");
    sandbox.git(["switch", "--quiet", "feature"]).ok();
    sandbox.set("PORT", "6543").ok();
    sandbox.commit_all("another port");
    sandbox.git(["merge", "--no-commit", "main"]).ok();
    sandbox.git(["checkout", "HEAD", "--", PROD]).ok();
    let passes = sandbox.git(["commit", "--no-edit"]).ok();
    passes
        .shows("warning[D13 value-returned]: this merge brings back what was replaced: `STRIPE_SECRET_KEY`")
        .shows("fix: git merge --abort; git merge main");
    let fix = format!("stax secrets revert STRIPE_SECRET_KEY --to {replaced} -f {PROD}");
    for args in [&[][..], &["--range", "main..feature"], &["--history"]] {
        let told = verify(&sandbox, args).ok();
        told.prints("warning[D13 value-returned]: merge ")
            .prints(&format!("was replaced in {replaced} ("))
            .prints(&fix);
    }
    sandbox.sh(&fix).ok();
    sandbox
        .get("STRIPE_SECRET_KEY")
        .prints_exactly("replaced-after-a-leak\n");
    verify(&sandbox, &[]).ok().prints("no finding");
}

#[test]
fn where_the_removal_may_lie_beyond_a_shallow_clone_nobody_says_that_all_is_well() {
    let (sandbox, _) = parted();
    let url = format!("file://{}", sandbox.dir.display());
    sandbox
        .git([
            "clone",
            "--quiet",
            "--depth",
            "1",
            "--no-single-branch",
            &url,
            "../shallow",
        ])
        .ok();
    let shallow = sandbox.at(sandbox.path("../shallow"));
    shallow.git(["switch", "--quiet", "feature"]).ok();
    shallow.stax(["secrets", "install"]).ok();
    let merge = [
        "merge",
        "-s",
        "ours",
        "--allow-unrelated-histories",
        "--no-edit",
        "origin/main",
    ];
    let merged = shallow.git(merge).ok();
    merged.shows("whether this merge lets somebody read again who was removed is unknown");
    verify(&shallow, &[])
        .ok()
        .says("this clone holds not all history");
    verify(&shallow, &["--require-history"]).exits(1);
}

/// Somebody who holds no key writes a whole file for the same readers.
fn replace_by_hand(sandbox: &Sandbox) {
    sandbox.write(
        PROD,
        "DATABASE_URL: postgres://evil.example.com/app\nSTRIPE_SECRET_KEY: canary-hunter2\nPORT: 5432\n",
    );
    sandbox.keyless().sops(["encrypt", "-i", PROD]).ok();
}

#[test]
fn with_a_key_a_whole_new_file_is_told_by_the_values_that_changed() {
    let sandbox = Sandbox::with_store();
    replace_by_hand(&sandbox);
    sandbox.git(["add", "--all"]).ok();
    let commit = sandbox.git(["commit", "-m", "rotate data keys"]).ok();
    commit
        .shows("warning[C04 replaced-values]")
        .hides("D08")
        .hides("evil.example.com")
        .hides("canary-hunter2");
    let range = ["secrets", "verify", "--range", "HEAD~1..HEAD"];
    let told = sandbox.stax(range).ok();
    told.prints("warning[C04 replaced-values]: values changed while all of the file was encrypted anew: `DATABASE_URL`")
        .hides("STRIPE_SECRET_KEY")
        .hides("D08")
        .hides("evil.example.com");
    sandbox
        .stax([&range[..], &["--strict"]].concat())
        .exits(1)
        .prints("error[C04 replaced-values]");
    // without a key nobody can tell
    let keyless = sandbox
        .keyless()
        .stax([&range[..], &["--strict"]].concat())
        .ok();
    keyless.prints("notice[D08 all-replaced]").hides("C04");
}

#[test]
fn a_rotation_and_a_removal_by_stax_are_silent_with_a_key() {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("add bob");
    for args in [&["rotate"][..], &["remove-recipient", "bob"]] {
        sandbox.stax([&["secrets"], args].concat()).ok();
        sandbox.git(["add", "--all"]).ok();
        sandbox
            .git(["commit", "-qm", "by stax"])
            .ok()
            .hides("D08")
            .hides("C04");
        let told = sandbox
            .stax(["secrets", "verify", "--strict", "--range", "HEAD~1..HEAD"])
            .ok();
        told.hides("D08").hides("C04");
    }
    // a value of the checklist in the same commit as the removal is honest, and named
    sandbox.add_recipient(&bob, "Bob", "sre").ok();
    sandbox.commit_all("bob again");
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    sandbox.set("STRIPE_SECRET_KEY", "replaced").ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "-qm", "remove bob and replace"])
        .ok()
        .shows("encrypted anew: `STRIPE_SECRET_KEY`");
}

#[test]
fn a_reader_who_comes_and_goes_inside_a_range_is_named() {
    let sandbox = Sandbox::with_store();
    let mal = sandbox.person("mal");
    let key = mal.key();
    sandbox.sops(["rotate", "-i", "--add-age", &key, PROD]).ok();
    sandbox.git(["commit", "--no-verify", "-qam", "one"]).ok();
    let came = short(&sandbox, "HEAD");
    sandbox.sops(["rotate", "-i", "--rm-age", &key, PROD]).ok();
    sandbox.git(["commit", "--no-verify", "-qam", "two"]).ok();
    let told = verify(&sandbox, &["--range", "HEAD~2..HEAD"]).ok();
    told.prints("warning[K01 recipients]")
        .prints(&format!("who: {key}"))
        .prints(&format!("in commit {came} of "));
    // who stays, and who was there before, is judged at the end
    verify(&sandbox, &["--range", "HEAD~1..HEAD"])
        .ok()
        .hides("K01");
    sandbox
        .git(["mv", PROD, "infra/secrets/other.enc.yaml"])
        .ok();
    let vault = sandbox
        .read(".stax/vault.json")
        .replace("prod.enc.yaml", "other.enc.yaml");
    sandbox.write(".stax/vault.json", vault);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--no-verify", "-qm", "another name"])
        .ok();
    verify(&sandbox, &["--range", "HEAD~2..HEAD"])
        .hides("K01 recipients]: mal")
        .hides("in the middle");
    verify(&sandbox, &["--range", "HEAD~3..HEAD"]).prints("in the middle of the range");
}

#[test]
fn an_old_version_beside_the_new_one_is_found_in_a_range_too() {
    let (sandbox, _) = parted();
    sandbox.git(["switch", "--quiet", "main"]).ok();
    let old = sandbox.git(["show", &format!("HEAD~1:{PROD}")]).ok().stdout;
    sandbox.write("infra/secrets/kept.enc.yaml", old);
    sandbox.git(["add", "--all"]).ok();
    sandbox.git(["commit", "--no-verify", "-qm", "a copy"]).ok();
    for args in [&[][..], &["--range", "HEAD~1..HEAD"]] {
        let found = verify(&sandbox, args).exits(1);
        found.prints("lets Bob read infra/secrets/kept.enc.yaml again");
    }
}

#[test]
fn who_returns_is_named_by_the_key_that_the_policy_spelled() {
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIEddolHINyAWE6+acLnUqQAdNig6YMjF3fTaq5Mbp9B";
    let sandbox = Sandbox::new();
    let policy = |keys: &str| format!("creation_rules:\n  - age: >-\n      {keys}\n");
    sandbox.write(".sops.yaml", policy(&format!("{},{SSH}", sandbox.key())));
    sandbox.write("a.yaml", "A: one\n");
    sandbox.sops(["encrypt", "-i", "a.yaml"]).ok();
    sandbox.commit_all("for two");
    sandbox.write(".sops.yaml", policy(&sandbox.key()));
    sandbox
        .sops(["rotate", "-i", "--rm-age", SSH, "a.yaml"])
        .ok();
    sandbox.commit_all("for one");
    sandbox.git(["revert", "--no-edit", "HEAD"]).ok();
    let found = verify(&sandbox, &[]).exits(1);
    found.prints("error[K08 reader-returned]").prints(&format!(
        "fix: stax secrets remove-recipient '{SSH}'   (makes a new data key)"
    ));
    sandbox.stax(["secrets", "remove-recipient", SSH]).ok();
    verify(&sandbox, &[]).hides("K08");
}
