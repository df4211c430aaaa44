//! `stax secrets history`

mod block;
mod json;
mod signatures;

use std::process::ExitCode;

use super::ledger::{KeyUse, LogWindow, PeopleNames, warn_gaps};
use super::{Which, verify};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::ledger::short;
use crate::workspace::Workspace;
use crate::workspace::stories::Stories;

use block::HistoryBlock;

/// Who could read what, since when: every recipient that came or went, by which commit
///
/// Read from `.sops.yaml` and from the metadata of the files themselves, over every branch that was
/// merged; no key is needed. `(policy only)` is somebody whom the policy names and the file does
/// not, `(file only)` the other way round. A silent key at hand tells a new data key for sure.
/// Newest first. Names and dates are what the commits claim; signatures are checked by git.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    window: LogWindow,
    #[command(flatten)]
    keys: KeyUse,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(self.which.file.as_deref(), self.keys.caller())?;
        let only = if self.which.env.is_some() || self.which.file.is_some() {
            Some(
                workspace
                    .target(self.which.env.as_deref(), self.which.file.as_deref())?
                    .path,
            )
        } else {
            None
        };
        let stories = workspace.stories(only.as_deref(), self.keys.depth())?;
        if stories.stories.is_empty() {
            return Err(
                Failure::no("no SOPS file and no rule of a .sops.yaml is here")
                    .hint("stax secrets init --env production"),
            );
        }
        let names = PeopleNames(workspace.names_of(&stories.history)?);
        let blocks = HistoryBlock::all(&stories.stories);
        let signed = signatures::of(&workspace, &blocks)?;
        if self.json {
            ui.json(&json::of(&stories, &names, &signed, self.window))?;
            return Ok(ExitCode::SUCCESS);
        }
        warn_gaps(ui, &stories.history);
        for (position, block) in blocks.iter().enumerate() {
            if position > 0 {
                ui.one_line("");
            }
            block.print(ui, &names, self.window);
        }
        print_labels(ui, &stories);
        let commits = blocks
            .iter()
            .flat_map(|block| &block.rows)
            .map(|row| row.origin.commit.as_str());
        let commits = commits.collect::<std::collections::BTreeSet<_>>().len();
        ui.note(format!(
            "names and dates are what the commits claim; {}",
            signed.summary(commits)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Names that changed while the key stayed.
fn print_labels(ui: &Ui, stories: &Stories) {
    if stories.labels.is_empty() {
        return;
    }
    ui.line("\nnames");
    for change in &stories.labels {
        let origin = &change.origin;
        let by = format!("by {}", origin.author);
        ui.one_line(format!(
            "  {} {}  {} -> {}  {by}",
            origin.date,
            short(&origin.commit),
            change.from,
            change.to
        ));
    }
}

/// `3 commits`
fn commits(number: usize) -> String {
    verify::count(number, "commit")
}
