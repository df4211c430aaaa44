//! What git calls: hidden, and never in the way.

use std::process::ExitCode;

use super::failure::Failure;
use super::ui::Ui;

mod filter;
mod hook;
pub(super) mod merge;
pub(super) mod textconv;

#[derive(clap::Subcommand)]
pub enum Git {
    Textconv(textconv::Args),
    Merge(merge::Args),
    Filter(filter::Args),
    Hook(hook::Args),
}

impl Git {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self {
            Self::Textconv(args) => args.run(ui),
            Self::Merge(args) => args.run(ui),
            Self::Filter(args) => args.run(ui),
            Self::Hook(args) => args.run(ui),
        }
    }
}

/// `A, B and 3 more`
fn listed(names: &[String], most: usize) -> String {
    let rest = names.len().saturating_sub(most);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    names[..names.len() - rest].join(", ") + &more
}
