//! INI as sops reads it (Go's `ini.v1`): sections of `key = value`, comments of `;` or `#` above
//! them.
//!
//! The tree has one map a section. As in sops a comment is the block of lines above a key or a
//! header: that of a header is the first item of its section, that of a key stands behind the key.
//! Keys above the first header belong to the section `DEFAULT`. What `ini.v1` would lose or join is
//! refused.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Body, EntryInContext, FormatTraits, Gap, Indent, Page, Syntax, dotenv, flat};
use crate::block::{MetadataBlock, NewBlock};
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::metadata::types::{Kind, TypeReading};
use crate::places::{put_below, take_entry};
use crate::splice::{Edit, whole_lines, with_break, with_breaks_of};
use crate::tree::{
    Entry, Item, Leaf, Node, Path, Scalar, Step, Style, SyntaxError, Tree, Value, line_start,
};

mod read;
mod write;

pub(crate) struct Ini;

impl Syntax for Ini {
    fn traits(&self) -> &'static FormatTraits {
        &FormatTraits {
            title: "INI",
            word: "ini",
            suffixes: &["ini"],
            new_suffix: "enc.ini",
            comment_signs: &[';', '#'],
            is_flat: false,
            has_types: false,
            only_value: None,
            has_flat_metadata: true,
            is_always_flow: false,
            empty: "",
        }
    }

    fn parse(&self, source: &str) -> Result<Tree, SyntaxError> {
        read::parse(source)
    }

    fn emit(&self, tree: &Tree, _: Indent) -> Option<String> {
        write::emit(tree)
    }

    fn lost(&self, tree: &Tree) -> Option<(usize, &'static str)> {
        lost_comment(tree)
    }

    fn reading(&self, kind: Kind, node: &Node) -> TypeReading {
        flat::reading(kind, node)
    }

    fn inline(&self, scalar: &Scalar, _: Style) -> Zeroizing<String> {
        write::value_text(scalar)
    }

    /// A comment may have several lines here, each with its sign.
    fn comment(&self, text: &str) -> Option<Zeroizing<String>> {
        Some(write::header_comment(text))
    }

    /// The editor of sops would lose a value that does not read back as `sops decrypt` prints it.
    fn check_value(&self, scalar: &Scalar) -> Result<(), &'static str> {
        let can_hold = match scalar.as_text() {
            Some(text) => write::reads_back(&write::sops_text(text), text),
            None => !matches!(scalar, Scalar::Str(_)),
        };
        if can_hold {
            return Ok(());
        }
        Err(
            "INI cannot hold this value: SOPS would print its quotes or last backslash so that they are lost",
        )
    }

    fn lead(&self, replaced: &str) -> &'static str {
        if replaced.trim().is_empty() { " " } else { "" }
    }

    /// The section `[sops]`.
    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize> {
        let section = tree
            .documents
            .first_mut()
            .and_then(|root| take_entry(root, "sops"));
        Ok(section.map(|section| {
            let cut = section_lines(source, &section.span);
            (
                metadata(&section),
                MetadataBlock {
                    start: cut.start,
                    cut: vec![cut],
                    copies: Vec::new(),
                },
            )
        }))
    }

    fn block_text(&self, source: &str, _: &Tree, block: &MetadataBlock) -> String {
        with_break(
            &block
                .cut
                .iter()
                .map(|range| &source[range.clone()])
                .collect::<String>(),
        )
    }

    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError> {
        let text = &body.text;
        Ok(if text.is_empty() {
            block.trim_start().to_owned()
        } else {
            with_break(text) + block
        })
    }

    fn with_new_block(&self, body: &Body, new: &NewBlock<'_>) -> Result<String, SealError> {
        let mut fields = flat::stanzas(new);
        fields.extend(
            new.fields()
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text)),
        );
        self.with_block(body, &with_breaks_of(&body.text, write::block(fields)))
    }

    /// `entry` is where the old list stands.
    fn replace_age(
        &self,
        source: &str,
        entry: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit> {
        let list = flat::age_list(group);
        write::replace_list(source, entry, &list, &flat::age(&list, age))
    }

    fn first_of_others(&self, source: &str) -> Vec<Range<usize>> {
        let section = source.find("[sops]").unwrap_or(source.len());
        flat::first_of_others(source, section, "")
            .into_iter()
            .collect()
    }

    /// Keys above the first header stand first.
    fn put(&self, tree: &mut Tree, path: &Path, depth: usize, scalar: &Scalar) {
        put_below(tree, path, depth, scalar);
        let is_default = depth == 0 && path.keys().next() == Some(read::DEFAULT);
        if let Some(Node {
            value: Value::Map(sections),
            ..
        }) = tree.documents.first_mut()
            && is_default
        {
            sections.rotate_right(1);
        }
    }

    fn insert(&self, page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Result<Edit, &'static str> {
        write::insertion(page, gap.path, text)
    }

    /// The lines of a key and of the comment above it.
    fn remove(
        &self,
        page: &Page<'_>,
        found: &EntryInContext<'_>,
    ) -> Result<Option<Edit>, &'static str> {
        let [Step::Key(_), Step::Key(name)] = found.path.0.as_slice() else {
            return Ok(None);
        };
        let Value::Map(items) = &found.parent.value else {
            return Ok(None);
        };
        let is_it =
            |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_ref() == Some(name));
        let Some(position) = items.iter().position(is_it) else {
            return Ok(None);
        };
        let mut range = whole_lines(page.source, &found.entry.span);
        if let Some(Item::Comment(comment)) = items.get(position + 1) {
            range.start = line_start(page.source, comment.span.start);
        }
        Ok(Some((range, Zeroizing::default())))
    }
}

