//! Members of braces and brackets, with the commas between them: JSON, and YAML in flow style.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{EntryInContext, Gap, Page};
use crate::splice::Edit;
use crate::tree::{Entry, Node, Scalar, Step, Value, line_start};

/// The bytes to cut so that the member at `index` of the object `node` is gone, comma included.
pub(crate) fn member_range(source: &str, node: &Node, index: usize) -> Range<usize> {
    let entries: Vec<&Entry> = node.entries().collect();
    match (index.checked_sub(1), entries.get(index + 1)) {
        (Some(before), _) => entries[before].span.end..entries[index].span.end,
        (None, Some(after)) => entries[index].span.start..after.span.start,
        (None, None) => {
            let inner = node.span.start + 1..node.span.end.saturating_sub(1);
            if source[inner.clone()].trim().is_empty() {
                inner.start..inner.start
            } else {
                inner
            }
        }
    }
}

/// Puts a member behind the others, on a line of its own where they have one.
pub(super) fn insert(
    page: &Page<'_>,
    gap: &Gap<'_>,
    text: &str,
    key: &dyn Fn(&str) -> String,
) -> Edit {
    let (source, container) = (page.source, gap.container);
    let member = member(&gap.path.0[gap.depth..], text, key);
    let at_root = page
        .tree
        .documents
        .first()
        .is_some_and(|root| root.span == container.span);
    if let Some(last) = container.entries().last() {
        let start = line_start(source, last.span.start);
        let margin = &source[start..last.span.start];
        let own_line = margin.trim().is_empty() && start > container.span.start;
        let lead = if own_line {
            format!(",\n{margin}")
        } else {
            ", ".to_owned()
        };
        return (
            last.span.end..last.span.end,
            Zeroizing::new(format!("{lead}{member}")),
        );
    }
    if at_root {
        let start = page.block.start;
        let before = source[..start]
            .trim_end_matches([' ', '\t', '\n', '\r'])
            .len();
        return (
            start..start,
            Zeroizing::new(format!("{member},{}", &source[before..start])),
        );
    }
    let at = container.span.start + 1;
    (at..container.span.end - 1, Zeroizing::new(member))
}

/// `"a": {"b": text}` for the steps a, b.
fn member(steps: &[Step], text: &str, key: &dyn Fn(&str) -> String) -> String {
    let Some((first, rest)) = steps.split_first() else {
        return text.to_owned();
    };
    let inner = match rest.first() {
        None => text.to_owned(),
        Some(Step::Key(_)) => format!("{{{}}}", member(rest, text, key)),
        Some(Step::Index(_)) => format!("[{}]", member(rest, text, key)),
    };
    match first {
        Step::Key(name) => format!("{}: {inner}", key(name)),
        Step::Index(_) => inner,
    }
}

/// A map or list on one line, in place of a value.
pub(super) fn replace(
    source: &str,
    entry: &Entry,
    node: &Node,
    text: &dyn Fn(&Scalar) -> String,
) -> Edit {
    let mut out = Zeroizing::new(String::new());
    if !source[..entry.node.span.start].ends_with([' ', '\t', '\n', '[', ',']) {
        out.push(' ');
    }
    on_one_line(node, text, &mut out);
    (entry.node.span.clone(), out)
}

fn on_one_line(node: &Node, text: &dyn Fn(&Scalar) -> String, out: &mut String) {
    let (open, close) = match &node.value {
        Value::Leaf(leaf) => return out.push_str(&text(&leaf.scalar)),
        Value::Map(_) => ('{', '}'),
        Value::List(_) => ('[', ']'),
    };
    out.push(open);
    for (position, entry) in node.entries().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        if let Some(key) = &entry.key {
            out.push_str(&text(&Scalar::str(key)));
            out.push_str(": ");
        }
        on_one_line(&entry.node, text, out);
    }
    out.push(close);
}

pub(super) fn remove(page: &Page<'_>, found: &EntryInContext<'_>) -> Edit {
    let (parent, entry) = (found.parent, found.entry);
    let position = parent
        .entries()
        .position(|other| other.span == entry.span)
        .unwrap_or(0);
    let last = position + 1 == parent.entries().count();
    let at_root = page
        .tree
        .documents
        .first()
        .is_some_and(|root| root.span == parent.span);
    // at the top level the metadata follows the last value, so the comma behind it goes
    let range = if at_root && last && position == 0 && page.block.start > entry.span.start {
        entry.span.start..page.block.start
    } else {
        member_range(page.source, parent, position)
    };
    (range, Zeroizing::default())
}

/// `inside` up to its closing brace, with one more member.
pub(super) fn member_before(inside: &str, member: &str) -> String {
    let inside = inside.trim_end();
    let comma = if inside.ends_with('{') { "" } else { "," };
    format!("{inside}{comma}\n{}\n", with_unit(member))
}

/// The member at the column of its closing brace.
pub(super) fn with_unit(member: &str) -> String {
    let line = member.lines().last().unwrap_or_default();
    format!("{}{member}", &line[..line.len() - line.trim_start().len()])
}
