//! The commits of a span in flat memory: each is read once, from the commit-graph or from its
//! object.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::hash::{BuildHasherDefault, Hasher};

use git2::{ObjectFormat, Odb, Oid, Sort};

use super::graph::{Filters, Graph};
use super::{ObjectId, Repo, RepoError, Span};

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// By the first bytes of an object's name, which is a digest already.
pub(super) type ByName<T> = HashMap<Oid, T, BuildHasherDefault<NameHasher>>;

#[derive(Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A table of commits. Beside those of the span it has their parents, to compare with.
#[derive(Default)]
pub(super) struct CommitTable {
    ids: Vec<Oid>,
    trees: Vec<Oid>,
    times: Vec<i64>,
    /// Where the parents of a row begin; one more than rows.
    starts: Vec<u32>,
    parents: Vec<u32>,
    /// The place of each row in the commit-graph, else [`NONE`].
    positions: Vec<u32>,
    /// The row of each commit of the commit-graph, else [`NONE`].
    by_position: Vec<u32>,
    /// The rows of the other commits.
    rows: ByName<u32>,
    /// Rows of commits that are not in this (shallow) clone, ascending.
    absent: Vec<u32>,
    /// Those of the span, children first.
    order: Vec<u32>,
    /// The committer's time, made later than that of every parent.
    dates: Vec<i64>,
}

/// What a walk needs of a commit.
pub(super) struct RawCommit {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    /// Committer's time in seconds, in the 34 bits that a commit-graph has for it.
    pub time: i64,
}

impl RawCommit {
    pub(super) fn read(odb: &Odb<'_>, id: Oid) -> Result<Self, RepoError> {
        let object = odb
            .read(id)
            .map_err(|error| RepoError::reading(&error, id.into()))?;
        Self::parse(object.data(), id.object_format()).ok_or(RepoError::Corrupt(id.into()))
    }

    /// `tree`, `parent`s, `author` and `committer` are the first lines of a commit.
    fn parse(data: &[u8], format: ObjectFormat) -> Option<Self> {
        let mut lines = data.split(|byte| *byte == b'\n');
        let oid = |hex: &[u8]| Oid::from_str_ext(std::str::from_utf8(hex).ok()?, format).ok();
        let tree = oid(lines.next()?.strip_prefix(b"tree ")?)?;
        let (mut parents, mut time) = (Vec::new(), 0);
        for line in lines {
            if let Some(parent) = line.strip_prefix(b"parent ") {
                parents.push(oid(parent)?);
            } else if !line.starts_with(b"author ") {
                time = line.strip_prefix(b"committer ").map_or(0, seconds);
                break;
            }
        }
        Some(Self {
            tree,
            parents,
            time,
        })
    }
}

/// `Name <mail> 1700000000 +0100`
fn seconds(line: &[u8]) -> i64 {
    let text = line
        .rsplitn(3, |byte| *byte == b' ')
        .nth(1)
        .unwrap_or_default();
    let seconds = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    i64::try_from(seconds & 0x3_ffff_ffff).unwrap_or(0)
}

impl Repo {
    /// The commits of a span and their parents. A span that hides commits is left to libgit2, which
    /// stops early; of a whole history it would read every commit twice.
    pub(super) fn commits(
        &self,
        odb: &Odb<'_>,
        span: &Span,
        graph: Option<&Graph>,
    ) -> Result<CommitTable, RepoError> {
        let tips = span.tips.iter().map(|tip| self.oid(*tip));
        let shallow = self.shallow_edge();
        let mut commits = CommitTable::default();
        if span.is_whole() {
            commits.by_position = vec![NONE; graph.map_or(0, |graph| graph.len() as usize)];
            for tip in tips {
                commits.row(tip, graph);
            }
            commits.read_all(odb, graph, shallow.as_deref(), usize::MAX)?;
            commits.sort()?;
            return Ok(commits);
        }
        let mut order = self.git.revwalk()?;
        order.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        for tip in tips {
            order.push(tip)?;
        }
        for hidden in &span.hidden {
            order.hide(self.oid(*hidden))?;
        }
        if span.hide_references {
            for known in self.known_commits(span)? {
                order.hide(known)?;
            }
        }
        for id in order {
            let row = commits.row(id?, None);
            commits.order.push(row);
        }
        commits.read_all(odb, None, shallow.as_deref(), commits.order.len())?;
        commits.date_all();
        Ok(commits)
    }

    /// Walks a whole history by the commit-graph, and once more without it if that does not work
    /// out.
    pub(super) fn with_graph<T>(
        &self,
        span: &Span,
        walk: impl Fn(Option<&Graph>) -> Result<T, RepoError>,
    ) -> Result<T, RepoError> {
        let graph = if span.is_whole() {
            Graph::open(self)
        } else {
            None
        };
        match graph.map(|graph| walk(Some(&graph))) {
            Some(Ok(found)) => Ok(found),
            Some(Err(_)) | None => walk(None),
        }
    }

