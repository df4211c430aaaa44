//! The values that the keys at hand open, to be looked for where they do not belong.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, candidates};
use super::register::Depth;
use super::unlock::{NoKey, unlock};
use super::{POLICY, VAULT, Workspace, WorkspaceError};
use crate::ledger::{Mark, tokens};
use crate::policy::leak::{Guard, Name, Secret};
use crate::policy::rules::{Content, FileFacts, looks_sealed};
use crate::policy::vault::Vault;
use crate::repo::{ObjectId, RepoError};
use crate::sops::selector::Selected;
use crate::sops::{DataKey, Document, Format, Scalar, Step};

type Result<T> = std::result::Result<T, WorkspaceError>;

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
}

impl Values {
    #[must_use]
    pub fn files(&self) -> usize {
        self.opened.union(&self.locked).count()
    }

    fn collect(&mut self, path: &str, env: Option<&str>, document: &Document, key: Option<&DataKey>) {
        let mut tree = document.tree().clone();
        document.metadata().selector.walk(&mut tree, &mut |place, met, selected| {
            let Selected::Leaf(leaf, _) = met else { return };
            if let Some(Step::Key(name)) = place.0.last() {
                self.ordinary.insert(name.as_bytes().to_vec());
            }
            // what must be encrypted is no less a secret where it is not
            if !selected {
                self.ordinary.extend(leaf.scalar.plaintext().map(|plain| plain.to_vec()));
            }
        });
        let Some(key) = key else { return };
        let is_whole = document.format() == Format::Binary;
        let mut broken = 0;
        for (mark, place, token) in tokens(document) {
            if !self.seen.insert((path.to_owned(), mark)) {
                continue;
            }
            let Ok(value) = token.open(key, &place.aad()) else {
                broken += 1;
                continue;
            };
            let address = if is_whole { String::new() } else { place.to_string() };
            self.secrets.push(Secret { name: name(path, env, address, false), value });
        }
        if broken > 0 {
            let values = if broken == 1 { "1 value does" } else { &format!("{broken} values do") };
            self.damaged.insert(path.to_owned(), format!("{values} not open"));
        }
    }
}

fn name(path: &str, env: Option<&str>, key: String, is_old: bool) -> Name {
    Name { key, file: path.to_owned(), env: env.map(str::to_owned), is_old }
}

impl Workspace {
    /// What is looked for: all values that are worth it, less the keys that `git config stax.scanSkip` names.
    ///
    /// # Errors
    /// When git's configuration cannot be read.
    pub fn guard(&self, values: &Values) -> Result<Guard> {
        let skip = self.repo()?.config_multi("stax.scanSkip")?;
        Ok(Guard::new(&values.secrets, &values.ordinary, &skip))
    }

    /// The values of the SOPS files of the index: those that a policy or `.stax/vault.json` names, and those
    /// whose name says it.
    ///
    /// # Errors
    /// When git cannot read the index.
    pub fn values_of_index(&self) -> Result<Values> {
        let mut values = Values::default();
        self.add_index(&|_| false, &mut values)?;
        Ok(values)
    }

    /// The values of every SOPS file of the work tree, and of the index where that has others.
    ///
    /// # Errors
    /// As [`Self::values_of_index`].
    pub fn values_of_today(&self, changed: &[String]) -> Result<Values> {
        let mut values = Values::default();
        let vault = self.vault().ok().flatten();
        let files = self.secret_files()?;
        for (path, document) in &files {
            self.add(path, vault.as_ref(), document, &mut values);
        }
        self.add_index(&|path| changed.iter().any(|it| it == path), &mut values)?;
        Ok(values)
    }

    fn add_index(&self, also: &dyn Fn(&str) -> bool, values: &mut Values) -> Result<()> {
        let repo = self.repo()?;
        let entries = repo.index_entries()?;
        let text = |path: &str| -> Result<Option<String>> {
            Ok(repo.index_blob(path)?.and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let vault = text(VAULT)?.and_then(|text| Vault::parse(&text).ok());
        let bound = vault.iter().flat_map(|vault| &vault.files).map(|file| file.path.clone()).collect();
        let mut policies = Vec::new();
        for entry in entries.iter().filter(|entry| entry.path.rsplit('/').next() == Some(POLICY)) {
            policies.extend(text(&entry.path)?);
        }
        let wanted = candidates(bound, &policies);
        for entry in entries.into_iter().filter(|entry| entry.mode & 0o170_000 == 0o100_000) {
            if !(wanted(&entry.path) || also(&entry.path)) || entry.path.ends_with(POLICY) {
                continue;
            }
            let bytes = match repo.old_blob(entry.id) {
                Ok(bytes) if looks_sealed(&bytes) => bytes,
                Ok(_) | Err(RepoError::TooLarge { .. } | RepoError::Missing(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            match FileFacts::read(&entry.path, false, Some(&bytes)).content {
                Content::Document(document) => self.add(&entry.path, vault.as_ref(), &document, values),
                Content::Broken { line, what } => {
                    values.damaged.insert(entry.path, format!("line {line}: {what}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&self, path: &str, vault: Option<&Vault>, document: &Document, values: &mut Values) {
        let env = vault.and_then(|vault| vault.env_for_path(path));
        let is_known = || tokens(document).all(|(mark, ..)| values.seen.contains(&(path.to_owned(), mark)));
        // the copy in the index is most often that of the work tree
        if values.opened.contains(path) && is_known() {
            return;
        }
        let key = match unlock(&self.keyring, document) {
            Ok(key) => Some(key),
            Err(NoKey::Locked { .. }) => None,
            Err(NoKey::Fault(fault)) => {
                values.damaged.insert(path.to_owned(), fault.to_string());
                return;
            }
        };
        let list = if key.is_some() { &mut values.opened } else { &mut values.locked };
        list.insert(path.to_owned());
        values.collect(path, env, document, key.as_ref());
    }

    /// Adds what older versions of any file held, on every reference. What cannot be told stands in the
    /// history that comes back.
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
                let Some(value) = register.reading.value(&sealed.mark).and_then(Scalar::plaintext) else {
                    continue;
                };
                if values.seen.insert((path.clone(), sealed.mark)) {
                    let is_whole = Format::of_path(path) == Format::Binary;
                    let key = if is_whole { String::new() } else { key.clone() };
                    values.secrets.push(Secret { name: name(path, env, key, true), value });
                }
            }
        }
        Ok(register.history)
    }
}
