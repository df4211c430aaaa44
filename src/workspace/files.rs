//! The SOPS files of a work tree, known by name or by content, with the rule that governs each. Every command that
//! changes who reads takes its files from here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;

use sops_document::age::person;
use sops_document::{Document, Format, OtherKey};

use super::{MAX_FILE, POLICY, Result, Target, Workspace};
use crate::policy::config::{Config, CreationRule};
use crate::policy::content::{Content, looks_sealed, mentions};
use crate::policy::policies::Policies;
use crate::policy::vault::Vault;
use crate::repo::{IndexEntry, Repo};

/// A `.sops.yaml`, by its path below the root.
pub struct PolicyFile {
    pub path: String,
    pub config: Rc<Config>,
}

/// A creation rule: the place of its policy in [`Survey::policies`], and its own in that policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleAt {
    pub policy: usize,
    pub rule: usize,
}

/// A SOPS file of the work tree.
pub struct SecretFile {
    /// `None`: no rule of any policy names it.
    pub rule: Option<RuleAt>,
    pub target: Target,
    pub document: Document,
    /// The index holds it.
    pub is_tracked: bool,
}

/// Every SOPS file of a work tree.
#[derive(Default)]
pub struct Survey {
    /// The one at the root first, also where there is none: it is empty then.
    pub policies: Vec<PolicyFile>,
    /// By path.
    pub files: Vec<SecretFile>,
    /// Files that are or may be SOPS documents, and that cannot be changed here.
    pub obstacles: Vec<Obstacle>,
    /// What git does not know was not looked at: `status.showUntrackedFiles` is `no`.
    pub skips_untracked: bool,
    /// Paths that are not UTF-8, escaped to be shown: no policy can name them, and nobody looked.
    pub odd: Vec<String>,
    /// Submodules: repositories of their own.
    pub submodules: Vec<String>,
}

/// A file that cannot be changed, and why.
#[derive(Clone, Debug)]
pub struct Obstacle {
    pub path: String,
    pub rule: Option<RuleAt>,
    pub cause: Cause,
    /// The recipients that it names, as far as that can be read.
    pub labels: Vec<String>,
    /// Commands that lead on.
    pub steps: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Cause {
    /// No identity opens it.
    Locked {
        readers: Vec<String>,
    },
    /// A value or the MAC does not authenticate.
    Integrity(String),
    /// It has keys of these other kinds, which stay.
    Foreign(Vec<String>),
    TooLarge,
    /// It may be a SOPS document and cannot be read as one.
    Unreadable(String),
    Other(String),
}

impl SecretFile {
    /// The labels of the stanzas, in file order.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        self.document.metadata().age.iter().map(|stanza| stanza.recipient.as_str()).collect()
    }

    /// Readers with keys of other kinds than age.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        self.document.metadata().others.iter().map(OtherKey::reader).collect()
    }

    /// Whether a reader is named, in whatever spelling.
    #[must_use]
    pub fn names(&self, reader: &str) -> bool {
        let reader = person(reader);
        self.labels().iter().any(|label| person(label) == reader) || self.others().contains(&reader)
    }

    /// What sops needs to be told where the name of the file says another format: `--input-type yaml …`.
    #[must_use]
    pub fn sops_types(&self) -> String {
        Self::types(&self.target.path, &self.document)
    }

    /// The same of any document.
    #[must_use]
    pub fn types(path: &str, document: &Document) -> String {
        if document.format() == Format::of_path(path) {
            return String::new();
        }
        let word = document.format().traits().word;
        format!("--input-type {word} --output-type {word} ")
    }

    #[must_use]
    pub fn obstacle(&self, cause: Cause) -> Box<Obstacle> {
        Box::new(Obstacle {
            path: self.target.path.clone(),
            rule: self.rule,
            cause,
            labels: self.labels().into_iter().map(str::to_owned).collect(),
            steps: Vec::new(),
        })
    }
}

impl Obstacle {
    #[must_use]
    pub fn step(mut self: Box<Self>, command: impl Into<String>) -> Box<Self> {
        self.steps.push(command.into());
        self
    }
}

impl Survey {
    #[must_use]
    pub fn rule(&self, at: RuleAt) -> &CreationRule {
        &self.policies[at.policy].config.rules[at.rule]
    }

    /// Every rule of every policy.
    pub fn rules(&self) -> impl Iterator<Item = RuleAt> {
        self.policies
            .iter()
            .enumerate()
            .flat_map(|(policy, file)| (0..file.config.rules.len()).map(move |rule| RuleAt { policy, rule }))
    }

