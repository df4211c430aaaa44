//! Objects that a partial clone left with its remote.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use git2::{OdbLookupFlags, Oid};

use super::plumbing::{PROTOCOLS, answer};
use super::programs::upload_pack;
use super::{CommitWalk, Repo, RepoError, TreeEntry};

/// So many files of a commit or versions of the log are fetched in one go. More are worth a word:
/// they count as missing.
pub(super) const AT_ONCE: usize = 1000;

impl Repo {
    /// From now on git may fetch what this clone lacks, as it does in its own commands. Not for
    /// textconv: a log starts it for each version, and one that waits for a network looks like one
    /// that hangs.
    pub fn let_git_fetch(&self) {
        self.may_fetch.set(true);
    }

    /// The remote that has the objects which this clone left out; `None` in a whole one.
    fn promisor(&self) -> Option<String> {
        if let Ok(Some(name)) = self.config_string("extensions.partialclone") {
            return Some(name);
        }
        let remotes = self.sections_with("remote", "promisor").ok()?;
        let is_on = |remote: &String| {
            self.config_bool(&format!("remote.{remote}.promisor"))
                .ok()
                .flatten()
                == Some(true)
        };
        remotes.into_iter().find(is_on)
    }

    /// Whether objects may be missing on purpose.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.promisor().is_some()
    }

    /// Fetches what is missing of a list, all in one go, unless it is more than `most`; says
    /// whether git was asked and did. What failed or was too much is not tried again piece by
    /// piece.
    pub(super) fn bring(&self, ids: impl Iterator<Item = Oid>, most: usize) -> bool {
        let is_set = |text: String| !matches!(&*text, "" | "0" | "false" | "no" | "off");
        if !self.may_fetch.get() || std::env::var("GIT_NO_LAZY_FETCH").is_ok_and(is_set) {
            return false;
        }
        let Some(remote) = self.promisor() else {
            return false;
        };
        let Ok(odb) = self.git.odb() else {
            return false;
        };
        let mut missing: Vec<Oid> = ids
            .filter(|id| !odb.exists_ext(*id, OdbLookupFlags::NO_REFRESH))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() || missing.len() > most {
            self.may_fetch.set(missing.is_empty());
            return false;
        }
        // what git itself runs when it comes upon such an object (promisor-remote.c)
        let (Ok(mut command), Ok(settings)) = (self.plumbing(), self.settings()) else {
            return false;
        };
        // as the caller has it: here an option says which program is started
        match std::env::var_os(PROTOCOLS) {
            Some(own) => command.env(PROTOCOLS, own),
            None => command.env_remove(PROTOCOLS),
        };
        let program = OsStr::from_bytes(upload_pack(&settings, &remote));
        command.args([
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            "--quiet",
            "--no-tags",
        ]);
        command.args([
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--recurse-submodules=no",
            "--filter=blob:none",
            "--stdin",
        ]);
        command
            .arg("--upload-pack")
            .arg(program)
            .args(["--", &remote]);
        let list: String = missing.iter().map(|id| format!("{id}\n")).collect();
        let is_done = matches!(answer(command, list.as_bytes()), Ok(Some(_)));
        self.may_fetch.set(is_done);
        is_done
    }

    /// The same for what trees or the index hold. A link is no document, and a submodule no object
    /// of this repository.
    pub(super) fn bring_files<'e>(
        &self,
        entries: impl Iterator<Item = &'e TreeEntry>,
        most: usize,
    ) {
        let files = entries.filter(|entry| entry.is_file());
        self.bring(files.map(|entry| self.oid(entry.id)), most);
    }

    /// The versions that a walk names.
    pub(super) fn bring_versions(&self, walk: &CommitWalk) {
        let lists = walk
            .changed
            .iter()
            .flat_map(|commit| [&commit.paths, &commit.choices]);
        let entries = lists
            .flatten()
            .flat_map(|change| change.old.iter().flatten().chain(&change.new));
        self.bring_files(entries, AT_ONCE);
    }

    /// A tree or commit that is missing, in words that help.
    pub(super) fn explained(&self, error: RepoError) -> RepoError {
        match error {
            RepoError::Missing(id) if self.is_partial() => RepoError::Treeless(id),
            error => error,
        }
    }
}
