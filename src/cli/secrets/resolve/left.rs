//! A line of open keys, or markers, in a file whose merge is over: `git rebase --continue` and
//! `--no-verify` commit them.

use std::path::Path;
use std::process::ExitCode;

use sops_document::Document;
use sops_document::merge::marker;

use super::state::files;
use super::write::{next, stage};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::{self, Cause};
use crate::workspace::{Target, Workspace};

/// Files of today with such a line that git knows no conflict of.
pub(super) fn lines(
    workspace: &Workspace,
    known: &[(String, String)],
) -> Result<Vec<(String, String)>, Failure> {
    let inventory = workspace.tracked()?;
    let mut found = Vec::new();
    for file in &inventory.files {
        if let Some((_, keys)) = marker::unmark(file.document.source()) {
            found.push((
                file.target.path.clone(),
                format!("{} (its merge is over)", keys.join(", ")),
            ));
        }
    }
    for obstacle in inventory
        .obstacles
        .iter()
        .filter(|it| matches!(it.cause, Cause::Unreadable(_) | Cause::BoundToOther))
    {
        if text(workspace, &obstacle.path).is_ok_and(|text| marker::has_text_markers(&text)) {
            found.push((
                obstacle.path.clone(),
                "markers of a merge that is over".to_owned(),
            ));
        }
    }
    found.retain(|(path, _)| !known.iter().any(|(known, _)| known == path));
    found.sort();
    Ok(found)
}

/// Takes the line out, or says what is left to do. The other side is in no index any more.
pub(super) fn settle(
    ui: &Ui,
    workspace: &Workspace,
    path: &str,
    typed: &[String],
    is_ours: bool,
) -> Result<ExitCode, Failure> {
    let text = text(workspace, path)?;
    if marker::has_text_markers(&text) {
        return Err(
            Failure::no(format!("{path} holds the markers of a merge that is over"))
                .hint("see which commit brought them, and take the file from another one:")
                .hint(format!(
                    "git log --oneline -- {path}; git restore --source=COMMIT {path}"
                )),
        );
    }
    let Some((rest, open)) = marker::unmark(&text) else {
        return Err(not_open(workspace, path));
    };
    let keys = named(path, &open, typed)?;
    if !is_ours {
        return Err(Failure::no(format!(
            "{path}: {} stayed open, and that merge is over",
            keys.join(", ")
        ))
        .hint(format!(
            "the file has one side; look for the other one: stax secrets log -p -f {path}"
        ))
        .hint("what a rebase replaced, `git reflog` still has")
        .hint(format!(
            "set the value that is right, then: stax secrets resolve {path} --ours"
        )));
    }
    let format = inventory::format_of(path, rest.as_bytes());
    let document = Document::parse(format, &rest)
        .map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    let key = workspace.unlock(
        &Target {
            path: path.to_owned(),
            env: None,
        },
        &document,
    )?;
    document
        .open(&key)
        .map_err(|fault| Failure::new(Exit::Integrity, format!("{path}: {fault}")))?;
    let left: Vec<String> = open.into_iter().filter(|key| !keys.contains(key)).collect();
    let after = match left.is_empty() {
        true => rest,
        false => marker::mark(format, &rest, &left).unwrap_or(rest),
    };
    let before = Some(text.into_bytes());
    workspace.save(&[Write {
        path: path.into(),
        before,
        after: after.into(),
        mode: None,
    }])?;
    let said = format!("{path}: {} as the file has it; MAC valid", keys.join(", "));
    if !left.is_empty() {
        ui.line(format!("{said}; still open: {}", left.join(", ")));
        return Ok(ExitCode::SUCCESS);
    }
    stage(workspace, path)?;
    ui.line(format!(
        "{said}, no conflict left, staged; next: {}",
        next(workspace, "git commit")?
    ));
    Ok(ExitCode::SUCCESS)
}

fn text(workspace: &Workspace, path: &str) -> Result<String, Failure> {
    Ok(workspace
        .read(path)?
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default())
}

fn named(path: &str, open: &[String], typed: &[String]) -> Result<Vec<String>, Failure> {
    if let Some(unknown) = typed.iter().find(|key| !open.contains(key)) {
        return Err(Failure::no(format!("`{unknown}` is not open in {path}"))
            .hint(format!("open: {}", open.join(", "))));
    }
    Ok(if typed.is_empty() {
        open.to_vec()
    } else {
        typed.to_vec()
    })
}

/// The name of an open key in the place of the path is a likely slip.
fn not_open(workspace: &Workspace, path: &str) -> Failure {
    let typed = Path::new(path)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let found = files(workspace)
        .unwrap_or_default()
        .into_iter()
        .find(|(_, keys)| keys.contains(&typed));
    match found {
        Some((file, _)) if !workspace.root().join(path).exists() => {
            Failure::no(format!("{typed} is a key, and the file comes first"))
                .hint(format!("stax secrets resolve {file} {typed}"))
        }
        _ => Failure::no(format!("{path} is not in conflict"))
            .hint("see what is: stax secrets resolve"),
    }
}
