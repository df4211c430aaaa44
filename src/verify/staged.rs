//! What the next commit would hold: errors for what it changes.

use std::collections::BTreeSet;

use super::base::Base;
use super::error::VerifyError;
use super::facts::{Drivers, Facts};
use super::finding::Finding;
use super::leaks::{self, Leaks};
use super::options::{Options, is_beneath};
use super::report::Report;
use super::rule::{Also, Severity};
use super::source::{self, TreeSource};
use super::tree::{self, Gathered};
use super::{range, returned};
use crate::policy::vault::VaultError;
use crate::repo::StagedChange;
use crate::trace;
use crate::workspace::{VAULT, Workspace};

/// What a commit says of an exception that it brings.
const COUNTS_ON_MAIN: &str =
    "it counts for the commits after this one; CI accepts this once it is on main";

/// Judges the index that git names.
///
/// # Errors
/// When git or the index cannot be read; where a key is demanded, when none opens a file.
pub fn staged(workspace: &Workspace, options: &Options) -> Result<Report, VerifyError> {
    let changes = workspace.repo()?.staged_changes()?;
    trace::step("verify", || format!("index: {} changes", changes.len()));
    let mut changed = blamed(workspace, &changes, options)?;
    changed.extend(
        workspace
            .repo()?
            .staged_at_odd_paths()?
            .into_iter()
            .map(|(path, _)| path),
    );
    let mut leaks = Leaks::default();
    if options.uses_keys() {
        let new: Vec<_> = changes
            .iter()
            .filter(|change| changed.contains(&change.path))
            .collect();
        leaks = leaks::staged(workspace, &new)?;
    }
    let mut report = of_tree(workspace, changes, &changed, options)?;
    leaks::drop_known(&mut leaks.findings, &report.findings);
    report.findings.extend(leaks.findings);
    report.unsought.extend(leaks.notes);
    let mut back = returned::staged(workspace, report.changes.as_deref().unwrap_or_default())?;
    if !back.findings.is_empty() {
        let base = Base::of_next_commit(workspace, options)?;
        report
            .accepted
            .extend(base.exceptions.take(&mut back.findings));
    }
    report.findings.extend(back.findings);
    report.is_partial |= back.is_unknown;
    report.return_is_unknown = back.is_unknown;
    Ok(report.under(options))
}

/// The paths whose errors count: what the commit changes, or the files that are named. Those count
/// also where they are as in HEAD (`pre-commit run --all-files`); a deleted file always does,
/// because no hook names it.
fn blamed(
    workspace: &Workspace,
    changes: &[StagedChange],
    options: &Options,
) -> Result<BTreeSet<String>, VerifyError> {
    if options.scope.is_empty() {
        return Ok(changes.iter().map(|change| change.path.clone()).collect());
    }
    let gone = changes
        .iter()
        .filter(|change| change.new.is_none())
        .map(|change| change.path.clone());
    let there = workspace
        .repo()?
        .index_entries()?
        .into_iter()
        .map(|entry| entry.path);
    let named = there.filter(|path| options.scope.iter().any(|folder| is_beneath(path, folder)));
    Ok(named.chain(gone).collect())
}

fn of_tree(
    workspace: &Workspace,
    changes: Vec<StagedChange>,
    changed: &BTreeSet<String>,
    options: &Options,
) -> Result<Report, VerifyError> {
    let nothing = |changes| Report {
        changes: Some(changes),
        ..Report::default()
    };
    if !changed
        .iter()
        .any(|path| source::is_central(path) || source::may_be_secret(path))
    {
        let bound = TreeSource::Index
            .vault(workspace)?
            .0
            .map(|vault| vault.files)
            .unwrap_or_default();
        if !bound.iter().any(|file| changed.contains(&file.path)) {
            return Ok(nothing(changes));
        }
    }
    let central = changed.iter().any(|path| source::is_central(path));
    let sealed = tree::sealed_before(workspace, &changes)?;
    let wanted = |path: &str| central || changed.contains(path);
    let mut gathered = tree::gather(workspace, TreeSource::Index, &wanted, &sealed)?;
    let touches_secret = gathered
        .facts
        .files()
        .any(|file| changed.contains(&file.path));
    let changes_drivers = changed.iter().any(|path| source::is_attributes(path));
    if !central && !touches_secret && !changes_drivers && !gathered.finds_more() {
        return Ok(nothing(changes));
    }
    let base = Base::of_next_commit(workspace, options)?;
    gathered.facts.exceptions = base.exceptions.list().to_vec();
    base.keep_bound(workspace, TreeSource::Index, &mut gathered)?;
    let opened = tree::open(workspace, &mut gathered.facts, options.depth)?;
    let (findings, mut accepted) = base.judge(&gathered);
    let is_new = |finding: &Finding| {
        changed.contains(&finding.path)
            || finding.rule.is(Also::OnlyInChanges)
            || (central && finding.rule.is(Also::OfPolicy))
            || (finding.rule.is(Also::OfAttributes) && takes_drivers(&gathered, finding, changed))
    };
    let (findings, mut older): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(is_new);
    // a file that is named and not changed is asked about as it is
    let is_change = |finding: &Finding| changes.iter().any(|change| change.path == finding.path);
    let (new, mut findings): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| options.scope.is_empty() || is_change(finding));
    let (new, known) = base.split(workspace, TreeSource::Index, new)?;
    findings.extend(new);
    older.extend(known);
    let of_changes = range::staged(workspace, &changes, &gathered, &base, options.uses_keys())?;
    findings.extend(of_changes.0);
    accepted.extend(of_changes.1);
    if changed.contains(VAULT) {
        findings.extend(base.new_exceptions(gathered.vault.as_ref(), COUNTS_ON_MAIN));
    }
    let older = older
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let files = gathered.facts.entries.len();
    let changes = Some(changes);
    let unsought = newer_bindings(&gathered.facts).into_iter().collect();
    Ok(Report {
        findings,
        older,
        accepted,
        files,
        opened,
        changes,
        unsought,
        ..Report::default()
    })
}

/// B01 counts against the commit that brings it, and every other one says what it was judged by.
fn newer_bindings(facts: &Facts) -> Option<String> {
    let newer = facts
        .vault_fault
        .as_ref()
        .filter(|fault| matches!(fault, VaultError::Newer { .. }))?;
    Some(format!(
        "{VAULT}: {newer}; judged by the rules and bindings that this stax knows, which may not be all"
    ))
}

/// Whether a file of attributes that this commit changes, or one that no commit holds, takes the
/// drivers from a file.
fn takes_drivers(gathered: &Gathered, finding: &Finding, changed: &BTreeSet<String>) -> bool {
    let entry = gathered
        .facts
        .entries
        .iter()
        .find(|entry| entry.file.path == finding.path);
    let cause = entry.and_then(|entry| match &entry.drivers {
        Drivers::Asked { switched_off, .. } => switched_off.as_ref(),
        Drivers::Free => None,
    });
    cause.is_some_and(|cause| cause.file.ends_with("info/attributes"))
        || changed
            .iter()
            .any(|path| source::is_attributes_for(path, &finding.path))
}
