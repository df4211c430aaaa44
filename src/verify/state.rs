//! The judgement of the work tree as it is: plain `verify` prints it, [`super::verdict`] sums it
//! up.

use std::collections::BTreeSet;

use super::base::Base;
use super::beyond::Beyond;
use super::error::VerifyError;
use super::exceptions::Accepted;
use super::facts::{Facts, InClone};
use super::finding::Finding;
use super::options::Options;
use super::report::{Report, count};
use super::rule::RuleId;
use super::rules::git::in_clone;
use super::rules::in_order;
use super::source::TreeSource;
use super::tree::{self, Gathered, OpenedCount};
use super::{history, past, returned};
use crate::repo::Span;
use crate::trace;
use crate::workspace::Workspace;
use crate::workspace::history::{History, Snapshots, candidates};

/// The facts of a work tree.
pub struct TreeCheck<'w> {
    workspace: &'w Workspace,
    options: Options,
    pub(super) gathered: Gathered,
    base: Base,
}

/// What the commits behind HEAD add to the verdict on a tree.
pub(super) struct OfHistory {
    pub(super) findings: Vec<Finding>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) commits: usize,
    /// The clone holds too little history.
    pub(super) is_partial: bool,
}

impl<'w> TreeCheck<'w> {
    /// # Errors
    /// When git or the work tree cannot be read, and when there is no file in a scope that is
    /// named.
    pub fn gather(workspace: &'w Workspace, options: Options) -> Result<Self, VerifyError> {
        let base = Base::of_state(workspace)?.allowing(workspace, &options)?;
        let in_scope = |path: &str| options.is_in_scope(path);
        let mut gathered =
            tree::gather(workspace, TreeSource::WorkTree, &in_scope, &BTreeSet::new())?;
        gathered
            .facts
            .entries
            .retain(|entry| in_scope(&entry.file.path));
        gathered.facts.exceptions = base.exceptions.list().to_vec();
        trace::step("verify", || {
            format!("work tree: {} files gathered", gathered.facts.entries.len())
        });
        if gathered.facts.entries.is_empty() && !options.scope.is_empty() {
            return Err(VerifyError::NothingInScope);
        }
        Ok(Self {
            workspace,
            options,
            gathered,
            base,
        })
    }

    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.gathered.facts
    }

    /// What is worth a word before the verdict.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.pending().into_iter().chain(self.profile()).collect()
    }

    /// Exceptions that somebody is writing count when they are committed.
    fn pending(&self) -> Option<String> {
        let pending = self
            .base
            .new_exceptions(self.gathered.vault.as_ref(), "")
            .len();
        let (are, they_do) = if pending == 1 {
            ("is", "it does")
        } else {
            ("are", "they do")
        };
        let entries = count(pending, "exception");
        let note = format!(
            "{entries} in .stax/vault.json {are} not committed, so {they_do} not count yet"
        );
        (pending > 0).then_some(note)
    }

    fn profile(&self) -> Option<String> {
        let facts = &self.gathered.facts;
        let policy = if facts.policy.is_some() {
            "policy .sops.yaml"
        } else {
            "no .sops.yaml"
        };
        let files = count(facts.entries.len(), "SOPS file");
        let note = format!(
            "no .stax/vault.json: general profile; {files} found by their metadata, {policy}"
        );
        (self.gathered.vault.is_none() && !facts.entries.is_empty()).then_some(note)
    }

    /// Judges the tree, this clone and the commits behind HEAD.
    ///
    /// # Errors
    /// When git or a file cannot be read; where a key is demanded, when none opens a file.
    pub fn report(mut self, clone: &InClone) -> Result<Report, VerifyError> {
        let in_scope = |path: &str| self.options.is_in_scope(path);
        let beyond = Beyond::of_work_tree(self.workspace, &mut self.gathered, &in_scope)?;
        let opened = self.open()?;
        let (mut findings, mut accepted) = self.judge_tree(clone);
        let of_history = self.judge_history()?;
        findings.extend(of_history.findings);
        accepted.extend(of_history.accepted);
        let exceptions = &self.base.exceptions;
        findings.extend(past::check(&self.options, self.workspace, exceptions)?);
        let (commits, is_partial) = (Some(of_history.commits), of_history.is_partial);
        let files = self.gathered.facts.entries.len();
        let report = Report {
            findings,
            accepted,
            files,
            opened,
            commits,
            is_partial,
            beyond,
            ..Report::default()
        };
        Ok(report.under(&self.options))
    }

    /// Opens what a key opens.
    pub(super) fn open(&mut self) -> Result<OpenedCount, VerifyError> {
        tree::open(self.workspace, &mut self.gathered.facts, self.options.depth)
    }

    pub(super) fn judge_tree(&self, clone: &InClone) -> (Vec<Finding>, Vec<Accepted>) {
        let mut findings = in_clone(clone);
        let mut accepted = self.base.exceptions.take(&mut findings);
        let of_tree = self.base.judge(&self.gathered);
        findings.extend(of_tree.0);
        accepted.extend(of_tree.1);
        (in_order(findings), accepted)
    }

    pub(super) fn judge_history(&self) -> Result<OfHistory, VerifyError> {
        let (repo, facts) = (self.workspace.repo()?, &self.gathered.facts);
        let now: BTreeSet<String> = facts.files().map(|file| file.path.clone()).collect();
        let has_files = !now.is_empty();
        let paths: Vec<&str> = now.iter().map(String::as_str).collect();
        let spec = format!("files:\n{}\npolicy:\n{:?}", paths.join("\n"), facts.policy);
        let wanted = candidates(now, facts.policy.as_slice());
        // without a document nobody can still read one
        let tips = repo
            .head_commit()?
            .into_iter()
            .filter(|_| has_files)
            .collect();
        let span = Span {
            tips,
            ..Span::default()
        };
        let mut snapshots = Snapshots::new(repo);
        let history = History::load(repo, &span, &wanted, Some(&spec), &mut snapshots)?;
        let mut findings = history::stale(&history, repo, facts, &|_| true, &|one| {
            self.base
                .exceptions
                .why(RuleId::K05, &one.path, None)
                .is_some()
        });
        findings.extend(returned::at_head(
            repo,
            &history,
            &self.gathered,
            &mut snapshots,
        )?);
        findings.extend(history::retyped(&history, facts));
        let accepted = self.base.exceptions.take(&mut findings);
        let walked = Some(&history).filter(|_| has_files);
        findings.extend(past::late_rows(
            self.workspace,
            walked,
            facts.roster.as_deref(),
        )?);
        Ok(OfHistory {
            findings,
            accepted,
            commits: history.commits,
            is_partial: history.is_partial,
        })
    }
}
