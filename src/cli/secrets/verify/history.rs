//! Rule K05: who still opens a file they were removed from.

use std::rc::Rc;

use crate::ledger::{self, Snapshot, Stale};
use crate::policy::Finding;
use crate::policy::rules::Facts;
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
    let documents = facts.files.iter().filter_map(|file| Some((file.path.clone(), file.document()?)));
    let tips: Vec<(String, Rc<Snapshot>)> = documents
        .filter(|(path, _)| is_tip(path))
        .map(|(path, document)| (path, Rc::new(Snapshot::of(document))))
        .collect();
    let mut stale = ledger::stale(&history.versions, &tips);
    stale.retain(|one| !accepted(one));
    if stale.is_empty() {
        return Vec::new();
    }
    let names = history.names(repo, facts.roster.as_deref(), facts.policy.as_deref());
    ledger::findings(
        &stale,
        &|key| names.get(key).map(|it| (it.name.clone(), it.how.clone())),
        jiff::Timestamp::now().as_second(),
    )
}
