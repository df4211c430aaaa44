//! `stax secrets verify` reads the commit log: who still holds a data key, and which commit did what.

use crate::support::{Output, Person, Sandbox};

const FILE: &str = "secrets/prod.enc.yaml";

fn policy(people: &[(&str, &Person)]) -> String {
    let anchors: String = people.iter().map(|(name, who)| format!("  - &{name} {}\n", who.key())).collect();
    let list: Vec<String> = people.iter().map(|(name, _)| format!("*{name}")).collect();
    format!("keys:\n{anchors}creation_rules:\n  - path_regex: ^secrets/\n    age: [{}]\n", list.join(", "))
}

/// A repository of sops alone: ana and bob, then bob leaves by `sops updatekeys`.
fn left_by_updatekeys() -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    sandbox.key();
    let bob = sandbox.person("bob");
    sandbox.write(".sops.yaml", policy(&[("ana", &sandbox), ("bob", &bob)]));
    sandbox.write(FILE, "DB_PASSWORD: hunter2\nPORT: 5432\n");
    sandbox.sops(["encrypt", "-i", FILE]).ok();
    sandbox.commit_all("secrets for two");
    sandbox.write(".sops.yaml", policy(&[("ana", &sandbox)]));
    sandbox.sops(["updatekeys", "-y", FILE]).ok();
    sandbox.commit_all("bob leaves");
    sandbox.sops(["set", FILE, r#"["STRIPE_KEY"]"#, r#""sk_live_1""#]).ok();
    sandbox.commit_all("a new key");
    (sandbox, bob)
}

fn verify(who: &Person) -> Output {
    who.stax(["secrets", "verify"])
}

#[test]
fn a_former_recipient_who_still_reads_is_named_without_a_key() {
    let (sandbox, bob) = left_by_updatekeys();
    let output = verify(&sandbox.keyless()).exits(1);
    output
        .prints("error[K05 stale-data-key]: bob can still read 1 file, less than a day after removal")
        .prints("data key kept; set since: STRIPE_KEY")
        .prints(&format!("who: {}, named in .sops.yaml at ", bob.key()))
        .prints("fix: stax secrets rotate secrets/prod.enc.yaml")
        .prints("1 file, 3 commits: 1 error");
    // and he does: the stanza of the first commit opens the value of the last
    let old = sandbox.git(["show", &format!("HEAD~2:{FILE}")]).ok().stdout;
    let new = sandbox.read(FILE);
    bob.write("both.yaml", crate::support::graft(&new, &old));
    bob.sops(["decrypt", "--ignore-mac", "both.yaml"]).ok().prints("sk_live_1");
}

#[test]
fn a_rotation_heals_it_and_a_revert_brings_it_back() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    verify(&sandbox).exits(0);
    sandbox.commit_all("rotate");
    verify(&sandbox.keyless()).exits(0).prints("1 file, 4 commits: no finding");
    sandbox.git(["revert", "--no-edit", "HEAD"]).ok();
    verify(&sandbox.keyless()).exits(1).prints("K05 stale-data-key");
}

#[test]
fn somebody_who_is_back_is_no_finding() {
    let (sandbox, bob) = left_by_updatekeys();
    sandbox.write(".sops.yaml", policy(&[("ana", &sandbox), ("bob", &bob)]));
    sandbox.sops(["updatekeys", "-y", FILE]).ok();
    sandbox.commit_all("bob is back");
    verify(&sandbox.keyless()).exits(0);
}

#[test]
fn a_copy_and_a_rename_carry_the_data_key_along() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.git(["mv", FILE, "secrets/new.enc.yaml"]).ok();
    sandbox.commit_all("a better name");
    verify(&sandbox.keyless())
        .exits(1)
        .prints("bob can still read 1 file")
        .prints("has the data key of secrets/prod.enc.yaml, which they could read");
}

#[test]
fn the_hook_refuses_a_removal_that_keeps_the_data_key() {
    let (sandbox, bob) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.write(".sops.yaml", policy(&[("ana", &sandbox), ("bob", &bob)]));
    sandbox.sops(["updatekeys", "-y", FILE]).ok();
    sandbox.commit_all("bob is back under a new key");
    sandbox.stax(["secrets", "install"]).ok();
    sandbox.write(".sops.yaml", policy(&[("ana", &sandbox)]));
    sandbox.sops(["updatekeys", "-y", FILE]).ok();
    let refused = sandbox.git(["commit", "-am", "bob leaves again"]).exits(1);
    refused
        .shows("error[K05 stale-data-key]")
        .shows("not committed yet, data key kept")
        .shows("commit refused");
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.git(["commit", "-am", "bob leaves again"]).ok();
}

