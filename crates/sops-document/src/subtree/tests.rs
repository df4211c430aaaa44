use crate::context::SealContext;
use crate::error::EditError;
use crate::selector::Selector;
use crate::tree::Path;
use crate::{Cleartext, DataKey, Document, Format, Indent, Terms, WrappedKey, seal};

const KEY: [u8; 32] = [7; 32];

fn with<T>(call: impl FnOnce(&mut SealContext<'_>) -> T) -> T {
    let (key, mut state) = (DataKey::new(KEY), 0_u8);
    let mut random = |buffer: &mut [u8]| {
        buffer.iter_mut().for_each(|byte| {
            state = state.wrapping_mul(31).wrapping_add(7);
            *byte = state;
        });
    };
    call(&mut SealContext {
        key: &key,
        now: "2026-01-02T03:04:05Z",
        random: &mut random,
    })
}

fn sealed(format: Format, clear: &str, selector: Selector) -> Cleartext {
    let wrapped = [WrappedKey {
        recipient: "age1x".into(),
        enc: "enc".into(),
    }];
    let terms = Terms {
        selector,
        ..Terms::of(wrapped.as_slice())
    };
    let text = with(|context| seal(format, clear, &terms, context)).unwrap();
    Document::parse(format, &text)
        .unwrap()
        .open(&DataKey::new(KEY))
        .unwrap()
}

fn path(text: &str) -> Path {
    Path(
        text.split('.')
            .map(|part| {
                part.parse()
                    .map_or_else(|_| crate::Step::Key(part.into()), crate::Step::Index)
            })
            .collect(),
    )
}

/// The layout after a map or list was put at a path; what was there keeps its token.
fn set(format: Format, clear: &str, at: &str, json: &str) -> String {
    let before = sealed(format, clear, Selector::default());
    let value = Format::Json.parse(&format!("{{\"v\": {json}}}")).unwrap();
    let node = &value.documents[0].get("v").unwrap().node;
    let text = with(|context| before.set_node(&path(at), node, false, context));
    let text = text
        .unwrap_or_else(|error| panic!("{clear} {at} {json}: {error}"))
        .expect("a change");
    let after = Document::parse(format, &text)
        .unwrap()
        .open(&DataKey::new(KEY))
        .unwrap();
    assert!(
        after.tree().find(&path(at)).unwrap().node.means(node),
        "{clear} {at} {json}"
    );
    assert!(
        with(|context| after.set_node(&path(at), node, false, context))
            .unwrap()
            .is_none()
    );
    after.layout().to_string()
}

#[test]
fn yaml_gets_lines_in_its_own_layout() {
    for (clear, at, json, after) in [
        (
            "a: 1\n",
            "b",
            "[1, {\"x\": \"v\"}]",
            "a: 1\nb:\n    - 1\n    - x: v\n",
        ),
        (
            "# top\na: 1 # one\nb: 2\n",
            "a",
            "{\"x\": 1}",
            "# top\na: # one\n    x: 1\nb: 2\n",
        ),
        (
            "a:\n  x: 1\n  # gone\n  y: 2\nb: 2\n",
            "a",
            "[\"q\"]",
            "a:\n  - q\nb: 2\n",
        ),
        (
            "a:\n  x:\n    deep: 1\n  y: 2\n",
            "a.x",
            "{\"m\": {\"k\": null}}",
            "a:\n  x:\n    m:\n      k: null\n  y: 2\n",
        ),
        (
            "l:\n    - 1\n    - 2\n",
            "l.0",
            "{\"a\": 1, \"b\": [2]}",
            "l:\n    - a: 1\n      b:\n        - 2\n    - 2\n",
        ),
        (
            "l:\n    - k: 1\n      o: 2\n",
            "l.0.k",
            "[3]",
            "l:\n    - k:\n          - 3\n      o: 2\n",
        ),
        ("l:\n    - 1\n", "l.1", "[2]", "l:\n    - 1\n    - - 2\n"),
        (
            "a: |\n    one\n    two\nb: 2\n",
            "a",
            "[1]",
            "a:\n    - 1\nb: 2\n",
        ),
        ("a: 1\nb: 2\n", "a", "{}", "a: {}\nb: 2\n"),
        ("a: 1\n", "a", "[]", "a: []\n"),
        (
            "a: {x: 1, y: [2]}\n",
            "a.y",
            "{\"p, q\": \"r: s\"}",
            "a: {x: 1, y: {'p, q': 'r: s'}}\n",
        ),
        (
            "m:\n    x: 1\n",
            "m.new.deep",
            "[1]",
            "m:\n    x: 1\n    new:\n        deep:\n            - 1\n",
        ),
        (
            "a: 1\n",
            "b",
            "[\"two\\nlines\\n\"]",
            "a: 1\nb:\n    - |\n        two\n        lines\n",
        ),
    ] {
        assert_eq!(
            set(Format::Yaml, clear, at, json),
            after,
            "{clear} {at} {json}"
        );
    }
}

#[test]
fn json_gets_lines_of_its_own_indentation() {
    let clear = "{\n  \"a\": 1,\n  \"b\": {\"c\": 2}\n}\n";
    let after = set(Format::Json, clear, "a", "[1, {\"x\": \"y\"}]");
    assert_eq!(
        after,
        "{\n  \"a\": [\n    1,\n    {\n      \"x\": \"y\"\n    }\n  ],\n  \"b\": {\"c\": 2}\n}\n"
    );
    let after = set(Format::Json, clear, "b.c", "{}");
    assert_eq!(after, "{\n  \"a\": 1,\n  \"b\": {\"c\": {}}\n}\n");
}

#[test]
fn what_is_equal_keeps_its_token() {
    let before = sealed(
        Format::Yaml,
        "m:\n    x: one\n    w: two\nz: 1\n",
        Selector::default(),
    );
    let tokens = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(key))
            .unwrap()
            .to_owned()
    };
    let value = Format::Json
        .parse("{\"v\": {\"x\": \"one\", \"w\": \"other\"}}")
        .unwrap();
    let node = &value.documents[0].get("v").unwrap().node;
    let text = with(|context| before.set_node(&path("m"), node, false, context))
        .unwrap()
        .unwrap();
    let source = before.document().source();
    assert_eq!(tokens(source, "x:"), tokens(&text, "x:"));
    assert_eq!(tokens(source, "z:"), tokens(&text, "z:"));
    assert_ne!(tokens(source, "w:"), tokens(&text, "w:"));
}

