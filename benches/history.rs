//! History walks beside git in one run, over repositories made with `git fast-import`.
//!
//! `cargo bench --bench history [-- NAME…]`. Each walk runs in a process of its own (this binary,
//! with a flag), so that start-up counts.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use stax::repo::Repo;

#[path = "support/clock.rs"]
mod clock;
#[path = "support/documents.rs"]
mod documents;

use clock::{command, git, median, time};

const ROUNDS: usize = 5;
const APPS: usize = 300;
const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
const PATHS: [&str; 4] = [
    ".sops.yaml",
    "infra/secrets/recipients.md",
    "apps/app7/secret.sops.yaml",
    "apps/app8/secret.sops.yaml",
];

/// A repository to make.
struct Shape {
    name: &'static str,
    commits: usize,
    secrets: usize,
    /// Every how many commits a side branch of two is merged.
    merges: usize,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "30k",
        commits: 30_000,
        secrets: 4_000,
        merges: usize::MAX,
    },
    Shape {
        name: "30k-merges",
        commits: 30_000,
        secrets: 4_000,
        merges: 3,
    },
    // twice as many commits and twice again: what a walk takes in memory
    Shape {
        name: "50k",
        commits: 50_000,
        secrets: 4_000,
        merges: usize::MAX,
    },
    Shape {
        name: "100k",
        commits: 100_000,
        secrets: 4_000,
        merges: usize::MAX,
    },
    Shape {
        name: "200k",
        commits: 200_000,
        secrets: 4_000,
        merges: usize::MAX,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let Some(mode) = arguments
        .first()
        .and_then(|word| word.strip_prefix("--walk="))
    {
        return child(mode);
    }
    for shape in &SHAPES {
        if arguments.is_empty() || arguments.iter().any(|name| name == shape.name) {
            let folder = tempfile::tempdir().unwrap();
            bench(shape, folder.path());
        }
    }
}

/// One walk in the folder of the process, and what it took in memory.
fn child(mode: &str) {
    let repo = Repo::discover(Path::new(".")).unwrap();
    let span = repo.head_span().unwrap();
    let walk = match mode {
        "policy" => repo.changes_of(&span, &PATHS[..2]).unwrap(),
        "exact" => repo.changes_of(&span, &PATHS).unwrap(),
        "exact-kept" => repo.changes_of_cached(&span, &PATHS).unwrap(),
        "pattern-kept" => repo
            .changes_cached(&span, "sops", &|path| path.ends_with(".sops.yaml"), &|_| {
                true
            })
            .unwrap(),
        _ => repo
            .changes(&span, &|path| path.ends_with(".sops.yaml"))
            .unwrap(),
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("?")
            .trim()
    };
    // the peak counts the pack as well, which libgit2 maps
    let (peak, own) = (size("VmHWM:"), size("RssAnon:"));
    println!(
        "{} commits, {} changed, peak {peak}, own {own}",
        walk.commits,
        walk.changed.len()
    );
}

fn bench(shape: &Shape, top: &Path) {
    make(shape, top);
    println!(
        "{} ({} commits), medians of {ROUNDS} alternating runs",
        shape.name, shape.commits
    );
    println!("{:52} {:>10} {:>10} {:>8}", "", "stax", "git", "ratio");
    let log = ["log", "--full-history", "--format=%H", "--", ".sops.yaml"];
    let no_graph = [&["-c", "core.commitGraph=false"], &log[..]].concat();
    let raw = ["log", "--raw", "-m", "--full-history", "--format=%H"];
    let same = [&no_graph[..], &PATHS[1..]].concat();
    compare(top, "policy and recipients, no graph", "policy", &no_graph);
    compare(top, "exact paths, no graph", "exact", &no_graph);
    compare(
        top,
        "exact paths, no graph; git asked for all of them",
        "exact",
        &same,
    );
    child_of(top, "exact-kept");
    compare(top, "exact paths, kept", "exact-kept", &no_graph);
    child_of(top, "pattern-kept");
    compare(
        top,
        "all versions of all secret files, kept",
        "pattern-kept",
        &raw,
    );
    compare(
        top,
        "all versions of all secret files, no graph",
        "pattern",
        &raw,
    );
    git(top, &["commit-graph", "write", "--reachable"]);
    compare(top, "exact paths, graph", "exact", &log);
    git(
        top,
        &["commit-graph", "write", "--reachable", "--changed-paths"],
    );
    compare(top, "exact paths, filters; git has them too", "exact", &log);
    compare(
        top,
        "exact paths, filters; git without a graph",
        "exact",
        &no_graph,
    );
    compare(
        top,
        "all versions of all secret files, graph",
        "pattern",
        &raw,
    );
}

