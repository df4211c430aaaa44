//! What verify did not look into: it is said, and with `--require-files` it is an error.

use std::path::Path;

use sops_document::Format;

use super::error::VerifyError;
use super::finding::Finding;
use super::plain::says_secret;
use super::rules::file::unjudged;
use super::tree::Gathered;
use crate::repo::{IndexEntry, Repo};
use crate::workspace::{Caller, Workspace};

/// What a run without any file says instead of how many there were.
pub const NOTHING: &str = "nothing to verify: no SOPS file here";

#[derive(Debug, Default)]
pub struct Beyond {
    /// There was no file to judge.
    pub is_empty: bool,
    /// Paths, and why nobody looked.
    pub unread: Vec<(String, String)>,
}

/// So many files of a submodule are read to see whether one is a SOPS file.
const MAX_READ: usize = 2_000;

impl Beyond {
    pub(super) fn of_work_tree(
        workspace: &Workspace,
        gathered: &mut Gathered,
        in_scope: &dyn Fn(&str) -> bool,
    ) -> Result<Self, VerifyError> {
        let mut unread = std::mem::take(&mut gathered.unread);
        for entry in workspace
            .repo()?
            .index_entries()?
            .iter()
            .filter(|entry| entry.is_submodule())
        {
            if in_scope(&entry.path)
                && let Some(why) = of_submodule(&workspace.root().join(&entry.path), &entry.path)
            {
                unread.push((entry.path.clone(), why));
            }
        }
        Ok(Self {
            is_empty: gathered.facts.entries.is_empty(),
            unread,
        })
    }

    pub(super) fn findings(self) -> Vec<Finding> {
        let nothing = self.is_empty.then(|| unjudged(".", NOTHING));
        let unread = self
            .unread
            .into_iter()
            .map(|(path, why)| unjudged(&path, &format!("was not looked into: {why}")));
        nothing.into_iter().chain(unread).collect()
    }
}

/// `None` for a submodule that has nothing to verify.
fn of_submodule(folder: &Path, path: &str) -> Option<String> {
    if !folder.join(".git").exists() {
        return Some("a submodule that is not checked out".to_owned());
    }
    let found = Repo::discover(folder)
        .map_err(|error| error.to_string())
        .and_then(look_into);
    match found {
        Ok(false) => None,
        Ok(true) => Some(format!(
            "a submodule with SOPS files: stax -C {} secrets verify",
            shell_words::quote(path)
        )),
        Err(why) => Some(format!("a submodule: {why}")),
    }
}

/// Whether there is a SOPS file, those first whose names say so.
fn look_into(repo: Repo) -> Result<bool, String> {
    let workspace = Workspace::over(repo, Caller::Git);
    let mut entries = workspace
        .repo()
        .and_then(|repo| Ok(repo.index_entries()?))
        .map_err(|error| error.to_string())?;
    if entries.iter().any(IndexEntry::is_submodule) {
        return Err("it has submodules of its own".to_owned());
    }
    entries.retain(|entry| {
        entry.is_file() && (says_secret(&entry.path) || Format::said_by(&entry.path).is_some())
    });
    entries.sort_by_key(|entry| !says_secret(&entry.path));
    for entry in entries.iter().take(MAX_READ) {
        if workspace
            .sniff(entry.path.as_ref())
            .is_ok_and(|traits| traits.is_sealed())
        {
            return Ok(true);
        }
    }
    match entries.len() > MAX_READ {
        true => Err(format!(
            "it has more than {MAX_READ} files that may be SOPS files"
        )),
        false => Ok(false),
    }
}
