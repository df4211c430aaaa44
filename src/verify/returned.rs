//! Rules K08 and D13: who reads a file again after a removal, and which values are in use again.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::error::VerifyError;
use super::finding::Finding;
use super::rules::keys::returned::ReturnContext;
use super::tree::Gathered;
use crate::ledger::{self, FileVersion, Snapshot};
use crate::repo::{ObjectId, Repo, Span, StagedChange};
use crate::workspace::Workspace;
use crate::workspace::history::{History, Snapshots};
use crate::workspace::returns::{PENDING, Pending, TurnRecord, has_more_than_a_side};

/// What was found, and whether a removal may lie beyond the edge of the clone.
#[derive(Default)]
pub(super) struct ReturnsFound {
    pub(super) findings: Vec<Finding>,
    pub(super) is_unknown: bool,
}

/// What a report says where that is so.
pub const UNKNOWN: &str = "this clone holds not all history, so whether this merge lets somebody read again \
                                  who was removed is unknown: git fetch --unshallow";

/// The documents of a tree.
fn tips_of(gathered: &Gathered) -> Vec<(String, Rc<Snapshot>)> {
    let documents = gathered
        .facts
        .files()
        .filter_map(|file| Some((&file.path, file.document()?)));
    documents
        .map(|(path, document)| (path.clone(), Rc::new(Snapshot::of(document))))
        .collect()
}

/// What came back in any commit behind HEAD and still holds in the files as they are.
pub(super) fn at_head(
    repo: &Repo,
    history: &History,
    gathered: &Gathered,
    snapshots: &mut Snapshots<'_>,
) -> Result<Vec<Finding>, VerifyError> {
    let tips = tips_of(gathered);
    let paths = ledger::suspects(&history.versions, &history.removals, &tips);
    let Some(head) = repo.head_commit()?.filter(|_| !paths.is_empty()) else {
        return Ok(Vec::new());
    };
    let record = TurnRecord::load(repo, &[head], &paths, &history.walked, None, snapshots)?;
    let mut findings = Vec::new();
    record.judged(|turns, returns| {
        let told = ReturnContext {
            repo,
            turns,
            returns,
        };
        for one in returns.found(&|_| true) {
            let open = |(path, tip): &(String, Rc<Snapshot>)| {
                Some((
                    path.clone(),
                    returns.open_at(&one, &head.to_string(), path, tip)?,
                ))
            };
            if let Some((path, open)) = tips.iter().find_map(open) {
                findings.push(told.finding(&path, &open));
            }
        }
    });
    Ok(findings)
}

/// Documents of the end between whose versions a merge of the span chose; all of them where a new
/// one may be the copy of an old version.
pub(super) fn touched(
    repo: &Repo,
    span: &Span,
    range: &History,
    gathered: &Gathered,
    snapshots: &mut Snapshots<'_>,
) -> Result<BTreeSet<String>, VerifyError> {
    let changed = range.versions.iter().map(|version| version.path.as_str());
    let ends = gathered
        .facts
        .files()
        .filter(|file| file.document().is_some());
    let paths: BTreeSet<&str> = ends.map(|file| file.path.as_str()).chain(changed).collect();
    let paths: Vec<&str> = paths.into_iter().collect();
    let mut touched = BTreeSet::new();
    if paths.is_empty() {
        return Ok(touched);
    }
    let is_new = |version: &FileVersion| version.parents.is_empty();
    if range.versions.iter().any(is_new) && !span.is_whole() {
        return Ok(paths.into_iter().map(str::to_owned).collect());
    }
    for commit in &repo.changes_of(span, &paths)?.changed {
        for change in &commit.choices {
            let now = snapshots.of(&change.path, change.new)?;
            let held = change
                .old
                .iter()
                .map(|old| snapshots.of(&change.path, *old));
            let held = held.collect::<Result<Vec<_>, _>>()?;
            if now.is_some_and(|now| has_more_than_a_side(&now, &held)) {
                touched.insert(change.path.clone());
            }
        }
    }
    Ok(touched)
}

