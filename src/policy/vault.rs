//! `.stax/vault.json`: which files of the repository are environments of stax, and known
//! exceptions.
//!
//! The file comes with a clone and names paths that stax will read and write, so it is read
//! strictly: unknown fields and any path that could leave the repository, or mean another file on
//! another file system, are refused.
//!
//! The schema is `docs/vault.schema.json`. Version 1 is written while nothing else is needed; a
//! field of version 2 makes the file say so, and an older stax then names what it needs instead of
//! passing over what it does not know.

mod later;
mod paths;

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

pub use later::{Backend, BackendKind, KeyNote, KeyType, PostQuantum, RequiredReaders, Variable};
use paths::is_invisible;
pub use paths::{check_env, check_path};

const FIRST: u64 = 1;
/// The newest version that this stax reads.
const NEWEST: u64 = 2;
/// The stax that reads version 2.
const SINCE: &str = "0.2";
const OURS: &str = env!("CARGO_PKG_VERSION");
const BACKEND: &str = "sops-age";

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    version: u64,
    /// The oldest stax that reads the file, for the error of one that does not.
    #[serde(default)]
    stax: Option<String>,
    backend: String,
    pub files: Vec<BoundFile>,
    #[serde(default)]
    pub allow: Vec<Allow>,
    /// Where the roster lies, when not in `infra/secrets`.
    #[serde(default)]
    pub roster: Option<String>,
    #[serde(default)]
    pub postquantum: Option<PostQuantum>,
    #[serde(default)]
    pub readers: Vec<RequiredReaders>,
    #[serde(default)]
    pub vars: Vec<Variable>,
    #[serde(default)]
    pub keys: Vec<KeyNote>,
    #[serde(default)]
    pub backends: Vec<Backend>,
}

/// A managed file: its path from the root of the repository, with `/`, and its environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BoundFile {
    pub path: String,
    pub env: String,
}

/// A finding that the repository accepts, and why. `rule` is an id or a name of a rule, which the
/// judge checks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    pub rule: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub why: String,
}

/// Why a `.stax/vault.json` is refused; paths are shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("line {line}: {what}")]
    Json { line: usize, what: String },
    #[error("version {0}; stax {OURS} knows versions 1 and 2")]
    Version(u64),
    #[error("version {version} needs {}; this is stax {OURS}, which knows versions 1 and 2", needed(needs.as_deref()))]
    Newer { version: u64, needs: Option<String> },
    #[error("`{0}` is a field of version 2, and the file says version 1")]
    Early(&'static str),
    #[error("{field}: {name:?} {why}")]
    Later {
        field: &'static str,
        name: String,
        why: &'static str,
    },
    #[error("backend {0:?}; this stax knows \"sops-age\"")]
    Backend(String),
    #[error("path {path:?} {why}")]
    Path { path: String, why: &'static str },
    #[error(
        "environment {0:?}: lower-case letters, digits, `_` and `-`, at most 64, a letter or digit first"
    )]
    Env(String),
    #[error("path {0:?} is bound twice (upper and lower case count as the same)")]
    PathTwice(String),
    #[error("environment `{0}` is bound twice")]
    EnvTwice(String),
    #[error("allow: {rule:?}: {why}")]
    Allow { rule: String, why: &'static str },
}

impl Default for Vault {
    fn default() -> Self {
        Self::new()
    }
}

