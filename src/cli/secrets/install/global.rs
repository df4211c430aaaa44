//! `install --global`: drivers and attributes in the user's own configuration, for who reads many
//! repositories.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::attributes::{Attributes, WriteOutcome, block};
use super::config::{GitConfigFile, Put, put};
use super::texts::Driver;
use super::{left, said, taken};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::keyring::IDENTITY_VARIABLES;
use crate::process::{self, ChildEnvironment};
use crate::workspace::POLICY;

/// git answers at once; a lock that stays is an error.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names that say SOPS. A file that is none is shown and merged by git's own means under these too.
const NAMES: [&str; 2] = ["sops", "enc"];
const FORMATS: [&str; 5] = ["yaml", "yml", "json", "env", "ini"];
/// A guard belongs to a clone.
const DRIVEN: [Driver; 2] = [Driver::Textconv, Driver::Merge];
const ABOUT: &str = "`stax secrets uninstall --global` takes this block out again";

/// Writes both; repeatable.
pub(super) fn install(ui: &Ui) -> Result<ExitCode, Failure> {
    let program = super::program()?;
    let mut placed = Vec::new();
    for driver in DRIVEN {
        match put(&GlobalConfig, driver, &program)? {
            Put::Done => placed.push(driver),
            Put::Left(author) => left(ui, driver, author, "--global"),
        }
    }
    let path = attributes_file()?;
    let lines = lines();
    let put = Attributes::at(&path).put(&block(ABOUT, &lines));
    if let Some(drivers) = said(&placed) {
        ui.line(format!(
            "installed  {drivers} in your git configuration   (every repository, no file of theirs)"
        ));
    }
    match put {
        Ok(WriteOutcome::Written) => ui.line(format!(
            "{:10} attributes of {} in {}",
            "",
            names(),
            path.display()
        )),
        Ok(WriteOutcome::AsBefore) => {}
        Err(error) => {
            ui.warning(format!("{}: {error}", path.display()));
            ui.say(format!("add to {}:", path.display()));
            lines.iter().for_each(|line| ui.say(format!("  {line}")));
        }
    }
    ui.note(format!(
        "for secrets under other names add lines there, such as: secrets/*.yaml {DRIVERS}"
    ));
    ui.note("hooks belong to a clone: `stax secrets install` in those that you commit to");
    Ok(ExitCode::SUCCESS)
}

pub(super) const DRIVERS: &str = "diff=stax merge=stax";

/// What was taken out again, in words.
pub(in crate::cli::secrets) fn uninstall(ui: &Ui) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    for driver in DRIVEN {
        if taken(ui, &GlobalConfig, driver)? {
            removed.push(format!("{} of your git configuration", driver.word()));
        }
    }
    let path = attributes_file()?;
    let taken = Attributes::at(&path).take_out();
    if taken.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
        == WriteOutcome::Written
    {
        removed.push(format!("attributes in {}", path.display()));
    }
    Ok(removed)
}

/// `*.sops.*, *.enc.*`
fn names() -> String {
    NAMES.map(|name| format!("*.{name}.*")).join(", ")
}

fn lines() -> Vec<String> {
    // `*.sops.yaml` matches the policy itself, which is plain YAML
    patterns(DRIVERS)
        .into_iter()
        .chain([format!("{POLICY} !diff !merge")])
        .collect()
}

/// A line for each name that says SOPS.
pub(super) fn patterns(attributes: &str) -> Vec<String> {
    let lines = NAMES
        .iter()
        .flat_map(|name| FORMATS.map(|format| format!("*.{name}.{format} {attributes}")));
    lines.collect()
}

/// Whether one of them names this path.
pub(super) fn is_named(path: &str) -> bool {
    let mut parts = path.rsplit('.');
    let ends = parts.next().is_some_and(|format| FORMATS.contains(&format));
    ends && parts.next().is_some_and(|name| NAMES.contains(&name)) && parts.next().is_some()
}

