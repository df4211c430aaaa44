//! `stax git hook`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::secrets::verify;
use crate::cli::ui::Ui;

/// A git hook
#[derive(clap::Args)]
pub struct Args {
    /// Its name, as git calls it
    #[arg(value_enum)]
    name: Name,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    PreCommit,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self.name {
            Name::PreCommit => verify::staged_in_hook(ui),
        }
    }
}
