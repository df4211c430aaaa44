//! The `stax.*` settings of git's configuration, every one of them, and whose word counts.
//!
//! | setting           | of its user (global, system, `git -c`)            | of the repository (local, work tree)      |
//! |-------------------|---------------------------------------------------|-------------------------------------------|
//! | `stax.allowEnv`   | this name enters the environment                  | nothing: `stax allow env NAME`            |
//! | `stax.useCommand` | git may run `SOPS_AGE_KEY_CMD`, too               | `false` forbids it: `stax allow command`  |
//! | `stax.diff`       | `masked` hides values, `values` shows them        | anything but `values` hides               |
//! | `stax.scan`       | `false` keeps hooks from looking for values       | `true` lets them look                     |
//! | `stax.scanSkip`   | the value of this key is not looked for           | nothing                                   |
//! | `stax.env`        | the environment that commands take by default     | nothing: `STAX_ENV`, `-e`                 |
//!
//! A repository that was unpacked brings its own `.git/config`: that may forbid and mask, and never
//! more.

use std::fmt;

use crate::repo::{Repo, RepoError, Setting, SettingOwner};

const ALLOW_ENV: &str = "stax.allowenv";
const ENV: &str = "stax.env";
const USE_COMMAND: &str = "stax.usecommand";
const DIFF: &str = "stax.diff";
const SCAN: &str = "stax.scan";
const SCAN_SKIP: &str = "stax.scanskip";

#[derive(Default)]
pub struct Settings(Vec<Setting>);

/// A setting of the repository that does not count, and the command with which its user says the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    pub name: SettingName,
    pub value: String,
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the repository's own `{}` does not count; yours: {}",
            self.setting(),
            self.command()
        )
    }
}

/// The settings with which a repository could loosen something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingName {
    AllowEnv,
    UseCommand,
    Diff,
    Scan,
    ScanSkip,
}

impl Unheard {
    /// As it is written: `stax.allowEnv LD_PRELOAD`.
    #[must_use]
    pub fn setting(&self) -> String {
        let name = match self.name {
            SettingName::AllowEnv => "allowEnv",
            SettingName::UseCommand => "useCommand",
            SettingName::Diff => "diff",
            SettingName::Scan => "scan",
            SettingName::ScanSkip => "scanSkip",
        };
        format!("stax.{name} {}", self.value)
    }

    /// With which its user says the same.
    #[must_use]
    pub fn command(&self) -> String {
        let value = shell_words::quote(&self.value);
        match self.name {
            SettingName::AllowEnv => format!("stax allow env {value}"),
            SettingName::UseCommand => "stax allow command".to_owned(),
            SettingName::Diff => "git config --global stax.diff values".to_owned(),
            SettingName::Scan => "git config --global stax.scan false".to_owned(),
            SettingName::ScanSkip => format!("git config --global --add stax.scanSkip {value}"),
        }
    }
}

impl Settings {
    /// # Errors
    /// [`RepoError`] when git's configuration cannot be read.
    pub fn of(repo: &Repo) -> Result<Self, RepoError> {
        repo.section("stax").map(Self)
    }

    /// Names that the user allows in every repository.
    #[must_use]
    pub fn allowed_names(&self) -> Vec<String> {
        self.texts(SettingOwner::User, ALLOW_ENV)
    }

    /// Whether git may run the key command; `None` when the settings leave that to a consent.
    #[must_use]
    pub fn use_command(&self) -> Option<bool> {
        let is_forbidden = self
            .last(SettingOwner::Repository, USE_COMMAND)
            .is_some_and(|text| !is_true(&text));
        let own = self
            .last(SettingOwner::User, USE_COMMAND)
            .map(|text| is_true(&text));
        if is_forbidden { Some(false) } else { own }
    }

    /// The environment that the user means where none is named.
    #[must_use]
    pub fn environment(&self) -> Option<String> {
        self.last(SettingOwner::User, ENV)
            .filter(|env| !env.is_empty())
    }

    /// `masked` or `values`; what nobody knows hides.
    #[must_use]
    pub fn diff(&self) -> Option<String> {
        let theirs = self
            .last(SettingOwner::Repository, DIFF)
            .filter(|text| text != "values");
        theirs.or_else(|| self.last(SettingOwner::User, DIFF))
    }

    /// Whether hooks look for values.
    #[must_use]
    pub fn scans(&self) -> bool {
        let is_off = self
            .last(SettingOwner::User, SCAN)
            .is_some_and(|text| is_false(&text));
        !is_off
            || self
                .last(SettingOwner::Repository, SCAN)
                .is_some_and(|text| is_true(&text))
    }

    /// Keys whose values are not looked for.
    #[must_use]
    pub fn skipped_keys(&self) -> Vec<String> {
        self.texts(SettingOwner::User, SCAN_SKIP)
    }

