//! What git commands show of a secret file, to whom, and how they end: with a key, without one,
//! over a damaged file, and where stax is missing. The rows are what is tested and what
//! `docs/git.md` says.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::{CANARY, Output, PROD, Person, Sandbox, contains, files_beneath};

mod rows;

use rows::{Cell, Row, Shows};

const OLD: &str = "canary-old-4242";
const NEW: &str = "canary-new-9f31";
/// A line of another file, which no command may lose.
const REST: &str = "after";

/// Who stands before the repository, and in what state it is: the columns of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Key,
    Keyless,
    Damaged,
    Missing,
}

/// The store with the canary; `other` gives it another value, `main` gives it `OLD`, the work tree
/// `NEW`. A line with `REST` comes to `zz.txt` behind it each time.
fn repository(state: State) -> (Sandbox, Person) {
    let sandbox = Sandbox::with_store();
    let append = |line: &str| {
        sandbox.write(
            "zz.txt",
            format!("{}{REST} {line}\n", sandbox.read("zz.txt")),
        )
    };
    let commit = |value: &str, branch: &str| {
        sandbox.set("STRIPE_SECRET_KEY", value).ok();
        append(branch);
        sandbox.commit_all("change a value");
    };
    sandbox.write("zz.txt", "before\n");
    sandbox.commit_all("a file behind");
    sandbox.git(["switch", "--quiet", "--create", "other"]).ok();
    commit("canary-other-77", "other");
    sandbox.git(["switch", "--quiet", "main"]).ok();
    commit(OLD, "main");
    if state == State::Damaged {
        // one that a merge left, and one that a full disk left
        let text = sandbox.read(PROD);
        sandbox.write(
            PROD,
            format!("<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n"),
        );
        sandbox
            .git([
                "commit",
                "--quiet",
                "--no-verify",
                "--all",
                "--amend",
                "--no-edit",
            ])
            .ok();
        sandbox.write(PROD, &text[..700]);
    } else {
        sandbox.set("STRIPE_SECRET_KEY", NEW).ok();
    }
    append("the work tree");
    let person = match state {
        State::Keyless => sandbox.keyless(),
        State::Missing => without_stax(&sandbox),
        State::Key | State::Damaged => sandbox.at(&sandbox.dir),
    };
    (sandbox, person)
}

/// The drivers and hooks of a stax that is gone since.
fn without_stax(sandbox: &Sandbox) -> Person {
    let copy = sandbox.place().join("stax");
    // by a child: a file that this process has open for writing is inherited by what another test
    // starts meanwhile
    sandbox
        .run(
            "cp",
            [env!("CARGO_BIN_EXE_stax").as_ref(), copy.as_os_str()],
            b"",
        )
        .ok();
    sandbox.run(&copy, ["secrets", "install"], b"").ok();
    fs::remove_file(&copy).expect("the copy");
    sandbox.with("PATH", std::env::var_os("PATH").unwrap_or_default())
}

