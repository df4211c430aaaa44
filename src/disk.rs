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
mod repair;
mod site;
mod staged;
mod user_key;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use beneath::{read_beneath, stream_beneath};
pub use error::DiskError;
pub use private::{HeldInterrupts, PrivateDir};
pub use repair::{Fate, Interrupted, interrupted, repair};
pub use site::Site;
pub use user_key::{DerivedKey, Purpose, UserKey, user_folder};

use lock::Lock;
use staged::Staged;

use crate::trace;

const PATIENCE: Duration = Duration::from_secs(10);

/// A planned write of one file.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// Relative to the root, without `..`.
    pub path: PathBuf,
    /// The bytes that were read when the write was planned; `None`: the file must not exist.
    pub before: Option<Vec<u8>>,
    pub after: Vec<u8>,
    /// Permission bits; `None` keeps those of the old file, or is what the umask leaves for a new
    /// one.
    pub mode: Option<u32>,
}

/// Applies planned writes below `root`, all or none as far as the disk allows; missing folders are
/// made. The site says where the lock and the journal are. `check` sees each write after its bytes
/// were read back and before anything is replaced. A write without a change is not done.
///
/// # Errors
/// [`DiskError`] names path and operation. Each file then holds its old bytes or its new ones,
/// never a part.
pub fn commit(
    root: &Path,
    site: &Site,
    writes: &[Write],
    check: &dyn Fn(&Write) -> Result<(), String>,
) -> Result<(), DiskError> {
    let _lock = Lock::acquire(site, PATIENCE)?;
    trace::step("disk", || format!("locked {}", root.display()));
    repair::repair_own(site)?;
    let changes = writes
        .iter()
        .filter(|write| write.before.as_ref() != Some(&write.after));
    let drafts: Vec<(&Write, OsString)> =
        changes.map(|write| (write, staged::temp_name())).collect();
    if drafts.is_empty() {
        return Ok(());
    }
    let mut swept = HashSet::new();
    let first = drafts
        .iter()
        .filter(|(write, _)| swept.insert(write.path.parent()));
    first.for_each(|(write, _)| staged::sweep(root, write));
    site.note_drafts(root, &drafts)?;
    let done = replace(root, site, drafts, check);
    // a journal that stays needs its files
    if !matches!(done, Err(DiskError::HalfDone(_))) {
        site.forget_drafts();
    }
    done
}

fn replace(
    root: &Path,
    site: &Site,
    drafts: Vec<(&Write, OsString)>,
    check: &dyn Fn(&Write) -> Result<(), String>,
) -> Result<(), DiskError> {
    let mut staged = Vec::new();
    for (write, temp) in drafts {
        staged.push(Staged::new(root, write, temp)?);
        check(write).map_err(|reason| DiskError::Refused {
            path: write.path.clone(),
            reason,
        })?;
    }
    for one in &staged {
        one.check_unchanged()?;
    }
    // one rename is atomic by itself
    let is_alone = staged.len() < 2;
    if !is_alone {
        journal::record(site, &staged)?;
        trace::step("disk", || {
            format!("journal of {} files written", staged.len())
        });
    }
    let replaced = replace_all(&mut staged);
    if is_alone || matches!(replaced, Err(DiskError::HalfDone(_))) {
        return replaced;
    }
    let forgotten = journal::forget(site);
    replaced.and(forgotten)
}

/// Renames each new file over the old one. When one cannot be, those before it get their old bytes
/// back; where that fails too, the others wait for the next writing command.
fn replace_all(staged: &mut [Staged<'_>]) -> Result<(), DiskError> {
    for at in 0..staged.len() {
        let replaced = staged[at].replace();
        trace::step("disk", || {
            format!(
                "replace {}: {}",
                staged[at].write.path.display(),
                ended(&replaced)
            )
        });
        if let Err(error) = replaced {
            if staged[..at].iter().rev().all(Staged::restore) {
                return Err(error);
            }
            staged.iter_mut().for_each(Staged::keep);
            return Err(DiskError::HalfDone(Box::new(error)));
        }
    }
    let mut flushed = HashSet::new();
    let mut first = staged
        .iter()
        .filter(|one| flushed.insert(one.write.path.parent()));
    first.try_for_each(Staged::flush_folder)
}

fn ended<T, E>(result: &Result<T, E>) -> &'static str {
    if result.is_ok() { "done" } else { "failed" }
}

#[cfg(test)]
mod tests;
