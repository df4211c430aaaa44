//! The rules of verify over one tree: facts in, findings out. One file a family.
//!
//! Two profiles. A *managed* file (bound in `.stax/vault.json`) is held to the flat shape that stax
//! writes itself. Any other SOPS file is *general*: only what its own selector and MAC promise is
//! required of it, so that an honest file of another tool is never an error.

mod binding;
mod clear;
pub mod docs;
mod file;
mod git;
mod keys;
mod metadata;
mod nonce;
mod policies;
mod policy;
mod roster;
mod shared;
mod value;

use std::collections::BTreeSet;

use sops_document::merge::marker;
use sops_document::{Document, DocumentError, Format, MacState, OpenFault};

use super::config::{Config, CreationRule};
use super::roster::Roster;
use super::sniff::sniff;
use super::vault::Allow;
use super::{Finding, Holders, RuleId};
pub use binding::{Plain, says_secret};
pub use git::{Leak, LeakPlace, Link, SwitchedOff, ThisClone, leaked_key};
pub use policies::Policies;
pub use roster::unexplained_rows;

const POLICY: &str = ".sops.yaml";
const VAULT: &str = ".stax/vault.json";
const ROSTER: &str = "infra/secrets/recipients.md";

/// Everything that the rules look at, of one tree.
#[derive(Debug, Default)]
pub struct Facts {
    /// The text of `.sops.yaml`.
    pub policy: Option<String>,
    /// The text of `recipients.md`.
    pub roster: Option<String>,
    /// There is a `.stax/vault.json`.
    pub has_vault: bool,
    /// Why it cannot be read.
    pub vault_fault: Option<String>,
    /// The other files called `.sops.yaml`, and the one at the root when it is a link.
    pub others: Vec<OtherPolicy>,
    /// Every path of the index; `None` when nobody looked.
    pub paths: Option<Vec<String>>,
    pub files: Vec<FileFacts>,
    /// Keys of the table of people that name no policy and none of `files`, and that another SOPS file names.
    pub read_elsewhere: BTreeSet<String>,
    /// Files that the policy names and that are no SOPS documents.
    pub plain: Vec<Plain>,
    pub links: Vec<Link>,
    pub leaks: Vec<Leak>,
    /// Diff drivers of which git keeps the decrypted text.
    pub caches: Vec<String>,
    /// Diff drivers of which git is told to keep it, and has not yet.
    pub caching: Vec<String>,
    /// What this clone lacks; `None` where a server or a build looks.
    pub clone: Option<ThisClone>,
    /// RFC 3339; `None` when nobody looked at a clock.
    pub now: Option<String>,
    /// Names that the user lets into the environment in spite of what they do.
    pub allowed_names: Vec<String>,
    /// The exceptions that count for this tree.
    pub exceptions: Vec<Allow>,
}

impl Facts {
    fn accept(&self, finding: &Finding) -> bool {
        let key = finding.key.as_deref();
        self.exceptions.iter().any(|allow| allow.covers(finding.rule, &finding.path, key))
    }
}

/// A `.sops.yaml` that is not the policy of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherPolicy {
    pub path: String,
    /// `None` for a link, or what is not text.
    pub text: Option<String>,
}

/// One file that must be, or is, a SOPS document.
#[derive(Debug)]
pub struct FileFacts {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// Bound in `.stax/vault.json`.
    pub managed: bool,
    /// Bytes.
    pub size: usize,
    pub content: Content,
    /// As git has it; `None` where the index does not hold the file.
    pub mode: Option<u32>,
    /// The attributes `diff` and `merge`; `None` when nobody looked.
    pub drivers: Option<(Option<String>, Option<String>)>,
    /// The line that decides so where one of them is not stax.
    pub switched_off: Option<SwitchedOff>,
    /// What a key told: the state of the MAC, or the value that does not open. `None` without one.
    pub opened: Option<Result<MacState, OpenFault>>,
    /// What a key told of the stanzas.
    pub stanzas: Vec<StanzaFault>,
    /// The data key, hashed.
    pub key_digest: Option<[u8; 32]>,
}

/// A stanza that opens for another one than its label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StanzaFault {
    /// The label is the public key at hand, whose secret key does not open it.
    Locked { label: String },
    /// The secret key of `by` opens it.
    Mislabelled { label: String, by: String },
    /// Two stanzas that open give different keys.
    Differs { label: String },
}

/// What a file holds.
#[derive(Debug)]
pub enum Content {
    Missing,
    /// A link, a submodule, or a path that leads through one.
    NotRegular,
    NotText,
    /// A name that says another format than the content, or that no environment can have.
    OtherFormat,
    /// A readable text without SOPS metadata.
    Clear,
    Broken {
        line: usize,
        what: String,
        /// git, or stax, left both sides of a merge in it.
        is_unmerged: bool,
    },
    Document(Box<Document>),
    /// It may well be a document, and why nobody can tell: too large, or a name that is no text.
    Unjudged(&'static str),
}

/// Why a file is not parsed.
pub const TOO_LARGE: &str = "is larger than 32 MiB, so nobody looked into it: sops may read it all the same";
pub const ODD_NAME: &str = "its name is not UTF-8, so no rule can name it and nobody looked into it";

impl FileFacts {
    /// Reads the bytes of a file; `None` when it is not there.
    #[must_use]
    pub fn read(path: &str, managed: bool, bytes: Option<&[u8]>) -> Self {
        let content = match bytes {
            None => Content::Missing,
            Some(_) if managed && !Format::of_path(path).is_flat() => Content::OtherFormat,
            Some(bytes) => match Content::read(path, bytes) {
                sound @ Content::Document(_) => sound,
                // a bound file has to be what its name says
                other if managed => other,
                other => Content::sniffed(path, bytes).unwrap_or(other),
            },
        };
        Self { size: bytes.map_or(0, <[u8]>::len), ..Self::of(path, managed, content) }
    }

