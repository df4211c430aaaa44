//! A change of several files that a crash cut off: finished before a command that writes judges
//! anything, told by those that read.

use std::path::Path;

use serde_json::{Value, json};

use super::Which;
use super::install::versions;
use super::verify::count;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::{Fate, Interrupted};
use crate::workspace::{Caller, Target, Workspace, is_stream};

/// What finishes it and does nothing else.
pub(super) const FINISH: &str = "stax secrets resolve";

impl Which {
    /// The same as [`Which::open`], for a command that writes.
    pub(super) fn open_to_write(
        &self,
        ui: &Ui,
        dry_run: bool,
    ) -> Result<(Workspace, Target), Failure> {
        let workspace = open_to_write(ui, self.file.as_deref(), Caller::Person, dry_run)?;
        let target = self.target(&workspace)?;
        if let Some(default) = self.default(&workspace)? {
            ui.note(format!("environment {}, by {}", default.env, default.by));
        }
        Ok((workspace, target))
    }
}

/// Opens the workspace for a command that writes, and says where git calls another version of stax
/// here.
pub(in crate::cli) fn open_to_write(
    ui: &Ui,
    file: Option<&Path>,
    caller: Caller,
    dry_run: bool,
) -> Result<Workspace, Failure> {
    let workspace = open_to_install(ui, file, caller, dry_run)?;
    versions::tell(ui, &workspace);
    Ok(workspace)
}

/// The same for a command that installs drivers and hooks anyway. A dry run writes nothing, so it
/// only tells.
pub(super) fn open_to_install(
    ui: &Ui,
    file: Option<&Path>,
    caller: Caller,
    dry_run: bool,
) -> Result<Workspace, Failure> {
    if file.is_some_and(is_stream) {
        return Err(
            Failure::usage("what comes by a pipe has no place to be written to")
                .hint("name a file"),
        );
    }
    let workspace = Workspace::open(file, caller)?;
    if dry_run {
        mention(ui, &workspace)?
    } else {
        settle(ui, &workspace)?
    }
    Ok(workspace)
}

/// Finishes what was cut off, and says so.
pub(in crate::cli) fn settle(ui: &Ui, workspace: &Workspace) -> Result<(), Failure> {
    let Some(mut found) = workspace.repair(false)? else {
        return Ok(());
    };
    if found.fate == Fate::Asked {
        ui.warning(format!(
            "{}, and nothing proves that your stax wrote {}",
            text(&found),
            journal(&found)
        ));
        if !ui.confirm("finish it?") {
            return Err(unproven(&found));
        }
        let Some(done) = workspace.repair(true)? else {
            return Ok(());
        };
        found = done;
    }
    match found.fate {
        Fate::Newer => {
            return Err(
                Failure::usage(format!("{}; {}", text(&found), outcome(&found)))
                    .hint(format!("with that stax: {FINISH}")),
            );
        }
        Fate::Finished => ui.warning(format!(
            "a command was cut off here; finished its change of {}",
            names(&found)
        )),
        _ => ui.warning(format!("{}; {}", text(&found), outcome(&found))),
    }
    Ok(())
}

/// For a command that reads: what it says is of files of which some are changed and some are not.
pub(in crate::cli) fn mention(ui: &Ui, workspace: &Workspace) -> Result<(), Failure> {
    note(workspace)?.iter().for_each(|note| ui.warning(note));
    Ok(())
}

/// The same for a report.
pub(super) fn note(workspace: &Workspace) -> Result<Option<String>, Failure> {
    let found = workspace.interrupted()?;
    Ok(found.map(|found| {
        format!(
            "{}; {} (`{FINISH}` does no more)",
            text(&found),
            outcome(&found)
        )
    }))
}

/// `a command was cut off here: .sops.yaml is changed, a.enc.yaml is not`
pub(super) fn text(found: &Interrupted) -> String {
    let listed = |is_done: bool| {
        let paths: Vec<String> = found
            .files
            .iter()
            .filter(|(_, done)| *done == is_done)
            .map(|(path, _)| path.display().to_string())
            .collect();
        paths.join(", ")
    };
    let (done, open) = (listed(true), listed(false));
    match (done.is_empty(), open.is_empty()) {
        _ if found.fate == Fate::Newer => "a command of a newer stax was cut off here".to_owned(),
        (true, true) => "a journal of another user or another folder lies here".to_owned(),
        (true, false) => format!("a command was cut off before it changed {open}"),
        (false, true) => format!("a command was cut off after it changed {done}"),
        (false, false) => format!("a command was cut off: changed are {done}, not yet {open}"),
    }
}

/// What became of it, or what becomes of it with the next writing command.
pub(super) fn outcome(found: &Interrupted) -> String {
    match found.fate {
        Fate::Finished => "the next command that writes finishes it".to_owned(),
        Fate::Dropped => {
            "it cannot be finished, since files were changed in between: see `git diff`".to_owned()
        }
        Fate::Asked => {
            format!(
                "nothing proves who wrote {}, so stax asks before it finishes it",
                journal(found)
            )
        }
        Fate::SetAside => format!("stax does nothing that {} says", journal(found)),
        Fate::Newer => format!(
            "it has to finish {}, and this one writes nothing before",
            journal(found)
        ),
    }
}

pub(super) fn json(found: &Interrupted) -> Value {
    let files = found
        .files
        .iter()
        .map(|(path, is_done)| json!({"path": path, "changed": is_done}));
    let fate = match found.fate {
        Fate::Finished => "finished",
        Fate::Dropped => "dropped",
        Fate::Asked => "asked",
        Fate::SetAside => "set-aside",
        Fate::Newer => "newer",
    };
    json!({"files": files.collect::<Vec<_>>(), "journal": found.journal, "next_write": fate})
}

fn names(found: &Interrupted) -> String {
    let paths: Vec<String> = found
        .files
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    paths.join(", ")
}

fn journal(found: &Interrupted) -> String {
    found.journal.display().to_string()
}

fn unproven(found: &Interrupted) -> Failure {
    let word = shell_words::quote(&found.journal.to_string_lossy()).into_owned();
    Failure::usage(format!(
        "a change of {} was cut off and waits for an answer",
        count(found.files.len(), "file")
    ))
    .hint(format!("to finish it, answer yes at a terminal: {FINISH}"))
    .hint(format!("to leave the files as they are: rm {word}"))
}
