//! `stax secrets rotate`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::people::{People, Scope};
use super::values::{beside_others, unless_outdated};
use super::verify::count;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::inventory::{RuleAt, SecretFile};
use crate::workspace::wrap::DataKeyChange;

/// New data keys, same values
///
/// Every file of the only rule, and those of no rule, which keep their readers; with several rules
/// name files or a rule, or say --all.
#[derive(clap::Args)]
pub struct Args {
    /// Any SOPS files of the work tree
    #[arg(value_name = "FILE", conflicts_with_all = ["env", "file", "all"])]
    files: Vec<PathBuf>,
    #[command(flatten)]
    scope: Scope,
    /// Show what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        beside_others(&mut || self.attempt(ui))
    }

    fn attempt(&self, ui: &Ui) -> Result<Option<ExitCode>, Failure> {
        let typed: Vec<&Path> = self
            .files
            .iter()
            .map(PathBuf::as_path)
            .chain(self.scope.files())
            .collect();
        let people = People::without_policy(ui, &typed, self.dry_run)?;
        unless_outdated(&people.workspace, self.rotate(ui, &people, &typed))
    }

    /// `None`: somebody else wrote first.
    fn rotate(
        &self,
        ui: &Ui,
        people: &People,
        typed: &[&Path],
    ) -> Result<Option<ExitCode>, Failure> {
        let chosen = self.chosen(people)?;
        if chosen.is_empty() && people.inventory.rules().next().is_none() {
            People::open(typed)?;
        }
        let mut files = Vec::new();
        for file in chosen {
            let rule = file.rule.map(|at| people.inventory.rule(at));
            if let Some(rule) = rule {
                people.refuse_strangers(rule, file, "")?;
                if let Some(missing) = people.missing(rule, file, "").first() {
                    return Err(Failure::usage(format!(
                        "{}: {} is in the policy but not in the file",
                        file.target.path,
                        people.name(missing)
                    ))
                    .hint(format!(
                        "stax secrets updatekeys {}",
                        shell_words::quote(&file.target.path)
                    )));
                }
            }
            files.push((file, people.readers(rule, file, None, None)));
        }
        let rules: Vec<RuleAt> = if self.files.is_empty() {
            self.rules(people)?
        } else {
            Vec::new()
        };
        let planned = people.plan(&rules, &files, DataKeyChange::New)?;
        let writes: Vec<_> = planned.iter().map(|file| file.write.clone()).collect();
        if !self.dry_run && !people.workspace.save_unless_changed(&writes)? {
            return Ok(None);
        }
        for file in &planned {
            let (path, readers) = (&file.target.path, people.shorts(&file.readers));
            ui.mark(
                "~",
                format!(
                    "{path}: new data key, {} re-encrypted, wrapped to {readers}",
                    count(file.values, "value")
                ),
            );
        }
        if self.dry_run || planned.is_empty() {
            ui.note("nothing was written");
            return Ok(Some(ExitCode::SUCCESS));
        }
        ui.line("checked: the old data key opens no value and no MAC of the new files");
        ui.next(&people.finish(ui, &writes, "chore(secrets): rotate data keys")?);
        Ok(Some(ExitCode::SUCCESS))
    }

    fn rules(&self, people: &People) -> Result<Vec<RuleAt>, Failure> {
        if self.scope.is_named() {
            let target = people
                .workspace
                .target(self.scope.env.as_deref(), self.scope.file.as_deref())?;
            return Ok(people.rule_of(&target.path)?.into_iter().collect());
        }
        people.rules(&self.scope, &people.governing())
    }

    /// The files that were named, else those of the rules and those of none.
    fn chosen<'p>(&self, people: &'p People) -> Result<Vec<&'p SecretFile>, Failure> {
        let one = |path: String| {
            let obstacle = people.inventory.obstacles.iter().find(|it| it.path == path);
            people.inventory.file(&path).ok_or_else(|| {
                let what = obstacle.map_or("is no SOPS file".to_owned(), |it| it.cause.to_string());
                Failure::usage(format!("{path}: {what}"))
            })
        };
        if !self.files.is_empty() {
            return self
                .files
                .iter()
                .map(|file| one(people.workspace.relative(file)?))
                .collect();
        }
        let rules = self.rules(people)?;
        if self.scope.is_named() && rules.is_empty() {
            let target = people
                .workspace
                .target(self.scope.env.as_deref(), self.scope.file.as_deref())?;
            return Ok(vec![one(target.path)?]);
        }
        let is_loose = |file: &SecretFile| file.rule.is_none() && !self.scope.is_named();
        let is_chosen =
            |file: &&SecretFile| file.rule.map_or(is_loose(file), |at| rules.contains(&at));
        Ok(people.inventory.files.iter().filter(is_chosen).collect())
    }
}
