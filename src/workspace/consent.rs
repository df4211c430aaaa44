//! What the user allows this clone, in `stax/allow.json` of the user's configuration folder.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::settings::{SettingName, Settings, Unheard};
use super::{Workspace, WorkspaceError};
use crate::disk::{self, DiskError, Site, Write, user_folder};
use crate::policy::consent::{Consent, ConsentKind, Consents, CurrentClone};
use crate::repo::{Repo, RepoError};

const FILE: &str = "allow.json";
const MAX_SIZE: usize = 1 << 20;
/// Writers that lose the race read again and go on.
const RACES: usize = 50;

/// Why it cannot be told what the user allows.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("neither HOME nor XDG_CONFIG_HOME is an absolute path, so nothing can be kept for you")]
    NoFolder,
    #[error("{0}: {1}; mend it, or remove it and allow again what you need")]
    Content(PathBuf, String),
    #[error("{0} can be written by others; if it is as you left it: chmod 600 {0}")]
    Writable(PathBuf),
    #[error("the path of this clone is not UTF-8, so nothing can be kept for it: {0}")]
    Path(PathBuf),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Repo(#[from] RepoError),
}

type Result<T> = std::result::Result<T, StoreError>;

/// The file of consents, for one clone.
pub struct Store<'a> {
    repo: &'a Repo,
    git: String,
    begins_with: Box<dyn Fn(&str) -> bool + 'a>,
}

impl<'a> Store<'a> {
    /// # Errors
    /// [`StoreError::Path`]
    pub fn of(repo: &'a Repo) -> Result<Self> {
        let git = repo.common_dir();
        let git = git.canonicalize().unwrap_or(git);
        let text = git
            .to_str()
            .ok_or_else(|| StoreError::Path(git.clone()))?
            .to_owned();
        Ok(Self {
            repo,
            git: text,
            begins_with: Box::new(|root| repo.may_begin_with(root)),
        })
    }

    /// The real path of the git folder.
    #[must_use]
    pub fn git(&self) -> &str {
        &self.git
    }

    /// Where the file is.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`]
    pub fn file() -> Result<PathBuf> {
        Ok(user_folder().ok_or(StoreError::NoFolder)?.join(FILE))
    }

    /// What this clone may do; nothing where nothing was said.
    ///
    /// # Errors
    /// [`StoreError`] when the file is there and cannot be believed.
    pub fn consent(&self) -> Result<Option<Consent>> {
        let (all, _) = read()?;
        Ok(all.of(&self.place()).cloned())
    }

    /// Names that another repository at this path had leave for, each with its first commit.
    ///
    /// # Errors
    /// As [`Self::consent`].
    pub fn of_others(&self, kind: ConsentKind) -> Result<Vec<(String, String)>> {
        Ok(read()?.0.of_others(&self.place(), kind))
    }

    /// Whether the first commit is there and not yet recorded.
    #[must_use]
    pub fn can_tell_more(&self, consent: &Consent) -> bool {
        consent.root.is_none() && self.repo.first_commit().is_ok_and(|root| root.is_some())
    }

    /// Changes what this clone may do. What another repository at the same path had is gone then,
    /// if `settles`.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be believed or written.
    pub fn change<T>(&self, settles: bool, change: &mut dyn FnMut(&mut Consent) -> T) -> Result<T> {
        let root = self.repo.first_commit()?.map(|id| id.to_string());
        self.write(&mut |all| {
            if settles {
                all.forget_others(&self.place());
            }
            change(all.entry(&self.place(), root.as_deref()))
        })
    }

