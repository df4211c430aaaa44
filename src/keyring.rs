//! Where identities come from.
//!
//! Sources are read in a fixed order, each at most once, and only until one opens the file at hand.
//! What a source holds stays here: callers get a borrowed [`Identity`] to try, or public keys.

mod environment;
mod key_file;

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::trace;

use sops_document::age::{Identity, IdentityFileError, Recipient, parse_identities};

pub use environment::Environment;
pub use key_file::{KeyFileError, OpenFile, create_key_file};

/// Variables that hold or lead to an identity. A child process never inherits them.
pub const IDENTITY_VARIABLES: &[&str] = &[
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "RUNNER_SECRETS_KEY",
];

/// Runs the words of `SOPS_AGE_KEY_CMD` without a shell and gives its stdout. The second argument
/// is for `SOPS_AGE_RECIPIENT`. The error is one line without any output of the command.
pub type RunCommand = dyn Fn(&[String], Option<&str>) -> Result<Zeroizing<String>, String>;

/// A place that may hold identities. The order of the variants is the order in which they are read;
/// an OS keychain belongs between `Command` and `StandardFile`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceName {
    /// The key itself, in `SOPS_AGE_KEY`.
    Variable,
    /// The file that `SOPS_AGE_KEY_FILE` names, home shortened to `~`.
    VariableFile(String),
    /// The output of `SOPS_AGE_KEY_CMD`.
    Command,
    /// The key file of the platform, home shortened to `~`.
    StandardFile(String),
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("SOPS_AGE_KEY"),
            Self::VariableFile(path) => write!(f, "SOPS_AGE_KEY_FILE={path}"),
            Self::Command => f.write_str("SOPS_AGE_KEY_CMD"),
            Self::StandardFile(path) => f.write_str(path),
        }
    }
}

/// Why a source gave no identity. It never holds the text of a key or the output of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("is set but empty")]
    Empty,
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// sops does not expand it either.
    #[error("begins with a literal `~`, which only a shell expands: write the whole path")]
    Tilde,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is larger than 1 MiB")]
    TooLarge,
    #[error(transparent)]
    Content(#[from] IdentityFileError),
    #[error("is not a command: {0}")]
    BadCommand(String),
    #[error("failed: {0}")]
    Command(String),
    #[error("is not run when git asks; to allow it: stax allow command")]
    NotSilent,
}

/// One source that was asked, and the public keys it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub source: SourceName,
    pub outcome: Result<Vec<Recipient>, SourceError>,
}

/// No identity opened it. An empty list means that no source is there at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no identity opens it")]
pub struct NotOpened {
    pub tried: Vec<Tried>,
}

/// Whether the command source may run. Git asks for diffs often and unseen, so there it must be
/// allowed by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandSource {
    Allowed,
    Forbidden,
}

/// The identities of this process, loaded when first needed.
pub struct Keyring {
    sources: Vec<KeySource>,
    run: Box<RunCommand>,
    command_source: CommandSource,
    command_recipient: OnceCell<String>,
    standard_file: Option<PathBuf>,
}

struct KeySource {
    name: SourceName,
    origin: KeyOrigin,
    identities: OnceCell<Result<Vec<Identity>, SourceError>>,
}

enum KeyOrigin {
    Text(Zeroizing<Vec<u8>>),
    File(PathBuf),
    Command(Zeroizing<Vec<u8>>),
    /// A file that may well not exist.
    OptionalFile(PathBuf),
}

impl Keyring {
    /// Looks at the environment only; nothing is read or run yet.
    #[must_use]
    pub fn new(
        environment: &Environment,
        command_source: CommandSource,
        run: Box<RunCommand>,
    ) -> Self {
        let standard_file = environment.standard_key_file();
        let mut sources = Vec::new();
        let mut add = |name, origin| {
            sources.push(KeySource {
                name,
                origin,
                identities: OnceCell::new(),
            })
        };
        if let Some(text) = environment.get("SOPS_AGE_KEY") {
            add(SourceName::Variable, KeyOrigin::Text(text));
        }
        if let Some(path) = environment.path("SOPS_AGE_KEY_FILE") {
            add(
                SourceName::VariableFile(environment.shorten(&path)),
                KeyOrigin::File(path),
            );
        }
        if let Some(line) = environment.get("SOPS_AGE_KEY_CMD") {
            add(SourceName::Command, KeyOrigin::Command(line));
        }
        if let Some(path) = &standard_file {
            add(
                SourceName::StandardFile(environment.shorten(path)),
                KeyOrigin::OptionalFile(path.clone()),
            );
        }
        Self {
            sources,
            run,
            command_source,
            command_recipient: OnceCell::new(),
            standard_file,
        }
    }

    /// The recipient that a command source is told in `SOPS_AGE_RECIPIENT`. It runs once, so the
    /// first recipient of the first file stays.
    pub fn ask_for(&self, recipient: &str) {
        let _ = self.command_recipient.set(recipient.to_owned());
    }

