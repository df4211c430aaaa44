//! Three versions of a file merged with the identities at hand, in memory: text in, encrypted text
//! out.

use sops_document::age::{self, Recipient};
use sops_document::merge::{
    self, AccessVersion, KeyChanges, KeyFrom, Merged, MergedAccess, SidesWithKey,
};
use sops_document::tree::{Path, Tree};
use sops_document::{Cleartext, DataKey, Document, Format, Wrapped, WrappedKey};

use crate::keyring::Keyring;
use crate::policy::config::Config;
use crate::repo::{ObjectId, Repo};

use super::groups::Stanzas;
use super::wrap::{has_data_key, prove};
use super::{POLICY, random, sealing, unlock};
use keys::UnderOne;

mod keyless;
mod keys;

/// The name under which an open question about the recipients stands among the keys.
pub const RECIPIENTS: &str = "sops.age";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeSide {
    Base,
    Ours,
    Theirs,
}

/// Three texts of one file.
#[derive(Clone, Copy)]
pub struct MergeVersions<'a> {
    pub format: Format,
    /// `None`: both sides added the file.
    pub base: Option<&'a str>,
    pub ours: &'a str,
    pub theirs: &'a str,
}

/// What git says about the merge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// Theirs is a version from the past (`git revert`); `None` where git does not say.
    pub undoes: Option<bool>,
    /// The result becomes the base of another merge.
    pub is_virtual: bool,
    /// Whom a policy names that people can read, on either side. Anybody can write a stanza that
    /// opens for nobody; only for these it is made a real one.
    pub approved: &'a [String],
}

/// A document that says what both sides say; what is open it has from ours.
pub struct MergeOutcome {
    pub text: String,
    pub changes: KeyChanges,
    /// Recipients that a revert would bring back.
    pub returned: Vec<String>,
    /// Recipients of theirs who would need a new stanza, and whom no policy names.
    pub unapproved: Vec<String>,
    /// Together the sides remove everybody.
    pub is_empty: bool,
    /// Every value was encrypted under a new data key.
    pub is_fresh: bool,
    /// Merged without a key: the side that the values are from, as they are.
    pub whole: Option<MergeSide>,
}

impl MergeOutcome {
    /// The keys that a person has to decide on, as the file names them.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        let mut open: Vec<String> = self
            .changes
            .conflicts
            .iter()
            .map(ToString::to_string)
            .collect();
        if !self.returned.is_empty() || !self.unapproved.is_empty() || self.is_empty {
            open.push(RECIPIENTS.into());
        }
        open
    }
}

/// Why the file has to be merged as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsText {
    /// A value or the MAC of this side does not authenticate: that must not get a valid MAC.
    #[error("{1}")]
    Tampered(MergeSide, String),
    #[error("{1}")]
    NotSops(MergeSide, String),
    #[error("no identity at hand opens it")]
    Locked,
    #[error("{0}")]
    Other(String),
}

/// A version with its data key.
struct OpenedVersion {
    key: DataKey,
    clear: Cleartext,
}

/// The three versions, opened and checked.
pub struct Triple {
    base: Option<OpenedVersion>,
    ours: OpenedVersion,
    theirs: OpenedVersion,
}

/// Merges by key.
///
/// # Errors
/// [`AsText`]: nothing was merged.
pub fn merge(
    keyring: &Keyring,
    versions: MergeVersions<'_>,
    how: Circumstances<'_>,
) -> Result<MergeOutcome, AsText> {
    let documents = parse(versions)?;
    match open(keyring, &documents) {
        Ok(triple) => triple.merge(how),
        Err(AsText::Locked) => keyless::merge(&documents, how),
        Err(error) => Err(error),
    }
}

/// The same, for whoever has to see the values too.
///
/// # Errors
/// As [`merge`].
pub fn open_versions(keyring: &Keyring, versions: MergeVersions<'_>) -> Result<Triple, AsText> {
    open(keyring, &parse(versions)?)
}

/// Base, where there is one, ours and theirs.
struct Documents {
    base: Option<Document>,
    ours: Document,
    theirs: Document,
}

