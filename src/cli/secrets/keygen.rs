//! `stax secrets keygen`

use std::process::ExitCode;

use sops_document::age::Identity;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::keyring::{KeyFileError, create_key_file};
use crate::workspace::{Caller, keyring, now};

/// Make an age identity in the standard SOPS key file
///
/// Prints the public key, which is what others need. An existing file is never overwritten. The
/// file is 0600 in a folder of 0700; sops and age read it too. Keep a copy in a safe place.
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let keyring = keyring(None, Caller::Person);
        let Some(path) = keyring.standard_file() else {
            return Err(Failure::usage(
                "there is no home folder for a key file: HOME is not set",
            ));
        };
        let identity = Identity::generate();
        create_key_file(path, &identity, &now()).map_err(|error| {
            let exists = matches!(error, KeyFileError::Exists(_));
            let failure = Failure::usage(error.to_string());
            if exists {
                failure.hint("your public key: stax secrets pubkey")
            } else {
                failure
            }
        })?;
        ui.note(format!(
            "wrote {} (0600); keep a copy in a safe place",
            path.display()
        ));
        ui.line(identity.recipient().to_string());
        Ok(ExitCode::SUCCESS)
    }
}
