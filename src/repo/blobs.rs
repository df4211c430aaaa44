//! Every blob that commits brought, and what the work tree holds beside the index.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{Delta, DiffFile, DiffOptions};

use super::changes::FastReads;
use super::trees::Trees;
use super::{Commit, ObjectId, Repo, RepoError, Span, TreeEntry};

/// Paths of the work tree that the index does not speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BesideIndex {
    /// Known to git, and other than in the index: changed, gone, or unmerged.
    pub changed: Vec<String>,
    /// Neither known to git nor ignored.
    pub untracked: Vec<String>,
    /// The same where the name is not UTF-8, escaped to be shown.
    pub odd: Vec<String>,
}

impl Repo {
    /// What stands behind the references of this clone and behind none of a remote.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the references cannot be read.
    pub fn unpushed_span(&self) -> Result<Span, RepoError> {
        let named = self.named_commits()?;
        let remotes = named
            .iter()
            .filter(|(name, _)| name.starts_with(b"refs/remotes/"));
        let hidden: HashSet<ObjectId> = remotes.map(|(_, commit)| (*commit).into()).collect();
        let mut tips = self.tips_of(&named)?;
        tips.retain(|tip| !hidden.contains(tip));
        Ok(Span {
            tips,
            hidden: hidden.into_iter().collect(),
            hide_references: false,
        })
    }

    /// Blobs that the next commit brings at paths which are not UTF-8 and which
    /// [`staged_changes`](Self::staged_changes) leaves out. What is no UTF-8 of a name is replaced.
    ///
    /// # Errors
    /// As [`staged_changes`](Self::staged_changes).
    pub fn staged_at_odd_paths(&self) -> Result<Vec<(String, TreeEntry)>, RepoError> {
        let index = self.index()?;
        let mut found = Vec::new();
        if index
            .iter()
            .all(|entry| std::str::from_utf8(&entry.path).is_ok())
        {
            return Ok(found);
        }
        let diff = self
            .git
            .diff_tree_to_index(self.head_tree()?.as_ref(), Some(&index), None)?;
        for file in diff
            .deltas()
            .map(|delta| delta.new_file())
            .filter(DiffFile::exists)
        {
            let path = file
                .path_bytes()
                .filter(|path| std::str::from_utf8(path).is_err());
            let entry = TreeEntry {
                id: file.id().into(),
                mode: u32::from(file.mode()),
            };
            found.extend(path.map(|path| (String::from_utf8_lossy(path).into_owned(), entry)));
        }
        Ok(found)
    }

    /// Shows each blob of a span once, in the oldest commit that brought it and at the first of its
    /// paths there; says how many commits there are. What a merge took from a parent came with
    /// that.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when a commit or tree is not in this clone; what `visit` fails with.
    pub fn each_new_blob<E: From<RepoError>>(
        &self,
        span: &Span,
        visit: &mut dyn FnMut(ObjectId, &str, TreeEntry) -> Result<(), E>,
    ) -> Result<usize, E> {
        let _fast = FastReads::begin();
        let odb = self.git.odb().map_err(RepoError::from)?;
        let commits = self.commits(&odb, span, None)?;
        let mut trees = Trees::with_odd_names(&odb);
        let mut seen = HashSet::new();
        for row in commits.order().iter().rev() {
            let parents = commits.parents(*row).iter();
            let parents: Vec<_> = parents.map(|parent| Some(commits.tree(*parent))).collect();
            let mut new: Vec<(String, TreeEntry)> = Vec::new();
            trees.compare(Some(commits.tree(*row)), &parents, &mut |path, entry, _| {
                new.extend(
                    entry
                        .filter(|it| seen.insert(it.id))
                        .map(|entry| (path.to_owned(), entry)),
                );
            })?;
            for (path, entry) in new {
                visit(commits.id(*row).into(), &path, entry)?;
            }
        }
        Ok(commits.order().len())
    }

