//! `stax secrets scan` beside what git reads for the same: 5,000 files, 2,000 commits, 200 values;
//! and what the guard adds to `git commit` of one ordinary file and to `git push` of 100, with 1 to
//! 1,000 SOPS files, and with 5,000 manifests that may be some.
//!
//! `cargo bench --bench scan`. `git grep` looks for the same values as they are, and in no other
//! form.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret as _;
use sops_document::age::Identity;
use stax::leak::{LeakGuard, Secret, ValueName};
use zeroize::Zeroizing;

#[path = "support/clock.rs"]
mod clock;
#[path = "support/documents.rs"]
mod documents;

use clock::{command, git, median, time};

const FILES: usize = 5_000;
const COMMITS: usize = 2_000;
const ROUNDS: usize = 9;
/// Values of each SOPS file.
const VALUES: usize = 10;

fn main() {
    throughput();
    println!(
        "{:50} {:>10} {:>10} {:>8}   medians of {ROUNDS} alternating runs",
        "", "stax", "git", "ratio"
    );
    let folder = tempfile::tempdir().unwrap();
    repository(folder.path());
    let patterns = patterns(20);
    let grep: Vec<&str> = ["grep", "-cF"]
        .into_iter()
        .chain(patterns.iter().map(String::as_str))
        .collect();
    compare(
        folder.path(),
        "5,000 files of the work tree, `git grep -F`",
        &["secrets", "scan", "src"],
        &grep,
    );
    let log = ["log", "-p", "--all", "--no-textconv"];
    compare(
        folder.path(),
        "2,000 commits, `git log -p --all`",
        &["secrets", "scan", "--history"],
        &log,
    );
    for (files, manifests) in [(1, 0), (20, 0), (200, 0), (1_000, 0), (1, 5_000)] {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), files, manifests);
        hook(folder.path(), files, manifests);
        push(folder.path());
    }
}

/// Bytes of the one pass, apart from reading them.
fn throughput() {
    let text: Vec<u8> = program(7).repeat(4_000).into_bytes();
    for values in [10, 1_000, 10_000] {
        let name = |number: usize| ValueName {
            key: number.to_string(),
            file: String::new(),
            env: None,
            is_old: false,
        };
        let secret = |number| Secret {
            name: name(number),
            value: Zeroizing::new(value(number, 0).into_bytes()),
        };
        let secrets: Vec<Secret> = (0..values).map(secret).collect();
        let start = Instant::now();
        let guard = LeakGuard::new(&secrets, &Default::default(), &[]);
        let made = start.elapsed();
        let start = Instant::now();
        assert!(guard.search(&text).values.is_empty());
        let rate = text.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
        println!("{values:>6} values: made in {made:.1?}, {rate:.0} MB/s");
    }
}

/// 24 letters and digits, other ones for each number.
fn value(file: usize, number: usize) -> String {
    let mut state = (file * VALUES + number) as u64 + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"[(state >> 33) as usize % 56]
            as char
    };
    (0..24).map(|_| next()).collect()
}

fn patterns(files: usize) -> Vec<String> {
    let values = (0..files).flat_map(|file| (0..VALUES).map(move |number| value(file, number)));
    values.flat_map(|value| ["-e".to_owned(), value]).collect()
}

/// About 8 KiB of code.
fn program(seed: usize) -> String {
    (0..200).fold(String::new(), |mut text, line| {
        let _ = writeln!(
            text,
            "    let row_{line} = table.get({seed}).map(|it| it + {line});"
        );
        text
    })
}

fn sealed(file: usize, recipient: &str) -> String {
    let clear: String = (0..VALUES)
        .map(|number| format!("KEY_{number}: {}\n", value(file, number)))
        .collect();
    documents::sealed(file as u64, recipient, &clear)
}

/// So many SOPS files under one rule, and the key of their reader where sops looks for it; beside
/// manifests under a rule for everything.
fn store(top: &Path, files: usize, manifests: usize) {
    git(top, &["init", "--quiet", "--initial-branch=main"]);
    let identity = Identity::generate();
    let recipient = identity.recipient().to_string();
    fs::create_dir_all(top.join(".config/sops/age")).unwrap();
    fs::write(
        top.join(".config/sops/age/keys.txt"),
        identity.secret_text().expose_secret(),
    )
    .unwrap();
    fs::write(top.join(".gitignore"), ".config\n").unwrap();
    let scope = if manifests == 0 {
        "    path_regex: ^s/\n"
    } else {
        ""
    };
    let rule = format!("creation_rules:\n  - age: {recipient}\n{scope}");
    fs::write(top.join(".sops.yaml"), rule).unwrap();
    fs::create_dir_all(top.join("s")).unwrap();
    for file in 0..files {
        fs::write(
            top.join(format!("s/{file}.enc.yaml")),
            sealed(file, &recipient),
        )
        .unwrap();
    }
    fs::create_dir_all(top.join("k8s")).unwrap();
    for file in 0..manifests {
        let text = format!("kind: Deployment\nmetadata: {{name: app-{file}}}\n")
            + &"# a line\n".repeat(60);
        fs::write(top.join(format!("k8s/{file}.yaml")), text).unwrap();
    }
    git(top, &["add", "--all"]);
    git(top, &["commit", "--quiet", "-m", "all"]);
}

