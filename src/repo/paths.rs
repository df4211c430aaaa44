//! The full history of paths by name, in one walk.
//!
//! Commits and trees are read raw: the objects of libgit2 cost two and a half times as much, and a
//! walk reads every commit and every root tree. Default `git log` prunes side branches that were
//! merged away; an audit must not.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use git2::{ErrorCode, Odb, Oid};

use super::changes::{FastReads, NamedWalk, OrderedWalk, changed};
use super::commits::{CommitTable, NONE, RawCommit};
use super::graph::Graph;
use super::recent::Recent;
use super::trees::{RawEntry, TREE, TreeEntries, Trees, file};
use super::{CommitWalk, ObjectId, PathChange, Repo, RepoError, Span, TreeEntry};

impl Repo {
    /// What [`changes`](Self::changes) gives for the paths of a list, without reading all trees;
    /// and the merges that chose between versions.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone.
    pub fn changes_of(&self, span: &Span, paths: &[&str]) -> Result<CommitWalk, RepoError> {
        let walk = self.find_of(span, paths)?.walk;
        self.bring_versions(&walk);
        Ok(walk)
    }

    pub(super) fn find_of(&self, span: &Span, paths: &[&str]) -> Result<OrderedWalk, RepoError> {
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
    ) -> Result<OrderedWalk, RepoError> {
        let odb = self.git.odb()?;
        let commits = self.commits(&odb, span, graph)?;
        let plan = NameTree::new(wanted);
        let mut reader = TreeReader::new(&odb, &plan);
        let same = same_as(&commits, graph, wanted);
        let mut trees = Trees::new(&odb);
        let mut told = NamedWalk::new(self, &commits, span)?;
        for row in commits.order() {
            let (mut paths, choices) = reader.compare(&commits, *row, &same)?;
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
    pub fn entry_at(&self, commit: ObjectId, path: &str) -> Result<Option<TreeEntry>, RepoError> {
        Ok(self.entries_at(commit, &[path])?.pop().flatten())
    }

    /// The same of several paths, in their order.
    ///
    /// # Errors
    /// As [`entry_at`](Self::entry_at).
    pub fn entries_at(
        &self,
        commit: ObjectId,
        paths: &[&str],
    ) -> Result<Vec<Option<TreeEntry>>, RepoError> {
        let _fast = FastReads::begin();
        let odb = self.git.odb()?;
        let tree = RawCommit::read(&odb, self.oid(commit))?.tree;
        let wanted: BTreeSet<&str> = paths.iter().copied().collect();
        let plan = NameTree::new(&wanted);
        let mut reader = TreeReader::new(&odb, &plan);
        let entries = paths
            .iter()
            .map(|path| reader.entry(tree, path))
            .collect::<Result<_, _>>();
        entries.map_err(|error| self.explained(error))
    }

    /// The parents of a commit, first the one that it continues. Those beyond the edge of a shallow
    /// clone are named as well.
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
    pub fn beyond(
        &self,
        known: &[ObjectId],
        tips: &[ObjectId],
    ) -> Result<HashSet<ObjectId>, RepoError> {
        self.commits_of(&Span {
            tips: tips.to_vec(),
            hidden: known.to_vec(),
            hide_references: false,
        })
    }

    /// The commits of a span.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit is not in this clone.
    pub fn commits_of(&self, span: &Span) -> Result<HashSet<ObjectId>, RepoError> {
        Ok(self.commits(&self.git.odb()?, span, None)?.ids().collect())
    }

    /// The commits of HEAD (first) and of every reference: branches, remote-tracking ones, tags,
    /// everything that was stashed, and what other work trees have checked out. What leads to no
    /// commit is left out.
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

/// Half of the entries that are kept of trees that were read.
const KEPT: usize = 1 << 17;

/// For each commit the row of one that has the same at the wanted paths: an ancestor where the
/// filters of the graph rule out a change, else itself. A filter speaks of the first parent alone.
fn same_as(commits: &CommitTable, graph: Option<&Graph>, wanted: &BTreeSet<&str>) -> Vec<u32> {
    let paths: Vec<&str> = wanted.iter().copied().collect();
    let filters = graph.map(|graph| graph.filters(&paths));
    let mut same = vec![NONE; commits.len()];
    for row in commits.parents_first() {
        let is_ruled_out = filters
            .as_ref()
            .is_some_and(|filters| commits.is_ruled_out(row, filters));
        same[row as usize] = match commits.parents(row).first() {
            Some(parent) if is_ruled_out => same[*parent as usize],
            _ => row,
        };
    }
    same
}

/// The wanted paths as a tree of names, so that each git tree is read once for all of them.
struct NameTree<'p> {
    nodes: Vec<NameNode<'p>>,
}

#[derive(Default)]
struct NameNode<'p> {
    /// The wanted path that ends here.
    path: Option<&'p str>,
    /// Names and nodes below, nearly in the order of git's trees.
    children: Vec<(&'p [u8], usize)>,
    /// Their places in `children`, to look up: with a few it is faster to compare.
    many: HashMap<&'p [u8], usize>,
}

impl<'p> NameTree<'p> {
    fn new(paths: &BTreeSet<&'p str>) -> Self {
        let mut plan = Self {
            nodes: vec![NameNode::default()],
        };
        for path in paths {
            let end = plan.insert(path);
            plan.nodes[end].path = Some(path);
        }
        plan
    }

    fn insert(&mut self, path: &'p str) -> usize {
        let mut at = 0;
        for name in path.split('/') {
            at = match self.nodes[at].place_of(name.as_bytes()) {
                Some(place) => self.nodes[at].children[place].1,
                None => self.add(at, name.as_bytes()),
            };
        }
        at
    }

    fn add(&mut self, parent: usize, name: &'p [u8]) -> usize {
        let new = self.nodes.len();
        self.nodes.push(NameNode::default());
        let NameNode { children, many, .. } = &mut self.nodes[parent];
        many.insert(name, children.len());
        children.push((name, new));
        new
    }
}

impl NameNode<'_> {
    fn place_of(&self, name: &[u8]) -> Option<usize> {
        if self.children.len() > FEW {
            return self.many.get(name).copied();
        }
        self.children.iter().position(|(child, _)| *child == name)
    }
}

/// What a tree holds under the names of a node, in the order of its children.
type Picked = Rc<[Option<TreeEntry>]>;

/// What every parent of a commit lacks, and what a merge took from one side.
type PathDifferences = (Vec<PathChange>, Vec<PathChange>);

/// Reads trees at the nodes of a plan, the last ones kept.
struct TreeReader<'a> {
    odb: &'a Odb<'a>,
    plan: &'a NameTree<'a>,
    /// By node and tree.
    recent: Recent<(usize, Oid), Picked>,
}

