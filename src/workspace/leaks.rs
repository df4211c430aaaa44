//! The values that the keys at hand open, to be looked for where they do not belong.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sops_document::selector::Selected;
use sops_document::{DataKey, Document, Format, Scalar, Step};

use super::history::{History, candidates};
use super::register::Depth;
use super::settings::Settings;
use super::unlock::{NoKey, unlock};
use super::{ROSTER, VAULT, Workspace, WorkspaceError};
use crate::inventory::is_policy;
use crate::leak::{LeakGuard, Secret, ValueName};
use crate::ledger::{Mark, tokens};
use crate::policy::content::{FileContent, looks_sealed};
use crate::policy::vault::Vault;
use crate::repo::{IndexEntry, ObjectId, RepoError};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// How much of the index is looked into for values.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// SOPS files that are opened: each costs an unwrap.
    pub files: usize,
    /// Blobs that are read to see whether they are SOPS files.
    pub blobs: usize,
}

/// What a commit and a push wait for: 70 milliseconds of work at the most.
pub const IN_HOOKS: Limits = Limits {
    files: 256,
    blobs: 2_048,
};
pub const ALL: Limits = Limits {
    files: usize::MAX,
    blobs: usize::MAX,
};

/// A limit was reached, and so many files that may hold values were not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Files { left: usize },
    Blobs { left: usize },
}

/// Values, and which files did not give theirs.
#[derive(Default)]
pub struct Values {
    secrets: Vec<Secret>,
    /// What stands in clear in a document, and the names of keys.
    ordinary: BTreeSet<Vec<u8>>,
    /// Each token of a file counts once, whichever copy of the file has it.
    seen: BTreeSet<(String, Mark)>,
    /// Files that opened.
    pub opened: BTreeSet<String>,
    /// Files that no identity at hand opens.
    pub locked: BTreeSet<String>,
    /// Files that cannot be read, in whole or in part, and why.
    pub damaged: BTreeMap<String, String>,
    /// Files of the index that a partial clone lacks.
    pub missing: usize,
    pub cut: Option<Cut>,
}

impl Values {
    #[must_use]
    pub fn files(&self) -> usize {
        self.opened.union(&self.locked).count()
    }

    fn collect(
        &mut self,
        path: &str,
        env: Option<&str>,
        document: &Document,
        key: Option<&DataKey>,
    ) {
        let mut tree = document.tree().clone();
        document
            .metadata()
            .selector
            .walk(&mut tree, &mut |place, met, selected| {
                let Selected::Leaf(leaf, _) = met else { return };
                if let Some(Step::Key(name)) = place.0.last() {
                    self.ordinary.insert(name.as_bytes().to_vec());
                }
                // what must be encrypted is no less a secret where it is not
                if !selected {
                    self.ordinary
                        .extend(leaf.scalar.plaintext().map(|plain| plain.to_vec()));
                }
            });
        let Some(key) = key else { return };
        let is_whole = document.format().is_whole();
        let mut broken = 0;
        for (mark, place, token) in tokens(document) {
            if !self.seen.insert((path.to_owned(), mark)) {
                continue;
            }
            let Ok(value) = token.open(key, &place.aad()) else {
                broken += 1;
                continue;
            };
            let address = if is_whole {
                String::new()
            } else {
                place.to_string()
            };
            self.secrets.push(Secret {
                name: name(path, env, address, false),
                value,
            });
        }
        if broken > 0 {
            let values = if broken == 1 {
                "1 value does"
            } else {
                &format!("{broken} values do")
            };
            self.damaged
                .insert(path.to_owned(), format!("{values} not open"));
        }
    }
}

fn name(path: &str, env: Option<&str>, key: String, is_old: bool) -> ValueName {
    ValueName {
        key,
        file: path.to_owned(),
        env: env.map(str::to_owned),
        is_old,
    }
}

impl Workspace {
    /// What is looked for: all values that are worth it, less the keys that the user's
    /// `stax.scanSkip` names.
    ///
    /// # Errors
    /// When git's configuration cannot be read.
    pub fn guard(&self, values: &Values) -> Result<LeakGuard> {
        let skip = Settings::of(self.repo()?)?.skipped_keys();
        Ok(LeakGuard::new(&values.secrets, &values.ordinary, &skip))
    }

    /// The values of the SOPS files of the index: those that a policy or `.stax/vault.json` names,
    /// and those whose name says it. Bound files come first, then those with such a name.
    ///
    /// # Errors
    /// When git cannot read the index.
    pub fn values_of_index(&self, limits: Limits) -> Result<Values> {
        let mut collector = Collector::new(self);
        collector.add_index(&|_| false, limits)?;
        Ok(collector.values)
    }

    /// The values of every SOPS file of the work tree, known to git or not, and of the index where
    /// that has others.
    ///
    /// # Errors
    /// As [`Self::values_of_index`].
    pub fn values_of_today(&self, changed: &[String]) -> Result<Values> {
        let mut collector = Collector::new(self);
        let vault = self.vault().ok().flatten();
        for (path, document) in &self.present()? {
            collector.add(path, vault.as_ref(), document);
        }
        collector.add_index(&|path| changed.iter().any(|it| it == path), ALL)?;
        Ok(collector.values)
    }

