//! `stax git textconv`: what `git diff`, `log -p` and `show` make of a secret file.
//!
//! A failing or silent textconv stops git or hides a file, so this one always ends well, and prints
//! the bytes as they are whenever it knows nothing better.

mod render;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::show::Viewer;
use crate::cli::ui::Ui;
use crate::inventory;
use crate::repo::Repo;
use crate::trace;
use crate::workspace::{Caller, MAX_FILE, Workspace};

use render::View;
pub(in crate::cli) use render::is_shown;

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
    let Ok((bytes, rest)) = read(path) else {
        return ui.bytes(b"#stax this file cannot be read\n");
    };
    if let Some(mut rest) = rest {
        ui.bytes(&bytes)?;
        io::copy(&mut rest, &mut io::stdout().lock())?;
        return Ok(());
    }
    let shown = contained(|| convert(path, &bytes));
    trace::step("textconv", || {
        let how = if shown.is_some() {
            "as a document"
        } else {
            "as it is"
        };
        format!("{}, {} bytes: {how}", path.display(), bytes.len())
    });
    match shown {
        Some(text) => ui.bytes(text.as_bytes()),
        None => ui.bytes(&bytes),
    }
}

/// A conversion that panics, or that says nothing of a file, is none.
fn contained(convert: impl FnOnce() -> Option<Zeroizing<String>>) -> Option<Zeroizing<String>> {
    catch_unwind(AssertUnwindSafe(convert))
        .ok()
        .flatten()
        .filter(|text| !text.is_empty())
}

/// The bytes up to the largest document, and the file when it goes on.
fn read(path: &Path) -> io::Result<(Vec<u8>, Option<File>)> {
    // a pipe or a device may never end
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.by_ref()
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)?;
    let rest = (bytes.len() > MAX_FILE).then_some(file);
    Ok((bytes, rest))
}

/// `None`: not a SOPS document.
fn convert(path: &Path, bytes: &[u8]) -> Option<Zeroizing<String>> {
    let document = inventory::document(&path.file_name()?.to_string_lossy(), bytes)?;
    // git stands at the top of the work tree; in a bare repository there is none
    let workspace = Repo::here()
        .map(|repo| Workspace::over(repo, Caller::Git))
        .or_else(|_| Workspace::open(Some(path), Caller::Git))
        .ok();
    let holders = workspace
        .as_ref()
        .map(Workspace::holders)
        .unwrap_or_default();
    let name = |recipient: &str| holders.name(recipient).map(str::to_owned);
    let viewer = Viewer::of_process(workspace.as_ref());
    let show = viewer.show();
    let opened = workspace
        .as_ref()
        .and_then(|workspace| workspace.open_past(path, &document));
    trace::step("textconv", || match &opened {
        None => format!("{}: no data key", path.display()),
        Some((_, Ok(_))) => format!("{}: opened", path.display()),
        Some((_, Err(_))) => format!("{}: opened, not authentic", path.display()),
    });
    let view = match &opened {
        None => View::Locked,
        Some((key, Ok(clear))) => View::Open { key, clear, show },
        Some((key, Err(fault))) => View::Broken { key, fault, show },
    };
    Some(render::render(&document, &view, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_empty_text_are_no_conversion() {
        let text = |text: &str| Some(Zeroizing::new(text.to_owned()));
        assert_eq!(contained(|| text("x")), text("x"));
        assert_eq!(contained(|| text("")), None);
        assert_eq!(contained(|| None), None);
        assert_eq!(contained(|| panic!("inside")), None);
        assert_eq!(contained(|| text(&"x"["xy".len()..])), None);
    }
}
