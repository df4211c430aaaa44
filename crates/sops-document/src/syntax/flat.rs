//! Metadata under joined names, `age__list_0__map_enc`: what dotenv and INI make of lists and maps.

use crate::block::{NewBlock, THRESHOLD};
use crate::metadata::WrappedKey;
use crate::metadata::types::{Kind, TypeReading};
use crate::other_key::KEY_SOURCES;
use crate::tree::{Entry, Item, Node, Value};
use crate::wrapped::Wrapped;

/// The joined names of a list of stanzas, with their texts.
pub(super) fn age(list: &str, age: &[WrappedKey]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (index, key) in age.iter().enumerate() {
        fields.push((format!("{list}__list_{index}__map_enc"), key.enc.clone()));
        fields.push((
            format!("{list}__list_{index}__map_recipient"),
            key.recipient.clone(),
        ));
    }
    fields
}

/// The stanzas of a new document.
pub(super) fn stanzas(new: &NewBlock<'_>) -> Vec<(String, String)> {
    match new.wrapped {
        Wrapped::Whole(stanzas) => age(&age_list(None), stanzas),
        Wrapped::Groups(groups) => {
            let groups = groups.iter().enumerate();
            let mut fields: Vec<_> = groups
                .flat_map(|(at, group)| age(&age_list(Some(at)), group))
                .collect();
            fields.push((THRESHOLD.to_owned(), new.threshold.to_string()));
            fields
        }
    }
}

/// The joined name of the stanzas of a document, or of one key group.
pub(super) fn age_list(group: Option<usize>) -> String {
    group.map_or("age".to_owned(), |at| {
        format!("key_groups__list_{at}__map_age")
    })
}

/// How sops takes a field whose value is text in any case: only a number has to look like one.
pub(super) fn reading(kind: Kind, node: &Node) -> TypeReading {
    let is_index = |entry: &Entry| {
        entry
            .key
            .as_deref()
            .is_some_and(|key| key.parse::<usize>().is_ok())
    };
    let is_same = match (kind, &node.value) {
        (Kind::Text | Kind::Truth, Value::Leaf(_)) | (Kind::Map, Value::Map(_)) => true,
        (Kind::List, Value::Map(_)) => node.entries().all(is_index),
        (Kind::Number, Value::Leaf(leaf)) => leaf.scalar.as_text().is_some_and(is_whole),
        _ => false,
    };
    if is_same {
        TypeReading::Same
    } else {
        TypeReading::Refused
    }
}

/// Old versions wrote `2.0`.
fn is_whole(text: &str) -> bool {
    text.parse::<i64>().is_ok()
        || text
            .parse::<f64>()
            .is_ok_and(|number| number.fract() == 0.0)
}

/// The first line behind an offset that holds a key of another kind than age.
pub(super) fn first_of_others(
    source: &str,
    mut offset: usize,
    prefix: &str,
) -> Option<std::ops::Range<usize>> {
    for line in source[offset..].split_inclusive('\n') {
        let name = line
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once("__list_"));
        if name.is_some_and(|(name, _)| KEY_SOURCES.contains(&name)) {
            return Some(offset..offset + line.len());
        }
        offset += line.len();
    }
    None
}

/// Names nest at most this deep in any file that sops writes; deeper ones are left alone.
const MAX_NESTING: usize = 8;

/// Puts a value under the maps and lists that its joined name says.
pub(super) fn graft(node: &mut Node, name: &str, leaf: &Entry, depth: usize) {
    let Value::Map(items) = &mut node.value else {
        return;
    };
    let Some(at) = [name.find("__list_"), name.find("__map_")]
        .into_iter()
        .flatten()
        .min()
    else {
        return items.push(Item::Entry(Entry {
            key: Some(name.to_owned()),
            ..leaf.clone()
        }));
    };
    let (head, rest) = name.split_at(at);
    let rest = rest
        .trim_start_matches("__list_")
        .trim_start_matches("__map_");
    let is_head =
        |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_deref() == Some(head));
    let position = items.iter().position(is_head).unwrap_or_else(|| {
        let node = Node {
            span: leaf.span.clone(),
            value: Value::Map(Vec::new()),
        };
        items.push(Item::Entry(Entry {
            key: Some(head.to_owned()),
            node,
            ..leaf.clone()
        }));
        items.len() - 1
    });
    if let Item::Entry(entry) = &mut items[position]
        && depth < MAX_NESTING
    {
        entry.span.end = leaf.span.end;
        entry.node.span.end = leaf.span.end;
        graft(&mut entry.node, rest, leaf, depth + 1);
    }
}
