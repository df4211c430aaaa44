//! `stax secrets unset`

use std::process::ExitCode;

use super::{Which, empty, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::sealing;

/// Remove one value
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"], or a name that `list` prints
    key: String,
    #[command(flatten)]
    which: Which,
    /// Succeed when there is no such value
    #[arg(long)]
    idempotent: bool,
    /// Say what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open_to_write(ui, self.dry_run)?;
        let changed = values::update(&workspace, &target, self.dry_run, &mut |opened| {
            let (clear, path) = values::locate(&self.key, &opened.clear)?;
            values::check_first(&self.key, &path, &clear)?;
            if clear.tree().find(&path).is_none() {
                return if self.idempotent {
                    Ok(None)
                } else {
                    Err(self.which.lacks(&path))
                };
            }
            Ok(Some(sealing(&opened.key, |context| {
                clear.unset(&path, context)
            })?))
        })?;
        if !changed {
            ui.note(format!(
                "{}: there is no {}; nothing changed",
                target.path, self.key
            ));
            return Ok(ExitCode::SUCCESS);
        }
        if !self.dry_run {
            empty::settle(ui, &workspace, &target, &[])?;
        }
        let verb = if self.dry_run {
            "would remove"
        } else {
            "removed"
        };
        ui.note(format!(
            "{}: {verb} {}; older versions in git still hold it",
            target.path, self.key
        ));
        Ok(ExitCode::SUCCESS)
    }
}
