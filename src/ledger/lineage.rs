//! One file over the commit graph: what each commit made of it, on all branches and under all
//! names.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Origin, Snapshot};

/// A commit that changed a path, or a merge whose parents hold it differently.
#[derive(Clone, Debug)]
pub struct Turn {
    pub path: String,
    pub origin: Rc<Origin>,
    /// `None`: the file is not there, or is no document.
    pub now: Option<Rc<Snapshot>>,
    /// One for each parent in this clone.
    pub sides: Vec<ParentSide>,
}

/// What a parent holds at the path of a turn.
#[derive(Clone, Debug)]
pub struct ParentSide {
    pub commit: String,
    pub held: Option<Rc<Snapshot>>,
}

impl Turn {
    #[must_use]
    pub fn is_merge(&self) -> bool {
        self.sides.len() > 1
    }
}

/// Whether the first commit stands behind the second; never behind itself.
pub type Behind<'a> = &'a dyn Fn(&str, &str) -> bool;

/// Turns, and which of them are of one file.
pub struct Lineage<'a> {
    /// Children before parents.
    pub turns: &'a [Turn],
    behind: Behind<'a>,
    by_path: HashMap<&'a str, Vec<usize>>,
    /// For each turn what its parents hold, under the name that the file has there.
    before: Vec<Vec<Option<Rc<Snapshot>>>>,
    /// For each turn a number that all turns of its file have.
    files: Vec<usize>,
}

impl<'a> Lineage<'a> {
    #[must_use]
    pub fn new(turns: &'a [Turn], behind: Behind<'a>) -> Self {
        let mut by_path: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_commit: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, turn) in turns.iter().enumerate() {
            by_path.entry(&turn.path).or_default().push(at);
            by_commit.entry(&turn.origin.commit).or_default().push(at);
        }
        let files = (0..turns.len()).collect();
        let mut lineage = Self {
            turns,
            behind,
            by_path,
            before: Vec::new(),
            files,
        };
        for (at, turn) in turns.iter().enumerate() {
            let beside = &by_commit[turn.origin.commit.as_str()];
            let source = older_name(turns, at, beside).map_or(turn, |source| &turns[source]);
            for side in &source.sides {
                if side.held.is_some()
                    && let Some(older) = lineage.state(&side.commit, &source.path)
                {
                    lineage.join(at, older);
                }
            }
            lineage
                .before
                .push(source.sides.iter().map(|side| side.held.clone()).collect());
        }
        lineage.files = (0..turns.len()).map(|at| lineage.root(at)).collect();
        lineage
    }

    fn root(&self, mut at: usize) -> usize {
        while self.files[at] != at {
            at = self.files[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.files[one.max(other)] = one.min(other);
    }

    /// The turn that gave a path what it holds at a commit.
    #[must_use]
    pub fn state(&self, commit: &str, path: &str) -> Option<usize> {
        self.by_path
            .get(path)?
            .iter()
            .copied()
            .find(|at| self.is_in(*at, commit))
    }

    /// A commit has the turn behind it, or made it.
    #[must_use]
    pub fn is_in(&self, turn: usize, commit: &str) -> bool {
        let made_by = self.turns[turn].origin.commit.as_str();
        made_by == commit || (self.behind)(made_by, commit)
    }

    #[must_use]
    pub fn is_behind(&self, older: usize, newer: usize) -> bool {
        (self.behind)(
            &self.turns[older].origin.commit,
            &self.turns[newer].origin.commit,
        )
    }

    /// What the parents of a turn hold; a file that was renamed counts under its older name.
    #[must_use]
    pub fn before(&self, turn: usize) -> &[Option<Rc<Snapshot>>] {
        &self.before[turn]
    }

    /// What all turns of one file have in common.
    #[must_use]
    pub fn file(&self, turn: usize) -> usize {
        self.files[turn]
    }

    /// What a commit holds of a file, under any name.
    pub fn versions_at(&self, commit: &str, file: usize) -> impl Iterator<Item = &Rc<Snapshot>> {
        let states = self
            .by_path
            .keys()
            .filter_map(|path| self.state(commit, path));
        let mine = states.filter(move |at| self.files[*at] == file);
        mine.filter_map(|at| self.turns[at].now.as_ref())
    }

    /// The names that a commit has for the versions of which `wanted` says yes.
    pub fn any_at(&self, commit: &str, wanted: impl Fn(&Snapshot) -> bool) -> bool {
        let states = self
            .by_path
            .keys()
            .filter_map(|path| self.state(commit, path));
        states
            .filter_map(|at| self.turns[at].now.as_ref())
            .any(|snapshot| wanted(snapshot))
    }
}

/// Of a file that is new, the turn of the same commit that took it away under its older name: they
/// share a token, or, where the commit made a new data key as well, most names of values.
fn older_name(turns: &[Turn], at: usize, beside: &[usize]) -> Option<usize> {
    let turn = &turns[at];
    let now = turn
        .now
        .as_ref()
        .filter(|_| turn.sides.iter().all(|side| side.held.is_none()))?;
    let gone = |other: &&usize| turns[**other].now.is_none();
    let held = |other: usize| {
        turns[other]
            .sides
            .iter()
            .filter_map(|side| side.held.as_ref())
    };
    let all = || beside.iter().filter(gone).copied();
    let shares_key = |other: &usize| held(*other).any(|old| old.shares_key_with(now));
    all()
        .find(shares_key)
        .or_else(|| all().find(|other| held(*other).any(|old| has_names_of(now, old))))
}

/// More than half of the names of each are names of the other.
pub(super) fn has_names_of(one: &Snapshot, other: &Snapshot) -> bool {
    let common = one
        .sealed
        .keys()
        .filter(|key| other.sealed.contains_key(*key))
        .count();
    common * 2 > one.sealed.len().max(other.sealed.len())
}
