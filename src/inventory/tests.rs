//! What is a SOPS file, and whom it names.

use std::path::{Path, PathBuf};
use std::process::Command;

use sops_document::age::{self, Recipient};
use sops_document::{DataKey, SealContext, Terms, seal};

use super::content::{PathContent, found, recipients_in};
use super::*;

use crate::repo::Repo;

const KEY: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

fn sealed(format: Format, clear: &str) -> String {
    let recipient: Recipient = KEY.parse().unwrap();
    let key = DataKey::new([1; 32]);
    let wrapped = age::wrap(&key, &[recipient]);
    let mut random = |buffer: &mut [u8]| buffer.fill(7);
    let mut context = SealContext {
        key: &key,
        now: "2026-01-10T12:00:00Z",
        random: &mut random,
    };
    seal(format, clear, &Terms::of(&wrapped), &mut context).unwrap()
}

fn kind(path: &str, text: &str) -> &'static str {
    match found(path, false, text.as_bytes()) {
        PathContent::Document(_) => "document",
        PathContent::Obstacle(..) => "obstacle",
        PathContent::NotSops => "other",
    }
}

#[test]
fn what_is_sops_is_seen_by_its_content_whatever_its_name() {
    let (yaml, env) = (
        sealed(Format::Yaml, "a: x\n"),
        sealed(Format::Dotenv, "A=x\n"),
    );
    let table = [
        ("a.yaml", yaml.as_str(), "document"),
        ("b.yaml.enc", &yaml, "document"),
        ("UPPER.YML", &yaml, "document"),
        (".env.sops", &env, "document"),
        ("a.yaml", "sops: is a word\n", "other"),
        ("a.ini", "[sops]\nx = 1\n", "other"),
    ];
    for (path, text, expected) in table {
        assert_eq!(kind(path, text), expected, "{path}");
    }
    // what cannot be read is an obstacle that names its readers
    let doubled = format!("a: y\n{yaml}");
    let PathContent::Obstacle(Cause::Unreadable(what), labels, _) =
        found("a.yaml", false, doubled.as_bytes())
    else {
        panic!("an obstacle")
    };
    assert!(what.contains("duplicate key"), "{what}");
    assert_eq!(labels, [KEY]);
}

#[test]
fn recipients_are_found_in_any_text() {
    let text = format!("x {KEY}\",\nrecipient: ssh-ed25519 AAAAC3Nz+/= somebody@host\n");
    let found: Vec<String> = recipients_in(text.as_bytes()).into_iter().collect();
    assert_eq!(found, [KEY, "ssh-ed25519 AAAAC3Nz+/="]);
}