    /// Where sops looks without any variable, and where `keygen` writes. `None` without a home.
    #[must_use]
    pub fn standard_file(&self) -> Option<&Path> {
        self.standard_file.as_deref()
    }

    /// Hands one identity after the other to `try_one` and stops at the first that gives a value.
    /// Sources behind it are not read. An error in one source does not stop the next.
    ///
    /// # Errors
    /// [`NotOpened`] lists what was tried.
    pub fn open_with<T>(
        &self,
        try_one: &mut dyn FnMut(&Identity, &SourceName) -> Option<T>,
    ) -> Result<T, NotOpened> {
        for (source, identities) in self.present() {
            for identity in identities.iter().flatten() {
                if let Some(opened) = try_one(identity, &source.name) {
                    return Ok(opened);
                }
            }
        }
        Err(NotOpened {
            tried: self.survey(),
        })
    }

    /// The identities of the sources that were read so far; no other is read.
    pub fn loaded(&self) -> impl Iterator<Item = &Identity> {
        self.sources
            .iter()
            .filter_map(|source| source.identities.get())
            .flatten()
            .flatten()
    }

    /// The public keys of [`Self::loaded`].
    #[must_use]
    pub fn holds(&self, recipient: &str) -> bool {
        self.loaded()
            .any(|identity| identity.recipient().to_string() == recipient)
    }

    /// The first source that holds a key, and its public keys. Later sources are not read.
    #[must_use]
    pub fn first_source(&self) -> Option<(SourceName, Vec<Recipient>)> {
        self.present().find_map(|(source, identities)| {
            identities
                .as_ref()
                .ok()
                .map(|found| (source.name.clone(), publics(found)))
        })
    }

    /// Every source that is there, read to the end. A missing standard key file is not listed.
    #[must_use]
    pub fn survey(&self) -> Vec<Tried> {
        self.present()
            .map(|(source, identities)| Tried {
                source: source.name.clone(),
                outcome: identities.as_deref().map(publics).map_err(Clone::clone),
            })
            .collect()
    }

    /// Key files that others than their owner may read.
    #[must_use]
    pub fn open_files(&self) -> Vec<OpenFile> {
        let file = |source: &KeySource| match &source.origin {
            KeyOrigin::File(path) | KeyOrigin::OptionalFile(path) => {
                OpenFile::at(path, &source.name)
            }
            KeyOrigin::Text(_) | KeyOrigin::Command(_) => None,
        };
        self.sources.iter().filter_map(file).collect()
    }

    fn present(&self) -> impl Iterator<Item = (&KeySource, &Result<Vec<Identity>, SourceError>)> {
        self.sources
            .iter()
            .filter(|source| !matches!(&source.origin, KeyOrigin::OptionalFile(path) if is_missing(path)))
            .map(|source| (source, source.identities.get_or_init(|| self.load_traced(source))))
    }

    fn load_traced(&self, source: &KeySource) -> Result<Vec<Identity>, SourceError> {
        let loaded = self.load(&source.origin);
        trace::step("keyring", || match &loaded {
            Ok(identities) => format!("source {}: {} identities", source.name, identities.len()),
            Err(_) => format!("source {}: of no use", source.name),
        });
        loaded
    }

    fn load(&self, origin: &KeyOrigin) -> Result<Vec<Identity>, SourceError> {
        match origin {
            KeyOrigin::Text(bytes) => parse(bytes),
            KeyOrigin::File(path) if path.starts_with("~") && is_missing(path) => {
                Err(SourceError::Tilde)
            }
            KeyOrigin::File(path) | KeyOrigin::OptionalFile(path) => parse(&key_file::read(path)?),
            KeyOrigin::Command(line) => self.load_from_command(line),
        }
    }

    fn load_from_command(&self, line: &[u8]) -> Result<Vec<Identity>, SourceError> {
        if self.command_source == CommandSource::Forbidden {
            return Err(SourceError::NotSilent);
        }
        let line = std::str::from_utf8(line).map_err(|_| SourceError::NotText)?;
        let words =
            shell_words::split(line).map_err(|error| SourceError::BadCommand(error.to_string()))?;
        // sops crashes on an empty command
        if words.first().is_none_or(String::is_empty) {
            return Err(SourceError::Empty);
        }
        let output = (self.run)(&words, self.command_recipient.get().map(String::as_str))
            .map_err(SourceError::Command)?;
        parse(output.as_bytes())
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Identity>, SourceError> {
    if bytes.is_empty() {
        return Err(SourceError::Empty);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| SourceError::NotText)?;
    Ok(parse_identities(text)?)
}

fn publics(identities: &[Identity]) -> Vec<Recipient> {
    identities.iter().map(Identity::recipient).collect()
}

/// Only plain absence: a file that may not be read is reported, not passed over.
fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

#[cfg(test)]
mod tests;
