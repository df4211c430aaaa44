//! What the bytes of a file tell, whatever its name says.

use std::collections::BTreeSet;

use sops_document::{Document, Format};

use super::Cause;
use crate::policy::content::{FileContent, TOO_LARGE};
use crate::policy::sniff::{Traits, sniff};

/// What was read of a file.
pub enum Read {
    Whole(Vec<u8>),
    /// Only what one pass over it tells.
    Large(Traits),
    Absent,
}

impl Read {
    /// What one pass tells; `None` where nothing was read.
    #[must_use]
    pub fn traits(&self) -> Option<Traits> {
        match self {
            Self::Whole(bytes) => Some(sniff(bytes)),
            Self::Large(traits) => Some(*traits),
            Self::Absent => None,
        }
    }
}

/// A SOPS document by its content, whatever format its name says.
#[must_use]
pub fn document(path: &str, bytes: &[u8]) -> Option<Document> {
    match FileContent::read(path, false, Some(bytes)) {
        FileContent::Document(document) => Some(*document),
        _ => None,
    }
}

/// The format of a file: that of its content where it is a document, else what its name says.
#[must_use]
pub fn format_of(path: &str, bytes: &[u8]) -> Format {
    document(path, bytes).map_or_else(|| Format::of_path(path), |document| document.format())
}

/// What a file that is not bound and of which one pass told `traits` holds; `None` where it has
/// nothing to do with SOPS. `is_named`: an attribute or its parent says that it has.
#[must_use]
pub fn secret(path: &str, is_named: bool, read: &Read, traits: Traits) -> Option<FileContent> {
    match read {
        Read::Absent => None,
        Read::Whole(bytes) => judged(path, false, is_named, bytes, traits),
        Read::Large(_) => {
            (is_named || traits.may_be_document()).then_some(FileContent::Unjudged(TOO_LARGE))
        }
    }
}

/// What bytes that may be bound hold; `None` where they have nothing to do with SOPS.
#[must_use]
pub fn content_of(path: &str, is_bound: bool, bytes: &[u8]) -> Option<FileContent> {
    judged(path, is_bound, false, bytes, sniff(bytes))
}

fn judged(
    path: &str,
    is_bound: bool,
    is_named: bool,
    bytes: &[u8],
    traits: Traits,
) -> Option<FileContent> {
    if !is_named && !traits.speaks_of_sops() {
        return None;
    }
    let content = FileContent::read(path, is_bound, Some(bytes));
    let is_secret = match &content {
        FileContent::Document(_) => true,
        FileContent::Clear => is_named,
        // a manual may well show a token
        _ => is_named || traits.is_sealed(),
    };
    is_secret.then_some(content)
}

/// What stands at a path.
pub(super) enum PathContent {
    Document(Box<Document>),
    /// Why it cannot be changed, the recipients that it names, and what leads on.
    Obstacle(Cause, Vec<String>, Vec<String>),
    NotSops,
}

/// What stax cannot read sops may: it must not be passed over.
pub(super) fn found(path: &str, is_bound: bool, bytes: &[u8]) -> PathContent {
    let Some(content) = content_of(path, is_bound, bytes) else {
        return PathContent::NotSops;
    };
    let what = match content {
        FileContent::Document(document) => return PathContent::Document(document),
        FileContent::Broken { line, what, .. } => format!("cannot be read: line {line}: {what}"),
        FileContent::Unjudged(why) => why.to_owned(),
        FileContent::NotText => "cannot be read: it is not UTF-8 text".to_owned(),
        FileContent::OtherFormat => "is of another format than its name says".to_owned(),
        FileContent::Clear | FileContent::Missing | FileContent::NotRegular => {
            return PathContent::NotSops;
        }
    };
    PathContent::Obstacle(
        Cause::Unreadable(what),
        recipients_in(bytes).into_iter().collect(),
        Vec::new(),
    )
}

/// Recipients of age and ssh that stand anywhere in a text.
pub(super) fn recipients_in(bytes: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in memchr::memmem::find_iter(bytes, b"age1") {
        let key = bytes[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric());
        found.insert(String::from_utf8_lossy(&key.copied().collect::<Vec<u8>>()).into_owned());
    }
    for start in memchr::memmem::find_iter(bytes, b"ssh-") {
        let rest = &bytes[start..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-+/= ".contains(*byte);
        let text: Vec<u8> = rest.iter().take_while(is_part).copied().collect();
        let words: Vec<String> = String::from_utf8_lossy(&text)
            .split(' ')
            .take(2)
            .map(str::to_owned)
            .collect();
        found.insert(words.join(" "));
    }
    found
}
