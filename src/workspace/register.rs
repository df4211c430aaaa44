//! The commit log as a register: the secret files of today and every version of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use sops_document::Document;
use sops_document::age::person;

use super::history::{History, KeyName, Snapshots, candidates};
use super::reading::Reading;
use super::{POLICY, ROSTER, Target, Workspace, WorkspaceError};
use crate::ledger::{
    Blame, Epochs, FileVersion, Insight, Removal, Snapshot, blame, key_log, line, sealed_names,
};
use crate::policy::content::FileContent;
use crate::repo::{ObjectId, Repo, Span};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Files of today, their versions, and whose data key is whose.
pub struct Register {
    pub history: History,
    /// What of it stands behind HEAD.
    pub head: (Vec<FileVersion>, Vec<Removal>),
    /// Files of the index whose copy in the work tree is missing or cannot be read: the index has
    /// them.
    pub from_index: Vec<String>,
    /// SOPS files of the work tree that the index knows or that are bound, by path.
    pub today: Vec<(String, Document)>,
    pub tips: Vec<(String, Rc<Snapshot>)>,
    pub epochs: Epochs,
    pub reading: Reading,
}

/// Documents by path, and those of them that the index has and the work tree not.
pub type Today = (Vec<(String, Document)>, Vec<String>);

/// Which keys to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Keyless,
    /// What opens without a question.
    Silent,
    /// At least one data key has to open.
    WithKey,
}

impl Register {
    /// Every encrypted key of a file of the work tree, in its order, and the commit that set it;
    /// `None` where that is not committed yet.
    #[must_use]
    pub fn blame_of_today(&self, path: &str) -> Vec<(String, Option<Blame<'_>>)> {
        let insight = &self.reading.insight;
        let (versions, removals) = &self.head;
        let steps = line(versions, removals, path);
        let log = key_log(&steps, &self.epochs, insight);
        let mut found = Vec::new();
        for (_, tip) in self.tips.iter().filter(|(tip, _)| tip == path) {
            let order = self.today.iter().find(|(other, _)| other == path);
            let names = order
                .map(|(_, document)| sealed_names(document))
                .unwrap_or_default();
            for key in names {
                let Some(today) = tip.sealed.get(&key) else {
                    continue;
                };
                let blame = blame(&log, &key, &today.mark, insight);
                found.push((key, blame));
            }
        }
        found
    }

    /// Whether somebody reads a version: it names them, or has a data key that a committed version
    /// gave them. `sops updatekeys` drops a stanza and keeps the data key: an old commit still
    /// gives it away, also under another name of the file.
    #[must_use]
    pub fn lets_read(&self, version: &Snapshot, key: &str) -> bool {
        let key = person(key);
        version.recipients.contains(&key)
            || self
                .epochs
                .at(version)
                .is_some_and(|epoch| self.epochs.was_read_by(epoch, &key))
    }

    /// The files of today that somebody reads.
    #[must_use]
    pub fn read_by(&self, key: &str) -> BTreeSet<String> {
        let open = self.tips.iter().filter(|(_, tip)| self.lets_read(tip, key));
        open.map(|(path, _)| path.clone()).collect()
    }

    /// The paths that somebody reads at each of these commits, by the versions of the log.
    ///
    /// # Errors
    /// When git cannot read a commit.
    pub fn read_at(
        &self,
        repo: &Repo,
        tips: &[(String, ObjectId)],
        key: &str,
    ) -> Result<Vec<(String, Vec<String>)>> {
        let versions = self.history.versions.iter();
        let known: HashMap<(&str, &str), &Snapshot> = versions
            .map(|it| ((it.path.as_str(), it.blob.as_str()), &*it.snapshot))
            .collect();
        let paths: BTreeSet<&str> = known.keys().map(|(path, _)| *path).collect();
        let paths: Vec<&str> = paths.into_iter().collect();
        let mut found = Vec::new();
        for (name, tip) in tips {
            let mut open = Vec::new();
            for (path, entry) in paths.iter().zip(repo.entries_at(*tip, &paths)?) {
                let Some(blob) = entry.map(|entry| entry.id.to_string()) else {
                    continue;
                };
                let version = known.get(&(path, blob.as_str()));
                if version.is_some_and(|version| self.lets_read(version, key)) {
                    open.push((*path).to_owned());
                }
            }
            if !open.is_empty() {
                found.push((name.clone(), open));
            }
        }
        Ok(found)
    }
}

