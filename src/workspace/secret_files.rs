//! The inventory of this work tree.

use std::path::Path;
use std::rc::Rc;

use sops_document::Document;

use super::{POLICY, Result, Target, Workspace, WorkspaceError};
use crate::inventory::{
    self, Extent, FileTree, Inventory, PolicyFile, PolicyFiles, SecretFile, TreeSource,
};
use crate::policy::config::{Config, CreationRule};
use crate::policy::sniff::Traits;
use crate::repo::ObjectId;

/// A creation rule in its policy.
pub struct Governing {
    /// The path of its `.sops.yaml`.
    pub policy: String,
    pub config: Rc<Config>,
    rule: usize,
}

impl Governing {
    fn of(policy: &str, config: Rc<Config>, path: &str) -> Option<Self> {
        let (rule, _) = config.rule_for(path)?;
        Some(Self {
            policy: policy.to_owned(),
            config,
            rule,
        })
    }

    #[must_use]
    pub fn rule(&self) -> &CreationRule {
        &self.config.rules[self.rule]
    }
}

impl Workspace {
    /// # Errors
    /// Outside any repository.
    pub fn tree(&self, source: TreeSource) -> Result<FileTree<'_>> {
        Ok(FileTree {
            repo: self.repo()?,
            root: self.root(),
            source,
        })
    }

    /// Every SOPS file of the index, every bound one, and those that git neither knows nor ignores,
    /// for a command that may write by the policies: a plan for one of those is made of the bytes
    /// that were read here. `named` are paths that somebody typed: they count in any case.
    ///
    /// # Errors
    /// When the index, the policy at the root or `.stax/vault.json` cannot be read.
    pub fn inventory(&self, named: &[String]) -> Result<Inventory> {
        // a plan for the bindings is made of these bytes
        self.vault()?;
        let whole = Extent {
            named,
            is_whole: true,
            fetches: true,
        };
        let inventory = self
            .tree(TreeSource::WorkTree)?
            .inventory(whole)?
            .with_sound_policy()?;
        for policy in &inventory.policies.readable {
            self.remember(&policy.path, policy.before.as_deref());
        }
        Ok(inventory)
    }

    /// What git knows of it and what is bound, for a command that only tells.
    ///
    /// # Errors
    /// When the index or `.stax/vault.json` cannot be read.
    pub fn tracked(&self) -> Result<Inventory> {
        Ok(self
            .tree(TreeSource::WorkTree)?
            .inventory(Extent::default())?)
    }

    /// The rule that governs a path, whether or not something stands there; the inventory gives the
    /// same answer.
    ///
    /// # Errors
    /// When a policy that may govern it cannot be read.
    pub fn governing(&self, path: &str, is_bound: bool) -> Result<Option<Governing>> {
        // a file outside any repository has its folder as root
        let Ok(policies) = self.policies_above([path]) else {
            let config = self.policy()?.map(Rc::new);
            return Ok(config.and_then(|config| Governing::of(POLICY, config, path)));
        };
        let found = policies.known_rule_for(path, is_bound)?;
        Ok(found.map(|at| {
            let PolicyFile { path, config, .. } = policies.file(at);
            Governing {
                policy: path.clone(),
                config: config.clone(),
                rule: at.rule,
            }
        }))
    }

    /// The policies at the root and on the way to each of these files; what is planned for a file
    /// is made of them.
    ///
    /// # Errors
    /// Outside any repository.
    pub fn policies_above<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p str>,
    ) -> Result<PolicyFiles> {
        let policies = self.tree(TreeSource::WorkTree)?.policies_above(paths);
        for policy in &policies.readable {
            self.remember(&policy.path, policy.before.as_deref());
        }
        Ok(policies)
    }

    /// Where nothing is bound: the only SOPS file of the work tree.
    pub(super) fn only_file(&self, env: Option<&str>) -> Result<Target> {
        let whole = Extent {
            is_whole: true,
            ..Extent::default()
        };
        let found = match env {
            Some(_) => Inventory::default(),
            None => self.tree(TreeSource::WorkTree)?.inventory(whole)?,
        };
        match found.files.as_slice() {
            [only] if found.obstacles.is_empty() => Ok(only.target.clone()),
            _ => Err(WorkspaceError::NoVault),
        }
    }

    /// The documents of the work tree by path, known to git or not.
    ///
    /// # Errors
    /// As [`Self::tracked`].
    pub fn present(&self) -> Result<Vec<(String, Document)>> {
        let whole = Extent {
            is_whole: true,
            ..Extent::default()
        };
        Ok(self.tree(TreeSource::WorkTree)?.inventory(whole)?.today().0)
    }

    /// The documents of [`Self::tracked`], by path.
    ///
    /// # Errors
    /// As [`Self::tracked`].
    pub fn secret_files(&self) -> Result<Vec<(String, Document)>> {
        Ok(self.tracked()?.today().0)
    }

    /// Files that git ignores and that are SOPS documents; they are named and never written.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn ignored(&self) -> Result<Vec<SecretFile>> {
        Ok(self.tree(TreeSource::WorkTree)?.ignored()?)
    }

    /// What a file below the root tells in one pass, whatever its size. Its name need not be UTF-8.
    ///
    /// # Errors
    /// A link on the way, or a file that cannot be read.
    pub fn sniff(&self, path: &Path) -> Result<Traits> {
        Ok(inventory::sniff_file(self.root(), path)?)
    }

    /// What a blob tells.
    ///
    /// # Errors
    /// When git does not have it.
    pub fn sniff_blob(&self, id: ObjectId) -> Result<Traits> {
        Ok(inventory::sniff_blob(self.repo()?, id)?)
    }
}