/// Editors that show what git shows them, and then do what people do.
fn with_editors(person: &Person) -> Person {
    let done = r#"cat "$1"; { echo subject; cat "$1"; } > "$HOME/new"; cat "$HOME/new" > "$1"; rm "$HOME/new""#;
    person
        .with("EDITOR_DONE", person.script(done))
        .with("EDITOR_IDLE", person.script(r#"cat "$1""#))
        .with("EDITOR_FAILS", person.script(r#"cat "$1"; exit 1"#))
}

/// Runs the row there; what is wrong with it.
fn check(row: &Row, cell: &Cell, person: &Person, place: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let there = person.at(place);
    let words = |text: &str| text.replace("FILE", PROD);
    if !row.before.is_empty() {
        there.sh(&format!("set -e\n{}", words(row.before))).ok();
    }
    let editor = if row.editor.is_empty() {
        ""
    } else {
        "GIT_EDITOR=$"
    };
    let command = format!("{editor}{} {}", row.editor, words(row.command));
    // to each hunk that a command may ask for
    let output = there.run("sh", ["-c", &command], "n\n".repeat(50).as_bytes());
    let shows = shown(&output);
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("`{}` {}: {what}", row.command, row.when));
        }
    };
    expect(
        output.code == cell.code,
        format!("exit code {}, not {}\n{output}", output.code, cell.code),
    );
    expect(
        shows == cell.shows,
        format!("shows {shows:?}, not {:?}\n{output}", cell.shows),
    );
    let lost = cell.shows != Shows::NOTHING && row.is_whole() && !output.stdout.contains(REST);
    expect(!lost, format!("lost what stands behind the file\n{output}"));
    expect(
        !output.stderr.contains("fatal"),
        format!("git stopped\n{output}"),
    );
    if !row.only_reads() {
        wrong.extend(left_behind(&there));
    }
    wrong
}

/// Where a value is left: in a file, or in an object.
fn left_behind(person: &Person) -> Vec<String> {
    let holds = |path: &Path| fs::read(path).is_ok_and(|bytes| contains(&bytes, b"canary-"));
    let files = [&person.dir, &person.home.join("tmp")]
        .map(|place| files_beneath(place))
        .concat();
    let mut left: Vec<_> = files
        .iter()
        .filter(|path| holds(path))
        .map(|path| path.display().to_string())
        .collect();
    let objects = person.sh("git cat-file --batch-all-objects --batch").ok();
    if contains(&objects.bytes, b"canary-") {
        left.push(format!("an object of {}", person.dir.display()));
    }
    left.iter()
        .map(|place| format!("a value is left in {place}"))
        .collect()
}

/// What stands in the output.
fn shown(output: &Output) -> Shows {
    let has = |text: &str| output.stdout.contains(text) || output.stderr.contains(text);
    [
        ("canary-", Shows::VALUES),
        ("B #", Shows::MASKS),
        ("B ~", Shows::LENGTHS),
        ("ENC[AES256_GCM,", Shows::CIPHERTEXT),
    ]
    .iter()
    .filter(|(text, _)| has(text))
    .fold(Shows::NOTHING, |all, (_, one)| all | *one)
}

#[track_caller]
fn every_row(state: State) {
    let (sandbox, person) = repository(state);
    let person = with_editors(&person);
    assert!(sandbox.read(PROD).contains("STRIPE_SECRET_KEY: ENC["));
    let mut wrong = Vec::new();
    for (number, row) in rows::ALL.iter().flat_map(|(_, rows)| *rows).enumerate() {
        let place = if row.only_reads() {
            "repo".to_owned()
        } else {
            format!("copy-{number}")
        };
        if !row.only_reads() {
            sandbox
                .run("cp", ["-a", ".", &format!("../{place}")], b"")
                .ok();
        }
        wrong.extend(check(
            row,
            row.cell(state),
            &person,
            &sandbox.place().join(place),
        ));
    }
    wrong.extend(left_behind(&person));
    assert!(
        wrong.is_empty(),
        "{} are wrong\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn a_key_holder_sees_values_where_the_page_says_so() {
    every_row(State::Key);
}

#[test]
fn without_a_key_no_command_fails_and_none_shows_a_value() {
    every_row(State::Keyless);
}

#[test]
fn a_damaged_file_stops_no_command_and_hides_no_other_file() {
    every_row(State::Damaged);
}

#[test]
fn where_stax_is_missing_git_shows_ciphertext() {
    every_row(State::Missing);
}

/// `STAX_WRITE_DOCS=1 cargo test git_page` writes it anew.
#[test]
fn the_git_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/git.md");
    if std::env::var_os("STAX_WRITE_DOCS").is_some() {
        fs::write(path, page()).expect("docs/git.md");
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(
        text == page(),
        "docs/git.md is old; run: STAX_WRITE_DOCS=1 cargo test git_page"
    );
}

fn page() -> String {
    let mut page = rows::HEAD.to_owned();
    for (title, rows) in rows::ALL {
        let _ = writeln!(page, "| **{title}** | | | | | |");
        for row in *rows {
            let comma = if row.when.is_empty() { "" } else { ", " };
            let _ = write!(
                page,
                "| `{}`{comma}{} ",
                row.command.replace('|', "\\|"),
                row.when
            );
            for state in [State::Key, State::Keyless, State::Damaged, State::Missing] {
                let _ = write!(page, "| {} ", row.cell(state).text());
            }
            let note = if row.note.is_empty() { "" } else { " " };
            let _ = writeln!(page, "| {}{note}|", row.note);
        }
    }
    page.push_str(include_str!("matrix/tail.md"));
    page
}

#[test]
fn a_row_cannot_hold_by_accident() {
    let says = |stdout: &str| {
        let output = std::process::Command::new("printf")
            .args(["%s", stdout])
            .output();
        shown(&Output::new(String::new(), output.expect("printf")))
    };
    assert_eq!(says(CANARY), Shows::VALUES);
    assert_eq!(says("a: «str 12B #7c1e9a04»"), Shows::MASKS);
    assert_eq!(
        says("a: «str 12B ~e8d377»\n#stax data key unknown, mac unchecked, stanzas ~0a"),
        Shows::LENGTHS
    );
    assert_eq!(says("a: ENC[AES256_GCM,data:"), Shows::CIPHERTEXT);
    assert_eq!(says("x"), Shows::NOTHING);
}
