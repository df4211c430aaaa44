//! What the next commit will hold.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use git2::{Delta, DiffFile, DiffOptions, Index, IndexEntryExtendedFlag};

use super::object::is_file;
use super::plumbing::{Naming, answer};
use super::{ObjectId, Repo, RepoError, TreeEntry};

/// One line of the index. Stage 0 is normal; 1, 2 and 3 are base, ours and theirs of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    pub path: String,
    pub id: ObjectId,
    pub mode: u32,
    pub stage: u8,
}

impl IndexEntry {
    /// Neither a link nor a submodule.
    #[must_use]
    pub fn is_file(&self) -> bool {
        is_file(self.mode)
    }

    /// A repository of its own.
    #[must_use]
    pub fn is_submodule(&self) -> bool {
        self.mode == 0o160_000
    }
}

/// A path in which the index differs from HEAD. `old` is `None` for a new path, `new` for a deleted
/// one; a rename is one of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedChange {
    pub path: String,
    pub old: Option<TreeEntry>,
    pub new: Option<TreeEntry>,
}

impl Repo {
    /// The whole index, by path. Entries of `git add -N` hold nothing yet and are left out, and so
    /// are paths that are not UTF-8: see [`odd_paths`](Self::odd_paths).
    ///
    /// # Errors
    /// [`RepoError::Git`] for an index that git cannot read either.
    pub fn index_entries(&self) -> Result<Vec<IndexEntry>, RepoError> {
        let index = self.index()?;
        Ok(index
            .iter()
            .filter(|entry| !is_intent_to_add(entry))
            .filter_map(owned)
            .collect())
    }

    /// Paths of the index that are not UTF-8, escaped to be shown. No policy can name them, so a
    /// caller that checks the index has to say that it did not check these.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn odd_paths(&self) -> Result<Vec<String>, RepoError> {
        let is_odd = |entry: &git2::IndexEntry| std::str::from_utf8(&entry.path).is_err();
        let shown = |entry: git2::IndexEntry| entry.path.escape_ascii().to_string();
        Ok(self.index()?.iter().filter(is_odd).map(shown).collect())
    }

    /// The same with their bytes, and what the index holds there; what is no UTF-8 of a name is
    /// replaced.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn odd_entries(&self) -> Result<Vec<(PathBuf, String, TreeEntry)>, RepoError> {
        let index = self.index()?;
        let odd = index
            .iter()
            .filter(|entry| std::str::from_utf8(&entry.path).is_err());
        let owned = |entry: git2::IndexEntry| {
            let shown = String::from_utf8_lossy(&entry.path).into_owned();
            let found = TreeEntry {
                id: entry.id.into(),
                mode: entry.mode,
            };
            (PathBuf::from(OsString::from_vec(entry.path)), shown, found)
        };
        Ok(odd.map(owned).collect())
    }

    /// Whether the index holds something at a path, a conflict included.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn is_tracked(&self, path: &str) -> Result<bool, RepoError> {
        let index = self.index()?;
        let entries = (0..4).filter_map(|stage| index.get_path(Path::new(path), stage));
        Ok(entries.into_iter().any(|entry| !is_intent_to_add(&entry)))
    }

    /// The bytes that the index holds at a path; `None` when it holds nothing, or a conflict.
    ///
    /// # Errors
    /// As [`blob`](Self::blob) and [`index_entries`](Self::index_entries).
    pub fn index_blob(&self, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        let entry = self.index()?.get_path(Path::new(path), 0);
        let entry = entry.filter(|entry| !is_intent_to_add(entry));
        entry.map(|entry| self.blob(entry.id.into())).transpose()
    }

    /// Whether a sparse checkout may leave files out; cheap, and never `false` where it does.
    #[must_use]
    pub fn may_be_sparse(&self) -> bool {
        self.git_dir().join("info/sparse-checkout").exists()
    }

    /// The same, for a path that a sparse checkout leaves out of the work tree; `None` for any
    /// other.
    ///
    /// # Errors
    /// As [`index_blob`](Self::index_blob).
    pub fn skipped_blob(&self, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        self.skipped_entry(path)?
            .map(|entry| self.blob(entry.id))
            .transpose()
    }

    /// What the index has at a path that a sparse checkout leaves out of the work tree; `None` for
    /// any other.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn skipped_entry(&self, path: &str) -> Result<Option<TreeEntry>, RepoError> {
        let entry = self.index()?.get_path(Path::new(path), 0).filter(|entry| {
            IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended).is_skip_worktree()
        });
        Ok(entry.map(|entry| TreeEntry {
            id: entry.id.into(),
            mode: entry.mode,
        }))
    }

    /// What `git commit` would change: HEAD against the index that git names, by path. Everything
    /// is new before the first commit. Unmerged paths are left out (git refuses to commit them),
    /// and paths that are not UTF-8.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn staged_changes(&self) -> Result<Vec<StagedChange>, RepoError> {
        let index = self.index()?;
        let head = self.head_tree()?;
        let mut options = DiffOptions::new();
        options
            .include_typechange(true)
            .ignore_case(false)
            .skip_binary_check(true);
        let diff = self
            .git
            .diff_tree_to_index(head.as_ref(), Some(&index), Some(&mut options))?;
        let is_empty_promise = |path: &str| {
            index
                .get_path(Path::new(path), 0)
                .is_some_and(|entry| is_intent_to_add(&entry))
        };
        let mut changes = Vec::new();
        for delta in diff
            .deltas()
            .filter(|delta| delta.status() != Delta::Conflicted)
        {
            let (old, new) = (delta.old_file(), delta.new_file());
            let path = new
                .path_bytes()
                .or(old.path_bytes())
                .and_then(|path| std::str::from_utf8(path).ok());
            let Some(path) =
                path.filter(|path| delta.status() != Delta::Added || !is_empty_promise(path))
            else {
                continue;
            };
            changes.push(StagedChange {
                path: path.to_owned(),
                old: side(&old),
                new: side(&new),
            });
        }
        // a merge in a sparse checkout changes files that nobody has here
        let sides = changes
            .iter()
            .flat_map(|change| change.old.iter().chain(&change.new));
        self.bring_files(sides, usize::MAX);
        Ok(changes)
    }
}

