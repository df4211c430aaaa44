//! The edited text of an opened document, encrypted again.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::cipher::Token;
use crate::context::SealContext;
use crate::document::Cleartext;
use crate::error::{EditError, SealError};
use crate::facts::{facts, read_back};
use crate::misread::check_readable;
use crate::seal::{parse_clear, stamp};
use crate::sealing::{Cipher, Key, value_key};
use crate::tree::{Path, Scalar, Tree, Visit};

impl Cleartext {
    /// Encrypts the edited [`Cleartext::layout`]; `None` when it is the same text.
    ///
    /// # Errors
    /// [`SealError`]; the line is one of the edited text.
    pub fn reseal(
        &self,
        edited: &str,
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, SealError> {
        if self.document().format().is_whole() {
            return self.reseal_payload(edited.as_bytes(), context);
        }
        let before = self.layout();
        if before.as_str() == edited {
            return Ok(None);
        }
        let document = self.document();
        let (format, metadata) = (document.format(), document.metadata());
        let (edited, tree) = parse_clear(format, edited.as_bytes(), None)?;
        check_readable(format, &edited, &tree, &metadata.selector)?;
        let shown = format.parse(&before)?;
        let mut cipher = Cipher::new(self.tokens(&shown), context);
        let only_encrypted = metadata.mac_only_encrypted;
        let sealed = cipher.values(format, &edited, &tree, &metadata.selector, only_encrypted)?;
        let text = format
            .syntax()
            .with_block(&sealed.body, &self.block_text())?;
        let text = cipher.comments(format, &sealed.body.text, text)?;
        let same_values = facts(&shown) == facts(&tree);
        let text = if same_values {
            text
        } else {
            stamp(format, &text, sealed.mac, context)?
        };
        read_back(format, &text, context.key, &sealed.expected)?;
        Ok(Some(text))
    }

    /// Puts other bytes in place of a file that is one value; `None` when they are the same.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back.
    pub fn reseal_payload(
        &self,
        clear: &[u8],
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, SealError> {
        let name = self
            .document()
            .format()
            .traits()
            .only_value
            .unwrap_or_default();
        let scalar = Scalar::Str(Zeroizing::new(clear.to_vec()));
        self.set(&Path::key(name), scalar, false, context)
            .map_err(|error| match error {
                EditError::Seal(error) => error,
                error => SealError::ReadBack(error.to_string()),
            })
    }

    /// What is shown and the token behind it, so that an untouched value is found again even where
    /// showing it loses something (a dotenv `\n`, a float that prints like an integer).
    pub(crate) fn tokens(&self, shown: &Tree) -> HashMap<Key, Vec<(Token, Scalar)>> {
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
    pub(crate) fn block_text(&self) -> String {
        let document = self.document();
        document
            .format()
            .syntax()
            .block_text(document.source(), document.tree(), &document.block)
    }
}
