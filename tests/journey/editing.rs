//! `edit` and `set`: the plaintext stays private, no text is lost, no change is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use rexpect::session::{PtySession, spawn_command};

use crate::support::{CANARY, Output, PROD, Person, Sandbox, wait_until};

/// An editor that tells where its file is and then waits until it may go on.
struct SlowEditor {
    person: Person,
    told: PathBuf,
    go: PathBuf,
}

impl SlowEditor {
    /// `change` is run on `$1` when the editor may go on.
    fn new(person: &Person, change: &str) -> Self {
        let (told, go) = (person.home.join("told"), person.home.join("go"));
        let script = format!(
            "echo \"$1\" > {told}.new && mv {told}.new {told}\nn=0\n\
             while [ ! -e {go} ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done\n{change}",
            told = told.display(),
            go = go.display()
        );
        Self {
            person: person.editing(&script),
            told,
            go,
        }
    }

    /// Starts `stax secrets edit` and waits until the editor has its file.
    fn start(&self) -> (Child, PathBuf) {
        let mut command = self.person.command(env!("CARGO_BIN_EXE_stax"));
        command
            .args(["secrets", "edit"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("stax starts");
        wait_until("the editor has its file", || self.told.exists());
        let file = fs::read_to_string(&self.told).expect("the path");
        (child, PathBuf::from(file.trim_end()))
    }

    fn finish(&self, child: Child) -> Output {
        fs::write(&self.go, "").expect("the go");
        Output::new(
            "stax secrets edit".into(),
            child.wait_with_output().expect("stax ends"),
        )
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

#[track_caller]
fn nothing_is_left(sandbox: &Sandbox, file: &Path) {
    let folder = file.parent().expect("the private folder");
    assert!(!folder.exists(), "{} is left", folder.display());
    assert_eq!(sandbox.holders_of(CANARY), Vec::<PathBuf>::new());
}

/// Rewrites the file through the editor: `sed` with this expression.
fn sed(expression: &str) -> String {
    format!("sed '{expression}' \"$1\" > \"$0.new\"; cat \"$0.new\" > \"$1\"; rm \"$0.new\"")
}

#[test]
fn an_edited_value_is_sealed_and_the_rest_keeps_its_tokens() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.read(PROD);
    let editor = sandbox.editing(&sed("s/^PORT: 5432$/PORT: 6543/"));
    editor.stax(["secrets", "edit"]).ok().hides(CANARY);
    sandbox.get("PORT").ok().prints_exactly("6543\n");
    sandbox.sops(["decrypt", PROD]).ok().prints("PORT: 6543\n");
    let after = sandbox.read(PROD);
    for line in before
        .lines()
        .filter(|line| line.contains("ENC[") && !line.contains("mac:"))
    {
        assert_eq!(after.contains(line), !line.starts_with("PORT:"), "{line}");
    }
}

#[test]
fn the_saved_text_is_the_new_layout() {
    let sandbox = Sandbox::with_store();
    let text =
        "# first\\n\\nPORT: 5432  # inline\\nSTRIPE_SECRET_KEY: \"quoted\"\\n\\nNEW: added\\n";
    sandbox
        .editing(&format!("printf '{text}' > \"$1\""))
        .stax(["secrets", "edit"])
        .ok();
    let values = sandbox
        .sops(["decrypt", "--output-type", "dotenv", PROD])
        .ok();
    values
        .prints("PORT=5432")
        .prints("STRIPE_SECRET_KEY=quoted")
        .prints("NEW=added")
        .hides("DATABASE_URL");
    let again = sandbox.place().join("again");
    sandbox
        .editing(&format!("cat \"$1\" > {}", again.display()))
        .stax(["secrets", "edit"])
        .ok();
    let shown = fs::read_to_string(again).expect("the editor ran");
    let expected = text.replace("\\n", "\n").replace("\"quoted\"", "quoted");
    assert_eq!(shown.replace("\"quoted\"", "quoted"), expected);
    sandbox.commit_all("edited");
}

#[test]
fn an_edit_without_a_change_changes_no_byte() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    for script in [
        "true",
        "touch \"$1\"",
        "cat \"$1\" > \"$0.new\"; cat \"$0.new\" > \"$1\"; rm \"$0.new\"",
    ] {
        sandbox.editing(script).stax(["secrets", "edit"]).ok();
        assert_eq!(before, sandbox.bytes(PROD), "{script}");
    }
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    let script = format!("{}; exit 3", sed("s/5432/6543/"));
    sandbox
        .editing(&script)
        .stax(["secrets", "edit"])
        .fails()
        .one_error();
    sandbox
        .with("EDITOR", "/no/such/editor")
        .stax(["secrets", "edit"])
        .fails()
        .one_error();
    assert_eq!(before, sandbox.bytes(PROD));
}

#[test]
fn an_editor_that_leaves_an_empty_file_changes_nothing() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    let refused = sandbox
        .editing(": > \"$1\"")
        .stax(["secrets", "edit"])
        .exits(2)
        .one_error();
    refused
        .says("left an empty file; nothing was changed")
        .says("stax secrets unset KEY");
    assert_eq!(before, sandbox.bytes(PROD));
}

#[test]
fn the_editor_is_chosen_as_sops_chooses_it() {
    let sandbox = Sandbox::with_store();
    let editor = |value: &str| sandbox.script(&sed(&format!("s/^PORT: .*/PORT: {value}/")));
    let person = sandbox.with("EDITOR", editor("1"));
    person.stax(["secrets", "edit"]).ok();
    sandbox.get("PORT").ok().prints_exactly("1\n");
    let person = person.with("VISUAL", editor("2"));
    person.stax(["secrets", "edit"]).ok();
    sandbox.get("PORT").ok().prints_exactly("2\n");
    person
        .with("SOPS_EDITOR", editor("3"))
        .stax(["secrets", "edit"])
        .ok();
    sandbox.get("PORT").ok().prints_exactly("3\n");
}

#[test]
fn the_plaintext_lies_in_a_private_folder_that_is_gone_afterwards() {
    let sandbox = Sandbox::with_store();
    let slow = SlowEditor::new(&sandbox, &sed("s/5432/6543/"));
    let (child, file) = slow.start();
    assert_eq!(
        (mode(&file), mode(file.parent().expect("a folder"))),
        (0o600, 0o700)
    );
    assert!(
        !file.starts_with(&sandbox.dir),
        "inside the work tree: {}",
        file.display()
    );
    assert!(
        file.to_string_lossy().ends_with(".yaml"),
        "the editor needs the suffix: {}",
        file.display()
    );
    let text = fs::read_to_string(&file).expect("the plaintext");
    assert!(text.contains(CANARY) && !text.contains("sops:"), "{text}");
    slow.finish(child).ok();
    sandbox.get("PORT").ok().prints_exactly("6543\n");
    nothing_is_left(&sandbox, &file);
}

#[test]
fn a_signal_removes_the_private_folder_and_keeps_the_file() {
    for (signal, number) in [
        ("TERM", 15),
        ("INT", 2),
        ("HUP", 1),
        ("QUIT", 3),
        ("ABRT", 6),
        ("XCPU", 24),
    ] {
        let sandbox = Sandbox::with_store();
        let before = sandbox.bytes(PROD);
        let slow = SlowEditor::new(&sandbox, "true");
        let (child, file) = slow.start();
        sandbox.sh(&format!("kill -{signal} {}", child.id())).ok();
        let folder = file.parent().expect("a folder").to_path_buf();
        wait_until("the private folder is gone", || !folder.exists());
        slow.finish(child).exits(128 + number);
        nothing_is_left(&sandbox, &file);
        assert_eq!(before, sandbox.bytes(PROD), "{signal}");
    }
}

#[test]
fn a_change_made_meanwhile_is_noticed_and_not_lost() {
    let sandbox = Sandbox::with_store();
    let slow = SlowEditor::new(&sandbox, &sed("s/^PORT: 5432/PORT: 6543/"));
    let (child, _) = slow.start();
    sandbox.set("MEANWHILE", "kept").ok();
    let before = sandbox.bytes(PROD);
    slow.finish(child).fails().says("changed").hides(CANARY);
    assert_eq!(before, sandbox.bytes(PROD));
    sandbox.get("MEANWHILE").ok().prints_exactly("kept\n");
}

fn in_a_terminal(person: &Person, args: &[&str]) -> PtySession {
    let mut command = person.command(env!("CARGO_BIN_EXE_stax"));
    command.args(args);
    spawn_command(command, Some(20_000)).expect("a terminal")
}

#[test]
fn a_syntax_error_reopens_the_editor_with_the_same_text() {
    let sandbox = Sandbox::with_store();
    // the first run breaks the text, the second sees the broken text and mends it
    let script = "if grep -q BROKEN \"$1\"; then echo 'MENDED: \"yes\"' > \"$1\"\n\
                  else echo 'BROKEN: \"open' > \"$1\"; fi";
    let editor = sandbox.editing(script);
    let mut terminal = in_a_terminal(&editor, &["secrets", "edit"]);
    terminal
        .exp_regex("(?i)line 1")
        .expect("the place of the mistake");
    terminal.send_line("").expect("Enter reopens the editor");
    terminal.exp_eof().expect("stax ends");
    sandbox.get("MENDED").ok().prints_exactly("yes\n");
    sandbox
        .sops(["decrypt", PROD])
        .ok()
        .prints_exactly("MENDED: \"yes\"\n");
}

#[test]
fn a_hidden_prompt_takes_the_value_and_echoes_nothing() {
    let sandbox = Sandbox::with_store();
    let mut terminal = in_a_terminal(&sandbox, &["secrets", "set", "STRIPE_SECRET_KEY"]);
    terminal
        .exp_regex("STRIPE_SECRET_KEY")
        .expect("a prompt that names the key");
    // the terminal must be silent before the value is typed
    thread::sleep(std::time::Duration::from_millis(300));
    terminal.send_line("canary-typed").expect("the value");
    let seen = terminal.exp_eof().expect("stax ends");
    assert!(!seen.contains("canary-typed"), "{seen}");
    sandbox
        .get("STRIPE_SECRET_KEY")
        .ok()
        .prints_exactly("canary-typed\n");
}

#[test]
fn a_value_never_stands_in_argv() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    for args in [
        ["secrets", "set", "PORT", "canary-argv"],
        ["secrets", "set", "PORT=canary-argv", "-q"],
    ] {
        sandbox.stax(args).exits(2).hides("canary-argv");
    }
    assert_eq!(before, sandbox.bytes(PROD));
}

