//! Tags that name a tree or a file instead of a commit: no history leads to it, and whoever fetches
//! reads it.

use std::collections::BTreeSet;

use crate::policy::content::TOO_LARGE;
use crate::policy::sniff::Traits;
use crate::repo::{ObjectId, RepoError, TreeEntry};
use crate::verify::base::Base;
use crate::verify::error::VerifyError;
use crate::verify::facts::{FileFacts, Leak, LeakPlace};
use crate::verify::finding::Finding;
use crate::verify::objects;
use crate::verify::owners::Owners;
use crate::verify::rules::{self, file::unjudged, git::leaked_key};
use crate::verify::source::TreeSource;
use crate::verify::tree;
use crate::workspace::Workspace;

/// A tree is judged as the tree of a commit is; what the base has as well is published already.
pub(super) fn of_tree(
    workspace: &Workspace,
    tree: ObjectId,
    base: &Base,
) -> Result<Vec<Finding>, VerifyError> {
    let source = TreeSource::Commit(tree);
    let mut gathered = tree::gather(workspace, source, &|_| true, &BTreeSet::new())?;
    gathered.facts.exceptions = base.exceptions.list().to_vec();
    let (mut findings, _) = base.split(workspace, source, rules::judge(&gathered.facts))?;
    let owners = Owners::new(workspace, source);
    for (path, entry) in new_files(workspace, tree, base)? {
        if let Some(Traits {
            secret_key: Some(line),
            ..
        }) = objects::traits(workspace, entry)?
        {
            let place = LeakPlace::Line(line);
            findings.push(leaked_key(&Leak {
                path,
                place,
                owners: owners.of_blob(entry.id)?,
                is_new: true,
            }));
        }
    }
    base.exceptions.take(&mut findings);
    Ok(findings)
}

/// What a tree holds and the base does not, under any name.
pub(super) fn new_files(
    workspace: &Workspace,
    tree: ObjectId,
    base: &Base,
) -> Result<Vec<(String, TreeEntry)>, VerifyError> {
    let repo = workspace.repo()?;
    let before = base
        .tree
        .map(|tree| repo.files_of(tree))
        .transpose()?
        .unwrap_or_default();
    let known: BTreeSet<ObjectId> = before.into_iter().map(|(_, entry)| entry.id).collect();
    let mut files = repo.files_of(tree)?;
    files.retain(|(_, entry)| !known.contains(&entry.id));
    Ok(files)
}

/// A file without a name is what its content says.
pub(super) fn of_blob(
    workspace: &Workspace,
    blob: ObjectId,
    name: &str,
) -> Result<Vec<Finding>, VerifyError> {
    let traits = workspace.sniff_blob(blob)?;
    let mut findings = Vec::new();
    if let Some(line) = traits.secret_key {
        // no tree says who reads here
        let (path, owners) = (name.to_owned(), Vec::new());
        findings.push(leaked_key(&Leak {
            path,
            place: LeakPlace::Line(line),
            owners,
            is_new: true,
        }));
    }
    match workspace.repo()?.blob(blob) {
        Err(RepoError::TooLarge { .. }) if traits.may_be_document() => {
            findings.push(unjudged(name, TOO_LARGE));
        }
        Err(RepoError::TooLarge { .. }) => {}
        bytes => {
            let file = FileFacts::read(name, false, Some(&bytes?));
            if file.document().is_some() {
                findings.extend(rules::judge_alone(&file));
            }
        }
    }
    Ok(findings)
}
