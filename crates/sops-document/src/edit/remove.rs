//! A value taken out.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Edit, EditError, container_mut, entry_at, home, is_flow};
use crate::format::Format;
use crate::tree::{Entry, Item, Node, Path, Step, Tree, Value, line_start, step};
use crate::{Cleartext, json, whole_lines};

const NEIGHBOURS: &str = "cannot be removed without touching its neighbours: use stax secrets edit";
const COMMENTS: &str = "its container would be left with comments alone: use stax secrets edit";

/// Takes an entry out of a tree, and the comments that stand in its lines.
pub(super) fn from_tree(tree: &mut Tree, steps: &[Step], lines: &Range<usize>) {
    for document in &mut tree.documents {
        drop_comments(document, lines);
    }
    let Some((last, parents)) = steps.split_last() else { return };
    let home = home(tree, &Path(steps.to_vec()));
    let parent = tree.documents.get_mut(home).and_then(|root| container_mut(root, parents));
    if let Some(Node { value: Value::Map(items) | Value::List(items), .. }) = parent {
        let mut index = 0;
        items.retain(|item| {
            let Item::Entry(entry) = item else { return true };
            let keep = step(entry, index) != *last;
            index += 1;
            keep
        });
    }
}

fn drop_comments(node: &mut Node, lines: &Range<usize>) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return };
    items.retain_mut(|item| match item {
        Item::Comment(comment) => !lines.contains(&comment.span.start),
        Item::Entry(entry) => {
            drop_comments(&mut entry.node, lines);
            true
        }
    });
}

impl Cleartext {
    /// The edit that takes the entry at a path out.
    pub(super) fn removal(&self, path: &Path) -> Result<Edit, EditError> {
        let missing = || EditError::Missing(path.clone());
        let (last, parents) = path.0.split_last().ok_or_else(missing)?;
        let mut owner = None;
        let mut parent = self.root(path).ok_or_else(missing)?;
        for step in parents {
            let entry = entry_at(parent, step).ok_or_else(missing)?;
            owner = Some(entry);
            parent = &entry.node;
        }
        let entry = entry_at(parent, last).ok_or_else(missing)?;
        let source = self.document().source();
        let in_flow = || (0..path.0.len()).any(|length| self.is_flow_at(path, length));
        match self.document().format() {
            Format::Json => Ok((self.member_of(parent, entry), Zeroizing::default())),
            Format::Yaml if in_flow() => Ok((self.member_of(parent, entry), Zeroizing::default())),
            Format::Yaml => self.block_removal(path, owner, parent, entry),
            Format::Binary => Err(EditError::Value(path.clone(), "is all that a binary file holds")),
            Format::Dotenv | Format::Ini => Ok((whole_lines(source, &entry.span), Zeroizing::default())),
        }
    }

    fn is_flow_at(&self, path: &Path, length: usize) -> bool {
        let root = self.root(path);
        let node = match length {
            0 => root,
            _ => root.and_then(|root| root.find(&path.0[..length])).map(|entry| &entry.node),
        };
        node.is_some_and(|node| is_flow(self.document().source(), node))
    }

    fn member_of(&self, parent: &Node, entry: &Entry) -> Range<usize> {
        let position = parent.entries().position(|other| other.span == entry.span).unwrap_or(0);
        let last = position + 1 == parent.entries().count();
        let at_root = self.tree().documents.first().is_some_and(|root| root.span == parent.span);
        // at the top level the metadata follows the last value, so the comma behind it goes
        if at_root && last && position == 0 && self.document().block.start > entry.span.start {
            return entry.span.start..self.document().block.start;
        }
        json::member_range(self.document().source(), parent, position)
    }

    fn block_removal(
        &self,
        path: &Path,
        owner: Option<&Entry>,
        parent: &Node,
        entry: &Entry,
    ) -> Result<Edit, EditError> {
        let source = self.document().source();
        let start = line_start(source, entry.span.start);
        let margin = &source[start..entry.span.start];
        let entries: Vec<&Entry> = parent.entries().collect();
        let refuse = |rule| Err(EditError::Value(path.clone(), rule));
        if let (Some(owner), [_]) = (owner, entries.as_slice()) {
            let (Value::Map(items) | Value::List(items)) = &parent.value else { return refuse(NEIGHBOURS) };
            if items.len() > 1 {
                return refuse(COMMENTS);
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
            return refuse(NEIGHBOURS);
        };
        if source[entry.span.end..next.span.start].contains('#') {
            return refuse(NEIGHBOURS);
        }
        Ok((entry.span.start..next.span.start, Zeroizing::default()))
    }
}

/// The only entry of a container goes: braces or brackets take its place.
fn emptied(source: &str, owner: &Entry, parent: &Node, entry: &Entry) -> Edit {
    let empty = if matches!(parent.value, Value::Map(_)) { "{}" } else { "[]" };
    let end = source[..entry.span.end].trim_end_matches(['\n', '\r']).len().max(entry.key_span.end);
    let own_line = source[owner.key_span.end..parent.span.start].contains('\n');
    let colon = source[owner.key_span.end..].find(':').map(|at| owner.key_span.end + at + 1);
    match colon.filter(|_| owner.key.is_some() && own_line) {
        Some(colon) => (colon..end, Zeroizing::new(format!(" {empty}"))),
        None => (parent.span.start..end, Zeroizing::new(empty.to_owned())),
    }
}