    /// What the repository says in vain.
    #[must_use]
    pub fn unheard(&self) -> Vec<Unheard> {
        let mut unheard = Vec::new();
        let mut add = |name: SettingName, value: &str| {
            unheard.push(Unheard {
                name,
                value: value.to_owned(),
            })
        };
        let (own_names, own_keys) = (self.allowed_names(), self.skipped_keys());
        let theirs = |name| self.last(SettingOwner::Repository, name);
        for name in self
            .texts(SettingOwner::Repository, ALLOW_ENV)
            .iter()
            .filter(|name| !own_names.contains(name))
        {
            add(SettingName::AllowEnv, name);
        }
        if theirs(USE_COMMAND).is_some_and(|text| is_true(&text))
            && self.use_command() != Some(true)
        {
            add(SettingName::UseCommand, "true");
        }
        if theirs(DIFF).is_some_and(|text| text == "values")
            && self.diff().as_deref() != Some("values")
        {
            add(SettingName::Diff, "values");
        }
        if theirs(SCAN).is_some_and(|text| is_false(&text)) && self.scans() {
            add(SettingName::Scan, "false");
        }
        for key in self
            .texts(SettingOwner::Repository, SCAN_SKIP)
            .iter()
            .filter(|key| !own_keys.contains(key))
        {
            add(SettingName::ScanSkip, key);
        }
        unheard
    }

    fn last(&self, owner: SettingOwner, name: &str) -> Option<String> {
        self.texts(owner, name).pop()
    }

    fn texts(&self, owner: SettingOwner, name: &str) -> Vec<String> {
        let found = self
            .0
            .iter()
            .filter(|setting| setting.owner == owner && setting.name == name.as_bytes());
        found
            .map(|setting| String::from_utf8_lossy(setting.text()).into_owned())
            .collect()
    }
}

/// As git reads a boolean; what is none counts as false.
fn is_true(text: &str) -> bool {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => true,
        number => number.parse::<i64>().is_ok_and(|number| number != 0),
    }
}

/// Not the opposite: a word that is no boolean takes no check away.
fn is_false(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(text.as_str(), "false" | "no" | "off" | "") || text.parse() == Ok(0_i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(lines: &[(SettingOwner, &str, &str)]) -> Settings {
        let setting = |(owner, name, value): &(SettingOwner, &str, &str)| Setting {
            owner: *owner,
            name: name.as_bytes().to_owned(),
            value: Some(value.as_bytes().to_owned()),
        };
        Settings(lines.iter().map(setting).collect())
    }

    use SettingOwner::{Repository as Theirs, User as Own};

    #[test]
    fn a_repository_allows_no_name_and_no_command() {
        let theirs = settings(&[
            (Theirs, ALLOW_ENV, "LD_PRELOAD"),
            (Theirs, USE_COMMAND, "true"),
        ]);
        assert!(theirs.allowed_names().is_empty());
        assert_eq!(theirs.use_command(), None);
        let commands: Vec<String> = theirs.unheard().iter().map(Unheard::command).collect();
        assert_eq!(
            commands,
            ["stax allow env LD_PRELOAD", "stax allow command"]
        );
        let own = settings(&[
            (Own, ALLOW_ENV, "CC"),
            (Own, USE_COMMAND, "yes"),
            (Theirs, ALLOW_ENV, "CC"),
        ]);
        assert_eq!(own.allowed_names(), ["CC"]);
        assert_eq!(own.use_command(), Some(true));
        assert!(own.unheard().is_empty());
    }

    #[test]
    fn a_repository_can_forbid_and_mask() {
        let both = settings(&[
            (Own, USE_COMMAND, "true"),
            (Own, DIFF, "values"),
            (Own, SCAN, "false"),
            (Theirs, USE_COMMAND, "false"),
            (Theirs, DIFF, "maksed"),
            (Theirs, SCAN, "1"),
        ]);
        assert_eq!(both.use_command(), Some(false));
        assert_eq!(both.diff().as_deref(), Some("maksed"));
        assert!(both.scans());
        let shown = settings(&[(Own, DIFF, "masked"), (Theirs, DIFF, "values")]);
        assert_eq!(shown.diff().as_deref(), Some("masked"));
        assert_eq!(
            shown.unheard()[0].command(),
            "git config --global stax.diff values"
        );
    }

    #[test]
    fn only_the_user_keeps_hooks_from_looking() {
        let theirs = settings(&[(Theirs, SCAN, "false"), (Theirs, SCAN_SKIP, "A")]);
        assert!(theirs.scans() && theirs.skipped_keys().is_empty());
        assert_eq!(theirs.unheard().len(), 2);
        // a slip of the pen takes no check away
        assert!(settings(&[(Own, SCAN, "flase")]).scans());
        let own = settings(&[
            (Own, SCAN, "off"),
            (Own, SCAN_SKIP, "A"),
            (Own, SCAN_SKIP, "B"),
        ]);
        assert!(!own.scans());
        assert_eq!(own.skipped_keys(), ["A", "B"]);
    }
}
