//! What of a store enters the environment of a shell or a program.

use std::collections::BTreeSet;

use sops_document::Tree;
use zeroize::Zeroizing;

use super::{empty, values};
use crate::cli::failure::Failure;
use crate::cli::show::is_ci;
use crate::cli::ui::Ui;
use crate::environment::names::{Class, class};
use crate::policy::consent::Consent;
use crate::workspace::consent::{Store, StoreError};
use crate::workspace::{Target, Workspace, WorkspaceError};

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A shell, again and again: what it takes on stays for every program that is started there.
    Export,
    /// One program, which the user names.
    Exec,
}

pub type NamedValue = (String, Zeroizing<String>);

/// The values of a bound file, or an error for all of them. What nothing authenticates is left out,
/// and so is a name that came later and leads programs elsewhere; each with a line.
pub fn variables(
    ui: &Ui,
    workspace: &Workspace,
    target: &Target,
    tree: &Tree,
    door: Door,
) -> Result<Vec<NamedValue>, Failure> {
    if target.env.is_none() {
        return Err(Failure::usage(format!("{} is not bound to an environment", target.path)).hint(
            "only files of .stax/vault.json are exported; print any other with: stax secrets decrypt",
        ));
    }
    values::check_managed(workspace, target, tree)?;
    let mut pairs = Vec::new();
    for (path, _, leaf) in tree.leaves() {
        let bytes = values::plain_text(&leaf.scalar);
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|_| Failure::usage(format!("{}: `{path}` is not UTF-8 text", target.path)))?;
        pairs.push((path.keys().collect::<String>(), Zeroizing::new(text)));
    }
    leave_out_empty(ui, workspace, target, &mut pairs)?;
    judge_pointers(ui, workspace, door, &mut pairs)?;
    Ok(pairs)
}

fn leave_out_empty(
    ui: &Ui,
    workspace: &Workspace,
    target: &Target,
    pairs: &mut Vec<NamedValue>,
) -> Result<(), Failure> {
    let vault = workspace.vault()?;
    let is_doubtful = |(name, value): &NamedValue| {
        value.is_empty() && !empty::is_meant(vault.as_ref(), &target.path, name)
    };
    let names: Vec<String> = pairs
        .iter()
        .filter(|pair| is_doubtful(pair))
        .map(|(name, _)| name.clone())
        .collect();
    let Some(first) = names.first() else {
        return Ok(());
    };
    pairs.retain(|(name, _)| !names.contains(name));
    let env = target
        .env
        .iter()
        .map(|env| format!(" -e {env}"))
        .collect::<String>();
    ui.warning(format!(
        "left out {}: SOPS does not authenticate an empty value, so anybody may have put it there; if it is meant: \
         stax secrets set {first} --empty{env}",
        listed(&names)
    ));
    Ok(())
}

/// Names that point at a proxy, certificates or configuration.
fn judge_pointers(
    ui: &Ui,
    workspace: &Workspace,
    door: Door,
    pairs: &mut Vec<NamedValue>,
) -> Result<(), Failure> {
    let store = Store::of(workspace.repo()?).map_err(WorkspaceError::from)?;
    let consent = store
        .consent()
        .map_err(WorkspaceError::from)?
        .unwrap_or_default();
    let allowed = workspace.allowed_names()?;
    let here = pointers(pairs.iter().map(|(name, _)| name.as_str()));
    let is_known = |name: &&String| {
        allowed.contains(name)
            || consent
                .seen
                .as_ref()
                .is_some_and(|seen| seen.contains(name))
    };
    let new: Vec<String> = here
        .iter()
        .filter(|name| !is_known(name))
        .cloned()
        .collect();
    // a build server begins with a new clone; where one has exported before, a value `CI` of the
    // store changes nothing
    let is_build = is_ci(std::env::vars_os()) && consent.seen.is_none();
    if door == Door::Exec || is_build {
        if !new.is_empty() {
            let (list, verb) = (
                listed(&new),
                if new.len() == 1 { "points" } else { "point" },
            );
            ui.note(format!(
                "{list} {verb} programs at a proxy, certificates or configuration"
            ));
        }
        return Ok(());
    }
    if consent.seen.is_none() || store.can_tell_more(&consent) {
        let seen = consent
            .seen
            .clone()
            .unwrap_or_else(|| names_of_all(workspace, here));
        if let Err(error) = remember(&store, &seen) {
            ui.warning(format!(
                "a name that comes later cannot be told from those of today: {error}"
            ));
        }
        if consent.seen.is_none() {
            return Ok(());
        }
    }
    if !new.is_empty() {
        pairs.retain(|(name, _)| !new.contains(name));
        let (list, names) = (listed(&new), new.join(" "));
        let lead = if new.len() == 1 {
            "it leads"
        } else {
            "they lead"
        };
        ui.warning(format!(
            "left out {list}, new since the first export of this clone: {lead} programs to another proxy, certificate \
             or configuration; if that is right: stax allow env {names}"
        ));
    }
    Ok(())
}

fn remember(store: &Store<'_>, seen: &[String]) -> Result<(), StoreError> {
    store.change(false, &mut |consent: &mut Consent| {
        // another export may have been first
        consent.seen.get_or_insert_with(|| seen.to_owned());
    })
}

/// The names of every bound file, which are there for everybody to read, so that the first export
/// of another environment is no surprise.
fn names_of_all(workspace: &Workspace, mut names: BTreeSet<String>) -> Vec<String> {
    let files = workspace
        .vault()
        .ok()
        .flatten()
        .map(|vault| vault.files)
        .unwrap_or_default();
    for file in files {
        let target = Target {
            path: file.path,
            env: Some(file.env),
        };
        let Ok(document) = workspace.document(&target) else {
            continue;
        };
        let keys: Vec<String> = document
            .tree()
            .leaves()
            .iter()
            .map(|(path, ..)| path.keys().collect())
            .collect();
        names.extend(pointers(keys.iter().map(String::as_str)));
    }
    names.into_iter().collect()
}

fn pointers<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names
        .filter(|name| class(name) == Some(Class::Points))
        .map(str::to_owned)
        .collect()
}

/// At most five by name.
fn listed(names: &[String]) -> String {
    const NAMED: usize = 5;
    let shown = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED {
        format!("{shown} and {} more", names.len() - NAMED)
    } else {
        shown
    }
}
