//! git, started for what `repo` does not do itself: the one place above it.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::keyring::IDENTITY_VARIABLES;
use crate::process::{self, ChildEnvironment, Output, ProcessError};
use crate::repo::{Repo, RepoError};

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error(transparent)]
    Repo(#[from] RepoError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Runs git in a folder, without the variables that lead to identities. Of the repository it runs
/// nothing that its configuration names; without one it has to stand outside of every repository,
/// or read no configuration.
///
/// # Errors
/// [`GitError`]; a failing status is not an error here.
pub fn run(
    repo: Option<&Repo>,
    folder: &Path,
    words: &[&str],
    timeout: Duration,
) -> Result<Output, GitError> {
    let argv: Vec<String> = ["git", "--no-pager"]
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect();
    let shield = repo.map(Repo::shield).transpose()?.unwrap_or_default();
    let add: Vec<_> = shield
        .iter()
        .map(|(name, value)| (*name, value.as_os_str()))
        .collect();
    let environment = ChildEnvironment {
        add: &add,
        remove: IDENTITY_VARIABLES,
    };
    Ok(process::run_command(&argv, folder, environment, timeout)?)
}

/// The same with the output of this process and no limit of time, over `input`.
///
/// # Errors
/// As [`run`].
pub fn run_over(repo: &Repo, words: &[OsString], input: &[u8]) -> Result<ExitStatus, GitError> {
    let argv: Vec<OsString> = std::iter::once("git".into())
        .chain(words.iter().cloned())
        .collect();
    let add: Vec<_> = repo
        .shield()?
        .iter()
        .map(|(name, value)| (*name, value.as_os_str()))
        .collect();
    let environment = ChildEnvironment {
        add: &add,
        remove: IDENTITY_VARIABLES,
    };
    Ok(process::run_over(&argv, repo.root(), environment, input)?)
}
