//! `install --guard`: a filter that keeps secrets in clear out of the object store, in this clone only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::attributes::{Attributes, Change, block};
use super::global;
use crate::cli::failure::Failure;
use crate::cli::secrets::init::templates::attributes_pattern;
use crate::cli::ui::Ui;
use crate::repo::{Attribute, Repo};
use crate::workspace::{Caller, POLICY, Workspace};

pub(in crate::cli::secrets) const SECTION: &str = "filter.stax";
const PROCESS: &str = "filter.stax.process";
const REQUIRED: &str = "filter.stax.required";
const ABOUT: &str = "`stax secrets install --guard`; `stax secrets uninstall` takes this block out again";

/// A guard in its place.
pub(in crate::cli) struct Guard {
    /// Files that another filter has already, such as git-lfs.
    pub(in crate::cli) left_out: Vec<String>,
}

/// Writes the attributes into `info/attributes`, then the command.
pub(in crate::cli) fn install(program: &str) -> Result<Guard, Failure> {
    let workspace = Workspace::open(None, Caller::Person)?;
    let repo = workspace.repo()?;
    let (mut lines, mut left_out) = (global::patterns("filter=stax"), Vec::new());
    lines.push(format!("{POLICY} !filter"));
    for path in secret_paths(&workspace)? {
        match repo.attribute_in_quotes(&path, "filter")? {
            Attribute::Value(other) if other != "stax" => {
                // a pattern above may name it, and this file of attributes comes before the committed one
                lines.push(format!("{} filter={other}", attributes_pattern(&path)));
                left_out.push(path);
            }
            _ if global::is_named(&path) => {}
            _ => lines.push(format!("{} filter=stax", attributes_pattern(&path))),
        }
    }
    // with the command first a file of another filter would meet a guard that has to give its bytes back
    let path = place(repo);
    let put = Attributes::at(&path).put(&block(ABOUT, &lines));
    put.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    super::set(repo, PROCESS, &process(program))?;
    super::set(repo, REQUIRED, "true")?;
    Ok(Guard { left_out })
}

/// Lets the guard of this clone, where there is one, see a file that a command of stax has made a secret.
pub(in crate::cli) fn cover(repo: &Repo, path: &str, ui: &Ui) {
    match add(repo, path) {
        Ok(Change::AsBefore) => {}
        Ok(Change::Written) => ui.note(format!("the guard of this clone sees {path} as well from now on")),
        Err(failure) => {
            ui.warning(format!("the guard of this clone does not see {path}: {}", failure.message));
            ui.hint("stax secrets install --guard");
        }
    }
}

fn add(repo: &Repo, path: &str) -> Result<Change, Failure> {
    let is_seen =
        || Ok::<_, Failure>(matches!(repo.attribute_in_quotes(path, "filter")?, Attribute::Value(_)));
    if !is_installed(repo)? || is_seen()? {
        return Ok(Change::AsBefore);
    }
    let file = place(repo);
    let line = format!("{} filter=stax", attributes_pattern(path));
    Attributes::at(&file).add(&line).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

/// Takes the attributes out again; the command goes with the drivers.
pub(in crate::cli::secrets) fn uninstall(repo: &Repo) -> Result<bool, Failure> {
    let path = place(repo);
    let taken = Attributes::at(&path).take_out();
    Ok(taken.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))? == Change::Written)
}

/// Whether git asks it in this clone.
pub(in crate::cli) fn is_installed(repo: &Repo) -> Result<bool, Failure> {
    Ok(repo.config_string(PROCESS)?.is_some_and(|command| command.contains("git filter")))
}

fn place(repo: &Repo) -> PathBuf {
    repo.common_dir().join("info/attributes")
}

/// Bound files, SOPS files of the index, and what the index has under names that say so.
fn secret_paths(workspace: &Workspace) -> Result<BTreeSet<String>, Failure> {
    let mut paths: BTreeSet<String> =
        workspace.vault()?.into_iter().flat_map(|vault| vault.files).map(|file| file.path).collect();
    paths.extend(workspace.secret_files()?.into_iter().map(|(path, _)| path));
    let tracked = workspace.repo()?.index_entries()?.into_iter().map(|entry| entry.path);
    paths.extend(tracked.filter(|path| global::is_named(path)));
    paths.retain(|path| Path::new(path).file_name().is_some_and(|name| name != POLICY));
    Ok(paths)
}

/// git keeps it running for all files of a command. Another stax than the installed one will do; without any,
/// git stops, and its own words would not say why.
fn process(program: &str) -> String {
    let (quoted, if_stax) = (super::quoted(program), super::case_of_stax("stax"));
    format!(
        "f(){{ [ -x \"{quoted}\" ] && exec \"{quoted}\" git filter; \
         {if_stax} exec stax git filter;; esac; \
         echo \"stax: not found, and this clone is guarded; once without it: \
         git -c filter.stax.process= -c filter.stax.required=false ...\" >&2; return 1; }}; f"
    )
}
