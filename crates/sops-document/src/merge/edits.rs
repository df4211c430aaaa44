//! What theirs gives to ours: in the tree, and in the text by splices.

use std::ops::Range;

use zeroize::Zeroizing;

use super::shown::{Shown, container_mut, index, locate, moved};
use crate::places::is_at;
use crate::sealing::{header_comment, token_range};
use crate::splice::{Edit, blanks, splice, with_break};
use crate::syntax::braces::member_range;
use crate::tree::{Entry, Item, Leaf, Node, Path, Scalar, Step, Style, Tree, Value};

/// Each change is looked for in the text; more of them are no merge that a person will check.
pub(super) const MAX_CHANGES: usize = 10_000;

/// Ours while it takes what theirs changed.
pub(super) struct Edits<'s, 'a> {
    pub(super) ours: &'s Shown<'a>,
    pub(super) theirs: &'s Shown<'a>,
    pub(super) tree: Tree,
    pub(super) edits: Vec<Edit>,
    /// Bytes of ours that went, and of theirs that came: comments there need no more care.
    pub(super) gone: Vec<Range<usize>>,
    pub(super) come: Vec<Range<usize>>,
    /// Some change has no place that could be spliced: the document has to be printed.
    pub(super) is_unsafe: bool,
    pub(super) is_changed: bool,
    count: usize,
}

impl<'s, 'a> Edits<'s, 'a> {
    pub(super) fn new(ours: &'s Shown<'a>, theirs: &'s Shown<'a>) -> Self {
        let mut tree = ours.tree.clone();
        if tree.documents.is_empty() {
            tree.documents.push(Node {
                span: 0..0,
                value: Value::Map(Vec::new()),
            });
        }
        Self {
            ours,
            theirs,
            tree,
            edits: Vec::new(),
            gone: Vec::new(),
            come: Vec::new(),
            is_unsafe: false,
            is_changed: false,
            count: 0,
        }
    }

    /// Whether one more change is more than can be looked for; it is left out then.
    fn is_too_much(&mut self) -> bool {
        self.count += 1;
        self.count > MAX_CHANGES
    }

    pub(super) fn overflows(&self) -> bool {
        self.count > MAX_CHANGES
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        splice(&self.ours.text, self.edits.clone())
    }

    /// What stands at a path in theirs, whatever ours has there.
    pub(super) fn take(&mut self, document: usize, path: &Path) {
        if self.is_too_much() {
            return;
        }
        let ours = self
            .ours
            .tree
            .documents
            .get(document)
            .and_then(|root| locate(root, path));
        let theirs = self
            .theirs
            .tree
            .documents
            .get(document)
            .and_then(|root| locate(root, path));
        match (ours, theirs) {
            (Some((_, _, ours)), Some((_, _, theirs))) => {
                self.replace(document, path, ours, theirs)
            }
            (Some(_), None) => self.remove(document, path),
            (None, Some(_)) => self.insert(document, path),
            (None, None) => {}
        }
    }

    fn replace(&mut self, document: usize, path: &Path, ours: &'s Entry, theirs: &'s Entry) {
        self.is_changed = true;
        if let Some(node) = self.node_mut(document, path) {
            *node = theirs.node.clone();
        }
        match (&ours.node.value, &theirs.node.value) {
            (Value::Leaf(old), Value::Leaf(new)) if !is_block_in_clear(new) => {
                self.splice_scalar(&ours.node, old, &new.scalar, new.style);
            }
            _ => self.splice_entry(ours, theirs),
        }
    }

    /// One value of our own in place of what stands at a path of ours.
    pub(super) fn put(&mut self, document: usize, path: &Path, scalar: &Scalar) -> bool {
        let ours = self
            .ours
            .tree
            .documents
            .get(document)
            .and_then(|root| locate(root, path));
        let Some((_, _, Entry { node, .. })) = ours else {
            return false;
        };
        let Value::Leaf(old) = &node.value else {
            return false;
        };
        self.is_changed = true;
        self.splice_scalar(node, old, scalar, old.style);
        let token = old.token.clone();
        if let Some(node) = self.node_mut(document, path) {
            node.value = Value::Leaf(Leaf {
                scalar: scalar.clone(),
                style: Style::Plain,
                token,
            });
        }
        true
    }

