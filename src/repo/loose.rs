//! Blobs that only the object store knows.

use std::fs;
use std::io::ErrorKind;

use super::{ObjectId, Repo, RepoError};

impl Repo {
    /// The loose blobs that nothing reaches: no reference or reflog, and no index or HEAD of any work tree. git
    /// says which, as `git prune` would remove them.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot tell.
    pub fn unreachable_blobs(&self) -> Result<Vec<ObjectId>, RepoError> {
        let text = self.ask(&["prune", "--dry-run", "--expire=now"])?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(text.lines().filter_map(|line| line.strip_suffix(" blob")?.parse().ok()).collect())
    }

    /// Removes a loose object; says whether it was there.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn remove_loose(&self, id: ObjectId) -> Result<bool, RepoError> {
        let name = id.to_string();
        let (folder, file) = name.split_at(2);
        let path = self.common_dir().join("objects").join(folder).join(file);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(RepoError::Io(path, error)),
        }
    }
}
