//! Secret files for which git does not call the drivers, because no attribute gives them.

use std::collections::BTreeSet;

use super::global::DRIVERS;
use crate::cli::failure::Failure;
use crate::cli::secrets::init::templates::attributes_pattern;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// More lines than these nobody copies by hand.
const SHOWN: usize = 12;

/// Those of some secret files.
pub(in crate::cli::secrets) fn among(
    repo: &Repo,
    paths: impl Iterator<Item = String>,
) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !repo.is_for_stax(&path, "diff")? || !repo.is_for_stax(&path, "merge")? {
            found.push(path);
        }
    }
    Ok(found)
}

/// `2 of 5 secret files have no diff=stax merge=stax`
pub(in crate::cli::secrets) fn said(found: usize, all: usize) -> String {
    let (files, have) = if all == 1 {
        ("file", "has")
    } else {
        ("files", "have")
    };
    format!(
        "{found} of {all} secret {files} {have} no {DRIVERS}: git shows and merges ciphertext there"
    )
}

/// What install cannot do itself: it changes nothing that is committed.
pub(super) fn advise(ui: &Ui, workspace: &Workspace) -> Result<(), Failure> {
    let mut paths: BTreeSet<String> = workspace
        .vault()?
        .into_iter()
        .flat_map(|vault| vault.files)
        .map(|file| file.path)
        .collect();
    paths.extend(workspace.secret_files()?.into_iter().map(|(path, _)| path));
    let all = paths.len();
    let found = among(workspace.repo()?, paths.into_iter())?;
    if found.is_empty() {
        return Ok(());
    }
    ui.warning(said(found.len(), all));
    ui.say("add to .gitattributes, for everybody, or to the attributes of this clone (`git rev-parse --git-path info/attributes`):");
    for path in found.iter().take(SHOWN) {
        ui.say(format!("  {} -text {DRIVERS}", attributes_pattern(path)));
    }
    if found.len() > SHOWN {
        ui.say(format!(
            "  and so on for {} more; a pattern such as secrets/** names many",
            found.len() - SHOWN
        ));
    }
    Ok(())
}
