//! A document that somebody edited by hand: values in clear where tokens belong, or a MAC that no
//! longer holds.

use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::{OpenFault, SealError};
use crate::facts::read_back;
use crate::mac::Mac;
use crate::open::{open_comments, open_leaf};
use crate::seal::check_places;
use crate::sealing::token_edit;
use crate::selector::Selected;
use crate::splice::splice;
use crate::tree::{Path, Tree};

impl Document {
    /// Whether a value stands in clear that should be encrypted; no key is needed.
    #[must_use]
    pub fn has_plaintext(&self) -> bool {
        let (mut tree, mut found) = (Tree::clone(&self.tree), false);
        self.metadata
            .selector
            .walk(&mut tree, &mut |_, met, selected| {
                let Selected::Leaf(leaf, _) = met else { return };
                let is_clear = !leaf
                    .scalar
                    .as_text()
                    .is_some_and(|text| text.starts_with("ENC["));
                found |= selected && is_clear && leaf.scalar.token_type().is_some();
            });
        found
    }

    /// Seals what is in clear and should not be, and nothing else; `None` when nothing is. The MAC
    /// is new: it cannot vouch for what was there before, so the caller says which keys were
    /// sealed.
    ///
    /// # Errors
    /// A token that does not authenticate, or a result that does not read back.
    pub fn seal_clear(
        &self,
        context: &mut SealContext<'_>,
    ) -> Result<Option<(String, Vec<Path>)>, SealError> {
        check_places(&self.tree)?;
        let mut tree = Tree::clone(&self.tree);
        for document in &mut tree.documents {
            open_comments(document, &mut Path::default(), context.key);
        }
        let mut edits = Vec::new();
        let mut sealed = Vec::new();
        let mut fault = None;
        let mut mac = Mac::new(self.metadata.mac_only_encrypted);
        self.metadata
            .selector
            .walk(&mut tree, &mut |path, met, selected| {
                let Selected::Leaf(leaf, span) = met else {
                    return;
                };
                let is_clear = !leaf
                    .scalar
                    .as_text()
                    .is_some_and(|text| text.starts_with("ENC["));
                match leaf.scalar.token_type().filter(|_| selected) {
                    Some(kind) if is_clear => {
                        let plain = leaf.scalar.plaintext().unwrap_or_default();
                        let token = context.token(kind, &plain, &path.aad());
                        edits.push(token_edit(
                            self.format.syntax(),
                            &self.source,
                            &span,
                            leaf.style,
                            &token,
                        ));
                        sealed.push(path.clone());
                    }
                    Some(_) => {
                        let opened = open_leaf(leaf, path, context.key);
                        fault = fault.take().or_else(|| {
                            let what = opened.err()?.to_string();
                            Some(OpenFault::Value {
                                line: self.line_of(span.start),
                                path: path.to_string(),
                                what,
                            })
                        });
                    }
                    None => {}
                }
                mac.feed(&leaf.scalar, selected);
            });
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        if sealed.is_empty() {
            return Ok(None);
        }
        edits.extend(self.stamp(mac, context)?);
        let text = splice(&self.source, edits).to_string();
        read_back(self.format, &text, context.key, &tree)?;
        Ok(Some((text, sealed)))
    }
}

impl Cleartext {
    /// The same text under a new MAC and a new time, whatever the old one says: the caller has
    /// compared every value with a version whose MAC holds.
    ///
    /// # Errors
    /// A result that does not read back; metadata without `mac` or `lastmodified`.
    pub fn renew_mac(&self, context: &mut SealContext<'_>) -> Result<String, SealError> {
        let (document, tree) = (self.document(), self.tree());
        let text = splice(
            &document.source,
            document.stamp(self.mac_of(tree), context)?,
        )
        .to_string();
        read_back(document.format, &text, context.key, tree)?;
        Ok(text)
    }
}
