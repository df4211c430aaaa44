//! Bytes of a text replaced, all others kept.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::tree::line_start;

/// A byte range, and what takes its place.
pub(crate) type Edit = (Range<usize>, Zeroizing<String>);

/// Replaces byte ranges of a text; ranges must not overlap.
pub(crate) fn splice(source: &str, mut edits: Vec<Edit>) -> Zeroizing<String> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = Zeroizing::new(String::with_capacity(source.len() * 2));
    let mut position = 0;
    for (range, text) in edits {
        out.push_str(&source[position..range.start.max(position)]);
        out.push_str(&text);
        position = range.end.max(position);
    }
    out.push_str(&source[position..]);
    out
}

/// The lines that a span touches, line break included.
pub(crate) fn whole_lines(source: &str, span: &Range<usize>) -> Range<usize> {
    let start = line_start(source, span.start);
    if span.end > start && source[..span.end].ends_with('\n') {
        return start..span.end;
    }
    let end = source[span.end..]
        .find('\n')
        .map_or(source.len(), |newline| span.end + newline + 1);
    start..end
}

/// The start of the line behind the one in which a value ends.
pub(crate) fn next_line(source: &str, end: usize) -> usize {
    if source[..end].ends_with('\n') {
        return end;
    }
    source[end..]
        .find('\n')
        .map_or(source.len(), |at| end + at + 1)
}

/// A text that ends its last line.
pub(crate) fn with_break(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

/// New lines with the breaks that a text has.
pub(crate) fn with_breaks_of(source: &str, lines: String) -> String {
    if source.contains("\r\n") {
        lines.replace('\n', "\r\n")
    } else {
        lines
    }
}

/// The blanks and tabs that a text starts with.
pub(crate) fn blanks(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
}
