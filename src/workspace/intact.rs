//! The newest version of a file whose MAC holds: what a file with a broken one is compared with.

use std::collections::BTreeSet;
use std::path::Path;

use sops_document::{Cleartext, Document, MacState};

use super::history::{History, Snapshots, document_of};
use super::{Result, Target, Workspace};
use crate::inventory;

/// A version that is as its last writer made it.
pub struct Intact {
    pub clear: Cleartext,
    /// `1a2b3c4 of 2026-02-04`, or `the index`.
    pub name: String,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIntact {
    #[error("it stands in no git repository")]
    NoRepository,
    #[error("git has no version of it")]
    NoVersion,
    #[error("this clone is shallow, and no version in it has a MAC that holds")]
    Shallow,
    #[error("of the versions that git has no MAC holds, or your keys do not open them")]
    NoneHolds,
}

impl Workspace {
    /// Of what the index holds and of all versions behind HEAD, under older names too.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn newest_intact(&self, target: &Target) -> Result<std::result::Result<Intact, NoIntact>> {
        let Ok(repo) = self.repo() else {
            return Ok(Err(NoIntact::NoRepository));
        };
        if let Some(clear) = self.staged_intact(&target.path)? {
            return Ok(Ok(Intact {
                clear,
                name: "the index".into(),
            }));
        }
        let paths = BTreeSet::from([target.path.clone()]);
        let mut snapshots = Snapshots::new(repo);
        let history = History::load_paths(repo, &repo.head_span()?, paths, &[], &mut snapshots)?;
        for version in &history.versions {
            let Some(document) = document_of(repo, version)? else {
                continue;
            };
            if let Some(clear) = self.intact(&version.path, &document) {
                let name = format!("{} of {}", version.origin.short(), version.origin.date);
                return Ok(Ok(Intact { clear, name }));
            }
        }
        Ok(Err(match () {
            () if history.is_partial => NoIntact::Shallow,
            () if history.versions.is_empty() => NoIntact::NoVersion,
            () => NoIntact::NoneHolds,
        }))
    }

    fn staged_intact(&self, path: &str) -> Result<Option<Cleartext>> {
        let bytes = self.repo()?.index_blob(path)?;
        let document = bytes.and_then(|bytes| inventory::document(path, &bytes));
        Ok(document.and_then(|document| self.intact(path, &document)))
    }

    fn intact(&self, path: &str, document: &Document) -> Option<Cleartext> {
        let (_, clear) = self.open_past(Path::new(path), document)?;
        clear.ok().filter(|clear| clear.mac() == MacState::Ok)
    }
}
