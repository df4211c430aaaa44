//! Where bytes go in and out of a `.sops.yaml`, in the layout that its author chose.
//!
//! Every function answers `None` where it is not sure; the caller then asks for an edit by hand.

use std::ops::Range;

use sops_document::tree::{Entry, Node, Value};

use super::anchors::body;
use super::remarks::{Manner, above};

/// One replacement in a text.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) insert: String,
}

impl Splice {
    pub(super) fn apply(&self, text: &str) -> String {
        [
            &text[..self.range.start],
            &self.insert,
            &text[self.range.end..],
        ]
        .concat()
    }
}

/// Several replacements, which must not overlap.
pub(super) fn apply_all(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| std::cmp::Reverse(splice.range.start));
    splices
        .iter()
        .fold(text.to_owned(), |text, splice| splice.apply(&text))
}

/// The line ending of a text: that of its first line.
pub(super) fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |at| at + 1)
}

/// Behind the line break of the line that holds `at`.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |found| at + found + 1)
}

/// `  - ` when an item of a block list starts its own line.
pub(super) fn dash<'a>(text: &'a str, item: &Range<usize>) -> Option<&'a str> {
    let prefix = &text[line_start(text, item.start)..item.start];
    (prefix.trim() == "-" && !prefix.contains('\t')).then_some(prefix)
}

/// The length of the line break at the end of a text.
fn line_break(text: &str) -> usize {
    [("\r\n", 2), ("\n", 1)]
        .into_iter()
        .find(|(end, _)| text.ends_with(end))
        .map_or(0, |(_, length)| length)
}

/// Adds whole lines, and the line break that the last line of a file may lack.
pub(super) fn insert_lines(text: &str, at: usize, lines: &str) -> Splice {
    let newline = newline(text);
    let insert = if at > 0 && !text[..at].ends_with('\n') {
        format!("{newline}{}", lines.strip_suffix(newline).unwrap_or(lines))
    } else {
        lines.to_owned()
    };
    Splice {
        range: at..at,
        insert,
    }
}

/// What stands at the end of a list or string of recipients when one is added.
pub(super) struct Addition<'a> {
    /// The recipient itself.
    pub(super) recipient: &'a str,
    /// How a list names it: `age1…`, `*ravi` or `&ravi age1…`.
    pub(super) item: &'a str,
    /// Whose it is, for an author who writes that in comments.
    pub(super) name: Option<&'a str>,
}

/// Adds a recipient at the end of a list or string of recipients, or of a map from names to keys.
pub(super) fn append(text: &str, node: &Node, new: &Addition<'_>) -> Option<Splice> {
    match (&node.value, first_byte(text, node)?) {
        (Value::List(_), b'-') => append_line(text, node, new),
        (Value::List(_), b'[') | (Value::Map(_), b'{') => append_flow(text, node, new),
        (Value::Map(_), first) if first != b'!' => append_line(text, node, new),
        (Value::Leaf(_), first) if !matches!(first, b'*' | b'!') => {
            let places = places(text, &body(text, node)?, node.text()?)?;
            let last = places.last()?;
            let separator = separator(text, &places).unwrap_or_else(|| {
                let start = line_start(text, last.start);
                let indent = &text[start..last.start];
                if start > node.span.start && indent.trim().is_empty() {
                    format!(",{}{indent}", newline(text))
                } else {
                    ",".into()
                }
            });
            Some(Splice {
                range: last.end..last.end,
                insert: separator + new.recipient,
            })
        }
        // a tagged node: no author writes one here
        _ => None,
    }
}

fn spans(node: &Node) -> Vec<Range<usize>> {
    node.entries().map(|entry| entry.span.clone()).collect()
}

fn append_line(text: &str, node: &Node, new: &Addition<'_>) -> Option<Splice> {
    let spans = spans(node);
    let last = spans.last()?;
    let prefix = &text[line_start(text, last.start)..last.start];
    let is_map = node.is_map() && prefix.trim().is_empty();
    if text[last.clone()].contains('\n')
        || prefix.contains('\t')
        || !(is_map || dash(text, last).is_some())
    {
        return None;
    }
    let line = format!("{prefix}{}{}", key(node, new)?, new.item);
    let lines = match (Manner::of(text, &spans), new.name) {
        (Manner::Behind, Some(name)) => format!("{line} # {name}{}", newline(text)),
        (Manner::Above, Some(name)) => {
            let indent = &prefix[..prefix.len() - prefix.trim_start().len()];
            format!("{indent}# {name}{0}{line}{0}", newline(text))
        }
        _ => line + newline(text),
    };
    Some(insert_lines(text, next_line(text, last.end), &lines))
}

/// What stands before an item of a map from names to keys; nothing in a list.
fn key(node: &Node, new: &Addition<'_>) -> Option<String> {
    if !node.is_map() {
        return Some(String::new());
    }
    let name = new.item.strip_prefix('&')?.split(' ').next()?;
    Some(format!("{name}: "))
}

fn append_flow(text: &str, node: &Node, new: &Addition<'_>) -> Option<Splice> {
    let places = spans(node);
    let Some(last) = places.last() else {
        let at = body(text, node)?.start + 1;
        return Some(Splice {
            range: at..at,
            insert: new.item.to_owned(),
        });
    };
    let quote = text[last.clone()]
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''));
    let quote = quote
        .filter(|_| new.item == new.recipient)
        .map(String::from)
        .unwrap_or_default();
    let item = format!("{}{quote}{}{quote}", key(node, new)?, new.item);
    let Some(comma) = own_line(text, last) else {
        let separator = separator(text, &places).unwrap_or_else(|| ", ".into());
        return Some(Splice {
            range: last.end..last.end,
            insert: format!("{separator}{item}"),
        });
    };
    let name = new
        .name
        .filter(|_| Manner::of(text, &places) == Manner::Behind);
    let name = name.map(|name| format!(" # {name}")).unwrap_or_default();
    let end = next_line(text, last.end);
    let indent = &text[line_start(text, last.start)..last.start];
    let (before, after) = if comma { ("", ",") } else { (",", "") };
    let rest = &text[last.end..end];
    Some(Splice {
        range: last.end..end,
        insert: format!("{before}{rest}{indent}{item}{after}{name}{}", newline(text)),
    })
}

