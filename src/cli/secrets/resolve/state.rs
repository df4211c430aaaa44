//! What is open in a file, from the index, from what the merge driver kept, and from the file
//! itself.

use std::collections::BTreeSet;

use sops_document::merge::marker;
use sops_document::tree::Path;
use sops_document::{DataKey, Document, Format};

use crate::cli::failure::{Exit, Failure};
use crate::cli::secrets::values::parse_path;
use crate::inventory;
use crate::policy::content::mentions;
use crate::repo::{IndexEntry, ObjectId};
use crate::workspace::conflicts::{self, Blobs, Choice, Conflict};
use crate::workspace::merge::{
    AsText, Circumstances, MergeSide, MergeVersions, Triple, approved, open_versions, settle,
};
use crate::workspace::{Target, Workspace};

/// A file in conflict, its versions opened.
pub(super) struct OpenConflict {
    pub(super) path: String,
    pub(super) blobs: Blobs,
    pub(super) triple: Triple,
    pub(super) current: Current,
    /// Settled before, while the file could not say so.
    pub(super) settled: Vec<(String, Choice)>,
    /// The versions were merged again, because the work tree has a text merge.
    pub(super) is_anew: bool,
    /// The bytes of the work tree.
    pub(super) before: Option<Vec<u8>>,
}

/// A valid document: what both sides say, and of what is open what ours says.
pub(super) struct Current {
    pub(super) text: String,
    pub(super) key: DataKey,
    pub(super) open: Vec<String>,
}

impl OpenConflict {
    /// `None` where git knows of no conflict.
    pub(super) fn load(workspace: &Workspace, path: &str) -> Result<Option<Self>, Failure> {
        let repo = workspace.repo()?;
        let known = conflicts::known(repo)
            .into_iter()
            .find(|conflict| conflict.path == path);
        let staged = stages(&repo.index_entries()?, path)?;
        let Some(blobs) = staged.or_else(|| known.as_ref().map(|known| known.blobs)) else {
            return Ok(None);
        };
        let settled = known
            .filter(|known| known.blobs == blobs)
            .map(|known| known.settled)
            .unwrap_or_default();
        let read = |id: ObjectId| -> Result<String, Failure> {
            let text = String::from_utf8(repo.blob(id)?);
            text.map_err(|_| Failure::usage(format!("{path}: a version is no text")))
        };
        let (base, ours, theirs) = (
            blobs.base.map(read).transpose()?,
            read(blobs.ours)?,
            read(blobs.theirs)?,
        );
        let format = inventory::format_of(path, ours.as_bytes());
        let versions = MergeVersions {
            format,
            base: base.as_deref(),
            ours: &ours,
            theirs: &theirs,
        };
        let triple =
            open_versions(&workspace.keyring, versions).map_err(|error| refused(path, error))?;
        let before = workspace.read(path)?;
        let found = before
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let found = found.filter(|text| !marker::has_text_markers(text));
        let is_anew = found.is_none();
        let current = match found {
            Some(text) => {
                let (text, open) =
                    marker::unmark(text).unwrap_or_else(|| (text.to_owned(), Vec::new()));
                let key = key_of(workspace, path, &text, &triple)?;
                Current { text, key, open }
            }
            None => merged_anew(workspace, path, blobs, &triple, &settled)?,
        };
        Ok(Some(Self {
            path: path.to_owned(),
            blobs,
            triple,
            current,
            settled,
            is_anew,
            before,
        }))
    }

    /// The open keys that are meant; all of them where none is named.
    pub(super) fn named(&self, typed: &[String]) -> Result<Vec<String>, Failure> {
        let open = &self.current.open;
        if open.is_empty() {
            return Err(
                Failure::no(format!("{}: no key is open", self.path)).hint(staging(&self.path))
            );
        }
        if typed.is_empty() {
            return Ok(open.clone());
        }
        let find = |text: &String| {
            let path = parse_path(text, self.triple.ours())
                .map(|path| path.to_string())
                .unwrap_or_default();
            open.iter()
                .find(|open| *open == text)
                .or_else(|| open.iter().find(|open| **open == path))
        };
        let unknown = |text: &String| {
            Failure::no(format!("`{text}` is not open in {}", self.path))
                .hint(format!("open: {}", open.join(", ")))
        };
        typed
            .iter()
            .map(|text| find(text).cloned().ok_or_else(|| unknown(text)))
            .collect()
    }

    /// The address that the name of an open key stands for.
    pub(super) fn address(&self, key: &str) -> Option<Path> {
        [self.triple.ours(), self.triple.theirs()]
            .into_iter()
            .filter_map(|tree| parse_path(key, tree).ok())
            .find(|path| path.to_string() == key)
    }

    pub(super) fn document(&self) -> Result<Document, Failure> {
        parse(&self.path, self.triple.format(), &self.current.text)
    }

    pub(super) fn conflict(&self) -> Conflict {
        Conflict {
            path: self.path.clone(),
            keys: self.current.open.clone(),
            blobs: self.blobs,
            settled: self.settled.clone(),
        }
    }
}

fn parse(path: &str, format: Format, text: &str) -> Result<Document, Failure> {
    Document::parse(format, text).map_err(|error| {
        Failure::usage(format!("{path}: {error}"))
            .hint(format!("merge it anew: git checkout -m {path}"))
    })
}

fn key_of(
    workspace: &Workspace,
    path: &str,
    text: &str,
    triple: &Triple,
) -> Result<DataKey, Failure> {
    let document = parse(path, triple.format(), text)?;
    match workspace.unlock(
        &Target {
            path: path.to_owned(),
            env: None,
        },
        &document,
    ) {
        Ok(key) => Ok(key),
        Err(error) => Ok(triple.key_of(&document).ok_or(error)?),
    }
}

