//! Whose secret key lies in the open: its public key says so. One that reads nothing here, such as
//! that of a test, is no danger to the files.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use sops_document::Format;

use super::error::VerifyError;
use super::facts::{FileFacts, Leak, LeakPlace, Owner};
use super::source::{TreeSource, candidates};
use crate::inventory::is_policy;
use crate::ledger::{Snapshot, short_key};
use crate::policy::Holders;
use crate::policy::config::Config;
use crate::policy::content::looks_sealed;
use crate::policy::roster::Roster;
use crate::policy::sniff::{public_keys, recipients_in};
use crate::repo::{ObjectId, Span};
use crate::workspace::{POLICY, ROSTER, Workspace};

/// Asked only where a secret key was found, because it reads every file.
pub(super) struct Owners<'w> {
    pub(super) workspace: &'w Workspace,
    /// The tree that says who reads; `None` where there is none.
    source: Option<TreeSource>,
    readers: OnceCell<Readers>,
}

/// Who reads the files of a tree, and whom older policies named.
#[derive(Default)]
struct Readers {
    now: BTreeSet<String>,
    /// `None` where the log cannot be walked.
    ever: Option<BTreeSet<String>>,
    holders: Holders,
}

impl<'w> Owners<'w> {
    pub(super) fn new(workspace: &'w Workspace, source: impl Into<Option<TreeSource>>) -> Self {
        Self {
            workspace,
            source: source.into(),
            readers: OnceCell::new(),
        }
    }

    /// Of every secret key in some bytes.
    pub(super) fn of(&self, bytes: &[u8]) -> Result<Vec<Owner>, VerifyError> {
        public_keys(bytes)
            .iter()
            .map(|key| self.owner(key.as_deref()))
            .collect()
    }

    /// Of a blob that some commit holds.
    pub(super) fn of_blob(&self, id: ObjectId) -> Result<Vec<Owner>, VerifyError> {
        // nobody could look into one that is too large
        self.workspace
            .repo()?
            .old_blob(id)
            .map_or(Ok(Vec::new()), |bytes| self.of(&bytes))
    }

    /// Of a leak in a file of the tree.
    pub(super) fn of_leak(&self, leak: &Leak) -> Result<Vec<Owner>, VerifyError> {
        let source = match (leak.place, self.source) {
            (LeakPlace::Name, _) => return self.of(leak.path.as_bytes()),
            // in the work tree a link is never followed; its text stands in the index as well
            (LeakPlace::Target, Some(TreeSource::WorkTree)) => Some(TreeSource::Index),
            (_, source) => source,
        };
        match source.and_then(|source| source.read(self.workspace, &leak.path).ok().flatten()) {
            Some(bytes) => self.of(&bytes),
            None => Ok(Vec::new()),
        }
    }

    fn owner(&self, key: Option<&str>) -> Result<Owner, VerifyError> {
        let (Some(key), Some(source)) = (key, self.source) else {
            return Ok(Owner::Unknown);
        };
        let readers = match self.readers.get() {
            Some(readers) => readers,
            None => {
                let readers = self.look(source)?;
                self.readers.get_or_init(|| readers)
            }
        };
        let called = readers
            .holders
            .name(key)
            .map_or_else(|| short_key(key), str::to_owned);
        Ok(match &readers.ever {
            _ if readers.now.contains(key) => Owner::Reader(called),
            Some(ever) if ever.contains(key) => Owner::Former(called),
            Some(_) => Owner::Nobody(called),
            None => Owner::Unknown,
        })
    }

    fn look(&self, source: TreeSource) -> Result<Readers, VerifyError> {
        let (mut now, mut policies) = (BTreeSet::new(), Vec::new());
        for file in candidates(self.workspace, source)?
            .iter()
            .filter(|file| file.is_regular())
        {
            let Some(bytes) = source.read(self.workspace, &file.path).ok().flatten() else {
                continue;
            };
            if is_policy(&file.path) {
                policies.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            if is_policy(&file.path) || file.path == ROSTER {
                now.extend(recipients_in(&bytes));
            } else if looks_sealed(&bytes) {
                now.extend(readers(&file.path, &bytes));
            }
        }
        let roster = source.text(self.workspace, ROSTER)?;
        let roster = roster
            .and_then(|text| Roster::parse(&text).ok())
            .unwrap_or_default();
        let policies: Vec<Config> = policies
            .iter()
            .filter_map(|text| Some(Config::parse(text).ok()?.0))
            .collect();
        let holders = Holders::over(&roster, &policies);
        Ok(Readers {
            now,
            ever: self.ever(source).ok(),
            holders,
        })
    }

    /// Whom the policy and the table of people named in some commit.
    fn ever(&self, source: TreeSource) -> Result<BTreeSet<String>, VerifyError> {
        let repo = self.workspace.repo()?;
        let span = match source {
            TreeSource::Commit(tip) => Span {
                tips: vec![tip],
                ..Span::default()
            },
            TreeSource::WorkTree | TreeSource::Index => repo.head_span()?,
        };
        let walk = repo.changes_of(&span, &[POLICY, ROSTER])?;
        let mut found = BTreeSet::new();
        for (_, change) in [POLICY, ROSTER].iter().flat_map(|path| walk.versions(path)) {
            let Some(entry) = change.new else { continue };
            found.extend(recipients_in(&repo.old_blob(entry.id)?));
        }
        Ok(found)
    }
}

/// Of a document. A program may well hold a text that looks like one; where the name says that it
/// is one, and nobody can read it, every key in it counts.
fn readers(path: &str, bytes: &[u8]) -> BTreeSet<String> {
    match FileFacts::read(path, false, Some(bytes)).document() {
        Some(document) => Snapshot::of(document).recipients,
        None if Format::said_by(path).is_some() => recipients_in(bytes),
        None => BTreeSet::new(),
    }
}
