//! What stax prints can be typed: names of keys, hints and commands, over files of every shape.

use std::fs;
use std::path::Path;

use crate::support::output::refused;
use crate::support::{PROD, Sandbox, files_beneath};

/// A repository without bindings that seals `files` with the real sops for Ana and Bob.
fn general(policy: &dyn Fn(&str, &str) -> String, files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.stax(["secrets", "keygen"]).ok();
    let bob = sandbox.person("bob");
    bob.stax(["secrets", "keygen"]).ok();
    sandbox.write(".sops.yaml", policy(&sandbox.key(), &bob.key()));
    for (path, text) in files {
        sandbox.write(path, text);
        sandbox.sops(["encrypt", "--in-place", path]).ok();
    }
    sandbox.commit_all("sealed");
    sandbox
}

fn one_list(ana: &str, bob: &str) -> String {
    format!("creation_rules:\n  - age: {ana},{bob}\n")
}

#[test]
fn a_name_with_dots_is_understood_as_it_is_printed_and_as_it_is_written() {
    let sandbox = general(
        &one_list,
        &[
            ("a.json", r#"{"a": {"x.y": "one"}}"#),
            ("b.env", "B.C=two\n"),
        ],
    );
    sandbox
        .stax(["secrets", "list", "-f", "a.json"])
        .ok()
        .prints(r#"a["x.y"] "#);
    sandbox
        .stax(["secrets", "get", r#"a["x.y"]"#, "-f", "a.json"])
        .ok()
        .prints_exactly("one\n");
    sandbox
        .stax_with(["secrets", "set", r#"a["x.y"]"#, "-f", "a.json"], "three")
        .ok();
    sandbox
        .sops(["decrypt", "a.json"])
        .ok()
        .prints(r#""x.y": "three""#);
    for key in ["B.C", r#"["B.C"]"#] {
        sandbox
            .stax(["secrets", "log", key, "-f", "b.env"])
            .ok()
            .prints("+ added");
    }
}

#[test]
fn the_hint_for_a_missing_key_names_the_file() {
    let sandbox = general(&one_list, &[("with blank.env", "A=one\n")]);
    for command in ["get", "unset", "log"] {
        let hint = if command == "log" { "log" } else { "list" };
        let hint = format!("stax secrets {hint} -f 'with blank.env'");
        sandbox
            .stax(["secrets", command, "NO", "-f", "with blank.env"])
            .exits(1)
            .says(&hint);
    }
    let old = ["secrets", "verify", "--max-age", "90d"];
    sandbox
        .git([
            "commit",
            "--quiet",
            "--amend",
            "--no-edit",
            "--date",
            "2020-01-01T00:00:00Z",
        ])
        .ok();
    sandbox
        .stax(old)
        .exits(1)
        .prints("fix: stax secrets list --age -f 'with blank.env'");
    // what still opens is rotated by its name
    let ana = sandbox.key();
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {ana}\n"));
    sandbox.sops(["updatekeys", "--yes", "with blank.env"]).ok();
    sandbox.commit_all("remove Bob");
    sandbox
        .stax(["secrets", "exposure"])
        .exits(1)
        .prints("stax secrets rotate 'with blank.env', then");
}

#[test]
fn values_behind_the_first_document_have_their_own_name_and_age() {
    let sandbox = general(&one_list, &[("m.yaml", "A: one\n---\nA: two\nZ: three\n")]);
    let list = sandbox
        .stax(["secrets", "list", "--age", "-f", "m.yaml"])
        .ok();
    let commit = sandbox
        .git(["rev-parse", "--short", "HEAD"])
        .ok()
        .stdout
        .trim()
        .to_owned();
    for key in ["A ", "A [document 2] ", "Z [document 2] "] {
        let line = list
            .stdout
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        assert!(line.ends_with(&commit), "{key}: {list}");
    }
    let ana = sandbox.key();
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {ana}\n"));
    sandbox.sops(["updatekeys", "--yes", "m.yaml"]).ok();
    sandbox.sops(["rotate", "--in-place", "m.yaml"]).ok();
    sandbox.commit_all("remove Bob");
    sandbox
        .stax(["secrets", "exposure"])
        .exits(1)
        .prints("same value today; stax secrets set A -f m.yaml\n")
        .prints("Z [document 2]  exposed    same value today; stax secrets edit -f m.yaml\n");
}

#[test]
fn a_folder_that_is_gone_is_part_of_the_log() {
    let sandbox = general(&one_list, &[("deep/er/a.env", "A=one\n")]);
    sandbox.git(["rm", "-r", "--quiet", "deep"]).ok();
    sandbox.commit_all("gone");
    sandbox
        .stax(["secrets", "log", "-f", "deep/er/a.env"])
        .ok()
        .prints("- A")
        .prints("+ A");
    let get = ["secrets", "get", "A", "--at", "HEAD~1", "-f"];
    sandbox
        .stax(get.into_iter().chain(["deep/er/a.env"]))
        .ok()
        .prints_exactly("one\n");
    std::fs::create_dir(sandbox.path("other")).unwrap();
    let other = sandbox.at(sandbox.path("other"));
    other
        .stax(get.into_iter().chain(["../deep/er/a.env"]))
        .ok()
        .prints_exactly("one\n");
    sandbox
        .stax(["secrets", "blame", "-f", "deep/er/a.env"])
        .exits(2)
        .says("deep/er/a.env does not exist");
    sandbox
        .stax(["secrets", "log", "-f", "no/../../up/a.env"])
        .exits(2)
        .says("is not inside");
    sandbox
        .git(["clone", "--quiet", "--bare", ".", "bare.git"])
        .ok();
    let bare = sandbox.at(sandbox.path("bare.git"));
    bare.stax(["secrets", "log", "-f", "deep/er/a.env"])
        .exits(2)
        .says("bare repository");
}

#[test]
fn who_stands_in_two_groups_is_one_reader_and_the_ledger_says_what_it_counts() {
    let groups = |ana: &str, bob: &str| {
        format!(
            "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{ana}, {bob}]\n      - age: [{ana}]\n"
        )
    };
    let sandbox = general(&groups, &[("a.env", "A=one\n"), ("b.env", "B=two\n")]);
    let ana = sandbox.key();
    let table = sandbox.stax(["secrets", "recipients"]).ok();
    assert_eq!(
        table
            .stdout
            .lines()
            .filter(|line| line.ends_with(&ana))
            .count(),
        1,
        "{table}"
    );
    sandbox
        .stax(["secrets", "exposure", &ana])
        .ok()
        .says("a.env needs keys of several groups");
    sandbox
        .stax(["secrets", "history"])
        .ok()
        .prints(" and 1 more file\n");
}

#[test]
fn a_key_that_is_demanded_and_opens_nothing_fails_the_history_too() {
    let sandbox = Sandbox::with_store();
    sandbox.stax(["secrets", "history", "--with-key"]).ok();
    let stranger = sandbox.keyless();
    stranger
        .stax(["secrets", "history", "--with-key"])
        .exits(3)
        .says("no identity opens");
    stranger.stax(["secrets", "history"]).ok();
    sandbox
        .stax(["secrets", "history", "-f", PROD, "--with-key"])
        .ok();
}

#[test]
fn what_one_commit_did_is_compared_in_the_spelling_of_git() {
    let sandbox = Sandbox::with_store();
    sandbox.set("A", "canary-one").ok();
    sandbox.commit_all("one");
    sandbox.set("B", "canary-two").ok();
    sandbox.commit_all("two");
    sandbox
        .stax(["secrets", "diff", "HEAD~1^!"])
        .ok()
        .prints("+ A: canary-one")
        .hides("canary-two");
    sandbox
        .stax(["secrets", "diff", "HEAD^!"])
        .ok()
        .prints("+ B: canary-two")
        .hides("canary-one");
}

#[test]
#[cfg(target_os = "linux")]
fn a_table_that_a_full_disk_cuts_off_is_an_error_and_a_reader_that_leaves_is_none() {
    let sandbox = Sandbox::with_store();
    for command in ["list", "log", "history", "verify", "blame", "recipients"] {
        sandbox
            .sh(&format!("stax secrets {command} >/dev/full"))
            .exits(2)
            .says("No space left");
        sandbox.sh(&format!("stax secrets {command} | true")).ok();
    }
}

/// Placeholders that stand for options or for nothing; any other stands for one word.
const OPTIONS: [&str; 3] = ["{which}", "{typed}", "{again}"];

/// A placeholder behind a word brings its own blank.
fn filled(line: &str) -> String {
    let mut text = line.to_owned();
    OPTIONS
        .iter()
        .for_each(|option| text = text.replace(&format!(" {option}"), ""));
    let mut filled = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('{') {
        let (before, behind) = rest.split_at(at);
        filled += before;
        let end = behind.find('}').map_or(behind.len(), |end| end + 1);
        filled += if before.ends_with([' ', '\'']) {
            "{x}"
        } else {
            ""
        };
        rest = &behind[end..];
    }
    filled + rest
}

#[test]
fn every_command_in_a_text_of_stax_can_be_typed() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files_beneath(&source)
        .iter()
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
    {
        let text = fs::read_to_string(path).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            seen += line.matches("stax secrets ").count();
            let found = refused(&filled(line));
            wrong.extend(
                found
                    .iter()
                    .map(|it| format!("{}:{}: {it}", path.display(), number + 1)),
            );
        }
    }
    assert!(seen > 100, "the texts are elsewhere now: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_that_is_none_is_seen() {
    assert_eq!(
        refused("hint: seal it: stax secrets encrypt -i a.yaml, then commit").len(),
        0
    );
    assert_eq!(
        refused("stax secrets get KEY -e production   (a remark)").len(),
        0
    );
    for wrong in [
        "fix: stax secrets rotate --evrything",
        "stax secrets updatekey a.yaml",
        "`stax vault link --environment production a.yaml`",
        "stax secrets recipients --set age1x --role sre",
    ] {
        assert_eq!(refused(wrong).len(), 1, "{wrong}");
    }
}
