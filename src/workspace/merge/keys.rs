//! Sides that differ in key groups or in keys of other kinds: where one side left them alone, those
//! of the other are taken whole.

use sops_document::DataKey;
use sops_document::merge::{KeyFrom, MergedAccess, key_difference};

use super::{AsText, MergeSide, OpenedVersion, Triple, labels};
use crate::workspace::groups::{all_stay, others_stay};

/// The versions to merge, and whose keys both sides have.
pub(super) struct UnderOne {
    pub(super) triple: Triple,
    pub(super) side: MergeSide,
}

impl Triple {
    /// Both sides with the same keys; `None` where they have them already, or where both changed
    /// them.
    pub(super) fn under_one(&self) -> Result<Option<UnderOne>, AsText> {
        let (ours, theirs) = (self.ours.clear.document(), self.theirs.clear.document());
        let Some(base) = self.base.as_ref().map(|base| base.clear.document()) else {
            return Ok(None);
        };
        if key_difference(ours, theirs).is_none() {
            return Ok(None);
        }
        let (side, mut triple) = if key_difference(theirs, base).is_none() {
            (MergeSide::Ours, self.copy())
        } else if key_difference(ours, base).is_none() {
            (MergeSide::Theirs, self.copy())
        } else {
            return Ok(None);
        };
        match side {
            MergeSide::Ours => {
                triple.theirs = self.theirs.with_keys_of(&self.ours, MergeSide::Theirs)?
            }
            _ => triple.ours = self.ours.with_keys_of(&self.theirs, MergeSide::Ours)?,
        }
        Ok(Some(UnderOne { triple, side }))
    }

    fn copy(&self) -> Self {
        Self {
            base: self.base.as_ref().map(OpenedVersion::copy),
            ours: self.ours.copy(),
            theirs: self.theirs.copy(),
        }
    }

    /// Who reads the result is who is named in the key groups that it has, and its data key is one
    /// that nobody else could put together.
    pub(super) fn settle_access(
        &self,
        under: &UnderOne,
        access: &mut MergedAccess,
    ) -> Result<(), AsText> {
        if !access.returned.is_empty() {
            return Err(AsText::Other(
                "the revert brings back readers of key groups".into(),
            ));
        }
        let document = under.triple.ours.clear.document();
        let is_split =
            |version: &OpenedVersion| !version.clear.document().metadata().groups.is_empty();
        let is_split = is_split(&self.ours) || is_split(&self.theirs);
        if is_split {
            access.recipients = labels(document);
        }
        // age recipients of no group were merged as a set
        let stay = if is_split { all_stay } else { others_stay };
        let key = match access.key {
            KeyFrom::Ours => &self.ours.key,
            KeyFrom::Theirs => &self.theirs.key,
            KeyFrom::Fresh => return Ok(()),
        };
        let versions = [self.base.as_ref(), Some(&self.ours), Some(&self.theirs)]
            .into_iter()
            .flatten();
        let mut holders = versions.filter(|version| version.key == *key);
        if !holders.all(|version| stay(version.clear.document(), document)) {
            access.key = KeyFrom::Fresh;
        }
        Ok(())
    }
}

impl UnderOne {
    /// Whether the stanzas that both sides have now are around this data key.
    pub(super) fn has_stanzas_of(&self, key: &DataKey) -> bool {
        match self.side {
            MergeSide::Theirs => self.triple.theirs.key == *key,
            _ => self.triple.ours.key == *key,
        }
    }
}

impl OpenedVersion {
    fn copy(&self) -> Self {
        Self {
            key: DataKey::new(*self.key.bytes()),
            clear: self.clear.clone(),
        }
    }

    fn with_keys_of(&self, other: &Self, side: MergeSide) -> Result<Self, AsText> {
        let document = self.clear.document().with_keys_of(other.clear.document());
        let document = document.map_err(|error| AsText::Other(error.to_string()))?;
        let clear = document
            .open(&self.key)
            .map_err(|fault| AsText::Tampered(side, fault.to_string()))?;
        Ok(Self {
            key: DataKey::new(*self.key.bytes()),
            clear,
        })
    }
}
