//! K05 stale-data-key: somebody who was removed from a file still opens it, because the data key stayed.
//!
//! An identical token or stanza proves that two versions have one data key: whoever could open any of
//! them opens all. Copies and renames are linked by the same proof.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sops_document::age::{is_other_kind, is_service};

use super::snapshot::Mark;
use super::{Epoch, Epochs, Insight, Snapshot, Version};
use crate::policy::{Finding, RuleId, Severity};

/// A former recipient who still opens a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    pub recipient: String,
    pub path: String,
    /// The commit that removed them from this file, its date and its time; `None` when there is none, or
    /// when they never were in this file but in one with the same data key.
    pub removed: Option<(String, String, i64)>,
    /// The file at the tip is a version of the commit log.
    pub committed: bool,
    /// Another file through which they know the data key.
    pub through: Option<String>,
    /// Values that were set after the removal.
    pub since: Vec<String>,
}

/// Every former recipient of the files at the tip. `versions` are newest first.
#[must_use]
pub fn stale(versions: &[Version], tips: &[(String, Rc<Snapshot>)]) -> Vec<Stale> {
    let others: Vec<&Snapshot> = tips.iter().map(|(_, tip)| &**tip).collect();
    let epochs = Epochs::of(versions, &others, &Insight::default());
    let classes: Vec<Option<Epoch>> = versions.iter().map(|version| epochs.at(&version.snapshot)).collect();
    let mut found = Vec::new();
    for (path, tip) in tips {
        let Some(epoch) = epochs.at(tip) else { continue };
        let mine: Vec<usize> = (0..versions.len()).filter(|at| versions[*at].path == *path).collect();
        for recipient in epochs.readers(epoch).filter(|key| !tip.recipients.contains(*key)) {
            let held = |at: &usize| {
                classes[*at] == Some(epoch) && versions[*at].snapshot.recipients.contains(recipient)
            };
            // the newest change from a version with them to one without
            let removal = mine.iter().map(|at| &versions[*at]).find(|version| {
                !version.snapshot.recipients.contains(recipient)
                    && version.parents.iter().any(|parent| parent.recipients.contains(recipient))
            });
            let source = mine.iter().copied().find(held).or_else(|| (0..versions.len()).find(held));
            let Some(source) = source.map(|at| &versions[at]) else { continue };
            let known: BTreeSet<&Mark> = (0..versions.len())
                .filter(held)
                .flat_map(|at| versions[at].snapshot.sealed.values())
                .map(|sealed| &sealed.mark)
                .collect();
            let since = tip.sealed.iter().filter(|(_, sealed)| !known.contains(&sealed.mark));
            found.push(Stale {
                recipient: recipient.to_owned(),
                path: path.clone(),
                removed: removal
                    .map(|it| (it.origin.short().to_owned(), it.origin.date.clone(), it.origin.seconds)),
                committed: mine.iter().any(|at| versions[*at].snapshot == *tip),
                through: (source.path != *path).then(|| source.path.clone()),
                since: since.map(|(key, _)| key.clone()).collect(),
            });
        }
    }
    found
}

/// Files of one person that are shown.
const SHOWN: usize = 8;

/// How a recipient is called, and how that is known: `bob`, `named by the anchor … at 23cf99f`.
pub type Names<'a> = &'a dyn Fn(&str) -> Option<(String, String)>;

/// One finding a recipient, all files in it. `now` in seconds since 1970.
#[must_use]
pub fn findings(stale: &[Stale], names: Names<'_>, now: i64) -> Vec<Finding> {
    let mut people: BTreeMap<&str, Vec<&Stale>> = BTreeMap::new();
    for one in stale {
        people.entry(&one.recipient).or_default().push(one);
    }
    people.into_iter().map(|(recipient, files)| finding(recipient, &files, names(recipient), now)).collect()
}

fn finding(recipient: &str, files: &[&Stale], name: Option<(String, String)>, now: i64) -> Finding {
    let since = files.iter().filter_map(|one| one.removed.as_ref()).map(|(_, _, seconds)| *seconds).min();
    let when = since.map_or_else(String::new, |seconds| format!(", {} after removal", span(now - seconds)));
    let who = name.as_ref().map_or_else(|| short_key(recipient), |(name, _)| name.clone());
    let what = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    // a key of a service opens for whoever may use it, which nobody here can know
    let (severity, message) = match is_service(recipient) {
        true => {
            let who = who.split_once(' ').filter(|_| name.is_none()).map_or(who.as_str(), |(_, id)| id);
            (Severity::Warning, format!("whoever may use {who} can still open {what}{when}"))
        }
        false => (Severity::Error, format!("{who} can still read {what}{when}")),
    };
    let mut finding = Finding::new(RuleId::K05, severity, files[0].path.clone(), message);
    finding.detail = files.iter().take(SHOWN).map(|one| line(one)).collect();
    if files.len() > SHOWN {
        finding.detail.push(format!("and {} more", files.len() - SHOWN));
    }
    let known = name.map_or_else(|| "name unknown".to_owned(), |(_, how)| how);
    let paths: Vec<&str> = files.iter().map(|one| one.path.as_str()).collect();
    finding
        .detail(format!("who: {recipient}, {known}"))
        .detail(
            "why: `sops updatekeys` keeps the data key, so a stanza from an old commit opens today's file",
        )
        .fix(format!(
            "stax secrets rotate {}   (needs a key, changes no value)",
            if files.len() > SHOWN { "--all".to_owned() } else { paths.join(" ") }
        ))
}

