//! What commands say of one state: `status`, `init` and `vault link` never show a mark that
//! `verify` contradicts.

use crate::merge::{conflicting, merge};
use crate::support::{PROD, Person, Sandbox};

/// Bob was taken out as `sops updatekeys` does it: the data key stays.
fn with_a_leaver() -> Sandbox {
    let sandbox = Sandbox::with_store();
    let bob = sandbox.person("bob");
    sandbox
        .add_recipient(&bob, "Bob <bob@example.com>", "sre")
        .ok();
    sandbox.commit_all("Bob joins");
    for path in [".sops.yaml", "infra/secrets/recipients.md"] {
        let text = sandbox.read(path);
        let lines = text.lines().filter(|line| !line.contains(&bob.key()));
        sandbox.write(
            path,
            lines.map(|line| format!("{line}\n")).collect::<String>(),
        );
    }
    sandbox.sops(["updatekeys", "--yes", PROD]).ok();
    sandbox
        .git(["commit", "--quiet", "--no-verify", "-am", "Bob leaves"])
        .ok();
    sandbox
}

fn verdict(person: &Person) -> serde_json::Value {
    person.stax(["secrets", "status", "--json"]).ok().json()["verify"].clone()
}

#[test]
fn status_names_a_leaver_whom_only_the_history_shows() {
    let sandbox = with_a_leaver();
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[K05 stale-data-key]: Bob");
    let status = sandbox.stax(["secrets", "status"]).ok();
    status
        .prints("✗ verify: 1 error (MAC and values checked in 1 file)  K05 infra/secrets/prod.enc.yaml: Bob")
        .says("stax secrets verify")
        .hides("✓ verify");
    let told = verdict(&sandbox);
    assert_eq!(
        (&told["errors"], &told["keyless"]),
        (&1.into(), &false.into()),
        "{told}"
    );
    assert_eq!(told["history"], "whole");
    let told = verdict(&sandbox.keyless());
    assert_eq!(
        (&told["errors"], &told["keyless"]),
        (&1.into(), &true.into()),
        "{told}"
    );
    // the fix that verify prints makes both agree again
    sandbox.stax(["secrets", "rotate", PROD]).ok();
    sandbox.commit_all("new data key");
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .prints("✓ verify: no finding (MAC and values checked in 1 file)");
    sandbox.stax(["secrets", "verify"]).ok();
}

#[test]
fn binding_a_file_tells_of_a_leaver_too() {
    let sandbox = with_a_leaver();
    let env = ["--env", "production"];
    sandbox.write(
        ".stax/vault.json",
        "{\"version\": 1, \"backend\": \"sops-age\", \"files\": []}\n",
    );
    let dry = sandbox
        .stax([&["vault", "link", "--dry-run"], &env[..], &[PROD]].concat())
        .ok();
    dry.prints("✗ verify: 1 error")
        .prints("error[K05 stale-data-key]: Bob");
    let init = sandbox.stax([&["secrets", "init"], &env[..]].concat()).ok();
    init.prints("✗ verify: 1 error")
        .prints("error[K05 stale-data-key]: Bob");
}

#[test]
fn what_nobody_could_look_at_gets_no_check_mark() {
    let sandbox = with_a_leaver();
    let url = format!("file://{}", sandbox.dir.display());
    let ravi = sandbox.person("ravi");
    let clone = sandbox.place().join("shallow");
    ravi.git([
        "clone",
        "--quiet",
        "--depth=1",
        &url,
        &clone.to_string_lossy(),
    ])
    .ok();
    let ravi = ravi.at(clone);
    let status = ravi.stax(["secrets", "status"]).ok();
    status.prints(
        "? verify: no finding (keyless; MACs and values not checked); this clone lacks history",
    );
    assert_eq!(verdict(&ravi)["history"], "partial");
    let empty = Sandbox::new();
    empty
        .stax(["secrets", "status"])
        .ok()
        .prints("? verify: no SOPS file here, so nothing was verified");
}

#[test]
fn values_that_are_handed_out_during_a_merge_are_named_with_their_side() {
    let sandbox = conflicting();
    sandbox
        .get("STRIPE_SECRET_KEY")
        .ok()
        .hides("not finished")
        .hides("conflict");
    merge(&sandbox, "payments").exits(1);
    let told = "infra/secrets/prod.enc.yaml is in conflict: `STRIPE_SECRET_KEY` is as on main (ours), not as on \
                payments, until: stax secrets resolve infra/secrets/prod.enc.yaml";
    for args in [
        &["export"][..],
        &["get", "STRIPE_SECRET_KEY"],
        &["exec", "--", "true"],
    ] {
        sandbox.stax([&["secrets"], args].concat()).ok().says(told);
    }
    let status = sandbox.stax(["secrets", "status"]).ok();
    status.prints(&format!("✗ {told}")).hides("✓ verify");
    // the printed command works; until the commit the values are those of the merge
    sandbox.stax(["secrets", "resolve", PROD, "--theirs"]).ok();
    let whole = "a merge of payments is not finished: infra/secrets/prod.enc.yaml holds";
    sandbox.stax(["secrets", "export"]).ok().says(whole);
    sandbox.git(["checkout", "HEAD", "--", PROD]).ok();
    sandbox
        .stax(["secrets", "export"])
        .ok()
        .says(&format!("{whole} the values of main (ours)"));
    sandbox.git(["merge", "--abort"]).ok();
    sandbox
        .stax(["secrets", "export"])
        .ok()
        .hides("not finished");
}
