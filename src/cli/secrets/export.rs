//! `stax secrets export`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Print all values for a shell, a dotenv file or GitHub Actions
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let _ = ui;
        Err(Failure::usage("not written yet"))
    }
}
