//! Names that may enter the environment of a shell or a child process.
//!
//! A secret file is written by many hands; a value named `LD_PRELOAD` or `PROMPT_COMMAND` would run
//! code in the shell of everyone who loads it. What programs obey stands in one [`table`], in
//! classes; names of credentials pass, also where they look alike (`GITHUB_CLIENT_SECRET`,
//! `SSH_PRIVATE_KEY`).

mod table;

use table::{NameRow, TABLE};

const MAX_BYTES: usize = 128;

/// What a name does to the programs that find it in their environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It runs or redirects code, or turns a check off: refused unless the user allows the name.
    Runs,
    /// It is read by stax or sops itself, and so would choose the next environment or key: nothing
    /// allows it.
    Own,
    /// It points at a proxy, certificates or configuration: one that appears later is held back.
    Points,
}

/// Special to zsh (zshparam(1)), in lower case only: `STATUS` is an ordinary name.
const ZSH: &[&str] = &[
    "status",
    "pipestatus",
    "argv",
    "prompt",
    "signals",
    "aliases",
    "functions",
    "options",
    "commands",
    "parameters",
    "modules",
    "psvar",
    "watch",
    "manpath",
    "mailpath",
    "fignore",
    "module_path",
];

/// A name that does not enter the environment. The name is part of the message, escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "{0:?} is not a name for the environment: letters, digits and `_`, at most 128, no digit first"
    )]
    Shape(String),
    #[error(
        "`{name}` changes what programs run, load or trust ({place}); if you mean it: stax allow env {name}"
    )]
    Refused { name: String, place: &'static str },
    #[error(
        "`{0}` is read by stax or sops itself, and a store does not decide what they do next; rename it"
    )]
    Own(String),
}

impl NameError {
    /// Whether the name alone does something, whatever its value is.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !matches!(self, Self::Shape(_))
    }
}

/// Whether a name may enter the environment. `allowed` holds the exact names that the user allows.
///
/// # Errors
/// [`NameError::Shape`] and [`NameError::Own`], which nothing allows, or [`NameError::Refused`].
pub fn check_name(name: &str, allowed: &[String]) -> Result<(), NameError> {
    check_shape(name)?;
    match obeyed(name) {
        Some((Class::Own, _)) => Err(NameError::Own(name.to_owned())),
        Some((Class::Runs, place)) if !allowed.iter().any(|allowed| allowed == name) => {
            Err(NameError::Refused {
                name: name.to_owned(),
                place,
            })
        }
        _ => Ok(()),
    }
}

/// Letters, digits and `_`, as every shell and program reads them.
///
/// # Errors
/// [`NameError::Shape`]
pub fn check_shape(name: &str) -> Result<(), NameError> {
    let has_shape = name.len() <= MAX_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if has_shape {
        Ok(())
    } else {
        Err(NameError::Shape(name.chars().take(MAX_BYTES).collect()))
    }
}

/// The class of a name and where it is written; `None` for an ordinary one.
#[must_use]
pub fn class(name: &str) -> Option<Class> {
    obeyed(name).map(|(class, _)| class)
}

fn obeyed(name: &str) -> Option<(Class, &'static str)> {
    if ZSH.contains(&name) {
        return Some((Class::Runs, "zshparam(1)"));
    }
    // without case: zsh ties `path` to `PATH`, curl reads `https_proxy`, and Windows knows no case
    let upper = name.to_ascii_uppercase();
    let fits = |row: &&NameRow| {
        row.names
            .split_ascii_whitespace()
            .any(|pattern| matches(pattern, &upper))
    };
    TABLE.iter().find(fits).map(|row| (row.class, row.source))
}

