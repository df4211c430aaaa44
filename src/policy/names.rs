//! Names that may enter the environment of a shell or a child process.
//!
//! A secret file is written by many hands; a value named `LD_PRELOAD` or `PROMPT_COMMAND` would run code
//! in the shell of everyone who loads it. Exact names of loaders, interpreters, shells and of what git
//! executes are refused; names of credentials pass, also where they look alike (`GITHUB_CLIENT_SECRET`,
//! `SSH_PRIVATE_KEY`, `KUBECONFIG`, `HTTPS_PROXY`).

const MAX_BYTES: usize = 128;

/// Compared without case: zsh ties `path` to `PATH`, and Windows knows no case.
const EXACT: &[&str] = &[
    // the loader and the C library
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMCAP",
    // shells: start files, prompts (which they expand), how words are found and split
    "BASH_ENV",
    "ENV",
    "ZDOTDIR",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH_LOADABLES_PATH",
    "PROMPT_COMMAND",
    "PROMPT",
    "RPROMPT",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "IFS",
    "PATH",
    "CDPATH",
    "FPATH",
    "MODULE_PATH",
    "GLOBIGNORE",
    "EXECIGNORE",
    "HOME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "OPTIND",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
    "PATHEXT",
    "COMSPEC",
    "PSMODULEPATH",
    // read-only in some shell: one assignment would end the whole `eval`
    "_",
    "UID",
    "EUID",
    "GID",
    "EGID",
    "PPID",
    "BASHPID",
    "BASH_VERSINFO",
    "ZSH_SUBSHELL",
    "TTYIDLE",
    "ZSH_EVAL_CONTEXT",
    // programs that other programs start
    "EDITOR",
    "VISUAL",
    "SUDO_EDITOR",
    "FCEDIT",
    "HGEDITOR",
    "PAGER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "LESSEDIT",
    "BROWSER",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "SUDO_ASKPASS",
    "SVN_EDITOR",
    "SVN_SSH",
    "CVS_RSH",
    "RSYNC_RSH",
    "VIMINIT",
    "EXINIT",
    "EMACSLOADPATH",
    // git: what it executes, and which repository and configuration it believes
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_EXEC_PATH",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_PAGER",
    "GIT_EXTERNAL_DIFF",
    "GIT_PROXY_COMMAND",
    "GIT_TEMPLATE_DIR",
    "GIT_ALLOW_PROTOCOL",
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_SSL_NO_VERIFY",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    // interpreters and their launchers
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "NPM_CONFIG_SCRIPT_SHELL",
    "NPM_CONFIG_NODE_OPTIONS",
    "NPM_CONFIG_USERCONFIG",
    "NPM_CONFIG_GLOBALCONFIG",
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_GIT",
    "NPM_CONFIG_SHELL",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONBREAKPOINT",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "PYTHONEXECUTABLE",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "PERL5SHELL",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "RUBYSHELL",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_GEMFILE",
    "BUNDLE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JDK_JAVAC_OPTIONS",
    "CLASSPATH",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "JAVA_HOME",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "R_PROFILE",
    "R_PROFILE_USER",
    "R_ENVIRON",
    "R_ENVIRON_USER",
    "TCLLIBPATH",
    "ERL_FLAGS",
    "ERL_AFLAGS",
    "ERL_ZFLAGS",
    "ERL_LIBS",
    "ELIXIR_ERL_OPTIONS",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "CORECLR_ENABLE_PROFILING",
    "CORECLR_PROFILER",
    "CORECLR_PROFILER_PATH",
    "COR_ENABLE_PROFILING",
    "COR_PROFILER",
    "COR_PROFILER_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "GTK_MODULES",
    "GTK_PATH",
    "GIO_EXTRA_MODULES",
    "GDK_PIXBUF_MODULE_FILE",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    // compilers and build tools
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_HOME",
    "GOFLAGS",
    "GOENV",
    "GOROOT",
    "GOTOOLCHAIN",
    "GCC_EXEC_PREFIX",
    "COMPILER_PATH",
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MAKEFILES",
    // what decides how stax and sops find keys and editors
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_CMD",
    "SOPS_EDITOR",
];

const PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "BASH_FUNC_",
    "GIT_CONFIG",
    "GIT_TRACE",
    "LUA_INIT_",
    "LUA_PATH_",
    "LUA_CPATH_",
    "CARGO_BUILD_",
    "CARGO_TARGET_",
    "CARGO_ALIAS_",
    "DIRENV_",
    "STAX_",
];

/// Special to zsh, in lower case only: `STATUS` is an ordinary name.
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
    #[error("{0:?} is not a name for the environment: letters, digits and `_`, at most 128, no digit first")]
    Shape(String),
    #[error(
        "`{0}` would change how programs are found or started; if you mean it: git config --local --add stax.allowEnv {0}"
    )]
    Refused(String),
}

/// Whether a name may enter the environment. `allowed` holds the exact names of `stax.allowEnv`.
///
/// # Errors
/// [`NameError::Shape`], which nothing allows, or [`NameError::Refused`].
pub fn check_name(name: &str, allowed: &[String]) -> Result<(), NameError> {
    let shape = name.len() <= MAX_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !shape {
        return Err(NameError::Shape(name.chars().take(MAX_BYTES).collect()));
    }
    if is_refused(name) && !allowed.iter().any(|allowed| allowed == name) {
        return Err(NameError::Refused(name.to_owned()));
    }
    Ok(())
}

fn is_refused(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    EXACT.contains(&upper.as_str())
        || PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || ZSH.contains(&name)
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
            "STAX_ENV",
            "DIRENV_DIFF",
            "SOPS_AGE_KEY_CMD",
            "RUSTC_WRAPPER",
            "npm_config_script_shell",
            "LUA_INIT_5_4",
        ] {
            let error = check_name(name, &[]).unwrap_err();
            assert!(error.to_string().ends_with(&format!("--add stax.allowEnv {name}")), "{name}");
            assert_eq!(check_name(name, &[name.to_owned()]), Ok(()));
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
            "KUBECONFIG",
            "HTTPS_PROXY",
            "https_proxy",
            "GIT_TOKEN",
            "GIT_AUTH_TOKEN",
            "NPM_TOKEN",
            "NODE_ENV",
            "NODE_AUTH_TOKEN",
            "PYTHON_ENV",
            "SOPS_AGE_KEY",
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
            "DOCKER_HOST",
            "RUBY_TOKEN",
            "PATH_PREFIX",
        ] {
            assert_eq!(check_name(name, &[]), Ok(()), "{name}");
        }
    }

    #[test]
    fn nothing_allows_a_name_of_another_shape() {
        let long = "A".repeat(129);
        for name in ["", "1A", "A-B", "A B", "A.B", "ключ", "A\n", "A=B", "A\u{1b}[2J", "$A", long.as_str()]
        {
            let error = check_name(name, &[name.to_owned()]).unwrap_err();
            assert!(matches!(error, NameError::Shape(_)), "{name:?}");
            assert!(!error.to_string().contains(['\n', '\u{1b}']), "{error}");
        }
        assert_eq!(check_name(&"A".repeat(128), &[]), Ok(()));
    }
}
