//! Every way back that we know of, and the honest histories beside them, as graphs by hand.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::*;
use crate::ledger::hand_made::{origin, snapshot};
use crate::ledger::lineage::{ParentSide, Turn};

/// A name, its parents, and what it holds where that is not what the first parent holds: `path:
/// readers = tokens`, where `A1` is the token 1 of the key `A`; `path -` where it is gone.
type Graph<'a> = &'a [(&'a str, &'a str, &'a str)];
type Tree = BTreeMap<String, Rc<Snapshot>>;

/// Two people read two values; Bob is removed with a new data key on `main`, while `side` knows
/// nothing of it.
const START: Graph<'_> = &[
    ("base", "", "f: ana bob = A1 B2"),
    ("out", "base", "f: ana = A11 B12"),
    ("side", "base", "notes: x ="),
];

fn version(text: &str) -> Rc<Snapshot> {
    let (readers, tokens) = text.split_once('=').unwrap();
    let value = |token: &'static str| (&token[..1], token[1..].parse().unwrap());
    let tokens: &'static str = tokens.to_owned().leak();
    let values: Vec<(&str, u8)> = tokens.split_whitespace().map(value).collect();
    snapshot(&readers.split_whitespace().collect::<Vec<_>>(), &values)
}

struct Made {
    turns: Vec<Turn>,
    behind: HashMap<String, Vec<String>>,
    trees: HashMap<String, Tree>,
}

/// What a walk would tell of the graph, children before parents.
fn made(graph: &[(&str, &str, &str)]) -> Made {
    let (mut trees, mut behind): (HashMap<String, Tree>, HashMap<String, Vec<String>>) =
        Default::default();
    let mut turns = Vec::new();
    for (seconds, (name, parents, changes)) in graph.iter().enumerate() {
        let parents: Vec<&str> = parents.split_whitespace().collect();
        let mut tree = parents
            .first()
            .map_or_else(Tree::new, |parent| trees[*parent].clone());
        for change in changes
            .split(';')
            .map(str::trim)
            .filter(|change| !change.is_empty())
        {
            match change.split_once(": ") {
                Some((path, text)) => tree.insert(path.to_owned(), version(text)),
                None => tree.remove(change.trim_end_matches(" -")),
            };
        }
        let mut older: Vec<String> = parents.iter().map(|parent| (*parent).to_owned()).collect();
        older.extend(parents.iter().flat_map(|parent| behind[*parent].clone()));
        let held = |path: &str| -> Vec<ParentSide> {
            let side = |it: &&str| ParentSide {
                commit: (*it).into(),
                held: trees[*it].get(path).cloned(),
            };
            parents.iter().map(side).collect()
        };
        let mut paths: Vec<String> = tree.keys().cloned().collect();
        paths.extend(
            parents
                .iter()
                .flat_map(|parent| trees[*parent].keys().cloned()),
        );
        paths.sort();
        paths.dedup();
        for path in paths {
            let (now, sides) = (tree.get(&path).cloned(), held(&path));
            if sides.is_empty() || sides.iter().any(|side| side.held != now) {
                let origin = origin(name, i64::try_from(seconds).unwrap());
                turns.insert(
                    0,
                    Turn {
                        path,
                        origin,
                        now,
                        sides,
                    },
                );
            }
        }
        behind.insert((*name).to_owned(), older);
        trees.insert((*name).to_owned(), tree);
    }
    Made {
        turns,
        behind,
        trees,
    }
}

/// What the last commit, and any before it, brought back; and what of it still holds at the end.
fn told(graph: &[(&str, &str, &str)]) -> Vec<String> {
    let Made {
        turns,
        behind,
        trees,
    } = made(graph);
    let is_behind = |older: &str, newer: &str| behind[newer].iter().any(|name| name == older);
    let lineage = Lineage::new(&turns, &is_behind);
    let returns = Returns::new(&lineage);
    let (head, ..) = graph.last().unwrap();
    let commit = |turn: usize| turns[turn].origin.commit.clone();
    let one = |one: &Return| {
        let what = match &one.what {
            Back::Reader { recipient, removal } => {
                let how = if returns.is_rotated(*removal) {
                    ""
                } else {
                    ", data key kept"
                };
                format!("{recipient}, removed in {}{how}", commit(*removal))
            }
            Back::DataKey { rotation } => format!("the data key before {}", commit(*rotation)),
            Back::Values(values) => {
                let keys = values
                    .iter()
                    .map(|(key, turn)| format!("{key} before {}", commit(*turn)));
                keys.collect::<Vec<_>>().join(", ")
            }
        };
        let open = trees[*head]
            .iter()
            .any(|(path, tip)| returns.open_at(one, head, path, tip).is_some());
        let over = if open { "" } else { " (over)" };
        format!("{}: {what}{over}", commit(one.turn))
    };
    returns.found(&|_| true).iter().map(one).collect()
}

#[test]
fn who_comes_back_through_a_merge_and_who_does_not() {
    let cases: [(&str, Graph<'_>, &[&str]); 17] = [
        (
            "a merge keeps the old side",
            &[("m", "side out", "")],
            &["m: bob, removed in out"],
        ),
        (
            "the same the other way round",
            &[("m", "out side", "f: ana bob = A1 B2")],
            &["m: bob, removed in out"],
        ),
        (
            "a merge keeps the side of the removal",
            &[("m", "out side", "")],
            &[],
        ),
        (
            "the branch takes the removal over",
            &[("m", "side out", "f: ana = A11 B12")],
            &[],
        ),
        (
            "a merge makes a version that no side has",
            &[("m", "out side", "f: ana bob = A11 B13")],
            &["m: bob, removed in out"],
        ),
        (
            "no side lets him read, and the merge does",
            &[
                ("in", "side out", "f: ana = A11 B12"),
                ("m", "out in", "f: ana bob = A11 B12"),
            ],
            &["m: bob, removed in out"],
        ),
        (
            "he is added after the removal, and the branch merges that",
            &[
                ("hired", "out", "f: ana bob = A11 B12"),
                ("m", "side hired", "f: ana bob = A11 B12"),
            ],
            &[],
        ),
        (
            "he is added under a newer data key",
            &[
                ("hired", "out", "f: ana bob = A21 B22"),
                ("m", "side hired", "f: ana bob = A21 B22"),
            ],
            &[],
        ),
        (
            "a branch from the time without him merges the one that added him",
            &[
                ("gap", "out", "notes: y ="),
                ("hired", "out", "f: ana bob = A11 B12"),
                ("m", "gap hired", "f: ana bob = A11 B12"),
            ],
            &[],
        ),
        (
            "a branch that never heard of the removal adds him itself",
            &[
                ("own", "side", "f: ana = A1 B2"),
                ("back", "own", "f: ana bob = A1 B2"),
                ("m", "out back", "f: ana bob = A1 B2"),
            ],
            &["m: bob, removed in out"],
        ),
        (
            "a long-lived branch is merged again and again",
            &[
                ("one", "out side", ""),
                ("more", "side", "f: ana bob = A1 B3"),
                ("two", "one more", "f: ana = A11 B13"),
                ("three", "more two", "f: ana = A11 B13"),
            ],
            &[],
        ),
        (
            "a release branch is merged forward, key by key",
            &[
                ("fix", "side", "f: ana bob = A3 B2"),
                ("m", "out fix", "f: ana = A13 B12"),
            ],
            &[],
        ),
        (
            "a release branch is merged forward as it is",
            &[
                ("fix", "side", "f: ana bob = A3 B2"),
                ("m", "out fix", "f: ana bob = A3 B2"),
            ],
            &["m: bob, removed in out"],
        ),
        (
            "a branch adds somebody who never was there",
            &[
                ("carol", "side", "f: ana bob carol = A1 B2"),
                ("m", "out carol", "f: ana carol = A11 B12"),
            ],
            &[],
        ),
        (
            "a branch from before somebody was added",
            &[
                ("carol", "out", "f: ana carol = A11 B12"),
                ("m", "side carol", "f: ana carol = A11 B12"),
            ],
            &[],
        ),
        (
            "an octopus keeps the old side",
            &[("c", "base", "other: x ="), ("m", "side c out", "")],
            &["m: bob, removed in out"],
        ),
        (
            "an octopus keeps the removal",
            &[("c", "base", "other: x ="), ("m", "out c side", "")],
            &[],
        ),
    ];
    for (name, rest, expected) in cases {
        assert_eq!(told(&[START, rest].concat()), expected, "{name}");
    }
}

#[test]
fn a_return_is_told_once_and_until_it_ends() {
    let cases: [(&str, Graph<'_>, &[&str]); 3] = [
        (
            "a merge carries on what the one before it did, and is no return of its own",
            &[("m", "side out", ""), ("n", "out m", "f: ana bob = A1 B2")],
            &["m: bob, removed in out"],
        ),
        (
            "he is removed again",
            &[("m", "side out", ""), ("again", "m", "f: ana = A21 B22")],
            &["m: bob, removed in out (over)"],
        ),
        (
            "he is removed again and then added",
            &[
                ("m", "side out", ""),
                ("again", "m", "f: ana = A21 B22"),
                ("hired", "again", "f: ana bob = A21 B22"),
            ],
            &["m: bob, removed in out (over)"],
        ),
    ];
    for (name, rest, expected) in cases {
        assert_eq!(told(&[START, rest].concat()), expected, "{name}");
    }
}

#[test]
fn a_commit_with_one_parent_is_judged_by_its_data_key() {
    let cases: [(&str, Graph<'_>, &[&str]); 15] = [
        (
            "a revert of the removal",
            &[("c", "out", "f: ana bob = A1 B2")],
            &["c: bob, removed in out"],
        ),
        (
            "a change of the old branch is picked as a whole file",
            &[
                ("fix", "side", "f: ana bob = A3 B2"),
                ("c", "out", "f: ana bob = A3 B2"),
            ],
            &["c: bob, removed in out"],
        ),
        (
            "the same, taken over under the new data key",
            &[
                ("fix", "side", "f: ana bob = A3 B2"),
                ("c", "out", "f: ana = A13 B12"),
            ],
            &[],
        ),
        (
            "a squash of the old branch",
            &[
                ("fix", "side", "f: ana bob = A3 B2"),
                ("c", "out", "f: ana bob = A3 B2; notes: x ="),
            ],
            &["c: bob, removed in out"],
        ),
        (
            "the old version under another name",
            &[("c", "out", "f -; g: ana bob = A1 B2")],
            &["c: bob, removed in out"],
        ),
        (
            "the old version beside the new one",
            &[("c", "out", "g: ana bob = A1 B2")],
            &["c: bob, removed in out"],
        ),
        (
            "he is added under the data key of the removal",
            &[("c", "out", "f: ana bob = A11 B12")],
            &[],
        ),
        (
            "he is added under a newer data key",
            &[("c", "out", "f: ana bob = A21 B22")],
            &[],
        ),
        (
            "a plain rotation is undone",
            &[
                ("r", "side", "f: ana bob = A21 B22"),
                ("c", "r", "f: ana bob = A1 B2"),
            ],
            &["c: the data key before r"],
        ),
        (
            "a plain rotation that came by a merge is undone",
            &[
                ("r", "side", "f: ana bob = A21 B22"),
                ("m", "side r", "f: ana bob = A21 B22"),
                ("c", "m", "f: ana bob = A1 B2"),
            ],
            &["c: the data key before r"],
        ),
        (
            "a version from before a plain rotation, whose reader was removed after it",
            &[
                ("r", "side", "f: ana bob = A21 B22"),
                ("x", "r", "f: ana = A31 B32"),
                ("c", "x", "f: ana bob = A1 B2"),
            ],
            &["c: bob, removed in x"],
        ),
        (
            "a removal that kept the data key, and its end",
            &[
                ("x", "side", "f: ana = A1 B2"),
                ("r", "x", "f: ana = A21 B22"),
                ("c", "r", "f: ana bob = A1 B2"),
            ],
            &["c: bob, removed in x, data key kept"],
        ),
        (
            "he is back under the data key that a removal kept",
            &[
                ("x", "side", "f: ana = A1 B2"),
                ("c", "x", "f: ana bob = A1 B2"),
            ],
            &[],
        ),
        (
            "the removal on a branch that is not behind the commit",
            &[("c", "side", "f: ana bob = A3 B2")],
            &[],
        ),
        (
            "a value is set back",
            &[
                ("v", "out", "f: ana = A13 B12"),
                ("c", "v", "f: ana = A11 B12"),
            ],
            &[],
        ),
    ];
    for (name, rest, expected) in cases {
        assert_eq!(told(&[START, rest].concat()), expected, "{name}");
    }
}

#[test]
fn a_file_is_followed_under_its_names() {
    let cases: [(&str, Graph<'_>, &[&str]); 8] = [
        (
            "renamed after the removal, and the merge keeps the old one",
            &[("mv", "out", "f -; g: ana = A11 B12"), ("m", "side mv", "")],
            &["m: bob, removed in out"],
        ),
        (
            "renamed on the branch, and the merge keeps that",
            &[
                ("mv", "side", "f -; g: ana bob = A1 B2"),
                ("m", "mv out", ""),
            ],
            &["m: bob, removed in out"],
        ),
        (
            "renamed and removed from with a new data key in one commit",
            &[("x", "base", "f -; g: ana = A21 B22"), ("m", "side x", "")],
            &["m: bob, removed in x"],
        ),
        (
            "renamed, and the merge takes it over",
            &[("mv", "out", "f -; g: ana = A11 B12"), ("m", "mv side", "")],
            &[],
        ),
        (
            "another file took the name, and has other readers",
            &[
                ("mv", "base", "f -; g: ana bob = A1 B2"),
                ("x", "mv", "g: ana = A21 B22"),
                ("new", "x", "f: ana bob = X31"),
                ("early", "x", "f: ana = X41"),
                ("m", "early new", "f: ana bob = X31"),
            ],
            &[],
        ),
        (
            "the file was deleted where he had been removed, and the merge keeps it",
            &[("rm", "out", "f -"), ("m", "side rm", "")],
            &["m: bob, removed in out"],
        ),
        (
            "the file was deleted, and nobody was removed",
            &[("rm", "base", "f -"), ("m", "side rm", "")],
            &[],
        ),
        (
            "a copy that lets him read stood there before",
            &[
                ("copy", "side", "g: ana bob = A1 B2"),
                ("x", "copy", "f: ana = A21 B22"),
                ("c", "x", "h: ana bob = A1 B2"),
            ],
            &[],
        ),
    ];
    for (name, rest, expected) in cases {
        assert_eq!(told(&[START, rest].concat()), expected, "{name}");
    }
}

#[test]
fn a_removal_that_was_picked_elsewhere_is_the_same_removal() {
    // `x2` is `out` on another branch (a rebase, a squash, a backport)
    let picked: Graph<'_> = &[
        ("x2", "side", "f: ana = A11 B12"),
        ("hired", "out", "f: ana bob = A11 B12"),
        ("m", "x2 hired", "f: ana bob = A11 B12"),
    ];
    assert_eq!(told(&[START, picked].concat()), [""; 0]);
    let rebased: Graph<'_> = &[("work", "out", "notes: y ="), ("m", "work x2", "")];
    assert_eq!(told(&[START, &picked[..1], rebased].concat()), [""; 0]);
}

#[test]
fn a_value_that_was_replaced_comes_back_by_a_merge() {
    let set: Graph<'_> = &[
        ("base", "", "f: ana bob = A1 B2"),
        ("set", "base", "f: ana bob = A3 B2"),
        ("side", "base", "notes: x ="),
    ];
    let cases: [(&str, Graph<'_>, &[&str]); 10] = [
        (
            "a merge keeps the old value",
            &[("m", "side set", "")],
            &["m: A before set"],
        ),
        (
            "a merge takes the new value",
            &[("m", "side set", "f: ana bob = A3 B2")],
            &[],
        ),
        (
            "a merge of two changes",
            &[
                ("b", "side", "f: ana bob = A1 B4"),
                ("m", "b set", "f: ana bob = A3 B4"),
            ],
            &[],
        ),
        (
            "a conflict that takes one of both",
            &[
                ("b", "side", "f: ana bob = A5 B2"),
                ("m", "set b", "f: ana bob = A5 B2"),
            ],
            &[],
        ),
        (
            "the old value was set again before",
            &[
                ("again", "set", "f: ana bob = A1 B2"),
                ("late", "set", ""),
                ("m", "late again", "f: ana bob = A1 B2"),
            ],
            &[],
        ),
        (
            "a rotation is undone",
            &[("r", "set", "f: ana bob = A21 B22"), ("m", "side r", "")],
            &["m: A before set, B before r"],
        ),
        (
            "one value is replaced later",
            &[("m", "side set", ""), ("end", "m", "f: ana bob = A7 B2")],
            &["m: A before set (over)"],
        ),
        (
            "a value that was taken away",
            &[("rm", "side", "f: ana bob = B2"), ("m", "set rm", "")],
            &[],
        ),
        (
            "a new value of a branch",
            &[
                ("b", "side", "f: ana bob = A1 B2 C9"),
                ("m", "set b", "f: ana bob = A3 B2 C9"),
            ],
            &[],
        ),
        (
            "a commit sets the old value",
            &[("c", "set", "f: ana bob = A1 B2")],
            &[],
        ),
    ];
    for (name, rest, expected) in cases {
        assert_eq!(told(&[set, rest].concat()), expected, "{name}");
    }
}
