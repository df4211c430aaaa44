//! `stax secrets verify`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use super::clone;
use super::interrupted::{self, mention};
use crate::cli::failure::{Exit, Failure};
use crate::cli::show::is_ci;
use crate::cli::ui::Ui;
use crate::policy::rules::{self, depends_on_policy};
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Repo, Span, StagedChange};
use crate::workspace::{Caller, VAULT, Workspace};

mod base;
mod beyond;
mod explain;
mod github;
mod history;
mod leaks;
mod objects;
pub(in crate::cli) mod opinion;
mod output;
mod passing;
mod past;
pub(in crate::cli) mod push;
mod range;
mod replaced;
mod returned;
mod sarif;
mod state;
mod tree;
mod verdict;

use base::{Base, Target};
use beyond::Beyond;
use leaks::Leaks;
use output::Output;
use state::State;
use tree::{Gathered, Opened, Source};
pub(in crate::cli) use verdict::{Looked, PATIENCE, Verdict, verdict};

/// Check policy, recipients and plaintext; without a key, and with one more
///
/// Judges the bound files and every SOPS file of the index. With a key at hand it also checks MACs and
/// values, and says so. Exit codes: 0 no error, 1 errors found, 2 could not run.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Only these files and folders
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the next commit would hold; errors only for what it changes, or for the PATHs that are named
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
    /// Fail too on warnings that an honest change gives as well: keys of services that open a file still (K05),
    /// values that changed while a whole file was encrypted anew (C04)
    #[arg(long)]
    strict: bool,
    /// Fail (1) where there is nothing to verify, or where a file or a submodule with SOPS files was not looked into
    #[arg(long, conflicts_with = "staged")]
    require_files: bool,
    /// Let the exceptions of this revision count, instead of those of the base of the change
    ///
    /// An exception in `.stax/vault.json` counts from the base on: of A..B that is A, of a push the default branch of
    /// the remote as last fetched, of the next commit and of a tree what stands at HEAD.
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
    opened: Opened,
    changes: Option<Vec<StagedChange>>,
    /// Commits that were looked at; `None` where history plays no part.
    commits: Option<usize>,
    /// The clone holds too little history.
    is_partial: bool,
    /// Which values were not looked for, and where not.
    unsought: Vec<String>,
    /// What was not looked into.
    beyond: Beyond,
}

/// A finding that the repository accepts, and why.
pub(super) struct Accepted {
    pub(super) finding: Finding,
    pub(super) why: String,
}

