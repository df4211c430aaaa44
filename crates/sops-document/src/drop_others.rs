//! A document without its keys of other kinds: neither sops nor gpg is needed for that, because
//! neither MAC nor values speak of them.

use crate::document::Document;
use crate::error::DocumentError;

impl Document {
    /// The same text less every key that is not of age. What stands in key groups stays: the data
    /// key is split there.
    ///
    /// # Errors
    /// When what is left is not read as the same document.
    pub fn without_others(&self) -> Result<Self, DocumentError> {
        let mut now = self.clone();
        while !now.metadata.foreign.is_empty() && now.metadata.groups.is_empty() {
            let ranges = now.format.syntax().first_of_others(&now.source);
            if ranges.is_empty() {
                return Err(DocumentError::NotSops);
            }
            let mut text = now.source.to_string();
            // from the back: every document repeats the block
            ranges
                .into_iter()
                .rev()
                .for_each(|range| text.replace_range(range, ""));
            now = Self::parse(now.format, &text)?;
        }
        Ok(now)
    }
}
