//! `stax secrets verify`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::policy::rules::{self, depends_on_policy};
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Repo, Span, StagedChange};
use crate::workspace::{Caller, Workspace};

mod history;
mod range;
mod tree;

use history::{History, Snapshots};
use tree::{Gathered, Source};

/// Check policy, recipients and plaintext; without a key, and with one more
///
/// Judges the bound files and every SOPS file of the index. With a key at hand it also checks MACs and
/// values, and says so. Exit codes: 0 no error, 1 errors found, 2 could not run.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Only these files and folders
    #[arg(value_name = "PATH", conflicts_with = "staged")]
    paths: Vec<PathBuf>,
    /// What the next commit would hold; errors only for what it changes
    #[arg(long)]
    staged: bool,
    /// Every commit of A..B against its parents, and the tree at B; without a value what pre-commit
    /// says in PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF
    #[arg(long, value_name = "A..B", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["staged", "paths"])]
    range: Option<String>,
    /// Every commit behind HEAD
    #[arg(long, conflicts_with_all = ["staged", "paths", "range"])]
    history: bool,
    /// Fail (1) where the clone holds too little history to tell who knew older data keys
    #[arg(long)]
    require_history: bool,
    /// Use no key
    #[arg(long, conflicts_with = "with_key")]
    keyless: bool,
    /// Fail (3) when no key opens any file
    #[arg(long)]
    with_key: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text")]
    format: Output,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

