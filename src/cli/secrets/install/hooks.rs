//! The hooks of a clone: our own scripts, or a block in those of somebody else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::block::{block_in, plain_file, without_block, write};
use super::manager::{Manager, advise_script};
use super::script::{HookName, with_block};
use super::texts::Author;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;

/// What stands where git looks for one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Hook {
    /// Ours, as this stax writes it.
    Installed,
    /// Somebody else's, with our block as this stax writes it.
    Inserted,
    /// Ours or our block, of another version or for another place of stax, or not executable.
    Outdated,
    /// That of a stax to come, which is left to it.
    Newer,
    /// Somebody else's, and it calls stax.
    Chained,
    /// Somebody else's file, or the place where their hook manager reads one.
    Foreign(PathBuf),
    Absent,
}

impl Hook {
    pub(in crate::cli) fn guards(&self) -> bool {
        !matches!(self, Self::Foreign(_) | Self::Absent)
    }

    pub(in crate::cli) fn is_for_install(&self) -> bool {
        matches!(self, Self::Absent | Self::Outdated)
    }

    pub(in crate::cli) fn word(&self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Inserted => "inserted",
            Self::Outdated => "outdated",
            Self::Newer => "newer",
            Self::Chained => "chained",
            Self::Foreign(_) => "foreign",
            Self::Absent => "absent",
        }
    }
}

/// The hooks of a clone, and who else manages them.
pub(in crate::cli) struct Hooks {
    pub(in crate::cli) found: Vec<(HookName, Hook)>,
    manager: Option<Manager>,
}

/// What an uninstallation did.
#[derive(Default)]
pub(in crate::cli) struct Removed {
    pub(in crate::cli) deleted: Vec<HookName>,
    pub(in crate::cli) restored: Vec<PathBuf>,
    /// Files of others that call stax.
    pub(in crate::cli) calling: Vec<PathBuf>,
}

impl Hooks {
    /// What is there now.
    pub(in crate::cli) fn survey(repo: &Repo, program: &str) -> Result<Self, Failure> {
        let manager = Manager::of(repo)?;
        let folder = repo.hooks_dir()?;
        let mut found = Vec::new();
        for name in HookName::ALL {
            found.push((name, inspect(&folder, name, program, manager.as_ref())?));
        }
        Ok(Self { found, manager })
    }

    /// Writes what is missing or old, and a block into hooks of others that bear one.
    pub(in crate::cli) fn install(repo: &Repo, program: &str) -> Result<Self, Failure> {
        let mut hooks = Self::survey(repo, program)?;
        let folder = repo.hooks_dir()?;
        for (name, hook) in &mut hooks.found {
            let path = folder.join(name.text());
            let failed = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
            let is_free = hooks.manager.is_none() && matches!(hook, Hook::Foreign(_));
            if !hook.is_for_install() && !is_free {
                continue;
            }
            let old = match *hook {
                Hook::Absent => None,
                _ => plain_file(&path).map_err(failed)?,
            };
            match old {
                None if is_free => {}
                Some((old, mode)) if is_free || block_in(&old).is_some() => {
                    // git runs no hook that is not executable; to make it one may not be wanted
                    let fits = mode & 0o111 != 0;
                    if let Some(new) = with_block(&old, *name, program).filter(|_| fits) {
                        write(&path, &new, mode).map_err(failed)?;
                        *hook = Hook::Inserted;
                    }
                }
                _ => {
                    write(&path, name.script(program).as_bytes(), 0o755).map_err(failed)?;
                    *hook = Hook::Installed;
                }
            }
        }
        Ok(hooks)
    }

    /// Takes out our scripts and blocks. What is beside them keeps every byte.
    pub(in crate::cli) fn uninstall(repo: &Repo) -> Result<Removed, Failure> {
        let mut removed = Removed::default();
        let default = repo.common_dir().join("hooks");
        let mut folders = vec![default.clone()];
        // hooks of all repositories, and committed ones, are not of this clone
        let manager = Manager::of(repo)?;
        if !manager.as_ref().is_some_and(Manager::owns_folder) && repo.hooks_dir()? != default {
            folders.push(repo.hooks_dir()?);
        }
        for (folder, name) in folders
            .iter()
            .flat_map(|folder| HookName::ALL.map(|name| (folder, name)))
        {
            let path = folder.join(name.text());
            let failed = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
            // pre-commit and lefthook move what they find aside; pre-commit goes on to run it
            let aside =
                [".legacy", ".old"].map(|suffix| folder.join(format!("{}{suffix}", name.text())));
            for path in aside.iter().chain([&path]) {
                if plain_file(path)
                    .map_err(failed)?
                    .is_some_and(|(old, _)| is_ours(name.author(&old)))
                {
                    fs::remove_file(path).map_err(failed)?;
                    removed.deleted.push(name);
                }
            }
            let Some((old, mode)) = plain_file(&path).map_err(failed)? else {
                continue;
            };
            let block =
                block_in(&old).filter(|range| is_ours(name.block_author(&old[range.clone()])));
            if let Some(new) = block.and_then(|_| without_block(&old)) {
                write(&path, &new, mode).map_err(failed)?;
                removed.restored.push(path);
            } else if name.is_called_in(&old) {
                removed.calling.push(path);
            }
        }
        removed.deleted.dedup();
        if let Some(manager) = &manager {
            removed.calling.extend(manager.calling());
        }
        Ok(removed)
    }

