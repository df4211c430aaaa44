//! One file in both states: read, opened where a key fits, compared.

use std::collections::BTreeSet;
use std::path::Path;

use sops_document::compare::{Access, Differences, access, compare};
use sops_document::{Cleartext, Document, MacState, Tree};

use super::sides::Asked;
use crate::cli::failure::Failure;
use crate::inventory::{content_of, may_hold_document};
use crate::ledger::Snapshot;
use crate::policy::content::{FileContent, mentions};
use crate::repo::{FilesAt, StagedChange, TreeEntry};
use crate::workspace::Workspace;
use crate::workspace::past::Unlocked;

/// What one state holds at a path.
pub(super) enum FileSide {
    Absent,
    /// No SOPS document.
    Other,
    /// It cannot be read, and why.
    Broken(SideFault),
    Document(Box<SideVersion>),
}

/// Why a side cannot be compared.
pub(super) enum SideFault {
    /// What it is or holds: `is a link`.
    Is(String),
    /// Why it cannot be read.
    Unread(String),
}

impl SideFault {
    pub(super) fn reason(&self) -> &str {
        let (Self::Is(reason) | Self::Unread(reason)) = self;
        reason
    }
}

pub(super) struct SideVersion {
    pub(super) document: Document,
    pub(super) opened: Option<Unlocked>,
}

/// A file that differs.
pub(super) struct FilePair {
    /// Where it stands in the old state, when that is elsewhere.
    pub(super) old_path: Option<String>,
    pub(super) path: String,
    pub(super) old: FileSide,
    pub(super) new: FileSide,
    pub(super) differences: Differences,
    pub(super) access: Access,
}

impl SideVersion {
    pub(super) fn clear(&self) -> Option<&Cleartext> {
        self.opened.as_ref()?.1.as_ref().ok()
    }

