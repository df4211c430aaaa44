//! Nodes from the events of the scanner.

use std::collections::HashMap;
use std::ops::Range;

use super::copies::relocate;
use super::events::{self, EventKind, YamlEvent};
use super::resolve::{self, Resolved};
use super::{comments, placing};
use crate::bounds::duplicate;
use crate::tree::{Entry, Item, Leaf, Node, Scalar, Style, SyntaxError, Tree, Value};

const MAX_DEPTH: usize = 100;
const MAX_NODES: usize = 200_000;
/// What aliases and anchors may copy: values, and bytes beside four times those of the text.
const MAX_COPIES: usize = 100_000;
const MAX_COPIED: usize = 8 << 20;
/// The scanner compares each with all before it.
const MAX_DIRECTIVES: usize = 100;
pub(super) const BOM: char = '\u{feff}';

/// Parses all documents of a YAML text.
///
/// # Errors
/// [`SyntaxError`] with the line and the rule; the text itself never appears.
pub fn parse(source: &str) -> Result<Tree, SyntaxError> {
    parse_with(source, false)
}

/// The same for a `.sops.yaml`, in which sops passes over fields that it does not know whatever
/// their keys are: `- &users:` in a list of anchors is a key without a name.
///
/// # Errors
/// As [`parse`].
pub fn parse_policy(source: &str) -> Result<Tree, SyntaxError> {
    parse_with(source, true)
}

fn parse_with(source: &str, nameless_keys: bool) -> Result<Tree, SyntaxError> {
    let body = source.strip_prefix(BOM).unwrap_or(source);
    if let Some(offset) = body.find(BOM) {
        return Err(SyntaxError::at(
            body,
            offset,
            "byte order mark inside the text",
        ));
    }
    check_directives(body)?;
    let shift = source.len() - body.len();
    let mut builder = Builder {
        source,
        shift,
        nameless_keys,
        ..Builder::default()
    };
    events::events(body, &mut |event| builder.event(event))?;
    let mut tree = Tree {
        documents: builder.documents,
        ends: builder.ends,
        has_alias: builder.has_alias,
        tagged: builder.tagged,
        home: None,
    };
    if body.contains('#') {
        let mut tokens = events::tokens(body)?;
        let mut remarks = comments::find(body, &mut tokens)?;
        for line in remarks.iter_mut().flat_map(|remark| &mut remark.lines) {
            *line = line.start + shift..line.end + shift;
        }
        placing::place((source, body), &mut tree, &tokens, remarks)?;
    }
    Ok(tree)
}

fn check_directives(body: &str) -> Result<(), SyntaxError> {
    let at_start = |at: usize| at == 0 || body[..at].ends_with(comments::is_break_char);
    let mut directives = body
        .match_indices("%TAG")
        .map(|(at, _)| at)
        .filter(|at| at_start(*at));
    match directives.nth(MAX_DIRECTIVES) {
        Some(at) => Err(SyntaxError::at(
            body,
            at,
            format!("more than {MAX_DIRECTIVES} directives"),
        )),
        None => Ok(()),
    }
}

/// Builds nodes from events with its own stack, so that depth is bounded by a rule and not by ours.
#[derive(Default)]
struct Builder<'a> {
    source: &'a str,
    /// Bytes of the leading byte order mark, which the scanner does not see.
    shift: usize,
    stack: Vec<Frame>,
    documents: Vec<Node>,
    ends: Vec<usize>,
    anchors: HashMap<String, Node>,
    nodes: usize,
    copies: usize,
    copied: usize,
    has_alias: bool,
    tagged: Vec<usize>,
    /// An empty key is one.
    nameless_keys: bool,
}

struct Frame {
    is_map: bool,
    flow: bool,
    start: usize,
    items: Vec<Item>,
    /// How many nodes there were before this one.
    nodes: usize,
    key: Option<(String, Range<usize>)>,
    anchor: Option<String>,
}

