//! SOPS documents for age recipients: bytes and values in, values out; time and randomness are
//! arguments.
//!
//! [`Document::parse`] reads an encrypted text without a key. [`Document::open`] decrypts every value,
//! checks the MAC and gives a [`Cleartext`], which remembers the token that each value came from.
//! From there on bytes are spliced, never re-printed: one changed value changes its own line,
//! `lastmodified` and `mac`. Every text that is handed out for writing was parsed and opened again
//! and says exactly what was meant.

pub mod age;
pub mod binary;
mod block;
pub mod cipher;
pub mod compare;
mod disguise;
mod document;
pub mod dotenv;
mod drop_others;
mod edit;
mod facts;
pub mod format;
pub mod ini;
mod join;
pub mod json;
mod layout;
mod mac;
mod mend;
pub mod merge;
pub mod metadata;
mod open;
pub mod other_key;
pub mod pattern;
mod seal;
mod sealing;
pub mod selector;
pub mod shamir;
pub mod tree;
mod wrapped;
pub mod yaml;

pub use cipher::{DataKey, Random, Token, TokenType};
pub use document::{Cleartext, Document, DocumentError, OpenFault, WrappedKey};
pub use edit::EditError;
pub use format::Format;
pub use layout::Layout;
pub use mac::MacState;
pub use metadata::{KeyGroup, Metadata};
pub use other_key::OtherKey;
pub use seal::{Fresh, SealError, Terms, empty, seal};
pub use selector::Selector;
pub use tree::{Path, Scalar, Step, SyntaxError, Tree};
pub use wrapped::Wrapped;

use document::{splice, whole_lines};
use tree::Entry;
