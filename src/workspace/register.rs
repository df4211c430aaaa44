//! The commit log as a register: the secret files of today and every version of them.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::history::{History, Named, Snapshots, candidates};
use super::reading::Reading;
use super::{POLICY, ROSTER, Target, Workspace, WorkspaceError};
use crate::ledger::{Epochs, Insight, Snapshot, Version};
use crate::policy::rules::{Content, FileFacts, mentions};
use crate::repo::{ObjectId, Span};
use crate::sops::{Document, Format};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Files of today, their versions, and whose data key is whose.
pub struct Register {
    pub history: History,
    /// SOPS files of the work tree that the index knows or that are bound, by path.
    pub today: Vec<(String, Document)>,
    pub tips: Vec<(String, Rc<Snapshot>)>,
    pub epochs: Epochs,
    pub reading: Reading,
}

/// Which keys to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Keyless,
    /// What opens without a question.
    Silent,
    /// At least one data key has to open.
    WithKey,
}

impl Workspace {
    /// The SOPS files of the work tree: those of the index and the bound ones. A file that cannot be read as a
    /// document is none.
    ///
    /// # Errors
    /// When the index or `.stax/vault.json` cannot be read.
    pub fn secret_files(&self) -> Result<Vec<(String, Document)>> {
        let entries = self.repo()?.index_entries()?.into_iter();
        let regular = entries.filter(|entry| entry.mode & 0o170_000 == 0o100_000);
        let mut paths: BTreeSet<String> = regular.map(|entry| entry.path).collect();
        paths.extend(self.vault()?.into_iter().flat_map(|vault| vault.files).map(|file| file.path));
        let mut found = Vec::new();
        for path in paths {
            if path.rsplit('/').next() == Some(POLICY)
                || (Format::of_path(&path) == Format::Binary && !self.may_hold_document(&path))
            {
                continue;
            }
            let Ok(Some(bytes)) = self.read(&path) else { continue };
            if mentions(&bytes, b"sops")
                && let Content::Document(document) = FileFacts::read(&path, false, Some(&bytes)).content
            {
                found.push((path, *document));
            }
        }
        Ok(found)
    }

    /// The register of one file, as far as HEAD holds it.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn register_of(&self, target: &Target, depth: Depth) -> Result<Register> {
        let repo = self.repo()?;
        let tips = repo.head_commit()?.into_iter().collect();
        let today = match self.read(&target.path)? {
            Some(bytes) => match FileFacts::read(&target.path, false, Some(&bytes)).content {
                Content::Document(document) => vec![(target.path.clone(), *document)],
                _ => Vec::new(),
            },
            None => Vec::new(),
        };
        let span = Span { tips, ..Span::default() };
        let paths = [target.path.as_str(), POLICY, ROSTER].map(str::to_owned).into();
        let others: Vec<String> = self.secret_files()?.into_iter().map(|(path, _)| path).collect();
        let history = History::load_paths(repo, &span, paths, &others, &mut Snapshots::new(repo))?;
        self.register(history, today, depth)
    }

    /// The register of every secret file that any of the tips holds or ever held.
    ///
    /// # Errors
    /// As [`Self::register_of`].
    pub fn register_of_all(&self, tips: Vec<ObjectId>, depth: Depth) -> Result<Register> {
        let repo = self.repo()?;
        let today = self.secret_files()?;
        let now: BTreeSet<String> = today.iter().map(|(path, _)| path.clone()).collect();
        let policy = self.read_text(POLICY)?;
        let spec = format!(
            "secret files\nnow:\n{}\npolicy:\n{}",
            now.iter().map(String::as_str).collect::<Vec<_>>().join("\n"),
            policy.as_deref().unwrap_or_default()
        );
        let wanted = candidates(now, policy.as_deref());
        let span = Span { tips, ..Span::default() };
        let history = History::load(repo, &span, &wanted, Some(&spec), &mut Snapshots::new(repo))?;
        self.register(history, today, depth)
    }

    fn register(&self, history: History, today: Vec<(String, Document)>, depth: Depth) -> Result<Register> {
        let snapshot =
            |(path, document): &(String, Document)| (path.clone(), Rc::new(Snapshot::of(document)));
        let tips: Vec<(String, Rc<Snapshot>)> = today.iter().map(snapshot).collect();
        let others: Vec<&Snapshot> = tips.iter().map(|(_, tip)| &**tip).collect();
        let keyless = Epochs::of(&history.versions, &others, &Insight::default());
        let mut reading = Reading::default();
        if depth != Depth::Keyless {
            let versions: Vec<&Version> = history.versions.iter().collect();
            let documents: Vec<&Document> = today.iter().map(|(_, document)| document).collect();
            reading = self.reading(&versions, &documents, &keyless)?;
        }
        if depth == Depth::WithKey
            && reading.opened == 0
            && let Some((path, document)) = today.first()
        {
            self.unlock(&Target { path: path.clone(), env: None }, document)?;
        }
        let epochs = match reading.opened {
            0 => keyless,
            _ => Epochs::of(&history.versions, &others, &reading.insight),
        };
        Ok(Register { history, today, tips, epochs, reading })
    }

    /// Everybody who ever had a name, by key.
    ///
    /// # Errors
    /// When a policy or table of the work tree cannot be read.
    pub fn names_of(&self, history: &History) -> Result<std::collections::BTreeMap<String, Named>> {
        let (roster, policy) = (self.read_text(ROSTER)?, self.read_text(POLICY)?);
        Ok(history.names(self.repo()?, roster.as_deref(), policy.as_deref()))
    }
}
