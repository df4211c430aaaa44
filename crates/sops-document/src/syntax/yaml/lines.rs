//! Values of block style, which have lines of their own.

use std::ops::Range;

use zeroize::Zeroizing;

use super::emit::{block_items, key_text, scalar_text};
use crate::merge::indent_of;
use crate::splice::{Edit, next_line, whole_lines};
use crate::syntax::{EntryInContext, Gap, Page};
use crate::tree::{Entry, Leaf, Node, Step, Style, Value, line_start};

/// Columns that a literal block is indented below its key.
const BLOCK_INDENT: usize = 4;

const NEIGHBOURS: &str = "cannot be removed without touching its neighbours: use stax secrets edit";
const COMMENTS: &str = "its container would be left with comments alone: use stax secrets edit";

/// A text of several lines as a literal block; `None` where that cannot stand in place of its
/// token.
pub(super) fn shown_block(
    source: &str,
    span: &Range<usize>,
    leaf: &Leaf,
) -> Option<Zeroizing<String>> {
    let text = leaf.scalar.as_text().filter(|text| text.contains('\n'))?;
    if leaf.style != Style::Plain || text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        return None;
    }
    let indent = block_column(source, span)? + BLOCK_INDENT;
    Some(Zeroizing::new(scalar_text(
        &leaf.scalar,
        indent,
        BLOCK_INDENT,
    )))
}

/// The column of the entry whose value stands at `span`; `None` where a block scalar cannot stand:
/// something follows on the line, or the value has a line of its own.
fn block_column(source: &str, span: &Range<usize>) -> Option<usize> {
    let rest = &source[span.end..];
    let line_end = rest.find('\n').unwrap_or(rest.len());
    let start = line_start(source, span.start);
    let prefix = &source[start..span.start];
    if !rest[..line_end].trim().is_empty() || prefix.trim().is_empty() {
        return None;
    }
    let mut column = prefix.len() - prefix.trim_start_matches(' ').len();
    while let Some(after) = prefix[column..].strip_prefix('-') {
        let inner = after.trim_start_matches(' ');
        if inner.is_empty() || inner.len() == after.len() {
            break;
        }
        column += 1 + after.len() - inner.len();
    }
    Some(column)
}

