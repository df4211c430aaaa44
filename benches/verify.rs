//! `stax secrets verify` beside git in one run: 1,000 files, a range of 100 commits, and what the
//! hook adds to `git commit`.
//!
//! `cargo bench --bench verify`. git's part is the least that any answer has to read.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use stax::repo::Repo;
use stax::verify::facts::InClone;
use stax::verify::{Options, TreeCheck};
use stax::workspace::register::Depth;
use stax::workspace::{Caller, Workspace};

#[path = "support/clock.rs"]
mod clock;
#[path = "support/documents.rs"]
mod documents;

use clock::{command, git, median, time};

const FILES: usize = 1_000;
const COMMITS: usize = 100;
const ROUNDS: usize = 15;
const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    store(top);
    println!(
        "{:44} {:>10} {:>10} {:>8}   medians of {ROUNDS} alternating runs",
        "", "stax", "git", "ratio"
    );
    let tree = ["grep", "-c", "-e", "type:str"];
    compare(
        top,
        "1,000 files, no key",
        &["secrets", "verify", "--keyless"],
        &tree,
    );
    let range = format!("HEAD~{COMMITS}..HEAD");
    let ours = ["secrets", "verify", "--keyless", "--range", &range];
    compare(
        top,
        "a range of 100 commits",
        &ours,
        &["log", "-p", "--no-textconv", &range],
    );
    judge(top);
    hook(top);
}

/// The judge alone, without a process of its own.
fn judge(top: &Path) {
    let options = || Options {
        depth: Depth::Keyless,
        ..Options::default()
    };
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let workspace = Workspace::over(Repo::discover(top).unwrap(), Caller::Git);
        let report = TreeCheck::gather(&workspace, options())
            .unwrap()
            .report(&InClone::NotAsked)
            .unwrap();
        times.push(start.elapsed());
        assert_eq!(report.files, FILES);
    }
    println!("{:44} {:>10.1?}", "the same by the library", median(times));
}

/// 1,000 files of ten values under one rule, 100 of them changed by a commit each.
fn store(top: &Path) {
    git(top, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(
        top.join(".sops.yaml"),
        format!("creation_rules:\n  - path_regex: ^s/\n    age: {ALICE}\n"),
    )
    .unwrap();
    for file in 0..FILES {
        let path = top.join(format!("s/{}/{file}.yaml", file % 20));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, sealed(file, 0)).unwrap();
    }
    git(top, &["add", "--all"]);
    git(top, &["commit", "--quiet", "-m", "all"]);
    for commit in 0..COMMITS {
        fs::write(
            top.join(format!("s/{}/{commit}.yaml", commit % 20)),
            sealed(commit, commit + 1),
        )
        .unwrap();
        git(top, &["commit", "--quiet", "-am", "one"]);
    }
}

fn sealed(file: usize, version: usize) -> String {
    let clear: String = (0..10)
        .map(|value| format!("KEY_{value}: value {file} {version} {value}\n"))
        .collect();
    documents::sealed((file * 1_000 + version) as u64, ALICE, &clear)
}

fn compare(top: &Path, name: &str, ours: &[&str], theirs: &[&str]) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times
            .0
            .push(time(&mut command(top, env!("CARGO_BIN_EXE_stax"), ours)));
        times.1.push(time(&mut command(top, "git", theirs)));
    }
    line(name, median(times.0), median(times.1));
}

/// A commit of one changed file, with the hook and without.
fn hook(top: &Path) {
    time(&mut command(
        top,
        env!("CARGO_BIN_EXE_stax"),
        &["secrets", "install"],
    ));
    let mut times = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        fs::write(top.join("s/0/0.yaml"), sealed(0, 1_000 + round)).unwrap();
        git(top, &["add", "--all"]);
        let skip: &[&str] = if round % 2 == 0 {
            &[]
        } else {
            &["--no-verify"]
        };
        let arguments = [&["commit", "--quiet", "-m", "one"], skip].concat();
        let list = if round % 2 == 0 {
            &mut times.0
        } else {
            &mut times.1
        };
        list.push(time(&mut command(top, "git", &arguments)));
    }
    line(
        "git commit of one file, with and without hook",
        median(times.0),
        median(times.1),
    );
}

fn line(name: &str, ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{name:44} {ours:>10.1?} {theirs:>10.1?} {ratio:>7.2}x");
}
