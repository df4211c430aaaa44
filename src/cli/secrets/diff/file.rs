//! One file in both states: read, opened where a key fits, compared.

use std::collections::BTreeSet;
use std::path::Path;

use sops_document::compare::{Access, Differences, access, compare};
use sops_document::{Cleartext, Document, MacState, Tree};

use super::sides::Asked;
use crate::cli::failure::Failure;
use crate::inventory::{content_of, may_hold_document};
use crate::ledger::Snapshot;
use crate::policy::content::{Content, mentions};
use crate::repo::{Entry, StagedChange, State};
use crate::workspace::Workspace;
use crate::workspace::past::Unlocked;

/// What one state holds at a path.
pub(super) enum Side {
    Absent,
    /// No SOPS document.
    Other,
    /// It cannot be read, and why.
    Broken(Fault),
    Document(Box<Version>),
}

/// Why a side cannot be compared.
pub(super) enum Fault {
    /// What it is or holds: `is a link`.
    Is(String),
    /// Why it cannot be read.
    Unread(String),
}

impl Fault {
    pub(super) fn reason(&self) -> &str {
        let (Self::Is(reason) | Self::Unread(reason)) = self;
        reason
    }
}

pub(super) struct Version {
    pub(super) document: Document,
    pub(super) opened: Option<Unlocked>,
}

/// A file that differs.
pub(super) struct Pair {
    /// Where it stands in the old state, when that is elsewhere.
    pub(super) old_path: Option<String>,
    pub(super) path: String,
    pub(super) old: Side,
    pub(super) new: Side,
    pub(super) differences: Differences,
    pub(super) access: Access,
}

impl Version {
    pub(super) fn clear(&self) -> Option<&Cleartext> {
        self.opened.as_ref()?.1.as_ref().ok()
    }

    fn tree(&self) -> &Tree {
        self.clear().map_or_else(|| self.document.tree(), Cleartext::tree)
    }

    /// `ok`, or what is wrong; `None` without a key.
    pub(super) fn mac(&self) -> Option<String> {
        Some(match &self.opened.as_ref()?.1 {
            Err(fault) => format!("BAD: {fault}"),
            Ok(clear) => match clear.mac() {
                MacState::Ok => "ok".to_owned(),
                MacState::Bad => {
                    "BAD: without the data key, values were changed, deleted or put in another order"
                        .to_owned()
                }
                MacState::Missing => "missing".to_owned(),
            },
        })
    }
}

impl Side {
    pub(super) fn version(&self) -> Option<&Version> {
        match self {
            Self::Document(version) => Some(version),
            _ => None,
        }
    }

    fn open(&mut self, workspace: &Workspace, path: &str) {
        if let Self::Document(version) = self {
            version.opened = workspace.open_past(Path::new(path), &version.document);
        }
    }
}

impl Pair {
    pub(super) fn open(&mut self, workspace: &Workspace) {
        self.old.open(workspace, self.old_path.as_ref().unwrap_or(&self.path));
        self.new.open(workspace, &self.path);
    }

    pub(super) fn compare(&mut self) {
        let (old, new) = (self.old.version(), self.new.version());
        let nothing = Tree::default();
        let tree = |version: Option<&Version>| version.map_or(nothing.clone(), |one| one.tree().clone());
        // the other side may hold the values in clear: nothing of it is shown
        if matches!(
            (&self.old, &self.new),
            (Side::Other | Side::Broken(_), _) | (_, Side::Other | Side::Broken(_))
        ) {
            return;
        }
        self.differences = compare(&tree(old), &tree(new));
        self.access = access(old.map(|one| &one.document), new.map(|one| &one.document));
    }

    /// Both versions, where both are documents.
    pub(super) fn both(&self) -> Option<(&Version, &Version)> {
        Some((self.old.version()?, self.new.version()?))
    }

    /// Every token and every stanza is new, and nobody can tell what is behind them.
    pub(super) fn is_renewed(&self) -> bool {
        let is_locked = self.both().is_some_and(|(old, new)| old.clear().is_none() || new.clear().is_none());
        let (values, access) = (&self.differences, &self.access);
        is_locked
            && values.sealed > 0
            && values.renewed == values.sealed
            && access.stanzas > 0
            && access.renewed == access.stanzas
    }
}

