//! The list of renames of a command that writes several files.
//!
//! It is complete on the disk before the first rename and gone after the last. Whoever finds one,
//! under the lock, knows that its writer died in between.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, fsync, renameat, unlinkat};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::DiskError;
use super::beneath::{open_folder, read_at, split};
use super::staged::{Staged, is_temp_name};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    version: u32,
    root: PathBuf,
    files: Vec<Record>,
}

/// Hashes are SHA-256 in hex; `old` is `None` for a file that did not exist.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    path: PathBuf,
    temp: String,
    old: Option<String>,
    new: String,
}

const VERSION: u32 = 1;

fn place(lock_dir: &Path) -> PathBuf {
    lock_dir.join("journal")
}

/// Writes the journal down, flushed with its folder.
pub(super) fn record(root: &Path, lock_dir: &Path, staged: &[Staged<'_>]) -> Result<(), DiskError> {
    let path = place(lock_dir);
    let files = staged.iter().map(|one| Record {
        path: one.write.path.clone(),
        temp: one.temp.to_string_lossy().into_owned(),
        old: one.write.before.as_deref().map(hash),
        new: hash(&one.write.after),
    });
    let failed = |error: io::Error| DiskError::new(&path, "write", error);
    let root = fs::canonicalize(root).map_err(|error| DiskError::new(root, "open", error))?;
    let journal = Journal { version: VERSION, root, files: files.collect() };
    let text = serde_json::to_vec(&journal).map_err(|error| failed(error.into()))?;
    let draft = path.with_extension("tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, &path).map_err(failed)?;
    flush(lock_dir)
}

/// Removes the journal: nothing is left to finish.
pub(super) fn forget(lock_dir: &Path) -> Result<(), DiskError> {
    let path = place(lock_dir);
    fs::remove_file(&path).map_err(|error| DiskError::new(&path, "remove", error))?;
    flush(lock_dir)
}

fn flush(folder: &Path) -> Result<(), DiskError> {
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|error| DiskError::new(folder, "flush", error))
}

/// Finishes what a dead writer began, or drops it. The caller holds the lock.
///
/// The renames are done only when every file is still the old or the new one and every old one has
/// its successor waiting. Otherwise none is done: somebody else was here since, and knows better.
pub(super) fn replay(lock_dir: &Path) -> Result<(), DiskError> {
    let path = place(lock_dir);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DiskError::new(&path, "read", error)),
    };
    let journal: Journal = serde_json::from_slice(&text).map_err(|_| DiskError::Journal(path.clone()))?;
    if journal.version != VERSION || !journal.files.iter().all(|file| is_temp_name(file.temp.as_bytes())) {
        return Err(DiskError::Journal(path));
    }
    // a folder that is gone or became a symlink leaves its file out, and so the rest undone
    let found: Vec<Waiting<'_>> =
        journal.files.iter().filter_map(|file| Waiting::find(&journal.root, file)).collect();
    let is_sound =
        found.len() == journal.files.len() && found.iter().all(|file| file.state != State::Neither);
    for file in &found {
        if is_sound && file.state == State::Old {
            file.rename()?;
        } else {
            let _ = unlinkat(&file.folder, file.record.temp.as_str(), AtFlags::empty());
        }
        fsync(&file.folder)
            .map_err(|errno| DiskError::new(&file.record.path, "flush the folder of", errno))?;
    }
    forget(lock_dir)
}

#[derive(PartialEq, Eq)]
enum State {
    /// Still the old file, and the new one waits.
    Old,
    New,
    Neither,
}

struct Waiting<'a> {
    record: &'a Record,
    folder: OwnedFd,
    name: &'a OsStr,
    state: State,
}

impl<'a> Waiting<'a> {
    fn find(root: &Path, record: &'a Record) -> Option<Self> {
        let (folders, name) = split(&record.path).ok()?;
        let folder = open_folder(root, &folders, &record.path, false).ok()?;
        // the limit only guards against a device or a flood put in place of the file
        let hash_of = |name: &OsStr| {
            let found = read_at(&folder, name, &record.path, 1 << 30)?;
            Ok::<_, DiskError>(found.map(|found| hash(&found.bytes)))
        };
        let waits = hash_of(OsStr::from_bytes(record.temp.as_bytes()))
            .is_ok_and(|temp| temp.as_ref() == Some(&record.new));
        let state = match hash_of(name) {
            Ok(Some(now)) if now == record.new => State::New,
            Ok(now) if now == record.old && waits => State::Old,
            _ => State::Neither,
        };
        Some(Self { record, folder, name, state })
    }

    fn rename(&self) -> Result<(), DiskError> {
        renameat(&self.folder, self.record.temp.as_str(), &self.folder, self.name)
            .map_err(|errno| DiskError::new(&self.record.path, "replace", errno))
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
