//! What each commit made of each key of a file: added, changed, removed, re-encrypted.
//!
//! Without a key by the identity of tokens: another token under one data key is another value, and
//! under another data key nobody can tell. With a key it sees through.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::line::LineageStep;
use super::snapshot::Mark;
use super::{Epochs, Insight, Origin, Snapshot};

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEventKind {
    Added,
    Changed,
    Removed,
    /// Another token under another data key: of the same value (`true`), or nobody can tell.
    Reencrypted {
        same: Option<bool>,
    },
    /// It was in clear and is encrypted.
    Sealed,
    /// It was encrypted and is in clear.
    Unsealed,
}

/// What a commit did to the data key of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    First,
    Kept,
    New,
    /// Nothing links it to the version before.
    ProbablyNew,
    /// That of an older version is back.
    Old,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    pub key: String,
    pub event: KeyEventKind,
    /// The tokens before and after, where there are such.
    pub tokens: (Option<Mark>, Option<Mark>),
}

/// One commit that changed the file.
#[derive(Clone, Debug)]
pub struct KeyLogEntry<'a> {
    pub step: LineageStep<'a>,
    pub keys: Vec<KeyEvent>,
    pub data_key: KeyChange,
    pub joined: Vec<String>,
    pub left: Vec<String>,
    /// How many encrypted values it holds.
    pub values: usize,
}

impl KeyLogEntry<'_> {
    #[must_use]
    pub fn origin(&self) -> &Rc<Origin> {
        self.step.origin
    }
}

/// The log of a line, newest first. Merges that took everything as a parent had it are no part of
/// it.
#[must_use]
pub fn key_log<'a>(
    line: &[LineageStep<'a>],
    epochs: &Epochs,
    insight: &Insight,
) -> Vec<KeyLogEntry<'a>> {
    let epoch = |step: &LineageStep<'_>| {
        step.version
            .and_then(|version| epochs.at(&version.snapshot))
    };
    line.iter()
        .enumerate()
        .map(|(at, step)| {
            let before = step.before();
            let nothing = Snapshot::default();
            let now = step.version.map_or(&nothing, |version| &*version.snapshot);
            KeyLogEntry {
                step: *step,
                keys: events(now, &before, epochs, insight),
                data_key: match key_change(now, &before, epochs) {
                    KeyChange::New | KeyChange::ProbablyNew
                        if line[at + 1..]
                            .iter()
                            .any(|older| epoch(older) == epoch(step)) =>
                    {
                        KeyChange::Old
                    }
                    change => change,
                },
                joined: readers(now, &before, true),
                left: readers(now, &before, false),
                values: now.sealed.len(),
            }
        })
        .collect()
}

/// The data key of a version against those of its parents.
#[must_use]
pub fn key_change(now: &Snapshot, before: &[&Rc<Snapshot>], epochs: &Epochs) -> KeyChange {
    let answers: Vec<Option<bool>> = before
        .iter()
        .map(|parent| epochs.same_key(parent, now))
        .collect();
    match answers.as_slice() {
        [] => KeyChange::First,
        // without values there is no epoch to compare
        _ if epochs.at(now).is_none() => KeyChange::Kept,
        _ if answers.contains(&Some(true)) => KeyChange::Kept,
        _ if answers.iter().all(|answer| *answer == Some(false)) => KeyChange::New,
        _ => KeyChange::ProbablyNew,
    }
}

fn readers(now: &Snapshot, before: &[&Rc<Snapshot>], joined: bool) -> Vec<String> {
    let all: BTreeSet<&String> = before
        .iter()
        .flat_map(|parent| &parent.recipients)
        .collect();
    if joined {
        return now
            .recipients
            .iter()
            .filter(|key| !all.contains(key))
            .cloned()
            .collect();
    }
    let everywhere = |key: &&String| before.iter().all(|parent| parent.recipients.contains(*key));
    all.into_iter()
        .filter(|key| !now.recipients.contains(*key))
        .filter(everywhere)
        .cloned()
        .collect()
}

fn events(
    now: &Snapshot,
    before: &[&Rc<Snapshot>],
    epochs: &Epochs,
    insight: &Insight,
) -> Vec<KeyEvent> {
    let mut keys: BTreeSet<&String> = now.keys().collect();
    keys.extend(before.iter().flat_map(|parent| parent.keys()));
    let event = |key: &String| {
        let event = event(key, now, before, epochs, insight)?;
        let token = |snapshot: &Snapshot| snapshot.sealed.get(key).map(|sealed| sealed.mark);
        let old = before.iter().find_map(|parent| token(parent));
        Some(KeyEvent {
            key: key.clone(),
            event,
            tokens: (old, token(now)),
        })
    };
    keys.into_iter().filter_map(event).collect()
}

