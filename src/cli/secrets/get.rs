//! `stax secrets get`

use std::process::ExitCode;

use sops_document::{EditError, Scalar};

use super::past::Past;
use super::resolve::whose;
use super::{Which, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::Caller;

/// Print one value, as it is or as it was
///
/// Prints the value and a newline on stdout, and nothing else. With --at it is the value of a commit: a
/// version from before you could read the file opens too, as long as the file still has the data key that
/// it had then. A value or a MAC that does not authenticate is never printed.
///
/// Exit codes: 0 printed, 1 no such key (or no such file in that revision), 2 no such revision, 3 no
/// identity opens it, 4 it does not authenticate.
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"], or a name that `list` prints
    key: String,
    #[command(flatten)]
    which: Which,
    /// The value as of this commit, in git's spelling: HEAD~3, main@{yesterday}, v1.2, 77ab01c
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Print no newline after the value
    #[arg(long)]
    no_newline: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let scalar = match &self.at {
            Some(revision) => self.past(revision)?,
            None => self.present(ui)?,
        };
        let mut value = values::plain_text(&scalar);
        if !self.no_newline {
            value.reserve_exact(1);
            value.push(b'\n');
        }
        ui.bytes(&value)?;
        Ok(ExitCode::SUCCESS)
    }

    fn present(&self, ui: &Ui) -> Result<Scalar, Failure> {
        let (workspace, target) = self.which.open()?;
        let opened = workspace.opened(&target)?;
        whose::say(ui, &workspace, &target.path, opened.clear.document().source());
        let (clear, path) = values::locate(&self.key, &opened.clear)?;
        let entry = clear.tree().find(&path).ok_or_else(|| self.which.lacks(&path))?;
        Ok(entry.node.leaf().ok_or(EditError::NotAValue(path))?.scalar.clone())
    }

    fn past(&self, revision: &str) -> Result<Scalar, Failure> {
        let (workspace, target) = self.which.open_past(Caller::Person)?;
        let past = Past::open(&workspace, &target, revision)?;
        past.value(&self.key)?.ok_or_else(|| past.lacks(&self.key))
    }
}