impl Workspace {
    /// The texts of the policy at the root, of today and of every commit behind HEAD.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn policies_of_all_times(&self) -> Result<Vec<String>> {
        let repo = self.repo()?;
        let walk = repo.changes_of_cached(&repo.head_span()?, &[POLICY])?;
        let blobs: BTreeSet<ObjectId> = walk
            .versions(POLICY)
            .filter_map(|(_, change)| change.new)
            .map(|entry| entry.id)
            .collect();
        // what cannot be read today says nothing here, and `verify` says why
        let mut texts: BTreeSet<String> =
            self.read_text(POLICY).ok().flatten().into_iter().collect();
        texts.extend(
            blobs
                .into_iter()
                .filter_map(|blob| String::from_utf8(repo.blob(blob).ok()?).ok()),
        );
        Ok(texts.into_iter().collect())
    }

    /// The register of one file, as far as HEAD holds it.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn register_of(&self, target: &Target, depth: Depth) -> Result<Register> {
        let repo = self.repo()?;
        let tips = repo.head_commit()?.into_iter().collect();
        let bytes = self.read(&target.path)?;
        let document = bytes.and_then(|bytes| document(&target.path, &bytes));
        let today = document
            .map(|document| (target.path.clone(), document))
            .into_iter()
            .collect();
        let span = Span {
            tips,
            ..Span::default()
        };
        let paths = [target.path.as_str(), POLICY, ROSTER]
            .map(str::to_owned)
            .into();
        let others: Vec<String> = self
            .secret_files()?
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let history = History::load_paths(repo, &span, paths, &others, &mut Snapshots::new(repo))?;
        let head = (history.versions.clone(), history.removals.clone());
        self.register(history, head, (today, Vec::new()), depth)
    }

    /// The register of every secret file that any of the tips holds or ever held.
    ///
    /// # Errors
    /// As [`Self::register_of`].
    pub fn register_of_all(&self, tips: Vec<ObjectId>, depth: Depth) -> Result<Register> {
        self.register_over(tips, self.tracked()?.today(), depth)
    }

    /// The same with these files as those of today: documents by path, and which of them only the
    /// index has.
    ///
    /// # Errors
    /// As [`Self::register_of`].
    pub fn register_over(
        &self,
        tips: Vec<ObjectId>,
        (today, from_index): Today,
        depth: Depth,
    ) -> Result<Register> {
        let repo = self.repo()?;
        let now: BTreeSet<String> = today.iter().map(|(path, _)| path.clone()).collect();
        let policies = self.policies_of_all_times()?;
        let spec = format!(
            "secret files\nnow:\n{}\npolicies:\n{}",
            now.iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("\n"),
            policies.join("\0")
        );
        let wanted = candidates(now, &policies);
        let span = Span {
            tips,
            ..Span::default()
        };
        let history = History::load(repo, &span, &wanted, Some(&spec), &mut Snapshots::new(repo))?;
        let head = history.behind_head(repo, &span.tips)?;
        self.register(history, head, (today, from_index), depth)
    }

    /// The same log with other files as those of today.
    ///
    /// # Errors
    /// As [`Self::register_of`].
    pub fn renewed(&self, register: Register, today: Today, depth: Depth) -> Result<Register> {
        self.register(register.history, register.head, today, depth)
    }

    fn register(
        &self,
        history: History,
        head: (Vec<FileVersion>, Vec<Removal>),
        (today, from_index): Today,
        depth: Depth,
    ) -> Result<Register> {
        let snapshot =
            |(path, document): &(String, Document)| (path.clone(), Rc::new(Snapshot::of(document)));
        let tips: Vec<(String, Rc<Snapshot>)> = today.iter().map(snapshot).collect();
        let others: Vec<&Snapshot> = tips.iter().map(|(_, tip)| &**tip).collect();
        let keyless = Epochs::of(&history.versions, &others, &Insight::default());
        let mut reading = Reading::default();
        if depth != Depth::Keyless {
            let versions: Vec<&FileVersion> = history.versions.iter().collect();
            let documents: Vec<&Document> = today.iter().map(|(_, document)| document).collect();
            reading = self.reading(&versions, &documents, &keyless)?;
        }
        if depth == Depth::WithKey
            && reading.opened == 0
            && let Some((path, document)) = today.first()
        {
            self.unlock(
                &Target {
                    path: path.clone(),
                    env: None,
                },
                document,
            )?;
        }
        let epochs = match reading.opened {
            0 => keyless,
            _ => Epochs::of(&history.versions, &others, &reading.insight),
        };
        Ok(Register {
            history,
            head,
            from_index,
            today,
            tips,
            epochs,
            reading,
        })
    }

    /// Everybody who ever had a name, by key.
    ///
    /// # Errors
    /// When a policy or table of the work tree cannot be read.
    pub fn names_of(&self, history: &History) -> Result<BTreeMap<String, KeyName>> {
        let (roster, policy) = (self.read_text(ROSTER)?, self.read_text(POLICY)?);
        Ok(history.names(self.repo()?, roster.as_deref(), policy.as_deref()))
    }
}

fn document(path: &str, bytes: &[u8]) -> Option<Document> {
    match FileContent::read(path, false, Some(bytes)) {
        FileContent::Document(document) => Some(*document),
        _ => None,
    }
}