/// Every file that differs and is or was a SOPS document, renames joined, by path.
pub(super) fn gather(workspace: &Workspace, asked: &Asked) -> Result<Vec<Pair>, Failure> {
    let repo = workspace.repo()?;
    let vault = workspace.vault().ok().flatten();
    let mut pairs = Vec::new();
    for change in repo.differing(asked.old, asked.new)? {
        let StagedChange { path, old, new } = change;
        let is_bound = vault.as_ref().is_some_and(|vault| vault.env_for_path(&path).is_some());
        let unmerged = old.is_none() && new.is_none();
        let sides = if unmerged {
            if !is_bound && !may_hold_document(workspace.root(), &path) {
                continue;
            }
            let reason = "is unmerged: solve the conflict, then git add".to_owned();
            (Side::Absent, Side::Broken(Fault::Is(reason)))
        } else {
            (
                side(workspace, asked.old, &path, old, is_bound),
                side(workspace, asked.new, &path, new, is_bound),
            )
        };
        if is_secret(&sides, is_bound) && !is_same(&sides) {
            let (old, new) = sides;
            let (differences, access) = (Differences::default(), Access::default());
            pairs.push(Pair { old_path: None, path, old, new, differences, access });
        }
    }
    join_renamed(&mut pairs);
    // a rename keeps its old name also where only one of both was asked for
    pairs
        .retain(|pair| asked.wants(&pair.path) || pair.old_path.as_ref().is_some_and(|old| asked.wants(old)));
    Ok(pairs)
}

fn side(workspace: &Workspace, state: State, path: &str, entry: Option<Entry>, is_bound: bool) -> Side {
    let Some(entry) = entry else { return Side::Absent };
    if !entry.is_file() {
        return if is_bound {
            Side::Broken(Fault::Is("is a link, not a file of its own".into()))
        } else {
            Side::Other
        };
    }
    let bytes = match state {
        State::WorkTree => workspace.read(path).map_err(|error| error.to_string()),
        _ => workspace
            .repo()
            .and_then(|repo| Ok(repo.blob(entry.id).map(Some)?))
            .map_err(|error| error.to_string()),
    };
    match bytes {
        Ok(None) => Side::Absent,
        Ok(Some(bytes)) => read(path, &bytes, is_bound),
        Err(reason) => Side::Broken(Fault::Unread(reason)),
    }
}

fn read(path: &str, bytes: &[u8], is_bound: bool) -> Side {
    let Some(content) = content_of(path, is_bound, bytes) else { return Side::Other };
    match content {
        Content::Document(document) => {
            Side::Document(Box::new(Version { document: *document, opened: None }))
        }
        _ if let Some(line) = conflict_line(bytes) => {
            Side::Broken(Fault::Is(format!("holds the marks of a merge conflict (line {line})")))
        }
        Content::Broken { line, what, .. } => Side::Broken(Fault::Unread(format!("line {line}: {what}"))),
        Content::OtherFormat => {
            Side::Broken(Fault::Is("is a SOPS document of another format than its name says".into()))
        }
        _ => Side::Other,
    }
}

fn conflict_line(bytes: &[u8]) -> Option<usize> {
    let is_sealed = mentions(bytes, b"ENC[AES256_GCM,");
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines.position(|line| is_sealed && line.starts_with(b"<<<<<<< ")).map(|at| at + 1)
}

fn is_secret((old, new): &(Side, Side), is_bound: bool) -> bool {
    let is_sops = |side: &Side| matches!(side, Side::Document(_) | Side::Broken(_));
    is_bound || is_sops(old) || is_sops(new)
}

fn is_same((old, new): &(Side, Side)) -> bool {
    match (old, new) {
        (Side::Document(old), Side::Document(new)) => old.document.source() == new.document.source(),
        (Side::Absent, Side::Absent) | (Side::Other, Side::Other) => true,
        _ => false,
    }
}

/// A file that is gone and a new one are one file when tokens prove that they have one data key; those with
/// the most tokens in common first.
fn join_renamed(pairs: &mut Vec<Pair>) {
    let snapshot = |side: &Side| side.version().map(|version| Snapshot::of(&version.document));
    let marks = |of: &dyn Fn(&Pair) -> Option<Snapshot>| -> Vec<(usize, Snapshot)> {
        pairs.iter().enumerate().filter_map(|(at, pair)| Some((at, of(pair)?))).collect()
    };
    let gone = marks(&|pair| matches!(pair.new, Side::Absent).then(|| snapshot(&pair.old))?);
    let fresh = marks(&|pair| matches!(pair.old, Side::Absent).then(|| snapshot(&pair.new))?);
    let mut couples = Vec::new();
    for (from, old) in &gone {
        let known: BTreeSet<_> = old.sealed.values().map(|sealed| sealed.mark).collect();
        for (to, new) in &fresh {
            let common = new.sealed.values().filter(|sealed| known.contains(&sealed.mark)).count();
            if common > 0 {
                couples.push((common, *from, *to));
            }
        }
    }
    couples.sort_by_key(|(common, from, to)| (std::cmp::Reverse(*common), *from, *to));
    let mut taken = BTreeSet::new();
    let mut emptied = BTreeSet::new();
    for (_, from, to) in couples {
        if !taken.contains(&from) && !taken.contains(&to) {
            taken.extend([from, to]);
            emptied.insert(from);
            let old = std::mem::replace(&mut pairs[from].old, Side::Absent);
            pairs[to].old = old;
            pairs[to].old_path = Some(pairs[from].path.clone());
        }
    }
    let mut at = 0;
    pairs.retain(|_| {
        at += 1;
        !emptied.contains(&(at - 1))
    });
}
