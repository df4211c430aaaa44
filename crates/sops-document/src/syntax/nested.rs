//! Metadata that is one entry `sops` of a map, in every document.

use std::ops::Range;

use super::Syntax;
use super::braces::member_range;
use crate::block::MetadataBlock;
use crate::metadata::Spans;
use crate::other_key::KEY_SOURCES;
use crate::places::take_entry;
use crate::splice::whole_lines;
use crate::tree::{Entry, Node, Tree, line_start};

/// As [`Syntax::take_block`].
pub(super) fn take_block(
    syntax: &dyn Syntax,
    source: &str,
    tree: &mut Tree,
) -> Result<Option<(Node, MetadataBlock)>, usize> {
    let mut first: Option<Node> = None;
    let mut block = MetadataBlock {
        cut: Vec::new(),
        start: 0,
        copies: Vec::new(),
    };
    for (index, document) in tree.documents.iter_mut().enumerate() {
        let position = document
            .entries()
            .position(|entry| entry.key.as_deref() == Some("sops"));
        let Some(position) = position else {
            // whether the file is SOPS at all is decided by its first document
            if index == 0 {
                return Ok(None);
            }
            return Err(document.span.start);
        };
        let flow = syntax.is_flow(source, document);
        let member = flow.then(|| commented_range(source, document, position));
        let Some(entry) = take_entry(document, "sops") else {
            return Ok(None);
        };
        block
            .cut
            .push(member.unwrap_or_else(|| whole_lines(source, &entry.span)));
        match &first {
            None => {
                block.start = if flow {
                    entry.span.start
                } else {
                    block.cut[0].start
                };
                first = Some(entry.node);
            }
            Some(first) if first.means(&entry.node) => block.copies.push(Spans::of(&entry.node)),
            Some(_) => return Err(entry.span.start),
        }
    }
    Ok(first.map(|node| (node, block)))
}

/// As [`member_range`]; comments before the member stay, and with them the comma.
fn commented_range(source: &str, document: &Node, position: usize) -> Range<usize> {
    let range = member_range(source, document, position);
    let member = document
        .entries()
        .nth(position)
        .map_or(range.start, |entry| entry.span.start);
    if !source[range.start..member].contains('#') {
        return range;
    }
    source[..member].trim_end_matches([' ', '\t', '\n']).len()..range.end
}

/// As [`Syntax::block_text`].
pub(super) fn block_text(source: &str, tree: &Tree, block: &MetadataBlock) -> String {
    let text = &source[block.cut[0].clone()];
    let is_flow = tree
        .documents
        .first()
        .is_some_and(|root| source[root.span.start..].starts_with('{'));
    if is_flow {
        return text
            .trim()
            .trim_start_matches(',')
            .trim_end_matches(',')
            .trim()
            .to_owned();
    }
    if text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

/// As [`Syntax::first_of_others`].
pub(super) fn first_of_others(syntax: &dyn Syntax, source: &str) -> Vec<Range<usize>> {
    let Ok(tree) = syntax.parse(source) else {
        return Vec::new();
    };
    let blocks = tree
        .documents
        .iter()
        .filter_map(|document| document.get("sops"));
    blocks
        .filter_map(|block| others_in(source, &block.node))
        .collect()
}

fn others_in(source: &str, block: &Node) -> Option<Range<usize>> {
    let is_other = |name: Option<&str>| name.is_some_and(|name| KEY_SOURCES.contains(&name));
    let entries: Vec<_> = block.entries().collect();
    let holds =
        |entry: &&Entry| is_other(entry.key.as_deref()) && entry.node.entries().next().is_some();
    let at = entries.iter().position(holds)?;
    if source[block.span.start..].starts_with('{') {
        return Some(member_range(source, block, at));
    }
    // in block style up to the next field: a block scalar ends where that begins
    let start = line_start(source, entries[at].key_span.start);
    let end = entries
        .get(at + 1)
        .map(|next| line_start(source, next.key_span.start));
    Some(start..end.unwrap_or_else(|| whole_lines(source, &entries[at].span).end))
}
