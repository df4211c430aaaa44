//! Git LFS writes its own pre-push hook only where there is none. Where the hook of stax has that
//! place, it hands on: otherwise a push would bring commits whose large files no clone can get.

use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::process::shell_code;
use crate::repo::{Repo, SettingOwner};
use crate::workspace::git;

/// Pushes the objects of Git LFS as its own hook would: `args` and `lines` are what git gave to the
/// hook.
pub(super) fn push(
    args: &[OsString],
    remote: &str,
    lines: &[u8],
    ui: &Ui,
) -> Result<ExitCode, Failure> {
    let repo = Repo::from_env_without_work_tree()?;
    if !repo.common_dir().join("lfs").is_dir() || pushes_itself(&repo)? {
        return Ok(ExitCode::SUCCESS);
    }
    match owner_of_filter(&repo)? {
        None => Ok(ExitCode::SUCCESS),
        Some(SettingOwner::User) => {
            let words: Vec<OsString> = ["lfs".into(), "pre-push".into()]
                .into_iter()
                .chain(args.to_vec())
                .collect();
            let status = git::run_over(&repo, &words, lines)
                .map_err(|error| Failure::usage(error.to_string()))?;
            Ok(ExitCode::from(shell_code(status)))
        }
        // a program starts because its user said so, not because a repository does
        Some(SettingOwner::Repository) => {
            ui.warning("Git LFS is set up in this repository's own configuration alone, so its objects are not pushed");
            ui.hint(format!(
                "git lfs install --skip-repo     # for you; or: git lfs push {} --all, then git push --no-verify",
                shell_words::quote(remote)
            ));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The hook that runs now is one of several, and Git LFS has its own line in it.
fn pushes_itself(repo: &Repo) -> Result<bool, Failure> {
    let text = fs::read_to_string(repo.hooks_dir()?.join("pre-push")).unwrap_or_default();
    Ok(text.contains("git lfs ") || text.contains("git-lfs "))
}

/// Whose configuration has the filter of Git LFS; the last one counts.
fn owner_of_filter(repo: &Repo) -> Result<Option<SettingOwner>, Failure> {
    let is_filter = |name: &[u8]| name == b"filter.lfs.process" || name == b"filter.lfs.clean";
    let settings = repo.section("filter")?;
    let mut owners = settings
        .iter()
        .filter(|setting| is_filter(&setting.name))
        .map(|setting| setting.owner);
    let is_own = owners.clone().any(|owner| owner == SettingOwner::User);
    Ok(if is_own {
        Some(SettingOwner::User)
    } else {
        owners.next_back()
    })
}
