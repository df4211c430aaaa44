//! The README tells the truth: every `console` block runs, in order, and prints what it says.
//!
//! `…` in a line stands for any text, a line `...` for any lines. stdout and stderr count alike.

#[path = "journey/support.rs"]
mod support;

use support::Sandbox;

/// A command and the lines that must follow.
struct Example {
    command: String,
    expected: Vec<String>,
}

fn examples(markdown: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match line.strip_prefix("$ ") {
                Some(command) => found.push(Example { command: command.to_owned(), expected: Vec::new() }),
                None => found.last_mut().expect("a command first").expected.push(line.to_owned()),
            }
        }
    }
    found
}

fn line_fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|start| line.strip_prefix(start)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

fn fits(expected: &[String], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=lines.len()).any(|skipped| fits(rest, &lines[skipped..]))
        }
        (Some((first, expected)), Some((line, lines))) => line_fits(first, line) && fits(expected, lines),
        _ => false,
    }
}

#[test]
fn every_console_block_of_the_readme_is_real() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it");
    let examples = examples(&readme);
    assert!(examples.len() > 4, "the README has no examples any more");
    let sandbox = Sandbox::new();
    for Example { command, expected } in examples {
        let output = sandbox.sh(&format!("exec 2>&1\n{command}"));
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(fits(&expected, &lines), "$ {command}\nexpected:\n{}\n{output}", expected.join("\n"));
    }
}

#[test]
fn the_readme_never_names_a_package_that_is_not_ours() {
    let pages = ["docs/ci.md", "docs/git.md", "docs/hooks.md", "docs/rules.md"];
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"].iter().chain(&pages) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).expect("a document");
        assert!(!text.contains("cargo install stax"), "{file}");
    }
}

/// `install` prints these files.
#[test]
fn the_page_of_hook_managers_has_what_install_prints() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/hooks.md")).expect("the page");
    let snippets: Vec<_> = std::fs::read_dir(root.join("hooks/managers")).expect("them").flatten().collect();
    assert_eq!(snippets.len(), 5);
    for snippet in snippets {
        let text = std::fs::read_to_string(snippet.path()).expect("a snippet");
        assert!(page.contains(&format!("\n{text}```\n")), "{}", snippet.path().display());
    }
}

#[test]
fn marks_stand_for_what_changes_and_for_nothing_else() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let table = [
        ("a\n...\nz", "a\nb\nc\nz", true),
        ("a\n...", "a", true),
        ("key age1…  from ~/x", "key age1qqq  from ~/x", true),
        ("key age1…  from ~/x", "key age1qqq  from ~/y", false),
        ("a", "a\nb", false),
        ("ab", "abc", false),
        ("", "a", false),
    ];
    for (expected, output, fit) in table {
        let output = output.lines().collect::<Vec<_>>();
        assert_eq!(fits(&lines(expected), &output), fit, "{expected:?} {output:?}");
    }
}
