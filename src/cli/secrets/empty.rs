//! Empty values. SOPS neither encrypts nor authenticates them, so that anybody who can push could
//! have put one there: only those that an exception of `.stax/vault.json` names are handed to
//! programs.

use sops_document::Path;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::cli::vault;
use crate::policy::vault::{Allow, Vault};
use crate::verify::{RuleId, covers};
use crate::workspace::{Target, VAULT, Workspace};

const WHY: &str = "empty on purpose";

/// Whether the repository says that a value is empty on purpose.
pub fn is_meant(vault: Option<&Vault>, path: &str, key: &str) -> bool {
    vault.is_some_and(|vault| {
        vault
            .allow
            .iter()
            .any(|allow| covers(allow, RuleId::F04E, path, Some(key)))
    })
}

/// After a write: says so in `.stax/vault.json` of keys that were just set empty, and takes it back
/// for those that no longer are. An exception that outlived its value would let somebody else empty
/// it.
pub fn settle(
    ui: &Ui,
    workspace: &Workspace,
    target: &Target,
    set_empty: &[String],
) -> Result<(), Failure> {
    let (Some(_), Some(mut vault)) = (&target.env, workspace.vault()?) else {
        return Ok(());
    };
    if set_empty.is_empty() && !vault.allow.iter().any(|allow| is_own(allow, &target.path)) {
        return Ok(());
    }
    let before = vault.allow.clone();
    let document = workspace.document(target)?;
    let is_empty = |key: &str| {
        let entry = document.tree().find(&Path::key(key));
        entry
            .and_then(|entry| entry.node.leaf())
            .is_some_and(|leaf| leaf.scalar.is_empty_str())
    };
    vault
        .allow
        .retain(|allow| !is_own(allow, &target.path) || allow.key.as_deref().is_some_and(is_empty));
    let mut added = Vec::new();
    for key in set_empty.iter().filter(|key| is_empty(key)) {
        if !is_meant(Some(&vault), &target.path, key) {
            vault.allow.push(exception(&target.path, key));
            added.push(key.as_str());
        }
    }
    if vault.allow == before {
        return Ok(());
    }
    vault::save(ui, workspace, &[workspace.plan(VAULT, vault.render())?])?;
    if !added.is_empty() {
        let names = added.join(", ");
        ui.note(format!(
            "{VAULT}: an exception for F04E says that {names} is empty on purpose"
        ));
    }
    Ok(())
}

/// One that stax wrote.
fn is_own(allow: &Allow, path: &str) -> bool {
    allow
        .key
        .as_deref()
        .is_some_and(|key| *allow == exception(path, key))
}

fn exception(path: &str, key: &str) -> Allow {
    let (rule, path, key) = ("F04E".to_owned(), path.to_owned(), Some(key.to_owned()));
    Allow {
        rule,
        path,
        key,
        why: WHY.to_owned(),
    }
}