/// A comment that would be lost, or that crashes SOPS when it is printed.
fn lost_comment(tree: &Tree) -> Option<(usize, &'static str)> {
    let root = tree.documents.first()?;
    let Value::Map(items) = &root.value else {
        return None;
    };
    let trailing = items.iter().find_map(|item| match item {
        Item::Comment(comment) => Some(comment.span.start),
        Item::Entry(_) => None,
    });
    if let Some(at) = trailing {
        return Some((
            at,
            "a comment behind the last key, which SOPS loses: put it above a key",
        ));
    }
    let sections = root
        .entries()
        .filter_map(|section| match &section.node.value {
            Value::Map(items) => Some(items),
            _ => None,
        });
    let mut comments = sections.flatten().filter_map(|item| match item {
        Item::Comment(comment) => Some(comment),
        Item::Entry(_) => None,
    });
    let broken = comments.find(|comment| comment.text.starts_with('\n'))?;
    Some((
        broken.span.start,
        "a block of comments with an empty first line, which crashes SOPS",
    ))
}

/// The metadata as other formats nest it, from the flattened names of the section.
fn metadata(section: &Entry) -> Node {
    let mut root = Node {
        span: section.span.clone(),
        value: Value::Map(Vec::new()),
    };
    for entry in section.node.entries() {
        let mut leaf = entry.clone();
        if let Value::Leaf(Leaf { scalar, .. }) = &mut leaf.node.value
            && let Some(text) = scalar.as_text()
        {
            *scalar = Scalar::str(&dotenv::decode(text));
        }
        flat::graft(
            &mut root,
            entry.key.as_deref().unwrap_or_default(),
            &leaf,
            0,
        );
    }
    root
}

/// The lines of a section, and one empty line above it.
fn section_lines(source: &str, span: &Range<usize>) -> Range<usize> {
    let lines = whole_lines(source, span);
    let above = &source[..lines.start];
    let Some(rest) = above
        .strip_suffix('\n')
        .map(|rest| rest.strip_suffix('\r').unwrap_or(rest))
    else {
        return lines;
    };
    if rest.is_empty() || rest.ends_with('\n') {
        rest.len()..lines.end
    } else {
        lines
    }
}

#[cfg(test)]
mod tests;
