//! One pass over a file, whatever its size, without keeping it.

use std::path::Path;

use super::{Workspace, WorkspaceError};
use crate::disk;
use crate::policy::sniff::{Sniffer, Traits};
use crate::repo::ObjectId;

impl Workspace {
    /// What a file below the root tells. Its name need not be UTF-8.
    ///
    /// # Errors
    /// A link on the way, or a file that cannot be read.
    pub fn sniff(&self, path: &Path) -> Result<Traits, WorkspaceError> {
        let mut sniffer = Sniffer::default();
        disk::stream_beneath(self.root(), path, &mut |part| sniffer.feed(part))?;
        Ok(sniffer.traits())
    }

    /// What a blob tells.
    ///
    /// # Errors
    /// When git does not have it.
    pub fn sniff_blob(&self, id: ObjectId) -> Result<Traits, WorkspaceError> {
        let mut sniffer = Sniffer::default();
        self.repo()?.stream_blob(id, &mut |part| sniffer.feed(part))?;
        Ok(sniffer.traits())
    }
}
