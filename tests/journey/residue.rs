//! Nothing of a value stays where its owner did not put it: editors, signals, prompts, core files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use crate::support::{CANARY, PROD, Person, Sandbox};

/// A program of this name, first in the PATH, that writes down how it was called and then runs
/// `script`.
fn program(person: &Person, name: &str, script: &str) -> Person {
    let bin = person.home.join("bin");
    fs::create_dir_all(&bin).expect("a folder of programs");
    let notes = "for word; do echo \"word $word\"; last=$word; done > \"$HOME/notes\"; env >> \"$HOME/notes\"\n\
                 echo \"core $(ulimit -c)\" >> \"$HOME/notes\"; ls -A \"$(dirname \"$last\")\" >> \"$HOME/notes\"";
    let made = person.script(&format!("{notes}\n{script}"));
    fs::rename(made, bin.join(name)).expect("the program");
    in_front(person, &bin)
}

fn in_front(person: &Person, bin: &Path) -> Person {
    let inherited = person.sh("printf %s \"$PATH\"").ok().stdout;
    let places = std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&inherited));
    person.with("PATH", std::env::join_paths(places).expect("a PATH"))
}

fn notes(person: &Person) -> String {
    fs::read_to_string(person.home.join("notes")).expect("the editor ran")
}

/// The words behind the name of the program, less the file.
fn words(person: &Person) -> String {
    let notes = notes(person);
    let words: Vec<&str> = notes
        .lines()
        .filter_map(|line| line.strip_prefix("word "))
        .collect();
    words[..words.len() - 1].join(" ")
}

const VIM: &str = "-n -i NONE --cmd source $STAX_EDIT/quiet.vim -c source $STAX_EDIT/quiet.vim";

#[test]
fn vim_is_told_after_its_own_settings_to_keep_nothing() {
    let sandbox = Sandbox::with_store();
    // writes where Vim puts what the scripts do not stop
    let script = "cp \"$last\" \"$TMPDIR/undo\"; cp \"$last\" \"$XDG_STATE_HOME/shada\"\n\
                  grep -q 'set noundofile' \"$STAX_EDIT/quiet.vim\" && echo quiet >> \"$HOME/notes\"";
    let person = program(&sandbox, "vim.basic", script);
    let bin = person.home.join("bin");
    for name in ["vi", "view", "gvim", "nvim"] {
        symlink(bin.join("vim.basic"), bin.join(name)).expect("another name");
    }
    for (editor, added) in [
        ("vim.basic -u x", format!("-u x {VIM}")),
        ("vi", VIM.to_owned()),
        ("view -R", format!("-R {VIM}")),
        ("nvim --", format!("{VIM} --")),
        ("env LANG=C vi", VIM.to_owned()),
        ("gvim", format!("{VIM} -f")),
        (&format!("{}/vi", bin.display()), VIM.to_owned()),
    ] {
        person
            .with("EDITOR", editor)
            .stax(["secrets", "edit"])
            .ok()
            .hides("may keep");
        assert_eq!(words(&person), added, "{editor}");
        assert!(notes(&person).contains("\nquiet"), "{editor}");
        assert_eq!(
            sandbox.holders_of(CANARY),
            Vec::<PathBuf>::new(),
            "{editor}"
        );
    }
}

#[test]
fn a_vi_that_is_no_vim_gets_no_words_that_it_does_not_know() {
    let sandbox = Sandbox::with_store();
    let script = "[ \"$1\" = --version ] && echo 'VIM - Vi IMproved 9.1'; exit 0";
    for (script, added) in [("exit 0", ""), (script, VIM)] {
        let person = program(&sandbox, "vi", script);
        person.with("EDITOR", "vi").stax(["secrets", "edit"]).ok();
        assert_eq!(words(&person), added);
    }
}