    /// Of what was told some other way than by its bytes.
    #[must_use]
    pub fn of(path: &str, managed: bool, content: Content) -> Self {
        Self {
            path: path.to_owned(),
            managed,
            size: 0,
            content,
            mode: None,
            drivers: None,
            switched_off: None,
            opened: None,
            stanzas: Vec::new(),
            key_digest: None,
        }
    }

    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        match &self.content {
            Content::Document(document) => Some(document),
            _ => None,
        }
    }
}

impl Content {
    /// A document under a name that says another format, such as YAML in `secrets.yaml.enc`: its owner
    /// names the format at every call of sops.
    fn sniffed(path: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|_| looks_sealed(bytes))?;
        // the narrow ones first: YAML reads JSON too
        let formats = [Format::Binary, Format::Json, Format::Yaml, Format::Ini, Format::Dotenv];
        let mut others = formats.into_iter().filter(|format| *format != Format::of_path(path));
        others.find_map(|format| Document::parse(format, text).ok()).map(|found| Self::Document(found.into()))
    }

    fn read(path: &str, bytes: &[u8]) -> Self {
        let format = Format::of_path(path);
        let Ok(text) = std::str::from_utf8(bytes) else {
            let is_clear = format == Format::Binary && !is_sealed_in_utf16(bytes);
            return if is_clear { Self::Clear } else { Self::NotText };
        };
        let broken = |line, what| match marker::text_markers(text) {
            Some(line) => {
                Self::Broken { line, what: "holds the markers of a merge".into(), is_unmerged: true }
            }
            None => Self::Broken { line, what, is_unmerged: false },
        };
        match Document::parse(format, text) {
            Ok(document) => Self::Document(Box::new(document)),
            Err(DocumentError::NotSops) => Self::Clear,
            Err(DocumentError::Misnamed) => Self::OtherFormat,
            Err(DocumentError::Syntax(error)) => broken(error.line, error.what),
            Err(DocumentError::Metadata { line, what }) => broken(line, what),
        }
    }
}

/// sops reads YAML in UTF-16, under any name that its caller likes.
fn is_sealed_in_utf16(bytes: &[u8]) -> bool {
    let Some((mark, text)) = bytes.split_at_checked(2) else { return false };
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return false,
    };
    let units = text.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    looks_sealed(bytes)
        && char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .is_ok_and(|text| Document::parse(Format::Yaml, &text).is_ok())
}

/// Every finding of the tree, by path and line.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let policies = Policies::read(facts);
    let config = policies.root();
    let mut findings = policy::check(facts, &policies);
    let table = facts.roster.as_deref().and_then(|text| Roster::parse(text).ok()).unwrap_or_default();
    let holders = Holders::new(&table, config);
    findings.extend(roster::check(facts, config, &holders));
    findings.extend(binding::check(facts));
    for file in &facts.files {
        let rule = policies.rule_for(&file.path, file.managed).map(|(_, rule)| rule);
        findings.extend(judge_file(facts, file, rule, &holders));
    }
    findings.extend(metadata::drifts(facts, &policies));
    findings.extend(shared::check(&facts.files, &holders));
    findings.extend(git::check(facts));
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    findings
}

fn judge_file(
    facts: &Facts,
    file: &FileFacts,
    rule: Option<&CreationRule>,
    holders: &Holders,
) -> Vec<Finding> {
    let mut findings = file::check(file, &facts.allowed_names);
    if let Some(document) = file.document() {
        // what an exception covers is not said, so that the broken proof behind it has to be
        let cannot_open = findings
            .iter()
            .any(|finding| matches!(finding.rule, RuleId::F03 | RuleId::F04) && !facts.accept(finding));
        findings.extend(clear::check(file, document));
        findings.extend(nonce::check(&file.path, document));
        findings.extend(keys::check(&file.path, file.managed, document, rule, holders));
        findings.extend(metadata::check(file, document, facts.now.as_deref()));
        findings.extend(value::check(file, cannot_open));
        findings.extend(value::stanzas(file, holders));
    }
    findings
}

/// What stands in clear although the file or its own crypt rule promises otherwise: F04 alone, without policy.
#[must_use]
pub fn plaintext(file: &FileFacts) -> Vec<Finding> {
    let mut findings = file::check(file, &[]);
    findings.retain(|finding| finding.rule == RuleId::F04);
    findings
}

/// Whether bytes that are not a sound document were one, or are meant to be: a chart or a manual may
/// well speak of `sops` and not be readable as YAML.
#[must_use]
pub fn looks_sealed(bytes: &[u8]) -> bool {
    sniff(bytes).is_sealed()
}

/// Whether the bytes hold a word.
#[must_use]
pub fn mentions(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}

/// The rules that read names and keys of the whole policy, so that a change of it may break any file.
#[must_use]
pub fn depends_on_policy(finding: &Finding) -> bool {
    use super::RuleId::{K01, P01, P02, P03, P04, R01};
    matches!(finding.rule, P01 | P02 | P03 | P04 | R01 | K01)
}

fn governing<'a>(facts: &Facts, config: &'a Config) -> Vec<&'a CreationRule> {
    if !facts.has_vault {
        return config.rules.iter().collect();
    }
    let managed = facts.files.iter().filter(|file| file.managed);
    managed.filter_map(|file| config.rule_for(&file.path)).map(|(_, rule)| rule).collect()
}

#[cfg(test)]
mod tests;
