//! The editors themselves, each with settings of its user that keep all they can: nothing of a
//! value stays outside the private folder. `tests/peers/run` installs them where it can; without
//! one its test fails.

mod lfs;
mod readers;
#[path = "../journey/support.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rexpect::session::{PtySession, spawn_command};
use support::{CANARY, Person, Sandbox, wait_until};

/// What is typed into the editor.
const TYPED: &str = "canary-typed-9876";

struct Editor {
    name: &'static str,
    /// A file of the home, and what it says.
    settings: &'static [(&'static str, &'static str)],
    /// Puts a line with the typed value on top.
    insert: &'static str,
    /// Cuts the line of the canary, searches for it, does what else may be kept.
    wander: &'static str,
    save: &'static str,
}

const VIMRC: &str = "
set undofile undodir=~/keep backup writebackup backupdir=~/keep patchmode=.orig
set swapfile updatecount=1 directory=~/keep viewdir=~/keep
autocmd BufReadPost * setlocal swapfile undofile
autocmd BufWinLeave * silent! mkview
autocmd BufWritePre * set undofile backup writebackup
autocmd VimEnter * autocmd BufWritePre * set undofile undodir=~/keep backup writebackup backupdir=~/keep
autocmd InsertEnter * set swapfile directory=~/keep updatecount=1
autocmd InsertLeave * silent! update
";
const VIMINFO: &str = "
set viminfo='100,<5000,s1000,h,n~/keep/viminfo
autocmd VimEnter * autocmd VimLeavePre * set viminfo='100,<5000 viminfofile=~/keep/viminfo
";
const SHADA: &str = "
set shada=!,'1000,<5000,s1000,h
autocmd VimEnter * autocmd VimLeavePre * set shada='100,<5000 shadafile=~/keep/shada
autocmd FocusLost,InsertLeave * silent! wshada!
";
const NANORC: &str = "
set backup
set backupdir ~/keep
set historylog
set positionlog
set locking
";
const INIT: &str = r#"
(setq backup-directory-alist '(("." . "~/keep")) version-control t make-backup-files t
      auto-save-file-name-transforms '((".*" "~/keep/" t)) auto-save-interval 20 auto-save-timeout 1
      savehist-file "~/keep/history" savehist-additional-variables '(kill-ring search-ring)
      desktop-path '("~/keep/") desktop-save t desktop-globals-to-save '(kill-ring search-ring)
      save-place-file "~/keep/places" inhibit-startup-screen t native-comp-jit-compilation nil
      native-comp-deferred-compilation nil)