#[test]
fn stdin_loses_exactly_one_final_newline_and_a_file_none() {
    let sandbox = Sandbox::with_store();
    let table = [
        ("v", "v"),
        ("v\n", "v"),
        ("v\n\n", "v\n"),
        ("\n\n", "\n"),
        ("a\r\n", "a\r"),
        (" v ", " v "),
    ];
    for (stdin, value) in table {
        sandbox.stax_with(["secrets", "set", "VALUE"], stdin).ok();
        sandbox
            .stax(["secrets", "get", "VALUE", "--no-newline"])
            .ok()
            .prints_exactly(value);
    }
    sandbox.write("value.txt", "from a file\n");
    sandbox
        .stax(["secrets", "set", "VALUE", "--from-file", "value.txt"])
        .ok();
    sandbox.get("VALUE").ok().prints_exactly("from a file\n\n");
    sandbox.stax(["secrets", "set", "VALUE", "--generate"]).ok();
    let generated = sandbox.get("VALUE").ok().stdout;
    assert!(generated.trim_end().len() >= 20, "{generated}");
}

#[test]
fn a_new_key_is_announced_and_an_old_one_is_not() {
    let sandbox = Sandbox::with_store();
    sandbox.set("STRIPE_SECERT_KEY", "x").ok().says("new");
    sandbox.set("STRIPE_SECRET_KEY", "x").ok().hides("is new");
    sandbox.stax(["secrets", "unset", "STRIPE_SECERT_KEY"]).ok();
    sandbox
        .stax(["secrets", "unset", "STRIPE_SECERT_KEY"])
        .exits(1)
        .one_error();
}

