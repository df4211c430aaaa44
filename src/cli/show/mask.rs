//! The key behind masks: random, one a user, so that nobody else can guess a value from its mask.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::disk::UserKey;

pub(in crate::cli) struct MaskKey(Zeroizing<[u8; 32]>);

impl MaskKey {
    #[cfg(test)]
    pub(in crate::cli) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `None` where the user's key can be neither read nor made.
    pub(in crate::cli) fn of_user() -> Option<Self> {
        UserKey::load().map(|key| Self(key.for_masks()))
    }

    /// Four bytes of an HMAC over parts, each with its length.
    pub(in crate::cli) fn print(&self, parts: &[&[u8]]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(base16ct::lower::encode_string(
            &mac.finalize().into_bytes()[..4],
        ))
    }
}
