//! Object names, tree entries and blobs.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use git2::{Delta, DiffFile, DiffOptions, ErrorCode, ObjectType, Oid, Tree};

use super::changes::FastReads;
use super::{BLOB_LIMIT, Repo, RepoError, StagedChange, Time};

/// The SHA-1 name of a git object. `Display` gives 40 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    #[must_use]
    pub fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Seven digits, as git shortens in a small repository.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..7].to_owned()
    }

    pub(super) fn oid(self) -> Oid {
        Oid::from_bytes(&self.0).expect("a SHA-1 name has 20 bytes")
    }
}

impl From<Oid> for ObjectId {
    fn from(oid: Oid) -> Self {
        Self(oid.as_bytes().try_into().expect("a repository that opens has names of 20 bytes"))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a full object name")]
pub struct NotAnObjectId;

impl FromStr for ObjectId {
    type Err = NotAnObjectId;

    fn from_str(text: &str) -> Result<Self, NotAnObjectId> {
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAnObjectId);
        }
        let mut bytes = [0; 20];
        for (byte, at) in bytes.iter_mut().zip((0..40).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotAnObjectId)?;
        }
        Ok(Self(bytes))
    }
}

/// What a tree or the index holds at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub id: ObjectId,
    /// As git writes it: 0o100644, 0o100755, 0o120000 (link), 0o160000 (submodule).
    pub mode: u32,
}

/// One of the states of the files that git knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Commit(ObjectId),
    /// HEAD; empty before the first commit.
    Head,
    Index,
    WorkTree,
}

impl Repo {
    /// The commit that a text names, as git reads revisions.
    ///
    /// # Errors
    /// [`RepoError::Revision`] when git does not know it.
    pub fn commit_named(&self, text: &str) -> Result<ObjectId, RepoError> {
        let unknown = |_| RepoError::Revision(text.to_owned());
        let object = self.git.revparse_single(text).map_err(unknown)?;
        Ok(object.peel_to_commit().map_err(unknown)?.id().into())
    }

    /// When the author says that a commit was made.
    ///
    /// # Errors
    /// [`RepoError::Missing`] when the commit is not in this clone.
    pub fn author_time(&self, commit: ObjectId) -> Result<Time, RepoError> {
        let found = self.git.find_commit(commit.oid());
        let time = found.map_err(|error| RepoError::reading(&error, commit))?.author().when();
        Ok(Time { seconds: time.seconds(), offset_minutes: time.offset_minutes() })
    }

    /// The paths in which two states differ, as `git diff` compares them: untracked files are no part of the
    /// work tree. An unmerged path has neither side. Of the work tree only whether a file is there counts:
    /// its id may be zeros.
    ///
    /// # Errors
    /// [`RepoError`] when a tree or the index cannot be read.
    pub fn differing(&self, old: State, new: State) -> Result<Vec<StagedChange>, RepoError> {
        let tree = |state: State| match state {
            State::Commit(commit) => self.tree_of(commit).map(Some),
            _ => self.head_tree(),
        };
        let mut options = DiffOptions::new();
        options.include_typechange(true).ignore_case(false).skip_binary_check(true);
        let options = Some(&mut options);
        let diff = match (old, new) {
            (State::Index, _) => self.git.diff_index_to_workdir(None, options)?,
            (_, State::WorkTree) => self.git.diff_tree_to_workdir_with_index(tree(old)?.as_ref(), options)?,
            (_, State::Index) => self.git.diff_tree_to_index(tree(old)?.as_ref(), None, options)?,
            _ => self.git.diff_tree_to_tree(tree(old)?.as_ref(), tree(new)?.as_ref(), options)?,
        };
        let change = |delta: git2::DiffDelta<'_>| {
            let (old, new) = (delta.old_file(), delta.new_file());
            let path = new.path_bytes().or(old.path_bytes())?;
            let path = std::str::from_utf8(path).ok()?.to_owned();
            let is_unmerged = delta.status() == Delta::Conflicted;
            let side = |file: &DiffFile<'_>| {
                let there = file.exists() && !is_unmerged;
                there.then(|| Entry { id: file.id().into(), mode: u32::from(file.mode()) })
            };
            Some(StagedChange { path, old: side(&old), new: side(&new) })
        };
        Ok(diff.deltas().filter_map(change).collect())
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`RepoError::Missing`] (a partial clone), [`RepoError::TooLarge`] above [`BLOB_LIMIT`],
    /// [`RepoError::Corrupt`] when it is not a blob.
    pub fn blob(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        let odb = self.git.odb()?;
        let reading = |error: git2::Error| RepoError::reading(&error, id);
        let (size, kind) = odb.read_header(id.oid()).map_err(reading)?;
        if kind != ObjectType::Blob {
            return Err(RepoError::Corrupt(id));
        }
        if size > BLOB_LIMIT {
            return Err(RepoError::TooLarge { id, size });
        }
        Ok(odb.read(id.oid()).map_err(reading)?.data().to_vec())
    }

    /// The same for versions of the log, of which there are many: like git, without hashing them again.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn old_blob(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        let _fast = FastReads::begin();
        self.blob(id)
    }

    /// The commit of HEAD; `None` before the first commit.
    ///
    /// # Errors
    /// [`RepoError`] when HEAD does not lead to a commit of this clone.
    pub fn head_commit(&self) -> Result<Option<ObjectId>, RepoError> {
        Ok(match self.git.head() {
            Ok(head) => Some(head.peel_to_commit()?.id().into()),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
            Err(error) => return Err(error.into()),
        })
    }

    pub(super) fn head_tree(&self) -> Result<Option<Tree<'_>>, RepoError> {
        self.head_commit()?.map(|commit| self.tree_of(commit)).transpose()
    }

    fn tree_of(&self, commit: ObjectId) -> Result<Tree<'_>, RepoError> {
        let reading = |error: git2::Error| RepoError::reading(&error, commit);
        self.git.find_commit(commit.oid()).and_then(|commit| commit.tree()).map_err(reading)
    }

    /// What HEAD holds at a path.
    ///
    /// # Errors
    /// [`RepoError`] when a tree cannot be read.
    pub fn head_entry(&self, path: &str) -> Result<Option<Entry>, RepoError> {
        self.head_tree()?.map_or(Ok(None), |tree| entry_in(&tree, path))
    }

    /// The bytes that HEAD holds at a path.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn head_blob(&self, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        self.head_entry(path)?.map(|entry| self.blob(entry.id)).transpose()
    }

    /// How many bytes a commit holds at a path.
    ///
    /// # Errors
    /// As [`blob_at`](Self::blob_at).
    pub fn size_at(&self, commit: ObjectId, path: &str) -> Result<Option<usize>, RepoError> {
        let Some(entry) = entry_in(&self.tree_of(commit)?, path)? else { return Ok(None) };
        let header = self.git.odb()?.read_header(entry.id.oid());
        Ok(Some(header.map_err(|error| RepoError::reading(&error, entry.id))?.0))
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

fn entry_in(tree: &Tree<'_>, path: &str) -> Result<Option<Entry>, RepoError> {
    match tree.get_path(Path::new(path)) {
        Ok(entry) => {
            Ok(Some(Entry { id: entry.id().into(), mode: u32::try_from(entry.filemode()).unwrap_or(0) }))
        }
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