fn child_of(top: &Path, mode: &str) {
    let program = std::env::current_exe().unwrap();
    time(&mut command(
        top,
        program.to_str().unwrap(),
        &[&format!("--walk={mode}")],
    ));
}

fn compare(top: &Path, name: &str, mode: &str, theirs: &[&str]) {
    let program = std::env::current_exe().unwrap();
    let mut times = (Vec::new(), Vec::new());
    let mut said = String::new();
    for _ in 0..ROUNDS {
        let mut ours = command(top, program.to_str().unwrap(), &[&format!("--walk={mode}")]);
        let start = Instant::now();
        said = String::from_utf8(ours.stdout(Stdio::piped()).output().unwrap().stdout).unwrap();
        times.0.push(start.elapsed());
        times.1.push(time(&mut command(top, "git", theirs)));
    }
    let (ours, theirs) = (median(times.0), median(times.1));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "{name:52} {ours:>10.1?} {theirs:>10.1?} {ratio:>7.2}x   {}",
        said.trim()
    );
}

/// One file changes in each commit, every so often a secret one, now and then the policy.
fn make(shape: &Shape, top: &Path) {
    git(top, &["init", "--quiet", "--initial-branch=main"]);
    let sealed = documents::sealed(1, ALICE, "KEY: value\n");
    let mut import = command(top, "git", &["fast-import", "--quiet"]);
    let mut import = import.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = std::io::BufWriter::new(import.stdin.take().unwrap());
    let mut text = String::new();
    for number in 0..shape.commits {
        text.clear();
        let clock = 1_500_000_000 + number * 60;
        let place = number % shape.merges;
        let is_side = place + 2 == shape.merges;
        let branch = if is_side { "side" } else { "main" };
        let _ = write!(text, "commit refs/heads/{branch}\nmark :{}\n", number + 1);
        let _ = write!(
            text,
            "committer Ana <ana@example.com> {clock} +0000\ndata 7\nchange\n\n"
        );
        if is_side && number > 0 {
            let _ = writeln!(text, "from :{number}");
        } else if number > 1 && place + 1 == shape.merges {
            let _ = writeln!(text, "from :{}\nmerge :{number}", number - 1);
        }
        change(shape, number, &sealed, &mut text);
        input.write_all(text.as_bytes()).unwrap();
    }
    drop(input);
    assert!(import.wait().unwrap().success());
    git(top, &["update-ref", "-d", "refs/heads/side"]);
    git(top, &["gc", "--quiet"]);
    let _ = fs::remove_file(top.join(".git/objects/info/commit-graph"));
    let _ = fs::remove_dir_all(top.join(".git/objects/info/commit-graphs"));
}

fn change(shape: &Shape, number: usize, sealed: &str, text: &mut String) {
    let app = (number * 7919) % APPS;
    let mut file = |path: &str, content: &str| {
        let _ = write!(
            text,
            "M 100644 inline {path}\ndata {}\n{content}\n",
            content.len()
        );
    };
    if number == 0 {
        for app in 0..APPS {
            file(&format!("apps/app{app}/values.yaml"), "replicas: 1\n");
        }
    }
    if number.is_multiple_of(shape.commits / 60) {
        file(
            ".sops.yaml",
            &format!("creation_rules:\n  - age: {ALICE} # {number}\n"),
        );
    }
    if number.is_multiple_of(shape.commits / 20) {
        file("infra/secrets/recipients.md", &format!("| {number} |\n"));
    }
    if number.is_multiple_of(shape.commits / shape.secrets) {
        let path = format!("apps/app{app}/secret.sops.yaml");
        file(&path, &format!("{sealed}# {number}\n"));
    } else {
        file(
            &format!("apps/app{app}/values.yaml"),
            &format!("replicas: {number}\n"),
        );
    }
}
