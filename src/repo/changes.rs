//! What commits change: each against each of its parents, in one walk over raw trees.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use git2::{Odb, Oid, Sort};

use super::history::{FastReads, SUBMODULE, TREE, TreeEntries, parse_commit, time};
use super::{Entry, ObjectId, Repo, RepoError, Time};

/// Which commits to walk.
#[derive(Clone, Debug, Default)]
pub struct Span {
    pub tips: Vec<ObjectId>,
    /// These and everything behind them are left out.
    pub hidden: Vec<ObjectId>,
    /// Leave out what any reference of the repository holds already (a push that arrives).
    pub hide_references: bool,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walk {
    /// All commits, also those that change nothing wanted.
    pub commits: usize,
    /// Those that change something wanted, children before parents.
    pub changed: Vec<Commit>,
}

/// One commit and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: ObjectId,
    pub author_name: String,
    pub author_email: String,
    pub author_time: Time,
    /// The first paragraph of the message, on one line.
    pub summary: String,
    /// It carries a signature; nobody has checked it.
    pub signed: bool,
    /// The commit on the first-parent line of the first tip that brought it there, unless it stands
    /// there itself.
    pub landed: Option<ObjectId>,
    pub paths: Vec<PathChange>,
    /// Where something wanted is new: what the commit takes away and nobody asked for.
    pub gone: Vec<PathChange>,
}

/// A path that differs from what every parent holds. A merge is not responsible for what it took from a
/// parent as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    pub path: String,
    /// `None`: it is gone, or is no file.
    pub new: Option<Entry>,
    /// One for each parent in this clone.
    pub old: Vec<Option<Entry>>,
}

impl Repo {
    /// What `A..B` or a single revision names, as git reads it; a range that starts with zeros only
    /// (a new branch in a hook) leaves out what the repository has already.
    ///
    /// # Errors
    /// [`RepoError::Revision`] when git does not know it.
    pub fn span(&self, range: &str) -> Result<Span, RepoError> {
        let commit = |text: &str| -> Result<ObjectId, RepoError> {
            let text = if text.is_empty() { "HEAD" } else { text };
            let unknown = |_| RepoError::Revision(text.to_owned());
            let object = self.git.revparse_single(text).map_err(unknown)?;
            Ok(object.peel_to_commit().map_err(unknown)?.id().into())
        };
        let zeros = |text: &str| text.len() >= 40 && text.bytes().all(|byte| byte == b'0');
        match range.split_once("..") {
            Some((from, to)) if zeros(from) => {
                Ok(Span { tips: vec![commit(to)?], hidden: Vec::new(), hide_references: true })
            }
            Some((from, to)) => {
                let (from, to) = (commit(from)?, commit(to.trim_start_matches('.'))?);
                Ok(Span { tips: vec![to], hidden: vec![from], hide_references: false })
            }
            None => Ok(Span { tips: vec![commit(range)?], ..Span::default() }),
        }
    }

