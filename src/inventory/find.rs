//! Goes over the files of a tree, and judges one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;

use sops_document::{Document, Format};

use super::cause::KnownVersion;
use super::content::{PathContent, found, recipients_in};
use super::tree::{may_hold_document, sniff_file};
use super::{
    Cause, FileTree, GitState, Inventory, MAX_FILE, Obstacle, POLICY, PolicyFiles, Result,
    SecretFile, Target, TreeSource, is_policy,
};
use crate::policy::vault::Vault;
use crate::repo::IndexEntry;

/// How far a tree is looked through: always what git has of it, what is bound, and what somebody
/// typed.
#[derive(Clone, Copy, Default)]
pub struct Extent<'a> {
    /// Paths that somebody typed: they count in any case.
    pub named: &'a [String],
    /// Of a work tree also what git neither knows nor ignores, unless `status.showUntrackedFiles`
    /// says no, and what is no longer as the index has it. That reads every folder.
    pub is_whole: bool,
    /// What a sparse checkout leaves out and this clone lacks is asked of the remote.
    pub fetches: bool,
}

const OVERLAP: usize = 8 << 10;
const PIECE: u64 = 1 << 20;

impl FileTree<'_> {
    /// Every SOPS file of the tree.
    ///
    /// # Errors
    /// When git cannot read the index or the commit, or when `.stax/vault.json` cannot be read.
    pub fn inventory(&self, extent: Extent<'_>) -> Result<Inventory> {
        let vault = self.vault()?;
        let mut inventory = Inventory::default();
        let mut paths: BTreeMap<String, Vec<IndexEntry>> = BTreeMap::new();
        let mut changed = BTreeSet::new();
        if !matches!(self.source, TreeSource::Commit(_)) {
            inventory.odd = self.repo.odd_paths()?;
        }
        if extent.is_whole && self.source == TreeSource::WorkTree {
            inventory.skips_untracked = !self.repo.shows_untracked()?;
            let beside = self.repo.beside_index(!inventory.skips_untracked)?;
            inventory.odd.extend(beside.odd);
            // what is only promised to the index (`git add -N`) is changed, and no entry
            for path in beside.untracked.iter().chain(&beside.changed) {
                paths.entry(path.clone()).or_default();
            }
            changed.extend(beside.changed);
        }
        for entry in self.entries()? {
            if entry.is_submodule() {
                inventory.submodules.push(entry.path.clone());
            }
            if entry.is_file() {
                paths.entry(entry.path.clone()).or_default().push(entry);
            }
        }
        let bound = vault
            .iter()
            .flat_map(|vault| &vault.files)
            .map(|file| &file.path);
        for path in bound.chain(extent.named) {
            paths.entry(path.clone()).or_default();
        }
        let others = paths
            .keys()
            .filter(|path| is_policy(path) && *path != POLICY)
            .map(String::as_str);
        inventory.policies = self.policies(others, extent.fetches);
        let look = PathJudge {
            tree: self,
            vault: vault.as_ref(),
            changed,
            fetches: extent.fetches,
        };
        for (path, entries) in paths.iter().filter(|(path, _)| !is_policy(path)) {
            look.at(path, entries, &mut inventory);
        }
        Ok(inventory)
    }

    /// Files of the work tree that git ignores and that are SOPS documents; they are named and
    /// never written.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn ignored(&self) -> Result<Vec<SecretFile>> {
        if !self.repo.shows_untracked()? {
            return Ok(Vec::new());
        }
        let ignored = self
            .repo
            .ignored_files()?
            .into_iter()
            .filter(|path| !is_policy(path));
        let file = |path: String| match self.on_disk(&path, false) {
            PathContent::Document(document) => {
                let target = Target { path, env: None };
                Some(SecretFile {
                    target,
                    document: *document,
                    rule: None,
                    state: GitState::Ignored,
                })
            }
            _ => None,
        };
        Ok(ignored.filter_map(file).collect())
    }

    /// What the work tree holds at a path.
    fn on_disk(&self, path: &str, is_bound: bool) -> PathContent {
        let unreadable =
            |what: String| PathContent::Obstacle(Cause::Unreadable(what), Vec::new(), Vec::new());
        let about = self.root.join(path).symlink_metadata();
        let size = about
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map_or(0, |about| about.len());
        if size > MAX_FILE as u64 {
            return match self.labels_of_large(path) {
                Ok(Some(labels)) => PathContent::Obstacle(Cause::TooLarge, labels, Vec::new()),
                Ok(None) => PathContent::NotSops,
                Err(error) => unreadable(format!("cannot be read: {error}")),
            };
        }
        // almost every file of a repository is binary by its name, and almost none is a document
        if !is_bound && Format::said_by(path).is_none() && !may_hold_document(self.root, path) {
            return PathContent::NotSops;
        }
        match self.read(path) {
            Ok(Some(bytes)) => found(path, is_bound, &bytes),
            Ok(None) => PathContent::NotSops,
            Err(error) => unreadable(format!("cannot be read: {error}")),
        }
    }

    /// The recipients that a large file names, where it looks like a SOPS document. It is read in
    /// pieces.
    fn labels_of_large(&self, path: &str) -> std::io::Result<Option<Vec<String>>> {
        let is_sops =
            sniff_file(self.root, path.as_ref()).is_ok_and(|traits| traits.may_be_document());
        if !is_sops {
            return Ok(None);
        }
        let mut file = File::open(self.root.join(path))?;
        let (mut window, mut labels) = (Vec::new(), BTreeSet::new());
        loop {
            // the longest recipient, a post-quantum one, has less than half of this
            let kept = window.len().min(OVERLAP);
            window.drain(..window.len() - kept);
            if (&mut file).take(PIECE).read_to_end(&mut window)? == 0 {
                return Ok(Some(labels.into_iter().collect()));
            }
            labels.extend(recipients_in(&window));
        }
    }
}

