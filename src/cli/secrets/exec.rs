//! `stax secrets exec`

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use super::Which;
use super::environment::{Door, variables};
use super::resolve::whose;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::keyring::IDENTITY_VARIABLES;
use crate::process;

/// Run a command with the values in its environment
///
/// The command replaces stax; it inherits the environment less the variables that lead to an
/// identity. Names and empty values are judged as in `export`; one that points at a proxy,
/// certificates or configuration passes, with a note where no export has met it yet. Exit codes are
/// those of env(1): 127 not found, 126 not executable, else the command's.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open()?;
        let opened = workspace.opened(&target)?;
        whose::say(
            ui,
            &workspace,
            &target.path,
            opened.clear.document().source(),
        );
        let variables = variables(ui, &workspace, &target, opened.clear.tree(), Door::Exec)?;
        // the key does not live on in the memory of the command
        drop(opened);
        let add: Vec<(&str, &OsStr)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), OsStr::new(value.as_str())))
            .collect();
        let environment = process::ChildEnvironment {
            add: &add,
            remove: IDENTITY_VARIABLES,
        };
        let error = process::replace(&self.command, environment);
        ui.failure(&Failure::usage(error.to_string()));
        Ok(ExitCode::from(error.exit_code()))
    }
}
