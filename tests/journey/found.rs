//! One answer to which files are secret: every command takes it from the inventory.

use serde_json::Value;

use crate::support::{PROD, Sandbox};

/// Seals a text with the real sops, whatever the name of its file says.
fn seal(sandbox: &Sandbox, path: &str, format: &str, text: &str) {
    sandbox.write(path, text);
    sandbox
        .sops([
            "encrypt",
            "-i",
            "--input-type",
            format,
            "--output-type",
            format,
            path,
        ])
        .ok();
}

fn general() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", sandbox.key()),
    );
    sandbox
}

#[test]
fn status_names_the_files_that_no_environment_is_bound_to() {
    let sandbox = Sandbox::with_store();
    sandbox.write(
        ".sops.yaml",
        sandbox.read(".sops.yaml") + &format!("  - age: {}\n", sandbox.key()),
    );
    seal(
        &sandbox,
        "k8s/api.sops.yaml",
        "yaml",
        "token: canary-1\npin: canary-2\n",
    );
    sandbox.commit_all("a manifest");
    seal(&sandbox, "later.yaml.enc", "yaml", "token: canary-3\n");
    let broken = sandbox.read("k8s/api.sops.yaml").replace("pin:", "token:");
    sandbox.write("broken.yaml", broken);
    let output = sandbox.stax(["secrets", "status"]).ok().hides("canary");
    output
        .prints(&format!(
            "  • {PROD} [env=production]  3 keys, readable by Ana Silva\n"
        ))
        .prints("  • broken.yaml [not bound]  cannot be read: line 2: ")
        .prints("  • k8s/api.sops.yaml [not bound]  2 keys, readable by Ana Silva\n")
        .prints("  • later.yaml.enc [not bound, not in git]  1 key, readable by Ana Silva\n");
    let json = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    assert_eq!(json["canonical"]["files"].as_array().map(Vec::len), Some(1));
    let told: Vec<(&str, Option<&str>, Option<u64>)> = json["unbound"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| {
            (
                text(&file["path"]),
                file["state"].as_str(),
                file["keys"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("broken.yaml", None, None),
            ("k8s/api.sops.yaml", Some("tracked"), Some(2)),
            ("later.yaml.enc", Some("untracked"), Some(1)),
        ]
    );
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_only_file_needs_no_name_where_nothing_is_bound() {
    let sandbox = general();
    sandbox
        .stax(["secrets", "list"])
        .exits(2)
        .says("no environment is bound here");
    seal(&sandbox, "deploy/s.yaml", "yaml", "TOKEN: canary-1\n");
    sandbox.commit_all("one");
    sandbox.stax(["secrets", "list"]).ok().prints("TOKEN");
    sandbox.stax(["secrets", "log"]).ok().prints("TOKEN");
    sandbox
        .stax(["secrets", "get", "TOKEN"])
        .ok()
        .prints("canary-1");
    // only a bound file is an environment
    sandbox
        .stax(["secrets", "list", "-e", "production"])
        .exits(2)
        .says("no environment is bound here");
    sandbox
        .stax(["secrets", "export"])
        .exits(2)
        .says("deploy/s.yaml is not bound to an environment");
    seal(&sandbox, "other.yaml", "yaml", "TOKEN: canary-2\n");
    sandbox
        .stax(["secrets", "list"])
        .exits(2)
        .says("no environment is bound here");
}

#[test]
fn a_document_is_read_by_its_content_whatever_its_name_says() {
    let sandbox = general();
    sandbox.stax(["secrets", "install"]).ok();
    sandbox.write(".gitattributes", "*.enc -text diff=stax merge=stax\n");
    seal(&sandbox, "s.yaml.enc", "yaml", "a: canary-1\nb: canary-2\n");
    sandbox.commit_all("one");
    sandbox
        .stax_with(
            ["secrets", "set", "a", "-f", "s.yaml.enc"],
            "canary-after\n",
        )
        .ok();
    sandbox
        .git(["diff"])
        .ok()
        .prints("-a: canary-1\n")
        .prints("+a: canary-after\n")
        .hides("ENC[");
    sandbox
        .stax(["secrets", "get", "b", "-f", "s.yaml.enc"])
        .ok()
        .prints("canary-2");
    let sealed = sandbox.sops([
        "decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "s.yaml.enc",
    ]);
    assert_eq!(sealed.ok().stdout, "a: canary-after\nb: canary-2\n");
}

#[test]
fn a_merge_reads_documents_by_their_content() {
    let sandbox = general();
    sandbox.stax(["secrets", "install"]).ok();
    sandbox.write(".gitattributes", "*.enc -text diff=stax merge=stax\n");
    seal(&sandbox, "s.yaml.enc", "yaml", "a: canary-1\nb: canary-2\n");
    sandbox.commit_all("one");
    sandbox.git(["switch", "-q", "-c", "other"]).ok();
    sandbox
        .stax_with(
            ["secrets", "set", "a", "-f", "s.yaml.enc"],
            "canary-other\n",
        )
        .ok();
    sandbox.commit_all("a");
    sandbox.git(["switch", "-q", "-"]).ok();
    sandbox
        .stax_with(["secrets", "set", "b", "-f", "s.yaml.enc"], "canary-here\n")
        .ok();
    sandbox.commit_all("b");
    sandbox.git(["merge", "-q", "--no-edit", "other"]).ok();
    let clear = sandbox.stax(["secrets", "decrypt", "s.yaml.enc"]).ok();
    assert_eq!(clear.stdout, "a: canary-other\nb: canary-here\n");
}

/// Documents that plain words do not show: verify judges them, and so a removal has to reach them.
#[test]
fn what_verify_judges_a_removal_changes() {
    let sandbox = general();
    let bob = sandbox.person("bob");
    sandbox.write(
        ".sops.yaml",
        format!(
            "creation_rules:\n  - age: {},{}\n",
            sandbox.key(),
            bob.key()
        ),
    );
    seal(&sandbox, "escaped.json", "json", "{\"a\": \"canary-1\"}");
    let escaped = sandbox
        .read("escaped.json")
        .replace("\"sops\"", "\"\\u0073ops\"");
    sandbox.write("escaped.json", escaped);
    // the metadata stand first, and far more than a window of text behind them
    let many: String = (0..400).map(|at| format!("k{at}: v{at}\n")).collect();
    seal(&sandbox, "first", "yaml", &many);
    let text = sandbox.read("first");
    let (values, block) = text.split_once("sops:\n").expect("a block");
    sandbox.write(
        "first",
        format!(
            "sops:\n{block}{values}# the end\n{}",
            "# plain words\n".repeat(2_000)
        ),
    );
    sandbox.commit_all("two");
    let judged = sandbox
        .stax(["secrets", "verify", "--keyless", "--json"])
        .json();
    assert_eq!(judged["files"], 2, "{judged}");
    let status = sandbox.stax(["secrets", "status", "--json"]).ok().json();
    let found: Vec<&str> = status["unbound"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text_of)
        .collect();
    assert_eq!(found, ["escaped.json", "first"]);
}

fn text_of(file: &Value) -> &str {
    text(&file["path"])
}

#[test]
fn scan_looks_for_the_values_of_a_file_that_git_does_not_know_yet() {
    let sandbox = general();
    sandbox.commit_all("a policy");
    seal(&sandbox, "new.yaml", "yaml", "TOKEN: canary1a2b3c1\n");
    sandbox.write("leak.txt", "canary1a2b3c1\n");
    sandbox
        .stax(["secrets", "scan"])
        .exits(1)
        .prints("the value of TOKEN (new.yaml) stands in leak.txt\n");
}
