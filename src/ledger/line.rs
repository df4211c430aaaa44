//! The line of a file: its versions, newest first, also under older names and before it was copied.

use std::collections::HashSet;
use std::rc::Rc;

use super::snapshot::Mark;
use super::{Origin, Snapshot, Version};

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
pub struct Step<'a> {
    /// `None`: the file was taken away.
    pub version: Option<&'a Version>,
    pub origin: &'a Rc<Origin>,
    pub path: &'a str,
    /// A new file with a token of an older one: that is where it came from.
    pub source: Option<&'a Version>,
}

impl<'a> Step<'a> {
    /// What the file was before: in each parent, or under its other name.
    #[must_use]
    pub fn before(&self, removals: &'a [Removal]) -> Vec<&'a Rc<Snapshot>> {
        match (self.version, self.source) {
            (Some(_), Some(source)) => vec![&source.snapshot],
            (Some(version), None) => version.parents.iter().collect(),
            (None, _) => {
                let here = |removal: &&Removal| removal.path == self.path && removal.origin == *self.origin;
                removals.iter().filter(here).flat_map(|removal| &removal.before).collect()
            }
        }
    }
}

impl Step<'_> {
    /// The commit took the other name away, so that the file was not copied.
    #[must_use]
    pub fn is_rename(&self, removals: &[Removal]) -> bool {
        self.source.is_some_and(|source| {
            removals.iter().any(|removal| removal.path == source.path && removal.origin == *self.origin)
        })
    }
}

/// The line of the file that has this name now, newest first, as `versions` and `removals` are.
#[must_use]
pub fn line<'a>(versions: &'a [Version], removals: &'a [Removal], path: &str) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    let (mut name, mut from) = (path.to_owned(), 0);
    let mut known = vec![name.clone()];
    loop {
        let mine: Vec<usize> = (from..versions.len()).filter(|at| versions[*at].path == name).collect();
        let mut gone = removals.iter().filter(|it| it.path == name && it.place >= from).peekable();
        for at in &mine {
            while let Some(removal) = gone.next_if(|removal| removal.place <= *at) {
                steps.push(taken_away(removal));
            }
            let version = &versions[*at];
            steps.push(Step {
                version: Some(version),
                origin: &version.origin,
                path: &version.path,
                source: None,
            });
        }
        // what happened to another name after the file had it no more is not of this line
        if from == 0 {
            steps.extend(gone.map(taken_away));
        }
        let Some(oldest) = mine.last().copied() else { return steps };
        let Some(source) = source(versions, oldest).filter(|at| !known.contains(&versions[*at].path)) else {
            return steps;
        };
        if let Some(last) = steps.iter_mut().rfind(|step| step.version.is_some()) {
            last.source = Some(&versions[source]);
        }
        (name, from) = (versions[source].path.clone(), source);
        known.push(name.clone());
    }
}

fn taken_away(removal: &Removal) -> Step<'_> {
    Step { version: None, origin: &removal.origin, path: &removal.path, source: None }
}

/// The newest older version of another file that shares a token with a file that is new.
fn source(versions: &[Version], at: usize) -> Option<usize> {
    let new = &versions[at];
    if !new.parents.is_empty() {
        return None;
    }
    let marks: HashSet<&Mark> = new.snapshot.sealed.values().map(|sealed| &sealed.mark).collect();
    let shares = |older: &Version| {
        older.path != new.path && older.snapshot.sealed.values().any(|it| marks.contains(&it.mark))
    };
    (at + 1..versions.len()).find(|older| shares(&versions[*older]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hand_made::{log, origin, snapshot};

    fn told(steps: &[Step<'_>]) -> Vec<String> {
        let one = |step: &Step<'_>| {
            let source = step.source.map_or(String::new(), |source| format!(" from {}", source.path));
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
        assert_eq!(told(&line(&versions, &[], "new")), ["new c5 from old", "old c3", "old c1"]);
        assert_eq!(told(&line(&versions, &[], "other")), ["other c2"]);
        assert_eq!(told(&line(&versions, &[], "none")), [""; 0]);
    }

    #[test]
    fn a_file_that_was_taken_away_and_came_back_is_one_line() {
        let one = snapshot(&["ana"], &[("A", 1)]);
        let mut versions = log(&[("f", "c3", &one), ("f", "c1", &one)]);
        versions[0].parents.clear();
        let removals =
            [Removal { path: "f".into(), origin: origin("c2", 0), before: vec![one.clone()], place: 1 }];
        let steps = line(&versions, &removals, "f");
        assert_eq!(told(&steps), ["f c3", "gone f c2", "f c1"]);
        assert_eq!(steps[1].before(&removals), [&one]);
        assert!(steps[0].before(&removals).is_empty());
    }
}