#[test]
fn nano_emacs_and_those_that_cannot_be_told() {
    let sandbox = Sandbox::with_store();
    let person = program(
        &sandbox,
        "nano",
        "cp \"$last\" \"$TMPDIR/x\"; cp \"$last\" \"$XDG_DATA_HOME/search\"",
    );
    person
        .with("VISUAL", "nano -B")
        .stax(["secrets", "edit"])
        .ok();
    assert!(
        words(&person).starts_with("-B -I -w -E -T 2 --backupdir=/"),
        "{}",
        words(&person)
    );
    let person = program(
        &person,
        "emacs",
        "grep -q kill-emacs-hook \"$STAX_EDIT/quiet.el\" || exit 9",
    );
    person
        .with("SOPS_EDITOR", "emacs -nw")
        .stax(["secrets", "edit"])
        .ok();
    assert!(words(&person).starts_with("-nw -l /") && words(&person).ends_with("/quiet.el"));
    for (name, what) in [
        ("emacsclient", "the running Emacs"),
        ("code", "its local history"),
    ] {
        let person = program(&person, name, "exit 0").with("EDITOR", format!("{name} --wait"));
        let told = format!(
            "note: {name} may keep a copy of the text ({what}), which stax cannot switch off"
        );
        person.stax(["secrets", "edit"]).ok().says(&told);
        assert_eq!(words(&person), "--wait");
        // a server is found by the variables of its user
        assert!(!notes(&person).contains("STAX_EDIT"));
    }
    assert_eq!(sandbox.holders_of(CANARY), Vec::<PathBuf>::new());
}

#[test]
#[cfg(target_os = "linux")]
fn stax_writes_no_core_file_and_its_programs_may() {
    let sandbox = Sandbox::with_store();
    let script = "grep '^Max core' /proc/$PPID/limits >> \"$HOME/notes\"";
    let person = program(&sandbox, "mine", script).with("EDITOR", "mine");
    // as much as the machine allows
    let wide = "ulimit -S -c \"$(ulimit -H -c)\"";
    let own = person.sh(&format!("{wide}; ulimit -c")).ok().stdout;
    person.sh(&format!("{wide}; stax secrets edit")).ok();
    let notes = notes(&person);
    assert!(notes.contains(&format!("\ncore {own}")), "{own}: {notes}");
    let limit = notes
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("the limit of stax");
    assert_eq!(limit.split_whitespace().nth(4), Some("0"), "{limit}");
    person
        .sh(&format!("{wide}; stax secrets exec -- sh -c 'ulimit -c'"))
        .ok()
        .prints_exactly(&own);
}

fn at_a_terminal(person: &Person, script: &str) -> PtySession {
    let mut command: Command = person.command("sh");
    command.args(["-c", script]);
    spawn_command(command, Some(20_000)).expect("a terminal")
}

/// The prompt of `set`, silent and ready.
fn prompted(person: &Person, before: &str, after: &str) -> PtySession {
    let mut terminal = at_a_terminal(person, &format!("{before} stax secrets set NEW; {after}"));
    // it is written once the terminal shows nothing any more
    terminal.exp_string("(hidden): ").expect("the prompt");
    terminal
}

#[test]
fn a_signal_at_the_hidden_prompt_leaves_a_terminal_that_shows_what_is_typed() {
    let sandbox = Sandbox::with_store();
    for (key, name) in [('c', "INT"), ('\\', "QUIT")] {
        let mut terminal = prompted(
            &sandbox,
            &format!("stty echo; trap : {name};"),
            "stty -a; echo over",
        );
        terminal.send("canary-half").expect("half a value");
        terminal.send_control(key).expect("a signal");
        let seen = terminal.exp_string("over").expect("the shell goes on");
        assert!(
            seen.contains(" echo ") && !seen.contains("-echo "),
            "{name}: {seen}"
        );
        assert!(!seen.contains("canary-half"), "{name}: {seen}");
    }
    sandbox.get("NEW").exits(1);
}

#[test]
fn several_lines_at_the_prompt_are_refused_and_reach_no_shell() {
    let sandbox = Sandbox::with_store();
    let pasted = "-----BEGIN KEY-----\rMIIBVgIBADANBg\r-----END KEY-----";
    for text in [
        format!("{pasted}\r"),
        pasted.to_owned(),
        format!("\r{pasted}\r"),
    ] {
        let mut terminal = prompted(&sandbox, "", "read -r line; echo \"[$line]\"");
        terminal.send(&text).expect("a paste");
        terminal.flush().expect("a paste");
        let seen = terminal
            .exp_string("--from-file PATH")
            .expect("the other ways");
        assert!(
            seen.contains("more were pasted; nothing was stored"),
            "{seen}"
        );
        assert!(seen.contains("| stax secrets set NEW; or"), "{seen}");
        terminal.send_line("typed").expect("a line for the shell");
        terminal.exp_string("[typed]").expect("only what was typed");
    }
    sandbox.get("NEW").exits(1);
}

