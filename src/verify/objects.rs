//! What commits bring, object by object: secret keys of readers wherever they stand, and documents
//! that no later look at a tree can judge.

use std::collections::BTreeSet;

use super::base::Base;
use super::error::VerifyError;
use super::facts::{Leak, LeakPlace};
use super::finding::Finding;
use super::owners::Owners;
use super::rules::file::unjudged;
use super::rules::git::{leaked_key, leaked_key_of_text};
use super::source::TreeSource;
use crate::policy::content::{ODD_NAME, TOO_LARGE};
use crate::policy::sniff::{Traits, hide_secret_keys, sniff};
use crate::repo::{BLOB_LIMIT, ObjectId, RepoError, Span, TreeEntry};
use crate::workspace::{Workspace, WorkspaceError};

/// What a span brought.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) findings: Vec<Finding>,
    /// Objects that this clone lacks.
    pub(super) is_partial: bool,
}

/// G05 in every commit, because a key once pushed is known; F01 of what nobody can look into.
pub(super) fn check(
    workspace: &Workspace,
    span: &Span,
    base: &Base,
) -> Result<Brought, VerifyError> {
    let repo = workspace.repo()?;
    let mut brought = Brought::default();
    let mut names = BTreeSet::new();
    let end = span
        .tips
        .first()
        .map_or(TreeSource::WorkTree, |tip| TreeSource::Commit(*tip));
    let owners = Owners::new(workspace, end);
    repo.each_new_blob(span, &mut |commit: ObjectId, path: &str, entry| {
        let mut found = Vec::new();
        if sniff(path.as_bytes()).secret_key.is_some() && names.insert(path.to_owned()) {
            let (path, owners) = (path.to_owned(), owners.of(path.as_bytes())?);
            found.push(leaked_key(&Leak {
                path,
                place: LeakPlace::Name,
                owners,
                is_new: true,
            }));
        }
        match traits(workspace, entry)? {
            Some(traits) => found.extend(of_blob(base, &owners, path, entry, traits)?),
            None => brought.is_partial |= !entry.is_submodule(),
        }
        if !found.is_empty() {
            let about = repo.commit(commit)?;
            let place = format!(
                "in commit {}: {}",
                commit.short(),
                hide_secret_keys(&about.summary)
            );
            brought.findings.extend(
                found
                    .into_iter()
                    .map(|finding| finding.in_commit(place.clone())),
            );
        }
        Ok::<(), VerifyError>(())
    })?;
    repo.each_commit_text(span, &mut |commit, text| {
        brought.findings.extend(of_text(
            &owners,
            &format!("commit {}", commit.short()),
            text,
        )?);
        Ok::<(), VerifyError>(())
    })?;
    Ok(brought)
}

/// What a commit or a tag says is published with it.
pub(super) fn of_text(
    owners: &Owners<'_>,
    name: &str,
    text: &[u8],
) -> Result<Option<Finding>, VerifyError> {
    match sniff(text).secret_key {
        Some(_) => Ok(Some(leaked_key_of_text(name, &owners.of(text)?))),
        None => Ok(None),
    }
}

/// `None` for what this clone lacks, and for a submodule.
pub(super) fn traits(
    workspace: &Workspace,
    entry: TreeEntry,
) -> Result<Option<Traits>, VerifyError> {
    if entry.is_submodule() {
        return Ok(None);
    }
    match workspace.sniff_blob(entry.id) {
        Err(WorkspaceError::Repo(RepoError::Missing(_))) => Ok(None),
        traits => Ok(Some(traits?)),
    }
}

fn of_blob(
    base: &Base,
    owners: &Owners<'_>,
    path: &str,
    entry: TreeEntry,
    traits: Traits,
) -> Result<Vec<Finding>, VerifyError> {
    let mut found = Vec::new();
    if let Some(line) = traits.secret_key
        && !is_older(owners.workspace, base, path, entry, line)
    {
        let place = if entry.is_file() {
            LeakPlace::Line(line)
        } else {
            LeakPlace::Target
        };
        let (path, owners) = (path.to_owned(), owners.of_blob(entry.id)?);
        found.push(leaked_key(&Leak {
            path,
            place,
            owners,
            is_new: true,
        }));
    }
    if entry.is_file() && traits.may_be_document() {
        // a name that git could not hand over as text
        let why = if path.contains(char::REPLACEMENT_CHARACTER) {
            Some(ODD_NAME)
        } else {
            None
        };
        let why = why.or((traits.size > BLOB_LIMIT as u64).then_some(TOO_LARGE));
        found.extend(why.map(|why| unjudged(path, why)));
    }
    Ok(found)
}

/// The base holds that key in the same file.
fn is_older(workspace: &Workspace, base: &Base, path: &str, entry: TreeEntry, line: usize) -> bool {
    let bytes = workspace
        .repo()
        .ok()
        .and_then(|repo| repo.old_blob(entry.id).ok());
    bytes.is_some_and(|bytes| base.has(workspace, path, &bytes, Some(line)))
}
