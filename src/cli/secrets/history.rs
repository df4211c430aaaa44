//! `stax secrets history`

mod block;
mod json;
mod signatures;

use std::process::ExitCode;

use super::ledger::{Keys, Names, moment, warn_gaps};
use super::{Which, verify};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::ledger::{Row, short};
use crate::workspace::Workspace;
use crate::workspace::stories::Stories;

use block::Block;

/// Who could read what, since when: every recipient that came or went, by which commit
///
/// Read from `.sops.yaml` and from the metadata of the files themselves, over every branch that was merged; no
/// key is needed. `(policy only)` is somebody whom the policy names and the file does not, `(file only)` the
/// other way round. A silent key at hand tells a new data key for sure. Newest first. Names and dates are what the commits claim; signatures are checked by git.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// At most this many commits a file or rule
    #[arg(short = 'n', long, value_name = "N")]
    max_count: Option<usize>,
    /// Not older than a date or a span: 2026-03-02, 90d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<i64>,
    /// Oldest first
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    keys: Keys,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(self.which.file.as_deref(), self.keys.caller())?;
        let only = if self.which.env.is_some() || self.which.file.is_some() {
            Some(workspace.target(self.which.env.as_deref(), self.which.file.as_deref())?.path)
        } else {
            None
        };
        let stories = workspace.stories(only.as_deref(), self.keys.depth())?;
        if stories.stories.is_empty() {
            return Err(Failure::no("no SOPS file and no rule of a .sops.yaml is here")
                .hint("stax secrets init --env production"));
        }
        let names = Names(workspace.names_of(&stories.history)?);
        let blocks = Block::all(&stories.stories);
        let signed = signatures::of(&workspace, &blocks)?;
        if self.json {
            ui.json(&json::of(&stories, &names, &signed, &|rows| self.cut(rows)))?;
            return Ok(ExitCode::SUCCESS);
        }
        warn_gaps(ui, &stories.history);
        for (position, block) in blocks.iter().enumerate() {
            if position > 0 {
                ui.one_line("");
            }
            block.print(ui, &names, &|rows| self.cut(rows));
        }
        print_labels(ui, &stories);
        let commits = blocks.iter().flat_map(|block| &block.rows).map(|row| row.origin.commit.as_str());
        let commits = commits.collect::<std::collections::BTreeSet<_>>().len();
        ui.note(format!("names and dates are what the commits claim; {}", signed.summary(commits)));
        Ok(ExitCode::SUCCESS)
    }

    fn cut<'a, T: AsRef<Row>>(&self, rows: &'a [T]) -> Vec<&'a T> {
        let mut kept: Vec<&T> = rows
            .iter()
            .filter(|row| self.since.is_none_or(|since| row.as_ref().origin.seconds >= since))
            .take(self.max_count.unwrap_or(usize::MAX))
            .collect();
        if self.reverse {
            kept.reverse();
        }
        kept
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
