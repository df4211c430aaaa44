//! The exposure ledger: which values somebody could ever decrypt, and what became of them.
//!
//! Whoever is named by one version of an epoch knows its data key and reads every version of it. A value is
//! replaced when today's differs from all that they could read; across two data keys only a key can tell.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::keylog::{Entry, blame, key_log};
use super::line::line;
use super::snapshot::Mark;
use super::{Epoch, Epochs, Insight, Origin, Removal, Snapshot, Version};

/// What became of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Exposed(Why),
    /// By this commit; `None`: not committed yet.
    Replaced(Option<Rc<Origin>>),
    /// By `allow` of `.stax/vault.json`, with the reason.
    Accepted(String),
    Unknown(Doubt),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// They are a recipient today.
    ReadsToday,
    /// They were removed and the data key stayed.
    KeepsDataKey,
    SameValue,
    /// It is in clear in the file.
    InClear,
    /// The key is gone, and another one has its value.
    Elsewhere {
        path: String,
        key: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Another token under another data key. The commit that set it again since, where there is one.
    Reencrypted { set_again: Option<Rc<Origin>> },
    /// It is no longer in the file; whether it still works at its source nobody here can tell.
    Gone { removed: Option<Rc<Origin>> },
}

/// A version of a value that they could decrypt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    pub token: Mark,
    /// The path that it stood under, and the oldest commit that has it there.
    pub path: String,
    pub origin: Rc<Origin>,
}

/// One key of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    pub state: State,
    /// Oldest first.
    pub readable: Vec<Readable>,
}

/// One file that somebody could read.
#[derive(Clone, Debug)]
pub struct FileExposure {
    pub path: String,
    /// The file is there today.
    pub is_there: bool,
    /// The first commit whose version they could read.
    pub from: Rc<Origin>,
    /// The first commit that they could not; `None`: they read it today, or nothing is committed yet.
    pub until: Option<Rc<Origin>>,
    /// They can open the file as it is today.
    pub reads_today: bool,
    pub items: Vec<Item>,
}

/// What the ledger is made from.
pub struct Ledger<'a> {
    /// Of every reference, newest first.
    pub versions: &'a [Version],
    pub removals: &'a [Removal],
    /// The files of today.
    pub tips: &'a [(String, Rc<Snapshot>)],
    pub epochs: &'a Epochs,
    pub insight: &'a Insight,
    /// The reason, where `.stax/vault.json` accepts a path and key.
    pub accepted: &'a dyn Fn(&str, &str) -> Option<String>,
}

impl<'a> Ledger<'a> {
    /// Who could read a file that they cannot read now, or who can read nothing any more.
    #[must_use]
    pub fn former(&self) -> BTreeSet<String> {
        let today: BTreeSet<&str> =
            self.tips.iter().flat_map(|(_, tip)| &tip.recipients).map(String::as_str).collect();
        let ever = self.versions.iter().flat_map(|version| &version.snapshot.recipients);
        let mut former: BTreeSet<String> =
            ever.filter(|key| !today.contains(key.as_str())).cloned().collect();
        for (path, tip) in self.tips {
            let of_line = self.places(path).into_iter().flat_map(|at| &self.versions[at].snapshot.recipients);
            let of_key = self.epochs.at(tip).into_iter().flat_map(|epoch| self.epochs.readers(epoch));
            let all = of_line.map(String::as_str).chain(of_key);
            former.extend(all.filter(|key| !tip.recipients.contains(*key)).map(str::to_owned));
        }
        former
    }

