//! SOPS documents for age recipients: bytes and values in, values out; time and randomness are
//! arguments.
//!
//! [`Document::parse`] reads an encrypted text without a key. [`Document::open`] decrypts every value,
//! checks the MAC and gives a [`Cleartext`], which remembers the token that each value came from.
//! From there on bytes are spliced, never re-printed: one changed value changes its own line,
//! `lastmodified` and `mac`. Every text that is handed out for writing was parsed and opened again
//! and says exactly what was meant.

pub mod binary;
mod block;
pub mod cipher;
pub mod compare;
mod disguise;
pub mod dotenv;
mod drop_others;
mod edit;
mod facts;
pub mod format;
pub mod ini;
mod join;
pub mod json;
mod layout;
mod mac;
mod mend;
pub mod merge;
pub mod metadata;
pub mod other_key;
pub mod pattern;
mod seal;
mod sealing;
pub mod selector;
pub mod shamir;
pub mod tree;
mod wrapped;
pub mod yaml;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

pub use cipher::{DataKey, Random, Token, TokenType};
pub use edit::EditError;
pub use format::Format;
pub use layout::Layout;
pub use mac::MacState;
pub use metadata::{KeyGroup, Metadata};
pub use other_key::OtherKey;
pub use seal::{Fresh, SealError, Terms, empty, seal};
pub use selector::Selector;
pub use tree::{Path, Scalar, Step, SyntaxError, Tree};
pub use wrapped::Wrapped;

use mac::Mac;
use metadata::Spans;
use selector::Selected;
use tree::{Comment, Entry, Item, Node, Value, Visit};

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
    format: Format,
    source: Arc<str>,
    /// Values only; the `sops` block is taken out.
    tree: Arc<Tree>,
    metadata: Arc<Metadata>,
    block: Arc<Block>,
    /// Where its lines begin, once somebody asks.
    lines: Arc<OnceLock<tree::Lines>>,
}

/// The bytes of the metadata: what to cut to see the values alone.
#[derive(Clone, Debug)]
struct Block {
    cut: Vec<Range<usize>>,
    /// The start of the (first) block: new keys go right before it.
    start: usize,
    /// Of the further documents of a YAML file: each repeats the whole block.
    copies: Vec<Spans>,
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
    document: Document,
    tree: Tree,
    mac: MacState,
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
    fn blocks(&self) -> impl Iterator<Item = &Spans> {
        std::iter::once(&self.metadata.spans).chain(&self.block.copies)
    }

    /// Whether a document is a map in braces.
    fn is_flow(&self, document: usize) -> bool {
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

    /// Decrypts every value and checks the MAC.
    ///
    /// # Errors
    /// [`OpenFault`] names the value that does not decrypt, or the MAC.
    pub fn open(&self, key: &DataKey) -> Result<Cleartext, OpenFault> {
        let clear = self.open_unverified(key)?;
        match clear.mac {
            MacState::Ok => Ok(clear),
            MacState::Bad => Err(OpenFault::Mac),
            MacState::Missing => Err(OpenFault::NoMac),
        }
    }

    /// Decrypts every value; [`Cleartext::mac`] tells what the MAC says. For display only.
    ///
    /// # Errors
    /// [`OpenFault::Value`] names the first value that does not decrypt.
    pub fn open_unverified(&self, key: &DataKey) -> Result<Cleartext, OpenFault> {
        let mut tree = Tree::clone(&self.tree);
        for document in &mut tree.documents {
            open_comments(document, &mut Path::default(), key);
        }
        let mut fault = self.locked_item(&tree);
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        self.metadata.selector.walk(&mut tree, &mut |path, met, selected| {
            let Selected::Leaf(leaf, span) = met else { return };
            if fault.is_none() && selected {
                fault = open_leaf(leaf, path, key).err().map(|what| OpenFault::Value {
                    line: self.line_of(span.start),
                    path: path.to_string(),
                    what,
                });
            }
            mac.feed(&leaf.scalar, selected);
        });
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Cleartext { document: self.clone(), tree, mac: mac.check(key, &self.metadata) }),
        }
    }

    /// To sops a comment that is written as an item of a list is a value: where it does not
    /// authenticate, the document does not open.
    fn locked_item(&self, tree: &Tree) -> Option<OpenFault> {
        let mut fault = None;
        tree.walk(&mut |path, met| {
            if fault.is_none()
                && let Visit::Comment(comment) = met
                && comment.token.is_none()
                && !self.source[comment.span.start..].starts_with(['#', ';'])
            {
                let what = "holds a comment that does not authenticate".into();
                let line = self.line_of(comment.span.end);
                fault = Some(OpenFault::Value { line, path: path.to_string(), what });
            }
        });
        fault
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

/// An empty string is never encrypted; everything else in an encrypted slot is a token.
fn open_leaf(leaf: &mut tree::Leaf, path: &Path, key: &DataKey) -> Result<(), String> {
    if leaf.scalar == Scalar::Null || leaf.scalar.is_empty_str() {
        return Ok(());
    }
    let token = match leaf.scalar.as_text() {
        Some(text) => Token::parse(text).map_err(|error| error.to_string())?,
        None => return Err(cipher::TokenError::Clear.to_string()),
    };
    let plain = token.open(key, &path.aad()).map_err(|error| error.to_string())?;
    let scalar = Scalar::from_plaintext(token.kind, &plain);
    leaf.scalar = scalar.ok_or_else(|| format!("does not hold a canonical {}", token.kind.name()))?;
    leaf.token = Some(Box::new(token));
    Ok(())
}

/// A comment behind a `#` that does not decrypt stays as it is: comments are not authenticated, and
/// sops only warns. Its container decides the additional data; where two readers may disagree on the
/// container, the ones around it are tried too.
fn open_comments(node: &mut Node, path: &mut Path, key: &DataKey) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return };
    let mut index = 0;
    for item in items {
        match item {
            Item::Comment(comment) => open_comment(comment, path, key),
            Item::Entry(entry) => {
                path.0.push(tree::step(entry, index));
                index += 1;
                open_comments(&mut entry.node, path, key);
                path.0.pop();
            }
        }
    }
}

fn open_comment(comment: &mut Comment, path: &Path, key: &DataKey) {
    let Ok(token) = Token::parse(&comment.text) else { return };
    let containers = (0..=path.0.len()).rev().map(|depth| Path(path.0[..depth].to_vec()));
    for container in containers {
        if let Ok(plain) = token.open(key, &container.comment_aad())
            && let Ok(text) = std::str::from_utf8(&plain)
        {
            comment.text = Zeroizing::new(text.to_owned());
            comment.token = Some(Box::new(token));
            return;
        }
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

fn remove_entry(document: &mut Node, key: &str) -> Option<Entry> {
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
fn whole_lines(source: &str, span: &Range<usize>) -> Range<usize> {
    let start = tree::line_start(source, span.start);
    if span.end > start && source[..span.end].ends_with('\n') {
        return start..span.end;
    }
    let end = source[span.end..].find('\n').map_or(source.len(), |newline| span.end + newline + 1);
    start..end
}

/// Replaces byte ranges of a text; ranges must not overlap.
fn splice(source: &str, mut edits: Vec<(Range<usize>, Zeroizing<String>)>) -> Zeroizing<String> {
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
