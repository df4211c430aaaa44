//! Why verify could not look: nothing was judged.

use crate::repo::RepoError;
use crate::workspace::WorkspaceError;

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error("the range has no end")]
    NoEnd,
    #[error("no SOPS file of the index lies in these paths")]
    NothingInScope,
    #[error("git told the pre-push hook of a reference in an unknown form")]
    UnknownUpdate,
    #[error("verify ended before it could say anything")]
    Ended,
}