    /// Adds what older versions of any file held, on every reference. What cannot be told stands in
    /// the history that comes back.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn add_older_values(&self, tips: Vec<ObjectId>, values: &mut Values) -> Result<History> {
        let vault = self.vault().ok().flatten();
        let register = self.register_of_all(tips, Depth::Silent)?;
        for version in &register.history.versions {
            let path = &version.path;
            let env = vault.as_ref().and_then(|vault| vault.env_for_path(path));
            for (key, sealed) in &version.snapshot.sealed {
                let Some(value) = register
                    .reading
                    .value(&sealed.mark)
                    .and_then(Scalar::plaintext)
                else {
                    continue;
                };
                if values.seen.insert((path.clone(), sealed.mark)) {
                    let is_whole = Format::of_path(path).is_whole();
                    let key = if is_whole { String::new() } else { key.clone() };
                    values.secrets.push(Secret {
                        name: name(path, env, key, true),
                        value,
                    });
                }
            }
        }
        Ok(register.history)
    }
}

/// Opens documents for their values.
struct Collector<'w> {
    workspace: &'w Workspace,
    /// Data keys by the stanzas that hold them: the copies of a file have one. `None` where no
    /// identity opens any.
    keys: HashMap<Vec<String>, Option<DataKey>>,
    values: Values,
}

impl<'w> Collector<'w> {
    fn new(workspace: &'w Workspace) -> Self {
        Self {
            workspace,
            keys: HashMap::new(),
            values: Values::default(),
        }
    }

    fn add_index(&mut self, also: &dyn Fn(&str) -> bool, limits: Limits) -> Result<()> {
        let repo = self.workspace.repo()?;
        let (vault, candidates) = self.candidates(also)?;
        let (mut files, mut blobs) = (0, 0);
        let count = candidates.len();
        for (at, entry) in candidates.into_iter().enumerate() {
            let left = count - at;
            self.values.cut = match (files == limits.files, blobs == limits.blobs) {
                (true, _) => Some(Cut::Files { left }),
                (_, true) => Some(Cut::Blobs { left }),
                _ => None,
            };
            if self.values.cut.is_some() {
                break;
            }
            blobs += 1;
            let bytes = match repo.old_blob(entry.id) {
                Ok(bytes) if looks_sealed(&bytes) => bytes,
                Ok(_) | Err(RepoError::TooLarge { .. }) => continue,
                Err(RepoError::Missing(_)) => {
                    self.values.missing += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match FileContent::read(&entry.path, false, Some(&bytes)) {
                FileContent::Document(document) => {
                    files += 1;
                    self.add(&entry.path, vault.as_ref(), &document);
                }
                FileContent::Broken { line, what, .. } => {
                    self.values
                        .damaged
                        .insert(entry.path, format!("line {line}: {what}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Files of the index that may be SOPS files, the likely ones first.
    fn candidates(&self, also: &dyn Fn(&str) -> bool) -> Result<(Option<Vault>, Vec<IndexEntry>)> {
        let repo = self.workspace.repo()?;
        let entries = repo.index_entries()?;
        let text = |path: &str| -> Result<Option<String>> {
            Ok(repo
                .index_blob(path)?
                .and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let vault = text(VAULT)?.and_then(|text| Vault::known(&text).ok());
        let bound: BTreeSet<String> = vault
            .iter()
            .flat_map(|vault| &vault.files)
            .map(|file| file.path.clone())
            .collect();
        let mut policies = Vec::new();
        for entry in entries.iter().filter(|entry| is_policy(&entry.path)) {
            policies.extend(text(&entry.path)?);
        }
        let is_named = candidates(bound.clone(), &[]);
        let is_wanted = candidates(bound.clone(), &policies);
        let mut found = entries;
        found.retain(|entry| {
            let path = &entry.path;
            entry.is_file() && path != ROSTER && !is_policy(path) && (is_wanted(path) || also(path))
        });
        found.sort_by_cached_key(|entry| (!bound.contains(&entry.path), !is_named(&entry.path)));
        Ok((vault, found))
    }

    fn add(&mut self, path: &str, vault: Option<&Vault>, document: &Document) {
        let env = vault.and_then(|vault| vault.env_for_path(path));
        let values = &mut self.values;
        let is_known =
            || tokens(document).all(|(mark, ..)| values.seen.contains(&(path.to_owned(), mark)));
        // the copy in the index is most often that of the work tree
        if values.opened.contains(path) && is_known() {
            return;
        }
        let stanzas = document
            .metadata()
            .age
            .iter()
            .map(|stanza| stanza.enc.clone())
            .collect();
        let key = match self.keys.entry(stanzas) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match unlock(&self.workspace.keyring, document) {
                Ok(key) => place.insert(Some(key)),
                Err(NoKey::Locked { .. }) => place.insert(None),
                Err(NoKey::Fault(fault)) => {
                    values.damaged.insert(path.to_owned(), fault.to_string());
                    return;
                }
            },
        };
        let list = if key.is_some() {
            &mut values.opened
        } else {
            &mut values.locked
        };
        list.insert(path.to_owned());
        values.collect(path, env, document, key.as_ref());
    }
}
