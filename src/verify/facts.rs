//! What the rules look at, of one tree: owned data, gathered by [`super::tree`].
//!
//! A rule that needs more than the bytes of a file takes it from [`Facts`] or [`TreeFile`], and
//! neither can be made without: who has bytes alone (a version in the middle of a range, an object
//! without a path) asks [`super::rules::judge_alone`], which knows no such rule.

use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::Timestamp;
use sops_document::{Document, MacState, OpenFault};

use super::exceptions::covers;
use super::finding::Finding;
use super::plain::Plain;
use crate::policy::config::Config;
use crate::policy::content::FileContent;
use crate::policy::policies::Policies;
use crate::policy::vault::{Allow, VaultError};
use crate::workspace::{POLICY, StanzaFault};

/// Everything that the rules look at, of one tree.
#[derive(Debug)]
pub struct Facts {
    /// The text of `.sops.yaml`.
    pub policy: Option<String>,
    /// The text of `recipients.md`.
    pub roster: Option<String>,
    /// Git has one at HEAD.
    pub has_roster_at_head: bool,
    /// There is a `.stax/vault.json`.
    pub has_vault: bool,
    /// Why it cannot be read.
    pub vault_fault: Option<VaultError>,
    /// The other files called `.sops.yaml`, and the one at the root when it is a link.
    pub others: Vec<OtherPolicy>,
    /// Every path of the tree.
    pub paths: Vec<String>,
    pub entries: Vec<TreeFile>,
    /// Keys of the table of people that name no policy and none of `files`, and that another SOPS
    /// file names.
    pub read_elsewhere: BTreeSet<String>,
    /// Files that the policy or their name says to be encrypted, and that are no SOPS documents.
    pub plain: Vec<Plain>,
    pub links: Vec<Link>,
    pub leaks: Vec<Leak>,
    /// Diff drivers of which git keeps the decrypted text.
    pub caches: Vec<String>,
    /// Diff drivers of which git is told to keep it, and has not yet.
    pub caching: Vec<String>,
    pub now: Timestamp,
    /// Names that the user lets into the environment in spite of what they do.
    pub allowed_names: Vec<String>,
    /// The exceptions that count for this tree.
    pub exceptions: Vec<Allow>,
}

impl Facts {
    /// Of a tree with these paths and files, and nothing around them.
    #[must_use]
    pub fn of(paths: Vec<String>, entries: Vec<TreeFile>, now: Timestamp) -> Self {
        Self {
            policy: None,
            roster: None,
            has_roster_at_head: false,
            has_vault: false,
            vault_fault: None,
            others: Vec::new(),
            paths,
            entries,
            read_elsewhere: BTreeSet::new(),
            plain: Vec::new(),
            links: Vec::new(),
            leaks: Vec::new(),
            caches: Vec::new(),
            caching: Vec::new(),
            now,
            allowed_names: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    /// The files that must be, or are, SOPS documents.
    pub fn files(&self) -> impl Iterator<Item = &FileFacts> {
        self.entries.iter().map(|entry| &entry.file)
    }

    /// The policies that can be read.
    #[must_use]
    pub fn policies(&self) -> Policies {
        let nested = self.others.iter().filter(|other| other.path != POLICY);
        let texts = nested.filter_map(|other| Some((other.path.as_str(), other.text.as_deref()?)));
        let root = self.policy.as_deref().map(|text| (POLICY, text));
        texts
            .chain(root)
            .filter_map(|(path, text)| Some((path, Rc::new(Config::parse(text).ok()?.0))))
            .collect()
    }

    pub(super) fn accept(&self, finding: &Finding) -> bool {
        let key = finding.key.as_deref();
        self.exceptions
            .iter()
            .any(|allow| covers(allow, finding.rule, &finding.path, key))
    }
}

/// A `.sops.yaml` that is not the policy of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherPolicy {
    pub path: String,
    /// `None` for a link, or what is not text.
    pub text: Option<String>,
}

/// A file in its tree.
#[derive(Debug)]
pub struct TreeFile {
    pub file: FileFacts,
    /// As git has it; `None` where the index does not hold the file.
    pub mode: Option<u32>,
    pub drivers: Drivers,
}

impl TreeFile {
    /// A file that nothing binds.
    #[must_use]
    pub fn general(file: FileFacts, mode: Option<u32>) -> Self {
        Self {
            file,
            mode,
            drivers: Drivers::Free,
        }
    }
}

/// What git does with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drivers {
    /// Of a file that is bound: the attributes `diff` and `merge`, and the line that decides so
    /// where one of them is not stax.
    Asked {
        diff: Option<String>,
        merge: Option<String>,
        switched_off: Option<SwitchedOff>,
    },
    /// Of a file that is not bound, or that a change unbinds: git may do with it what it likes.
    Free,
}

