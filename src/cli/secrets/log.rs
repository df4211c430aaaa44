//! `stax secrets log`

use std::process::ExitCode;

use serde_json::json;

use sops_document::{Path, Tree};
use zeroize::Zeroizing;

use super::Which;
use super::ledger::{
    KeyUse, LogWindow, PeopleNames, commit_and_date, note_depth, origin_json, warn_gaps,
};
use super::values::{parse_path, plain_text, shape};
use crate::cli::failure::Failure;
use crate::cli::show::{Show, Viewer};
use crate::cli::ui::Ui;
use crate::ledger::{KeyChange, KeyEvent, KeyEventKind, KeyLogEntry, key_log, line};
use crate::workspace::reading::Reading;
use crate::workspace::register::Register;

/// What happened to each value: by whom, in which commit
///
/// Newest first. `+` a new key, `~` another value, `-` a key that went, `=` a value that was
/// encrypted anew under another data key. Without a key a changed token within one data key is a
/// changed value, and across two nobody can tell; with a silent key at hand stax sees through
/// rotations. Side branches and older names of the file belong to it. Names and dates are what the
/// commits claim.
#[derive(clap::Args)]
pub struct Args {
    /// Only what happened to this key
    #[arg(value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    which: Which,
    /// With the values before and after, for a key holder; masked where `git diff` masks them
    #[arg(short, long, conflicts_with_all = ["keyless", "json"])]
    patch: bool,
    #[command(flatten)]
    window: LogWindow,
    #[command(flatten)]
    keys: KeyUse,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open_past(self.keys.caller())?;
        let register = workspace.register_of(&target, self.keys.depth())?;
        warn_gaps(ui, &register.history);
        let history = &register.history;
        let steps = line(&history.versions, &history.removals, &target.path);
        let mut log = key_log(&steps, &register.epochs, &register.reading.insight);
        if log.is_empty() {
            return Err(Failure::no(format!(
                "no commit holds {} as a SOPS document",
                target.path
            )));
        }
        if let Some(key) = &self.key {
            let key = &meant(key, &log);
            log.iter_mut()
                .for_each(|entry| entry.keys.retain(|event| event.key == *key));
            log.retain(|entry| !entry.keys.is_empty());
            if log.is_empty() {
                return Err(
                    Failure::no(format!("no commit of {} has a key `{key}`", target.path)).hint(
                        format!("see the names: stax secrets log{}", self.which.typed()),
                    ),
                );
            }
        }
        let log = self.window.of(&log, |entry| entry.origin().seconds);
        if self.json {
            let entries: Vec<_> = log.iter().map(|entry| entry_json(entry)).collect();
            let partial = history.is_partial;
            ui.json(&json!({"schema": 1, "file": target.path, "env": target.env, "entries": entries, "history_is_complete": !partial}))?;
            return Ok(ExitCode::SUCCESS);
        }
        let names = PeopleNames(workspace.names_of(history)?);
        let viewer = self.patch.then(|| Viewer::of_process(Some(&workspace)));
        self.print(ui, &log, &register, &names, viewer);
        Ok(ExitCode::SUCCESS)
    }

    fn print(
        &self,
        ui: &Ui,
        log: &[&KeyLogEntry<'_>],
        register: &Register,
        names: &PeopleNames,
        viewer: Option<Viewer>,
    ) {
        let width = log
            .iter()
            .map(|entry| entry.origin().author.chars().count())
            .max()
            .unwrap_or(0);
        for entry in log {
            let origin = entry.origin();
            let what = if self.key.is_some() {
                of_key(entry)
            } else {
                of_file(entry, names)
            };
            ui.one_line(format!(
                "{}  {:width$}  {what}",
                commit_and_date(origin),
                origin.author
            ));
            if let Some(viewer) = &viewer {
                entry
                    .keys
                    .iter()
                    .for_each(|event| values(ui, event, &register.reading, viewer.show()));
            }
        }
        let is_unsure = |event: &KeyEvent| event.event == KeyEventKind::Reencrypted { same: None };
        note_depth(
            ui,
            register,
            log.iter().any(|entry| entry.keys.iter().any(is_unsure)),
        );
    }
}

