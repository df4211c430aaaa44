//! Every commit of a range against each of its parents, and the tree at its end.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::cli::failure::Failure;
use crate::ledger::{self, Change, Snapshot, Version};
use crate::policy::rules::{self, Content, Facts, FileFacts, depends_on_policy};
use crate::policy::vault::Vault;
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Commit, PathChange, Span, StagedChange};
use crate::sops::Format;
use crate::workspace::Workspace;

use super::history::{History, Snapshots, candidates, day};
use super::tree::{self, Gathered, Source};
use super::{Accepted, take_accepted};

/// What a range holds.
pub(super) struct Ranged {
    pub(super) findings: Vec<Finding>,
    pub(super) older: usize,
    pub(super) accepted: Vec<Accepted>,
    pub(super) commits: usize,
    pub(super) is_partial: bool,
    pub(super) gathered: Gathered,
}

/// Leaks and tampering count in every commit; the policy and the data keys are judged at the end, of
/// the files that the range changes.
pub(super) fn verify(workspace: &Workspace, span: &Span) -> Result<Ranged, Failure> {
    let repo = workspace.repo()?;
    let Some(tip) = span.tips.first() else { return Err(Failure::usage("the range has no end")) };
    let gathered = tree::gather(workspace, Source::Commit(*tip), &|_| true, &BTreeSet::new())?;
    let wanted = candidates(&gathered.facts);
    let mut snapshots = Snapshots::new(repo);
    let range =
        History::load(repo, span, &|path: &str| wanted(path) || tree::is_central(path), &mut snapshots)?;
    let changed: BTreeSet<&str> =
        range.walked.iter().flat_map(|commit| &commit.paths).map(|change| change.path.as_str()).collect();
    let central = changed.iter().any(|path| tree::is_central(path));

    // of the time before the range only the files that it changes are read
    let sealed = range.versions.iter().any(|version| changed.contains(version.path.as_str()));
    let tips = if sealed { span.tips.clone() } else { Vec::new() };
    let whole = Span { tips, ..Span::default() };
    let history = History::load(repo, &whole, &|path: &str| changed.contains(path), &mut snapshots)?;

    let mut findings = Vec::new();
    for commit in &range.walked {
        for change in &commit.paths {
            let older = history.before(&commit.id.short(), &change.path);
            findings.extend(of_change(workspace, commit, change, (&gathered, &older), &mut snapshots)?);
        }
    }
    let in_range = |finding: &Finding| {
        changed.contains(finding.path.as_str()) || (central && depends_on_policy(finding))
    };
    let (at_end, older): (Vec<Finding>, Vec<Finding>) =
        rules::judge(&gathered.facts).into_iter().partition(in_range);
    findings.extend(at_end);
    findings.extend(tree::leaks_in(repo, span)?);
    let whole = Span { tips: span.tips.clone(), ..Span::default() };
    let history =
        History::load(repo, &whole, &|path: &str| wanted(path) || tree::is_central(path), &mut snapshots)?;
    findings.extend(history.stale(repo, &gathered.facts, &|path| changed.contains(path), &|one| {
        is_accepted(gathered.vault.as_ref(), RuleId::K05, &one.path, None)
    }));
    let accepted = take_accepted(&mut findings, gathered.vault.as_ref());
    Ok(Ranged {
        findings,
        older: older.iter().filter(|finding| finding.severity == Severity::Error).count(),
        accepted,
        commits: range.commits,
        is_partial: range.is_partial || history.is_partial,
        gathered,
    })
}

/// The change rules for what is about to be committed, each file against HEAD.
pub(super) fn staged(
    workspace: &Workspace,
    changes: &[StagedChange],
    gathered: &Gathered,
) -> Result<(Vec<Finding>, Vec<Accepted>), Failure> {
    let mut snapshots = Snapshots::new(workspace.repo()?);
    let mut findings = Vec::new();
    let (mut versions, mut touched) = (Vec::new(), BTreeSet::new());
    for change in changes {
        let path = &change.path;
        let before = snapshots.of(path, change.old)?;
        let (Some(before), Some(after)) = (before, snapshots.of(path, change.new)?) else { continue };
        let managed = gathered.vault.iter().flat_map(|vault| &vault.files).any(|file| file.path == *path);
        let judge = |older: &[Rc<Snapshot>]| {
            ledger::judge(&Change { path, managed, before: &before, after: &after, older })
        };
        let mut found = judge(&[]);
        if found.iter().any(|finding| finding.rule == RuleId::D11) {
            // history is read only where it can excuse: the repair of a file that was changed by hand
            found = judge(&snapshots.history(path)?);
        }
        findings.extend(found);
        versions.push(Version::of_parent(path, before));
        touched.insert(path.as_str());
    }
    let history = History::of_head(workspace.repo()?, versions)?;
    findings.extend(history.stale(
        workspace.repo()?,
        &gathered.facts,
        &|path| touched.contains(path),
        &|one| is_accepted(gathered.vault.as_ref(), RuleId::K05, &one.path, None),
    ));
    let accepted = take_accepted(&mut findings, gathered.vault.as_ref());
    Ok((findings, accepted))
}