    /// Drops all that was said of this path; says whether there was something.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub fn forget(&self) -> Result<bool> {
        self.write(&mut |all| all.forget(&self.git))
    }

    fn place(&self) -> CurrentClone<'_> {
        CurrentClone {
            git: &self.git,
            begins_with: &self.begins_with,
        }
    }

    fn write<T>(&self, change: &mut dyn FnMut(&mut Consents) -> T) -> Result<T> {
        let folder = user_folder().ok_or(StoreError::NoFolder)?;
        let failed = |source| {
            StoreError::Disk(DiskError::Io {
                path: folder.clone(),
                operation: "make",
                source,
            })
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed)?;
        let real = folder.canonicalize().map_err(failed)?;
        let mut tries = RACES;
        loop {
            let (mut all, before) = read()?;
            let answer = change(&mut all);
            let write = Write {
                path: FILE.into(),
                before,
                after: all.render().into(),
                mode: Some(0o600),
            };
            match disk::commit(&real, &Site::alone(&real), &[write], &|_| Ok(())) {
                Ok(()) => return Ok(answer),
                Err(DiskError::Changed(_)) if tries > 0 => tries -= 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// All consents and the bytes they were read from.
fn read() -> Result<(Consents, Option<Vec<u8>>)> {
    let Some(folder) = user_folder() else {
        return Ok((Consents::default(), None));
    };
    let bytes = match disk::read_beneath(&folder, Path::new(FILE), MAX_SIZE) {
        Ok(bytes) => bytes,
        Err(DiskError::NotFound(_)) => return Ok((Consents::default(), None)),
        Err(error) => return Err(error.into()),
    };
    let file = folder.join(FILE);
    if fs::metadata(&file).is_ok_and(|found| found.mode() & 0o022 != 0) {
        return Err(StoreError::Writable(file));
    }
    let refuse = |what: String| StoreError::Content(file.clone(), what);
    let text = std::str::from_utf8(&bytes).map_err(|_| refuse("not UTF-8 text".to_owned()))?;
    let all = Consents::parse(text).map_err(|error| refuse(error.to_string()))?;
    Ok((all, Some(bytes)))
}

impl Workspace {
    /// The names that the user allows here in spite of what they do.
    ///
    /// # Errors
    /// When git's configuration or the file of consents cannot be read.
    pub fn allowed_names(&self) -> std::result::Result<Vec<String>, WorkspaceError> {
        let repo = self.repo()?;
        let mut names = Settings::of(repo)?.allowed_names();
        names.extend(
            Store::of(repo)?
                .consent()?
                .map(|consent| consent.env)
                .unwrap_or_default(),
        );
        Ok(names)
    }

    /// Settings of this repository that no longer count and were not said again by its user.
    ///
    /// # Errors
    /// As [`Self::allowed_names`].
    pub fn unheard(&self) -> std::result::Result<Vec<Unheard>, WorkspaceError> {
        let repo = self.repo()?;
        let mut unheard = Settings::of(repo)?.unheard();
        if !unheard.is_empty() {
            let consent = Store::of(repo)?.consent()?.unwrap_or_default();
            unheard.retain(|line| match line.name {
                SettingName::AllowEnv => !consent.env.contains(&line.value),
                SettingName::UseCommand => consent.command.is_empty(),
                SettingName::Diff | SettingName::Scan | SettingName::ScanSkip => true,
            });
        }
        Ok(unheard)
    }
}

/// Any program may be the key command.
pub const ANY_COMMAND: &str = "SOPS_AGE_KEY_CMD";

/// Whether git may run the key command of the environment: unseen, as often as it shows a file.
pub(super) fn git_may_run(repo: &Repo, command: &str) -> bool {
    let setting = Settings::of(repo).map(|settings| settings.use_command());
    match setting {
        Ok(Some(answer)) => answer,
        Ok(None) => {
            let program = shell_words::split(command)
                .ok()
                .and_then(|words| words.into_iter().next());
            let consent = Store::of(repo)
                .and_then(|store| store.consent())
                .ok()
                .flatten();
            let names = consent.map(|consent| consent.command).unwrap_or_default();
            names
                .iter()
                .any(|name| name == ANY_COMMAND || Some(name) == program.as_ref())
        }
        Err(_) => false,
    }
}
