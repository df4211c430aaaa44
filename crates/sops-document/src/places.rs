//! Where a path leads in a tree, and what is put there.

use crate::tree::{Entry, Item, Leaf, Node, Path, Scalar, Step, Style, Tree, Value};

/// The document that has the most of a path; the first where several do.
pub(crate) fn home(tree: &Tree, path: &Path) -> usize {
    if let Some(home) = tree.home {
        return home;
    }
    if tree.documents.len() < 2 {
        return 0;
    }
    let known = |document: &Node| {
        (1..=path.0.len())
            .rev()
            .find(|length| document.find(&path.0[..*length]).is_some())
            .unwrap_or(0)
    };
    let depths: Vec<usize> = tree.documents.iter().map(known).collect();
    let most = depths.iter().copied().max().unwrap_or(0);
    depths.iter().position(|depth| *depth == most).unwrap_or(0)
}

/// The document that a path leads into.
pub(crate) fn root<'a>(tree: &'a Tree, path: &Path) -> Option<&'a Node> {
    tree.documents.get(home(tree, path))
}

/// Whether a step leads to an entry, the `index`-th of its container.
pub(crate) fn is_at(entry: &Entry, index: usize, step: &Step) -> bool {
    match (&entry.key, step) {
        (Some(key), Step::Key(wanted)) => key == wanted,
        (None, Step::Index(wanted)) => index == *wanted,
        _ => false,
    }
}

pub(crate) fn entry_at<'a>(node: &'a Node, wanted: &Step) -> Option<&'a Entry> {
    node.entries()
        .enumerate()
        .find(|(index, entry)| is_at(entry, *index, wanted))
        .map(|(_, entry)| entry)
}

pub(crate) fn entry_mut<'a>(node: &'a mut Node, steps: &[Step]) -> Option<&'a mut Entry> {
    let (first, rest) = steps.split_first()?;
    let (Value::Map(items) | Value::List(items)) = &mut node.value else {
        return None;
    };
    let entries = items.iter_mut().filter_map(|item| match item {
        Item::Entry(entry) => Some(entry),
        Item::Comment(_) => None,
    });
    let (_, entry) = entries
        .enumerate()
        .find(|(index, entry)| is_at(entry, *index, first))?;
    if rest.is_empty() {
        Some(entry)
    } else {
        entry_mut(&mut entry.node, rest)
    }
}

/// The container that the last step of a path is taken in.
pub(crate) fn container_mut<'a>(root: &'a mut Node, parents: &[Step]) -> Option<&'a mut Node> {
    match parents {
        [] => Some(root),
        _ => entry_mut(root, parents).map(|entry| &mut entry.node),
    }
}

/// Puts a value into a tree below the container that lacks the step at `depth`.
pub(crate) fn put_below(tree: &mut Tree, path: &Path, depth: usize, scalar: &Scalar) {
    let mut value = new_leaf(scalar);
    for step in path.0[depth + 1..].iter().rev() {
        value = match step {
            Step::Key(key) => Value::Map(vec![new_entry(Some(key.clone()), value)]),
            Step::Index(_) => Value::List(vec![new_entry(None, value)]),
        };
    }
    let key = match &path.0[depth] {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) => None,
    };
    let home = home(tree, path);
    let home_root = tree.documents.get_mut(home);
    if let Some(Node {
        value: Value::Map(items) | Value::List(items),
        ..
    }) = home_root.and_then(|root| container_mut(root, &path.0[..depth]))
    {
        items.push(new_entry(key, value));
    }
}

pub(crate) fn new_entry(key: Option<String>, value: Value) -> Item {
    Item::Entry(Entry {
        key,
        span: 0..0,
        key_span: 0..0,
        node: Node { span: 0..0, value },
    })
}

pub(crate) fn new_leaf(scalar: &Scalar) -> Value {
    Value::Leaf(Leaf {
        scalar: scalar.clone(),
        style: Style::Plain,
        token: None,
    })
}

/// Takes the entry of a name out of a map.
pub(crate) fn take_entry(document: &mut Node, key: &str) -> Option<Entry> {
    let Value::Map(items) = &mut document.value else {
        return None;
    };
    let position = items
        .iter()
        .position(|item| matches!(item, Item::Entry(entry) if entry.key.as_deref() == Some(key)))?;
    match items.remove(position) {
        Item::Entry(entry) => Some(entry),
        Item::Comment(_) => None,
    }
}
