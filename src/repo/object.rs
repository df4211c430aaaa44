//! Object names, tree entries and blobs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use git2::{Delta, DiffFile, DiffOptions, ErrorCode, ObjectFormat, ObjectType, Oid, Tree};

use super::changes::FastReads;
use super::plumbing::stream;
use super::{BLOB_LIMIT, Repo, RepoError, StagedChange, Time};

/// The name of a git object: 20 bytes of SHA-1, or 32 of SHA-256. `Display` gives two hex digits a
/// byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    len: u8,
    /// Zeros behind the name.
    bytes: [u8; 32],
}

impl ObjectId {
    /// `None` for any other length than 20 or 32 bytes.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Self> {
        let len = u8::try_from(name.len())
            .ok()
            .filter(|len| matches!(len, 20 | 32))?;
        let mut bytes = [0; 32];
        bytes[..name.len()].copy_from_slice(name);
        Some(Self { len, bytes })
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Seven digits, as git shortens in a small repository.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }
}

impl From<Oid> for ObjectId {
    fn from(oid: Oid) -> Self {
        Self::new(oid.as_bytes()).expect("libgit2 knows SHA-1 and SHA-256")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(self.bytes()))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is neither 40 nor 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a full object name")]
pub struct NotAnObjectId;

impl FromStr for ObjectId {
    type Err = NotAnObjectId;

    fn from_str(text: &str) -> Result<Self, NotAnObjectId> {
        let bytes = base16ct::mixed::decode_vec(text).map_err(|_| NotAnObjectId)?;
        Self::new(&bytes).ok_or(NotAnObjectId)
    }
}

/// What a tree or the index holds at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    pub id: ObjectId,
    /// As git writes it: 0o100644, 0o100755, 0o120000 (link), 0o160000 (submodule).
    pub mode: u32,
}

impl TreeEntry {
    /// Neither a link nor a submodule.
    #[must_use]
    pub fn is_file(&self) -> bool {
        is_file(self.mode)
    }

    #[must_use]
    pub fn is_submodule(&self) -> bool {
        self.mode == 0o160_000
    }
}

pub(super) fn is_file(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

/// One of the states of the files that git knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesAt {
    Commit(ObjectId),
    /// HEAD; empty before the first commit.
    Head,
    Index,
    WorkTree,
}

impl Repo {
    /// A name for libgit2, which writes beyond a buffer when it looks for one of another length
    /// than those of the repository. Such a name is of no object here, and zeros are of none
    /// anywhere.
    pub(super) fn oid(&self, id: ObjectId) -> Oid {
        let zeros = match self.git.object_format() {
            ObjectFormat::Sha256 => Oid::ZERO_SHA256,
            _ => Oid::ZERO_SHA1,
        };
        let fits = id.bytes().len() == zeros.as_bytes().len();
        if fits {
            Oid::from_bytes(id.bytes()).unwrap_or(zeros)
        } else {
            zeros
        }
    }

    /// When the author says that a commit was made.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when the commit is not in this clone.
    pub fn author_time(&self, commit: ObjectId) -> Result<Time, RepoError> {
        let found = self.git.find_commit(self.oid(commit));
        let time = found
            .map_err(|error| RepoError::reading(&error, commit))?
            .author()
            .when();
        Ok(Time {
            seconds: time.seconds(),
            offset_minutes: time.offset_minutes(),
        })
    }