impl<'a> TreeReader<'a> {
    fn new(odb: &'a Odb<'a>, plan: &'a NameTree<'a>) -> Self {
        Self {
            odb,
            plan,
            recent: Recent::new(KEPT),
        }
    }

    /// What a tree holds at a planned path.
    fn entry(&mut self, root: Oid, path: &str) -> Result<Option<TreeEntry>, RepoError> {
        let (mut node, mut tree) = (0, root);
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let Some(place) = self.plan.nodes[node].place_of(name.as_bytes()) else {
                return Ok(None);
            };
            let Some(entry) = self.picked(node, tree)?[place] else {
                return Ok(None);
            };
            if names.peek().is_none() {
                return Ok(file(entry));
            }
            let Some(below) = folder(Some(entry)) else {
                return Ok(None);
            };
            (node, tree) = (self.plan.nodes[node].children[place].1, below);
        }
        Ok(None)
    }

    fn picked(&mut self, node: usize, tree: Oid) -> Result<Picked, RepoError> {
        let (odb, names) = (self.odb, &self.plan.nodes[node]);
        self.recent.get(
            (node, tree),
            |picked| picked.len(),
            || pick(odb, names, tree),
        )
    }

    /// The paths that differ from what every parent holds, and those in which a merge took one
    /// side.
    fn compare(
        &mut self,
        commits: &CommitTable,
        row: u32,
        same: &[u32],
    ) -> Result<PathDifferences, RepoError> {
        let tree = |row: u32| Some(commits.tree(same[row as usize]));
        let parents: Vec<Option<Oid>> = commits
            .parents(row)
            .iter()
            .map(|parent| tree(*parent))
            .collect();
        let mut found = PathDifferences::default();
        self.compare_below(0, tree(row), &parents, &mut found)?;
        found.0.sort_by(|a, b| a.path.cmp(&b.path));
        found.1.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// A folder that every parent holds as it is says nothing and is not read.
    fn compare_below(
        &mut self,
        node: usize,
        here: Option<Oid>,
        parents: &[Option<Oid>],
        found: &mut PathDifferences,
    ) -> Result<(), RepoError> {
        if !parents.is_empty() && parents.iter().all(|parent| *parent == here) {
            return Ok(());
        }
        let mut read = |tree: &Option<Oid>| tree.map(|tree| self.picked(node, tree)).transpose();
        let new = read(&here)?;
        let old = parents.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let plan = self.plan;
        for (place, (_, child)) in plan.nodes[node].children.iter().enumerate() {
            let at = |side: &Option<Picked>| side.as_ref().and_then(|side| side[place]);
            let now = at(&new);
            if old.iter().all(|side| at(side) == now) && (now.is_none() || !old.is_empty()) {
                continue;
            }
            let before: Vec<Option<TreeEntry>> = old.iter().map(at).collect();
            let child_node = &plan.nodes[*child];
            if let Some(path) = child_node.path {
                note(
                    path,
                    now.and_then(file),
                    before.iter().map(|it| it.and_then(file)).collect(),
                    found,
                );
            }
            if !child_node.children.is_empty() {
                let before: Vec<Option<Oid>> = before.into_iter().map(folder).collect();
                self.compare_below(*child, folder(now), &before, found)?;
            }
        }
        Ok(())
    }
}

