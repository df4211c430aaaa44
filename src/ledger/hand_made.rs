//! Histories by hand, for tests with known answers.

use std::rc::Rc;

use sops_document::TokenType;

use super::snapshot::SealedValue;
use super::{FileVersion, Origin, Snapshot};

/// Path, commit and version; newest first, as a walk gives them.
pub(super) type HandMadeLog<'a> = &'a [(&'a str, &'a str, &'a Rc<Snapshot>)];

pub(super) fn sealed(mark: u8) -> SealedValue {
    SealedValue {
        mark: [mark; 16],
        iv: [mark; 32],
        kind: TokenType::Str,
        place: 0,
    }
}

/// Readers, and the tokens of values by name. There are no stanzas, so that only tokens link.
pub(super) fn snapshot(readers: &[&str], values: &[(&str, u8)]) -> Rc<Snapshot> {
    Rc::new(Snapshot {
        recipients: readers.iter().map(|reader| (*reader).to_owned()).collect(),
        sealed: values
            .iter()
            .map(|(name, mark)| ((*name).to_owned(), sealed(*mark)))
            .collect(),
        ..Snapshot::default()
    })
}

/// A straight line of commits.
pub(super) fn log(versions: HandMadeLog<'_>) -> Vec<FileVersion> {
    let parents = |at: usize, path: &str| {
        let older = versions[at + 1..].iter().find(|(other, ..)| *other == path);
        older
            .map(|(_, _, snapshot)| (*snapshot).clone())
            .into_iter()
            .collect()
    };
    let version =
        |(at, (path, commit, snapshot)): (usize, &(&str, &str, &Rc<Snapshot>))| FileVersion {
            parents: parents(at, path),
            path: (*path).to_owned(),
            blob: String::new(),
            origin: origin(commit, -(at as i64)),
            snapshot: (*snapshot).clone(),
        };
    versions.iter().enumerate().map(version).collect()
}

pub(super) fn origin(commit: &str, seconds: i64) -> Rc<Origin> {
    Rc::new(Origin {
        commit: commit.to_owned(),
        date: "2026-01-01".into(),
        author: "Ana".into(),
        seconds,
        ..Origin::default()
    })
}
