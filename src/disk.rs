//! Files, written so that a crash, a full disk or a second writer never loses one.
//!
//! A file is replaced by a rename, after its new bytes are flushed, read back and checked, and only
//! while it still holds the bytes that were read. Several files go through a journal: after a crash
//! the next writing command finishes the renames or drops them. No path leads through a symlink.

mod beneath;
mod error;
mod journal;
mod lock;
mod private;
mod staged;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use beneath::read_beneath;
pub use error::DiskError;
pub use private::{HeldInterrupts, PrivateDir};

use lock::Lock;
use staged::Staged;

const PATIENCE: Duration = Duration::from_secs(10);

/// A planned write of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// Relative to the root, without `..`.
    pub path: PathBuf,
    /// The bytes that were read when the write was planned; `None`: the file must not exist.
    pub before: Option<Vec<u8>>,
    pub after: Vec<u8>,
    /// Permission bits; `None` keeps those of the old file, or is 0644 for a new one.
    pub mode: Option<u32>,
}

/// Applies planned writes below `root`, all or none as far as the disk allows; missing folders are
/// made. `lock_dir` (made when missing, mode 0700) holds the lock and the journal. `check` sees each
/// write after its bytes were read back and before anything is replaced. A write without a change is
/// not done.
///
/// # Errors
/// [`DiskError`] names path and operation. Each file then holds its old bytes or its new ones, never
/// a part.
pub fn commit(
    root: &Path,
    lock_dir: &Path,
    writes: &[Write],
    check: &dyn Fn(&Write) -> Result<(), String>,
) -> Result<(), DiskError> {
    let _lock = Lock::acquire(lock_dir, PATIENCE)?;
    journal::replay(lock_dir)?;
    let writes: Vec<&Write> =
        writes.iter().filter(|write| write.before.as_ref() != Some(&write.after)).collect();
    writes.iter().for_each(|write| staged::sweep(root, write));
    let mut staged = Vec::new();
    for write in writes {
        staged.push(Staged::new(root, write)?);
        check(write).map_err(|reason| DiskError::Refused { path: write.path.clone(), reason })?;
    }
    for one in &staged {
        one.check_unchanged()?;
    }
    // one rename is atomic by itself
    if staged.len() < 2 {
        return replace_all(&mut staged);
    }
    journal::record(root, lock_dir, &staged)?;
    let replaced = replace_all(&mut staged);
    let forgotten = journal::forget(lock_dir);
    replaced.and(forgotten)
}

/// Renames each new file over the old one. When one cannot be, those before it get their old bytes
/// back.
fn replace_all(staged: &mut [Staged<'_>]) -> Result<(), DiskError> {
    for at in 0..staged.len() {
        if let Err(error) = staged[at].replace() {
            staged[..at].iter().rev().for_each(Staged::restore);
            return Err(error);
        }
    }
    staged.iter().try_for_each(Staged::flush_folder)
}

#[cfg(test)]
mod tests;
