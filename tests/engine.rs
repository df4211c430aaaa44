//! The promises of the engine: bytes that were not meant to change do not, and nothing is lost.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use sops_document::{
    Cleartext, DataKey, Document, Format, Path, Scalar, SealContext, Step, Terms, Token,
    WrappedKey, empty, seal,
};

const FORMATS: [Format; 3] = [Format::Yaml, Format::Json, Format::Dotenv];

/// Randomness that repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

fn key() -> DataKey {
    DataKey::new([42; 32])
}

fn wrapped() -> Vec<WrappedKey> {
    let armor = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
    ["age1first", "age1second"]
        .map(|label| WrappedKey {
            recipient: label.into(),
            enc: armor.into(),
        })
        .into()
}

fn with<T>(seed: u64, now: &str, call: impl FnOnce(&mut SealContext<'_>) -> T) -> T {
    let mut dice = Dice(seed);
    call(&mut SealContext {
        key: &key(),
        now,
        random: &mut |buffer: &mut [u8]| dice.roll(buffer),
    })
}

fn sealed(format: Format, clear: &str) -> String {
    with(1, "2026-01-02T03:04:05Z", |context| {
        seal(format, clear, &Terms::of(&wrapped()), context).unwrap()
    })
}

fn open(format: Format, text: &str) -> Cleartext {
    Document::parse(format, text).unwrap().open(&key()).unwrap()
}

fn set(clear: &Cleartext, name: &str, value: Scalar) -> Option<String> {
    with(2, "2026-02-03T04:05:06Z", |context| {
        clear.set(&Path::key(name), value, false, context).unwrap()
    })
}

fn changed_lines(before: &str, after: &str) -> usize {
    let diff = similar::TextDiff::from_lines(before, after);
    diff.iter_all_changes()
        .filter(|change| change.tag() == similar::ChangeTag::Insert)
        .count()
}

const AUTHOR: &str = "# who: ops\n\n\"A\":   'one'   # keep\nB: \"two\"\n\n\n# a block\nC: |\n  l1\n  l2\n\nD: 5\nE:\nF: \"\"\n# end\n";

#[test]
fn an_authors_layout_comes_back_byte_for_byte() {
    let text = sealed(Format::Yaml, AUTHOR);
    assert!(
        !text.contains("'one'") && !text.contains("who:") && !text.contains("  l1"),
        "{text}"
    );
    let expected = AUTHOR.replace("|\n  l1\n  l2\n", "|\n    l1\n    l2\n");
    assert_eq!(open(Format::Yaml, &text).layout().as_str(), expected);
}

#[test]
fn one_changed_value_is_a_three_line_change() {
    for (format, clear) in [
        (Format::Yaml, AUTHOR),
        (
            Format::Json,
            "{\n  \"A\": \"one\",\n  \"B\": \"two\",\n  \"D\": 5\n}\n",
        ),
        (Format::Dotenv, "# c\nA=one\nB=two\nD=5\n"),
    ] {
        let text = sealed(format, clear);
        let opened = open(format, &text);
        let after = set(&opened, "B", Scalar::str("three")).unwrap();
        assert_eq!(changed_lines(&text, &after), 3, "{format:?}");
        assert!(set(&opened, "B", Scalar::str("two")).is_none());
        let added = set(&opened, "NEW", Scalar::str("x")).unwrap();
        assert_eq!(changed_lines(&text, &added), 3, "{format:?}");
        assert_eq!(
            open(format, &added).tree().leaves().len(),
            opened.tree().leaves().len() + 1
        );
        let edited = opened.layout().replace("two", "three");
        let resealed = with(3, "2026-02-03T04:05:06Z", |context| {
            opened.reseal(&edited, context).unwrap()
        })
        .unwrap();
        assert_eq!(changed_lines(&text, &resealed), 3, "{format:?}");
        let removed = with(4, "2026-02-03T04:05:06Z", |context| {
            open(format, &added)
                .unset(&Path::key("NEW"), context)
                .unwrap()
        });
        assert_eq!(changed_lines(&text, &removed), 2, "{format:?}");
    }
}

#[test]
fn a_change_of_layout_alone_keeps_every_token_and_the_mac() {
    let text = sealed(Format::Yaml, AUTHOR);
    let opened = open(Format::Yaml, &text);
    let edited = opened.layout().replace("D: 5\n", "\nD:    5\n");
    let after = with(5, "2030-01-01T00:00:00Z", |context| {
        opened.reseal(&edited, context).unwrap()
    })
    .unwrap();
    assert_eq!(changed_lines(&text, &after), 2);
    assert!(!after.contains("2030"));
}

#[test]
fn an_empty_document_takes_its_first_value_and_gives_its_last_one_back() {
    for format in FORMATS {
        let text = with(6, "2026-01-02T03:04:05Z", |context| {
            empty(format, &Terms::of(&wrapped()), context).unwrap()
        });
        let first = set(&open(format, &text), "A", Scalar::str("one")).unwrap();
        assert_eq!(open(format, &first).tree().leaves().len(), 1);
        let gone = with(7, "2026-02-03T04:05:06Z", |context| {
            open(format, &first)
                .unset(&Path::key("A"), context)
                .unwrap()
        });
        assert_eq!(open(format, &gone).tree().leaves().len(), 0, "{format:?}");
    }
}

#[test]
fn after_a_rotation_the_old_key_opens_nothing() {
    for (format, clear) in [
        (Format::Yaml, AUTHOR),
        (Format::Json, "{\"A\": \"one\"}"),
        (Format::Dotenv, "#c\nA=one\n"),
    ] {
        let text = sealed(format, clear);
        let opened = open(format, &text);
        let new_key = DataKey::new([7; 32]);
        let after = with(8, "2026-02-03T04:05:06Z", |context| {
            let context = &mut SealContext {
                key: &new_key,
                now: context.now,
                random: context.random,
            };
            opened.rotate(&wrapped()[..1], context).unwrap()
        });
        let document = Document::parse(format, &after).unwrap();
        assert_eq!(document.metadata().age.len(), 1);
        assert!(document.open(&key()).is_err());
        let again = document.open(&new_key).unwrap();
        assert_eq!(again.layout().as_str(), opened.layout().as_str());
        let old: Vec<&str> = text
            .match_indices("ENC[")
            .map(|(at, _)| &text[at..at + 60])
            .collect();
        assert!(
            old.iter().all(|token| !after.contains(token)),
            "a token survived the rotation"
        );
    }
}

#[test]
fn new_stanzas_change_nothing_else() {
    for (format, clear) in [
        (Format::Yaml, AUTHOR),
        (Format::Json, "{\n\t\"A\": \"one\"\n}\n"),
        (Format::Dotenv, "A=one\n"),
    ] {
        let text = sealed(format, clear);
        let document = Document::parse(format, &text).unwrap();
        let one = document.rewrap(&wrapped()[..1]).unwrap();
        let two = Document::parse(format, &one)
            .unwrap()
            .rewrap(&wrapped())
            .unwrap();
        assert_eq!(two, text, "{format:?}");
    }
}

#[test]
fn nothing_is_sealed_for_nobody() {
    let result = with(1, "2026-01-02T03:04:05Z", |context| {
        seal(Format::Yaml, "A: one\n", &Terms::of([].as_slice()), context)
    });
    assert!(result.unwrap_err().to_string().contains("recipient"));
}

#[test]
fn what_is_in_clear_is_sealed_and_every_token_stays() {
    let text = sealed(Format::Yaml, "A: one\nB: two\n");
    let half = format!("NEW: 'hunter2' # mine\n{text}");
    let document = Document::parse(Format::Yaml, &half).unwrap();
    let (after, paths) = with(11, "2026-02-03T04:05:06Z", |context| {
        document.seal_clear(context)
    })
    .unwrap()
    .unwrap();
    assert_eq!(paths, [Path::key("NEW")]);
    assert!(
        !after.contains("hunter2") && text.lines().take(2).all(|line| after.contains(line)),
        "{after}"
    );
    let again = Document::parse(Format::Yaml, &after).unwrap();
    assert!(
        with(12, "x", |context| again.seal_clear(context))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_strange_list_comment_is_no_panic() {
    let text = sealed(Format::Yaml, "l:\n  - x\n");
    let token = text
        .lines()
        .find(|line| line.contains("- ENC"))
        .unwrap()
        .replace("type:str", "type:comment");
    for strange in [
        token.replace("- ", "-\u{2028}  "),
        token.replace("- ", "-\u{85}  "),
    ] {
        let Ok(document) = Document::parse(
            Format::Yaml,
            &text.replace("l:\n", &format!("l:\n{strange}\n")),
        ) else {
            continue;
        };
        if let Ok(clear) = document.open(&key()) {
            let _ = clear.layout();
        }
    }
}

#[test]
fn a_value_in_clear_where_a_token_belongs_does_not_open() {
    let text = sealed(Format::Yaml, "A: one\nB: two\n");
    let token = text.lines().next().unwrap();
    let leak = text.replace(token, "A: hunter2");
    let error = Document::parse(Format::Yaml, &leak)
        .unwrap()
        .open(&key())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "line 1: `A` is not encrypted");
}

#[test]
fn tokens_of_another_key_and_swapped_tokens_do_not_open() {
    let text = sealed(Format::Yaml, "A: one\nB: two\n");
    let swapped = text
        .replacen("A: ", "X: ", 1)
        .replacen("B: ", "A: ", 1)
        .replacen("X: ", "B: ", 1);
    assert!(
        Document::parse(Format::Yaml, &swapped)
            .unwrap()
            .open(&key())
            .is_err()
    );
    let token = Token::seal(
        &DataKey::new([1; 32]),
        sops_document::TokenType::Str,
        b"x",
        "A:",
        &mut |b| b.fill(1),
    );
    let first = text.lines().next().unwrap();
    let forged = text.replace(first, &format!("A: {token}"));
    assert!(
        Document::parse(Format::Yaml, &forged)
            .unwrap()
            .open(&key())
            .is_err()
    );
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9_]{0,12}".prop_filter("reserved", |name| {
        !name.starts_with("sops") && !name.ends_with("_unencrypted")
    })
}

fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "yes",
        "null",
        "~",
        "0x1f",
        "1e3",
        "---",
        "- a",
        "a: b",
        " x ",
        "\t",
        "#c",
        "a #b",
        "'",
        "\"",
        "\n",
        "a\n",
        "\n\n",
        "\ta\nb",
        "a \nb",
        "\r\n",
        "é\u{2028}",
        "\u{feff}x",
        "🚀",
        "<<",
        "ENC[",
        "2024-01-01",
        "%",
        "@",
        "",
        "!",
    ]);
    prop_oneof![
        special.prop_map(str::to_owned),
        any::<String>().prop_map(|text| text.replace('\0', ""))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_text_survives_set_layout_and_edit(
        values in prop::collection::btree_map(name(), text(), 1..8),
        format in prop::sample::select(FORMATS.to_vec()),
        replaced in text(),
    ) {
        let holds = |text: &String| format != Format::Dotenv || !text.contains("\\n");
        let values: BTreeMap<String, String> = values.into_iter().filter(|(_, text)| holds(text)).collect();
        let start = with(9, "2026-01-02T03:04:05Z", |context| {
            empty(format, &Terms::of(&wrapped()), context).unwrap()
        });
        let mut text = start;
        for (name, value) in &values {
            if let Some(next) = set(&open(format, &text), name, Scalar::str(value)) {
                text = next;
            }
        }
        let opened = open(format, &text);
        for (name, value) in &values {
            let entry = opened.tree().find(&Path::key(name)).unwrap();
            prop_assert_eq!(entry.node.text(), Some(value.as_str()));
        }
        // what is shown for editing reads back as the same values, and saving it changes nothing
        let layout = opened.layout();
        let unchanged = with(10, "2026-02-03T04:05:06Z", |context| opened.reseal(&layout, context)).unwrap();
        prop_assert!(unchanged.is_none());
        let shown = format.parse(&layout).unwrap();
        for (path, _, leaf) in shown.leaves() {
            let same = opened.tree().find(&path).unwrap().node.text() == leaf.scalar.as_text();
            prop_assert!(same, "{:?} of {:?}", path, layout.as_str());
        }
        // one more line in the editor touches no other token
        if holds(&replaced) && let Some((first, _)) = values.first_key_value() {
            let changed = set(&opened, first, Scalar::str(&replaced));
            if let Some(changed) = changed {
                let kept = text.lines().filter(|line| changed.contains(*line)).count();
                prop_assert!(text.lines().count() - kept <= 3);
            }
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(source in any::<String>()) {
        for format in FORMATS {
            let _ = format.parse(&source);
            let _ = Document::parse(format, &source);
        }
    }

    #[test]
    fn a_damaged_document_never_opens_as_something_else(at in 0_usize..2000, byte in any::<u8>()) {
        let text = sealed(Format::Yaml, AUTHOR);
        let mut bytes = text.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let Ok(damaged) = String::from_utf8(bytes) else { return Ok(()) };
        let Ok(document) = Document::parse(Format::Yaml, &damaged) else { return Ok(()) };
        let Ok(clear) = document.open(&key()) else { return Ok(()) };
        let values = |clear: &Cleartext| -> Vec<(Path, Option<Vec<u8>>)> {
            let leaves = clear.tree().leaves();
            let kept = leaves.into_iter().filter(|(_, _, leaf)| leaf.token.is_some());
            kept.map(|(path, _, leaf)| (path, leaf.scalar.plaintext().map(|bytes| bytes.to_vec()))).collect()
        };
        prop_assert_eq!(values(&clear), values(&open(Format::Yaml, &text)));
    }
}

/// Path, value to set (`None` removes), and the lines that differ afterwards: `-` old, `+` new;
/// tokens are shown as their type.
fn edited(before: &str, path: &[&str], value: Option<&str>) -> String {
    let text = sealed(Format::Yaml, before);
    let clear = open(Format::Yaml, &text);
    let steps = path
        .iter()
        .map(|step| step.parse().map_or(Step::Key((*step).into()), Step::Index));
    let path = Path(steps.collect());
    let after = with(2, "2026-02-03T04:05:06Z", |context| match value {
        Some(value) => clear
            .set(&path, Scalar::str(value), false, context)
            .unwrap()
            .unwrap(),
        None => clear.unset(&path, context).unwrap(),
    });
    let body = |text: &str| open(Format::Yaml, text).layout().to_string();
    let (old, new) = (body(&text), body(&after));
    assert!(
        changed_lines(&text, &after) <= 2 + changed_lines(&old, &new),
        "{after}"
    );
    let mut out = String::new();
    for change in similar::TextDiff::from_lines(&old, &new).iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Equal => {}
            tag => out.push_str(&format!("{tag}{change}")),
        }
    }
    out
}

