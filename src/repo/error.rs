//! What can go wrong with git, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use git2::{Error, ErrorCode};

use super::ObjectId;

/// Why git could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    #[error("{0} is not in a git repository")]
    NotARepository(PathBuf),
    #[error("{0} is a bare repository; this needs a work tree")]
    Bare(PathBuf),
    /// git refuses it as well; its own advice is in the message.
    #[error(
        "{0} is owned by someone else, so git does not trust its configuration; \
         to trust it: `git config --global --add safe.directory {0}`"
    )]
    NotOwned(String),
    #[error(
        "the repository uses the git extension `{name}`, which {} not know; it needs a newer version",
        if *is_known { "this stax does" } else { "this git and this stax do" }
    )]
    Extension { name: String, is_known: bool },
    #[error("the index uses `{0}`, which git does not read either")]
    IndexExtension(String),
    /// Beyond the edge of a shallow clone, or a blob of a partial one.
    #[error("object {0} is not in this clone; a partial one fetches it with `git cat-file -e {0}`")]
    Missing(ObjectId),
    /// A clone with `--filter=tree:0`.
    #[error(
        "this clone has no trees of older commits; `git fetch --refetch --filter=blob:none` brings them"
    )]
    Treeless(ObjectId),
    #[error("git knows no revision `{0}` in this clone")]
    Revision(String),
    #[error("object {id} is too large: {size} bytes")]
    TooLarge { id: ObjectId, size: usize },
    #[error("object {0} is not what git says it is")]
    Corrupt(ObjectId),
    /// Of a git command at work, or of one that was killed.
    #[error("git's configuration is locked by {0}")]
    ConfigLocked(PathBuf),
    #[error("cannot write {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    #[error("git: {0}")]
    Git(String),
}

impl RepoError {
    /// An error of opening the repository that holds this folder.
    pub(super) fn opening(error: &Error, folder: &Path) -> Self {
        match error.code() {
            ErrorCode::NotFound => Self::NotARepository(folder.to_owned()),
            ErrorCode::Owner => Self::NotOwned(quoted(error.message()).unwrap_or(".").to_owned()),
            _ => Self::from(error),
        }
    }

    /// An error of reading this object.
    pub(super) fn reading(error: &Error, id: ObjectId) -> Self {
        if error.code() == ErrorCode::NotFound {
            Self::Missing(id)
        } else {
            Self::from(error)
        }
    }
}

impl From<Error> for RepoError {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// libgit2 has no code for these, only words.
impl From<&Error> for RepoError {
    fn from(error: &Error) -> Self {
        let message = error.message();
        if let Some(name) = message.strip_prefix("unsupported extension name ") {
            return Self::Extension {
                name: name.to_owned(),
                is_known: false,
            };
        }
        if message.starts_with("unknown object format") {
            let name = format!(
                "extensions.objectformat = {}",
                quoted(message).unwrap_or("?")
            );
            return Self::Extension {
                name,
                is_known: false,
            };
        }
        if message.starts_with("unsupported mandatory extension") {
            return Self::IndexExtension(quoted(message).unwrap_or("?").to_owned());
        }
        Self::Git(message.to_owned())
    }
}

fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('\'')?;
    rest.rsplit_once('\'').map(|(text, _)| text)
}
