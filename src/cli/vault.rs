//! `stax vault …`: which files of the repository are its environments.

use std::process::ExitCode;

use super::failure::Failure;
use super::ui::Ui;

mod link;

#[derive(clap::Subcommand)]
pub enum Vault {
    Link(link::Args),
}

impl Vault {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self {
            Self::Link(args) => args.run(ui),
        }
    }
}
