//! One writer at a time in a clone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::DiskError;

/// Held while the value lives; the system lets go of it when the process dies.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file is the unlock")] File);

impl Lock {
    pub(super) fn acquire(folder: &Path, patience: Duration) -> Result<Self, DiskError> {
        let path = folder.join("lock");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| DiskError::new(folder, "make", error))?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| DiskError::new(&path, "open", error))?;
        let end = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < end => {
                    sleep(Duration::from_millis(20))
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => return Err(DiskError::Locked(path)),
                Err(errno) => return Err(DiskError::new(&path, "lock", errno)),
            }
        }
    }
}
