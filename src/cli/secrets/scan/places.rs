//! Where a search looks: the work tree, the index, commits, and whatever a path names.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::found::{ReadFrom, ScanHits};
use crate::cli::failure::Failure;
use crate::leak::{LeakGuard, Matches};
use crate::repo::{BLOB_LIMIT, BesideIndex, Commit, ObjectId, Repo, RepoError, Span};
use crate::verify::Exceptions;
use crate::verify::RuleId;
use crate::workspace::Workspace;

const SUBMODULE: u32 = 0o160_000;

pub(super) struct PlaceSearch<'a> {
    workspace: &'a Workspace,
    repo: &'a Repo,
    guard: &'a LeakGuard,
    exceptions: Exceptions,
    pub(super) found: ScanHits<'a>,
}

impl<'a> PlaceSearch<'a> {
    pub(super) fn new(workspace: &'a Workspace, guard: &'a LeakGuard) -> Result<Self, Failure> {
        let exceptions = Exceptions::of_head(workspace)?;
        Ok(Self {
            workspace,
            repo: workspace.repo()?,
            guard,
            exceptions,
            found: ScanHits::new(guard),
        })
    }

    /// Every file that git knows or does not ignore, and what the index holds otherwise.
    pub(super) fn work_tree(&mut self, beside: &BesideIndex) -> Result<(), Failure> {
        let changed: BTreeSet<&str> = beside.changed.iter().map(String::as_str).collect();
        let entries = self.repo.index_entries()?;
        let known = entries.iter().map(|entry| entry.path.as_str());
        let files: BTreeSet<&str> = known
            .chain(beside.untracked.iter().map(String::as_str))
            .collect();
        let mut absent = BTreeSet::new();
        for path in files {
            if !self.file(&self.workspace.root().join(path), path)? {
                absent.insert(path);
            }
        }
        // a sparse checkout has files in the index alone, and they are not changed
        let is_other = |path: &str| changed.contains(path) || absent.contains(path);
        for entry in entries
            .iter()
            .filter(|it| it.mode != SUBMODULE && is_other(&it.path))
        {
            self.blob(ReadFrom::Index, entry.id, &entry.path, None)?;
        }
        for path in self.repo.odd_paths()?.iter().chain(&beside.odd) {
            self.found
                .unread
                .push(format!("{path}: the name is not UTF-8"));
        }
        Ok(())
    }

    /// What the next commit changes.
    pub(super) fn staged(&mut self) -> Result<(), Failure> {
        for change in self.repo.staged_changes()? {
            if let Some(new) = change.new.filter(|new| new.mode != SUBMODULE) {
                self.blob(ReadFrom::Index, new.id, &change.path, None)?;
            }
        }
        for (path, entry) in self.repo.staged_at_odd_paths()? {
            self.blob(ReadFrom::Index, entry.id, &path, None)?;
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
            self.blob(ReadFrom::Commit, entry.id, path, Some(commit))
        })?;
        Ok(())
    }

    /// A file, or everything in a folder but what git keeps for itself. Links are followed only
    /// where they are named.
    pub(super) fn on_disk(&mut self, path: &Path) -> Result<(), Failure> {
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => self.folder(path),
            Ok(about) if about.is_file() => self.file(path, &path.to_string_lossy()).map(|_| ()),
            Ok(_) => Err(Failure::usage(format!(
                "{}: neither a file nor a folder",
                path.display()
            ))),
            Err(error) => Err(Failure::usage(format!("{}: {error}", path.display()))),
        }
    }

    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let entries = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.found
                    .unread
                    .push(format!("{}: {error}", path.display()));
                return Ok(());
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let inner = if path == Path::new(".") {
                entry.file_name().into()
            } else {
                entry.path()
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && entry.file_name() != ".git" => self.folder(&inner)?,
                Ok(kind) if kind.is_file() => {
                    self.file(&inner, &inner.to_string_lossy())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether there was one.
    fn file(&mut self, path: &Path, shown: &str) -> Result<bool, Failure> {
        // a link of the work tree may lead anywhere: its own text counts, as for git
        let link = path
            .starts_with(self.workspace.root())
            .then(|| fs::read_link(path).ok())
            .flatten();
        if let Some(target) = link {
            self.look(ReadFrom::Disk, shown, target.as_os_str().as_bytes(), None)?;
            return Ok(true);
        }
        let Ok(about) = fs::metadata(path) else {
            return Ok(false);
        };
        if !about.is_file() {
            return Ok(true);
        }
        if about.len() > BLOB_LIMIT as u64 {
            self.found
                .unread
                .push(format!("{shown}: larger than {} MiB", BLOB_LIMIT >> 20));
            return Ok(true);
        }
        match fs::read(path) {
            Ok(bytes) => {
                self.found.files += 1;
                self.look(ReadFrom::Disk, shown, &bytes, None)?;
            }
            Err(error) => self.found.unread.push(format!("{shown}: {error}")),
        }
        Ok(true)
    }

    fn blob(
        &mut self,
        place: ReadFrom,
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
                self.found.unread.push(format!(
                    "{path}: a version larger than {} MiB",
                    BLOB_LIMIT >> 20
                ));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn look(
        &mut self,
        place: ReadFrom,
        path: &str,
        bytes: &[u8],
        commit: Option<ObjectId>,
    ) -> Result<(), Failure> {
        let mut matches = self.guard.search(bytes);
        if matches == Matches::default() && self.guard.search(path.as_bytes()) == matches {
            return Ok(());
        }
        if matches.age_key.is_some() && self.exceptions.why(RuleId::G05, path, None).is_some() {
            matches.age_key = None;
            self.found.accepted += 1;
        }
        let repo = self.repo;
        let about = || -> Result<Option<Commit>, Failure> {
            Ok(commit.map(|id| repo.commit(id)).transpose()?)
        };
        self.found.note(place, path, &matches, &about)
    }
}