fn parse(versions: MergeVersions<'_>) -> Result<Documents, AsText> {
    let parse = |side: MergeSide, text: &str| {
        Document::parse(versions.format, text)
            .map_err(|error| AsText::NotSops(side, error.to_string()))
    };
    Ok(Documents {
        ours: parse(MergeSide::Ours, versions.ours)?,
        theirs: parse(MergeSide::Theirs, versions.theirs)?,
        base: versions
            .base
            .map(|text| parse(MergeSide::Base, text))
            .transpose()?,
    })
}

/// Each version by its own stanzas, or by the data key of another one.
fn open(keyring: &Keyring, documents: &Documents) -> Result<Triple, AsText> {
    let list = [
        Some(&documents.ours),
        Some(&documents.theirs),
        documents.base.as_ref(),
    ];
    let own =
        list.map(|document| document.and_then(|document| unlock::unlock(keyring, document).ok()));
    let opened = |document: &Document, side: MergeSide, position: usize| {
        let key = own[position]
            .as_ref()
            .or_else(|| own.iter().flatten().find(|key| has_data_key(document, key)));
        let key = DataKey::new(*key.ok_or(AsText::Locked)?.bytes());
        let clear = document
            .open(&key)
            .map_err(|fault| AsText::Tampered(side, fault.to_string()))?;
        Ok(OpenedVersion { key, clear })
    };
    Ok(Triple {
        ours: opened(&documents.ours, MergeSide::Ours, 0)?,
        theirs: opened(&documents.theirs, MergeSide::Theirs, 1)?,
        base: documents
            .base
            .as_ref()
            .map(|base| opened(base, MergeSide::Base, 2))
            .transpose()?,
    })
}

fn labels(document: &Document) -> Vec<String> {
    document
        .metadata()
        .age
        .iter()
        .map(|stanza| stanza.recipient.clone())
        .collect()
}

impl OpenedVersion {
    fn version(&self) -> AccessVersion {
        AccessVersion {
            recipients: labels(self.clear.document()),
            key: self.key.digest(),
        }
    }
}

impl Triple {
    /// That of ours.
    #[must_use]
    pub fn format(&self) -> Format {
        self.ours.clear.document().format()
    }

    #[must_use]
    pub fn base(&self) -> Option<&Tree> {
        self.base.as_ref().map(|base| base.clear.tree())
    }

    #[must_use]
    pub fn ours(&self) -> &Tree {
        self.ours.clear.tree()
    }

    #[must_use]
    pub fn theirs(&self) -> &Tree {
        self.theirs.clear.tree()
    }

    #[must_use]
    pub fn ours_opened(&self) -> (&Cleartext, &DataKey) {
        (&self.ours.clear, &self.ours.key)
    }

    /// The data key of a document, where one of the versions has it.
    #[must_use]
    pub fn key_of(&self, document: &Document) -> Option<DataKey> {
        let keys = [
            Some(&self.ours.key),
            Some(&self.theirs.key),
            self.base.as_ref().map(|base| &base.key),
        ];
        let key = keys
            .into_iter()
            .flatten()
            .find(|key| has_data_key(document, key))?;
        Some(DataKey::new(*key.bytes()))
    }

    #[must_use]
    pub fn theirs_opened(&self) -> (&Cleartext, &DataKey) {
        (&self.theirs.clear, &self.theirs.key)
    }

