//! `stax secrets resolve`

mod left;
mod sides;
pub(super) mod state;
pub(super) mod whose;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use super::install;
use super::install::HookName;
use super::interrupted::open_to_write;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::workspace::conflicts::Choice;
use crate::workspace::merge::RECIPIENTS;
use crate::workspace::{Caller, Workspace};

use state::OpenConflict;

/// Settle what a merge left open in a secret file
///
/// Without PATH it lists the files in conflict, with PATH the versions of each open key. With
/// --ours, --theirs or --edit it settles the keys (all open ones when none is named), and stages
/// the file when nothing is open any more. Exit code 1 while something is open.
///
/// Like every command that writes it first finishes a change of several files that a crash cut off;
/// without PATH and without a conflict it does nothing else.
#[derive(clap::Args)]
pub struct Args {
    /// The file in conflict
    path: Option<PathBuf>,
    /// Only these keys
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// Keep the value of the branch that is checked out
    #[arg(long)]
    ours: bool,
    /// Take the value of the other side
    #[arg(long, conflicts_with = "ours")]
    theirs: bool,
    /// Write the value in your editor
    #[arg(long, conflicts_with_all = ["ours", "theirs"])]
    edit: bool,
}

/// How the keys are settled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settlement {
    Side(Choice),
    Edit,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = open_to_write(ui, self.path.as_deref(), Caller::Person, false)?;
        let Some(path) = &self.path else {
            return list(ui, &workspace);
        };
        let path = workspace.relative(path)?;
        let Some(state) = OpenConflict::load(&workspace, &path)? else {
            return left::settle(ui, &workspace, &path, &self.keys, self.ours);
        };
        if state.current.open.is_empty() {
            return write::finish(ui, &workspace, &state);
        }
        let how = match (self.ours, self.theirs, self.edit) {
            (true, ..) => Settlement::Side(Choice::Ours),
            (_, true, _) => Settlement::Side(Choice::Theirs),
            (.., true) => Settlement::Edit,
            _ => return show(ui, &workspace, &state, &self.keys),
        };
        let keys = state.named(&self.keys)?;
        if keys.contains(&RECIPIENTS.to_owned()) && how == Settlement::Side(Choice::Theirs) {
            return Err(
                Failure::usage(format!("{path}: a merge gives nobody access back"))
                    .hint(format!(
                        "keep the recipients: stax secrets resolve {path} {RECIPIENTS} --ours"
                    ))
                    .hint("then, if they shall read it: stax secrets add-recipient age1…"),
            );
        }
        write::settle(ui, &workspace, state, &keys, how)
    }
}

fn list(ui: &Ui, workspace: &Workspace) -> Result<ExitCode, Failure> {
    let said = |(path, keys): (String, Vec<String>)| -> Result<(String, String), Failure> {
        let what = match keys.is_empty() {
            false => keys.join(", "),
            true if state::is_deleted(workspace, &path)? => {
                "deleted on one side, changed on the other".into()
            }
            true => "merged as text".into(),
        };
        Ok((path, what))
    };
    let mut files = state::files(workspace)?
        .into_iter()
        .map(said)
        .collect::<Result<Vec<_>, _>>()?;
    files.extend(left::lines(workspace, &files)?);
    for (path, what) in &files {
        ui.line(format!("{path}: {what}"));
    }
    let Some((first, _)) = files.first() else {
        ui.note("no secret file is in conflict");
        return Ok(ExitCode::SUCCESS);
    };
    ui.next(&[format!("stax secrets resolve {first}")]);
    Ok(Exit::No.into())
}

fn show(
    ui: &Ui,
    workspace: &Workspace,
    state: &OpenConflict,
    keys: &[String],
) -> Result<ExitCode, Failure> {
    let keys = state.named(keys)?;
    sides::print(ui, workspace, state, &keys);
    ui.hint(format!(
        "name keys and add --ours, --theirs or --edit; {}",
        until_then(workspace)?
    ));
    Ok(Exit::No.into())
}

/// Whether something stops a person who goes on with a key left open.
fn until_then(workspace: &Workspace) -> Result<&'static str, Failure> {
    let repo = workspace.repo()?;
    let (_, _, hooks) = install::state(repo)?;
    let guards = |name| {
        hooks
            .found
            .iter()
            .any(|(found, hook)| *found == name && hook.guards())
    };
    // git runs no pre-commit there
    let is_checked = !repo.is_rebase() && repo.patch().is_none();
    Ok(if is_checked && guards(HookName::PreCommit) {
        "`git commit` is refused until none is open"
    } else if guards(HookName::PrePush) {
        "git commits it all the same, and only `git push` is refused until none is open"
    } else {
        "no hook of this clone stops a commit until then: stax secrets install"
    })
}
