//! What a user allows a clone, and what a store hands to programs without it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{CANARY, Output, PROD, Person, Sandbox};

const LATER: &str = "NODE_EXTRA_CA_CERTS";

fn allow(person: &Person, words: &[&str]) -> Output {
    person.stax([&["allow"], words].concat())
}

fn export(person: &Person) -> Output {
    person.stax(["secrets", "export"])
}

fn store_file(person: &Person) -> std::path::PathBuf {
    person.home.join(".config/stax/allow.json")
}

/// A store with one name that points at a proxy, exported once.
fn exported() -> Sandbox {
    let sandbox = Sandbox::with_store();
    sandbox.set("HTTPS_PROXY", "http://proxy.example.com").ok();
    sandbox.commit_all("a proxy");
    export(&sandbox)
        .ok()
        .prints("HTTPS_PROXY=")
        .hides("left out");
    sandbox
}

#[test]
fn a_name_that_came_later_is_left_out_until_it_is_allowed() {
    let sandbox = exported();
    sandbox.set(LATER, "/tmp/evil.pem").ok();
    sandbox.set("TOKEN_B", "ordinary").ok();
    for format in ["shell", "dotenv"] {
        let output = sandbox.stax(["secrets", "export", "--format", format]).ok();
        let output = output
            .prints("HTTPS_PROXY=")
            .prints("TOKEN_B=")
            .says(&format!("stax allow env {LATER}"));
        assert!(
            !output.stdout.contains(LATER) && output.stderr.lines().count() == 1,
            "{output}"
        );
    }
    // quiet hides notes, not what is missing
    sandbox.stax(["-q", "secrets", "export"]).ok().says(LATER);
    allow(&sandbox, &["env", LATER]).ok();
    export(&sandbox)
        .ok()
        .prints(&format!("{LATER}="))
        .hides("left out");
    allow(&sandbox, &["env", LATER, "--remove"]).ok();
    export(&sandbox).ok().says("left out");
}

#[test]
fn the_first_export_knows_the_names_of_every_environment() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "init", "--env", "staging"]).ok();
    sandbox
        .stax_with(
            ["secrets", "set", "KUBECONFIG", "-e", "staging"],
            "/etc/kube",
        )
        .ok();
    sandbox.stax(["secrets", "export", "-e", "production"]).ok();
    sandbox
        .stax(["secrets", "export", "-e", "staging"])
        .ok()
        .prints("KUBECONFIG=")
        .hides("left out");
}

#[test]
fn ci_and_exec_pass_such_a_name_and_say_so() {
    let sandbox = exported();
    sandbox.set(LATER, "/etc/ca.pem").ok();
    sandbox
        .stax(["secrets", "exec", "--", "printenv", LATER])
        .ok()
        .prints("/etc/ca.pem")
        .says(LATER)
        .hides("HTTPS_PROXY");
    let ci = sandbox.clone_for("runner");
    fs::create_dir_all(ci.key_file().parent().expect("a folder")).expect("a folder for the key");
    fs::copy(sandbox.key_file(), ci.key_file()).expect("a key for the build server");
    let runner = ci.with("CI", "true");
    export(&runner)
        .ok()
        .prints("HTTPS_PROXY=")
        .says("note: HTTPS_PROXY points programs at a proxy");
    assert!(!store_file(&ci).exists(), "a build server keeps nothing");
    // a store that says CI opens no door in a clone that has exported before
    export(&sandbox.with("CI", "true"))
        .ok()
        .prints("HTTPS_PROXY=")
        .hides(&format!("{LATER}="))
        .says("left out");
}

