//! `stax secrets get`

use std::process::ExitCode;

use super::{Which, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::sops::EditError;

/// Print one value
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"]
    key: String,
    #[command(flatten)]
    which: Which,
    /// Print no newline after the value
    #[arg(long)]
    no_newline: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open()?;
        let opened = workspace.opened(&target)?;
        let tree = opened.clear.tree();
        let path = values::parse_path(&self.key, tree)?;
        let entry = tree.find(&path).ok_or_else(|| EditError::Missing(path.clone()))?;
        let leaf = entry.node.leaf().ok_or(EditError::NotAValue(path))?;
        let mut value = values::plain_text(&leaf.scalar);
        if !self.no_newline {
            value.reserve_exact(1);
            value.push(b'\n');
        }
        ui.bytes(&value)?;
        Ok(ExitCode::SUCCESS)
    }
}
