//! A document, parsed without a key, and what it is once it is open.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::format::Format;
use crate::mac::MacState;
use crate::metadata::{self, Metadata, Spans};
use crate::tree::{self, Comment, Entry, Item, Node, SyntaxError, Tree, Value};
use crate::{Token, TokenType, binary, disguise, format, ini, json};

/// One entry of the `sops.age` list: a label that nobody authenticates, and an armored age file
/// that holds the 32 bytes of the data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    pub recipient: String,
    pub enc: String,
}

/// An encrypted document, parsed without a key. A copy costs nothing: an opened document keeps one.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) format: Format,
    pub(crate) source: Arc<str>,
    /// Values only; the `sops` block is taken out.
    pub(crate) tree: Arc<Tree>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) block: Arc<Block>,
    /// Where its lines begin, once somebody asks.
    pub(crate) lines: Arc<OnceLock<tree::Lines>>,
}

/// The bytes of the metadata: what to cut to see the values alone.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) cut: Vec<Range<usize>>,
    /// The start of the (first) block: new keys go right before it.
    pub(crate) start: usize,
    /// Of the further documents of a YAML file: each repeats the whole block.
    pub(crate) copies: Vec<Spans>,
}

/// Why a text is not a SOPS document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("no sops metadata")]
    NotSops,
    #[error("a SOPS document of another format than its name says")]
    Misnamed,
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: {what}")]
    Metadata { line: usize, what: String },
}

/// A value or the whole document is not what its writer sealed. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    #[error("line {line}: `{path}` {what}")]
    Value { line: usize, path: String, what: String },
    #[error("the MAC does not match: values were changed without the data key")]
    Mac,
    #[error("the MAC is missing")]
    NoMac,
    /// Of these key groups, counted from 1.
    #[error("the parts of the data key in {} do not belong together", groups(.0))]
    Parts(Vec<usize>),
}

/// `key groups 1, 3`
fn groups(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("key groups {}", numbers.join(", "))
}

/// An opened document.
#[derive(Clone, Debug)]
pub struct Cleartext {
    pub(crate) document: Document,
    pub(crate) tree: Tree,
    pub(crate) mac: MacState,
}

impl Document {
    /// Parses a document and its metadata; stricter than sops (duplicate keys, trailing text, …).
    ///
    /// # Errors
    /// [`DocumentError::NotSops`] when there is no metadata, else the line and the rule.
    pub fn parse(format: Format, source: &str) -> Result<Self, DocumentError> {
        if format == Format::Binary && !binary::may_be(source) {
            return Err(DocumentError::NotSops);
        }
        let mut tree = format.parse(source)?;
        let at = |offset: usize, what: String| DocumentError::Metadata {
            line: tree::line_of(source, offset),
            what,
        };
        let (node, block) = match take_block(format, source, &mut tree) {
            Ok(Some(taken)) => taken,
            Ok(None) => match disguise::find(format, &tree) {
                Some((offset, name)) => {
                    return Err(at(
                        offset,
                        format!("sops reads its metadata from `{name}`; the name is `sops`"),
                    ));
                }
                None => return Err(DocumentError::NotSops),
            },
            Err(offset) => return Err(at(offset, APPENDED.into())),
        };
        if format == Format::Binary {
            binary::check(&tree)?;
        }
        let metadata = Metadata::read(&node).map_err(|fault| at(fault.offset, fault.what))?;
        for document in &mut tree.documents {
            list_comments(source, document);
        }
        Ok(Self {
            format,
            source: source.into(),
            tree: Arc::new(tree),
            metadata: Arc::new(metadata),
            block: Arc::new(block),
            lines: Arc::default(),
        })
    }

    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The encrypted values.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Where the fields of every copy of the metadata stand.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Spans> {
        std::iter::once(&self.metadata.spans).chain(&self.block.copies)
    }

    /// Whether a document is a map in braces.
    pub(crate) fn is_flow(&self, document: usize) -> bool {
        let root = self.tree.documents.get(document);
        root.is_some_and(|root| self.source[root.span.start..].starts_with('{'))
    }

    /// The text of the metadata less MAC and time, which change with every value.
    #[must_use]
    pub fn lasting_metadata(&self) -> String {
        let spans = &self.metadata.spans;
        let changing: Vec<&Range<usize>> =
            [&spans.mac, &spans.lastmodified].into_iter().flatten().map(|node| &node.span).collect();
        let mut text = String::new();
        for range in &self.block.cut {
            let bytes = self.source[range.clone()].char_indices();
            let lasting =
                bytes.filter(|(at, _)| !changing.iter().any(|span| span.contains(&(range.start + at))));
            text.extend(lasting.map(|(_, c)| c));
        }
        text
    }

    /// A search among the lines, whoever asks however often: a hostile text has a finding on every line.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.lines.get_or_init(|| tree::Lines::of(&self.source)).at(offset)
    }
}

impl Cleartext {
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    #[must_use]
    pub fn mac(&self) -> MacState {
        self.mac
    }

    /// The bytes that `sops decrypt` prints; `None` for a dotenv file that holds more than lines.
    #[must_use]
    pub fn emit(&self, indent: format::Indent) -> Option<Zeroizing<Vec<u8>>> {
        self.payload().or_else(|| {
            let text = self.document.format.emit(&self.tree, indent)?;
            Some(Zeroizing::new(text.into_bytes()))
        })
    }
}

