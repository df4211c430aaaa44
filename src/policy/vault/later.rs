//! The fields of version 2. They are read strictly and kept; what acts on them comes with its
//! command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::paths::{check_env, check_path, is_invisible};
use super::{Vault, VaultError};

const MAX_TEXT_BYTES: usize = 256;

/// Who must be among the readers of a file, or of every file below a folder (`path` ends with `/`),
/// by the roles of the roster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredReaders {
    pub path: String,
    pub roles: Vec<String>,
}

/// A key that is a variable and no secret, in one environment or in all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

/// What a key is for, in one environment or in all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyNote {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KeyType>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    String,
    Int,
    Float,
    Bool,
}

/// Whether every reader must have a key that a quantum computer does not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PostQuantum {
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    #[serde(rename = "1password")]
    OnePassword,
    Doppler,
    R2,
    Github,
}

/// A place that values are pushed to, or pulled from. Names and ids, never a token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    pub kind: BackendKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Of 1Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Of Doppler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Of R2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Of GitHub: `owner/name`, and one of its environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Which keys, under which names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(rename = "as", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

impl Backend {
    /// Each place that a kind may name, with its name in the file; the first ones are needed.
    fn places(&self) -> [(&'static str, Option<&String>, &'static [BackendKind], bool); 8] {
        use BackendKind::{Doppler, Github, OnePassword, R2};
        [
            ("vault", self.vault.as_ref(), &[OnePassword], true),
            ("item", self.item.as_ref(), &[OnePassword], false),
            ("project", self.project.as_ref(), &[Doppler], true),
            ("config", self.config.as_ref(), &[Doppler], true),
            ("bucket", self.bucket.as_ref(), &[R2], false),
            ("object", self.object.as_ref(), &[R2], false),
            ("repository", self.repository.as_ref(), &[Github], true),
            ("environment", self.environment.as_ref(), &[Github], false),
        ]
    }

    fn check(&self) -> Result<(), VaultError> {
        for (name, value, kinds, is_needed) in self.places() {
            match value {
                Some(_) if !kinds.contains(&self.kind) => {
                    return fault("backends", name, "is of another kind");
                }
                Some(text) => one_line("backends", text)?,
                None if is_needed && kinds.contains(&self.kind) => {
                    return fault("backends", name, "is needed for this kind");
                }
                None => {}
            }
        }
        let is_pair = |name: &String| name.split('/').filter(|part| !part.is_empty()).count() == 2;
        if let Some(name) = self.repository.as_ref().filter(|name| !is_pair(name)) {
            return fault("backends", name, "is no owner/name");
        }
        if !self.only.is_empty() && !self.except.is_empty() {
            return fault("backends", "only", "stands beside `except`");
        }
        let texts = self.only.iter().chain(&self.except).chain(&self.prefix);
        texts
            .chain(self.names.keys())
            .chain(self.names.values())
            .try_for_each(|text| one_line("backends", text))?;
        self.env.iter().try_for_each(|env| check_env(env))
    }
}

impl Vault {
    /// The first field that version 1 does not know.
    pub(super) fn later_field(&self) -> Option<&'static str> {
        let fields = [
            ("roster", self.roster.is_some()),
            ("postquantum", self.postquantum.is_some()),
            ("readers", !self.readers.is_empty()),
            ("vars", !self.vars.is_empty()),
            ("keys", !self.keys.is_empty()),
            ("backends", !self.backends.is_empty()),
        ];
        fields
            .into_iter()
            .find_map(|(name, is_there)| is_there.then_some(name))
    }

    pub(super) fn check_later(&self) -> Result<(), VaultError> {
        self.roster.iter().try_for_each(|path| check_path(path))?;
        for (position, readers) in self.readers.iter().enumerate() {
            check_path(readers.path.strip_suffix('/').unwrap_or(&readers.path))?;
            if readers.roles.is_empty() {
                return fault("readers", &readers.path, "names no role");
            }
            readers
                .roles
                .iter()
                .try_for_each(|role| one_line("readers", role))?;
            if self.readers[..position]
                .iter()
                .any(|other| other.path == readers.path)
            {
                return fault("readers", &readers.path, "stands there twice");
            }
        }
        let vars = self.vars.iter().map(|it| (&it.key, it.env.as_deref()));
        once_each("vars", &vars.collect::<Vec<_>>())?;
        let keys = self.keys.iter().map(|it| (&it.key, it.env.as_deref()));
        once_each("keys", &keys.collect::<Vec<_>>())?;
        self.keys
            .iter()
            .filter_map(|it| it.description.as_ref())
            .try_for_each(|text| one_line("keys", text))?;
        self.backends.iter().try_for_each(Backend::check)
    }
}

fn once_each(field: &'static str, names: &[(&String, Option<&str>)]) -> Result<(), VaultError> {
    for (position, (key, env)) in names.iter().enumerate() {
        one_line(field, key)?;
        env.iter().try_for_each(|env| check_env(env))?;
        if names[..position].contains(&(key, *env)) {
            return fault(field, key, "stands there twice");
        }
    }
    Ok(())
}

/// What people and programs read as one name.
fn one_line(field: &'static str, text: &str) -> Result<(), VaultError> {
    let is_good =
        !text.trim().is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(is_invisible);
    if is_good {
        Ok(())
    } else {
        fault(
            field,
            text,
            "is empty, longer than 256 bytes, or more than one line",
        )
    }
}

fn fault(field: &'static str, name: &str, why: &'static str) -> Result<(), VaultError> {
    Err(VaultError::Later {
        field,
        name: name.chars().take(64).collect(),
        why,
    })
}
