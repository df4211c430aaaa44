//! Files, wherever they are kept: in the work tree, in the index that git names, or in a commit.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::content::Read;
use super::{InventoryError, MAX_FILE, Result, VAULT};
use crate::disk::{self, DiskError};
use crate::policy::content::mentions;
use crate::policy::sniff::{Sniffer, Traits};
use crate::policy::vault::Vault;
use crate::repo::{IndexEntry, ObjectId, Repo, RepoError};

/// Where bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeSource {
    WorkTree,
    Index,
    /// A server or a CI job looks at this, whatever is checked out.
    Commit(ObjectId),
}

/// A tree of files.
#[derive(Clone, Copy)]
pub struct FileTree<'a> {
    pub repo: &'a Repo,
    pub root: &'a Path,
    pub source: TreeSource,
}

impl FileTree<'_> {
    /// What git has of it by path; an unmerged path stands there once a side.
    ///
    /// # Errors
    /// When git cannot read the index or the commit.
    pub fn entries(&self) -> Result<Vec<IndexEntry>> {
        let TreeSource::Commit(commit) = self.source else {
            return Ok(self.repo.index_entries()?);
        };
        let files = self.repo.files_of(commit)?.into_iter();
        let entry = |(path, entry): (String, crate::repo::TreeEntry)| IndexEntry {
            path,
            id: entry.id,
            mode: entry.mode,
            stage: 0,
        };
        Ok(files.map(entry).collect())
    }

    /// The bytes of a file; `None` when it is not there.
    ///
    /// # Errors
    /// A file that cannot be read, a link on the way, a blob that git does not have.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.source {
            TreeSource::WorkTree => match self.here(path)? {
                None => self.left_out(path),
                found => Ok(found),
            },
            TreeSource::Index => Ok(self.repo.index_blob(path)?),
            TreeSource::Commit(commit) => Ok(self.repo.blob_at(commit, path)?),
        }
    }

    /// The bytes of a file of the work tree itself.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn here(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match disk::read_beneath(self.root, Path::new(path), MAX_FILE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DiskError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What a sparse checkout leaves out of the work tree: git has it in the index alone.
    ///
    /// # Errors
    /// When git cannot read the index.
    pub fn left_out(&self, path: &str) -> Result<Option<Vec<u8>>> {
        if !self.repo.may_be_sparse() {
            return Ok(None);
        }
        Ok(self.repo.skipped_blob(path)?)
    }

    /// # Errors
    /// As [`Self::read`]; text that is not UTF-8.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let Some(bytes) = self.read(path)? else {
            return Ok(None);
        };
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| InventoryError::NotText(path.to_owned()))
    }

    /// The bindings.
    ///
    /// # Errors
    /// As [`Self::text`]; a `.stax/vault.json` that breaks its rules.
    pub fn vault(&self) -> Result<Option<Vault>> {
        let Some(text) = self.text(VAULT)? else {
            return Ok(None);
        };
        Vault::parse(&text)
            .map(Some)
            .map_err(|error| InventoryError::Vault(error.to_string()))
    }

    /// What a file tells, whatever its size; `id` is what git has there.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn look(&self, path: &str, id: ObjectId) -> Result<Read> {
        let large = |error: RepoError| match error {
            RepoError::TooLarge { .. } => Ok(Read::Large(sniff_blob(self.repo, id)?)),
            error => Err(error.into()),
        };
        if self.source != TreeSource::WorkTree {
            return self.repo.blob(id).map(Read::Whole).or_else(large);
        }
        match self.read(path) {
            Ok(Some(bytes)) => Ok(Read::Whole(bytes)),
            Ok(None) => Ok(Read::Absent),
            Err(InventoryError::Disk(DiskError::TooLarge { .. })) => {
                Ok(Read::Large(sniff_file(self.root, path.as_ref())?))
            }
            Err(InventoryError::Repo(error)) => large(error),
            Err(error) => Err(error),
        }
    }
}

/// What a file below a root tells in one pass, whatever its size. Its name need not be UTF-8.
///
/// # Errors
/// A link on the way, or a file that cannot be read.
pub fn sniff_file(root: &Path, path: &Path) -> Result<Traits> {
    let mut sniffer = Sniffer::default();
    disk::stream_beneath(root, path, &mut |part| sniffer.feed(part))?;
    Ok(sniffer.traits())
}

/// The same of a blob.
///
/// # Errors
/// When git does not have it.
pub fn sniff_blob(repo: &Repo, id: ObjectId) -> Result<Traits> {
    let mut sniffer = Sniffer::default();
    repo.stream_blob(id, &mut |part| sniffer.feed(part))?;
    Ok(sniffer.traits())
}

/// Where a document whose name says nothing shows itself: room for a PGP block behind the MAC.
const END: u64 = 8 << 10;

/// Whether a file may be a SOPS document whatever its name says: it starts like JSON, or speaks of
/// `sops` or of a token near its start or its end, where the metadata stand. Cheap to know.
#[must_use]
pub fn may_hold_document(root: &Path, path: &str) -> bool {
    let path = root.join(path);
    let is_file = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    is_file
        && File::open(&path)
            .and_then(|file| has_marks(&file))
            .unwrap_or(false)
}

fn has_marks(mut file: &File) -> std::io::Result<bool> {
    let mut ends = Vec::new();
    file.take(END).read_to_end(&mut ends)?;
    if matches!(ends.first(), Some(b'{' | b' ' | b'\t' | b'\n' | b'\r')) {
        return Ok(true);
    }
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(
        size.saturating_sub(END).max(ends.len() as u64),
    ))?;
    file.take(END).read_to_end(&mut ends)?;
    Ok([b"sops".as_slice(), b"ENC[AES256_GCM,"]
        .iter()
        .any(|word| mentions(&ends, word)))
}
