//! `stax secrets blame`

use std::process::ExitCode;

use serde_json::json;

use super::WhichFile;
use super::ledger::{KeyUse, commit_and_date, note_depth, origin_json, warn_gaps};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::ledger::Blame;

/// Who gave each key the value that it has
///
/// The commit that set the value of today; a re-encryption under another data key changes none,
/// which only a key can tell: without one the line says since when it is not sure.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: WhichFile,
    #[command(flatten)]
    keys: KeyUse,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let which = self.which.into_which();
        let (workspace, target) = which.open()?;
        // a missing or damaged file says so
        workspace.document(&target)?;
        let workspace = match self.keys.caller() {
            crate::workspace::Caller::Person => workspace,
            caller => crate::workspace::Workspace::open(which.file.as_deref(), caller)?,
        };
        let register = workspace.register_of(&target, self.keys.depth())?;
        warn_gaps(ui, &register.history);
        let found = register.blame_of_today(&target.path);
        if self.json {
            let keys = found.iter().map(|(key, blame)| {
                json!({
                    "key": key,
                    "set": blame.map(|blame| origin_json(blame.origin)),
                    "unsure_since": blame.and_then(|blame| blame.unsure).map(|origin| origin_json(origin)),
                })
            });
            let keys: Vec<_> = keys.collect();
            ui.json(&json!({"schema": 1, "file": target.path, "env": target.env, "keys": keys}))?;
            return Ok(ExitCode::SUCCESS);
        }
        let author = |(_, blame): &(String, Option<Blame<'_>>)| {
            blame.map_or(0, |it| it.origin.author.chars().count())
        };
        let width = found
            .iter()
            .map(author)
            .max()
            .unwrap_or(0)
            .max(NOT_YET.len());
        for (key, blame) in &found {
            let Some(blame) = blame else {
                ui.one_line(format!("{:7} {:10}  {NOT_YET:width$}  {key}", "-", "-"));
                continue;
            };
            let unsure = blame.unsure.map_or_else(String::new, |origin| {
                format!(
                    "   re-encrypted in {}: only a key can tell whether it changed",
                    origin.short()
                )
            });
            let author = &blame.origin.author;
            ui.one_line(format!(
                "{}  {author:width$}  {key}{unsure}",
                commit_and_date(blame.origin)
            ));
        }
        let has_doubts = found
            .iter()
            .any(|(_, blame)| blame.is_some_and(|blame| blame.unsure.is_some()));
        note_depth(ui, &register, has_doubts);
        Ok(ExitCode::SUCCESS)
    }
}

const NOT_YET: &str = "not committed";