/// Whether an item in brackets has its line to itself, and then whether a comma follows it.
fn own_line(text: &str, item: &Range<usize>) -> Option<bool> {
    let start = line_start(text, item.start);
    let rest = text[item.end..next_line(text, item.end)].trim();
    let (comma, rest) = rest
        .strip_prefix(',')
        .map_or((false, rest), |rest| (true, rest.trim_start()));
    let alone = text[start..item.end].trim() == &text[item.clone()]
        && (rest.is_empty() || rest.starts_with('#'));
    (alone && text[item.end..].contains('\n')).then_some(comma)
}

/// What stands between the last two, when that is one comma and blanks.
fn separator(text: &str, places: &[Range<usize>]) -> Option<String> {
    let [.., before, last] = places else {
        return None;
    };
    let between = text.get(before.end..last.start)?;
    let plain = between.trim() == ",";
    plain.then(|| between.to_owned())
}

/// Takes the first occurrence of a recipient out of a list or string of recipients. What an alias
/// stands for is not looked into: it may stand for one recipient alone.
pub(super) fn remove(text: &str, node: &Node, recipient: &str) -> Option<Splice> {
    match (&node.value, first_byte(text, node)?) {
        (Value::List(_), b'-' | b'[') => {
            let holds = |entry: &&Entry| {
                entry
                    .node
                    .text()
                    .is_some_and(|text| names(text).any(|n| n == recipient))
            };
            let position = node.entries().position(|entry| holds(&entry))?;
            let entry = node.entries().nth(position)?;
            if names(entry.node.text()?).count() > 1 {
                return remove_from_string(text, &entry.node, recipient);
            }
            remove_entry(text, node, position)
        }
        (Value::Leaf(_), first) if !matches!(first, b'*' | b'!') => {
            remove_from_string(text, node, recipient)
        }
        _ => None,
    }
}

/// Takes one item out of a list, or one line out of a map, with the comment that names it.
pub(super) fn remove_entry(text: &str, node: &Node, position: usize) -> Option<Splice> {
    let spans = spans(node);
    let span = spans.get(position)?;
    let lines = line_start(text, span.start)..next_line(text, span.end);
    if matches!(first_byte(text, node)?, b'[' | b'{') {
        return match own_line(text, span) {
            Some(comma) if spans.len() == 1 || (comma && text[lines.clone()].contains('#')) => {
                Some(Splice {
                    range: lines,
                    insert: String::new(),
                })
            }
            None if spans.len() == 1 => Some(Splice {
                range: span.clone(),
                insert: String::new(),
            }),
            _ => cut(text, &spans, position),
        };
    }
    let prefix = &text[lines.start..span.start];
    let is_alone = if node.is_map() {
        prefix.trim().is_empty()
    } else {
        dash(text, span).is_some()
    };
    if !is_alone || text[span.clone()].contains('\n') {
        return None;
    }
    let comment = above(text, span).filter(|_| Manner::of(text, &spans) == Manner::Above);
    let start = comment.map_or(lines.start, |(comment, _)| comment.start);
    // a file that ends without a line break goes on doing so
    let is_open = lines.end == text.len() && !text.ends_with('\n');
    let start = if is_open {
        start - line_break(&text[..start])
    } else {
        start
    };
    Some(Splice {
        range: start..lines.end,
        insert: String::new(),
    })
}

fn remove_from_string(text: &str, node: &Node, recipient: &str) -> Option<Splice> {
    let position = names(node.text()?).position(|name| name == recipient)?;
    cut(
        text,
        &places(text, &body(text, node)?, node.text()?)?,
        position,
    )
}

/// Takes one place out, with the separator that follows it or, for the last, precedes it.
fn cut(text: &str, places: &[Range<usize>], position: usize) -> Option<Splice> {
    let place = places.get(position)?;
    let range = match (places.get(position + 1), position.checked_sub(1)) {
        (Some(next), _) => place.start..next.start,
        (None, Some(before)) => places[before].end..place.end,
        (None, None) => return None,
    };
    let removed = text.get(range.clone())?;
    (!removed.contains('#')).then(|| Splice {
        range,
        insert: String::new(),
    })
}

/// Where each recipient of a string stands in the text; only separators and quotes may stand
/// between.
fn places(text: &str, span: &Range<usize>, value: &str) -> Option<Vec<Range<usize>>> {
    let mut cursor = span.start;
    let mut places = Vec::new();
    for name in names(value) {
        let start = cursor + text.get(cursor..span.end)?.find(name)?;
        if !is_gap(&text[cursor..start]) {
            return None;
        }
        cursor = start + name.len();
        places.push(start..cursor);
    }
    is_gap(&text[cursor..span.end]).then_some(places)
}

fn is_gap(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_whitespace() || ",\"'>|-+".contains(c))
}

fn names(value: &str) -> impl Iterator<Item = &str> {
    super::split(value)
}

fn first_byte(text: &str, node: &Node) -> Option<u8> {
    text.as_bytes().get(body(text, node)?.start).copied()
}
