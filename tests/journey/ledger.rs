//! The commit log as a register: what each commit made of each value, and what somebody who left
//! still knows.

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const NEW: &str = "canary-after-bob";

/// Ana's store; Bob joined it, a value was changed while he was there, he was removed, and one more
/// was changed.
fn bob_left() -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox
        .add_recipient(&bob, "Bob <bob@example.com>", "sre")
        .ok();
    sandbox.commit_all("add Bob");
    sandbox.set("STRIPE_SECRET_KEY", "canary-while-bob").ok();
    sandbox.commit_all("roll Stripe");
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    sandbox.commit_all("remove Bob");
    sandbox.set("STRIPE_SECRET_KEY", NEW).ok();
    sandbox.commit_all("roll Stripe again");
    (sandbox, bob)
}

fn secrets(who: &Person, args: &[&str]) -> Output {
    who.stax([&["secrets"], args].concat())
}

pub fn commit(who: &Person, message: &str) -> String {
    let format = format!("--grep=^{message}$");
    let id = who
        .git(["log", "--all", "--format=%h", "--abbrev=7", &format])
        .ok()
        .stdout;
    id.trim().to_owned()
}

#[test]
fn the_log_tells_of_each_value_with_and_without_a_key() {
    let (sandbox, _) = bob_left();
    let with_key = secrets(&sandbox, &["log"]).ok().hides("canary");
    with_key
        .prints("~ STRIPE_SECRET_KEY\n")
        .prints("= 3 of 3 re-encrypted, same values; new data key; Bob left\n")
        .prints("Bob joined\n")
        .prints("+ DATABASE_URL, PORT, STRIPE_SECRET_KEY\n");
    let keyless = secrets(&sandbox, &["log", "--keyless"]).ok();
    keyless
        .prints("= 3 of 3 re-encrypted; probably a new data key; Bob left\n")
        .says("across two data keys nobody can tell whether a value changed");
    assert_eq!(
        secrets(&sandbox.keyless(), &["log"]).ok().stdout,
        secrets(&sandbox, &["log", "--keyless"]).stdout
    );
    let of_key = secrets(&sandbox, &["log", "PORT"]).ok();
    let lines: Vec<&str> = of_key
        .stdout
        .lines()
        .map(|line| &line[line.find("  Ana").expect("Ana")..])
        .collect();
    assert_eq!(
        lines,
        [
            "  Ana Silva  = re-encrypted, same value",
            "  Ana Silva  + added"
        ]
    );
    secrets(&sandbox, &["log", "-n", "1"])
        .ok()
        .prints(&commit(&sandbox, "roll Stripe again"))
        .hides("Bob");
    let oldest = secrets(&sandbox, &["log", "--reverse", "-n", "2"])
        .ok()
        .stdout;
    assert!(
        oldest
            .lines()
            .next()
            .is_some_and(|line| line.contains(&commit(&sandbox, "remove Bob"))),
        "{oldest}"
    );
    secrets(&sandbox, &["log", "--since", "1d"])
        .ok()
        .prints("Bob joined");
    secrets(&sandbox, &["log", "--since", "2100-01-01"])
        .ok()
        .prints_exactly("");
    secrets(&sandbox, &["log", "NOPE"])
        .exits(1)
        .one_error()
        .says("has a key `NOPE`");
    secrets(&sandbox, &["log", "--since", "soon"]).exits(2);
    let json = secrets(&sandbox, &["log", "--json"]).ok().json();
    assert_eq!(json["entries"].as_array().map(Vec::len), Some(5), "{json}");
    assert_eq!(json["entries"][1]["keys"][0]["same_value"], true, "{json}");
}

#[test]
fn values_stand_in_the_log_for_a_key_holder_who_asks_and_are_masked_in_ci() {
    let (sandbox, _) = bob_left();
    let patch = secrets(&sandbox, &["log", "-p", "STRIPE_SECRET_KEY"]).ok();
    patch
        .prints(&format!("    - canary-while-bob\n    + {NEW}\n"))
        .prints(&format!("    + {CANARY}\n"));
    let masked = secrets(&sandbox.with("CI", "true"), &["log", "-p"])
        .ok()
        .hides("canary");
    masked.prints("    + «str 16B #");
    secrets(&sandbox.keyless(), &["log", "-p"])
        .ok()
        .prints("+ (no key at hand opens it)")
        .hides("canary");
}

