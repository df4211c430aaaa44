//! What commits change: each against each of its parents, in one walk over raw trees.

use std::sync::{Mutex, PoisonError};

use git2::Mailmap;

use super::commits::{CommitTable, NONE, RawCommit};
use super::graph::Graph;
use super::promised::AT_ONCE;
use super::texts::ObjectKind;
use super::trees::Trees;
use super::{ObjectId, Repo, RepoError, TreeEntry};

/// A moment, with the offset that its author's clock had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    pub seconds: i64,
    pub offset_minutes: i32,
}

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
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommitWalk {
    /// All commits, also those that change nothing wanted.
    pub commits: usize,
    /// Those that change something wanted, children before parents.
    pub changed: Vec<Commit>,
    /// For each of them; see [`CommitTable::date`].
    pub(super) dates: Vec<i64>,
}

impl CommitWalk {
    /// Both answers about the same span as one; a path that both asked for stands in either.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let commits = self.commits;
        let mut all: Vec<(i64, Commit)> = self.dates.into_iter().zip(self.changed).collect();
        for (date, commit) in other.dates.into_iter().zip(other.changed) {
            // both are in one order, which date and name decide
            let place = all.binary_search_by(|(known, it)| (date, commit.id).cmp(&(*known, it.id)));
            match place {
                Ok(at) => all[at].1.absorb(commit),
                Err(at) => all.insert(at, (date, commit)),
            }
        }
        let (dates, changed) = all.into_iter().unzip();
        Self {
            commits,
            changed,
            dates,
        }
    }

    /// The commits that change one path, children before parents.
    pub fn versions<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = (&'a Commit, &'a PathChange)> {
        let change =
            move |commit: &'a Commit| commit.paths.iter().find(|change| change.path == path);
        self.changed
            .iter()
            .filter_map(move |commit| Some((commit, change(commit)?)))
    }
}

/// One commit and what it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: ObjectId,
    /// Name and mail as `.mailmap` has them.
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
    /// By path.
    pub paths: Vec<PathChange>,
    /// Of a merge, where it was asked for paths by name: those that its parents hold differently,
    /// while the merge took the version of one of them as it was.
    pub choices: Vec<PathChange>,
    /// Where something wanted is new: what the commit takes away and nobody asked for.
    pub gone: Vec<PathChange>,
}

/// A path that differs from what every parent holds. A merge is not responsible for what it took
/// from a parent as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    pub path: String,
    /// `None`: it is gone, or is no file.
    pub new: Option<TreeEntry>,
    /// One for each parent in this clone.
    pub old: Vec<Option<TreeEntry>>,
}

/// Which changes of wanted paths a walk tells of, judged by their content.
pub type Counts<'c> = &'c dyn Fn(&PathChange) -> bool;

impl Repo {
    /// What `A..B` or a single revision names, as git reads it; a range that starts with zeros only
    /// (a new branch in a hook) leaves out what the repository has already.
    ///
    /// # Errors
    /// [`RepoError::Revision`] when git does not know it.
    pub fn span(&self, range: &str) -> Result<Span, RepoError> {
        let commit = |text: &str| self.commit_named(if text.is_empty() { "HEAD" } else { text });
        let zeros = |text: &str| text.len() >= 40 && text.bytes().all(|byte| byte == b'0');
        match range.split_once("..") {
            Some((from, to)) if zeros(from) => Ok(Span {
                tips: vec![commit(to)?],
                hidden: Vec::new(),
                hide_references: true,
            }),
            Some((from, to)) => {
                let (from, to) = (commit(from)?, commit(to.trim_start_matches('.'))?);
                Ok(Span {
                    tips: vec![to],
                    hidden: vec![from],
                    hide_references: false,
                })
            }
            None => Ok(Span {
                tips: vec![commit(range)?],
                ..Span::default()
            }),
        }
    }

    /// Everything behind HEAD; nothing before the first commit.
    ///
    /// # Errors
    /// As [`head_commit`](Self::head_commit).
    pub fn head_span(&self) -> Result<Span, RepoError> {
        Ok(Span {
            tips: self.head_commit()?.into_iter().collect(),
            ..Span::default()
        })
    }

