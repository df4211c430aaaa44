//! `stax secrets pubkey`

use std::process::ExitCode;

use crate::cli::failure::{Exit, Failure, mend_source};
use crate::cli::ui::Ui;
use crate::workspace::{Caller, keyring};

/// Print the public key of the identity in use
///
/// One line for each identity of the first source that holds any: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE,
/// SOPS_AGE_KEY_CMD, the standard SOPS key file.
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let keyring = keyring(None, Caller::Person);
        let Some((source, recipients)) = keyring.first_source() else {
            let mut failure = Failure::new(Exit::Locked, "there is no identity");
            for tried in keyring.survey() {
                if let Err(error) = tried.outcome {
                    failure = failure.detail(format!("{} {error}", tried.source));
                }
            }
            let mend = mend_source(&keyring.survey());
            return Err(
                failure.hint(mend.unwrap_or_else(|| "make one: stax secrets keygen".to_owned()))
            );
        };
        for open in keyring.open_files() {
            ui.warning(open.to_string());
        }
        ui.note(format!("from {source}"));
        for recipient in recipients {
            ui.line(recipient.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}
