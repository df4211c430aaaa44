//! Which of some commits stand behind which, in one pass over a span.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::changes::FastReads;
use super::commits::CommitTable;
use super::trees::Trees;
use super::{ObjectId, PathChange, Repo, RepoError, Span, TreeEntry};

/// One bit for each commit that was asked about.
type Bits = Rc<Vec<u64>>;

/// What the commits that changed some paths made of them: the place of the path, and what it holds.
pub type CommitChanges = HashMap<ObjectId, Vec<(usize, Option<TreeEntry>)>>;

/// What each path holds at a commit.
type EntriesAtCommit = Rc<Vec<Option<TreeEntry>>>;

/// What commits did to some paths, and how they stand to each other.
#[derive(Debug, Default)]
pub struct Turns {
    /// Children first.
    pub commits: Vec<(ObjectId, Vec<PathChange>)>,
    pub ancestry: Ancestry,
}

/// The commits that were asked about, and their parents. Names are in hex.
#[derive(Debug, Default)]
pub struct Ancestry {
    places: HashMap<String, usize>,
    behind: Vec<Bits>,
    parents: HashMap<String, Vec<ObjectId>>,
}

impl Repo {
    /// What the commits of a span did to some paths, of which `changes` are those that changed one:
    /// children first, with the merges that took the version of one parent. Trees are read only
    /// where the parents of a merge differ.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn turns(
        &self,
        span: &Span,
        paths: &[&str],
        changes: &CommitChanges,
    ) -> Result<Turns, RepoError> {
        let _fast = FastReads::begin();
        let found = self.with_graph(span, |graph| {
            let commits = self.commits(&self.git.odb()?, span, graph)?;
            let mut turns = self.turns_in(&commits, paths, changes)?;
            turns.reverse();
            let asked = turns
                .iter()
                .map(|(commit, _)| *commit)
                .chain(span.tips.iter().copied())
                .collect();
            Ok(Turns {
                ancestry: Ancestry::of(&commits, &asked),
                commits: turns,
            })
        });
        found.map_err(|error| self.explained(error))
    }

    /// Parents first.
    fn turns_in(
        &self,
        commits: &CommitTable,
        paths: &[&str],
        changes: &CommitChanges,
    ) -> Result<Vec<(ObjectId, Vec<PathChange>)>, RepoError> {
        let nothing: EntriesAtCommit = Rc::new(vec![None; paths.len()]);
        let mut states = vec![nothing.clone(); commits.len()];
        let mut found = Vec::new();
        for row in commits.order().iter().rev() {
            let id = ObjectId::from(commits.id(*row));
            let old: Vec<EntriesAtCommit> = commits
                .parents(*row)
                .iter()
                .map(|parent| states[*parent as usize].clone())
                .collect();
            let mut state = old.first().unwrap_or(&nothing).clone();
            if let Some(changed) = changes.get(&id) {
                changed
                    .iter()
                    .for_each(|(at, entry)| Rc::make_mut(&mut state)[*at] = *entry);
            }
            let is_changed = |at: &usize| {
                changes
                    .get(&id)
                    .is_some_and(|changed| changed.iter().any(|(path, _)| path == at))
            };
            let is_open =
                |at: &usize| old.iter().any(|side| side[*at] != old[0][*at]) && !is_changed(at);
            let open: Vec<usize> = match old.iter().all(|side| Rc::ptr_eq(side, &old[0])) {
                true => Vec::new(),
                false => (0..paths.len()).filter(is_open).collect(),
            };
            if !open.is_empty() {
                let names: Vec<&str> = open.iter().map(|at| paths[*at]).collect();
                let entries = self.entries_at(id, &names)?;
                for (at, entry) in open.iter().zip(entries) {
                    if state[*at] != entry {
                        Rc::make_mut(&mut state)[*at] = entry;
                    }
                }
            }
            let changed = changes.get(&id).into_iter().flatten().map(|(at, _)| *at);
            let turned: Vec<PathChange> = changed
                .chain(open)
                .map(|at| PathChange {
                    path: paths[at].to_owned(),
                    new: state[at],
                    old: old.iter().map(|side| side[at]).collect(),
                })
                .collect();
            if !turned.is_empty() {
                found.push((id, turned));
            }
            // two sides that became one share their state from here on
            let same = old.iter().find(|side| **side == state).cloned();
            states[*row as usize] = same.unwrap_or(state);
        }
        Ok(found)
    }

    /// For each merge of a span the files that its parents hold differently, while it took the
    /// version of one of them as it was.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn choices(&self, span: &Span) -> Result<Vec<(ObjectId, Vec<PathChange>)>, RepoError> {
        let _fast = FastReads::begin();
        let found = self.with_graph(span, |graph| {
            let odb = self.git.odb()?;
            let commits = self.commits(&odb, span, graph)?;
            let mut trees = Trees::new(&odb);
            let mut found = Vec::new();
            for row in commits
                .order()
                .iter()
                .filter(|row| commits.parents(**row).len() > 1)
            {
                let choices = choices_of(&mut trees, &commits, *row)?;
                if !choices.is_empty() {
                    found.push((commits.id(*row).into(), choices));
                }
            }
            Ok(found)
        });
        found.map_err(|error| self.explained(error))
    }
}

