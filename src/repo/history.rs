//! The full history of paths, in one walk.
//!
//! Commits and trees are read raw: the objects of libgit2 cost two and a half times as much, and a
//! walk reads every commit and every root tree. Default `git log` prunes side branches that were
//! merged away; an audit must not.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use git2::{Odb, Oid, Sort};

use super::{Entry, ObjectId, Repo, RepoError};

/// A moment, with the offset that its author's clock had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    pub offset_minutes: i32,
}

/// A commit in which a path differs from what every parent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub commit: ObjectId,
    /// Parents in this clone; at the edge of a shallow clone there are none.
    pub parents: Vec<ObjectId>,
    pub author_name: String,
    pub author_email: String,
    pub author_time: Time,
    pub committer_time: Time,
    /// The first paragraph of the message, on one line.
    pub summary: String,
    /// `None`: the path is gone, or is no file.
    pub blob: Option<ObjectId>,
    /// One for each of `parents`.
    pub parent_blobs: Vec<Option<ObjectId>>,
}

impl Repo {
    /// Every commit from HEAD that changes a path, newest first. See [`is_shallow`](Self::is_shallow)
    /// for how far it can be trusted.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone.
    pub fn history(&self, path: &str) -> Result<Vec<Revision>, RepoError> {
        Ok(self.histories(&[path])?.pop().unwrap_or_default())
    }

    /// The same for several paths in one walk; one list for each path, in the order given.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    pub fn histories(&self, paths: &[&str]) -> Result<Vec<Vec<Revision>>, RepoError> {
        let mut lists = vec![Vec::new(); paths.len()];
        let Some(head) = self.head_commit()? else {
            return Ok(lists);
        };
        let _fast = FastReads::begin();
        let plan = Plan::new(paths);
        let commits = self.walk(head, &plan)?;
        let place: HashMap<Oid, usize> =
            commits.iter().enumerate().map(|(at, commit)| (commit.id, at)).collect();
        for commit in &commits {
            // a parent that the walk did not reach lies beyond the edge of a shallow clone
            let parents: Vec<&Seen> =
                commit.parents.iter().filter_map(|id| Some(&commits[*place.get(id)?])).collect();
            if parents.iter().any(|parent| Rc::ptr_eq(&parent.state, &commit.state)) {
                continue;
            }
            for (list, slot) in lists.iter_mut().zip(&plan.slots) {
                let now = commit.state[*slot];
                let is_new = parents.is_empty() && now.is_some();
                if is_new || (!parents.is_empty() && parents.iter().all(|parent| parent.state[*slot] != now))
                {
                    list.push(self.revision(commit, &parents, *slot)?);
                }
            }
        }
        Ok(lists)
    }

    /// Every commit behind `head`, children first, with what it holds at the planned paths.
    fn walk(&self, head: ObjectId, plan: &Plan) -> Result<Vec<Seen>, RepoError> {
        let mut order = self.git.revwalk()?;
        order.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        order.push(head.oid())?;
        let odb = self.git.odb()?;
        let mut reader = Reader { odb: &odb, plan, memo: HashMap::new(), states: HashSet::new() };
        let mut commits = Vec::new();
        for id in order {
            let id = id?;
            let object = odb.read(id).map_err(|error| RepoError::reading(&error, id.into()))?;
            let (tree, parents) = parse_commit(object.data()).ok_or(RepoError::Corrupt(id.into()))?;
            commits.push(Seen { id, parents, state: reader.state(0, tree)? });
        }
        Ok(commits)
    }

    fn revision(&self, seen: &Seen, parents: &[&Seen], slot: usize) -> Result<Revision, RepoError> {
        let commit = self.git.find_commit(seen.id)?;
        let author = commit.author();
        let summary = commit.summary_bytes().unwrap_or_default();
        Ok(Revision {
            commit: seen.id.into(),
            parents: parents.iter().map(|parent| parent.id.into()).collect(),
            author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
            author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
            author_time: time(author.when()),
            committer_time: time(commit.time()),
            summary: String::from_utf8_lossy(summary).into_owned(),
            blob: seen.state[slot].map(|entry| entry.id),
            parent_blobs: parents.iter().map(|parent| parent.state[slot].map(|entry| entry.id)).collect(),
        })
    }
}

pub(super) fn time(time: git2::Time) -> Time {
    Time { seconds: time.seconds(), offset_minutes: time.offset_minutes() }
}

/// Hashing every object again and caching it costs more than the walk itself. The switches are
/// global to the process, so they are put back.
pub(super) struct FastReads;

impl FastReads {
    pub(super) fn begin() -> Self {
        git2::opts::strict_hash_verification(false);
        git2::opts::enable_caching(false);
        Self
    }
}

impl Drop for FastReads {
    fn drop(&mut self) {
        git2::opts::strict_hash_verification(true);
        git2::opts::enable_caching(true);
    }
}

