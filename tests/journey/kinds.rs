//! Readers of every kind: keys of gpg and of services beside age, and ssh keys under the name that
//! age gives them.

use crate::support::{Output, Sandbox};

const FINGERPRINT: &str = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4";
const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/0000";
/// One key, and the age key that ssh-to-age derives from it.
const SSH: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIEddolHINyAWE6+acLnUqQAdNig6YMjF3fTaq5Mbp9B";
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
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - {kind}: {id}\n    age: {ana}\n"),
    );
    sandbox.write(
        "a.yaml",
        alone.replacen("sops:\n", &format!("sops:\n{}", entries(kind)), 1),
    );
    sandbox.commit_all("for both");
    (sandbox, alone)
}

/// As `sops updatekeys` does it: the entry goes, the data key stays, and a value is set afterwards.
fn taken_out(sandbox: &Sandbox, alone: &str) {
    sandbox.write("a.yaml", alone);
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox
        .sops(["set", "a.yaml", "[\"new\"]", "\"canary-2\""])
        .ok();
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
        .prints(&format!(
            "error[K05 stale-data-key]: {reader} can still read 1 file"
        ))
        .prints("set since: new");
    secrets(&sandbox, &["history"])
        .ok()
        .prints(&format!("- {reader}"))
        .prints(&reader);
    for who in [
        FINGERPRINT,
        &FINGERPRINT.to_lowercase(),
        &FINGERPRINT[..8],
        &reader,
    ] {
        secrets(&sandbox, &["exposure", who])
            .exits(1)
            .prints(&reader)
            .prints("the data key is still theirs");
    }
    secrets(&sandbox, &["rotate"]).ok();
    sandbox.commit_all("rotated");
    secrets(&sandbox, &["verify"]).ok().hides("K05");
}

#[test]
fn a_key_of_a_service_that_was_taken_out_is_a_warning_that_strict_counts() {
    let (sandbox, alone) = with_other("kms", ARN);
    secrets(&sandbox, &["recipients"])
        .ok()
        .prints(&format!("kms {ARN}"));
    taken_out(&sandbox, &alone);
    let message = format!("[K05 stale-data-key]: whoever may use {ARN} can still open 1 file");
    secrets(&sandbox, &["verify"])
        .ok()
        .prints(&format!("warning{message}"));
    secrets(&sandbox, &["verify", "--strict"])
        .exits(1)
        .prints(&format!("error{message}"));
    secrets(&sandbox, &["exposure", ARN]).exits(1).prints(ARN);
}

#[test]
fn an_ssh_key_and_the_age_key_that_is_derived_from_it_are_one_reader() {
    let sandbox = Sandbox::new();
    let ana = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: \"{ana},{SSH}\"\n"),
    );
    sandbox.write("a.yaml", "k: canary-1\n");
    sandbox.sops(["encrypt", "-i", "a.yaml"]).ok();
    sandbox.commit_all("as ssh");
    secrets(&sandbox, &["history"])
        .ok()
        .prints(&format!("ssh-ed25519 …{}", &SSH[SSH.len() - 8..]));
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {ana},{DERIVED}\n"),
    );
    // to sops they are two keys
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[K01 recipients]");
    sandbox.sops(["updatekeys", "-y", "a.yaml"]).ok();
    assert!(sandbox.read("a.yaml").contains(DERIVED));
    sandbox.commit_all("as age");
    secrets(&sandbox, &["verify"])
        .ok()
        .hides("K05")
        .hides("K01");
    secrets(&sandbox, &["exposure"]).ok();
    let told = secrets(&sandbox, &["history"]).ok();
    assert!(
        !told.stdout.contains("\n  -") && told.stdout.matches("  + ").count() == 1,
        "{told}"
    );
    // by either name they leave
    secrets(&sandbox, &["remove-recipient", SSH])
        .ok()
        .prints("reads nothing here");
    assert!(
        !sandbox.read("a.yaml").contains(DERIVED) && !sandbox.read(".sops.yaml").contains(DERIVED)
    );
}

#[test]
fn a_key_of_gpg_leaves_a_file_that_only_age_keys_read_then_without_gpg() {
    let (sandbox, _) = with_other("pgp", FINGERPRINT);
    let reader = format!("pgp {FINGERPRINT}");
    let out = secrets(&sandbox, &["remove-recipient", &FINGERPRINT.to_lowercase()]).ok();
    out.prints(&format!("- {reader}: could read a.yaml"))
        .prints("~ a.yaml: new data key")
        .hides("canary");
    assert!(!sandbox.read("a.yaml").contains("pgp") && !sandbox.read(".sops.yaml").contains("pgp"));
    sandbox.sops(["decrypt", "a.yaml"]).ok().prints("canary-1");
    sandbox.commit_all("pgp is gone");
    secrets(&sandbox, &["verify"]).ok().hides("K0");
}

