//! Files in which somebody or something may have come back: only of these the merges are worth a
//! look.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::lineage::has_names_of;
use super::snapshot::Mark;
use super::{FileVersion, Removal, Snapshot};

/// Paths whose turns tell whether a file at the tip holds a reader who was removed, or a token that
/// was replaced, with all names that such a file has or had. What merges chose need not be among
/// the versions.
#[must_use]
pub fn suspects(
    versions: &[FileVersion],
    removals: &[Removal],
    tips: &[(String, Rc<Snapshot>)],
) -> BTreeSet<String> {
    let gone = Superseded::of(versions);
    let families = Families::of(versions, removals);
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for (path, tip) in tips {
        let tokens = tip
            .sealed
            .values()
            .filter_map(|sealed| gone.tokens.get(&sealed.mark))
            .flatten();
        let mut places: BTreeSet<&str> = tokens
            .copied()
            .map(|place| families.of_path(place))
            .collect();
        let family = families.of_path(path);
        let left = tip
            .recipients
            .iter()
            .filter_map(|recipient| gone.readers.get(recipient.as_str()));
        if left
            .flatten()
            .any(|place| families.of_path(place) == family)
        {
            places.insert(family);
        }
        // it was taken away, and is there again as it was
        let is_back = |it: &Removal| {
            it.path == *path && it.before.iter().any(|before| before.shares_key_with(tip))
        };
        if !places.is_empty() || removals.iter().any(is_back) {
            found.insert(family);
            found.extend(places);
        }
    }
    let mut paths: BTreeSet<String> = found.iter().map(|path| (*path).to_owned()).collect();
    let renamed = families
        .of
        .keys()
        .filter(|path| found.contains(families.of_path(path)));
    paths.extend(renamed.map(|path| (*path).to_owned()));
    paths
}

/// Tokens that were replaced and readers who were taken out, each with the paths where that
/// happened.
#[derive(Default)]
struct Superseded<'a> {
    tokens: HashMap<Mark, HashSet<&'a str>>,
    readers: HashMap<&'a str, HashSet<&'a str>>,
}

impl<'a> Superseded<'a> {
    fn of(versions: &'a [FileVersion]) -> Self {
        let mut gone = Self::default();
        for version in versions {
            for parent in &version.parents {
                gone.note(&version.path, parent, &version.snapshot);
            }
        }
        gone
    }

    fn note(&mut self, path: &'a str, before: &'a Snapshot, after: &Snapshot) {
        for (key, sealed) in &before.sealed {
            if after
                .sealed
                .get(key)
                .is_some_and(|new| new.mark != sealed.mark)
            {
                self.tokens.entry(sealed.mark).or_default().insert(path);
            }
        }
        for recipient in before
            .recipients
            .iter()
            .filter(|key| !after.recipients.contains(*key))
        {
            self.readers.entry(recipient).or_default().insert(path);
        }
    }
}

/// Paths that are or were names of one file.
#[derive(Default)]
struct Families<'a> {
    /// Each renamed path, and another one of its family; the last of the chain stands for all.
    of: BTreeMap<&'a str, &'a str>,
}

impl<'a> Families<'a> {
    fn of(versions: &'a [FileVersion], removals: &'a [Removal]) -> Self {
        let mut gone: HashMap<&str, Vec<&Removal>> = HashMap::new();
        for removal in removals {
            gone.entry(&removal.origin.commit)
                .or_default()
                .push(removal);
        }
        let mut new: HashMap<&str, Vec<&FileVersion>> = HashMap::new();
        for version in versions.iter().filter(|version| version.parents.is_empty()) {
            if gone.contains_key(version.origin.commit.as_str()) {
                new.entry(&version.origin.commit).or_default().push(version);
            }
        }
        let mut families = Self::default();
        for (commit, new) in new {
            families.join_renamed(&new, &gone[commit]);
        }
        families
    }

    fn join_renamed(&mut self, new: &[&'a FileVersion], gone: &[&'a Removal]) {
        let mut marks: HashMap<&Mark, &str> = HashMap::new();
        for removal in gone {
            marks.extend(
                removal
                    .before
                    .iter()
                    .flat_map(|old| old.marks())
                    .map(|mark| (mark, &*removal.path)),
            );
        }
        for version in new {
            let now = &version.snapshot;
            let by_names = || {
                let is_like = |it: &&&Removal| it.before.iter().any(|old| has_names_of(now, old));
                gone.iter().find(is_like).map(|removal| &*removal.path)
            };
            if let Some(older) = now
                .marks()
                .find_map(|mark| marks.get(mark).copied())
                .or_else(by_names)
            {
                self.join(&version.path, older);
            }
        }
    }

    fn of_path<'p>(&self, path: &'p str) -> &'p str
    where
        'a: 'p,
    {
        let mut at = path;
        while let Some(next) = self.of.get(at).filter(|next| **next != at) {
            at = next;
        }
        at
    }

    fn join(&mut self, one: &'a str, other: &'a str) {
        let (one, other) = (self.of_path(one), self.of_path(other));
        self.of.insert(one, one);
        self.of.entry(other).or_insert(other);
        if one != other {
            self.of.insert(one, other);
        }
    }
}