impl Vault {
    /// Version 1, backend `sops-age`, no files.
    #[must_use]
    pub fn new() -> Self {
        Self {
            version: FIRST,
            stax: None,
            backend: BACKEND.into(),
            files: Vec::new(),
            allow: Vec::new(),
            roster: None,
            postquantum: None,
            readers: Vec::new(),
            vars: Vec::new(),
            keys: Vec::new(),
            backends: Vec::new(),
        }
    }

    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// [`VaultError`]
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let known: serde_json::Value =
            serde_json::from_str(text).map_err(|error| json_error(&error))?;
        // another version has other fields: that is the first thing to say
        if let Some(version) = known.get("version").and_then(serde_json::Value::as_u64) {
            check_version(
                version,
                known.get("stax").and_then(serde_json::Value::as_str),
            )?;
        }
        let vault: Self = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        vault.check()?;
        Ok(vault)
    }

    /// The same for a judge: of a file whose version is newer than this stax, what it binds and
    /// allows as far as its entries have the form that we know. The hooks judge by that, and B01
    /// says that it is not all.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), less [`VaultError::Newer`].
    pub fn known(text: &str) -> Result<Self, VaultError> {
        match Self::parse(text) {
            Err(VaultError::Newer { .. }) => Ok(Self::of_newer(text)),
            parsed => parsed,
        }
    }

    fn of_newer(text: &str) -> Self {
        let mut vault = Self::new();
        let known: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let entries = |name: &str| {
            known
                .get(name)
                .and_then(serde_json::Value::as_array)
                .into_iter()
                .flatten()
        };
        for file in entries("files") {
            let text = |name: &str| file.get(name).and_then(serde_json::Value::as_str);
            if let (Some(path), Some(env)) = (text("path"), text("env")) {
                // what is not accepted is left out
                let _ = vault.add(path, env);
            }
        }
        let allow = entries("allow").filter_map(|entry| serde_json::from_value(entry.clone()).ok());
        vault.allow = allow.filter(|entry| check_allow(entry).is_ok()).collect();
        vault
    }

    /// The version that the content needs.
    #[must_use]
    pub fn version(&self) -> u64 {
        if self.later_field().is_some() {
            NEWEST
        } else {
            FIRST
        }
    }

    /// What teammates have to know when a file of version 1, or none, becomes this one: their stax
    /// may not read it.
    #[must_use]
    pub fn upgrade(&self, before: Option<&Self>) -> Option<String> {
        let field = self.later_field()?;
        let is_new = before.is_none_or(|before| before.version() < self.version());
        is_new.then(|| {
            format!(
                "`{field}` makes it version {}: whoever works here needs stax ≥ {} from now on",
                self.version(),
                self.needs()
            )
        })
    }

    fn needs(&self) -> &str {
        self.stax.as_deref().unwrap_or(SINCE)
    }

    /// The file as stax writes it: two columns a level, one entry a line, nothing that is empty.
    #[must_use]
    pub fn render(&self) -> String {
        let version = self.version();
        let mut parts = vec![format!("  \"version\": {version}")];
        let mut text = |name: &str, value: &str| parts.push(format!("  \"{name}\": {value}"));
        if version > FIRST {
            text("stax", &spaced(&self.needs()));
        }
        text("backend", &spaced(&self.backend));
        text("files", &list(&self.files));
        if !self.allow.is_empty() {
            text("allow", &list(&self.allow));
        }
        self.roster
            .iter()
            .for_each(|roster| text("roster", &spaced(roster)));
        self.postquantum
            .iter()
            .for_each(|level| text("postquantum", &spaced(level)));
        let lists = [
            ("readers", list(&self.readers)),
            ("vars", list(&self.vars)),
            ("keys", list(&self.keys)),
            ("backends", list(&self.backends)),
        ];
        lists
            .iter()
            .filter(|(_, list)| list != "[]")
            .for_each(|(name, list)| text(name, list));
        format!("{{\n{}\n}}\n", parts.join(",\n"))
    }

    /// Binds a file behind the others; a second time it changes nothing.
    ///
    /// # Errors
    /// [`VaultError`]: a path or environment that is not accepted, or bound otherwise.
    pub fn add(&mut self, path: &str, env: &str) -> Result<(), VaultError> {
        let file = BoundFile {
            path: path.to_owned(),
            env: env.to_owned(),
        };
        if self.files.contains(&file) {
            return Ok(());
        }
        let mut vault = self.clone();
        vault.files.push(file);
        *self = vault.edited()?;
        Ok(())
    }

    /// Binds the environment of one path to another path, in the same place.
    ///
    /// # Errors
    /// [`VaultError`]: a path that is not accepted, or bound already.
    pub fn rebind(&mut self, from: &str, to: &str) -> Result<(), VaultError> {
        let mut vault = self.clone();
        for file in vault.files.iter_mut().filter(|file| file.path == from) {
            to.clone_into(&mut file.path);
        }
        *self = vault.edited()?;
        Ok(())
    }

    /// Takes a binding out; the environment that it had.
    pub fn unbind(&mut self, path: &str) -> Option<String> {
        let at = self.files.iter().position(|file| file.path == path)?;
        Some(self.files.remove(at).env)
    }

    /// After a change of fields: with the version that they need.
    ///
    /// # Errors
    /// [`VaultError`], where what was changed is not accepted.
    pub fn edited(mut self) -> Result<Self, VaultError> {
        self.version = self.version();
        self.stax = (self.version > FIRST).then(|| self.needs().to_owned());
        self.check()?;
        Ok(self)
    }

    #[must_use]
    pub fn file_for_env(&self, env: &str) -> Option<&BoundFile> {
        self.files.iter().find(|file| file.env == env)
    }

    #[must_use]
    pub fn env_for_path(&self, path: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.env.as_str())
    }

    fn check(&self) -> Result<(), VaultError> {
        check_version(self.version, self.stax.as_deref())?;
        if self.version == FIRST {
            let field = self
                .stax
                .is_some()
                .then_some("stax")
                .or_else(|| self.later_field());
            field.map_or(Ok(()), |field| Err(VaultError::Early(field)))?;
        }
        if self.stax.as_ref().is_some_and(|number| !is_release(number)) {
            return Err(VaultError::Later {
                field: "stax",
                name: String::new(),
                why: "is no number of a release",
            });
        }
        if self.backend != BACKEND {
            return Err(VaultError::Backend(self.backend.clone()));
        }
        for (position, file) in self.files.iter().enumerate() {
            check_path(&file.path)?;
            check_env(&file.env)?;
            let earlier = &self.files[..position];
            if earlier
                .iter()
                .any(|other| other.path.to_lowercase() == file.path.to_lowercase())
            {
                return Err(VaultError::PathTwice(file.path.clone()));
            }
            if earlier.iter().any(|other| other.env == file.env) {
                return Err(VaultError::EnvTwice(file.env.clone()));
            }
        }
        self.allow.iter().try_for_each(check_allow)?;
        self.check_later()
    }
}

