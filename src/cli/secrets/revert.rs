//! `stax secrets revert`

use std::process::ExitCode;

use super::names::AllowedNames;
use super::past::{PastVersion, quoted};
use super::{Which, empty, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::{Opened, sealing};

/// Set one value back to what it was in a revision
///
/// Takes the value and its type from that commit and sets it in today's file, under today's data
/// key, like `set`: one line changes, `lastmodified` and the MAC. It refuses what `set` refuses and
/// changes no byte where the value is that already. git is not touched: look at it with `git diff`,
/// then commit.
///
/// A value that leaked stays leaked: going back to it makes it the value that somebody knows.
///
/// Exit codes: 0 done, 1 the key or the file did not exist then, 2 no such revision, or refused, 3
/// no identity opens it, 4 a version does not authenticate.
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"], or a name that `list` prints
    key: String,
    /// The commit to take the value from, in git's spelling: HEAD~3, v1.2, 77ab01c
    #[arg(long = "to", value_name = "REV")]
    revision: String,
    #[command(flatten)]
    which: Which,
    /// Say what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open_to_write(ui, self.dry_run)?;
        let past = PastVersion::open(&workspace, &target, &self.revision)?;
        let Some(scalar) = past.value(&self.key)? else {
            let known = workspace.document(&target)?;
            let is_there = known
                .tree()
                .find(&values::parse_path(&self.key, known.tree())?)
                .is_some();
            let failure = past.lacks(&self.key);
            return Err(if is_there {
                failure.hint(self.unset())
            } else {
                failure
            });
        };
        let names = if target.env.is_some() {
            AllowedNames::of(&workspace)?
        } else {
            AllowedNames::default()
        };
        let changed = values::update(&workspace, &target, self.dry_run, &mut |opened: &Opened| {
            let (clear, path) = values::locate(&self.key, &opened.clear)?;
            if target.env.is_some() {
                values::check_managed_value(&target, &path, &scalar, &names)?;
            }
            Ok(sealing(&opened.key, |context| {
                clear.set(&path, scalar.clone(), false, context)
            })?)
        })?;
        if !self.dry_run {
            empty::settle(ui, &workspace, &target, &[])?;
        }
        let what = format!("{} as in {} of {}", self.key, past.commit, past.date);
        ui.note(match (changed, self.dry_run) {
            (true, true) => format!("{}: would set {what}", target.path),
            (true, false) => format!("{}: {what}", target.path),
            (false, _) => format!("{}: {what} already; nothing changed", target.path),
        });
        Ok(ExitCode::SUCCESS)
    }

    /// The command for who wants the key gone.
    fn unset(&self) -> String {
        let env = self
            .which
            .env
            .as_ref()
            .map(|env| format!(" -e {}", quoted(env)));
        let file = self
            .which
            .file
            .as_ref()
            .map(|file| format!(" -f {}", quoted(&file.to_string_lossy())));
        let which = env.or(file).unwrap_or_default();
        format!(
            "to remove it: stax secrets unset {}{which}",
            quoted(&self.key)
        )
    }
}