pub(super) fn is_accepted(vault: Option<&Vault>, rule: RuleId, path: &str, key: Option<&str>) -> bool {
    vault.is_some_and(|vault| vault.allowed(rule, path, key).is_some())
}

fn of_change(
    workspace: &Workspace,
    commit: &Commit,
    change: &PathChange,
    (tip, older): (&Gathered, &[Rc<Snapshot>]),
    snapshots: &mut Snapshots<'_>,
) -> Result<Vec<Finding>, Failure> {
    let path = &change.path;
    let after = snapshots.of(path, change.new)?;
    let managed = tip.vault.iter().flat_map(|vault| &vault.files).any(|file| file.path == *path);
    let mut findings = Vec::new();
    let mut was_sealed = None;
    for old in &change.old {
        let Some(before) = snapshots.of(path, *old)? else { continue };
        if let Some(after) = &after {
            let change = Change { path, managed, before: &before, after, older };
            findings.extend(ledger::judge(&change));
        }
        was_sealed = Some(before);
    }
    if let Some(entry) = change.new.filter(|entry| entry.mode & 0o170_000 == 0o100_000)
        && (after.is_some() || was_sealed.is_some())
    {
        let bytes = workspace.repo()?.blob(entry.id)?;
        findings.extend(leaks(path, managed, &bytes, was_sealed.as_deref()));
    }
    findings.dedup();
    let short = commit.id.short();
    let line = format!(
        "in commit {short} of {}, {}: {}",
        day(commit.author_time),
        commit.author_name,
        commit.summary
    );
    for finding in &mut findings {
        heal(finding, tip, snapshots, change)?;
        finding.detail.push(line.clone());
    }
    Ok(findings)
}

/// What a later commit of the range put right is worth a notice.
fn heal(
    finding: &mut Finding,
    tip: &Gathered,
    snapshots: &mut Snapshots<'_>,
    change: &PathChange,
) -> Result<(), Failure> {
    if !matches!(finding.rule, RuleId::D03 | RuleId::D05 | RuleId::D10) {
        return Ok(());
    }
    let end = tip.facts.files.iter().find(|file| file.path == change.path).and_then(FileFacts::document);
    let Some(end) = end.map(Snapshot::of) else { return Ok(()) };
    let here = snapshots.of(&change.path, change.new)?;
    if here.is_some_and(|here| !here.shares_key_with(&end)) {
        finding.severity = Severity::Notice;
        finding.detail.push("a later commit made a new data key".into());
    }
    Ok(())
}

/// Values that the commit itself publishes, also when a later one hides them.
fn leaks(path: &str, managed: bool, bytes: &[u8], before: Option<&Snapshot>) -> Vec<Finding> {
    let file = FileFacts::read(path, managed, Some(bytes));
    if let (Content::Clear, Some(before)) = (&file.content, before) {
        return opened(path, bytes, before);
    }
    let facts = Facts { files: vec![file], ..Facts::default() };
    let mut findings = rules::judge(&facts);
    findings.retain(|finding| {
        matches!(finding.rule, RuleId::F03 | RuleId::F04 | RuleId::F07 | RuleId::K02)
            && finding.severity == Severity::Error
    });
    findings
}

/// A file that was a SOPS document and holds values in clear where tokens were.
fn opened(path: &str, bytes: &[u8], before: &Snapshot) -> Vec<Finding> {
    let tree = std::str::from_utf8(bytes).ok().and_then(|text| Format::of_path(path).parse(text).ok());
    let keys: Vec<String> =
        tree.iter().flat_map(|tree| tree.leaves()).map(|(path, ..)| path.to_string()).collect();
    let clear: Vec<&String> = keys.iter().filter(|key| before.sealed.contains_key(*key)).collect();
    let Some(first) = clear.first() else { return Vec::new() };
    let more = if clear.len() > 1 { format!(" and {} more", clear.len() - 1) } else { String::new() };
    let message = format!("`{first}`{more} is in clear: the file was a SOPS document before");
    vec![
        Finding::error(RuleId::F04, path, message)
            .key(first.as_str())
            .fix("replace the value at its source: everybody who can fetch this commit can read it"),
    ]
}
