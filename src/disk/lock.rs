//! One writer at a time in a clone.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::DiskError;
use super::site::Site;

const NAME: &str = "lock";

/// Held while the value lives; the system lets go of it when the process dies.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file is the unlock")] OwnedFd);

impl Lock {
    pub(super) fn acquire(site: &Site, patience: Duration) -> Result<Self, DiskError> {
        let (folder, path) = site.lock_dir(true)?;
        let path = path.join(NAME);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, NAME, flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| DiskError::new(&path, "open", errno))?;
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

    /// Whether a writer is at work. Nothing is written to find out.
    pub(super) fn is_held(site: &Site) -> bool {
        let Ok((folder, _)) = site.lock_dir(false) else {
            return false;
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = openat(&folder, NAME, flags, Mode::empty()).map(File::from) else {
            return false;
        };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }
}
