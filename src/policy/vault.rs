//! `.stax/vault.json`: which files of the repository are environments of stax, and known exceptions.
//!
//! The file comes with a clone and names paths that stax will read and write, so it is read strictly:
//! unknown fields and any path that could leave the repository, or mean another file on another file
//! system, are refused.

use serde::{Deserialize, Serialize};

use super::RuleId;

const VERSION: u64 = 1;
const BACKEND: &str = "sops-age";
const MAX_PATH_BYTES: usize = 1024;
const MAX_ENV_BYTES: usize = 64;
/// Whose exceptions would hide an attack: forged values, recipients that do not match. So do those of every
/// C rule, which are broken proofs.
const NEVER_ALLOWED: &[RuleId] = &[RuleId::F03, RuleId::K01, RuleId::K02];

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    version: u64,
    backend: String,
    pub files: Vec<BoundFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
}

/// A managed file: its path from the root of the repository, with `/`, and its environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BoundFile {
    pub path: String,
    pub env: String,
}

/// A finding that the repository accepts, and why. `rule` is an id or a name of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    pub rule: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub why: String,
}

impl Allow {
    /// Whether a finding is the one that is meant. An entry without a key covers the whole file.
    #[must_use]
    pub fn covers(&self, rule: RuleId, path: &str, key: Option<&str>) -> bool {
        let fits = self.key.is_none() || self.key.as_deref() == key;
        fits && self.path == path && self.rule.parse() == Ok(rule)
    }
}

/// Why a `.stax/vault.json` is refused; paths are shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("line {line}: {what}")]
    Json { line: usize, what: String },
    #[error("version {0}; this stax knows version 1")]
    Version(u64),
    #[error("backend {0:?}; this stax knows \"sops-age\"")]
    Backend(String),
    #[error("path {path:?} {why}")]
    Path { path: String, why: &'static str },
    #[error(
        "environment {0:?}: lower-case letters, digits, `_` and `-`, at most 64, a letter or digit first"
    )]
    Env(String),
    #[error("path {0:?} is bound twice (upper and lower case count as the same)")]
    PathTwice(String),
    #[error("environment `{0}` is bound twice")]
    EnvTwice(String),
    #[error("allow: {rule:?}: {why}")]
    Allow { rule: String, why: &'static str },
}

impl Default for Vault {
    fn default() -> Self {
        Self::new()
    }
}

impl Vault {
    /// Version 1, backend `sops-age`, no files.
    #[must_use]
    pub fn new() -> Self {
        Self { version: VERSION, backend: BACKEND.into(), files: Vec::new(), allow: Vec::new() }
    }

    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// [`VaultError`]
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let known: serde_json::Value = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        // another version has other fields: that is the first thing to say
        if let Some(version) = known.get("version").and_then(serde_json::Value::as_u64)
            && version != VERSION
        {
            return Err(VaultError::Version(version));
        }
        let vault: Self = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        vault.check()?;
        Ok(vault)
    }

    /// The file as stax writes it: two columns a level, one bound file a line.
    #[must_use]
    pub fn render(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let list = |name: &str, lines: Vec<String>| match lines.as_slice() {
            [] => format!("  \"{name}\": []"),
            _ => format!("  \"{name}\": [\n    {}\n  ]", lines.join(",\n    ")),
        };
        let files = self.files.iter();
        let files =
            files.map(|file| format!("{{\"path\": {}, \"env\": {}}}", text(&file.path), text(&file.env)));
        let allow = self.allow.iter().map(|allow| {
            let key = allow.key.as_ref().map(|key| format!(", \"key\": {}", text(key))).unwrap_or_default();
            let (rule, path, why) = (text(&allow.rule), text(&allow.path), text(&allow.why));
            format!("{{\"rule\": {rule}, \"path\": {path}{key}, \"why\": {why}}}")
        });
        let mut parts = vec![
            format!("  \"version\": {}", self.version),
            format!("  \"backend\": {}", text(&self.backend)),
            list("files", files.collect()),
        ];
        if !self.allow.is_empty() {
            parts.push(list("allow", allow.collect()));
        }
        format!("{{\n{}\n}}\n", parts.join(",\n"))
    }

    /// Binds a file behind the others; a second time it changes nothing.
    ///
    /// # Errors
    /// [`VaultError`]: a path or environment that is not accepted, or bound otherwise.
    pub fn add(&mut self, path: &str, env: &str) -> Result<(), VaultError> {
        let file = BoundFile { path: path.to_owned(), env: env.to_owned() };
        if self.files.contains(&file) {
            return Ok(());
        }
        let mut vault = self.clone();
        vault.files.push(file);
        vault.check()?;
        *self = vault;
        Ok(())
    }

    #[must_use]
    pub fn file_for_env(&self, env: &str) -> Option<&BoundFile> {
        self.files.iter().find(|file| file.env == env)
    }

    #[must_use]
    pub fn env_for_path(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.env.as_str())
    }

    fn check(&self) -> Result<(), VaultError> {
        if self.version != VERSION {
            return Err(VaultError::Version(self.version));
        }
        if self.backend != BACKEND {
            return Err(VaultError::Backend(self.backend.clone()));
        }
        for (position, file) in self.files.iter().enumerate() {
            check_path(&file.path)?;
            check_env(&file.env)?;
            let earlier = &self.files[..position];
            if earlier.iter().any(|other| other.path.to_lowercase() == file.path.to_lowercase()) {
                return Err(VaultError::PathTwice(file.path.clone()));
            }
            if earlier.iter().any(|other| other.env == file.env) {
                return Err(VaultError::EnvTwice(file.env.clone()));
            }
        }
        self.allow.iter().try_for_each(check_allow)
    }
}

