//! `stax secrets rotate`

use std::path::PathBuf;
use std::process::ExitCode;

use super::people::{People, Scope};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::wrap::Keys;

/// New data keys, same values
#[derive(clap::Args)]
pub struct Args {
    /// Files that the policy governs
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
        let people = People::open(self.files.first().or(self.scope.file.as_ref()).map(PathBuf::as_path))?;
        let named = self.files.iter().map(|file| people.workspace.relative(file));
        let named = named.collect::<Result<Vec<String>, _>>()?;
        let rules =
            if named.is_empty() { people.rules(&self.scope, &people.governing())? } else { Vec::new() };
        let known = |path: &String| people.survey.files.iter().any(|file| file.target.path == *path);
        if let Some(path) = named.iter().find(|path| !known(path)) {
            return Err(Failure::usage(format!(
                "{path} is no SOPS file in the index that the policy governs"
            )));
        }
        let mut files = Vec::new();
        for file in &people.survey.files {
            if !rules.contains(&file.rule) && !named.contains(&file.target.path) {
                continue;
            }
            let path = &file.target.path;
            let wanted = people.config.rules[file.rule].recipients();
            if let Some(extra) = file.labels().into_iter().find(|label| !wanted.contains(label)) {
                return Err(Failure::usage(format!("{path}: {} is not in the policy", people.name(extra)))
                    .hint(format!("stax secrets remove-recipient {extra}")));
            }
            if let Some(missing) = people.missing(&people.config, file, "").first() {
                return Err(Failure::usage(format!(
                    "{path}: {} is in the policy but not in the file",
                    people.name(missing)
                ))
                .hint(format!("stax secrets add-recipient {missing}")));
            }
            files.push((file, people.readers(&people.config, file, None)?));
        }
        let planned = people.plan(&rules, &files, Keys::New)?;
        for file in &planned {
            let (path, readers) = (&file.target.path, people.shorts(&file.readers));
            ui.mark(
                "~",
                format!("{path}: new data key, {} values re-encrypted, wrapped to {readers}", file.values),
            );
        }
        if self.dry_run || planned.is_empty() {
            ui.note("nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
        let writes: Vec<_> = planned.into_iter().map(|file| file.write).collect();
        people.workspace.save(&writes)?;
        ui.line("checked: the old data key opens no value and no MAC of the new files");
        ui.next(&people.finish(ui, &writes, "chore(secrets): rotate data keys")?);
        Ok(ExitCode::SUCCESS)
    }
}
