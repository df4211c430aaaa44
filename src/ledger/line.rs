//! The line of a file: its versions, newest first, also under older names and before it was copied.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::snapshot::Mark;
use super::{FileVersion, Origin, Snapshot};

/// A commit that took a secret file away.
#[derive(Clone, Debug)]
pub struct Removal {
    pub path: String,
    pub origin: Rc<Origin>,
    /// What its parents held there.
    pub before: Vec<Rc<Snapshot>>,
    /// Versions with a smaller number are newer.
    pub place: usize,
}

/// One place of a line.
#[derive(Clone, Copy, Debug)]
pub struct LineageStep<'a> {
    /// `None`: the file was taken away.
    pub version: Option<&'a FileVersion>,
    /// Of the version among all.
    pub place: Option<usize>,
    pub origin: &'a Rc<Origin>,
    pub path: &'a str,
    /// A new file with a token of an older one: that is where it came from.
    pub source: Option<&'a FileVersion>,
    /// The commit took the source's name away, so that the file was not copied.
    pub is_rename: bool,
    /// What took it away.
    removal: Option<&'a Removal>,
}

impl<'a> LineageStep<'a> {
    /// What the file was before: in each parent, or under its other name.
    #[must_use]
    pub fn before(&self) -> Vec<&'a Rc<Snapshot>> {
        match (self.version, self.source) {
            (Some(_), Some(source)) => vec![&source.snapshot],
            (Some(version), None) => version.parents.iter().collect(),
            (None, _) => self
                .removal
                .iter()
                .flat_map(|removal| &removal.before)
                .collect(),
        }
    }

    fn of_version(version: &'a FileVersion, place: usize) -> Self {
        Self {
            version: Some(version),
            place: Some(place),
            origin: &version.origin,
            path: &version.path,
            source: None,
            is_rename: false,
            removal: None,
        }
    }

    fn taken_away(removal: &'a Removal) -> Self {
        Self {
            version: None,
            place: None,
            origin: &removal.origin,
            path: &removal.path,
            source: None,
            is_rename: false,
            removal: Some(removal),
        }
    }
}

/// The lines of all files of a log. To ask for one costs what that line is long.
pub struct Lineages<'a> {
    versions: &'a [FileVersion],
    by_path: HashMap<&'a str, Vec<usize>>,
    removals: HashMap<&'a str, Vec<&'a Removal>>,
    /// The versions that hold a token of a new file, newest first.
    holders: HashMap<&'a Mark, Vec<u32>>,
}

impl<'a> Lineages<'a> {
    /// `versions` and `removals` newest first.
    #[must_use]
    pub fn new(versions: &'a [FileVersion], removals: &'a [Removal]) -> Self {
        let mut lines = Self {
            versions,
            by_path: HashMap::new(),
            removals: HashMap::new(),
            holders: HashMap::new(),
        };
        for (place, version) in versions.iter().enumerate() {
            lines.by_path.entry(&version.path).or_default().push(place);
        }
        for removal in removals {
            lines
                .removals
                .entry(&removal.path)
                .or_default()
                .push(removal);
        }
        let new: HashSet<&Mark> = versions
            .iter()
            .filter(|version| version.parents.is_empty())
            .flat_map(tokens)
            .collect();
        for (place, version) in (0..).zip(versions) {
            for mark in tokens(version).filter(|mark| new.contains(mark)) {
                lines.holders.entry(mark).or_default().push(place);
            }
        }
        lines
    }

