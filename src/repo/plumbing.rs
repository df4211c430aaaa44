//! git itself, asked for what libgit2 cannot read. The arguments are ours; a name from outside
//! stands only behind `--end-of-options` or `--`, or on stdin. No shell, no pager, no lock, no
//! question on the terminal.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::{Command, Stdio};

use super::programs::Shield;
use super::{Repo, RepoError};
use crate::trace;

/// A list of the transports that are allowed, whatever is configured.
pub(super) const PROTOCOLS: &str = "GIT_ALLOW_PROTOCOL";

/// How a repository was found, and so which variables lead a child to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a folder: the variables speak of something else.
    Discovered,
    /// By git, for a hook.
    Environment,
}

/// Of `git rev-parse --local-env-vars` those that name a repository or a part of one. What `git -c`
/// said stays.
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
    /// `git`, for this repository, whose own configuration starts nothing.
    pub(super) fn plumbing(&self) -> Result<Command, RepoError> {
        let mut command = self.unshielded();
        command.envs(self.shield()?.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// What keeps a git that is started here from running what the configuration of the repository
    /// names: variables to add to its environment.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot say what is configured; then none may be started.
    pub fn shield(&self) -> Result<&[(&'static str, OsString)], RepoError> {
        if let Some(variables) = self.shield.get() {
            return Ok(variables);
        }
        let shield = Shield::against(&self.settings()?);
        let present = std::env::var_os("GIT_CONFIG_PARAMETERS").unwrap_or_default();
        let parameters = OsString::from_vec(shield.parameters(present.as_bytes()));
        let mut variables = vec![
            ("GIT_CONFIG_PARAMETERS", parameters),
            ("GIT_PROTOCOL_FROM_USER", "0".into()),
        ];
        if shield.has_git_proxy && std::env::var_os("GIT_PROXY_COMMAND").is_none() {
            variables.push(("GIT_PROXY_COMMAND", OsStr::new("").to_owned()));
        }
        if shield.has_upload_pack {
            // a fetch that git itself begins would start it
            variables.extend([
                ("GIT_NO_LAZY_FETCH", "1".into()),
                (PROTOCOLS, "none".into()),
            ]);
        }
        Ok(self.shield.get_or_init(|| variables))
    }

    /// The same before anything is known of its configuration; for `git config` alone, which starts
    /// nothing.
    pub(super) fn unshielded(&self) -> Command {
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

    /// What git answers; `None` when it says no without a word, as it does for a name that is not
    /// there.
    pub(super) fn ask(&self, args: &[&str]) -> Result<Option<Vec<u8>>, RepoError> {
        let mut command = self.plumbing()?;
        command.args(args);
        answer(command, b"")
    }
}

/// Of a git that is about to start only its command is traced: behind it stand names from outside.
pub(super) fn started(command: &Command) {
    trace::step("repo", || {
        let is_command = |word: &&str| {
            !word.starts_with('-')
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let mut words = command.get_args().filter_map(OsStr::to_str);
        format!("start git {}", words.find(is_command).unwrap_or_default())
    });
}

/// Runs a command over `input`.
pub(super) fn answer(mut command: Command, input: &[u8]) -> Result<Option<Vec<u8>>, RepoError> {
    started(&command);
    let failed = |error: std::io::Error| RepoError::Git(format!("cannot run git: {error}"));
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // git may answer before it has read all, and neither waits for the other then; it says
        // better than the pipe why it did not read all
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = |line: &str| {
        line.strip_prefix("error: ")
            .or(line.strip_prefix("fatal: "))
            .map(str::to_owned)
    };
    match said
        .lines()
        .find_map(error)
        .or_else(|| said.lines().next().map(str::to_owned))
    {
        Some(line) => Err(RepoError::Git(line)),
        None => Ok(None),
    }
}

/// Runs a command and hands over what it writes as it comes.
pub(super) fn stream(mut command: Command, take: &mut dyn FnMut(&[u8])) -> Result<(), RepoError> {
    started(&command);
    let failed = |error: std::io::Error| RepoError::Git(format!("cannot run git: {error}"));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
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
