//! git's configuration: read with all its levels, written to the repository's own file.

use git2::{Config, ConfigLevel, ErrorCode};

use super::{Repo, RepoError};

impl Repo {
    /// One value, the last one set; `None` when unset.
    ///
    /// # Errors
    /// [`RepoError::Git`] when a file cannot be read or the value is not UTF-8.
    pub fn config_string(&self, name: &str) -> Result<Option<String>, RepoError> {
        optional(self.git.config()?.snapshot()?.get_string(name))
    }

    /// A boolean as git reads it; `None` when unset.
    ///
    /// # Errors
    /// [`RepoError::Git`] also when the value is no boolean.
    pub fn config_bool(&self, name: &str) -> Result<Option<bool>, RepoError> {
        optional(self.git.config()?.snapshot()?.get_bool(name))
    }

    /// Every value of a name that may be set several times, in order.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn config_multi(&self, name: &str) -> Result<Vec<String>, RepoError> {
        values(&self.git.config()?, name)
    }

    /// The same of the repository's own file alone, which all linked work trees share.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn own_config(&self, name: &str) -> Result<Vec<String>, RepoError> {
        values(&self.local_config()?, name)
    }

    /// The diff drivers of which git is told to keep the text, by name.
    ///
    /// # Errors
    /// [`RepoError::Git`] when a file cannot be read.
    pub fn caching_drivers(&self) -> Result<Vec<String>, RepoError> {
        let drivers = self.sections_with("diff", "cachetextconv")?.into_iter();
        let is_on = |driver: &String| {
            self.config_bool(&format!("diff.{driver}.cachetextconv")).is_ok_and(|is_on| is_on == Some(true))
        };
        Ok(drivers.filter(is_on).collect())
    }

    /// The names of the sections `[kind "…"]` that set a name, once each.
    pub(super) fn sections_with(&self, kind: &str, name: &str) -> Result<Vec<String>, RepoError> {
        let (start, end) = (format!("{kind}."), format!(".{name}"));
        let config = self.git.config()?;
        let mut entries = config.entries(Some(&format!("^{kind}\\..*\\.{name}$")))?;
        let mut sections: Vec<String> = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let section = entry.name()?.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
            sections
                .extend(section.filter(|new| !sections.iter().any(|known| known == new)).map(str::to_owned));
        }
        Ok(sections)
    }

    /// Sets one value in the repository's file, which all linked work trees share.
    ///
    /// # Errors
    /// [`RepoError::Git`], also when the name has several values there.
    pub fn set_config(&self, name: &str, value: &str) -> Result<(), RepoError> {
        self.unless_locked(self.local_config()?.set_str(name, value))
    }

    /// Adds a value beside those that a name has.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn add_config(&self, name: &str, value: &str) -> Result<(), RepoError> {
        // a pattern that no value matches makes libgit2 append
        self.unless_locked(self.local_config()?.set_multivar(name, "^$.", value))
    }

    /// Removes every value of a name from the repository's file; says whether there was one.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn unset_config(&self, name: &str) -> Result<bool, RepoError> {
        match self.local_config()?.remove_multivar(name, ".*") {
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            removed => self.unless_locked(removed).map(|()| true),
        }
    }

    /// `user.name` and `user.email`, when both are set.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn user(&self) -> Result<Option<(String, String)>, RepoError> {
        Ok(self.config_string("user.name")?.zip(self.config_string("user.email")?))
    }

    /// git and libgit2 write a configuration under this lock, and whoever is killed leaves it.
    fn unless_locked(&self, result: Result<(), git2::Error>) -> Result<(), RepoError> {
        let lock = self.common_dir().join("config.lock");
        match result {
            Err(error) if error.code() == ErrorCode::Locked || lock.exists() => {
                Err(RepoError::ConfigLocked(lock))
            }
            result => Ok(result?),
        }
    }

    fn local_config(&self) -> Result<Config, RepoError> {
        Ok(self.git.config()?.open_level(ConfigLevel::Local)?)
    }
}

fn values(config: &Config, name: &str) -> Result<Vec<String>, RepoError> {
    let mut values = Vec::new();
    let mut entries = match config.multivar(name, None) {
        Ok(entries) => entries,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(values),
        Err(error) => return Err(error.into()),
    };
    while let Some(entry) = entries.next() {
        let entry = entry?;
        // a name without `=` is true and has no text
        values.push(if entry.has_value() { entry.value()?.to_owned() } else { "true".to_owned() });
    }
    Ok(values)
}

fn optional<T>(result: Result<T, git2::Error>) -> Result<Option<T>, RepoError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
