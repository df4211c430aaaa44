//! Sealing: clear text in, encrypted document out, byte for byte the author's layout.
//!
//! A scalar keeps its token when path, type and value are unchanged; otherwise it gets a new one.
//! What is handed out was parsed and opened again and says exactly what was meant.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::block::NewBlock;
use crate::cipher::Token;
use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::SealError;
use crate::facts::{facts, read_back, values};
use crate::mac::Mac;
use crate::misread::check_readable;
use crate::sealing::{Cipher, SealedText, rehome, token_text};
use crate::selector::{Selected, Selector};
use crate::splice::{Edit, splice};
use crate::syntax::format::Format;
use crate::tree::{Scalar, Style, SyntaxError, Tree, Value, line_of};
use crate::wrapped::Wrapped;

/// What a new document is sealed to.
pub struct Terms<'a> {
    pub selector: Selector,
    pub mac_only_encrypted: bool,
    pub wrapped: Wrapped<'a>,
    /// How many of the key groups give the data key; 0 where it is whole.
    pub threshold: usize,
    /// Columns a level around a file that is one value; a tab without.
    pub indent: Option<usize>,
}

impl<'a> Terms<'a> {
    /// The terms of sops where a policy says nothing else.
    #[must_use]
    pub fn of(wrapped: impl Into<Wrapped<'a>>) -> Self {
        Self {
            selector: Selector::default(),
            mac_only_encrypted: false,
            wrapped: wrapped.into(),
            threshold: 0,
            indent: None,
        }
    }
}

/// Encrypts the bytes of a clear file for the first time.
///
/// # Errors
/// [`SealError`] names the line; nothing of the text is repeated.
pub fn seal(
    format: Format,
    clear: impl AsRef<[u8]>,
    terms: &Terms<'_>,
    context: &mut SealContext<'_>,
) -> Result<String, SealError> {
    if terms.wrapped.leaves_out_everybody() {
        return Err(SealError::Unsupported(
            "without a recipient nobody could open the document",
        ));
    }
    // no rule selects in a file that is one value: all of it is encrypted
    let every_value = Selector::default();
    let is_whole = format.is_whole();
    let selector = if is_whole {
        &every_value
    } else {
        &terms.selector
    };
    let mac_only_encrypted = terms.mac_only_encrypted && !is_whole;
    let indent = terms.indent.filter(|_| is_whole);
    let (clear, tree) = parse_clear(format, clear.as_ref(), indent)?;
    check_readable(format, &clear, &tree, selector)?;
    let mut cipher = Cipher::new(HashMap::new(), context);
    let sealed = cipher.values(format, &clear, &tree, selector, mac_only_encrypted)?;
    check_selection(&tree, &sealed, selector)?;
    let mac = sealed.mac.seal(cipher.context).to_string();
    let block = NewBlock {
        wrapped: terms.wrapped,
        threshold: terms.threshold,
        lastmodified: cipher.context.now,
        mac,
        selector: (!is_whole).then_some(selector),
        mac_only_encrypted,
        indent,
    };
    let text = format.syntax().with_new_block(&sealed.body, &block)?;
    let text = cipher.comments(format, &sealed.body.text, text)?;
    read_back(format, &text, context.key, &sealed.expected)?;
    Ok(text)
}

/// A document without values, for `init`: sops opens it (`{}`) and sets into it.
///
/// # Errors
/// As [`seal`].
pub fn empty(
    format: Format,
    terms: &Terms<'_>,
    context: &mut SealContext<'_>,
) -> Result<String, SealError> {
    seal(format, format.traits().empty, terms, context)
}

/// sops takes a rule that selects nothing at its word and writes every secret in clear.
fn check_selection(tree: &Tree, sealed: &SealedText, selector: &Selector) -> Result<(), SealError> {
    let holds_values = || {
        tree.scalars()
            .iter()
            .any(|scalar| scalar.token_type().is_some())
    };
    if sealed.count > 0 || !holds_values() {
        return Ok(());
    }
    let (name, text) = selector.field();
    Err(SealError::NothingSelected(format!("{name}: {text}")))
}