#[test]
fn two_hands_at_once_both_keep_their_key() {
    let sandbox = Sandbox::with_store();
    for round in 0..3 {
        thread::scope(|scope| {
            for hand in 0..8 {
                let person = &sandbox;
                scope.spawn(move || {
                    person
                        .set(&format!("R{round}_HAND{hand}"), &format!("v{hand}"))
                        .ok()
                });
            }
        });
    }
    let values = sandbox.sops(["decrypt", PROD]).ok();
    for (round, hand) in (0..3).flat_map(|round| (0..8).map(move |hand| (round, hand))) {
        assert!(
            values
                .stdout
                .contains(&format!("R{round}_HAND{hand}: v{hand}\n")),
            "{values}"
        );
    }
    let status = sandbox.git(["status", "--porcelain"]).ok();
    status.prints_exactly(format!(" M {PROD}\n"));
}

#[test]
fn get_and_list_read_without_writing() {
    let sandbox = Sandbox::with_store();
    let before = sandbox.bytes(PROD);
    let list = sandbox.stax(["secrets", "list"]).ok().hides(CANARY);
    list.prints("DATABASE_URL")
        .prints("STRIPE_SECRET_KEY")
        .prints("PORT")
        .prints("int");
    let json = sandbox
        .stax(["secrets", "list", "--json"])
        .ok()
        .hides(CANARY)
        .json();
    assert!(json.to_string().contains("STRIPE_SECRET_KEY"), "{json}");
    sandbox
        .get("NO_SUCH_KEY")
        .exits_with_one_of(&[1, 2])
        .one_error()
        .says("NO_SUCH_KEY");
    assert_eq!(before, sandbox.bytes(PROD));
}
