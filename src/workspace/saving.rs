//! Writing: planned, checked, and finished where a crash came between.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use sops_document::{Document, DocumentError};
use tempfile::NamedTempFile;

use super::{MAX_FILE, Opened, Result, Workspace, WorkspaceError};
use crate::disk::{self, DiskError, Interrupted, PrivateDir, Site, Write};
use crate::policy::content::FileContent;

type Check<'a> = &'a dyn Fn(&Write) -> std::result::Result<(), String>;

impl Workspace {
    /// A planned write of a text file: what it held when it was read first, and what it shall hold.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn plan(&self, path: &str, after: impl Into<Vec<u8>>) -> Result<Write> {
        let seen = self.seen.borrow().get(path).cloned();
        let before = seen.map_or_else(|| self.read(path), Ok)?;
        Ok(Write {
            path: path.into(),
            before,
            after: after.into(),
            mode: None,
        })
    }

    /// A plan for this file is made of these bytes.
    pub(super) fn remember(&self, path: &str, bytes: Option<&[u8]>) {
        let mut seen = self.seen.borrow_mut();
        seen.entry(path.to_owned())
            .or_insert_with(|| bytes.map(<[u8]>::to_vec));
    }

    /// The write that replaces an opened document; it fails when the file changed meanwhile.
    #[must_use]
    pub fn replace(&self, opened: &Opened, after: String) -> Write {
        let before = opened.clear.document().source().as_bytes().to_vec();
        Write {
            path: opened.target.path.clone().into(),
            before: Some(before),
            after: after.into(),
            mode: None,
        }
    }

    /// Applies planned writes, all or none; every SOPS file is parsed before it replaces the old
    /// one.
    ///
    /// # Errors
    /// As [`disk::commit`].
    pub fn save(&self, writes: &[Write]) -> Result<()> {
        self.refuse_left_out(writes)?;
        let saved = self.commit(&self.root, writes, &check_document);
        // the drafts of a write that failed are none of somebody else
        let looked = self.look_again();
        saved.and(looked)
    }

    /// What is read from now on is judged by itself. A file outside any repository has no other
    /// writers to know of.
    fn look_again(&self) -> Result<()> {
        self.seen.borrow_mut().clear();
        if self.repo.is_some() {
            self.generation.set(self.site()?.generation());
        }
        Ok(())
    }

    /// Whether another command has written here since the last look, so that what was read in
    /// between may be half of its change. The next look begins now.
    ///
    /// # Errors
    /// Outside any repository.
    pub fn is_outdated(&self) -> Result<bool> {
        let before = self.generation.get();
        self.look_again()?;
        Ok(before != self.generation.get())
    }

    /// The same, beside other writers: `false` where one of them was first, so that everything is
    /// read again.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_unless_changed(&self, writes: &[Write]) -> Result<bool> {
        match self.save(writes) {
            Ok(()) => Ok(true),
            Err(WorkspaceError::Disk(DiskError::Changed(_) | DiskError::Exists(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes a whole file, inside or outside the repository; what is new is for its owner alone.
    ///
    /// # Errors
    /// As [`disk::commit`]; a path without a folder.
    pub fn write_to(&self, file: &Path, bytes: Vec<u8>) -> Result<()> {
        self.write_whole(file, bytes, None, &check_document)
    }

    /// The same for clear text, which may also replace a SOPS document.
    ///
    /// # Errors
    /// As [`Self::write_to`].
    pub fn write_in_clear(&self, file: &Path, bytes: Vec<u8>) -> Result<()> {
        self.write_whole(file, bytes, Some(0o600), &|_| Ok(()))
    }

    /// Puts the clear text in the place of an opened document; it fails when the file changed
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Self::write_to`].
    pub fn replace_in_clear(&self, opened: &Opened, bytes: Vec<u8>) -> Result<()> {
        let before = opened.clear.document().source().as_bytes().to_vec();
        let path = opened.target.path.clone().into();
        let write = Write {
            path,
            before: Some(before),
            after: bytes,
            mode: None,
        };
        self.commit(&self.root, &[write], &|_| Ok(()))
    }

    fn write_whole(
        &self,
        file: &Path,
        bytes: Vec<u8>,
        new_mode: Option<u32>,
        check: Check<'_>,
    ) -> Result<()> {
        let name = file
            .file_name()
            .ok_or_else(|| WorkspaceError::Outside(file.to_owned()))?;
        let parent = file
            .parent()
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."));
        let folder = parent
            .canonicalize()
            .map_err(|_| WorkspaceError::Missing(parent.display().to_string()))?;
        let before = match disk::read_beneath(&folder, Path::new(name), MAX_FILE) {
            Ok(bytes) => Some(bytes),
            Err(DiskError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let mode = new_mode.filter(|_| before.is_none());
        self.commit(
            &folder,
            &[Write {
                path: name.into(),
                before,
                after: bytes,
                mode,
            }],
            check,
        )
    }

    /// Keeps bytes beside the repository's own files, in `.git/stax`, for their owner alone;
    /// returns the path.
    ///
    /// # Errors
    /// As [`disk::commit`]; outside any repository.
    pub fn keep(&self, name: &str, bytes: Vec<u8>) -> Result<PathBuf> {
        let folder = self.repo()?.common_dir().join("stax");
        let write = Write {
            path: name.into(),
            before: None,
            after: bytes,
            mode: Some(0o600),
        };
        disk::commit(&folder, &self.site()?, &[write], &|_| Ok(()))?;
        Ok(folder.join(name))
    }

    /// Keeps pathspecs in a file for git to read. Lists with the same content are one file, so that
    /// none is another one by the time somebody uses it.
    ///
    /// # Errors
    /// When the git folder cannot be written.
    pub fn keep_list(&self, lines: &str) -> io::Result<PathBuf> {
        let folder = self
            .repo
            .as_ref()
            .ok_or(io::ErrorKind::NotFound)?
            .git_dir()
            .join("stax");
        fs::create_dir_all(&folder)?;
        let digest = Sha256::digest(lines.as_bytes());
        let list = folder.join(format!(
            "changed-{}",
            base16ct::lower::encode_string(&digest[..4])
        ));
        let mut file = NamedTempFile::new_in(&folder)?;
        file.write_all(lines.as_bytes())?;
        file.persist(&list)?;
        Ok(list)
    }

    fn commit(&self, root: &Path, writes: &[Write], check: Check<'_>) -> Result<()> {
        let Some(repo) = &self.repo else {
            // a file outside any repository: the folder of the lock lives as long as the write
            let folder = PrivateDir::create()?;
            return Ok(disk::commit(
                root,
                &Site::alone(folder.path()),
                writes,
                check,
            )?);
        };
        debug_assert!(
            self.is_settled.get(),
            "a command that writes calls `repair` before it judges anything"
        );
        // a crash may leave a temporary file; git shall not offer it
        let _ = repo.add_exclude_line(".stax-*.tmp");
        disk::commit(root, &self.site()?, writes, check)?;
        Ok(())
    }
}

impl Workspace {
    pub(super) fn site(&self) -> Result<Site> {
        let repo = self.repo()?;
        Ok(Site::of_clone(
            &self.root,
            &repo.git_dir(),
            &repo.common_dir(),
        ))
    }

    /// A change of several files that a crash cut off in this work tree. Nothing is written.
    ///
    /// # Errors
    /// When its journal cannot be read.
    pub fn interrupted(&self) -> Result<Option<Interrupted>> {
        if self.repo.is_none() {
            return Ok(None);
        }
        Ok(disk::interrupted(&self.site()?)?)
    }

    /// Finishes or drops it. Every command that writes does so first: what it judges else is half
    /// of a change. Where nothing proves who wrote the journal it needs the yes of a person.
    ///
    /// # Errors
    /// As [`disk::repair`].
    pub fn repair(&self, is_approved: bool) -> Result<Option<Interrupted>> {
        let found = if self.repo.is_some() {
            disk::repair(&self.site()?, is_approved)?
        } else {
            None
        };
        self.look_again()?;
        self.is_settled.set(true);
        Ok(found)
    }
}

/// What is about to replace a SOPS file must still be one.
fn check_document(write: &Write) -> std::result::Result<(), String> {
    // base64 makes a file larger, and what is written must be read again
    if write.after.len() > MAX_FILE {
        return Err(format!("would be larger than {} MiB", MAX_FILE >> 20));
    }
    let Some(before) = &write.before else {
        return Ok(());
    };
    let Some(path) = write.path.to_str() else {
        return Ok(());
    };
    // by its content, whatever the name says
    let FileContent::Document(before) = FileContent::read(path, false, Some(before)) else {
        return Ok(());
    };
    let text = std::str::from_utf8(&write.after).map_err(|_| DocumentError::NotSops.to_string())?;
    Document::parse(before.format(), text)
        .map(|_| ())
        .map_err(|error| error.to_string())
}