    /// # Errors
    /// As [`merge`].
    pub fn merge(&self, how: Circumstances<'_>) -> Result<MergeOutcome, AsText> {
        let other = |what: String| AsText::Other(what);
        let base = self.base.as_ref().map(|base| &base.clear);
        let undoes = how.undoes.unwrap_or(false) || self.is_older();
        let under = self.under_one()?;
        let (access, unapproved) = self.access(under.as_ref(), undoes, how.approved)?;
        let placeholder: Option<sops_document::Random<'_>> = if how.is_virtual {
            Some(&mut random)
        } else {
            None
        };
        let Self { ours, theirs, .. } = under.as_ref().map_or(self, |under| &under.triple);
        let merged = merge::values(base, &ours.clear, &theirs.clear, placeholder);
        let merged = merged.map_err(|error| other(error.to_string()))?;
        let text = self.seal(&merged, &access, under.as_ref())?;
        Ok(MergeOutcome {
            text,
            changes: merged.changes,
            returned: access.returned,
            unapproved,
            is_empty: access.is_empty,
            is_fresh: access.key == KeyFrom::Fresh,
            whole: None,
        })
    }

    /// Who reads the result, and who would need a new stanza although no policy names them.
    fn access(
        &self,
        under: Option<&UnderOne>,
        undoes: bool,
        approved: &[String],
    ) -> Result<(MergedAccess, Vec<String>), AsText> {
        let base = self.base.as_ref().map(OpenedVersion::version);
        let mut access = merge::access(
            base.as_ref(),
            &self.ours.version(),
            &self.theirs.version(),
            undoes,
        );
        if let Some(under) = under {
            self.settle_access(under, &mut access)?;
        }
        let unapproved = self.unapproved(&access, approved);
        if let (Some(_), Some(who)) = (under, unapproved.first()) {
            return Err(AsText::Other(format!(
                "theirs adds `{who}`, whom no .sops.yaml names"
            )));
        }
        access.recipients.retain(|who| !unapproved.contains(who));
        Ok((access, unapproved))
    }

    /// A stanza under the data key of the result is taken as it is. What needs a new one could be a
    /// label that somebody without the key put there.
    fn unapproved(&self, access: &MergedAccess, approved: &[String]) -> Vec<String> {
        let has_key = match access.key {
            KeyFrom::Theirs => true,
            KeyFrom::Ours => self.ours.key == self.theirs.key,
            KeyFrom::Fresh => false,
        };
        let ours = labels(self.ours.clear.document());
        let is_new = |who: &&String| !has_key && !ours.contains(who) && !approved.contains(who);
        access.recipients.iter().filter(is_new).cloned().collect()
    }

    /// A side that was written before the base undoes something, whatever git calls it.
    fn is_older(&self) -> bool {
        let time = |opened: &OpenedVersion| {
            opened
                .clear
                .document()
                .metadata()
                .lastmodified
                .parse::<jiff::Timestamp>()
                .ok()
        };
        self.base
            .as_ref()
            .and_then(time)
            .zip(time(&self.theirs))
            .is_some_and(|(base, theirs)| theirs < base)
    }

    fn seal(
        &self,
        merged: &Merged<'_>,
        access: &MergedAccess,
        under: Option<&UnderOne>,
    ) -> Result<String, AsText> {
        let other = |what: String| AsText::Other(what);
        let (ours, theirs) = (&self.ours, &self.theirs);
        let new;
        let key = match access.key {
            KeyFrom::Ours => &ours.key,
            KeyFrom::Theirs => &theirs.key,
            KeyFrom::Fresh => {
                new = DataKey::generate(&mut random);
                &new
            }
        };
        let keys = SidesWithKey {
            is_ours: *key == ours.key,
            is_theirs: *key == theirs.key,
        };
        let document = under
            .map_or(ours, |under| &under.triple.ours)
            .clear
            .document();
        let has_stanzas = under.map_or(keys.is_ours, |under| under.has_stanzas_of(key));
        let is_same = has_stanzas && labels(document) == access.recipients;
        let text = if keys.is_ours && is_same {
            sealing(key, |context| merged.seal(keys, None, context))
        } else {
            let (foreign, groups) = (&document.metadata().foreign, &document.metadata().groups);
            let keeps_foreign = is_same || (has_stanzas && groups.is_empty());
            if !foreign.is_empty() && !keeps_foreign {
                return Err(other(format!(
                    "has keys of other kinds ({}) and needs new stanzas",
                    foreign.join(", ")
                )));
            }
            let stanzas = match is_same && !groups.is_empty() {
                true => NewStanzas::Groups(Stanzas::of_groups(document)),
                false => self.stanzas((key, keys), document, &access.recipients)?,
            };
            sealing(key, |context| {
                merged.seal(keys, Some(stanzas.wrapped()), context)
            })
        };
        let text = text.map_err(|error| other(error.to_string()))?;
        for old in [Some(ours), Some(theirs), self.base.as_ref()]
            .into_iter()
            .flatten()
        {
            if old.key != *key {
                prove(document.format(), &text, &old.key, key).map_err(other)?;
            }
        }
        Ok(text)
    }

    /// The stanzas of the sides that have the data key, and new ones for everybody else.
    fn stanzas(
        &self,
        (key, keys): (&DataKey, SidesWithKey),
        document: &Document,
        recipients: &[String],
    ) -> Result<NewStanzas, AsText> {
        let metadata = document.metadata();
        let unknown = |label: &str| AsText::Other(format!("cannot wrap the data key to `{label}`"));
        if !metadata.groups.is_empty() {
            let group = |group: &sops_document::KeyGroup| {
                let labels = group.age.iter().map(|stanza| &stanza.recipient);
                labels
                    .map(|label| label.parse::<Recipient>().map_err(|_| unknown(label)))
                    .collect()
            };
            let readers = metadata
                .groups
                .iter()
                .map(group)
                .collect::<Result<Vec<Vec<Recipient>>, _>>()?;
            return Ok(NewStanzas::Groups(Stanzas::new(
                key,
                &readers,
                metadata.threshold,
            )));
        }
        let sides = [(keys.is_ours, &self.ours), (keys.is_theirs, &self.theirs)];
        let kept: Vec<&WrappedKey> = sides
            .iter()
            .filter(|(has_key, _)| *has_key)
            .flat_map(|(_, side)| &side.clear.document().metadata().age)
            .collect();
        let wrap = |label: &String| match kept.iter().find(|stanza| stanza.recipient == *label) {
            Some(stanza) => Ok(WrappedKey::clone(stanza)),
            None => {
                let recipient = label.parse::<Recipient>().map_err(|_| unknown(label))?;
                Ok(age::wrap(key, &[recipient]).remove(0))
            }
        };
        Ok(NewStanzas::Whole(
            recipients.iter().map(wrap).collect::<Result<_, _>>()?,
        ))
    }
}

