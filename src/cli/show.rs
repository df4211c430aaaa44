//! What stands in place of a value, for whom: the value, a mask of it, or what its token tells.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use sops_document::{DataKey, Path, Token};

use crate::workspace::Workspace;
use crate::workspace::settings::Settings;

mod mask;
mod mode;

pub(super) use mask::MaskKey;
pub(super) use mode::is_ci;

/// What stands in place of an encrypted value.
#[derive(Clone, Copy)]
pub(super) enum Show<'a> {
    Values,
    /// `«str 12B #7c1e9a04»`
    Masks(&'a MaskKey),
    /// `«str 12B ~e8d377»`
    Ciphertext,
}

/// Who looks; holds the key behind the masks where there are masks.
pub(super) struct Viewer {
    masks: bool,
    key: Option<MaskKey>,
}

impl Viewer {
    /// By the environment of this process and `stax.diff`.
    pub(super) fn of_process(workspace: Option<&Workspace>) -> Self {
        let settings = workspace.and_then(|workspace| Settings::of(workspace.repo().ok()?).ok());
        let setting = settings.and_then(|settings| settings.diff());
        let masks = mode::is_masked(std::env::vars_os(), setting.as_deref());
        Self {
            masks,
            key: if masks { MaskKey::of_user() } else { None },
        }
    }

    pub(super) fn show(&self) -> Show<'_> {
        match &self.key {
            _ if !self.masks => Show::Values,
            Some(key) => Show::Masks(key),
            None => Show::Ciphertext,
        }
    }
}

impl Show<'_> {
    /// A value that was opened, for eyes that shall not see it; `None` where values are shown or
    /// cannot be masked.
    pub(super) fn mask(self, path: &Path, kind: &str, plain: &[u8]) -> Option<String> {
        let Show::Masks(key) = self else { return None };
        let print = key.print(&[path.to_string().as_bytes(), kind.as_bytes(), plain])?;
        Some(format!("«{kind} {}B #{print}»", plain.len()))
    }
}

/// Type, length and a fingerprint of a token.
pub(super) fn ciphertext(token: &Token) -> String {
    let print = base16ct::lower::encode_string(&Sha256::digest(token.to_string())[..3]);
    format!("«{} {}B ~{print}»", token.kind.name(), token.data.len())
}

/// Tells data keys apart and says nothing about them.
pub(super) fn key_print(key: &DataKey) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.bytes()) else {
        return "unknown".to_owned();
    };
    mac.update(b"stax data key");
    format!(
        "#{}",
        base16ct::lower::encode_string(&mac.finalize().into_bytes()[..3])
    )
}
