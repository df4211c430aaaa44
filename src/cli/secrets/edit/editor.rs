//! The editor of the user, started so that it keeps no copy of the text outside the private folder.
//!
//! Vim, Neovim, Nano and Emacs are known here. What they are told comes after the settings of their
//! user, which would win otherwise (`vim --cmd` runs before the vimrc); plugins of theirs still see
//! the text.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::PrivateDir;
use crate::keyring::IDENTITY_VARIABLES;
use crate::process::{self, ChildEnvironment};

/// What is said to Vim and Neovim; they name their options alike where it matters.
const VIM: &str = include_str!("quiet.vim");
const EMACS: &str = include_str!("quiet.el");
/// Where the scripts stand that hold them, and what an editor leaves in spite of them.
const FOLDER: &str = ".editor";
/// How the scripts find that folder.
const VARIABLE: &str = "STAX_EDIT";
/// For `vi --version`, which some kinds of vi take for the name of a file.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EditorKind {
    Vim,
    /// The same in a window: it has to stay in front, or it returns at once.
    VimInWindow,
    Nano,
    Emacs,
    /// Keeps copies by itself, and nothing on its command line stops that.
    Keeps(&'static str),
    Other,
}

/// By the name of the program, without its version.
const KINDS: [(&str, EditorKind); 31] = [
    ("vim", EditorKind::Vim),
    ("nvim", EditorKind::Vim),
    ("vimdiff", EditorKind::Vim),
    ("vimx", EditorKind::Vim),
    ("rvim", EditorKind::Vim),
    ("rview", EditorKind::Vim),
    ("gvim", EditorKind::VimInWindow),
    ("gview", EditorKind::VimInWindow),
    ("gvimdiff", EditorKind::VimInWindow),
    ("rgvim", EditorKind::VimInWindow),
    ("evim", EditorKind::VimInWindow),
    ("mvim", EditorKind::VimInWindow),
    ("nano", EditorKind::Nano),
    ("rnano", EditorKind::Nano),
    ("emacs", EditorKind::Emacs),
    ("emacsclient", EditorKind::Keeps("the running Emacs")),
    ("code", EditorKind::Keeps(HISTORY)),
    ("code-insiders", EditorKind::Keeps(HISTORY)),
    ("codium", EditorKind::Keeps(HISTORY)),
    ("cursor", EditorKind::Keeps(HISTORY)),
    ("windsurf", EditorKind::Keeps(HISTORY)),
    ("idea", EditorKind::Keeps(HISTORY)),
    ("pycharm", EditorKind::Keeps(HISTORY)),
    ("goland", EditorKind::Keeps(HISTORY)),
    ("webstorm", EditorKind::Keeps(HISTORY)),
    ("subl", EditorKind::Keeps("its session")),
    ("micro", EditorKind::Keeps("its backups")),
    ("gedit", EditorKind::Keeps("its backups")),
    ("kate", EditorKind::Keeps("its swap files")),
    ("joe", EditorKind::Keeps("its backups")),
    ("neovide", EditorKind::Keeps("the settings of Neovim")),
];
const HISTORY: &str = "its local history";

/// Editors that open a window and return at once, unless they are told to wait, and how that is
/// written.
const WINDOWS: [(&str, &str, &[&str]); 14] = [
    ("code", "--wait", &["-w", "--wait"]),
    ("code-insiders", "--wait", &["-w", "--wait"]),
    ("codium", "--wait", &["-w", "--wait"]),
    ("cursor", "--wait", &["-w", "--wait"]),
    ("windsurf", "--wait", &["-w", "--wait"]),
    ("zed", "--wait", &["-w", "--wait"]),
    ("subl", "--wait", &["-w", "--wait"]),
    ("mate", "--wait", &["-w", "--wait"]),
    ("atom", "--wait", &["-w", "--wait"]),
    ("idea", "--wait", &["--wait"]),
    ("pycharm", "--wait", &["--wait"]),
    ("goland", "--wait", &["--wait"]),
    ("webstorm", "--wait", &["--wait"]),
    ("gedit", "--wait", &["-w", "--wait"]),
];

/// The words of the command, and what the program among them is.
pub(in crate::cli) struct Editor {
    /// That names it.
    variable: &'static str,
    words: Vec<String>,
    /// Of the program among the words: `env LANG=C vim`.
    program: usize,
    kind: EditorKind,
}

