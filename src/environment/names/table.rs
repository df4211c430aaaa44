//! Names that programs obey, and where that is written. Upper case; `*` stands for any rest, at
//! either end.

use super::Class::{self, Own, Points, Runs};

/// Names of one class that one source tells of, apart by blanks.
pub(super) struct NameRow {
    pub class: Class,
    pub source: &'static str,
    pub names: &'static str,
}

const fn row(class: Class, source: &'static str, names: &'static str) -> NameRow {
    NameRow {
        class,
        source,
        names,
    }
}

/// The first row that fits decides.
pub(super) const TABLE: &[NameRow] = &[
    // stax and sops themselves: what a store says never decides what is read next
    row(Own, "stax, SECURITY.md", "STAX_* RUNNER_SECRETS_KEY"),
    row(Own, "README of getsops/sops", "SOPS_*"),
    // the loader and the C library
    row(
        Runs,
        "ld.so(8)",
        "LD_* GLIBC_TUNABLES GCONV_PATH GETCONF_DIR LOCPATH NLSPATH MALLOC_TRACE TMPDIR",
    ),
    row(Runs, "dyld(1) of macOS", "DYLD_*"),
    row(Runs, "terminfo(5)", "TERMINFO TERMINFO_DIRS TERMCAP"),
    row(
        Runs,
        "environ(7)",
        "PATH HOME SHELL PWD ENV EDITOR VISUAL PAGER BROWSER",
    ),
    row(
        Runs,
        "XDG Base Directory Specification",
        "XDG_CONFIG_* XDG_DATA_* XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR",
    ),
    row(
        Runs,
        "D-Bus Specification, server addresses",
        "DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS",
    ),
    row(
        Runs,
        "SetEnvironmentVariable of Windows",
        "PATHEXT COMSPEC PSMODULEPATH",
    ),
    // shells: start files, prompts (which they expand), how words are found and split
    row(
        Runs,
        "bash(1)",
        "BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS BASH_LOADABLES_PATH PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 IFS CDPATH \
         OLDPWD GLOBIGNORE EXECIGNORE FCEDIT OPTIND INPUTRC HISTFILE MAILPATH",
    ),
    row(
        Runs,
        "README of bash-completion",
        "BASH_COMPLETION_USER_DIR BASH_COMPLETION_USER_FILE",
    ),
    row(
        Runs,
        "zshparam(1)",
        "ZDOTDIR FPATH MODULE_PATH PROMPT RPROMPT",
    ),
    row(Runs, "settings of Oh My Zsh", "ZSH ZSH_CUSTOM"),
    row(
        Runs,
        "fish(1), special variables",
        "FISH_FUNCTION_PATH FISH_COMPLETE_PATH FISH_USER_PATHS",
    ),
    // one assignment to a read-only name would end the whole `eval`
    row(
        Runs,
        "bash(1) and zshparam(1), read-only",
        "_ UID EUID GID EGID PPID BASHPID BASH_VERSINFO ZSH_SUBSHELL TTYIDLE ZSH_EVAL_CONTEXT",
    ),
    row(
        Runs,
        "starship.rs/config, custom commands",
        "STARSHIP_CONFIG",
    ),
    row(Runs, "fzf(1)", "FZF_*"),
    row(Runs, "direnv(1)", "DIRENV_*"),
    row(
        Runs,
        "mise.jdx.dev/configuration",
        "MISE_CONFIG_DIR MISE_DATA_DIR MISE_GLOBAL_CONFIG_FILE MISE_TRUSTED_CONFIG_PATHS",
    ),
    row(
        Runs,
        "READMEs of the version managers",
        "NVM_DIR PYENV_ROOT RBENV_ROOT NODENV_ROOT ASDF_DIR ASDF_DATA_DIR SDKMAN_DIR VOLTA_HOME N_PREFIX",
    ),
    // programs that other programs start, and options they take
    row(
        Runs,
        "a pager, as in git(1), aws help config, gh environment, bat(1)",
        "*_PAGER MANPAGER",
    ),
    row(
        Runs,
        "options, as in GNU tar (Environment), node(1), the sanitizers of LLVM",
        "*_OPTIONS",
    ),
    row(
        Runs,
        "less(1)",
        "LESS LESSOPEN LESSCLOSE LESSEDIT LESSKEY LESSKEYIN LESSKEY_SYSTEM LESSKEYIN_SYSTEM LESSKEY_CONTENT",
    ),
    row(Runs, "man(1)", "MANOPT MANROFFOPT"),
    row(Runs, "bat(1)", "BAT_CONFIG_PATH BAT_CONFIG_DIR BAT_OPTS"),
    row(Runs, "rg(1), --pre", "RIPGREP_CONFIG_PATH"),
    row(Runs, "sudo(8)", "SUDO_EDITOR SUDO_ASKPASS"),
    row(
        Runs,
        "ssh(1), ssh-add(1)",
        "SSH_ASKPASS SSH_ASKPASS_REQUIRE SSH_SK_PROVIDER SSH_AUTH_SOCK",
    ),
    row(Runs, "gpg(1)", "GNUPGHOME"),
    row(
        Runs,
        "the manuals of these editors",
        "HGEDITOR SVN_EDITOR KUBE_EDITOR PSQL_EDITOR SYSTEMD_EDITOR GH_EDITOR BUNDLER_EDITOR GEM_EDITOR",
    ),
    row(
        Runs,
        "svnbook, cvs(1), rsync(1)",
        "SVN_SSH CVS_RSH RSYNC_RSH RSYNC_CONNECT_PROG",
    ),
    row(
        Runs,
        "vim, starting; emacs, general variables",
        "VIMINIT GVIMINIT EXINIT VIM VIMRUNTIME EMACSLOADPATH",
    ),
    row(
        Runs,
        "wget manual, use_askpass; RFC 1524",
        "WGETRC SYSTEM_WGETRC MAILCAPS",
    ),
    row(
        Runs,
        "pass(1)",
        "PASSWORD_STORE_ENABLE_EXTENSIONS PASSWORD_STORE_EXTENSIONS_DIR",
    ),
    row(
        Runs,
        "manuals of restic, borg and rclone",
        "RESTIC_PASSWORD_COMMAND BORG_PASSCOMMAND BORG_RSH BORG_REMOTE_PATH RCLONE_PASSWORD_COMMAND",
    ),
    row(Runs, "gh environment", "GH_BROWSER GH_PATH"),
    row(
        Runs,
        "psql(1); MySQL C API, plugins",
        "PSQLRC LIBMYSQL_PLUGIN_DIR LIBMYSQL_PLUGINS",
    ),
    row(
        Runs,
        "kubectl diff; krew; helm",
        "KUBECTL_EXTERNAL_DIFF KREW_ROOT HELM_PLUGINS HELM_DATA_HOME",
    ),
    row(
        Runs,
        "Terraform CLI, environment variables",
        "TF_CLI_ARGS TF_CLI_ARGS_* TF_PLUGIN_CACHE_DIR TF_REATTACH_PROVIDERS",
    ),
    row(
        Runs,
        "Ansible configuration settings",
        "ANSIBLE_LIBRARY ANSIBLE_ACTION_PLUGINS ANSIBLE_CALLBACK_PLUGINS ANSIBLE_CONNECTION_PLUGINS \
         ANSIBLE_FILTER_PLUGINS ANSIBLE_LOOKUP_PLUGINS ANSIBLE_STRATEGY_PLUGINS ANSIBLE_ROLES_PATH \
         ANSIBLE_COLLECTIONS_PATH ANSIBLE_SSH_EXECUTABLE ANSIBLE_VAULT_PASSWORD_FILE ANSIBLE_PYTHON_INTERPRETER",
    ),
    row(
        Runs,
        "gcloud topic startup; google-auth",
        "CLOUDSDK_PYTHON CLOUDSDK_PYTHON_ARGS GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
    ),
    row(Runs, "az extension", "AZURE_EXTENSION_DIR"),
    // git: what it executes, and which repository and configuration it believes
    row(
        Runs,
        "git(1)",
        "GIT_SSH GIT_SSH_COMMAND GIT_SSH_VARIANT GIT_EXEC_PATH GIT_ASKPASS GIT_EDITOR GIT_SEQUENCE_EDITOR \
         GIT_EXTERNAL_DIFF GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_ALLOW_PROTOCOL GIT_PROTOCOL_FROM_USER GIT_DIR \
         GIT_COMMON_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_NAMESPACE GIT_OBJECT_DIRECTORY \
         GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_SHALLOW_FILE GIT_GRAFT_FILE GIT_REPLACE_REF_BASE GIT_ATTR_SOURCE \
         GIT_CEILING_DIRECTORIES GIT_DISCOVERY_ACROSS_FILESYSTEM GIT_CONFIG* GIT_TRACE*",
    ),
    // interpreters and their launchers
    row(Runs, "node(1)", "NODE_PATH NODE_REPL_EXTERNAL_MODULE"),
    row(
        Runs,
        "npm config",
        "NPM_CONFIG_SCRIPT_SHELL NPM_CONFIG_NODE_OPTIONS NPM_CONFIG_USERCONFIG NPM_CONFIG_GLOBALCONFIG \
         NPM_CONFIG_PREFIX NPM_CONFIG_GIT NPM_CONFIG_SHELL NPM_CONFIG_EDITOR NPM_CONFIG_VIEWER",
    ),
    row(
        Runs,
        "Yarn, settings as YARN_*; Electron",
        "YARN_YARN_PATH YARN_PLUGINS YARN_RC_FILENAME ELECTRON_RUN_AS_NODE",
    ),
    row(
        Runs,
        "python(1)",
        "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONBREAKPOINT PYTHONINSPECT PYTHONWARNINGS \
         PYTHONEXECUTABLE PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX",
    ),
    row(
        Runs,
        "pytest, IPython, uv and pre-commit",
        "PYTEST_ADDOPTS PYTEST_PLUGINS IPYTHONDIR VIRTUAL_ENV UV_PYTHON PRE_COMMIT_HOME",
    ),
    row(
        Runs,
        "perlrun(1)",
        "PERL5OPT PERL5LIB PERL5DB PERL5SHELL PERLLIB",
    ),
    row(
        Runs,
        "ruby(1), gem, bundle-config(1), irb(1)",
        "RUBYOPT RUBYLIB RUBYSHELL GEM_HOME GEM_PATH GEMRC BUNDLE_GEMFILE BUNDLE_PATH IRBRC",
    ),
    row(
        Runs,
        "java(1), and the launchers of Java's tools",
        "CLASSPATH JAVA_HOME JAVA_OPTS CATALINA_OPTS MAVEN_OPTS MAVEN_ARGS GRADLE_OPTS GRADLE_USER_HOME SBT_OPTS \
         ANT_OPTS ANT_ARGS",
    ),
    row(
        Runs,
        "lua(1)",
        "LUA_INIT LUA_INIT_* LUA_PATH LUA_PATH_* LUA_CPATH LUA_CPATH_*",
    ),
    row(
        Runs,
        "PHP, command line; composer",
        "PHPRC PHP_INI_SCAN_DIR COMPOSER_HOME",
    ),
    row(
        Runs,
        "R, Startup; Julia, environment variables",
        "R_PROFILE R_PROFILE_USER R_ENVIRON R_ENVIRON_USER R_LIBS R_LIBS_USER R_HOME JULIA_LOAD_PATH JULIA_DEPOT_PATH",
    ),
    row(
        Runs,
        "tclsh(1), guile(1)",
        "TCLLIBPATH GUILE_LOAD_PATH GUILE_LOAD_COMPILED_PATH",
    ),
    row(
        Runs,
        "erl(1), elixir(1)",
        "ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ELIXIR_ERL_OPTIONS",
    ),
    row(
        Runs,
        ".NET environment variables",
        "DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS DOTNET_SHARED_STORE DOTNET_ROOT CORECLR_* COR_ENABLE_PROFILING \
         COR_PROFILER* MSBUILDSDKSPATH NUGET_PLUGIN_PATHS NUGET_NETCORE_PLUGIN_PATHS",
    ),
    row(
        Runs,
        "openssl-env(7)",
        "OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES",
    ),
    row(
        Runs,
        "Running GTK Applications; Qt; GStreamer; the Vulkan loader; Mesa",
        "GTK_MODULES GTK_PATH GIO_EXTRA_MODULES GDK_PIXBUF_MODULE_FILE QT_PLUGIN_PATH QT_QPA_PLATFORM_PLUGIN_PATH \
         GST_PLUGIN_PATH VK_LAYER_PATH VK_ICD_FILENAMES LIBGL_DRIVERS_PATH",
    ),
    // compilers and build tools
    row(
        Runs,
        "GNU make, Implicit Variables; Autoconf",
        "CC CXX CPP FC LD AR AS CFLAGS CXXFLAGS CPPFLAGS LDFLAGS PKG_CONFIG PKG_CONFIG_PATH CONFIG_SITE \
         MAKEFLAGS GNUMAKEFLAGS MAKEFILES",
    ),
    row(
        Runs,
        "GCC, Environment Variables",
        "GCC_EXEC_PREFIX COMPILER_PATH LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH",
    ),
    row(
        Runs,
        "cmake-env-variables(7)",
        "CMAKE_TOOLCHAIN_FILE CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_COMPILER_LAUNCHER CMAKE_PREFIX_PATH",
    ),
    row(
        Runs,
        "ccache(1)",
        "CCACHE_PREFIX CCACHE_COMPILER CCACHE_PATH CCACHE_CONFIGPATH",
    ),
    row(
        Runs,
        "The Cargo Book, Environment Variables",
        "RUSTC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTDOC RUSTFLAGS RUSTDOCFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_HOME \
         CARGO_BUILD_* CARGO_TARGET_* CARGO_ALIAS_* CARGO_CREDENTIAL_ALIAS_* \
         CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS",
    ),
    row(Runs, "The rustup book", "RUSTUP_TOOLCHAIN RUSTUP_HOME"),
    row(
        Runs,
        "go help environment",
        "GOFLAGS GOENV GOROOT GOTOOLCHAIN GOAUTH GOCACHEPROG GOPATH GOMODCACHE GOWORK GOVCS CGO_CFLAGS CGO_CXXFLAGS \
         CGO_LDFLAGS",
    ),
    // build servers
    row(
        Runs,
        "GitHub Actions, default variables and workflow commands",
        "GITHUB_ENV GITHUB_PATH GITHUB_OUTPUT GITHUB_STATE GITHUB_ACTION_PATH GITHUB_WORKSPACE RUNNER_TEMP \
         RUNNER_TOOL_CACHE ACTIONS_ALLOW_UNSECURE_COMMANDS ACTIONS_RUNTIME_URL ACTIONS_CACHE_URL ACTIONS_RESULTS_URL",
    ),
    // checks of TLS off, or its keys in a file
    row(
        Runs,
        "switches off a check: node(1), git-config(1), npm config, PEP 493, pip, vault, nomad, consul, go",
        "NODE_TLS_REJECT_UNAUTHORIZED GIT_SSL_NO_VERIFY NPM_CONFIG_STRICT_SSL YARN_ENABLE_STRICT_SSL \
         PYTHONHTTPSVERIFY PIP_TRUSTED_HOST VAULT_SKIP_VERIFY NOMAD_SKIP_VERIFY CONSUL_HTTP_SSL_VERIFY GOINSECURE \
         GOSUMDB GONOSUMDB GONOSUMCHECK",
    ),
    row(
        Runs,
        "NSS Key Log Format; curl, node and python write it",
        "SSLKEYLOGFILE",
    ),
    // what only points: at a proxy, at certificates, at configuration
    row(Points, "curl(1), [scheme]_proxy", "*_PROXY"),
    row(
        Points,
        "certificates: openssl, node(1), git-config(1), requests, curl(1), aws, nix, deno, pip, cargo, grpc, libpq, vault",
        "SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO GIT_SSL_CAPATH GIT_SSL_CERT GIT_SSL_KEY \
         GIT_PROXY_SSL_CAINFO REQUESTS_CA_BUNDLE CURL_CA_BUNDLE AWS_CA_BUNDLE NIX_SSL_CERT_FILE DENO_CERT \
         DENO_TLS_CA_STORE PIP_CERT NPM_CONFIG_CAFILE NPM_CONFIG_CA CARGO_HTTP_CAINFO \
         GRPC_DEFAULT_SSL_ROOTS_FILE_PATH HTTPLIB2_CA_CERTS CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE PGSSLROOTCERT VAULT_CACERT VAULT_CAPATH",
    ),
    row(
        Points,
        "curl(1); hosts: hostname(7), resolver(3), ld.so(8)",
        "CURL_HOME HOSTALIASES LOCALDOMAIN RESOLV_HOST_CONF NIS_PATH",
    ),
    row(
        Points,
        "kubectl, helm, k9s",
        "KUBECONFIG HELM_REPOSITORY_CONFIG HELM_REGISTRY_CONFIG HELM_CONFIG_HOME K9S_CONFIG_DIR",
    ),
    row(
        Points,
        "docker(1), docker compose",
        "DOCKER_CONFIG DOCKER_HOST DOCKER_CONTEXT DOCKER_CERT_PATH COMPOSE_FILE COMPOSE_ENV_FILES BUILDKIT_HOST",
    ),
    row(
        Points,
        "aws help config-vars",
        "AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_* \
         AWS_EC2_METADATA_SERVICE_ENDPOINT AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    row(
        Points,
        "gcloud, az, gh, terraform, ansible",
        "CLOUDSDK_CONFIG AZURE_CONFIG_DIR GH_CONFIG_DIR GH_HOST TF_CLI_CONFIG_FILE ANSIBLE_CONFIG",
    ),
    row(
        Points,
        "where packages come from: pip, uv, npm, go, cargo",
        "PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE UV_INDEX_URL UV_EXTRA_INDEX_URL UV_DEFAULT_INDEX UV_CONFIG_FILE \
         NPM_CONFIG_REGISTRY COREPACK_NPM_REGISTRY GOPROXY GONOPROXY GOPRIVATE CARGO_SOURCE_*",
    ),
    row(
        Points,
        "libpq, MySQL, Kerberos",
        "PGSERVICEFILE PGSYSCONFDIR PGPASSFILE MYSQL_HOME KRB5_CONFIG",
    ),
];
