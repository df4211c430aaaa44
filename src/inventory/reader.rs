//! Who reads a file: one person or machine, whatever kind of key it is.

use sops_document::OtherKey;
use sops_document::age::person;

use super::SecretFile;

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Age,
    /// An ssh key, which age takes as it is.
    Ssh,
    /// Of pgp or of a service, which stax never asks.
    Other,
}

/// Somebody who can open a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The label as the file has it: `age1…`, `ssh-ed25519 …`, `pgp FBC7…`, `kms arn:…`.
    pub key: String,
    pub kind: KeyKind,
}

impl SecretFile {
    /// Everybody whom the file names, in its order.
    #[must_use]
    pub fn readers(&self) -> Vec<Reader> {
        let label = |key: &str| {
            let kind = if key.starts_with("ssh-") {
                KeyKind::Ssh
            } else {
                KeyKind::Age
            };
            Reader {
                key: key.to_owned(),
                kind,
            }
        };
        let others = self.others().into_iter().map(|key| Reader {
            key,
            kind: KeyKind::Other,
        });
        self.labels().into_iter().map(label).chain(others).collect()
    }

    /// Readers with keys of other kinds than age.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        self.document
            .metadata()
            .others
            .iter()
            .map(OtherKey::reader)
            .collect()
    }

    /// Whether a reader is named, in whatever spelling.
    #[must_use]
    pub fn names(&self, reader: &str) -> bool {
        let reader = person(reader);
        self.labels().iter().any(|label| person(label) == reader) || self.others().contains(&reader)
    }
}