    fn node_mut(&mut self, document: usize, path: &Path) -> Option<&mut Node> {
        container_mut(self.tree.documents.get_mut(document)?, &path.0)
    }

    fn splice_scalar(&mut self, node: &Node, old: &Leaf, scalar: &Scalar, style: Style) {
        let (syntax, source) = (self.ours.format().syntax(), &*self.ours.text);
        let style = match (old.style, style) {
            (Style::Flow, _) => Style::Flow,
            (_, Style::Flow | Style::Block) => Style::Plain,
            (_, style) => style,
        };
        let range = token_range(source, &node.span, old.style);
        let lead = syntax.lead(&source[range.clone()]);
        let value = syntax.inline(scalar, style);
        let comment = header_comment(source, &node.span, old.style);
        self.edits.push((
            range,
            Zeroizing::new(format!("{lead}{}{comment}", value.as_str())),
        ));
    }

    /// The lines of an entry, or in braces its bytes.
    fn splice_entry(&mut self, ours: &Entry, theirs: &Entry) {
        let (from, to) = (self.theirs.margin(theirs), self.ours.margin(ours));
        if self.ours.format().traits().is_always_flow {
            let text = &self.theirs.text[theirs.node.span.clone()];
            let text = Zeroizing::new(moved(text, blanks(from), blanks(to)));
            self.edits.push((ours.node.span.clone(), text));
            return;
        }
        if !from.trim().is_empty() || !to.trim().is_empty() || ours.key.is_none() {
            self.is_unsafe = true;
            return;
        }
        let (old, new) = (self.ours.lines(ours), self.theirs.lines(theirs));
        let text = Zeroizing::new(with_break(&moved(&self.theirs.text[new.clone()], from, to)));
        self.edits.push((old.clone(), text));
        self.gone.push(old);
        self.come.push(new);
    }

    /// Takes an entry out, with the comments right above it.
    pub(super) fn remove(&mut self, document: usize, path: &Path) {
        if self.is_too_much() {
            return;
        }
        let Some(root) = self.ours.tree.documents.get(document) else {
            return;
        };
        let Some((parent, position, entry)) = locate(root, path) else {
            return;
        };
        self.is_changed = true;
        let Some((last, parents)) = path.0.split_last() else {
            return;
        };
        let chunk = self.ours.chunk(entry);
        let root = self
            .tree
            .documents
            .get_mut(document)
            .and_then(|root| container_mut(root, parents));
        if let Some(Node {
            value: Value::Map(items) | Value::List(items),
            ..
        }) = root
        {
            let mut index = 0;
            items.retain(|item| match item {
                Item::Comment(comment) => !chunk.contains(&comment.span.start),
                Item::Entry(entry) => {
                    index += 1;
                    !is_at(entry, index - 1, last)
                }
            });
        }
        if self.ours.is_flow(parent) {
            let range = member_range(&self.ours.text, parent, position);
            self.edits.push((range, Zeroizing::default()));
        } else if self.ours.margin(entry).trim().is_empty() {
            self.edits.push((chunk.clone(), Zeroizing::default()));
            self.gone.push(chunk);
        } else {
            self.is_unsafe = true;
        }
    }

