//! A document, parsed without a key, and what it is once it is open.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::block::MetadataBlock;
use crate::cipher::{Token, TokenType};
use crate::error::DocumentError;
use crate::facts::facts;
use crate::mac::MacState;
use crate::metadata::{Metadata, Spans};
use crate::syntax::format::Format;
use crate::syntax::{Indent, Page, Syntax};
use crate::tree::{self, Comment, Item, Node, Tree, Value};

/// An encrypted document, parsed without a key. A copy costs nothing: an opened document keeps one.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) format: Format,
    pub(crate) source: Arc<str>,
    /// Values only; the `sops` block is taken out.
    pub(crate) tree: Arc<Tree>,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) block: Arc<MetadataBlock>,
    /// Where its lines begin, once somebody asks.
    pub(crate) lines: Arc<OnceLock<tree::Lines>>,
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
        let syntax = format.syntax();
        if !syntax.may_be(source) {
            return Err(DocumentError::NotSops);
        }
        let mut tree = format.parse(source)?;
        let at = |offset: usize, what: String| DocumentError::Metadata {
            line: tree::line_of(source, offset),
            what,
        };
        let (node, block) = match syntax.take_block(source, &mut tree) {
            Ok(Some(taken)) => taken,
            Ok(None) => match disguised(syntax, &tree) {
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
        syntax.check_shape(&tree)?;
        let metadata =
            Metadata::read(syntax, &node).map_err(|fault| at(fault.offset, fault.what))?;
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

    /// The text as an edit meets it; `tree` is the opened one.
    pub(crate) fn page<'a>(&'a self, tree: &'a Tree) -> Page<'a> {
        Page {
            source: &self.source,
            tree,
            block: &self.block,
            metadata: &self.metadata,
        }
    }

    /// The text of the metadata less MAC and time, which change with every value.
    #[must_use]
    pub fn lasting_metadata(&self) -> String {
        let spans = &self.metadata.spans;
        let changing: Vec<&Range<usize>> = [&spans.mac, &spans.lastmodified]
            .into_iter()
            .flatten()
            .map(|node| &node.span)
            .collect();
        let mut text = String::new();
        for range in &self.block.cut {
            let bytes = self.source[range.clone()].char_indices();
            let lasting = bytes.filter(|(at, _)| {
                !changing
                    .iter()
                    .any(|span| span.contains(&(range.start + at)))
            });
            text.extend(lasting.map(|(_, c)| c));
        }
        text
    }

    /// What the metadata says less MAC and time, as sorted addresses and values: neither the format
    /// nor the order of the fields tells.
    #[must_use]
    pub(crate) fn lasting_fields(&self) -> Vec<(String, Vec<u8>)> {
        let tree = self.format.parse(&self.source);
        let block = tree.ok().and_then(|mut tree| {
            self.format
                .syntax()
                .take_block(&self.source, &mut tree)
                .ok()
                .flatten()
                .map(|(node, _)| node)
        });
        let block = Tree {
            documents: block.into_iter().collect(),
            ..Tree::default()
        };
        let mut fields: Vec<(String, Vec<u8>)> = facts(&block)
            .into_iter()
            .filter(|(path, ..)| !["mac", "lastmodified"].contains(&path.as_str()))
            .map(|(path, _, bytes)| (path, without_white_space(&bytes)))
            .collect();
        fields.sort_unstable();
        fields
    }

    /// A search among the lines, whoever asks however often: a hostile text has a finding on every
    /// line.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.lines
            .get_or_init(|| tree::Lines::of(&self.source))
            .at(offset)
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

    /// The same file, whose paths lead into one of its documents, counted from 0; `None` when there
    /// are fewer.
    #[must_use]
    pub fn in_document(&self, number: usize) -> Option<Self> {
        let mut clear = self.clone();
        clear.tree.home = Some(number);
        (number < clear.tree.documents.len()).then_some(clear)
    }

    #[must_use]
    pub fn mac(&self) -> MacState {
        self.mac
    }

    /// The bytes of a file that is one value; `None` for any other format.
    #[must_use]
    pub fn payload(&self) -> Option<Zeroizing<Vec<u8>>> {
        let name = self.document.format.traits().only_value?;
        self.tree
            .documents
            .first()?
            .get(name)?
            .node
            .leaf()?
            .scalar
            .plaintext()
    }

    /// The same in another format; `None` where that cannot hold it.
    #[must_use]
    pub fn emit_as(&self, format: Format, indent: Indent) -> Option<Zeroizing<Vec<u8>>> {
        if format == self.document.format {
            return self.emit(indent);
        }
        let payload = self.payload();
        let is_text = payload.is_none_or(|payload| std::str::from_utf8(&payload).is_ok());
        // one object, or one list of lines, is one document
        let is_one = self.tree.documents.len() == 1 || format == Format::Yaml;
        let can_hold = !format.is_whole() && is_text && is_one;
        let text = can_hold
            .then(|| format.emit(&self.tree, indent))
            .flatten()?;
        Some(Zeroizing::new(text.into_bytes()))
    }

    /// The bytes that `sops decrypt` prints; `None` for a dotenv file that holds more than lines.
    #[must_use]
    pub fn emit(&self, indent: Indent) -> Option<Zeroizing<Vec<u8>>> {
        self.payload().or_else(|| {
            let text = self.document.format.emit(&self.tree, indent)?;
            Some(Zeroizing::new(text.into_bytes()))
        })
    }
}

fn without_white_space(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect()
}

/// Where sops finds metadata under a name that is not `sops`, and that name. It reads the metadata
/// of the first document.
fn disguised(syntax: &dyn Syntax, tree: &Tree) -> Option<(usize, String)> {
    tree.documents.first()?.entries().find_map(|entry| {
        let key = entry.key.as_deref()?;
        let is_disguise = syntax.disguises_metadata(key, &entry.node);
        is_disguise.then(|| (entry.key_span.start, key.to_owned()))
    })
}

/// sops writes a comment inside a list as an item `- ENC[…,type:comment]`.
fn list_comments(source: &str, node: &mut Node) {
    let is_list = matches!(node.value, Value::List(_));
    // the dash stands behind the item before
    let mut floor = node.span.start;
    let (Value::Map(items) | Value::List(items)) = &mut node.value else {
        return;
    };
    for item in items {
        let Item::Entry(entry) = item else { continue };
        let before = std::mem::replace(&mut floor, entry.span.end).min(entry.span.start);
        let text = if is_list { entry.node.text() } else { None };
        match text
            .filter(|text| Token::parse(text).is_ok_and(|token| token.kind == TokenType::Comment))
        {
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
const APPENDED: &str =
    "a document whose `sops` block is not that of the first: it was not written by SOPS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_spelling_of_the_metadata_is_an_error() {
        let merged = "A: x\n<<:\n  sops:\n    version: 3.11.0\n";
        for (format, text, line) in [
            (Format::Json, "{\"A\": \"x\",\n \"SoPs\": {}}", 2),
            (Format::Json, "{\"A\": \"x\", \"ſops\": {}}", 1),
            (Format::Json, "{\"\\u017fOPS\": {}}", 1),
            (Format::Yaml, merged, 2),
            (Format::Yaml, "A: x\n<<: [{B: 1}, {<<: {sops: {}}}]\n", 2),
        ] {
            let error = Document::parse(format, text).unwrap_err();
            let DocumentError::Metadata { line: found, what } = error else {
                panic!("{text}: {error:?}")
            };
            assert!(
                found == line && what.contains("sops reads"),
                "{text}: {found}: {what}"
            );
        }
        let base64 =
            Document::parse(Format::Yaml, "A: x\n!!binary \"c29wcw==\": {}\n").unwrap_err();
        assert!(matches!(base64, DocumentError::Syntax(_)), "{base64:?}");
    }

    #[test]
    fn a_name_that_only_looks_like_it_is_none() {
        for (format, text) in [
            (Format::Json, "{\"A\": {\"SOPS\": {}}}"),
            (Format::Json, "{\"SOPS_VERSION\": 1}"),
            (Format::Yaml, "SOPS: {}\n"),
            (Format::Yaml, "base: &b {a: 1}\nx:\n  <<: *b\n  sops: {}\n"),
            (Format::Dotenv, "SOPS=1\n"),
        ] {
            assert_eq!(
                Document::parse(format, text).unwrap_err(),
                DocumentError::NotSops,
                "{text}"
            );
        }
    }
}
