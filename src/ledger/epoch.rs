//! Data-key epochs: which versions of files have one data key.
//!
//! A token or a stanza that two versions have in common proves it: nobody makes the same again
//! without the same data key. Without such a link a new data key is only probable, unless a key
//! holder looked.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::snapshot::Mark;
use super::{FileVersion, Snapshot};

/// What a key holder knows; empty without a key.
#[derive(Clone, Debug, Default)]
pub struct Insight {
    /// A digest of the data key, by a token or stanza that was made with it.
    pub keys: HashMap<Mark, [u8; 32]>,
    /// By token, a keyed digest of the value: equal for equal values of one run.
    pub values: HashMap<Mark, Mark>,
    /// Digests of values that many keys have by chance: numbers, truth values, a few letters.
    pub weak: HashSet<Mark>,
}

impl Insight {
    /// Whether two tokens hold one value; `None` where nobody can tell.
    #[must_use]
    pub fn same_value(&self, one: &Mark, other: &Mark) -> Option<bool> {
        if one == other {
            return Some(true);
        }
        Some(self.values.get(one)? == self.values.get(other)?)
    }
}

/// Versions with one data key; the number means nothing outside its [`Epochs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(usize);

/// The epochs of some versions.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    of: HashMap<Mark, usize>,
    known: HashMap<Epoch, [u8; 32]>,
    readers: HashMap<Epoch, BTreeSet<String>>,
}

impl Epochs {
    /// Of versions of the commit log; `others` have no place in it (the work tree).
    #[must_use]
    pub fn of(versions: &[FileVersion], others: &[&Snapshot], insight: &Insight) -> Self {
        let mut links = Links::default();
        let all = || {
            versions
                .iter()
                .map(|version| &*version.snapshot)
                .chain(others.iter().copied())
        };
        all().for_each(|snapshot| links.join(snapshot.marks()));
        let mut first: HashMap<[u8; 32], Mark> = HashMap::new();
        for (mark, key) in insight
            .keys
            .iter()
            .filter(|(mark, _)| links.of.contains_key(*mark))
            .collect::<Vec<_>>()
        {
            let other = *first.entry(*key).or_insert(*mark);
            links.join([mark, &other].into_iter());
        }
        let mut epochs = Self::default();
        let marks: Vec<Mark> = links.of.keys().copied().collect();
        epochs.of = marks
            .into_iter()
            .map(|mark| (mark, links.root_of(&mark)))
            .collect();
        for (mark, key) in &insight.keys {
            if let Some(epoch) = epochs.of.get(mark) {
                epochs.known.insert(Epoch(*epoch), *key);
            }
        }
        for version in versions {
            if let Some(epoch) = epochs.at(&version.snapshot) {
                epochs
                    .readers
                    .entry(epoch)
                    .or_default()
                    .extend(version.snapshot.recipients.iter().cloned());
            }
        }
        epochs
    }

    /// `None` for a version without values and stanzas, and for one that was not among them.
    #[must_use]
    pub fn at(&self, snapshot: &Snapshot) -> Option<Epoch> {
        snapshot
            .marks()
            .find_map(|mark| self.of.get(mark))
            .map(|at| Epoch(*at))
    }

    /// Everybody whom a committed version of the epoch names: they know its data key.
    pub fn readers(&self, epoch: Epoch) -> impl Iterator<Item = &str> {
        self.readers
            .get(&epoch)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    #[must_use]
    pub fn was_read_by(&self, epoch: Epoch, recipient: &str) -> bool {
        self.readers
            .get(&epoch)
            .is_some_and(|readers| readers.contains(recipient))
    }

    /// Whether two versions have one data key; `None`: probably not, and only a key can tell.
    #[must_use]
    pub fn same_key(&self, one: &Snapshot, other: &Snapshot) -> Option<bool> {
        let (one, other) = (self.at(one)?, self.at(other)?);
        if one == other {
            return Some(true);
        }
        // two known keys of two epochs differ, or they would be one epoch
        (self.known.contains_key(&one) && self.known.contains_key(&other)).then_some(false)
    }
}

/// Sets that grow together.
#[derive(Default)]
struct Links {
    parent: Vec<usize>,
    of: HashMap<Mark, usize>,
}

impl Links {
    fn join<'a>(&mut self, marks: impl Iterator<Item = &'a Mark>) {
        let mut joined = None;
        for mark in marks {
            let fresh = self.parent.len();
            let own = *self.of.entry(*mark).or_insert(fresh);
            if own == fresh {
                self.parent.push(fresh);
            }
            let (own, known) = (self.root(own), joined.map(|joined| self.root(joined)));
            match known {
                Some(known) => self.parent[own] = known,
                None => joined = Some(own),
            }
        }
    }

    fn root_of(&mut self, mark: &Mark) -> usize {
        let at = self.of[mark];
        self.root(at)
    }

    /// Ways that were walked are shorter the next time.
    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{log, sealed, snapshot};

    #[test]
    fn equal_tokens_and_equal_stanzas_are_one_data_key_and_all_else_is_only_probable() {
        let first = snapshot(&["ana", "bob"], &[("A", 1), ("B", 2)]);
        let kept = snapshot(&["ana"], &[("A", 1), ("B", 3)]);
        let rotated = snapshot(&["ana"], &[("A", 11)]);
        let mut replaced = (*rotated).clone();
        // one value and all stanzas changed: no link is left
        replaced.sealed.insert("A".into(), sealed(12));
        let replaced = std::rc::Rc::new(replaced);
        let versions = log(&[
            ("f", "c4", &replaced),
            ("f", "c3", &rotated),
            ("f", "c2", &kept),
            ("f", "c1", &first),
        ]);
        let epochs = Epochs::of(&versions, &[], &Insight::default());
        assert_eq!(epochs.same_key(&first, &kept), Some(true));
        assert_eq!(epochs.same_key(&kept, &rotated), None);
        assert_eq!(epochs.same_key(&rotated, &replaced), None);
        let readers = |snapshot| {
            epochs
                .readers(epochs.at(snapshot).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(readers(&kept), ["ana", "bob"]);
        assert_eq!(readers(&rotated), ["ana"]);
        // with a key
        let keys = [([1; 16], [1; 32]), ([11; 16], [2; 32]), ([12; 16], [2; 32])];
        let insight = Insight {
            keys: keys.into(),
            ..Insight::default()
        };
        let epochs = Epochs::of(&versions, &[], &insight);
        assert_eq!(epochs.same_key(&kept, &rotated), Some(false));
        assert_eq!(epochs.same_key(&rotated, &replaced), Some(true));
    }

    #[test]
    fn a_version_without_values_and_stanzas_has_no_epoch() {
        let empty = snapshot(&["ana"], &[]);
        let epochs = Epochs::of(&log(&[("f", "c1", &empty)]), &[], &Insight::default());
        assert_eq!(epochs.at(&empty), None);
        assert_eq!(epochs.same_key(&empty, &empty), None);
    }
}