    /// `None` in a full clone, else the commits whose parents are beyond the edge.
    fn shallow_edge(&self) -> Option<Vec<Oid>> {
        if !self.is_shallow() {
            return None;
        }
        let text = std::fs::read_to_string(self.common_dir().join("shallow")).unwrap_or_default();
        Some(
            text.lines()
                .filter_map(|line| Some(self.oid(line.parse().ok()?)))
                .collect(),
        )
    }

    /// What the references hold already. While a push is in quarantine none of them is its own;
    /// otherwise those that hold the tip came with it.
    fn known_commits(&self, span: &Span) -> Result<Vec<Oid>, RepoError> {
        let in_quarantine = std::env::var_os("GIT_QUARANTINE_PATH").is_some();
        let mut known = Vec::new();
        for (_, commit) in self.named_commits()? {
            let holds = |tip: &ObjectId| {
                let tip = self.oid(*tip);
                tip == commit || self.git.graph_descendant_of(commit, tip).unwrap_or(false)
            };
            if in_quarantine || !span.tips.iter().any(holds) {
                known.push(commit);
            }
        }
        Ok(known)
    }
}

impl Span {
    /// Nothing is hidden.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.hidden.is_empty() && !self.hide_references
    }
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE)
}

impl CommitTable {
    fn row(&mut self, id: Oid, graph: Option<&Graph>) -> u32 {
        if let Some(position) = graph.and_then(|graph| graph.find(&id)) {
            return self.row_at(position, || Some(id)).unwrap_or(NONE);
        }
        match self.rows.entry(id) {
            Occupied(known) => *known.get(),
            Vacant(place) => {
                let row = short(self.ids.len());
                self.ids.push(id);
                self.positions.push(NONE);
                *place.insert(row)
            }
        }
    }

    fn row_at(&mut self, position: u32, id: impl Fn() -> Option<Oid>) -> Option<u32> {
        let known = self.by_position.get_mut(position as usize)?;
        if *known == NONE {
            *known = short(self.ids.len());
            self.ids.push(id()?);
            self.positions.push(position);
        }
        Some(*known)
    }

    /// Reads the rows in turn; the first `walked` ones add their parents behind the others.
    fn read_all(
        &mut self,
        odb: &Odb<'_>,
        graph: Option<&Graph>,
        shallow: Option<&[Oid]>,
        walked: usize,
    ) -> Result<(), RepoError> {
        let (mut at, wanted) = (0, self.ids.len());
        while at < self.ids.len() {
            let (id, position) = (self.ids[at], self.positions[at]);
            self.starts.push(short(self.parents.len()));
            if let Some(graph) = graph
                && position != NONE
                // the tips are read from git, so a graph of something else is seen
                && at >= wanted
            {
                self.take(graph, position)
                    .ok_or(RepoError::Corrupt(id.into()))?;
                at += 1;
                continue;
            }
            let commit = match RawCommit::read(odb, id) {
                Err(RepoError::Missing(_)) if shallow.is_some() && at >= wanted => {
                    self.absent.push(short(at));
                    RawCommit {
                        tree: Oid::ZERO_SHA1,
                        parents: Vec::new(),
                        time: 0,
                    }
                }
                commit => commit?,
            };
            self.trees.push(commit.tree);
            self.times.push(commit.time);
            if at < walked && !shallow.is_some_and(|edge| edge.contains(&id)) {
                for parent in commit.parents {
                    let row = self.row(parent, graph);
                    self.parents.push(row);
                }
            }
            at += 1;
        }
        self.starts.push(short(self.parents.len()));
        self.leave_out_absent();
        Ok(())
    }

    /// A row of the commit-graph; `None` when the file is damaged.
    fn take(&mut self, graph: &Graph, position: u32) -> Option<()> {
        let commit = graph.commit(position)?;
        self.trees.push(commit.tree);
        self.times.push(commit.time);
        for parent in commit.parents() {
            let row = self.row_at(parent, || graph.id(parent))?;
            self.parents.push(row);
        }
        Some(())
    }

    /// Beyond the edge of a shallow clone there is nothing to compare with.
    fn leave_out_absent(&mut self) {
        if self.absent.is_empty() {
            return;
        }
        let old = std::mem::take(&mut self.parents);
        for row in 0..self.ids.len() {
            let range = self.starts[row] as usize..self.starts[row + 1] as usize;
            self.starts[row] = short(self.parents.len());
            self.parents.extend(
                old[range]
                    .iter()
                    .filter(|parent| self.absent.binary_search(parent).is_err()),
            );
        }
        self.starts[self.ids.len()] = short(self.parents.len());
    }

    fn present(&self) -> Vec<u32> {
        (0..short(self.ids.len()))
            .filter(|row| self.absent.binary_search(row).is_err())
            .collect()
    }