fn matches(pattern: &str, name: &str) -> bool {
    if let Some(end) = pattern.strip_prefix('*') {
        return name.ends_with(end) && name.len() > end.len();
    }
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_start_programs_are_refused() {
        for name in [
            "LD_PRELOAD",
            "ld_preload",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "PATH",
            "path",
            "Path",
            "PROMPT_COMMAND",
            "PS1",
            "IFS",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "PERL5OPT",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
            "GIT_SSH_COMMAND",
            "GIT_EXEC_PATH",
            "GIT_CONFIG_COUNT",
            "GIT_CONFIG_VALUE_0",
            "GIT_DIR",
            "EDITOR",
            "HOME",
            "UID",
            "_",
            "status",
            "DIRENV_DIFF",
            "TAR_OPTIONS",
            "STARSHIP_CONFIG",
            "FZF_DEFAULT_COMMAND",
            "RIPGREP_CONFIG_PATH",
            "PYTEST_ADDOPTS",
            "KUBECTL_EXTERNAL_DIFF",
            "AWS_PAGER",
            "GH_PAGER",
            "CC",
            "NVM_DIR",
            "ZSH_CUSTOM",
            "LESSKEYIN",
            "GITHUB_ENV",
            "GITHUB_PATH",
            "NODE_TLS_REJECT_UNAUTHORIZED",
            "GIT_SSL_NO_VERIFY",
            "SSLKEYLOGFILE",
            "RUSTC_WRAPPER",
            "npm_config_script_shell",
            "LUA_INIT_5_4",
        ] {
            let error = check_name(name, &[]).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with(&format!("stax allow env {name}")),
                "{name}"
            );
            assert_eq!(check_name(name, &[name.to_owned()]), Ok(()));
            assert_eq!(class(name), Some(Class::Runs), "{name}");
        }
        // one name allowed is one name, as it is written
        assert!(check_name("LD_AUDIT", &["LD_PRELOAD".into()]).is_err());
        assert!(check_name("path", &["PATH".into()]).is_err());
    }

    #[test]
    fn names_of_credentials_pass() {
        for name in [
            "DATABASE_URL",
            "GITHUB_CLIENT_SECRET",
            "GITHUB_TOKEN",
            "SSH_PRIVATE_KEY",
            "GIT_TOKEN",
            "GIT_AUTH_TOKEN",
            "NPM_TOKEN",
            "NODE_ENV",
            "NODE_AUTH_TOKEN",
            "PYTHON_ENV",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_PROFILE",
            "GPG_PASSPHRASE",
            "CI",
            "STATUS",
            "OPTIONS",
            "CARGO_REGISTRY_TOKEN",
            "USERNAME",
            "PORT",
            "_x",
            "a",
            "RUBY_TOKEN",
            "PATH_PREFIX",
        ] {
            assert_eq!(check_name(name, &[]), Ok(()), "{name}");
            assert_eq!(class(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_point_somewhere_pass_and_are_known() {
        for name in [
            "KUBECONFIG",
            "DOCKER_CONFIG",
            "AWS_CONFIG_FILE",
            "HTTPS_PROXY",
            "https_proxy",
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "GIT_SSL_CAINFO",
            "REQUESTS_CA_BUNDLE",
            "AWS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
        ] {
            assert_eq!(check_name(name, &[]), Ok(()), "{name}");
            assert_eq!(class(name), Some(Class::Points), "{name}");
        }
    }

    #[test]
    fn nothing_allows_what_stax_and_sops_read() {
        for name in [
            "STAX_ENV",
            "stax_diff",
            "SOPS_AGE_KEY",
            "SOPS_EDITOR",
            "RUNNER_SECRETS_KEY",
        ] {
            assert_eq!(
                check_name(name, &[name.to_owned()]),
                Err(NameError::Own(name.to_owned()))
            );
        }
    }

    #[test]
    fn the_table_names_each_thing_once_and_says_where_it_is_written() {
        let mut seen = std::collections::BTreeSet::new();
        for row in TABLE {
            assert!(!row.source.is_empty());
            for name in row.names.split_ascii_whitespace() {
                assert!(seen.insert(name), "{name} twice");
                let plain = name.trim_matches('*');
                assert!(
                    !plain.is_empty()
                        && check_shape(plain).is_ok()
                        && plain == plain.to_uppercase()
                );
                let example = name.replace('*', "X");
                assert_eq!(
                    class(&example),
                    Some(row.class),
                    "{name}: an earlier row has it"
                );
            }
        }
    }

    #[test]
    fn nothing_allows_a_name_of_another_shape() {
        let long = "A".repeat(129);
        for name in [
            "",
            "1A",
            "A-B",
            "A B",
            "A.B",
            "ключ",
            "A\n",
            "A=B",
            "A\u{1b}[2J",
            "$A",
            long.as_str(),
        ] {
            let error = check_name(name, &[name.to_owned()]).unwrap_err();
            assert!(matches!(error, NameError::Shape(_)), "{name:?}");
            assert!(!error.to_string().contains(['\n', '\u{1b}']), "{error}");
        }
        assert_eq!(check_name(&"A".repeat(128), &[]), Ok(()));
    }
}
