//! Versions of a file from before, opened with whatever key fits today.

use std::path::Path;

use sops_document::{Cleartext, DataKey, Document, MacState, OpenFault};

use super::{Target, Workspace, unlock};

/// Of so many files a version is tried with the data key.
const NAMESAKES: usize = 64;

/// The data key, and what it opens.
pub type Unlocked = (DataKey, Result<Cleartext, OpenFault>);

impl Workspace {
    /// By a stanza of the document; else, for a version from before the reader joined, by the data
    /// key of the file in the work tree, which counts only when every value and the MAC agree.
    /// `path` is where the document stands; git may know no more of it than the name. `None`:
    /// nothing opens it.
    #[must_use]
    pub fn open_past(&self, path: &Path, document: &Document) -> Option<Unlocked> {
        match unlock::unlock(&self.keyring, document) {
            Ok(key) => {
                let clear = document.open_unverified(&key);
                return Some((key, clear));
            }
            // without any identity nothing newer opens either
            Err(unlock::NoKey::Locked { tried, .. }) if tried.is_empty() => return None,
            Err(_) => {}
        }
        self.newer(path).find_map(|path| {
            let newer = self.document(&Target { path, env: None }).ok()?;
            let key = unlock::unlock(&self.keyring, &newer).ok()?;
            let clear = document
                .open_unverified(&key)
                .ok()
                .filter(|clear| clear.mac() == MacState::Ok)?;
            Some((key, Ok(clear)))
        })
    }

    /// Files of the work tree that may be a newer version: the path itself, and files of that name,
    /// the bound ones first, because git gives a blob its name but not its folder.
    fn newer(&self, path: &Path) -> impl Iterator<Item = String> {
        let own = path
            .to_str()
            .filter(|_| path.is_relative())
            .map(str::to_owned);
        let bound = || {
            self.vault()
                .ok()
                .flatten()
                .map(|vault| vault.files)
                .unwrap_or_default()
        };
        let staged = || {
            self.repo()
                .ok()
                .and_then(|repo| repo.index_entries().ok())
                .unwrap_or_default()
        };
        let bound = std::iter::once_with(bound).flatten().map(|file| file.path);
        let staged = std::iter::once_with(staged)
            .flatten()
            .map(|entry| entry.path);
        let is_namesake = |other: &String| Path::new(other).file_name() == path.file_name();
        own.into_iter()
            .chain(bound.chain(staged).filter(is_namesake).take(NAMESAKES))
    }
}