/// What came back in the commits of a span and still holds at its end. `history` is that of the
/// files which the span changes.
pub(super) fn in_range(
    repo: &Repo,
    span: &Span,
    touched: &BTreeSet<&str>,
    history: &History,
    gathered: &Gathered,
    snapshots: &mut Snapshots<'_>,
) -> Result<Vec<Finding>, VerifyError> {
    let Some(tip) = span.tips.first() else {
        return Ok(Vec::new());
    };
    let mut tips = tips_of(gathered);
    tips.retain(|(path, _)| touched.contains(path.as_str()));
    let paths = ledger::suspects(&history.versions, &history.removals, &tips);
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let commits: BTreeSet<String> = repo
        .commits_of(span)?
        .iter()
        .map(ObjectId::to_string)
        .collect();
    let record = TurnRecord::load(repo, &[*tip], &paths, &history.walked, None, snapshots)?;
    let mut findings = Vec::new();
    record.judged(|turns, returns| {
        let told = ReturnContext {
            repo,
            turns,
            returns,
        };
        for one in returns.found(&|turn| commits.contains(&turns.turns[turn].origin.commit)) {
            let open = |(path, end): &(String, Rc<Snapshot>)| {
                Some((
                    path.clone(),
                    returns.open_at(&one, &tip.to_string(), path, end)?,
                ))
            };
            let Some((path, open)) = tips.iter().find_map(open) else {
                continue;
            };
            let origin = turns.turns[one.turn].origin.clone();
            let line = format!(
                "in commit {} of {}, {}: {}",
                origin.short(),
                origin.date,
                origin.author,
                origin.summary
            );
            findings.push(told.finding(&path, &open).in_commit(line));
        }
    });
    Ok(findings)
}

/// What the commit that is about to be made would bring back, against each of its parents.
pub(super) fn staged(
    workspace: &Workspace,
    changes: &[StagedChange],
) -> Result<ReturnsFound, VerifyError> {
    let repo = workspace.repo()?;
    let mut snapshots = Snapshots::new(repo);
    let (pending, paths) = match repo.merging().is_empty() {
        false => {
            let pending = Pending::of_index(repo)?;
            let paths = pending.chosen(repo, &mut snapshots)?;
            (pending, paths)
        }
        true => of_commit(repo, changes, &mut snapshots)?,
    };
    if paths.is_empty() {
        return Ok(ReturnsFound::default());
    }
    let record = TurnRecord::walk(repo, paths, &pending, &mut snapshots)?;
    let mut found = ReturnsFound::default();
    record.judged(|turns, returns| {
        let told = ReturnContext {
            repo,
            turns,
            returns,
        };
        for one in returns.found(&|turn| turns.turns[turn].origin.commit == PENDING) {
            let path = &turns.turns[one.turn].path;
            found.findings.push(told.finding(path, &one));
        }
        found.is_unknown =
            record.is_partial && found.findings.is_empty() && returns.has_open_question(PENDING);
    });
    Ok(found)
}

/// A commit with one parent can bring something back only in a file that gets another data key, or
/// another name.
fn of_commit(
    repo: &Repo,
    changes: &[StagedChange],
    snapshots: &mut Snapshots<'_>,
) -> Result<(Pending, BTreeSet<String>), VerifyError> {
    let (mut rotated, mut gone, mut new) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for StagedChange {
        path,
        old,
        new: now,
    } in changes
    {
        match (snapshots.of(path, *old)?, snapshots.of(path, *now)?) {
            (Some(before), Some(after)) if !before.shares_key_with(&after) => {
                rotated.insert(path.clone())
            }
            (Some(_), None) => gone.insert(path.clone()),
            (None, Some(_)) => new.insert(path.clone()),
            _ => false,
        };
    }
    let mut paths = rotated;
    if !gone.is_empty() && !new.is_empty() {
        paths.extend(gone.into_iter().chain(new));
    }
    let parents = repo.head_commit()?.into_iter().collect();
    let entries = changes
        .iter()
        .map(|change| (change.path.clone(), change.new))
        .collect();
    Ok((Pending { parents, entries }, paths))
}
