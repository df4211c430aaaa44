//! `stax vault unlink`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::secrets::interrupted::open_to_write;
use crate::cli::ui::Ui;
use crate::workspace::{Caller, VAULT};

/// Take the binding of a file out
///
/// Writes `.stax/vault.json` and nothing else: the file stays as it is, encrypted to whom it was,
/// and verify judges it as any other SOPS file. The file need not be there any more.
#[derive(clap::Args)]
pub struct Args {
    /// A bound file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would be written, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = open_to_write(ui, None, Caller::Person, self.dry_run)?;
        let path = workspace.relative(&self.file)?;
        let mut vault = workspace.vault()?.unwrap_or_default();
        let Some(env) = vault.unbind(&path) else {
            return Err(Failure::no(format!("{path} is bound to no environment")));
        };
        if self.dry_run {
            ui.line(format!("would take {path} ({env}) out of {VAULT}"));
            ui.note("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
        super::save(ui, &workspace, &[workspace.plan(VAULT, vault.render())?])?;
        ui.line(format!("took {path} ({env}) out of {VAULT}"));
        ui.next(&[format!(
            "git commit -m \"chore(secrets): unbind {env}\" -- {VAULT}"
        )]);
        Ok(ExitCode::SUCCESS)
    }
}
