//! The drivers in a git configuration: that of a clone, or that of the user.

use super::global;
use super::texts::{Author, Companion, Driver};
use crate::cli::failure::Failure;
use crate::repo::Repo;

/// A file of git's configuration.
pub(in crate::cli::secrets) trait GitConfigFile {
    /// The values of a name in this file, in order.
    fn values(&self, name: &str) -> Result<Vec<String>, Failure>;
    /// What git reads, other files included.
    fn effective(&self, name: &str) -> Result<Vec<String>, Failure>;
    /// Sets one value in the place of all that this file has.
    fn set(&self, name: &str, value: &str) -> Result<(), Failure>;
    /// How git is told of this file.
    fn option(&self) -> Vec<String>;
}

/// What became of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// A command stands there that no stax wrote, or one to come.
    Left(Author),
}

/// Writes a driver with what goes with it, unless somebody else's command stands there.
pub(super) fn put(
    config: &dyn GitConfigFile,
    driver: Driver,
    program: &str,
) -> Result<Put, Failure> {
    if let Some(author) = stranger(config, driver)? {
        return Ok(Put::Left(author));
    }
    // the command first: a named merge driver without one makes git stop
    set(config, driver.name(), &driver.text(program))?;
    for Companion {
        name,
        value,
        is_forced,
    } in driver.companions()
    {
        if *is_forced || config.values(name)?.is_empty() {
            set(config, name, value)?;
        }
    }
    Ok(Put::Done)
}

fn set(config: &dyn GitConfigFile, name: &str, value: &str) -> Result<(), Failure> {
    if config.effective(name)? == [value] {
        Ok(())
    } else {
        config.set(name, value)
    }
}

/// Who wrote the command that stands there, where no stax did that we know.
pub(super) fn stranger(
    config: &dyn GitConfigFile,
    driver: Driver,
) -> Result<Option<Author>, Failure> {
    let values = config.values(driver.name())?;
    let authors = values.iter().map(|text| driver.author(text));
    Ok(authors
        .into_iter()
        .find(|author| !matches!(author, Author::Stax(_))))
}

/// What an uninstallation made of a driver.
pub(in crate::cli::secrets) enum Taken {
    Nothing,
    /// With the names below its section that stay, since no stax writes them.
    Out(Vec<String>),
    Left(Author),
}

/// Takes a driver out, whichever stax wrote it.
pub(in crate::cli::secrets) fn take_out(
    config: &dyn GitConfigFile,
    driver: Driver,
) -> Result<Taken, Failure> {
    let names = global::names_below(config, driver.section())?;
    if names.is_empty() {
        return Ok(Taken::Nothing);
    }
    if let Some(author) = stranger(config, driver)? {
        return Ok(Taken::Left(author));
    }
    let is_ours = |name: &str| {
        name == driver.name()
            || driver
                .companions()
                .iter()
                .any(|companion| companion.name == name)
    };
    let others: Vec<String> = names
        .iter()
        .filter(|name| !is_ours(name))
        .cloned()
        .collect();
    // of the other two git stops where anything is left and no command
    if others.is_empty() || driver != Driver::Textconv {
        global::remove_section(config, driver.section())?;
        return Ok(Taken::Out(Vec::new()));
    }
    let own: Vec<&String> = names.iter().filter(|name| is_ours(name)).collect();
    if own.is_empty() {
        return Ok(Taken::Nothing);
    }
    own.into_iter()
        .try_for_each(|name| global::unset(config, name))?;
    Ok(Taken::Out(others))
}

/// That of a clone.
pub(in crate::cli::secrets) struct Local<'r>(pub(in crate::cli::secrets) &'r Repo);

impl GitConfigFile for Local<'_> {
    fn values(&self, name: &str) -> Result<Vec<String>, Failure> {
        Ok(self.0.own_config(name)?)
    }

    fn effective(&self, name: &str) -> Result<Vec<String>, Failure> {
        Ok(self.0.config_multi(name)?)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        // one value keeps its line
        if self.0.own_config(name)?.len() > 1 {
            self.0.unset_config(name)?;
        }
        Ok(self.0.set_config(name, value)?)
    }

    fn option(&self) -> Vec<String> {
        let file = self
            .0
            .common_dir()
            .join("config")
            .to_string_lossy()
            .into_owned();
        vec!["--file".to_owned(), file]
    }
}
