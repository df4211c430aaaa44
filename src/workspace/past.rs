//! Versions of a file from before, opened with whatever key fits today.

use std::path::Path;

use super::{Target, Workspace, unlock};
use crate::sops::{Cleartext, DataKey, Document, MacState, OpenFault};

/// The data key, and what it opens.
pub type Unlocked = (DataKey, Result<Cleartext, OpenFault>);

impl Workspace {
    /// By a stanza of the document; else, for a version from before the reader joined, by the data key
    /// of the file in the work tree, which counts only when every value and the MAC agree. `path` is where
    /// the document stands; git may know no more of it than the name. `None`: nothing opens it.
    #[must_use]
    pub fn open_past(&self, path: &Path, document: &Document) -> Option<Unlocked> {
        let unlock = |document: &Document| unlock::unlock(&self.keyring, document).ok();
        if let Some(key) = unlock(document) {
            let clear = document.open_unverified(&key);
            return Some((key, clear));
        }
        self.newer(path).into_iter().find_map(|path| {
            let newer = self.document(&Target { path, env: None }).ok()?;
            let key = unlock(&newer)?;
            let clear = document.open_unverified(&key).ok().filter(|clear| clear.mac() == MacState::Ok)?;
            Some((key, Ok(clear)))
        })
    }

    /// Files of the work tree that may be a newer version: the path itself, and bound files of that name,
    /// because git gives a blob its name but not its folder.
    fn newer(&self, path: &Path) -> Vec<String> {
        let mut found: Vec<String> =
            path.to_str().filter(|_| path.is_relative()).map(str::to_owned).into_iter().collect();
        let bound = self.vault().ok().flatten().map(|vault| vault.files).unwrap_or_default();
        found.extend(
            bound
                .into_iter()
                .map(|file| file.path)
                .filter(|bound| Path::new(bound).file_name() == path.file_name()),
        );
        found
    }
}
