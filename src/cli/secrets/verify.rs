//! `stax secrets verify`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::policy::rules::{self, depends_on_policy};
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Repo, StagedChange};
use crate::workspace::{Caller, Workspace};

mod explain;
mod github;
pub(in crate::cli) mod opinion;
mod output;
mod sarif;
mod tree;

use output::Output;
use tree::{Gathered, Source};

/// Check policy, recipients and plaintext; without a key, and with one more
///
/// Judges the bound files and every SOPS file of the index. With a key at hand it also checks MACs and
/// values, and says so. Exit codes: 0 no error, 1 errors found, 2 could not run.
#[derive(clap::Args)]
pub struct Args {
    /// Only these files and folders
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the next commit would hold; errors only for what it changes, or for the PATHs that are named
    #[arg(long)]
    staged: bool,
    /// Use no key
    #[arg(long, conflicts_with = "with_key")]
    keyless: bool,
    /// Fail (3) when no key opens any file
    #[arg(long)]
    with_key: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: Output,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Say what a rule means, why, and how to mend it; by id or name
    #[arg(long, value_name = "RULE", value_parser = explain::rule)]
    explain: Option<RuleId>,
}

/// What a run found.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    /// Errors of files that the commit leaves alone.
    older: usize,
    /// Findings that `.stax/vault.json` accepts.
    accepted: Vec<Accepted>,
    files: usize,
    checked_with_key: usize,
    changes: Option<Vec<StagedChange>>,
}

/// A finding that the repository accepts, and why.
struct Accepted {
    finding: Finding,
    why: String,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if let Some(rule) = self.explain {
            return explain::print(rule, self.output(), ui);
        }
        // git names the index in the environment of every hook that checks one
        let in_hook = self.staged && std::env::var_os("GIT_INDEX_FILE").is_some();
        let report = if self.staged { self.staged() } else { self.work_tree(ui) };
        let report = report.inspect_err(|failure| self.output().announce(failure, ui))?;
        report.show_as(self.output(), in_hook, ui)?;
        Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { Exit::No.into() })
    }

    fn output(&self) -> Output {
        if self.json { Output::Json } else { self.format }
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
        let (findings, accepted) = judge(&gathered);
        Ok(Report { findings, accepted, files, checked_with_key, ..Report::default() })
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

    /// The paths whose errors count: what the commit changes, or the files that are named. Those count
    /// also where they are as in HEAD (`pre-commit run --all-files`); a deleted file always does, because
    /// no hook names it.
    fn blamed(&self, workspace: &Workspace, changes: &[StagedChange]) -> Result<BTreeSet<String>, Failure> {
        let scope = self.scope(workspace)?;
        if scope.is_empty() {
            return Ok(changes.iter().map(|change| change.path.clone()).collect());
        }
        let gone = changes.iter().filter(|change| change.new.is_none()).map(|change| change.path.clone());
        let there = workspace.repo()?.index_entries()?.into_iter().map(|entry| entry.path);
        let named = there.filter(|path| scope.iter().any(|folder| is_beneath(path, folder)));
        Ok(named.chain(gone).collect())
    }

    fn staged(&self) -> Result<Report, Failure> {
        let workspace = Workspace::over(Repo::from_env()?, self.caller());
        let changes = workspace.repo()?.staged_changes()?;
        let changed = self.blamed(&workspace, &changes)?;
        let nothing = |changes| Report { changes: Some(changes), ..Report::default() };
        if !changed.iter().any(|path| tree::is_central(path) || tree::may_be_secret(path)) {
            let bound = Source::Index.vault(&workspace)?.map(|vault| vault.files).unwrap_or_default();
            if !bound.iter().any(|file| changed.contains(&file.path)) {
                return Ok(nothing(changes));
            }
        }
        let central = changed.iter().any(|path| tree::is_central(path));
        let sealed = tree::sealed_before(&workspace, &changes)?;
        let wanted = |path: &str| central || changed.contains(path);
        let mut gathered = tree::gather(&workspace, Source::Index, &wanted, &sealed)?;
        if !central && !gathered.facts.files.iter().any(|file| changed.contains(&file.path)) {
            return Ok(nothing(changes));
        }
        let checked_with_key = self.open_with_key(&workspace, &mut gathered)?;
        let (findings, accepted) = judge(&gathered);
        let is_new =
            |finding: &Finding| changed.contains(&finding.path) || (central && depends_on_policy(finding));
        let (findings, older): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(is_new);
        let older = older.iter().filter(|finding| finding.severity == Severity::Error).count();
        let files = gathered.facts.files.len();
        Ok(Report { findings, older, accepted, files, checked_with_key, changes: Some(changes) })
    }
}

fn is_beneath(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The findings, and apart from them those that the repository accepts.
fn judge(gathered: &Gathered) -> (Vec<Finding>, Vec<Accepted>) {
    let mut accepted = Vec::new();
    let mut findings = rules::judge(&gathered.facts);
    findings.retain(|finding| {
        let vault = gathered.vault.as_ref();
        let allow =
            vault.and_then(|vault| vault.allowed(finding.rule, &finding.path, finding.key.as_deref()));
        accepted.extend(allow.map(|allow| Accepted { finding: finding.clone(), why: allow.why.clone() }));
        allow.is_none()
    });
    (findings, accepted)
}

/// `1 file`, `2 files`
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a hook runs: the commit that git is about to make, from the index that git names.
pub(in crate::cli) fn staged_in_hook(ui: &Ui) -> Result<ExitCode, Failure> {
    let args = Args {
        paths: Vec::new(),
        staged: true,
        keyless: false,
        with_key: false,
        format: Output::Text,
        json: false,
        explain: None,
    };
    let report = args.staged()?;
    report.refuse(ui);
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { Exit::No.into() })
}

/// What the keyless rules say of the work tree: errors, warnings, files.
pub(super) fn verdict(workspace: &Workspace) -> Result<(usize, usize, usize), Failure> {
    let gathered = tree::gather(workspace, Source::WorkTree, &|_| true, &BTreeSet::new())?;
    let (findings, _) = judge(&gathered);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    Ok((errors, findings.len() - errors, gathered.facts.files.len()))
}
