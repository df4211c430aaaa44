//! What a writer that died left half done: finished, dropped, or named.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, fsync, renameat, unlinkat};

use super::beneath::{open_folder, read_at, split};
use super::journal::{self, FoundJournal, JournalEntry, hash};
use super::lock::Lock;
use super::site::Site;
use super::{DiskError, PATIENCE};
use crate::trace;

/// A change of several files that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Each file, and whether it is as the command would have left it.
    pub files: Vec<(PathBuf, bool)>,
    /// Where it is written down.
    pub journal: PathBuf,
    pub fate: Fate,
}

/// What the next writing command makes of a change that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It puts the rest in place.
    Finished,
    /// It leaves the files as they are: one is neither what it was nor what it should be, or a new
    /// one is lost.
    Dropped,
    /// Nothing proves that this user's stax wrote it, so a person is asked.
    Asked,
    /// It is of another user or another folder, or no journal at all.
    SetAside,
    /// A newer stax wrote it: this one neither finishes nor drops it, and writes nothing beside it.
    Newer,
}

/// The change that was cut off in this work tree, if there is one and no writer is at work. Nothing
/// is written.
///
/// # Errors
/// When the journal cannot be read.
pub fn interrupted(site: &Site) -> Result<Option<Interrupted>, DiskError> {
    if !journal::is_there(site) || Lock::is_held(site) {
        return Ok(None);
    }
    look(site)
}

/// Finishes or drops it, and sweeps temporary files. `None`: there was nothing. Where the fate is
/// [`Fate::Asked`] nothing is done unless a person has said yes.
///
/// # Errors
/// [`DiskError`], also when another writer does not let go of the lock.
pub fn repair(site: &Site, is_approved: bool) -> Result<Option<Interrupted>, DiskError> {
    if !journal::is_there(site) && !site.has_drafts() {
        return Ok(None);
    }
    let _lock = Lock::acquire(site, PATIENCE)?;
    let Some(mut found) = look(site)? else {
        site.sweep_drafts();
        return Ok(None);
    };
    match found.fate {
        Fate::Asked if !is_approved => return Ok(Some(found)),
        Fate::Newer => return Ok(Some(found)),
        Fate::Asked | Fate::Finished | Fate::Dropped => found.fate = settle(site)?,
        Fate::SetAside => found.journal = journal::set_aside(site)?,
    }
    site.sweep_drafts();
    Ok(Some(found))
}

/// The same for a writer that holds the lock already and can ask nobody.
pub(super) fn repair_own(site: &Site) -> Result<(), DiskError> {
    match journal::find(site)? {
        FoundJournal::Nothing => {}
        FoundJournal::Own(_) => drop(settle(site)?),
        FoundJournal::Unproven(_) | FoundJournal::Foreign | FoundJournal::Newer => {
            return Err(DiskError::Journal(site.records_dir().join(journal::NAME)));
        }
    }
    site.sweep_drafts();
    Ok(())
}

fn look(site: &Site) -> Result<Option<Interrupted>, DiskError> {
    let path = site.records_dir().join(journal::NAME);
    let (records, is_proven) = match journal::find(site)? {
        FoundJournal::Nothing => return Ok(None),
        FoundJournal::Newer => {
            return Ok(Some(Interrupted {
                files: Vec::new(),
                journal: path,
                fate: Fate::Newer,
            }));
        }
        FoundJournal::Own(records) => (records, true),
        FoundJournal::Unproven(records) => (records, false),
        FoundJournal::Foreign => (Vec::new(), false),
    };
    let waiting = waiting(site, &records)?;
    let is_open = waiting.iter().any(|file| matches!(file.state, OnDisk::Old));
    let fate = match (is_proven, is_whole(&waiting)) {
        (true, true) => Fate::Finished,
        (true, false) => Fate::Dropped,
        (false, true) if is_open => Fate::Asked,
        (false, _) => Fate::SetAside,
    };
    let files = waiting
        .iter()
        .map(|file| (file.record.path.clone(), matches!(file.state, OnDisk::New)));
    Ok(Some(Interrupted {
        files: files.collect(),
        journal: path,
        fate,
    }))
}

