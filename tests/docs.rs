//! The pages tell the truth: every `console` block of the README runs, in order, and prints what it
//! says; the files that a page names or links to are there; the short pages are short.
//!
//! `…` in a line of a block stands for any text, a line `...` for any lines. stdout and stderr
//! count alike.

#[path = "journey/support.rs"]
mod support;

use std::path::{Path, PathBuf};

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
                Some(command) => found.push(Example {
                    command: command.to_owned(),
                    expected: Vec::new(),
                }),
                None => found
                    .last_mut()
                    .expect("a command first")
                    .expected
                    .push(line.to_owned()),
            }
        }
    }
    found
}

fn line_fits(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|start| line.strip_prefix(start)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
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
        (Some((first, expected)), Some((line, lines))) => {
            line_fits(first, line) && fits(expected, lines)
        }
        _ => false,
    }
}

#[test]
fn every_console_block_of_the_readme_is_real() {
    let examples = examples(&read("README.md"));
    assert!(examples.len() > 4, "the README has no examples any more");
    let sandbox = Sandbox::new();
    for Example { command, expected } in examples {
        let output = sandbox.sh(&format!("exec 2>&1\n{command}"));
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(
            fits(&expected, &lines),
            "$ {command}\nexpected:\n{}\n{output}",
            expected.join("\n")
        );
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(&path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Every page that people read, relative to the root.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/design"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder of pages") {
            let name = entry.expect("an entry").file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "md")
            {
                found.push(Path::new(folder).join(name));
            }
        }
    }
    found
}

#[test]
fn no_page_names_a_package_that_is_not_ours() {
    for page in pages() {
        assert!(
            !read(&page).contains("cargo install stax"),
            "{}",
            page.display()
        );
    }
}

#[test]
fn short_pages_stay_short() {
    for (page, most) in [("ARCHITECTURE.md", 1500), ("SECURITY.md", 750)] {
        let words = read(page).split_whitespace().count();
        assert!(words <= most, "{page} has {words} words, at most {most}");
    }
}

/// Where the files are that pages name.
const FOLDERS: [&str; 9] = [
    "src/",
    "crates/",
    "tests/",
    "docs/",
    "hooks/",
    "fixtures/",
    "benches/",
    "fuzz/",
    ".ci/",
];

/// What is between backticks and is the path of a file or folder; `NAME` is for the reader to
/// choose.
fn named_paths(text: &str) -> Vec<&str> {
    let is_path = |word: &&str| {
        let is_plain = word
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || "/._-".contains(sign));
        is_plain && !word.contains("NAME") && FOLDERS.iter().any(|folder| word.starts_with(folder))
    };
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(is_path)
        .collect()
}

/// Targets of Markdown links to files, less their anchors.
fn links(text: &str) -> Vec<&str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files
        .map(|target| target.split('#').next().unwrap_or(target))
        .collect()
}

#[test]
fn every_file_that_a_page_names_or_links_to_is_there() {
    for page in pages()
        .iter()
        .filter(|page| **page != Path::new("CHANGELOG.md"))
    {
        let text = read(page);
        let folder = page.parent().expect("a folder");
        let linked = links(&text).into_iter().map(|target| folder.join(target));
        for path in named_paths(&text)
            .into_iter()
            .map(PathBuf::from)
            .chain(linked)
        {
            assert!(
                root().join(&path).exists(),
                "{} names {}",
                page.display(),
                path.display()
            );
        }
    }
}

#[test]
fn paths_and_links_are_told_from_other_words() {
    let text = "`src/lib.rs` and `git diff`, `a/b`, `src/{a,b}`\n[x](docs/ci.md#top) [y](https://a.b/c) [z](#here)";
    assert_eq!(named_paths(text), ["src/lib.rs"]);
    assert_eq!(links(text), ["docs/ci.md"]);
}

/// `install` prints these files.
#[test]
fn the_page_of_hook_managers_has_what_install_prints() {
    let page = read("docs/hooks.md");
    let snippets: Vec<_> = std::fs::read_dir(root().join("hooks/managers"))
        .expect("them")
        .flatten()
        .collect();
    assert_eq!(snippets.len(), 5);
    for snippet in snippets {
        let text = read(snippet.path());
        assert!(
            page.contains(&format!("\n{text}```\n")),
            "{}",
            snippet.path().display()
        );
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
        assert_eq!(
            fits(&lines(expected), &output),
            fit,
            "{expected:?} {output:?}"
        );
    }
}

/// Runs a script of the repository at `root`, and says whether it ended well.
fn runs(root: &Path, script: &str, args: &[&str]) -> bool {
    let mut command = std::process::Command::new("python3");
    command.arg(root.join(script)).args(args);
    command.output().expect("python3").status.success()
}

#[test]
fn the_address_of_the_project_stands_in_one_place() {
    assert!(runs(root(), "docs/address", &["--check"]));
    let place = tempfile::tempdir().expect("a folder");
    let (old, new) = (
        env!("CARGO_PKG_REPOSITORY"),
        "https://git.example.org/ana/stax",
    );
    let samples = [
        "docs/address",
        "docs/ci/stax-verify.yml",
        "docs/ci/stax-verify.gitlab-ci.yml",
    ];
    let all: Vec<PathBuf> = pages()
        .into_iter()
        .chain(samples.map(PathBuf::from))
        .collect();
    std::fs::create_dir_all(place.path().join("docs/ci")).expect("a folder");
    std::fs::create_dir_all(place.path().join("docs/design")).expect("a folder");
    for page in &all {
        std::fs::copy(root().join(page), place.path().join(page)).expect("a copy");
    }
    std::fs::write(
        place.path().join("Cargo.toml"),
        read("Cargo.toml").replace(old, new),
    )
    .expect("a manifest");
    assert!(!runs(place.path(), "docs/address", &["--check"]));
    assert!(runs(place.path(), "docs/address", &[]));
    for page in all {
        let text = read(place.path().join(&page));
        assert!(
            !text.contains(old),
            "{} has an address that docs/address does not write",
            page.display()
        );
    }
}

/// The list is that of Linux, and nothing is downloaded for it.
#[cfg(target_os = "linux")]
#[test]
fn the_third_party_notices_are_up_to_date() {
    assert!(runs(root(), "docs/third-party", &["--check"]));
}
