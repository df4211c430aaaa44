//! What was read last, up to a bound: a tree is read as the one of its commit and again as the one
//! of a parent, soon after.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use super::commits::NameHasher;

type Generation<K, V> = HashMap<K, V, BuildHasherDefault<NameHasher>>;

/// Two generations; what neither asked for while the young one filled up is dropped.
pub(super) struct Recent<K, V> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    /// Of what is in `young`.
    weight: usize,
    /// Of one generation.
    most: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            weight: 0,
            most,
        }
    }

    /// What is known under a key, else what `read` gives.
    pub(super) fn get<E>(
        &mut self,
        key: K,
        weigh: fn(&V) -> usize,
        read: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        if let Some(known) = self.young.get(&key) {
            return Ok(known.clone());
        }
        let value = match self.old.remove(&key) {
            Some(known) => known,
            None => read()?,
        };
        self.weight += weigh(&value);
        if self.weight > self.most {
            self.old = std::mem::take(&mut self.young);
            self.weight = weigh(&value);
        }
        self.young.insert(key, value.clone());
        Ok(value)
    }
}
