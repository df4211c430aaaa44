//! The judgement of the work tree as it is: plain `verify` prints it, [`super::verdict`] sums it up.

use std::collections::BTreeSet;

use super::base::Base;
use super::tree::{self, Gathered, Opened, Source};
use super::{Accepted, count, history, judge, past, returned};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::{Finding, RuleId};
use crate::repo::Span;
use crate::workspace::Workspace;
use crate::workspace::history::{History, Snapshots, candidates};

/// The facts of a work tree.
pub(super) struct State<'w> {
    workspace: &'w Workspace,
    pub(super) gathered: Gathered,
    pub(super) base: Base,
}

/// What the commits behind HEAD add to the verdict on a tree.
pub(super) struct OfHistory {
    pub(super) findings: Vec<Finding>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) commits: usize,
    /// The clone holds too little history.
    pub(super) is_partial: bool,
}

impl<'w> State<'w> {
    /// Files of which `in_scope` is false play no part.
    pub(super) fn gather(
        workspace: &'w Workspace,
        base: Base,
        in_scope: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let mut gathered = tree::gather(workspace, Source::WorkTree, in_scope, &BTreeSet::new())?;
        gathered.facts.files.retain(|file| in_scope(&file.path));
        gathered.facts.exceptions = base.exceptions.list().to_vec();
        Ok(Self { workspace, gathered, base })
    }

    /// Exceptions that somebody is writing count when they are committed.
    pub(super) fn warn_pending(&self, ui: &Ui) {
        let pending = self.base.new_exceptions(self.gathered.vault.as_ref(), "").len();
        let (are, they_do) = if pending == 1 { ("is", "it does") } else { ("are", "they do") };
        if pending > 0 {
            let entries = count(pending, "exception");
            ui.note(format!("{entries} in .stax/vault.json {are} not committed, so {they_do} not count yet"));
        }
    }

    /// Opens what a silent identity opens.
    pub(super) fn open(&mut self, demand: bool) -> Result<Opened, Failure> {
        tree::open(self.workspace, &mut self.gathered.facts, demand)
    }

    pub(super) fn judge_tree(&self) -> (Vec<Finding>, Vec<Accepted>) {
        judge(&self.gathered, &self.base)
    }

    pub(super) fn judge_history(&self) -> Result<OfHistory, Failure> {
        let (repo, facts) = (self.workspace.repo()?, &self.gathered.facts);
        let now: BTreeSet<String> = facts.files.iter().map(|file| file.path.clone()).collect();
        let has_files = !now.is_empty();
        let paths: Vec<&str> = now.iter().map(String::as_str).collect();
        let spec = format!("files:\n{}\npolicy:\n{:?}", paths.join("\n"), facts.policy);
        let wanted = candidates(now, facts.policy.as_slice());
        // without a document nobody can still read one
        let tips = repo.head_commit()?.into_iter().filter(|_| has_files).collect();
        let span = Span { tips, ..Span::default() };
        let mut snapshots = Snapshots::new(repo);
        let history = History::load(repo, &span, &wanted, Some(&spec), &mut snapshots)?;
        let mut findings = history::stale(&history, repo, facts, &|_| true, &|one| {
            self.base.exceptions.why(RuleId::K05, &one.path, None).is_some()
        });
        findings.extend(returned::at_head(repo, &history, &self.gathered, &mut snapshots)?);
        findings.extend(history::retyped(&history, facts));
        let accepted = self.base.exceptions.take(&mut findings);
        let walked = Some(&history).filter(|_| has_files);
        findings.extend(past::late_rows(self.workspace, walked, facts.roster.as_deref())?);
        Ok(OfHistory { findings, accepted, commits: history.commits, is_partial: history.is_partial })
    }
}
