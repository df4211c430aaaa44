//! One spanned tree for every format: what a document says and where it says it.
//!
//! A span is a byte range of the text that was parsed. Opening a document keeps the spans, so that
//! an opened tree still knows which bytes of the encrypted text each value came from.

mod scalar;

use std::ops::Range;

use zeroize::Zeroizing;

use crate::cipher::Token;

pub(crate) use scalar::keep_point;
pub use scalar::{Scalar, float_text};

/// All documents of a file; only YAML can have more than one. Each root is a map.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub documents: Vec<Node>,
    /// Where the text of each document ends: at the marker of the next, or at the end of the file.
    pub ends: Vec<usize>,
    /// An alias was expanded: spans of the copies overlap, so the text cannot be spliced.
    pub has_alias: bool,
    /// Where scalars stand that have a tag of an application: the token of one would not keep it.
    pub tagged: Vec<usize>,
    /// The document that paths lead into; without one, that which has the most of a path.
    pub(crate) home: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    Map(Vec<Item>),
    List(Vec<Item>),
    Leaf(Leaf),
}

#[derive(Clone, Debug)]
pub enum Item {
    Entry(Entry),
    Comment(Comment),
}

/// A key with its value, or (without a key) an item of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Option<String>,
    /// From the key (or, in a list, the value) to the end of the value.
    pub span: Range<usize>,
    pub key_span: Range<usize>,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub struct Leaf {
    pub scalar: Scalar,
    pub style: Style,
    /// The token that an opened value came from; boxed, because most nodes have none.
    pub token: Option<Box<Token>>,
}

/// Text after `#`, blanks included.
#[derive(Clone, Debug)]
pub struct Comment {
    pub text: Zeroizing<String>,
    /// From the `#` to the end of the line; in an encrypted list, the whole `ENC[…]` item.
    pub span: Range<usize>,
    pub token: Option<Box<Token>>,
    /// It stands where sops loses it: `sops decrypt` does not print it and no rule reads it.
    pub stray: bool,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Single,
    Double,
    /// `|` or `>`
    Block,
    /// Any style inside `[…]` or `{…}`, where only one-line forms are possible.
    Flow,
}

impl Node {
    fn reads_as(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Leaf(a), Value::Leaf(b)) => a.scalar == b.scalar,
            (Value::Map(a), Value::Map(b)) | (Value::List(a), Value::List(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|pair| match pair {
                        (Item::Entry(a), Item::Entry(b)) => {
                            a.key == b.key && a.node.reads_as(&b.node)
                        }
                        (Item::Comment(a), Item::Comment(b)) => a.text == b.text,
                        _ => false,
                    })
            }
            _ => false,
        }
    }

    fn without_values(&self) -> Self {
        let items = |items: &[Item]| {
            let bare = items.iter().map(|item| match item {
                Item::Comment(comment) => Item::Comment(comment.clone()),
                Item::Entry(entry) => Item::Entry(Entry {
                    key: entry.key.clone(),
                    span: entry.span.clone(),
                    key_span: entry.key_span.clone(),
                    node: entry.node.without_values(),
                }),
            });
            bare.collect()
        };
        let value = match &self.value {
            Value::Map(map) => Value::Map(items(map)),
            Value::List(list) => Value::List(items(list)),
            Value::Leaf(leaf) => Value::Leaf(Leaf {
                scalar: Scalar::Null,
                style: leaf.style,
                token: None,
            }),
        };
        Self {
            span: self.span.clone(),
            value,
        }
    }

    fn add_scalars<'a>(&'a self, scalars: &mut Vec<&'a Scalar>) {
        match &self.value {
            Value::Leaf(leaf) => scalars.push(&leaf.scalar),
            Value::Map(_) | Value::List(_) => {
                self.entries()
                    .for_each(|entry| entry.node.add_scalars(scalars));
            }
        }
    }

    /// Whether a comment stands anywhere below.
    pub(crate) fn has_comment(&self) -> bool {
        let (Value::Map(items) | Value::List(items)) = &self.value else {
            return false;
        };
        items.iter().any(|item| match item {
            Item::Comment(_) => true,
            Item::Entry(entry) => entry.node.has_comment(),
        })
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let items: &[Item] = match &self.value {
            Value::Map(items) | Value::List(items) => items,
            Value::Leaf(_) => &[],
        };
        items.iter().filter_map(|item| match item {
            Item::Entry(entry) => Some(entry),
            Item::Comment(_) => None,
        })
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()
            .find(|entry| entry.key.as_deref() == Some(key))
    }

    #[must_use]
    pub fn leaf(&self) -> Option<&Leaf> {
        match &self.value {
            Value::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.leaf()?.scalar.as_text()
    }

    /// The entry at a path below this node.
    #[must_use]
    pub fn find(&self, steps: &[Step]) -> Option<&Entry> {
        let (first, rest) = steps.split_first()?;
        let entry = match first {
            Step::Key(key) => self.get(key)?,
            Step::Index(index) if matches!(self.value, Value::List(_)) => {
                self.entries().nth(*index)?
            }
            Step::Index(_) => return None,
        };
        if rest.is_empty() {
            Some(entry)
        } else {
            entry.node.find(rest)
        }
    }

    /// Whether both say the same, wherever and however it is written.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Leaf(a), Value::Leaf(b)) => a.scalar == b.scalar,
            (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_)) => {
                self.entries().count() == other.entries().count()
                    && self
                        .entries()
                        .zip(other.entries())
                        .all(|(a, b)| a.key == b.key && a.node.means(&b.node))
            }
            _ => false,
        }
    }

    /// Where the last comment below this node ends.
    #[must_use]
    pub fn last_comment(&self) -> Option<usize> {
        let (Value::Map(items) | Value::List(items)) = &self.value else {
            return None;
        };
        let end = |item: &Item| match item {
            Item::Comment(comment) => Some(comment.span.end),
            Item::Entry(entry) => entry.node.last_comment(),
        };
        items.iter().filter_map(end).max()
    }

    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// As [`Tree::walk`], of one document.
    pub(crate) fn walk<'a>(&'a self, visit: &mut dyn FnMut(&Path, Visit<'a>)) {
        walk(self, &mut Path::default(), visit);
    }
}

