//! Why the workspace could not do it: file, key and rule, never a value.

use std::path::PathBuf;

use sops_document::age::UnwrapError;
use sops_document::{DocumentError, OpenFault};

use super::consent::StoreError;
use crate::disk::DiskError;
use crate::inventory::InventoryError;
use crate::keyring::Tried;
use crate::repo::RepoError;

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Consent(#[from] StoreError),
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    #[error("{0} is not inside this repository")]
    Outside(PathBuf),
    #[error(".stax/vault.json: {0}")]
    Vault(String),
    #[error("{path}: {what}")]
    Policy { path: String, what: String },
    #[error("infra/secrets/recipients.md: {0}")]
    Roster(String),
    #[error("no environment is bound here: there is no .stax/vault.json")]
    NoVault,
    #[error("no environment `{env}`; bound here: {}", known.join(", "))]
    UnknownEnv { env: String, known: Vec<String> },
    #[error("several environments are bound here: {}", .0.join(", "))]
    WhichEnv(Vec<String>),
    #[error("{0} does not exist")]
    Missing(String),
    #[error("{path} cannot be read: {what}")]
    Unreadable { path: String, what: String },
    #[error("{0} is a pointer of Git LFS: the file itself is not here")]
    LfsPointer(String),
    #[error("{0} is in git, and this sparse checkout leaves it out")]
    LeftOut(String),
    #[error("{path}: {error}")]
    Document {
        path: String,
        error: Box<DocumentError>,
    },
    #[error("no identity opens {path}{}", env.as_ref().map(|env| format!(" ({env})")).unwrap_or_default())]
    Locked {
        path: String,
        env: Option<String>,
        tried: Vec<Tried>,
        readers: Vec<String>,
        /// How many key groups opened, and how many are needed.
        parts: Option<String>,
    },
    /// A reader whose key is at hand and whose own stanza does not open.
    #[error("{}", own_stanza(path, who, *why))]
    OwnStanza {
        path: String,
        /// The key, and the name where it has one.
        who: String,
        why: UnwrapError,
        /// Who can open the file, less those whose key is at hand.
        others: Vec<String>,
    },
    #[error("{path}: {fault}")]
    Integrity {
        path: String,
        fault: OpenFault,
        /// A value is not encrypted that its rule encrypts.
        has_plaintext: bool,
    },
    #[error("{path} is not encrypted to exactly the recipients of {policy}")]
    Recipients {
        path: String,
        policy: String,
        extra: Vec<String>,
        missing: Vec<String>,
    },
    #[error("{path} has other key groups than {policy}")]
    Groups { path: String, policy: String },
    #[error("{path}: {what}")]
    Seal { path: String, what: String },
}

fn own_stanza(path: &str, who: &str, why: UnwrapError) -> String {
    match why {
        // anybody may write a label, and damage what stands under it
        UnwrapError::NotForThisIdentity => format!(
            "{path}: the data key for {who} does not open with that key: it is damaged, or encrypted to somebody else"
        ),
        why => format!("{path}: the data key for {who} {why}"),
    }
}

impl From<InventoryError> for WorkspaceError {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::Repo(error) => Self::Repo(error),
            InventoryError::Disk(error) => Self::Disk(error),
            InventoryError::NotText(path) => Self::NotText(path),
            InventoryError::Vault(what) => Self::Vault(what),
            InventoryError::Policy { path, what } => Self::Policy { path, what },
        }
    }
}