/// What a tree holds at the planned paths below it. Most commits share one with their parent.
type State = Rc<[Option<Entry>]>;

struct Seen {
    id: Oid,
    parents: Vec<Oid>,
    state: State,
}

/// The wanted paths as a tree of names, so that each git tree is read once for all of them.
struct Plan {
    nodes: Vec<Node>,
    /// For each wanted path its place in the state of the root.
    slots: Vec<usize>,
}

#[derive(Default)]
struct Node {
    children: Vec<(Vec<u8>, usize)>,
    /// The first of this node's places in the state of the root; the first is its own.
    start: usize,
    len: usize,
}

impl Plan {
    fn new(paths: &[&str]) -> Self {
        let mut plan = Self { nodes: vec![Node::default()], slots: Vec::new() };
        let ends: Vec<usize> = paths.iter().map(|path| plan.insert(path)).collect();
        plan.number(0, 0);
        plan.slots = ends.iter().map(|node| plan.nodes[*node].start).collect();
        plan
    }

    fn insert(&mut self, path: &str) -> usize {
        let mut at = 0;
        for name in path.split('/') {
            let found = self.nodes[at].children.iter().find(|(child, _)| child == name.as_bytes());
            at = if let Some((_, next)) = found {
                *next
            } else {
                let next = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[at].children.push((name.as_bytes().to_vec(), next));
                next
            };
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
    plan: &'a Plan,
    memo: HashMap<(usize, Oid), State>,
    states: HashSet<State>,
}

impl Reader<'_> {
    /// The state of one node of the plan for one tree.
    fn state(&mut self, node: usize, tree: Oid) -> Result<State, RepoError> {
        if let Some(known) = self.memo.get(&(node, tree)) {
            return Ok(known.clone());
        }
        let plan = self.plan;
        let Node { children, start, len } = &plan.nodes[node];
        let mut slots = vec![None; *len];
        let object = self.odb.read(tree).map_err(|error| RepoError::reading(&error, tree.into()))?;
        for entry in TreeEntries(object.data()) {
            let (mode, name, id) = entry.ok_or(RepoError::Corrupt(tree.into()))?;
            let Some((_, child)) = children.iter().find(|(wanted, _)| wanted == name) else {
                continue;
            };
            let place = plan.nodes[*child].start - start;
            match mode {
                TREE if plan.nodes[*child].len > 1 => {
                    let below = self.state(*child, id)?;
                    slots[place..place + below.len()].copy_from_slice(&below);
                }
                TREE | SUBMODULE => {}
                _ => slots[place] = Some(Entry { id: id.into(), mode }),
            }
        }
        let state = self.shared(slots);
        self.memo.insert((node, tree), state.clone());
        Ok(state)
    }

    fn shared(&mut self, slots: Vec<Option<Entry>>) -> State {
        if let Some(known) = self.states.get(slots.as_slice()) {
            return known.clone();
        }
        let state: State = slots.into();
        self.states.insert(state.clone());
        state
    }
}

pub(super) const TREE: u32 = 0o040_000;
pub(super) const SUBMODULE: u32 = 0o160_000;

/// The entries of a raw tree: octal mode, blank, name, NUL, 20 bytes. `None` for a broken tree.
pub(super) struct TreeEntries<'a>(&'a [u8]);

impl<'a> Iterator for TreeEntries<'a> {
    type Item = Option<(u32, &'a [u8], Oid)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_none() {
            self.0 = &[];
        }
        Some(entry)
    }
}

impl<'a> TreeEntries<'a> {
    pub(super) fn new(tree: &'a [u8]) -> Self {
        Self(tree)
    }

    fn take(&mut self) -> Option<(u32, &'a [u8], Oid)> {
        let blank = self.0.iter().position(|byte| *byte == b' ')?;
        let nul = blank + self.0[blank..].iter().position(|byte| *byte == 0)?;
        let end = nul + 21;
        let mode = u32::from_str_radix(std::str::from_utf8(&self.0[..blank]).ok()?, 8).ok()?;
        let id = Oid::from_bytes(self.0.get(nul + 1..end)?).ok()?;
        let name = &self.0[blank + 1..nul];
        self.0 = &self.0[end..];
        Some((mode, name, id))
    }
}

/// The tree and the parents of a raw commit: they are its first lines.
pub(super) fn parse_commit(data: &[u8]) -> Option<(Oid, Vec<Oid>)> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let oid = |hex: &[u8]| Oid::from_str(std::str::from_utf8(hex).ok()?).ok();
    let tree = oid(lines.next()?.strip_prefix(b"tree ")?)?;
    let parents = lines.map_while(|line| line.strip_prefix(b"parent ")).map(oid).collect::<Option<_>>()?;
    Some((tree, parents))
}
