//! Random merges against an oracle that merges plain maps; every result is opened again under its
//! MAC.
//!
//! `STAX_TEST_MERGES` sets how many are tried (300 without it) and `STAX_TEST_SEED` where they
//! start.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sops_document::merge::{KeyChanges, SidesWithKey, values};
use sops_document::tree::{Step, Visit};
use sops_document::{
    Cleartext, DataKey, Document, Format, Path, SealContext, Terms, Wrapped, WrappedKey, seal,
};

#[path = "support/merging.rs"]
mod merging;

use merging::{merge, names};

const FORMATS: [Format; 4] = [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini];

/// The model: plain maps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plain {
    Leaf(u8),
    Map(BTreeMap<String, Self>),
}

type Map = BTreeMap<String, Plain>;

/// Values of all types, and texts that a format can only write in one way.
fn scalar(format: Format, number: u8, margin: &str) -> String {
    let yaml = [
        "v0",
        "1",
        "true",
        "'quo''ted'",
        "1.5",
        "\"two\\nlines\"",
        "2024-01-02",
        "null",
        "''",
        "[1, v]",
    ];
    let json = [
        "\"v0\"",
        "1",
        "true",
        "\"#\"",
        "1.5",
        "\"two\\nlines\"",
        "\"\"",
        "null",
        "[]",
        "[1, \"v\"]",
        "\"v10\"",
        "\"v11\"",
    ];
    match format {
        Format::Yaml if number == 10 => format!("|\n{margin}    some\n{margin}      lines"),
        Format::Yaml if number == 11 => {
            format!("\n{margin}    - v\n{margin}    - w: 1\n{margin}      x: 2")
        }
        Format::Yaml => yaml[usize::from(number) % yaml.len()].to_owned(),
        Format::Json => json[usize::from(number) % json.len()].to_owned(),
        _ => format!("v{number}"),
    }
}

/// Where, of what type, and what.
fn facts(tree: &sops_document::Tree) -> Vec<(String, &'static str, Vec<u8>)> {
    let mut found = Vec::new();
    tree.walk(&mut |path, visit| match visit {
        Visit::Leaf(_, leaf) => found.push((
            path.to_string(),
            leaf.scalar.type_name(),
            leaf.scalar
                .plaintext()
                .map(|plain| plain.to_vec())
                .unwrap_or_default(),
        )),
        Visit::Empty(_) if !path.0.is_empty() => {
            found.push((path.to_string(), "empty", Vec::new()))
        }
        _ => {}
    });
    found.sort();
    found
}

fn oracle(o: Option<&Map>, a: &Map, b: &Map, path: &Path, conflicts: &mut Vec<String>) -> Map {
    let mut merged = Map::new();
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (base, ours, theirs) = (o.and_then(|o| o.get(name)), a.get(name), b.get(name));
        let mut path = path.clone();
        path.0.push(Step::Key(name.clone()));
        let taken = match (ours, theirs) {
            _ if ours == theirs || base == theirs => ours.cloned(),
            (Some(Plain::Map(ours)), Some(Plain::Map(theirs))) => {
                let base = base.and_then(|base| {
                    if let Plain::Map(base) = base {
                        Some(base)
                    } else {
                        None
                    }
                });
                Some(Plain::Map(oracle(base, ours, theirs, &path, conflicts)))
            }
            _ if base == ours => theirs.cloned(),
            _ => {
                conflicts.push(path.to_string());
                ours.cloned()
            }
        };
        merged.extend(taken.map(|taken| (name.clone(), taken)));
    }
    merged
}

fn print(format: Format, map: &Map, indent: usize) -> String {
    let mut out = String::new();
    let margin = " ".repeat(indent * 4);
    match format {
        Format::Json => {
            let members: Vec<String> = map
                .iter()
                .map(|(name, value)| match value {
                    Plain::Leaf(number) => {
                        format!("{margin}  \"{name}\": {}", scalar(format, *number, ""))
                    }
                    Plain::Map(map) => {
                        format!(
                            "{margin}  \"{name}\": {}",
                            print(format, map, indent + 1).trim()
                        )
                    }
                })
                .collect();
            let inner = members.join(",\n");
            return if members.is_empty() {
                "{}\n".into()
            } else {
                format!("{{\n{inner}\n{margin}}}\n")
            };
        }
        Format::Ini => {
            for (name, value) in map {
                match value {
                    Plain::Leaf(number) => out += &format!("{name} = v{number}\n"),
                    Plain::Map(map) => out += &format!("[{name}]\n{}", print(format, map, 1)),
                }
            }
        }
        _ => {
            for (name, value) in map {
                match (value, format) {
                    (Plain::Leaf(number), Format::Dotenv) => out += &format!("{name}=v{number}\n"),
                    (Plain::Leaf(number), _) => {
                        out += &format!("{margin}{name}: {}\n", scalar(format, *number, &margin))
                    }
                    (Plain::Map(map), _) if map.is_empty() => {
                        out += &format!("{margin}{name}: {{}}\n")
                    }
                    (Plain::Map(map), _) => {
                        out += &format!("{margin}{name}:\n{}", print(format, map, indent + 1));
                    }
                }
            }
        }
    }
    out
}