/// What the bytes of a file tell that must be, or is, a SOPS document, and what a key told of them.
#[derive(Debug)]
pub struct FileFacts {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// Bound in `.stax/vault.json`.
    pub managed: bool,
    /// Bytes.
    pub size: usize,
    pub content: FileContent,
    /// What a key told: the state of the MAC, or the value that does not open. `None` without one.
    pub opened: Option<Result<MacState, OpenFault>>,
    /// What a key told of the stanzas.
    pub stanzas: Vec<StanzaFault>,
    /// The data key, hashed.
    pub key_digest: Option<[u8; 32]>,
    /// What became of a bound file that is missing; `None` where git never had it.
    pub gone: Option<Gone>,
    /// Lines end in CRLF, which SOPS cannot read in every format.
    pub has_crlf: bool,
}

/// What became of a bound file that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Another file holds its values.
    Moved {
        env: String,
        to: String,
    },
    Deleted,
}

impl FileFacts {
    /// Reads the bytes of a file; `None` when it is not there.
    #[must_use]
    pub fn read(path: &str, managed: bool, bytes: Option<&[u8]>) -> Self {
        let content = FileContent::read(path, managed, bytes);
        match bytes {
            Some(bytes) => Self::of_bytes(path, managed, content, bytes),
            None => Self::of(path, managed, content),
        }
    }

    /// Of bytes that were read already.
    #[must_use]
    pub fn of_bytes(path: &str, managed: bool, content: FileContent, bytes: &[u8]) -> Self {
        let is_broken = matches!(content, FileContent::Broken { .. });
        let has_crlf = is_broken && bytes.windows(2).any(|pair| pair == b"\r\n");
        Self {
            size: bytes.len(),
            has_crlf,
            ..Self::of(path, managed, content)
        }
    }

    /// Of what was told some other way than by its bytes.
    #[must_use]
    pub fn of(path: &str, managed: bool, content: FileContent) -> Self {
        Self {
            path: path.to_owned(),
            managed,
            size: 0,
            content,
            opened: None,
            stanzas: Vec::new(),
            key_digest: None,
            gone: None,
            has_crlf: false,
        }
    }

    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.content.document()
    }
}

/// A secret key in a tracked file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    pub path: String,
    pub place: LeakPlace,
    /// Of every secret key in that place; empty where nobody could look.
    pub owners: Vec<Owner>,
    /// A change brings it, so it can still be kept out.
    pub is_new: bool,
}

/// Whose secret key it is, and how they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A file or a policy names them.
    Reader(String),
    /// Only an older policy does.
    Former(String),
    /// No file and no policy ever did.
    Nobody(String),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakPlace {
    Line(usize),
    /// The text of a link.
    Target,
    /// The path itself.
    Name,
}

/// A tracked link, and the text it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub path: String,
    pub target: String,
}

/// The line of attributes that takes a driver from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedOff {
    pub file: String,
    pub line: usize,
    pub text: String,
}

/// What is so in this clone alone, and not in what is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThisClone {
    /// Attributes that SOPS files have, such as `diff=stax`, and for which git has no command here.
    pub unserved: Vec<&'static str>,
    /// A driver that another version of stax wrote.
    pub has_old_drivers: bool,
    /// Another program that answers to `stax`.
    pub stranger: Option<String>,
    /// SOPS files that the guard of this clone does not see, and the line that hides them from it.
    pub unguarded: Vec<(String, Option<SwitchedOff>)>,
}

/// Whether a clone is judged beside what is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InClone {
    /// Somebody works in it.
    Asked(ThisClone),
    /// A server, a build or a summary looks: what this clone lacks is nobody's matter there.
    NotAsked,
}
