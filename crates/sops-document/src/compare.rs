//! What differs between two versions of a document, key by key. Works on opened documents and on
//! locked ones: where a value is not known, its token is compared.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::cipher::Token;
use crate::document::Document;
use crate::tree::{Comment, Leaf, Path, Scalar, Tree, Visit};

/// A value or a comment as one version has it.
#[derive(Clone, Debug)]
pub struct SeenValue {
    /// `None`: encrypted, and nothing opened it.
    pub scalar: Option<Scalar>,
    /// `None`: it stands in clear.
    pub token: Option<Token>,
}

/// A value that is not the same in both versions.
#[derive(Clone, Debug)]
pub struct Change {
    pub path: Path,
    /// Of a file of several documents, counted from 0.
    pub document: usize,
    pub old: Option<SeenValue>,
    pub new: Option<SeenValue>,
}

/// What differs in the values of two versions. The order of keys is no difference.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// What is gone, as the old version orders it; then what changed and what is new, as the new
    /// one does.
    pub changes: Vec<Change>,
    /// Comments that only one version has.
    pub old_comments: Vec<SeenValue>,
    pub new_comments: Vec<SeenValue>,
    /// Values that are encrypted in both versions, and those of them that have another token.
    pub sealed: usize,
    pub renewed: usize,
}

/// What differs in who can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Stanzas of the new version, and those of them that the old one has not.
    pub stanzas: usize,
    pub renewed: usize,
    /// The MAC has another token.
    pub new_mac: bool,
    /// The rule that selects what is encrypted: the old and the new one.
    pub rule: Option<(String, String)>,
    /// Something else in the metadata: version, key groups, keys of other services.
    pub other: bool,
}

impl SeenValue {
    fn of(leaf: &Leaf) -> Self {
        let (scalar, token) = (&leaf.scalar, &leaf.token);
        if let Some(token) = token {
            return Self {
                scalar: Some(scalar.clone()),
                token: Some(Token::clone(token)),
            };
        }
        match scalar.as_text().and_then(|text| Token::parse(text).ok()) {
            Some(token) => Self {
                scalar: None,
                token: Some(token),
            },
            None => Self {
                scalar: Some(scalar.clone()),
                token: None,
            },
        }
    }

    fn of_comment(comment: &Comment) -> Self {
        if let Some(token) = &comment.token {
            return Self {
                scalar: Some(Scalar::str(&comment.text)),
                token: Some(Token::clone(token)),
            };
        }
        match Token::parse(&comment.text) {
            Ok(token) => Self {
                scalar: None,
                token: Some(token),
            },
            Err(_) => Self {
                scalar: Some(Scalar::str(&comment.text)),
                token: None,
            },
        }
    }

    /// `str`, `int`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (&self.token, &self.scalar) {
            (Some(token), _) => token.kind.name(),
            (None, Some(scalar)) => scalar.type_name(),
            (None, None) => "null",
        }
    }

    /// Bytes of the value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match (&self.token, &self.scalar) {
            (Some(token), _) => token.data.len(),
            (None, scalar) => scalar
                .as_ref()
                .and_then(Scalar::plaintext)
                .map_or(0, |plain| plain.len()),
        }
    }

    /// A value that was encrypted and now stands in clear is another one.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.token, &other.token) {
            (Some(one), Some(another)) if one == another => true,
            (Some(_), Some(_)) => self.scalar.is_some() && self.scalar == other.scalar,
            (None, None) => self.scalar == other.scalar,
            _ => false,
        }
    }
}

impl Change {
    /// The path as people read it.
    #[must_use]
    pub fn address(&self) -> String {
        match self.document {
            0 => self.path.to_string(),
            number => format!("{} (document {})", self.path, number + 1),
        }
    }

