//! Which side changed what, key by key.

use super::edits::Edits;
use super::shown::{index, keyed};
use crate::tree::{Entry, Node, Path, Step, Value};

/// What happened to the keys of the three versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// Changed by ours alone, or by both alike.
    pub ours: Vec<Path>,
    /// Changed by theirs alone: the result has it from there.
    pub theirs: Vec<Path>,
    /// Changed by both, and differently; the result has what ours says.
    pub conflicts: Vec<Path>,
}

/// Walks the three versions of one document of the file.
pub(super) struct DecideWalk<'e, 's, 'a> {
    pub(super) edits: &'e mut Edits<'s, 'a>,
    pub(super) document: usize,
    pub(super) changes: &'e mut KeyChanges,
}

impl DecideWalk<'_, '_, '_> {
    /// Two maps.
    pub(super) fn map(&mut self, base: Option<&Node>, ours: &Node, theirs: &Node, path: &mut Path) {
        let (old, their_keys) = (base.map(index).unwrap_or_default(), index(theirs));
        let our_keys = index(ours);
        for (key, entry) in keyed(ours) {
            path.0.push(Step::Key(key.to_owned()));
            match their_keys.get(key) {
                Some(theirs) => self.both(old.get(key).copied(), &entry.node, theirs, path),
                None => self.only_ours(old.get(key).copied(), &entry.node, path),
            }
            path.0.pop();
        }
        for (key, entry) in keyed(theirs).filter(|(key, _)| !our_keys.contains_key(key)) {
            path.0.push(Step::Key(key.to_owned()));
            match old.get(key) {
                None => {
                    self.edits.insert(self.document, path);
                    self.changes.theirs.push(path.clone());
                }
                Some(base) if base.means(&entry.node) => self.changes.ours.push(path.clone()),
                Some(_) => self.changes.conflicts.push(path.clone()),
            }
            path.0.pop();
        }
    }

    /// Theirs has no such key: it was added by ours or removed by theirs.
    fn only_ours(&mut self, base: Option<&Node>, ours: &Node, path: &Path) {
        match base {
            None => self.changes.ours.push(path.clone()),
            Some(base) if base.means(ours) => {
                self.edits.remove(self.document, path);
                self.changes.theirs.push(path.clone());
            }
            Some(_) => self.changes.conflicts.push(path.clone()),
        }
    }

    fn both(&mut self, base: Option<&Node>, ours: &Node, theirs: &Node, path: &mut Path) {
        if ours.means(theirs) {
            if base.is_none_or(|base| !base.means(ours)) {
                self.changes.ours.push(path.clone());
            }
            return;
        }
        match (&ours.value, &theirs.value) {
            (Value::Map(_), Value::Map(_)) => self.map(base, ours, theirs, path),
            _ if base.is_some_and(|base| base.means(theirs)) => {
                self.changes.ours.push(path.clone())
            }
            (Value::List(_), Value::List(_)) if self.list(base, ours, theirs, path) => {}
            _ if base.is_some_and(|base| base.means(ours)) => {
                self.edits.take(self.document, path);
                self.changes.theirs.push(path.clone());
            }
            _ => self.changes.conflicts.push(path.clone()),
        }
    }

    /// Lists of one length are merged item by item, where no item was changed twice; others are one
    /// value.
    fn list(&mut self, base: Option<&Node>, ours: &Node, theirs: &Node, path: &mut Path) -> bool {
        let Some(base) = base.filter(|base| matches!(base.value, Value::List(_))) else {
            return false;
        };
        let (o, a, b) = (items(base), items(ours), items(theirs));
        if o.len() != a.len() || o.len() != b.len() {
            return false;
        }
        let is_twice = |i: &usize| {
            let (o, a, b) = (&o[*i].node, &a[*i].node, &b[*i].node);
            !o.means(a) && !o.means(b) && !a.means(b)
        };
        if (0..o.len()).any(|i| is_twice(&i)) {
            return false;
        }
        for i in 0..o.len() {
            path.0.push(Step::Index(i));
            self.both(Some(&o[i].node), &a[i].node, &b[i].node, path);
            path.0.pop();
        }
        true
    }
}

fn items(node: &Node) -> Vec<&Entry> {
    node.entries().collect()
}