fn check_version(version: u64, needs: Option<&str>) -> Result<(), VaultError> {
    match version {
        FIRST..=NEWEST => Ok(()),
        0 => Err(VaultError::Version(version)),
        _ => {
            let needs = needs.filter(|number| is_release(number)).map(str::to_owned);
            Err(VaultError::Newer { version, needs })
        }
    }
}

/// `0.2`, `1.12.3`
fn is_release(number: &str) -> bool {
    let is_number =
        |part: &str| !part.is_empty() && part.len() < 6 && part.bytes().all(|b| b.is_ascii_digit());
    (2..=3).contains(&number.split('.').count()) && number.split('.').all(is_number)
}

fn needed(release: Option<&str>) -> String {
    release.map_or_else(
        || "a newer stax".to_owned(),
        |release| format!("stax ≥ {release}"),
    )
}

fn list(entries: &[impl Serialize]) -> String {
    let lines: Vec<String> = entries.iter().map(spaced).collect();
    if lines.is_empty() {
        "[]".to_owned()
    } else {
        format!("[\n    {}\n  ]", lines.join(",\n    "))
    }
}

/// On one line, with a blank behind each comma and colon.
fn spaced(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, Spaced));
    // text and lists of text are always JSON
    debug_assert!(written.is_ok());
    String::from_utf8(out).unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn check_allow(allow: &Allow) -> Result<(), VaultError> {
    let fault = |why| {
        Err(VaultError::Allow {
            rule: allow.rule.chars().take(64).collect(),
            why,
        })
    };
    check_path(&allow.path)?;
    if allow.why.trim().is_empty() || allow.why.chars().any(is_invisible) {
        return fault("`why` must give a reason, in one line");
    }
    if allow.key.as_ref().is_some_and(|key| key.is_empty()) {
        return fault("`key` is empty; leave it out to mean the whole file");
    }
    Ok(())
}

/// serde_json quotes what it found; only what was expected is repeated.
fn json_error(error: &serde_json::Error) -> VaultError {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let what = match text.split_once(", expected ") {
        Some((what, expected)) if what.starts_with("invalid ") => format!("expected {expected}"),
        _ => text.escape_debug().to_string(),
    };
    VaultError::Json {
        line: error.line(),
        what,
    }
}

#[cfg(test)]
mod tests;