    /// Children before parents, the newest first. A commit that claims to be older than a parent
    /// counts as a second younger than it; so the order depends on nothing but the commits
    /// themselves.
    fn sort(&mut self) -> Result<(), RepoError> {
        let mut children = vec![0_u32; self.ids.len()];
        for parent in &self.parents {
            children[*parent as usize] += 1;
        }
        let mut order = self.present();
        let all = order.len();
        order.retain(|row| children[*row as usize] == 0);
        let mut at = 0;
        while at < order.len() {
            for parent in self.parents(order[at]) {
                children[*parent as usize] -= 1;
                if children[*parent as usize] == 0 {
                    order.push(*parent);
                }
            }
            at += 1;
        }
        if order.len() != all {
            // only a damaged commit-graph has a circle
            return Err(RepoError::Corrupt(self.ids[0].into()));
        }
        self.order = order;
        self.date_all();
        let key = |row: u32| (self.dates[row as usize], self.ids[row as usize]);
        let mut order = std::mem::take(&mut self.order);
        order.sort_by_key(|row| Reverse(key(*row)));
        self.order = order;
        Ok(())
    }

    fn date_all(&mut self) {
        let mut dates = self.times.clone();
        for row in self.order.iter().rev() {
            let parents = self.parents(*row).iter();
            let after = parents
                .map(|parent| dates[*parent as usize] + 1)
                .max()
                .unwrap_or(0);
            let date = &mut dates[*row as usize];
            *date = after.max(*date);
        }
        self.dates = dates;
    }

    /// The committer's time, or a second after the latest parent in the table.
    pub(super) fn date(&self, row: u32) -> i64 {
        self.dates[row as usize]
    }

    /// The latest date of those that are no committer's times.
    pub(super) fn skew(&self) -> i64 {
        let rows = self.dates.iter().zip(&self.times);
        rows.filter(|(date, time)| date != time)
            .map(|(date, _)| *date)
            .max()
            .unwrap_or(0)
    }

    /// The earliest committer's time in the span.
    pub(super) fn oldest(&self) -> i64 {
        self.order
            .iter()
            .map(|row| self.times[*row as usize])
            .min()
            .unwrap_or(i64::MAX)
    }

    /// The commits of the span.
    pub(super) fn ids(&self) -> impl Iterator<Item = ObjectId> {
        self.order.iter().map(|row| self.ids[*row as usize].into())
    }

    /// What brought each of them to the first-parent line of a tip.
    pub(super) fn landed(&self, tip: Oid) -> impl Iterator<Item = (ObjectId, Option<ObjectId>)> {
        let landings = self.landings(Some(tip));
        let id = |row: u32| ObjectId::from(self.ids[row as usize]);
        self.order.iter().map(move |row| {
            let landing = Some(landings[*row as usize]).filter(|row| *row != NONE);
            (id(*row), landing.map(id))
        })
    }

    /// The rows of the span, children first.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Every row, the parents outside of the span first, then parents before children.
    pub(super) fn parents_first(&self) -> Vec<u32> {
        let mut is_inside = vec![false; self.ids.len()];
        for row in &self.order {
            is_inside[*row as usize] = true;
        }
        let mut rows: Vec<u32> = self
            .rows
            .values()
            .copied()
            .filter(|row| !is_inside[*row as usize])
            .collect();
        rows.sort_unstable();
        rows.extend(self.order.iter().rev());
        rows
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn id(&self, row: u32) -> Oid {
        self.ids[row as usize]
    }

    /// The commit-graph says so.
    pub(super) fn is_from_graph(&self, row: u32) -> bool {
        self.positions[row as usize] != NONE
    }

    /// The commit certainly holds at all paths of the filters what its first parent holds there.
    pub(super) fn is_ruled_out(&self, row: u32, filters: &Filters<'_>) -> bool {
        self.is_from_graph(row) && filters.rule_out(self.positions[row as usize])
    }

    pub(super) fn tree(&self, row: u32) -> Oid {
        self.trees[row as usize]
    }

    pub(super) fn parents(&self, row: u32) -> &[u32] {
        let row = row as usize;
        &self.parents[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    /// For each row the one that [`Commit::landed`](super::Commit::landed) names, else [`NONE`].
    pub(super) fn landings(&self, tip: Option<Oid>) -> Vec<u32> {
        let mut place = vec![NONE; self.ids.len()];
        let mut line = Vec::new();
        let mut next = tip
            .and_then(|tip| self.ids.iter().position(|id| *id == tip))
            .map(short);
        for row in &self.order {
            let is_on_line = next == Some(*row);
            let parents = self.parents(*row);
            if is_on_line {
                place[*row as usize] = short(line.len());
                line.push(*row);
                next = parents.first().copied();
            }
            let here = place[*row as usize];
            if here == NONE {
                continue;
            }
            // the oldest commit of the line that has it behind it
            for parent in parents.iter().skip(usize::from(is_on_line)) {
                let place = &mut place[*parent as usize];
                *place = if *place == NONE {
                    here
                } else {
                    here.max(*place)
                };
            }
            if is_on_line {
                place[*row as usize] = NONE;
            }
        }
        for place in &mut place {
            *place = line.get(*place as usize).copied().unwrap_or(NONE);
        }
        place
    }
}
