//! SOPS documents for age recipients: bytes and values in, values out.
//!
//! A [`WrappedKey`] is one entry of `sops.age`; a [`DataKey`] is what it wraps. Everything else of a
//! document lives in the submodules.

pub mod cipher;
pub mod pattern;
pub mod tree;
pub mod yaml;

pub use cipher::{DataKey, Token};

/// One entry of the `sops.age` list: a label that nobody authenticates, and an armored age file
/// that holds the 32 bytes of the data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    pub recipient: String,
    pub enc: String,
}
