//! Ways in which a value that somebody knows could be taken for replaced, and texts that would
//! forge a ledger.

use crate::support::{Output, PROD, Person, Sandbox};

/// Ana and Bob read `PROD` with two values; Bob is removed under a new data key.
fn without_bob() -> (Sandbox, Person) {
    let sandbox = Sandbox::initialised();
    let bob = sandbox.person("bob");
    sandbox.set("A", "canary-old-value").ok();
    sandbox.set("B", "canary-other").ok();
    sandbox.add_recipient(&bob, "Bob", "").ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .with("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z")
        .git(["commit", "--quiet", "-m", "both"])
        .ok();
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    sandbox.commit_all("remove Bob");
    (sandbox, bob)
}

fn exposure(who: &Person) -> Output {
    who.stax(["secrets", "exposure"])
}

#[test]
fn an_old_value_under_another_name_is_not_replaced() {
    let (sandbox, _) = without_bob();
    sandbox.set("A", "canary-new-value").ok();
    sandbox.set("B", "canary-new-other").ok();
    sandbox.commit_all("new values");
    exposure(&sandbox).ok().prints("0 of 2 still exposed");
    sandbox.set("C", "canary-old-value").ok();
    exposure(&sandbox)
        .exits(1)
        .prints("A  exposed    same value today as C in production; stax secrets set C\n")
        .hides("canary");
    // another type is the same secret
    sandbox.stax(["secrets", "unset", "C"]).ok();
    sandbox.set("PIN", "543210").ok();
    sandbox.commit_all("a pin");
    let dave = sandbox.person("dave");
    sandbox.add_recipient(&dave, "Dave", "").ok();
    sandbox.commit_all("add Dave");
    sandbox.stax(["secrets", "remove-recipient", "dave"]).ok();
    sandbox.set_typed("PIN", "543210", "int").ok();
    sandbox.commit_all("remove Dave");
    sandbox
        .stax(["secrets", "exposure", "dave"])
        .exits(1)
        .prints("PIN  exposed    same value today");
}

#[test]
fn a_newer_version_on_another_branch_makes_nothing_young_or_replaced() {
    let (sandbox, _) = without_bob();
    let old = ["secrets", "verify", "--max-age", "90d"];
    sandbox.stax(old).exits(1).prints("ago: `A`, `B`");
    sandbox.git(["checkout", "--quiet", "-b", "side"]).ok();
    sandbox.set("A", "canary-side").ok();
    sandbox.commit_all("on the side");
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    sandbox.stax(old).exits(1).prints("ago: `A`, `B`");
    exposure(&sandbox).exits(1).prints("2 of 2 still exposed");
    // a merge that leaves the side aside changes nothing either
    sandbox
        .git(["merge", "--quiet", "-s", "ours", "--no-edit", "side"])
        .ok();
    sandbox.stax(old).exits(1).prints("ago: `A`, `B`");
    sandbox
        .stax(["secrets", "blame"])
        .ok()
        .hides("not committed");
}

#[test]
fn a_broken_version_and_a_detour_make_nothing_young() {
    let (sandbox, _) = without_bob();
    let text = sandbox.read(PROD);
    let commit = |message| {
        sandbox
            .git(["commit", "--quiet", "--no-verify", "-am", message])
            .ok()
    };
    sandbox.write(PROD, format!("{text}<<<<<<< ours\n"));
    commit("broken");
    sandbox.write(PROD, &text);
    commit("mended");
    let old = ["secrets", "verify", "--max-age", "90d"];
    sandbox
        .stax(old)
        .exits(1)
        .prints("ago: `A`, `B`")
        .prints("not all versions can be read");
    sandbox
        .stax(["secrets", "log", "-n", "1"])
        .ok()
        .prints("no value")
        .hides("+ A");
    sandbox.stax(["secrets", "history"]).ok().hides("removed");
    sandbox.git(["rm", "--quiet", "--cached", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "gone"])
        .ok();
    sandbox.commit_all("back");
    sandbox.stax(old).exits(1).prints("ago: `A`, `B`");
    exposure(&sandbox)
        .exits(1)
        .says("not readable as a SOPS document");
    for args in [&["set", "A"][..], &["set", "B"]] {
        sandbox
            .stax_with([&["secrets"], args].concat(), "canary-new")
            .ok();
    }
    sandbox
        .stax(["secrets", "exposure", "--strict"])
        .exits(1)
        .prints("0 of 2 still exposed");
}

