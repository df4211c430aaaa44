//! Rule K01 in the middle of a range: a reader who comes in one commit and is gone at the end has
//! read everything up to then.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::rules::keys::in_passing;
use super::tree::Gathered;
use crate::ledger::{FileVersion, Origin, short_key};
use crate::policy::without_mail;
use crate::repo::{Repo, Span};
use crate::workspace::history::History;

/// One warning a file and reader, with the first commit that let them in.
pub(super) fn readers(
    repo: &Repo,
    span: &Span,
    range: &History,
    gathered: &Gathered,
) -> Vec<Finding> {
    // of a whole history `stax secrets history` tells who came and went
    if span.is_whole() {
        return Vec::new();
    }
    let mut ends: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in gathered.facts.files() {
        if let Some(document) = file.document() {
            ends.insert(&file.path, crate::ledger::Snapshot::of(document).recipients);
        }
    }
    let mut came: BTreeMap<(&str, &str), &Origin> = BTreeMap::new();
    for version in &range.versions {
        let is_gone = |recipient: &&String| match ends.get(version.path.as_str()) {
            Some(readers) => !readers.contains(*recipient),
            // the file is gone, or has another name
            None => !ends.values().any(|readers| readers.contains(*recipient)),
        };
        let readers = version.snapshot.recipients.iter().filter(is_gone);
        for recipient in readers.filter(|recipient| is_new(range, version, recipient)) {
            // newest first: the last one that is seen is the first that was made
            came.insert((&version.path, recipient), &version.origin);
        }
    }
    if came.is_empty() {
        return Vec::new();
    }
    let names = range.names(
        repo,
        gathered.facts.roster.as_deref(),
        gathered.facts.policy.as_deref(),
    );
    let told = |((path, recipient), origin): (&(&str, &str), &&Origin)| {
        let name = names
            .get(*recipient)
            .map(|named| without_mail(&named.name).to_owned());
        let who = name.unwrap_or_else(|| short_key(recipient));
        in_passing(path, &who, recipient, origin)
    };
    came.iter().map(told).collect()
}

/// No parent lets them read, also not under the name that the file had there.
fn is_new(range: &History, version: &FileVersion, recipient: &str) -> bool {
    let renamed = range.removals.iter().filter(|removal| {
        version.parents.is_empty() && removal.origin.commit == version.origin.commit
    });
    let mut before = version
        .parents
        .iter()
        .chain(renamed.flat_map(|removal| &removal.before));
    !before.any(|parent| parent.recipients.contains(recipient))
}
