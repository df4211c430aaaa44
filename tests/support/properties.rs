//! What holds for every input, however hostile: shared by the fuzz targets and by the test that
//! replays what they found.

use sops_document::age::{lint, lint_part, parse_identities, unwrap};
use sops_document::tree::{Comment, Leaf, Visit};
use sops_document::{
    Cleartext, DataKey, Document, Format, Indent, Layout, Path, Scalar, SealContext, Terms, Token,
    Tree, WrappedKey, seal,
};
use stax::policy::config::Config;
use stax::policy::roster::Roster;
use stax::policy::vault::Vault;
use stax::verify::facts::{Facts, FileFacts, OtherPolicy, TreeFile};
use stax::verify::rules::{judge, judge_alone};

/// A property and its name, which is also its folder in `fixtures/fuzz`.
pub type Property = (&'static str, fn(&[u8]));

#[allow(dead_code)] // each fuzz target uses one of them
pub const ALL: [Property; 10] = [
    ("yaml", yaml),
    ("json", json),
    ("dotenv", dotenv),
    ("ini", ini),
    ("token", token),
    ("metadata", metadata),
    ("lint", header),
    ("policy", policy),
    ("roundtrip", roundtrip),
    ("judge", judged),
];

const ALICE: &str = include_str!("../../fixtures/sops/keys/alice.txt");

fn key() -> DataKey {
    DataKey::new([42; 32])
}

fn wrapped() -> Vec<WrappedKey> {
    vec![WrappedKey {
        recipient: "age1first".into(),
        enc: "armor\n".into(),
    }]
}

fn with<T>(call: impl FnOnce(&mut SealContext<'_>) -> T) -> T {
    let mut state = 1_u64;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    };
    call(&mut SealContext {
        key: &key(),
        now: "2026-01-02T03:04:05Z",
        random: &mut random,
    })
}

/// Paths and values. sops prints the float 1 as `1` and -0 as `-0`, so the type is left out.
fn values(tree: &Tree) -> Vec<(String, Option<Vec<u8>>)> {
    let mut values = Vec::new();
    tree.walk(&mut |path, visit| {
        if let Visit::Leaf(_, leaf) = visit {
            let plain = match &leaf.scalar {
                Scalar::Float(0.0) => Some(b"0".to_vec()),
                scalar => scalar.plaintext().map(|plain| plain.to_vec()),
            };
            values.push((path.to_string(), plain));
        }
    });
    values
}

/// What is printed reads back as the same values.
fn printed(format: Format, text: &str, indent: Indent) {
    let Ok(tree) = format.parse(text) else { return };
    let printed = format
        .emit(&tree, indent)
        .expect("what was read can be printed");
    let again = format
        .parse(&printed)
        .unwrap_or_else(|error| panic!("{error} in {printed:?}"));
    assert_eq!(values(&tree), values(&again), "{printed:?}");
}

pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for columns in [2, 4] {
        printed(
            Format::Yaml,
            text,
            Indent {
                yaml: Some(columns),
                json: None,
            },
        );
    }
    let Ok(tree) = Format::Yaml.parse(text) else {
        return;
    };
    if tree.has_alias {
        let written = Format::Yaml.without_aliases(text, &tree);
        if let Ok(again) = Format::Yaml.parse(&written) {
            let _ = values(&again);
        }
    }
}

/// Comments and duplicate names are excluded by its grammar.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    printed(Format::Json, text, Indent::default());
}

pub fn dotenv(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    printed(Format::Dotenv, text, Indent::default());
}

/// `ini.v1` loses some values that it reads; those that it can hold come back from a sealed file.
pub fn ini(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(tree) = Format::Ini.parse(text) else {
        return;
    };
    let mut holds = true;
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(_, leaf) = visit {
            holds &= Format::Ini.check_value(&leaf.scalar).is_ok();
        }
    });
    if holds {
        sealed_and_opened(Format::Ini, text, &Scalar::str("new"));
    }
}

/// One text for each token.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(token) = Token::parse(text) {
        assert_eq!(token.to_string(), text);
        assert!(token.open(&key(), "A:").is_err());
    }
}

/// Shows nothing of a document but paths and types.
pub struct Masked;

