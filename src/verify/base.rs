//! What a change is judged against: whose exceptions count for it, and which findings were there
//! before.

use std::collections::BTreeSet;

use super::error::VerifyError;
use super::exceptions::{Accepted, Exceptions};
use super::facts::FileFacts;
use super::finding::Finding;
use super::options::Options;
use super::rule::Also;
use super::rules::{self, change::new_exception};
use super::source::TreeSource;
use super::tree::{self, Gathered};
use crate::policy::vault::Vault;
use crate::repo::{ObjectId, Span};
use crate::trace;
use crate::workspace::Workspace;

pub(super) struct Base {
    pub(super) exceptions: Exceptions,
    /// Findings of this commit are older ones.
    pub(super) tree: Option<ObjectId>,
}

/// What a range is judged against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against<'a> {
    /// The state at its end, as the work tree is.
    State,
    /// The commit before it.
    Start,
    /// What a remote has.
    Remote(PushTarget<'a>),
}

/// A branch that is being pushed to a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTarget<'a> {
    pub remote: &'a str,
    /// `refs/heads/main`
    pub branch: &'a str,
    /// In hex, what the remote has there.
    pub old: &'a str,
}

impl Base {
    pub(super) fn of(
        workspace: &Workspace,
        span: &Span,
        against: &Against<'_>,
        options: &Options,
    ) -> Result<Self, VerifyError> {
        let base = match against {
            Against::State => Self::of_state(workspace)?,
            Against::Start => Self::of_range(workspace, span)?,
            Against::Remote(target) => Self::of_push(workspace, target)?,
        };
        base.allowing(workspace, options)
    }

    /// What the next commit is judged against.
    pub(super) fn of_next_commit(
        workspace: &Workspace,
        options: &Options,
    ) -> Result<Self, VerifyError> {
        Self::at(workspace, workspace.repo()?.head_commit()?)?.allowing(workspace, options)
    }

    /// The findings, and apart from them those that the repository accepts.
    pub(super) fn judge(&self, gathered: &Gathered) -> (Vec<Finding>, Vec<Accepted>) {
        let mut findings = rules::judge(&gathered.facts);
        let files = gathered.facts.entries.len();
        trace::step("verify", || {
            format!("rules: {} findings in {files} files", findings.len())
        });
        let accepted = self.exceptions.take(&mut findings);
        (findings, accepted)
    }

    /// A state is judged as a whole, by the exceptions that are committed.
    pub(super) fn of_state(workspace: &Workspace) -> Result<Self, VerifyError> {
        Ok(Self {
            exceptions: Exceptions::of_head(workspace)?,
            tree: None,
        })
    }

    /// Of the commit that a change continues; without one no exception counts.
    pub(super) fn at(workspace: &Workspace, tree: Option<ObjectId>) -> Result<Self, VerifyError> {
        let exceptions = tree
            .map(|tree| Exceptions::of(workspace, tree))
            .transpose()?;
        Ok(Self {
            exceptions: exceptions.unwrap_or_default(),
            tree,
        })
    }

    /// Of `A..B` that is A. A server that receives a push judges it by the branch that HEAD names
    /// there, whose tip is still the old one: an earlier push of the same branch excuses nothing.
    pub(super) fn of_range(workspace: &Workspace, span: &Span) -> Result<Self, VerifyError> {
        if std::env::var_os("GIT_QUARANTINE_PATH").is_some() {
            return Self::at(workspace, workspace.repo()?.head_commit()?);
        }
        Self::at(workspace, span.hidden.first().copied())
    }

    /// Of a push: the default branch of the remote as last fetched, and for that branch what the
    /// remote has.
    pub(super) fn of_push(
        workspace: &Workspace,
        target: &PushTarget<'_>,
    ) -> Result<Self, VerifyError> {
        let repo = workspace.repo()?;
        let default = repo.default_branch(target.remote)?;
        let branch = target
            .branch
            .strip_prefix("refs/heads/")
            .unwrap_or_default();
        let is_default = match &default {
            Some(default) => default.name == branch,
            None => ["main", "master"].contains(&branch),
        };
        let old = repo.known_commit(target.old).filter(|_| is_default);
        Self::at(workspace, old.or(default.map(|default| default.tip)))
    }

    /// The exceptions of another commit, because the user says so.
    pub(super) fn allowing(
        self,
        workspace: &Workspace,
        options: &Options,
    ) -> Result<Self, VerifyError> {
        let Some(revision) = &options.allow_from else {
            return Ok(self);
        };
        let from = workspace.repo()?.commit_named(revision)?;
        Ok(Self {
            exceptions: Exceptions::of(workspace, from)?,
            ..self
        })
    }