/// Rules whose warnings `--strict` makes errors.
const STRICT: [RuleId; 2] = [RuleId::C04, RuleId::K05];

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if let Some(rule) = self.explain {
            return explain::print(rule, self.output(), ui);
        }
        // git names the index in the environment of every hook that checks one
        let in_hook = self.staged && std::env::var_os("GIT_INDEX_FILE").is_some();
        let mut report = self.report(ui).inspect_err(|failure| self.output().announce(failure, ui))?;
        if self.strict {
            let is_strict = |finding: &&mut Finding| {
                finding.severity == Severity::Warning && STRICT.contains(&finding.rule)
            };
            report.findings.iter_mut().filter(is_strict).for_each(|it| it.severity = Severity::Error);
        }
        report.show_as(self.output(), in_hook, ui)?;
        report.unsought.iter().for_each(|note| ui.note(note));
        if !in_hook {
            note_unheard(ui);
        }
        let is_unknown = self.require_history && report.is_partial;
        if self.with_key && report.is_unproven() {
            return Err(Failure::new(Exit::No, "no MAC was checked: no file that a key opens authenticates"));
        }
        Ok(if report.errors() == 0 && !is_unknown { ExitCode::SUCCESS } else { Exit::No.into() })
    }

    fn report(&self, ui: &Ui) -> Result<Report, Failure> {
        match self.span()? {
            Some(range) => self.range(&range),
            None if self.staged => self.staged(),
            None => self.work_tree(ui),
        }
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
        let tip = named("PRE_COMMIT_TO_REF").or_else(|| named("PRE_COMMIT_LOCAL_BRANCH"));
        match (named("PRE_COMMIT_FROM_REF"), tip) {
            (Some(from), Some(tip)) => Ok(Some(format!("{from}..{tip}"))),
            // a branch whose first commit is new to the remote: prek says the end of it, pre-commit its name
            (None, Some(tip)) => Ok(Some(tip)),
            _ => Err(Failure::usage("--range needs A..B, or PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF")),
        }
    }

    fn range(&self, range: &str) -> Result<Report, Failure> {
        let workspace = Workspace::over(Repo::from_env_without_work_tree()?, self.caller());
        let span = workspace.repo()?.span(range)?;
        let base = self.base_of(&workspace, &span)?;
        let mut ranged = range::verify(&workspace, &span, &base, !self.keyless)?;
        let opened = self.open_with_key(&workspace, &mut ranged.gathered)?;
        ranged.findings.extend(past::check(self, &workspace, &base.exceptions, &|_| true)?);
        let files = ranged.gathered.facts.files.len();
        let beyond = Beyond { is_empty: files == 0, unread: ranged.gathered.unread };
        let mut report = Report {
            findings: ranged.findings,
            older: ranged.older,
            accepted: ranged.accepted,
            files,
            opened,
            commits: Some(ranged.commits),
            is_partial: ranged.is_partial,
            beyond,
            ..Report::default()
        };
        self.require(&mut report);
        Ok(report)
    }

    /// What a range is judged against. Of all of history the state at its end is judged; what a framework names in
    /// its variables for a push is a push.
    fn base_of(&self, workspace: &Workspace, span: &Span) -> Result<Base, Failure> {
        let named = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let remote = named("PRE_COMMIT_REMOTE_NAME").filter(|_| self.range.as_deref() == Some(""));
        let base = match remote {
            _ if self.history => Base::of_state(workspace)?,
            Some(remote) => {
                let branch = named("PRE_COMMIT_REMOTE_BRANCH").unwrap_or_default();
                let old = named("PRE_COMMIT_FROM_REF").unwrap_or_default();
                Base::of_push(workspace, &Target { remote: &remote, branch: &branch, old: &old })?
            }
            None => Base::of_range(workspace, span)?,
        };
        self.allowing(workspace, base)
    }

    /// What the next commit is judged against.
    fn base_of_commit(&self, workspace: &Workspace) -> Result<Base, Failure> {
        self.allowing(workspace, Base::at(workspace, workspace.repo()?.head_commit()?)?)
    }

    fn allowing(&self, workspace: &Workspace, base: Base) -> Result<Base, Failure> {
        match &self.allow_from {
            Some(revision) => base.allowing(workspace, workspace.repo()?.commit_named(revision)?),
            None => Ok(base),
        }
    }

    /// What was not looked into counts where that is asked for.
    fn require(&self, report: &mut Report) {
        if self.require_files {
            report.findings.extend(std::mem::take(&mut report.beyond).findings());
        }
    }

    fn output(&self) -> Output {
        if self.json { Output::Json } else { self.format }
    }

    fn caller(&self) -> Caller {
        if self.with_key { Caller::Person } else { Caller::Git }
    }

    fn open_with_key(&self, workspace: &Workspace, gathered: &mut Gathered) -> Result<Opened, Failure> {
        if self.keyless {
            return Ok(Opened::default());
        }
        tree::open(workspace, &mut gathered.facts, self.with_key)
    }

    fn work_tree(&self, ui: &Ui) -> Result<Report, Failure> {
        let workspace = Workspace::open(None, self.caller())?;
        let workspace = match self.is_for_a_person() {
            true => workspace.with_walks_renewed(),
            false => workspace.without_kept_walks(),
        };
        mention(ui, &workspace)?;
        let scope = self.scope(&workspace)?;
        let in_scope = |path: &str| scope.is_empty() || scope.iter().any(|folder| is_beneath(path, folder));
        let base = self.allowing(&workspace, Base::of_state(&workspace)?)?;
        let mut state = State::gather(&workspace, base, &in_scope)?;
        let files = state.gathered.facts.files.len();
        if files == 0 && !scope.is_empty() {
            return Err(Failure::usage("no SOPS file of the index lies in these paths"));
        }
        if self.is_for_a_person() {
            let facts = &mut state.gathered.facts;
            facts.clone = Some(clone::look(workspace.repo()?, facts)?);
        }
        state.warn_pending(ui);
        let beyond = Beyond::of_work_tree(&workspace, &mut state.gathered, &in_scope)?;
        if state.gathered.vault.is_none() && !beyond.is_empty {
            let policy =
                if state.gathered.facts.policy.is_some() { "policy .sops.yaml" } else { "no .sops.yaml" };
            ui.note(format!(
                "no .stax/vault.json: general profile; {} found by their metadata, {policy}",
                count(files, "SOPS file")
            ));
        }
        let opened = if self.keyless { Opened::default() } else { state.open(self.with_key)? };
        let (mut findings, mut accepted) = state.judge_tree();
        let of_history = state.judge_history()?;
        findings.extend(of_history.findings);
        accepted.extend(of_history.accepted);
        findings.extend(past::check(self, &workspace, &state.base.exceptions, &in_scope)?);
        let (commits, is_partial) = (Some(of_history.commits), of_history.is_partial);
        let mut report =
            Report { findings, accepted, files, opened, commits, is_partial, beyond, ..Report::default() };
        self.require(&mut report);
        Ok(report)
    }

    /// Whether somebody works in this clone, so that what it lacks is worth a word.
    fn is_for_a_person(&self) -> bool {
        matches!(self.output(), Output::Text | Output::Json) && !is_ci(std::env::vars_os())
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
        let mut changed = self.blamed(&workspace, &changes)?;
        changed.extend(workspace.repo()?.staged_at_odd_paths()?.into_iter().map(|(path, _)| path));
        let mut leaks = Leaks::default();
        if !self.keyless {
            let new: Vec<_> = changes.iter().filter(|change| changed.contains(&change.path)).collect();
            leaks = leaks::staged(&workspace, &new)?;
        }
        let mut report = self.staged_tree(&workspace, changes, &changed)?;
        leaks::drop_known(&mut leaks.findings, &report.findings);
        report.findings.extend(leaks.findings);
        report.unsought = leaks.notes;
        report.unsought.extend(interrupted::note(&workspace)?);
        let mut back = returned::staged(&workspace, report.changes.as_deref().unwrap_or_default())?;
        if !back.findings.is_empty() {
            report.accepted.extend(self.base_of_commit(&workspace)?.exceptions.take(&mut back.findings));
        }
        report.findings.extend(back.findings);
        if back.is_unknown {
            report.is_partial = true;
            report.unsought.push(returned::UNKNOWN.to_owned());
        }
        Ok(report)
    }

    fn staged_tree(
        &self,
        workspace: &Workspace,
        changes: Vec<StagedChange>,
        changed: &BTreeSet<String>,
    ) -> Result<Report, Failure> {
        let nothing = |changes| Report { changes: Some(changes), ..Report::default() };
        if !changed.iter().any(|path| tree::is_central(path) || tree::may_be_secret(path)) {
            let bound = Source::Index.vault(workspace)?.0.map(|vault| vault.files).unwrap_or_default();
            if !bound.iter().any(|file| changed.contains(&file.path)) {
                return Ok(nothing(changes));
            }
        }
        let central = changed.iter().any(|path| tree::is_central(path));
        let sealed = tree::sealed_before(workspace, &changes)?;
        let wanted = |path: &str| central || changed.contains(path);
        let mut gathered = tree::gather(workspace, Source::Index, &wanted, &sealed)?;
        let touches_secret = gathered.facts.files.iter().any(|file| changed.contains(&file.path));
        let changes_drivers = changed.iter().any(|path| tree::is_attributes(path));
        if !central && !touches_secret && !changes_drivers && !gathered.finds_more() {
            return Ok(nothing(changes));
        }
        let base = self.base_of_commit(workspace)?;
        gathered.facts.exceptions = base.exceptions.list().to_vec();
        base.keep_bound(workspace, Source::Index, &mut gathered)?;
        let opened = self.open_with_key(workspace, &mut gathered)?;
        let (findings, mut accepted) = judge(&gathered, &base);
        let is_new = |finding: &Finding| {
            changed.contains(&finding.path)
                || finding.rule == RuleId::G05
                || (central && depends_on_policy(finding))
                || (finding.rule == RuleId::G01 && takes_drivers(&gathered, finding, changed))
        };
        let (findings, mut older): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(is_new);
        // a file that is named and not changed is asked about as it is
        let is_change = |finding: &Finding| changes.iter().any(|change| change.path == finding.path);
        let (new, mut findings): (Vec<Finding>, Vec<Finding>) =
            findings.into_iter().partition(|finding| self.paths.is_empty() || is_change(finding));
        let (new, known) = base.split(workspace, Source::Index, new)?;
        findings.extend(new);
        older.extend(known);
        let of_changes = range::staged(workspace, &changes, &gathered, &base, !self.keyless)?;
        findings.extend(of_changes.0);
        accepted.extend(of_changes.1);
        if changed.contains(VAULT) {
            findings.extend(base.new_exceptions(gathered.vault.as_ref(), COUNTS_ON_MAIN));
        }
        let older = older.iter().filter(|finding| finding.severity == Severity::Error).count();
        let files = gathered.facts.files.len();
        let changes = Some(changes);
        Ok(Report { findings, older, accepted, files, opened, changes, ..Report::default() })
    }
}

