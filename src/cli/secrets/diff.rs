//! `stax secrets diff`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::failure::{Exit, Failure};
use crate::cli::show::Viewer;
use crate::cli::ui::Ui;
use crate::workspace::{Caller, Workspace};

mod face;
mod file;
mod json;
mod sides;
mod text;

use file::FilePair;

/// What changed in the secrets, key by key, between any two states git knows
///
/// REVS are those of `git diff`: nothing compares the index with the work tree, --staged HEAD with
/// the index, A commit A with the work tree, `A B` and `A..B` two commits, `A...B` what B changed
/// since it left A. For each SOPS file that differs it prints the keys that are new (`+`), gone
/// (`-`) or changed (both), recipients with their names, the data key and a bad MAC. The order of
/// keys is no difference.
///
/// With a key at hand that asks nobody it prints values, masked in CI, for coding agents and by
/// `git config stax.diff masked`, as `git diff` does. Without one it prints types, lengths and
/// fingerprints, and says in one line when everything was re-encrypted. A file that is SOPS on one
/// side only is named and never shown; one that cannot be read is named with the reason.
///
/// Exit codes: 0, or 1 when something differs under --exit-code; 2 for a revision git does not
/// know.
#[derive(clap::Args)]
pub struct Args {
    /// At most two revisions, or A..B, or A...B
    #[arg(value_name = "REVS")]
    revisions: Vec<String>,
    /// Only these files and folders
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the next commit would change
    #[arg(long, visible_alias = "cached")]
    staged: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 when something differs
    #[arg(long)]
    exit_code: bool,
    /// Use no key
    #[arg(long)]
    keyless: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(None, Caller::Git)?;
        let asked = sides::read(&workspace, &self.revisions, &self.paths, self.staged)?;
        let mut pairs = file::gather(&workspace, &asked)?;
        if !self.keyless {
            pairs.iter_mut().for_each(|pair| pair.open(&workspace));
        }
        pairs.iter_mut().for_each(FilePair::compare);
        let viewer = Viewer::of_process(Some(&workspace));
        let holders = workspace.holders();
        if self.json {
            let files: Vec<_> = pairs
                .iter()
                .map(|pair| json::of(pair, viewer.show(), &holders))
                .collect();
            ui.json(
                &json!({"schema": 1, "old": asked.old_name, "new": asked.new_name, "files": files}),
            )?;
        } else {
            let printer = text::Printer {
                ui,
                show: viewer.show(),
                holders: &holders,
                asked: &asked,
            };
            printer.print(&pairs);
        }
        Ok(if self.exit_code && !pairs.is_empty() {
            Exit::No.into()
        } else {
            ExitCode::SUCCESS
        })
    }
}
