//! Sealing: clear text in, encrypted document out, byte for byte the author's layout.
//!
//! A scalar keeps its token when path, type and value are unchanged; otherwise it gets a new one.
//! What is handed out was parsed and opened again and says exactly what was meant.

use std::collections::HashMap;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::block::NewBlock;
use super::facts::{Fact, facts, read_back};
use super::format::Format;
use super::mac::Mac;
use super::metadata::Metadata;
use super::selector::{Selected, Selector};
use super::tree::{Leaf, Node, Path, Scalar, Style, SyntaxError, Tree, Value, Visit};
use super::wrapped::{Wrapped, age_edits};
use super::{Cleartext, DataKey, Document, Random, Token, TokenType, WrappedKey};
use super::{binary, ini, splice};

/// What makes two runs differ.
pub struct Fresh<'a> {
    /// RFC 3339 in UTC with seconds, for `lastmodified`.
    pub now: &'a str,
    pub random: Random<'a>,
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: `{key}` is reserved for the metadata of SOPS")]
    Reserved { line: usize, key: String },
    #[error("line {line}: {what}")]
    Value { line: usize, what: String },
    #[error("{0}")]
    Unsupported(&'static str),
    /// A bug of ours, caught before anything was written.
    #[error("the result was read back and does not say what was meant ({0}); nothing was written")]
    ReadBack(String),
}

pub(super) type Edit = (Range<usize>, Zeroizing<String>);

/// Encrypts a clear text for the first time.
///
/// # Errors
/// [`SealError`] names the line; nothing of the text is repeated.
pub fn seal(
    format: Format,
    clear: &str,
    selector: &Selector,
    wrapped: &[WrappedKey],
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    if format == Format::Binary {
        return binary::seal(clear.as_bytes(), "\t", wrapped, key, fresh);
    }
    if wrapped.is_empty() {
        return Err(SealError::Unsupported("without a recipient nobody could open the document"));
    }
    let tree = parse_clear(format, clear)?;
    let mut cipher = Cipher { key, known: HashMap::new(), random: fresh.random };
    let sealed = cipher.seal(format, clear, &tree, selector, false)?;
    let mac = sealed.mac.seal(key, fresh.now, fresh.random).to_string();
    let block = NewBlock {
        age: wrapped,
        lastmodified: fresh.now,
        mac,
        selector: Some(selector),
        mac_only_encrypted: false,
    };
    let text = join(format, &sealed.body, &new_block(format, &sealed.body, &block))?;
    read_back(format, &text, key, &sealed.expected)?;
    Ok(text)
}

/// A document without values, for `init`: sops opens it (`{}`) and sets into it.
///
/// # Errors
/// As [`seal`].
pub fn empty(
    format: Format,
    selector: &Selector,
    wrapped: &[WrappedKey],
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    let clear = if format == Format::Json { "{}\n" } else { "" };
    seal(format, clear, selector, wrapped, key, fresh)
}

impl Cleartext {
    /// Encrypts the edited [`Cleartext::layout`]; `None` when it is the same text.
    ///
    /// # Errors
    /// [`SealError`]; the line is one of the edited text.
    pub fn reseal(
        &self,
        edited: &str,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<String>, SealError> {
        if self.document().format() == Format::Binary {
            return self.reseal_payload(edited.as_bytes(), key, fresh);
        }
        let before = self.layout();
        if before.as_str() == edited {
            return Ok(None);
        }
        self.check_spliceable()?;
        let document = self.document();
        let (format, metadata) = (document.format(), document.metadata());
        let tree = parse_clear(format, edited)?;
        let shown = format.parse(&before)?;
        let mut cipher = Cipher { key, known: self.tokens(&shown), random: fresh.random };
        let sealed = cipher.seal(format, edited, &tree, &metadata.selector, metadata.mac_only_encrypted)?;
        let old_block = self.block_text();
        let text = join(format, &sealed.body, &old_block)?;
        let same_values = facts(&shown) == facts(&tree);
        let text = if same_values { text } else { stamp(format, &text, sealed.mac, key, fresh)? };
        read_back(format, &text, key, &sealed.expected)?;
        Ok(Some(text))
    }

    /// Encrypts everything under a new data key, wrapped to new recipients.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn rotate<'w>(
        &self,
        new_key: &DataKey,
        wrapped: impl Into<Wrapped<'w>>,
        fresh: &mut Fresh<'_>,
    ) -> Result<String, SealError> {
        self.check_spliceable()?;
        let document = self.document();
        let format = document.format();
        let mut edits: Vec<Edit> = Vec::new();
        self.tree().walk(&mut |path, visit| match visit {
            Visit::Leaf(node, Leaf { scalar, style, token: Some(_) }) => {
                if let (Some(kind), Some(plain)) = (scalar.token_type(), scalar.plaintext()) {
                    let token = Token::seal(new_key, kind, &plain, &path.aad(), fresh.random);
                    edits.push((node.span.clone(), token_text(format, &token, *style)));
                }
            }
            Visit::Comment(comment) if comment.token.is_some() => {
                let (aad, plain) = (path.comment_aad(), comment.text.as_bytes());
                let token = Token::seal(new_key, TokenType::Comment, plain, &aad, fresh.random);
                let is_item = document.source()[comment.span.clone()].starts_with('-');
                let text = if is_item { format!("- {token}") } else { comment_token(format, &token) };
                edits.push((comment.span.clone(), Zeroizing::new(text)));
            }
            _ => {}
        });
        edits.extend(age_edits(document, wrapped.into())?);
        let text = splice(document.source(), edits);
        let mac = self.mac_of(self.tree());
        let text = stamp(format, &text, mac, new_key, fresh)?;
        read_back(format, &text, new_key, &facts(self.tree()))?;
        Ok(text)
    }

