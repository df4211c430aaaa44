//! What a commit takes away. A file that moved brings nothing new; a sealed one that comes back in
//! plaintext under another name is published by it.

use std::collections::BTreeSet;
use std::rc::Rc;

use sops_document::Format;

use super::error::VerifyError;
use crate::ledger::Snapshot;
use crate::policy::credential::is_reference;
use crate::repo::{Commit, ObjectId, TreeEntry};
use crate::workspace::history::Snapshots;

/// Files that one commit takes away.
pub(super) struct DeletedFiles {
    /// All of them.
    blobs: BTreeSet<ObjectId>,
    /// The sealed ones that stand nowhere else afterwards.
    documents: Vec<(String, Rc<Snapshot>)>,
}

impl DeletedFiles {
    pub(super) fn by(commit: &Commit, snapshots: &mut Snapshots<'_>) -> Result<Self, VerifyError> {
        let (mut blobs, mut documents) = (BTreeSet::new(), Vec::new());
        let new: BTreeSet<ObjectId> = commit
            .paths
            .iter()
            .filter_map(|change| Some(change.new?.id))
            .collect();
        for change in commit.paths.iter().filter(|change| change.new.is_none()) {
            for old in change.old.iter().flatten() {
                blobs.insert(old.id);
                if !new.contains(&old.id) {
                    let snapshot = snapshots.of(&change.path, Some(*old))?;
                    documents.extend(snapshot.map(|snapshot| (change.path.clone(), snapshot)));
                }
            }
        }
        Ok(Self { blobs, documents })
    }

    /// Whether a new file may be one of them in plaintext: not where it is as it was under another
    /// name.
    pub(super) fn may_hold(&self, entry: TreeEntry) -> bool {
        !self.documents.is_empty() && !self.blobs.contains(&entry.id)
    }

    /// The document that a new file without metadata is a plaintext copy of: it has at least half
    /// of the names that tell, or, where all of it is one value, the same file name in another
    /// folder.
    pub(super) fn source_of(&self, path: &str, bytes: &[u8]) -> Option<&Snapshot> {
        let names = plain_names(path, bytes);
        let is_copy = |(other, gone): &&(String, Rc<Snapshot>)| {
            if Format::said_by(path).is_none() || Format::said_by(other).is_none() {
                return file_name(path) == file_name(other);
            }
            let telling = || gone.sealed.keys().filter(|name| !is_common(name));
            let known = telling().filter(|name| names.contains(*name)).count();
            known > 0 && known * 2 >= telling().count()
        };
        self.documents.iter().find(is_copy).map(|(_, gone)| &**gone)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every object of Kubernetes has these, so they prove nothing about a file.
fn is_common(name: &str) -> bool {
    let field = name.split(['.', '[', ' ']).next().unwrap_or(name);
    ["apiVersion", "kind", "type", "immutable", "metadata"].contains(&field)
}

/// The names of the values of a file without metadata; a reference to a value that is elsewhere is
/// none.
pub(super) fn plain_names(path: &str, bytes: &[u8]) -> BTreeSet<String> {
    let format = Format::of_path(path);
    if let Some(name) = format.traits().only_value {
        return BTreeSet::from([name.to_owned()]);
    }
    let tree = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| format.parse(text).ok());
    let leaves = tree.iter().flat_map(|tree| tree.leaves());
    let values = leaves.filter(|(_, _, leaf)| match leaf.scalar.as_text() {
        Some(text) => !text.is_empty() && !is_reference(text),
        None => leaf.scalar.token_type().is_some(),
    });
    values.map(|(path, ..)| path.to_string()).collect()
}