/// 20 SOPS files beside 5,000 programs, one of them changed by each commit.
fn repository(top: &Path) {
    store(top, 20, 0);
    for file in 0..FILES {
        let path = top.join(format!("src/{}/{file}.rs", file % 100));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, program(file)).unwrap();
    }
    git(top, &["add", "--all"]);
    git(top, &["commit", "--quiet", "-m", "programs"]);
    for commit in 0..COMMITS {
        let file = commit * 7 % FILES;
        fs::write(
            top.join(format!("src/{}/{file}.rs", file % 100)),
            program(FILES + commit),
        )
        .unwrap();
        git(top, &["commit", "--quiet", "-am", "one"]);
    }
}

fn compare(top: &Path, name: &str, ours: &[&str], theirs: &[&str]) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times
            .0
            .push(time(&mut command(top, env!("CARGO_BIN_EXE_stax"), ours)));
        times
            .1
            .push(nothing_found(&mut command(top, "git", theirs)));
    }
    line(name, median(times.0), median(times.1));
}

/// `git grep` ends with 1 where it finds nothing.
fn nothing_found(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command
        .stdout(Stdio::null())
        .status()
        .expect("the command starts");
    assert!(
        matches!(status.code(), Some(0 | 1)),
        "{command:?}: {status}"
    );
    start.elapsed()
}

/// A commit of one ordinary file: with the guard, and with a hook that does not look for values.
fn hook(top: &Path, files: usize, manifests: usize) {
    time(&mut command(
        top,
        env!("CARGO_BIN_EXE_stax"),
        &["secrets", "install"],
    ));
    git(top, &["add", "--all"]);
    git(
        top,
        &["commit", "--quiet", "--allow-empty", "-m", "installed"],
    );
    let mut times = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..3 * ROUNDS {
        fs::write(top.join("program.rs"), program(round)).unwrap();
        git(top, &["add", "program.rs"]);
        let is_on = if round % 3 == 0 { "true" } else { "false" };
        git(top, &["config", "--global", "stax.scan", is_on]);
        let skip: &[&str] = if round % 3 == 2 {
            &["--no-verify"]
        } else {
            &[]
        };
        let taken = time(&mut command(
            top,
            "git",
            &[&["commit", "--quiet", "-m", "one"], skip].concat(),
        ));
        match round % 3 {
            0 => times.0.push(taken),
            1 => times.1.push(taken),
            _ => times.2.push(taken),
        }
    }
    let (with, without, bare) = (median(times.0), median(times.1), median(times.2));
    line(
        &format!("git commit, {files} SOPS files, {manifests} others: guard, and none"),
        with,
        without,
    );
    println!("{:50} {bare:>10.1?}", "    without any hook");
}

/// A push of 100 commits to a bare repository: with the guard, and with a hook that does not look
/// for values.
fn push(top: &Path) {
    let remote = tempfile::tempdir().unwrap();
    git(remote.path(), &["init", "--quiet", "--bare"]);
    git(
        top,
        &["remote", "add", "origin", &remote.path().to_string_lossy()],
    );
    git(
        top,
        &[
            "push",
            "--quiet",
            "--no-verify",
            "origin",
            "main:start",
            "main:goal",
        ],
    );
    git(top, &["branch", "start"]);
    for commit in 0..100 {
        fs::write(top.join(format!("{commit}.rs")), program(commit)).unwrap();
        git(top, &["add", "--all"]);
        git(top, &["commit", "--quiet", "--no-verify", "-m", "one"]);
    }
    let mut times = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        git(
            top,
            &[
                "config",
                "--global",
                "stax.scan",
                if round % 2 == 0 { "true" } else { "false" },
            ],
        );
        let list = if round % 2 == 0 {
            &mut times.0
        } else {
            &mut times.1
        };
        list.push(time(&mut command(
            top,
            "git",
            &["push", "--quiet", "origin", "main:goal"],
        )));
        git(
            top,
            &[
                "push",
                "--quiet",
                "--no-verify",
                "--force",
                "origin",
                "start:goal",
            ],
        );
    }
    line(
        "    git push of 100 commits: guard, and none",
        median(times.0),
        median(times.1),
    );
}

fn line(name: &str, ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{name:50} {ours:>10.1?} {theirs:>10.1?} {ratio:>7.2}x");
}