/// What a commit says of an exception that it brings.
const COUNTS_ON_MAIN: &str = "it counts for the commits after this one; CI accepts this once it is on main";

/// Whether a file of attributes that this commit changes, or one that no commit holds, takes the drivers from a file.
fn takes_drivers(gathered: &Gathered, finding: &Finding, changed: &BTreeSet<String>) -> bool {
    let file = gathered.facts.files.iter().find(|file| file.path == finding.path);
    let cause = file.and_then(|file| file.switched_off.as_ref());
    cause.is_some_and(|cause| cause.file.ends_with("info/attributes"))
        || changed.iter().any(|path| tree::is_attributes_for(path, &finding.path))
}

pub(super) fn is_beneath(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The findings, and apart from them those that the repository accepts.
fn judge(gathered: &Gathered, base: &Base) -> (Vec<Finding>, Vec<Accepted>) {
    let mut findings = rules::judge(&gathered.facts);
    let accepted = base.exceptions.take(&mut findings);
    (findings, accepted)
}

/// Settings of this repository that its user may believe in.
fn note_unheard(ui: &Ui) {
    let unheard = Workspace::open(None, Caller::Person).and_then(|workspace| workspace.unheard());
    unheard.iter().flatten().for_each(|line| ui.note(line.to_string()));
}

/// `1 file`, `2 files`
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a hook runs: the commit that git is about to make, from the index that git names.
pub(in crate::cli) fn staged_in_hook(ui: &Ui) -> Result<ExitCode, Failure> {
    let args = Args { staged: true, ..Args::default() };
    let report = args.staged()?;
    report.refuse(ui);
    report.unsought.iter().for_each(|note| ui.note(note));
    Ok(if report.errors() == 0 { ExitCode::SUCCESS } else { Exit::No.into() })
}
