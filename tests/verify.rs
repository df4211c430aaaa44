//! The judge as a library: a repository in, a report out; no command line, no output.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

use stax::repo::Repo;
use stax::verify::facts::InClone;
use stax::verify::{self, Against, Options, Report, RuleId, Severity, TreeCheck, fingerprint};
use stax::workspace::register::Depth;
use stax::workspace::{Caller, Workspace};

const THREE: &str = include_str!("../fixtures/sops/y24-three-recipients.enc.yaml");
const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
const CARL: &str = "age19c4gjula7szp6fcvgmkzu6uwuytjqwg6m6shal0myt7f4ua2ws3qg203w6";

fn git(top: &Path, arguments: &[&str]) {
    let identity = [
        "-c",
        "user.name=Ana",
        "-c",
        "user.email=ana@example.com",
        "-c",
        "commit.gpgsign=false",
    ];
    let run = Command::new("git")
        .current_dir(top)
        .args(identity)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// Two files that three people read.
fn repository(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    git(top, &["init", "--quiet", "--initial-branch=main"]);
    write_policy(top, &readers(THREE));
    for name in names {
        fs::write(top.join(name), THREE).unwrap();
    }
    git(top, &["add", "--all"]);
    git(top, &["commit", "--quiet", "-m", "three readers"]);
    folder
}

fn write_policy(top: &Path, keys: &[&str]) {
    let rule = format!(
        "creation_rules:\n  - path_regex: yaml$\n    age: {}\n",
        keys.join(",")
    );
    fs::write(top.join(".sops.yaml"), rule).unwrap();
}

fn readers(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("- recipient: "))
        .collect()
}

/// As `sops updatekeys` does it: the stanza of the last reader goes, the data key stays.
fn without_carl() -> String {
    let (start, rest) = THREE
        .split_once(&format!("        - recipient: {CARL}\n"))
        .unwrap();
    let (_, end) = rest.split_once("    lastmodified:").unwrap();
    format!("{start}    lastmodified:{end}")
}

fn workspace(top: &Path) -> Workspace {
    Workspace::over(Repo::discover(top).unwrap(), Caller::Git)
}

fn keyless() -> Options {
    Options {
        depth: Depth::Keyless,
        ..Options::default()
    }
}

fn of_tree(top: &Path, options: Options) -> Report {
    TreeCheck::gather(&workspace(top), options)
        .unwrap()
        .report(&InClone::NotAsked)
        .unwrap()
}

fn of(report: &Report, rule: RuleId) -> Vec<&verify::Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .collect()
}

#[test]
fn an_honest_tree_has_no_error() {
    let folder = repository(&["a.yaml"]);
    let report = of_tree(folder.path(), keyless());
    assert_eq!(
        (report.errors(), report.files, report.opened.files),
        (0, 1, 0)
    );
    assert!(report.is_unproven() && !report.beyond.is_empty);
}

#[test]
fn two_readers_too_many_are_two_findings_of_one_cause() {
    let folder = repository(&["a.yaml"]);
    write_policy(folder.path(), &[ALICE]);
    let report = of_tree(folder.path(), keyless());
    let found = of(&report, RuleId::K01);
    let [one, two] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (one.severity, one.path.as_str()),
        (Severity::Error, "a.yaml")
    );
    assert_eq!(fingerprint::cause(one), fingerprint::cause(two));
    assert_ne!(fingerprint::second(one), fingerprint::second(two));
}

#[test]
fn a_former_reader_is_told_with_every_file() {
    let names: Vec<String> = (0..20).map(|number| format!("f{number}.yaml")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = repository(&names);
    let top = folder.path();
    write_policy(top, &readers(&without_carl()));
    for name in &names {
        fs::write(top.join(name), without_carl()).unwrap();
    }
    git(top, &["commit", "--quiet", "-am", "remove Carl"]);
    let report = of_tree(top, keyless());
    let found = of(&report, RuleId::K05);
    let [finding] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(
        finding.message.contains("can still read 20 files"),
        "{}",
        finding.message
    );
    let mut each: Vec<String> = finding.each().into_iter().map(|one| one.path).collect();
    each.sort();
    let mut expected: Vec<&str> = names.clone();
    expected.sort_unstable();
    assert_eq!(each, expected);
}

#[test]
fn a_range_and_the_next_commit_are_judged_alike() {
    let folder = repository(&["a.yaml"]);
    let top = folder.path();
    fs::write(
        top.join("a.yaml"),
        THREE.replacen("k: ENC[", "k: plain # [", 1),
    )
    .unwrap();
    git(top, &["add", "--all"]);
    let report = verify::staged(&workspace(top), &keyless()).unwrap();
    assert!(
        report.errors() > 0 && of(&report, RuleId::F04).len() == 1,
        "{:?}",
        report.findings
    );
    git(top, &["commit", "--quiet", "--no-verify", "-m", "leak"]);
    let workspace = workspace(top);
    let span = workspace.repo().unwrap().span("HEAD~1..HEAD").unwrap();
    let report = verify::range(&workspace, &span, &Against::Start, &keyless()).unwrap();
    let found = of(&report, RuleId::F04);
    assert!(
        found.iter().any(|finding| finding.is_of_commit),
        "{found:?}"
    );
    assert_eq!(report.commits, Some(1));
}