    /// Puts an entry of theirs behind the one that it follows there.
    pub(super) fn insert(&mut self, document: usize, path: &Path) {
        if self.is_too_much() {
            return;
        }
        let (ours, theirs) = (self.ours, self.theirs);
        let Some(their_root) = theirs.tree.documents.get(document) else {
            return;
        };
        let Some((their_parent, position, entry)) = locate(their_root, path) else {
            return;
        };
        let Some((_, parents)) = path.0.split_last() else {
            return;
        };
        let before: Vec<&str> = their_parent
            .entries()
            .take(position)
            .filter_map(|entry| entry.key.as_deref())
            .collect();
        self.is_changed = true;
        let chunk = theirs.chunk(entry);
        let container = self
            .tree
            .documents
            .get_mut(document)
            .and_then(|root| container_mut(root, parents));
        if let Some(Node {
            value: Value::Map(items) | Value::List(items),
            ..
        }) = container
        {
            insert_item(items, &before, their_parent, entry, &chunk);
        }
        let our_parent = ours
            .tree
            .documents
            .get(document)
            .and_then(|root| match parents {
                [] => Some(root),
                _ => root.find(parents).map(|entry| &entry.node),
            });
        let Some(our_parent) = our_parent else {
            // a text of nothing but comments, or of nothing
            let is_block = !theirs.is_flow(their_parent) && parents.is_empty();
            return if is_block {
                self.insert_lines(ours.text.len(), "", entry, chunk)
            } else {
                self.is_unsafe = true
            };
        };
        let behind = before.iter().rev().find_map(|key| our_parent.get(key));
        let in_braces = (ours.is_flow(our_parent), theirs.is_flow(their_parent));
        match (in_braces, behind, our_parent.entries().next()) {
            ((true, true), behind, first) => self.insert_member(our_parent, behind, first, entry),
            ((false, false), Some(behind), _) => {
                let at = ours.lines(behind).end;
                self.insert_lines(at, ours.margin(behind), entry, chunk);
            }
            ((false, false), None, Some(first)) if ours.margin(first).trim().is_empty() => {
                let at = ours.chunk(first).start;
                self.insert_lines(at, ours.margin(first), entry, chunk);
            }
            ((true, false), None, None) => self.insert_below(document, parents, entry, chunk),
            _ => self.is_unsafe = true,
        }
    }

    /// The first lines of a map that ours writes as `{}`.
    fn insert_below(
        &mut self,
        document: usize,
        parents: &[Step],
        entry: &Entry,
        chunk: Range<usize>,
    ) {
        let owner = |shown: &'s Shown<'a>| -> Option<&'s Entry> {
            shown
                .tree
                .documents
                .get(document)?
                .find(parents)
                .filter(|owner| owner.key.is_some())
        };
        let (Some(ours), Some(theirs)) = (owner(self.ours), owner(self.theirs)) else {
            return self.is_unsafe = true;
        };
        let (from, to) = (self.theirs.margin(theirs), self.ours.margin(ours));
        let deeper = self
            .theirs
            .margin(entry)
            .strip_prefix(from)
            .filter(|rest| rest.trim().is_empty());
        let Some(deeper) = deeper.filter(|_| to.trim().is_empty()) else {
            return self.is_unsafe = true;
        };
        let (from, to) = (format!("{from}{deeper}"), format!("{to}{deeper}"));
        let text = moved(&self.theirs.text[chunk.clone()], &from, &to);
        let colon = self.ours.text[ours.key_span.end..]
            .find(':')
            .map(|at| ours.key_span.end + at + 1);
        let Some(colon) = colon else {
            return self.is_unsafe = true;
        };
        let braces = colon..ours.node.span.end;
        if !self.edits.iter().any(|(range, _)| *range == braces) {
            self.edits.push((braces, Zeroizing::default()));
        }
        let at = self.ours.lines(ours).end;
        let lead = if self.ours.text[..at].ends_with('\n') {
            ""
        } else {
            "\n"
        };
        self.edits.push((
            at..at,
            Zeroizing::new(format!("{lead}{}", with_break(&text))),
        ));
        self.come.push(chunk);
    }

    /// Braces for the maps of ours that lost their last entry.
    pub(super) fn close_emptied(&mut self) {
        let (ours, mut edits) = (self.ours, Vec::new());
        for (document, root) in ours.tree.documents.iter().enumerate() {
            let Some(merged) = self.tree.documents.get(document) else {
                continue;
            };
            emptied(ours, root, merged, &mut edits);
        }
        self.edits.extend(edits);
    }

    fn insert_lines(&mut self, at: usize, margin: &str, entry: &Entry, chunk: Range<usize>) {
        let from = self.theirs.margin(entry);
        if !from.trim().is_empty() {
            return self.is_unsafe = true;
        }
        // behind a dash the entries below stand where it starts
        let to = " ".repeat(margin.chars().count());
        let to = if margin.trim().is_empty() {
            margin
        } else {
            &to
        };
        let lead = if at > 0 && !self.ours.text[..at].ends_with('\n') {
            "\n"
        } else {
            ""
        };
        let text = with_break(&moved(&self.theirs.text[chunk.clone()], from, to));
        self.edits
            .push((at..at, Zeroizing::new(format!("{lead}{text}"))));
        self.come.push(chunk);
    }

    fn insert_member(
        &mut self,
        parent: &Node,
        behind: Option<&Entry>,
        first: Option<&Entry>,
        entry: &Entry,
    ) {
        let from = self.theirs.margin(entry);
        let to = behind
            .or(first)
            .map_or(blanks(from), |entry| self.ours.margin(entry));
        let own_line = to.trim().is_empty();
        let gap = if own_line {
            format!("\n{to}")
        } else {
            " ".to_owned()
        };
        let text = moved(
            &self.theirs.text[entry.span.clone()],
            blanks(from),
            blanks(to),
        );
        let edit = match (behind, first) {
            (Some(behind), _) => (behind.span.end..behind.span.end, format!(",{gap}{text}")),
            (None, Some(first)) => (first.span.start..first.span.start, format!("{text},{gap}")),
            (None, None) => (parent.span.start + 1..parent.span.end - 1, text),
        };
        self.edits.push((edit.0, Zeroizing::new(edit.1)));
    }
}

