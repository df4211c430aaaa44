//! What the disk refused, and where.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why a file was not read or written. Paths below a root are shown relative to it.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("{0} does not exist")]
    NotFound(PathBuf),
    #[error("{0} already exists")]
    Exists(PathBuf),
    #[error("{0} leads out of the folder it must stay in")]
    Outside(PathBuf),
    #[error("{0} is a symlink, or leads through one")]
    Symlink(PathBuf),
    #[error("{0} lies in a git folder")]
    GitFolder(PathBuf),
    #[error("{0} is not a regular file")]
    NotRegular(PathBuf),
    #[error("{path} is larger than {limit} bytes")]
    TooLarge { path: PathBuf, limit: usize },
    #[error("{0} was changed meanwhile by someone else; nothing was overwritten")]
    Changed(PathBuf),
    #[error("another stax holds the lock {0}; try again when it is done")]
    Locked(PathBuf),
    #[error("{path} was not written: {reason}")]
    Refused { path: PathBuf, reason: String },
    #[error("a change of several files was cut off, and nothing proves who wrote {0}")]
    Journal(PathBuf),
    /// Some files are new, some old, and the journal stays.
    #[error("{0}; other files of this change are written already")]
    HalfDone(Box<Self>),
    #[error("cannot {operation} {path}: no space left")]
    NoSpace {
        path: PathBuf,
        operation: &'static str,
    },
    #[error(
        "{0} is a mount of its own, and a file is only replaced whole: mount its folder instead"
    )]
    Mounted(PathBuf),
    #[error("cannot {operation} {path}: no permission, or a read-only disk")]
    ReadOnly {
        path: PathBuf,
        operation: &'static str,
    },
    #[error("cannot {operation} {path}: {source}")]
    Io {
        path: PathBuf,
        operation: &'static str,
        source: io::Error,
    },
}

impl DiskError {
    /// Sorts an error of the system. `operation` completes "cannot …".
    pub(super) fn new(path: &Path, operation: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let path = path.to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace { path, operation },
            Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Self::ReadOnly { path, operation },
            Some(Errno::NOENT) => Self::NotFound(path),
            Some(Errno::BUSY) => Self::Mounted(path),
            Some(Errno::LOOP) => Self::Symlink(path),
            _ => Self::Io {
                path,
                operation,
                source,
            },
        }
    }
}
