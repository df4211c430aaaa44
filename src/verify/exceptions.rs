//! The exceptions of `.stax/vault.json`, read from the tree whose word counts: never from the change that they
//! would excuse.

use super::error::VerifyError;
use crate::policy::vault::{Allow, Vault};
use crate::policy::{Finding, RuleId};
use crate::repo::ObjectId;
use crate::workspace::{VAULT, Workspace};

/// A finding that the repository accepts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub finding: Finding,
    pub why: String,
}

/// Which findings the repository accepts.
#[derive(Debug, Default)]
pub struct Exceptions(Vec<Allow>);

impl Exceptions {
    /// Of what stands at HEAD: an entry counts when it is committed.
    pub fn of_head(workspace: &Workspace) -> Result<Self, VerifyError> {
        match workspace.repo()?.head_commit()? {
            Some(head) => Self::of(workspace, head),
            None => Ok(Self::default()),
        }
    }

    /// Of a commit, or a tree; of a file that breaks its rules none count, and B01 says why it does.
    pub fn of(workspace: &Workspace, commit: ObjectId) -> Result<Self, VerifyError> {
        let text = workspace.repo()?.blob_at(commit, VAULT)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let vault = text.and_then(|text| Vault::known(&text).ok());
        Ok(Self(vault.map(|vault| vault.allow).unwrap_or_default()))
    }

    pub fn list(&self) -> &[Allow] {
        &self.0
    }

    /// Why a finding is accepted. An entry without a key covers the whole file.
    pub fn why(&self, rule: RuleId, path: &str, key: Option<&str>) -> Option<&str> {
        self.0.iter().find(|allow| allow.covers(rule, path, key)).map(|allow| allow.why.as_str())
    }

    /// Takes out what is accepted, and says why. K05 is about several files at once, so its files are left out
    /// where it is made.
    pub fn take(&self, findings: &mut Vec<Finding>) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        findings.retain(|finding| {
            let why = self.why(finding.rule, &finding.path, finding.key.as_deref());
            let why = why.filter(|_| finding.rule != RuleId::K05).map(str::to_owned);
            let is_left = why.is_none();
            accepted.extend(why.map(|why| Accepted { finding: finding.clone(), why }));
            is_left
        });
        accepted
    }
}