/// The entry with the comments that come along, behind the last of the keys before it that is
/// there.
fn insert_item(
    items: &mut Vec<Item>,
    before: &[&str],
    parent: &Node,
    entry: &Entry,
    chunk: &Range<usize>,
) {
    let is = |item: &Item, key: &str| matches!(item, Item::Entry(entry) if entry.key.as_deref() == Some(key));
    let behind = before
        .iter()
        .rev()
        .find_map(|key| items.iter().position(|item| is(item, key)));
    let first = || {
        items
            .iter()
            .position(|item| matches!(item, Item::Entry(_)))
            .unwrap_or(items.len())
    };
    let at = behind.map_or_else(first, |at| at + 1);
    let (Value::Map(theirs) | Value::List(theirs)) = &parent.value else {
        return;
    };
    let comments = theirs
        .iter()
        .filter(
            |item| matches!(item, Item::Comment(comment) if chunk.contains(&comment.span.start)),
        )
        .cloned();
    let new: Vec<Item> = comments.chain([Item::Entry(entry.clone())]).collect();
    items.splice(at..at, new);
}

fn emptied(ours: &Shown<'_>, node: &Node, merged: &Node, edits: &mut Vec<Edit>) {
    let left_keys = index(merged);
    for entry in node.entries() {
        let Some(left) = entry.key.as_deref().and_then(|key| left_keys.get(key)) else {
            continue;
        };
        let is_emptied = left.is_map() && left.entries().next().is_none();
        if is_emptied && entry.node.entries().next().is_some() && !ours.is_flow(&entry.node) {
            let colon = ours.text[entry.key_span.end..]
                .find(':')
                .map(|at| entry.key_span.end + at + 1);
            edits.extend(colon.map(|colon| (colon..colon, Zeroizing::new(" {}".to_owned()))));
        } else {
            emptied(ours, &entry.node, left, edits);
        }
    }
}

/// A text of several lines that stays readable needs the lines of its author.
fn is_block_in_clear(leaf: &Leaf) -> bool {
    leaf.style == Style::Block && leaf.token.is_none()
}
