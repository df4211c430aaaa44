//! Where a tree is read: the work tree, an index or a commit; and what the path of a file tells.

use super::error::VerifyError;
use super::exceptions;
pub(super) use crate::inventory::TreeSource;
use crate::inventory::is_policy;
use crate::policy::vault::{Vault, VaultError};
use crate::repo::{Attribute, ObjectId};
use crate::workspace::{POLICY, ROSTER, VAULT, Workspace, WorkspaceError};

/// Any file of the index.
pub(super) struct Candidate {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) id: ObjectId,
}

impl Candidate {
    pub(super) fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    pub(super) fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
}

impl TreeSource {
    pub(super) fn read(
        self,
        workspace: &Workspace,
        path: &str,
    ) -> Result<Option<Vec<u8>>, WorkspaceError> {
        Ok(workspace.tree(self)?.read(path)?)
    }

    pub(super) fn text(
        self,
        workspace: &Workspace,
        path: &str,
    ) -> Result<Option<String>, VerifyError> {
        Ok(workspace
            .tree(self)?
            .text(path)
            .map_err(WorkspaceError::from)?)
    }

    pub(super) fn attribute(
        self,
        workspace: &Workspace,
        path: &str,
        name: &str,
    ) -> Result<Attribute, VerifyError> {
        let repo = workspace.repo()?;
        Ok(match self {
            Self::WorkTree => repo.attribute_in_quotes(path, name)?,
            Self::Index => repo.attribute_staged_in_quotes(path, name)?,
            Self::Commit(commit) => match repo.attributes_at(commit, name, &[path])? {
                Some(values) => values.into_iter().next().unwrap_or(Attribute::Unspecified),
                None => repo.attribute_in_quotes(path, name)?,
            },
        })
    }

    /// The bindings, and what is wrong with them.
    pub(super) fn vault(
        self,
        workspace: &Workspace,
    ) -> Result<(Option<Vault>, Option<VaultError>), VerifyError> {
        let Some(text) = self.text(workspace, VAULT)? else {
            return Ok((None, None));
        };
        Ok(exceptions::vault(&text))
    }
}

/// Every file of a tree.
pub(super) fn candidates(
    workspace: &Workspace,
    source: TreeSource,
) -> Result<Vec<Candidate>, VerifyError> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for entry in workspace
        .tree(source)?
        .entries()
        .map_err(WorkspaceError::from)?
    {
        // an unmerged path stands there once a side
        if candidates.last().is_none_or(|last| last.path != entry.path) {
            candidates.push(Candidate {
                path: entry.path,
                mode: entry.mode,
                id: entry.id,
            });
        }
    }
    Ok(candidates)
}

/// By its name: any file but the policy of sops itself.
pub(super) fn may_be_secret(path: &str) -> bool {
    !is_policy(path)
}

/// A file of attributes, in any folder.
pub(super) fn is_attributes(path: &str) -> bool {
    path.rsplit('/').next() == Some(".gitattributes")
}

/// A file of attributes that decides about another file.
pub(super) fn is_attributes_for(path: &str, other: &str) -> bool {
    let folder = path
        .strip_suffix(".gitattributes")
        .filter(|_| is_attributes(path));
    folder.is_some_and(|folder| other.starts_with(folder))
}

/// A file that decides about the others.
pub(super) fn is_central(path: &str) -> bool {
    [POLICY, ROSTER, VAULT].contains(&path)
}