impl Editor {
    /// SOPS_EDITOR, VISUAL or EDITOR, else vi.
    pub(in crate::cli) fn of_environment() -> Result<Self, Failure> {
        let named = ["SOPS_EDITOR", "VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| {
                let line = std::env::var(name)
                    .ok()
                    .filter(|line| !line.trim().is_empty())?;
                Some((name, line))
            });
        let (name, line) = named.unwrap_or(("EDITOR", "vi".into()));
        let words = shell_words::split(&line)
            .map_err(|error| Failure::usage(format!("{name} is not a command: {error}")))?;
        let program = program_of(&words);
        let kind = words
            .get(program)
            .map_or(EditorKind::Other, |word| kind_of(word, &words));
        Ok(Self {
            variable: name,
            words,
            program,
            kind,
        })
    }

    /// How to make an editor wait that opens a window and returns at once: `EDITOR="code --wait"`.
    pub(in crate::cli) fn with_wait(&self) -> Option<String> {
        let (name, option, forms) = WINDOWS.iter().find(|(name, ..)| {
            self.words
                .get(self.program)
                .is_some_and(|word| name_of(word) == *name)
        })?;
        let waits = self.words.iter().any(|word| forms.contains(&word.as_str()));
        (!waits).then(|| format!("{}=\"{name} {option}\"", self.variable))
    }

    /// Opens a file of the folder and waits for the end of the program.
    pub(in crate::cli) fn open(
        &self,
        ui: &Ui,
        folder: &PrivateDir,
        file: &Path,
    ) -> Result<ExitStatus, Failure> {
        let scratch = folder.folder(FOLDER)?;
        for (name, script) in [("quiet.vim", VIM), ("quiet.el", EMACS)] {
            std::fs::write(scratch.join(name), script)?;
        }
        if let EditorKind::Keeps(what) = self.kind {
            let name = name_of(&self.words[self.program]);
            ui.note(format!(
                "{name} may keep a copy of the text ({what}), which stax cannot switch off"
            ));
        }
        let add: Vec<(&str, &OsStr)> = self
            .variables()
            .iter()
            .map(|name| (*name, scratch.as_os_str()))
            .collect();
        let environment = ChildEnvironment {
            add: &add,
            remove: IDENTITY_VARIABLES,
        };
        process::run_editor(&self.command(&scratch, file), environment)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// What is added stands before a `--`, behind which there are only files.
    fn command(&self, scratch: &Path, file: &Path) -> Vec<OsString> {
        let after = self.words.get(self.program..).unwrap_or_default();
        let end = self.program
            + after
                .iter()
                .position(|word| word == "--")
                .unwrap_or(after.len());
        let (before, after) = self.words.split_at(end);
        let words = before
            .iter()
            .map(OsString::from)
            .chain(self.arguments(scratch));
        words
            .chain(after.iter().map(OsString::from))
            .chain([file.into()])
            .collect()
    }

    fn arguments(&self, scratch: &Path) -> Vec<OsString> {
        let quiet = "source $STAX_EDIT/quiet.vim";
        // before the vimrc for what happens before the end of it, and after it so that it holds
        let vim = ["-n", "-i", "NONE", "--cmd", quiet, "-c", quiet].map(OsString::from);
        let mut backups = OsString::from("--backupdir=");
        backups.push(scratch);
        match self.kind {
            EditorKind::Vim => vim.into(),
            EditorKind::VimInWindow => vim.into_iter().chain(["-f".into()]).collect(),
            // nothing on its command line switches a setting of the nanorc off; without one it
            // wraps lines in older versions, and a tab is an error in YAML
            EditorKind::Nano => ["-I", "-w", "-E", "-T", "2"]
                .map(OsString::from)
                .into_iter()
                .chain([backups])
                .collect(),
            EditorKind::Emacs => vec!["-l".into(), scratch.join("quiet.el").into()],
            EditorKind::Keeps(_) | EditorKind::Other => Vec::new(),
        }
    }

    /// The variables that lead to the scratch folder: what the editor puts where they say goes with
    /// it.
    fn variables(&self) -> &'static [&'static str] {
        match self.kind {
            EditorKind::Vim | EditorKind::VimInWindow => &[VARIABLE, "TMPDIR", "XDG_STATE_HOME"],
            // search history and positions, where its options name them
            EditorKind::Nano => &["TMPDIR", "XDG_DATA_HOME"],
            EditorKind::Emacs => &[VARIABLE, "TMPDIR"],
            // a client finds its server by TMPDIR
            EditorKind::Keeps(_) | EditorKind::Other => &[],
        }
    }
}

/// Behind `env` with its settings, or behind the `-e` of a terminal.
fn program_of(words: &[String]) -> usize {
    if words.first().is_some_and(|word| name_of(word) == "env") {
        let is_setting = |word: &String| word.contains('=') || word.starts_with('-');
        return 1 + words[1..]
            .iter()
            .take_while(|word| is_setting(word))
            .count();
    }
    let behind = words.iter().position(|word| word == "-e").map(|at| at + 1);
    let is_known = |at: &usize| {
        words
            .get(*at)
            .is_some_and(|word| by_name(&name_of(word)).is_some())
    };
    match words.first().and_then(|word| by_name(&name_of(word))) {
        None => behind.filter(is_known).unwrap_or(0),
        Some(_) => 0,
    }
}

