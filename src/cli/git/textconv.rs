//! `stax git textconv`: what `git diff`, `log -p` and `show` make of a secret file.
//!
//! A failing or silent textconv stops git or hides a file, so this one always ends well, and prints
//! the bytes as they are whenever it knows nothing better.

pub(in crate::cli) mod mask;
pub(in crate::cli) mod mode;
mod render;

use std::fs::File;
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::sops::{Cleartext, DataKey, Document, Format, MacState, OpenFault};
use crate::workspace::{Caller, MAX_FILE, Target, Workspace, unlock};

use mask::MaskKey;
use render::{Show, View};

/// A blob as people read it; never fails
#[derive(clap::Args)]
pub struct Args {
    /// What git names: a file of the work tree, or a blob in a temporary folder
    #[arg(allow_hyphen_values = true)]
    file: PathBuf,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        // git shows stderr in the middle of the diff
        std::panic::set_hook(Box::new(|_| {}));
        let _ = print(&self.file, ui);
        Ok(ExitCode::SUCCESS)
    }
}

fn print(path: &Path, ui: &Ui) -> io::Result<()> {
    let Ok((bytes, rest)) = read(path) else { return ui.bytes(b"#stax this file cannot be read\n") };
    if let Some(mut rest) = rest {
        ui.bytes(&bytes)?;
        io::copy(&mut rest, &mut io::stdout().lock())?;
        return Ok(());
    }
    match catch_unwind(AssertUnwindSafe(|| convert(path, &bytes))) {
        Ok(Some(text)) => ui.bytes(text.as_bytes()),
        Ok(None) | Err(_) => ui.bytes(&bytes),
    }
}

/// The bytes up to the largest document, and the file when it goes on.
fn read(path: &Path) -> io::Result<(Vec<u8>, Option<File>)> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    let rest = (bytes.len() > MAX_FILE).then_some(file);
    Ok((bytes, rest))
}

/// `None`: not a SOPS document.
fn convert(path: &Path, bytes: &[u8]) -> Option<Zeroizing<String>> {
    let format = Format::of_path(path.file_name()?.to_str()?);
    let document = Document::parse(format, std::str::from_utf8(bytes).ok()?).ok()?;
    // git stands at the top of the work tree; in a bare repository there is none
    let workspace = Repo::discover(Path::new("."))
        .map(|repo| Workspace::over(repo, Caller::Git))
        .or_else(|_| Workspace::open(Some(path), Caller::Git))
        .ok();
    let holders = workspace.as_ref().map(Workspace::holders).unwrap_or_default();
    let name = |recipient: &str| holders.name(recipient).map(str::to_owned);
    let masks = mode::is_masked(std::env::vars_os(), setting(workspace.as_ref()).as_deref());
    let mask = if masks { MaskKey::of_user() } else { None };
    let show = match &mask {
        _ if !masks => Show::Values,
        Some(key) => Show::Masks(key),
        None => Show::Ciphertext,
    };
    let opened = workspace.as_ref().and_then(|workspace| open(workspace, path, &document));
    let view = match &opened {
        None => View::Locked,
        Some((key, Ok(clear))) => View::Open { key, clear, show },
        Some((key, Err(fault))) => View::Broken { key, fault, show },
    };
    Some(render::render(&document, &view, &name))
}

fn setting(workspace: Option<&Workspace>) -> Option<String> {
    workspace?.repo().ok()?.config_string("stax.diff").ok().flatten()
}

type Unlocked = (DataKey, Result<Cleartext, OpenFault>);

/// By a stanza of the document; else, for a version from before the reader joined, by the data key
/// of the file in the work tree, which counts only when every value and the MAC agree.
fn open(workspace: &Workspace, path: &Path, document: &Document) -> Option<Unlocked> {
    let unlock = |document: &Document| unlock::unlock(&workspace.keyring, document).ok();
    if let Some(key) = unlock(document) {
        let clear = document.open_unverified(&key);
        return Some((key, clear));
    }
    candidates(workspace, path).into_iter().find_map(|path| {
        let newer = workspace.document(&Target { path, env: None }).ok()?;
        let key = unlock(&newer)?;
        let clear = document.open_unverified(&key).ok().filter(|clear| clear.mac() == MacState::Ok)?;
        Some((key, Ok(clear)))
    })
}

/// Files of the work tree that may be a newer version: the path itself, and bound files of that name,
/// because git gives a blob its name but not its folder.
fn candidates(workspace: &Workspace, path: &Path) -> Vec<String> {
    let mut found: Vec<String> =
        path.to_str().filter(|_| path.is_relative()).map(str::to_owned).into_iter().collect();
    let bound = workspace.vault().ok().flatten().map(|vault| vault.files).unwrap_or_default();
    found.extend(
        bound
            .into_iter()
            .map(|file| file.path)
            .filter(|bound| Path::new(bound).file_name() == path.file_name()),
    );
    found
}
