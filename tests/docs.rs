//! Every console block of the README is run, in order, in one sandbox; `…` stands for what changes.

#[path = "journey/support.rs"]
mod support;

use support::Sandbox;

/// A command and the lines that it shall print.
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { command: command.to_owned(), expected: Vec::new() });
        } else if let Some(step) = steps.last_mut().filter(|_| inside) {
            step.expected.push(line.to_owned());
        }
    }
    steps
}

/// Whether a printed line is the expected one; `…` matches any text.
fn matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = (if part.is_empty() { Some(rest.len()) } else { rest.find(part) }) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn every_console_block_of_the_readme_is_what_a_user_sees() {
    let readme = include_str!("../README.md");
    let sandbox = Sandbox::new();
    let steps = steps(readme);
    assert!(steps.len() >= 5, "the README shows only {} commands", steps.len());
    for step in steps {
        let output = sandbox.sh(&format!("exec 2>&1\n{}", step.command));
        let found: Vec<&str> = output.stdout.lines().collect();
        let same = found.len() == step.expected.len()
            && step.expected.iter().zip(&found).all(|(expected, found)| matches(expected, found));
        assert!(
            same,
            "$ {}\n--- README\n{}\n--- found\n{}",
            step.command,
            step.expected.join("\n"),
            output.stdout
        );
    }
}

#[test]
fn the_readme_never_names_the_package_of_somebody_else() {
    assert!(!include_str!("../README.md").contains("cargo install stax"));
}

#[test]
fn a_line_matches_only_what_it_says() {
    assert!(matches("a … c", "a b c") && matches("…", "anything") && matches("a", "a"));
    assert!(!matches("a", "ab") && !matches("a … c", "a b d") && !matches("b", "a"));
}