#[test]
fn a_file_that_the_work_tree_lacks_is_judged_as_the_index_has_it() {
    let (sandbox, _) = without_bob();
    let text = sandbox.read(PROD);
    sandbox.write(PROD, format!("<<<<<<< ours\n{text}"));
    exposure(&sandbox)
        .exits(1)
        .prints("2 of 2 still exposed")
        .says("judged as the index has it")
        .hides("Ana Silva");
    sandbox.sh(&format!("rm {PROD}")).ok();
    exposure(&sandbox)
        .exits(1)
        .prints("2 of 2 still exposed")
        .says("judged as the index has it");
}

#[test]
fn a_stashed_version_and_a_file_without_a_telling_name_count() {
    let sandbox = Sandbox::new();
    let (ana, bob) = (sandbox.key(), sandbox.person("bob").key());
    let policy = |keys: &str| format!("creation_rules:\n  - age: {keys}\n");
    sandbox.write(".sops.yaml", policy(&format!("{ana},{bob}")));
    sandbox.write("config/db.yaml", "PASSWORD: canary-1\n");
    sandbox.sops(["encrypt", "-i", "config/db.yaml"]).ok();
    sandbox.commit_all("for two");
    sandbox.write(".sops.yaml", policy(&ana));
    sandbox.git(["rm", "--quiet", "config/db.yaml"]).ok();
    sandbox.commit_all("gone");
    exposure(&sandbox)
        .ok()
        .prints("config/db.yaml")
        .prints("PASSWORD  unknown    removed in ");
    sandbox.write("x.yaml", "A: canary-2\n");
    sandbox.sops(["encrypt", "-i", "x.yaml"]).ok();
    sandbox.commit_all("ana alone");
    sandbox.write(".sops.yaml", policy(&format!("{ana},{bob}")));
    sandbox.sops(["updatekeys", "-y", "x.yaml"]).ok();
    for _ in 0..2 {
        sandbox.git(["stash"]).ok();
        sandbox.write("notes.txt", "x\n");
        sandbox.git(["add", "notes.txt"]).ok();
    }
    exposure(&sandbox)
        .exits(1)
        .prints("x.yaml from ")
        .prints("the data key is still theirs");
}

#[test]
fn a_renamed_file_under_the_old_data_key_is_rotated_by_the_removal() {
    let sandbox = Sandbox::new();
    let (ana, bob) = (sandbox.key(), sandbox.person("bob").key());
    let policy = |keys: &str| format!("creation_rules:\n  - path_regex: ^s/\n    age: {keys}\n");
    sandbox.write(".sops.yaml", policy(&format!("{ana},{bob}")));
    sandbox.write("s/x.yaml", "A: canary-1\n");
    sandbox.sops(["encrypt", "-i", "s/x.yaml"]).ok();
    sandbox.commit_all("for two");
    sandbox.write(".sops.yaml", policy(&ana));
    sandbox.sops(["updatekeys", "-y", "s/x.yaml"]).ok();
    sandbox.git(["mv", "s/x.yaml", "s/y.yaml"]).ok();
    sandbox.commit_all("removed the wrong way, and renamed");
    exposure(&sandbox)
        .exits(1)
        .prints("the data key is still theirs; stax secrets rotate s/y.yaml");
    sandbox
        .stax(["secrets", "remove-recipient", &bob])
        .ok()
        .prints("s/y.yaml: new data key");
    exposure(&sandbox)
        .exits(1)
        .prints("A  exposed    same value today");
}

#[test]
fn hostile_names_forge_no_line_and_no_heading() {
    let (sandbox, _) = without_bob();
    let forged = "x\n# Hacked <b>\u{1b}[31m|![i](http://e/x)";
    let text = sandbox.read(PROD);
    let key = serde_json::to_string(forged).expect("JSON");
    let line = text
        .lines()
        .find(|line| line.contains("recipient: "))
        .expect("a stanza")
        .to_owned();
    sandbox.write(
        PROD,
        text.replace(
            &line,
            &format!("{} {key}", &line[..line.find(':').expect("a colon") + 1]),
        ),
    );
    let name = "Eve\u{1b}]0;x\u{7}\u{202e}";
    let eve = sandbox.with("GIT_AUTHOR_NAME", name);
    eve.git(["commit", "--quiet", "--no-verify", "-am", "forged"])
        .ok();
    sandbox.write(PROD, &text);
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "as before"])
        .ok();
    for args in [
        &["exposure", "--keyless"][..],
        &["exposure", "--keyless", "--format", "md"],
        &["exposure", "--keyless", "--json"],
        &["history", "--keyless"],
        &["log", "--keyless"],
        &["blame", "--keyless"],
    ] {
        let output = sandbox
            .stax([&["secrets"], args].concat())
            .exits_with_one_of(&[0, 1]);
        let output = output.hides("\u{1b}").hides("\u{7}").hides("\u{202e}");
        assert!(
            !output
                .stdout
                .lines()
                .any(|line| line.starts_with("# Hacked")),
            "{output}"
        );
    }
}