    /// Every commit of a span with the paths that it changes and `wanted` lets pass.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone.
    pub fn changes(&self, span: &Span, wanted: &dyn Fn(&str) -> bool) -> Result<Walk, RepoError> {
        let _fast = FastReads::begin();
        let mut order = self.git.revwalk()?;
        order.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
        for tip in &span.tips {
            order.push(tip.oid())?;
        }
        for hidden in &span.hidden {
            order.hide(hidden.oid())?;
        }
        if span.hide_references {
            for known in self.known_commits(span)? {
                order.hide(known)?;
            }
        }
        let odb = self.git.odb()?;
        let mut trees = Trees { odb: &odb, known: HashMap::new() };
        let mut walk = Walk::default();
        let mut landing = Landing::new(span.tips.first().map(|tip| tip.oid()));
        for id in order {
            let id = id?;
            walk.commits += 1;
            let (tree, parents) = trees.commit(id)?;
            let landed = landing.pass(id, &parents);
            let mut sides = Vec::new();
            for parent in parents {
                // beyond the edge of a shallow clone there is nothing to compare with
                match trees.commit(parent) {
                    Ok((tree, _)) => sides.push(Some(tree)),
                    Err(RepoError::Missing(_)) if self.is_shallow() => {}
                    Err(error) => return Err(error),
                }
            }
            let mut all = Vec::new();
            trees.compare("", Some(tree), &sides, &mut all)?;
            let (paths, mut gone): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|change| wanted(&change.path));
            let is_new =
                |change: &PathChange| change.new.is_some() && !change.old.iter().any(Option::is_some);
            gone.retain(|change| change.new.is_none());
            if !paths.iter().any(is_new) || sides.is_empty() {
                gone.clear();
            }
            if !paths.is_empty() {
                walk.changed.push(self.commit_with(id, landed, paths, gone)?);
            }
        }
        Ok(walk)
    }

    /// What the references hold already. While a push is in quarantine none of them is its own; otherwise
    /// those that hold the tip came with it.
    fn known_commits(&self, span: &Span) -> Result<Vec<Oid>, RepoError> {
        let in_quarantine = std::env::var_os("GIT_QUARANTINE_PATH").is_some();
        let mut known = Vec::new();
        for reference in self.git.references()?.flatten() {
            // a tag may name a tree or a blob
            let Ok(commit) = reference.peel_to_commit() else { continue };
            let holds = |tip: &ObjectId| {
                tip.oid() == commit.id()
                    || self.git.graph_descendant_of(commit.id(), tip.oid()).unwrap_or(false)
            };
            if in_quarantine || !span.tips.iter().any(holds) {
                known.push(commit.id());
            }
        }
        Ok(known)
    }

    fn commit_with(
        &self,
        id: Oid,
        landed: Option<Oid>,
        paths: Vec<PathChange>,
        gone: Vec<PathChange>,
    ) -> Result<Commit, RepoError> {
        let commit = self.git.find_commit(id)?;
        let author = commit.author();
        Ok(Commit {
            id: id.into(),
            author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
            author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
            author_time: time(author.when()),
            summary: String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned(),
            signed: commit.header_field_bytes("gpgsig").is_ok(),
            landed: landed.map(ObjectId::from),
            paths,
            gone,
        })
    }

    /// Every file of a commit, by path.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a tree is not in this clone.
    pub fn files_of(&self, commit: ObjectId) -> Result<Vec<(String, Entry)>, RepoError> {
        let odb = self.git.odb()?;
        let mut trees = Trees { odb: &odb, known: HashMap::new() };
        let (tree, _) = trees.commit(commit.oid())?;
        let mut paths = Vec::new();
        trees.compare("", Some(tree), &[], &mut paths)?;
        Ok(paths.into_iter().filter_map(|change| Some((change.path, change.new?))).collect())
    }
}

/// Which commit of the first-parent line brought a commit there: the oldest that has it behind it. Commits
/// come children first, so that each knows its own when its turn comes.
struct Landing {
    next: Option<Oid>,
    /// For commits that are still to come: the place on the line, from the tip, and the commit there.
    known: HashMap<Oid, (usize, Oid)>,
    place: usize,
}

impl Landing {
    fn new(tip: Option<Oid>) -> Self {
        Self { next: tip, known: HashMap::new(), place: 0 }
    }

    /// `None` on the line itself, and for what the tip does not hold.
    fn pass(&mut self, id: Oid, parents: &[Oid]) -> Option<Oid> {
        let known = self.known.remove(&id);
        let is_on_line = self.next == Some(id);
        let here = if is_on_line {
            self.place += 1;
            self.next = parents.first().copied();
            Some((self.place, id))
        } else {
            known
        };
        let below = if is_on_line { &parents[parents.len().min(1)..] } else { parents };
        if let Some(here) = here {
            for parent in below {
                let entry = self.known.entry(*parent).or_insert(here);
                if entry.0 < here.0 {
                    *entry = here;
                }
            }
        }
        if is_on_line { None } else { known.map(|(_, commit)| commit) }
    }
}