#[test]
fn nothing_typed_and_nothing_piped_is_no_value() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    sandbox.write("nothing.txt", "");
    let hint = "hint: if that is meant: stax secrets set STRIPE_SECRET_KEY --empty\n";
    sandbox
        .sh("false | stax secrets set STRIPE_SECRET_KEY")
        .exits(2)
        .says("is empty")
        .says(hint);
    sandbox
        .sh("echo | stax secrets set STRIPE_SECRET_KEY")
        .exits(2)
        .says(hint);
    sandbox
        .stax(["secrets", "set", "PORT", "--from-file", "nothing.txt"])
        .exits(2)
        .says("is empty");
    let mut terminal = prompted(&sandbox, "", "");
    terminal.send_line("").expect("Enter");
    terminal
        .exp_string("is empty; nothing was changed")
        .expect("an error");
    assert_eq!(before, sandbox.bytes(PROD));
    sandbox
        .stax(["secrets", "set", "STRIPE_SECRET_KEY", "--empty"])
        .ok();
    sandbox.get("STRIPE_SECRET_KEY").ok().prints_exactly("\n");
}

#[test]
fn an_import_empties_no_value_unasked() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    sandbox.write(".env.example", "STRIPE_SECRET_KEY=\nNEW=1\n");
    let import = ["secrets", "import", ".env.example"];
    sandbox
        .stax(import)
        .exits(2)
        .says("`STRIPE_SECRET_KEY` would become empty; if that is meant: --empty");
    sandbox
        .sh("false | stax secrets import -")
        .ok()
        .says("nothing changed");
    assert_eq!(before, sandbox.bytes(PROD));
    sandbox.stax(import.iter().chain(&["--empty"])).ok();
    sandbox.get("STRIPE_SECRET_KEY").ok().prints_exactly("\n");
}

#[test]
fn an_agent_sees_masks_in_a_diff_and_what_it_asks_for() {
    let sandbox = Sandbox::with_store();
    for name in [
        "CLINE_ACTIVE",
        "AUGMENT_AGENT",
        "COPILOT_CLI",
        "OPENCODE_CLIENT",
        "ROO_ACTIVE",
    ] {
        let agent = sandbox.with(name, "true");
        agent
            .git(["log", "-p"])
            .ok()
            .prints("STRIPE_SECRET_KEY")
            .hides(CANARY);
        agent.get("STRIPE_SECRET_KEY").ok().prints(CANARY);
    }
    sandbox.git(["log", "-p"]).ok().prints(CANARY);
}

#[test]
fn letters_that_nobody_sees_are_escaped_in_every_output() {
    let sandbox = Sandbox::with_store();
    let hidden = "A\u{e0100}B\u{ad}\u{3164}\u{34f}C\u{200d}";
    let author = sandbox.with("GIT_AUTHOR_NAME", hidden);
    author.set("NEW", "one").ok();
    author.commit_all("new");
    let shown = "A\\u{e0100}B\\u{ad}\\u{3164}\\u{34f}C\\u{200d}";
    let log = author.stax(["secrets", "log"]).ok().prints(shown);
    log.hides("\u{3164}").hides("\u{ad}").hides("\u{e0100}");
    let json = author
        .stax(["secrets", "log", "--json"])
        .ok()
        .prints("\\u3164")
        .hides("\u{3164}");
    assert!(
        json.hides("\u{34f}").json().to_string().contains(hidden),
        "the JSON says the same name"
    );
    author.stax(["secrets", "blame"]).ok().hides("\u{3164}");
    // a key and a value of a document, in a diff and in findings
    author.write(PROD, format!("K\u{115f}: {hidden}\n{}", author.read(PROD)));
    author.git(["add", PROD]).ok();
    for format in ["text", "json", "sarif", "github"] {
        let found = author
            .stax(["secrets", "verify", "--format", format])
            .exits(1);
        found.prints("115f").hides("\u{115f}").hides("\u{3164}");
    }
    author
        .git(["diff", "--cached"])
        .ok()
        .prints("3164")
        .hides("\u{3164}");
}
