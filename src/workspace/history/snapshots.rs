//! Versions of files as snapshots, and which blobs never were a document.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use sops_document::Format;

use super::{Result, names_people};
use crate::ledger::Snapshot;
use crate::policy::content::{FileContent, looks_sealed};
use crate::repo::{ObjectId, PathChange, Repo, RepoError, TreeEntry};

/// Snapshots by blob: most versions stand in many commits.
pub struct Snapshots<'a> {
    repo: &'a Repo,
    known: HashMap<(ObjectId, Format), Option<Rc<Snapshot>>>,
    /// Blobs in this clone that were read, and whether they look like a document.
    sealed: RefCell<HashMap<ObjectId, bool>>,
    pub(super) is_partial: Cell<bool>,
    /// Blobs that speak of SOPS and cannot be read, and why.
    pub(super) broken: RefCell<HashMap<ObjectId, String>>,
}

impl<'a> Snapshots<'a> {
    #[must_use]
    pub fn new(repo: &'a Repo) -> Self {
        Self {
            repo,
            known: HashMap::new(),
            sealed: RefCell::default(),
            is_partial: Cell::new(false),
            broken: RefCell::default(),
        }
    }

    /// Some blob was not in this clone.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.is_partial.get()
    }

    /// Whether a change can matter: it names people, or one side is or may be a document. Most
    /// manifests that a wide rule names never were one. What is missing or too large may be.
    pub(super) fn counts(&self, change: &PathChange) -> bool {
        let mut sides = change.old.iter().flatten().chain(&change.new);
        names_people(&change.path)
            || sides.any(|entry| entry.is_file() && self.looks_sealed(entry.id))
    }

    fn looks_sealed(&self, id: ObjectId) -> bool {
        let known = self.sealed.borrow().get(&id).copied();
        known.unwrap_or_else(|| {
            let Ok(bytes) = self.repo.old_blob(id) else {
                return true;
            };
            let is_sealed = looks_sealed(&bytes);
            self.sealed.borrow_mut().insert(id, is_sealed);
            is_sealed
        })
    }

    /// `None` for what is no SOPS document.
    ///
    /// # Errors
    /// When git cannot read the blob.
    pub fn of(&mut self, path: &str, entry: Option<TreeEntry>) -> Result<Option<Rc<Snapshot>>> {
        let Some(entry) = entry.filter(TreeEntry::is_file) else {
            return Ok(None);
        };
        let format = Format::of_path(path);
        if let Some(known) = self.known.get(&(entry.id, format)) {
            return Ok(known.clone());
        }
        let snapshot = self.read(path, entry.id)?;
        self.known.insert((entry.id, format), snapshot.clone());
        Ok(snapshot)
    }

    /// Every version of one path behind HEAD.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn history(&mut self, path: &str) -> Result<Vec<Rc<Snapshot>>> {
        let mut versions = Vec::new();
        let walk = self.repo.changes_of(&self.repo.head_span()?, &[path])?;
        for (_, change) in walk.versions(path) {
            versions.extend(self.of(path, change.new)?);
        }
        Ok(versions)
    }

    fn read(&self, path: &str, id: ObjectId) -> Result<Option<Rc<Snapshot>>> {
        if self.sealed.borrow().get(&id) == Some(&false) {
            return Ok(None);
        }
        let bytes = match self.repo.old_blob(id) {
            Ok(bytes) => bytes,
            Err(RepoError::TooLarge { .. }) => return Ok(None),
            Err(RepoError::Missing(_)) => {
                self.is_partial.set(true);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        // most files that speak of sops are manifests and manuals
        if !looks_sealed(&bytes) {
            return Ok(None);
        }
        let content = FileContent::read(path, false, Some(&bytes));
        if let FileContent::Broken { line, what, .. } = &content {
            self.broken
                .borrow_mut()
                .insert(id, format!("line {line}: {what}"));
        }
        Ok(content
            .document()
            .map(|document| Rc::new(Snapshot::of(document))))
    }
}
