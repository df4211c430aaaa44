//! The exposure ledger: which values somebody could ever decrypt, and what became of them.
//!
//! Whoever is named by one version of an epoch knows its data key and reads every version of it. A
//! value is replaced when today's differs from all that they could read; across two data keys only
//! a key can tell.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::keylog::{KeyLogEntry, blame, key_log};
use super::line::{LineageStep, Lineages};
use super::snapshot::Mark;
use super::{Epoch, Epochs, FileVersion, Insight, KeyEventKind, Origin, Removal, Snapshot};

/// What became of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueState {
    /// They read the file today, and a rule names them.
    Present,
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
    /// Another key has a value that they could read.
    Elsewhere {
        path: String,
        key: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Another token under another data key. The commit that set it again since, where there is
    /// one.
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
pub struct ExposedKey {
    pub key: String,
    pub state: ValueState,
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
    /// The first commit that they could not; `None`: they read it today, or nothing is committed
    /// yet.
    pub until: Option<Rc<Origin>>,
    /// Between the two, behind HEAD: versions that they could not read, from and until.
    pub away: Vec<(Rc<Origin>, Rc<Origin>)>,
    /// They can open the file as it is today.
    pub reads_today: bool,
    pub items: Vec<ExposedKey>,
}

/// What the ledger is made from.
pub struct Ledger<'a> {
    /// Of every reference, newest first.
    pub versions: &'a [FileVersion],
    pub removals: &'a [Removal],
    /// Those behind HEAD: what became of a value is told by them.
    pub head: (&'a [FileVersion], &'a [Removal]),
    /// The files of today.
    pub tips: &'a [(String, Rc<Snapshot>)],
    pub epochs: &'a Epochs,
    pub insight: &'a Insight,
    /// The reason, where `.stax/vault.json` accepts a path and key.
    pub accepted: &'a dyn Fn(&str, &str) -> Option<String>,
    /// What the policy of today says of a path and a recipient.
    pub standing: &'a dyn Fn(&str, &str) -> Standing,
    pub memory: Memory<'a>,
}

/// What the rule of a path says of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Named,
    Dismissed,
    /// No rule governs the path, or one that names nobody, or the policy that may govern it cannot
    /// be read.
    Unknown,
}

/// What is the same for every recipient.
#[derive(Default)]
pub struct Memory<'a> {
    /// For each tip its versions, and the versions of paths that are gone.
    places: OnceCell<(Vec<Vec<usize>>, GoneKeys<'a>)>,
    logs: RefCell<HashMap<String, Rc<Vec<KeyLogEntry<'a>>>>>,
    /// Of what is behind HEAD.
    head: OnceCell<Lineages<'a>>,
    /// Where the files of today stand among the tips.
    tips: OnceCell<HashMap<&'a str, usize>>,
    /// Where a value of today stands, by its digest or else its token.
    values: OnceCell<HashMap<Mark, Spots>>,
}

type GoneKeys<'a> = Vec<(&'a str, Vec<usize>)>;
/// Places of tips, and keys.
type Spots = Vec<(usize, String)>;

impl<'a> Ledger<'a> {
    /// Who can read less than they could: who left a file, whom its rule does not name any more,
    /// and who knows a value that stands in a file of others now; each with all that they could
    /// read. `same` says which keys are those of one person.
    #[must_use]
    pub fn former(
        &self,
        same: &dyn Fn(&str, &str) -> bool,
    ) -> Vec<(Vec<String>, Vec<FileExposure>)> {
        let mut ever: BTreeSet<&str> = BTreeSet::new();
        for snapshot in self
            .versions
            .iter()
            .map(|it| &it.snapshot)
            .chain(self.tips.iter().map(|it| &it.1))
        {
            ever.extend(snapshot.recipients.iter().map(String::as_str));
        }
        let today: BTreeSet<&str> = self
            .tips
            .iter()
            .flat_map(|(_, tip)| &tip.recipients)
            .map(String::as_str)
            .collect();
        let has_left = |file: &FileExposure, keys: &[String]| {
            let stands_elsewhere = |item: &ExposedKey| match &item.state {
                ValueState::Exposed(Why::Elsewhere { path, .. }) => !self.names(path, keys),
                _ => false,
            };
            match self.tip(&file.path) {
                Some((path, _)) => !keys.iter().any(|key| {
                    self.names(path, std::slice::from_ref(key))
                        && (self.standing)(path, key) != Standing::Dismissed
                }),
                None => {
                    !keys.iter().any(|key| today.contains(key.as_str()))
                        || file.items.iter().any(stands_elsewhere)
                }
            }
        };
        let exposed = |keys: Vec<String>| {
            let files = self.exposure(&keys);
            (keys, files)
        };
        let all = people(ever, same).into_iter().map(exposed);
        all.filter(|(keys, files)| files.iter().any(|file| has_left(file, keys)))
            .collect()
    }