/// The file that git reads for every repository of this user.
fn attributes_file() -> Result<PathBuf, Failure> {
    for level in ["--global", "--system"] {
        let output = git(&[
            "config",
            level,
            "--type=path",
            "--get",
            "core.attributesFile",
        ])?;
        let path = String::from_utf8_lossy(&output.stdout)
            .trim_end_matches('\n')
            .to_owned();
        if output.status.success() && !path.is_empty() {
            return Ok(PathBuf::from(path));
        }
    }
    let named = |name: &str| {
        std::env::var_os(name)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let config = named("XDG_CONFIG_HOME").or_else(|| Some(named("HOME")?.join(".config")));
    let config = config.ok_or_else(|| Failure::usage("neither HOME nor XDG_CONFIG_HOME is set"))?;
    Ok(config.join("git/attributes"))
}

/// The user's own, which git finds.
struct GlobalConfig;

impl GitConfigFile for GlobalConfig {
    fn values(&self, name: &str) -> Result<Vec<String>, Failure> {
        let known = git(&["config", "--global", "--null", "--get-all", name])?;
        Ok(words(&known.stdout))
    }

    fn effective(&self, name: &str) -> Result<Vec<String>, Failure> {
        self.values(name)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        let output = git(&["config", "--global", "--replace-all", name, value])?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let failure = Failure::usage(format!("your git configuration was not changed: {why}"));
        Err(beside_lock(failure, &self.option())
            .hint("`stax secrets install` in a clone needs no change there"))
    }

    fn option(&self) -> Vec<String> {
        vec!["--global".to_owned()]
    }
}

/// What git prints with a zero byte behind each.
fn words(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Names the lock that git met beside the configuration: whoever is killed leaves it.
fn beside_lock(failure: Failure, file: &[String]) -> Failure {
    let named = |name: &str| {
        std::env::var_os(name)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let mut locks: Vec<PathBuf> = match file {
        [_, path] => vec![PathBuf::from(format!("{path}.lock"))],
        _ => [
            named("GIT_CONFIG_GLOBAL").map(|mut path| {
                path.as_mut_os_string().push(".lock");
                path
            }),
            named("HOME").map(|home| home.join(".gitconfig.lock")),
            named("XDG_CONFIG_HOME").map(|config| config.join("git/config.lock")),
            named("HOME").map(|home| home.join(".config/git/config.lock")),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    locks.retain(|lock| lock.exists());
    locks
        .iter()
        .fold(failure, |failure, lock| failure.hint_of_lock(lock))
}

/// The names that a file sets below a section, as git writes them.
pub(super) fn names_below(
    config: &dyn GitConfigFile,
    section: &str,
) -> Result<Vec<String>, Failure> {
    let pattern = format!("^{}\\.", section.replace('.', "\\."));
    let found = git_config(config, &["--null", "--name-only", "--get-regexp", &pattern])?;
    let mut names = words(&found.stdout);
    names.dedup();
    Ok(names)
}

/// libgit2 would leave an empty heading behind, so git does it.
pub(super) fn remove_section(config: &dyn GitConfigFile, section: &str) -> Result<(), Failure> {
    removed(
        config,
        section,
        &git_config(config, &["--remove-section", section])?,
    )
}

pub(super) fn unset(config: &dyn GitConfigFile, name: &str) -> Result<(), Failure> {
    removed(config, name, &git_config(config, &["--unset-all", name])?)
}

fn removed(
    config: &dyn GitConfigFile,
    what: &str,
    output: &process::Output,
) -> Result<(), Failure> {
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(beside_lock(
        Failure::usage(format!("{what} was not removed: {why}")),
        &config.option(),
    ))
}

fn git_config(config: &dyn GitConfigFile, args: &[&str]) -> Result<process::Output, Failure> {
    let option = config.option();
    let option: Vec<&str> = option.iter().map(String::as_str).collect();
    git(&[&["config"], &option[..], args].concat())
}

/// Outside of every repository, so that none has a say.
fn git(args: &[&str]) -> Result<process::Output, Failure> {
    let argv: Vec<String> = ["git"]
        .iter()
        .chain(args)
        .map(|word| (*word).to_owned())
        .collect();
    let remove = [
        IDENTITY_VARIABLES,
        &["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"],
    ]
    .concat();
    let environment = ChildEnvironment {
        add: &[],
        remove: &remove,
    };
    process::run_command(&argv, Path::new("/"), environment, PATIENCE)
        .map_err(|error| Failure::usage(format!("git config: {error}")))
}
