//! The policies of a tree, and which rule of them governs a path.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{FileTree, InventoryError, POLICY, PolicyFile, Result, RuleAt, TreeSource};
use crate::policy::config::{Config, CreationRule};
use crate::policy::policies::Policies;

/// Policies that were read: all of a tree, or those above some of its files.
#[derive(Default)]
pub struct PolicyFiles {
    /// The one at the root first, also where there is none: it is empty then.
    pub readable: Vec<PolicyFile>,
    /// Those that cannot be read, with the reason.
    pub broken: Vec<(String, String)>,
    nearest: Policies,
}

impl PolicyFiles {
    #[must_use]
    pub fn file(&self, at: RuleAt) -> &PolicyFile {
        &self.readable[at.policy]
    }

    #[must_use]
    pub fn rule(&self, at: RuleAt) -> &CreationRule {
        &self.file(at).config.rules[at.rule]
    }

    /// The rule that governs a path: of the nearest policy above it that has one, for a bound file
    /// of the root.
    #[must_use]
    pub fn rule_for(&self, path: &str, is_bound: bool) -> Option<RuleAt> {
        let (policy, rule) = self.nearest.place_of(path, is_bound)?;
        let policy = self.readable.iter().position(|file| file.path == policy)?;
        Some(RuleAt { policy, rule })
    }

    /// The same for who acts on the answer.
    ///
    /// # Errors
    /// When a policy that is nearer to the file, or the only one, cannot be read.
    pub fn known_rule_for(&self, path: &str, is_bound: bool) -> Result<Option<RuleAt>> {
        let rule = self.rule_for(path, is_bound);
        match self.broken_above(path, is_bound, rule) {
            Some((path, what)) => Err(InventoryError::Policy {
                path: path.to_owned(),
                what: what.to_owned(),
            }),
            None => Ok(rule),
        }
    }

    /// The nearest policy that cannot be read and may govern a path instead of this rule.
    pub(super) fn broken_above(
        &self,
        path: &str,
        is_bound: bool,
        rule: Option<RuleAt>,
    ) -> Option<(&str, &str)> {
        let depth = rule.map_or(0, |at| self.file(at).path.len());
        let folder = |policy: &str| policy.strip_suffix(POLICY).unwrap_or_default().to_owned();
        let asked = self
            .broken
            .iter()
            .filter(|(policy, _)| !is_bound || policy == POLICY);
        let above =
            asked.filter(|(policy, _)| path.starts_with(&folder(policy)) && policy.len() > depth);
        above
            .max_by_key(|(policy, _)| policy.len())
            .map(|(path, what)| (path.as_str(), what.as_str()))
    }
}

impl FileTree<'_> {
    /// The policies at the root and on the way to each of these files. No other file is looked at.
    #[must_use]
    pub fn policies_above<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> PolicyFiles {
        let folders = paths
            .into_iter()
            .flat_map(|path| path.match_indices('/').map(|(at, _)| &path[..at]));
        let folders: BTreeSet<&str> = folders.collect();
        let policies: Vec<String> = folders
            .iter()
            .map(|folder| format!("{folder}/{POLICY}"))
            .collect();
        self.policies(policies.iter().map(String::as_str), true)
    }

    /// These policies and the one at the root.
    pub(super) fn policies<'p>(
        &self,
        others: impl Iterator<Item = &'p str>,
        fetches: bool,
    ) -> PolicyFiles {
        let (mut readable, mut broken) = (Vec::new(), Vec::new());
        for path in std::iter::once(POLICY).chain(others) {
            let (config, before) = match self.policy(path, fetches || path == POLICY) {
                Ok(read) => read,
                Err(what) => {
                    broken.push((path.to_owned(), what));
                    // the first one is that of the root, whatever it holds
                    if path != POLICY {
                        continue;
                    }
                    (Config::default(), None)
                }
            };
            readable.push(PolicyFile {
                path: path.to_owned(),
                config: Rc::new(config),
                before,
            });
        }
        let nearest = readable
            .iter()
            .map(|file| (file.path.as_str(), file.config.clone()))
            .collect();
        PolicyFiles {
            readable,
            broken,
            nearest,
        }
    }

    fn policy(
        &self,
        path: &str,
        fetches: bool,
    ) -> std::result::Result<(Config, Option<Vec<u8>>), String> {
        let here = match self.source {
            TreeSource::WorkTree => self.here(path),
            _ => Ok(None),
        };
        let before = here.map_err(|error| error.to_string())?;
        let bytes = match &before {
            Some(bytes) => bytes.clone(),
            None if self.source == TreeSource::WorkTree && !fetches => self.left_out_here(path)?,
            None => self
                .read(path)
                .map_err(|error| error.to_string())?
                .unwrap_or_default(),
        };
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
        let (config, _) = Config::parse(&text).map_err(|error| error.to_string())?;
        Ok((config, before))
    }

    /// What a sparse checkout leaves out, as far as this clone has it.
    fn left_out_here(&self, path: &str) -> std::result::Result<Vec<u8>, String> {
        let entry = self
            .repo
            .skipped_entry(path)
            .map_err(|error| error.to_string())?;
        let bytes = entry
            .map(|entry| self.repo.blob_of_clone(entry.id))
            .transpose();
        Ok(bytes
            .map_err(|error| error.to_string())?
            .unwrap_or_default())
    }
}