/// By what the word leads to (`vi` is often a link to Vim), then by the word, then by what the
/// program says.
fn kind_of(word: &str, words: &[String]) -> EditorKind {
    let found = found(word);
    let leads_to = found.as_ref().and_then(|path| path.canonicalize().ok());
    let target = leads_to.and_then(|path| by_name(&name_of(&path.to_string_lossy())));
    let name = name_of(word);
    let kind = match (target, by_name(&name)) {
        // by the name it is called, one program is Vim in a terminal or in a window
        (Some(EditorKind::Vim | EditorKind::VimInWindow), Some(EditorKind::VimInWindow)) => {
            EditorKind::VimInWindow
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None)
            if ["vi", "view", "ex"].contains(&name.as_str()) && says_vim(found.as_deref()) =>
        {
            EditorKind::Vim
        }
        (None, None) => EditorKind::Other,
    };
    let asks_window = kind == EditorKind::Vim && words.iter().any(|word| word == "-g");
    if asks_window {
        EditorKind::VimInWindow
    } else {
        kind
    }
}

/// `vim.basic`, `vim9`, `emacs-29.1` and `emacs29-nox` are what their first letters say.
fn by_name(name: &str) -> Option<EditorKind> {
    let exact = |name: &str| {
        KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    };
    let stem = name
        .split(|c: char| c == '.' || c.is_ascii_digit())
        .next()
        .unwrap_or(name);
    exact(name)
        .or_else(|| exact(stem.trim_end_matches('-')))
        .or_else(|| name.starts_with("emacs-").then_some(EditorKind::Emacs))
}

fn name_of(word: &str) -> String {
    word.rsplit('/').next().unwrap_or(word).to_lowercase()
}

fn found(word: &str) -> Option<PathBuf> {
    if word.contains('/') {
        return Some(word.into());
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places)
        .map(|place| place.join(word))
        .find(|path| path.is_file())
}

/// A small Vim is installed under the name vi itself on some systems.
fn says_vim(program: Option<&Path>) -> bool {
    let Some(program) = program.and_then(Path::to_str) else {
        return false;
    };
    let argv = [program, "--version"].map(str::to_owned);
    let environment = ChildEnvironment {
        add: &[],
        remove: IDENTITY_VARIABLES,
    };
    let output = process::run_command(&argv, Path::new("/"), environment, PATIENCE);
    output.is_ok_and(|output| {
        output.stdout.starts_with(b"VIM - Vi IMproved") || output.stdout.starts_with(b"NVIM ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shell_words::split(line).unwrap()
    }

    #[test]
    fn an_editor_is_known_by_its_name_in_every_spelling() {
        for (name, kind) in [
            ("vim", Some(EditorKind::Vim)),
            ("vim.basic", Some(EditorKind::Vim)),
            ("vim9", Some(EditorKind::Vim)),
            ("nvim", Some(EditorKind::Vim)),
            ("nvim.appimage", Some(EditorKind::Vim)),
            ("gvim", Some(EditorKind::VimInWindow)),
            ("nano", Some(EditorKind::Nano)),
            ("emacs", Some(EditorKind::Emacs)),
            ("emacs-29.1", Some(EditorKind::Emacs)),
            ("emacs29-nox", Some(EditorKind::Emacs)),
            ("emacs-gtk", Some(EditorKind::Emacs)),
            ("emacsclient", Some(EditorKind::Keeps("the running Emacs"))),
            (
                "emacsclient.emacs",
                Some(EditorKind::Keeps("the running Emacs")),
            ),
            ("code", Some(EditorKind::Keeps(HISTORY))),
            ("ed", None),
            ("vi", None),
            ("vimpager", None),
        ] {
            assert_eq!(by_name(name), kind, "{name}");
        }
    }

    #[test]
    fn the_program_is_found_behind_env_and_in_a_terminal() {
        for (line, program) in [
            ("vim -u x", 0),
            ("env vim", 1),
            ("/usr/bin/env -i LANG=C nano", 3),
            ("xterm -e nvim", 2),
            ("vim -e", 0),
            ("mine -e x", 0),
        ] {
            assert_eq!(program_of(&words(line)), program, "{line}");
        }
    }

    #[test]
    fn what_is_added_stands_before_the_files() {
        let command = |line: &str, kind| {
            let words = words(line);
            let editor = Editor {
                variable: "EDITOR",
                program: program_of(&words),
                words,
                kind,
            };
            let command = editor.command(Path::new("/p/.editor"), Path::new("/p/a.yaml"));
            command
                .iter()
                .map(|word| word.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            command("emacs -nw", EditorKind::Emacs),
            "emacs -nw -l /p/.editor/quiet.el /p/a.yaml"
        );
        assert_eq!(
            command("env nano -B --", EditorKind::Nano),
            "env nano -B -I -w -E -T 2 --backupdir=/p/.editor -- /p/a.yaml"
        );
        assert_eq!(
            command("mine --wait", EditorKind::Other),
            "mine --wait /p/a.yaml"
        );
        let vim = command("vim -u x", EditorKind::VimInWindow);
        assert!(vim.starts_with("vim -u x -n -i NONE --cmd source"), "{vim}");
        assert!(vim.ends_with(" -f /p/a.yaml"), "{vim}");
    }
}
