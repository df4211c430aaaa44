//! Whose values a file holds while git has a merge, a rebase or a pick under way.

use sops_document::merge::marker;

use super::sides::names;
use crate::cli::ui::Ui;
use crate::repo::{ObjectId, Operation, Repo};
use crate::workspace::Workspace;
use crate::workspace::conflicts;

/// A command that hands out values says whose they are, on stderr.
pub(in crate::cli::secrets) fn say(ui: &Ui, workspace: &Workspace, path: &str, text: &str) {
    let Ok(repo) = workspace.repo() else { return };
    if let Some(conflict) = conflict(repo, path, text) {
        ui.warning(conflict);
    } else if let Some(side) = side(repo, path, text.as_bytes()) {
        ui.note(side);
    }
}

/// A valid file whose merge left keys open: of those it holds ours.
pub(in crate::cli::secrets) fn conflict(repo: &Repo, path: &str, text: &str) -> Option<String> {
    let (_, keys) = marker::unmark(text).filter(|(_, keys)| !keys.is_empty())?;
    let known = conflicts::known(repo)
        .into_iter()
        .find(|known| known.path == path);
    let whose = match known {
        Some(known) => {
            let (ours, theirs) = names(repo, path, known.blobs.theirs);
            format!("as on {} (ours), not as on {}", ours.short, theirs.short)
        }
        None => "as on one side of a merge that is over".to_owned(),
    };
    let is = if keys.len() == 1 { "is" } else { "are" };
    let file = shell_words::quote(path);
    let keys = keys.join("`, `");
    Some(format!(
        "{path} is in conflict: `{keys}` {is} {whose}, until: stax secrets resolve {file}"
    ))
}

/// A file that both sides of what git has under way hold differently.
fn side(repo: &Repo, path: &str, bytes: &[u8]) -> Option<String> {
    let operation = repo.operations().into_iter().next()?;
    let ours = repo.head_entry(path).ok()?.map(|entry| entry.id);
    let theirs = repo
        .entry_at(operation.commit, path)
        .ok()?
        .map(|entry| entry.id);
    if ours == theirs {
        return None;
    }
    let here = repo.blob_name(bytes).ok();
    let (ours_name, theirs_name) = names(repo, path, operation.commit);
    let whose = if here == ours {
        format!("the values of {} (ours)", ours_name.short)
    } else if here == theirs {
        format!("the values of {}", theirs_name.short)
    } else {
        "values merged from both sides".to_owned()
    };
    Some(format!(
        "{} is not finished: {path} holds {whose}",
        under_way(&operation, &theirs_name.short)
    ))
}

fn under_way(operation: &Operation, name: &str) -> String {
    let commit: ObjectId = operation.commit;
    match operation.head {
        "MERGE_HEAD" => format!("a merge of {name}"),
        "CHERRY_PICK_HEAD" => format!("a cherry-pick of {}", commit.short()),
        "REVERT_HEAD" => format!("a revert of {}", commit.short()),
        _ => "a rebase".to_owned(),
    }
}