fn plain(format: Format) -> BoxedStrategy<Map> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(str::to_owned);
    let leaf = prop_oneof![3 => 0_u8..3, 1 => 3_u8..12].prop_map(Plain::Leaf);
    let map = |value: BoxedStrategy<Plain>| prop::collection::btree_map(name.clone(), value, 0..5);
    match format {
        Format::Dotenv => map(leaf.boxed()).boxed(),
        Format::Ini => {
            let section = map(leaf.boxed()).prop_map(Plain::Map);
            map(section.boxed()).boxed()
        }
        _ => {
            let inner = map(leaf.clone().boxed()).prop_map(Plain::Map);
            let middle = prop_oneof![2 => leaf.clone(), 1 => inner];
            let deep = map(middle.boxed()).prop_map(Plain::Map);
            map(prop_oneof![2 => leaf, 1 => deep].boxed()).boxed()
        }
    }
}

/// A random map, and two that keep most of it.
fn three() -> impl Strategy<Value = (usize, Map, Map, Map, [u8; 3])> {
    (0..FORMATS.len()).prop_flat_map(|format| {
        let map = || plain(FORMATS[format]);
        let mix = |old: Map, new: Map, mask: u8| -> Map {
            let mut mixed = old;
            for (position, (name, value)) in new.into_iter().enumerate() {
                if mask >> position & 1 == 1 {
                    mixed.insert(name, value);
                } else {
                    mixed.remove(&name);
                }
            }
            mixed
        };
        let keys =
            prop::sample::select(vec![[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 1, 2]]);
        (map(), map(), map(), any::<[u8; 2]>(), keys).prop_map(move |(o, a, b, masks, keys)| {
            (
                format,
                o.clone(),
                mix(o.clone(), a, masks[0]),
                mix(o, b, masks[1]),
                keys,
            )
        })
    })
}

/// A comment above every second key of the top level, whose name tells the side; behind others one
/// in the line.
fn with_notes(text: &str, name: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let key = line.split(':').next().unwrap_or_default();
        if line.starts_with(['a', 'c']) {
            out += &format!("# {name} {key}\n{line}");
        } else if line.starts_with('d') && !line.contains('|') && !line.ends_with(":\n") {
            out += &format!("{} # {name} {key}\n", line.trim_end());
        } else {
            out += line;
        }
    }
    out
}

fn config() -> ProptestConfig {
    let variable = |name: &str, otherwise| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(otherwise)
    };
    ProptestConfig {
        cases: u32::try_from(variable("STAX_TEST_MERGES", 300)).unwrap(),
        rng_seed: RngSeed::Fixed(variable("STAX_TEST_SEED", 1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Every merge of three random documents says what a merge of plain maps says, and opens under
    /// its MAC.
    #[test]
    fn a_merge_of_documents_is_a_merge_of_maps((format, o, a, b, keys) in three(), notes: bool) {
        let format = FORMATS[format];
        let [o_text, a_text, b_text] = [("", &o), ("ours", &a), ("theirs", &b)].map(|(name, map)| {
            let text = print(format, map, 0);
            if format == Format::Yaml && notes { with_notes(&text, name) } else { text }
        });
        let (opened, changes) = merge(format, Some(&o_text), &a_text, &b_text, keys);
        let mut conflicts = Vec::new();
        let wanted = oracle(Some(&o), &a, &b, &Path::default(), &mut conflicts);
        let wanted_tree = format.parse(&print(format, &wanted, 0)).unwrap();
        let (mut found, mut expected) = (facts(opened.tree()), facts(&wanted_tree));
        // a comment can stand inside of braces that hold nothing else
        found.retain(|fact| !notes || fact.1 != "empty");
        expected.retain(|fact| !notes || fact.1 != "empty");
        prop_assert_eq!(found, expected);
        for (name, side) in [("ours", &a), ("theirs", &b)] {
            for key in side.keys().filter(|key| wanted.contains_key(*key) && format == Format::Yaml) {
                let note = format!("# {name} {key}\n");
                let text = if name == "ours" { &a_text } else { &b_text };
                // a comment in the line of a value goes with the value that theirs replaces
                prop_assert!(key == "d" || !text.contains(&note) || opened.layout().contains(&note), "{} lost: {}", note, opened.layout().as_str());
            }
        }
        let mut open = names(&changes.conflicts);
        open.sort();
        conflicts.sort();
        prop_assert_eq!(open, conflicts);
    }
}
