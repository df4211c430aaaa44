//! A command that did not do what was asked: what, why, what to type, and the exit code.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use shell_words::quote;
use sops_document::age::UnwrapError;
use sops_document::{EditError, OpenFault, SealError};

use crate::disk::DiskError;
use crate::keyring::{SourceError, SourceName, Tried};
use crate::policy::without_mail;
use crate::repo::RepoError;
use crate::verify::VerifyError;
use crate::workspace::WorkspaceError;

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
        Self {
            exit,
            message: message.into(),
            details: Vec::new(),
            hints: Vec::new(),
        }
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

    /// A lock of git is in the way. Nobody can tell whether its owner still lives, so it is not
    /// removed here.
    #[must_use]
    pub fn hint_of_lock(self, lock: &Path) -> Self {
        let word = quote(&lock.to_string_lossy()).into_owned();
        self.hint(format!(
            "where no git command is at work, one was killed and left it: rm {word}"
        ))
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
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
            RepoError::ConfigLocked(lock) => failure.hint_of_lock(&lock),
            _ => failure,
        }
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        let changed = matches!(error, DiskError::Changed(_));
        let failure = Self::usage(error.to_string());
        if changed {
            failure.hint("nothing was written; run the command again")
        } else {
            failure
        }
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

impl From<WorkspaceError> for Failure {
    fn from(error: WorkspaceError) -> Self {
        let message = error.to_string();
        match error {
            WorkspaceError::Repo(error) => error.into(),
            WorkspaceError::Disk(error) => error.into(),
            WorkspaceError::NoVault => Self::usage(message)
                .hint("stax secrets init --env production, or name a file with -f"),
            WorkspaceError::LeftOut(path) => {
                let folder = path
                    .rsplit_once('/')
                    .map_or(format!("/{path}"), |(folder, _)| folder.to_owned());
                Self::usage(message).hint(format!("git sparse-checkout add {folder}"))
            }
            WorkspaceError::LfsPointer(path) => {
                let word = shell_words::quote(&path);
                Self::usage(message).hint(format!("git lfs pull --include={word}"))
            }
            WorkspaceError::WhichEnv(_) | WorkspaceError::UnknownEnv { .. } => {
                Self::usage(message).hint("choose one with -e ENV")
            }
            WorkspaceError::Integrity {
                path,
                fault,
                has_plaintext,
            } => integrity(message, &path, &fault, has_plaintext),
            WorkspaceError::OwnStanza {
                path, why, others, ..
            } => own_stanza(message, &path, why, &others),
            WorkspaceError::Locked {
                path,
                env,
                tried,
                readers,
                parts,
            } => {
                let which = match env {
                    Some(env) => format!("-e {}", quote(&env)),
                    None => format!("-f {}", quote(&path)),
                };
                locked(message, parts, &tried, &readers, &which)
            }
            WorkspaceError::Groups { path, .. } => {
                Self::usage(message).hint(follow_policy("check the difference, then", &path))
            }
            WorkspaceError::Recipients {
                path,
                policy,
                extra,
                missing,
            } => {
                let failure = recipients(message, &policy, &extra, &missing);
                failure.hint(follow_policy("then let the file follow", &path))
            }
            _ => Self::usage(message),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Workspace(error) => error.into(),
            VerifyError::Repo(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

fn integrity(message: String, path: &str, fault: &OpenFault, has_plaintext: bool) -> Failure {
    let path = quote(path);
    if has_plaintext && matches!(fault, OpenFault::Value { .. }) {
        return Failure::new(Exit::Integrity, message).hint(format!(
            "encrypt what is plaintext: stax secrets encrypt -i {path}"
        ));
    }
    let failure = Failure::new(Exit::Integrity, message).hint(format!(
        "nothing was printed or changed; see who changed it: git log -p -- {path}"
    ));
    match fault {
        OpenFault::Mac => failure.hint(format!(
            "see what differs, and mend what is unencrypted: stax secrets reseal {path}"
        )),
        _ => failure,
    }
}

/// A reader's own stanza does not open: that is no matter of access, and only another reader can
/// mend it.
fn own_stanza(message: String, path: &str, why: UnwrapError, others: &[String]) -> Failure {
    let rule = if why == UnwrapError::NotForThisIdentity {
        "C01"
    } else {
        "K02"
    };
    let path = quote(path);
    let failure = Failure::new(Exit::Integrity, message)
        .hint(format!("see who changed it: git log -p -- {path}"))
        .hint(format!(
            "what it means: stax secrets verify --explain {rule}"
        ));
    match others.first() {
        Some(other) => failure.hint(format!(
            "ask {} to run: stax secrets rotate {path}",
            without_mail(other)
        )),
        None => failure,
    }
}

/// What to do about the first source that is there and of no use; `None` where there is none, so
/// that a key has to be made.
pub(in crate::cli) fn mend_source(tried: &[Tried]) -> Option<String> {
    let (source, error) = tried
        .iter()
        .find_map(|it| Some((&it.source, it.outcome.as_ref().err()?)))?;
    Some(match (source, error) {
        (_, SourceError::NotSilent) => "stax allow command".to_owned(),
        (SourceName::VariableFile(_), _) => "mend SOPS_AGE_KEY_FILE, or unset it".to_owned(),
        (SourceName::StandardFile(path), _) => {
            format!("mend {path}; it holds one AGE-SECRET-KEY-1… a line")
        }
        (source, _) => format!("mend {source}, or unset it"),
    })
}

fn follow_policy(before: &str, path: &str) -> String {
    format!("{before}: stax secrets updatekeys {}", quote(path))
}

/// `which` is the file as words of another command.
fn locked(
    message: String,
    parts: Option<String>,
    tried: &[Tried],
    readers: &[String],
    which: &str,
) -> Failure {
    let is_split = parts.is_some();
    let mut failure = parts
        .into_iter()
        .fold(Failure::new(Exit::Locked, message), Failure::detail);
    let mut own = None;
    for Tried { source, outcome } in tried {
        match outcome {
            Ok(keys) => {
                own = own.or_else(|| keys.first().map(ToString::to_string));
                let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
                failure = failure.detail(format!("tried: {} from {source}", keys.join(", ")));
            }
            Err(error) => failure = failure.detail(format!("tried: {source}, which {error}")),
        }
    }
    if tried.is_empty() {
        failure = failure.detail(
            "tried: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD and the standard key file: none is there",
        );
    }
    failure = failure.detail(format!("readable by: {}", readers.join(", ")));
    let Some(own) = own else {
        let make = "make a key and send its public half to a reader: stax secrets keygen";
        return failure.hint(mend_source(tried).unwrap_or_else(|| make.to_owned()));
    };
    if is_split {
        return failure
            .hint("the data key is split: readers of several key groups have to put it together");
    }
    let reader = without_mail(readers.first().map_or("a reader", String::as_str));
    failure.hint(format!(
        "ask {reader} to run: stax secrets add-recipient {own} {which} --name … --role …"
    ))
}

fn recipients(message: String, policy: &str, extra: &[String], missing: &[String]) -> Failure {
    let mut failure = Failure::usage(message);
    for key in extra {
        failure = failure.detail(format!("can read it but is not in the policy: {key}"));
    }
    for key in missing {
        failure = failure.detail(format!("is in the policy but cannot read it: {key}"));
    }
    failure.hint(format!(
        "check the difference with: git log -p {}",
        quote(policy)
    ))
}
