//! What is so in this clone alone: drivers, the guard, and which program is called stax.

use std::path::PathBuf;

use super::install;
use crate::cli::failure::Failure;
use crate::policy::content::mentions;
use crate::repo::{Attribute, Repo};
use crate::verify::facts::{Facts, SwitchedOff, ThisClone};
use crate::verify::tree::switch;

/// What this clone lacks for the SOPS files among the facts.
pub(super) fn look(repo: &Repo, facts: &Facts) -> Result<ThisClone, Failure> {
    let paths: Vec<&str> = facts
        .files()
        .filter(|file| file.managed || file.document().is_some())
        .map(|file| file.path.as_str())
        .collect();
    let (has_diff, has_merge) = install::drivers_of(repo)?;
    let mut unserved = Vec::new();
    for (name, shown, is_there) in [
        ("diff", "diff=stax", has_diff),
        ("merge", "merge=stax", has_merge),
    ] {
        let asks = |path: &&str| repo.is_for_stax(path, name).unwrap_or(false);
        unserved.extend((!is_there && paths.iter().any(asks)).then_some(shown));
    }
    Ok(ThisClone {
        unserved,
        has_old_drivers: install::versions::InstalledVersions::of(repo)?.old_drivers,
        stranger: stranger(),
        unguarded: unguarded(repo, paths.into_iter())?,
    })
}

/// The files that a guard in this clone does not see. One that another filter has, such as git-lfs,
/// is none of them: `install --guard` says so.
pub(super) fn unguarded<'a>(
    repo: &Repo,
    paths: impl Iterator<Item = &'a str>,
) -> Result<Vec<(String, Option<SwitchedOff>)>, Failure> {
    let mut found = Vec::new();
    if !install::guard::is_installed(repo)? {
        return Ok(found);
    }
    for path in paths {
        if !matches!(
            repo.attribute_in_quotes(path, "filter")?,
            Attribute::Value(_)
        ) {
            // over any other file the block of the guard wins, once it names the path
            let own =
                switch(repo, path, "filter")?.filter(|line| line.file.ends_with("info/attributes"));
            found.push((path.to_owned(), own));
        }
    }
    Ok(found)
}

pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Another program called stax. It is never started: every stax holds the text of its hooks, and a
/// script that hands its arguments on may well lead to one.
pub(super) fn stranger() -> Option<String> {
    let found = on_path("stax")?;
    let is_this =
        || Some(found.canonicalize().ok()? == std::env::current_exe().ok()?.canonicalize().ok()?);
    if is_this().unwrap_or(false) {
        return None;
    }
    let bytes = std::fs::read(&found).ok()?;
    let is_wrapper = bytes.starts_with(b"#!") && mentions(&bytes, b"\"$@\"");
    (!is_wrapper && !mentions(&bytes, b"# stax-hook v")).then(|| found.display().to_string())
}
