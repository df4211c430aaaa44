//! Comments, second half: what the scanner found is handed to nodes as the parser of go-yaml v3
//! does it, and put among the items of the containers as sops does it.
//!
//! The walk follows the tokens in step with the tree that the events built.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::comments::{Remark, Role};
use super::copies::relocate;
use super::events::{TokenKind, YamlToken};
use crate::tree::{Comment, Item, Node, SyntaxError, Tree, Value};

/// Puts every comment into the tree; `body` is the source less a byte order mark. Those that
/// go-yaml loses on its way are there too, marked as stray: the author wrote them, and they may be
/// secret.
pub(super) fn place(
    (source, body): (&str, &str),
    tree: &mut Tree,
    tokens: &[YamlToken],
    remarks: Vec<Remark>,
) -> Result<(), SyntaxError> {
    let mut walk = PlacingWalk {
        source,
        body,
        tokens,
        remarks: remarks.into_iter().peekable(),
        next: 0,
        head: Vec::new(),
        line: Vec::new(),
        foot: Vec::new(),
        stem: Vec::new(),
        anchors: HashMap::new(),
        keep_anchors: tree.has_alias,
    };
    walk.skip();
    for document in &mut tree.documents {
        walk.document(document)?;
    }
    // behind the end marker of the last document nobody reads on; the author wrote it all the same
    let rest: LineSpans = walk
        .remarks
        .by_ref()
        .flat_map(|remark| remark.lines)
        .collect();
    let read = walk.take();
    let lost = [read.head, read.line, read.foot, rest].concat();
    if let Some(Value::Map(items)) = tree.documents.last_mut().map(|root| &mut root.value) {
        items.extend(comments(source, lost, true));
    }
    Ok(())
}

type LineSpans = Vec<Range<usize>>;

/// The comments of one node.
#[derive(Clone, Default)]
struct Marks {
    head: LineSpans,
    line: LineSpans,
    foot: LineSpans,
    stray: LineSpans,
}

impl Marks {
    fn is_empty(&self) -> bool {
        [&self.head, &self.line, &self.foot, &self.stray]
            .iter()
            .all(|lines| lines.is_empty())
    }
}

struct PlacingWalk<'a> {
    source: &'a str,
    /// What the places of tokens refer to.
    body: &'a str,
    tokens: &'a [YamlToken],
    remarks: std::iter::Peekable<std::vec::IntoIter<Remark>>,
    next: usize,
    head: LineSpans,
    line: LineSpans,
    foot: LineSpans,
    /// What stood above the dash of a list item that is a container itself.
    stem: LineSpans,
    anchors: HashMap<&'a str, (Node, Marks)>,
    keep_anchors: bool,
}

impl<'a> PlacingWalk<'a> {
    /// The kind of the next token; comments that belong to it are taken up.
    fn peek(&mut self) -> TokenKind {
        let Some(token) = self.tokens.get(self.next) else {
            return TokenKind::Stream;
        };
        let due = |remark: &Remark| {
            let held_back = remark.role == Role::Head && token.kind == TokenKind::BlockEnd;
            token.start >= remark.token && !held_back
        };
        while let Some(remark) = self.remarks.next_if(due) {
            match remark.role {
                Role::Head => self.head.extend(remark.lines),
                Role::Line => self.line.extend(remark.lines),
                Role::Foot => self.foot.extend(remark.lines),
            }
        }
        token.kind
    }

    fn skip(&mut self) {
        self.peek();
        self.next += 1;
    }

    fn take(&mut self) -> Marks {
        self.stem.clear();
        Marks {
            head: std::mem::take(&mut self.head),
            line: std::mem::take(&mut self.line),
            foot: std::mem::take(&mut self.foot),
            stray: Vec::new(),
        }
    }

    /// libyaml gave both streams, so they agree; if they did not, this would say so.
    fn expect(&mut self, kind: &TokenKind) -> Result<(), SyntaxError> {
        if self.peek() != *kind {
            let at = self
                .tokens
                .get(self.next)
                .map_or(self.source.len(), |token| token.start);
            return Err(SyntaxError::at(
                self.source,
                at,
                "a comment in a place that is not understood",
            ));
        }
        self.next += 1;
        Ok(())
    }