/// A work tree with files in every state that git knows.
struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self(tempfile::TempDir::new().unwrap());
        sandbox.git(&["init", "-q", "-b", "main"]);
        sandbox
    }

    fn root(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn git(&self, args: &[&str]) {
        let person = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"];
        let mut command = Command::new("git");
        command
            .args(person)
            .args(args)
            .current_dir(self.root())
            .env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
            .env("HOME", self.root())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        assert!(command.status().unwrap().success(), "git {args:?}");
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn look(
        &self,
        source: impl Fn(&Repo) -> TreeSource,
        extent: Extent<'_>,
    ) -> (Vec<String>, Vec<String>) {
        let repo = Repo::discover(&self.root()).unwrap();
        let tree = FileTree {
            repo: &repo,
            root: &self.root(),
            source: source(&repo),
        };
        let inventory = tree.inventory(extent).unwrap();
        let rule = |at: Option<RuleAt>| {
            at.map_or("none".to_owned(), |at| {
                inventory.policies.file(at).path.clone()
            })
        };
        let files = inventory.files.iter().map(|file| {
            let (path, state) = (&file.target.path, file.state);
            format!(
                "{path} {} {state:?} {}",
                file.document.format().traits().word,
                rule(file.rule)
            )
        });
        let obstacles = inventory
            .obstacles
            .iter()
            .map(|it| format!("{}: {}", it.path, it.cause));
        (files.collect(), obstacles.collect())
    }
}

#[test]
fn a_work_tree_an_index_and_a_commit_are_looked_at_alike() {
    let sandbox = Sandbox::new();
    let (yaml, env) = (
        sealed(Format::Yaml, "a: x\n"),
        sealed(Format::Dotenv, "A=x\n"),
    );
    sandbox.write(
        ".sops.yaml",
        &format!("creation_rules:\n  - path_regex: \\.yaml\n    age: {KEY}\n"),
    );
    sandbox.write(
        "deep/.sops.yaml",
        &format!("creation_rules:\n  - age: {KEY}\n"),
    );
    sandbox.write("a.yaml", &yaml);
    sandbox.write("deep/b.yaml.enc", &yaml);
    sandbox.write("app.env", &env);
    sandbox.write("gone.yaml", &yaml);
    sandbox.write("plain.yaml", "sops: is a word\n");
    sandbox.write(".gitignore", "ignored.yaml\n");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "one"]);
    let committed = [
        "a.yaml yaml Tracked .sops.yaml",
        "app.env dotenv Tracked none",
        "deep/b.yaml.enc yaml Tracked deep/.sops.yaml",
        "gone.yaml yaml Tracked .sops.yaml",
    ];
    let head = |repo: &Repo| TreeSource::Commit(repo.head_commit().unwrap().unwrap());
    assert_eq!(sandbox.look(head, Extent::default()).0, committed);
    assert_eq!(
        sandbox.look(|_| TreeSource::Index, Extent::default()).0,
        committed
    );
    assert_eq!(
        sandbox.look(|_| TreeSource::WorkTree, Extent::default()).0,
        committed
    );

    sandbox.write("new.yaml", &yaml);
    sandbox.write("ignored.yaml", &yaml);
    sandbox.write("app.env", "A=plain\n");
    std::fs::remove_file(sandbox.root().join("gone.yaml")).unwrap();
    let whole = Extent {
        is_whole: true,
        ..Extent::default()
    };
    let (files, obstacles) = sandbox.look(|_| TreeSource::WorkTree, whole);
    assert_eq!(
        files,
        [
            "a.yaml yaml Tracked .sops.yaml",
            "deep/b.yaml.enc yaml Tracked deep/.sops.yaml",
            "new.yaml yaml Untracked .sops.yaml"
        ]
    );
    assert_eq!(
        obstacles,
        [
            "app.env: is no longer a SOPS file in the work tree",
            "gone.yaml: is in the index and not in this work tree"
        ]
    );
    let named = ["ignored.yaml".to_owned()];
    let typed = Extent {
        named: &named,
        ..Extent::default()
    };
    assert!(
        sandbox
            .look(|_| TreeSource::WorkTree, typed)
            .0
            .iter()
            .any(|file| file.starts_with("ignored.yaml "))
    );
    assert_eq!(
        sandbox.look(head, Extent::default()).0,
        committed,
        "a commit stays what it is"
    );
}

#[test]
fn a_bound_file_answers_to_the_root_and_has_to_be_a_document() {
    let sandbox = Sandbox::new();
    let yaml = sealed(Format::Yaml, "a: x\n");
    sandbox.write(
        "deep/.sops.yaml",
        &format!("creation_rules:\n  - age: {KEY}\n"),
    );
    sandbox.write("deep/bound.yaml", &yaml);
    sandbox.write("plain.yaml", "a: x\n");
    let files =
        r#"{"path": "deep/bound.yaml", "env": "one"}, {"path": "plain.yaml", "env": "two"}"#;
    sandbox.write(
        VAULT,
        &format!(r#"{{"version": 1, "backend": "sops-age", "files": [{files}]}}"#),
    );
    sandbox.git(&["add", "-A"]);
    let (found, obstacles) = sandbox.look(|_| TreeSource::Index, Extent::default());
    assert_eq!(found, ["deep/bound.yaml yaml Tracked none"]);
    assert_eq!(
        obstacles,
        ["plain.yaml: is bound in .stax/vault.json and is no SOPS document"]
    );
    // a policy that cannot be read governs what lies below it, and nobody knows how
    sandbox.write("deep/.sops.yaml", "creation_rules: [");
    sandbox.write("deep/other.yaml", &yaml);
    let whole = Extent {
        is_whole: true,
        ..Extent::default()
    };
    let (found, obstacles) = sandbox.look(|_| TreeSource::WorkTree, whole);
    assert_eq!(found, ["deep/bound.yaml yaml Tracked none"]);
    assert!(
        obstacles[0].starts_with("deep/other.yaml: its policy deep/.sops.yaml cannot be read: "),
        "{obstacles:?}"
    );
}

#[test]
fn where_a_file_says_nothing_its_ends_are_looked_at() {
    let sandbox = Sandbox::new();
    let filler = "# plain words\n".repeat(2_000);
    for (path, text, expected) in [
        ("json", "{\"a\": 1}".to_owned(), true),
        ("end", format!("{filler}sops:\n"), true),
        ("start", format!("sops:\n{filler}"), true),
        ("token", format!("{filler}a: ENC[AES256_GCM,x]\n"), true),
        ("middle", format!("{filler}sops:\n{filler}"), false),
        ("empty", String::new(), false),
    ] {
        sandbox.write(path, &text);
        assert_eq!(
            may_hold_document(Path::new(&sandbox.root()), path),
            expected,
            "{path}"
        );
    }
}
