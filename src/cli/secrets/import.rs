//! `stax secrets import`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeroize::Zeroizing;

use super::names::AllowedNames;
use super::past::quoted;
use super::{Which, empty, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::{MAX_FILE, Workspace};

mod plan;
mod source;

use plan::{ImportOptions, ImportPlan};
use source::{Given, SourceFormat};

/// Take all values of a plain .env, JSON or YAML file into the store, in one write
///
/// FILE is a plain `.env` as people write it, a flat `.json` or a flat `.yaml`; `-` is stdin.
/// Nothing is ever expanded: `$2a$10$…` stays what it is. What readers of .env disagree about is
/// refused with its line, never quoted. An existing key keeps its type where the text fits it, a
/// new one is a string; JSON and YAML keep their types.
///
/// Prints what is new (`+`), changed (`~`) and removed (`-`) with types and lengths, never a value.
/// All or nothing: every name and value is checked as `set` does before anything is written, and
/// all that is wrong is listed at once. Nothing changes where all values are there already. The
/// plain file stays: remove it.
///
/// Exit codes: 0 done, 2 refused (nothing was written), 3 no identity opens the store, 4 it does
/// not authenticate.
#[derive(clap::Args)]
pub struct Args {
    /// The plain file; `-` is stdin
    #[arg(value_name = "FILE")]
    source: PathBuf,
    #[command(flatten)]
    which: Which,
    /// How to read FILE; by default its name tells, and what is neither .json nor .yaml is a .env
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<SourceFormat>,
    /// Remove the keys that FILE does not have
    #[arg(long)]
    prune: bool,
    /// Let an empty value of FILE replace one that is not
    #[arg(long)]
    empty: bool,
    /// Say what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let given = self.read(ui)?;
        if self.prune && given.is_empty() {
            return Err(Failure::usage(
                "there are no values to import, and --prune would remove every key",
            )
            .hint("if that is meant: stax secrets unset KEY"));
        }
        let (workspace, target) = self.which.open_to_write(ui, self.dry_run)?;
        let names = if target.env.is_some() {
            AllowedNames::of(&workspace)?
        } else {
            AllowedNames::default()
        };
        let mut plan = ImportPlan::default();
        let changed = values::update(&workspace, &target, self.dry_run, &mut |opened| {
            plan = ImportPlan::of(opened, &given, self.how(), &names)?;
            plan.text(opened)
        })?;
        plan.print(ui);
        let counts = plan.counts();
        let path = &target.path;
        ui.note(match (changed, self.dry_run) {
            (true, true) => format!("{path}: would import {counts}"),
            (true, false) => format!("{path}: imported {counts}"),
            (false, _) => format!("{path}: {counts}; nothing changed"),
        });
        if !self.dry_run {
            empty::settle(ui, &workspace, &target, &plan.empty_keys())?;
        }
        if let Ok(repo) = workspace.repo() {
            self.warn_of_source(&workspace, repo, ui);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn how(&self) -> ImportOptions {
        ImportOptions {
            prune: self.prune,
            empty: self.empty,
        }
    }

    fn is_stdin(&self) -> bool {
        self.source == Path::new("-")
    }

    fn read(&self, ui: &Ui) -> Result<Vec<Given>, Failure> {
        let name = if self.is_stdin() {
            "stdin".into()
        } else {
            self.source.display().to_string()
        };
        let failed = |what: &dyn std::fmt::Display| Failure::usage(format!("{name}: {what}"));
        let bytes = if self.is_stdin() {
            if std::io::stdin().is_terminal() {
                return Err(Failure::usage("stdin is a terminal")
                    .hint("pipe it: … | stax secrets import -"));
            }
            ui.read_value("")?
        } else {
            let size = std::fs::metadata(&self.source)
                .map_err(|error| failed(&error))?
                .len();
            if size > MAX_FILE as u64 {
                return Err(failed(&"larger than 32 MiB"));
            }
            Zeroizing::new(std::fs::read(&self.source).map_err(|error| failed(&error))?)
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| failed(&"not UTF-8 text"))?;
        let format = self
            .format
            .unwrap_or_else(|| SourceFormat::of(&self.source));
        let given = source::read(format, &name, text)?;
        let expanded: Vec<&str> = given
            .iter()
            .filter(|one| one.looks_expanded)
            .map(|one| one.name.as_str())
            .collect();
        if !expanded.is_empty() {
            ui.note(format!(
                "taken as it stands, nothing is expanded: {}",
                expanded.join(", ")
            ));
        }
        Ok(given)
    }

    /// The values in clear are still where they were.
    fn warn_of_source(&self, workspace: &Workspace, repo: &Repo, ui: &Ui) {
        if self.is_stdin() {
            return;
        }
        let Ok(path) = workspace.relative(&self.source) else {
            return;
        };
        let word = quoted(&self.source.to_string_lossy());
        if repo.is_tracked(&path).unwrap_or(false) {
            ui.warning(format!(
                "{path} holds these values in clear and git tracks it: git rm {word}; what was committed, replace at its source"
            ));
        } else if !repo.is_ignored(&path).unwrap_or(false) {
            ui.warning(format!(
                "{path} still lies there in clear and git does not ignore it: rm {word}"
            ));
        }
    }
}
