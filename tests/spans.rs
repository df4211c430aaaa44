//! The ground everything stands on: a value's bytes can be replaced in place.
//!
//! Each scalar of each YAML document is replaced in turn, clear and encrypted, and the real sops
//! reads every other value as before.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use sops_document::age::{parse_identities, unwrap};
use sops_document::{
    DataKey, Document, Format, Scalar, SealContext, Terms, Token, seal, tree::Style,
};

#[path = "support/real_sops.rs"]
mod real_sops;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sops")
}

fn documents(infix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with('y') && name.contains(infix)
    });
    paths.sort();
    paths
}

/// What sops reads: every value with its path, comments left out.
fn sops(arguments: &[&str], file: &Path) -> Option<Vec<(sops_document::Path, Scalar)>> {
    let output = Command::new(real_sops::path())
        .args(["--disable-version-check"])
        .args(arguments)
        .arg(file)
        .env("SOPS_AGE_KEY_FILE", fixtures().join("keys/alice.txt"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| values(&text))
}

fn key_of(document: &Document) -> Option<DataKey> {
    let text = std::fs::read_to_string(fixtures().join("keys/alice.txt")).unwrap();
    let identities = parse_identities(&text).unwrap();
    let mut tries = document
        .metadata()
        .age
        .iter()
        .flat_map(|wrapped| identities.iter().map(move |identity| (wrapped, identity)));
    tries.find_map(|(wrapped, identity)| unwrap(wrapped, identity).ok())
}

fn values(text: &str) -> Vec<(sops_document::Path, Scalar)> {
    let tree = Format::Yaml.parse(text).unwrap();
    tree.leaves()
        .into_iter()
        .map(|(path, _, leaf)| (path, leaf.scalar.clone()))
        .collect()
}

#[test]
fn each_encrypted_value_can_be_replaced_in_place() {
    let mut replaced = 0;
    for path in documents(".enc.") {
        let source = std::fs::read_to_string(&path).unwrap();
        let Ok(document) = Document::parse(Format::Yaml, &source) else {
            continue;
        };
        let Some(key) = key_of(&document) else {
            continue;
        };
        let clear = document.open(&key).unwrap();
        let Some(before) = sops(&["decrypt"], &path) else {
            continue;
        };
        // the long list documents repeat one shape
        for (position, (at_path, _, _)) in clear.tree().leaves().into_iter().enumerate().take(40) {
            let mut counter = u8::try_from(position).unwrap();
            let mut random = |buffer: &mut [u8]| {
                counter = counter.wrapping_add(1);
                buffer.fill(counter);
            };
            let mut context = SealContext {
                key: &key,
                now: "2026-01-02T03:04:05Z",
                random: &mut random,
            };
            let result = clear.set(&at_path, Scalar::str("re: placed #1"), true, &mut context);
            let Ok(Some(text)) = result else { continue };
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("changed.yaml");
            std::fs::write(&file, &text).unwrap();
            let after = sops(&["decrypt"], &file).unwrap_or_else(|| {
                panic!(
                    "{}: sops refuses `{at_path}` replaced:\n{text}",
                    path.display()
                )
            });
            let mut expected = before.clone();
            let changed = expected
                .iter_mut()
                .find(|(path, _)| *path == at_path)
                .unwrap();
            changed.1 = Scalar::str("re: placed #1");
            assert_eq!(after, expected, "{}: `{at_path}`", path.display());
            replaced += 1;
        }
    }
    println!("{replaced} encrypted values replaced");
    assert!(replaced > 150, "only {replaced} values were tried");
}

#[test]
fn each_clear_value_can_be_replaced_by_a_token() {
    let mut sealed = 0;
    for path in documents(".plain.") {
        let Ok(source) = std::fs::read_to_string(&path) else {
            continue;
        };
        let Ok(tree) = Format::Yaml.parse(&source) else {
            continue;
        };
        let token = Token::seal(
            &DataKey::new([7; 32]),
            sops_document::TokenType::Str,
            b"x",
            "A:",
            &mut |buffer: &mut [u8]| buffer.fill(3),
        );
        let leaves = tree.leaves();
        for (position, (_, node, leaf)) in leaves.iter().enumerate().take(60) {
            if tree.has_alias || node.span.is_empty() {
                continue;
            }
            let range = match leaf.style {
                Style::Block => {
                    node.span.start..node.span.start + source[node.span.clone()].trim_end().len()
                }
                _ => node.span.clone(),
            };
            let mut changed = source.clone();
            changed.replace_range(range, &format!("\"{token}\""));
            let again = Format::Yaml
                .parse(&changed)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let pairs = leaves.iter().zip(again.leaves()).enumerate();
            for (index, ((before_path, _, before), (after_path, _, after))) in pairs {
                assert_eq!(*before_path, after_path, "{}", path.display());
                if index == position {
                    assert_eq!(after.scalar.as_text(), Some(token.to_string().as_str()));
                } else {
                    assert!(
                        before.scalar == after.scalar,
                        "{}: {before_path} changed too",
                        path.display()
                    );
                }
            }
            sealed += 1;
        }
    }
    assert!(sealed > 200, "only {sealed} values were tried");
}

#[test]
fn what_an_author_wrote_is_sealed_for_sops_and_comes_back_byte_for_byte() {
    let recipients = [
        "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78"
            .parse()
            .unwrap(),
    ];
    let mut sealed = 0;
    for path in documents(".plain.") {
        let Ok(source) = std::fs::read_to_string(&path) else {
            continue;
        };
        let mut counter = 0_u8;
        let mut random = |buffer: &mut [u8]| {
            counter = counter.wrapping_add(1);
            buffer.fill(counter);
        };
        let key = DataKey::generate(&mut random);
        let wrapped = sops_document::age::wrap(&key, &recipients);
        let mut context = SealContext {
            key: &key,
            now: "2026-01-02T03:04:05Z",
            random: &mut random,
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = match seal(Format::Yaml, &source, &Terms::of(&wrapped), &mut context) {
            Ok(text) => text,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sealed.yaml");
        std::fs::write(&file, &text).unwrap();
        std::fs::write(folder.path().join("plain.yaml"), &source).unwrap();
        let found =
            sops(&["decrypt"], &file).unwrap_or_else(|| panic!("sops refuses {name}:\n{text}"));
        let recipient = ["encrypt", "--age", recipients[0].as_str()];
        let theirs = folder.path().join("theirs.yaml");
        let output = Command::new(real_sops::path())
            .args(recipient)
            .arg(folder.path().join("plain.yaml"))
            .output()
            .unwrap();
        std::fs::write(&theirs, output.stdout).unwrap();
        if let Some(expected) = sops(&["decrypt"], &theirs) {
            assert_eq!(found, expected, "{name}");
        }
        let clear = Document::parse(Format::Yaml, &text)
            .unwrap()
            .open(&key)
            .unwrap();
        let layout = clear.layout();
        let same = Format::Yaml.parse(&layout).unwrap();
        let original = Format::Yaml.parse(&source).unwrap();
        for ((path, _, before), (_, _, after)) in original.leaves().iter().zip(same.leaves()) {
            assert!(
                before.scalar == after.scalar,
                "{name}: {path} of\n{}",
                layout.as_str()
            );
        }
        let mut context = SealContext {
            key: &key,
            now: "x",
            random: &mut |_| {},
        };
        assert!(clear.reseal(&layout, &mut context).unwrap().is_none());
        if layout.as_str() != source {
            let changed = similar_lines(&source, &layout);
            println!(
                "{name}: {changed} of {} lines come back in another form",
                source.lines().count()
            );
        }
        sealed += 1;
    }
    assert!(sealed > 20, "only {sealed} documents were tried");
}

fn similar_lines(a: &str, b: &str) -> usize {
    let diff = similar::TextDiff::from_lines(a, b);
    diff.iter_all_changes()
        .filter(|change| change.tag() == similar::ChangeTag::Delete)
        .count()
}