#[test]
fn what_would_stay_plaintext_and_what_a_format_lacks_is_refused() {
    let value = Format::Json
        .parse("{\"v\": {\"x\": \"one\", \"y_unencrypted\": \"two\"}, \"f\": [1.0]}")
        .unwrap();
    let node = |name: &str| &value.documents[0].get(name).unwrap().node;
    let yaml = sealed(Format::Yaml, "a: 1\n", Selector::default());
    let set = |clear: &Cleartext, name: &str, allow: bool| {
        with(|context| clear.set_node(&path("a"), node(name), allow, context))
    };
    let Err(EditError::Clear(at, _)) = set(&yaml, "v", false) else {
        panic!("not refused")
    };
    assert_eq!(at.to_string(), "a.y_unencrypted");
    assert!(set(&yaml, "v", true).is_ok());
    assert!(matches!(set(&yaml, "f", false), Err(EditError::Value(..))));
    let dotenv = sealed(Format::Dotenv, "a=1\n", Selector::default());
    assert!(matches!(set(&dotenv, "v", true), Err(EditError::Value(..))));
}

#[test]
fn a_part_is_printed_as_sops_prints_it() {
    let tree = |format: Format, text: &str| format.parse(text).unwrap();
    let yaml = tree(
        Format::Yaml,
        "m:\n    x: 1\n    l:\n        - a: 1\n          b: two\n        - [q, r]\ne: {}\nf: []\n",
    );
    let shown = |at: &str| {
        Format::Yaml
            .emit_node(&yaml.find(&path(at)).unwrap().node, Indent::default())
            .unwrap()
            .to_string()
    };
    assert_eq!(
        shown("m"),
        "x: 1\nl:\n    - a: 1\n      b: two\n    - - q\n      - r\n"
    );
    assert_eq!(shown("m.l"), "- a: 1\n  b: two\n- - q\n  - r\n");
    assert_eq!((shown("e").as_str(), shown("f").as_str()), ("{}\n", "[]\n"));
    let json = tree(Format::Json, "{\"l\": [1, \"a\"]}");
    let list = &json.find(&path("l")).unwrap().node;
    assert_eq!(
        Format::Json
            .emit_node(list, Indent::default())
            .unwrap()
            .as_str(),
        "[\n\t1,\n\t\"a\"\n]\n"
    );
}
