//! One version of a SOPS file, reduced to what can be compared without a key.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use sops_document::age::person;
use sops_document::tree::{Leaf, Scalar};
use sops_document::{Document, Path, Token, TokenType};

/// A digest of something that only one data key, or one wrapping of it, can have made.
pub type Mark = [u8; 16];

/// An encrypted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// Of data, iv and tag. Nobody makes the same again without the same data key and iv.
    pub mark: Mark,
    pub iv: [u8; 32],
    pub kind: TokenType,
    /// Among the values that the MAC covers, from 0.
    pub place: usize,
}

/// A value that is not encrypted and that the MAC covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unencrypted {
    pub mark: Mark,
    /// The same without white space.
    pub words: Mark,
    /// As [`SealedValue::place`].
    pub place: usize,
    /// The crypt rule of the file wants it encrypted. Of rules that go by comments nobody says so.
    pub is_selected: bool,
}

impl Unencrypted {
    fn of(bytes: &[u8], place: usize, is_selected: bool) -> Self {
        let mark = mark(&[bytes]);
        if !bytes.iter().any(u8::is_ascii_whitespace) {
            return Self {
                mark,
                words: mark,
                place,
                is_selected,
            };
        }
        let words: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        Self {
            mark,
            words: self::mark(&[&words]),
            place,
            is_selected,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Readers of every kind, each by its one name ([`person`]).
    pub recipients: BTreeSet<String>,
    /// By path; in a file of several documents with their number.
    pub sealed: BTreeMap<String, SealedValue>,
    /// Values that are not encrypted and that the MAC covers.
    pub clear: BTreeMap<String, Unencrypted>,
    pub stanzas: BTreeSet<Mark>,
    /// `None` without a MAC.
    pub mac: Option<Mark>,
    /// The rule that selects what is encrypted, the default of SOPS spelled out.
    pub selector: String,
}

impl Snapshot {
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let metadata = document.metadata();
        let (field, text) = metadata.selector.field();
        let mut snapshot = Self {
            recipients: metadata
                .age
                .iter()
                .map(|stanza| person(&stanza.recipient))
                .collect(),
            stanzas: metadata
                .age
                .iter()
                .map(|stanza| mark(&[stanza.enc.as_bytes()]))
                .collect(),
            mac: (!metadata.mac.is_empty()).then(|| mark(&[metadata.mac.as_bytes()])),
            selector: format!("{field}: {text}"),
            ..Self::default()
        };
        for other in &metadata.others {
            snapshot.recipients.insert(other.reader());
            // a wrapping of a service proves the data key as a stanza does
            if !other.enc.is_empty() {
                snapshot.stanzas.insert(mark(&[other.enc.as_bytes()]));
            }
        }
        let goes_by_comments = field.ends_with("_comment_regex");
        for (path, address, leaf, token) in cells(document) {
            match token {
                Some(token) => {
                    let (mark, place) = (token_mark(&token), snapshot.covered());
                    snapshot.sealed.insert(
                        path,
                        SealedValue {
                            mark,
                            iv: token.iv,
                            kind: token.kind,
                            place,
                        },
                    );
                }
                // the MAC covers neither null nor the empty string, nor, where it says so, what is
                // clear
                None if leaf.scalar == Scalar::Null || leaf.scalar.is_empty_str() => {}
                None if metadata.mac_only_encrypted => {}
                None => {
                    let bytes = leaf.scalar.plaintext().unwrap_or_default();
                    let is_selected = !goes_by_comments && metadata.selector.selects(&address);
                    let value = Unencrypted::of(&bytes, snapshot.covered(), is_selected);
                    snapshot.clear.insert(path, value);
                }
            }
        }
        snapshot
    }

    fn covered(&self) -> usize {
        self.sealed.len() + self.clear.len()
    }

    /// Everything that proves the data key of this version.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.sealed
            .values()
            .map(|sealed| &sealed.mark)
            .chain(&self.stanzas)
    }

    /// Every key with a value, encrypted or in clear.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.sealed.keys().chain(self.clear.keys())
    }

    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.sealed.contains_key(key) || self.clear.contains_key(key)
    }

    /// What stands for the value of a key: of a token or of clear text.
    #[must_use]
    pub fn value_of(&self, key: &str) -> Option<&Mark> {
        self.sealed
            .get(key)
            .map(|sealed| &sealed.mark)
            .or_else(|| self.clear.get(key).map(|clear| &clear.mark))
    }

    /// Whether a value has this token.
    #[must_use]
    pub fn holds(&self, mark: &Mark) -> bool {
        self.sealed.values().any(|sealed| sealed.mark == *mark)
    }

    /// Keys whose token is that of an older version and whose type is not.
    pub fn retyped_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = &'a String> {
        let is_retyped =
            |old: &SealedValue, new: &SealedValue| old.mark == new.mark && old.kind != new.kind;
        let both = self
            .sealed
            .iter()
            .filter_map(|(key, new)| Some((key, older.sealed.get(key)?, new)));
        both.filter(move |(_, old, new)| is_retyped(old, new))
            .map(|(key, ..)| key)
    }

    /// Whether both versions provably have one data key.
    #[must_use]
    pub fn shares_key_with(&self, other: &Self) -> bool {
        let marks: BTreeSet<&Mark> = self.marks().collect();
        other.marks().any(|mark| marks.contains(mark))
    }
}

/// Every value: its name among all documents, its address in its own, and the token where it is
/// one.
fn cells(document: &Document) -> impl Iterator<Item = (String, Path, &Leaf, Option<Token>)> {
    let tree = document.tree();
    tree.leaves().into_iter().map(|(path, node, leaf)| {
        let number = tree
            .ends
            .iter()
            .take_while(|end| **end <= node.span.start)
            .count();
        let name = if number == 0 {
            path.to_string()
        } else {
            format!("{path} [document {}]", number + 1)
        };
        let token = leaf
            .scalar
            .as_text()
            .and_then(|text| Token::parse(text).ok());
        (name, path, leaf, token)
    })
}

/// Whether a name is that of a value behind the first document; a key that looks so is quoted.
#[must_use]
pub fn is_of_later_document(name: &str) -> bool {
    name.rsplit_once(" [document ").is_some_and(|(_, number)| {
        number
            .strip_suffix(']')
            .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The tokens of a document with their marks and addresses.
pub fn tokens(document: &Document) -> impl Iterator<Item = (Mark, Path, Token)> {
    cells(document)
        .filter_map(|(_, path, _, token)| token.map(|token| (token_mark(&token), path, token)))
}

/// Every value in the order of the document, by its name among all documents.
pub fn named_leaves(document: &Document) -> impl Iterator<Item = (String, &Leaf)> {
    cells(document).map(|(name, _, leaf, _)| (name, leaf))
}

/// The names of the encrypted values, in the order of the document.
#[must_use]
pub fn sealed_names(document: &Document) -> Vec<String> {
    cells(document)
        .filter(|cell| cell.3.is_some())
        .map(|(name, ..)| name)
        .collect()
}

fn token_mark(token: &Token) -> Mark {
    mark(&[&token.data, &token.iv, &token.tag])
}

fn mark(parts: &[&[u8]]) -> Mark {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    std::array::from_fn(|at| digest[at])
}
