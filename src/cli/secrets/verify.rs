//! `stax secrets verify`

use std::path::PathBuf;
use std::process::ExitCode;

use super::clone;
use super::interrupted::{self, mention};
use crate::cli::escape::Escaped;
use crate::cli::failure::{Exit, Failure};
use crate::cli::show::is_ci;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::verify::RuleId;
use crate::verify::facts::InClone;
use crate::verify::{self, Against, Options, PushTarget, Report, TreeCheck};
use crate::workspace::register::Depth;
use crate::workspace::{Caller, Workspace};

mod blocks;
mod explain;
mod github;
pub(in crate::cli) mod opinion;
mod output;
pub(in crate::cli) mod push;
mod sarif;

use output::OutputFormat;
pub(in crate::cli) use verify::count;

/// Check policy, recipients and plaintext; without a key, and with one more
///
/// Judges the bound files and every SOPS file of the index. With a key at hand it also checks MACs
/// and values, and says so. Exit codes: 0 no error, 1 errors found, 2 could not run.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Only these files and folders
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the next commit would hold; errors only for what it changes, or for the PATHs that are
    /// named
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
    /// Fail too on warnings that an honest change gives as well: keys of services that open a file
    /// still (K05), values that changed while a whole file was encrypted anew (C04)
    #[arg(long)]
    strict: bool,
    /// Fail (1) where there is nothing to verify, or where a file or a submodule with SOPS files
    /// was not looked into
    #[arg(long, conflicts_with = "staged")]
    require_files: bool,
    /// Let the exceptions of this revision count, instead of those of the base of the change
    ///
    /// An exception in `.stax/vault.json` counts from the base on: of A..B that is A, of a push the
    /// default branch of the remote as last fetched, of the next commit and of a tree what stands
    /// at HEAD.
    #[arg(long, value_name = "REV")]
    allow_from: Option<String>,
    /// Fail too where a former recipient could read a value that is still in use
    #[arg(long, conflicts_with = "staged")]
    exposure: bool,
    /// Fail too where a value was set longer ago: 90d, 26w
    #[arg(long, value_name = "SPAN", value_parser = super::ledger::span, conflicts_with = "staged")]
    max_age: Option<i64>,
    /// Use no key
    #[arg(long, conflicts_with = "with_key")]
    keyless: bool,
    /// Fail (3) when no key opens any file
    #[arg(long)]
    with_key: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: OutputFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Say what a rule means, why, and how to mend it; by id or name
    #[arg(long, value_name = "RULE", value_parser = explain::rule)]
    explain: Option<RuleId>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if let Some(rule) = self.explain {
            return explain::print(rule, self.output(), ui);
        }
        // git names the index in the environment of every hook that checks one
        let in_hook = self.staged && std::env::var_os("GIT_INDEX_FILE").is_some();
        let (report, notes) = self
            .report(ui)
            .inspect_err(|failure| self.output().announce(failure, ui))?;
        output::show_as(&report, self.output(), in_hook, ui)?;
        say(ui, &notes);
        if !in_hook {
            note_unheard(ui);
        }
        let is_unknown = self.require_history && report.is_partial;
        if self.with_key && report.is_unproven() {
            return Err(Failure::new(
                Exit::No,
                "no MAC was checked: no file that a key opens authenticates",
            ));
        }
        Ok(if report.errors() == 0 && !is_unknown {
            ExitCode::SUCCESS
        } else {
            Exit::No.into()
        })
    }

    /// The report, and what is said behind it.
    fn report(&self, ui: &Ui) -> Result<(Report, Vec<String>), Failure> {
        match self.span()? {
            Some(range) => Ok((self.range(&range)?, Vec::new())),
            None if self.staged => self.staged(),
            None => Ok((self.work_tree(ui)?, Vec::new())),
        }
    }

    /// The range to judge, as `git log` would take it.
    fn span(&self) -> Result<Option<String>, Failure> {
        if self.history {
            return Ok(Some("HEAD".into()));
        }
        let Some(range) = &self.range else {
            return Ok(None);
        };
        if !range.is_empty() {
            return Ok(Some(range.clone()));
        }
        let tip = named("PRE_COMMIT_TO_REF").or_else(|| named("PRE_COMMIT_LOCAL_BRANCH"));
        match (named("PRE_COMMIT_FROM_REF"), tip) {
            (Some(from), Some(tip)) => Ok(Some(format!("{from}..{tip}"))),
            // a branch whose first commit is new to the remote: prek says the end of it, pre-commit
            // its name
            (None, Some(tip)) => Ok(Some(tip)),
            _ => Err(Failure::usage(
                "--range needs A..B, or PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF",
            )),
        }
    }

    fn range(&self, range: &str) -> Result<Report, Failure> {
        let workspace = Workspace::over(Repo::from_env_without_work_tree()?, self.caller());
        let span = workspace.repo()?.span(range)?;
        // what a framework names in its variables for a push is a push
        let remote = named("PRE_COMMIT_REMOTE_NAME").filter(|_| self.range.as_deref() == Some(""));
        let branch = named("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_default();
        let old = named("PRE_COMMIT_FROM_REF").unwrap_or_default();
        let against = match &remote {
            // of all of history the state at its end is judged
            _ if self.history => Against::State,
            Some(remote) => Against::Remote(PushTarget {
                remote,
                branch: &branch,
                old: &old,
            }),
            None => Against::Start,
        };
        Ok(verify::range(
            &workspace,
            &span,
            &against,
            &self.options(Vec::new()),
        )?)
    }

    fn options(&self, scope: Vec<String>) -> Options {
        Options {
            depth: match (self.keyless, self.with_key) {
                (true, _) => Depth::Keyless,
                (_, true) => Depth::WithKey,
                _ => Depth::Silent,
            },
            scope,
            strict: self.strict,
            require_files: self.require_files,
            allow_from: self.allow_from.clone(),
            exposure: self.exposure,
            max_age: self.max_age,
        }
    }

    fn output(&self) -> OutputFormat {
        if self.json {
            OutputFormat::Json
        } else {
            self.format
        }
    }

    fn caller(&self) -> Caller {
        if self.with_key {
            Caller::Person
        } else {
            Caller::Git
        }
    }

    fn work_tree(&self, ui: &Ui) -> Result<Report, Failure> {
        let workspace = Workspace::open(None, self.caller())?;
        let workspace = match self.is_for_a_person() {
            true => workspace.with_walks_renewed(),
            false => workspace.without_kept_walks(),
        };
        mention(ui, &workspace)?;
        let state = TreeCheck::gather(&workspace, self.options(self.scope(&workspace)?))?;
        let clone = match self.is_for_a_person() {
            true => InClone::Asked(clone::look(workspace.repo()?, state.facts())?),
            false => InClone::NotAsked,
        };
        state.notes().iter().for_each(|note| ui.note(note));
        Ok(state.report(&clone)?)
    }

    /// Whether somebody works in this clone, so that what it lacks is worth a word.
    fn is_for_a_person(&self) -> bool {
        matches!(self.output(), OutputFormat::Text | OutputFormat::Json)
            && !is_ci(std::env::vars_os())
    }

    fn scope(&self, workspace: &Workspace) -> Result<Vec<String>, Failure> {
        let relative = |path: &PathBuf| {
            if path.canonicalize().is_ok_and(|path| {
                workspace
                    .root()
                    .canonicalize()
                    .is_ok_and(|root| root == path)
            }) {
                return Ok(String::new());
            }
            Ok(workspace.relative(path)?)
        };
        self.paths.iter().map(relative).collect()
    }

    fn staged(&self) -> Result<(Report, Vec<String>), Failure> {
        let workspace = Workspace::over(Repo::from_env()?, self.caller());
        let report = verify::staged(&workspace, &self.options(self.scope(&workspace)?))?;
        let mut notes = report.unsought.clone();
        notes.extend(interrupted::note(&workspace)?);
        notes.extend(report.return_is_unknown.then(|| verify::UNKNOWN.to_owned()));
        Ok((report, notes))
    }
}

/// A variable of the environment that says something.
fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Notes that hold names of the repository.
fn say(ui: &Ui, notes: &[String]) {
    notes
        .iter()
        .for_each(|note| ui.note(Escaped(note).to_string()));
}

/// Settings of this repository that its user may believe in.
fn note_unheard(ui: &Ui) {
    let unheard = Workspace::open(None, Caller::Person).and_then(|workspace| workspace.unheard());
    unheard
        .iter()
        .flatten()
        .for_each(|line| ui.note(line.to_string()));
}

/// What a hook runs: the commit that git is about to make, from the index that git names.
pub(in crate::cli) fn staged_in_hook(ui: &Ui) -> Result<ExitCode, Failure> {
    let args = Args {
        staged: true,
        ..Args::default()
    };
    let (report, notes) = args.staged()?;
    output::refuse(&report, ui);
    say(ui, &notes);
    Ok(if report.errors() == 0 {
        ExitCode::SUCCESS
    } else {
        Exit::No.into()
    })
}
