//! `updatekeys`: files follow a policy that was edited by hand.

use crate::readers::shared;
use crate::support::{CANARY, PROD, Sandbox};

/// Bob is out of the policy, and of nothing else.
fn without_bob() -> (Sandbox, crate::support::Person) {
    let (sandbox, bob) = shared();
    let policy = sandbox.read(".sops.yaml");
    let lines = policy.lines().filter(|line| !line.contains(&bob.key()));
    let edited: String = lines.map(|line| format!("{line}\n")).collect();
    sandbox.write(".sops.yaml", edited.replace(&format!(",{}", bob.key()), ""));
    (sandbox, bob)
}

#[test]
fn who_leaves_the_policy_loses_the_file_with_a_new_data_key() {
    let (sandbox, bob) = without_bob();
    let before = sandbox.read(PROD);
    sandbox
        .stax(["secrets", "updatekeys", "-n"])
        .ok()
        .prints("-Bob")
        .says("nothing was written");
    assert_eq!(sandbox.read(PROD), before);
    let output = sandbox.stax(["secrets", "updatekeys"]).ok();
    output.prints("new data key").says("what to replace: stax secrets exposure").says(
        "git commit -m \"chore(secrets): let files follow .sops.yaml\" .sops.yaml infra/secrets/prod.enc.yaml infra/secrets/recipients.md",
    );
    sandbox
        .git([
            "commit",
            "--quiet",
            "-m",
            "bob leaves",
            ".sops.yaml",
            PROD,
            "infra/secrets/recipients.md",
        ])
        .ok();
    sandbox.sops(["decrypt", PROD]).ok().prints(CANARY);
    bob.sops(["decrypt", PROD]).exits(128);
    sandbox
        .stax(["secrets", "verify", "--keyless"])
        .hides("K05")
        .hides("K01");
    sandbox
        .stax(["secrets", "updatekeys"])
        .ok()
        .prints("nothing to do");
}

#[test]
fn a_data_key_is_kept_where_that_is_asked_for_and_then_said() {
    let (sandbox, bob) = without_bob();
    let output = sandbox
        .stax(["secrets", "updatekeys", PROD, "--keep-data-key"])
        .ok();
    output
        .hides("new data key")
        .says("has the data key that stays")
        .says(&format!("stax secrets rotate {PROD}"));
    assert!(!sandbox.read(PROD).contains(&bob.key()));
    sandbox
        .git([
            "commit",
            "--quiet",
            "--all",
            "-m",
            "bob leaves, the data key stays",
        ])
        .exits(1)
        .shows("K05")
        .hides("R01");
    sandbox.stax(["secrets", "rotate", PROD]).ok();
    sandbox.commit_all("bob leaves");
    sandbox.sops(["decrypt", PROD]).ok().prints(CANARY);
}

#[test]
fn who_joins_reads_and_the_data_key_stays() {
    let sandbox = Sandbox::with_store();
    let carol = sandbox.person("carol");
    let key = carol.key();
    let own = sandbox.key();
    sandbox.add_to_policy_only(&own, &key);
    // what `rotate` prints leads here
    let refused = sandbox
        .stax(["secrets", "rotate"])
        .exits(2)
        .says(&format!("stax secrets updatekeys {PROD}"));
    assert!(!refused.stderr.contains(CANARY));
    sandbox
        .stax(["secrets", "updatekeys", "-e", "production"])
        .ok()
        .hides("new data key");
    carol.sops(["decrypt", PROD]).ok().prints(CANARY);
}

#[test]
fn a_file_that_cannot_follow_is_named_and_the_others_are_done() {
    let (sandbox, bob) = without_bob();
    let locked = bob.sops([
        "encrypt",
        "--age",
        &bob.key(),
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        PROD,
    ]);
    drop(locked);
    let elsewhere = bob.at(&bob.home);
    elsewhere.write("plain.yaml", "a: b\n");
    let sealed = elsewhere
        .sops(["encrypt", "--age", &bob.key(), "plain.yaml"])
        .ok()
        .stdout;
    sandbox.write("other.enc.yaml", sealed);
    let rule = format!(
        "  - path_regex: ^other\\.enc\\.yaml$\n    age: {}\n",
        sandbox.key()
    );
    sandbox.write(".sops.yaml", sandbox.read(".sops.yaml") + &rule);
    let output = sandbox.stax(["secrets", "updatekeys"]).exits(1);
    output
        .prints("✗ other.enc.yaml: no identity opens it")
        .says("Bob <bob@example.com> can run the same command for other.enc.yaml")
        .prints("-Bob");
    bob.sops(["decrypt", PROD]).exits(128);
    sandbox
        .stax(["secrets", "updatekeys", "nothing.yaml"])
        .exits(2)
        .one_error();
}

#[test]
fn a_rule_that_names_nobody_takes_the_file_from_nobody() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.read(PROD);
    let key = sandbox.key();
    sandbox.write(".sops.yaml", sandbox.read(".sops.yaml").replace(&key, "''"));
    sandbox
        .stax(["secrets", "updatekeys"])
        .exits_with_one_of(&[1, 2]);
    assert_eq!(sandbox.read(PROD), before);
}

#[test]
fn another_order_of_the_same_readers_is_no_change() {
    let (sandbox, bob) = shared();
    let (own, before) = (sandbox.key(), sandbox.read(PROD));
    let policy = sandbox.read(".sops.yaml");
    let swapped = policy
        .replace(&own, "FIRST")
        .replace(&bob.key(), &own)
        .replace("FIRST", &bob.key());
    assert_ne!(swapped, policy);
    sandbox.write(".sops.yaml", swapped);
    sandbox
        .stax(["secrets", "updatekeys"])
        .ok()
        .prints("nothing to do");
    assert_eq!(sandbox.read(PROD), before);
}