    /// Who made a commit, when, and what they say of it; no paths.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when the commit is not in this clone.
    pub fn commit(&self, id: ObjectId) -> Result<Commit, RepoError> {
        let found = self
            .git
            .find_commit(self.oid(id))
            .map_err(|error| RepoError::reading(&error, id))?;
        let mut commit = Commit::unread(id);
        commit.fill(&found, &self.git.mailmap()?)?;
        Ok(commit)
    }

    /// The work tree against the index; of folders that are repositories of their own nothing is
    /// told, and of files that git does not know only where they are asked for: that reads every
    /// folder.
    ///
    /// # Errors
    /// [`RepoError`] when the index cannot be read.
    pub fn beside_index(&self, untracked: bool) -> Result<BesideIndex, RepoError> {
        let mut options = DiffOptions::new();
        options
            .include_untracked(untracked)
            .recurse_untracked_dirs(untracked)
            .skip_binary_check(true);
        options.ignore_case(false).include_typechange(true);
        // also one that libgit2 does not read by itself
        self.index()?;
        let diff = self.git.diff_index_to_workdir(None, Some(&mut options))?;
        let mut beside = BesideIndex::default();
        for delta in diff.deltas() {
            let path = delta
                .new_file()
                .path_bytes()
                .or(delta.old_file().path_bytes());
            let Some(path) = path else { continue };
            let Ok(path) = std::str::from_utf8(path) else {
                if delta.status() == Delta::Untracked {
                    beside.odd.push(path.escape_ascii().to_string());
                }
                continue;
            };
            match delta.status() {
                Delta::Untracked if path.ends_with('/') => {}
                Delta::Untracked => beside.untracked.push(path.to_owned()),
                _ => beside.changed.push(path.to_owned()),
            }
        }
        Ok(beside)
    }

    /// Whether `status.showUntrackedFiles` lets anybody look for files that git does not know:
    /// where the work tree is somebody's home it does not.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the configuration cannot be read.
    pub fn shows_untracked(&self) -> Result<bool, RepoError> {
        let value = self.config_string("status.showUntrackedFiles")?;
        Ok(!value.is_some_and(|value| {
            ["no", "false", "off", "0"].contains(&value.to_lowercase().as_str())
        }))
    }

    /// Files that git ignores, but for those in repositories of their own and those whose name is
    /// not UTF-8.
    ///
    /// # Errors
    /// [`RepoError`] when the index cannot be read.
    pub fn ignored_files(&self) -> Result<Vec<String>, RepoError> {
        let mut options = DiffOptions::new();
        options
            .include_ignored(true)
            .recurse_ignored_dirs(true)
            .skip_binary_check(true);
        self.index()?;
        let diff = self.git.diff_index_to_workdir(None, Some(&mut options))?;
        let ignored = diff
            .deltas()
            .filter(|delta| delta.status() == Delta::Ignored);
        let path = |delta: git2::DiffDelta<'_>| {
            let path = std::str::from_utf8(delta.new_file().path_bytes()?).ok()?;
            (!path.ends_with('/')).then(|| path.to_owned())
        };
        Ok(ignored.filter_map(path).collect())
    }

    /// The work trees of this repository but the one that is open here: their folders.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot list them.
    pub fn other_work_trees(&self) -> Result<Vec<PathBuf>, RepoError> {
        let list = self
            .ask(&["worktree", "list", "--porcelain"])?
            .unwrap_or_default();
        let list = String::from_utf8_lossy(&list).into_owned();
        let here = self
            .root()
            .canonicalize()
            .unwrap_or_else(|_| self.root().to_owned());
        let blocks = list.split("\n\n").filter(|block| !block.contains("\nbare"));
        let folders = blocks.filter_map(|block| block.lines().next()?.strip_prefix("worktree "));
        let there = folders.filter_map(|folder| Path::new(folder).canonicalize().ok());
        Ok(there.filter(|folder| *folder != here).collect())
    }
}