enum NewStanzas {
    Whole(Vec<WrappedKey>),
    Groups(Stanzas),
}

impl NewStanzas {
    fn wrapped(&self) -> Wrapped<'_> {
        match self {
            Self::Whole(stanzas) => Wrapped::Whole(stanzas),
            Self::Groups(stanzas) => stanzas.into(),
        }
    }
}

/// Who reads the merged file and did not read ours, and the other way round.
#[must_use]
pub fn readers_changed(format: Format, ours: &str, merged: &str) -> (Vec<String>, Vec<String>) {
    let read = |text: &str| {
        Document::parse(format, text)
            .map(|it| labels(&it))
            .unwrap_or_default()
    };
    let (before, after) = (read(ours), read(merged));
    let only = |these: &[String], others: &[String]| {
        these
            .iter()
            .filter(|who| !others.contains(who))
            .cloned()
            .collect()
    };
    (only(&after, &before), only(&before, &after))
}

/// Whom the root policy of these commits names for a file.
#[must_use]
pub fn approved(repo: &Repo, path: &str, commits: &[Option<ObjectId>]) -> Vec<String> {
    let mut names = Vec::new();
    for commit in commits.iter().flatten() {
        let text = repo
            .blob_at(*commit, POLICY)
            .ok()
            .flatten()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((config, _)) = text.and_then(|text| Config::parse(&text).ok()) else {
            continue;
        };
        if let Some((_, rule)) = config.rule_for(path) {
            names.extend(rule.recipients().into_iter().map(str::to_owned));
        }
    }
    names
}

/// The document with what theirs has at some paths.
///
/// # Errors
/// [`AsText::Other`] where that cannot be written.
pub fn settle(
    (ours, key): (&Cleartext, &DataKey),
    (theirs, their_key): (&Cleartext, &DataKey),
    paths: &[Path],
) -> Result<String, AsText> {
    let other = |what: String| AsText::Other(what);
    let merged = merge::settle(ours, theirs, paths).map_err(|error| other(error.to_string()))?;
    let keys = SidesWithKey {
        is_ours: true,
        is_theirs: *key == *their_key,
    };
    sealing(key, |context| merged.seal(keys, None, context))
        .map_err(|error| other(error.to_string()))
}