/// What a merge holds at a path, and those of its parents that hold something else there.
#[derive(Default)]
struct Differing {
    new: Option<TreeEntry>,
    sides: HashMap<usize, Option<TreeEntry>>,
}

fn choices_of(
    trees: &mut Trees<'_>,
    commits: &CommitTable,
    row: u32,
) -> Result<Vec<PathChange>, RepoError> {
    let parents = commits.parents(row);
    let mut differing: HashMap<String, Differing> = HashMap::new();
    for (side, parent) in parents.iter().enumerate() {
        trees.compare(
            Some(commits.tree(row)),
            &[Some(commits.tree(*parent))],
            &mut |path, new, old| {
                let known = differing
                    .entry(path.to_owned())
                    .or_insert_with(|| Differing {
                        new,
                        ..Differing::default()
                    });
                known.sides.insert(side, old.first().copied().flatten());
            },
        )?;
    }
    let mut choices = Vec::new();
    for (path, Differing { new, sides }) in differing {
        if sides.len() == parents.len() {
            continue;
        }
        let old = (0..parents.len())
            .map(|side| sides.get(&side).copied().unwrap_or(new))
            .collect();
        choices.push(PathChange { path, new, old });
    }
    choices.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(choices)
}

impl Ancestry {
    fn of(commits: &CommitTable, asked: &HashSet<ObjectId>) -> Self {
        let mut ancestry = Self::default();
        let mut bits: HashMap<u32, usize> = HashMap::new();
        let rows = commits.parents_first();
        for row in rows
            .iter()
            .filter(|row| asked.contains(&commits.id(**row).into()))
        {
            let parents = commits.parents(*row);
            let names = parents
                .iter()
                .map(|parent| commits.id(*parent).into())
                .collect();
            ancestry.parents.insert(commits.id(*row).to_string(), names);
            for row in parents.iter().chain([row]) {
                let next = bits.len();
                bits.entry(*row).or_insert(next);
            }
        }
        let none: Bits = Rc::new(vec![0; bits.len().div_ceil(64)]);
        ancestry.behind = vec![none.clone(); bits.len()];
        // most commits have behind them what their parent has, and share it
        let mut sets: Vec<Bits> = vec![none.clone(); commits.len()];
        for row in rows {
            let set = behind(commits.parents(row), &sets, &bits).unwrap_or_else(|| none.clone());
            if let Some(place) = bits.get(&row) {
                ancestry.behind[*place] = set.clone();
                ancestry.places.insert(commits.id(row).to_string(), *place);
            }
            sets[row as usize] = set;
        }
        ancestry
    }

    /// Whether the first stands behind the second; not where one of them was not asked about.
    #[must_use]
    pub fn is_behind(&self, older: &str, newer: &str) -> bool {
        let (Some(older), Some(newer)) = (self.places.get(older), self.places.get(newer)) else {
            return false;
        };
        self.behind[*newer][older / 64] >> (older % 64) & 1 == 1
    }

    /// The parents of a commit that was asked about, those that this clone has.
    #[must_use]
    pub fn parents(&self, commit: &str) -> &[ObjectId] {
        self.parents
            .get(commit)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// What a commit has behind it: its parents, and what they have. `None` for the first of a history.
fn behind(parents: &[u32], sets: &[Bits], bits: &HashMap<u32, usize>) -> Option<Bits> {
    let (first, others) = parents.split_first()?;
    let mut set = sets[*first as usize].clone();
    for other in others.iter().map(|other| &sets[*other as usize]) {
        if !Rc::ptr_eq(&set, other)
            && set
                .iter()
                .zip(other.iter())
                .any(|(one, more)| more & !one != 0)
        {
            let joined = set.iter().zip(other.iter()).map(|(one, more)| one | more);
            set = Rc::new(joined.collect());
        }
    }
    for place in parents.iter().filter_map(|parent| bits.get(parent)) {
        if set[place / 64] >> (place % 64) & 1 == 0 {
            Rc::make_mut(&mut set)[place / 64] |= 1 << (place % 64);
        }
    }
    Some(set)
}