    fn check_spliceable(&self) -> Result<(), SealError> {
        let source = self.document().source();
        let is_flow =
            |root: &Node| source[root.span.start..].starts_with('{') && root.entries().next().is_some();
        check_single(self.tree())?;
        if self.document().format() == Format::Yaml && self.tree().documents.iter().any(is_flow) {
            return Err(SealError::Unsupported(
                "a YAML file in flow style cannot be changed by this version of stax: use block style",
            ));
        }
        Ok(())
    }

    /// What is shown and the token behind it, so that an untouched value is found again even where
    /// showing it loses something (a dotenv `\n`, a float that prints like an integer).
    fn tokens(&self, shown: &Tree) -> HashMap<Key, Vec<(Token, Scalar)>> {
        let mut known: HashMap<Key, Vec<(Token, Scalar)>> = HashMap::new();
        let mut insert = |key: Key, token: &Token, scalar: Scalar| {
            known.entry(key).or_default().push((token.clone(), scalar));
        };
        for ((path, _, opened), (_, _, shown)) in self.tree().leaves().iter().zip(shown.leaves()) {
            if let (Some(token), Some(plain)) = (&opened.token, shown.scalar.plaintext()) {
                insert(
                    value_key(&path.aad(), shown.scalar.type_name(), &plain),
                    token,
                    opened.scalar.clone(),
                );
            }
        }
        self.tree().walk(&mut |path, visit| {
            if let Visit::Comment(comment) = visit
                && let Some(token) = &comment.token
            {
                let key = value_key(&path.comment_aad(), "comment", comment.text.as_bytes());
                insert(key, token, Scalar::Null);
            }
        });
        for tokens in known.values_mut() {
            tokens.reverse();
        }
        known
    }

    fn block_text(&self) -> String {
        let document = self.document();
        let source = document.source();
        let text: String = document.block.cut.iter().map(|range| &source[range.clone()]).collect();
        match document.format() {
            Format::Json | Format::Binary => {
                text.trim().trim_start_matches(',').trim_end_matches(',').trim().to_owned()
            }
            Format::Yaml | Format::Dotenv | Format::Ini if text.ends_with('\n') => text,
            Format::Yaml | Format::Dotenv | Format::Ini => text + "\n",
        }
    }

    /// The MAC of a tree whose values are in clear.
    pub(super) fn mac_of(&self, tree: &Tree) -> Mac {
        let metadata = self.document().metadata();
        let mut mac = Mac::new(metadata.mac_only_encrypted);
        let mut tree = tree.clone();
        metadata.selector.walk(&mut tree, &mut |_, met, selected| {
            if let Selected::Leaf(leaf, _) = met {
                mac.feed(&leaf.scalar, selected);
            }
        });
        mac
    }
}

impl Document {
    /// The same document with other stanzas around the same data key; no other byte changes.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn rewrap<'w>(&self, wrapped: impl Into<Wrapped<'w>>) -> Result<String, SealError> {
        let wrapped = wrapped.into();
        let text = splice(self.source(), age_edits(self, wrapped)?);
        let again =
            Self::parse(self.format(), &text).map_err(|error| SealError::ReadBack(error.to_string()))?;
        let same = again.metadata().age == wrapped.stanzas()
            && again.metadata().groups.len() == self.metadata().groups.len()
            && again.metadata().mac == self.metadata().mac
            && facts(again.tree()) == facts(self.tree());
        if same { Ok(text.to_string()) } else { Err(SealError::ReadBack("recipients".into())) }
    }
}