    /// Everything that a recipient could ever decrypt, by file of today, then what is gone.
    #[must_use]
    pub fn exposure(&self, recipient: &str) -> Vec<FileExposure> {
        let is_held = |snapshot: &Snapshot| {
            self.epochs.at(snapshot).is_some_and(|epoch| self.epochs.was_read_by(epoch, recipient))
        };
        let held: Vec<bool> = self.versions.iter().map(|version| is_held(&version.snapshot)).collect();
        if !held.contains(&true) {
            return Vec::new();
        }
        let mut covered: HashSet<usize> = HashSet::new();
        let mut files = Vec::new();
        for (path, tip) in self.tips {
            let places = self.places(path);
            covered.extend(&places);
            files.extend(self.file(recipient, path, Some(tip), &places, &held));
        }
        let mut gone: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, version) in self.versions.iter().enumerate().filter(|(at, _)| !covered.contains(at)) {
            gone.entry(&version.path).or_default().push(at);
        }
        for (path, places) in gone {
            files.extend(self.file(recipient, path, None, &places, &held));
        }
        files
    }

    /// The versions of a file of today: its line, and what other branches made of it.
    fn places(&self, path: &str) -> Vec<usize> {
        let line = line(self.versions, self.removals, path);
        let of_line: HashSet<*const Version> =
            line.iter().filter_map(|step| step.version).map(std::ptr::from_ref).collect();
        let is_mine = |at: &usize| of_line.contains(&std::ptr::from_ref(&self.versions[*at]));
        (0..self.versions.len()).filter(is_mine).collect()
    }

    fn file(
        &self,
        recipient: &str,
        path: &str,
        tip: Option<&Rc<Snapshot>>,
        places: &[usize],
        held: &[bool],
    ) -> Option<FileExposure> {
        let readable: Vec<&Version> =
            places.iter().filter(|at| held[**at]).map(|at| &self.versions[*at]).collect();
        let from = readable.last()?.origin.clone();
        let mut keys: BTreeMap<&String, Vec<Readable>> = BTreeMap::new();
        // oldest first, so that each token is noted where it came from
        for version in readable.iter().rev() {
            for (key, sealed) in &version.snapshot.sealed {
                let list = keys.entry(key).or_default();
                if !list.iter().any(|known| known.token == sealed.mark) {
                    let (path, origin) = (version.path.clone(), version.origin.clone());
                    list.push(Readable { token: sealed.mark, path, origin });
                }
            }
        }
        let epoch = tip.and_then(|tip| self.epochs.at(tip));
        let reads_today = epoch.is_some_and(|epoch| self.epochs.was_read_by(epoch, recipient))
            || tip.is_some_and(|tip| tip.recipients.contains(recipient));
        let place = Place { recipient, path, tip, epoch, reads_today, log: OnceCell::new() };
        let items = keys.into_iter().map(|(key, readable)| {
            let accepted = (self.accepted)(path, key).map(State::Accepted);
            let state = accepted.unwrap_or_else(|| self.state(&place, key, &readable));
            Item { key: key.clone(), state, readable }
        });
        Some(FileExposure {
            path: path.to_owned(),
            is_there: tip.is_some(),
            from,
            until: if reads_today { None } else { self.until(places, held) },
            reads_today,
            items: items.collect(),
        })
    }

    /// The oldest commit after the newest version that they could read.
    fn until(&self, places: &[usize], held: &[bool]) -> Option<Rc<Origin>> {
        let newest = places.iter().position(|at| held[*at])?;
        let after = newest.checked_sub(1).map(|before| self.versions[places[before]].origin.clone());
        after.or_else(|| {
            let last = &self.versions[places[newest]];
            self.removals
                .iter()
                .rfind(|it| it.path == last.path && it.place <= places[newest])
                .map(|it| it.origin.clone())
        })
    }

    fn state(&self, place: &Place<'_, 'a>, key: &str, readable: &[Readable]) -> State {
        let Some(tip) = place.tip else { return self.gone(place, readable, key) };
        let Some(sealed) = tip.sealed.get(key) else {
            let is_clear = tip.clear.contains_key(key);
            return if is_clear { State::Exposed(Why::InClear) } else { self.gone(place, readable, key) };
        };
        if tip.recipients.contains(place.recipient) {
            return State::Exposed(Why::ReadsToday);
        }
        if place.reads_today {
            return State::Exposed(Why::KeepsDataKey);
        }
        let answers: Vec<Option<bool>> =
            readable.iter().map(|old| self.insight.same_value(&old.token, &sealed.mark)).collect();
        if answers.contains(&Some(true)) {
            return State::Exposed(Why::SameValue);
        }
        if answers.iter().all(|answer| *answer == Some(false)) {
            return State::Replaced(self.set_by(place, key, &sealed.mark));
        }
        State::Unknown(Doubt::Reencrypted { set_again: self.set_again(place, key) })
    }

    /// What is not in the file any more may be in another one.
    fn gone(&self, place: &Place<'_, 'a>, readable: &[Readable], key: &str) -> State {
        let is_known =
            |mark: &Mark| readable.iter().any(|old| self.insight.same_value(&old.token, mark) == Some(true));
        for (path, tip) in self.tips {
            let found = tip
                .sealed
                .iter()
                .find(|(other, sealed)| (path != place.path || *other != key) && is_known(&sealed.mark));
            if let Some((key, _)) = found {
                return State::Exposed(Why::Elsewhere { path: path.clone(), key: key.clone() });
            }
        }
        let removed = self.log(place).iter().find(|entry| {
            entry.keys.iter().any(|event| event.key == key && event.event == super::Event::Removed)
        });
        State::Unknown(Doubt::Gone { removed: removed.map(|entry| entry.origin().clone()) })
    }

    fn log<'p>(&self, place: &'p Place<'_, 'a>) -> &'p [Entry<'a>] {
        place.log.get_or_init(|| {
            let steps = line(self.versions, self.removals, place.path);
            key_log(&steps, self.removals, self.epochs, self.insight)
        })
    }

    /// The commit that gave a key the value that it has today.
    fn set_by(&self, place: &Place<'_, 'a>, key: &str, today: &Mark) -> Option<Rc<Origin>> {
        let log = self.log(place);
        let newest = log.first()?.step.version?;
        let committed = newest.snapshot.sealed.get(key)?;
        if self.insight.same_value(&committed.mark, today) != Some(true) {
            return None;
        }
        blame(log, key).map(|blame| blame.origin.clone())
    }

    /// The newest commit that set a key within the data key of today.
    fn set_again(&self, place: &Place<'_, 'a>, key: &str) -> Option<Rc<Origin>> {
        let of_today = self.log(place).iter().take_while(|entry| {
            entry.step.version.is_some_and(|version| self.epochs.at(&version.snapshot) == place.epoch)
        });
        let mut set = of_today.filter(|entry| {
            let changed = |event: &super::KeyEvent| event.key == key && event.event == super::Event::Changed;
            entry.keys.iter().any(changed)
        });
        set.next().map(|entry| entry.origin().clone())
    }
}

/// Whose values, and the file as it is today.
struct Place<'p, 'a> {
    recipient: &'p str,
    path: &'p str,
    tip: Option<&'p Rc<Snapshot>>,
    epoch: Option<Epoch>,
    reads_today: bool,
    /// Made when the first key asks for it.
    log: OnceCell<Vec<Entry<'a>>>,
}

#[cfg(test)]
mod tests;
