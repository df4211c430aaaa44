//! SOPS files that are there: found by content, bound to an environment, judged.

use std::os::unix::fs::symlink;

use crate::support::{CANARY, PROD, Sandbox, fixture};

/// Ana's repository with a flat file that she made with sops, committed; no stax file in it.
fn with_sops_file() -> Sandbox {
    let sandbox = Sandbox::new();
    let key = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - path_regex: ^deploy/\n    age: {key} # Ana\n"),
    );
    sandbox.write("deploy/prod.yaml", format!("TOKEN: {CANARY}\n"));
    sandbox.sops(["encrypt", "-i", "deploy/prod.yaml"]).ok();
    sandbox.commit_all("a store by hand");
    sandbox
}

fn link<'a>(env: &'a str, file: &'a str) -> [&'a str; 7] {
    ["vault", "link", "--backend", "sops-age", "--env", env, file]
}

#[test]
fn link_binds_and_writes_nothing_else() {
    let sandbox = with_sops_file();
    let before = sandbox.bytes("deploy/prod.yaml");
    let output = sandbox
        .stax(link("production", "deploy/prod.yaml"))
        .ok()
        .hides(CANARY);
    let output = output.prints("bound deploy/prod.yaml to production in .stax/vault.json\n");
    // a store has a list of people, and this one has none yet
    let output = output
        .prints("✗ verify: 1 error")
        .prints("error[R01 roster]")
        .says("stax secrets init");
    output.says("git add .stax/vault.json\n");
    sandbox
        .git(["status", "--porcelain", "-uall"])
        .ok()
        .prints_exactly("?? .stax/vault.json\n");
    assert_eq!(before, sandbox.bytes("deploy/prod.yaml"));
    sandbox
        .stax(["secrets", "get", "-e", "production", "TOKEN"])
        .ok()
        .prints_exactly(format!("{CANARY}\n"));

    sandbox
        .stax(link("production", "deploy/prod.yaml"))
        .ok()
        .prints("nothing to do");
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    sandbox.commit_all("the rest of the store");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("no finding");
    sandbox
        .stax(link("production", "deploy/prod.yaml"))
        .ok()
        .prints("✓ verify: no finding");
}

#[test]
fn a_dry_run_binds_nothing() {
    let sandbox = with_sops_file();
    let mut args = link("production", "deploy/prod.yaml").to_vec();
    args.push("-n");
    let output = sandbox
        .stax(&args)
        .ok()
        .prints("would bind deploy/prod.yaml to production")
        .prints("error[R01 roster]");
    // what git does with it is looked at as well
    output.prints("warning[G01 drivers]");
    sandbox
        .git(["status", "--porcelain", "-uall"])
        .ok()
        .prints_exactly("");
}