/// What a tree holds under the names of a node.
fn pick(odb: &Odb<'_>, node: &NameNode<'_>, tree: Oid) -> Result<Picked, RepoError> {
    let object = odb
        .read(tree)
        .map_err(|error| RepoError::reading(&error, tree.into()))?;
    let mut slots = vec![None; node.children.len()];
    // where most of a folder is wanted, the next entry is the next child
    let next = Cell::new(0);
    let wanted = |name: &[u8]| {
        let is_next = node
            .children
            .get(next.get())
            .is_some_and(|(child, _)| *child == name);
        let place = if is_next {
            Some(next.get())
        } else {
            node.place_of(name)
        };
        next.set(place.map_or(next.get(), |place| place + 1));
        place
    };
    let take = |place: usize, entry: RawEntry<'_>| {
        slots[place] = Some(entry.entry());
        Ok(())
    };
    TreeEntries::new(&object)
        .pick(wanted, take)?
        .ok_or(RepoError::Corrupt(tree.into()))?;
    Ok(slots.into())
}

fn note(
    path: &str,
    new: Option<TreeEntry>,
    old: Vec<Option<TreeEntry>>,
    (paths, choices): &mut PathDifferences,
) {
    let list = if !old.contains(&new) && (new.is_some() || !old.is_empty()) {
        paths
    } else if old.iter().any(|old| *old != new) {
        choices
    } else {
        return;
    };
    list.push(PathChange {
        path: path.to_owned(),
        new,
        old,
    });
}

/// The tree of an entry that is a folder.
fn folder(entry: Option<TreeEntry>) -> Option<Oid> {
    let entry = entry.filter(|entry| entry.mode == TREE)?;
    Some(Oid::from_bytes(entry.id.bytes()).expect("libgit2 gave the name"))
}