    fn document(&mut self, root: &mut Node) -> Result<(), SyntaxError> {
        while matches!(self.peek(), TokenKind::DocumentEnd | TokenKind::Directive) {
            self.next += 1;
        }
        if self.peek() == TokenKind::DocumentStart {
            self.next += 1;
        }
        let is_empty = matches!(
            self.peek(),
            TokenKind::Directive
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::Stream
        );
        let marks = if is_empty {
            Marks::default()
        } else {
            self.node(root)?
        };
        if self.peek() == TokenKind::DocumentEnd {
            self.next += 1;
        }
        let mut end = self.take();
        if end.foot.is_empty() {
            std::mem::swap(&mut end.head, &mut end.foot);
        }
        self.enclose(root, marks);
        let Value::Map(items) = &mut root.value else {
            return Ok(());
        };
        items.extend(comments(self.source, end.foot, false));
        items.extend(comments(self.source, end.head, true));
        items.extend(comments(self.source, end.line, true));
        Ok(())
    }

    /// That of the anchor or alias here, behind its mark.
    fn name(&self) -> &'a str {
        let span = self
            .tokens
            .get(self.next)
            .map_or(0..0, |token| token.start + 1..token.end);
        self.body.get(span).unwrap_or_default()
    }

    /// One node with its anchor and tag.
    fn node(&mut self, node: &mut Node) -> Result<Marks, SyntaxError> {
        let mut anchor = None;
        let mut kind = self.peek();
        if kind == TokenKind::Alias {
            return Ok(self.alias(node, self.name()));
        }
        while matches!(kind, TokenKind::Anchor | TokenKind::Tag) {
            if kind == TokenKind::Anchor {
                anchor = Some(self.name());
            }
            self.next += 1;
            kind = self.peek();
        }
        let marks = match kind {
            TokenKind::BlockEntry => self.indentless(node)?,
            TokenKind::Scalar(_) => {
                let marks = self.take();
                self.next += 1;
                marks
            }
            TokenKind::FlowListStart | TokenKind::FlowMapStart => self.flow(node)?,
            TokenKind::BlockListStart | TokenKind::BlockMapStart => self.block(node)?,
            // only an anchor or a tag: an empty scalar
            _ => Marks::default(),
        };
        if let Some(name) = anchor.filter(|_| self.keep_anchors) {
            self.anchors.insert(name, (node.clone(), marks.clone()));
        }
        Ok(marks)
    }

    /// The copy holds the comments of its original, also those around it.
    fn alias(&mut self, node: &mut Node, name: &str) -> Marks {
        let own = self.take();
        self.next += 1;
        if let Some((original, marks)) = self.anchors.get(name).cloned() {
            let span = node.span.clone();
            *node = original;
            self.enclose(node, marks);
            relocate(node, &span);
        }
        own
    }

    fn block(&mut self, node: &mut Node) -> Result<Marks, SyntaxError> {
        let mut marks = Marks {
            head: std::mem::take(&mut self.stem),
            ..Marks::default()
        };
        let is_map = self.peek() == TokenKind::BlockMapStart;
        self.next += 1;
        if is_map {
            let end = self.block_map(node)?;
            self.expect(&TokenKind::BlockEnd)?;
            marks.line = end.line;
            marks.foot = end.foot;
            marks.stray.extend(end.head);
        } else {
            self.list(node)?;
            self.expect(&TokenKind::BlockEnd)?;
        }
        Ok(marks)
    }

    fn indentless(&mut self, node: &mut Node) -> Result<Marks, SyntaxError> {
        self.list(node)?;
        Ok(Marks::default())
    }

    fn list(&mut self, node: &mut Node) -> Result<(), SyntaxError> {
        let Value::List(items) = &mut node.value else {
            return self.expect(&TokenKind::Stream);
        };
        let mut inserts = Inserts::default();
        for (position, item) in items.iter_mut().enumerate() {
            let Item::Entry(entry) = item else { continue };
            self.peek();
            let above = self.head.len();
            self.expect(&TokenKind::BlockEntry)?;
            let inner = self.peek();
            if above > 0 && matches!(inner, TokenKind::BlockListStart | TokenKind::BlockMapStart) {
                let rest = self.head.split_off(above);
                self.stem = std::mem::replace(&mut self.head, rest);
            }
            let is_empty = matches!(
                inner,
                TokenKind::BlockEntry | TokenKind::BlockEnd | TokenKind::Key | TokenKind::Value
            );
            let marks = if is_empty {
                Marks::default()
            } else {
                self.node(&mut entry.node)?
            };
            self.item(&mut inserts, position, marks);
        }
        inserts.into_items(items);
        Ok(())
    }

    fn item(&self, inserts: &mut Inserts, position: usize, marks: Marks) {
        inserts.at(position, comments(self.source, marks.head, false));
        inserts.at(position, comments(self.source, marks.line, false));
        inserts.at(position, comments(self.source, marks.stray, true));
        inserts.at(position + 1, comments(self.source, marks.foot, false));
    }

    /// The entries of a block map up to its end, whose comments are the answer.
    fn block_map(&mut self, node: &mut Node) -> Result<Marks, SyntaxError> {
        let Value::Map(items) = &mut node.value else {
            self.expect(&TokenKind::Stream)?;
            return Ok(Marks::default());
        };
        let mut inserts = Inserts::default();
        let mut last: Option<MapPair> = None;
        for position in 0..items.len() {
            let mut key = Marks::default();
            if self.peek() == TokenKind::Key {
                self.next += 1;
                if !matches!(
                    self.peek(),
                    TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
                ) {
                    key = self.node(&mut blank())?;
                }
            }
            // a foot above a key belongs to the entry before, whose own foot it replaces
            if let Some(before) = last.as_mut().filter(|_| !key.foot.is_empty()) {
                let old = std::mem::replace(&mut before.key.foot, std::mem::take(&mut key.foot));
                before.key.stray.extend(old);
            }
            self.pair(&mut inserts, items, last.take());
            let Item::Entry(entry) = &mut items[position] else {
                continue;
            };
            let mut value = Marks::default();
            if self.peek() == TokenKind::Value {
                self.next += 1;
                if !matches!(
                    self.peek(),
                    TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
                ) {
                    value = self.node(&mut entry.node)?;
                }
            }
            last = Some(MapPair::new(position, key, value));
        }
        self.peek();
        let mut end = self.take();
        if let Some(last) = last.as_mut().filter(|_| !end.foot.is_empty()) {
            let old = std::mem::replace(&mut last.key.foot, std::mem::take(&mut end.foot));
            last.key.stray.extend(old);
        }
        self.pair(&mut inserts, items, last);
        inserts.into_items(items);
        Ok(end)
    }

    fn flow(&mut self, node: &mut Node) -> Result<Marks, SyntaxError> {
        // what stands behind the opening bracket is lost: the end overwrites it
        let start = self.take();
        let mut stray = start.line;
        stray.extend(start.foot);
        let is_map = self.peek() == TokenKind::FlowMapStart;
        self.next += 1;
        if is_map {
            self.flow_map(node)?
        } else {
            self.flow_list(node)?
        }
        let mut end = self.take();
        self.next += 1;
        stray.append(&mut end.head);
        Ok(Marks {
            head: start.head,
            line: end.line,
            foot: end.foot,
            stray,
        })
    }

    fn flow_list(&mut self, node: &mut Node) -> Result<(), SyntaxError> {
        let Value::List(items) = &mut node.value else {
            return self.expect(&TokenKind::Stream);
        };
        let mut inserts = Inserts::default();
        for (position, item) in items.iter_mut().enumerate() {
            let Item::Entry(entry) = item else { continue };
            if self.peek() == TokenKind::FlowEntry {
                self.next += 1;
            }
            let marks = if self.peek() == TokenKind::Key {
                self.single_pair(&mut entry.node)?;
                Marks::default()
            } else {
                self.node(&mut entry.node)?
            };
            self.item(&mut inserts, position, marks);
        }
        if self.peek() == TokenKind::FlowEntry {
            self.next += 1;
        }
        inserts.into_items(items);
        match self.peek() {
            TokenKind::FlowListEnd => Ok(()),
            _ => self.expect(&TokenKind::FlowListEnd),
        }
    }

    /// `[a: b]`: a map of one entry without braces.
    fn single_pair(&mut self, node: &mut Node) -> Result<(), SyntaxError> {
        let Value::Map(items) = &mut node.value else {
            return self.expect(&TokenKind::Stream);
        };
        let mut inserts = Inserts::default();
        self.flow_pair(&mut inserts, items, 0)?;
        inserts.into_items(items);
        Ok(())
    }

    fn flow_pair(
        &mut self,
        inserts: &mut Inserts,
        items: &mut [Item],
        position: usize,
    ) -> Result<(), SyntaxError> {
        let Some(Item::Entry(entry)) = items.get_mut(position) else {
            return Ok(());
        };
        let ends = |kind: &TokenKind| {
            matches!(
                kind,
                TokenKind::FlowEntry | TokenKind::FlowListEnd | TokenKind::FlowMapEnd
            )
        };
        let (mut key, mut value) = (Marks::default(), Marks::default());
        let explicit = self.peek() == TokenKind::Key;
        if explicit {
            self.next += 1;
        }
        let kind = self.peek();
        if kind != TokenKind::Value && !ends(&kind) {
            key = self.node(&mut blank())?;
        }
        if explicit && self.peek() == TokenKind::Value {
            self.next += 1;
            let kind = self.peek();
            if !ends(&kind) {
                value = self.node(&mut entry.node)?;
            }
        }
        self.pair(inserts, items, Some(MapPair::new(position, key, value)));
        Ok(())
    }

    fn flow_map(&mut self, node: &mut Node) -> Result<(), SyntaxError> {
        let Value::Map(items) = &mut node.value else {
            return self.expect(&TokenKind::Stream);
        };
        let mut inserts = Inserts::default();
        for position in 0..items.len() {
            if self.peek() == TokenKind::FlowEntry {
                self.next += 1;
            }
            self.flow_pair(&mut inserts, items, position)?;
        }
        if self.peek() == TokenKind::FlowEntry {
            self.next += 1;
        }
        inserts.into_items(items);
        match self.peek() {
            TokenKind::FlowMapEnd => Ok(()),
            _ => self.expect(&TokenKind::FlowMapEnd),
        }
    }

    fn pair(&self, inserts: &mut Inserts, items: &mut [Item], pair: Option<MapPair>) {
        let Some(MapPair {
            position,
            key,
            value,
        }) = pair
        else {
            return;
        };
        let Some(Item::Entry(entry)) = items.get_mut(position) else {
            return;
        };
        inserts.at(position, comments(self.source, key.head, false));
        inserts.at(position, comments(self.source, key.line, false));
        inserts.at(position, comments(self.source, key.stray, true));
        let is_container =
            !matches!(entry.node.value, Value::Leaf(_)) && !self.is_alias(&entry.node.span);
        if is_container {
            self.enclose(&mut entry.node, value);
        } else {
            self.item(inserts, position, value);
        }
        inserts.at(position + 1, comments(self.source, key.foot, false));
    }

    fn is_alias(&self, span: &Range<usize>) -> bool {
        self.source[span.start..].starts_with('*')
    }

    /// The comments of a container stand inside it.
    fn enclose(&self, node: &mut Node, marks: Marks) {
        let (Value::Map(items) | Value::List(items)) = &mut node.value else {
            return;
        };
        if marks.is_empty() {
            return;
        }
        let inner = std::mem::take(items);
        items.extend(comments(self.source, marks.head, false));
        items.extend(comments(self.source, marks.line, false));
        items.extend(comments(self.source, marks.stray, true));
        items.extend(inner);
        items.extend(comments(self.source, marks.foot, false));
    }
}