    /// Every commit of a span with the paths that it changes and `wanted` lets pass.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone.
    pub fn changes(
        &self,
        span: &Span,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<CommitWalk, RepoError> {
        let walk = self.find(span, wanted, &|_| true)?.walk;
        self.bring_versions(&walk);
        Ok(walk)
    }

    pub(super) fn find(
        &self,
        span: &Span,
        wanted: &dyn Fn(&str) -> bool,
        counts: Counts<'_>,
    ) -> Result<OrderedWalk, RepoError> {
        let _fast = FastReads::begin();
        let found = self.with_graph(span, |graph| self.changes_by(span, wanted, counts, graph));
        found.map_err(|error| self.explained(error))
    }

    fn changes_by(
        &self,
        span: &Span,
        wanted: &dyn Fn(&str) -> bool,
        counts: Counts<'_>,
        graph: Option<&Graph>,
    ) -> Result<OrderedWalk, RepoError> {
        let odb = self.git.odb()?;
        let commits = self.commits(&odb, span, graph)?;
        let mut trees = Trees::new(&odb);
        let mut told = NamedWalk::new(self, &commits, span)?;
        for row in commits.order() {
            let (mut paths, mut gone) = changed(&mut trees, &commits, *row, wanted)?;
            paths.retain(counts);
            gone.retain(counts);
            if !paths.is_empty() || !gone.is_empty() {
                told.add(*row, paths, Vec::new(), gone)?;
            }
        }
        Ok(told.found)
    }

    /// Every file of a commit, or of a tree, by path.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a tree is not in this clone.
    pub fn files_of(&self, commit: ObjectId) -> Result<Vec<(String, TreeEntry)>, RepoError> {
        let odb = self.git.odb()?;
        let tree = match self.kind_of(commit)? {
            ObjectKind::Tree => self.oid(commit),
            _ => RawCommit::read(&odb, self.oid(commit))?.tree,
        };
        let mut files = Vec::new();
        let read = Trees::new(&odb).compare(Some(tree), &[], &mut |path, new, _| {
            files.extend(new.map(|entry| (path.to_owned(), entry)));
        });
        read.map_err(|error| self.explained(error))?;
        self.bring_files(files.iter().map(|(_, entry)| entry), AT_ONCE);
        Ok(files)
    }
}

/// What a commit changes of the wanted, and what it takes away of the rest if any of the wanted is
/// new.
pub(super) fn changed(
    trees: &mut Trees<'_>,
    commits: &CommitTable,
    row: u32,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(Vec<PathChange>, Vec<PathChange>), RepoError> {
    let sides: Vec<_> = commits
        .parents(row)
        .iter()
        .map(|parent| Some(commits.tree(*parent)))
        .collect();
    let (mut paths, mut gone) = (Vec::new(), Vec::new());
    trees.compare(Some(commits.tree(row)), &sides, &mut |path, new, old| {
        let change = || PathChange {
            path: path.to_owned(),
            new,
            old: old.to_vec(),
        };
        if wanted(path) {
            paths.push(change());
        } else if new.is_none() {
            gone.push(change());
        }
    })?;
    if sides.is_empty() || !paths.iter().any(PathChange::is_new) {
        gone.clear();
    }
    Ok((paths, gone))
}

impl PathChange {
    /// No parent has it.
    pub(super) fn is_new(&self) -> bool {
        self.new.is_some() && !self.old.iter().any(Option::is_some)
    }
}

/// A walk that is being told: the commits that count are read once more for their names and
/// messages.
pub(super) struct NamedWalk<'a> {
    repo: &'a Repo,
    commits: &'a CommitTable,
    landings: Vec<u32>,
    mailmap: Mailmap,
    pub(super) found: OrderedWalk,
}

/// A walk and what its order was made of.
#[derive(Default)]
pub(super) struct OrderedWalk {
    pub walk: CommitWalk,
    /// See [`CommitTable::skew`].
    pub skew: i64,
    /// See [`CommitTable::oldest`].
    pub oldest: i64,
}

impl<'a> NamedWalk<'a> {
    pub(super) fn new(
        repo: &'a Repo,
        commits: &'a CommitTable,
        span: &Span,
    ) -> Result<Self, RepoError> {
        let landings = commits.landings(span.tips.first().map(|tip| repo.oid(*tip)));
        let walk = CommitWalk {
            commits: commits.order().len(),
            ..CommitWalk::default()
        };
        let found = OrderedWalk {
            walk,
            skew: commits.skew(),
            oldest: commits.oldest(),
        };
        Ok(Self {
            repo,
            commits,
            landings,
            mailmap: repo.git.mailmap()?,
            found,
        })
    }