impl Builder<'_> {
    fn event(&mut self, mut event: YamlEvent) -> Result<(), SyntaxError> {
        event.span = event.span.start + self.shift..event.span.end + self.shift;
        let span = event.span.clone();
        match event.kind {
            EventKind::DocumentStart { version } => {
                if version.is_some_and(|version| version != (1, 1)) {
                    return Err(self.error(&span, "%YAML other than 1.1"));
                }
                self.anchors.clear();
                Ok(())
            }
            EventKind::DocumentEnd => {
                self.ends.push(span.start);
                Ok(())
            }
            EventKind::Alias(_)
                if self
                    .stack
                    .last()
                    .is_some_and(|frame| frame.is_map && frame.key.is_none()) =>
            {
                Err(self.error(&span, "an alias as a key: write the key out"))
            }
            EventKind::Alias(name) => {
                let Some(mut node) = self.anchors.get(&name).cloned() else {
                    return Err(
                        self.error(&span, "alias of an anchor that is not defined before it")
                    );
                };
                let (nodes, bytes) = relocate(&mut node, &span);
                self.nodes += nodes;
                self.copy(nodes, bytes, &span)?;
                self.has_alias = true;
                self.value(node)
            }
            EventKind::Scalar { ref value, style } => {
                self.check_escapes(&span, style)?;
                if self
                    .stack
                    .last()
                    .is_some_and(|frame| frame.is_map && frame.key.is_none())
                {
                    return self.key(value, style, event.tag.as_deref(), span);
                }
                let scalar = match resolve::resolve(value, style, event.tag.as_deref()) {
                    Resolved::Scalar(scalar) => scalar,
                    Resolved::Refused(rule) => return Err(self.error(&span, rule)),
                };
                if event.tag.as_deref().is_some_and(resolve::is_of_application) {
                    self.tagged.push(span.start);
                }
                let flow = self.stack.last().is_some_and(|frame| frame.flow);
                let style = if flow { Style::Flow } else { style };
                let node = Node {
                    span,
                    value: Value::Leaf(Leaf {
                        scalar,
                        style,
                        token: None,
                    }),
                };
                self.remember(event.anchor, &node, 1)?;
                self.value(node)
            }
            EventKind::ListStart { flow } => self.open(false, flow, span.start, event.anchor),
            EventKind::MapStart { .. }
                if self.stack.is_empty() && (event.tag.is_some() || event.anchor.is_some()) =>
            {
                Err(self.error(&span, "a tag or an anchor on the top level"))
            }
            EventKind::MapStart { flow } => self.open(true, flow, span.start, event.anchor),
            EventKind::ListEnd | EventKind::MapEnd => self.close(span),
        }
    }

    fn error(&self, span: &Range<usize>, what: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.source, span.start, what)
    }

    fn open(
        &mut self,
        is_map: bool,
        flow: bool,
        start: usize,
        anchor: Option<String>,
    ) -> Result<(), SyntaxError> {
        let span = start..start;
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error(&span, format!("more than {MAX_DEPTH} levels deep")));
        }
        match self.stack.last() {
            None if !is_map => return Err(self.error(&span, "the top level must be a map")),
            Some(frame) if frame.is_map && frame.key.is_none() => {
                return Err(self.error(&span, "a key that is not a string"));
            }
            _ => {}
        }
        let flow = flow || self.stack.last().is_some_and(|frame| frame.flow);
        self.stack.push(Frame {
            is_map,
            flow,
            start,
            items: Vec::new(),
            nodes: self.nodes,
            key: None,
            anchor,
        });
        Ok(())
    }

    fn close(&mut self, end: Range<usize>) -> Result<(), SyntaxError> {
        let Some(mut frame) = self.stack.pop() else {
            return Err(self.error(&end, "not YAML"));
        };
        if frame.is_map
            && let Some((key, span)) = duplicate(&frame.items)
        {
            return Err(self.error(span, format!("duplicate key `{key}`")));
        }
        frame.items.shrink_to_fit();
        let nodes = self.nodes - frame.nodes + 1;
        // the end of a block container lies behind the comments that follow it
        let last = frame.items.iter().rev().find_map(|item| match item {
            Item::Entry(entry) => Some(entry.span.end),
            Item::Comment(_) => None,
        });
        let end = if frame.flow {
            end.end
        } else {
            last.unwrap_or(end.end)
        };
        let value = if frame.is_map {
            Value::Map(frame.items)
        } else {
            Value::List(frame.items)
        };
        let node = Node {
            span: frame.start..end,
            value,
        };
        self.remember(frame.anchor, &node, nodes)?;
        self.value(node)
    }

    fn key(
        &mut self,
        text: &str,
        style: Style,
        tag: Option<&str>,
        span: Range<usize>,
    ) -> Result<(), SyntaxError> {
        // `!!binary c29wcw==` is the key `sops` to sops
        let is_as_written = |bytes: &[u8]| bytes == text.as_bytes();
        let is_text = matches!(resolve::resolve(text, style, tag), Resolved::Scalar(Scalar::Str(it)) if is_as_written(&it));
        let is_nameless = self.nameless_keys && text.is_empty();
        if !(is_text || is_nameless) {
            return Err(self.error(&span, "a key that is not a string: quote it"));
        }
        if let Some(frame) = self.stack.last_mut() {
            frame.key = Some((text.to_owned(), span));
        }
        Ok(())
    }

    fn value(&mut self, node: Node) -> Result<(), SyntaxError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error(&node.span, format!("more than {MAX_NODES} values")));
        }
        let Some(frame) = self.stack.last_mut() else {
            return self.document(node);
        };
        let key_span = frame
            .key
            .as_ref()
            .map_or(node.span.start..node.span.start, |(_, span)| span.clone());
        let span = key_span.start.min(node.span.start)..node.span.end.max(key_span.end);
        let key = frame.key.take().map(|(key, _)| key);
        frame.items.push(Item::Entry(Entry {
            key,
            span,
            key_span,
            node,
        }));
        Ok(())
    }

    fn document(&mut self, node: Node) -> Result<(), SyntaxError> {
        let node = match &node.value {
            Value::Leaf(Leaf {
                scalar: Scalar::Null,
                ..
            }) => Node {
                span: node.span.clone(),
                value: Value::Map(Vec::new()),
            },
            Value::Map(_) => node,
            _ => return Err(self.error(&node.span, "the top level must be a map")),
        };
        self.documents.push(node);
        Ok(())
    }

    fn remember(
        &mut self,
        anchor: Option<String>,
        node: &Node,
        nodes: usize,
    ) -> Result<(), SyntaxError> {
        if let Some(anchor) = anchor {
            self.copy(nodes, node.span.len(), &node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(())
    }

    fn copy(&mut self, nodes: usize, bytes: usize, span: &Range<usize>) -> Result<(), SyntaxError> {
        self.copies += nodes;
        self.copied = self.copied.saturating_add(bytes);
        if self.copies > MAX_COPIES {
            return Err(self.error(
                span,
                format!("anchors and aliases of more than {MAX_COPIES} values"),
            ));
        }
        if self.copied > MAX_COPIED + self.source.len().saturating_mul(4) {
            return Err(self.error(
                span,
                "anchors and aliases that expand to far more than the text",
            ));
        }
        Ok(())
    }

    /// go-yaml refuses the escape `\/`, libyaml accepts it.
    fn check_escapes(&self, span: &Range<usize>, style: Style) -> Result<(), SyntaxError> {
        if style != Style::Double {
            return Ok(());
        }
        let text = self.source.get(span.clone()).unwrap_or_default().as_bytes();
        let mut position = 0;
        while let Some(byte) = text.get(position) {
            match (byte, text.get(position + 1)) {
                (b'\\', Some(b'/')) => return Err(self.error(span, "the escape `\\/`")),
                (b'\\', _) => position += 2,
                _ => position += 1,
            }
        }
        Ok(())
    }
}
