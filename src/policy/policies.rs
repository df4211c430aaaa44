//! Which `.sops.yaml` governs a file.
//!
//! sops takes the first `.sops.yaml` upwards from the folder where it is started, and people start
//! it beside the file. So the nearest policy above a file that has a rule for it decides; a bound
//! file answers to the one at the root alone, which is the only one that the commands of stax read
//! and write.

use std::rc::Rc;

use super::config::{Config, CreationRule};

const POLICY: &str = ".sops.yaml";

/// The policies of one tree that can be read, the deepest first.
#[derive(Debug, Default)]
pub struct Policies {
    /// Each with its folder: `""` or `a/b/`.
    list: Vec<(String, Rc<Config>)>,
}

impl Policies {
    /// Each with its folder: `""` or `a/b/`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Config)> {
        self.list
            .iter()
            .map(|(folder, config)| (folder.as_str(), &**config))
    }

    #[must_use]
    pub fn root(&self) -> Option<&Config> {
        self.list
            .iter()
            .find(|(folder, _)| folder.is_empty())
            .map(|(_, config)| &**config)
    }

    /// The rule of a file, and the path of the policy that it stands in.
    #[must_use]
    pub fn rule_for(&self, path: &str, managed: bool) -> Option<(String, &CreationRule)> {
        let (folder, config, rule) = self.nearest(path, managed)?;
        Some((format!("{folder}{POLICY}"), &config.rules[rule]))
    }

    /// The same with the place of the rule in its policy.
    #[must_use]
    pub fn place_of(&self, path: &str, managed: bool) -> Option<(String, usize)> {
        let (folder, _, rule) = self.nearest(path, managed)?;
        Some((format!("{folder}{POLICY}"), rule))
    }

    fn nearest(&self, path: &str, managed: bool) -> Option<(&str, &Config, usize)> {
        let above = self
            .list
            .iter()
            .filter(|(folder, _)| !managed || folder.is_empty());
        above
            .filter_map(|(folder, config)| {
                Some((folder, config, path.strip_prefix(folder.as_str())?))
            })
            .find_map(|(folder, config, inner)| {
                Some((folder.as_str(), &**config, config.rule_for(inner)?.0))
            })
    }
}

/// From the paths of policies.
impl<'p> FromIterator<(&'p str, Rc<Config>)> for Policies {
    fn from_iter<T: IntoIterator<Item = (&'p str, Rc<Config>)>>(policies: T) -> Self {
        let policies = policies
            .into_iter()
            .map(|(path, config)| (folder(path).to_owned(), config));
        let mut list: Vec<(String, Rc<Config>)> = policies.collect();
        list.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self { list }
    }
}

/// The folder of a path with its slash: `""` or `a/b/`.
#[must_use]
pub fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..=slash])
}
