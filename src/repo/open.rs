//! Opening a repository, also one that libgit2 by itself refuses and git does not.

// two switches of libgit2 are global to the process, and git2 calls such switches unsafe
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use git2::{Error, Repository, RepositoryOpenFlags};

use super::RepoError;
use super::plumbing::{Naming, git, started};
use crate::trace;

/// What libgit2 refuses although it can read the repository: where missing objects come from, and a
/// second name of each object. References in another storage are asked of git (`refs`).
const EXTENSIONS: [&str; 3] = ["partialclone", "compatobjectformat", "refstorage"];

/// One at a time, since the switches are for all threads.
static OPENING: Mutex<()> = Mutex::new(());
static PREPARED: Once = Once::new();

/// The repository that holds a folder.
pub(super) fn discover(folder: &Path) -> Result<Repository, RepoError> {
    trace::step("repo", || {
        format!("look for a repository from {}", folder.display())
    });
    // `Repository::discover` forgets the work tree of a git folder that is elsewhere
    let open = || Repository::open_ext(folder, RepositoryOpenFlags::CROSS_FS, &[] as &[&OsStr]);
    trusted(&open, folder, Naming::Discovered)
}

/// The repository that git names in the environment.
pub(super) fn from_env() -> Result<Repository, RepoError> {
    trace::step("repo", || "open what GIT_DIR and its kin name".to_owned());
    trusted(
        &Repository::open_from_env,
        Path::new("."),
        Naming::Environment,
    )
}

/// The same for a command of a person. Without a work tree in the environment or the configuration
/// git takes the current folder for one.
pub(super) fn named() -> Result<Repository, RepoError> {
    let repository = from_env()?;
    let has_work_tree = std::env::var_os("GIT_WORK_TREE").is_some()
        || repository.config()?.get_entry("core.worktree").is_ok()
        || repository.is_bare()
        || repository.is_worktree();
    if !has_work_tree {
        repository.set_workdir(Path::new("."), false)?;
    }
    Ok(repository)
}

fn trusted(
    open: &dyn Fn() -> Result<Repository, Error>,
    folder: &Path,
    naming: Naming,
) -> Result<Repository, RepoError> {
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    PREPARED.call_once(|| {
        // SAFETY: the list is written once, before this process opens a repository; only this
        // module opens any
        let _ = unsafe { git2::opts::set_extensions(&EXTENSIONS) };
    });
    let error = match open() {
        Ok(repository) => {
            trace::step("repo", || format!("opened {}", repository.path().display()));
            return Ok(repository);
        }
        Err(error) => error,
    };
    let failure = RepoError::opening(&error, folder);
    trace::step("repo", || format!("libgit2 refuses: {failure}"));
    match failure {
        RepoError::NotOwned(_) => match asked(folder, naming) {
            Some(git_dir) => unowned(open, &git_dir).ok_or(failure),
            None => Err(failure),
        },
        RepoError::Extension { name, .. } => Err(RepoError::Extension {
            is_known: asked(folder, naming).is_some(),
            name,
        }),
        failure => Err(failure),
    }
}

/// git's answer where the repository is; `None` when it refuses. libgit2 knows `safe.directory`
/// only as a whole path or `*`; git knows prefixes as well, and what `git -c` says.
fn asked(folder: &Path, naming: Naming) -> Option<PathBuf> {
    let mut command = git(naming);
    command
        .arg("-C")
        .arg(folder)
        .args(["rev-parse", "--absolute-git-dir"]);
    started(&command);
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let path = output.stdout.strip_suffix(b"\n")?.to_vec();
    PathBuf::from(OsString::from_vec(path)).canonicalize().ok()
}

/// The repository that git trusts, and no other one, without asking who owns it.
fn unowned(open: &dyn Fn() -> Result<Repository, Error>, git_dir: &Path) -> Option<Repository> {
    let check = |is_on| {
        // SAFETY: `trusted` holds the lock, and only this module opens repositories
        unsafe { git2::opts::set_verify_owner_validation(is_on) }
    };
    check(false).ok()?;
    let repository = open();
    check(true).ok()?;
    repository
        .ok()
        .filter(|it| it.path().canonicalize().is_ok_and(|path| path == git_dir))
}
