//! A `.sops.yaml` below the root governs the files beside it, for every command that asks for a
//! rule.

use crate::support::{CANARY, Output, Person, Sandbox};

/// The root names Ana for every file; in `team/` a policy names Ana and Ravi.
fn with_team() -> (Sandbox, Person) {
    let sandbox = Sandbox::new();
    let (ana, ravi) = (sandbox.key(), sandbox.person("ravi"));
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: \\.yaml$\n    age: {ana}\n"),
    );
    let rule = format!(
        "creation_rules:\n  - path_regex: ^db\n    age: {ana},{}\n",
        ravi.key()
    );
    sandbox.write("team/.sops.yaml", rule);
    (sandbox, ravi)
}

fn set(sandbox: &Sandbox, file: &str) -> Output {
    sandbox.stax_with(["secrets", "set", "TOKEN", "-f", file], "another")
}

#[test]
fn a_new_file_goes_to_the_readers_of_the_nearest_policy() {
    let (sandbox, ravi) = with_team();
    for file in ["team/db.yaml", "team/other.yaml", "team/plain.yaml"] {
        sandbox.write(file, format!("TOKEN: {CANARY}\n"));
    }
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/db.yaml"])
        .ok();
    ravi.sops(["decrypt", "team/db.yaml"]).ok().prints(CANARY);
    // the rule is that of the file which is written
    sandbox
        .sh("stax secrets encrypt - -o team/db2.yaml < team/plain.yaml")
        .ok();
    ravi.sops(["decrypt", "team/db2.yaml"]).ok().prints(CANARY);
    // the nearest policy has no rule for this one, so that of the root has it
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/other.yaml"])
        .ok();
    ravi.sops(["decrypt", "team/other.yaml"])
        .exits(128)
        .hides(CANARY);
    sandbox
        .stax(["secrets", "updatekeys"])
        .ok()
        .shows("nothing to do");
}

#[test]
fn a_bound_file_goes_to_the_readers_of_the_root() {
    let (sandbox, ravi) = with_team();
    let bound = r#"{"path": "team/db.yaml", "env": "production"}"#;
    sandbox.write(
        ".stax/vault.json",
        format!(r#"{{"version": 1, "backend": "sops-age", "files": [{bound}]}}"#),
    );
    sandbox.write("team/db.yaml", format!("TOKEN: {CANARY}\n"));
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/db.yaml"])
        .ok();
    ravi.sops(["decrypt", "team/db.yaml"])
        .exits(128)
        .hides(CANARY);
}

#[test]
fn a_policy_that_cannot_be_read_is_not_passed_over() {
    let (sandbox, _) = with_team();
    sandbox.write("team/.sops.yaml", "creation_rules: [");
    sandbox.write("team/db.yaml", format!("TOKEN: {CANARY}\n"));
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/db.yaml"])
        .exits(2)
        .says("team/.sops.yaml: ");
    assert!(sandbox.read("team/db.yaml").contains(CANARY));
}

#[test]
fn a_value_is_written_for_the_readers_of_the_nearest_policy() {
    let (sandbox, ravi) = with_team();
    sandbox.write("team/db.yaml", format!("TOKEN: {CANARY}\n"));
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/db.yaml"])
        .ok();
    sandbox.commit_all("as the team has it");
    set(&sandbox, "team/db.yaml").ok();
    ravi.sops(["decrypt", "team/db.yaml"])
        .ok()
        .prints("another");

    // a file that follows the root alone, where the policy of the team says otherwise
    sandbox.git(["mv", "team/.sops.yaml", "team/off"]).ok();
    sandbox.stax(["secrets", "updatekeys"]).ok();
    sandbox.git(["mv", "team/off", "team/.sops.yaml"]).ok();
    let refused = set(&sandbox, "team/db.yaml").exits(2);
    refused
        .says("not encrypted to exactly the recipients of team/.sops.yaml")
        .says(&ravi.key());
}

#[test]
fn whom_the_nearest_policy_dropped_has_an_exposure() {
    let (sandbox, ravi) = with_team();
    sandbox.write("team/db.yaml", format!("TOKEN: {CANARY}\n"));
    sandbox
        .stax(["secrets", "encrypt", "-i", "team/db.yaml"])
        .ok();
    sandbox.commit_all("for both");
    let short = &ravi.key()[..12];
    sandbox.stax(["secrets", "exposure"]).ok().hides(short);
    let policy = sandbox
        .read("team/.sops.yaml")
        .replace(&format!(",{}", ravi.key()), "");
    sandbox.write("team/.sops.yaml", policy);
    sandbox.commit_all("without Ravi");
    sandbox
        .stax(["secrets", "exposure"])
        .exits(1)
        .prints(short)
        .prints("team/db.yaml");
}
