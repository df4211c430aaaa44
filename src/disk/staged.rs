//! A new file that waits beside the old one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RawMode, fchmod, fchown, fstat, fsync, openat, renameat, unlinkat,
};

use super::beneath::{FileMode, ReadFile, check_target, open_folder, read_at, split};
use super::{DiskError, Write};

/// A write whose bytes are on the disk under a temporary name. Dropped, it leaves no trace.
pub(super) struct Staged<'a> {
    pub(super) write: &'a Write,
    pub(super) temp: OsString,
    folder: OwnedFd,
    name: &'a OsStr,
    /// `None` for a new file: what the umask leaves of 0666.
    mode: Option<Mode>,
    /// Of the file that it replaces.
    old: Option<FileMode>,
    is_replaced: bool,
    /// A journal names the temporary file.
    is_kept: bool,
}

impl<'a> Staged<'a> {
    /// Writes, flushes and reads back the new bytes. The caller holds the lock.
    pub(super) fn new(root: &Path, write: &'a Write, temp: OsString) -> Result<Self, DiskError> {
        check_target(&write.path)?;
        let (folders, name) = split(&write.path)?;
        let folder = open_folder(root, &folders, &write.path, write.before.is_none())?;
        let old = unchanged(&folder, name, write)?;
        let wanted = write.mode.map(|bits| Mode::from_raw_mode(bits as RawMode));
        let old = old.map(|found| found.look);
        let mode = wanted.or(old.map(|look| look.mode));
        let staged = Self {
            write,
            temp,
            folder,
            name,
            mode,
            old,
            is_replaced: false,
            is_kept: false,
        };
        let file = staged.put(&write.after)?;
        staged.finish(file)?;
        Ok(staged)
    }

    /// A new file under the temporary name, with these bytes as far as they fit. Of mode 0600 where
    /// it gets one of its own later.
    fn put(&self, bytes: &[u8]) -> Result<File, DiskError> {
        let failed = |error: std::io::Error| DiskError::new(&self.write.path, "write", error);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = if self.mode.is_some() { 0o600 } else { 0o666 };
        let file = openat(&self.folder, &self.temp, flags, Mode::from_raw_mode(mode));
        let mut file = File::from(file.map_err(|errno| failed(errno.into()))?);
        if let Err(error) = file.write_all(bytes) {
            self.remove_temp();
            return Err(failed(error));
        }
        Ok(file)
    }

    fn finish(&self, file: File) -> Result<(), DiskError> {
        let path = &self.write.path;
        self.dress(&file)
            .map_err(|errno| DiskError::new(path, "set the mode of", errno))?;
        fsync(&file).map_err(|errno| DiskError::new(path, "flush", errno))?;
        drop(file);
        let back = read_at(&self.folder, &self.temp, path, self.write.after.len())?;
        if back.is_none_or(|found| found.bytes != self.write.after) {
            let reason = "the disk gave back other bytes than were written".to_owned();
            return Err(DiskError::Refused {
                path: path.clone(),
                reason,
            });
        }
        Ok(())
    }

    /// Owner, group and mode, in this order: to change an owner clears bits of the mode. A user who
    /// is not root cannot give a file away, and may not be in its group.
    fn dress(&self, file: &File) -> rustix::io::Result<()> {
        if let Some(old) = self.old {
            let now = fstat(file)?;
            if now.st_uid != old.owner.as_raw() || now.st_gid != old.group.as_raw() {
                let both = fchown(file, Some(old.owner), Some(old.group));
                let _ = both.or_else(|_| fchown(file, None, Some(old.group)));
            }
        }
        self.mode.map_or(Ok(()), |mode| fchmod(file, mode))
    }

    pub(super) fn check_unchanged(&self) -> Result<(), DiskError> {
        unchanged(&self.folder, self.name, self.write).map(drop)
    }

    /// Compares once more, then takes the place of the old file.
    pub(super) fn replace(&mut self) -> Result<(), DiskError> {
        self.check_unchanged()?;
        renameat(&self.folder, &self.temp, &self.folder, self.name)
            .map_err(|errno| DiskError::new(&self.write.path, "replace", errno))?;
        self.is_replaced = true;
        Ok(())
    }

    /// Puts the old bytes back, unless somebody wrote others meanwhile; says whether the new ones
    /// are gone. Whatever happens, the file is whole.
    pub(super) fn restore(&self) -> bool {
        match read_at(
            &self.folder,
            self.name,
            &self.write.path,
            self.write.after.len(),
        ) {
            Ok(Some(found)) if found.bytes == self.write.after => {}
            Ok(_) | Err(DiskError::TooLarge { .. }) => return true,
            Err(_) => return false,
        }
        let Some(before) = &self.write.before else {
            return unlinkat(&self.folder, self.name, AtFlags::empty()).is_ok();
        };
        let Ok(file) = self.put(before) else {
            return false;
        };
        let put_back = self
            .dress(&file)
            .and_then(|()| fsync(&file))
            .and_then(|()| renameat(&self.folder, &self.temp, &self.folder, self.name));
        if put_back.is_err() {
            self.remove_temp();
        }
        put_back.is_ok()
    }

    /// Leaves the temporary file to the command that finishes the journal.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    pub(super) fn flush_folder(&self) -> Result<(), DiskError> {
        fsync(&self.folder)
            .map_err(|errno| DiskError::new(&self.write.path, "flush the folder of", errno))
    }

    fn remove_temp(&self) {
        let _ = unlinkat(&self.folder, &self.temp, AtFlags::empty());
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.is_replaced && !self.is_kept {
            self.remove_temp();
        }
    }
}

/// The old file, when it holds what was read.
fn unchanged(folder: &OwnedFd, name: &OsStr, write: &Write) -> Result<Option<ReadFile>, DiskError> {
    let limit = write.before.as_ref().map_or(0, Vec::len);
    let found = match read_at(folder, name, &write.path, limit) {
        Err(DiskError::TooLarge { path, .. }) if write.before.is_some() => {
            return Err(DiskError::Changed(path));
        }
        Err(DiskError::TooLarge { path, .. }) => return Err(DiskError::Exists(path)),
        found => found?,
    };
    match (&found, &write.before) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(DiskError::Exists(write.path.clone())),
        (Some(now), Some(before)) if now.bytes == *before => Ok(found),
        _ => Err(DiskError::Changed(write.path.clone())),
    }
}

pub(super) fn temp_name() -> OsString {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the system has randomness");
    format!(".stax-{:016x}.tmp", u64::from_be_bytes(random)).into()
}

/// Whether a name is one that [`temp_name`] gives.
pub(super) fn is_temp_name(name: &[u8]) -> bool {
    let middle = name
        .strip_prefix(b".stax-")
        .and_then(|rest| rest.strip_suffix(b".tmp"));
    middle.is_some_and(|hex| hex.len() == 16 && hex.iter().all(u8::is_ascii_hexdigit))
}

/// Removes what a killed writer left in the folder of a planned write. The caller holds the lock,
/// has replayed the journal and has staged nothing yet, so no such file is in use.
pub(super) fn sweep(root: &Path, write: &Write) {
    let Ok((folders, _)) = split(&write.path) else {
        return;
    };
    let Ok(folder) = open_folder(root, &folders, &write.path, false) else {
        return;
    };
    let Ok(entries) = Dir::read_from(&folder) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| is_temp_name(entry.file_name().to_bytes()))
    {
        let _ = unlinkat(&folder, entry.file_name(), AtFlags::empty());
    }
}
