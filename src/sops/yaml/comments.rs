//! Comments: libyaml drops them, so they are found in the gaps between scalars and put back where
//! sops would put them: before or after their neighbours, in the container of their column.

use std::ops::Range;

use zeroize::Zeroizing;

use super::MAX_COMMENTS;
use crate::sops::tree::{Comment, Item, Node, Style, SyntaxError, Tree, Value};

/// Finds every comment outside `opaque` spans and inserts it into the document it stands in.
///
/// # Errors
/// When there are more than any author writes: each insertion moves what follows.
pub(super) fn attach(
    source: &str,
    tree: &mut Tree,
    opaque: &[(Range<usize>, Style)],
    starts: &[usize],
) -> Result<(), SyntaxError> {
    let comments = find(source, opaque);
    if let Some(comment) = comments.get(MAX_COMMENTS) {
        let what = format!("more than {MAX_COMMENTS} comments");
        return Err(SyntaxError::at(source, comment.span.start, what));
    }
    for comment in comments {
        let document = starts.iter().rposition(|start| *start <= comment.span.start).unwrap_or(0);
        if let Some(root) = tree.documents.get_mut(document) {
            insert(source, root, comment);
        }
    }
    Ok(())
}

fn find(source: &str, opaque: &[(Range<usize>, Style)]) -> Vec<Comment> {
    let mut comments = Vec::new();
    let mut position = 0;
    for (span, style) in opaque {
        scan(source, position..span.start, &mut comments);
        position = span.end.max(position);
        if *style == Style::Block {
            // the header line of a block scalar may end with a comment
            let header =
                source[span.start..span.end].find(['\n', '\r']).map_or(span.end, |at| span.start + at);
            scan(source, span.start..header, &mut comments);
        }
    }
    scan(source, position..source.len(), &mut comments);
    comments
}

fn scan(source: &str, gap: Range<usize>, comments: &mut Vec<Comment>) {
    let bytes = source.as_bytes();
    let mut position = gap.start;
    while position < gap.end {
        let starts = position == 0
            || matches!(bytes[position - 1], b' ' | b'\t' | b'\n' | b'\r')
            || bom(source, position);
        if bytes[position] != b'#' || !starts {
            position += 1;
            continue;
        }
        let end = source[position..].find(['\n', '\r']).map_or(source.len(), |at| position + at);
        let text = Zeroizing::new(source[position + 1..end].to_owned());
        comments.push(Comment { text, span: position..end, token: None });
        position = end;
    }
}

fn bom(source: &str, position: usize) -> bool {
    source.as_bytes()[..position].ends_with("\u{feff}".as_bytes())
}

fn insert(source: &str, node: &mut Node, comment: Comment) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return };
    let at = comment.span.start;
    let before = items.iter().rposition(|item| match item {
        Item::Entry(entry) => entry.span.start < at,
        Item::Comment(other) => other.span.start < at,
    });
    let Some(before) = before else {
        return items.insert(0, Item::Comment(comment));
    };
    let inline = !source[line_start(source, at)..at].trim().is_empty();
    if let Item::Entry(entry) = &mut items[before] {
        let inside = !matches!(entry.node.value, Value::Leaf(_)) && entry.node.span.start < at;
        let deeper = if inline {
            inside
                && same_line(
                    source,
                    entry.node.entries().filter(|e| e.span.start < at).last().map(|e| &e.span),
                    at,
                )
        } else {
            column(source, at) >= container_column(source, &entry.node).unwrap_or(usize::MAX)
        };
        if deeper && !matches!(&entry.node.value, Value::Map(items) | Value::List(items) if items.is_empty())
        {
            return insert(source, &mut entry.node, comment);
        }
    }
    // sops puts a comment at the end of a line above the entry of that line
    let position = if inline && matches!(items[before], Item::Entry(_)) { before } else { before + 1 };
    items.insert(position, Item::Comment(comment));
}

fn same_line(source: &str, span: Option<&Range<usize>>, at: usize) -> bool {
    span.is_some_and(|span| !source[span.end.min(at)..at].contains(['\n', '\r']))
}

/// The column of the entries of a block container; `None` for leaves and for flow style.
fn container_column(source: &str, node: &Node) -> Option<usize> {
    if matches!(node.value, Value::Leaf(_)) || source[node.span.clone()].starts_with(['{', '[']) {
        return None;
    }
    Some(column(source, node.span.start))
}

fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind(['\n', '\r']).map_or(0, |newline| newline + 1)
}

fn column(source: &str, at: usize) -> usize {
    source[line_start(source, at)..at].chars().count()
}
