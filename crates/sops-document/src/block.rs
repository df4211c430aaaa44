//! The metadata as bytes of a text: where they stand, and what a new block says.

use std::ops::Range;

use crate::metadata::Spans;
use crate::selector::Selector;
use crate::wrapped::Wrapped;

/// The version whose field order new files follow.
const VERSION: &str = "3.11.0";

/// The bytes of the metadata: what to cut to see the values alone.
#[derive(Clone, Debug)]
pub(crate) struct MetadataBlock {
    pub(crate) cut: Vec<Range<usize>>,
    /// The start of the (first) block: new keys go right before it.
    pub(crate) start: usize,
    /// Of the further documents of a YAML file: each repeats the whole block.
    pub(crate) copies: Vec<Spans>,
}

/// The values of a new block.
pub(crate) struct NewBlock<'a> {
    pub(crate) wrapped: Wrapped<'a>,
    /// How many of the key groups give the data key.
    pub(crate) threshold: usize,
    pub(crate) lastmodified: &'a str,
    pub(crate) mac: String,
    /// A binary file has none.
    pub(crate) selector: Option<&'a Selector>,
    pub(crate) mac_only_encrypted: bool,
    /// Columns a level, where the text does not say it.
    pub(crate) indent: Option<usize>,
}

/// The only field behind the stanzas that is not a string.
pub(crate) const BOOLEAN: &str = "mac_only_encrypted";

/// Before the key groups, a number.
pub(crate) const THRESHOLD: &str = "shamir_threshold";

impl NewBlock<'_> {
    /// Fields after the stanzas, in the order of sops.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("lastmodified", self.lastmodified.to_owned()),
            ("mac", self.mac.clone()),
        ];
        fields.extend(self.selector.map(|selector| {
            let (rule, text) = selector.field();
            (rule, text.to_owned())
        }));
        if self.mac_only_encrypted {
            fields.push((BOOLEAN, "true".into()));
        }
        fields.push(("version", VERSION.into()));
        fields
    }
}
