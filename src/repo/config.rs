//! git's configuration: read with all its levels, written to the repository's own file.
//!
//! libgit2 reads the files. What git reads besides, by its environment or an include that asks for
//! a remote, only git can tell: it is asked once, where there is such a thing.

use std::path::PathBuf;
use std::rc::Rc;

use git2::{Config, ConfigLevel, ErrorCode};

use super::scopes::Setting;
use super::{Repo, RepoError};
use crate::trace;

/// What libgit2 does not look at when it reads the configuration.
const BY_ENVIRONMENT: [&str; 4] = [
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
];

impl Repo {
    /// Every setting as git reads them, in its order; `None` where libgit2 reads the same.
    pub(super) fn read_by_git(&self) -> Result<Option<Rc<[Setting]>>, RepoError> {
        if !self.needs_git_to_read()? {
            return Ok(None);
        }
        if let Some(known) = &*self.read_by_git.borrow() {
            return Ok(Some(known.clone()));
        }
        let settings: Rc<[Setting]> = self.settings()?.into();
        *self.read_by_git.borrow_mut() = Some(settings.clone());
        Ok(Some(settings))
    }

    fn needs_git_to_read(&self) -> Result<bool, RepoError> {
        if let Some(known) = self.needs_git_to_read.get() {
            return Ok(known);
        }
        // libgit2 takes a colon in the home folder for the end of a path
        let is_odd_home =
            || std::env::var_os("HOME").is_some_and(|home| home.as_encoded_bytes().contains(&b':'));
        let needs = BY_ENVIRONMENT
            .iter()
            .any(|name| std::env::var_os(name).is_some())
            || is_odd_home()
            || self
                .git
                .config()?
                .entries(Some("^includeif\\.hasconfig:"))?
                .next()
                .is_some();
        self.needs_git_to_read.set(Some(needs));
        Ok(needs)
    }

    /// What git would answer for a name, where git was asked; the last setting counts.
    fn by_git(&self, name: &str) -> Result<Option<Option<String>>, RepoError> {
        Ok(self.all_by_git(name)?.map(|mut values| values.pop()))
    }

    fn all_by_git(&self, name: &str) -> Result<Option<Vec<String>>, RepoError> {
        let Some(settings) = self.read_by_git()? else {
            return Ok(None);
        };
        let name = as_listed(name);
        let texts = settings
            .iter()
            .filter(|setting| setting.name == name.as_bytes())
            .map(Setting::text);
        let texts = texts.map(|text| String::from_utf8(text.to_owned()));
        texts
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(|_| RepoError::Git(format!("{name} is not UTF-8")))
    }

    /// One value, the last one set; `None` when unset.
    ///
    /// # Errors
    /// [`RepoError::Git`] when a file cannot be read or the value is not UTF-8.
    pub fn config_string(&self, name: &str) -> Result<Option<String>, RepoError> {
        let value = match self.by_git(name)? {
            Some(value) => value,
            None => optional(self.git.config()?.snapshot()?.get_string(name))?,
        };
        trace_config(name, usize::from(value.is_some()));
        Ok(value)
    }

    /// A boolean as git reads it; `None` when unset.
    ///
    /// # Errors
    /// [`RepoError::Git`] also when the value is no boolean.
    pub fn config_bool(&self, name: &str) -> Result<Option<bool>, RepoError> {
        let value = match self.by_git(name)? {
            Some(value) => value
                .map(|text| Ok::<_, RepoError>(Config::parse_bool(text)?))
                .transpose()?,
            None => optional(self.git.config()?.snapshot()?.get_bool(name))?,
        };
        trace_config(name, usize::from(value.is_some()));
        Ok(value)
    }

    /// A path, with what stands for a home folder at its start written out.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn config_path(&self, name: &str) -> Result<Option<PathBuf>, RepoError> {
        let Some(value) = self.by_git(name)? else {
            return optional(self.git.config()?.get_path(name));
        };
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Ok(value.map(|text| match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        }))
    }

    /// Every value of a name that may be set several times, in order.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn config_multi(&self, name: &str) -> Result<Vec<String>, RepoError> {
        let values = match self.all_by_git(name)? {
            Some(known) => known,
            None => values(&self.git.config()?, name)?,
        };
        trace_config(name, values.len());
        Ok(values)
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
            self.config_bool(&format!("diff.{driver}.cachetextconv"))
                .is_ok_and(|is_on| is_on == Some(true))
        };
        Ok(drivers.filter(is_on).collect())
    }

    /// The names of the sections `[kind "…"]` that set a name, once each.
    pub(super) fn sections_with(&self, kind: &str, name: &str) -> Result<Vec<String>, RepoError> {
        let (start, end) = (format!("{kind}."), format!(".{name}"));
        let mut sections: Vec<String> = Vec::new();
        for setting in self.section(kind)? {
            let Ok(text) = std::str::from_utf8(&setting.name) else {
                continue;
            };
            let section = text
                .strip_prefix(&start)
                .and_then(|rest| rest.strip_suffix(&end));
            sections.extend(
                section
                    .filter(|new| !sections.iter().any(|known| known == new))
                    .map(str::to_owned),
            );
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

    /// Name and mail of the author as git takes them, when both are set: by the environment, then
    /// `author.…`, then `user.…`.
    ///
    /// # Errors
    /// As [`config_string`](Self::config_string).
    pub fn user(&self) -> Result<Option<(String, String)>, RepoError> {
        let name = self.of_author("GIT_AUTHOR_NAME", "name")?;
        let mail = self.of_author("GIT_AUTHOR_EMAIL", "email")?;
        Ok(name.zip(mail.or_else(|| variable("EMAIL"))))
    }

    fn of_author(&self, name: &str, field: &str) -> Result<Option<String>, RepoError> {
        if let Some(text) = variable(name) {
            return Ok(Some(text));
        }
        match self.config_string(&format!("author.{field}"))? {
            Some(text) => Ok(Some(text)),
            None => self.config_string(&format!("user.{field}")),
        }
    }

    /// git and libgit2 write a configuration under this lock, and whoever is killed leaves it.
    fn unless_locked(&self, result: Result<(), git2::Error>) -> Result<(), RepoError> {
        // what was read before is old now
        self.read_by_git.take();
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
        values.push(if entry.has_value() {
            entry.value()?.to_owned()
        } else {
            "true".to_owned()
        });
    }
    Ok(values)
}

/// Its text is not traced: a setting may hold a token.
fn trace_config(name: &str, found: usize) {
    trace::step("repo", || format!("config {name}: {found} found"));
}

fn optional<T>(result: Result<T, git2::Error>) -> Result<Option<T>, RepoError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.trim().is_empty())
}

/// Section and name in lower case, a subsection as it is written.
fn as_listed(name: &str) -> String {
    match (name.split_once('.'), name.rsplit_once('.')) {
        (Some((section, _)), Some((start, last))) => {
            format!(
                "{}{}.{}",
                section.to_lowercase(),
                &start[section.len()..],
                last.to_lowercase()
            )
        }
        _ => name.to_lowercase(),
    }
}
