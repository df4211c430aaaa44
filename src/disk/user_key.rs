//! A random key of this user, outside every repository: what it vouches for was made by this user's
//! stax, and no clone or unpacked archive can bring it along. Masks are made with it too.

use std::fs::{DirBuilder, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::process::geteuid;
use sha2::Sha256;
use zeroize::Zeroizing;

const LEN: usize = 32;
/// Masks came first, so the file has their name.
const FILE: &str = "mask.key";

/// A key for one purpose, 32 bytes.
pub type DerivedKey = Zeroizing<[u8; LEN]>;

/// What a key is derived for. A name never changes: what was made with its key would be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The journal of a command that writes several files.
    Journal,
    /// Walks over the commit log that are kept.
    History,
}

impl Purpose {
    // a mask is made over texts that begin with a length in eight bytes, which no label reads as
    fn label(self) -> &'static [u8] {
        match self {
            Self::Journal => b"stax derived key: journal",
            Self::History => b"stax derived key: history",
        }
    }
}

/// 32 random bytes in `stax/mask.key` of the user's configuration folder.
pub struct UserKey {
    bytes: Zeroizing<[u8; LEN]>,
    /// No other user can read it.
    is_private: bool,
}

impl UserKey {
    /// Reads it, or makes it; `None` when neither can be.
    #[must_use]
    pub fn load() -> Option<Self> {
        let folder = user_folder()?;
        let file = folder.join(FILE);
        // whoever makes it first wins; the others read it
        read(&file)
            .or_else(|| make(&folder, &file))
            .or_else(|| read(&file))
    }

    /// The key itself, which only masks use.
    #[must_use]
    pub fn for_masks(&self) -> Zeroizing<[u8; LEN]> {
        self.bytes.clone()
    }

    /// The key of this user for one purpose; `None` without a key, or where others could know it.
    #[must_use]
    pub fn derived(purpose: Purpose) -> Option<DerivedKey> {
        Self::load().filter(|key| key.is_private)?.derive(purpose)
    }

    fn derive(&self, purpose: Purpose) -> Option<DerivedKey> {
        authenticate(&self.bytes, purpose.label()).map(Zeroizing::new)
    }
}

/// `stax` in the user's configuration folder; `None` when the environment names no home.
#[must_use]
pub fn user_folder() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(base.join("stax"))
}

/// HMAC-SHA-256 of a text.
pub(super) fn authenticate(key: &[u8; LEN], text: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac.finalize().into_bytes().into())
}

/// Whether a text is what [`authenticate`] saw, compared in constant time.
pub(super) fn is_authentic(key: &[u8; LEN], text: &[u8], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return false;
    };
    mac.update(text);
    mac.verify_slice(tag).is_ok()
}

fn read(path: &Path) -> Option<UserKey> {
    let file = File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LEN + 1));
    file.take(LEN as u64 + 1).read_to_end(&mut bytes).ok()?;
    let euid = geteuid();
    let is_private = meta.mode() & 0o077 == 0 && (meta.uid() == euid.as_raw() || euid.is_root());
    Some(UserKey {
        bytes: Zeroizing::new(bytes.as_slice().try_into().ok()?),
        is_private,
    })
}

fn make(folder: &Path, path: &Path) -> Option<UserKey> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .ok()?;
    let mut bytes = Zeroizing::new([0; LEN]);
    getrandom::fill(&mut *bytes).expect("the system has randomness");
    // made with mode 0600
    let mut new = tempfile::NamedTempFile::new_in(folder).ok()?;
    new.write_all(&*bytes).ok()?;
    // a journal that outlives a power cut is worth nothing without its key
    new.as_file().sync_all().ok()?;
    new.persist_noclobber(path).ok()?;
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Some(UserKey {
        bytes,
        is_private: true,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_vouches_only_while_it_is_private() {
        let home = tempfile::tempdir().unwrap();
        let (folder, file) = (home.path().join("stax"), home.path().join("stax/mask.key"));
        let made = make(&folder, &file).unwrap();
        assert!(make(&folder, &file).is_none(), "never made twice");
        let again = read(&file).unwrap();
        assert_eq!(*again.bytes, *made.bytes);
        assert!(again.is_private && *made.bytes != [0; LEN]);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!read(&file).unwrap().is_private);
        fs::write(&file, [1; LEN + 1]).unwrap();
        assert!(read(&file).is_none(), "no key has that length");
    }

    #[test]
    fn each_purpose_has_its_own_key_and_none_is_the_key_itself() {
        let key = UserKey {
            bytes: Zeroizing::new([7; LEN]),
            is_private: true,
        };
        let [journal, history] =
            [Purpose::Journal, Purpose::History].map(|it| key.derive(it).unwrap());
        assert!(*journal != *history && *journal != *key.bytes);
        assert_eq!(*journal, *key.derive(Purpose::Journal).unwrap());
    }
}
