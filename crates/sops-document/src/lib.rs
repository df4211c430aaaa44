//! SOPS documents for age recipients: bytes and values in, values out; time and randomness are
//! arguments.
//!
//! | | |
//! |---|---|
//! | open | [`Document::parse`], [`Document::open`] |
//! | seal | [`seal()`], [`Cleartext::reseal`], [`Document::seal_clear`] |
//! | edit | [`Cleartext::set`], [`Cleartext::set_all`], [`Cleartext::set_node`], [`Cleartext::unset`], [`Cleartext::unset_all`] |
//! | rewrap | [`Document::rewrap`]: other readers, the same data key |
//! | join | [`Document::with_keys_of`]: the values of one version, the keys of another |
//! | rotate | [`Cleartext::rotate`]: other readers, another data key, every value encrypted again |
//! | merge | [`merge::values`], [`merge::access()`] |
//! | compare | [`compare::compare`], [`compare::access`] |
//! | lint | [`age::lint`]: whether a stanza is what its label says; [`Document::misread`]: what sops reads otherwise |
//!
//! [`Document::parse`] reads an encrypted text without a key. [`Document::open`] decrypts every
//! value, checks the MAC and gives a [`Cleartext`], which remembers the token that each value came
//! from. From there on bytes are spliced, never re-printed: one changed value changes its own line,
//! `lastmodified` and `mac`. Every text that is handed out for writing was parsed and opened again
//! and says exactly what was meant.
//!
//! ```
//! use sops_document::age::{self, Identity};
//! use sops_document::{DataKey, Document, Format, SealContext, Terms, seal};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::generate();
//! let mut random = |buffer: &mut [u8]| getrandom::fill(buffer).unwrap();
//! let key = DataKey::generate(&mut random);
//! let readers = age::wrap(&key, &[identity.recipient()]);
//! let mut context = SealContext { key: &key, now: "2026-01-02T03:04:05Z", random: &mut random };
//! let text = seal(Format::Yaml, "API_KEY: hunter2\n", &Terms::of(&readers), &mut context)?;
//!
//! let document = Document::parse(Format::Yaml, &text)?;
//! let key = age::unwrap(&document.metadata().age[0], &identity)?;
//! assert_eq!(document.open(&key)?.layout().as_str(), "API_KEY: hunter2\n");
//! # Ok(())
//! # }
//! ```

pub mod age;
mod block;
mod bounds;
mod cipher;
pub mod compare;
mod context;
mod document;
mod drop_others;
mod edit;
mod error;
mod facts;
mod keys_of;
mod layout;
mod mac;
pub mod marker;
mod mend;
pub mod merge;
mod metadata;
mod misread;
mod open;
pub mod other_key;
pub mod pattern;
mod places;
mod reseal;
mod rotate;
mod seal;
mod sealing;
pub mod selector;
pub mod shamir;
mod splice;
mod subtree;
mod syntax;
pub mod tree;
mod unset;
mod wrapped;

pub use cipher::{DataKey, OpenError, Random, Token, TokenError, TokenType};
pub use context::SealContext;
pub use document::{Cleartext, Document};
pub use error::{DocumentError, EditError, OpenFault, SealError};
pub use layout::Layout;
pub use mac::MacState;
pub use metadata::{KeyGroup, Metadata, WrappedKey};
pub use misread::Misread;
pub use other_key::OtherKey;
pub use seal::{Terms, empty, seal};
pub use selector::{Selector, SelectorError};
pub use syntax::format::Format;
pub use syntax::{FormatTraits, Indent};
pub use tree::{Path, Scalar, Step, SyntaxError, Tree};
pub use wrapped::Wrapped;

/// YAML where nothing is sealed: the policy of sops.
pub mod yaml {
    pub use crate::syntax::yaml::{parse_policy, reads_as_string};
}