impl Repo {
    /// libgit2's index. What is in the way of it (split and sparse indexes) git writes out into a
    /// copy, so that one reading of entries, changes and attributes serves every index.
    pub(super) fn index(&self) -> Result<Index, RepoError> {
        match self.git.index().map_err(RepoError::from) {
            Err(RepoError::IndexExtension(_)) => {
                let mut index = self.written_out()?;
                self.git.set_index(&mut index)?;
                Ok(index)
            }
            index => index,
        }
    }

    /// The copy is gone when this ends: libgit2 has read it, and keeps what it read of a file that
    /// is gone.
    fn written_out(&self) -> Result<Index, RepoError> {
        let named =
            std::env::var_os("GIT_INDEX_FILE").filter(|_| self.naming == Naming::Environment);
        let own = named.map_or_else(|| self.git_dir().join("index"), PathBuf::from);
        let copied = tempfile::Builder::new()
            .prefix("stax-index-")
            .tempdir()
            .and_then(|folder| {
                let copy = folder.path().join("index");
                let modified = own.metadata()?.modified()?;
                fs::copy(&own, &copy)?;
                // by it git tells which entries are as old as the index and have to be looked at
                // again
                fs::File::options()
                    .write(true)
                    .open(&copy)?
                    .set_modified(modified)?;
                Ok(folder)
            });
        let folder = copied.map_err(|error| RepoError::Io(own, error))?;
        let copy = folder.path().join("index");
        let mut command = self.plumbing()?;
        command.env("GIT_INDEX_FILE", &copy);
        command.args([
            "-c",
            "core.splitIndex=false",
            "-c",
            "index.sparse=false",
            "-c",
            "core.fsmonitor=false",
        ]);
        command.args(["update-index", "--force-write-index"]);
        answer(command, b"")?;
        Ok(Index::open_ext(&copy, self.git.object_format())?)
    }
}

fn side(file: &DiffFile<'_>) -> Option<TreeEntry> {
    file.exists().then(|| TreeEntry {
        id: file.id().into(),
        mode: u32::from(file.mode()),
    })
}

fn owned(entry: git2::IndexEntry) -> Option<IndexEntry> {
    // git keeps the stage in bits 12 and 13
    let stage = (entry.flags >> 12 & 3) as u8;
    let path = String::from_utf8(entry.path).ok()?;
    Some(IndexEntry {
        path,
        id: entry.id.into(),
        mode: entry.mode,
        stage,
    })
}

fn is_intent_to_add(entry: &git2::IndexEntry) -> bool {
    IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended).is_intent_to_add()
}
