//! Which files of a work tree, an index or a commit are SOPS files, by name or by content: one
//! answer for every command, with the format, the binding, the rule that governs each, its readers,
//! and what stands in the way of a change.

mod cause;
mod content;
mod error;
mod find;
mod policies;
mod reader;
mod tree;

use std::rc::Rc;

use sops_document::{Document, Format};

pub use cause::{Cause, DataKeyChange, Obstacle};
pub use content::{Read, content_of, document, format_of, secret};
pub use error::InventoryError;
pub use find::Extent;
pub use policies::PolicyFiles;
pub use reader::{KeyKind, Reader};
pub use tree::{FileTree, TreeSource, may_hold_document, sniff_blob, sniff_file};

use crate::policy::config::{Config, CreationRule};

/// The largest file that is read as a document or as policy.
pub const MAX_FILE: usize = 32 << 20;
pub const POLICY: &str = ".sops.yaml";
pub const VAULT: &str = ".stax/vault.json";
pub const ROSTER: &str = "infra/secrets/recipients.md";

type Result<T> = std::result::Result<T, InventoryError>;

/// A SOPS file: its path below the root with `/`, and the environment it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub path: String,
    pub env: Option<String>,
}

/// A `.sops.yaml`, by its path below the root.
pub struct PolicyFile {
    pub path: String,
    pub config: Rc<Config>,
    /// The bytes of the work tree; `None` where it does not have them.
    pub before: Option<Vec<u8>>,
}

/// A creation rule: the place of its policy in [`PolicyFiles::readable`], and its own in that
/// policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleAt {
    pub policy: usize,
    pub rule: usize,
}

/// What git knows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitState {
    Tracked,
    Untracked,
    Ignored,
}

/// A SOPS file that stax can read.
pub struct SecretFile {
    pub target: Target,
    /// Its format is that of the content, which the name may not say.
    pub document: Document,
    /// `None`: no rule of any policy names it.
    pub rule: Option<RuleAt>,
    pub state: GitState,
}

/// Every SOPS file of a tree.
#[derive(Default)]
pub struct Inventory {
    pub policies: PolicyFiles,
    /// By path.
    pub files: Vec<SecretFile>,
    /// Files that are or may be SOPS documents, and that cannot be changed here.
    pub obstacles: Vec<Obstacle>,
    /// What git does not know was not looked at: `status.showUntrackedFiles` is `no`.
    pub skips_untracked: bool,
    /// Paths that are not UTF-8, escaped to be shown: no policy can name them, and nobody looked.
    pub odd: Vec<String>,
    /// Submodules: repositories of their own.
    pub submodules: Vec<String>,
}

impl SecretFile {
    /// The labels of the stanzas, in file order.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        self.document
            .metadata()
            .age
            .iter()
            .map(|stanza| stanza.recipient.as_str())
            .collect()
    }

    /// What sops needs to be told where the name of the file says another format: `--input-type
    /// yaml …`.
    #[must_use]
    pub fn sops_types(&self) -> String {
        Self::types(&self.target.path, &self.document)
    }

    /// The same of any document.
    #[must_use]
    pub fn types(path: &str, document: &Document) -> String {
        if document.format() == Format::of_path(path) {
            return String::new();
        }
        let word = document.format().traits().word;
        format!("--input-type {word} --output-type {word} ")
    }
}

impl Inventory {
    #[must_use]
    pub fn rule(&self, at: RuleAt) -> &CreationRule {
        self.policies.rule(at)
    }

    /// Where policies stand, also those that cannot be read.
    pub fn policy_paths(&self) -> impl Iterator<Item = &str> {
        let readable = self
            .policies
            .readable
            .iter()
            .map(|policy| policy.path.as_str());
        readable.chain(self.policies.broken.iter().map(|(path, _)| path.as_str()))
    }

    /// Every rule of every policy.
    pub fn rules(&self) -> impl Iterator<Item = RuleAt> {
        self.policies
            .readable
            .iter()
            .enumerate()
            .flat_map(|(policy, file)| {
                (0..file.config.rules.len()).map(move |rule| RuleAt { policy, rule })
            })
    }

    #[must_use]
    pub fn file(&self, path: &str) -> Option<&SecretFile> {
        self.files.iter().find(|file| file.target.path == path)
    }

    #[must_use]
    pub fn obstacle(&self, path: &str) -> Option<&Obstacle> {
        self.obstacles.iter().find(|obstacle| obstacle.path == path)
    }

    /// The documents that a ledger asks about.
    #[must_use]
    pub fn documents(&self) -> Vec<(String, Document)> {
        self.files
            .iter()
            .map(|file| (file.target.path.clone(), file.document.clone()))
            .collect()
    }

    /// The secret files of a tree as a ledger asks about them: documents by path, also of files
    /// that cannot be changed, and which of them only the index has.
    #[must_use]
    pub fn today(&self) -> (Vec<(String, Document)>, Vec<String>) {
        let (mut documents, mut from_index) = (self.documents(), Vec::new());
        for obstacle in &self.obstacles {
            let Some(known) = &obstacle.known else {
                continue;
            };
            documents.push((obstacle.path.clone(), (*known.document).clone()));
            from_index.extend(known.is_from_index.then(|| obstacle.path.clone()));
        }
        documents.sort_by(|(a, _), (b, _)| a.cmp(b));
        (documents, from_index)
    }

    /// For who writes by the policy at the root.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn with_sound_policy(self) -> Result<Self> {
        match self.policies.broken.iter().find(|(path, _)| path == POLICY) {
            Some((path, what)) => Err(InventoryError::Policy {
                path: path.clone(),
                what: what.clone(),
            }),
            None => Ok(self),
        }
    }
}

/// A `.sops.yaml`, in any folder.
#[must_use]
pub fn is_policy(path: &str) -> bool {
    path.rsplit('/').next() == Some(POLICY)
}

#[cfg(test)]
mod tests;