impl Cleartext {
    /// The text with these edits, and with comments, time and MAC brought up to date, read back;
    /// `tree` is what it says.
    pub(crate) fn finish(
        &self,
        mut edits: Vec<Edit>,
        tree: &Tree,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        let (document, format) = (self.document(), self.document().format());
        edits.extend(document.stamp(self.mac_of(tree), context)?);
        let text = splice(document.source(), edits);
        let text = rehome(format, &text, self.tree(), context)?;
        read_back(format, &text, context.key, tree)?;
        Ok(text)
    }

    /// The MAC of a tree whose values are in clear.
    pub(crate) fn mac_of(&self, tree: &Tree) -> Mac {
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

/// A value must have a place of its own to be spliced.
pub(crate) fn check_places(tree: &Tree) -> Result<(), SealError> {
    if tree.has_alias {
        return Err(SealError::Unsupported(
            "an encrypted file with YAML aliases: change a value with stax secrets edit, which writes them out",
        ));
    }
    Ok(())
}

/// The text to seal and its tree. Aliases are written out, as sops does it: each copy is encrypted
/// for its own path.
pub(crate) fn parse_clear(
    format: Format,
    clear: &[u8],
    indent: Option<usize>,
) -> Result<(Zeroizing<String>, Tree), SealError> {
    let (text, tree) = format.read(clear, indent)?;
    let syntax = format.syntax();
    for document in &tree.documents {
        let mut entries = document.entries();
        let reserved = entries.find(|entry| {
            entry
                .key
                .as_ref()
                .is_some_and(|key| syntax.is_reserved(key))
        });
        if let Some(entry) = reserved {
            let line = line_of(&text, entry.span.start);
            return Err(SealError::Reserved {
                line,
                key: entry.key.clone().unwrap_or_default(),
            });
        }
    }
    if let Some((offset, what)) = syntax.lost(&tree) {
        return Err(SyntaxError::at(&text, offset, what).into());
    }
    if !tree.has_alias {
        return Ok((text, tree));
    }
    let text = format.without_aliases(&text, &tree);
    let written = format.parse(&text)?;
    if written.has_alias || values(facts(&written)) != values(facts(&tree)) {
        return Err(SealError::Unsupported(
            "an alias that cannot be written out: write out its value",
        ));
    }
    Ok((text, written))
}

/// Writes a new MAC and its time into an encrypted text that was put together anew.
pub(crate) fn stamp(
    format: Format,
    text: &str,
    mac: Mac,
    context: &mut SealContext<'_>,
) -> Result<String, SealError> {
    restamp(format, text, context.now, &mac.seal(context))
}

/// The same with a MAC that is there.
pub(crate) fn restamp(
    format: Format,
    text: &str,
    time: &str,
    mac: &Token,
) -> Result<String, SealError> {
    let edits = Document::parse(format, text)?.restamp(time, mac)?;
    Ok(splice(text, edits).to_string())
}

impl Document {
    /// The edits that write a new MAC and its time.
    pub(crate) fn stamp(
        &self,
        mac: Mac,
        context: &mut SealContext<'_>,
    ) -> Result<Vec<Edit>, SealError> {
        self.restamp(context.now, &mac.seal(context))
    }

    fn restamp(&self, time: &str, mac: &Token) -> Result<Vec<Edit>, SealError> {
        let syntax = self.format().syntax();
        let style = |value: &Value| match value {
            Value::Leaf(leaf) => leaf.style,
            _ => Style::Double,
        };
        let mut edits = Vec::new();
        for spans in self.blocks() {
            let (Some(old_time), Some(old_mac)) = (&spans.lastmodified, &spans.mac) else {
                return Err(SealError::ReadBack("no `mac` or `lastmodified`".into()));
            };
            edits.push((
                old_time.span.clone(),
                syntax.inline(&Scalar::str(time), style(&old_time.value)),
            ));
            edits.push((
                old_mac.span.clone(),
                token_text(syntax, mac, style(&old_mac.value)),
            ));
        }
        Ok(edits)
    }
}