    #[must_use]
    pub fn verb(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

type Address = (usize, Path);

struct ValuesInOrder {
    order: Vec<Address>,
    values: HashMap<Address, SeenValue>,
    comments: Vec<SeenValue>,
}

impl ValuesInOrder {
    fn of(tree: &Tree) -> Self {
        let mut side = Self {
            order: Vec::new(),
            values: HashMap::new(),
            comments: Vec::new(),
        };
        for (number, document) in tree.documents.iter().enumerate() {
            let one = Tree {
                documents: vec![document.clone()],
                ..Tree::default()
            };
            one.walk(&mut |path, visit| match visit {
                Visit::Leaf(_, leaf) => {
                    let address = (number, path.clone());
                    side.order.push(address.clone());
                    side.values.insert(address, SeenValue::of(leaf));
                }
                Visit::Comment(comment) => side.comments.push(SeenValue::of_comment(comment)),
                Visit::Empty(_) => {}
            });
        }
        side
    }
}

/// Every value by its address as people read it.
#[must_use]
pub fn values(tree: &Tree) -> BTreeMap<String, SeenValue> {
    let named = |(address, known): (Address, SeenValue)| {
        let (document, path) = address;
        (
            Change {
                path,
                document,
                old: None,
                new: None,
            }
            .address(),
            known,
        )
    };
    ValuesInOrder::of(tree)
        .values
        .into_iter()
        .map(named)
        .collect()
}

/// Compares two trees; an empty one stands for a version that is not there. Lists are compared by
/// position.
#[must_use]
pub fn compare(old: &Tree, new: &Tree) -> Differences {
    let (old, new) = (ValuesInOrder::of(old), ValuesInOrder::of(new));
    let mut found = Differences::default();
    let change = |address: &Address, old: Option<&SeenValue>, new: Option<&SeenValue>| Change {
        path: address.1.clone(),
        document: address.0,
        old: old.cloned(),
        new: new.cloned(),
    };
    let gone = old
        .order
        .iter()
        .filter(|address| !new.values.contains_key(*address));
    found
        .changes
        .extend(gone.map(|address| change(address, old.values.get(address), None)));
    for address in &new.order {
        let (before, after) = (old.values.get(address), new.values.get(address));
        if let (
            Some(SeenValue {
                token: Some(one), ..
            }),
            Some(SeenValue {
                token: Some(other), ..
            }),
        ) = (before, after)
        {
            found.sealed += 1;
            found.renewed += usize::from(one != other);
        }
        if !before
            .zip(after)
            .is_some_and(|(before, after)| before.is_same(after))
        {
            found.changes.push(change(address, before, after));
        }
    }
    (found.old_comments, found.new_comments) = only_in_one(old.comments, new.comments);
    found
}

fn only_in_one(mut old: Vec<SeenValue>, new: Vec<SeenValue>) -> (Vec<SeenValue>, Vec<SeenValue>) {
    let mut fresh = Vec::new();
    for comment in new {
        match old.iter().position(|known| known.is_same(&comment)) {
            Some(position) => {
                old.swap_remove(position);
            }
            None => fresh.push(comment),
        }
    }
    (old, fresh)
}

/// Compares the metadata; `None` stands for a version that is not there.
#[must_use]
pub fn access(old: Option<&Document>, new: Option<&Document>) -> Access {
    let names = |document: Option<&Document>| -> Vec<String> {
        let stanzas = document
            .map(|document| document.metadata().age.as_slice())
            .unwrap_or_default();
        let mut seen = BTreeSet::new();
        let names = stanzas.iter().map(|stanza| stanza.recipient.clone());
        names.filter(|name| seen.insert(name.clone())).collect()
    };
    let (before, after) = (names(old), names(new));
    let mut found = Access {
        added: after
            .iter()
            .filter(|name| !before.contains(name))
            .cloned()
            .collect(),
        removed: before
            .iter()
            .filter(|name| !after.contains(name))
            .cloned()
            .collect(),
        ..Access::default()
    };
    let (Some(old), Some(new)) = (old, new) else {
        return found;
    };
    let known: HashSet<&str> = old
        .metadata()
        .age
        .iter()
        .map(|stanza| stanza.enc.as_str())
        .collect();
    let stanzas = &new.metadata().age;
    found.stanzas = stanzas.len();
    found.renewed = stanzas
        .iter()
        .filter(|stanza| !known.contains(stanza.enc.as_str()))
        .count();
    found.new_mac = old.metadata().mac != new.metadata().mac;
    let rule = |document: &Document| {
        let (field, text) = document.metadata().selector.field();
        format!("{field}: {text}")
    };
    found.rule = Some((rule(old), rule(new))).filter(|(old, new)| old != new);
    let is_same_otherwise = found.renewed == 0
        && found.rule.is_none()
        && found.added.is_empty()
        && found.removed.is_empty();
    found.other = is_same_otherwise
        && old.lasting_metadata() != new.lasting_metadata()
        && old.lasting_fields() != new.lasting_fields();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Value;
    use crate::{DataKey, Format, TokenType};

    /// A clear YAML text, its values under tokens of this key as if they had been opened.
    fn sealed(text: &str, key: u8, is_open: bool) -> Tree {
        let mut tree = Format::Yaml.parse(text).unwrap();
        for document in &mut tree.documents {
            seal(document, key, is_open);
        }
        tree
    }

    fn seal(node: &mut crate::tree::Node, key: u8, is_open: bool) {
        match &mut node.value {
            Value::Leaf(leaf) => {
                let Some(kind) = leaf.scalar.token_type() else {
                    return;
                };
                let plain = leaf.scalar.plaintext().unwrap();
                let token = Token::seal(&DataKey::new([key; 32]), kind, &plain, "", &mut |iv| {
                    iv.fill(key)
                });
                if is_open {
                    leaf.token = Some(Box::new(token));
                } else {
                    leaf.scalar = Scalar::str(&token.to_string());
                }
            }
            Value::Map(items) | Value::List(items) => items.iter_mut().for_each(|item| {
                if let crate::tree::Item::Entry(entry) = item {
                    seal(&mut entry.node, key, is_open);
                }
            }),
        }
    }

    fn told(found: &Differences) -> Vec<String> {
        found
            .changes
            .iter()
            .map(|change| format!("{} {}", change.verb(), change.address()))
            .collect()
    }

    #[test]
    fn keys_are_compared_whatever_their_order_and_data_key() {
        for (old, new, expected) in [
            ("a: 1\nb: x\n", "b: x\na: 1\n", &[][..]),
            ("a: 1\n", "a: 2\n", &["changed a"]),
            ("a: 1\n", "a: '1'\n", &["changed a"]),
            ("a: 1\nb: 2\n", "b: 2\nc: 3\n", &["removed a", "added c"]),
            (
                "m:\n  x: 1\n",
                "m:\n  y: 1\n",
                &["removed m.x", "added m.y"],
            ),
            (
                "l: [a, b]\n",
                "l: [a, c, d]\n",
                &["changed l[1]", "added l[2]"],
            ),
            (
                "a: 1\n---\na: 1\n",
                "a: 1\n---\na: 2\n",
                &["changed a (document 2)"],
            ),
            ("a: ''\n", "a: null\n", &["changed a"]),
            ("", "a: 1\n", &["added a"]),
        ] {
            let tree = |text: &str, key| {
                if text.is_empty() {
                    Tree::default()
                } else {
                    sealed(text, key, true)
                }
            };
            assert_eq!(
                told(&compare(&tree(old, 1), &tree(new, 2))),
                expected,
                "{old} {new}"
            );
        }
    }

    #[test]
    fn without_a_key_only_an_equal_token_is_an_equal_value() {
        let text = "a: 1\nb: x\nc: ''\n";
        let same = compare(&sealed(text, 1, false), &sealed(text, 1, false));
        assert_eq!((told(&same).len(), same.sealed, same.renewed), (0, 2, 0));
        let rotated = compare(&sealed(text, 1, false), &sealed(text, 2, false));
        assert_eq!(told(&rotated), ["changed a", "changed b"]);
        assert_eq!((rotated.sealed, rotated.renewed), (2, 2));
        let kinds = |change: &Change| {
            let (old, new) = (change.old.as_ref().unwrap(), change.new.as_ref().unwrap());
            (old.kind(), old.bytes()) == (new.kind(), new.bytes())
        };
        assert!(rotated.changes.iter().all(kinds));
    }

    #[test]
    fn one_opened_side_is_enough_to_see_that_nothing_changed() {
        let text = "a: 1\n";
        assert!(
            compare(&sealed(text, 1, true), &sealed(text, 1, false))
                .changes
                .is_empty()
        );
        assert_eq!(
            told(&compare(&sealed(text, 1, true), &sealed(text, 2, false))),
            ["changed a"]
        );
    }

    #[test]
    fn a_value_that_lost_its_token_is_a_change() {
        let clear = Format::Yaml.parse("a: x\n").unwrap();
        let found = compare(&sealed("a: x\n", 1, true), &clear);
        assert_eq!(told(&found), ["changed a"]);
        assert!(found.changes[0].new.as_ref().unwrap().token.is_none());
        assert_eq!(
            found.changes[0]
                .old
                .as_ref()
                .unwrap()
                .token
                .as_ref()
                .unwrap()
                .kind,
            TokenType::Str
        );
    }

    #[test]
    fn comments_are_compared_as_a_heap() {
        let tree = |text: &str| Format::Yaml.parse(text).unwrap();
        let found = compare(
            &tree("# one\na: 1\n# two\nb: 2\n"),
            &tree("# two\na: 1\n# three\nb: 2\n"),
        );
        let texts = |comments: &[SeenValue]| -> Vec<String> {
            comments
                .iter()
                .map(|c| c.scalar.as_ref().unwrap().as_text().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            (texts(&found.old_comments), texts(&found.new_comments)),
            (vec![" one".to_owned()], vec![" three".to_owned()])
        );
    }

    #[test]
    fn access_counts_stanzas_and_names_who_came_and_went() {
        let text = include_str!("../../../fixtures/sops/y01-flat.enc.yaml");
        let document = Document::parse(Format::Yaml, text).unwrap();
        let same = access(Some(&document), Some(&document));
        assert_eq!((same.stanzas, same.renewed, same.other), (1, 0, false));
        let fields = "    unencrypted_suffix: _unencrypted\n    version: 3.11.0\n";
        let formatted = text.replace(
            fields,
            "    version: \"3.11.0\"\n\n    unencrypted_suffix: _unencrypted\n",
        );
        assert_ne!(formatted, text);
        let formatted = Document::parse(Format::Yaml, &formatted).unwrap();
        assert!(!access(Some(&document), Some(&formatted)).other);
        let newer = text.replace("version: 3.11.0", "version: 3.11.1");
        let newer = Document::parse(Format::Yaml, &newer).unwrap();
        assert!(access(Some(&document), Some(&newer)).other);
        let label = &document.metadata().age[0].recipient;
        let other =
            Document::parse(Format::Yaml, &text.replace(label.as_str(), "age1other")).unwrap();
        let found = access(Some(&document), Some(&other));
        assert_eq!(
            (found.added, found.removed),
            (vec!["age1other".to_owned()], vec![label.clone()])
        );
        let fresh = access(None, Some(&document));
        assert_eq!((fresh.added.len(), fresh.removed.len()), (1, 0));
    }
}
