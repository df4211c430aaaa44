//! The full history of paths by name, in one walk.
//!
//! Commits and trees are read raw: the objects of libgit2 cost two and a half times as much, and a
//! walk reads every commit and every root tree. Default `git log` prunes side branches that were
//! merged away; an audit must not.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use git2::{ErrorCode, Odb, Oid};

use super::changes::{FastReads, Found, Told, changed};
use super::commits::{Commits, NONE, RawCommit};
use super::graph::Graph;
use super::trees::{RawEntry, TreeEntries, Trees};
use super::{Entry, ObjectId, PathChange, Repo, RepoError, Span, Walk};

impl Repo {
    /// What [`changes`](Self::changes) gives for the paths of a list, without reading all trees; and the merges
    /// that chose between versions.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone.
    pub fn changes_of(&self, span: &Span, paths: &[&str]) -> Result<Walk, RepoError> {
        let walk = self.find_of(span, paths)?.walk;
        self.bring_versions(&walk);
        Ok(walk)
    }

    pub(super) fn find_of(&self, span: &Span, paths: &[&str]) -> Result<Found, RepoError> {
        let _fast = FastReads::begin();
        let wanted: BTreeSet<&str> = paths.iter().copied().collect();
        let found = self.with_graph(span, |graph| self.changes_of_by(span, &wanted, graph));
        found.map_err(|error| self.explained(error))
    }

    fn changes_of_by(
        &self,
        span: &Span,
        wanted: &BTreeSet<&str>,
        graph: Option<&Graph>,
    ) -> Result<Found, RepoError> {
        let odb = self.git.odb()?;
        let commits = self.commits(&odb, span, graph)?;
        let plan = Plan::new(wanted);
        let mut reader = Reader::new(&odb, &plan);
        let states = reader.states_of(&commits, graph)?;
        let mut trees = Trees::new(&odb);
        let mut told = Told::new(self, &commits, span)?;
        for row in commits.order() {
            let (mut paths, choices) = reader.compare(&commits, *row, &states);
            let mut gone = Vec::new();
            if paths.iter().any(PathChange::is_new) && !commits.parents(*row).is_empty() {
                (paths, gone) = changed(&mut trees, &commits, *row, &|path| wanted.contains(path))?;
            }
            if !paths.is_empty() || !choices.is_empty() {
                told.add(*row, paths, choices, gone)?;
            }
        }
        Ok(told.found)
    }

    /// What a commit holds at a path; folders and submodules are no entries.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when the commit or a tree is not in this clone.
    pub fn entry_at(&self, commit: ObjectId, path: &str) -> Result<Option<Entry>, RepoError> {
        Ok(self.entries_at(commit, &[path])?.pop().flatten())
    }

    /// The same of several paths, in their order.
    ///
    /// # Errors
    /// As [`entry_at`](Self::entry_at).
    pub fn entries_at(&self, commit: ObjectId, paths: &[&str]) -> Result<Vec<Option<Entry>>, RepoError> {
        let _fast = FastReads::begin();
        let odb = self.git.odb()?;
        let tree = RawCommit::read(&odb, self.oid(commit))?.tree;
        let wanted: BTreeSet<&str> = paths.iter().copied().collect();
        let plan = Plan::new(&wanted);
        let mut reader = Reader::new(&odb, &plan);
        let state = reader.state(0, tree).map_err(|error| self.explained(error))?;
        let state = &reader.states[state as usize];
        let slots: HashMap<&str, usize> = plan.paths.iter().copied().collect();
        Ok(paths.iter().map(|path| state[slots[path]]).collect())
    }

    /// The parents of a commit, first the one that it continues. Those beyond the edge of a shallow clone
    /// are named as well.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when the commit is not in this clone.
    pub fn parents_of(&self, commit: ObjectId) -> Result<Vec<ObjectId>, RepoError> {
        let parents = RawCommit::read(&self.git.odb()?, self.oid(commit))?.parents;
        Ok(parents.into_iter().map(ObjectId::from).collect())
    }