/// Comments and the items that they stand before, in order.
#[derive(Default)]
struct Inserts(Vec<(usize, Item)>);

impl Inserts {
    fn at(&mut self, position: usize, comments: impl Iterator<Item = Item>) {
        self.0.extend(comments.map(|comment| (position, comment)));
    }

    fn into_items(self, items: &mut Vec<Item>) {
        if self.0.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(items.len() + self.0.len());
        let mut inserts = self.0.into_iter().peekable();
        for (position, item) in std::mem::take(items).into_iter().enumerate() {
            while let Some((_, comment)) = inserts.next_if(|(before, _)| *before <= position) {
                merged.push(comment);
            }
            merged.push(item);
        }
        merged.extend(inserts.map(|(_, comment)| comment));
        *items = merged;
    }
}

struct MapPair {
    position: usize,
    key: Marks,
    value: Marks,
}

impl MapPair {
    fn new(position: usize, mut key: Marks, mut value: Marks) -> Self {
        if key.foot.is_empty() {
            key.foot = std::mem::take(&mut value.foot);
        }
        Self {
            position,
            key,
            value,
        }
    }
}

/// Stands for a key, which the tree keeps as a text.
fn blank() -> Node {
    Node {
        span: 0..0,
        value: Value::Map(Vec::new()),
    }
}

fn comments(source: &str, lines: LineSpans, stray: bool) -> impl Iterator<Item = Item> {
    lines.into_iter().map(move |span| {
        let text = Zeroizing::new(source[span.start + 1..span.end].to_owned());
        Item::Comment(Comment {
            text,
            span,
            token: None,
            stray,
        })
    })
}
