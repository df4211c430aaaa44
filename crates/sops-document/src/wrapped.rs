//! New stanzas for a document, and the bytes that they replace.

use crate::document::Document;
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::splice::Edit;

/// New stanzas: around the whole data key, or around one part of it a key group.
#[derive(Clone, Copy)]
pub enum Wrapped<'a> {
    Whole(&'a [WrappedKey]),
    Groups(&'a [Vec<WrappedKey>]),
}

impl<'a> From<&'a [WrappedKey]> for Wrapped<'a> {
    fn from(stanzas: &'a [WrappedKey]) -> Self {
        Self::Whole(stanzas)
    }
}

impl<'a> From<&'a Vec<WrappedKey>> for Wrapped<'a> {
    fn from(stanzas: &'a Vec<WrappedKey>) -> Self {
        Self::Whole(stanzas)
    }
}

impl Wrapped<'_> {
    /// Nobody could open the document, or one of its groups.
    pub(crate) fn leaves_out_everybody(self) -> bool {
        match self {
            Self::Whole(stanzas) => stanzas.is_empty(),
            Self::Groups(groups) => groups.is_empty() || groups.iter().any(Vec::is_empty),
        }
    }

    pub(crate) fn stanzas(self) -> Vec<WrappedKey> {
        match self {
            Self::Whole(stanzas) => stanzas.to_vec(),
            Self::Groups(groups) => groups.concat(),
        }
    }
}

pub(crate) fn age_edits(document: &Document, wrapped: Wrapped<'_>) -> Result<Vec<Edit>, SealError> {
    let groups = &document.metadata().groups;
    let whole;
    let (lists, is_split) = match wrapped {
        Wrapped::Whole(stanzas) => {
            whole = [stanzas.to_vec()];
            (whole.as_slice(), false)
        }
        Wrapped::Groups(groups) => (groups, true),
    };
    let syntax = document.format().syntax();
    let mut edits = Vec::new();
    for spans in document.blocks() {
        if is_split != (groups.len() > 1) || lists.len() != spans.age.len() {
            return Err(SealError::Unsupported(
                "a file without an `age` list there cannot be re-wrapped",
            ));
        }
        for (position, (entry, stanzas)) in spans.age.iter().zip(lists).enumerate() {
            let group = is_split.then_some(position);
            edits.extend(syntax.replace_age(document.source(), entry, group, stanzas));
        }
    }
    Ok(edits)
}
