//! `stax secrets keygen`

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Make an age identity in the standard SOPS key file
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let _ = ui;
        Err(Failure::usage("not written yet"))
    }
}
