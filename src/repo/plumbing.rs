//! git itself, asked for what libgit2 cannot read. The arguments are ours; a name from outside stands only behind
//! `--end-of-options` or `--`, or on stdin. No shell, no pager, no lock, no question on the terminal.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::{Repo, RepoError};

/// How a repository was found, and so which variables lead a child to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a folder: the variables speak of something else.
    Discovered,
    /// By git, for a hook.
    Environment,
}

/// Of `git rev-parse --local-env-vars` those that name a repository or a part of one. What `git -c` said stays.
const NAMES: [&str; 11] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Variables that lead to an identity, which no child needs: those of sops, and stax's own.
fn leads_to_identity(name: &str) -> bool {
    name.starts_with("SOPS_AGE_") || name == "RUNNER_SECRETS_KEY"
}

/// `git`, with nothing to do yet.
pub(super) fn git(naming: Naming) -> Command {
    let mut command = Command::new("git");
    command.args(["--no-pager", "--no-optional-locks", "--literal-pathspecs"]);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leads_to_identity) {
            command.env_remove(name);
        }
    }
    if naming == Naming::Discovered {
        NAMES.iter().for_each(|name| {
            command.env_remove(name);
        });
    }
    command
}

impl Repo {
    /// `git`, for this repository.
    pub(super) fn plumbing(&self) -> Command {
        let mut command = git(self.naming);
        command.env("GIT_DIR", self.git.path());
        if !self.may_fetch.get() {
            command.env("GIT_NO_LAZY_FETCH", "1");
        }
        if let Some(root) = self.git.workdir() {
            command.env("GIT_WORK_TREE", root);
            if self.naming == Naming::Discovered {
                command.current_dir(root);
            }
        }
        command
    }

    /// What git answers; `None` when it says no without a word, as it does for a name that is not there.
    pub(super) fn ask(&self, args: &[&str]) -> Result<Option<Vec<u8>>, RepoError> {
        let mut command = self.plumbing();
        command.args(args);
        answer(command, b"")
    }
}

/// Runs a command over `input`.
pub(super) fn answer(mut command: Command, input: &[u8]) -> Result<Option<Vec<u8>>, RepoError> {
    let failed = |error: std::io::Error| RepoError::Git(format!("cannot run git: {error}"));
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // git may answer before it has read all, and neither waits for the other then; it says better than the
        // pipe why it did not read all
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = |line: &str| line.strip_prefix("error: ").or(line.strip_prefix("fatal: ")).map(str::to_owned);
    match said.lines().find_map(error).or_else(|| said.lines().next().map(str::to_owned)) {
        Some(line) => Err(RepoError::Git(line)),
        None => Ok(None),
    }
}

/// Runs a command and hands over what it writes as it comes.
pub(super) fn stream(mut command: Command, take: &mut dyn FnMut(&[u8])) -> Result<(), RepoError> {
    let failed = |error: std::io::Error| RepoError::Git(format!("cannot run git: {error}"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let mut part = vec![0; PART];
    if let Some(mut stdout) = child.stdout.take() {
        loop {
            match stdout.read(&mut part) {
                Ok(0) => break,
                Ok(length) => take(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    match child.wait().map_err(failed)?.success() {
        true => Ok(()),
        false => Err(RepoError::Git("cat-file failed".to_owned())),
    }
}

/// Bytes that are read at once.
const PART: usize = 64 << 10;