    /// Whether a file of today names one of the keys.
    fn names(&self, path: &str, keys: &[String]) -> bool {
        self.tip(path)
            .is_some_and(|(_, tip)| keys.iter().any(|key| tip.recipients.contains(key)))
    }

    /// They may read the file, and do.
    fn is_present(&self, path: &str, keys: &[String]) -> bool {
        keys.iter().any(|key| {
            self.names(path, std::slice::from_ref(key))
                && (self.standing)(path, key) == Standing::Named
        })
    }

    fn was_read_by(&self, epoch: Epoch, keys: &[String]) -> bool {
        keys.iter().any(|key| self.epochs.was_read_by(epoch, key))
    }

    /// A file as it is today.
    fn tip(&self, path: &str) -> Option<&'a (String, Rc<Snapshot>)> {
        let number = |(at, (path, _)): (usize, &'a (String, Rc<Snapshot>))| (path.as_str(), at);
        let tips = self
            .memory
            .tips
            .get_or_init(|| self.tips.iter().enumerate().map(number).collect());
        tips.get(path).map(|at| &self.tips[*at])
    }

    /// Everything that somebody could ever decrypt with any of their keys, by file of today, then
    /// what is gone.
    #[must_use]
    pub fn exposure(&self, keys: &[String]) -> Vec<FileExposure> {
        let is_held = |snapshot: &Snapshot| {
            self.epochs
                .at(snapshot)
                .is_some_and(|epoch| self.was_read_by(epoch, keys))
        };
        let held: Vec<bool> = self
            .versions
            .iter()
            .map(|version| is_held(&version.snapshot))
            .collect();
        if !held.contains(&true) {
            return Vec::new();
        }
        let present = self
            .tips
            .iter()
            .map(|(path, _)| self.is_present(path, keys))
            .collect();
        let who = PersonVersions {
            keys,
            held,
            present,
        };
        let (places, gone) = self.memory.places.get_or_init(|| self.places());
        let mut files = Vec::new();
        for (at, places) in places.iter().enumerate() {
            files.extend(self.file(&who, &self.tips[at].0, Some(at), places));
        }
        for (path, places) in gone {
            files.extend(self.file(&who, path, None, places));
        }
        files
    }