/// A name of an environment: `[a-z0-9][a-z0-9_-]{0,63}`.
///
/// # Errors
/// [`VaultError::Env`]
pub fn check_env(env: &str) -> Result<(), VaultError> {
    let good = env.len() <= MAX_ENV_BYTES
        && env.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && env.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if good { Ok(()) } else { Err(VaultError::Env(env.chars().take(MAX_ENV_BYTES).collect())) }
}

/// A path that means one file beneath the root of the repository, on every system and in git.
///
/// # Errors
/// [`VaultError::Path`] with the reason.
pub fn check_path(path: &str) -> Result<(), VaultError> {
    let shown = path.chars().take(MAX_PATH_BYTES).collect();
    path_fault(path).map_or(Ok(()), |why| Err(VaultError::Path { path: shown, why }))
}

fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > MAX_PATH_BYTES {
        return Some("is empty or longer than 1024 bytes");
    }
    if path.chars().any(is_invisible) {
        return Some("holds a control or invisible character");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return Some("is not relative to the repository");
    }
    if path.contains(['\\', ':']) {
        return Some("holds a backslash or a colon");
    }
    if path.starts_with('-') {
        return Some("begins with `-`, which programs read as an option");
    }
    path.split('/').find_map(component_fault)
}

fn component_fault(component: &str) -> Option<&'static str> {
    match component {
        "" | "." | ".." => Some("is not normalised: an empty part, `.` or `..`"),
        _ if component.ends_with(['.', ' ']) || component.starts_with(' ') => {
            Some("has a part with a blank at an end or a dot at the end, which some systems drop")
        }
        // `git~1` is what Windows may call `.git`
        _ if matches!(component.to_lowercase().as_str(), ".git" | "git~1") => {
            Some("lies in git's own folder")
        }
        _ => None,
    }
}

/// Controls, and what a file system or a screen may drop or reorder.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn check_allow(allow: &Allow) -> Result<(), VaultError> {
    let fault = |why| Err(VaultError::Allow { rule: allow.rule.chars().take(64).collect(), why });
    check_path(&allow.path)?;
    match allow.rule.parse::<RuleId>() {
        Err(_) => return fault("no rule has this id or name"),
        Ok(rule) if NEVER_ALLOWED.contains(&rule) || rule.id().starts_with('C') => {
            return fault("this rule knows no exception");
        }
        Ok(_) => {}
    }
    if allow.why.trim().is_empty() || allow.why.chars().any(is_invisible) {
        return fault("`why` must give a reason, in one line");
    }
    if allow.key.as_ref().is_some_and(|key| key.is_empty()) {
        return fault("`key` is empty; leave it out to mean the whole file");
    }
    Ok(())
}