    /// The rule that governs a path: of the nearest policy above it that has one, for a bound file of the root.
    #[must_use]
    pub fn rule_for(&self, path: &str, is_bound: bool) -> Option<RuleAt> {
        let list = self.policies.iter().map(|file| (file.path.as_str(), file.config.clone()));
        let (policy, rule) = list.collect::<Policies>().place_of(path, is_bound)?;
        let policy = self.policies.iter().position(|file| file.path == policy)?;
        Some(RuleAt { policy, rule })
    }

    #[must_use]
    pub fn file(&self, path: &str) -> Option<&SecretFile> {
        self.files.iter().find(|file| file.target.path == path)
    }

    /// The documents that a ledger asks about.
    #[must_use]
    pub fn documents(&self) -> Vec<(String, Document)> {
        self.files.iter().map(|file| (file.target.path.clone(), file.document.clone())).collect()
    }
}

/// What stands at a path.
enum Found {
    Document(Box<Document>),
    Obstacle(Cause, Vec<String>, Vec<String>),
    NotSops,
}

impl Workspace {
    /// Every SOPS file of the index, every bound one, and those that git neither knows nor ignores, unless
    /// `status.showUntrackedFiles` says no. `named` are paths that somebody typed: they count in any case.
    ///
    /// # Errors
    /// When the index, the policy at the root or `.stax/vault.json` cannot be read.
    pub fn survey(&self, named: &[String]) -> Result<Survey> {
        let (repo, vault) = (self.repo()?, self.vault()?);
        let skips_untracked = !repo.shows_untracked()?;
        let beside = repo.beside_index(!skips_untracked)?;
        let mut paths: BTreeMap<String, Vec<IndexEntry>> = BTreeMap::new();
        let mut survey = Survey { skips_untracked, odd: repo.odd_paths()?, ..Survey::default() };
        survey.odd.extend(beside.odd);
        for entry in repo.index_entries()? {
            if entry.is_submodule() {
                survey.submodules.push(entry.path.clone());
            }
            if !entry.is_file() {
                continue;
            }
            paths.entry(entry.path.clone()).or_default().push(entry);
        }
        let bound = vault.iter().flat_map(|vault| &vault.files).map(|file| file.path.clone());
        // what is only promised to the index (`git add -N`) is changed, and no entry
        let beside_index = beside.untracked.into_iter().chain(beside.changed.iter().cloned());
        for path in beside_index.chain(bound).chain(named.iter().cloned()) {
            paths.entry(path).or_default();
        }
        let broken = self.policies(paths.keys(), &mut survey)?;
        let look = Look {
            workspace: self,
            repo,
            vault: vault.as_ref(),
            changed: beside.changed.into_iter().collect(),
            broken,
        };
        for (path, entries) in paths.iter().filter(|(path, _)| !is_policy(path)) {
            look.at(path, entries, &mut survey);
        }
        Ok(survey)
    }

