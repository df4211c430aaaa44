//! What the commands about the commit log share: which keys to use, spans of time, and what is not
//! known.

use std::collections::BTreeMap;

use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::ledger::{Origin, is_of_later_document};
use crate::policy::vault::Vault;
use crate::policy::{WhoError, is_same_person, resolve_person};
use crate::workspace::Caller;
use crate::workspace::history::{History, KeyName};
use crate::workspace::register::{Depth, Register};

/// With which keys
#[derive(clap::Args, Clone, Copy, Default)]
pub(super) struct KeyUse {
    /// Use no key
    #[arg(long, conflicts_with = "with_key")]
    keyless: bool,
    /// Fail (3) when no key opens any version
    #[arg(long)]
    with_key: bool,
}

impl KeyUse {
    pub(super) fn depth(self) -> Depth {
        match (self.keyless, self.with_key) {
            (true, _) => Depth::Keyless,
            (_, true) => Depth::WithKey,
            _ => Depth::Silent,
        }
    }

    /// Only who demands a key is asked for one.
    pub(super) fn caller(self) -> Caller {
        if self.with_key {
            Caller::Person
        } else {
            Caller::Git
        }
    }
}

/// Which part of a log
#[derive(clap::Args, Clone, Copy)]
pub(super) struct LogWindow {
    /// At most this many commits
    #[arg(short = 'n', long, value_name = "N")]
    max_count: Option<usize>,
    /// Not older than a date or a span: 2026-03-02, 90d
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<i64>,
    /// Oldest first
    #[arg(long)]
    reverse: bool,
}

impl LogWindow {
    /// Of what is newest first, in the order that was asked for.
    pub(super) fn of<'a, T>(&self, rows: &'a [T], seconds: impl Fn(&T) -> i64) -> Vec<&'a T> {
        let kept = rows
            .iter()
            .filter(|row| self.since.is_none_or(|since| seconds(row) >= since));
        let mut kept: Vec<&T> = kept.take(self.max_count.unwrap_or(usize::MAX)).collect();
        if self.reverse {
            kept.reverse();
        }
        kept
    }
}

/// What the log cannot tell is said, never passed over.
pub(super) fn warn_gaps(ui: &Ui, history: &History) {
    for version in history.unreadable.iter().take(SHOWN) {
        ui.warning(one_line(&format!(
            "not readable as a SOPS document, so passed over: {version}"
        )));
    }
    if history.unreadable.len() > SHOWN {
        ui.warning(format!(
            "and {} more versions that are not readable",
            history.unreadable.len() - SHOWN
        ));
    }
    if history.is_partial {
        ui.warning("this clone holds not all history: what is older than its edge is unknown");
        ui.note(
            "the whole history: git fetch --unshallow, in a partial clone git fetch --refetch --no-filter",
        );
    }
}

/// Text of the repository that stays on its line.
fn one_line(text: &str) -> String {
    Escaped(text).to_string()
}

/// Files that are not what the work tree shows.
pub(super) fn warn_from_index(ui: &Ui, register: &Register) {
    for path in register.from_index.iter().take(SHOWN) {
        let path = one_line(path);
        ui.warning(format!(
            "{path} is missing or not readable in the work tree: judged as the index has it"
        ));
    }
}

/// Versions that a warning names.
const SHOWN: usize = 5;

/// Says which kinds of answer are missing without a key.
pub(super) fn note_depth(ui: &Ui, register: &Register, has_doubts: bool) {
    let reading = &register.reading;
    match (reading.opened, reading.locked) {
        _ if !has_doubts => {}
        (1.., 0) => {}
        (0, _) => {
            ui.note("no key used: across two data keys nobody can tell whether a value changed")
        }
        (_, locked) => ui.note(format!(
            "no key at hand opens {}: what changed across them nobody can tell",
            super::verify::count(locked, "older data key")
        )),
    }
}

/// A date `2026-03-02`, a time, or how long ago: `90d`, `2 weeks ago`; in seconds since 1970.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    let now = jiff::Timestamp::now();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_second());
    }
    if text.parse::<jiff::civil::Date>().is_ok()
        && let Ok(time) = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>()
    {
        return Ok(time.as_second());
    }
    let ago = text.trim().strip_suffix(" ago").unwrap_or(text);
    span(ago).map(|seconds| now.as_second() - seconds)
}

/// `90d`, `12h`, `2 weeks`, `3 months`, `1y` back from now; in seconds.
pub(super) fn span(text: &str) -> Result<i64, String> {
    let Some(span) = back_from_now(text) else {
        return Err(format!(
            "`{text}` is no date and no span like 90d, 12h or 2w"
        ));
    };
    Ok(span.as_secs())
}