fn event(
    key: &str,
    now: &Snapshot,
    before: &[&Rc<Snapshot>],
    epochs: &Epochs,
    insight: &Insight,
) -> Option<KeyEventKind> {
    let had: Vec<&&Rc<Snapshot>> = before.iter().filter(|parent| parent.has(key)).collect();
    if !now.has(key) {
        // a parent without it is who removed it
        return (!had.is_empty() && had.len() == before.len()).then_some(KeyEventKind::Removed);
    }
    let Some(parent) = had.first() else {
        return Some(KeyEventKind::Added);
    };
    if had
        .iter()
        .any(|parent| parent.value_of(key) == now.value_of(key))
    {
        return None;
    }
    Some(match (parent.sealed.get(key), now.sealed.get(key)) {
        (Some(old), Some(new)) => match insight.same_value(&old.mark, &new.mark) {
            Some(true) if old.kind == new.kind => KeyEventKind::Reencrypted { same: Some(true) },
            Some(true) => KeyEventKind::Changed,
            Some(false) => KeyEventKind::Changed,
            None if epochs.same_key(parent, now) == Some(true) => KeyEventKind::Changed,
            None => KeyEventKind::Reencrypted { same: None },
        },
        (None, Some(_)) => KeyEventKind::Sealed,
        (Some(_), None) => KeyEventKind::Unsealed,
        (None, None) => KeyEventKind::Changed,
    })
}

/// The commit that gave a key the value that it has.
#[derive(Clone, Copy, Debug)]
pub struct Blame<'a> {
    pub origin: &'a Rc<Origin>,
    pub event: KeyEventKind,
    /// The newest re-encryption since, where nobody can tell whether it changed the value too.
    pub unsure: Option<&'a Rc<Origin>>,
}

/// Who gave a key the token that it has. Commits that hold another value are passed over, because a
/// merge may have left them aside; so is a key that only came back. `None`: no commit of the log
/// has it.
#[must_use]
pub fn blame<'a>(
    log: &[KeyLogEntry<'a>],
    key: &str,
    token: &Mark,
    insight: &Insight,
) -> Option<Blame<'a>> {
    let mut wanted = *token;
    let (mut unsure, mut found) = (None, None);
    for (at, entry) in log.iter().enumerate() {
        if !holds(entry, key, &wanted, insight) {
            continue;
        }
        let Some(event) = entry.keys.iter().find(|event| event.key == key) else {
            // the oldest that is known, where the log has an edge
            found = found.or(Some(Blame {
                origin: entry.step.origin,
                event: KeyEventKind::Added,
                unsure,
            }));
            continue;
        };
        if let KeyEventKind::Reencrypted { same } = event.event {
            if same.is_none() {
                unsure = unsure.or(Some(entry.step.origin));
            }
            wanted = event.tokens.0.unwrap_or(wanted);
            found = Some(Blame {
                origin: entry.step.origin,
                event: event.event,
                unsure,
            });
            continue;
        }
        found = Some(Blame {
            origin: entry.step.origin,
            event: event.event,
            unsure,
        });
        let comes_back = event.event == KeyEventKind::Added
            && log[at + 1..]
                .iter()
                .any(|it| holds(it, key, &wanted, insight));
        if !comes_back {
            break;
        }
    }
    found
}

