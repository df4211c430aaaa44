//! What stax keeps of the log changes no answer: cold, warm and without it, also after the log has
//! moved on.

use std::fmt::Write as _;
use std::fs;

use stax::repo::{Repo, Span};
use stax::workspace::history::{History, Snapshots};

use crate::support::{Person, Sandbox, fixture};

/// More than the fewest commits that are worth keeping.
const COMMITS: usize = 1_100;
const SECRET: &str = "apps/app3/settings.yaml";

/// A log for `git fast-import`: manifests under a rule that names them all, and now and then a
/// document, which changes, is in clear for a while, is broken, goes, comes from a file that no
/// rule names, or goes while a manifest comes.
struct Log {
    text: String,
    document: String,
    number: usize,
}

impl Log {
    fn new() -> Self {
        let document =
            fs::read_to_string(fixture("sops/y37-after-unset.enc.yaml")).expect("a document");
        Self {
            text: String::new(),
            document,
            number: 0,
        }
    }

    fn file(&mut self, path: &str, content: &str) {
        let _ = writeln!(
            self.text,
            "M 100644 inline {path}\ndata {}\n{content}",
            content.len()
        );
    }

    fn sealed(&mut self, path: &str, note: usize) {
        let content = format!("{}# {note}\n", self.document);
        self.file(path, &content);
    }

    fn commit(&mut self, branch: &str, from: &str) {
        self.number += 1;
        let time = 1_500_000_000 + self.number * 60;
        let _ = writeln!(
            self.text,
            "commit refs/heads/{branch}\nmark :{}",
            self.number
        );
        let _ = writeln!(
            self.text,
            "committer Ana <ana@example.com> {time} +0000\ndata 7\nchange\n{from}"
        );
        let number = self.number;
        self.file(
            &format!("apps/app{}/values.yaml", number % 40),
            &format!("replicas: {number}\n"),
        );
        match number % 53 {
            1 => self.file(".sops.yaml", &policy(number)),
            7 => self.sealed(SECRET, number),
            11 => self.file(SECRET, &format!("clear: {number}\n")),
            17 => self.file(SECRET, "a: ENC[AES256_GCM,data:x,type:str]\nsops: [\n"),
            19 => self.text.push_str("D apps/app3/settings.yaml\n"),
            23 => self.sealed("elsewhere/one.yaml", number),
            29 => {
                self.text.push_str("D elsewhere/one.yaml\n");
                self.sealed("apps/app5/one.yaml", number - 6);
            }
            31 => self.sealed("elsewhere/two.yaml", number),
            37 => {
                self.text.push_str("D elsewhere/two.yaml\n");
                self.file(&format!("apps/new{number}/values.yaml"), "replicas: 1\n");
            }
            41 => self
                .text
                .push_str("M 120000 inline apps/app3/link.yaml\ndata 8\nsops: [\n\n"),
            _ => {}
        }
    }

    /// Every so often a side branch of one commit is merged.
    fn grow(&mut self, commits: usize) {
        for step in 1..=commits {
            if step % 9 == 0 {
                let line = self.number;
                self.commit("side", &format!("from :{line}"));
                self.commit("main", &format!("from :{line}\nmerge :{}", self.number));
            } else {
                self.commit("main", "");
            }
        }
    }

    fn import(&mut self, into: &Sandbox) {
        let marks = into.path(".git/marks").display().to_string();
        let arguments = ["fast-import", "--quiet", "--force"].map(str::to_owned);
        let more = [
            format!("--import-marks-if-exists={marks}"),
            format!("--export-marks={marks}"),
        ];
        into.run("git", arguments.iter().chain(&more), self.text.as_bytes())
            .ok();
        self.text.clear();
        into.git(["reset", "--quiet", "--hard", "main"]).ok();
    }
}

fn policy(number: usize) -> String {
    let reader = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
    format!("creation_rules:\n  - path_regex: apps/.*\\.yaml$\n    age: {reader} # {number}\n")
}