    /// Reads every policy; gives those that cannot be read, with the reason.
    fn policies<'p>(
        &self,
        paths: impl Iterator<Item = &'p String>,
        survey: &mut Survey,
    ) -> Result<Vec<(String, String)>> {
        let root = self.policy()?.map_or_else(|| Config::parse("").map(|(config, _)| config), Ok);
        let root = root.map_err(|error| super::WorkspaceError::Policy(error.to_string()))?;
        survey.policies.push(PolicyFile { path: POLICY.to_owned(), config: Rc::new(root) });
        let mut broken = Vec::new();
        for path in paths.filter(|path| is_policy(path) && *path != POLICY) {
            let found = self.read(path);
            self.remember(path, found.as_ref().ok().and_then(Option::as_deref));
            let bytes = match found {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => self.left_out(path).map(Option::unwrap_or_default),
                Err(error) => Err(error),
            };
            let text = bytes
                .map_err(|error| error.to_string())
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned()));
            let config = text.and_then(|text| Config::parse(&text).map_err(|error| error.to_string()));
            match config {
                Ok((config, _)) => {
                    survey.policies.push(PolicyFile { path: path.clone(), config: Rc::new(config) });
                }
                Err(what) => broken.push((path.clone(), what)),
            }
        }
        Ok(broken)
    }

    /// Files that git ignores and that are SOPS documents; they are named and never written.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn ignored_documents(&self) -> Result<Vec<(String, Document)>> {
        let repo = self.repo()?;
        if !repo.shows_untracked()? {
            return Ok(Vec::new());
        }
        let ignored = repo.ignored_files()?.into_iter().filter(|path| !is_policy(path));
        let document = |path: String| match self.read_document(&path, false) {
            Found::Document(document) => Some((path, *document)),
            _ => None,
        };
        Ok(ignored.filter_map(document).collect())
    }

    /// What the work tree holds at a path.
    fn read_document(&self, path: &str, is_bound: bool) -> Found {
        let unreadable = |what: String, labels| Found::Obstacle(Cause::Unreadable(what), labels, Vec::new());
        if self.size_of(path).is_some_and(|size| size > MAX_FILE as u64) {
            return match self.may_hold_document(path).then(|| self.marks_of_large(path)) {
                Some(Ok(Some(labels))) => Found::Obstacle(Cause::TooLarge, labels, Vec::new()),
                Some(Err(error)) => unreadable(format!("cannot be read: {error}"), Vec::new()),
                _ => Found::NotSops,
            };
        }
        // almost every file of a repository is binary by its name, and almost none is a document
        if !is_bound && Format::said_by(path).is_none() && !self.may_hold_document(path) {
            return Found::NotSops;
        }
        match self.read(path) {
            Ok(Some(bytes)) => parse(path, is_bound, &bytes),
            Ok(None) => Found::NotSops,
            Err(error) => unreadable(format!("cannot be read: {error}"), Vec::new()),
        }
    }

    fn size_of(&self, path: &str) -> Option<u64> {
        let found = self.root().join(path).symlink_metadata().ok()?;
        found.is_file().then_some(found.len())
    }

    /// Reads a large file in pieces: the recipients that it names, where it looks like a SOPS document.
    fn marks_of_large(&self, path: &str) -> std::io::Result<Option<Vec<String>>> {
        let mut file = File::open(self.root().join(path))?;
        let (mut window, mut labels) = (Vec::new(), BTreeSet::new());
        let (mut speaks, mut is_sealed) = (false, false);
        loop {
            // the longest recipient, a post-quantum one, has less than half of this
            let kept = window.len().min(OVERLAP);
            window.drain(..window.len() - kept);
            if (&mut file).take(PIECE).read_to_end(&mut window)? == 0 {
                break;
            }
            speaks |= mentions(&window, b"sops");
            is_sealed |= mentions(&window, b"ENC[AES256_GCM,");
            labels.extend(recipients_in(&window));
        }
        Ok((speaks && is_sealed).then(|| labels.into_iter().collect()))
    }
}

const OVERLAP: usize = 8 << 10;
const PIECE: u64 = 1 << 20;

/// Judges one path after the other.
struct Look<'a> {
    workspace: &'a Workspace,
    repo: &'a Repo,
    vault: Option<&'a Vault>,
    /// Other in the work tree than in the index.
    changed: BTreeSet<String>,
    /// Policies that cannot be read.
    broken: Vec<(String, String)>,
}

