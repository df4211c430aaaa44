//! What a merged document has to say.

use crate::facts::{Fact, facts, values};
use crate::tree::{Node, Path, Tree, step};

/// Values in order, for each whether it is encrypted, and the maps and lists that hold none.
#[derive(PartialEq, Eq)]
pub(super) struct Meaning(Vec<Fact>, Vec<bool>, Vec<Path>);

impl Meaning {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut values = values(facts(tree));
        // a document without values is there in one layout and not in another
        values.retain(|(_, kind, _)| !["empty", "document"].contains(kind));
        let mut empty = Vec::new();
        for root in &tree.documents {
            find_empty(root, &mut Path::default(), &mut empty);
        }
        // a document without values is `{}` in one layout and nothing in another
        empty.retain(|path| !path.0.is_empty());
        Self(
            values,
            tree.leaves()
                .iter()
                .map(|(.., leaf)| leaf.token.is_some())
                .collect(),
            empty,
        )
    }
}

/// Comments are no entries.
fn find_empty(node: &Node, path: &mut Path, empty: &mut Vec<Path>) {
    if node.leaf().is_none() && node.entries().next().is_none() {
        empty.push(path.clone());
    }
    for (index, entry) in node.entries().enumerate() {
        path.0.push(step(entry, index));
        find_empty(&entry.node, path, empty);
        path.0.pop();
    }
}
