//! What a sparse checkout leaves out of the work tree: git has it in the index alone. It is read
//! from there, and never written: a new file in its place would lose what the index has.

use super::{Result, Workspace, WorkspaceError};
use crate::disk::Write;

impl Workspace {
    /// The bytes of such a file.
    pub(super) fn left_out(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let repo = self.repo.as_ref().filter(|repo| repo.may_be_sparse());
        Ok(repo
            .map(|repo| repo.skipped_blob(path))
            .transpose()?
            .flatten())
    }

    /// That a file does not exist, or why it is not here.
    pub(super) fn missing(&self, path: &str) -> WorkspaceError {
        match self.left_out(path) {
            Ok(Some(_)) => WorkspaceError::LeftOut(path.to_owned()),
            _ => WorkspaceError::Missing(path.to_owned()),
        }
    }

    pub(super) fn refuse_left_out(&self, writes: &[Write]) -> Result<()> {
        for path in writes.iter().filter_map(|write| write.path.to_str()) {
            if self.root.join(path).symlink_metadata().is_err() && self.left_out(path)?.is_some() {
                return Err(WorkspaceError::LeftOut(path.to_owned()));
            }
        }
        Ok(())
    }
}