impl Look<'_> {
    fn at(&self, path: &str, entries: &[IndexEntry], survey: &mut Survey) {
        let env = self.vault.and_then(|vault| vault.env_for_path(path)).map(str::to_owned);
        let rule = survey.rule_for(path, env.is_some());
        let obstacle = |cause, labels, steps| Obstacle { path: path.to_owned(), rule, cause, labels, steps };
        match self.inspect(path, entries, env.is_some()) {
            Found::Document(document) => {
                let target = Target { path: path.to_owned(), env };
                let is_tracked = !entries.is_empty();
                let file = SecretFile { rule, target, document: *document, is_tracked };
                match self.broken_above(path, file.target.env.is_some(), rule, survey) {
                    Some(what) => survey.obstacles.push(*file.obstacle(Cause::Other(what))),
                    None => survey.files.push(file),
                }
            }
            Found::Obstacle(cause, labels, steps) => survey.obstacles.push(obstacle(cause, labels, steps)),
            Found::NotSops if env.is_some() => {
                let what = "is bound in .stax/vault.json and is no SOPS document".to_owned();
                survey.obstacles.push(obstacle(Cause::Unreadable(what), Vec::new(), Vec::new()));
            }
            Found::NotSops => {}
        }
    }

    /// A policy that cannot be read, nearer to the file than the one that governs it.
    fn broken_above(
        &self,
        path: &str,
        is_bound: bool,
        rule: Option<RuleAt>,
        survey: &Survey,
    ) -> Option<String> {
        let depth = rule.map_or(0, |at| survey.policies[at.policy].path.len());
        let folder = |policy: &str| policy.strip_suffix(POLICY).unwrap_or_default().to_owned();
        let above = self.broken.iter().filter(|(policy, _)| !is_bound && path.starts_with(&folder(policy)));
        let nearer = above.filter(|(policy, _)| policy.len() > depth).max_by_key(|(policy, _)| policy.len());
        nearer.map(|(policy, what)| format!("its policy {policy} cannot be read: {what}"))
    }

    fn inspect(&self, path: &str, entries: &[IndexEntry], is_bound: bool) -> Found {
        if entries.iter().any(|entry| entry.stage != 0) {
            let steps = vec![format!("git status   (finish the merge of {path} first)")];
            return self.or_not_sops(path, entries, "has an unfinished merge", steps);
        }
        let is_here = self.workspace.root().join(path).symlink_metadata().is_ok();
        if !is_here {
            let path_or_folder = shell_words::quote(path);
            let steps = match self.workspace.left_out(path) {
                Ok(Some(_)) => vec![format!("git sparse-checkout add {}", folder_of(path))],
                _ => vec![format!("git restore {path_or_folder}")],
            };
            return self.or_not_sops(path, entries, "is in the index and not in this work tree", steps);
        }
        match self.workspace.read_document(path, is_bound) {
            // a file that the index knows as SOPS must not be passed over because its copy here is not
            Found::NotSops if self.changed.contains(path) => {
                let steps = vec![format!("git restore {}", shell_words::quote(path))];
                self.or_not_sops(path, entries, "is no longer a SOPS file in the work tree", steps)
            }
            found => found,
        }
    }

    /// An obstacle where one of the versions in the index is a SOPS document.
    fn or_not_sops(&self, path: &str, entries: &[IndexEntry], what: &str, steps: Vec<String>) -> Found {
        let (mut is_sops, mut labels) = (false, BTreeSet::new());
        for entry in entries {
            let Ok(bytes) = self.repo.blob_of_clone(entry.id) else { continue };
            match parse(path, false, &bytes) {
                Found::Document(document) => {
                    is_sops = true;
                    labels.extend(document.metadata().age.iter().map(|stanza| stanza.recipient.clone()));
                }
                Found::Obstacle(_, named, _) => {
                    is_sops = true;
                    labels.extend(named);
                }
                Found::NotSops => {}
            }
        }
        if !is_sops {
            return Found::NotSops;
        }
        Found::Obstacle(Cause::Other(what.to_owned()), labels.into_iter().collect(), steps)
    }
}

fn is_policy(path: &str) -> bool {
    path.rsplit('/').next() == Some(POLICY)
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(|| format!("/{path}"), |(folder, _)| folder.to_owned())
}

/// What stax cannot read sops may: it must not be passed over.
fn parse(path: &str, is_bound: bool, bytes: &[u8]) -> Found {
    if !mentions(bytes, b"sops") {
        return Found::NotSops;
    }
    let what = match Content::read(path, is_bound, Some(bytes)) {
        Content::Document(document) => return Found::Document(document),
        _ if !looks_sealed(bytes) => return Found::NotSops,
        Content::Broken { line, what, .. } => format!("cannot be read: line {line}: {what}"),
        Content::Unjudged(why) => why.to_owned(),
        Content::NotText => "cannot be read: it is not UTF-8 text".to_owned(),
        Content::OtherFormat => "is of another format than its name says".to_owned(),
        // a manual may well show a token
        Content::Clear | Content::Missing | Content::NotRegular => return Found::NotSops,
    };
    Found::Obstacle(Cause::Unreadable(what), recipients_in(bytes).into_iter().collect(), Vec::new())
}

/// Recipients of age and ssh that stand anywhere in a text.
fn recipients_in(bytes: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in memchr::memmem::find_iter(bytes, b"age1") {
        let key = bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
        found.insert(String::from_utf8_lossy(&key.copied().collect::<Vec<u8>>()).into_owned());
    }
    for start in memchr::memmem::find_iter(bytes, b"ssh-") {
        let rest = &bytes[start..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-+/= ".contains(*byte);
        let text: Vec<u8> = rest.iter().take_while(is_part).copied().collect();
        let words: Vec<String> =
            String::from_utf8_lossy(&text).split(' ').take(2).map(str::to_owned).collect();
        found.insert(words.join(" "));
    }
    found
}

#[cfg(test)]
mod tests;
