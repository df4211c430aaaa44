//! The turns of files over all branches, for the rules about who and what comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::WorkspaceError;
use super::history::{Snapshots, origin, sources_of};
use crate::ledger::{Lineage, Origin, ParentSide, Returns, Snapshot, Turn};
use crate::repo::{
    Ancestry, Commit, CommitChanges, CommitWalk, FilesAt, ObjectId, PathChange, Repo, Span,
    TreeEntry,
};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// How many renames of one file are followed.
const RENAMES: usize = 32;

/// The commit that git is about to make has no name yet.
pub const PENDING: &str = "";

/// Every turn of some files, and how their commits stand to each other.
pub struct TurnRecord {
    turns: Vec<Turn>,
    ancestry: Ancestry,
    pending: Vec<String>,
    /// A removal may lie beyond the edge of this clone.
    pub is_partial: bool,
}

/// A commit that is not made yet.
pub struct Pending {
    pub parents: Vec<ObjectId>,
    /// What it holds where that is not what every parent holds.
    pub entries: BTreeMap<String, Option<TreeEntry>>,
}

impl Pending {
    /// What the index would make of HEAD, and of what is being merged.
    ///
    /// # Errors
    /// When a tree or the index cannot be read.
    pub fn of_index(repo: &Repo) -> Result<Self> {
        let head = repo.head_commit()?;
        let merged = repo
            .merging()
            .into_iter()
            .filter(|commit| Some(*commit) != head);
        let parents: Vec<ObjectId> = head.into_iter().chain(merged).collect();
        let mut entries = BTreeMap::new();
        for parent in &parents {
            let changes = repo.differing(FilesAt::Commit(*parent), FilesAt::Index)?;
            entries.extend(changes.into_iter().map(|change| (change.path, change.new)));
        }
        Ok(Self { parents, entries })
    }

    /// Documents in which the commit lets somebody read, or holds a value, and a parent does not.
    ///
    /// # Errors
    /// When git cannot read a version.
    pub fn chosen(&self, repo: &Repo, snapshots: &mut Snapshots<'_>) -> Result<BTreeSet<String>> {
        let all = self.entries.keys().cloned().collect();
        let turns = pending_turns(repo, self, &all, snapshots)?;
        let counts = |turn: &Turn| {
            let sides: Vec<_> = turn.sides.iter().map(|side| side.held.clone()).collect();
            turn.now
                .as_ref()
                .is_some_and(|now| has_more_than_a_side(now, &sides))
        };
        Ok(turns
            .into_iter()
            .filter(counts)
            .map(|turn| turn.path)
            .collect())
    }
}

impl TurnRecord {
    /// The turns of some paths in the history behind some tips; `walked` are all commits there that
    /// change one.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn load(
        repo: &Repo,
        tips: &[ObjectId],
        paths: &BTreeSet<String>,
        walked: &[Commit],
        pending: Option<&Pending>,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Self> {
        let span = Span {
            tips: tips.to_vec(),
            ..Span::default()
        };
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        let place =
            |change: &PathChange| Some((names.binary_search(&&*change.path).ok()?, change.new));
        let (mut changes, mut known) = (CommitChanges::new(), HashMap::new());
        for commit in walked {
            let changed: Vec<_> = commit.paths.iter().filter_map(place).collect();
            if !changed.is_empty() {
                changes.insert(commit.id, changed);
                known.insert(commit.id, commit);
            }
        }
        let found = repo.turns(&span, &names, &changes)?;
        let mut turns = Vec::new();
        if let Some(pending) = pending {
            turns.extend(pending_turns(repo, pending, paths, snapshots)?);
        }
        for (id, changed) in &found.commits {
            let origin = Rc::new(match known.get(id) {
                Some(commit) => origin(commit),
                None => origin(&repo.commit(*id)?),
            });
            for change in changed {
                let now = snapshots.of(&change.path, change.new)?;
                let held = change
                    .old
                    .iter()
                    .map(|old| snapshots.of(&change.path, *old));
                let held = held.collect::<Result<Vec<_>>>()?;
                let parents = found
                    .ancestry
                    .parents(&origin.commit)
                    .iter()
                    .map(ObjectId::to_string);
                let sides = parents
                    .zip(held)
                    .map(|(commit, held)| ParentSide { commit, held })
                    .collect();
                turns.extend(turn(&change.path, &origin, now, sides));
            }
        }
        Ok(Self {
            turns,
            ancestry: found.ancestry,
            pending: pending
                .iter()
                .flat_map(|it| &it.parents)
                .map(ObjectId::to_string)
                .collect(),
            is_partial: repo.is_shallow() || snapshots.is_partial(),
        })
    }

