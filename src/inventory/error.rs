//! Why nobody can say which files are secret.

use crate::disk::DiskError;
use crate::repo::RepoError;

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    #[error(".stax/vault.json: {0}")]
    Vault(String),
    #[error("{path}: {what}")]
    Policy { path: String, what: String },
}
