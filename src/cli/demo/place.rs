//! A temporary folder with a repository and a home for each person, and nothing of the user's own.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::cli::failure::Failure;
use crate::process::{ChildEnvironment, TIMEOUT, run_command};

/// All that a child sees of the user's environment. CI and agent variables would mask values.
const INHERITED: [&str; 6] = ["PATH", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DemoPerson {
    Ana,
    Bob,
}

pub struct DemoFolder {
    root: PathBuf,
    temporary: Option<TempDir>,
    path: OsString,
    removed: Vec<String>,
}

impl DemoFolder {
    /// Not in memory like other private folders: those are often mounted so that no hook can run.
    pub fn new(keep: bool) -> Result<Self, Failure> {
        let temporary = tempfile::Builder::new().prefix("stax-demo-").tempdir()?;
        let root = temporary.path().canonicalize()?;
        let temporary = if keep {
            let _ = temporary.keep();
            None
        } else {
            remove_on_signals(root.clone())?;
            Some(temporary)
        };
        fs::create_dir(root.join("repo"))?;
        for who in [DemoPerson::Ana, DemoPerson::Bob] {
            fs::create_dir_all(home(&root, who).join(".config"))?;
            let (name, mail) = match who {
                DemoPerson::Ana => ("Ana Silva", "ana@example.com"),
                DemoPerson::Bob => ("Bob", "bob@example.com"),
            };
            let config = format!(
                "[user]\n\tname = {name}\n\temail = {mail}\n[init]\n\tdefaultBranch = main\n[core]\n\tpager = cat\n"
            );
            fs::write(home(&root, who).join(".gitconfig"), config)?;
        }
        let own = std::env::current_exe()?;
        let folder = own.parent().unwrap_or(Path::new("/")).to_owned();
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder).chain(std::env::split_paths(&inherited));
        let path =
            std::env::join_paths(folders).map_err(|error| Failure::usage(error.to_string()))?;
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let removed = names
            .filter(|name| !INHERITED.contains(&name.as_str()))
            .collect();
        Ok(Self {
            root,
            temporary,
            path,
            removed,
        })
    }

    /// Where it stays, when it was to be kept.
    pub fn kept(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(self.root.as_path())
    }

    pub fn read(&self, path: &str) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.root.join("repo").join(path))?)
    }

    pub fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        Ok(fs::write(self.root.join("repo").join(path), text)?)
    }

    pub fn key_file(&self, who: DemoPerson) -> Result<String, Failure> {
        Ok(fs::read_to_string(
            home(&self.root, who).join(".config/sops/age/keys.txt"),
        )?)
    }

    pub fn public_key(&self, who: DemoPerson) -> Result<String, Failure> {
        let (output, _) = self.run(who, "stax secrets pubkey 2>/dev/null")?;
        Ok(output.trim().to_owned())
    }

    /// Runs a line of shell in the repository: its whole output in the order it came, and whether
    /// it succeeded.
    pub fn run(&self, who: DemoPerson, line: &str) -> Result<(String, bool), Failure> {
        let home = home(&self.root, who);
        let (config, global) = (home.join(".config"), home.join(".gitconfig"));
        let add: [(&str, &OsStr); 6] = [
            ("PATH", &self.path),
            ("HOME", home.as_os_str()),
            ("XDG_CONFIG_HOME", config.as_os_str()),
            ("GIT_CONFIG_GLOBAL", global.as_os_str()),
            ("GIT_CONFIG_NOSYSTEM", OsStr::new("1")),
            ("GIT_TERMINAL_PROMPT", OsStr::new("0")),
        ];
        let remove: Vec<&str> = self.removed.iter().map(String::as_str).collect();
        let argv = [
            "sh".to_owned(),
            "-c".to_owned(),
            format!("exec 2>&1\n{line}"),
        ];
        let environment = ChildEnvironment {
            add: &add,
            remove: &remove,
        };
        let output = run_command(&argv, &self.root.join("repo"), environment, TIMEOUT)
            .map_err(|error| Failure::no(error.to_string()))?;
        Ok((
            String::from_utf8_lossy(&output.stdout).into_owned(),
            output.status.success(),
        ))
    }
}

fn home(root: &Path, who: DemoPerson) -> PathBuf {
    root.join(match who {
        DemoPerson::Ana => "home-of-ana",
        DemoPerson::Bob => "home-of-bob",
    })
}

fn remove_on_signals(root: PathBuf) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = fs::remove_dir_all(&root);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}