    fn tree(&self) -> &Tree {
        self.clear()
            .map_or_else(|| self.document.tree(), Cleartext::tree)
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

impl FileSide {
    pub(super) fn version(&self) -> Option<&SideVersion> {
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

impl FilePair {
    pub(super) fn open(&mut self, workspace: &Workspace) {
        self.old
            .open(workspace, self.old_path.as_ref().unwrap_or(&self.path));
        self.new.open(workspace, &self.path);
    }

    pub(super) fn compare(&mut self) {
        let (old, new) = (self.old.version(), self.new.version());
        let nothing = Tree::default();
        let tree = |version: Option<&SideVersion>| {
            version.map_or(nothing.clone(), |one| one.tree().clone())
        };
        // the other side may hold the values in clear: nothing of it is shown
        if matches!(
            (&self.old, &self.new),
            (FileSide::Other | FileSide::Broken(_), _) | (_, FileSide::Other | FileSide::Broken(_))
        ) {
            return;
        }
        self.differences = compare(&tree(old), &tree(new));
        self.access = access(old.map(|one| &one.document), new.map(|one| &one.document));
    }

    /// Both versions, where both are documents.
    pub(super) fn both(&self) -> Option<(&SideVersion, &SideVersion)> {
        Some((self.old.version()?, self.new.version()?))
    }

    /// Every token and every stanza is new, and nobody can tell what is behind them.
    pub(super) fn is_renewed(&self) -> bool {
        let is_locked = self
            .both()
            .is_some_and(|(old, new)| old.clear().is_none() || new.clear().is_none());
        let (values, access) = (&self.differences, &self.access);
        is_locked
            && values.sealed > 0
            && values.renewed == values.sealed
            && access.stanzas > 0
            && access.renewed == access.stanzas
    }
}

/// Every file that differs and is or was a SOPS document, renames joined, by path.
pub(super) fn gather(workspace: &Workspace, asked: &Asked) -> Result<Vec<FilePair>, Failure> {
    let repo = workspace.repo()?;
    let vault = workspace.vault().ok().flatten();
    let mut pairs = Vec::new();
    for change in repo.differing(asked.old, asked.new)? {
        let StagedChange { path, old, new } = change;
        let is_bound = vault
            .as_ref()
            .is_some_and(|vault| vault.env_for_path(&path).is_some());
        let unmerged = old.is_none() && new.is_none();
        let sides = if unmerged {
            if !is_bound && !may_hold_document(workspace.root(), &path) {
                continue;
            }
            let reason = "is unmerged: solve the conflict, then git add".to_owned();
            (FileSide::Absent, FileSide::Broken(SideFault::Is(reason)))
        } else {
            (
                side(workspace, asked.old, &path, old, is_bound),
                side(workspace, asked.new, &path, new, is_bound),
            )
        };
        if is_secret(&sides, is_bound) && !is_same(&sides) {
            let (old, new) = sides;
            let (differences, access) = (Differences::default(), Access::default());
            pairs.push(FilePair {
                old_path: None,
                path,
                old,
                new,
                differences,
                access,
            });
        }
    }
    join_renamed(&mut pairs);
    // a rename keeps its old name also where only one of both was asked for
    pairs.retain(|pair| {
        asked.wants(&pair.path) || pair.old_path.as_ref().is_some_and(|old| asked.wants(old))
    });
    Ok(pairs)
}

fn side(
    workspace: &Workspace,
    state: FilesAt,
    path: &str,
    entry: Option<TreeEntry>,
    is_bound: bool,
) -> FileSide {
    let Some(entry) = entry else {
        return FileSide::Absent;
    };
    if !entry.is_file() {
        return if is_bound {
            FileSide::Broken(SideFault::Is("is a link, not a file of its own".into()))
        } else {
            FileSide::Other
        };
    }
    let bytes = match state {
        FilesAt::WorkTree => workspace.read(path).map_err(|error| error.to_string()),
        _ => workspace
            .repo()
            .and_then(|repo| Ok(repo.blob(entry.id).map(Some)?))
            .map_err(|error| error.to_string()),
    };
    match bytes {
        Ok(None) => FileSide::Absent,
        Ok(Some(bytes)) => read(path, &bytes, is_bound),
        Err(reason) => FileSide::Broken(SideFault::Unread(reason)),
    }
}

fn read(path: &str, bytes: &[u8], is_bound: bool) -> FileSide {
    let Some(content) = content_of(path, is_bound, bytes) else {
        return FileSide::Other;
    };
    match content {
        FileContent::Document(document) => FileSide::Document(Box::new(SideVersion {
            document: *document,
            opened: None,
        })),
        _ if let Some(line) = conflict_line(bytes) => FileSide::Broken(SideFault::Is(format!(
            "holds the marks of a merge conflict (line {line})"
        ))),
        FileContent::Broken { line, what, .. } => {
            FileSide::Broken(SideFault::Unread(format!("line {line}: {what}")))
        }
        FileContent::OtherFormat => FileSide::Broken(SideFault::Is(
            "is a SOPS document of another format than its name says".into(),
        )),
        _ => FileSide::Other,
    }
}

fn conflict_line(bytes: &[u8]) -> Option<usize> {
    let is_sealed = mentions(bytes, b"ENC[AES256_GCM,");
    let mut lines = bytes.split(|byte| *byte == b'\n');
    lines
        .position(|line| is_sealed && line.starts_with(b"<<<<<<< "))
        .map(|at| at + 1)
}

fn is_secret((old, new): &(FileSide, FileSide), is_bound: bool) -> bool {
    let is_sops = |side: &FileSide| matches!(side, FileSide::Document(_) | FileSide::Broken(_));
    is_bound || is_sops(old) || is_sops(new)
}

fn is_same((old, new): &(FileSide, FileSide)) -> bool {
    match (old, new) {
        (FileSide::Document(old), FileSide::Document(new)) => {
            old.document.source() == new.document.source()
        }
        (FileSide::Absent, FileSide::Absent) | (FileSide::Other, FileSide::Other) => true,
        _ => false,
    }
}

/// A file that is gone and a new one are one file when tokens prove that they have one data key;
/// those with the most tokens in common first.
fn join_renamed(pairs: &mut Vec<FilePair>) {
    let snapshot = |side: &FileSide| {
        side.version()
            .map(|version| Snapshot::of(&version.document))
    };
    let marks = |of: &dyn Fn(&FilePair) -> Option<Snapshot>| -> Vec<(usize, Snapshot)> {
        pairs
            .iter()
            .enumerate()
            .filter_map(|(at, pair)| Some((at, of(pair)?)))
            .collect()
    };
    let gone = marks(&|pair| matches!(pair.new, FileSide::Absent).then(|| snapshot(&pair.old))?);
    let fresh = marks(&|pair| matches!(pair.old, FileSide::Absent).then(|| snapshot(&pair.new))?);
    let mut couples = Vec::new();
    for (from, old) in &gone {
        let known: BTreeSet<_> = old.sealed.values().map(|sealed| sealed.mark).collect();
        for (to, new) in &fresh {
            let common = new
                .sealed
                .values()
                .filter(|sealed| known.contains(&sealed.mark))
                .count();
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
            let old = std::mem::replace(&mut pairs[from].old, FileSide::Absent);
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