    /// The versions of a path, newest first.
    #[must_use]
    pub fn versions_of(&self, path: &str) -> &[usize] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    /// The line of the file that has this name now, newest first.
    #[must_use]
    pub fn of(&self, path: &str) -> Vec<LineageStep<'a>> {
        let mut steps = Vec::new();
        let (mut name, mut from) = (path, 0);
        let mut known = vec![name];
        loop {
            let mine = self.versions_of(name);
            let mine = &mine[mine.partition_point(|at| *at < from)..];
            self.add(&mut steps, name, from, mine);
            let Some(oldest) = mine.last() else {
                return steps;
            };
            let Some(source) = self.source(*oldest) else {
                return steps;
            };
            let version = &self.versions[source];
            if known.contains(&version.path.as_str()) {
                return steps;
            }
            if let Some(last) = steps.iter_mut().rfind(|step| step.version.is_some()) {
                last.source = Some(version);
                last.is_rename = self
                    .removed(&version.path)
                    .any(|removal| removal.origin.commit == last.origin.commit);
            }
            (name, from) = (&version.path, source);
            known.push(name);
        }
    }

    /// What happened under one name: versions, and the removals between them.
    fn add(&self, steps: &mut Vec<LineageStep<'a>>, name: &str, from: usize, mine: &[usize]) {
        let mut gone = self.removed(name).filter(|it| it.place >= from).peekable();
        for at in mine {
            while let Some(removal) = gone.next_if(|removal| removal.place <= *at) {
                steps.push(LineageStep::taken_away(removal));
            }
            steps.push(LineageStep::of_version(&self.versions[*at], *at));
        }
        // what happened to another name after the file had it no more is not of this line
        if from == 0 {
            steps.extend(gone.map(LineageStep::taken_away));
        }
    }

    fn removed(&self, path: &str) -> impl Iterator<Item = &'a Removal> {
        self.removals.get(path).into_iter().flatten().copied()
    }

    /// The newest older version of another file that shares a token with a file that is new. What
    /// came in one commit is no older than each other.
    fn source(&self, at: usize) -> Option<usize> {
        let new = &self.versions[at];
        if !new.parents.is_empty() {
            return None;
        }
        let is_older = |place: &usize| {
            let older = &self.versions[*place];
            *place > at && older.path != new.path && older.origin.commit != new.origin.commit
        };
        let holders = |mark| self.holders.get(mark).into_iter().flatten();
        tokens(new)
            .filter_map(|mark| holders(mark).map(|place| *place as usize).find(is_older))
            .min()
    }
}

fn tokens(version: &FileVersion) -> impl Iterator<Item = &Mark> {
    version.snapshot.sealed.values().map(|sealed| &sealed.mark)
}

/// The line of one file.
#[must_use]
pub fn line<'a>(
    versions: &'a [FileVersion],
    removals: &'a [Removal],
    path: &str,
) -> Vec<LineageStep<'a>> {
    Lineages::new(versions, removals).of(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{log, origin, snapshot};

    fn told(steps: &[LineageStep<'_>]) -> Vec<String> {
        let one = |step: &LineageStep<'_>| {
            let source = step
                .source
                .map_or(String::new(), |source| format!(" from {}", source.path));
            let what = if step.version.is_some() { "" } else { "gone " };
            format!("{what}{} {}{source}", step.path, step.origin.commit)
        };
        steps.iter().map(one).collect()
    }

    #[test]
    fn a_line_goes_on_under_the_older_name_and_no_further() {
        let (one, two, other) = (
            snapshot(&["ana"], &[("A", 1)]),
            snapshot(&["ana"], &[("A", 1), ("B", 2)]),
            snapshot(&["ana"], &[("X", 9)]),
        );
        let versions = log(&[
            ("new", "c5", &two),
            ("old", "c4", &other),
            ("old", "c3", &two),
            ("other", "c2", &other),
            ("old", "c1", &one),
        ]);
        // `new` was copied from `old` as c3 had it; what became of `old` later is not its past
        assert_eq!(
            told(&line(&versions, &[], "new")),
            ["new c5 from old", "old c3", "old c1"]
        );
        assert_eq!(told(&line(&versions, &[], "other")), ["other c2"]);
        assert_eq!(told(&line(&versions, &[], "none")), [""; 0]);
    }

    #[test]
    fn files_that_came_in_one_commit_are_no_copies_of_each_other() {
        let one = snapshot(&["ana"], &[("A", 1)]);
        let mut versions = log(&[("later", "c2", &one), ("a", "c1", &one), ("b", "c1", &one)]);
        versions
            .iter_mut()
            .for_each(|version| version.parents.clear());
        assert_eq!(told(&line(&versions, &[], "a")), ["a c1"]);
        assert_eq!(
            told(&line(&versions, &[], "later")),
            ["later c2 from a", "a c1"]
        );
    }

    #[test]
    fn a_file_that_was_taken_away_and_came_back_is_one_line() {
        let one = snapshot(&["ana"], &[("A", 1)]);
        let mut versions = log(&[("f", "c3", &one), ("f", "c1", &one)]);
        versions[0].parents.clear();
        let removals = [Removal {
            path: "f".into(),
            origin: origin("c2", 0),
            before: vec![one.clone()],
            place: 1,
        }];
        let steps = line(&versions, &removals, "f");
        assert_eq!(told(&steps), ["f c3", "gone f c2", "f c1"]);
        assert_eq!(steps[1].before(), [&one]);
        assert!(steps[0].before().is_empty());
    }
}
