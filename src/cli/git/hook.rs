//! `stax git hook`

use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::secrets::verify::{self, push};
use crate::cli::ui::Ui;

mod lfs;
mod message;

/// A git hook
#[derive(clap::Args)]
pub struct Args {
    /// Its name, as git calls it
    #[arg(value_enum)]
    name: HookToRun,
    /// What git hands to it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum HookToRun {
    PreCommit,
    PreMergeCommit,
    PrePush,
    CommitMsg,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self.name {
            HookToRun::PreCommit | HookToRun::PreMergeCommit => verify::staged_in_hook(ui),
            HookToRun::PrePush => {
                // a name need not be UTF-8, and only the object names count
                let mut lines = Vec::new();
                std::io::stdin().read_to_end(&mut lines)?;
                let remote = self
                    .args
                    .first()
                    .map(|name| name.to_string_lossy().into_owned());
                let remote = remote.unwrap_or_default();
                let judged = push::in_hook(&remote, &String::from_utf8_lossy(&lines), ui)?;
                if judged == ExitCode::SUCCESS {
                    lfs::push(&self.args, &remote, &lines, ui)
                } else {
                    Ok(judged)
                }
            }
            HookToRun::CommitMsg => {
                if let Some(file) = self.args.first().map(Path::new)
                    && let Err(error) = message::drop_diff(file)
                {
                    ui.warning(format!(
                        "{}: {error}; a diff may be left in it",
                        file.display()
                    ));
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