/// The three versions merged again, with what was settled before.
fn merged_anew(
    workspace: &Workspace,
    path: &str,
    blobs: Blobs,
    triple: &Triple,
    settled: &[(String, Choice)],
) -> Result<Current, Failure> {
    let repo = workspace.repo()?;
    let operations = repo.operations();
    let undoes = operations
        .iter()
        .any(|operation| operation.head == "REVERT_HEAD");
    let theirs = operations.first().map(|operation| operation.commit);
    let is_stashed = repo.patch().is_none() && repo.is_stashed(path, blobs.theirs);
    let stash = || {
        is_stashed
            .then(|| repo.commit_named("refs/stash").ok())
            .flatten()
    };
    let theirs = theirs.or_else(stash).or_else(|| repo.squashed());
    let approved = approved(repo, path, &[repo.head_commit()?, theirs]);
    let how = Circumstances {
        undoes: Some(undoes),
        is_virtual: false,
        approved: &approved,
    };
    let outcome = triple.merge(how).map_err(|error| refused(path, error))?;
    let mut open = outcome.open();
    let key = key_of(workspace, path, &outcome.text, triple)?;
    let is_theirs = |path: &&Path| {
        settled
            .iter()
            .any(|(name, choice)| *choice == Choice::Theirs && *name == path.to_string())
    };
    let theirs: Vec<Path> = outcome
        .changes
        .conflicts
        .iter()
        .filter(is_theirs)
        .cloned()
        .collect();
    open.retain(|key| !settled.iter().any(|(name, _)| name == key));
    if theirs.is_empty() {
        return Ok(Current {
            text: outcome.text,
            key,
            open,
        });
    }
    let clear = parse(path, triple.format(), &outcome.text)?
        .open(&key)
        .map_err(|fault| Failure::new(Exit::Integrity, format!("{path}: {fault}")))?;
    let text = settle((&clear, &key), triple.theirs_opened(), &theirs)
        .map_err(|error| refused(path, error))?;
    Ok(Current { text, key, open })
}

pub(super) fn refused(path: &str, error: AsText) -> Failure {
    let name = |side: MergeSide| match side {
        MergeSide::Base => "base",
        MergeSide::Ours => "ours",
        MergeSide::Theirs => "theirs",
    };
    let failure = match error {
        AsText::Locked => Failure::new(
            Exit::Locked,
            format!("no identity opens all versions of {path}"),
        )
        .hint("somebody who can read all of them has to merge"),
        AsText::Tampered(side, what) => Failure::new(
            Exit::Integrity,
            format!("{path}: {} is not authentic: {what}", name(side)),
        ),
        AsText::NotSops(side, what) => Failure::usage(format!("{path}: {}: {what}", name(side))),
        AsText::Other(what) => Failure::usage(format!("{path}: {what}")),
    };
    failure.hint(format!(
        "or take one side whole: git checkout --ours {path}, or --theirs; set again what the other side changed; then git add"
    ))
}

/// What ends the conflict of a file for git.
pub(super) fn staging(path: &str) -> String {
    format!("git add {path}")
}

/// The three stages of the index; an error where one side deleted the file.
fn stages(entries: &[IndexEntry], path: &str) -> Result<Option<Blobs>, Failure> {
    let stage = |stage: u8| {
        entries
            .iter()
            .find(|entry| entry.path == path && entry.stage == stage)
            .map(|entry| entry.id)
    };
    match (stage(1), stage(2), stage(3)) {
        (base, Some(ours), Some(theirs)) => Ok(Some(Blobs { base, ours, theirs })),
        (_, None, None) => Ok(None),
        _ => Err(Failure::no(format!(
            "{path} was deleted on one side and changed on the other"
        ))
        .hint(format!("keep it: git add {path}"))
        .hint(format!("delete it: git rm {path}"))),
    }
}

/// Whether one side deleted the file.
pub(super) fn is_deleted(workspace: &Workspace, path: &str) -> Result<bool, Failure> {
    let entries = workspace.repo()?.index_entries()?;
    let has = |stage: u8| {
        entries
            .iter()
            .any(|entry| entry.path == path && entry.stage == stage)
    };
    Ok(has(2) != has(3))
}

/// Secret files in conflict, and what is open in them as far as that is known without a key.
pub(in crate::cli::secrets) fn files(
    workspace: &Workspace,
) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let repo = workspace.repo()?;
    let known = conflicts::known(repo);
    let unmerged: Vec<IndexEntry> = repo
        .index_entries()?
        .into_iter()
        .filter(|entry| entry.stage > 1)
        .collect();
    let mut paths: BTreeSet<String> = known.iter().map(|conflict| conflict.path.clone()).collect();
    for entry in &unmerged {
        if repo
            .blob(entry.id)
            .is_ok_and(|bytes| mentions(&bytes, b"sops") && mentions(&bytes, b"ENC["))
        {
            paths.insert(entry.path.clone());
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let text = workspace
            .read(&path)?
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        let is_unmerged = unmerged.iter().any(|entry| entry.path == path);
        let conflict = known.iter().find(|conflict| conflict.path == path);
        match marker::unmark(&text) {
            Some((_, keys)) => files.push((path, keys)),
            None if is_unmerged || marker::has_text_markers(&text) => {
                files.push((path, conflict.map(Conflict::left).unwrap_or_default()));
            }
            // somebody settled it by hand
            None => conflicts::forget(repo, &path),
        }
    }
    Ok(files)
}