/// Judges one path after the other.
struct PathJudge<'a> {
    tree: &'a FileTree<'a>,
    vault: Option<&'a Vault>,
    /// Other in the work tree than in the index.
    changed: BTreeSet<String>,
    fetches: bool,
}

impl PathJudge<'_> {
    fn at(&self, path: &str, entries: &[IndexEntry], inventory: &mut Inventory) {
        let env = self
            .vault
            .and_then(|vault| vault.env_for_path(path))
            .map(str::to_owned);
        let is_bound = env.is_some();
        let (found, known) = self.inspect(path, entries, is_bound);
        let found = match found {
            PathContent::NotSops if is_bound => {
                PathContent::Obstacle(Cause::BoundToOther, Vec::new(), Vec::new())
            }
            PathContent::NotSops => return,
            found => found,
        };
        let rule = inventory.policies.rule_for(path, is_bound);
        match found {
            PathContent::Document(document) => {
                let target = Target {
                    path: path.to_owned(),
                    env,
                };
                let state = if entries.is_empty() {
                    GitState::Untracked
                } else {
                    GitState::Tracked
                };
                let file = SecretFile {
                    target,
                    document: *document,
                    rule,
                    state,
                };
                match broken_above(&file, &inventory.policies) {
                    Some(cause) => inventory.obstacles.push(*file.obstacle(cause)),
                    None => inventory.files.push(file),
                }
            }
            PathContent::Obstacle(cause, labels, steps) => {
                let path = path.to_owned();
                inventory.obstacles.push(Obstacle {
                    path,
                    env,
                    rule,
                    cause,
                    labels,
                    steps,
                    known,
                });
            }
            PathContent::NotSops => {}
        }
    }

    /// What stands there, and for an obstacle what stands for it.
    fn inspect(
        &self,
        path: &str,
        entries: &[IndexEntry],
        is_bound: bool,
    ) -> (PathContent, Option<KnownVersion>) {
        if self.tree.source != TreeSource::WorkTree {
            return self.in_git(path, entries, is_bound);
        }
        if entries.iter().any(|entry| entry.stage != 0) {
            let steps = vec![format!("git status   (finish the merge of {path} first)")];
            let found = self.or_not_sops(path, entries, Cause::Unmerged, steps);
            return (found, self.instead(path, entries));
        }
        if self.tree.root.join(path).symlink_metadata().is_err() {
            let steps = match self.tree.repo.skipped_entry(path) {
                Ok(Some(_)) => vec![format!("git sparse-checkout add {}", folder_of(path))],
                _ => vec![format!("git restore {}", shell_words::quote(path))],
            };
            if self.fetches {
                // what this cannot bring is not known below either
                let _ = self.tree.left_out(path);
            }
            let found = self.or_not_sops(path, entries, Cause::Absent, steps);
            return (found, self.known(path, entries));
        }
        match self.tree.on_disk(path, is_bound) {
            // a file that the index knows as SOPS must not be passed over because its copy here is
            // not
            PathContent::NotSops if self.changed.contains(path) => {
                let steps = vec![format!("git restore {}", shell_words::quote(path))];
                (
                    self.or_not_sops(path, entries, Cause::NoLongerSops, steps),
                    None,
                )
            }
            found @ PathContent::Obstacle(..) => (found, self.instead(path, entries)),
            found => (found, None),
        }
    }

    /// What stands for a file that cannot be changed: what is here, else what the index has.
    fn instead(&self, path: &str, entries: &[IndexEntry]) -> Option<KnownVersion> {
        match self.tree.on_disk(path, false) {
            PathContent::Document(document) => Some(KnownVersion {
                document,
                is_from_index: false,
            }),
            _ => self.known(path, entries),
        }
    }

    /// What an index or a commit holds at a path.
    fn in_git(
        &self,
        path: &str,
        entries: &[IndexEntry],
        is_bound: bool,
    ) -> (PathContent, Option<KnownVersion>) {
        if entries.iter().any(|entry| entry.stage != 0) {
            let found = self.or_not_sops(path, entries, Cause::Unmerged, Vec::new());
            return (found, self.known(path, entries));
        }
        let Some(entry) = entries.first() else {
            return (PathContent::NotSops, None);
        };
        let unreadable =
            |what: String| PathContent::Obstacle(Cause::Unreadable(what), Vec::new(), Vec::new());
        let found = match self.tree.look(path, entry.id) {
            Ok(super::Read::Whole(bytes)) => found(path, is_bound, &bytes),
            Ok(super::Read::Large(traits)) if traits.may_be_document() => {
                PathContent::Obstacle(Cause::TooLarge, Vec::new(), Vec::new())
            }
            Ok(_) => PathContent::NotSops,
            Err(error) => unreadable(format!("cannot be read: {error}")),
        };
        (found, None)
    }

    /// The last version in the index that is a document.
    fn known(&self, path: &str, entries: &[IndexEntry]) -> Option<KnownVersion> {
        let last = entries.last()?;
        match found(path, false, &self.tree.repo.blob_of_clone(last.id).ok()?) {
            PathContent::Document(document) => Some(KnownVersion {
                document,
                is_from_index: true,
            }),
            _ => None,
        }
    }

    /// An obstacle where one of the versions in the index is a SOPS document.
    fn or_not_sops(
        &self,
        path: &str,
        entries: &[IndexEntry],
        cause: Cause,
        steps: Vec<String>,
    ) -> PathContent {
        let (mut is_sops, mut labels) = (false, BTreeSet::new());
        for entry in entries {
            let Ok(bytes) = self.tree.repo.blob_of_clone(entry.id) else {
                continue;
            };
            match found(path, false, &bytes) {
                PathContent::Document(document) => {
                    is_sops = true;
                    labels.extend(labels_of(&document));
                }
                PathContent::Obstacle(_, named, _) => {
                    is_sops = true;
                    labels.extend(named);
                }
                PathContent::NotSops => {}
            }
        }
        if !is_sops {
            return PathContent::NotSops;
        }
        PathContent::Obstacle(cause, labels.into_iter().collect(), steps)
    }
}

/// A policy that cannot be read, nearer to the file than the one that governs it. Of that at the
/// root its users are told by themselves.
fn broken_above(file: &SecretFile, policies: &PolicyFiles) -> Option<Cause> {
    let (path, is_bound) = (&file.target.path, file.target.env.is_some());
    let (path, what) = policies.broken_above(path, is_bound, file.rule)?;
    (path != POLICY).then(|| Cause::Policy {
        path: path.to_owned(),
        what: what.to_owned(),
    })
}

fn labels_of(document: &Document) -> impl Iterator<Item = String> + '_ {
    document
        .metadata()
        .age
        .iter()
        .map(|stanza| stanza.recipient.clone())
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(|| format!("/{path}"), |(folder, _)| folder.to_owned())
}
