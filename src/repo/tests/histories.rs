//! Random histories: the walks against `git log`, with and without a commit-graph, whole or
//! damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use zeroize::Zeroizing;

use super::*;
use crate::repo::WalkKey;

const PATHS: [&str; 7] = [
    ".sops.yaml",
    "a/b.yaml",
    "a/c/d.yaml",
    "a.b",
    "z/dé/ü.yaml",
    "x/y",
    "infra/secrets/recipients.md",
];
/// Where it is a file, `x/y` is not.
const CONFLICT: &str = "x";

pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

type Tree = BTreeMap<&'static str, usize>;

/// A history that grows: each commit goes on from some of the last ones, with side branches, merges
/// that choose or mix, criss-cross, octopuses, renames, roots of its own and clocks that go wrong.
pub(super) struct Growth {
    pub dice: Dice,
    pub is_steady: bool,
    commits: Vec<Tree>,
    clock: i64,
}

impl Growth {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            is_steady: false,
            commits: Vec::new(),
            clock: 1_700_000_000,
        }
    }

    /// Adds commits to branch `name` of a repository.
    pub(super) fn grow(&mut self, sandbox: &Sandbox, count: usize, name: &str) {
        let mut stream = String::new();
        for _ in 0..count {
            let mark = self.commits.len();
            let mut parents = BTreeSet::new();
            if mark > 0 && self.dice.below(40) > 0 {
                for _ in 0..[1, 1, 1, 1, 2, 2, 2, 3][self.dice.below(8)] {
                    parents.insert(mark - 1 - self.dice.below(mark.min(6)));
                }
            }
            let mut parents: Vec<usize> = parents.into_iter().collect();
            if self.dice.below(4) > 0 {
                parents.reverse();
            }
            let tree = self.tree(&parents);
            let step = [60, 60, 0, -3000][self.dice.below(4).min(self.dice.below(9))];
            self.clock += if self.is_steady { 60 } else { step };
            let who = format!("Ana <ana@example.com> {} +0100", self.clock);
            let _ = write!(
                stream,
                "commit refs/heads/{name}\nmark :{}\nauthor {who}\n",
                mark + 1
            );
            let _ = write!(stream, "committer {who}\ndata 2\nc\n\n");
            for (at, parent) in parents.iter().enumerate() {
                let word = if at == 0 { "from" } else { "merge" };
                let _ = writeln!(stream, "{word} :{}", parent + 1);
            }
            stream.push_str("deleteall\n");
            for (path, value) in &tree {
                let text = value.to_string();
                let _ = write!(
                    stream,
                    "M 100644 inline {path}\ndata {}\n{text}\n",
                    text.len()
                );
            }
            self.commits.push(tree);
        }
        let marks = sandbox.top().join(".git/marks");
        let (import, export) = (
            format!("--import-marks-if-exists={}", marks.display()),
            format!("--export-marks={}", marks.display()),
        );
        sandbox.git_with(
            &["fast-import", "--quiet", "--force", &import, &export],
            stream.as_bytes(),
        );
    }

    fn tree(&mut self, parents: &[usize]) -> Tree {
        let mut tree = parents
            .first()
            .map(|parent| self.commits[*parent].clone())
            .unwrap_or_default();
        for parent in parents.iter().skip(1) {
            for path in PATHS {
                if self.dice.below(2) == 0 {
                    tree.remove(path);
                    tree.extend(self.commits[*parent].get_key_value(path));
                }
            }
        }
        let changes = self.dice.below(3);
        for _ in 0..changes {
            let path = PATHS[self.dice.below(PATHS.len())];
            match self.dice.below(6) {
                0 => drop(tree.remove(path)),
                1 => {
                    let moved = tree.remove(path);
                    tree.extend(moved.map(|value| (PATHS[self.dice.below(PATHS.len())], value)));
                }
                2 => drop(tree.insert("other", self.dice.below(90))),
                3 if path == "x/y" => drop(tree.insert(CONFLICT, 1)),
                _ => drop(tree.insert(path, self.dice.below(4))),
            }
        }
        if tree.contains_key(CONFLICT) && tree.contains_key("x/y") {
            tree.remove(if self.dice.below(2) == 0 {
                CONFLICT
            } else {
                "x/y"
            });
        }
        tree
    }
}

