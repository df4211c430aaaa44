//! The few variables that matter here, captured once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

const CAPTURED: [&str; 5] = [
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "XDG_CONFIG_HOME",
    "HOME",
];

/// A snapshot of the environment. It has no `Debug`: one of the values may be a key.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn capture() -> Self {
        CAPTURED
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)))
            .collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.0.get(name).cloned()
    }

    /// The line of `SOPS_AGE_KEY_CMD`, where it is text.
    #[must_use]
    pub fn key_command(&self) -> Option<String> {
        String::from_utf8(self.get("SOPS_AGE_KEY_CMD")?.to_vec()).ok()
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0
            .get(name)
            .map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)))
    }

    /// sops asks Go for the configuration folder: on Linux a relative `XDG_CONFIG_HOME` counts as
    /// unset, on macOS sops itself looks at the variable first.
    pub(super) fn standard_key_file(&self) -> Option<PathBuf> {
        let configured = self
            .path("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute());
        let home = || self.path("HOME").filter(|home| home.is_absolute());
        let folder = if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".config"
        };
        let base = configured.or_else(|| Some(home()?.join(folder)))?;
        Some(base.join("sops/age/keys.txt"))
    }

    /// For people: the home folder as `~`.
    pub(super) fn shorten(&self, path: &Path) -> String {
        match self
            .path("HOME")
            .as_deref()
            .map(|home| path.strip_prefix(home))
        {
            Some(Ok(rest)) if path.is_absolute() && rest != Path::new("") => {
                format!("~/{}", rest.display())
            }
            _ => path.display().to_string(),
        }
    }
}

/// Tests name their variables; nothing global is touched.
impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), Zeroizing::new(value.into().into_vec()));
        Self(pairs.into_iter().map(owned).collect())
    }
}
