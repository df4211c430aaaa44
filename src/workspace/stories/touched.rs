//! Which commits of a walk a story has to look at.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::ledger::Origin;
use crate::repo::{Commit, PathChange};
use crate::workspace::history::{names_people, origin};

/// Which commits of a walk touch a path, and which a policy or the table of people.
pub(super) struct TouchedPaths<'w> {
    pub(super) walked: &'w [Commit],
    by_path: HashMap<&'w str, Vec<usize>>,
    people: Vec<usize>,
    /// Of the commits that somebody asked for.
    origins: RefCell<HashMap<usize, Rc<Origin>>>,
}

impl<'w> TouchedPaths<'w> {
    pub(super) fn new(walked: &'w [Commit]) -> Self {
        let (mut by_path, mut people): (HashMap<&str, Vec<usize>>, Vec<usize>) = Default::default();
        for (place, commit) in walked.iter().enumerate() {
            for change in changes(commit) {
                let places = if names_people(&change.path) {
                    &mut people
                } else {
                    by_path.entry(&change.path).or_default()
                };
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        Self {
            walked,
            by_path,
            people,
            origins: RefCell::default(),
        }
    }

    /// The next commit, from a place on, that touches the path or who may read it.
    pub(super) fn next(&self, path: &str, from: usize) -> Option<usize> {
        let first = |places: &[usize]| {
            places
                .get(places.partition_point(|place| *place < from))
                .copied()
        };
        let own = self.by_path.get(path).and_then(|places| first(places));
        own.into_iter().chain(first(&self.people)).min()
    }

    pub(super) fn origin(&self, place: usize) -> Rc<Origin> {
        let new = || Rc::new(origin(&self.walked[place]));
        self.origins
            .borrow_mut()
            .entry(place)
            .or_insert_with(new)
            .clone()
    }
}

/// What a commit changes, and where it took one side.
pub(super) fn changes(commit: &Commit) -> impl Iterator<Item = &PathChange> {
    commit.paths.iter().chain(&commit.choices)
}
