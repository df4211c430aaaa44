//! Where bytes go in and out of a `.sops.yaml`, in the layout that its author chose.
//!
//! Every function answers `None` where it is not sure; the caller then asks for an edit by hand.

use std::ops::Range;

use crate::sops::tree::{Entry, Node, Value};

/// One replacement in a text.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) insert: String,
}

impl Splice {
    pub(super) fn apply(&self, text: &str) -> String {
        [&text[..self.range.start], &self.insert, &text[self.range.end..]].concat()
    }
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
    text[at..].find('\n').map_or(text.len(), |found| at + found + 1)
}

/// `  - ` when an item of a block list starts its own line.
pub(super) fn dash<'a>(text: &'a str, item: &Range<usize>) -> Option<&'a str> {
    let prefix = &text[line_start(text, item.start)..item.start];
    (prefix.trim() == "-" && !prefix.contains('\t')).then_some(prefix)
}

/// Adds whole lines, and the line break that the last line of a file may lack.
pub(super) fn insert_lines(text: &str, at: usize, lines: &str) -> Splice {
    let newline = newline(text);
    let insert = if at > 0 && !text[..at].ends_with('\n') {
        format!("{newline}{}", lines.strip_suffix(newline).unwrap_or(lines))
    } else {
        lines.to_owned()
    };
    Splice { range: at..at, insert }
}

/// Adds a recipient at the end of a list or string of recipients.
pub(super) fn append(text: &str, node: &Node, recipient: &str, comment: Option<&str>) -> Option<Splice> {
    match (&node.value, first_byte(text, node)?) {
        (Value::List(_), b'-') => append_line(text, node, recipient, comment),
        (Value::List(_), b'[') => append_flow(text, node, recipient),
        (Value::Leaf(_), first) if !matches!(first, b'*' | b'&' | b'!') => {
            let places = places(text, &node.span, node.text()?)?;
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
            Some(Splice { range: last.end..last.end, insert: separator + recipient })
        }
        // an alias, an anchored or a tagged node: other places read it too
        _ => None,
    }
}

fn append_line(text: &str, node: &Node, recipient: &str, comment: Option<&str>) -> Option<Splice> {
    let last = node.entries().last()?;
    let prefix = dash(text, &last.span)?;
    if text[last.span.clone()].contains('\n') {
        return None;
    }
    let comment = comment.map(|comment| format!(" # {comment}")).unwrap_or_default();
    let line = format!("{prefix}{recipient}{comment}{}", newline(text));
    Some(insert_lines(text, next_line(text, last.span.end), &line))
}

fn append_flow(text: &str, node: &Node, recipient: &str) -> Option<Splice> {
    let places: Vec<Range<usize>> = node.entries().map(|entry| entry.span.clone()).collect();
    let Some(last) = places.last() else {
        let at = node.span.start + 1;
        return Some(Splice { range: at..at, insert: recipient.to_owned() });
    };
    let quote = text[last.clone()].chars().next().filter(|first| matches!(first, '"' | '\''));
    let quote = quote.map(String::from).unwrap_or_default();
    let separator = separator(text, &places).unwrap_or_else(|| ", ".into());
    Some(Splice { range: last.end..last.end, insert: format!("{separator}{quote}{recipient}{quote}") })
}

/// What stands between the last two, when that is one comma and blanks.
fn separator(text: &str, places: &[Range<usize>]) -> Option<String> {
    let [.., before, last] = places else { return None };
    let between = text.get(before.end..last.start)?;
    let plain = between.trim() == ",";
    plain.then(|| between.to_owned())
}

/// Takes the first occurrence of a recipient out of a list or string of recipients.
pub(super) fn remove(text: &str, node: &Node, recipient: &str) -> Option<Splice> {
    match (&node.value, first_byte(text, node)?) {
        (Value::List(_), first @ (b'-' | b'[')) => {
            let entries: Vec<&Entry> = node.entries().collect();
            let holds =
                |entry: &&Entry| entry.node.text().is_some_and(|text| names(text).any(|n| n == recipient));
            let position = entries.iter().position(holds)?;
            let entry = entries[position];
            if names(entry.node.text()?).count() > 1 {
                return remove_from_string(text, &entry.node, recipient);
            }
            if first == b'[' {
                let places: Vec<Range<usize>> = entries.iter().map(|entry| entry.span.clone()).collect();
                return cut(text, &places, position);
            }
            dash(text, &entry.span)?;
            let multi_line = text[entry.span.clone()].contains('\n');
            let range = line_start(text, entry.span.start)..next_line(text, entry.span.end);
            (!multi_line).then(|| Splice { range, insert: String::new() })
        }
        (Value::Leaf(_), first) if !matches!(first, b'*' | b'&' | b'!') => {
            remove_from_string(text, node, recipient)
        }
        _ => None,
    }
}

fn remove_from_string(text: &str, node: &Node, recipient: &str) -> Option<Splice> {
    let position = names(node.text()?).position(|name| name == recipient)?;
    cut(text, &places(text, &node.span, node.text()?)?, position)
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
    (!removed.contains('#')).then(|| Splice { range, insert: String::new() })
}

/// Where each recipient of a string stands in the text; only separators and quotes may stand between.
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
    text.chars().all(|c| c.is_ascii_whitespace() || ",\"'>|-+".contains(c))
}

fn names(value: &str) -> impl Iterator<Item = &str> {
    super::split(value)
}

fn first_byte(text: &str, node: &Node) -> Option<u8> {
    text.as_bytes().get(node.span.start).copied()
}