#[test]
fn blame_and_age_see_through_a_rotation_or_say_that_they_cannot() {
    let (sandbox, _) = bob_left();
    let (first, last) = (
        commit(&sandbox, "chore(secrets): bootstrap encrypted store"),
        commit(&sandbox, "roll Stripe again"),
    );
    let blame = secrets(&sandbox, &["blame"]).ok();
    let line = |output: &Output, key: &str| {
        output
            .stdout
            .lines()
            .find(|line| line.contains(key))
            .expect("the key")
            .to_owned()
    };
    assert!(
        line(&blame, "PORT").starts_with(&first) && !line(&blame, "PORT").contains("re-encrypted"),
        "{blame}"
    );
    assert!(line(&blame, "STRIPE").starts_with(&last), "{blame}");
    let keyless = secrets(&sandbox.keyless(), &["blame"]).ok();
    let unsure = format!(
        "re-encrypted in {}: only a key can tell",
        commit(&sandbox, "remove Bob")
    );
    assert!(line(&keyless, "PORT").contains(&unsure), "{keyless}");
    sandbox.set("PORT", "6543").ok();
    secrets(&sandbox, &["blame"])
        .ok()
        .prints("not committed  PORT");
    let ages = secrets(&sandbox, &["list", "--age"]).ok().hides("canary");
    assert!(
        line(&ages, "DATABASE_URL").ends_with(&format!("0 d  {first}")),
        "{ages}"
    );
    assert!(line(&ages, "PORT").ends_with("not committed"), "{ages}");
    let json = secrets(&sandbox.keyless(), &["list", "--age", "--json"])
        .ok()
        .json();
    assert_eq!(json["values"][0]["set"]["commit"], first, "{json}");
    assert_eq!(
        json["values"][0]["unsure_since"]["commit"],
        commit(&sandbox, "remove Bob"),
        "{json}"
    );
}

#[test]
fn old_values_are_found_by_their_age() {
    let sandbox = Sandbox::initialised();
    sandbox.set("OLD", "x1").ok();
    sandbox.git(["add", "--all"]).ok();
    let long_ago = sandbox.with("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z");
    long_ago.git(["commit", "--quiet", "-m", "long ago"]).ok();
    sandbox.set("YOUNG", "x2").ok();
    sandbox.commit_all("today");
    let verify = secrets(&sandbox.keyless(), &["verify", "--max-age", "90d"]).exits(1);
    verify
        .prints("error[K07 old-value]: set more than 90 days ago: `OLD`\n")
        .hides("YOUNG");
    secrets(&sandbox, &["verify", "--max-age", "90y"]).ok();
    secrets(&sandbox, &["verify"]).ok();
    secrets(&sandbox, &["verify", "--max-age", "soon"]).exits(2);
    secrets(&sandbox, &["rotate"]).ok();
    sandbox.commit_all("rotate");
    secrets(&sandbox, &["verify", "--max-age", "90d"])
        .exits(1)
        .prints("ago: `OLD`\n");
    let keyless = secrets(&sandbox.keyless(), &["verify", "--max-age", "90d"]).ok();
    keyless.prints(
        "notice[K07 old-value]: re-encrypted within 90 days, and only a key can tell whether changed: `OLD`",
    );
}