/// Puts the rest in place, where every file is still the old or the new one and every old one has
/// its successor waiting. Otherwise somebody else was here since, and knows better. The journal is
/// gone afterwards.
fn settle(site: &Site) -> Result<Fate, DiskError> {
    let (FoundJournal::Own(records) | FoundJournal::Unproven(records)) = journal::find(site)?
    else {
        return Ok(Fate::Dropped);
    };
    let waiting = waiting(site, &records)?;
    let is_whole = is_whole(&waiting);
    for file in &waiting {
        file.settle(is_whole)?;
    }
    journal::forget(site)?;
    trace::step("disk", || {
        let what = if is_whole { "finished" } else { "dropped" };
        format!("journal of {} files {what}", waiting.len())
    });
    Ok(if is_whole {
        Fate::Finished
    } else {
        Fate::Dropped
    })
}

fn waiting<'a>(site: &Site, records: &'a [JournalEntry]) -> Result<Vec<Waiting<'a>>, DiskError> {
    records
        .iter()
        .map(|record| Waiting::find(site.root(), record))
        .collect()
}

fn is_whole(waiting: &[Waiting<'_>]) -> bool {
    waiting
        .iter()
        .all(|file| !matches!(file.state, OnDisk::Neither))
}

enum OnDisk {
    /// Still the old file, and the new one waits.
    Old,
    New,
    Neither,
}

struct Waiting<'a> {
    record: &'a JournalEntry,
    /// Its folder and its name there; `None` where the folder is gone or became a symlink.
    place: Option<(OwnedFd, &'a OsStr)>,
    state: OnDisk,
}

impl<'a> Waiting<'a> {
    fn find(root: &Path, record: &'a JournalEntry) -> Result<Self, DiskError> {
        let (folders, name) = split(&record.path)?;
        let Some(folder) = unless_gone(open_folder(root, &folders, &record.path, false))? else {
            return Ok(Self {
                record,
                place: None,
                state: OnDisk::Neither,
            });
        };
        let state = record.state(&folder, name)?;
        Ok(Self {
            record,
            place: Some((folder, name)),
            state,
        })
    }

    fn settle(&self, is_whole: bool) -> Result<(), DiskError> {
        let Some((folder, name)) = &self.place else {
            return Ok(());
        };
        let path = &self.record.path;
        if is_whole && matches!(self.state, OnDisk::Old) {
            renameat(folder, self.record.temp.as_str(), folder, *name)
                .map_err(|errno| DiskError::new(path, "replace", errno))?;
        } else {
            let _ = unlinkat(folder, self.record.temp.as_str(), AtFlags::empty());
        }
        fsync(folder).map_err(|errno| DiskError::new(path, "flush the folder of", errno))
    }
}

impl JournalEntry {
    fn state(&self, folder: &OwnedFd, name: &OsStr) -> Result<OnDisk, DiskError> {
        // the limit only guards against a device or a flood put in place of the file
        let read = |name: &OsStr| unless_gone(read_at(folder, name, &self.path, 1 << 30));
        let now = match read(name)? {
            // a folder or a link has taken the place
            None => return Ok(OnDisk::Neither),
            Some(found) => found.map(|found| hash(&found.bytes)),
        };
        if now.as_ref() == Some(&self.new) {
            return Ok(OnDisk::New);
        }
        let temp = read(OsStr::from_bytes(self.temp.as_bytes()))?.flatten();
        let waits = temp.is_some_and(|temp| hash(&temp.bytes) == self.new);
        Ok(if now == self.old && waits {
            OnDisk::Old
        } else {
            OnDisk::Neither
        })
    }
}

/// `None` where something else is there now. Any other error says nothing about the file, so
/// nothing is decided.
fn unless_gone<T>(result: Result<T, DiskError>) -> Result<Option<T>, DiskError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(
            DiskError::NotFound(_)
            | DiskError::Symlink(_)
            | DiskError::NotRegular(_)
            | DiskError::TooLarge { .. },
        ) => Ok(None),
        Err(DiskError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotADirectory => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
