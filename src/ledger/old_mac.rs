//! What differs between two versions that have one MAC, as far as it can be seen without a key.

use std::collections::BTreeMap;

use super::Snapshot;
use super::snapshot::{Mark, Unencrypted};

/// Values of the later version against those that the MAC was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditsUnderMac {
    /// Encrypted values, by their tokens. One that is moved is deleted and added.
    pub tokens: EditedKeys,
    /// Values that are not encrypted and that the MAC covers.
    pub unencrypted: EditedKeys,
    /// The MAC covers the values in the order of the file.
    pub is_reordered: bool,
}

/// Keys, by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditedKeys {
    pub changed: Vec<String>,
    /// Only the white space of these differs, as a formatter leaves it.
    pub reformatted: Vec<String>,
    pub added: Vec<String>,
    pub deleted: Vec<String>,
}

impl EditedKeys {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.changed
            .iter()
            .chain(&self.reformatted)
            .chain(&self.added)
            .chain(&self.deleted)
    }

    fn between<T>(
        before: &BTreeMap<String, T>,
        after: &BTreeMap<String, T>,
        change: &dyn Fn(&T, &T) -> Option<EditKind>,
    ) -> Self {
        let mut keys = Self::default();
        for (key, new) in after {
            let list = match before.get(key).map(|old| change(old, new)) {
                Some(None) => continue,
                Some(Some(EditKind::WhiteSpace)) => &mut keys.reformatted,
                Some(Some(EditKind::Value)) => &mut keys.changed,
                None => &mut keys.added,
            };
            list.push(key.clone());
        }
        keys.deleted = before
            .keys()
            .filter(|key| !after.contains_key(*key))
            .cloned()
            .collect();
        keys
    }
}

enum EditKind {
    Value,
    WhiteSpace,
}

impl EditsUnderMac {
    #[must_use]
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let token = |old: &Mark, new: &Mark| (old != new).then_some(EditKind::Value);
        let unencrypted = |old: &Unencrypted, new: &Unencrypted| match () {
            () if old.mark == new.mark => None,
            () if old.words == new.words => Some(EditKind::WhiteSpace),
            () => Some(EditKind::Value),
        };
        Self {
            tokens: EditedKeys::between(&before.sealed, &after.sealed, &|old, new| {
                token(&old.mark, &new.mark)
            }),
            unencrypted: EditedKeys::between(&before.clear, &after.clear, &unencrypted),
            is_reordered: order_of_common(before, after) != order_of_common(after, before),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.unencrypted.is_empty() && !self.is_reordered
    }
}

/// The keys that both have, in the order of the first.
fn order_of_common<'a>(of: &'a Snapshot, other: &Snapshot) -> Vec<&'a String> {
    let sealed = of.sealed.iter().map(|(key, sealed)| (sealed.place, key));
    let clear = of.clear.iter().map(|(key, clear)| (clear.place, key));
    let mut order: Vec<_> = sealed
        .chain(clear)
        .filter(|(_, key)| other.has(key))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, key)| key).collect()
}