#[test]
fn the_ledger_shrinks_as_values_are_replaced() {
    let (sandbox, bob) = bob_left();
    let ledger = secrets(&sandbox, &["exposure", "bob"])
        .exits(1)
        .hides("canary");
    ledger
        .prints("Bob <bob@example.com> could read production from ")
        .prints(&format!("until {} (", commit(&sandbox, "remove Bob")))
        .prints(": 3 keys, 4 values\n")
        .prints("DATABASE_URL       exposed    same value today; stax secrets set DATABASE_URL\n")
        .prints(&format!(
            "STRIPE_SECRET_KEY  replaced   {} ",
            commit(&sandbox, "roll Stripe again")
        ))
        .prints("2 of 3 still exposed. Not covered: comments, copies outside git");
    // by key and without a name too
    assert_eq!(
        secrets(&sandbox, &["exposure", &bob.key()]).exits(1).stdout,
        secrets(&sandbox, &["exposure", "bob"]).stdout
    );
    secrets(&sandbox, &["exposure"])
        .exits(1)
        .prints("2 of 3 exposed");
    sandbox.set("DATABASE_URL", "postgres://new").ok();
    secrets(&sandbox, &["exposure"])
        .exits(1)
        .prints("DATABASE_URL       replaced   not committed yet\n");
    let vault = sandbox.read(".stax/vault.json");
    let allow = format!(
        r#"  "allow": [{{"rule": "K06", "path": "{PROD}", "key": "PORT", "why": "not a secret"}}],{}"#,
        "\n  \"files\""
    );
    sandbox.write(".stax/vault.json", vault.replace("  \"files\"", &allow));
    secrets(&sandbox, &["exposure"])
        .exits(1)
        .prints("PORT               exposed");
    sandbox
        .git(["commit", "--quiet", "-m", "accept PORT", ".stax/vault.json"])
        .ok();
    secrets(&sandbox, &["exposure"])
        .ok()
        .prints("PORT               accepted   .stax/vault.json: \"not a secret\"\n");
    secrets(&sandbox, &["verify", "--exposure"]).ok();
}

#[test]
fn without_a_key_nothing_is_called_replaced_across_data_keys() {
    let (sandbox, _) = bob_left();
    let ledger = secrets(&sandbox.keyless(), &["exposure"]).ok();
    ledger
        .prints("DATABASE_URL       unknown    re-encrypted; a key tells whether it changed")
        .prints(&format!(
            "STRIPE_SECRET_KEY  unknown    set again in {}",
            commit(&sandbox, "roll Stripe again")
        ))
        .prints("0 of 3 still exposed, 3 unknown.")
        .hides("replaced");
    secrets(&sandbox.keyless(), &["exposure", "--strict"]).exits(1);
    secrets(&sandbox.keyless(), &["exposure", "--with-key"])
        .exits(3)
        .one_error();
    secrets(&sandbox, &["verify", "--exposure"]).exits(1).prints(
        "error[K06 exposed-value]: Bob could read values that are still in use: `DATABASE_URL`, `PORT`\n",
    );
    let notice = secrets(&sandbox.keyless(), &["verify", "--exposure"]).ok();
    notice.prints("notice[K06 exposed-value]: only a key can tell whether Bob still knows");
}

#[test]
fn every_form_of_the_ledger_names_commits_and_no_value() {
    let (sandbox, bob) = bob_left();
    let json = secrets(&sandbox, &["exposure", "--json"])
        .exits(1)
        .hides("canary")
        .json();
    let file = &json["people"][0]["files"][0];
    assert_eq!(
        (&json["people"][0]["recipient"], &json["exposed"]),
        (&bob.key().into(), &2.into()),
        "{json}"
    );
    assert_eq!(
        file["keys"][2]["readable"].as_array().map(Vec::len),
        Some(2),
        "{json}"
    );
    assert_eq!(file["until"]["summary"], "remove Bob", "{json}");
    let markdown = secrets(&sandbox, &["exposure", "--format", "md"])
        .exits(1)
        .hides("canary");
    markdown
        .prints("# What Bob \\<bob@example.com\\> could read\n")
        .prints("- [ ] **PORT** exposed: same value today; stax secrets set PORT (readable: ")
        .prints("- [x] **STRIPE_SECRET_KEY** replaced: ");
    secrets(&sandbox, &["exposure", "ana"])
        .ok()
        .prints("and reads it today")
        .prints("nothing is exposed; 3 keys in files that they may read");
    secrets(&sandbox, &["exposure", "carol"])
        .exits(2)
        .one_error();
    secrets(&Sandbox::with_store(), &["exposure"])
        .ok()
        .prints("nobody was removed");
}