    /// The same where nobody walked before: under older names too.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn walk(
        repo: &Repo,
        mut paths: BTreeSet<String>,
        pending: &Pending,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Self> {
        let tips = &pending.parents;
        let span = Span {
            tips: tips.clone(),
            ..Span::default()
        };
        let mut walk = CommitWalk::default();
        for _ in 0..=RENAMES {
            let names: Vec<&str> = paths.iter().map(String::as_str).collect();
            walk = repo.changes_of(&span, &names)?;
            let more = sources_of(&walk, snapshots, &|path| paths.contains(path))?;
            if more.is_empty() {
                break;
            }
            paths.extend(more);
        }
        Self::load(repo, tips, &paths, &walk.changed, Some(pending), snapshots)
    }

    /// Judges with everything in its place.
    pub fn judged<T>(&self, judge: impl FnOnce(&Lineage<'_>, &Returns<'_>) -> T) -> T {
        let is_behind = |older: &str, newer: &str| self.is_behind(older, newer);
        let lineage = Lineage::new(&self.turns, &is_behind);
        judge(&lineage, &Returns::new(&lineage))
    }

    fn is_behind(&self, older: &str, newer: &str) -> bool {
        if newer != PENDING {
            return older != PENDING && self.ancestry.is_behind(older, newer);
        }
        self.pending
            .iter()
            .any(|parent| older == parent || self.ancestry.is_behind(older, parent))
    }
}

/// Somebody reads whom a parent does not let read, or a value is not that of a parent.
#[must_use]
pub fn has_more_than_a_side(now: &Snapshot, sides: &[Option<Rc<Snapshot>>]) -> bool {
    sides.iter().any(|side| {
        side.as_ref().is_none_or(|held| {
            let is_other = |(key, new): (&String, &crate::ledger::SealedValue)| {
                held.sealed.get(key).is_some_and(|old| old.mark != new.mark)
            };
            !now.recipients.is_subset(&held.recipients) || now.sealed.iter().any(is_other)
        })
    })
}

/// `None` for what never was a document.
fn turn(
    path: &str,
    origin: &Rc<Origin>,
    now: Option<Rc<Snapshot>>,
    sides: Vec<ParentSide>,
) -> Option<Turn> {
    let is_document = now.is_some() || sides.iter().any(|side| side.held.is_some());
    is_document.then(|| Turn {
        path: path.to_owned(),
        origin: origin.clone(),
        now,
        sides,
    })
}

fn pending_turns(
    repo: &Repo,
    pending: &Pending,
    paths: &BTreeSet<String>,
    snapshots: &mut Snapshots<'_>,
) -> Result<Vec<Turn>> {
    let names: Vec<&str> = pending
        .entries
        .keys()
        .filter(|path| paths.contains(*path))
        .map(|it| &**it)
        .collect();
    let mut sides: Vec<Vec<ParentSide>> = vec![Vec::new(); names.len()];
    for parent in &pending.parents {
        for (at, entry) in repo.entries_at(*parent, &names)?.into_iter().enumerate() {
            let held = snapshots.of(names[at], entry)?;
            sides[at].push(ParentSide {
                commit: parent.to_string(),
                held,
            });
        }
    }
    let origin = Rc::new(Origin::default());
    let mut turns = Vec::new();
    for (path, sides) in names.iter().zip(sides) {
        let now = snapshots.of(path, pending.entries[*path])?;
        turns.extend(turn(path, &origin, now, sides));
    }
    Ok(turns)
}
