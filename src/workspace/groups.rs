//! Key groups of a document beside those of the policy, and stanzas for either kind of document.

use std::collections::BTreeSet;

use sops_document::age::{self, Recipient, same_key};
use sops_document::shamir::split;
use sops_document::{DataKey, Document, KeyGroup, OtherKey, Wrapped, WrappedKey};

use crate::policy::config::CreationRule;

use super::random;

/// Who shall read: one list, or one for each key group.
pub type ReaderGroups = Vec<Vec<Recipient>>;

/// Stanzas that give a data key to its readers.
pub struct Stanzas {
    lists: Vec<Vec<WrappedKey>>,
    is_split: bool,
}

impl Stanzas {
    /// Wraps the key, or the parts of a new split of it, of which `threshold` give it back; 0 is no
    /// split.
    #[must_use]
    pub fn new(key: &DataKey, readers: &[Vec<Recipient>], threshold: usize) -> Self {
        if threshold == 0 {
            let lists = readers.iter().map(|list| age::wrap(key, list)).collect();
            return Self {
                lists,
                is_split: false,
            };
        }
        let parts = split(key, readers.len(), threshold, &mut random);
        let lists = parts
            .iter()
            .zip(readers)
            .map(|(part, list)| age::wrap_part(part, list))
            .collect();
        Self {
            lists,
            is_split: true,
        }
    }

    /// Those of the key groups of a document, as they are.
    #[must_use]
    pub fn of_groups(document: &Document) -> Self {
        let groups = document.metadata().groups.iter();
        Self {
            lists: groups.map(|group| group.age.clone()).collect(),
            is_split: true,
        }
    }
}

impl<'a> From<&'a Stanzas> for Wrapped<'a> {
    fn from(stanzas: &'a Stanzas) -> Self {
        match stanzas.lists.as_slice() {
            [list] if !stanzas.is_split => Self::Whole(list),
            lists => Self::Groups(lists),
        }
    }
}

/// The same number of groups, as many of which are needed.
#[must_use]
pub fn same_split(rule: &CreationRule, document: &Document) -> bool {
    let metadata = document.metadata();
    rule.groups.len() == metadata.groups.len() && rule.threshold() == metadata.threshold
}

/// Whether whoever opens the first version opens the second one as well, by the labels.
#[must_use]
pub fn all_stay(before: &Document, after: &Document) -> bool {
    let (old, new) = (before.metadata(), after.metadata());
    let has_age = |list: &[WrappedKey], label: &str| {
        list.iter().any(|stanza| same_key(&stanza.recipient, label))
    };
    let keeps_age = |old: &[WrappedKey], new: &[WrappedKey]| {
        old.iter().all(|stanza| has_age(new, &stanza.recipient))
    };
    let mut groups = old.groups.iter().zip(&new.groups);
    let is_in_group = |(old, new): (&KeyGroup, &KeyGroup)| {
        keeps_age(&old.age, &new.age) && old.foreign.iter().all(|kind| new.foreign.contains(kind))
    };
    old.groups.len() == new.groups.len()
        && old.threshold >= new.threshold
        && keeps_age(&old.age, &new.age)
        && others_stay(before, after)
        && groups.all(is_in_group)
}

/// The same for keys of other kinds alone.
#[must_use]
pub fn others_stay(before: &Document, after: &Document) -> bool {
    let has = |key: &OtherKey| {
        after
            .metadata()
            .others
            .iter()
            .any(|known| known.reader() == key.reader())
    };
    before.metadata().others.iter().all(has)
}

/// The same split, and in each group the same readers.
#[must_use]
pub fn fits(rule: &CreationRule, document: &Document) -> bool {
    let wanted = rule.groups.iter();
    let wanted = wanted.map(|group| {
        group
            .iter()
            .map(|(key, _)| key.as_str())
            .collect::<BTreeSet<_>>()
    });
    let found = document.metadata().groups.iter();
    let found = found.map(|group| {
        group
            .age
            .iter()
            .map(|stanza| stanza.recipient.as_str())
            .collect()
    });
    same_split(rule, document) && wanted.eq(found)
}
