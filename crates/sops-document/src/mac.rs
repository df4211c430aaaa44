//! The message authentication code: SHA-512 over the plain bytes of every value in file order,
//! encrypted like a string with `lastmodified` as additional data.
//!
//! It covers values and nothing else: no names, no types, no comments, no empty values, no
//! metadata.

use sha2::{Digest as _, Sha512};

use crate::cipher::{DataKey, Token, TokenType};
use crate::context::SealContext;
use crate::metadata::Metadata;
use crate::tree::Scalar;

/// SHA-256 of `sops`: what sops hashes first under `mac_only_encrypted`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The hash while it is fed.
pub(crate) struct Mac {
    hash: Sha512,
    only_encrypted: bool,
}

impl Mac {
    #[must_use]
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED);
        }
        Self {
            hash,
            only_encrypted,
        }
    }

    /// Feeds one value; `selected` says whether the selector encrypts it.
    pub(crate) fn feed(&mut self, scalar: &Scalar, selected: bool) {
        if !selected && self.only_encrypted {
            return;
        }
        match scalar {
            Scalar::Str(bytes) => self.hash.update(&**bytes),
            other => self.hash.update(&**other.plaintext().unwrap_or_default()),
        }
    }

    fn hex(self) -> String {
        base16ct::upper::encode_string(&self.hash.finalize())
    }

    /// The token of the metadata field `mac`.
    #[must_use]
    pub(crate) fn seal(self, context: &mut SealContext<'_>) -> Token {
        context.token(TokenType::Str, self.hex().as_bytes(), context.now)
    }

    /// Compares with the file's own, in constant time.
    #[must_use]
    pub(crate) fn check(self, key: &DataKey, metadata: &Metadata) -> MacState {
        if metadata.mac.is_empty() {
            return MacState::Missing;
        }
        let Ok(token) = Token::parse(&metadata.mac) else {
            return MacState::Bad;
        };
        let Ok(plain) = token.open(key, &metadata.lastmodified) else {
            return MacState::Bad;
        };
        let expected = self.hex();
        let difference = plain
            .iter()
            .zip(expected.as_bytes())
            .fold(plain.len() ^ expected.len(), |sum, (a, b)| {
                sum | usize::from(a ^ b)
            });
        if difference == 0 {
            MacState::Ok
        } else {
            MacState::Bad
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacState {
    Ok,
    Bad,
    Missing,
}
