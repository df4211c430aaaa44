//! A version as its author sees it, and where things stand in that text.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::document::Cleartext;
use crate::places::is_at;
use crate::selector::{Selected, Selector};
use crate::syntax::format::Format;
use crate::tree::{Entry, Item, Node, Path, Step, Tree, Value, line_start};

/// The clear text of a version, and its tree: spans of that text, the exact values, and the tokens
/// that they came from.
pub(super) struct Shown<'a> {
    pub(super) clear: &'a Cleartext,
    pub(super) text: Zeroizing<String>,
    pub(super) tree: Tree,
}

impl<'a> Shown<'a> {
    /// `None` where a value has no place of its own in the text (aliases).
    pub(super) fn of(clear: &'a Cleartext) -> Option<Self> {
        if clear.tree().has_alias {
            return None;
        }
        let text = clear.layout();
        let mut tree = clear.document().format().parse(&text).ok()?;
        let mut opened = clear.tree().leaves().into_iter();
        let mut fits = true;
        Selector::default().walk(&mut tree, &mut |path, met, _| {
            let Selected::Leaf(leaf, _) = met else { return };
            match opened.next() {
                Some((known, _, from)) if known == *path => {
                    leaf.scalar = from.scalar.clone();
                    leaf.token.clone_from(&from.token);
                }
                _ => fits = false,
            }
        });
        (fits && opened.next().is_none() && !tree.has_alias).then_some(Self { clear, text, tree })
    }

    pub(super) fn format(&self) -> Format {
        self.clear.document().format()
    }

    /// Whether entries are members of braces, with commas between them.
    pub(super) fn is_flow(&self, node: &Node) -> bool {
        self.format().syntax().is_flow(&self.text, node)
    }

    /// What stands before an entry on its line.
    pub(super) fn margin(&self, entry: &Entry) -> &str {
        &self.text[line_start(&self.text, entry.span.start)..entry.span.start]
    }

    /// The lines of an entry, with the comments inside of it.
    pub(super) fn lines(&self, entry: &Entry) -> Range<usize> {
        let text = &*self.text;
        let end = entry.node.last_comment().unwrap_or(0).max(entry.span.end);
        let body = text[..end]
            .trim_end_matches(['\n', '\r', ' '])
            .len()
            .max(entry.key_span.end);
        let end = text[body..]
            .find('\n')
            .map_or(text.len(), |at| body + at + 1);
        line_start(text, entry.span.start)..end
    }

    /// The same with the comments right above it.
    pub(super) fn chunk(&self, entry: &Entry) -> Range<usize> {
        let lines = self.lines(entry);
        let mut start = lines.start;
        while start > 0 {
            let above = line_start(&self.text, start - 1);
            let line = self.text[above..start].trim();
            if !line.starts_with(self.format().traits().comment_signs) {
                break;
            }
            start = above;
        }
        start..lines.end
    }
}

/// The container of a path, its entry there and the position of that.
pub(super) fn locate<'a>(root: &'a Node, path: &Path) -> Option<(&'a Node, usize, &'a Entry)> {
    let (last, parents) = path.0.split_last()?;
    let parent = if parents.is_empty() {
        root
    } else {
        &root.find(parents)?.node
    };
    let (position, entry) = parent
        .entries()
        .enumerate()
        .find(|(index, entry)| is_at(entry, *index, last))?;
    Some((parent, position, entry))
}

pub(super) fn container_mut<'a>(root: &'a mut Node, parents: &[Step]) -> Option<&'a mut Node> {
    let Some((first, rest)) = parents.split_first() else {
        return Some(root);
    };
    let (Value::Map(items) | Value::List(items)) = &mut root.value else {
        return None;
    };
    let mut index = 0;
    for item in items {
        let Item::Entry(entry) = item else { continue };
        if is_at(entry, index, first) {
            return container_mut(&mut entry.node, rest);
        }
        index += 1;
    }
    None
}

/// A text of whole lines moved from one margin to another.
pub(super) fn moved(text: &str, from: &str, to: &str) -> String {
    let line = |line: &str| match line.strip_prefix(from) {
        _ if line.trim().is_empty() => line.to_owned(),
        Some(rest) => format!("{to}{rest}"),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The entries of a map with their keys.
pub(super) fn keyed(node: &Node) -> impl Iterator<Item = (&str, &Entry)> {
    node.entries()
        .filter_map(|entry| Some((entry.key.as_deref()?, entry)))
}

/// What a map holds, by key; nothing of what is no map.
pub(super) fn index(node: &Node) -> HashMap<&str, &Node> {
    keyed(node).map(|(key, entry)| (key, &entry.node)).collect()
}
