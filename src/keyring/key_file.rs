//! The key file itself: reading one, and writing a new one as age-keygen does.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ::age::secrecy::ExposeSecret as _;
use sops_document::age::Identity;
use zeroize::Zeroizing;

use super::{SourceError, SourceName};

const LIMIT: usize = 1 << 20;

/// Why a new key file was not written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{0} already exists; it is never overwritten")]
    Exists(PathBuf),
    #[error("cannot write {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// A key file that others than its owner may read; ssh refuses such a one, sops and age say
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    shown: String,
    mode: u32,
}

impl OpenFile {
    /// `None` for a file that is private, or none.
    pub(super) fn at(path: &Path, source: &SourceName) -> Option<Self> {
        let meta = std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_file)?;
        let mode = meta.mode() & 0o777;
        let shown = match source {
            SourceName::VariableFile(shown) | SourceName::StandardFile(shown) => shown.clone(),
            SourceName::Variable | SourceName::Command => return None,
        };
        (mode & 0o044 != 0).then_some(Self { shown, mode })
    }
}

impl fmt::Display for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, mode } = self;
        write!(
            f,
            "others can read the secret key in {shown} (mode {mode:03o}); to close it: chmod 600 {shown}"
        )
    }
}

/// Reads what a person pointed to. A pipe (`/dev/fd/63`) is as good as a file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let unreadable = |error: io::Error| SourceError::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    // reserved up front, because a buffer that grows leaves copies of the key behind
    let capacity = usize::try_from(size)
        .unwrap_or(LIMIT)
        .clamp(4096, LIMIT + 1);
    let mut text = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(LIMIT as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if text.len() > LIMIT {
        Err(SourceError::TooLarge)
    } else {
        Ok(text)
    }
}

/// Writes a new key file (mode 0600, missing folders 0700), flushed to the disk. `created` is an
/// RFC 3339 time for the first comment.
///
/// # Errors
/// [`KeyFileError::Exists`] when anything, also a dangling link, has this name.
pub fn create_key_file(
    path: &Path,
    identity: &Identity,
    created: &str,
) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::Io(path.to_owned(), error);
    let folder = path
        .parent()
        .filter(|folder| *folder != Path::new(""))
        .unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let mut file = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists(path.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let secret = identity.secret_text();
    let text = Zeroizing::new(format!(
        "# created: {created}\n# public key: {}\n{}\n",
        identity.recipient(),
        secret.expose_secret()
    ));
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|error| {
        // half a key is worth nothing and would block the next try; it was created just above
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}
