//! A document without its keys of other kinds: neither sops nor gpg is needed for that, because neither MAC nor values
//! speak of them.

use std::ops::Range;

use super::metadata::KEY_SOURCES;
use super::tree::{Node, line_start};
use super::{Document, DocumentError, Format, json, whole_lines};

impl Document {
    /// The same text less every key that is not of age. What stands in key groups stays: the data key is split there.
    ///
    /// # Errors
    /// When what is left is not read as the same document.
    pub fn without_others(&self) -> Result<Self, DocumentError> {
        let mut now = self.clone();
        while !now.metadata.foreign.is_empty() && now.metadata.groups.is_empty() {
            let ranges = first_fields(now.format, &now.source);
            if ranges.is_empty() {
                return Err(DocumentError::NotSops);
            }
            let mut text = now.source.to_string();
            // from the back: every document repeats the block
            ranges.into_iter().rev().for_each(|range| text.replace_range(range, ""));
            now = Self::parse(now.format, &text)?;
        }
        Ok(now)
    }
}

/// The bytes of the first field in each document, or of the first line of one, that holds keys of another kind.
fn first_fields(format: Format, source: &str) -> Vec<Range<usize>> {
    match format {
        Format::Dotenv => first_line(source, 0, "sops_").into_iter().collect(),
        Format::Ini => {
            let section = source.find("[sops]").unwrap_or(source.len());
            first_line(source, section, "").into_iter().collect()
        }
        Format::Yaml | Format::Json | Format::Binary => {
            let Ok(tree) = format.parse(source) else { return Vec::new() };
            let blocks = tree.documents.iter().filter_map(|document| document.get("sops"));
            blocks.filter_map(|block| in_block(source, &block.node)).collect()
        }
    }
}

fn in_block(source: &str, block: &Node) -> Option<Range<usize>> {
    let is_other = |name: Option<&str>| name.is_some_and(|name| KEY_SOURCES.contains(&name));
    let entries: Vec<_> = block.entries().collect();
    let holds =
        |entry: &&super::Entry| is_other(entry.key.as_deref()) && entry.node.entries().next().is_some();
    let at = entries.iter().position(holds)?;
    if source[block.span.start..].starts_with('{') {
        return Some(json::member_range(source, block, at));
    }
    // in block style up to the next field: a block scalar ends where that begins
    let start = line_start(source, entries[at].key_span.start);
    let end = entries.get(at + 1).map(|next| line_start(source, next.key_span.start));
    Some(start..end.unwrap_or_else(|| whole_lines(source, &entries[at].span).end))
}

fn first_line(source: &str, mut offset: usize, prefix: &str) -> Option<Range<usize>> {
    for line in source[offset..].split_inclusive('\n') {
        let name = line.strip_prefix(prefix).and_then(|rest| rest.split_once("__list_"));
        if name.is_some_and(|(name, _)| KEY_SOURCES.contains(&name)) {
            return Some(offset..offset + line.len());
        }
        offset += line.len();
    }
    None
}