fn line(one: &Stale) -> String {
    let removed = match (&one.removed, &one.through) {
        (Some((commit, date, _)), _) => format!("removed {date} {commit}, data key kept"),
        (None, Some(other)) => format!("has the data key of {other}, which they could read"),
        (None, None) if one.committed => "removed in a merge, data key kept".to_owned(),
        (None, None) => "removed by a change that is not committed yet, data key kept".to_owned(),
    };
    let set = match one.since.as_slice() {
        [] => String::new(),
        keys if keys.len() <= 3 => format!("; set since: {}", keys.join(", ")),
        keys => format!("; set since: {} and {} more", keys[..3].join(", "), keys.len() - 3),
    };
    // no path may start a line that a CI system takes for a command
    let guard = if one.path.starts_with(':') { "./" } else { "" };
    format!("{guard}{}  {removed}{set}", one.path)
}

/// The first letters of an age key, the last of an ssh key.
#[must_use]
pub fn short_key(recipient: &str) -> String {
    // whose key it is can only be looked up by all of it
    if is_other_kind(recipient) {
        return recipient.to_owned();
    }
    if let Some((kind, key)) = recipient.split_once(' ') {
        let end = key.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
        return format!("{kind} …{}", &key[end..]);
    }
    if recipient.len() > 16 && recipient.is_ascii() {
        format!("{}…", &recipient[..12])
    } else {
        recipient.to_owned()
    }
}

fn span(seconds: i64) -> String {
    let plural = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds.max(0) / 86_400 {
        0 => "less than a day".to_owned(),
        days @ 1..=59 => plural(days, "day"),
        days @ 60..=729 => plural(days / 30, "month"),
        days => plural(days / 365, "year"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{Commits, log, snapshot};

    type Tips<'a> = &'a [(&'a str, &'a Rc<Snapshot>)];

    fn told(versions: &[Version], tips: Tips<'_>) -> Vec<String> {
        let tips: Vec<(String, Rc<Snapshot>)> =
            tips.iter().map(|(path, tip)| ((*path).to_owned(), (*tip).clone())).collect();
        let one = |stale: Stale| {
            let commit = stale.removed.map_or("-".to_owned(), |(commit, ..)| commit);
            let through = stale.through.map_or(String::new(), |path| format!(" through {path}"));
            format!(
                "{} reads {} since {commit}{through}: {}",
                stale.recipient,
                stale.path,
                stale.since.join(",")
            )
        };
        stale(versions, &tips).into_iter().map(one).collect()
    }

    #[test]
    fn histories_with_known_answers() {
        let both = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2)]);
        let kept = snapshot(&["ana"], &[("A", 1), ("B", 3)]);
        let rotated = snapshot(&["ana"], &[("A", 11), ("B", 13)]);
        let back = snapshot(&["ana", "bob"], &[("A", 1), ("B", 3)]);
        let removal = [("f", "c2", &kept), ("f", "c1", &both)];
        let cases: [(&str, Commits<'_>, Tips<'_>, &[&str]); 8] = [
            ("nobody left", &[("f", "c1", &both)], &[("f", &both)], &[]),
            ("removal without rotation", &removal, &[("f", &kept)], &["bob reads f since c2: B"]),
            (
                "removal not committed yet",
                &[("f", "c1", &both)],
                &[("f", &kept)],
                &["bob reads f since -: B"],
            ),
            (
                "rotation",
                &[("f", "c3", &rotated), ("f", "c2", &kept), ("f", "c1", &both)],
                &[("f", &rotated)],
                &[],
            ),
            ("re-added", &[("f", "c3", &back), ("f", "c2", &kept), ("f", "c1", &both)], &[("f", &back)], &[]),
            (
                "revert of the rotation",
                &[("f", "c4", &kept), ("f", "c3", &rotated), ("f", "c2", &kept), ("f", "c1", &both)],
                &[("f", &kept)],
                &["bob reads f since c2: B"],
            ),
            (
                "a copy",
                &[("g", "c3", &kept), ("f", "c2", &rotated), ("f", "c1", &both)],
                &[("f", &rotated), ("g", &kept)],
                &["bob reads g since - through f: B"],
            ),
            ("no value but the empty one", &[("f", "c1", &both)], &[("f", &snapshot(&["ana"], &[]))], &[]),
        ];
        for (name, versions, tips, expected) in cases {
            assert_eq!(told(&log(versions), tips), expected, "{name}");
        }
    }

    #[test]
    fn one_finding_a_person_with_every_file() {
        let both = snapshot(&["ana", "age1bobbobbobbobbob"], &[("A", 1)]);
        let kept = snapshot(&["ana"], &[("A", 1)]);
        let versions = log(&[("f", "c2", &kept), ("g", "c2", &kept), ("f", "c1", &both), ("g", "c1", &both)]);
        let tips = [("f".to_owned(), kept.clone()), ("g".to_owned(), kept)];
        let findings = findings(&stale(&versions, &tips), &|_| None, 200 * 86_400);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.message, "age1bobbobbo… can still read 2 files, 6 months after removal");
        assert_eq!(finding.detail.len(), 4);
        assert!(finding.fix.as_deref().is_some_and(|fix| fix.starts_with("stax secrets rotate f g")));
    }
}
