//! The key behind masks: random, one a user, so that nobody else can guess a value from its mask.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::workspace::random;

const LEN: usize = 32;

pub(in crate::cli) struct MaskKey(Zeroizing<[u8; LEN]>);

impl MaskKey {
    #[cfg(test)]
    pub(super) fn new(bytes: [u8; LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads `stax/mask.key` of the user's configuration, or makes it; `None` when neither can be.
    pub(in crate::cli) fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        let folder = base.join("stax");
        let file = folder.join("mask.key");
        // whoever makes it first wins; the others read it
        read(&file).or_else(|| make(&folder, &file)).or_else(|| read(&file)).map(Self)
    }

    /// Four bytes of an HMAC over parts, each with its length.
    pub(in crate::cli) fn print(&self, parts: &[&[u8]]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(super::render::hex(&mac.finalize().into_bytes()[..4]))
    }
}

fn read(file: &Path) -> Option<Zeroizing<[u8; LEN]>> {
    let bytes = Zeroizing::new(fs::read(file).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}

fn make(folder: &Path, file: &Path) -> Option<Zeroizing<[u8; LEN]>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
    let mut key = Zeroizing::new([0; LEN]);
    random(&mut *key);
    // made with mode 0600
    let mut new = tempfile::NamedTempFile::new_in(folder).ok()?;
    new.write_all(&*key).ok()?;
    new.persist_noclobber(file).ok()?;
    Some(key)
}