/// The name that the log has for what the user typed: a key with a dot may be typed as it is.
fn meant(typed: &str, log: &[KeyLogEntry<'_>]) -> String {
    let literal = Path::key(typed).to_string();
    if log
        .iter()
        .any(|entry| entry.keys.iter().any(|event| event.key == literal))
    {
        return literal;
    }
    parse_path(typed, &Tree::default()).map_or_else(|_| typed.to_owned(), |path| path.to_string())
}

/// The value of a key before and after, each line of it behind its sign.
fn values(ui: &Ui, event: &KeyEvent, reading: &Reading, show: Show<'_>) {
    if event.event == (KeyEventKind::Reencrypted { same: Some(true) }) {
        return;
    }
    ui.one_line(format!("    {}", event.key));
    let (old, new) = event.tokens;
    for (sign, token) in [("-", old), ("+", new)] {
        let Some(token) = token else { continue };
        let Some(scalar) = reading.value(&token) else {
            ui.one_line(format!("    {sign} (no key at hand opens it)"));
            continue;
        };
        let plain = scalar.plaintext().unwrap_or_default();
        let path =
            parse_path(&event.key, &Tree::default()).unwrap_or_else(|_| Path::key(&event.key));
        let text = match show {
            Show::Values => {
                Zeroizing::new(String::from_utf8_lossy(&plain_text(scalar)).into_owned())
            }
            _ => Zeroizing::new(
                show.mask(&path, scalar.type_name(), &plain)
                    .unwrap_or_else(|| format!("«{}»", shape(scalar))),
            ),
        };
        for line in text.lines() {
            ui.one_line(format!("    {sign} {line}"));
        }
    }
}

/// What one commit did to the only key in question.
fn of_key(entry: &KeyLogEntry<'_>) -> String {
    let what = entry.keys.first().map_or("", |event| match event.event {
        KeyEventKind::Added => "+ added",
        KeyEventKind::Changed => "~ changed",
        KeyEventKind::Removed => "- removed",
        KeyEventKind::Reencrypted { same: Some(true) } => "= re-encrypted, same value",
        KeyEventKind::Reencrypted { .. } => "= re-encrypted under another data key",
        KeyEventKind::Sealed => "~ encrypted; it was in clear",
        KeyEventKind::Unsealed => "~ in clear; it was encrypted",
    });
    format!("{what}{}", name(entry))
}

/// What one commit did to the file.
fn of_file(entry: &KeyLogEntry<'_>, names: &PeopleNames) -> String {
    let keys = |wanted: &dyn Fn(&KeyEventKind) -> bool| -> Vec<&str> {
        let found = entry.keys.iter().filter(|event| wanted(&event.event));
        found.map(|event| event.key.as_str()).collect()
    };
    let mut parts = Vec::new();
    for (sign, keys, tail) in [
        ("+", keys(&|event| *event == KeyEventKind::Added), ""),
        ("~", keys(&|event| *event == KeyEventKind::Changed), ""),
        ("-", keys(&|event| *event == KeyEventKind::Removed), ""),
        (
            "~",
            keys(&|event| *event == KeyEventKind::Sealed),
            " now encrypted",
        ),
        (
            "~",
            keys(&|event| *event == KeyEventKind::Unsealed),
            " now in clear",
        ),
    ] {
        if !keys.is_empty() {
            parts.push(format!("{sign} {}{tail}", few(&keys)));
        }
    }
    let again = keys(&|event| matches!(event, KeyEventKind::Reencrypted { .. })).len();
    if again > 0 {
        let same = entry
            .keys
            .iter()
            .all(|event| event.event != KeyEventKind::Reencrypted { same: None });
        let same = if same { ", same values" } else { "" };
        parts.push(format!("= {again} of {} re-encrypted{same}", entry.values));
    }
    match entry.data_key {
        KeyChange::New => parts.push("new data key".into()),
        KeyChange::ProbablyNew => parts.push("probably a new data key".into()),
        KeyChange::Old => parts.push("an older data key is back".into()),
        KeyChange::First | KeyChange::Kept => {}
    }
    if entry.data_key != KeyChange::First {
        for (sign, people) in [("joined", &entry.joined), ("left", &entry.left)] {
            if !people.is_empty() {
                parts.push(format!("{} {sign}", names.shorts(people)));
            }
        }
    }
    if parts.is_empty() {
        parts.push(if entry.step.version.is_none() {
            "- the file".into()
        } else {
            "no value".into()
        });
    }
    format!("{}{}", parts.join("; "), name(entry))
}

/// Where the file came from.
fn name(entry: &KeyLogEntry<'_>) -> String {
    entry
        .step
        .source
        .map_or_else(String::new, |source| format!("; came from {}", source.path))
}

/// Keys that one line names.
const FEW: usize = 6;

fn few(keys: &[&str]) -> String {
    let more = keys.len().saturating_sub(FEW);
    let shown = keys
        .iter()
        .take(FEW)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}

fn entry_json(entry: &KeyLogEntry<'_>) -> serde_json::Value {
    let keys = entry.keys.iter().map(|event| {
        let (what, same) = match event.event {
            KeyEventKind::Added => ("added", None),
            KeyEventKind::Changed => ("changed", Some(false)),
            KeyEventKind::Removed => ("removed", None),
            KeyEventKind::Reencrypted { same } => ("reencrypted", same),
            KeyEventKind::Sealed => ("sealed", None),
            KeyEventKind::Unsealed => ("unsealed", None),
        };
        json!({"key": event.key, "event": what, "same_value": same})
    });
    let data_key = match entry.data_key {
        KeyChange::First => "first",
        KeyChange::Kept => "kept",
        KeyChange::New => "new",
        KeyChange::ProbablyNew => "probably-new",
        KeyChange::Old => "old",
    };
    let mut value = origin_json(entry.origin());
    value["path"] = entry.step.path.into();
    value["came_from"] = entry.step.source.map(|source| source.path.clone()).into();
    value["data_key"] = data_key.into();
    value["joined"] = entry.joined.clone().into();
    value["left"] = entry.left.clone().into();
    value["keys"] = keys.collect::<Vec<_>>().into();
    value
}