/// sops writes a comment inside a list as an item `- ENC[…,type:comment]`.
fn list_comments(source: &str, node: &mut Node) {
    let is_list = matches!(node.value, Value::List(_));
    // the dash stands behind the item before
    let mut floor = node.span.start;
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return };
    for item in items {
        let Item::Entry(entry) = item else { continue };
        let before = std::mem::replace(&mut floor, entry.span.end).min(entry.span.start);
        let text = if is_list { entry.node.text() } else { None };
        match text.filter(|text| Token::parse(text).is_ok_and(|token| token.kind == TokenType::Comment)) {
            Some(text) => {
                let dash = source[before..entry.span.start].rfind('-');
                let start = dash.map_or(entry.span.start, |dash| before + dash);
                let span = start..entry.span.end;
                *item = Item::Comment(Comment {
                    text: Zeroizing::new(text.to_owned()),
                    span,
                    token: None,
                    stray: false,
                });
            }
            None => list_comments(source, &mut entry.node),
        }
    }
}

/// sops writes the whole block into every document and reads only the first: a document with
/// another block, or with none, was put there by somebody else.
const APPENDED: &str = "a document whose `sops` block is not that of the first: it was not written by SOPS";

/// Takes the metadata out of the tree: its node, and the bytes to cut. The error is where a further
/// document does not repeat it.
fn take_block(format: Format, source: &str, tree: &mut Tree) -> Result<Option<(Node, Block)>, usize> {
    if format == Format::Dotenv {
        return Ok(take_lines(source, tree));
    }
    if format == Format::Ini {
        return Ok(take_section(source, tree));
    }
    let mut first: Option<Node> = None;
    let mut block = Block { cut: Vec::new(), start: 0, copies: Vec::new() };
    for (index, document) in tree.documents.iter_mut().enumerate() {
        let position = document.entries().position(|entry| entry.key.as_deref() == Some("sops"));
        let Some(position) = position else {
            // whether the file is SOPS at all is decided by its first document
            if index == 0 {
                return Ok(None);
            }
            return Err(document.span.start);
        };
        let flow =
            matches!(format, Format::Json | Format::Binary) || source[document.span.start..].starts_with('{');
        let member = flow.then(|| member_range(source, document, position));
        let Some(entry) = remove_entry(document, "sops") else { return Ok(None) };
        block.cut.push(member.unwrap_or_else(|| whole_lines(source, &entry.span)));
        match &first {
            None => {
                block.start = if flow { entry.span.start } else { block.cut[0].start };
                first = Some(entry.node);
            }
            Some(first) if first.means(&entry.node) => block.copies.push(Spans::of(&entry.node)),
            Some(_) => return Err(entry.span.start),
        }
    }
    Ok(first.map(|node| (node, block)))
}

/// The section `[sops]` of an INI file.
fn take_section(source: &str, tree: &mut Tree) -> Option<(Node, Block)> {
    let section = remove_entry(tree.documents.first_mut()?, "sops")?;
    let cut = ini::section_lines(source, &section.span);
    let block = Block { start: cut.start, cut: vec![cut], copies: Vec::new() };
    Some((ini::metadata(&section), block))
}

/// As [`json::member_range`]; comments before the member stay, and with them the comma.
fn member_range(source: &str, document: &Node, position: usize) -> Range<usize> {
    let range = json::member_range(source, document, position);
    let member = document.entries().nth(position).map_or(range.start, |entry| entry.span.start);
    if !source[range.start..member].contains('#') {
        return range;
    }
    source[..member].trim_end_matches([' ', '\t', '\n']).len()..range.end
}

/// The `sops_…` lines of a dotenv file.
fn take_lines(source: &str, tree: &mut Tree) -> Option<(Node, Block)> {
    let node = metadata::unflatten(tree)?;
    let mut cut = Vec::new();
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        if line.starts_with("sops_") {
            cut.push(offset..offset + line.len());
        }
        offset += line.len();
    }
    let start = cut.first()?.start;
    Some((node, Block { cut, start, copies: Vec::new() }))
}

pub(crate) fn remove_entry(document: &mut Node, key: &str) -> Option<Entry> {
    let Value::Map(items) = &mut document.value else { return None };
    let position = items
        .iter()
        .position(|item| matches!(item, Item::Entry(entry) if entry.key.as_deref() == Some(key)))?;
    match items.remove(position) {
        Item::Entry(entry) => Some(entry),
        Item::Comment(_) => None,
    }
}

/// The lines that a span touches, line break included.
pub(crate) fn whole_lines(source: &str, span: &Range<usize>) -> Range<usize> {
    let start = tree::line_start(source, span.start);
    if span.end > start && source[..span.end].ends_with('\n') {
        return start..span.end;
    }
    let end = source[span.end..].find('\n').map_or(source.len(), |newline| span.end + newline + 1);
    start..end
}

/// Replaces byte ranges of a text; ranges must not overlap.
pub(crate) fn splice(source: &str, mut edits: Vec<(Range<usize>, Zeroizing<String>)>) -> Zeroizing<String> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = Zeroizing::new(String::with_capacity(source.len() * 2));
    let mut position = 0;
    for (range, text) in edits {
        out.push_str(&source[position..range.start.max(position)]);
        out.push_str(&text);
        position = range.end.max(position);
    }
    out.push_str(&source[position..]);
    out
}