impl Sandbox {
    pub(super) fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.top())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // some commands do not read it
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }
}

/// Every other repository has longer names of objects.
fn hashed(seed: u64) -> Sandbox {
    Sandbox::of(&[["--object-format=sha1", "--object-format=sha256"][usize::from(seed % 2 == 1)]])
}

fn grown(seed: u64, count: usize) -> Sandbox {
    let sandbox = hashed(seed);
    Growth::new(seed).grow(&sandbox, count, "main");
    sandbox
}

fn walk(sandbox: &Sandbox) -> CommitWalk {
    history(&sandbox.open(), &PATHS)
}

/// The walk by a list equals that by a pattern, but for the choices.
fn assert_same_as_changes(sandbox: &Sandbox, walk: &CommitWalk) {
    let repo = sandbox.open();
    let all = repo
        .changes(&repo.head_span().unwrap(), &|path| PATHS.contains(&path))
        .unwrap();
    assert_eq!(all.commits, walk.commits);
    let mut changed = walk.changed.clone();
    changed.iter_mut().for_each(|commit| commit.choices.clear());
    changed.retain(|commit| !commit.paths.is_empty());
    assert_eq!(all.changed, changed);
}

#[test]
fn every_path_has_the_commits_of_git_log() {
    for seed in 0..6 {
        let sandbox = grown(seed, 120);
        let walk = walk(&sandbox);
        assert_same_as_changes(&sandbox, &walk);
        for path in PATHS {
            let log = sandbox.git(&["log", "--full-history", "--format=%H", "--", path]);
            let expected: BTreeSet<ObjectId> =
                log.lines().map(|line| line.parse().unwrap()).collect();
            let is_told = |commit: &&Commit| {
                commit
                    .paths
                    .iter()
                    .chain(&commit.choices)
                    .any(|change| change.path == path)
            };
            let found: BTreeSet<ObjectId> = walk
                .changed
                .iter()
                .filter(is_told)
                .map(|commit| commit.id)
                .collect();
            assert_eq!(found, expected, "seed {seed}, {path}");
        }
        let place = |id: &str| {
            walk.changed
                .iter()
                .position(|commit| commit.id == id.parse().unwrap())
        };
        for line in sandbox.git(&["log", "--format=%H %P"]).lines() {
            let (child, parents) = line.split_once(' ').unwrap_or((line, ""));
            for parent in parents.split_whitespace() {
                let (child, parent) = (place(child), place(parent));
                assert!(
                    child
                        .zip(parent)
                        .is_none_or(|(child, parent)| child < parent),
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn two_walks_joined_are_the_walk_for_both_questions() {
    for seed in 0..6 {
        let sandbox = grown(seed, 120);
        let (repo, whole) = (sandbox.open(), walk(&sandbox));
        let span = repo.head_span().unwrap();
        let (some, rest) = PATHS.split_at(3);
        let first = repo.changes(&span, &|path| some.contains(&path)).unwrap();
        let joined = first.join(repo.changes_of(&span, rest).unwrap());
        let told = |walk: &CommitWalk| -> Vec<(ObjectId, Vec<PathChange>)> {
            let changed = walk
                .changed
                .iter()
                .filter(|commit| !commit.paths.is_empty());
            changed
                .map(|commit| (commit.id, commit.paths.clone()))
                .collect()
        };
        assert_eq!(told(&joined), told(&whole), "seed {seed}");
        let mixed = |commit: &Commit| commit.gone.iter().any(|gone| commit.paths.contains(gone));
        assert!(!joined.changed.iter().any(mixed), "seed {seed}");
    }
}

#[test]
fn a_commit_graph_of_any_kind_changes_nothing() {
    let version_2 = ["-c", "commitGraph.changedPathsVersion=2"];
    let write = ["commit-graph", "write"];
    for seed in 10..14 {
        let sandbox = grown(seed, 120);
        let expected = walk(&sandbox);
        let half = sandbox
            .git(&["rev-list", "HEAD"])
            .lines()
            .nth(30)
            .unwrap()
            .to_owned();
        let variants: [&[&[&str]]; 7] = [
            &[&write, &["--reachable"]],
            &[&write, &["--reachable", "--changed-paths"]],
            &[&version_2, &write, &["--reachable", "--changed-paths"]],
            &[&write, &["--stdin-commits"]],
            &[&write, &["--stdin-commits", "--changed-paths"]],
            &[
                &write,
                &["--stdin-commits", "--split=no-merge", "--changed-paths"],
            ],
            // upon the one before: a chain
            &[
                &write,
                &["--reachable", "--split=no-merge", "--changed-paths"],
            ],
        ];
        for (at, variant) in variants.iter().enumerate() {
            if at == 0 || !variant.concat().contains(&"--split=no-merge") {
                let _ = fs::remove_dir_all(sandbox.top().join(".git/objects/info/commit-graphs"));
            }
            let _ = fs::remove_file(sandbox.top().join(".git/objects/info/commit-graph"));
            sandbox.git_with(&variant.concat(), half.as_bytes());
            assert!(
                graph::Graph::open(&sandbox.open()).is_some_and(|graph| graph.len() > 0),
                "{at}"
            );
            let found = walk(&sandbox);
            assert!(found == expected, "seed {seed}, variant {at}");
            assert_same_as_changes(&sandbox, &found);
        }
    }
}

#[test]
fn a_damaged_commit_graph_is_as_none() {
    for seed in [20, 21] {
        survive_damage(&grown(seed, 80), &grown(seed + 1, 80));
    }
}

fn survive_damage(sandbox: &Sandbox, other: &Sandbox) {
    let expected = walk(sandbox);
    sandbox.git(&["commit-graph", "write", "--reachable", "--changed-paths"]);
    let path = sandbox.top().join(".git/objects/info/commit-graph");
    let sound = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let head = 8 + (usize::from(sound[6]) + 1) * 12;
    let places = (0..head)
        .chain((head..head + 1024).step_by(37))
        .chain((0..1024).step_by(100));
    for place in places {
        for mask in [1, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[place] ^= mask;
            fs::write(&path, &bytes).unwrap();
            assert!(walk(sandbox) == expected, "byte {place}, mask {mask}");
        }
    }
    for length in (0..sound.len()).step_by(97) {
        fs::write(&path, &sound[..length]).unwrap();
        assert!(walk(sandbox) == expected, "cut at {length}");
    }
    // anything else may go wrong in it, but not with a panic or without an end
    for place in (head..sound.len()).step_by(13) {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        assert!(walk(sandbox).commits > 0);
    }
    // the graph of another repository
    other.git(&["commit-graph", "write", "--reachable"]);
    fs::copy(other.top().join(".git/objects/info/commit-graph"), &path).unwrap();
    assert!(walk(sandbox) == expected);
}

#[test]
fn replaced_objects_and_a_switch_turn_the_commit_graph_off() {
    let sandbox = grown(30, 30);
    sandbox.git(&["commit-graph", "write", "--reachable"]);
    assert!(graph::Graph::open(&sandbox.open()).is_some());
    sandbox.git(&["config", "core.commitGraph", "false"]);
    assert!(graph::Graph::open(&sandbox.open()).is_none());
    sandbox.git(&["config", "core.commitGraph", "true"]);
    sandbox.git(&["replace", "HEAD", "HEAD~2"]);
    assert!(graph::Graph::open(&sandbox.open()).is_none());
}

#[test]
fn tips_bases_and_names_are_those_of_git() {
    let sandbox = grown(40, 60);
    sandbox.git(&["tag", "-a", "-m", "v1", "v1", "HEAD~1"]);
    sandbox.git(&["tag", "tree", "HEAD^{tree}"]);
    sandbox.git(&["update-ref", "refs/stash", "HEAD~2"]);
    sandbox.git(&["branch", "same"]);
    let repo = sandbox.open();
    let id = |name: &str| sandbox.id(name);
    let tips = repo.ref_tips().unwrap();
    assert_eq!(tips[0], id("HEAD"));
    let expected = BTreeSet::from([id("HEAD"), id("HEAD~1"), id("HEAD~2")]);
    assert_eq!(
        (tips.len(), tips.into_iter().collect::<BTreeSet<_>>()),
        (3, expected)
    );
    let all: Vec<ObjectId> = sandbox
        .git(&["rev-list", "HEAD"])
        .lines()
        .map(|id| id.parse().unwrap())
        .collect();
    for pair in all.chunks_exact(2).step_by(4) {
        let names = [pair[0].to_string(), pair[1].to_string()];
        let line = Command::new("git")
            .args(["merge-base", "--all", &names[0], &names[1]])
            .current_dir(sandbox.top())
            .output()
            .unwrap();
        let text = String::from_utf8(line.stdout).unwrap();
        let expected: BTreeSet<ObjectId> = text.lines().map(|id| id.parse().unwrap()).collect();
        let found = repo.merge_bases(pair[0], pair[1]).unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    sandbox.write(
        ".mailmap",
        "Ana Silva <ana@new.example> <ana@example.com>\n",
    );
    let walk = walk(&sandbox);
    assert_eq!(walk.changed[0].author_email, "ana@new.example");
    assert_eq!(walk.changed[0].author_name, "Ana Silva");
}

/// Moves a branch to an ancestor of HEAD; HEAD may be a root.
fn go_back(sandbox: &Sandbox, branch: &str, steps: usize) {
    let line = sandbox.git(&["rev-list", "--first-parent", "HEAD"]);
    let target = line
        .lines()
        .nth(steps)
        .unwrap_or_else(|| line.lines().next().unwrap());
    sandbox.git(&["update-ref", &format!("refs/heads/{branch}"), target]);
}

const KEY: WalkKey = || Some(Zeroizing::new([5; 32]));

#[test]
fn a_kept_walk_gives_the_answer_of_a_fresh_one() {
    let is_wanted = |path: &str| path.ends_with(".yaml") || path == "a.b";
    let (mut went_on, mut fresh) = (0, 0);
    for seed in 50..62 {
        let sandbox = hashed(seed / 2);
        // one half with clocks that go right, so that old answers are gone on from
        let mut growth = Growth::new(seed);
        growth.is_steady = seed % 2 == 0;
        growth.grow(&sandbox, 40, "main");
        for _ in 0..12 {
            let before = sandbox.git(&["rev-parse", "HEAD"]);
            match growth.dice.below(5) {
                0 => go_back(&sandbox, "main", 1),
                1 => go_back(&sandbox, "side", 2),
                2 => growth.grow(&sandbox, 3, "side"),
                _ => growth.grow(&sandbox, 4, "main"),
            }
            let repo = sandbox.open();
            repo.keep_walks(KEY);
            let all = Span {
                tips: repo.ref_tips().unwrap(),
                ..Span::default()
            };
            for span in [repo.head_span().unwrap(), all] {
                let question = |span: &Span| {
                    if span.is_whole() {
                        fresh += 1
                    } else {
                        went_on += 1
                    }
                    repo.find(span, &is_wanted, &|_| true)
                };
                let question = std::cell::RefCell::new(question);
                let name = format!("pattern-{}", span.tips.len().min(2));
                let kept = repo
                    .cached(&span, &name, 0, &|span| (question.borrow_mut())(span))
                    .unwrap();
                assert!(
                    kept == repo.changes(&span, &is_wanted).unwrap(),
                    "seed {seed}, after {before}"
                );
                let again = repo.cached(&span, &name, 0, &|_| panic!("known")).unwrap();
                assert_eq!(again, kept);
                // of what a content filter lets pass
                let counts =
                    |change: &PathChange| change.new.is_none_or(|new| new.id.bytes()[0] < 128);
                let ask = |span: &Span| repo.find(span, &is_wanted, &counts);
                let kept = repo
                    .cached(&span, &format!("{name}-some"), 0, &ask)
                    .unwrap();
                assert!(
                    kept == ask(&span).unwrap().walk,
                    "seed {seed}, after {before}"
                );
                let kept = repo
                    .cached(&span, "paths", 0, &|span| repo.find_of(span, &PATHS))
                    .unwrap();
                assert!(
                    kept == repo.changes_of(&span, &PATHS).unwrap(),
                    "seed {seed}, after {before}"
                );
            }
        }
    }
    assert!(
        went_on > 40 && fresh > 20,
        "{went_on} went on, {fresh} were fresh"
    );
}

#[test]
fn what_is_kept_is_private_bounded_and_never_needed() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = grown(70, 40);
    let repo = sandbox.open();
    repo.keep_walks(KEY);
    let span = repo.head_span().unwrap();
    let folder = repo.common_dir().join("stax/history");
    let ask = |name: &str| {
        repo.cached(&span, name, 0, &|span| repo.find_of(span, &PATHS))
            .unwrap()
    };
    let expected = repo.changes_of(&span, &PATHS).unwrap();
    for number in 0..20 {
        assert_eq!(ask(&format!("q{number}")), expected);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 16);
    let file = folder.join("q19");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let sound = fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&sound).contains("Ana"));
    for place in (0..sound.len()).step_by(11) {
        let mut bytes = sound.clone();
        bytes[place] ^= 4;
        fs::write(&file, &bytes).unwrap();
        assert_eq!(ask("q19"), expected);
        fs::write(&file, &sound[..place]).unwrap();
        assert_eq!(ask("q19"), expected);
    }
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "in the way").unwrap();
    assert_eq!(ask("q19"), expected);
}

/// Takes the last removal out of what is kept, as somebody would who can write into `.git`.
#[test]
fn a_walk_counts_only_with_the_key_of_this_user_for_this_repository_and_question() {
    let sandbox = grown(71, 40);
    let repo = sandbox.open();
    let span = repo.head_span().unwrap();
    let folder = repo.common_dir().join("stax/history");
    let expected = repo.changes_of(&span, &PATHS).unwrap();
    let ask = |name: &str| {
        repo.cached(&span, name, 0, &|span| repo.find_of(span, &PATHS))
            .unwrap()
    };
    let forge = |key: WalkKey, name: &str| {
        repo.keep_walks(key);
        let less = |span: &Span| {
            let mut found = repo.find_of(span, &PATHS)?;
            found.walk.changed.pop();
            found.walk.dates.pop();
            Ok(found)
        };
        assert_ne!(repo.cached(&span, name, 0, &less).unwrap(), expected);
        repo.keep_walks(KEY);
    };
    forge(|| Some(Zeroizing::new([6; 32])), "of-another-user");
    assert_eq!(ask("of-another-user"), expected);
    forge(KEY, "another-question");
    fs::rename(folder.join("another-question"), folder.join("this-one")).unwrap();
    assert_eq!(ask("this-one"), expected);

    forge(KEY, "here");
    let elsewhere = grown(71, 40);
    let other = elsewhere.open();
    other.keep_walks(KEY);
    assert_eq!(
        other.head_span().unwrap().tips,
        span.tips,
        "the same commits"
    );
    let copy = other.common_dir().join("stax/history");
    fs::create_dir_all(&copy).unwrap();
    fs::copy(folder.join("here"), copy.join("here")).unwrap();
    let there = other
        .cached(&span, "here", 0, &|span| other.find_of(span, &PATHS))
        .unwrap();
    assert_eq!(there, expected);

    // with the right key it counts: the test forges what the product reads
    assert_ne!(ask("here"), expected);
    // a judge does not read it, and leaves the truth for a summary
    repo.renew_walks(KEY);
    assert_eq!(ask("here"), expected);
    repo.keep_walks(KEY);
    assert_eq!(ask("here"), expected);
    repo.keep_no_walks();
    assert_eq!(ask("here"), expected);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ask("here"), expected);
    assert!(!folder.exists(), "nothing is kept without a key");
}
