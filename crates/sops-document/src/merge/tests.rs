use super::*;
use crate::{Cleartext, DataKey, Document, Format, SealContext, Terms, Wrapped, WrappedKey, seal};

#[path = "../../../../tests/support/merging.rs"]
mod merging;

use merging::{key, merge, names, sealing, version, wrapped};

/// What the author of the merged document sees.
fn yaml(o: &str, a: &str, b: &str) -> (String, KeyChanges) {
    let (opened, changes) = merge(Format::Yaml, Some(o), a, b, [0, 0, 0]);
    (opened.layout().to_string(), changes)
}

#[test]
fn disjoint_changes_merge_in_the_layout_of_ours() {
    let o = "# head\n\na: 1\nb:   two   # beside\nc: 3\n";
    let a = "# head\n\na: 10\nb:   two   # beside\nc: 3\n";
    let b = "# head\n\na: 1\nnew: x\nb: two   # beside\nd: |\n  two\n  lines\n";
    let (text, changes) = yaml(o, a, b);
    assert_eq!(
        text,
        "# head\n\na: 10\nnew: x\nb:   two   # beside\nd: |-\n    two\n    lines\n"
            .replace("|-", "|")
    );
    assert_eq!(names(&changes.ours), ["a"]);
    assert_eq!(names(&changes.theirs), ["c", "new", "d"]);
    assert!(changes.conflicts.is_empty());
}

#[test]
fn a_key_that_both_changed_is_a_conflict_and_ours_stays() {
    let (text, changes) = yaml(
        "a: 1\nb: 1\nc: 1\nd: 1\n",
        "a: 2\nb: 1\nd: 2\n",
        "a: 3\nc: 3\nb: 1\n",
    );
    assert_eq!(text, "a: 2\nb: 1\nd: 2\n");
    assert_eq!(names(&changes.conflicts), ["a", "d", "c"]);
    let (text, changes) = yaml("a: 1\nb: 1\n", "a: 2\n", "a: 2\n");
    assert_eq!((text.as_str(), changes.conflicts.len()), ("a: 2\n", 0));
}

#[test]
fn nested_maps_merge_by_key_and_lists_by_item_where_that_is_clear() {
    let o = "m:\n    x: 1\n    y: 1\nl:\n    - 1\n    - 2\n    - 3\nk:\n    - 1\n";
    let a = "m:\n    x: 2\n    y: 1\nl:\n    - 10\n    - 2\n    - 3\nk:\n    - 1\n    - 2\n";
    let b =
        "m:\n    x: 1\n    y: 1\n    z: 3\nl:\n    - 1\n    - 2\n    - 30\nk:\n    - 1\n    - 3\n";
    let (text, changes) = yaml(o, a, b);
    assert_eq!(
        text,
        "m:\n    x: 2\n    y: 1\n    z: 3\nl:\n    - 10\n    - 2\n    - 30\nk:\n    - 1\n    - 2\n"
    );
    assert_eq!(names(&changes.conflicts), ["k"]);
    assert_eq!(names(&changes.theirs), ["m.z", "l[2]"]);
}

#[test]
fn comments_of_both_sides_are_kept_and_go_with_their_keys() {
    let o = "# about a\na: 1\nb: 1\n# about c\nc: 1\n";
    let a = "# about a\na: 2\nb: 1\n# about c\nc: 1\n# ours at the end\nd: 1\n";
    let b = "# about a, better\na: 1\n# new above b\nb: 1 # beside b\n# about e\ne: 1\n";
    let (text, _) = yaml(o, a, b);
    let expected = "# about a, better\na: 2\n# new above b\nb: 1 # beside b\n# about e\ne: 1\n# ours at the end\nd: 1\n";
    assert_eq!(text, expected);
}

#[test]
fn tokens_of_both_sides_are_used_again_under_one_data_key_and_none_under_a_fresh_one() {
    let (o, a, b) = (
        "a: 1\nb: 1\nc: 1\n",
        "a: 2\nb: 1\nc: 1\n",
        "a: 1\nb: 2\nc: 1\n",
    );
    let tokens = |clear: &Cleartext| -> Vec<String> {
        let leaves = clear.document().tree().leaves();
        leaves
            .iter()
            .map(|(_, _, leaf)| leaf.scalar.as_text().unwrap().to_owned())
            .collect()
    };
    let (ours, theirs) = (
        tokens(&version(Format::Yaml, a, 0)),
        tokens(&version(Format::Yaml, b, 0)),
    );
    let (same, _) = merge(Format::Yaml, Some(o), a, b, [0, 0, 0]);
    assert_eq!(
        tokens(&same),
        [ours[0].clone(), theirs[1].clone(), ours[2].clone()]
    );
    let (fresh, _) = merge(Format::Yaml, Some(o), a, b, [0, 1, 2]);
    let old = [ours, theirs].concat();
    assert!(tokens(&fresh).iter().all(|token| !old.contains(token)));
}