#[test]
fn what_stax_and_sops_read_comes_from_no_store() {
    let sandbox = Sandbox::with_store();
    for name in ["STAX_ENV", "SOPS_AGE_KEY_FILE", "RUNNER_SECRETS_KEY"] {
        sandbox
            .set(name, "x")
            .exits(2)
            .one_error()
            .says("read by stax or sops itself");
        allow(&sandbox, &["env", name]).exits(2).one_error();
        sandbox
            .git(["config", "--global", "--add", "stax.allowEnv", name])
            .ok();
        sandbox.set(name, "x").exits(2).one_error();
    }
    sandbox
        .sops(["set", PROD, r#"["STAX_ENV"]"#, r#""staging""#])
        .ok();
    export(&sandbox)
        .exits(2)
        .one_error()
        .says("STAX_ENV")
        .hides(CANARY);
}

#[test]
fn a_repository_allows_itself_nothing() {
    let sandbox = Sandbox::with_store();
    sandbox
        .git(["config", "--local", "--add", "stax.allowEnv", "CC"])
        .ok();
    sandbox
        .git(["config", "extensions.worktreeConfig", "true"])
        .ok();
    sandbox
        .git(["config", "--worktree", "stax.useCommand", "true"])
        .ok();
    sandbox
        .set("CC", "evil")
        .exits(2)
        .says("stax allow env CC")
        .says("does not count");
    let status = sandbox.stax(["secrets", "status"]).ok();
    status
        .prints("`stax.allowEnv CC` does not count; yours: stax allow env CC\n")
        .prints("yours: stax allow command\n");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .says("yours: stax allow env CC")
        .says("yours: stax allow command");
    allow(&sandbox, &["env", "CC"]).ok();
    allow(&sandbox, &["command"]).ok();
    sandbox.set("CC", "clang").ok();
    sandbox
        .stax(["secrets", "status"])
        .ok()
        .hides("does not count");
    sandbox
        .stax(["secrets", "verify"])
        .ok()
        .hides("does not count");
    // what the user says of every repository counts
    let bob = sandbox.person("bob");
    bob.git(["config", "--global", "--add", "stax.allowEnv", "CC"])
        .ok();
    bob.stax(["secrets", "verify"]).ok().hides("C06");
    allow(&bob, &[]).ok().prints_exactly("");
}

#[test]
fn consent_is_listed_taken_back_and_forgotten() {
    let sandbox = exported();
    allow(&sandbox, &["env", "CC", "MAKEFLAGS"]).ok();
    allow(&sandbox, &["plugin", "age-plugin-yubikey"])
        .ok()
        .says("starts no plugins yet");
    allow(&sandbox, &["command", "op"]).ok();
    allow(&sandbox, &["env", "DATABASE_URL"])
        .ok()
        .says("passes without");
    let expected = "env      CC\nenv      DATABASE_URL\nenv      MAKEFLAGS\ncommand  op\nplugin   yubikey\n\
                    seen     HTTPS_PROXY   (at the first export)\n";
    allow(&sandbox, &[]).ok().prints_exactly(expected);
    let json = allow(&sandbox, &["--json"]).ok().json();
    assert_eq!(json["command"][0], "op");
    assert_eq!(json["root"].as_str().map(str::len), Some(40));
    let mode = fs::metadata(store_file(&sandbox))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    allow(&sandbox, &["env", "CC", "--remove"])
        .ok()
        .says("is no longer allowed");
    allow(&sandbox, &["env", "CC", "--remove"])
        .ok()
        .says("was not allowed");
    allow(&sandbox, &["--forget"]).ok();
    allow(&sandbox, &[]).ok().prints_exactly("");
    for words in [
        &["env", "A-B"][..],
        &["env"],
        &["plugin", "../x"],
        &["shell", "x"],
    ] {
        allow(&sandbox, words).exits(2);
    }
}

#[test]
fn consent_is_for_one_repository_and_all_its_work_trees() {
    let sandbox = Sandbox::new();
    sandbox.key();
    // before there is a commit the path alone counts
    allow(&sandbox, &["env", "CC"]).ok();
    sandbox
        .stax(["secrets", "init", "--env", "production"])
        .ok();
    sandbox.set("CC", "clang").ok();
    sandbox.commit_all("first");
    export(&sandbox).ok().prints("CC=");
    let tree = sandbox.place().join("tree");
    sandbox
        .git(["worktree", "add", "--quiet", &tree.to_string_lossy()])
        .ok();
    export(&sandbox.at(&tree)).ok().prints("CC=");
    let other = sandbox.clone_for("ana");
    export(&other)
        .exits(2)
        .says("stax allow env CC")
        .hides("another one");
    // another repository comes to the same path
    fs::remove_dir_all(sandbox.path(".git")).expect("the old repository");
    sandbox.git(["init", "--quiet"]).ok();
    sandbox.commit_all("another first commit");
    export(&sandbox)
        .exits(2)
        .says("stax allow env CC")
        .says("this is another one");
    allow(&sandbox, &["env", "CC"])
        .ok()
        .says("this is another one");
    export(&sandbox).ok().prints("CC=");
    // a shallow clone cannot tell how its history begins
    sandbox
        .git(["commit", "--quiet", "--allow-empty", "-m", "more"])
        .ok();
    let shallow = sandbox.place().join("shallow");
    let url = format!("file://{}", sandbox.dir.display());
    sandbox
        .git([
            "clone",
            "--quiet",
            "--depth=1",
            &url,
            &shallow.to_string_lossy(),
        ])
        .ok();
    let shallow = sandbox.at(&shallow);
    allow(&shallow, &["env", "CC"]).ok();
    assert_eq!(
        allow(&shallow, &["--json"]).ok().json()["root"],
        serde_json::Value::Null
    );
    export(&shallow).ok().prints("CC=");
}

#[test]
fn a_file_of_consents_that_cannot_be_believed_allows_nothing() {
    let sandbox = Sandbox::with_store();
    allow(&sandbox, &["env", "CC"]).ok();
    let file = store_file(&sandbox);
    let text = fs::read_to_string(&file).expect("the file");
    for wrong in [
        text.replace("\"env\"", "\"shell\""),
        text.replace(": 1", ": 2"),
        "{".to_owned(),
    ] {
        fs::write(&file, wrong).expect("the file");
        sandbox
            .set("CC", "x")
            .exits(2)
            .one_error()
            .says("allow.json");
        export(&sandbox)
            .exits(2)
            .one_error()
            .says("allow.json")
            .hides(CANARY);
    }
    fs::write(&file, &text).expect("the file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("the mode");
    sandbox
        .set("CC", "x")
        .exits(2)
        .one_error()
        .says(&format!("chmod 600 {}", file.display()));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the mode");
    sandbox.set("CC", "x").ok();
}

#[test]
fn a_key_command_runs_under_git_only_as_it_was_allowed() {
    let sandbox = Sandbox::with_store();
    let person = sandbox.keyless().with(
        "SOPS_AGE_KEY_CMD",
        format!("cat {}", sandbox.key_file().display()),
    );
    person.git(["show"]).ok().hides(CANARY);
    allow(&person, &["command", "op"]).ok();
    person.git(["show"]).ok().hides(CANARY);
    allow(&person, &["command", "cat"]).ok();
    person.git(["show"]).ok().prints(CANARY);
    // the repository can forbid what its user allows
    sandbox.git(["config", "stax.useCommand", "false"]).ok();
    person.git(["show"]).ok().hides(CANARY);
}

#[test]
fn an_empty_value_is_exported_only_where_the_repository_says_that_it_is_meant() {
    let sandbox = Sandbox::with_store();
    let text = sandbox.read(PROD);
    sandbox.write(PROD, format!("DISABLE_TLS: \"\"\n{text}"));
    export(&sandbox)
        .ok()
        .hides("DISABLE_TLS=")
        .says("left out DISABLE_TLS")
        .prints(CANARY);
    let output = sandbox
        .stax(["secrets", "exec", "--", "env"])
        .ok()
        .says("left out DISABLE_TLS");
    output.hides("DISABLE_TLS=").prints(CANARY);
    let entry = r#"{"rule": "F04E", "path": "infra/secrets/prod.enc.yaml", "key": "QUIET", "why": "empty on purpose"}"#;
    // the command that the line names, for what is there already
    sandbox
        .stax(["secrets", "set", "DISABLE_TLS", "--empty"])
        .ok()
        .says("exception for F04E");
    export(&sandbox)
        .ok()
        .prints("DISABLE_TLS=''")
        .hides("left out");
    sandbox.stax(["secrets", "unset", "DISABLE_TLS"]).ok();
    sandbox
        .stax(["secrets", "set", "QUIET", "--empty"])
        .ok()
        .says("exception for F04E");
    assert!(sandbox.read(".stax/vault.json").contains(entry));
    export(&sandbox).ok().prints("QUIET=''");
    // what is not empty any more needs no exception
    sandbox.set("QUIET", "no").ok();
    assert!(!sandbox.read(".stax/vault.json").contains("F04E"));
    sandbox.commit_all("a word");
    sandbox.stax(["secrets", "set", "QUIET", "--empty"]).ok();
    sandbox
        .stax(["secrets", "revert", "QUIET", "--to", "HEAD"])
        .ok();
    assert!(
        !sandbox.read(".stax/vault.json").contains("F04E"),
        "an exception does not outlive its value"
    );
    sandbox.write("plain.env", "VERBOSE=\nMODE=fast\n");
    sandbox
        .stax(["secrets", "import", "plain.env"])
        .ok()
        .says("VERBOSE is empty on purpose");
    export(&sandbox).ok().prints("VERBOSE=''").prints("MODE=");
    sandbox.stax(["secrets", "unset", "VERBOSE"]).ok();
    assert!(!sandbox.read(".stax/vault.json").contains("F04E"));
}
