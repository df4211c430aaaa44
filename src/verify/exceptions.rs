//! The exceptions of `.stax/vault.json`, read from the tree whose word counts: never from the
//! change that they would excuse.

use super::error::VerifyError;
use super::finding::Finding;
use super::rule::RuleId;
use crate::policy::vault::{Allow, Vault, VaultError};
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

    /// Of a commit, or a tree; of a file that breaks its rules none count, and B01 says why it
    /// does.
    pub fn of(workspace: &Workspace, commit: ObjectId) -> Result<Self, VerifyError> {
        let text = workspace
            .repo()?
            .blob_at(commit, VAULT)?
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let vault = text.and_then(|text| vault(&text).0);
        Ok(Self(vault.map(|vault| vault.allow).unwrap_or_default()))
    }

    pub fn list(&self) -> &[Allow] {
        &self.0
    }

    /// Why a finding is accepted. An entry without a key covers the whole file.
    pub fn why(&self, rule: RuleId, path: &str, key: Option<&str>) -> Option<&str> {
        self.0
            .iter()
            .find(|allow| covers(allow, rule, path, key))
            .map(|allow| allow.why.as_str())
    }

    /// Takes out what is accepted, and says why.
    pub fn take(&self, findings: &mut Vec<Finding>) -> Vec<Accepted> {
        let mut accepted = Vec::new();
        findings.retain(|finding| {
            let why = self
                .why(finding.rule, &finding.path, finding.key.as_deref())
                .map(str::to_owned);
            let is_left = why.is_none();
            accepted.extend(why.map(|why| Accepted {
                finding: finding.clone(),
                why,
            }));
            is_left
        });
        accepted
    }
}

/// Whether an exception means a finding. One without a key covers the whole file.
#[must_use]
pub fn covers(allow: &Allow, rule: RuleId, path: &str, key: Option<&str>) -> bool {
    let fits = allow.key.is_none() || allow.key.as_deref() == key;
    fits && allow.path == path && allow.rule.parse() == Ok(rule)
}

/// The bindings and exceptions of `.stax/vault.json` as far as this stax knows them, and what is
/// wrong with the file. An exception of what is no rule, or knows none, is wrong; in a file of a
/// newer stax it is left out.
pub(super) fn vault(text: &str) -> (Option<Vault>, Option<VaultError>) {
    match (Vault::parse(text), Vault::known(text)) {
        (Ok(vault), _) => match vault.allow.iter().find_map(fault) {
            Some(fault) => (None, Some(fault)),
            None => (Some(vault), None),
        },
        (Err(newer), Ok(mut vault)) => {
            vault.allow.retain(|allow| fault(allow).is_none());
            (Some(vault), Some(newer))
        }
        (Err(fault), Err(_)) => (None, Some(fault)),
    }
}

fn fault(allow: &Allow) -> Option<VaultError> {
    let why = match allow.rule.parse::<RuleId>() {
        Err(_) => "no rule has this id or name",
        Ok(rule) if !rule.may_be_allowed => "this rule knows no exception",
        Ok(_) => return None,
    };
    Some(VaultError::Allow {
        rule: allow.rule.chars().take(64).collect(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_name_a_rule_and_never_one_against_forgeries() {
        let with = |allow: &str| {
            vault(&format!(
                r#"{{"version": 1, "backend": "sops-age", "files": [], "allow": [{allow}]}}"#
            ))
        };
        let known = with(
            r#"{"rule": "plaintext", "path": "a", "key": "PORT", "why": "x"}, {"rule": "F04E", "path": "b", "why": "y"}"#,
        );
        let known = known.0.unwrap().allow;
        let covers = |rule, path, key| {
            known
                .iter()
                .any(|allow| covers(allow, rule, path, Some(key)))
        };
        assert!(covers(RuleId::F04, "a", "PORT"));
        assert!(!covers(RuleId::F04, "a", "KEY"));
        assert!(!covers(RuleId::F04, "b", "PORT"));
        assert!(covers(RuleId::F04E, "b", "any"));
        for (rule, what) in [
            ("F03", "no exception"),
            ("recipients", "no exception"),
            ("k02", "no exception"),
            ("C03", "no exception"),
            ("Z99", "no rule"),
        ] {
            let error = with(&format!(r#"{{"rule": "{rule}", "path": "a", "why": "x"}}"#))
                .1
                .unwrap();
            assert!(error.to_string().contains(what), "{rule}: {error}");
        }
    }
}
