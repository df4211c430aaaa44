//! What an alias stands for, put where the alias stands.

use std::ops::Range;

use crate::tree::{Item, Node, Value};

/// Gives every part of an alias's copy the span of the alias; counts the nodes and their bytes.
pub(super) fn relocate(node: &mut Node, span: &Range<usize>) -> (usize, usize) {
    node.span = span.clone();
    let items = match &mut node.value {
        Value::Map(items) | Value::List(items) => items,
        Value::Leaf(leaf) => return (1, leaf.scalar.as_text().map_or(0, str::len)),
    };
    let mut total = (1, 0);
    for item in items {
        match item {
            Item::Entry(entry) => {
                entry.span = span.clone();
                entry.key_span = span.clone();
                let (nodes, bytes) = relocate(&mut entry.node, span);
                total = (
                    total.0 + nodes,
                    total.1 + bytes + entry.key.as_ref().map_or(0, String::len),
                );
            }
            Item::Comment(comment) => comment.span = span.clone(),
        }
    }
    total
}
