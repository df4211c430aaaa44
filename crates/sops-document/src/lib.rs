//! SOPS documents for age recipients: bytes and values in, values out; time and randomness are
//! arguments.
//!
//! [`Document::parse`] reads an encrypted text without a key. [`Document::open`] decrypts every value,
//! checks the MAC and gives a [`Cleartext`], which remembers the token that each value came from.
//! From there on bytes are spliced, never re-printed: one changed value changes its own line,
//! `lastmodified` and `mac`. Every text that is handed out for writing was parsed and opened again
//! and says exactly what was meant.

pub mod age;
mod block;
mod bounds;
pub mod cipher;
pub mod compare;
mod document;
mod drop_others;
mod edit;
mod error;
mod facts;
mod layout;
mod mac;
pub mod marker;
mod mend;
pub mod merge;
pub mod metadata;
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
mod syntax;
pub mod tree;
mod unset;
mod wrapped;

pub use cipher::{DataKey, Random, Token, TokenType};
pub use document::{Cleartext, Document};
pub use error::{DocumentError, EditError, OpenFault, SealError};
pub use layout::Layout;
pub use mac::MacState;
pub use metadata::{KeyGroup, Metadata, WrappedKey};
pub use other_key::OtherKey;
pub use seal::{Fresh, Terms, empty, seal};
pub use selector::Selector;
pub use syntax::format::Format;
pub use syntax::{Indent, Traits};
pub use tree::{Path, Scalar, Step, SyntaxError, Tree};
pub use wrapped::Wrapped;

/// YAML where nothing is sealed: the policy of sops.
pub mod yaml {
    pub use crate::syntax::yaml::{parse_policy, reads_as_string};
}