    /// The paths in which two states differ, as `git diff` compares them: untracked files are no
    /// part of the work tree. An unmerged path has neither side. Of the work tree only whether a
    /// file is there counts: its id may be zeros.
    ///
    /// # Errors
    /// [`RepoError`] when a tree or the index cannot be read.
    pub fn differing(&self, old: FilesAt, new: FilesAt) -> Result<Vec<StagedChange>, RepoError> {
        let tree = |state: FilesAt| match state {
            FilesAt::Commit(commit) => self.tree_of(commit).map(Some),
            _ => self.head_tree(),
        };
        if [old, new]
            .iter()
            .any(|state| matches!(state, FilesAt::Index | FilesAt::WorkTree))
        {
            self.index()?;
        }
        let mut options = DiffOptions::new();
        options
            .include_typechange(true)
            .ignore_case(false)
            .skip_binary_check(true);
        let options = Some(&mut options);
        let diff = match (old, new) {
            (FilesAt::Index, _) => self.git.diff_index_to_workdir(None, options)?,
            (_, FilesAt::WorkTree) => self
                .git
                .diff_tree_to_workdir_with_index(tree(old)?.as_ref(), options)?,
            (_, FilesAt::Index) => {
                self.git
                    .diff_tree_to_index(tree(old)?.as_ref(), None, options)?
            }
            _ => self
                .git
                .diff_tree_to_tree(tree(old)?.as_ref(), tree(new)?.as_ref(), options)?,
        };
        let change = |delta: git2::DiffDelta<'_>| {
            let (old, new) = (delta.old_file(), delta.new_file());
            let path = new.path_bytes().or(old.path_bytes())?;
            let path = std::str::from_utf8(path).ok()?.to_owned();
            let is_unmerged = delta.status() == Delta::Conflicted;
            let side = |file: &DiffFile<'_>| {
                let there = file.exists() && !is_unmerged;
                there.then(|| TreeEntry {
                    id: file.id().into(),
                    mode: u32::from(file.mode()),
                })
            };
            Some(StagedChange {
                path,
                old: side(&old),
                new: side(&new),
            })
        };
        Ok(diff.deltas().filter_map(change).collect())
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`RepoError::Missing`] (a partial clone), [`RepoError::TooLarge`] above [`BLOB_LIMIT`],
    /// [`RepoError::Corrupt`] when it is not a blob.
    pub fn blob(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        match self.blob_of_clone(id) {
            Err(RepoError::Missing(_)) if self.bring([self.oid(id)].into_iter(), 1) => {
                self.blob_of_clone(id)
            }
            read => read,
        }
    }

    /// The same without asking a remote, for a caller that reads whatever there is.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn blob_of_clone(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        let odb = self.git.odb()?;
        let reading = |error: git2::Error| RepoError::reading(&error, id);
        let (size, kind) = odb.read_header(self.oid(id)).map_err(reading)?;
        if kind != ObjectType::Blob {
            return Err(RepoError::Corrupt(id));
        }
        if size > BLOB_LIMIT {
            return Err(RepoError::TooLarge { id, size });
        }
        Ok(odb.read(self.oid(id)).map_err(reading)?.data().to_vec())
    }

    /// The same for versions of the log, of which there are many: like git, without hashing them
    /// again. What a partial clone lacks was fetched with the walk, or it was too much.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn old_blob(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        let _fast = FastReads::begin();
        self.blob_of_clone(id)
    }

    /// Hands the bytes of a blob over in parts, whatever its size. What is within [`BLOB_LIMIT`] is
    /// one part; what is larger git writes out, because libgit2 has no way to read a packed object
    /// in parts.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), but for the size.
    pub fn stream_blob(&self, id: ObjectId, take: &mut dyn FnMut(&[u8])) -> Result<(), RepoError> {
        match self.old_blob(id) {
            Ok(bytes) => take(&bytes),
            Err(RepoError::TooLarge { .. }) => {
                let mut command = self.plumbing()?;
                command.args(["cat-file", "blob", &id.to_string()]);
                stream(command, take)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn head_tree(&self) -> Result<Option<Tree<'_>>, RepoError> {
        self.head_commit()?
            .map(|commit| self.tree_of(commit))
            .transpose()
    }

    /// Of a commit, or of a tree itself.
    fn tree_of(&self, commit: ObjectId) -> Result<Tree<'_>, RepoError> {
        let reading = |error: git2::Error| RepoError::reading(&error, commit);
        let tree = self
            .git
            .find_object(self.oid(commit), None)
            .and_then(|object| object.peel_to_tree());
        tree.map_err(|error| self.explained(reading(error)))
    }

    /// What HEAD holds at a path.
    ///
    /// # Errors
    /// [`RepoError`] when a tree cannot be read.
    pub fn head_entry(&self, path: &str) -> Result<Option<TreeEntry>, RepoError> {
        self.head_tree()?
            .map_or(Ok(None), |tree| entry_in(&tree, path))
    }

    /// The bytes that HEAD holds at a path.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn head_blob(&self, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        self.head_entry(path)?
            .map(|entry| self.blob(entry.id))
            .transpose()
    }

    /// How many bytes a blob has; `None` for what a partial clone lacks.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn size_of(&self, id: ObjectId) -> Result<Option<usize>, RepoError> {
        match self.git.odb()?.read_header(self.oid(id)) {
            Ok((size, _)) => Ok(Some(size)),
            Err(error) if error.code() == ErrorCode::NotFound && self.is_partial() => Ok(None),
            Err(error) => Err(RepoError::reading(&error, id)),
        }
    }

    /// The bytes that a commit holds at a path.
    ///
    /// # Errors
    /// As [`blob`](Self::blob), and [`RepoError::Missing`] for the commit.
    pub fn blob_at(&self, commit: ObjectId, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        let entry = entry_in(&self.tree_of(commit)?, path)?;
        entry.map(|entry| self.blob(entry.id)).transpose()
    }
}

fn entry_in(tree: &Tree<'_>, path: &str) -> Result<Option<TreeEntry>, RepoError> {
    match tree.get_path(Path::new(path)) {
        Ok(entry) => Ok(Some(TreeEntry {
            id: entry.id().into(),
            mode: u32::try_from(entry.filemode()).unwrap_or(0),
        })),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
