//! Somebody who was removed from a file still opens it, because the data key stayed.
//!
//! An identical token or stanza proves that two versions have one data key: whoever could open any
//! of them opens all. Copies and renames are linked by the same proof.

use std::collections::BTreeSet;
use std::rc::Rc;

use sops_document::age::is_other_kind;

use super::snapshot::Mark;
use super::{Epoch, Epochs, FileVersion, Insight, Snapshot};

/// A former recipient who still opens a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    pub recipient: String,
    pub path: String,
    /// The commit that removed them from this file, its date and its time; `None` when there is
    /// none, or when they never were in this file but in one with the same data key.
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
pub fn stale(versions: &[FileVersion], tips: &[(String, Rc<Snapshot>)]) -> Vec<Stale> {
    let others: Vec<&Snapshot> = tips.iter().map(|(_, tip)| &**tip).collect();
    let epochs = Epochs::of(versions, &others, &Insight::default());
    let classes: Vec<Option<Epoch>> = versions
        .iter()
        .map(|version| epochs.at(&version.snapshot))
        .collect();
    let mut found = Vec::new();
    for (path, tip) in tips {
        let Some(epoch) = epochs.at(tip) else {
            continue;
        };
        let mine: Vec<usize> = (0..versions.len())
            .filter(|at| versions[*at].path == *path)
            .collect();
        for recipient in epochs
            .readers(epoch)
            .filter(|key| !tip.recipients.contains(*key))
        {
            let held = |at: &usize| {
                classes[*at] == Some(epoch) && versions[*at].snapshot.recipients.contains(recipient)
            };
            // the newest change from a version with them to one without
            let removal = mine.iter().map(|at| &versions[*at]).find(|version| {
                !version.snapshot.recipients.contains(recipient)
                    && version
                        .parents
                        .iter()
                        .any(|parent| parent.recipients.contains(recipient))
            });
            let source = mine
                .iter()
                .copied()
                .find(held)
                .or_else(|| (0..versions.len()).find(held));
            let Some(source) = source.map(|at| &versions[at]) else {
                continue;
            };
            let known: BTreeSet<&Mark> = (0..versions.len())
                .filter(held)
                .flat_map(|at| versions[at].snapshot.sealed.values())
                .map(|sealed| &sealed.mark)
                .collect();
            let since = tip
                .sealed
                .iter()
                .filter(|(_, sealed)| !known.contains(&sealed.mark));
            found.push(Stale {
                recipient: recipient.to_owned(),
                path: path.clone(),
                removed: removal.map(|it| {
                    (
                        it.origin.short().to_owned(),
                        it.origin.date.clone(),
                        it.origin.seconds,
                    )
                }),
                committed: mine.iter().any(|at| versions[*at].snapshot == *tip),
                through: (source.path != *path).then(|| source.path.clone()),
                since: since.map(|(key, _)| key.clone()).collect(),
            });
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{HandMadeLog, log, snapshot};

    type Tips<'a> = &'a [(&'a str, &'a Rc<Snapshot>)];

    fn told(versions: &[FileVersion], tips: Tips<'_>) -> Vec<String> {
        let tips: Vec<(String, Rc<Snapshot>)> = tips
            .iter()
            .map(|(path, tip)| ((*path).to_owned(), (*tip).clone()))
            .collect();
        let one = |stale: Stale| {
            let commit = stale.removed.map_or("-".to_owned(), |(commit, ..)| commit);
            let through = stale
                .through
                .map_or(String::new(), |path| format!(" through {path}"));
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
        let cases: [(&str, HandMadeLog<'_>, Tips<'_>, &[&str]); 8] = [
            ("nobody left", &[("f", "c1", &both)], &[("f", &both)], &[]),
            (
                "removal without rotation",
                &removal,
                &[("f", &kept)],
                &["bob reads f since c2: B"],
            ),
            (
                "removal not committed yet",
                &[("f", "c1", &both)],
                &[("f", &kept)],
                &["bob reads f since -: B"],
            ),
            (
                "rotation",
                &[
                    ("f", "c3", &rotated),
                    ("f", "c2", &kept),
                    ("f", "c1", &both),
                ],
                &[("f", &rotated)],
                &[],
            ),
            (
                "re-added",
                &[("f", "c3", &back), ("f", "c2", &kept), ("f", "c1", &both)],
                &[("f", &back)],
                &[],
            ),
            (
                "revert of the rotation",
                &[
                    ("f", "c4", &kept),
                    ("f", "c3", &rotated),
                    ("f", "c2", &kept),
                    ("f", "c1", &both),
                ],
                &[("f", &kept)],
                &["bob reads f since c2: B"],
            ),
            (
                "a copy",
                &[
                    ("g", "c3", &kept),
                    ("f", "c2", &rotated),
                    ("f", "c1", &both),
                ],
                &[("f", &rotated), ("g", &kept)],
                &["bob reads g since - through f: B"],
            ),
            (
                "no value but the empty one",
                &[("f", "c1", &both)],
                &[("f", &snapshot(&["ana"], &[]))],
                &[],
            ),
        ];
        for (name, versions, tips, expected) in cases {
            assert_eq!(told(&log(versions), tips), expected, "{name}");
        }
    }
}
