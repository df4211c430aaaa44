//! A command that did not do what was asked: what, why, what to type, and the exit code.

use std::fmt;
use std::process::ExitCode;

use crate::disk::DiskError;
use crate::repo::RepoError;
use crate::sops::{EditError, OpenFault, SealError};

/// The exit codes of every command but `exec` (DESIGN: 0 done, 1 a negative answer, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Findings, or a negative answer.
    No = 1,
    /// Usage or configuration.
    Usage = 2,
    /// No identity opens it.
    Locked = 3,
    /// A MAC or a value does not authenticate.
    Integrity = 4,
}

/// `error:` line, indented details, `hint:` lines.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    pub details: Vec<String>,
    pub hints: Vec<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), details: Vec::new(), hints: Vec::new() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn no(message: impl Into<String>) -> Self {
        Self::new(Exit::No, message)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// A value or MAC of this file is not what its writer sealed.
    pub fn integrity(path: &str, fault: &OpenFault) -> Self {
        Self::new(Exit::Integrity, format!("{path}: {fault}"))
            .hint("nothing was printed or changed; compare with: git log -p, git restore")
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<RepoError> for Failure {
    fn from(error: RepoError) -> Self {
        let failure = Self::usage(error.to_string());
        match error {
            RepoError::NotARepository(_) => failure.hint("start one with: git init"),
            _ => failure,
        }
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        let changed = matches!(error, DiskError::Changed { .. });
        let failure = Self::usage(error.to_string());
        if changed { failure.hint("nothing was written; run the command again") } else { failure }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        let failure = match &error {
            EditError::Missing(_) => Self::no(error.to_string()),
            _ => Self::usage(error.to_string()),
        };
        match error {
            EditError::Clear(..) => failure.hint("store it in clear on purpose with: --clear"),
            EditError::Missing(_) => failure.hint("see the names: stax secrets list"),
            _ => failure,
        }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::usage(format!("{error:#}"))
    }
}