    /// Takes the findings apart that the base has as well.
    pub(super) fn split(
        &self,
        workspace: &Workspace,
        source: TreeSource,
        findings: Vec<Finding>,
    ) -> Result<(Vec<Finding>, Vec<Finding>), VerifyError> {
        let Some(tree) = self.tree.filter(|_| !findings.is_empty()) else {
            return Ok((findings, Vec::new()));
        };
        let paths: BTreeSet<&str> = findings
            .iter()
            .map(|finding| finding.path.as_str())
            .collect();
        let is_about_several = findings
            .iter()
            .any(|finding| finding.rule.is(Also::ComparesFiles));
        let wanted = |path: &str| is_about_several || paths.contains(path);
        let before = TreeSource::Commit(tree);
        // what cannot be read there excuses nothing
        let Ok(gathered) = tree::gather(workspace, before, &wanted, &BTreeSet::new()) else {
            return Ok((findings, Vec::new()));
        };
        let known = rules::judge(&gathered.facts);
        let bytes = |source: TreeSource, path: &str| source.read(workspace, path).ok().flatten();
        let is_older = |finding: &Finding| {
            let mut same = known.iter().filter(|other| is_same(other, finding));
            same.any(|other| {
                let is_unchanged = || {
                    let old = bytes(before, &other.path)?;
                    Some(is_unchanged(
                        (other, &old),
                        (finding, &bytes(source, &finding.path)?),
                    ))
                };
                finding.rule.is(Also::KnownByWords) || is_unchanged().unwrap_or(false)
            })
        };
        let (older, new) = findings.into_iter().partition(is_older);
        Ok((new, older))
    }

    /// Whether the base holds a line of a file as it is, or the whole of it where no line is known.
    pub(super) fn has(
        &self,
        workspace: &Workspace,
        path: &str,
        bytes: &[u8],
        line: Option<usize>,
    ) -> bool {
        let before = self.tree.and_then(|tree| {
            TreeSource::Commit(tree)
                .read(workspace, path)
                .ok()
                .flatten()
        });
        before.is_some_and(|before| match line.and_then(|line| line_of(bytes, line)) {
            Some(text) => before
                .split(|byte| *byte == b'\n')
                .any(|other| other == text),
            None => before == bytes,
        })
    }

    /// D12: each exception that the base does not have, as a notice of its own.
    pub(super) fn new_exceptions(&self, vault: Option<&Vault>, detail: &str) -> Vec<Finding> {
        let known = self.exceptions.list();
        let all = vault.iter().flat_map(|vault| &vault.allow);
        all.filter(|allow| !known.contains(allow))
            .map(|allow| new_exception(allow).detail(detail))
            .collect()
    }

    /// Files that the base binds and the change does not are held to what a bound file is held to:
    /// unbinding is no way around it. Where such a file moved, it is known by its tokens.
    pub(super) fn keep_bound(
        &self,
        workspace: &Workspace,
        source: TreeSource,
        gathered: &mut Gathered,
    ) -> Result<(), VerifyError> {
        let Some(tree) = self.tree else { return Ok(()) };
        let before = TreeSource::Commit(tree);
        let Some(vault) = before.vault(workspace)?.0 else {
            return Ok(());
        };
        let is_bound = |path: &str| {
            gathered
                .vault
                .iter()
                .flat_map(|vault| &vault.files)
                .any(|file| file.path == path)
        };
        let mut lost = Vec::new();
        for file in vault.files.iter().filter(|file| !is_bound(&file.path)) {
            lost.extend(
                before
                    .read(workspace, &file.path)?
                    .map(|bytes| FileFacts::read(&file.path, true, Some(&bytes))),
            );
        }
        for entry in gathered
            .facts
            .entries
            .iter_mut()
            .filter(|entry| !entry.file.managed)
        {
            let file = &mut entry.file;
            if lost
                .iter()
                .any(|old| old.path == file.path || tree::share_tokens(old, file))
            {
                let Some(bytes) = source.read(workspace, &file.path)? else {
                    continue;
                };
                let read = FileFacts::read(&file.path, true, Some(&bytes));
                // a format that no environment can have is a reason to unbind a file
                if read.document().is_some() {
                    *file = read;
                }
            }
        }
        Ok(())
    }
}

fn is_same(a: &Finding, b: &Finding) -> bool {
    (a.rule, &a.path, &a.key, &a.message) == (b.rule, &b.path, &b.key, &b.message)
}

/// A value in plaintext that was replaced by another one is a new finding.
pub(super) fn is_unchanged(before: (&Finding, &[u8]), after: (&Finding, &[u8])) -> bool {
    let text = |(finding, bytes): (&Finding, _)| finding.line.and_then(|line| line_of(bytes, line));
    match (text(before), text(after)) {
        (Some(old), Some(new)) => old == new,
        _ => before.1 == after.1,
    }
}

fn line_of(bytes: &[u8], line: usize) -> Option<&[u8]> {
    bytes.split(|byte| *byte == b'\n').nth(line.checked_sub(1)?)
}