(savehist-mode 1)
(desktop-save-mode 1)
(save-place-mode 1)
(add-hook 'find-file-hook (lambda () (setq-local backup-inhibited nil make-backup-files t) (auto-save-mode 1)))
(add-hook 'before-save-hook (lambda () (setq-local backup-inhibited nil make-backup-files t)))
(add-hook 'emacs-startup-hook (lambda () (setq make-backup-files t create-lockfiles t)))
"#;

const VIM_KEYS: [&str; 3] = [
    "ggOTYPED: canary-typed-9876\x1b",
    "/canary-hunter2\ryy/TYPED\ryyp\"ayydd",
    ":wq\r",
];

const VIM: Editor = Editor {
    name: "vim",
    settings: &[(".vimrc", VIMRC), (".vim/plugin/late.vim", VIMINFO)],
    insert: VIM_KEYS[0],
    wander: VIM_KEYS[1],
    save: VIM_KEYS[2],
};
const NVIM: Editor = Editor {
    name: "nvim",
    settings: &[
        (".config/nvim/init.vim", VIMRC),
        (".config/nvim/plugin/late.vim", SHADA),
    ],
    ..VIM
};
const NANO: Editor = Editor {
    name: "nano",
    settings: &[(".nanorc", NANORC)],
    insert: "TYPED: canary-typed-9876\r",
    wander: "\x17canary-hunter2\r",
    save: "\x0f\r\x18",
};
const EMACS: Editor = Editor {
    name: "emacs",
    settings: &[(".emacs.d/init.el", INIT)],
    insert: "TYPED: canary-typed-9876\r",
    wander: "\x13canary-hunter\x01\x0b\x19",
    save: "\x18\x13\x18\x03",
};

impl Editor {
    /// Ana's home with the settings, and stax at a terminal with the file on the screen.
    fn open(&self, sandbox: &Sandbox, arguments: &str) -> PtySession {
        let there = sandbox.sh(&format!("command -v {}", self.name)).stdout;
        assert!(
            !there.is_empty(),
            "{} is not installed; tests/peers/run installs it",
            self.name
        );
        // the same under the same name, and its process id can be told
        let bin = sandbox.home.join("bin");
        fs::create_dir_all(&bin).expect("a folder of programs");
        let wrapped = format!(
            "echo $$ > \"$HOME/editor.pid\"; exec {} \"$@\"",
            there.trim()
        );
        fs::rename(sandbox.script(&wrapped), bin.join(self.name)).expect("the program");
        let path = format!(
            "{}:{}",
            bin.display(),
            sandbox.sh("printf %s \"$PATH\"").stdout
        );
        fs::create_dir_all(sandbox.home.join("keep")).expect("a folder that keeps all");
        for (path, text) in self.settings {
            let path = sandbox.home.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("the settings");
        }
        let editor = format!("{}{arguments}", self.name);
        let person: Person = sandbox
            .with("EDITOR", editor)
            .with("TERM", "xterm")
            .with("PATH", path);
        let mut command = person.command(env!("CARGO_BIN_EXE_stax"));
        command.args(["secrets", "edit"]);
        let mut terminal = spawn_command(command, Some(60_000)).expect("a terminal");
        terminal.exp_string(CANARY).expect("the text on the screen");
        std::thread::sleep(Duration::from_millis(500));
        terminal
    }
}

fn type_in(terminal: &mut PtySession, keys: &str) {
    terminal.send(keys).expect("keys");
    terminal.flush().expect("keys");
    std::thread::sleep(Duration::from_millis(700));
}

#[track_caller]
fn nothing_stays(sandbox: &Sandbox, when: &str) {
    for value in [CANARY, TYPED] {
        assert_eq!(
            sandbox.holders_of(value),
            Vec::<PathBuf>::new(),
            "{when}: {value}"
        );
    }
}

fn edits_and_leaves_nothing(editor: &Editor, arguments: &str) {
    let sandbox = Sandbox::with_store();
    let mut terminal = editor.open(&sandbox, arguments);
    for keys in [editor.insert, editor.wander, editor.save] {
        type_in(&mut terminal, keys);
    }
    terminal
        .exp_eof()
        .unwrap_or_else(|error| panic!("{}{arguments} does not end: {error}", editor.name));
    drop(terminal);
    sandbox.get("TYPED").ok().prints(TYPED);
    nothing_stays(&sandbox, &format!("{}{arguments}", editor.name));
}

/// The editor dies in the middle of a change, by a signal that it cannot catch.
fn dies_and_leaves_nothing(editor: &Editor, arguments: &str) {
    let sandbox = Sandbox::with_store();
    let mut terminal = editor.open(&sandbox, arguments);
    type_in(&mut terminal, editor.insert);
    // auto-save comes after a while
    std::thread::sleep(Duration::from_secs(2));
    sandbox.sh("kill -KILL $(cat \"$HOME/editor.pid\")").ok();
    terminal.exp_eof().expect("stax ends");
    drop(terminal);
    wait_until("the private folder is gone", || {
        fs::read_dir(sandbox.home.join("run")).is_ok_and(|found| found.count() == 0)
    });
    nothing_stays(&sandbox, editor.name);
}

#[test]
fn vim_keeps_nothing() {
    for arguments in ["", " -n", " -c 'set undofile'"] {
        edits_and_leaves_nothing(&VIM, arguments);
    }
    dies_and_leaves_nothing(&VIM, "");
}

#[test]
fn neovim_keeps_nothing() {
    for arguments in ["", " -n"] {
        edits_and_leaves_nothing(&NVIM, arguments);
    }
    dies_and_leaves_nothing(&NVIM, "");
}

#[test]
fn nano_keeps_nothing() {
    for arguments in ["", " -B -H"] {
        edits_and_leaves_nothing(&NANO, arguments);
    }
    dies_and_leaves_nothing(&NANO, "");
}

#[test]
fn emacs_keeps_nothing() {
    edits_and_leaves_nothing(&EMACS, " -nw");
    dies_and_leaves_nothing(&EMACS, " -nw");
}
