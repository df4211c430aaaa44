//! `stax secrets status`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// What is set up here and what to do next
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let _ = ui;
        Err(Failure::usage("not written yet"))
    }
}