    /// `pre-commit, pre-push` of those that pass.
    pub(in crate::cli) fn listed(&self, passes: impl Fn(&Hook) -> bool) -> String {
        let names: Vec<&str> = self
            .found
            .iter()
            .filter(|(_, hook)| passes(hook))
            .map(|(name, _)| name.text())
            .collect();
        names.join(", ")
    }

    /// What git does unchecked, as clauses.
    pub(in crate::cli) fn gaps(&self) -> Vec<&'static str> {
        self.found
            .iter()
            .filter(|(_, hook)| !hook.guards())
            .map(|(name, _)| name.gap())
            .collect()
    }

    /// The files of others that do not call stax, once each.
    pub(in crate::cli) fn foreign(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = Vec::new();
        for (_, hook) in &self.found {
            if let Hook::Foreign(path) = hook
                && !paths.contains(&path.as_path())
            {
                paths.push(path);
            }
        }
        paths
    }

    /// What is left to do by hand, with the exact lines.
    pub(in crate::cli) fn advise(&self, ui: &Ui) {
        let left: Vec<(HookName, &Path)> = self
            .found
            .iter()
            .filter_map(|(name, hook)| match hook {
                Hook::Foreign(path) => Some((*name, path.as_path())),
                _ => None,
            })
            .collect();
        if left.is_empty() {
            return;
        }
        let gaps = self.gaps().join(", ");
        if let Some(manager) = &self.manager {
            ui.warning(format!(
                "{} and stax wrote no hook for it; {gaps}",
                manager.claim()
            ));
            return manager.advise(ui, &left.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
        for (name, path) in left {
            let shown = path.display();
            ui.warning(format!(
                "{shown} is not stax's and was left alone; {}",
                name.gap()
            ));
            advise_script(ui, path, name, false);
            if plain_file(path)
                .ok()
                .flatten()
                .is_some_and(|(_, mode)| mode & 0o111 == 0)
            {
                ui.note(format!(
                    "git ignores it until it is executable: chmod +x {shown}"
                ));
            }
        }
    }
}

fn is_ours(author: Author) -> bool {
    matches!(author, Author::Stax(_))
}

/// Whether the manager goes on to run what stood in its place, and that calls stax.
fn calls_aside(manager: &Manager, hook: &Path, name: HookName) -> bool {
    let aside = hook.with_extension("legacy");
    let old = plain_file(&aside).ok().flatten();
    old.is_some_and(|(bytes, mode)| mode & 0o111 != 0 && name.is_called_in(&bytes))
        && manager.runs_legacy(hook)
}

fn inspect(
    folder: &Path,
    name: HookName,
    program: &str,
    manager: Option<&Manager>,
) -> Result<Hook, Failure> {
    let path = folder.join(name.text());
    let failed = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let elsewhere = manager.is_some_and(Manager::owns_folder);
    if let Some((bytes, mode)) = plain_file(&path).map_err(failed)?
        && !elsewhere
    {
        let runs = mode & 0o111 != 0;
        match name.author(&bytes) {
            Author::Stax(_) => {
                let current = runs && bytes == name.script(program).as_bytes();
                return Ok(if current {
                    Hook::Installed
                } else {
                    Hook::Outdated
                });
            }
            Author::Newer => return Ok(Hook::Newer),
            Author::Other => {}
        }
        if let Some(range) = block_in(&bytes) {
            let current = bytes[range.clone()] == *name.block(program).as_bytes();
            match (name.block_author(&bytes[range]), runs) {
                (Author::Stax(_), true) if current => return Ok(Hook::Inserted),
                (Author::Stax(_), true) => return Ok(Hook::Outdated),
                (Author::Newer, true) => return Ok(Hook::Newer),
                (_, false) => return Ok(Hook::Foreign(path)),
                // somebody changed it
                (Author::Other, true) => {}
            }
        }
        if manager.is_none() && runs && name.is_called_in(&bytes) {
            return Ok(Hook::Chained);
        }
    }
    if let Some(manager) = manager {
        // a manager's configuration does nothing in a clone without its hooks
        let is_active = elsewhere || path.exists();
        let chained = is_active && (manager.calls(name) || calls_aside(manager, &path, name));
        return Ok(if chained {
            Hook::Chained
        } else {
            Hook::Foreign(manager.place(name))
        });
    }
    Ok(match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Hook::Absent,
        Err(error) => return Err(failed(error)),
        // what a link leads to may call stax, and is not ours to change
        Ok(meta)
            if meta.is_symlink()
                && fs::read(&path).is_ok_and(|bytes| name.is_called_in(&bytes)) =>
        {
            Hook::Chained
        }
        Ok(_) => Hook::Foreign(path),
    })
}