#[test]
fn link_works_from_a_folder_below_and_beside_other_files() {
    let sandbox = Sandbox::with_store();
    let key = sandbox.key();
    sandbox.write("deploy/dev.json", "{\"A\": \"x\"}\n");
    sandbox
        .sops(["encrypt", "-i", "--age", &key, "deploy/dev.json"])
        .exits_with_one_of(&[0, 1]);
    let text = sandbox.read(".sops.yaml") + &format!("  - path_regex: ^deploy/\n    age: {key}\n");
    sandbox.write(".sops.yaml", text);
    sandbox
        .sops(["encrypt", "-i", "deploy/dev.json"])
        .exits_with_one_of(&[0, 203]);
    sandbox
        .at(sandbox.path("deploy"))
        .stax(link("development", "dev.json"))
        .ok()
        .prints("! verify: 1 warning");
    let vault = sandbox.read(".stax/vault.json");
    assert!(
        vault.contains(PROD)
            && vault.contains(r#"{"path": "deploy/dev.json", "env": "development"}"#),
        "{vault}"
    );
}

#[test]
fn what_cannot_be_bound_is_refused_with_one_line() {
    let sandbox = Sandbox::with_store();
    let key = sandbox.key();
    let before = sandbox.read(".stax/vault.json");
    sandbox.write("plain.yaml", "A: 1\n");
    sandbox.write("flat.yaml", sandbox.bytes(PROD));
    let nested = std::fs::read(fixture("sops/y08-nested.enc.yaml")).expect("a fixture");
    sandbox.write("nested.yaml", nested);
    symlink(sandbox.path("flat.yaml"), sandbox.path("link.yaml")).expect("a link");
    symlink(sandbox.path("infra"), sandbox.path("linked")).expect("a link");
    std::fs::write(sandbox.place().join("outside.yaml"), "x").expect("a file");
    let table = [
        ("staging", "absent.yaml", "does not exist"),
        ("staging", "plain.yaml", "is not encrypted"),
        ("staging", "nested.yaml", "is not a single value"),
        ("staging", "link.yaml", "link.yaml"),
        ("staging", "../outside.yaml", "outside"),
        ("staging", ".stax/vault.json", "is not encrypted"),
        ("staging", "infra/secrets/recipients.md", "ends in .yaml"),
        ("staging", PROD, "already bound to production"),
        (
            "staging",
            "linked/secrets/prod.enc.yaml",
            "already bound to production",
        ),
        (
            "production",
            "flat.yaml",
            "already bound to infra/secrets/prod.enc.yaml",
        ),
        ("Staging", "flat.yaml", "lower-case"),
    ];
    for (env, file, what) in table {
        sandbox
            .stax(link(env, file))
            .exits(2)
            .one_error()
            .says(what)
            .hides(&key);
        assert_eq!(before, sandbox.read(".stax/vault.json"), "{file}");
    }
    sandbox
        .stax([
            "vault",
            "link",
            "--backend",
            "doppler",
            "-e",
            "x",
            "flat.yaml",
        ])
        .exits(2)
        .says("sops-age");
    sandbox.write(".stax/vault.json", "{}");
    sandbox
        .stax(link("staging", "flat.yaml"))
        .exits(2)
        .one_error()
        .says("vault.json");
    assert_eq!(sandbox.read(".stax/vault.json"), "{}");
}

#[test]
fn init_binds_a_file_that_is_there_and_says_what_verify_thinks() {
    let sandbox = with_sops_file();
    let before = sandbox.bytes("deploy/prod.yaml");
    let init = [
        "secrets",
        "init",
        "--env",
        "production",
        "--file",
        "deploy/prod.yaml",
    ];
    let output = sandbox
        .stax(init)
        .ok()
        .prints("✓ verify: no finding")
        .hides(CANARY);
    output.hides("set DATABASE_URL");
    assert_eq!(before, sandbox.bytes("deploy/prod.yaml"));
    sandbox.stax(init).ok().prints("nothing to do");

    // somebody reads it whom the policy does not name
    let sandbox = with_sops_file();
    let mallory = sandbox.person("mallory").key();
    sandbox
        .sops(["rotate", "-i", "--add-age", &mallory, "deploy/prod.yaml"])
        .ok();
    sandbox
        .stax(init)
        .ok()
        .prints("✗ verify: 1 error")
        .prints("error[K01 recipients]")
        .prints(&mallory);
}

#[test]
fn a_document_is_found_whatever_its_name_says() {
    let sandbox = with_sops_file();
    let sealed = sandbox.bytes("deploy/prod.yaml");
    sandbox.git(["rm", "-q", "deploy/prod.yaml"]).ok();
    sandbox.write("deploy/secrets.yaml.enc", &sealed);
    sandbox.write("deploy/tls.sops", "certificate\n");
    sandbox.sops(["encrypt", "-i", "deploy/tls.sops"]).ok();
    sandbox.write("deploy/.env.sops", "A=1\n");
    sandbox
        .sops([
            "encrypt",
            "-i",
            "--input-type",
            "dotenv",
            "--output-type",
            "dotenv",
            "deploy/.env.sops",
        ])
        .ok();
    sandbox.write("deploy/notes.txt", "sops is a tool, see ENC[AES256_GCM,\n");
    sandbox.commit_all("names that lie");
    let output = sandbox
        .stax(["secrets", "verify"])
        .ok()
        .says("3 SOPS files found by their metadata");
    let output = output
        .prints("warning[F01 parse]: holds SOPS YAML, but by its name sops reads it as binary\n");
    let output = output
        .prints("holds SOPS dotenv, but by its name")
        .prints("--input-type yaml --output-type yaml");
    output
        .prints("3 files, 2 commits: 2 warnings; MAC and values checked in 3")
        .hides("notes.txt");

    // the guard knows such a file too
    let clear = sandbox.sops([
        "decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "deploy/secrets.yaml.enc",
    ]);
    sandbox.write("deploy/secrets.yaml.enc", clear.ok().stdout);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .stax(["secrets", "verify", "--staged"])
        .exits(1)
        .prints("error[F04 plaintext]")
        .hides(CANARY);
}