#[test]
fn a_range_finds_what_its_end_hides() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.commit_all("rotate");
    sandbox.git(["tag", "base"]).ok();
    let sealed = sandbox.read(FILE);
    sandbox.put_in_clear(FILE, "DB_PASSWORD", "canary-in-clear");
    sandbox.commit_all("oops");
    sandbox.write(FILE, &sealed);
    sandbox.commit_all("as before");
    verify(&sandbox.keyless()).exits(0);
    let output = sandbox.keyless().stax(["secrets", "verify", "--range", "base..HEAD"]).exits(1);
    output
        .prints("F04 plaintext")
        .prints("in commit ")
        .prints("oops")
        .prints(", 2 commits: ")
        .hides("canary-in-clear");
    sandbox.keyless().stax(["secrets", "verify", "--range", "HEAD~1..HEAD"]).exits(0);
    sandbox.keyless().stax(["secrets", "verify", "--history"]).exits(1).prints("oops");
    let by_env = sandbox.keyless().with("PRE_COMMIT_FROM_REF", "base").with("PRE_COMMIT_TO_REF", "HEAD");
    by_env.stax(["secrets", "verify", "--range"]).exits(1).prints("oops");
    sandbox.stax(["secrets", "verify", "--range"]).exits(2).one_error();
    let unknown = sandbox.stax(["secrets", "verify", "--range", "nothing..HEAD"]).exits(2).one_error();
    unknown.says("git knows no revision `nothing`");
}

#[test]
fn a_value_changed_without_the_key_is_found_in_its_commit() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.commit_all("rotate");
    let text = sandbox.read(FILE);
    let line = text.lines().find(|line| line.starts_with("PORT: ")).expect("the port").to_owned();
    sandbox.write(FILE, text.replace(&line, &line.replace("type:int", "type:str")));
    sandbox.commit_all("only the type");
    let output = sandbox.keyless().stax(["secrets", "verify", "--range", "HEAD~1..HEAD"]).exits(1);
    output.prints("D09 type-changed").prints("`PORT`").prints("only the type");
    sandbox.write(FILE, text.replace(&line, ""));
    sandbox.commit_all("one key less");
    let output = sandbox.keyless().stax(["secrets", "verify", "--range", "HEAD~1..HEAD"]).exits(1);
    output.prints("D11 mac-unchanged").prints("`PORT` changed without the data key");
}

#[test]
fn a_shallow_clone_says_that_it_cannot_know() {
    let (sandbox, _) = left_by_updatekeys();
    let url = format!("file://{}", sandbox.path("").display());
    sandbox.git(["clone", "--quiet", "--depth", "1", &url, "../shallow"]).ok();
    let shallow = sandbox.at(sandbox.path("../shallow")).keyless();
    verify(&shallow).exits(0).says("this clone holds not all history").says("fetch-depth: 0");
    shallow.stax(["secrets", "verify", "--require-history"]).exits(1);
    shallow.stax(["secrets", "verify", "--range", "HEAD~1..HEAD"]).exits(2).one_error();
}

#[test]
fn a_server_judges_what_is_pushed_before_it_is_in() {
    let (sandbox, _) = left_by_updatekeys();
    let server = sandbox.path("../server.git");
    let server = server.to_str().expect("UTF-8");
    sandbox.git(["init", "--quiet", "--bare", server]).ok();
    let path = "../server.git/hooks/pre-receive";
    sandbox.write(path, include_str!("../../docs/ci/pre-receive"));
    sandbox.sh(&format!("chmod +x {path}")).ok();
    sandbox
        .git(["push", "--quiet", server, "HEAD:main"])
        .exits(1)
        .shows("K05 stale-data-key")
        .shows("pre-receive hook declined");
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.commit_all("rotate");
    sandbox.git(["push", "--quiet", server, "HEAD:main"]).ok();
    sandbox.write("notes.txt", "x\n");
    sandbox.commit_all("notes");
    sandbox.git(["push", "--quiet", server, "HEAD:main"]).ok();
}

#[test]
fn an_old_file_and_another_file_in_its_place_are_told() {
    let sandbox = Sandbox::with_store();
    let prod = crate::support::PROD;
    let first = sandbox.read(prod);
    sandbox.set("PORT", "6543").ok();
    sandbox.commit_all("another port");
    sandbox.write(prod, &first);
    sandbox.commit_all("the old file");
    let range = ["secrets", "verify", "--keyless", "--range", "HEAD~1..HEAD"];
    sandbox.stax(range).ok().prints("notice[D06 old-token]: `PORT`");
    // anybody who knows the public keys can do this
    sandbox.write(prod, "STRIPE_SECRET_KEY: sk_live_mine\n");
    sandbox.sops(["encrypt", "-i", prod]).ok();
    sandbox.commit_all("chore: rotate");
    sandbox.stax(range).ok().prints("notice[D08 all-replaced]");
}