#[test]
fn a_removal_without_a_rotation_a_copy_and_another_branch_are_exposed() {
    let (sandbox, bob) = bob_left();
    // the file as Bob knew it comes back as that of another environment
    sandbox
        .sh("git show HEAD~2:infra/secrets/prod.enc.yaml > infra/secrets/copy.enc.yaml")
        .ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "copy"])
        .ok();
    let ledger = secrets(&sandbox.keyless(), &["exposure", &bob.key()]).exits(1);
    ledger
        .prints("could read infra/secrets/copy.enc.yaml from ")
        .prints("and reads it today");
    sandbox
        .git(["rm", "--quiet", "--force", "infra/secrets/copy.enc.yaml"])
        .ok();
    sandbox.git(["commit", "--quiet", "-m", "no copy"]).ok();
    // a branch that was never merged
    sandbox
        .git(["checkout", "--quiet", "-b", "side", "HEAD~4"])
        .ok();
    sandbox.set("SIDE_ONLY", "canary-side").ok();
    sandbox.commit_all("on the side");
    sandbox.git(["checkout", "--quiet", "main"]).ok();
    let ledger = secrets(&sandbox, &["exposure", "bob"])
        .exits(1)
        .hides("canary");
    ledger
        .prints("SIDE_ONLY          unknown    not in the file of today; revoke it at its source");
}

#[test]
fn a_key_log_follows_renames_and_copies_and_survives_broken_versions() {
    let (sandbox, _) = bob_left();
    let prod = sandbox.read(PROD);
    sandbox.write(PROD, prod.replace("version: 3", "version: x"));
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "broken"])
        .ok();
    sandbox.write(PROD, &prod);
    sandbox.commit_all("mended");
    sandbox
        .git(["mv", PROD, "infra/secrets/live.enc.yaml"])
        .ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "rename"])
        .ok();
    let log = secrets(&sandbox, &["log", "-f", "infra/secrets/live.enc.yaml"]).ok();
    log.prints("came from infra/secrets/prod.enc.yaml")
        .prints("Bob joined")
        .says("not readable as a SOPS document");
    sandbox
        .sh("cp infra/secrets/live.enc.yaml infra/secrets/copy.enc.yaml")
        .ok();
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-m", "copy"])
        .ok();
    let log = secrets(&sandbox, &["log", "-f", "infra/secrets/copy.enc.yaml"]).ok();
    log.prints("came from infra/secrets/live.enc.yaml")
        .prints("Bob joined");
    sandbox
        .git(["rm", "--quiet", "infra/secrets/copy.enc.yaml"])
        .ok();
    sandbox.git(["commit", "--quiet", "-m", "gone"]).ok();
    secrets(&sandbox, &["log", "-f", "infra/secrets/copy.enc.yaml"])
        .ok()
        .prints("- DATABASE_URL, PORT, STRIPE_SECRET_KEY");
    secrets(&sandbox, &["log", "-f", "no.yaml"])
        .exits(1)
        .one_error();
}

#[test]
fn a_shallow_clone_says_what_it_cannot_know() {
    let (sandbox, _) = bob_left();
    let url = format!("file://{}", sandbox.path("").display());
    sandbox
        .git(["clone", "--quiet", "--depth", "1", &url, "../shallow"])
        .ok();
    let shallow = sandbox.at(sandbox.path("../shallow"));
    for args in [&["log"][..], &["blame"], &["exposure"], &["history"]] {
        secrets(&shallow, args)
            .ok()
            .says("this clone holds not all history");
    }
    secrets(&shallow, &["exposure", "--strict"]).exits(1);
    let outside = sandbox.at(sandbox.place());
    for args in [&["log"][..], &["blame"], &["exposure"], &["history"]] {
        secrets(&outside, args).exits(2).one_error();
    }
}
