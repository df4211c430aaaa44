//! `stax secrets verify` reads the commit log: who still holds a data key, and which commit did
//! what.

use crate::support::{Output, Person, Sandbox};

const FILE: &str = "secrets/prod.enc.yaml";

fn policy(people: &[(&str, &Person)]) -> String {
    let anchors: String = people
        .iter()
        .map(|(name, who)| format!("  - &{name} {}\n", who.key()))
        .collect();
    let list: Vec<String> = people.iter().map(|(name, _)| format!("*{name}")).collect();
    format!(
        "keys:\n{anchors}creation_rules:\n  - path_regex: ^secrets/\n    age: [{}]\n",
        list.join(", ")
    )
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
    sandbox
        .sops(["set", FILE, r#"["STRIPE_KEY"]"#, r#""sk_live_1""#])
        .ok();
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
        .prints(
            "error[K05 stale-data-key]: bob can still read 1 file, less than a day after removal",
        )
        .prints("data key kept; set since: STRIPE_KEY")
        .prints(&format!("who: {}, named in .sops.yaml at ", bob.key()))
        .prints("fix: stax secrets rotate secrets/prod.enc.yaml")
        .prints("1 file, 3 commits: 1 error");
    // and he does: the stanza of the first commit opens the value of the last
    let old = sandbox.git(["show", &format!("HEAD~2:{FILE}")]).ok().stdout;
    let new = sandbox.read(FILE);
    bob.write("both.yaml", crate::support::graft(&new, &old));
    bob.sops(["decrypt", "--ignore-mac", "both.yaml"])
        .ok()
        .prints("sk_live_1");
}

#[test]
fn a_rotation_heals_it_and_a_revert_brings_it_back() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    verify(&sandbox).exits(0);
    sandbox.commit_all("rotate");
    verify(&sandbox.keyless())
        .exits(0)
        .prints("1 file, 4 commits: no finding");
    sandbox.git(["revert", "--no-edit", "HEAD"]).ok();
    verify(&sandbox.keyless())
        .exits(1)
        .prints("K05 stale-data-key");
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
    let output = sandbox
        .keyless()
        .stax(["secrets", "verify", "--range", "base..HEAD"])
        .exits(1);
    output
        .prints("F04 plaintext")
        .prints("in commit ")
        .prints("oops")
        .prints(", 2 commits: ")
        .hides("canary-in-clear");
    sandbox
        .keyless()
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .exits(0);
    sandbox
        .keyless()
        .stax(["secrets", "verify", "--history"])
        .exits(1)
        .prints("oops")
        .prints("notice[D12 guard-changed]: changed in ");
    let by_env = sandbox
        .keyless()
        .with("PRE_COMMIT_FROM_REF", "base")
        .with("PRE_COMMIT_TO_REF", "HEAD");
    by_env
        .stax(["secrets", "verify", "--range"])
        .exits(1)
        .prints("oops");
    sandbox
        .stax(["secrets", "verify", "--range"])
        .exits(2)
        .one_error();
    let unknown = sandbox
        .stax(["secrets", "verify", "--range", "nothing..HEAD"])
        .exits(2)
        .one_error();
    unknown.says("git knows no revision `nothing`");
}

#[test]
fn a_value_changed_without_the_key_is_found_in_its_commit() {
    let (sandbox, _) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.commit_all("rotate");
    let text = sandbox.read(FILE);
    let line = text
        .lines()
        .find(|line| line.starts_with("PORT: "))
        .expect("the port")
        .to_owned();
    sandbox.write(
        FILE,
        text.replace(&line, &line.replace("type:int", "type:str")),
    );
    sandbox.commit_all("only the type");
    let output = sandbox
        .keyless()
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .exits(1);
    output
        .prints("D09 type-changed")
        .prints("`PORT`")
        .prints("only the type");
    sandbox.write(FILE, text.replace(&line, ""));
    sandbox.commit_all("one key less");
    let output = sandbox
        .keyless()
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .exits(1);
    output
        .prints("D11 mac-unchanged")
        .prints("`PORT` was deleted without the data key");
}

#[test]
fn a_shallow_clone_says_that_it_cannot_know() {
    let (sandbox, _) = left_by_updatekeys();
    let url = format!("file://{}", sandbox.path("").display());
    sandbox
        .git(["clone", "--quiet", "--depth", "1", &url, "../shallow"])
        .ok();
    let shallow = sandbox.at(sandbox.path("../shallow")).keyless();
    verify(&shallow)
        .exits(0)
        .says("this clone holds not all history")
        .says("fetch-depth: 0");
    shallow
        .stax(["secrets", "verify", "--require-history"])
        .exits(1);
    shallow
        .stax(["secrets", "verify", "--range", "HEAD~1..HEAD"])
        .exits(2)
        .one_error();
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
    sandbox
        .stax(range)
        .ok()
        .prints("notice[D06 old-token]: `PORT`");
    // anybody who knows the public keys can do this
    sandbox.write(prod, "STRIPE_SECRET_KEY: sk_live_mine\n");
    sandbox.sops(["encrypt", "-i", prod]).ok();
    sandbox.commit_all("chore: rotate");
    sandbox.stax(range).ok().prints("notice[D08 all-replaced]");
}

#[test]
fn a_range_looks_at_every_path_that_was_ever_secret() {
    // no rule names the path, and at the end the file is gone or has another name
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox.write("config/prod.yaml", "PASSWORD: canary-in-clear\nHOST: db\n");
    sandbox.sops(["encrypt", "-i", "config/prod.yaml"]).ok();
    sandbox.commit_all("sealed");
    sandbox.git(["tag", "base"]).ok();
    let leaks = [
        // in place
        "decrypt config/prod.yaml > x; mv x config/prod.yaml; c; git rm -q config/prod.yaml; c",
        // under a new name
        "decrypt config/prod.yaml > other.yaml; git rm -q config/prod.yaml; c; git rm -q other.yaml; c",
        // not readable any more
        "{ cat config/prod.yaml; echo 'HOST: x'; } > x; mv x config/prod.yaml; c; git revert --no-edit HEAD",
        // at the end
        "decrypt config/prod.yaml > x; mv x config/prod.yaml; c",
    ];
    for script in leaks {
        sandbox.git(["reset", "--quiet", "--hard", "base"]).ok();
        let ana = sandbox.with("SOPS", crate::support::real_sops::path());
        let prelude = "set -e; decrypt() { \"$SOPS\" decrypt \"$1\"; }; c() { git add -A; git commit -qm oops; }";
        ana.sh(&format!("{prelude}; {script}")).ok();
        for args in [&["--range", "base..HEAD"][..], &["--history"]] {
            let all = [&["secrets", "verify", "--keyless"], args].concat();
            sandbox
                .stax(all)
                .exits(1)
                .prints("in commit ")
                .prints("oops")
                .hides("canary-in-clear");
        }
    }
}

#[test]
fn a_new_branch_is_judged_by_what_the_server_lacks() {
    let (sandbox, _) = left_by_updatekeys();
    let zeros = format!("{}..HEAD", "0".repeat(40));
    let range = ["secrets", "verify", "--keyless", "--range", &zeros];
    // a tag on the tip, a stacked branch and a tag on a file hide nothing and stop nothing
    sandbox.git(["tag", "-am", "v1", "v1"]).ok();
    sandbox.git(["branch", "stacked"]).ok();
    sandbox.sh("git tag file HEAD:.sops.yaml").ok();
    sandbox.stax(range).exits(1).prints("K05 stale-data-key");
    sandbox.git(["branch", "known", "HEAD~1"]).ok();
    sandbox.stax(range).exits(1).prints("1 file, 1 commit: ");
}

#[test]
fn a_removal_is_blamed_on_its_commit_also_behind_a_merge() {
    let (sandbox, bob) = left_by_updatekeys();
    let removal = sandbox.git(["rev-parse", "--short=7", "HEAD~1"]).stdout;
    sandbox
        .git(["checkout", "--quiet", "-b", "side", "HEAD~2"])
        .ok();
    sandbox.sops(["set", FILE, r#"["SIDE"]"#, r#""x""#]).ok();
    sandbox.commit_all("on the side, with bob");
    sandbox.git(["checkout", "--quiet", "-"]).ok();
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    sandbox
        .git(["merge", "--quiet", "-s", "ours", "--no-edit", "side"])
        .ok();
    let output = verify(&sandbox.keyless()).exits(1);
    output
        .prints(removal.trim())
        .prints("set since: STRIPE_KEY\n")
        .hides("not committed yet");
    drop(bob);
}

#[test]
fn a_rename_beside_the_removal_hides_nothing() {
    let (sandbox, bob) = left_by_updatekeys();
    sandbox.stax(["secrets", "rotate", FILE]).ok();
    sandbox.commit_all("rotate");
    sandbox.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - age: {},{}\n",
            sandbox.key(),
            bob.key()
        ),
    );
    sandbox.write("c/a.yaml", "A: 1\n");
    sandbox.sops(["encrypt", "-i", "c/a.yaml"]).ok();
    sandbox.commit_all("a file under a rule for everything");
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox.git(["mv", "c/a.yaml", "c/b.yaml"]).ok();
    sandbox.sops(["updatekeys", "-y", "c/b.yaml"]).ok();
    sandbox.git(["add", "--all"]).ok();
    let staged = sandbox
        .stax(["secrets", "verify", "--keyless", "--staged"])
        .exits(1);
    staged.prints("c/b.yaml  has the data key of c/a.yaml");
    sandbox.commit_all("a better name, without bob");
    verify(&sandbox.keyless())
        .exits(1)
        .prints("c/b.yaml  has the data key of c/a.yaml");
}
