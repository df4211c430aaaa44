//! Where a search looks: the work tree, the index, commits, and whatever a path names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::found::{Found, Place};
use crate::cli::failure::Failure;
use crate::policy::RuleId;
use crate::policy::leak::{Guard, Matches};
use crate::policy::vault::Vault;
use crate::repo::{BLOB_LIMIT, Beside, Commit, ObjectId, Repo, RepoError, Span};
use crate::workspace::Workspace;

pub(super) struct Search<'a> {
    workspace: &'a Workspace,
    repo: &'a Repo,
    guard: &'a Guard,
    vault: Option<Vault>,
    pub(super) found: Found<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn new(workspace: &'a Workspace, guard: &'a Guard) -> Result<Self, Failure> {
        let vault = workspace.vault().ok().flatten();
        Ok(Self { workspace, repo: workspace.repo()?, guard, vault, found: Found::new(guard) })
    }

    /// Every file that git knows or does not ignore, and what the index holds otherwise.
    pub(super) fn work_tree(&mut self, beside: &Beside) -> Result<(), Failure> {
        let changed: BTreeSet<&str> = beside.changed.iter().map(String::as_str).collect();
        let entries = self.repo.index_entries()?;
        let known = entries.iter().map(|entry| entry.path.as_str());
        let files: BTreeSet<&str> = known.chain(beside.untracked.iter().map(String::as_str)).collect();
        for path in files {
            self.file(&self.workspace.root().join(path), path)?;
        }
        let is_plain = |mode: u32| mode & 0o170_000 == 0o100_000;
        for entry in entries.iter().filter(|it| is_plain(it.mode) && changed.contains(it.path.as_str())) {
            self.blob(Place::Index, entry.id, &entry.path, None)?;
        }
        for path in self.repo.odd_paths()? {
            self.found.unread.push(format!("{path}: the name is not UTF-8"));
        }
        Ok(())
    }

    /// What the next commit changes.
    pub(super) fn staged(&mut self) -> Result<(), Failure> {
        for change in self.repo.staged_changes()? {
            if let Some(new) = change.new.filter(|new| new.mode != 0o160_000) {
                self.blob(Place::Index, new.id, &change.path, None)?;
            }
        }
        Ok(())
    }

    /// Every blob that a span brought, once.
    pub(super) fn commits(&mut self, span: &Span) -> Result<(), Failure> {
        if span.tips.is_empty() {
            return Ok(());
        }
        self.found.is_partial |= self.repo.is_shallow();
        let repo = self.repo;
        self.found.commits = repo.each_new_blob(span, &mut |commit, path, entry| {
            self.blob(Place::Commit, entry.id, path, Some(commit))
        })?;
        Ok(())
    }

    /// A file, or everything in a folder but what git keeps for itself. Links are followed only where they are
    /// named.
    pub(super) fn on_disk(&mut self, path: &Path) -> Result<(), Failure> {
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.folder(path),
            Ok(_) => self.file(path, &path.to_string_lossy()),
            Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
        }
    }

    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let entries = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.found.unread.push(format!("{}: {error}", path.display()));
                return Ok(());
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let inner = if path == Path::new(".") { entry.file_name().into() } else { entry.path() };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && entry.file_name() != ".git" => self.folder(&inner)?,
                Ok(kind) if kind.is_file() => self.file(&inner, &inner.to_string_lossy())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, shown: &str) -> Result<(), Failure> {
        // what is gone from the work tree the index has
        let Ok(about) = fs::metadata(path) else { return Ok(()) };
        if !about.is_file() || is_link_below(self.workspace.root(), path) {
            return Ok(());
        }
        if about.len() > BLOB_LIMIT as u64 {
            self.found.unread.push(format!("{shown}: larger than {} MiB", BLOB_LIMIT >> 20));
            return Ok(());
        }
        match fs::read(path) {
            Ok(bytes) => {
                self.found.files += 1;
                self.look(Place::Disk, shown, &bytes, None)
            }
            Err(error) => {
                self.found.unread.push(format!("{shown}: {error}"));
                Ok(())
            }
        }
    }

    fn blob(
        &mut self,
        place: Place,
        id: ObjectId,
        path: &str,
        commit: Option<ObjectId>,
    ) -> Result<(), Failure> {
        match self.repo.old_blob(id) {
            Ok(bytes) => {
                self.found.blobs += 1;
                self.look(place, path, &bytes, commit)
            }
            Err(RepoError::Missing(_)) => {
                self.found.is_partial = true;
                Ok(())
            }
            Err(RepoError::TooLarge { .. }) => {
                self.found.unread.push(format!("{path}: a version larger than {} MiB", BLOB_LIMIT >> 20));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn look(
        &mut self,
        place: Place,
        path: &str,
        bytes: &[u8],
        commit: Option<ObjectId>,
    ) -> Result<(), Failure> {
        let mut matches = self.guard.search(bytes);
        if matches == Matches::default() {
            return Ok(());
        }
        let allows = |vault: &Vault| vault.allowed(RuleId::G05, path, None).is_some();
        if matches.age_key.is_some() && self.vault.as_ref().is_some_and(allows) {
            matches.age_key = None;
            self.found.accepted += 1;
        }
        let repo = self.repo;
        let about =
            || -> Result<Option<Commit>, Failure> { Ok(commit.map(|id| repo.commit(id)).transpose()?) };
        self.found.note(place, path, &matches, &about)
    }
}

/// A link of the work tree may lead anywhere; its own text stands in the index.
fn is_link_below(root: &Path, path: &Path) -> bool {
    path.starts_with(root) && path.symlink_metadata().is_ok_and(|about| about.is_symlink())
}