/// Lines behind the last entry of a container.
pub(super) fn insert(page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Edit {
    let (source, container) = (page.source, gap.container);
    let newline = if source.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let block = page.block.start;
    let (at, column) = match container.entries().last() {
        // at the top level right before the metadata, where that comes last
        Some(last) if gap.depth == 0 && block >= last.span.end => (block, 0),
        None => (block, 0),
        Some(last) => (
            next_line(source, last.span.end),
            column_of(source, container),
        ),
    };
    let is_list = matches!(container.value, Value::List(_));
    let mut out = if at > 0 && !source[..at].ends_with('\n') {
        newline.to_owned()
    } else {
        String::new()
    };
    out.push_str(&" ".repeat(column));
    out.push_str(&entry_text(
        &gap.path.0[gap.depth..],
        text,
        column,
        unit(page),
        is_list,
    ));
    (
        at..at,
        Zeroizing::new(if newline == "\n" {
            out
        } else {
            out.replace('\n', newline)
        }),
    )
}

/// Lines of a map or list in place of a value. A comment behind the value stays behind its key.
pub(super) fn replace(source: &str, entry: &Entry, node: &Node) -> Edit {
    let start = line_start(source, entry.span.start);
    let column = source[start..entry.span.start].chars().count();
    let unit = indent_of(source).yaml.unwrap_or(4);
    let (Value::Map(items) | Value::List(items)) = &node.value else {
        return (entry.node.span.clone(), Zeroizing::default());
    };
    let ends_line = source[..entry.node.span.end].ends_with('\n');
    let behind = if ends_line {
        ""
    } else {
        source[entry.node.span.end..]
            .lines()
            .next()
            .unwrap_or_default()
    };
    let end = entry.node.span.end + behind.len();
    let comment = if entry.node.leaf().is_some() {
        behind.trim_end()
    } else {
        ""
    };
    let is_empty = node.entries().next().is_none();
    let mut out = Zeroizing::new(String::new());
    let from = match (&entry.key, is_empty) {
        (_, true) => {
            out.push_str(if entry.key.is_some() { ": " } else { "" });
            out.push_str(if node.is_map() { "{}" } else { "[]" });
            out.push_str(comment);
            if entry.key.is_some() {
                entry.key_span.end
            } else {
                entry.node.span.start
            }
        }
        (Some(_), _) => {
            out.push_str(&format!(
                ":{comment}\n{}",
                block_items(items, column + unit, unit, false)
            ));
            entry.key_span.end
        }
        // the first one continues the line of the dash
        (None, _) => {
            out.push_str(&block_items(items, column, unit, true));
            entry.node.span.start
        }
    };
    if !ends_line && out.ends_with('\n') {
        out.pop();
    } else if ends_line && !out.ends_with('\n') {
        out.push('\n');
    }
    (from..end, out)
}

/// The column of the entries of a container: of its keys or its dashes.
fn column_of(source: &str, container: &Node) -> usize {
    let Some(first) = container.entries().next() else {
        return 0;
    };
    let start = line_start(source, first.span.start);
    let line = &source[start..first.span.start];
    let width = |text: &str| text.chars().count();
    match container.value {
        // the dash before the first item: the last one, where lists start in one line
        Value::List(_) => match line.rfind('-') {
            Some(dash) => width(&line[..dash]),
            None => {
                let above = source[..start].rfind('-').unwrap_or(0);
                width(&source[line_start(source, above)..above])
            }
        },
        _ => width(line),
    }
}

/// Columns a level, as the metadata has them.
fn unit(page: &Page<'_>) -> usize {
    let time = page.metadata.spans.lastmodified.as_ref();
    let line = time.map_or("", |node| {
        &page.source[line_start(page.source, node.span.start)..]
    });
    let column = line.len() - line.trim_start_matches(' ').len();
    if (1..=16).contains(&column) {
        column
    } else {
        4
    }
}

/// The lines of an entry that starts at a column, final line break included.
fn entry_text(steps: &[Step], text: &str, column: usize, unit: usize, is_list: bool) -> String {
    let (rest, head, inner) = match steps.split_first() {
        None => return format!(" {text}\n"),
        Some((Step::Key(key), rest)) if !is_list => {
            (rest, key_text(key, column, unit), column + unit)
        }
        Some((_, rest)) => (rest, "-".to_owned(), column + 2),
    };
    match rest.first() {
        None => format!("{head} {text}\n"),
        // below a dash the first key continues its line
        Some(next) if head == "-" => {
            format!(
                "- {}",
                entry_text(rest, text, inner, unit, matches!(next, Step::Index(_)))
            )
        }
        Some(next) => {
            let is_list = matches!(next, Step::Index(_));
            format!(
                "{head}\n{}{}",
                " ".repeat(inner),
                entry_text(rest, text, inner, unit, is_list)
            )
        }
    }
}

pub(super) fn remove(source: &str, found: &EntryInContext<'_>) -> Result<Edit, &'static str> {
    let (parent, entry) = (found.parent, found.entry);
    let start = line_start(source, entry.span.start);
    let margin = &source[start..entry.span.start];
    let entries: Vec<&Entry> = parent.entries().collect();
    if let (Some(owner), [_]) = (found.owner, entries.as_slice()) {
        let (Value::Map(items) | Value::List(items)) = &parent.value else {
            return Err(NEIGHBOURS);
        };
        if items.len() > 1 {
            return Err(COMMENTS);
        }
        return Ok(emptied(source, owner, parent, entry));
    }
    let dash = margin.trim_matches(' ');
    let own_lines = match entry.key {
        Some(_) => dash.is_empty(),
        None => dash == "-",
    };
    if own_lines {
        let end = entry.node.last_comment().unwrap_or(0).max(entry.span.end);
        return Ok((whole_lines(source, &(start..end)), Zeroizing::default()));
    }
    // the first entry behind a dash: the next one takes its place
    let Some(next) = entries.get(1).filter(|_| entries[0].span == entry.span) else {
        return Err(NEIGHBOURS);
    };
    if source[entry.span.end..next.span.start].contains('#') {
        return Err(NEIGHBOURS);
    }
    Ok((entry.span.start..next.span.start, Zeroizing::default()))
}

/// The only entry of a container goes: braces or brackets take its place.
fn emptied(source: &str, owner: &Entry, parent: &Node, entry: &Entry) -> Edit {
    let empty = if matches!(parent.value, Value::Map(_)) {
        "{}"
    } else {
        "[]"
    };
    let end = source[..entry.span.end]
        .trim_end_matches(['\n', '\r'])
        .len()
        .max(entry.key_span.end);
    let own_line = source[owner.key_span.end..parent.span.start].contains('\n');
    let colon = source[owner.key_span.end..]
        .find(':')
        .map(|at| owner.key_span.end + at + 1);
    match colon.filter(|_| owner.key.is_some() && own_line) {
        Some(colon) => (colon..end, Zeroizing::new(format!(" {empty}"))),
        None => (parent.span.start..end, Zeroizing::new(empty.to_owned())),
    }
}