    /// The versions of each file of today: its line, and what other branches made of it under any
    /// of its names.
    fn places(&self) -> (Vec<Vec<usize>>, GoneKeys<'a>) {
        let lines = Lineages::new(self.versions, self.removals);
        let mut covered: HashSet<usize> = HashSet::new();
        let mut all = Vec::new();
        for (path, _) in self.tips {
            let steps = lines.of(path);
            // what a file was copied from went its own way since
            let is_copy = |step: &LineageStep<'_>| step.source.is_some() && !step.is_rename;
            let own = steps
                .iter()
                .position(is_copy)
                .map_or(&steps[..], |copy| &steps[..=copy]);
            let names: BTreeSet<&str> = own
                .iter()
                .map(|step| step.path)
                .filter(|name| name == path || self.tip(name).is_none())
                .collect();
            let mut mine: Vec<usize> = steps.iter().filter_map(|step| step.place).collect();
            mine.extend(names.into_iter().flat_map(|name| lines.versions_of(name)));
            mine.sort_unstable();
            mine.dedup();
            covered.extend(&mine);
            all.push(mine);
        }
        let mut gone: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, version) in self
            .versions
            .iter()
            .enumerate()
            .filter(|(at, _)| !covered.contains(at))
        {
            gone.entry(&version.path).or_default().push(at);
        }
        (all, gone.into_iter().collect())
    }

    /// `at` is where the file stands among those of today.
    fn file(
        &self,
        who: &PersonVersions<'_>,
        path: &str,
        at: Option<usize>,
        places: &[usize],
    ) -> Option<FileExposure> {
        let (keys_of_theirs, tip) = (who.keys, at.map(|at| &self.tips[at].1));
        let readable: Vec<&FileVersion> = places
            .iter()
            .filter(|at| who.held[**at])
            .map(|at| &self.versions[*at])
            .collect();
        let from = readable.last()?.origin.clone();
        let mut keys: BTreeMap<&String, Vec<Readable>> = BTreeMap::new();
        // oldest first, so that each token is noted where it came from
        for version in readable.iter().rev() {
            for (key, sealed) in &version.snapshot.sealed {
                let list = keys.entry(key).or_default();
                if !list.iter().any(|known| known.token == sealed.mark) {
                    let (path, origin) = (version.path.clone(), version.origin.clone());
                    list.push(Readable {
                        token: sealed.mark,
                        path,
                        origin,
                    });
                }
            }
        }
        let epoch = tip.and_then(|tip| self.epochs.at(tip));
        let reads_today = epoch.is_some_and(|epoch| self.was_read_by(epoch, keys_of_theirs))
            || self.names(path, keys_of_theirs);
        let is_present = at.is_some_and(|at| who.present[at]);
        let place = PersonFile {
            who,
            path,
            tip,
            epoch,
            reads_today,
            is_present,
        };
        let items = keys.into_iter().map(|(key, readable)| {
            let accepted = (self.accepted)(path, key).map(ValueState::Accepted);
            let state = accepted.unwrap_or_else(|| self.state(&place, key, &readable));
            ExposedKey {
                key: key.clone(),
                state,
                readable,
            }
        });
        Some(FileExposure {
            path: path.to_owned(),
            is_there: tip.is_some(),
            from,
            until: if reads_today {
                None
            } else {
                self.until(path, keys_of_theirs)
            },
            away: self.away(path, keys_of_theirs),
            reads_today,
            items: items.collect(),
        })
    }

    /// The commit behind HEAD that ended it: the one after the newest version that they could read.
    fn until(&self, path: &str, keys: &[String]) -> Option<Rc<Origin>> {
        let log = self.log(path);
        let is_held = |entry: &KeyLogEntry<'_>| self.is_held(entry, keys);
        let newest = log.iter().position(is_held)?;
        newest
            .checked_sub(1)
            .map(|after| log[after].origin().clone())
    }

    /// Times between versions that they could read.
    fn away(&self, path: &str, keys: &[String]) -> Vec<(Rc<Origin>, Rc<Origin>)> {
        let (mut times, mut left, mut was_held) = (Vec::new(), None, false);
        for entry in self.log(path).iter().rev() {
            let is_held = self.is_held(entry, keys);
            match (was_held, is_held) {
                (true, false) => left = Some(entry.origin().clone()),
                (false, true) => {
                    times.extend(left.take().map(|left| (left, entry.origin().clone())))
                }
                _ => {}
            }
            was_held = is_held;
        }
        times
    }

    fn is_held(&self, entry: &KeyLogEntry<'_>, keys: &[String]) -> bool {
        let epoch = entry
            .step
            .version
            .and_then(|version| self.epochs.at(&version.snapshot));
        epoch.is_some_and(|epoch| self.was_read_by(epoch, keys))
    }

    fn state(&self, place: &PersonFile<'_>, key: &str, readable: &[Readable]) -> ValueState {
        if place.is_present {
            return ValueState::Present;
        }
        let sealed = place.tip.and_then(|tip| tip.sealed.get(key));
        if let (None, Some(tip)) = (sealed, place.tip)
            && tip.clear.contains_key(key)
        {
            return ValueState::Exposed(Why::InClear);
        }
        if let Some(sealed) = sealed {
            if self.names(place.path, place.who.keys) {
                return ValueState::Exposed(Why::ReadsToday);
            }
            if place.reads_today {
                return ValueState::Exposed(Why::KeepsDataKey);
            }
            let is_known =
                |old: &Readable| self.insight.same_value(&old.token, &sealed.mark) == Some(true);
            if readable.iter().any(is_known) {
                return ValueState::Exposed(Why::SameValue);
            }
        }
        if let Some((path, key)) = self.elsewhere(place, key, readable) {
            return ValueState::Exposed(Why::Elsewhere { path, key });
        }
        let Some(sealed) = sealed else {
            return self.gone(place, key);
        };
        let is_other =
            |old: &Readable| self.insight.same_value(&old.token, &sealed.mark) == Some(false);
        if readable.iter().all(is_other) {
            let by = blame(&self.log(place.path), key, &sealed.mark, self.insight);
            return ValueState::Replaced(by.map(|blame| blame.origin.clone()));
        }
        ValueState::Unknown(Doubt::Reencrypted {
            set_again: self.set_again(place, key),
        })
    }

    /// Another key of today, in any file, with a value that they could read.
    fn elsewhere(
        &self,
        place: &PersonFile<'_>,
        key: &str,
        readable: &[Readable],
    ) -> Option<(String, String)> {
        let values = self.memory.values.get_or_init(|| {
            let mut values: HashMap<Mark, Spots> = HashMap::new();
            for (at, (_, tip)) in self.tips.iter().enumerate() {
                for (key, sealed) in &tip.sealed {
                    values
                        .entry(self.print(&sealed.mark))
                        .or_default()
                        .push((at, key.clone()));
                }
            }
            values
        });
        for old in readable {
            let print = self.print(&old.token);
            if self.insight.weak.contains(&print) {
                continue;
            }
            let spots = values.get(&print).into_iter().flatten();
            let mut others = spots.filter(|(at, other)| {
                let path = &self.tips[*at].0;
                (path != place.path || other != key) && !place.who.present[*at]
            });
            if let Some((at, other)) = others.next() {
                return Some((self.tips[*at].0.clone(), other.clone()));
            }
        }
        None
    }

    fn print(&self, token: &Mark) -> Mark {
        self.insight.values.get(token).copied().unwrap_or(*token)
    }

    /// Whether it still works at its source nobody here can tell.
    fn gone(&self, place: &PersonFile<'_>, key: &str) -> ValueState {
        let log = self.log(place.path);
        let removed = log.iter().find(|entry| {
            entry
                .keys
                .iter()
                .any(|event| event.key == key && event.event == KeyEventKind::Removed)
        });
        ValueState::Unknown(Doubt::Gone {
            removed: removed.map(|entry| entry.origin().clone()),
        })
    }

    /// What HEAD tells of a file.
    fn log(&self, path: &str) -> Rc<Vec<KeyLogEntry<'a>>> {
        if let Some(known) = self.memory.logs.borrow().get(path) {
            return known.clone();
        }
        let (versions, removals) = self.head;
        let lines = self
            .memory
            .head
            .get_or_init(|| Lineages::new(versions, removals));
        let log = Rc::new(key_log(&lines.of(path), self.epochs, self.insight));
        self.memory
            .logs
            .borrow_mut()
            .insert(path.to_owned(), log.clone());
        log
    }

    /// The newest commit that set a key within the data key of today.
    fn set_again(&self, place: &PersonFile<'_>, key: &str) -> Option<Rc<Origin>> {
        let log = self.log(place.path);
        let of_today = log.iter().take_while(|entry| {
            entry
                .step
                .version
                .is_some_and(|version| self.epochs.at(&version.snapshot) == place.epoch)
        });
        let mut set = of_today.filter(|entry| {
            entry
                .keys
                .iter()
                .any(|event| event.key == key && event.event == KeyEventKind::Changed)
        });
        set.next().map(|entry| entry.origin().clone())
    }
}

/// The keys of each person.
fn people(keys: BTreeSet<&str>, same: &dyn Fn(&str, &str) -> bool) -> Vec<Vec<String>> {
    let mut people: Vec<Vec<String>> = Vec::new();
    for key in keys {
        match people
            .iter_mut()
            .find(|known| known.iter().any(|known| same(known, key)))
        {
            Some(keys) => keys.push(key.to_owned()),
            None => people.push(vec![key.to_owned()]),
        }
    }
    people
}

/// Whose values, and the file as it is today.
struct PersonFile<'p> {
    who: &'p PersonVersions<'p>,
    path: &'p str,
    tip: Option<&'p Rc<Snapshot>>,
    epoch: Option<Epoch>,
    reads_today: bool,
    /// And may.
    is_present: bool,
}

/// Somebody: which versions they could read, and which files of today they read as a rule says.
struct PersonVersions<'r> {
    keys: &'r [String],
    held: Vec<bool>,
    present: Vec<bool>,
}

#[cfg(test)]
mod tests;