    /// The best common ancestors of two commits; none when their histories have nothing in common.
    ///
    /// # Errors
    /// [`RepoError::Git`] when a commit cannot be read.
    pub fn merge_bases(&self, a: ObjectId, b: ObjectId) -> Result<Vec<ObjectId>, RepoError> {
        match self.git.merge_bases(self.oid(a), self.oid(b)) {
            Ok(bases) => Ok(bases.iter().map(|base| ObjectId::from(*base)).collect()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// The commits behind some tips and not behind others.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit is not in this clone.
    pub fn beyond(&self, known: &[ObjectId], tips: &[ObjectId]) -> Result<HashSet<ObjectId>, RepoError> {
        self.commits_of(&Span { tips: tips.to_vec(), hidden: known.to_vec(), hide_references: false })
    }

    /// The commits of a span.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit is not in this clone.
    pub fn commits_of(&self, span: &Span) -> Result<HashSet<ObjectId>, RepoError> {
        Ok(self.commits(&self.git.odb()?, span, None)?.ids().collect())
    }

    /// The commits of HEAD (first) and of every reference: branches, remote-tracking ones, tags, everything
    /// that was stashed, and what other work trees have checked out. What leads to no commit is left out.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the references cannot be read.
    pub fn ref_tips(&self) -> Result<Vec<ObjectId>, RepoError> {
        self.tips_of(&self.named_commits()?)
    }

    /// The same, of references that were listed.
    pub(super) fn tips_of(&self, named: &[(Vec<u8>, Oid)]) -> Result<Vec<ObjectId>, RepoError> {
        let mut tips: Vec<ObjectId> = self.head_commit()?.into_iter().collect();
        let mut known: BTreeSet<ObjectId> = tips.iter().copied().collect();
        let others = self.stashed().into_iter().chain(self.heads_of_work_trees());
        for id in others.filter(|id| self.git.find_commit(self.oid(*id)).is_ok()) {
            if known.insert(id) {
                tips.push(id);
            }
        }
        for (_, commit) in named {
            let id = ObjectId::from(*commit);
            if known.insert(id) {
                tips.push(id);
            }
        }
        Ok(tips)
    }
}

/// Names that are compared one by one.
const FEW: usize = 8;

/// What a tree holds at the planned paths below it. Most commits share one with their parent.
type State = Rc<[Option<Entry>]>;

/// The wanted paths as a tree of names, so that each git tree is read once for all of them.
struct Plan<'p> {
    nodes: Vec<Node<'p>>,
    /// Each wanted path and its place in the state of the root.
    paths: Vec<(&'p str, usize)>,
}

#[derive(Default)]
struct Node<'p> {
    children: Vec<(&'p [u8], usize)>,
    /// The same, to look up: with a few it is faster to compare.
    many: HashMap<&'p [u8], usize>,
    /// The first of this node's places in the state of the root; the first is its own.
    start: usize,
    len: usize,
}

impl<'p> Plan<'p> {
    fn new(paths: &BTreeSet<&'p str>) -> Self {
        let mut plan = Self { nodes: vec![Node::default()], paths: Vec::new() };
        let ends: Vec<(&str, usize)> = paths.iter().map(|path| (*path, plan.insert(path))).collect();
        plan.number(0, 0);
        plan.paths = ends.into_iter().map(|(path, node)| (path, plan.nodes[node].start)).collect();
        plan
    }

    fn insert(&mut self, path: &'p str) -> usize {
        let mut at = 0;
        for name in path.split('/') {
            let next = self.nodes.len();
            let found = *self.nodes[at].many.entry(name.as_bytes()).or_insert(next);
            if found == next {
                self.nodes[at].children.push((name.as_bytes(), next));
                self.nodes.push(Node::default());
            }
            at = found;
        }
        at
    }

    fn number(&mut self, node: usize, start: usize) -> usize {
        let children: Vec<usize> = self.nodes[node].children.iter().map(|(_, child)| *child).collect();
        let end = children.into_iter().fold(start + 1, |next, child| self.number(child, next));
        self.nodes[node].start = start;
        self.nodes[node].len = end - start;
        end
    }
}

struct Reader<'a> {
    odb: &'a Odb<'a>,
    plan: &'a Plan<'a>,
    /// The states of folders below the root; roots hardly ever come twice.
    memo: HashMap<(usize, Oid), u32>,
    states: Vec<State>,
    places: HashMap<State, u32>,
}

impl<'a> Reader<'a> {
    fn new(odb: &'a Odb<'a>, plan: &'a Plan<'a>) -> Self {
        Self { odb, plan, memo: HashMap::new(), states: Vec::new(), places: HashMap::new() }
    }

    /// The state of each commit, by its row. A filter speaks of the first parent alone.
    fn states_of(&mut self, commits: &Commits, graph: Option<&Graph>) -> Result<Vec<u32>, RepoError> {
        let paths: Vec<&str> = self.plan.paths.iter().map(|(path, _)| *path).collect();
        let filters = graph.map(|graph| graph.filters(&paths));
        let mut states = vec![NONE; commits.len()];
        for row in commits.parents_first() {
            let is_ruled_out = filters.as_ref().is_some_and(|filters| commits.is_ruled_out(row, filters));
            states[row as usize] = match commits.parents(row).first() {
                Some(parent) if is_ruled_out => states[*parent as usize],
                _ => self.state(0, commits.tree(row))?,
            };
        }
        Ok(states)
    }

    /// The state of one node of the plan for one tree, by its place in `states`.
    fn state(&mut self, node: usize, tree: Oid) -> Result<u32, RepoError> {
        if let Some(known) = self.memo.get(&(node, tree)) {
            return Ok(*known);
        }
        let plan = self.plan;
        let Node { children, start, len, .. } = &plan.nodes[node];
        let mut slots = vec![None; *len];
        let object = self.odb.read(tree).map_err(|error| RepoError::reading(&error, tree.into()))?;
        let wanted = |name: &[u8]| children.iter().find(|(child, _)| *child == name).map(|(_, node)| *node);
        let hashed = |name: &[u8]| plan.nodes[node].many.get(name).copied();
        let take = |child: usize, entry: RawEntry<'_>| {
            let place = plan.nodes[child].start - start;
            if entry.is_tree() && plan.nodes[child].len > 1 {
                let below = self.state(child, entry.id)?;
                let below = &self.states[below as usize];
                slots[place..place + below.len()].copy_from_slice(below);
            } else {
                slots[place] = entry.file();
            }
            Ok(())
        };
        let entries = TreeEntries::new(&object);
        let read = if children.len() > FEW { entries.pick(hashed, take) } else { entries.pick(wanted, take) };
        read?.ok_or(RepoError::Corrupt(tree.into()))?;
        let state = self.shared(slots);
        if node > 0 {
            self.memo.insert((node, tree), state);
        }
        Ok(state)
    }

    fn shared(&mut self, slots: Vec<Option<Entry>>) -> u32 {
        if let Some(known) = self.places.get(slots.as_slice()) {
            return *known;
        }
        let place = u32::try_from(self.states.len()).unwrap_or(NONE);
        let state: State = slots.into();
        self.states.push(state.clone());
        self.places.insert(state, place);
        place
    }

    /// The paths that differ from what every parent holds, and those in which a merge took one side.
    fn compare(&self, commits: &Commits, row: u32, states: &[u32]) -> (Vec<PathChange>, Vec<PathChange>) {
        let (here, parents) = (states[row as usize], commits.parents(row));
        let (mut paths, mut choices) = (Vec::new(), Vec::new());
        if !parents.is_empty() && parents.iter().all(|parent| states[*parent as usize] == here) {
            return (paths, choices);
        }
        for (path, slot) in &self.plan.paths {
            let new = self.states[here as usize][*slot];
            let old = parents.iter().map(|parent| self.states[states[*parent as usize] as usize][*slot]);
            let old: Vec<Option<Entry>> = old.collect();
            let list = if !old.contains(&new) && (new.is_some() || !old.is_empty()) {
                &mut paths
            } else if old.iter().any(|old| *old != new) {
                &mut choices
            } else {
                continue;
            };
            list.push(PathChange { path: (*path).to_owned(), new, old });
        }
        (paths, choices)
    }
}
