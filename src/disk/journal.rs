//! The list of renames of a command that writes several files.
//!
//! It is complete on the disk before the first rename and gone after the last. Whoever finds one,
//! under the lock, knows that its writer died in between.
//!
//! Two lines: what it is with an HMAC of the rest, and the rest as JSON. Without the HMAC anybody
//! who hands over a folder with a `.git` could have files replaced: it is made with a key of the
//! user, over the files and over the [`JournalHome`].

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, fsync, renameat, statat, unlinkat};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::beneath::{check_target, read_at, split};
use super::site::{JOURNAL_DRAFT, JournalHome, Site, new_file};
use super::staged::{Staged, is_temp_name};
use super::user_key::{authenticate, is_authentic};
use super::{DiskError, Write};

pub(super) const NAME: &str = "journal";
const HEAD: &str = "stax journal 2 ";
/// What the head of every version begins with.
const ANY_HEAD: &str = "stax journal ";
const VERSION: u32 = 2;
/// In the place of an HMAC, where the user has no key.
const UNSIGNED: &str = "unsigned";
/// About 250 bytes a file.
const MAX: usize = 32 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalContent {
    place: JournalHome,
    files: Vec<JournalEntry>,
}

/// Hashes are SHA-256 in hex; `old` is `None` for a file that did not exist.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalEntry {
    pub(super) path: PathBuf,
    pub(super) temp: String,
    pub(super) old: Option<String>,
    pub(super) new: String,
}

/// Of the stax before the HMAC.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsignedJournal {
    version: u32,
    root: PathBuf,
    files: Vec<JournalEntry>,
}

/// What lies where a journal may lie.
pub(super) enum FoundJournal {
    Nothing,
    /// This user's stax wrote it, for this work tree.
    Own(Vec<JournalEntry>),
    /// It fits this work tree, and nothing proves who wrote it: an older stax, one without a key,
    /// or the disk has another number now.
    Unproven(Vec<JournalEntry>),
    /// A stax to come wrote it, and has to finish it.
    Newer,
    /// Of another user, another folder, or no journal.
    Foreign,
}

/// Writes the journal down, flushed with its folder.
pub(super) fn record(site: &Site, staged: &[Staged<'_>]) -> Result<(), DiskError> {
    let path = site.records_dir().join(NAME);
    let failed = |error: std::io::Error| DiskError::new(&path, "write", error);
    let files = staged
        .iter()
        .map(|one| JournalEntry::of(one.write, &one.temp))
        .collect();
    let content = JournalContent {
        place: site.place()?,
        files,
    };
    let text = serde_json::to_string(&content).map_err(|error| failed(error.into()))?;
    let tag = site
        .key()
        .and_then(|key| authenticate(&key, text.as_bytes()));
    let tag = tag.map_or_else(
        || UNSIGNED.to_owned(),
        |tag| base16ct::lower::encode_string(&tag),
    );
    let folder = site.records(true)?;
    let mut file = new_file(&folder, JOURNAL_DRAFT, &path)?;
    write!(file, "{HEAD}{tag}\n{text}")
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    renameat(&folder, JOURNAL_DRAFT, &folder, NAME).map_err(|errno| failed(errno.into()))?;
    fsync(&folder).map_err(|errno| DiskError::new(&path, "flush the folder of", errno))
}

/// Removes the journal: nothing is left to finish.
pub(super) fn forget(site: &Site) -> Result<(), DiskError> {
    let (folder, path) = (site.records(false)?, site.records_dir().join(NAME));
    unlinkat(&folder, NAME, AtFlags::empty())
        .map_err(|errno| DiskError::new(&path, "remove", errno))?;
    fsync(&folder).map_err(|errno| DiskError::new(&path, "flush the folder of", errno))
}

/// Gives the journal another name, and returns its path. It is never deleted: it may say what
/// happened.
pub(super) fn set_aside(site: &Site) -> Result<PathBuf, DiskError> {
    let folder = site.records(false)?;
    let path = site.records_dir().join(NAME);
    for number in 1.. {
        let name = format!("{NAME}.foreign-{number}");
        let aside = path.with_file_name(&name);
        if aside.symlink_metadata().is_ok() {
            continue;
        }
        renameat(&folder, NAME, &folder, &*name)
            .map_err(|errno| DiskError::new(&path, "rename", errno))?;
        fsync(&folder).map_err(|errno| DiskError::new(&path, "flush the folder of", errno))?;
        return Ok(aside);
    }
    Err(DiskError::Exists(path))
}

/// Reads what is there and changes nothing.
pub(super) fn find(site: &Site) -> Result<FoundJournal, DiskError> {
    let path = site.records_dir().join(NAME);
    let folder = match site.records(false) {
        Ok(folder) => folder,
        Err(DiskError::NotFound(_)) => return Ok(FoundJournal::Nothing),
        Err(error) => return Err(error),
    };
    let bytes = match read_at(&folder, OsStr::new(NAME), &path, MAX) {
        Ok(Some(found)) => found.bytes,
        Ok(None) => return Ok(FoundJournal::Nothing),
        Err(DiskError::Symlink(_) | DiskError::NotRegular(_) | DiskError::TooLarge { .. }) => {
            return Ok(FoundJournal::Foreign);
        }
        Err(error) => return Err(error),
    };
    let here = site.place()?;
    let found = parse(&bytes, &here, site).unwrap_or(FoundJournal::Foreign);
    Ok(match found {
        FoundJournal::Own(files) | FoundJournal::Unproven(files)
            if !files.iter().all(JournalEntry::is_sound) =>
        {
            FoundJournal::Foreign
        }
        found => found,
    })
}

fn parse(bytes: &[u8], here: &JournalHome, site: &Site) -> Option<FoundJournal> {
    let text = std::str::from_utf8(bytes).ok()?;
    let version = text
        .strip_prefix(ANY_HEAD)
        .and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    if version.is_some_and(|version| version > VERSION) {
        return Some(FoundJournal::Newer);
    }
    let Some(signed) = text.strip_prefix(HEAD) else {
        let UnsignedJournal {
            version,
            root,
            files,
        } = serde_json::from_str(text).ok()?;
        let is_here = version == 1 && root.as_os_str().as_encoded_bytes() == here.root;
        return is_here.then_some(FoundJournal::Unproven(files));
    };
    let (tag, text) = signed.split_once('\n')?;
    let JournalContent { place, files } = serde_json::from_str(text).ok()?;
    if !place.has_paths_of(here) {
        return None;
    }
    let Some(key) = site.key().filter(|_| tag != UNSIGNED) else {
        return Some(FoundJournal::Unproven(files));
    };
    if !is_authentic(
        &key,
        text.as_bytes(),
        &base16ct::lower::decode_vec(tag).ok()?,
    ) {
        return None;
    }
    Some(if place == *here {
        FoundJournal::Own(files)
    } else {
        FoundJournal::Unproven(files)
    })
}

impl JournalEntry {
    fn of(write: &Write, temp: &OsStr) -> Self {
        Self {
            path: write.path.clone(),
            temp: temp.to_string_lossy().into_owned(),
            old: write.before.as_deref().map(hash),
            new: hash(&write.after),
        }
    }

    /// What a write may do, and no more.
    fn is_sound(&self) -> bool {
        is_temp_name(self.temp.as_bytes())
            && split(&self.path).is_ok()
            && check_target(&self.path).is_ok()
    }
}

pub(super) fn hash(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

/// Whether something lies where a journal may lie.
pub(super) fn is_there(site: &Site) -> bool {
    site.records(false)
        .is_ok_and(|folder| statat(&folder, NAME, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}
