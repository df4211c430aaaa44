//! Rule C04: which values changed when everything in a bound file was encrypted anew. Public keys
//! are enough to write such a file; a key that opens both versions tells it from a rotation.

use sops_document::Cleartext;
use sops_document::compare::{Change, compare};

use super::error::VerifyError;
use super::facts::FileFacts;
use super::finding::Finding;
use super::rules::value::replaced;
use crate::repo::TreeEntry;
use crate::workspace::{Target, Workspace};

/// What a key tells of a file in which everything is new: the finding, or that no value is another
/// one. `None` where no key opens both versions, so that it can only be guessed.
pub(super) fn judge(
    workspace: &Workspace,
    path: &str,
    (old, new): (Option<TreeEntry>, Option<TreeEntry>),
) -> Result<Option<Option<Finding>>, VerifyError> {
    let (Some(old), Some(new)) = (opened(workspace, path, old)?, opened(workspace, path, new)?)
    else {
        return Ok(None);
    };
    let is_sealed = |change: &&Change| {
        change
            .old
            .iter()
            .chain(&change.new)
            .any(|value| value.token.is_some())
    };
    let changes = compare(old.tree(), new.tree()).changes;
    let names: Vec<String> = changes
        .iter()
        .filter(is_sealed)
        .map(|it| it.address().to_string())
        .collect();
    if names.is_empty() {
        return Ok(Some(None));
    }
    Ok(Some(Some(replaced(path, &names))))
}

fn opened(
    workspace: &Workspace,
    path: &str,
    entry: Option<TreeEntry>,
) -> Result<Option<Cleartext>, VerifyError> {
    let Some(entry) = entry.filter(TreeEntry::is_file) else {
        return Ok(None);
    };
    let file = FileFacts::read(path, true, Some(&workspace.repo()?.blob(entry.id)?));
    let Some(document) = file.document() else {
        return Ok(None);
    };
    let target = Target {
        path: path.to_owned(),
        env: None,
    };
    let key = workspace.unlock(&target, document).ok();
    Ok(key.and_then(|key| document.open_unverified(&key).ok()))
}
