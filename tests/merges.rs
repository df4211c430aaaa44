//! Random merges against an oracle that merges plain maps; every result is opened again under its MAC.
//!
//! `STAX_TEST_MERGES` sets how many are tried (300 without it).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use stax::sops::merge::{Changes, Keys, values};
use stax::sops::tree::{Step, Visit};
use stax::sops::{Cleartext, DataKey, Document, Format, Fresh, Path, Terms, Wrapped, WrappedKey, seal};

const FORMATS: [Format; 4] = [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini];

fn fresh<T>(call: impl FnOnce(&mut Fresh<'_>) -> T) -> T {
    let mut state = 1_u64;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    };
    call(&mut Fresh { now: "2026-01-02T03:04:05Z", random: &mut random })
}

fn wrapped() -> Vec<WrappedKey> {
    vec![WrappedKey { recipient: "age1first".into(), enc: "armor\n".into() }]
}

fn key(number: u8) -> DataKey {
    DataKey::new([number; 32])
}

fn version(format: Format, clear: &str, number: u8) -> Cleartext {
    let stanzas = wrapped();
    let text = fresh(|fresh| seal(format, clear, &Terms::of(&stanzas), &key(number), fresh));
    let text = text.unwrap_or_else(|error| panic!("{error}: {clear}"));
    Document::parse(format, &text).unwrap().open(&key(number)).unwrap()
}

/// Merges under the data key that the numbers ask for, and opens the result again.
fn merge(format: Format, o: Option<&str>, a: &str, b: &str, keys: [u8; 3]) -> (Cleartext, Changes) {
    let base = o.map(|o| version(format, o, keys[0]));
    let (ours, theirs) = (version(format, a, keys[1]), version(format, b, keys[2]));
    let merged = values(base.as_ref(), &ours, &theirs, None).unwrap();
    let number = match keys {
        [_, a, b] if a == b => a,
        [o, a, b] if o == a => b,
        [o, a, b] if o == b => a,
        _ => 9,
    };
    let stanzas = wrapped();
    let wrapped = (number != keys[1]).then_some(Wrapped::Whole(&stanzas));
    let text = fresh(|fresh| {
        let key = key(number);
        let keys = Keys { key: &key, is_ours: number == keys[1], is_theirs: number == keys[2] };
        merged.seal(&keys, wrapped, fresh)
    });
    let text =
        text.unwrap_or_else(|error| panic!("{error}\n--- base\n{o:?}\n--- ours\n{a}\n--- theirs\n{b}"));
    let opened = Document::parse(format, &text).unwrap().open(&key(number)).unwrap();
    (opened, merged.changes)
}

fn names(paths: &[Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

/// The model: plain maps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plain {
    Leaf(u8),
    Map(BTreeMap<String, Self>),
}

type Map = BTreeMap<String, Plain>;

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
                let base = base.and_then(|base| if let Plain::Map(base) = base { Some(base) } else { None });
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

fn leaves(map: &Map, path: &Path, out: &mut Vec<(String, String)>) {
    for (name, value) in map {
        let mut path = path.clone();
        path.0.push(Step::Key(name.clone()));
        match value {
            Plain::Leaf(number) => out.push((path.to_string(), format!("v{number}"))),
            Plain::Map(map) if map.is_empty() => out.push((path.to_string(), "empty".into())),
            Plain::Map(map) => leaves(map, &path, out),
        }
    }
}

fn print(format: Format, map: &Map, indent: usize) -> String {
    let mut out = String::new();
    let margin = " ".repeat(indent * 4);
    match format {
        Format::Json => {
            let members: Vec<String> = map
                .iter()
                .map(|(name, value)| match value {
                    Plain::Leaf(number) => format!("{margin}  \"{name}\": \"v{number}\""),
                    Plain::Map(map) => {
                        format!("{margin}  \"{name}\": {}", print(format, map, indent + 1).trim())
                    }
                })
                .collect();
            let inner = members.join(",\n");
            return if members.is_empty() { "{}\n".into() } else { format!("{{\n{inner}\n{margin}}}\n") };
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
                    (Plain::Leaf(number), _) => out += &format!("{margin}{name}: v{number}\n"),
                    (Plain::Map(map), _) if map.is_empty() => out += &format!("{margin}{name}: {{}}\n"),
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
    let leaf = (0_u8..3).prop_map(Plain::Leaf);
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
        let keys = prop::sample::select(vec![[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 1, 2]]);
        (map(), map(), map(), any::<[u8; 2]>(), keys).prop_map(move |(o, a, b, masks, keys)| {
            (format, o.clone(), mix(o.clone(), a, masks[0]), mix(o, b, masks[1]), keys)
        })
    })
}

fn cases() -> u32 {
    std::env::var("STAX_TEST_MERGES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Every merge of three random documents says what a merge of plain maps says, and opens under its MAC.
    #[test]
    fn a_merge_of_documents_is_a_merge_of_maps((format, o, a, b, keys) in three()) {
        let format = FORMATS[format];
        let [o_text, a_text, b_text] = [&o, &a, &b].map(|map| print(format, map, 0));
        let (opened, changes) = merge(format, Some(&o_text), &a_text, &b_text, keys);
        let mut conflicts = Vec::new();
        let wanted = oracle(Some(&o), &a, &b, &Path::default(), &mut conflicts);
        let mut expected = Vec::new();
        leaves(&wanted, &Path::default(), &mut expected);
        let mut found = Vec::new();
        opened.tree().walk(&mut |path, visit| match visit {
            Visit::Leaf(_, leaf) => found.push((path.to_string(), leaf.scalar.as_text().unwrap().to_owned())),
            Visit::Empty(_) if !path.0.is_empty() => found.push((path.to_string(), "empty".into())),
            _ => {}
        });
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        let mut open = names(&changes.conflicts);
        open.sort();
        conflicts.sort();
        prop_assert_eq!(open, conflicts);
    }
}