/// The names under which two sorted folders hold different things.
fn differing<'a>(new: &'a Names, old: &'a Names) -> Vec<&'a [u8]> {
    let mut names = Vec::new();
    let (mut a, mut b) = (new.iter().peekable(), old.iter().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return names,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(new), Some(old)) => new.0.cmp(&old.0),
        };
        let new = if order.is_le() { a.next() } else { None };
        let old = if order.is_ge() { b.next() } else { None };
        if new != old {
            names.extend(new.or(old).map(|(name, ..)| name.as_slice()));
        }
    }
}

type Names = Rc<Vec<(Vec<u8>, u32, Oid)>>;

struct Trees<'a> {
    odb: &'a Odb<'a>,
    /// A tree is read as the one of its commit and again as the one of a parent.
    known: HashMap<Oid, Names>,
}

/// Trees that are kept in memory.
const KEPT: usize = 8192;

impl Trees<'_> {
    fn commit(&self, id: Oid) -> Result<(Oid, Vec<Oid>), RepoError> {
        let object = self.odb.read(id).map_err(|error| RepoError::reading(&error, id.into()))?;
        parse_commit(object.data()).ok_or(RepoError::Corrupt(id.into()))
    }

    fn names(&mut self, tree: Oid) -> Result<Names, RepoError> {
        if let Some(known) = self.known.get(&tree) {
            return Ok(known.clone());
        }
        let object = self.odb.read(tree).map_err(|error| RepoError::reading(&error, tree.into()))?;
        let mut names = Vec::new();
        for entry in TreeEntries::new(object.data()) {
            let (mode, name, id) = entry.ok_or(RepoError::Corrupt(tree.into()))?;
            names.push((name.to_vec(), mode, id));
        }
        // git sorts folders as if their names ended in a slash
        names.sort_unstable();
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let names = Rc::new(names);
        self.known.insert(tree, names.clone());
        Ok(names)
    }

    /// Compares a folder with that of every parent; one equal to any of them holds no change.
    fn compare(
        &mut self,
        folder: &str,
        new: Option<Oid>,
        old: &[Option<Oid>],
        found: &mut Vec<PathChange>,
    ) -> Result<(), RepoError> {
        let mut sides = vec![self.of(new)?];
        for side in old {
            sides.push(self.of(*side)?);
        }
        // what differs from every parent differs from the first
        let first = sides.get(1).cloned().unwrap_or_default();
        for name in differing(&sides[0], &first) {
            let at = |side: &Names| {
                let place = side.binary_search_by(|(other, ..)| other.as_slice().cmp(name)).ok()?;
                Some((side[place].1, side[place].2))
            };
            let here = at(&sides[0]);
            let there: Vec<Option<(u32, Oid)>> = sides[1..].iter().map(at).collect();
            if there.contains(&here) {
                continue;
            }
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let tree = |entry: &Option<(u32, Oid)>| entry.filter(|(mode, _)| *mode == TREE).map(|(_, id)| id);
            if tree(&here).is_some() || there.iter().any(|entry| tree(entry).is_some()) {
                let below: Vec<Option<Oid>> = there.iter().map(tree).collect();
                self.compare(&path, tree(&here), &below, found)?;
            }
            let file = |entry: Option<(u32, Oid)>| {
                let plain = entry.filter(|(mode, _)| *mode != TREE && *mode != SUBMODULE);
                plain.map(|(mode, id)| Entry { id: id.into(), mode })
            };
            let (new, old): (_, Vec<Option<Entry>>) = (file(here), there.into_iter().map(file).collect());
            if (new.is_some() || old.iter().any(Option::is_some)) && !old.contains(&new) {
                found.push(PathChange { path, new, old });
            }
        }
        Ok(())
    }

    fn of(&mut self, tree: Option<Oid>) -> Result<Names, RepoError> {
        tree.map_or_else(|| Ok(Rc::default()), |tree| self.names(tree))
    }
}