impl Layout for Masked {
    fn value(&self, path: &Path, leaf: &Leaf) -> Option<String> {
        Some(format!("{path} {}", leaf.scalar.type_name()))
    }

    fn comment(&self, _: &Path, comment: &Comment) -> Option<String> {
        Some(comment.text.len().to_string())
    }
}

/// A document of a stranger, in every format: read, judged, shown, and never opened by another key.
pub fn metadata(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for (format, path) in [
        (Format::Yaml, "a.enc.yaml"),
        (Format::Json, "a.enc.json"),
        (Format::Dotenv, "a.enc.env"),
        (Format::Ini, "a.enc.ini"),
        (Format::Binary, "a.enc"),
    ] {
        let Ok(document) = Document::parse(format, text) else {
            continue;
        };
        assert!(
            document.open(&key()).is_err(),
            "{format:?} opens with a wrong key"
        );
        if let Ok(clear) = document.open_unverified(&key()) {
            let _ = (
                clear.layout(),
                clear.layout_with(&Masked),
                clear.emit(Indent::default()),
            );
            let _ = with(|context| clear.set(&Path::key("new"), Scalar::str("x"), true, context));
            let _ = with(|context| clear.unset(&Path::key("a"), context));
            let _ = with(|context| clear.rotate(&wrapped(), context));
        }
        let _ = (document.layout_with(&Masked), document.lasting_metadata());
        let _ = document.rewrap(&wrapped());
        let _ = with(|context| document.seal_clear(context));
        for managed in [false, true] {
            let _ = judge_alone(&FileFacts::read(path, managed, Some(data)));
        }
    }
}

/// The facts of one tree, apart by a byte that is in no text: a policy, a table of people, a nested
/// policy, and files that are bound and not in turn. Two looks find the same, and no finding is
/// worse than its rule says.
pub fn judged(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0xff);
    let mut text = || {
        parts
            .next()
            .and_then(|part| String::from_utf8(part.to_vec()).ok())
    };
    let (policy, roster, nested) = (text(), text(), text());
    let others = nested.map(|text| OtherPolicy {
        path: "b/.sops.yaml".into(),
        text: Some(text),
    });
    let names = [
        "a.enc.yaml",
        "b/c.enc.json",
        "b/d.enc.env",
        "e.yaml",
        "f.ini",
        "g",
    ];
    let files = names
        .iter()
        .zip(parts)
        .enumerate()
        .map(|(at, (name, part))| {
            TreeFile::general(
                FileFacts::read(name, at % 2 == 0, Some(part)),
                Some(0o100_644),
            )
        });
    let now = "2026-01-02T03:04:05Z".parse().expect("a time");
    let facts = Facts {
        policy,
        roster,
        has_vault: data.first().is_some_and(|byte| byte % 2 == 0),
        others: others.into_iter().collect(),
        ..Facts::of(names.map(str::to_owned).into(), files.collect(), now)
    };
    let found = judge(&facts);
    assert!(found == judge(&facts));
    for finding in found {
        assert!(finding.severity <= finding.rule.severity(), "{finding:?}");
        assert!(
            finding
                .each()
                .iter()
                .all(|one| one.rule == finding.rule && one.parts.is_empty())
        );
    }
}

/// The header of an age file, as it stands in a document.
pub fn header(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let alice = parse_identities(ALICE).expect("a key file").remove(0);
    let (recipient, enc) = text.split_once('\n').unwrap_or(("", text));
    for (recipient, enc) in [("age1first", text), (recipient, enc)] {
        let entry = WrappedKey {
            recipient: recipient.into(),
            enc: enc.into(),
        };
        let _ = (lint(&entry), lint_part(&entry), unwrap(&entry, &alice));
    }
}

