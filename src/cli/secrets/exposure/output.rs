//! The ledger for people, as Markdown and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::super::ledger::{PeopleNames, origin_json, set_command};
use super::super::verify::count as counted;
use super::{Person, count};
use crate::cli::escape::Escaped;
use crate::cli::ui::Ui;
use crate::ledger::{Doubt, ExposedKey, FileExposure, Mark, Origin, ValueState, Why};
use crate::policy::vault::Vault;
use crate::workspace::register::Register;

/// What no clone can know.
const NOT_COVERED: &str = "Not covered: comments, copies outside git, what people were told, deleted branches, refs this clone does not have";

pub(super) struct ExposureReport<'a> {
    pub(super) people: &'a [Person],
    pub(super) names: &'a PeopleNames,
    pub(super) vault: Option<&'a Vault>,
    pub(super) register: &'a Register,
    /// Nobody was asked for by name.
    pub(super) is_of_all: bool,
}

impl ExposureReport<'_> {
    pub(super) fn print(&self, ui: &Ui) {
        if self.people.is_empty() {
            ui.one_line("nobody was removed from a file that this clone knows");
        }
        let begins_with_summary = self.is_of_all && !self.people.is_empty();
        if begins_with_summary {
            ui.one_line(self.summary());
            self.print_people(ui);
        }
        for (position, person) in self.people.iter().enumerate() {
            if position > 0 || begins_with_summary {
                ui.one_line("");
            }
            let name = self.names.full(person.key());
            if person.files.is_empty() {
                ui.one_line(format!("{name} could read no version that this clone has"));
            }
            for file in &person.files {
                ui.one_line(format!("{name} could read {}", self.headline(file)));
                if file
                    .items
                    .iter()
                    .any(|item| item.state != ValueState::Present)
                {
                    self.table(ui, file);
                }
            }
        }
        if !begins_with_summary && count(self.people).all > 0 {
            ui.one_line(self.summary());
        }
    }

    /// One line a person: `Bob <bob@example.com>  9 of 14 exposed, 2 keys of theirs`
    fn print_people(&self, ui: &Ui) {
        let names = self
            .people
            .iter()
            .map(|person| self.names.full(person.key()));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        for person in self.people {
            let (name, count) = (self.names.full(person.key()), count([person]));
            let several = match person.keys.len() {
                1 => String::new(),
                keys => format!(", {keys} keys of theirs"),
            };
            let unknown = if count.unknown > 0 {
                format!(", {} unknown", count.unknown)
            } else {
                String::new()
            };
            let all = count.all - count.present;
            ui.one_line(format!(
                "  {name:width$}  {} of {all} exposed{unknown}{several}",
                count.exposed
            ));
        }
    }

    /// `production from 23cf99f (2026-01-10) until ae7349b (2026-03-02): 4 keys, 5 values`
    fn headline(&self, file: &FileExposure) -> String {
        let commit = |origin: &Origin| format!("{} ({})", origin.short(), origin.date);
        let until = match &file.until {
            Some(origin) => format!("until {}", commit(origin)),
            None if file.reads_today => "and reads it today".to_owned(),
            None if file.is_there => {
                "on another branch, or until a change that is not committed yet".to_owned()
            }
            None => "until it was removed".to_owned(),
        };
        let (keys, values) = (
            counted(file.items.len(), "key"),
            counted(self.values(file), "value"),
        );
        let away: String = (file.away.iter())
            .map(|(from, to)| format!(", not from {} until {}", commit(from), commit(to)))
            .collect();
        format!(
            "{} from {} {until}{away}: {keys}, {values}",
            self.place(&file.path),
            commit(&file.from)
        )
    }

    /// What they could read differs; without a key a re-encryption counts again.
    fn values(&self, file: &FileExposure) -> usize {
        let insight = &self.register.reading.insight;
        let distinct = |item: &ExposedKey| {
            let seen: BTreeSet<Mark> = item
                .readable
                .iter()
                .map(|it| insight.values.get(&it.token).copied().unwrap_or(it.token))
                .collect();
            seen.len()
        };
        file.items.iter().map(distinct).sum()
    }

    /// The environment of a bound file, the path of another one.
    fn place(&self, path: &str) -> String {
        self.env(path).unwrap_or(path).to_owned()
    }

    fn env(&self, path: &str) -> Option<&str> {
        self.vault.and_then(|vault| vault.env_for_path(path))
    }

    fn table(&self, ui: &Ui, file: &FileExposure) {
        let width = file
            .items
            .iter()
            .map(|item| item.key.chars().count())
            .max()
            .unwrap_or(0);
        for item in &file.items {
            let (state, detail) = self.told(file, item);
            ui.one_line(format!("{:width$}  {state:9}  {detail}", item.key));
        }
    }

    /// The state, and what is to do.
    fn told(&self, file: &FileExposure, item: &ExposedKey) -> (&'static str, String) {
        let by = |origin: &Origin| format!("{} {} {}", origin.short(), origin.date, origin.author);
        let set = || format!("; {}", set_command(self.vault, &file.path, &item.key));
        match &item.state {
            ValueState::Present => (
                "present",
                "they read this file, and a rule names them".to_owned(),
            ),
            ValueState::Exposed(why) => {
                let why = match why {
                    Why::ReadsToday => return ("exposed", "reads it today".to_owned()),
                    Why::KeepsDataKey => {
                        return (
                            "exposed",
                            format!(
                                "the data key is still theirs; stax secrets rotate {}, then replace it",
                                shell_words::quote(&file.path)
                            ),
                        );
                    }
                    Why::SameValue => "same value today".to_owned(),
                    Why::InClear => "in clear today".to_owned(),
                    Why::Elsewhere { path, key } => {
                        let what = format!("same value today as {key} in {}", self.place(path));
                        return (
                            "exposed",
                            format!("{what}; {}", set_command(self.vault, path, key)),
                        );
                    }
                };
                ("exposed", why + &set())
            }
            ValueState::Replaced(Some(origin)) => ("replaced", by(origin)),
            ValueState::Replaced(None) => ("replaced", "not committed yet".to_owned()),
            ValueState::Accepted(why) => ("accepted", format!(".stax/vault.json: \"{why}\"")),
            ValueState::Unknown(Doubt::Reencrypted {
                set_again: Some(origin),
            }) => (
                "unknown",
                format!(
                    "set again in {}; a key tells whether to another value",
                    by(origin)
                ),
            ),
            ValueState::Unknown(Doubt::Reencrypted { set_again: None }) => (
                "unknown",
                format!("re-encrypted; a key tells whether it changed{}", set()),
            ),
            ValueState::Unknown(Doubt::Gone {
                removed: Some(origin),
            }) => (
                "unknown",
                format!("removed in {}; revoke it at its source", by(origin)),
            ),
            ValueState::Unknown(Doubt::Gone { removed: None }) => (
                "unknown",
                "not in the file of today; revoke it at its source".to_owned(),
            ),
        }
    }

    fn summary(&self) -> String {
        let count = count(self.people);
        let unknown = if count.unknown > 0 {
            format!(", {} unknown", count.unknown)
        } else {
            String::new()
        };
        let partial = if self.register.history.is_partial {
            ", and history that was cut off"
        } else {
            ""
        };
        let present = match count.present {
            0 => String::new(),
            number => format!("; {} in files that they may read", counted(number, "key")),
        };
        let open = match count.all - count.present {
            0 => "nothing is exposed".to_owned(),
            all => format!("{} of {all} still exposed", count.exposed),
        };
        format!("{open}{unknown}{present}. {NOT_COVERED}{partial}")
    }

    pub(super) fn markdown(&self) -> String {
        let cell = |text: &str| plain_markdown(&Escaped(text).to_string());
        let mut out = String::new();
        for person in self.people {
            let _ = writeln!(
                out,
                "# What {} could read\n\n{}\n",
                cell(self.names.full(person.key())),
                cell(&person.keys.join(", "))
            );
            for file in &person.files {
                let _ = writeln!(out, "## {}\n", cell(&self.headline(file)));
                for item in &file.items {
                    let (state, detail) = self.told(file, item);
                    let is_done = matches!(
                        item.state,
                        ValueState::Replaced(_) | ValueState::Accepted(_) | ValueState::Present
                    );
                    let mark = if is_done { "x" } else { " " };
                    let commits: Vec<&str> =
                        item.readable.iter().map(|it| it.origin.short()).collect();
                    let (key, detail) = (cell(&item.key), cell(&detail));
                    let _ = writeln!(
                        out,
                        "- [{mark}] **{key}** {state}: {detail} (readable: {})",
                        commits.join(", ")
                    );
                }
                out.push('\n');
            }
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let count = count(self.people);
        let people = self.people.iter().map(|person| {
            let named = self.names.0.get(person.key());
            json!({
                "recipient": person.key(),
                "keys": person.keys,
                "name": named.map(|named| named.name.clone()),
                "files": person.files.iter().map(|file| self.file_json(file)).collect::<Vec<_>>(),
            })
        });
        json!({
            "schema": 1,
            "people": people.collect::<Vec<_>>(),
            "exposed": count.exposed,
            "unknown": count.unknown,
            "present": count.present,
            "keys": count.all,
            "data_keys_opened": self.register.reading.opened,
            "unreadable": self.register.history.unreadable,
            "history_is_complete": self.register.history.is_complete(),
        })
    }

    fn file_json(&self, file: &FileExposure) -> serde_json::Value {
        let items = file.items.iter().map(|item| {
            let (state, detail) = self.told(file, item);
            let readable = item.readable.iter().map(|it| {
                let mut value = origin_json(&it.origin);
                value["path"] = it.path.clone().into();
                value
            });
            json!({"key": item.key, "state": state, "detail": detail, "readable": readable.collect::<Vec<_>>()})
        });
        let away = (file.away.iter())
            .map(|(from, until)| json!({"from": origin_json(from), "until": origin_json(until)}));
        json!({
            "path": file.path,
            "env": self.env(&file.path),
            "is_there": file.is_there,
            "from": origin_json(&file.from),
            "until": file.until.as_ref().map(|origin| origin_json(origin)),
            "away": away.collect::<Vec<_>>(),
            "reads_today": file.reads_today,
            "keys": items.collect::<Vec<_>>(),
        })
    }
}

/// Text that Markdown shows as it is.
fn plain_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // `_` between letters is no emphasis
        let is_inside = c == '_' && out.ends_with(char::is_alphanumeric);
        if "\\`*_[]<>|!#~&".contains(c) && !is_inside {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
