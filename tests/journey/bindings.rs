//! `.stax/vault.json` of version 2, and of a version that this stax does not know.

use crate::support::{PROD, Sandbox};

const VAULT: &str = ".stax/vault.json";
const LEAK: &str = "canary-in-clear";
const NEEDS: &str = "version 3 needs stax ≥ 0.4; this is stax 0.2.0, which knows versions 1 and 2";

fn committed(vault: &str) -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.write(VAULT, vault);
    sandbox.git(["add", "--all"]).ok();
    sandbox
        .git(["commit", "--no-verify", "-qm", "bindings"])
        .ok();
    sandbox
}

fn newer() -> Sandbox {
    committed(
        r#"{"version": 3, "stax": "0.4", "backend": "sops-age", "shape": {}, "files": [{"path": "infra/secrets/prod.enc.yaml", "env": "production"}]}"#,
    )
}

#[test]
fn fields_of_version_2_are_kept_by_whatever_writes_the_file() {
    let two = r#"{"version": 2, "backend": "sops-age",
        "files": [{"path": "infra/secrets/prod.enc.yaml", "env": "production"}],
        "vars": [{"key": "PORT"}], "keys": [{"key": "DATABASE_URL", "type": "string", "required": true}]}"#;
    let sandbox = committed(two);
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .prints("no finding");
    sandbox
        .stax(["secrets", "init", "--env", "staging"])
        .ok()
        .hides("whoever works here");
    let text = sandbox.read(VAULT);
    assert!(
        text.starts_with(
            "{\n  \"version\": 2,\n  \"stax\": \"0.2\",\n  \"backend\": \"sops-age\","
        ),
        "{text}"
    );
    assert!(
        text.contains("  \"vars\": [\n    {\"key\": \"PORT\"}\n  ],"),
        "{text}"
    );
    assert!(
        text.contains("{\"key\": \"DATABASE_URL\", \"type\": \"string\", \"required\": true}"),
        "{text}"
    );
    assert!(text.contains("staging.enc.yaml"), "{text}");
    sandbox.commit_all("staging");
    sandbox
        .stax(["secrets", "get", "PORT", "-e", "production"])
        .ok()
        .prints_exactly("5432\n");

    let one = committed(&two.replace("\"version\": 2", "\"version\": 1"));
    one.get("PORT")
        .exits(2)
        .one_error()
        .says("`vars` is a field of version 2, and the file says version 1");
}

#[test]
fn of_a_newer_version_the_hook_judges_what_it_knows_and_says_so() {
    let sandbox = newer();
    sandbox.write("notes.txt", "x\n");
    sandbox.git(["add", "notes.txt"]).ok();
    sandbox
        .git(["commit", "-qm", "unrelated"])
        .ok()
        .hides("error")
        .hides("stax:");

    let text = sandbox.read(PROD);
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
        .git(["commit", "-qam", "leak"])
        .exits(1)
        .shows("error[F04 plaintext]")
        .shows(NEEDS)
        .hides(LEAK);
    sandbox.write(PROD, text);
    sandbox.sops(["set", PROD, "[\"PORT\"]", "6543"]).ok();
    sandbox
        .git(["commit", "-qam", "honest"])
        .ok()
        .shows(NEEDS)
        .shows("which may not be all");

    sandbox.write(
        VAULT,
        sandbox
            .read(VAULT)
            .replace("\"shape\": {}", "\"shape\": {\"of\": 1}"),
    );
    sandbox
        .git(["commit", "-qam", "bindings"])
        .exits(1)
        .shows("error[B01")
        .shows("install stax 0.4 or later");
}

#[test]
fn of_a_newer_version_verify_fails_and_commands_name_both_versions() {
    let sandbox = newer();
    sandbox
        .stax(["secrets", "verify"])
        .exits(1)
        .prints("error[B01")
        .prints(NEEDS)
        .prints("install stax 0.4 or later");
    let commands: [&[&str]; 5] = [
        &["secrets", "get", "PORT"],
        &["secrets", "list"],
        &["secrets", "init", "--env", "staging"],
        &["secrets", "rotate"],
        &["vault", "link", "--env", "x", PROD],
    ];
    for args in commands {
        let said = sandbox.stax(args).exits(2);
        said.one_error().says(&format!("{VAULT}: {NEEDS}"));
    }
    sandbox
        .stax_with(["secrets", "set", "PORT"], "1\n")
        .exits(2)
        .one_error()
        .says(NEEDS);
    sandbox.git(["diff", "HEAD~"]).ok().hides("ENC[");
    sandbox.stax(["secrets", "status"]).ok().prints(NEEDS);
}

#[test]
fn a_guard_that_meets_a_newer_version_still_knows_what_is_bound() {
    let sandbox = newer();
    // the guard has to be there before
    sandbox.write(
        VAULT,
        sandbox
            .read(VAULT)
            .replace("\"version\": 3", "\"version\": 1")
            .replace("\"shape\": {}, ", "")
            .replace("\"stax\": \"0.4\", ", ""),
    );
    sandbox.stax(["secrets", "install", "--guard"]).ok();
    sandbox.git(["checkout", "-q", "--", VAULT]).ok();
    assert!(sandbox.read(VAULT).contains("\"version\": 3"));
    sandbox.write("plain.enc.yaml", "a: 1\n");
    sandbox.git(["add", "plain.enc.yaml"]).ok();
    sandbox.put_in_clear(PROD, "STRIPE_SECRET_KEY", LEAK);
    sandbox
        .git(["add", PROD])
        .exits(128)
        .shows("`STRIPE_SECRET_KEY` is in clear")
        .hides(LEAK);
}

#[test]
fn a_renamed_file_keeps_its_environment_and_a_binding_can_end() {
    let sandbox = Sandbox::with_store();
    let new = "infra/secrets/production.enc.yaml";
    sandbox
        .stax(["vault", "link", "--env", "production", new])
        .exits(2)
        .one_error();
    sandbox.write("other.enc.yaml", sandbox.read(PROD));
    sandbox
        .stax(["vault", "link", "--env", "production", "other.enc.yaml"])
        .exits(2)
        .says("stax vault unlink infra/secrets/prod.enc.yaml");
    sandbox.git(["mv", PROD, new]).ok();
    let before = sandbox.read(VAULT);
    sandbox
        .stax(["vault", "link", "--env", "production", new, "--dry-run"])
        .ok();
    assert_eq!(sandbox.read(VAULT), before);
    sandbox
        .stax(["vault", "link", "--env", "production", new])
        .ok();
    assert_eq!(sandbox.read(VAULT), before.replace(PROD, new));
    sandbox.get("PORT").ok().prints_exactly("5432\n");

    sandbox
        .stax(["vault", "unlink", "other.enc.yaml"])
        .exits(1)
        .one_error();
    sandbox
        .stax(["vault", "unlink", new, "--dry-run"])
        .ok()
        .prints("would take");
    sandbox
        .stax(["vault", "unlink", new])
        .ok()
        .prints("production");
    assert!(
        !sandbox.read(VAULT).contains("production"),
        "{}",
        sandbox.read(VAULT)
    );
    sandbox
        .stax(["secrets", "get", "PORT", "-f", new])
        .ok()
        .prints_exactly("5432\n");
}
