//! Whether a clone has the drivers and hooks of another stax, or none. The one place that says so.

use std::path::Path;

use super::block::{block_in, plain_file};
use super::hooks::Hooks;
use super::script::HookName;
use super::texts::{Author, Driver};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// What a clone has of other versions of stax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct InstalledVersions {
    pub(in crate::cli) old_drivers: bool,
    pub(in crate::cli) old_hooks: bool,
    newer: bool,
}

impl InstalledVersions {
    pub(in crate::cli) fn of(repo: &Repo) -> Result<Self, Failure> {
        let mut found = Self::default();
        for driver in Driver::ALL {
            let author = repo
                .config_string(driver.name())?
                .map(|text| driver.author(&text));
            found.old_drivers |= author.is_some_and(Author::is_older);
            found.newer |= author == Some(Author::Newer);
        }
        let folder = repo.hooks_dir()?;
        if !is_beneath(&folder, &repo.common_dir()) {
            return Ok(found);
        }
        for name in HookName::ALL {
            let Ok(Some((bytes, _))) = plain_file(&folder.join(name.text())) else {
                continue;
            };
            let author = match block_in(&bytes) {
                Some(block) => name.block_author(&bytes[block]),
                None => name.author(&bytes),
            };
            found.old_hooks |= author.is_older();
            found.newer |= author == Author::Newer;
        }
        Ok(found)
    }

    pub(in crate::cli) fn is_older(self) -> bool {
        self.old_drivers || self.old_hooks
    }

    /// For JSON.
    pub(in crate::cli) fn older(self) -> Vec<&'static str> {
        let all = [("drivers", self.old_drivers), ("hooks", self.old_hooks)];
        all.into_iter()
            .filter_map(|(what, is_old)| is_old.then_some(what))
            .collect()
    }

    /// `the drivers and hooks of this clone are those of an older stax`
    pub(in crate::cli) fn text(self) -> Option<String> {
        let what = match (self.old_drivers, self.old_hooks) {
            (true, true) => "drivers and hooks",
            (true, false) => "drivers",
            (false, true) => "hooks",
            (false, false) if self.newer => {
                return Some(
                    "git calls a newer stax in this clone; this one leaves its drivers and hooks alone"
                        .to_owned(),
                );
            }
            (false, false) => return None,
        };
        Some(format!(
            "the {what} of this clone are those of an older stax"
        ))
    }
}

/// Hooks elsewhere are those of all repositories, or committed: not of this clone.
fn is_beneath(folder: &Path, common_dir: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(folder)
        .zip(real(common_dir))
        .is_some_and(|(folder, own)| folder.starts_with(own))
}

/// Says it in one line, for a command that writes. What cannot be read is no matter of that
/// command.
pub(in crate::cli::secrets) fn tell(ui: &Ui, workspace: &Workspace) {
    let Ok(repo) = workspace.repo() else { return };
    let Ok(found) = InstalledVersions::of(repo) else {
        return;
    };
    if let Some(text) = found.text() {
        let next = if found.is_older() {
            "; next: stax secrets install"
        } else {
            ""
        };
        ui.warning(format!("{text}{next}"));
    } else if matches!(workspace.bindings(), Ok(Some(_))) && is_fresh(repo).unwrap_or(false) {
        ui.warning(
            "no drivers and no hooks of stax in this clone: git checks nothing; next: stax secrets install",
        );
    }
}

/// Nothing that `install` brings is there: a clone comes without it.
fn is_fresh(repo: &Repo) -> Result<bool, Failure> {
    let hooks = Hooks::survey(repo, &super::program()?)?;
    Ok(super::drivers_of(repo)? == (false, false)
        && !hooks.found.iter().any(|(_, hook)| hook.guards()))
}
