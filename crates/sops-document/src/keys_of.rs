//! The values of one version beside the keys of another: no value and no key is touched, so it
//! needs none.

use zeroize::Zeroizing;

use crate::cipher::Token;
use crate::document::Document;
use crate::error::SealError;
use crate::facts::facts;
use crate::seal::restamp;
use crate::splice::splice;
use crate::syntax::Body;

impl Document {
    /// This document with the metadata of another one, all but time and MAC, which are about the
    /// values.
    ///
    /// # Errors
    /// [`SealError`] when the result does not read back, or when this document has no MAC.
    pub fn with_keys_of(&self, other: &Self) -> Result<Self, SealError> {
        let syntax = self.format.syntax();
        let block = self
            .block
            .cut
            .iter()
            .map(|range| (range.clone(), Zeroizing::default()));
        let body = splice(&self.source, block.collect());
        let text = syntax.with_block(
            &Body {
                text: body,
                is_one_block: false,
            },
            &syntax.block_text(&other.source, &other.tree, &other.block),
        )?;
        let (time, mac) = (
            &self.metadata.lastmodified,
            Token::parse(&self.metadata.mac),
        );
        let mac = mac.map_err(|_| SealError::Unsupported("a document without a MAC"))?;
        let joined = Self::parse(self.format, &restamp(self.format, &text, time, &mac)?)?;
        let (has, wants) = (joined.metadata(), other.metadata());
        let is_meant = has.mac == self.metadata.mac
            && has.lastmodified == *time
            && has.age == wants.age
            && has.others == wants.others
            && (has.groups.len(), has.threshold) == (wants.groups.len(), wants.threshold)
            && facts(&joined.tree) == facts(&self.tree);
        if is_meant {
            Ok(joined)
        } else {
            Err(SealError::ReadBack("values or recipients".into()))
        }
    }
}
