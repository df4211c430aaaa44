//! Sealing: clear text in, encrypted document out, byte for byte the author's layout.
//!
//! A scalar keeps its token when path, type and value are unchanged; otherwise it gets a new one.
//! What is handed out was parsed and opened again and says exactly what was meant.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::block::NewBlock;
use super::facts::{facts, read_back, values};
use super::format::Format;
use super::join;
use super::mac::Mac;
use super::sealing::{Cipher, Key, Sealed, comment_token, token_text, value_key};
use super::selector::{Selected, Selector};
use super::tree::{Leaf, Scalar, Style, SyntaxError, Tree, Value, Visit};
use super::wrapped::{Wrapped, age_edits};
use super::{Cleartext, DataKey, Document, Random, Token, TokenType, WrappedKey};
use super::{binary, ini, splice, yaml};

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
    #[error("the rule `{0}` selects no value: everything would be written in clear")]
    NothingSelected(String),
    #[error("{0}")]
    Unsupported(&'static str),
    /// A bug of ours, caught before anything was written.
    #[error("the result was read back and does not say what was meant ({0}); nothing was written")]
    ReadBack(String),
}

pub(super) type Edit = (Range<usize>, Zeroizing<String>);

/// What a new document is sealed to.
pub struct Terms<'a> {
    pub selector: Selector,
    pub mac_only_encrypted: bool,
    pub wrapped: &'a [WrappedKey],
}

impl<'a> Terms<'a> {
    /// The terms of sops where a policy says nothing else.
    #[must_use]
    pub fn of(wrapped: &'a [WrappedKey]) -> Self {
        Self { selector: Selector::default(), mac_only_encrypted: false, wrapped }
    }
}

/// Encrypts a clear text for the first time.
///
/// # Errors
/// [`SealError`] names the line; nothing of the text is repeated.
pub fn seal(
    format: Format,
    clear: &str,
    terms: &Terms<'_>,
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    if format == Format::Binary {
        return binary::seal(clear.as_bytes(), "\t", terms.wrapped, key, fresh);
    }
    if terms.wrapped.is_empty() {
        return Err(SealError::Unsupported("without a recipient nobody could open the document"));
    }
    let (clear, tree) = parse_clear(format, clear)?;
    let mut cipher = Cipher::new(key, HashMap::new(), fresh.random);
    let sealed = cipher.values(format, &clear, &tree, &terms.selector, terms.mac_only_encrypted)?;
    check_selection(&tree, &sealed, &terms.selector)?;
    let mac = sealed.mac.seal(key, fresh.now, cipher.random).to_string();
    let block = NewBlock {
        age: terms.wrapped,
        lastmodified: fresh.now,
        mac,
        selector: Some(&terms.selector),
        mac_only_encrypted: terms.mac_only_encrypted,
    };
    let text = join::with_new(format, &sealed.body, &block)?;
    let text = cipher.comments(format, &text)?;
    read_back(format, &text, key, &sealed.expected)?;
    Ok(text)
}

/// A document without values, for `init`: sops opens it (`{}`) and sets into it.
///
/// # Errors
/// As [`seal`].
pub fn empty(
    format: Format,
    terms: &Terms<'_>,
    key: &DataKey,
    fresh: &mut Fresh<'_>,
) -> Result<String, SealError> {
    let clear = if format == Format::Json { "{}\n" } else { "" };
    seal(format, clear, terms, key, fresh)
}

/// sops takes a rule that selects nothing at its word and writes every secret in clear.
fn check_selection(tree: &Tree, sealed: &Sealed, selector: &Selector) -> Result<(), SealError> {
    let holds_values = tree.leaves().iter().any(|(_, _, leaf)| leaf.scalar.token_type().is_some());
    if !holds_values || sealed.count > 0 {
        return Ok(());
    }
    let (name, text) = selector.field();
    Err(SealError::NothingSelected(format!("{name}: {text}")))
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
        let document = self.document();
        let (format, metadata) = (document.format(), document.metadata());
        let (edited, tree) = parse_clear(format, edited)?;
        let shown = format.parse(&before)?;
        let mut cipher = Cipher::new(key, self.tokens(&shown), fresh.random);
        let only_encrypted = metadata.mac_only_encrypted;
        let sealed = cipher.values(format, &edited, &tree, &metadata.selector, only_encrypted)?;
        let text = join::with_old(format, &sealed.body, &self.block_text())?;
        let text = cipher.comments(format, &text)?;
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
        check_places(self.tree())?;
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

    /// What is shown and the token behind it, so that an untouched value is found again even where
    /// showing it loses something (a dotenv `\n`, a float that prints like an integer).
    pub(super) fn tokens(&self, shown: &Tree) -> HashMap<Key, Vec<(Token, Scalar)>> {
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

    /// The metadata as it stands in the (first) document.
    pub(super) fn block_text(&self) -> String {
        let document = self.document();
        let (source, cut) = (document.source(), &document.block.cut);
        if matches!(document.format(), Format::Dotenv | Format::Ini) {
            let text: String = cut.iter().map(|range| &source[range.clone()]).collect();
            return if text.ends_with('\n') { text } else { text + "\n" };
        }
        let text = &source[cut[0].clone()];
        if source[document.block.start..].starts_with('"') && document.is_flow(0) {
            return text.trim().trim_start_matches(',').trim_end_matches(',').trim().to_owned();
        }
        if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
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

/// A value must have a place of its own to be spliced.
pub(super) fn check_places(tree: &Tree) -> Result<(), SealError> {
    if tree.has_alias {
        return Err(SealError::Unsupported(
            "an encrypted file with YAML aliases: change a value with stax secrets edit, which writes them out",
        ));
    }
    Ok(())
}

/// The text to seal and its tree. Aliases are written out, as sops does it: each copy is encrypted for
/// its own path.
pub(super) fn parse_clear(format: Format, source: &str) -> Result<(Zeroizing<String>, Tree), SealError> {
    let (mut text, mut tree) = (Zeroizing::new(source.to_owned()), format.parse(source)?);
    if tree.has_alias {
        text = yaml::write_out(source, &tree);
        let before = values(facts(&tree));
        tree = format.parse(&text)?;
        if tree.has_alias || before != values(facts(&tree)) {
            return Err(SealError::Unsupported("an alias that cannot be written out: write out its value"));
        }
    }
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
    if let Some((offset, what)) = ini::lost_comment(&tree).filter(|_| format == Format::Ini) {
        return Err(SyntaxError::at(source, offset, what).into());
    }
    Ok((text, tree))
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
    let style = |value: &Value| match value {
        Value::Leaf(leaf) => leaf.style,
        _ => Style::Double,
    };
    let token = mac.seal(key, fresh.now, fresh.random);
    let mut edits = Vec::new();
    for spans in document.blocks() {
        let (Some(time), Some(old_mac)) = (&spans.lastmodified, &spans.mac) else {
            return Err(SealError::ReadBack("no `mac` or `lastmodified`".into()));
        };
        edits.push((time.span.clone(), format.inline(&Scalar::str(fresh.now), style(&time.value))));
        edits.push((old_mac.span.clone(), token_text(format, &token, style(&old_mac.value))));
    }
    Ok(splice(text, edits).to_string())
}
