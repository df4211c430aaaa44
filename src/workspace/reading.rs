//! What the keys at hand tell of versions: their data keys and values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sops_document::{DataKey, Document, Scalar};
use zeroize::Zeroizing;

use super::history::document_of;
use super::unlock::unlock;
use super::{Workspace, WorkspaceError, random};
use crate::ledger::{Epoch, Epochs, FileVersion, Insight, Mark, Snapshot, tokens};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Values by their tokens, and what they tell the ledger.
#[derive(Default)]
pub struct Reading {
    pub insight: Insight,
    values: HashMap<Mark, Scalar>,
    /// Data keys that opened, and those that did not.
    pub opened: usize,
    pub locked: usize,
}

impl Reading {
    #[must_use]
    pub fn value(&self, token: &Mark) -> Option<&Scalar> {
        self.values.get(token)
    }

    fn open(&mut self, document: &Document, key: &DataKey, secret: &[u8; 32]) {
        for (mark, path, token) in tokens(document) {
            if self.values.contains_key(&mark) {
                continue;
            }
            // what does not authenticate tells nothing
            let Ok(plain) = token.open(key, &path.aad()) else {
                continue;
            };
            let is_short = plain.len() < WEAK;
            let Some(scalar) = Scalar::from_plaintext(token.kind, plain) else {
                continue;
            };
            let print = digest(secret, &scalar);
            if is_short || !matches!(scalar, Scalar::Str(_)) {
                self.insight.weak.insert(print);
            }
            self.insight.values.insert(mark, print);
            self.values.insert(mark, scalar);
        }
    }
}

/// Shorter values are equal by chance.
const WEAK: usize = 6;

/// Equal for equal values of one run, whatever their type, and worth nothing outside of it.
fn digest(secret: &[u8; 32], scalar: &Scalar) -> Mark {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    let plain = scalar.plaintext().unwrap_or_default();
    match scalar {
        Scalar::Bool(_) => mac.update(&plain.to_ascii_lowercase()),
        _ => mac.update(&plain),
    }
    let digest = mac.finalize().into_bytes();
    std::array::from_fn(|at| digest[at])
}

impl Workspace {
    /// Opens every epoch of some versions, and of documents of today, for which an identity is at
    /// hand.
    ///
    /// # Errors
    /// When git cannot read a version.
    pub fn reading(
        &self,
        versions: &[&FileVersion],
        today: &[&Document],
        epochs: &Epochs,
    ) -> Result<Reading> {
        let mut groups: BTreeMap<Epoch, Vec<ReadingSource<'_>>> = BTreeMap::new();
        for (at, document) in today.iter().enumerate() {
            if let Some(epoch) = epochs.at(&Snapshot::of(document)) {
                groups
                    .entry(epoch)
                    .or_default()
                    .push(ReadingSource::Today(at, document));
            }
        }
        for version in versions {
            if let Some(epoch) = epochs.at(&version.snapshot) {
                groups
                    .entry(epoch)
                    .or_default()
                    .push(ReadingSource::Version(version));
            }
        }
        let mut reading = Reading::default();
        let mut secret = Zeroizing::new([0; 32]);
        random(&mut *secret);
        for sources in groups.values() {
            let Some(key) = self.key_of(sources)? else {
                reading.locked += 1;
                continue;
            };
            reading.opened += 1;
            let mut seen = BTreeSet::new();
            for source in sources.iter().filter(|source| seen.insert(source.place())) {
                if let Some(document) = source.document(self)? {
                    reading
                        .insight
                        .keys
                        .extend(source.mark().map(|mark| (mark, key.digest())));
                    reading.open(&document, &key, &secret);
                }
            }
        }
        Ok(reading)
    }

    /// Only the data keys, of one version an epoch.
    ///
    /// # Errors
    /// When git cannot read a version.
    pub fn data_keys(&self, versions: &[FileVersion], epochs: &Epochs) -> Result<Insight> {
        let mut groups: BTreeMap<Epoch, Vec<ReadingSource<'_>>> = BTreeMap::new();
        for version in versions {
            if let Some(epoch) = epochs.at(&version.snapshot) {
                groups
                    .entry(epoch)
                    .or_default()
                    .push(ReadingSource::Version(version));
            }
        }
        let mut insight = Insight::default();
        for sources in groups.values() {
            if let Some(key) = self.key_of(sources)? {
                let mark = sources.iter().find_map(ReadingSource::mark);
                insight.keys.extend(mark.map(|mark| (mark, key.digest())));
            }
        }
        Ok(insight)
    }

    /// One of the versions with a data key is enough; those with the same readers need one try.
    fn key_of(&self, sources: &[ReadingSource<'_>]) -> Result<Option<DataKey>> {
        let mut tried = BTreeSet::new();
        for source in sources {
            if tried.insert(source.readers())
                && let Some(document) = source.document(self)?
                && let Ok(key) = unlock(&self.keyring, &document)
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

enum ReadingSource<'a> {
    /// With its place among those of today.
    Today(usize, &'a Document),
    Version(&'a FileVersion),
}

/// Which document a source is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum SourceId<'a> {
    Today(usize),
    Blob(&'a str, &'a str),
}

impl ReadingSource<'_> {
    /// Versions with one blob are one document.
    fn place(&self) -> SourceId<'_> {
        match self {
            Self::Today(at, _) => SourceId::Today(*at),
            Self::Version(version) => SourceId::Blob(&version.blob, &version.path),
        }
    }

    fn mark(&self) -> Option<Mark> {
        match self {
            Self::Today(_, document) => Snapshot::of(document).marks().next().copied(),
            Self::Version(version) => version.snapshot.marks().next().copied(),
        }
    }

    fn readers(&self) -> BTreeSet<String> {
        match self {
            Self::Today(_, document) => document
                .metadata()
                .age
                .iter()
                .map(|it| it.recipient.clone())
                .collect(),
            Self::Version(version) => version.snapshot.recipients.clone(),
        }
    }

    fn document(&self, workspace: &Workspace) -> Result<Option<Document>> {
        match self {
            Self::Today(_, document) => Ok(Some((*document).clone())),
            Self::Version(version) => document_of(workspace.repo()?, version),
        }
    }
}
