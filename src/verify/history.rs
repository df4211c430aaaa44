//! What the commit log says of the files of a tree: who still opens one that they were removed from
//! (K05), and which value has another type than it was written with (D09).

use std::rc::Rc;

use super::facts::Facts;
use super::finding::Finding;
use super::rules::change;
use super::rules::keys::stale;
use crate::ledger::{self, Snapshot, Stale};
use crate::repo::Repo;
use crate::workspace::history::History;

/// Over the files of a tree; `accepted` says which the repository lives with.
pub(super) fn stale(
    history: &History,
    repo: &Repo,
    facts: &Facts,
    is_tip: &dyn Fn(&str) -> bool,
    accepted: &dyn Fn(&Stale) -> bool,
) -> Vec<Finding> {
    let tips = tips(facts, is_tip);
    let mut found = ledger::stale(&history.versions, &tips);
    found.retain(|one| !accepted(one));
    if found.is_empty() {
        return Vec::new();
    }
    let names = history.names(repo, facts.roster.as_deref(), facts.policy.as_deref());
    stale::findings(
        &found,
        &|key| names.get(key).map(|it| (it.name.clone(), it.how.clone())),
        jiff::Timestamp::now().as_second(),
    )
}

/// Of a state: the change rules judge the commits of a range themselves.
pub(super) fn retyped(history: &History, facts: &Facts) -> Vec<Finding> {
    ledger::retyped(&history.versions, &tips(facts, &|_| true))
        .iter()
        .map(change::retyped)
        .collect()
}

fn tips(facts: &Facts, is_tip: &dyn Fn(&str) -> bool) -> Vec<(String, Rc<Snapshot>)> {
    let documents = facts
        .files()
        .filter_map(|file| Some((file.path.clone(), file.document()?)));
    documents
        .filter(|(path, _)| is_tip(path))
        .map(|(path, document)| (path, Rc::new(Snapshot::of(document))))
        .collect()
}
