//! `stax secrets scan`

mod found;
mod output;
mod places;

use std::path::PathBuf;
use std::process::ExitCode;

use super::ledger::warn_gaps;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::leak::LeakGuard;
use crate::repo::{BesideIndex, Repo, Span};
use crate::workspace::leaks::Values;
use crate::workspace::{Caller, Target, Workspace};

use found::ScanHits;
use places::PlaceSearch;

/// Look for the values of the SOPS files where they do not belong
///
/// Without PATH in the work tree (what git does not ignore), in the index and in the commits that
/// no remote has. Values are looked for as they are, in base64 (also inside of a longer text),
/// percent-encoded, escaped for JSON, shells and XML, in UTF-16, and with their lines indented or
/// joined, in one pass; beside them the secret keys of age. What is base64 in its file is looked
/// for decoded too. Printed are name, path and line, never a value.
///
/// Left out and counted is what is shorter than 8 bytes or too ordinary: words, names of hosts and
/// files, numbers up to 15 digits, URLs without credentials, public keys, and what stands in clear
/// in a SOPS file. `git config --global --add stax.scanSkip KEY` leaves out one more, and `git
/// config --global stax.scan false` keeps the hooks from looking; a setting of the repository does
/// neither. The hooks open at most 256 SOPS files, the bound ones first, and say so; this command
/// opens all. Not looked into: ignored files, archives, files above 32 MiB, and objects that no
/// reference reaches.
///
/// Exit codes: 0 nothing found, 1 found, 2 could not run, 3 no identity opens any file.
#[derive(clap::Args)]
pub struct Args {
    /// Only these files and folders, as they are on disk, ignored or not
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What the next commit changes, as the hook does
    #[arg(long, conflicts_with_all = ["paths", "history"])]
    staged: bool,
    /// Every version of every file on every reference, and for values that were replaced as well
    #[arg(long, conflicts_with = "paths")]
    history: bool,
    /// Use no key: look for secret keys of age alone
    #[arg(long)]
    keyless: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = match self.staged {
            // git names the index in the environment of a hook
            true => Workspace::over(Repo::from_env()?, Caller::Person),
            false => Workspace::open(None, Caller::Person)?,
        };
        let is_work_tree = !self.staged && !self.history && self.paths.is_empty();
        let beside = workspace.repo()?.beside_index(is_work_tree)?;
        let values = self.values(&workspace, &beside, ui)?;
        let guard = workspace.guard(&values)?;
        let found = self.search(&workspace, &guard, &beside)?;
        let is_found = found.hits().next().is_some();
        output::ScanReport {
            found: &found,
            guard: &guard,
            values: &values,
            is_keyless: self.keyless,
        }
        .print(self.json, ui)?;
        match is_found {
            true => Ok(Exit::No.into()),
            false if !self.keyless && values.opened.is_empty() => {
                nothing_opened(&workspace, &values)
            }
            false => Ok(ExitCode::SUCCESS),
        }
    }

    fn values(
        &self,
        workspace: &Workspace,
        beside: &BesideIndex,
        ui: &Ui,
    ) -> Result<Values, Failure> {
        if self.keyless {
            return Ok(Values::default());
        }
        let mut values = workspace.values_of_today(&beside.changed)?;
        if self.history && !values.opened.is_empty() {
            let history = workspace.add_older_values(workspace.repo()?.ref_tips()?, &mut values)?;
            warn_gaps(ui, &history);
        }
        Ok(values)
    }

    fn search<'a>(
        &self,
        workspace: &'a Workspace,
        guard: &'a LeakGuard,
        beside: &BesideIndex,
    ) -> Result<ScanHits<'a>, Failure> {
        let mut search = PlaceSearch::new(workspace, guard)?;
        let repo = workspace.repo()?;
        if !self.paths.is_empty() {
            self.paths
                .iter()
                .try_for_each(|path| search.on_disk(path))?;
        } else if self.staged {
            search.staged()?;
        } else if self.history {
            search.commits(&Span {
                tips: repo.ref_tips()?,
                ..Span::default()
            })?;
        } else {
            search.work_tree(beside)?;
            search.commits(&repo.unpushed_span()?)?;
        }
        Ok(search.found)
    }
}

/// A person asked for values, and there were none to look for.
fn nothing_opened(workspace: &Workspace, values: &Values) -> Result<ExitCode, Failure> {
    let Some(path) = values.locked.first() else {
        return match values.damaged.first_key_value() {
            Some((path, why)) => Err(Failure::usage(format!(
                "no SOPS file here can be read; {path}: {why}"
            ))),
            None => Ok(ExitCode::SUCCESS),
        };
    };
    let target = Target {
        path: path.clone(),
        env: None,
    };
    let failure = match workspace
        .document(&target)
        .map(|document| workspace.unlock(&target, &document))
    {
        Ok(Err(error)) => Failure::from(error),
        // only the index has it
        _ => Failure::new(Exit::Locked, format!("no identity opens {path}")),
    };
    Err(failure
        .hint("without a key only secret keys of age are looked for: stax secrets scan --keyless"))
}