/// What a run found.
struct Report {
    findings: Vec<Finding>,
    /// Errors of files that the commit leaves alone.
    older: usize,
    /// Findings that `.stax/vault.json` accepts.
    accepted: usize,
    files: usize,
    checked_with_key: usize,
    changes: Option<Vec<StagedChange>>,
    /// Commits that were looked at; `None` where history plays no part.
    commits: Option<usize>,
    /// The clone holds too little history.
    is_partial: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        // git names the index in the environment of every hook that checks one
        let in_hook = self.staged && std::env::var_os("GIT_INDEX_FILE").is_some();
        let report = match self.span()? {
            Some(range) => self.range(&range)?,
            None if self.staged => self.staged()?,
            None => self.work_tree(ui)?,
        };
        match self.format {
            Output::Json => ui.json(&report.json())?,
            Output::Text if in_hook => report.refuse(ui),
            Output::Text => report.print(ui),
        }
        let is_unknown = self.require_history && report.is_partial;
        Ok(if report.errors() == 0 && !is_unknown { ExitCode::SUCCESS } else { Exit::No.into() })
    }

    /// The range to judge, as `git log` would take it.
    fn span(&self) -> Result<Option<String>, Failure> {
        if self.history {
            return Ok(Some("HEAD".into()));
        }
        let Some(range) = &self.range else { return Ok(None) };
        if !range.is_empty() {
            return Ok(Some(range.clone()));
        }
        let named = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (named("PRE_COMMIT_FROM_REF"), named("PRE_COMMIT_TO_REF")) {
            (Some(from), Some(to)) => Ok(Some(format!("{from}..{to}"))),
            _ => Err(Failure::usage("--range needs A..B, or PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF")),
        }
    }

    fn range(&self, range: &str) -> Result<Report, Failure> {
        let workspace = Workspace::over(Repo::from_env_without_work_tree()?, self.caller());
        let span = workspace.repo()?.span(range)?;
        let mut ranged = range::verify(&workspace, &span)?;
        let checked_with_key = self.open_with_key(&workspace, &mut ranged.gathered)?;
        Ok(Report {
            findings: ranged.findings,
            older: ranged.older,
            accepted: ranged.accepted,
            files: ranged.gathered.facts.files.len(),
            checked_with_key,
            changes: None,
            commits: Some(ranged.commits),
            is_partial: ranged.is_partial,
        })
    }

    fn caller(&self) -> Caller {
        if self.with_key { Caller::Person } else { Caller::Git }
    }

    fn open_with_key(&self, workspace: &Workspace, gathered: &mut Gathered) -> Result<usize, Failure> {
        if self.keyless {
            return Ok(0);
        }
        tree::open(workspace, &mut gathered.facts, self.with_key)
    }

    fn work_tree(&self, ui: &Ui) -> Result<Report, Failure> {
        let workspace = Workspace::open(None, self.caller())?;
        let scope = self.scope(&workspace)?;
        let in_scope = |path: &str| scope.is_empty() || scope.iter().any(|folder| is_beneath(path, folder));
        let mut gathered = tree::gather(&workspace, Source::WorkTree, &in_scope, &BTreeSet::new())?;
        gathered.facts.files.retain(|file| in_scope(&file.path));
        let files = gathered.facts.files.len();
        if files == 0 && !scope.is_empty() {
            return Err(Failure::usage("no SOPS file of the index lies in these paths"));
        }
        if gathered.vault.is_none() {
            let policy = if gathered.facts.policy.is_some() { "policy .sops.yaml" } else { "no .sops.yaml" };
            ui.note(format!(
                "no .stax/vault.json: general profile; {} found by their metadata, {policy}",
                count(files, "SOPS file")
            ));
        }
        let checked_with_key = self.open_with_key(&workspace, &mut gathered)?;
        let (mut findings, accepted) = judge(&gathered);
        let repo = workspace.repo()?;
        let head = repo.head_commit()?.into_iter().collect();
        let wanted = history::candidates(&gathered.facts);
        // without a document nobody can still read one
        let tips = if files == 0 { Vec::new() } else { head };
        let span = Span { tips, ..Span::default() };
        let history = History::load(repo, &span, &wanted, &mut Snapshots::new(repo))?;
        findings.extend(history.stale(repo, &gathered.facts, &|_| true, &|one| {
            range::is_accepted(gathered.vault.as_ref(), RuleId::K05, &one.path, None)
        }));
        let (commits, is_partial) = (Some(history.commits), history.is_partial);
        Ok(Report {
            findings,
            older: 0,
            accepted,
            files,
            checked_with_key,
            changes: None,
            commits,
            is_partial,
        })
    }

    fn scope(&self, workspace: &Workspace) -> Result<Vec<String>, Failure> {
        let relative = |path: &PathBuf| {
            if path
                .canonicalize()
                .is_ok_and(|path| workspace.root().canonicalize().is_ok_and(|root| root == path))
            {
                return Ok(String::new());
            }
            Ok(workspace.relative(path)?)
        };
        self.paths.iter().map(relative).collect()
    }

    fn staged(&self) -> Result<Report, Failure> {
        let workspace = Workspace::over(Repo::from_env()?, self.caller());
        let changes = workspace.repo()?.staged_changes()?;
        let changed: BTreeSet<String> = changes.iter().map(|change| change.path.clone()).collect();
        let nothing = |changes| Report {
            findings: Vec::new(),
            older: 0,
            accepted: 0,
            files: 0,
            checked_with_key: 0,
            changes: Some(changes),
            commits: None,
            is_partial: false,
        };
        if !changed.iter().any(|path| tree::is_central(path) || tree::may_be_secret(path)) {
            let bound = Source::Index.vault(&workspace)?.0.map(|vault| vault.files).unwrap_or_default();
            if !bound.iter().any(|file| changed.contains(&file.path)) {
                return Ok(nothing(changes));
            }
        }
        let central = changed.iter().any(|path| tree::is_central(path));
        let sealed = tree::sealed_before(&workspace, &changes)?;
        let wanted = |path: &str| central || changed.contains(path);
        let mut gathered = tree::gather(&workspace, Source::Index, &wanted, &sealed)?;
        let touches_secret = gathered.facts.files.iter().any(|file| changed.contains(&file.path));
        if !central && !touches_secret && !gathered.finds_more() {
            return Ok(nothing(changes));
        }
        let checked_with_key = self.open_with_key(&workspace, &mut gathered)?;
        let (findings, accepted) = judge(&gathered);
        let is_new =
            |finding: &Finding| changed.contains(&finding.path) || (central && depends_on_policy(finding));
        let (mut findings, older): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(is_new);
        findings.extend(range::staged(&workspace, &changes, &gathered)?);
        let older = older.iter().filter(|finding| finding.severity == Severity::Error).count();
        let files = gathered.facts.files.len();
        let changes = Some(changes);
        Ok(Report {
            findings,
            older,
            accepted,
            files,
            checked_with_key,
            changes,
            commits: None,
            is_partial: false,
        })
    }
}