fn holds(entry: &KeyLogEntry<'_>, key: &str, wanted: &Mark, insight: &Insight) -> bool {
    let sealed = entry
        .step
        .version
        .and_then(|version| version.snapshot.sealed.get(key));
    sealed.is_some_and(|sealed| insight.same_value(&sealed.mark, wanted) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{HandMadeLog, log, snapshot};
    use crate::ledger::line;
    use crate::ledger::snapshot::Unencrypted;

    fn told(commits: HandMadeLog<'_>, insight: &Insight) -> Vec<String> {
        let versions = log(commits);
        let epochs = Epochs::of(&versions, &[], insight);
        let line = line(&versions, &[], commits[0].0);
        let one = |entry: &KeyLogEntry<'_>| {
            let keys = entry
                .keys
                .iter()
                .map(|it| format!(" {}:{:?}", it.key, it.event))
                .collect::<String>();
            let people = |sign: &str, list: &[String]| {
                list.iter()
                    .map(|it| format!(" {sign}{it}"))
                    .collect::<String>()
            };
            let (joined, left) = (people("+", &entry.joined), people("-", &entry.left));
            format!(
                "{} {:?}{keys}{joined}{left}",
                entry.origin().commit,
                entry.data_key
            )
        };
        key_log(&line, &epochs, insight).iter().map(one).collect()
    }

    fn blamed(commits: HandMadeLog<'_>, insight: &Insight, key: &str) -> String {
        let versions = log(commits);
        let epochs = Epochs::of(&versions, &[], insight);
        let line = line(&versions, &[], commits[0].0);
        let log = key_log(&line, &epochs, insight);
        let Some(token) = versions[0].snapshot.sealed.get(key) else {
            return "-".into();
        };
        let found = blame(&log, key, &token.mark, insight);
        found.map_or("-".into(), |it| {
            let unsure = it.unsure.map_or(String::new(), |origin| {
                format!(", unsure since {}", origin.commit)
            });
            format!("{}{unsure}", it.origin.commit)
        })
    }

    #[test]
    fn tokens_tell_what_changed_and_a_key_sees_through_a_rotation() {
        let first = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2), ("C", 3)]);
        let set = snapshot(&["ana", "bob"], &[("A", 4), ("B", 2), ("D", 5)]);
        let rotated = snapshot(&["ana"], &[("A", 14), ("B", 12), ("D", 15)]);
        let commits: HandMadeLog<'_> = &[
            ("f", "c3", &rotated),
            ("f", "c2", &set),
            ("f", "c1", &first),
        ];
        let keyless = Insight::default();
        assert_eq!(
            told(commits, &keyless),
            [
                "c3 ProbablyNew A:Reencrypted { same: None } B:Reencrypted { same: None } D:Reencrypted { same: None } -bob",
                "c2 Kept A:Changed C:Removed D:Added",
                "c1 First A:Added B:Added C:Added +ana +bob",
            ]
        );
        assert_eq!(blamed(commits, &keyless, "B"), "c1, unsure since c3");
        // the rotation changed D by the way
        let values = [
            (1, 1),
            (4, 4),
            (14, 4),
            (2, 2),
            (12, 2),
            (3, 3),
            (5, 5),
            (15, 6),
        ];
        let insight = Insight {
            keys: [([1; 16], [1; 32]), ([14; 16], [2; 32])].into(),
            values: values.map(|(mark, value)| ([mark; 16], [value; 16])).into(),
            ..Insight::default()
        };
        assert_eq!(
            told(commits, &insight)[0],
            "c3 New A:Reencrypted { same: Some(true) } B:Reencrypted { same: Some(true) } D:Changed -bob"
        );
        assert_eq!(blamed(commits, &insight, "A"), "c2");
        assert_eq!(blamed(commits, &insight, "B"), "c1");
        assert_eq!(blamed(commits, &insight, "D"), "c3");
        assert_eq!(blamed(commits, &insight, "C"), "-");
    }

    #[test]
    fn blame_follows_the_token_and_not_the_clock() {
        // a side branch set A to 9, and a merge kept what main has
        let (one, side) = (
            snapshot(&["ana"], &[("A", 1)]),
            snapshot(&["ana"], &[("A", 9)]),
        );
        let later = snapshot(&["ana"], &[("A", 1), ("B", 2)]);
        let mut versions = log(&[("f", "c3", &later), ("f", "side", &side), ("f", "c1", &one)]);
        versions[0].parents = vec![one.clone()];
        let (insight, token) = (Insight::default(), [1; 16]);
        let epochs = Epochs::of(&versions, &[], &insight);
        let steps = line(&versions, &[], "f");
        let log_of = key_log(&steps, &epochs, &insight);
        assert_eq!(
            blame(&log_of, "A", &token, &insight).map(|it| it.origin.commit.as_str()),
            Some("c1")
        );
        // gone for a while, and back as it was
        let (none, back) = (
            snapshot(&["ana"], &[("B", 2)]),
            snapshot(&["ana"], &[("A", 1), ("B", 2)]),
        );
        let commits: HandMadeLog<'_> =
            &[("f", "c3", &back), ("f", "c2", &none), ("f", "c1", &later)];
        assert_eq!(blamed(commits, &insight, "A"), "c1");
    }

    #[test]
    fn a_merge_answers_only_for_what_no_parent_had() {
        let (ours, theirs) = (
            snapshot(&["ana"], &[("A", 1), ("B", 2)]),
            snapshot(&["ana"], &[("A", 1), ("C", 3)]),
        );
        let merged = snapshot(&["ana"], &[("A", 1), ("B", 2), ("C", 3), ("D", 4)]);
        let mut versions = log(&[("f", "m", &merged)]);
        versions[0].parents = vec![ours, theirs];
        let epochs = Epochs::of(&versions, &[], &Insight::default());
        let line = line(&versions, &[], "f");
        let log = key_log(&line, &epochs, &Insight::default());
        let keys: Vec<&str> = log[0].keys.iter().map(|event| event.key.as_str()).collect();
        assert_eq!(keys, ["D"]);
    }

    #[test]
    fn sealing_and_unsealing_are_events() {
        let sealed = snapshot(&["ana"], &[("A", 1)]);
        let mut clear = (*snapshot(&["ana"], &[])).clone();
        clear.clear.insert(
            "A".into(),
            Unencrypted {
                mark: [7; 16],
                ..Unencrypted::default()
            },
        );
        let clear = Rc::new(clear);
        let seen = |commits: HandMadeLog<'_>| told(commits, &Insight::default())[0].clone();
        assert_eq!(
            seen(&[("f", "c2", &clear), ("f", "c1", &sealed)]),
            "c2 Kept A:Unsealed"
        );
        assert_eq!(
            seen(&[("f", "c2", &sealed), ("f", "c1", &clear)]),
            "c2 ProbablyNew A:Sealed"
        );
    }
}
