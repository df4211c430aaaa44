//! Aliases replaced by what they stand for, everything else as the author wrote it.

use zeroize::Zeroizing;

use super::emit::{block_items, scalar_inline};
use crate::splice::splice;
use crate::tree::{Entry, Node, Scalar, Style, Tree, Value, line_start};

/// Columns a level of what is written out.
const UNIT: usize = 4;

/// The text without aliases.
pub(super) fn write_out(source: &str, tree: &Tree) -> Zeroizing<String> {
    let mut edits = Vec::new();
    for document in &tree.documents {
        visit(source, document, false, &mut |entry, flow| {
            edits.push((
                entry.node.span.clone(),
                Zeroizing::new(replacement(source, entry, flow)),
            ));
        });
    }
    splice(source, edits)
}

fn visit(source: &str, node: &Node, flow: bool, found: &mut dyn FnMut(&Entry, bool)) {
    let flow = flow || source[node.span.start..].starts_with(['{', '[']);
    for entry in node.entries() {
        if source[entry.node.span.start..].starts_with('*') {
            found(entry, flow);
        } else {
            visit(source, &entry.node, flow, found);
        }
    }
}

fn replacement(source: &str, entry: &Entry, flow: bool) -> String {
    let node = &entry.node;
    let (Value::Map(items) | Value::List(items)) = &node.value else {
        return in_line(node, flow);
    };
    let shares_line = || {
        !source[node.span.end..]
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .is_empty()
    };
    if flow || items.is_empty() || shares_line() {
        return in_line(node, true);
    }
    let column = |at: usize| source[line_start(source, at)..at].chars().count();
    let text = match &entry.key {
        Some(_) => {
            let column = column(entry.key_span.start) + UNIT;
            format!("\n{}", block_items(items, column, UNIT, false))
        }
        None => block_items(items, column(node.span.start), UNIT, true),
    };
    text.trim_end_matches('\n').to_owned()
}

fn in_line(node: &Node, flow: bool) -> String {
    let member = |entry: &Entry| {
        let value = in_line(&entry.node, true);
        match &entry.key {
            Some(key) => format!("{}: {value}", scalar_inline(&Scalar::str(key), Style::Flow)),
            None => value,
        }
    };
    let members = || node.entries().map(member).collect::<Vec<_>>().join(", ");
    match &node.value {
        Value::Leaf(leaf) => {
            scalar_inline(&leaf.scalar, if flow { Style::Flow } else { Style::Plain })
        }
        Value::Map(_) => format!("{{{}}}", members()),
        Value::List(_) => format!("[{}]", members()),
    }
}