#[test]
fn nested_values_come_and_go_in_the_layout_of_their_author() {
    let text = "# top\na:\n  b: one   # inline\n  c:\n    - x\n    - k: v\n      w: z\n# about f\nf: {g: h, i: [j]}\nn:\n- p\nlone:\n  # why\n  q: r\nlist:\n  - only\nd: &x\n  deep: 1\n";
    let cases: [(&[&str], Option<&str>, &str); 22] = [
        (
            &["a", "b"],
            Some("two"),
            "-  b: one   # inline\n+  b: two   # inline\n",
        ),
        (&["a", "new"], Some("v"), "+  new: v\n"),
        (&["a", "new", "er"], Some("v"), "+  new:\n+      er: v\n"),
        (&["a", "new", "0"], Some("v"), "+  new:\n+      - v\n"),
        (
            &["a", "new", "0", "k"],
            Some("v"),
            "+  new:\n+      - k: v\n",
        ),
        (&["a", "c", "2"], Some("s"), "+    - s\n"),
        (&["a", "c", "2", "k"], Some("s"), "+    - k: s\n"),
        (&["a", "c", "1", "u"], Some("t"), "+      u: t\n"),
        (&["n", "1"], Some("q"), "+- q\n"),
        (
            &["f", "k"],
            Some("l"),
            "-f: {g: h, i: [j]}\n+f: {g: h, i: [j], k: l}\n",
        ),
        (
            &["f", "i", "1"],
            Some("l"),
            "-f: {g: h, i: [j]}\n+f: {g: h, i: [j, l]}\n",
        ),
        (&["z", "v"], Some("x"), "+z:\n+    v: x\n"),
        (&["a", "b"], None, "-  b: one   # inline\n"),
        (
            &["a", "c"],
            None,
            "-  c:\n-    - x\n-    - k: v\n-      w: z\n",
        ),
        (&["a", "c", "0"], None, "-    - x\n"),
        (&["a", "c", "1"], None, "-    - k: v\n-      w: z\n"),
        (
            &["a", "c", "1", "k"],
            None,
            "-    - k: v\n-      w: z\n+    - w: z\n",
        ),
        (&["f", "g"], None, "-f: {g: h, i: [j]}\n+f: {i: [j]}\n"),
        (
            &["f", "i", "0"],
            None,
            "-f: {g: h, i: [j]}\n+f: {g: h, i: []}\n",
        ),
        (&["n", "0"], None, "-n:\n-- p\n+n: []\n"),
        (&["list", "0"], None, "-list:\n-  - only\n+list: []\n"),
        (&["d", "deep"], None, "-d: &x\n-  deep: 1\n+d: {}\n"),
    ];
    for (path, value, expected) in cases {
        assert_eq!(edited(text, path, value), expected, "{path:?}");
    }
}

