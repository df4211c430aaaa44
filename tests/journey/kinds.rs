//! Readers of every kind: keys of gpg and of services beside age, and ssh keys under the name that age gives them.

use crate::support::{Output, Sandbox};

const FINGERPRINT: &str = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4";
const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/0000";
/// One key, and the age key that ssh-to-age derives from it.
const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIEddolHINyAWE6+acLnUqQAdNig6YMjF3fTaq5Mbp9B";
const DERIVED: &str = "age1rr4w67te2fu40g3ddep5aafu6wsz4ftecvthaka3nmez7es2ps6qyhdz5f";

/// Entries as sops writes them; nobody here can open them.
fn entries(kind: &str) -> String {
    match kind {
        "pgp" => format!(
            "    pgp:\n        - created_at: \"2026-01-10T12:00:00Z\"\n          enc: |-\n            -----BEGIN PGP MESSAGE-----\n            x\n            -----END PGP MESSAGE-----\n          fp: {FINGERPRINT}\n"
        ),
        _ => format!(
            "    kms:\n        - arn: {ARN}\n          created_at: \"2026-01-10T12:00:00Z\"\n          enc: AQICAHh\n          aws_profile: \"\"\n"
        ),
    }
}

/// A file that Ana and somebody with a key of another kind read, and its first commit.
fn with_other(kind: &str, id: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let ana = sandbox.key();
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {ana}\n"));
    sandbox.write("a.yaml", "k: canary-1\n");
    sandbox.sops(["encrypt", "-i", "a.yaml"]).ok();
    let alone = sandbox.read("a.yaml");
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - {kind}: {id}\n    age: {ana}\n"));
    sandbox.write("a.yaml", alone.replacen("sops:\n", &format!("sops:\n{}", entries(kind)), 1));
    sandbox.commit_all("for both");
    (sandbox, alone)
}

/// As `sops updatekeys` does it: the entry goes, the data key stays, and a value is set afterwards.
fn taken_out(sandbox: &Sandbox, alone: &str) {
    sandbox.write("a.yaml", alone);
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {}\n", sandbox.key()));
    sandbox.sops(["set", "a.yaml", "[\"new\"]", "\"canary-2\""]).ok();
    sandbox.commit_all("taken out");
}

fn secrets(sandbox: &Sandbox, args: &[&str]) -> Output {
    sandbox.stax([&["secrets"], args].concat())
}

#[test]
fn who_held_a_key_of_gpg_is_a_former_reader_like_any_other() {
    let (sandbox, alone) = with_other("pgp", &FINGERPRINT.to_lowercase());
    let reader = format!("pgp {FINGERPRINT}");
    secrets(&sandbox, &["recipients"]).ok().prints(&reader);
    secrets(&sandbox, &["verify"]).ok();
    taken_out(&sandbox, &alone);
    let found = secrets(&sandbox, &["verify"]).exits(1);
    found
        .prints(&format!("error[K05 stale-data-key]: {reader} can still read 1 file"))
        .prints("set since: new");
    secrets(&sandbox, &["history"]).ok().prints(&format!("- {reader}")).prints(&reader);
    for who in [FINGERPRINT, &FINGERPRINT.to_lowercase(), &FINGERPRINT[..8], &reader] {
        secrets(&sandbox, &["exposure", who]).exits(1).prints(&reader).prints("the data key is still theirs");
    }
    secrets(&sandbox, &["rotate"]).ok();
    sandbox.commit_all("rotated");
    secrets(&sandbox, &["verify"]).ok().hides("K05");
}

#[test]
fn a_key_of_a_service_that_was_taken_out_is_a_warning_that_strict_counts() {
    let (sandbox, alone) = with_other("kms", ARN);
    secrets(&sandbox, &["recipients"]).ok().prints(&format!("kms {ARN}"));
    taken_out(&sandbox, &alone);
    let message = format!("[K05 stale-data-key]: whoever may use {ARN} can still open 1 file");
    secrets(&sandbox, &["verify"]).ok().prints(&format!("warning{message}"));
    secrets(&sandbox, &["verify", "--strict"]).exits(1).prints(&format!("error{message}"));
    secrets(&sandbox, &["exposure", ARN]).exits(1).prints(ARN);
}

#[test]
fn an_ssh_key_and_the_age_key_that_is_derived_from_it_are_one_reader() {
    let sandbox = Sandbox::new();
    let ana = sandbox.key();
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: \"{ana},{SSH}\"\n"));
    sandbox.write("a.yaml", "k: canary-1\n");
    sandbox.sops(["encrypt", "-i", "a.yaml"]).ok();
    sandbox.commit_all("as ssh");
    secrets(&sandbox, &["history"]).ok().prints(&format!("ssh-ed25519 …{}", &SSH[SSH.len() - 8..]));
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {ana},{DERIVED}\n"));
    // to sops they are two keys
    sandbox.stax(["secrets", "verify"]).exits(1).prints("error[K01 recipients]");
    sandbox.sops(["updatekeys", "-y", "a.yaml"]).ok();
    assert!(sandbox.read("a.yaml").contains(DERIVED));
    sandbox.commit_all("as age");
    secrets(&sandbox, &["verify"]).ok().hides("K05").hides("K01");
    secrets(&sandbox, &["exposure"]).ok();
    let told = secrets(&sandbox, &["history"]).ok();
    assert!(!told.stdout.contains("\n  -") && told.stdout.matches("  + ").count() == 1, "{told}");
    // by either name they leave
    secrets(&sandbox, &["remove-recipient", SSH]).ok().prints("reads nothing here");
    assert!(!sandbox.read("a.yaml").contains(DERIVED) && !sandbox.read(".sops.yaml").contains(DERIVED));
}
