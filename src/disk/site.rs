//! A work tree, and where its writes are locked and recorded.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use serde::{Deserialize, Serialize};

use super::beneath::{open_folder, read_at, split};
use super::staged::is_temp_name;
use super::user_key::{DerivedKey, Purpose, UserKey};
use super::{DiskError, Write};

/// What stax keeps lies in this folder of a git folder.
const FOLDER: &str = "stax";
/// The temporary files of the writer at work, so that the next one can sweep them.
const DRAFTS: &str = "drafts";
/// A journal before it has its name.
pub(super) const JOURNAL_DRAFT: &str = "journal.tmp";
const MAX_DRAFTS: usize = 8 << 20;

/// A work tree with its git folders. Linked work trees share the lock, and each has its own
/// journal.
pub struct Site {
    root: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    key: fn() -> Option<DerivedKey>,
}

/// What a journal is bound to beside its text.
///
/// A journal that travels, in an archive or a copied folder, keeps its text and may keep its path;
/// it does not keep the inode of its git folder, nor the device on another disk. The git folder
/// stands for the clone, because it holds the journal and, other than the work tree, belongs to one
/// work tree alone.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalHome {
    /// Real paths, as the bytes that the system knows them by.
    pub(super) root: Vec<u8>,
    pub(super) git_dir: Vec<u8>,
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl JournalHome {
    /// Another disk, or another folder in the same place.
    pub(super) fn has_paths_of(&self, other: &Self) -> bool {
        self.root == other.root && self.git_dir == other.git_dir
    }
}

impl Site {
    /// `git_dir` is that of this work tree, `common_dir` that of the clone.
    #[must_use]
    pub fn of_clone(root: &Path, git_dir: &Path, common_dir: &Path) -> Self {
        let key = || UserKey::derived(Purpose::Journal);
        Self {
            root: root.to_owned(),
            git_dir: git_dir.to_owned(),
            common_dir: common_dir.to_owned(),
            key,
        }
    }

    /// A folder for the records of one write of one file, outside any repository.
    #[must_use]
    pub fn alone(folder: &Path) -> Self {
        Self {
            key: || None,
            ..Self::of_clone(folder, folder, folder)
        }
    }

    /// Changes with every write of this work tree: each notes its drafts and forgets them.
    #[must_use]
    pub fn generation(&self) -> Option<SystemTime> {
        fs::metadata(self.records_dir())
            .and_then(|folder| folder.modified())
            .ok()
    }

    #[cfg(test)]
    pub(super) fn with_key(self, key: fn() -> Option<DerivedKey>) -> Self {
        Self { key, ..self }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the lock, open, and its path.
    pub(super) fn lock_dir(&self, create: bool) -> Result<(OwnedFd, PathBuf), DiskError> {
        Ok((
            folder_in(&self.common_dir, create)?,
            self.common_dir.join(FOLDER),
        ))
    }

    pub(super) fn key(&self) -> Option<DerivedKey> {
        (self.key)()
    }

    /// The folder of journal and drafts, for messages.
    pub(super) fn records_dir(&self) -> PathBuf {
        self.git_dir.join(FOLDER)
    }

    /// The same, open.
    pub(super) fn records(&self, create: bool) -> Result<OwnedFd, DiskError> {
        folder_in(&self.git_dir, create)
    }

    pub(super) fn place(&self) -> Result<JournalHome, DiskError> {
        let real = |path: &Path| {
            fs::canonicalize(path).map_err(|error| DiskError::new(path, "open", error))
        };
        let (root, git_dir) = (real(&self.root)?, real(&self.git_dir)?);
        let meta =
            fs::metadata(&git_dir).map_err(|error| DiskError::new(&git_dir, "open", error))?;
        let bytes = |path: PathBuf| path.into_os_string().into_vec();
        Ok(JournalHome {
            root: bytes(root),
            git_dir: bytes(git_dir),
            device: meta.dev(),
            inode: meta.ino(),
        })
    }

    /// Notes the temporary files that a command is about to make. Not flushed: after a power cut
    /// one may stay until its folder is written to again.
    pub(super) fn note_drafts(
        &self,
        root: &Path,
        writes: &[(&Write, OsString)],
    ) -> Result<(), DiskError> {
        if root != self.root {
            return Ok(());
        }
        let mut text = Vec::new();
        for (write, temp) in writes {
            text.extend_from_slice(write.path.with_file_name(temp).as_os_str().as_bytes());
            text.push(0);
        }
        let path = self.records_dir().join(DRAFTS);
        let folder = self.records(true)?;
        new_file(&folder, DRAFTS, &path)?
            .write_all(&text)
            .map_err(|error| DiskError::new(&path, "write", error))
    }

    pub(super) fn forget_drafts(&self) {
        if let Ok(folder) = self.records(false) {
            let _ = unlinkat(&folder, DRAFTS, AtFlags::empty());
        }
    }

    pub(super) fn has_drafts(&self) -> bool {
        self.records_dir().join(DRAFTS).symlink_metadata().is_ok()
    }

    /// Removes the temporary files of a killed writer. The caller holds the lock and has settled
    /// the journal. Only names that stax gives, beneath the root: whoever wrote the list, nothing
    /// else can go.
    pub(super) fn sweep_drafts(&self) {
        let Ok(records) = self.records(false) else {
            return;
        };
        let path = self.records_dir().join(DRAFTS);
        if let Ok(Some(found)) = read_at(&records, OsStr::new(DRAFTS), &path, MAX_DRAFTS) {
            found
                .bytes
                .split(|byte| *byte == 0)
                .for_each(|draft| self.remove_draft(draft));
        }
        let _ = unlinkat(&records, JOURNAL_DRAFT, AtFlags::empty());
        self.forget_drafts();
    }

    fn remove_draft(&self, draft: &[u8]) {
        let path = Path::new(OsStr::from_bytes(draft));
        let Ok((folders, name)) = split(path) else {
            return;
        };
        if !is_temp_name(name.as_bytes()) {
            return;
        }
        if let Ok(folder) = open_folder(&self.root, &folders, path, false) {
            let _ = unlinkat(&folder, name, AtFlags::empty());
        }
    }
}

/// `stax` in a git folder, for its owner alone; never entered through a symlink.
fn folder_in(git_folder: &Path, create: bool) -> Result<OwnedFd, DiskError> {
    let path = git_folder.join(FOLDER);
    if create {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| DiskError::new(&path, "make", error))?;
    }
    open_folder(git_folder, &[OsStr::new(FOLDER)], &path, false)
}

/// A new file for its owner alone, in the place of any that has this name.
pub(super) fn new_file(folder: &OwnedFd, name: &str, shown: &Path) -> Result<File, DiskError> {
    let _ = unlinkat(folder, name, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::from_raw_mode(0o600));
    file.map(File::from)
        .map_err(|errno| DiskError::new(shown, "write", errno))
}