    pub(super) fn add(
        &mut self,
        row: u32,
        paths: Vec<PathChange>,
        choices: Vec<PathChange>,
        gone: Vec<PathChange>,
    ) -> Result<(), RepoError> {
        let landed = Some(self.landings[row as usize]).filter(|row| *row != NONE);
        let id = self.commits.id(row);
        let reading = |error| RepoError::reading(&error, id.into());
        let commit = self.repo.git.find_commit(id).map_err(reading)?;
        let parents = self
            .commits
            .parents(row)
            .iter()
            .map(|parent| self.commits.id(*parent));
        if self.commits.is_from_graph(row)
            && (commit.tree_id() != self.commits.tree(row) || !commit.parent_ids().eq(parents))
        {
            return Err(RepoError::Corrupt(id.into()));
        }
        let mut told = Commit {
            paths,
            choices,
            gone,
            ..Commit::unread(id.into())
        };
        told.landed = landed.map(|row| self.commits.id(row).into());
        told.fill(&commit, &self.mailmap)?;
        self.found.walk.changed.push(told);
        self.found.walk.dates.push(self.commits.date(row));
        Ok(())
    }
}

impl Commit {
    fn absorb(&mut self, other: Self) {
        for (own, more) in [
            (&mut self.paths, other.paths),
            (&mut self.choices, other.choices),
            (&mut self.gone, other.gone),
        ] {
            own.extend(more);
            own.sort_by(|a, b| a.path.cmp(&b.path));
            own.dedup();
        }
        // what one of them did not ask for the other did
        let (paths, gone) = (&self.paths, &mut self.gone);
        gone.retain(|change| !paths.contains(change));
    }

    /// Without what git has to be asked for.
    pub(super) fn unread(id: ObjectId) -> Self {
        Self {
            id,
            author_name: String::new(),
            author_email: String::new(),
            author_time: Time {
                seconds: 0,
                offset_minutes: 0,
            },
            summary: String::new(),
            signed: false,
            landed: None,
            paths: Vec::new(),
            choices: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn fill(
        &mut self,
        commit: &git2::Commit<'_>,
        mailmap: &Mailmap,
    ) -> Result<(), RepoError> {
        // libgit2 resolves no name that is empty, and such commits exist
        let author = commit
            .author_with_mailmap(mailmap)
            .unwrap_or_else(|_| commit.author().to_owned());
        let when = author.when();
        self.author_name = String::from_utf8_lossy(author.name_bytes()).into_owned();
        self.author_email = String::from_utf8_lossy(author.email_bytes()).into_owned();
        self.author_time = Time {
            seconds: when.seconds(),
            offset_minutes: when.offset_minutes(),
        };
        self.summary =
            String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
        self.signed = commit.header_field_bytes("gpgsig").is_ok();
        Ok(())
    }
}

/// How many walks are under way.
static FAST: Mutex<usize> = Mutex::new(0);

/// Hashing every object again and caching it costs more than the walk itself. The switches are
/// global to the process, so the last walk puts them back.
pub(super) struct FastReads;

impl FastReads {
    pub(super) fn begin() -> Self {
        Self::count(|walks| walks + 1);
        Self
    }

    fn count(change: impl Fn(usize) -> usize) {
        let mut walks = FAST.lock().unwrap_or_else(PoisonError::into_inner);
        *walks = change(*walks);
        git2::opts::strict_hash_verification(*walks == 0);
        git2::opts::enable_caching(*walks == 0);
    }
}

impl Drop for FastReads {
    fn drop(&mut self) {
        Self::count(|walks| walks.saturating_sub(1));
    }
}
