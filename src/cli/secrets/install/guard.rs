//! `install --guard`: a filter that keeps secrets in clear out of the object store, in this clone
//! only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::attributes::{Attributes, WriteOutcome, block};
use super::config::{Local, put, stranger};
use super::global;
use super::texts::{Author, Driver};
use crate::cli::failure::Failure;
use crate::cli::secrets::init::templates::attributes_pattern;
use crate::cli::ui::Ui;
use crate::policy::vault::Vault;
use crate::repo::{Attribute, Repo};
use crate::workspace::{Caller, POLICY, VAULT, Workspace};

const ABOUT: &str =
    "`stax secrets install --guard`; `stax secrets uninstall` takes this block out again";

/// A guard in its place.
pub(in crate::cli) struct InstalledGuard {
    /// Files that another filter has already, such as git-lfs.
    pub(in crate::cli) left_out: Vec<String>,
}

/// Writes the attributes into `info/attributes`, then the command.
pub(in crate::cli) fn install(program: &str) -> Result<InstalledGuard, Failure> {
    let workspace = Workspace::open(None, Caller::Person)?;
    let repo = workspace.repo()?;
    let config = Local(repo);
    if stranger(&config, Driver::Filter)?.is_some() {
        return Err(Failure::usage(
            "filter.stax.process of this clone is no command that this stax wrote",
        )
        .hint("to have the guard in its place: git config --unset-all filter.stax.process"));
    }
    let (mut lines, mut left_out) = (global::patterns("filter=stax"), Vec::new());
    lines.push(format!("{POLICY} !filter"));
    lines.push(bindings());
    for path in secret_paths(&workspace)? {
        match repo.attribute_in_quotes(&path, "filter")? {
            Attribute::Value(other) if other != "stax" => {
                // a pattern above may name it, and this file of attributes comes before the
                // committed one
                lines.push(format!("{} filter={other}", attributes_pattern(&path)));
                left_out.push(path);
            }
            _ if global::is_named(&path) => {}
            _ => lines.push(format!("{} filter=stax", attributes_pattern(&path))),
        }
    }
    // with the command first a file of another filter would meet a guard that has to give its bytes
    // back
    let path = place(repo);
    let written = Attributes::at(&path).put(&block(ABOUT, &lines));
    written.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    put(&config, Driver::Filter, program)?;
    Ok(InstalledGuard { left_out })
}

/// So that the filter is asked when a pull brings new bindings.
fn bindings() -> String {
    format!("{VAULT} filter=stax")
}

/// Whether some stax wrote the command, so that it is ours to renew.
pub(super) fn is_ours(repo: &Repo) -> Result<bool, Failure> {
    let command = repo.config_string(Driver::Filter.name())?;
    Ok(command.is_some_and(|text| matches!(Driver::Filter.author(&text), Author::Stax(_))))
}

/// Lets the guard of this clone, where there is one, see a file that a command of stax has made a
/// secret.
pub(in crate::cli) fn cover(repo: &Repo, path: &str, ui: &Ui) {
    match add(repo, path) {
        Ok(WriteOutcome::AsBefore) => {}
        Ok(WriteOutcome::Written) => ui.note(format!(
            "the guard of this clone sees {path} as well from now on"
        )),
        Err(failure) => {
            ui.warning(format!(
                "the guard of this clone does not see {path}: {}",
                failure.message
            ));
            ui.hint("stax secrets install --guard");
        }
    }
}

/// The same for what a `.stax/vault.json` binds that git is about to write.
pub(in crate::cli) fn cover_bound(repo: &Repo, vault: &[u8], ui: &Ui) {
    let vault = std::str::from_utf8(vault)
        .ok()
        .and_then(|text| Vault::known(text).ok());
    for file in vault.into_iter().flat_map(|vault| vault.files) {
        cover(repo, &file.path, ui);
    }
}

fn add(repo: &Repo, path: &str) -> Result<WriteOutcome, Failure> {
    let is_seen = || {
        Ok::<_, Failure>(matches!(
            repo.attribute_in_quotes(path, "filter")?,
            Attribute::Value(_)
        ))
    };
    if !is_installed(repo)? || is_seen()? {
        return Ok(WriteOutcome::AsBefore);
    }
    let file = place(repo);
    let line = format!("{} filter=stax", attributes_pattern(path));
    Attributes::at(&file)
        .add(&line)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// Takes the attributes out again; the command goes with the drivers.
pub(in crate::cli::secrets) fn uninstall(repo: &Repo) -> Result<bool, Failure> {
    let path = place(repo);
    let taken = Attributes::at(&path).take_out();
    Ok(
        taken.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
            == WriteOutcome::Written,
    )
}

/// Whether git asks it in this clone.
pub(in crate::cli) fn is_installed(repo: &Repo) -> Result<bool, Failure> {
    Ok(repo
        .config_string(Driver::Filter.name())?
        .is_some_and(|command| command.contains("git filter")))
}

fn place(repo: &Repo) -> PathBuf {
    repo.common_dir().join("info/attributes")
}

/// Bound files, SOPS files of the index, and what the index has under names that say so.
fn secret_paths(workspace: &Workspace) -> Result<BTreeSet<String>, Failure> {
    let mut paths: BTreeSet<String> = workspace
        .vault()?
        .into_iter()
        .flat_map(|vault| vault.files)
        .map(|file| file.path)
        .collect();
    paths.extend(workspace.secret_files()?.into_iter().map(|(path, _)| path));
    let tracked = workspace
        .repo()?
        .index_entries()?
        .into_iter()
        .map(|entry| entry.path);
    paths.extend(tracked.filter(|path| global::is_named(path)));
    paths.retain(|path| {
        Path::new(path)
            .file_name()
            .is_some_and(|name| name != POLICY)
    });
    Ok(paths)
}
