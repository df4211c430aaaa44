//! `stax secrets remove-recipient`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Stop somebody from reading: new data key, and a checklist
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let _ = ui;
        Err(Failure::usage("not written yet"))
    }
}