#[test]
fn a_merge_without_a_change_keeps_every_byte_of_ours() {
    let (ours, theirs) = (
        version(Format::Yaml, "a: 2\n", 0),
        version(Format::Yaml, "a: 1\n", 0),
    );
    let merged = values(Some(&theirs), &ours, &theirs, None).unwrap();
    let keys = SidesWithKey {
        is_ours: true,
        is_theirs: true,
    };
    let text = sealing(&key(0), |context| merged.seal(keys, None, context)).unwrap();
    assert_eq!(text, ours.document().source());
}

#[test]
fn odd_layouts_still_hold_the_merged_values() {
    let table = [
        (
            "a: 1\nb: {x: 1, y: 2}\n",
            "a: 2\nb: {x: 1, y: 2}\n",
            "a: 1\nb: {x: 3, z: 1}\n",
        ),
        (
            "l:\n- a: 1\n  b: 2\n- x: 1\n",
            "l:\n- a: 1\n  b: 2\n- x: 2\n",
            "l:\n- a: 3\n  c: 2\n- x: 1\n",
        ),
        ("m: {}\n", "m:\n  x: 1\n", "m: {}\nk: 1\n"),
        ("m: {}\nz: 1\n", "m: {}\nz: 2\n", "m:\n  x: 1\nz: 1\n"),
        ("a: 1\n", "", "a: 1\nb: 1\n"),
        (
            "a: 1\n---\nb: 1\n",
            "a: 2\n---\nb: 1\n",
            "a: 1\n---\nb: 1\nc: 1\n",
        ),
        (
            "a: |\n  x\n  y\nb: 1\n",
            "a: |\n  x\n  y\nb: 2\n",
            "a: |\n  x\n  z\nb: 1\n",
        ),
        (
            "a_unencrypted: 1\nb: 1\n",
            "a_unencrypted: 1\nb: 2\n",
            "a_unencrypted: |\n  x\n  y\nb: 1\n",
        ),
    ];
    for (o, a, b) in table {
        let (_, changes) = merge(Format::Yaml, Some(o), a, b, [0, 0, 0]);
        assert!(changes.conflicts.is_empty(), "{o}{a}{b}");
        merge(Format::Yaml, Some(o), a, b, [0, 1, 2]);
    }
}

#[test]
fn a_conflict_between_merged_bases_equals_neither_side() {
    let (o, a, b) = ("a: 1\nb: 1\n", "a: 2\nb: 1\n", "a: 3\nb: 1\n");
    let [o, a, b] = [o, a, b].map(|clear| version(Format::Yaml, clear, 0));
    let mut random = |buffer: &mut [u8]| buffer.fill(7);
    let merged = values(Some(&o), &a, &b, Some(&mut random)).unwrap();
    let keys = SidesWithKey {
        is_ours: true,
        is_theirs: true,
    };
    let text = sealing(&key(0), |context| merged.seal(keys, None, context)).unwrap();
    let base = Document::parse(Format::Yaml, &text)
        .unwrap()
        .open(&key(0))
        .unwrap();
    let outer = values(Some(&base), &a, &b, None).unwrap();
    assert_eq!(names(&outer.changes.conflicts), ["a"]);
}

#[test]
fn sides_under_other_rules_are_not_merged_by_key() {
    let stanzas = wrapped();
    let other = Terms {
        mac_only_encrypted: true,
        ..Terms::of(&stanzas)
    };
    let text = sealing(&key(0), |context| {
        seal(Format::Yaml, "a: 1\n", &other, context)
    })
    .unwrap();
    let theirs = Document::parse(Format::Yaml, &text)
        .unwrap()
        .open(&key(0))
        .unwrap();
    let ours = version(Format::Yaml, "a: 1\n", 0);
    let error = values(None, &ours, &theirs, None).err();
    assert_eq!(error, Some(Unmergeable::Terms("mac_only_encrypted".into())));
}

#[test]
fn a_binary_file_is_one_value() {
    let stanzas = wrapped();
    let version = |bytes: &[u8]| {
        let text = sealing(&key(0), |context| {
            seal(Format::Binary, bytes, &Terms::of(&stanzas), context)
        })
        .unwrap();
        Document::parse(Format::Binary, &text)
            .unwrap()
            .open(&key(0))
            .unwrap()
    };
    let (one, two, three) = (version(b"1"), version(b"2"), version(b"\xff3"));
    let keys = SidesWithKey {
        is_ours: true,
        is_theirs: true,
    };
    let merged = values(Some(&one), &one, &three, None).unwrap();
    let text = sealing(&key(0), |context| merged.seal(keys, None, context)).unwrap();
    let opened = Document::parse(Format::Binary, &text)
        .unwrap()
        .open(&key(0))
        .unwrap();
    assert_eq!(opened.payload().unwrap().as_slice(), b"\xff3");
    assert_eq!(
        names(
            &values(Some(&one), &two, &three, None)
                .unwrap()
                .changes
                .conflicts
        ),
        ["data"]
    );
}