fn is_beneath(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The findings, less those that the repository accepts, and how many those are.
fn judge(gathered: &Gathered) -> (Vec<Finding>, usize) {
    let all = rules::judge(&gathered.facts);
    let before = all.len();
    let is_accepted = |finding: &Finding| {
        let vault = gathered.vault.as_ref();
        vault
            .is_some_and(|vault| vault.allowed(finding.rule, &finding.path, finding.key.as_deref()).is_some())
    };
    let findings: Vec<Finding> = all.into_iter().filter(|finding| !is_accepted(finding)).collect();
    let accepted = before - findings.len();
    (findings, accepted)
}

/// `1 file`, `2 files`
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl Report {
    fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    fn location(&self, finding: &Finding) -> String {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let staged = if self.changes.is_some() { " (staged)" } else { "" };
        format!("{}{line}{staged}", finding.path)
    }

    fn show(&self, ui: &Ui, on_stderr: bool) {
        for finding in &self.findings {
            let fix = finding.fix.iter().map(|fix| format!("fix: {fix}"));
            // K05 names every file with what happened to it
            let place = (finding.rule != RuleId::K05).then(|| self.location(finding));
            let more: Vec<String> =
                place.into_iter().chain(finding.detail.iter().cloned()).chain(fix).collect();
            ui.finding(finding.severity, &finding.rule.to_string(), &finding.message, &more, on_stderr);
        }
    }

    /// For a person or CI: findings and a summary on stdout.
    fn print(&self, ui: &Ui) {
        self.show(ui, false);
        let warnings = self.findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
        let found = match (self.errors(), warnings) {
            (0, 0) => "no finding".to_owned(),
            (errors, 0) => count(errors, "error"),
            (0, warnings) => count(warnings, "warning"),
            (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        };
        let accepted = if self.accepted > 0 {
            format!("; {} accepted in .stax/vault.json", self.accepted)
        } else {
            String::new()
        };
        let depth = match self.checked_with_key {
            0 => "keyless: MACs and values not checked".to_owned(),
            checked => format!("MAC and values checked in {checked}"),
        };
        let commits =
            self.commits.map_or_else(String::new, |commits| format!(", {}", count(commits, "commit")));
        ui.line(format!("{}{commits}: {found}{accepted}; {depth}", count(self.files, "file")));
        if self.is_partial {
            ui.warning("this clone holds not all history: who knew older data keys is unknown");
            ui.note("the whole history: fetch-depth: 0 in actions/checkout, or git fetch --unshallow");
        }
        self.note_older(ui);
    }

    /// For a hook: silent unless something is wrong, and then on stderr.
    fn refuse(&self, ui: &Ui) {
        self.show(ui, true);
        self.note_older(ui);
        let changes = self.changes.as_deref().unwrap_or_default();
        let errors = self.errors();
        if errors == 0 {
            return;
        }
        let broken: BTreeSet<&str> = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.path.as_str())
            .collect();
        ui.say(format!(
            "stax: commit refused: {} in {}, {} staged; your work tree is as you left it",
            count(errors, "error"),
            count(broken.len(), "file"),
            changes.len()
        ));
        for path in
            self.findings.iter().filter(|f| f.rule == RuleId::F04).map(|f| &f.path).collect::<BTreeSet<_>>()
        {
            let blob = changes.iter().find(|change| change.path == *path).and_then(|change| change.new);
            if let Some(blob) = blob {
                let id = blob.id.short();
                ui.note(format!("git already stored the clear text as blob {id}, reachable from nothing"));
            }
        }
    }

    fn note_older(&self, ui: &Ui) {
        if self.older > 0 {
            let files = count(self.older, "older finding");
            ui.note(format!("{files} in files that this commit leaves alone: stax secrets verify"));
        }
    }

    fn json(&self) -> serde_json::Value {
        let findings: Vec<serde_json::Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "rule": finding.rule.id(),
                    "name": finding.rule.name(),
                    "severity": finding.severity.to_string(),
                    "path": finding.path,
                    "line": finding.line,
                    "key": finding.key,
                    "message": finding.message,
                    "fix": finding.fix,
                })
            })
            .collect();
        json!({
            "schema": 1,
            "findings": findings,
            "files": self.files,
            "checked_with_key": self.checked_with_key,
            "accepted": self.accepted,
            "older": self.older,
            "commits": self.commits,
            "history_is_complete": !self.is_partial,
        })
    }
}

/// What a hook runs: the commit that git is about to make, from the index that git names.
pub(in crate::cli) fn staged_in_hook(ui: &Ui) -> Result<ExitCode, Failure> {
    let args = Args { staged: true, ..Args::default() };
    let report = args.staged()?;
    report.refuse(ui);
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { Exit::No.into() })
}

/// What the keyless rules say of the work tree: errors, warnings, files.
pub(super) fn verdict(workspace: &Workspace) -> Result<(usize, usize, usize), Failure> {
    let gathered = tree::gather(workspace, Source::WorkTree, &|_| true, &BTreeSet::new())?;
    let (findings, _) = judge(&gathered);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    Ok((errors, warnings, gathered.facts.files.len()))
}