/// One step from the root to a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The address of a value: keys and list positions, in the first document unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

impl Path {
    #[must_use]
    pub fn key(name: &str) -> Self {
        Self(vec![Step::Key(name.to_owned())])
    }

    /// The map keys on the way; list positions add nothing (the SOPS rule for `aad` and selectors).
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// The additional data of a value: every key followed by a colon.
    #[must_use]
    pub fn aad(&self) -> String {
        let mut aad = String::with_capacity(self.keys().map(|key| key.len() + 1).sum());
        for key in self.keys() {
            aad.push_str(key);
            aad.push(':');
        }
        aad
    }

    /// The additional data of a comment: that of the enclosing container; a lone colon at the top.
    #[must_use]
    pub fn comment_aad(&self) -> String {
        let aad = self.aad();
        if aad.is_empty() { ":".into() } else { aad }
    }
}

/// `a.b[2].c`; a key that would be ambiguous in that form stands in brackets: `["a.b"]`.
impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', ']', '"']) => {
                    write!(f, "[{}]", serde_json::Value::from(key.as_str()))?;
                }
                Step::Key(key) if position == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// What a walk meets, in file order.
pub enum Visit<'a> {
    Leaf(&'a Node, &'a Leaf),
    Comment(&'a Comment),
    /// `{}` or `[]`
    Empty(&'a Node),
}

impl Tree {
    /// The same tree with null for every value.
    pub(crate) fn without_values(&self) -> Self {
        let documents = self.documents.iter().map(Node::without_values).collect();
        let (ends, tagged) = (self.ends.clone(), self.tagged.clone());
        Self {
            documents,
            ends,
            has_alias: self.has_alias,
            tagged,
            home: self.home,
        }
    }

    /// Every value in file order.
    pub(crate) fn scalars(&self) -> Vec<&Scalar> {
        let mut scalars = Vec::new();
        self.documents
            .iter()
            .for_each(|document| document.add_scalars(&mut scalars));
        scalars
    }

    /// Whether both say the same in the same order, comments included: enough for [`Self::walk`] to
    /// meet the same.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.documents, &other.documents);
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.reads_as(b))
    }

    /// Depth first, in file order, over all documents. The path of a comment is that of its
    /// container.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&Path, Visit<'a>)) {
        for document in &self.documents {
            document.walk(visit);
        }
    }

    /// The entry at a path of the first document that has it.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&Entry> {
        match self.home {
            Some(home) => self.documents.get(home)?.find(&path.0),
            None => self
                .documents
                .iter()
                .find_map(|document| document.find(&path.0)),
        }
    }

    /// Every leaf with its path, in file order.
    #[must_use]
    pub fn leaves(&self) -> Vec<(Path, &Node, &Leaf)> {
        let mut leaves = Vec::new();
        self.walk(&mut |path, visit| {
            if let Visit::Leaf(node, leaf) = visit {
                leaves.push((path.clone(), node, leaf));
            }
        });
        leaves
    }
}

fn walk<'a>(node: &'a Node, path: &mut Path, visit: &mut dyn FnMut(&Path, Visit<'a>)) {
    let items = match &node.value {
        Value::Leaf(leaf) => return visit(path, Visit::Leaf(node, leaf)),
        Value::Map(items) | Value::List(items) => items,
    };
    if items.is_empty() {
        visit(path, Visit::Empty(node));
    }
    let mut index = 0;
    for item in items {
        match item {
            Item::Comment(comment) => visit(path, Visit::Comment(comment)),
            Item::Entry(entry) => {
                path.0.push(step(entry, index));
                walk(&entry.node, path, visit);
                path.0.pop();
                index += 1;
            }
        }
    }
}

/// The step that leads to an entry, the `index`-th of its container.
#[must_use]
pub fn step(entry: &Entry, index: usize) -> Step {
    entry.key.clone().map_or(Step::Index(index), Step::Key)
}

/// A text that is not a document: the line (from 1) and the rule that it breaks, never its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    pub line: usize,
    pub what: String,
}

impl SyntaxError {
    pub(crate) fn at(source: &str, offset: usize, what: impl Into<String>) -> Self {
        Self {
            line: line_of(source, offset),
            what: what.into(),
        }
    }
}

/// The line (from 1) of a byte offset.
#[must_use]
pub fn line_of(source: &str, offset: usize) -> usize {
    let end = offset.min(source.len());
    source.as_bytes()[..end]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// The lines of a text, for whoever asks for many of them: each costs a search instead of a count.
#[derive(Debug)]
pub struct Lines(Vec<usize>);

impl Lines {
    #[must_use]
    pub fn of(source: &str) -> Self {
        Self(source.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// As [`line_of`].
    #[must_use]
    pub fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

/// The offset at which the line of an offset starts.
pub(crate) fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_unambiguously_and_give_the_sops_aad() {
        let path = Path(vec![
            Step::Key("a".into()),
            Step::Index(2),
            Step::Key("b.c".into()),
        ]);
        assert_eq!(path.to_string(), r#"a[2]["b.c"]"#);
        assert_eq!(path.aad(), "a:b.c:");
        assert_eq!(Path::default().comment_aad(), ":");
    }
}