#[test]
fn in_every_format_the_keys_of_other_kinds_go_and_nothing_else() {
    let member = |entry: &str| format!("\"sops\": {{\n\t\t{entry},\n");
    let kms = format!("\"kms\": [{{\"arn\": \"{ARN}\", \"enc\": \"e\"}}]");
    let pgp = format!("\"pgp\": [{{\"fp\": \"{FINGERPRINT}\", \"enc\": \"e\"}}]");
    let flat = |prefix: &str, sign: &str| {
        format!("{prefix}kms__list_0__map_arn{sign}{ARN}\n{prefix}kms__list_0__map_enc{sign}e\n")
    };
    let table = [
        (
            "a.json",
            "{\"k\": \"canary-1\"}\n",
            "\"sops\": {\n",
            member(&kms),
        ),
        (
            "a.env",
            "k=canary-1\n",
            "sops_lastmodified",
            flat("sops_", "=") + "sops_lastmodified",
        ),
        (
            "a.ini",
            "[s]\nk = canary-1\n",
            "[sops]\n",
            "[sops]\n".to_owned() + &flat("", " = "),
        ),
        (
            "a.yaml",
            "k: canary-1\n---\nl: canary-1\n",
            "sops:\n",
            format!("sops:\n{}", entries("pgp")),
        ),
        ("binary", "canary-1\n", "\"sops\": {\n", member(&pgp)),
    ];
    for (name, text, after, with) in table {
        let sandbox = Sandbox::new();
        sandbox.write(
            ".sops.yaml",
            format!("creation_rules:\n  - age: {}\n", sandbox.key()),
        );
        sandbox.write(name, text);
        sandbox.sops(["encrypt", "-i", name]).ok();
        let sealed = sandbox.read(name);
        sandbox.write(name, sealed.replace(after, &with));
        assert_ne!(sealed, sandbox.read(name), "{name}");
        sandbox.commit_all("a key that the policy does not name");
        let who = if with.contains(ARN) { ARN } else { FINGERPRINT };
        secrets(&sandbox, &["remove-recipient", who])
            .ok()
            .prints(&format!("~ {name}: new data key"));
        let left = sandbox.read(name);
        assert!(
            !left.contains(ARN) && !left.contains(FINGERPRINT),
            "{name}:\n{left}"
        );
        sandbox.sops(["decrypt", name]).ok().prints("canary-1");
    }
}

#[test]
fn where_a_key_of_another_kind_stays_the_step_for_each_kind_is_printed() {
    let (sandbox, _) = with_other("pgp", FINGERPRINT);
    let policy = sandbox
        .read(".sops.yaml")
        .replace("    age:", &format!("    kms: {ARN}\n    age:"));
    let text = sandbox
        .read("a.yaml")
        .replacen("sops:\n", &format!("sops:\n{}", entries("kms")), 1);
    sandbox.write("a.yaml", text);
    sandbox.write(".sops.yaml", &policy);
    sandbox.commit_all("two kinds");
    for (who, flag) in [(FINGERPRINT, "--rm-pgp"), (ARN, "--rm-kms")] {
        let out = secrets(&sandbox, &["remove-recipient", who]).exits(1);
        out.prints(&format!("    run: sops rotate -i {flag} {who} a.yaml\n"));
        assert_eq!(sandbox.read(".sops.yaml"), policy);
    }
}

/// sops alone can encrypt to the key that stays.
#[test]
fn updatekeys_takes_no_key_of_another_kind_that_the_policy_still_names() {
    let (sandbox, _) = with_other("pgp", FINGERPRINT);
    let both = sandbox
        .read("a.yaml")
        .replacen("sops:\n", &format!("sops:\n{}", entries("kms")), 1);
    sandbox.write("a.yaml", &both);
    let age = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - kms: {ARN}\n    age: {age}\n"),
    );
    let refused = secrets(&sandbox, &["updatekeys", "--keep-data-key"]).exits(1);
    refused
        .prints("has keys of other kinds")
        .says("sops updatekeys -y a.yaml")
        .says("sops rotate -i a.yaml");
    assert_eq!(sandbox.read("a.yaml"), both);
    // where only age stays it needs neither sops nor gpg
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {age}\n"));
    secrets(&sandbox, &["updatekeys"])
        .ok()
        .prints("new data key");
    let after = sandbox.read("a.yaml");
    assert!(
        !after.contains("pgp:") && !after.contains("kms:"),
        "{after}"
    );
    sandbox.sops(["decrypt", "a.yaml"]).ok().prints("canary-1");
}