#[test]
fn an_edit_that_would_take_something_along_is_refused() {
    let text = sealed(
        Format::Yaml,
        "a: 1\nl:\n  - x\nlone:\n  # why\n  q: r\nm_unencrypted: {}\n",
    );
    let clear = open(Format::Yaml, &text);
    let path = |text: &str| {
        Path(
            text.split('.')
                .map(|s| s.parse().map_or(Step::Key(s.into()), Step::Index))
                .collect(),
        )
    };
    let set = |at: &str| {
        with(3, "2026-02-03T04:05:06Z", |context| {
            clear.set(&path(at), Scalar::str("v"), false, context)
        })
    };
    for (at, rule) in [
        ("a.b", "`a` is a value: remove it first"),
        ("l", "is a map or a list"),
        ("l.7", "the list has 1 items; the next one is [1]"),
        ("lone.0", "an index into a map"),
        ("m_unencrypted.k", "would be stored in clear"),
        ("sops.age", "reserved"),
    ] {
        let error = set(at).unwrap_err().to_string();
        assert!(error.contains(rule), "{at}: {error}");
    }
    let unset = with(3, "2026-02-03T04:05:06Z", |context| {
        clear.unset(&path("lone.q"), context)
    });
    assert!(unset.unwrap_err().to_string().contains("comments alone"));
    let unset = with(3, "2026-02-03T04:05:06Z", |context| {
        clear.unset(&path("lone.x"), context)
    });
    assert!(unset.unwrap_err().to_string().contains("does not exist"));
}