/// Months and years are those of the calendar before now. `3m` is refused: people write it for
/// months as well.
fn back_from_now(text: &str) -> Option<jiff::SignedDuration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    if span.is_negative() || span.get_minutes() != 0 || span.get_seconds() != 0 {
        return None;
    }
    let now = jiff::Timestamp::now();
    let then = now
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .checked_sub(span)
        .ok()?;
    Some(now.duration_since(then.timestamp()))
}

/// `77ab01c 2026-02-04`; `not committed`
pub(super) fn commit_and_date(origin: &Origin) -> String {
    format!("{} {}", origin.short(), origin.date)
}

/// The commit as JSON has it.
pub(super) fn origin_json(origin: &Origin) -> serde_json::Value {
    serde_json::json!({
        "commit": origin.commit,
        "author": origin.author,
        "email": origin.email,
        "date": origin.date,
        "time": origin.seconds,
        "summary": origin.summary,
        "signed": origin.signed,
        "landed": origin.landed,
    })
}

/// The shortest command that gives a value anew; `key` is one, or what stands for several.
pub(super) fn set_command(vault: Option<&Vault>, path: &str, key: &str) -> String {
    let file = || format!("-f {}", shell_words::quote(path));
    if is_of_later_document(key) {
        return format!("stax secrets edit {}", file());
    }
    let key = shell_words::quote(key);
    match vault.and_then(|vault| vault.env_for_path(path)) {
        Some(env) if vault.is_some_and(|vault| vault.files.len() > 1) => {
            format!("stax secrets set {key} -e {env}")
        }
        Some(_) => format!("stax secrets set {key}"),
        None => format!("stax secrets set {key} {}", file()),
    }
}

/// How people are called, in the past too.
pub(super) struct PeopleNames(pub(super) BTreeMap<String, KeyName>);

impl PeopleNames {
    /// Name and mail, else the key.
    pub(super) fn full<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, |named| named.name.as_str())
    }

    /// The name before a mail, else the first letters of the key.
    pub(super) fn short<'a>(&'a self, key: &'a str) -> std::borrow::Cow<'a, str> {
        match self.0.get(key) {
            Some(named) => named.short().into(),
            None => crate::ledger::short_key(key).into(),
        }
    }

    /// Whether two keys are those of one person.
    pub(super) fn is_one(&self, one: &str, other: &str) -> bool {
        match (self.0.get(one), self.0.get(other)) {
            (Some(one), Some(other)) => is_same_person(&one.name, &other.name),
            _ => one == other,
        }
    }

    /// `Ana, Bob (2 keys)`
    pub(super) fn shorts<'a>(&'a self, keys: impl IntoIterator<Item = &'a String>) -> String {
        let mut people: Vec<(&String, usize)> = Vec::new();
        for key in keys {
            match people.iter_mut().find(|(known, _)| self.is_one(known, key)) {
                Some((_, number)) => *number += 1,
                None => people.push((key, 1)),
            }
        }
        let shown = people.into_iter().map(|(key, number)| match number {
            1 => self.short(key).into_owned(),
            number => format!("{} ({number} keys)", self.short(key)),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The keys of the one whom WHO means.
    pub(super) fn resolve_person(
        &self,
        who: &str,
        keys: Vec<&str>,
    ) -> Result<Vec<String>, Failure> {
        resolve_person(who, &self.named(keys)).map_err(unknown)
    }

    fn named<'a>(&'a self, keys: Vec<&'a str>) -> Vec<(&'a str, &'a str)> {
        let name = |key: &str| self.0.get(key).map_or("", |named| named.name.as_str());
        keys.into_iter().map(|key| (key, name(key))).collect()
    }
}

fn unknown(error: WhoError) -> Failure {
    Failure::usage(error.to_string()).hint("see who ever could read: stax secrets history")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90d", 7_776_000),
            ("12 hours", 43_200),
            ("2w", 1_209_600),
            ("1d 1h", 90_000),
        ] {
            assert_eq!(span(text), Ok(seconds), "{text}");
        }
        assert!(span("1y").is_ok_and(|seconds| [365, 366].contains(&(seconds / 86_400))));
        for text in [
            "",
            "d",
            "90",
            "-3d",
            "3m",
            "3 days ago",
            "90 fortnights",
            "99999999999999999d",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
        assert_eq!(moment("2026-01-01"), Ok(1_767_225_600));
        assert_eq!(moment("2026-01-01T00:00:01Z"), Ok(1_767_225_601));
        for text in ["90d", "90 days ago"] {
            let now = jiff::Timestamp::now().as_second();
            assert!(
                moment(text).is_ok_and(|time| (0..5).contains(&(now - time - 7_776_000))),
                "{text}"
            );
        }
        assert!(moment("yesterday").is_err());
    }
}
