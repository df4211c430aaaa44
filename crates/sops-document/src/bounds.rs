//! What a tree must not be: ambiguous, or out of proportion to its text.

use std::collections::HashSet;
use std::ops::Range;

use crate::tree::{Entry, Item, Node, SyntaxError, Tree, Value};

/// The first entry whose key an earlier one has.
pub(crate) fn duplicate(items: &[Item]) -> Option<(&str, &Range<usize>)> {
    let mut names = HashSet::with_capacity(items.len());
    items.iter().find_map(|item| match item {
        Item::Entry(Entry {
            key: Some(key),
            key_span,
            ..
        }) if !names.insert(key.as_str()) => Some((key.as_str(), key_span)),
        _ => None,
    })
}

/// What the paths of all values of a tree may take up: bytes, with a share for each step. A long
/// key above many values costs its length once a value.
///
/// # Errors
/// [`SyntaxError`] when a text asks for far more than its own length.
pub(crate) fn check_paths(source: &str, tree: &Tree) -> Result<(), SyntaxError> {
    const STEP: usize = 32;
    fn cost(node: &Node, path: usize) -> usize {
        let (Value::Map(items) | Value::List(items)) = &node.value else {
            return path;
        };
        items.iter().fold(path, |sum, item| match item {
            Item::Entry(entry) => {
                let length = entry.key.as_ref().map_or(0, String::len) + STEP;
                sum.saturating_add(cost(&entry.node, path.saturating_add(length)))
            }
            Item::Comment(_) => sum.saturating_add(path),
        })
    }
    let most = (16 << 20) + source.len().saturating_mul(16);
    let all = tree
        .documents
        .iter()
        .fold(0, |sum: usize, root| sum.saturating_add(cost(root, 0)));
    if all > most {
        return Err(SyntaxError {
            line: 1,
            what: "values whose paths are out of all proportion".into(),
        });
    }
    Ok(())
}
