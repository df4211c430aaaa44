//! `stax secrets unset`

use std::process::ExitCode;

use super::{Which, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::fresh;

/// Remove one value
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"]
    key: String,
    #[command(flatten)]
    which: Which,
    /// Say what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open()?;
        values::update(&workspace, &target, self.dry_run, &mut |opened| {
            let path = values::parse_path(&self.key, opened.clear.tree())?;
            Ok(Some(fresh(|fresh| opened.clear.unset(&path, &opened.key, fresh))?))
        })?;
        let verb = if self.dry_run { "would remove" } else { "removed" };
        ui.note(format!("{}: {verb} {}; older versions in git still hold it", target.path, self.key));
        Ok(ExitCode::SUCCESS)
    }
}
