//! What git says of the signatures of commits: git knows the keys that its user trusts, stax does
//! not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::block::HistoryBlock;
use crate::cli::failure::Failure;
use crate::workspace::{Workspace, git};

/// The letters of `%G?` by commit; of unsigned commits nothing.
#[derive(Default)]
pub(super) struct Signatures(BTreeMap<String, String>);

/// So many commits fit on one command line.
const AT_ONCE: usize = 500;

pub(super) fn of(
    workspace: &Workspace,
    blocks: &[HistoryBlock<'_>],
) -> Result<Signatures, Failure> {
    let rows = blocks.iter().flat_map(|block| &block.rows);
    let signed: BTreeSet<&str> = rows
        .filter(|row| row.origin.signed)
        .map(|row| row.origin.commit.as_str())
        .collect();
    let signed: Vec<&str> = signed.into_iter().collect();
    let mut found = Signatures::default();
    for some in signed.chunks(AT_ONCE) {
        let words = [&["log", "--no-walk=unsorted", "--format=%H %G?"], some].concat();
        // where git is missing or gives up, a signature is only there and not checked
        let ended = git::run(
            Some(workspace.repo()?),
            workspace.root(),
            &words,
            Duration::from_secs(30),
        );
        let Ok(output) = ended else { continue };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((commit, letter)) = line.split_once(' ') {
                found.0.insert(commit.to_owned(), letter.to_owned());
            }
        }
    }
    for commit in signed {
        found
            .0
            .entry(commit.to_owned())
            .or_insert_with(|| "E".to_owned());
    }
    Ok(found)
}

impl Signatures {
    /// `good`, `bad`, `unchecked`; `None` without a signature.
    pub(super) fn of(&self, commit: &str) -> Option<&'static str> {
        Some(match self.0.get(commit)?.as_str() {
            // `U` is a key that nobody here vouches for
            "G" => "good",
            "B" | "R" => "bad",
            _ => "unchecked",
        })
    }

    /// `1 of 3 is signed and git verifies it`
    pub(super) fn summary(&self, all: usize) -> String {
        let count = |what: &str| {
            self.0
                .keys()
                .filter(|commit| self.of(commit) == Some(what))
                .count()
        };
        let (good, bad, rest) = (count("good"), count("bad"), count("unchecked"));
        let is = |number: usize| if number == 1 { "is" } else { "are" };
        let mut parts = Vec::new();
        if good > 0 {
            parts.push(format!(
                "{good} of {all} {} signed and git verifies it",
                is(good)
            ));
        }
        if bad > 0 {
            parts.push(format!(
                "{bad} of {all} {} BADLY signed: git log --show-signature",
                is(bad)
            ));
        }
        if rest > 0 {
            parts.push(format!(
                "{rest} of {all} {} signed and git cannot check it here",
                is(rest)
            ));
        }
        if parts.is_empty() {
            format!("none of {all} is signed")
        } else {
            parts.join("; ")
        }
    }
}
