//! `stax secrets edit`

use std::process::ExitCode;

use zeroize::Zeroizing;

use super::{WhichFile, empty, values};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::{DiskError, PrivateDir};
use crate::workspace::{MAX_FILE, Opened, Target, Workspace, WorkspaceError, sealing};

mod editor;

pub(super) use editor::Editor;

/// Edit the values in your editor
///
/// The editor is SOPS_EDITOR, VISUAL or EDITOR. The plaintext lies in a private folder (in memory
/// where the system has such a place) that is removed when the editor ends. Vim, Neovim, Nano and
/// Emacs are told to keep no undo file, backup, swap file or history of it; another editor follows
/// its own settings. What you do not touch keeps its bytes; comments, order and layout are yours.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: WhichFile,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let editor = Editor::of_environment()?;
        let which = self.which.into_which();
        let (workspace, target) = which.open_to_write(ui, false)?;
        // before the author writes anything: there must be a place to save it
        workspace.repo()?;
        let opened = workspace.opened(&target)?;
        workspace.check_recipients(&opened.target, opened.clear.document())?;
        let folder = PrivateDir::create()?;
        let name = target.path.rsplit('/').next().unwrap_or("secrets.yaml");
        let shown = opened.clear.payload();
        let shown =
            shown.unwrap_or_else(|| Zeroizing::new(opened.clear.layout().as_bytes().to_vec()));
        let file = folder.write(name, &shown)?;
        loop {
            // at a terminal Ctrl-C is the editor's; without one it is meant for us
            let held = ui.is_interactive().then(|| folder.hold_interrupts());
            let status = editor.open(ui, &folder, &file)?;
            drop(held);
            if !status.success() {
                return Err(Failure::usage(format!(
                    "the editor ended with {status}; nothing was changed"
                )));
            }
            let text = folder.read(name, MAX_FILE)?;
            if text.is_empty() && !shown.is_empty() {
                let what = format!(
                    "{}: the editor left an empty file; nothing was changed",
                    target.path
                );
                let way = format!("to remove a value: stax secrets unset KEY{}", which.typed());
                return Err(Failure::usage(what).hint(way));
            }
            let sealed = match seal(&workspace, &opened, text) {
                Ok(sealed) => sealed,
                Err(failure) if ui.is_interactive() => {
                    ui.failure(&failure);
                    if ui.enter("Enter: edit again, q: drop the changes ") {
                        continue;
                    }
                    return Err(Failure::usage("the changes were dropped"));
                }
                Err(failure) => return Err(failure.hint("nothing was changed")),
            };
            let Some(sealed) = sealed else {
                ui.note(format!("{}: nothing changed", target.path));
                if let Some(command) = editor.with_wait() {
                    ui.hint(format!(
                        "an editor that opens a window has to wait for it: {command}"
                    ));
                }
                return Ok(ExitCode::SUCCESS);
            };
            values::warn_misread(ui, &target.path, opened.clear.document().format(), &sealed);
            let saved = save(ui, &workspace, &opened, sealed);
            drop(folder);
            return saved;
        }
    }
}

fn seal(
    workspace: &Workspace,
    opened: &Opened,
    text: Zeroizing<Vec<u8>>,
) -> Result<Option<String>, Failure> {
    let Target { path, .. } = &opened.target;
    let seal_error = |error: sops_document::SealError| Failure::usage(format!("{path}: {error}"));
    if opened.clear.payload().is_some() {
        return sealing(&opened.key, |context| {
            opened.clear.reseal_payload(&text, context)
        })
        .map_err(seal_error);
    }
    let text = std::str::from_utf8(&text)
        .map_err(|_| Failure::usage(format!("{path}: not UTF-8 text")))?;
    if let Ok(tree) = opened.clear.document().format().parse(text) {
        values::check_managed(workspace, &opened.target, &tree)?;
    }
    sealing(&opened.key, |context| opened.clear.reseal(text, context)).map_err(seal_error)
}

/// When somebody else changed the file meanwhile, the edited version is kept, encrypted, beside the
/// repository's own files.
fn save(
    ui: &Ui,
    workspace: &Workspace,
    opened: &Opened,
    sealed: String,
) -> Result<ExitCode, Failure> {
    let path = &opened.target.path;
    match workspace.save(&[workspace.replace(opened, sealed.clone())]) {
        Ok(()) => {
            ui.note(format!("{path}: saved"));
            empty::settle(ui, workspace, &opened.target, &[])?;
            Ok(ExitCode::SUCCESS)
        }
        Err(WorkspaceError::Disk(DiskError::Changed(_))) => {
            let kept = keep(workspace, path, sealed)?;
            Err(Failure::new(
                Exit::No,
                format!("{path} changed while you edited; your version was not saved over it"),
            )
            .hint(format!(
                "your version is kept, encrypted: stax secrets decrypt {kept}"
            )))
        }
        Err(error) => {
            let failure = Failure::from(error);
            match keep(workspace, path, sealed) {
                Ok(kept) => Err(failure.hint(format!(
                    "your version is kept, encrypted: stax secrets decrypt {kept}"
                ))),
                Err(_) => Err(failure.hint("your version could not be kept either")),
            }
        }
    }
}

fn keep(workspace: &Workspace, path: &str, sealed: String) -> Result<String, Failure> {
    let stamp = crate::workspace::now().replace([':', '-'], "");
    let name = path.rsplit('/').next().unwrap_or("secrets.yaml");
    Ok(workspace
        .keep(&format!("edits/{stamp}.{name}"), sealed.into_bytes())?
        .display()
        .to_string())
}
