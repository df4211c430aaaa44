//! The merged values encrypted again, under whichever data key they get.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::decide::KeyChanges;
use super::meaning::Meaning;
use crate::cipher::{DataKey, Token};
use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::SealError;
use crate::facts::read_back;
use crate::seal::{Terms, parse_clear, seal, stamp};
use crate::sealing::{Cipher, Key, value_key};
use crate::splice::splice;
use crate::syntax::Indent;
use crate::tree::Scalar;
use crate::wrapped::{Wrapped, age_edits};

/// The merged values in clear, and what the sealed result has to say.
pub struct Merged<'a> {
    pub(super) ours: &'a Cleartext,
    pub(super) theirs: &'a Cleartext,
    pub changes: KeyChanges,
    /// The layout of ours with what theirs changed; then the same printed anew, for where the first
    /// does not say what is meant.
    pub(super) texts: Vec<Zeroizing<String>>,
    pub(super) payload: Option<Zeroizing<Vec<u8>>>,
    pub(super) expected: Meaning,
    pub(super) is_changed: bool,
}

/// Which sides have the data key of the result: their tokens are used again.
#[derive(Clone, Copy)]
pub struct SidesWithKey {
    pub is_ours: bool,
    pub is_theirs: bool,
}

type ReusableTokens = HashMap<Key, Vec<(Token, Scalar)>>;

impl Merged<'_> {
    /// The encrypted result; with new stanzas where they have to be. What ours says stays as it is,
    /// to the byte.
    ///
    /// # Errors
    /// [`SealError`] when no text says what was meant; nothing of a value is repeated.
    pub fn seal(
        &self,
        keys: SidesWithKey,
        wrapped: Option<Wrapped<'_>>,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        let document = self.ours.document();
        let text = match (self.is_changed, keys.is_ours, wrapped) {
            (false, true, None) => return Ok(document.source().to_owned()),
            (false, true, Some(wrapped)) => document.rewrap(wrapped)?,
            (false, false, Some(wrapped)) => self.ours.rotate(wrapped, context)?,
            _ if self.payload.is_some() => self.seal_payload(keys, wrapped, context)?,
            _ => return self.seal_texts(keys, wrapped, context),
        };
        self.check(&text, context.key)?;
        Ok(text)
    }

    fn seal_payload(
        &self,
        keys: SidesWithKey,
        wrapped: Option<Wrapped<'_>>,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        let bytes = self
            .payload
            .as_ref()
            .map_or(&[][..], |bytes| bytes.as_slice());
        let metadata = self.ours.document().metadata();
        match wrapped {
            None if keys.is_ours => {
                let text = self.ours.reseal_payload(bytes, context)?;
                Ok(text.unwrap_or_else(|| self.ours.document().source().to_owned()))
            }
            Some(wrapped) if metadata.foreign.is_empty() => {
                let terms = Terms {
                    threshold: metadata.threshold,
                    ..Terms::of(wrapped)
                };
                seal(self.ours.document().format(), bytes, &terms, context)
            }
            _ => Err(SealError::Unsupported(
                "a binary file with keys of other kinds is merged with sops",
            )),
        }
    }

    fn seal_texts(
        &self,
        keys: SidesWithKey,
        wrapped: Option<Wrapped<'_>>,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        let mut last = SealError::Unsupported("the merged document cannot be written");
        for clear in &self.texts {
            let sealed = self.seal_text(clear, keys, wrapped, context);
            match sealed.and_then(|text| self.check(&text, context.key).map(|()| text)) {
                Ok(text) => return Ok(text),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn seal_text(
        &self,
        clear: &str,
        keys: SidesWithKey,
        wrapped: Option<Wrapped<'_>>,
        context: &mut SealContext<'_>,
    ) -> Result<String, SealError> {
        let document = self.ours.document();
        let (format, metadata) = (document.format(), document.metadata());
        let (clear, tree) = parse_clear(format, clear.as_bytes(), None)?;
        let mut known = ReusableTokens::new();
        // the last one is taken first
        learn(&mut known, self.theirs, keys.is_theirs, context)?;
        learn(&mut known, self.ours, keys.is_ours, context)?;
        let mut cipher = Cipher::new(known, context);
        let sealed = cipher.values(
            format,
            &clear,
            &tree,
            &metadata.selector,
            metadata.mac_only_encrypted,
        )?;
        let text = format
            .syntax()
            .with_block(&sealed.body, &self.ours.block_text())?;
        let mut text = cipher.comments(format, &sealed.body.text, text)?;
        if let Some(wrapped) = wrapped {
            let document = Document::parse(format, &text)?;
            text = splice(&text, age_edits(&document, wrapped)?).to_string();
        }
        let text = stamp(format, &text, sealed.mac, context)?;
        read_back(format, &text, context.key, &sealed.expected)?;
        Ok(text)
    }

    /// The result opens under its MAC, holds the merged values in their order, and nothing that was
    /// encrypted is in clear.
    fn check(&self, text: &str, key: &DataKey) -> Result<(), SealError> {
        let opened = Document::parse(self.ours.document().format(), text)?.open(key)?;
        if Meaning::of(opened.tree()) == self.expected {
            return Ok(());
        }
        Err(SealError::ReadBack("a merged value differs".into()))
    }
}

/// The tokens of a side, found by what is shown of them. Under another data key only what loses
/// something on screen is sealed anew from what it really is.
fn learn(
    known: &mut ReusableTokens,
    side: &Cleartext,
    has_key: bool,
    context: &mut SealContext<'_>,
) -> Result<(), SealError> {
    let shown = side.document().format().parse(&side.layout())?;
    if has_key {
        for (key, tokens) in side.tokens(&shown) {
            known.entry(key).or_default().extend(tokens);
        }
        return Ok(());
    }
    for ((path, _, opened), (_, _, shown)) in side.tree().leaves().iter().zip(shown.leaves()) {
        let (Some(_), Some(kind)) = (&opened.token, opened.scalar.token_type()) else {
            continue;
        };
        let (Some(plain), Some(seen)) = (opened.scalar.plaintext(), shown.scalar.plaintext())
        else {
            continue;
        };
        if shown.scalar != opened.scalar {
            let token = context.token(kind, &plain, &path.aad());
            let at = value_key(&path.aad(), shown.scalar.type_name(), &seen);
            known
                .entry(at)
                .or_default()
                .push((token, opened.scalar.clone()));
        }
    }
    Ok(())
}

/// Columns a level, as the first indented line has them.
pub(crate) fn indent_of(text: &str) -> Indent {
    let columns = text.lines().find_map(|line| {
        let columns = line.len() - line.trim_start_matches(' ').len();
        (columns > 0 && !line.trim().is_empty()).then_some(columns.min(16))
    });
    Indent {
        yaml: columns,
        json: columns,
    }
}
