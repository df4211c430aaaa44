//! `stax secrets install`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Install the git drivers and the pre-commit hook in this clone
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let _ = ui;
        Err(Failure::usage("not written yet"))
    }
}