/// A digest of additional data, type and plain bytes.
type Key = [u8; 32];

fn value_key(aad: &str, kind: &str, plain: &[u8]) -> Key {
    let mut hash = Sha256::new();
    for part in [aad.as_bytes(), kind.as_bytes(), plain] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

struct Cipher<'a, 'b> {
    key: &'a DataKey,
    known: HashMap<Key, Vec<(Token, Scalar)>>,
    random: &'b mut dyn FnMut(&mut [u8]),
}

struct Sealed {
    body: String,
    mac: Mac,
    expected: Vec<Fact>,
}

impl Cipher<'_, '_> {
    fn seal(
        &mut self,
        format: Format,
        source: &str,
        tree: &Tree,
        selector: &Selector,
        only_encrypted: bool,
    ) -> Result<Sealed, SealError> {
        let mut edits: Vec<Edit> = Vec::new();
        let mut mac = Mac::new(only_encrypted);
        let mut expected = tree.clone();
        let mut fault = None;
        selector.walk(&mut expected, &mut |path, met, selected| match met {
            Selected::Leaf(leaf, span) => {
                if let Some(kind) = leaf.scalar.token_type().filter(|_| selected) {
                    fault = fault.or(format.check_value(&leaf.scalar).err().map(|what| (span.start, what)));
                    let (token, scalar) = self.token(path, kind, &leaf.scalar);
                    leaf.scalar = scalar;
                    edits.push((
                        token_range(source, &span, leaf.style),
                        token_text(format, &token, leaf.style),
                    ));
                }
                mac.feed(&leaf.scalar, selected);
            }
            Selected::Comment(comment) if selected && !comment.text.is_empty() => {
                let token = self.comment(path, &comment.text);
                edits.push((comment.span.clone(), Zeroizing::new(comment_token(format, &token))));
            }
            Selected::Comment(_) => {}
        });
        if let Some((offset, what)) = fault {
            let line = super::tree::line_of(source, offset);
            return Err(SealError::Value { line, what: what.into() });
        }
        Ok(Sealed { body: splice(source, edits).to_string(), mac, expected: facts(&expected) })
    }

    fn token(&mut self, path: &Path, kind: TokenType, scalar: &Scalar) -> (Token, Scalar) {
        let aad = path.aad();
        let plain = scalar.plaintext().unwrap_or_default();
        let key = value_key(&aad, scalar.type_name(), &plain);
        if let Some(known) = self.known.get_mut(&key).and_then(Vec::pop) {
            return known;
        }
        (Token::seal(self.key, kind, &plain, &aad, self.random), scalar.clone())
    }

    fn comment(&mut self, path: &Path, text: &str) -> Token {
        let aad = path.comment_aad();
        let key = value_key(&aad, "comment", text.as_bytes());
        if let Some((token, _)) = self.known.get_mut(&key).and_then(Vec::pop) {
            return token;
        }
        Token::seal(self.key, TokenType::Comment, text.as_bytes(), &aad, self.random)
    }
}

/// A token where a value stood: quoted where the value was, so that the author's quotes come back.
pub(super) fn token_text(format: Format, token: &Token, style: Style) -> Zeroizing<String> {
    Zeroizing::new(match (format, style) {
        (Format::Yaml, Style::Single) => format!("'{token}'"),
        (Format::Json | Format::Binary, _) | (Format::Yaml, Style::Double | Style::Flow) => {
            format!("\"{token}\"")
        }
        _ => token.to_string(),
    })
}

fn comment_token(format: Format, token: &Token) -> String {
    if format == Format::Ini { format!("; {token}") } else { format!("#{token}") }
}

/// The bytes that a token replaces. A block scalar ends before the blank lines that follow it,
/// unless its header keeps them (`+`).
pub(super) fn token_range(source: &str, span: &Range<usize>, style: Style) -> Range<usize> {
    if style != Style::Block {
        return span.clone();
    }
    let text = &source[span.clone()];
    let header = text.lines().next().unwrap_or_default();
    let content = if header.contains('+') {
        text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
    } else {
        text.trim_end_matches(['\n', '\r', ' '])
    };
    span.start..span.start + content.len()
}

fn parse_clear(format: Format, source: &str) -> Result<Tree, SealError> {
    let tree = format.parse(source)?;
    for document in &tree.documents {
        let reserved = document.entries().find(|entry| {
            let key = entry.key.as_deref().unwrap_or_default();
            key == "sops" || (format == Format::Dotenv && key.starts_with("sops_"))
        });
        if let Some(entry) = reserved {
            let line = super::tree::line_of(source, entry.span.start);
            return Err(SealError::Reserved { line, key: entry.key.clone().unwrap_or_default() });
        }
    }
    if format == Format::Yaml {
        check_layout(source, &tree)?;
    }
    if let Some((offset, what)) = ini::lost_comment(&tree).filter(|_| format == Format::Ini) {
        return Err(SyntaxError::at(source, offset, what).into());
    }
    check_single(&tree)?;
    Ok(tree)
}

/// Only a single document, each value in a place of its own, can be spliced.
pub(super) fn check_single(tree: &Tree) -> Result<(), SealError> {
    if tree.documents.len() > 1 {
        return Err(SealError::Unsupported(
            "a file of several YAML documents cannot be changed by this version of stax: use sops",
        ));
    }
    if tree.has_alias {
        return Err(SealError::Unsupported(
            "a file with YAML aliases cannot be changed by this version of stax: write the values out",
        ));
    }
    Ok(())
}

/// The metadata goes behind the last line, so the document must be open there.
fn check_layout(source: &str, tree: &Tree) -> Result<(), SealError> {
    let Some(root) = tree.documents.last() else { return Ok(()) };
    let flow = source[root.span.start..].starts_with('{') && root.entries().next().is_some();
    if flow {
        return Err(SealError::Unsupported(
            "a YAML document in flow style (`{…}`) cannot be sealed: use block style",
        ));
    }
    let ended = source[root.span.end..].lines().any(|line| line.starts_with("..."));
    if ended {
        return Err(SealError::Unsupported(
            "the end marker `...` leaves no place for the metadata: remove it",
        ));
    }
    Ok(())
}

fn new_block(format: Format, body: &str, block: &NewBlock<'_>) -> String {
    match format {
        Format::Yaml => block.yaml(4),
        Format::Json | Format::Binary => {
            let line = body.lines().find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
            let unit = line.map_or("\t", |line| &line[..line.len() - line.trim_start().len()]);
            block.json(unit)
        }
        Format::Dotenv => block.dotenv(),
        Format::Ini => block.ini(),
    }
}

/// Puts the metadata behind the values.
pub(super) fn join(format: Format, body: &str, block: &str) -> Result<String, SealError> {
    let with_break = |body: &str| {
        if body.is_empty() || body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") }
    };
    match format {
        Format::Dotenv => Ok(with_break(body) + block),
        Format::Ini if body.is_empty() => Ok(block.trim_start().to_owned()),
        Format::Ini => Ok(with_break(body) + block),
        Format::Yaml => Ok(if body.trim() == "{}" { block.to_owned() } else { with_break(body) + block }),
        Format::Json | Format::Binary => {
            let Some(end) = body.rfind('}') else {
                return Err(SealError::ReadBack("no object".into()));
            };
            let inner = body[..end].trim_end();
            let comma = if inner.ends_with('{') { "" } else { "," };
            let line = block.lines().last().unwrap_or_default();
            let unit = &line[..line.len() - line.trim_start().len()];
            Ok(format!("{inner}{comma}\n{unit}{block}\n{}", &body[end..]))
        }
    }
}

/// Writes a new MAC and its time into an encrypted text.
pub(super) fn stamp(
    format: Format,
    text: &str,
    mac: Mac,
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    let document = Document::parse(format, text).map_err(|error| SealError::ReadBack(error.to_string()))?;
    let Metadata { spans, .. } = document.metadata();
    let (Some(time), Some(old_mac)) = (&spans.lastmodified, &spans.mac) else {
        return Err(SealError::ReadBack("no `mac` or `lastmodified`".into()));
    };
    let style = |value: &Value| match value {
        Value::Leaf(leaf) => leaf.style,
        _ => Style::Double,
    };
    let token = mac.seal(key, fresh.now, fresh.random);
    let edits = vec![
        (time.span.clone(), format.inline(&Scalar::str(fresh.now), style(&time.value))),
        (old_mac.span.clone(), token_text(format, &token, style(&old_mac.value))),
    ];
    Ok(splice(text, edits).to_string())
}
