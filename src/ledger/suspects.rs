//! Files in which somebody or something may have come back: only of these every branch is worth a walk.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::snapshot::Mark;
use super::{Removal, Snapshot, Version, line};

/// Paths whose turns tell whether a file at the tip holds a reader who was removed, or a token that was replaced.
/// `versions` and `removals` are newest first; what merges chose need not be among them.
#[must_use]
pub fn suspects(
    versions: &[Version],
    removals: &[Removal],
    tips: &[(String, Rc<Snapshot>)],
) -> BTreeSet<String> {
    let gone = Gone::of(versions);
    let mut paths = BTreeSet::new();
    for (path, tip) in tips {
        // it was taken away, and is there again as it was
        let is_back =
            |it: &Removal| it.path == *path && it.before.iter().any(|before| before.shares_key_with(tip));
        if removals.iter().any(is_back) {
            paths.insert(path.clone());
        }
        let tokens = tip.sealed.values().filter_map(|sealed| gone.tokens.get(&sealed.mark)).flatten();
        let mut found: BTreeSet<&str> = tokens.copied().collect();
        let readers: Vec<&HashSet<&str>> =
            tip.recipients.iter().filter_map(|recipient| gone.readers.get(recipient.as_str())).collect();
        if !readers.is_empty() {
            let mut names: BTreeSet<&str> =
                line(versions, removals, path).iter().map(|step| step.path).collect();
            names.insert(path);
            let is_left = |name: &&str| readers.iter().any(|places| places.contains(name));
            found.extend(names.into_iter().filter(is_left));
        }
        if !found.is_empty() {
            paths.insert(path.clone());
            paths.extend(found.into_iter().map(str::to_owned));
        }
    }
    paths
}

/// Tokens that were replaced and readers who were taken out, each with the paths where that happened.
#[derive(Default)]
struct Gone<'a> {
    tokens: HashMap<Mark, HashSet<&'a str>>,
    readers: HashMap<&'a str, HashSet<&'a str>>,
}

impl<'a> Gone<'a> {
    fn of(versions: &'a [Version]) -> Self {
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
            if after.sealed.get(key).is_some_and(|new| new.mark != sealed.mark) {
                self.tokens.entry(sealed.mark).or_default().insert(path);
            }
        }
        for recipient in before.recipients.iter().filter(|key| !after.recipients.contains(*key)) {
            self.readers.entry(recipient).or_default().insert(path);
        }
    }
}