/// All that a history says, and over how many commits it had to think.
fn told(who: &Person, kept: Option<&str>) -> (String, usize) {
    let repo = Repo::discover(&who.dir).expect("a repository");
    repo.keep_walks(|| Some([5; 32].into()));
    let span = Span {
        tips: repo.ref_tips().expect("the references"),
        ..Span::default()
    };
    let wanted = |path: &str| path.starts_with("apps/");
    let history =
        History::load(&repo, &span, &wanted, kept, &mut Snapshots::new(&repo)).expect("a history");
    let History {
        versions,
        removals,
        commits,
        is_partial,
        central,
        unreadable,
        ..
    } = &history;
    let said = format!(
        "{commits} {is_partial} {versions:#?}\n{removals:#?}\n{central:#?}\n{unreadable:#?}"
    );
    (said, history.walked.len())
}

fn forget(who: &Person) {
    fs::remove_dir_all(who.path(".git/stax")).expect("something is kept");
}

/// What the commands print, by what is kept and without it.
fn agree(who: &Person, after: &str) {
    let commands: [&[&str]; 5] = [
        &["exposure", "--keyless", "--json"],
        &["history", "--json"],
        &["recipients", "--json"],
        &["log", "-f", SECRET, "--json"],
        &["blame", "-f", SECRET],
    ];
    let run = |command: &[&str]| {
        let said = who.stax(["secrets"].iter().chain(command));
        (said.code, said.stdout, said.stderr)
    };
    let kept = commands.map(run);
    let _ = fs::remove_dir_all(who.path(".git/stax"));
    let cold = commands.map(run);
    assert_eq!(kept, cold, "after {after}");
    assert_eq!(commands.map(run), cold, "again after {after}");
    let fresh = told(who, None).0;
    assert!(told(who, Some("apps")).0 == fresh, "after {after}");
    assert!(told(who, Some("apps")).0 == fresh, "again after {after}");
}

#[test]
fn what_never_was_a_document_is_left_out_and_nothing_else() {
    let sandbox = Sandbox::new();
    let mut log = Log::new();
    log.grow(COMMITS);
    log.import(&sandbox);
    let (all, walked) = told(&sandbox, None);
    for found in [
        "elsewhere/one.yaml",
        "elsewhere/two.yaml",
        "apps/app5/one.yaml",
        "expected node content",
    ] {
        assert!(all.contains(found), "no {found}");
    }
    let (cold, kept) = told(&sandbox, Some("apps"));
    assert!(cold == all, "the first answer differs");
    assert!(kept * 3 < walked, "{kept} of {walked} commits");
    assert!(
        told(&sandbox, Some("apps")) == (all.clone(), kept),
        "the second answer differs"
    );
    let folder = sandbox.path(".git/stax/history");
    for entry in fs::read_dir(&folder).expect("what is kept").flatten() {
        let bytes = fs::read(entry.path()).expect("a file");
        fs::write(entry.path(), &bytes[..bytes.len() / 2]).expect("a torn file");
    }
    assert!(told(&sandbox, Some("apps")).0 == all, "a torn file counts");
    forget(&sandbox);
}

#[test]
fn kept_answers_are_those_of_git_also_when_the_log_moves_on() {
    let sandbox = Sandbox::new();
    let mut log = Log::new();
    log.grow(COMMITS);
    log.import(&sandbox);
    sandbox.git(["branch", "other", "main~30"]).ok();
    agree(&sandbox, "the first run");
    log.grow(60);
    log.import(&sandbox);
    agree(&sandbox, "new commits");
    sandbox.git(["branch", "-D", "--quiet", "other"]).ok();
    sandbox.git(["branch", "-D", "--quiet", "side"]).ok();
    agree(&sandbox, "deleted branches");
    sandbox.git(["reset", "--quiet", "--hard", "main~20"]).ok();
    sandbox
        .git(["reflog", "expire", "--expire=now", "--all"])
        .ok();
    sandbox
        .git([
            "-c",
            "gc.writeCommitGraph=true",
            "gc",
            "--quiet",
            "--prune=now",
        ])
        .ok();
    agree(&sandbox, "gc");
    let shallow = sandbox.person("ravi").at(sandbox.place().join("shallow"));
    let source = format!("file://{}", sandbox.dir.display());
    let target = shallow.dir.display().to_string();
    sandbox
        .git(["clone", "--quiet", "--depth=200", &source, &target])
        .ok();
    agree(&shallow, "a shallow clone");
}
