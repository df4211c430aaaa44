//! One file as it was in a revision, for the commands that take a value from there.

use sops_document::tree::Node;
use sops_document::{Cleartext, Document, Format, MacState, OpenFault, Scalar};

use super::Which;
use super::people::date;
use super::values::locate;
use crate::cli::failure::{Exit, Failure};
use crate::inventory;
use crate::workspace::{Caller, Target, Workspace};

/// An opened version; its values authenticate.
pub struct PastVersion {
    /// Seven digits of the commit.
    pub commit: String,
    /// `2026-02-04`, UTC, author date.
    pub date: String,
    pub path: String,
    clear: Cleartext,
}

impl Which {
    /// As [`Self::open`], for a file that need no longer exist.
    pub fn open_past(&self, caller: Caller) -> Result<(Workspace, Target), Failure> {
        let workspace = Workspace::open(self.file.as_deref(), caller)?;
        if let Some(file) = &self.file {
            // a folder that is gone has no canonical name
            let path = workspace
                .relative(file)
                .ok()
                .or_else(|| file.to_str().map(str::to_owned));
            if let Some(path) = path.filter(|path| matches!(workspace.read(path), Ok(None))) {
                return Ok((workspace, Target { path, env: None }));
            }
        }
        let target = self.target(&workspace)?;
        Ok((workspace, target))
    }
}

impl PastVersion {
    /// Opens a file of a revision, in git's spelling of revisions.
    pub fn open(workspace: &Workspace, target: &Target, revision: &str) -> Result<Self, Failure> {
        let repo = workspace.repo()?;
        let path = &target.path;
        let commit = repo.commit_named(revision)?;
        let Some(bytes) = repo.blob_at(commit, path)? else {
            return Err(Failure::no(format!(
                "{path} does not exist in {revision} ({})",
                commit.short()
            ))
            .hint(format!(
                "it may have had another name then: git log --follow -- {}",
                quoted(path)
            )));
        };
        let there = |error: &dyn std::fmt::Display| {
            Failure::usage(format!(
                "{path} in {revision} ({}): {error}",
                commit.short()
            ))
        };
        let format = inventory::format_of(path, &bytes);
        let text = String::from_utf8(bytes).map_err(|_| there(&"not UTF-8 text"))?;
        let document = Document::parse(format, &text).map_err(|error| there(&error))?;
        let fault = |fault: &OpenFault| Failure {
            exit: Exit::Integrity,
            ..there(fault)
        };
        let clear = match workspace.open_past(std::path::Path::new(path), &document) {
            Some((_, Ok(clear))) => match clear.mac() {
                MacState::Ok => clear,
                MacState::Bad => return Err(fault(&OpenFault::Mac)),
                MacState::Missing => return Err(fault(&OpenFault::NoMac)),
            },
            Some((_, Err(error))) => return Err(fault(&error)),
            // the same again, for the words: what was tried, and who can open it
            None => {
                let locked = workspace.unlock(target, &document).err().map(Failure::from);
                let failure = locked.unwrap_or_else(|| there(&"nothing opens it"));
                return Err(Failure {
                    message: format!("{} as of {revision} ({})", failure.message, commit.short()),
                    ..failure
                });
            }
        };
        let date = date(repo.author_time(commit)?.seconds);
        Ok(Self {
            commit: commit.short(),
            date,
            path: path.clone(),
            clear,
        })
    }

    pub fn format(&self) -> Format {
        self.clear.document().format()
    }

    /// The value, map or list that a key had; `None` when it did not exist.
    pub fn node(&self, key: &str) -> Result<Option<Node>, Failure> {
        let (clear, path) = locate(key, &self.clear)?;
        Ok(clear.tree().find(&path).map(|entry| entry.node.clone()))
    }

    /// The value that a key had; `None` when it did not exist.
    pub fn value(&self, key: &str) -> Result<Option<Scalar>, Failure> {
        let Some(node) = self.node(key)? else {
            return Ok(None);
        };
        match node.leaf() {
            Some(leaf) => Ok(Some(leaf.scalar.clone())),
            None => Err(Failure::usage(format!(
                "`{key}` is a map or a list in {} of {}, not a value",
                self.commit, self.date
            ))),
        }
    }

    /// What to say of a key that the version lacks.
    pub fn lacks(&self, key: &str) -> Failure {
        Failure::no(format!(
            "`{key}` does not exist in {} of {} ({})",
            self.path, self.commit, self.date
        ))
    }
}

/// A word for a shell.
pub fn quoted(word: &str) -> String {
    shell_words::quote(word).into_owned()
}