/// serde_json quotes what it found; only what was expected is repeated.
fn json_error(error: &serde_json::Error) -> VaultError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = match text.split_once(", expected ") {
        Some((what, expected)) if what.starts_with("invalid ") => format!("expected {expected}"),
        _ => text.escape_debug().to_string(),
    };
    VaultError::Json { line: error.line(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"{
  "version": 1,
  "backend": "sops-age",
  "files": [
    {"path": "infra/secrets/prod.enc.yaml", "env": "production"},
    {"path": "infra/secrets/dev.enc.yaml", "env": "development"}
  ]
}
"#;

    #[test]
    fn binds_files_to_environments() {
        let mut vault = Vault::new();
        vault.add("infra/secrets/prod.enc.yaml", "production").unwrap();
        vault.add("infra/secrets/dev.enc.yaml", "development").unwrap();
        vault.add("infra/secrets/dev.enc.yaml", "development").unwrap();
        assert_eq!(vault.render(), TWO);
        assert_eq!(Vault::parse(TWO).unwrap(), vault);
        assert_eq!(
            vault.file_for_env("production").map(|file| file.path.as_str()),
            Some("infra/secrets/prod.enc.yaml")
        );
        assert_eq!(vault.env_for_path("infra/secrets/dev.enc.yaml"), Some("development"));
        assert!(vault.file_for_env("staging").is_none() && vault.env_for_path("x").is_none());
        assert_eq!(Vault::parse(&Vault::new().render()).unwrap(), Vault::new());
    }

    #[test]
    fn the_one_line_form_reads_the_same() {
        let text = r#"{"version": 1, "backend": "sops-age", "files": [{"path": "a.enc.yaml", "env": "a"}]}"#;
        assert_eq!(Vault::parse(&Vault::parse(text).unwrap().render()).unwrap(), Vault::parse(text).unwrap());
    }

    #[test]
    fn a_path_stays_beneath_the_root() {
        let long = "a/".repeat(600) + "b";
        for path in [
            "",
            ".",
            "..",
            "./a.yaml",
            "../a.yaml",
            "a/../../b.yaml",
            "../../other/infra/secrets/prod.enc.yaml",
            "a/./b",
            "a//b",
            "a/",
            "/etc/passwd",
            "//host/share",
            "~/a",
            "~root/a",
            "C:\\a",
            "C:/a",
            "c:a",
            "a\\b",
            "..\\a",
            "a\0b",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{7f}",
            "a\u{85}",
            ".git/config",
            ".GIT/hooks/pre-commit",
            "sub/.Git/config",
            "GIT~1/config",
            ".git./config",
            ".git /config",
            ".g\u{200c}it/config",
            "a\u{202e}b",
            "a.yaml.",
            "a.yaml ",
            " a.yaml",
            "dir./a",
            "a.yaml::$DATA",
            "-rf",
            "--output=x",
            "\u{feff}a",
            long.as_str(),
        ] {
            assert!(matches!(check_path(path), Err(VaultError::Path { .. })), "{path:?}");
            let error = Vault::new().add(path, "a").unwrap_err().to_string();
            assert!(!error.contains(['\0', '\n', '\u{1b}', '\u{7f}', '\u{202e}']), "{error:?}");
        }
        for path in [
            "prod.enc.yaml",
            "infra/secrets/prod.enc.yaml",
            ".secrets/a.yaml",
            "a b/c.yaml",
            "ключ/ä.json",
            "a..b/c",
            "...a",
            ".gitsecret/a",
            ".github/a.enc.yaml",
            "a~b",
            "a-b/-c",
            "git/a",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_is_not_exactly_the_form_is_refused_without_its_content() {
        let files = |files: &str| format!(r#"{{"version": 1, "backend": "sops-age", "files": [{files}]}}"#);
        for (text, what) in [
            (String::new(), "line 1: EOF"),
            ("[]".into(), "line 1: "),
            (TWO.replace("\"version\": 1", "\"version\": 2"), "version 2"),
            (TWO.replace("sops-age", "other"), "backend \"other\""),
            (TWO.replace("\"version\": 1,", ""), "missing field `version`"),
            (TWO.replace("\"version\": 1,", "\"version\": \"s3cret\","), "line 2: expected u64"),
            (TWO.replace("\"version\": 1,", "\"version\": 1, \"version\": 1,"), "duplicate field `version`"),
            (TWO.replace("\"version\": 1,", "\"version\": 1, \"x\": \"s3cret\","), "unknown field `x`"),
            (files(r#"{"path": "a", "env": "a", "mode": 1}"#), "unknown field `mode`"),
            (files(r#"{"path": "a"}"#), "missing field `env`"),
            (files(r#"{"path": "a", "env": "s3cret", "env": "a"}"#), "duplicate field `env`"),
            (
                files(r#"{"path": "a/B", "env": "a"}, {"path": "A/b", "env": "b"}"#),
                "path \"A/b\" is bound twice",
            ),
            (
                files(r#"{"path": "a", "env": "a"}, {"path": "b", "env": "a"}"#),
                "environment `a` is bound twice",
            ),
            (files(r#"{"path": "a/../b", "env": "a"}"#), "not normalised"),
            (TWO.to_owned() + "x", "trailing characters"),
            ("\u{feff}".to_owned() + TWO, "line 1: expected value"),
        ] {
            let error = Vault::parse(&text).unwrap_err().to_string();
            assert!(error.contains(what) && !error.contains("s3cret"), "{text}: {error}");
        }
        for env in ["", "Prod", "-a", "_a", "a b", "a/b", "a.b", "ä", "a\n", &"a".repeat(65)] {
            assert!(matches!(check_env(env), Err(VaultError::Env(_))), "{env:?}");
        }
        for env in ["production", "0", "a_b-c", &"a".repeat(64)] {
            assert_eq!(check_env(env), Ok(()));
        }
    }

    #[test]
    fn exceptions_are_named_reasoned_and_never_for_forgeries() {
        let with = |allow: &str| {
            Vault::parse(&format!(
                r#"{{"version": 1, "backend": "sops-age", "files": [], "allow": [{allow}]}}"#
            ))
        };
        let vault = with(r#"{"rule": "plaintext", "path": "a", "key": "PORT", "why": "not a secret"}, {"rule": "F04E", "path": "b", "why": "x \"y\""}"#).unwrap();
        let covers = |rule, path, key| vault.allow.iter().any(|allow| allow.covers(rule, path, Some(key)));
        assert!(covers(RuleId::F04, "a", "PORT"));
        assert!(!covers(RuleId::F04, "a", "KEY"));
        assert!(!covers(RuleId::F04, "b", "PORT"));
        assert!(covers(RuleId::F04E, "b", "any"));
        assert_eq!(Vault::parse(&vault.render()).unwrap(), vault);
        for (allow, what) in [
            (r#"{"rule": "F03", "path": "a", "why": "x"}"#, "no exception"),
            (r#"{"rule": "recipients", "path": "a", "why": "x"}"#, "no exception"),
            (r#"{"rule": "k02", "path": "a", "why": "x"}"#, "no exception"),
            (r#"{"rule": "C03", "path": "a", "why": "x"}"#, "no exception"),
            (r#"{"rule": "Z99", "path": "a", "why": "x"}"#, "no rule"),
            (r#"{"rule": "F04", "path": "../a", "why": "x"}"#, "not normalised"),
            (r#"{"rule": "F04", "path": "a", "why": " "}"#, "reason"),
            (r#"{"rule": "F04", "path": "a", "key": "", "why": "x"}"#, "empty"),
            (r#"{"rule": "F04", "path": "a"}"#, "missing field `why`"),
        ] {
            let error = with(allow).unwrap_err().to_string();
            assert!(error.contains(what), "{allow}: {error}");
        }
    }
}
