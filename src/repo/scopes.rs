//! Whose settings are whose: those of the user, and those of the repository.

use git2::ConfigLevel;

use super::plumbing::answer;
use super::{Repo, RepoError};

/// Who wrote a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingOwner {
    /// The user or the machine: the global and the system's configuration, `git -c` and
    /// `GIT_CONFIG_*`.
    User,
    /// Whoever brought the folder: `.git/config` and that of a linked work tree, with what they
    /// include.
    Repository,
}

/// One line of git's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub owner: SettingOwner,
    /// Section and name in lower case, a subsection as it is written.
    pub name: Vec<u8>,
    /// `None`: the name alone, which means true.
    pub value: Option<Vec<u8>>,
}

impl Setting {
    /// The value, as git reads a name without one.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.value.as_deref().unwrap_or(b"true")
    }
}

impl Repo {
    /// Every setting, in git's order: later ones win.
    pub(super) fn settings(&self) -> Result<Vec<Setting>, RepoError> {
        let mut command = self.unshielded();
        command.args(["config", "--list", "-z", "--show-scope"]);
        Ok(parsed(&answer(command, b"")?.unwrap_or_default()))
    }

    /// The settings of one section, in git's order. git is started only where libgit2 would read
    /// others.
    ///
    /// # Errors
    /// [`RepoError::Git`] when a file cannot be read.
    pub fn section(&self, name: &str) -> Result<Vec<Setting>, RepoError> {
        if let Some(all) = self.read_by_git()? {
            let start = format!("{name}.").into_bytes();
            return Ok(all
                .iter()
                .filter(|setting| setting.name.starts_with(&start))
                .cloned()
                .collect());
        }
        let config = self.git.config()?;
        let mut settings = Vec::new();
        let mut entries = config.entries(Some(&format!("^{name}\\.")))?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let owner = match entry.level() {
                ConfigLevel::Local | ConfigLevel::Worktree => SettingOwner::Repository,
                _ => SettingOwner::User,
            };
            let value = entry.has_value().then(|| entry.value_bytes().to_owned());
            settings.push(Setting {
                owner,
                name: entry.name_bytes().to_owned(),
                value,
            });
        }
        Ok(settings)
    }
}

/// `scope NUL name LF value NUL …`
fn parsed(list: &[u8]) -> Vec<Setting> {
    let mut parts = list.split(|byte| *byte == 0);
    let mut settings = Vec::new();
    while let (Some(scope), Some(line)) = (parts.next(), parts.next()) {
        let is_own = matches!(scope, b"system" | b"global" | b"command");
        let owner = if is_own {
            SettingOwner::User
        } else {
            SettingOwner::Repository
        };
        let mut halves = line.splitn(2, |byte| *byte == b'\n');
        let name = halves.next().unwrap_or_default().to_owned();
        settings.push(Setting {
            owner,
            name,
            value: halves.next().map(<[u8]>::to_owned),
        });
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_is_not_the_users_is_the_repositorys() {
        let list = b"global\0user.name\nAna\0local\0core.bare\nfalse\0worktree\0a.b\0command\0c.d\n1\n2\0new\0e.f\n\0";
        let settings = parsed(list);
        let shown: Vec<String> = settings
            .iter()
            .map(|it| {
                format!(
                    "{:?} {} {}",
                    it.owner,
                    it.name.escape_ascii(),
                    it.text().escape_ascii()
                )
            })
            .collect();
        let expected = [
            "User user.name Ana",
            "Repository core.bare false",
            "Repository a.b true",
            r"User c.d 1\n2",
            "Repository e.f ",
        ];
        assert_eq!(shown, expected);
    }
}
