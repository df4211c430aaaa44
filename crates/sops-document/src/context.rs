//! What encryption needs besides the values.

use crate::cipher::{DataKey, Random, Token, TokenType};

/// The data key of a file, and what makes two runs differ.
pub struct SealContext<'a> {
    pub key: &'a DataKey,
    /// RFC 3339 in UTC with seconds, for `lastmodified`.
    pub now: &'a str,
    pub random: Random<'a>,
}

impl SealContext<'_> {
    /// Encrypts under a fresh iv.
    pub(crate) fn token(&mut self, kind: TokenType, plain: &[u8], aad: &str) -> Token {
        Token::seal(self.key, kind, plain, aad, self.random)
    }
}