/// The three files that say who may read what.
pub fn policy(data: &[u8]) {
    const KEY: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(vault) = Vault::parse(text) {
        assert_eq!(
            Vault::parse(&vault.render())
                .map(|again| again.render())
                .ok(),
            Some(vault.render())
        );
    }
    if let Ok(roster) = Roster::parse(text) {
        assert_eq!(roster.render(), text);
    }
    let Ok((config, _)) = Config::parse(text) else {
        return;
    };
    let _ = config.rule_for("infra/secrets/prod.enc.yaml");
    for rule in 0..config.rules.len().min(3) {
        if let Ok(with) = config.with_recipient(&[rule], KEY, Some("Ana")) {
            let (again, _) = Config::parse(&with).expect("what was written is read back");
            assert!(again.rules[rule].recipients().contains(&KEY));
        }
        let old = config.rules[rule]
            .recipients()
            .first()
            .map(|old| (*old).to_owned());
        if let Some(old) = old
            && let Ok(without) = config.without_recipient(&[rule], &old)
        {
            let (again, _) = Config::parse(&without).expect("what was written is read back");
            assert!(
                again
                    .rules
                    .get(rule)
                    .is_none_or(|rule| !rule.recipients().contains(&old.as_str()))
            );
        }
    }
    if let Ok(with) = config.with_rule("^new/", KEY, None) {
        assert!(Config::parse(&with).is_ok());
    }
}

/// The first byte chooses the format, the rest is a clear text.
pub fn roundtrip(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let formats = [
        Format::Yaml,
        Format::Json,
        Format::Dotenv,
        Format::Ini,
        Format::Binary,
    ];
    let scalar = match first / 8 % 4 {
        0 => Scalar::str("new\nlines"),
        1 => Scalar::Int(-5),
        2 => Scalar::str("a: b # c"),
        _ => Scalar::Bool(true),
    };
    sealed_and_opened(formats[usize::from(*first) % 8 % 5], text, &scalar);
}

/// Sealed, it opens to the same values; shown and saved, it stays as it is; one new value changes
/// its own line, the time and the MAC.
fn sealed_and_opened(format: Format, clear: &str, scalar: &Scalar) {
    let wrapped = wrapped();
    let Ok(text) = with(|context| seal(format, clear, &Terms::of(&wrapped), context)) else {
        return;
    };
    let document = Document::parse(format, &text).expect("what was sealed is a document");
    assert!(
        document.open(&DataKey::new([1; 32])).is_err(),
        "another key opens it"
    );
    let opened = document.open(&key()).expect("what was sealed opens");
    if format == Format::Binary {
        assert_eq!(
            opened.payload().expect("a payload").as_slice(),
            clear.as_bytes()
        );
    } else {
        let before = values(&format.parse(clear).expect("it was sealed"));
        assert_eq!(before, values(opened.tree()), "{text}");
    }
    let layout = opened.layout();
    assert_eq!(
        with(|context| opened.reseal(&layout, context)).expect("a no-op"),
        None
    );
    if format != Format::Binary && !layout.is_empty() {
        let commented = match format {
            Format::Json => layout.to_string() + "\n",
            _ => format!("# new\n{}", layout.as_str()),
        };
        if let Ok(Some(resealed)) = with(|context| opened.reseal(&commented, context)) {
            let again = Document::parse(format, &resealed)
                .expect("resealed")
                .open(&key())
                .expect("opens");
            assert_eq!(values(opened.tree()), values(again.tree()));
        }
    }
    change_one(&opened, &text, scalar);
}

fn change_one(opened: &Cleartext, text: &str, scalar: &Scalar) {
    let leaves = opened.tree().leaves();
    let Some((path, node, _)) = leaves.last() else {
        return;
    };
    let lines = text[node.span.clone()].lines().count().max(1);
    let Ok(Some(changed)) = with(|context| opened.set(path, scalar.clone(), true, context)) else {
        return;
    };
    let kept: std::collections::HashSet<&str> = changed.lines().collect();
    let gone = text.lines().filter(|line| !kept.contains(line)).count();
    // every document repeats the metadata
    assert!(
        gone <= lines + 2 * opened.tree().documents.len(),
        "{gone} lines changed:\n{text}\n{changed}"
    );
    let again = Document::parse(opened.document().format(), &changed)
        .expect("set")
        .open(&key())
        .expect("opens");
    let others = |tree: &Tree| -> Vec<(String, Option<Vec<u8>>)> {
        values(tree)
            .into_iter()
            .filter(|(other, _)| *other != path.to_string())
            .collect()
    };
    assert_eq!(others(opened.tree()), others(again.tree()));
}
