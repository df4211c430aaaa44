//! Values taken out.

use std::ops::Range;

use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::{EditError, SealError};
use crate::places::{container_mut, entry_at, home, root};
use crate::splice::Edit;
use crate::syntax::EntryInContext;
use crate::tree::{Item, Node, Path, Scalar, Step, Tree, Value, step};

const TOUCH: &str = "cannot be removed together with another one";

impl Cleartext {
    /// Removes one entry; a map or list that loses its last one stays, empty.
    ///
    /// # Errors
    /// [`EditError::Missing`], or what cannot be spliced.
    pub fn unset(&self, path: &Path, context: &mut SealContext<'_>) -> Result<String, EditError> {
        self.unset_at_once(std::slice::from_ref(path), context)
    }

    /// Removes several entries of maps; together where their texts do not touch, else half by half.
    ///
    /// # Errors
    /// As [`Self::unset`], for the first that cannot be removed.
    pub fn unset_all(
        &self,
        paths: &[Path],
        context: &mut SealContext<'_>,
    ) -> Result<String, EditError> {
        match paths {
            [] => return Ok(self.document().source().to_owned()),
            [path] => return self.unset(path, context),
            _ => {}
        }
        if let Ok(text) = self.unset_at_once(paths, context) {
            return Ok(text);
        }
        let (first, second) = paths.split_at(paths.len() / 2);
        let text = self.unset_all(first, context)?;
        let again = Document::parse(self.document().format(), &text).map_err(SealError::from)?;
        let again = again.open(context.key).map_err(SealError::from)?;
        again.unset_all(second, context)
    }

    /// What is written is read back, so a text that does not come out right is an error here.
    fn unset_at_once(
        &self,
        paths: &[Path],
        context: &mut SealContext<'_>,
    ) -> Result<String, EditError> {
        let mut tree = self.tree().clone();
        let mut edits = Vec::new();
        for path in paths {
            self.check_set(path, &Scalar::Null)?;
            let edit = self.removal(path)?;
            take(&mut tree, &path.0, &edit.0);
            edits.push(edit);
        }
        edits.sort_by_key(|(range, _)| range.start);
        if edits.windows(2).any(|pair| pair[0].0.end > pair[1].0.start) {
            return Err(EditError::Value(paths[0].clone(), TOUCH));
        }
        Ok(self.finish(edits, &tree, context)?)
    }

    /// The edit that takes the entry at a path out.
    fn removal(&self, path: &Path) -> Result<Edit, EditError> {
        let missing = || EditError::Missing(path.clone());
        let (last, parents) = path.0.split_last().ok_or_else(missing)?;
        let mut owner = None;
        let mut parent = root(self.tree(), path).ok_or_else(missing)?;
        for step in parents {
            let entry = entry_at(parent, step).ok_or_else(missing)?;
            owner = Some(entry);
            parent = &entry.node;
        }
        let entry = entry_at(parent, last).ok_or_else(missing)?;
        let document = self.document();
        let found = EntryInContext {
            path,
            owner,
            parent,
            entry,
        };
        let edit = document
            .format()
            .syntax()
            .remove(&document.page(self.tree()), &found);
        edit.map_err(|what| EditError::Value(path.clone(), what))?
            .ok_or_else(missing)
    }
}

/// Takes an entry out of a tree, and the comments that stand in its lines.
fn take(tree: &mut Tree, steps: &[Step], lines: &Range<usize>) {
    for document in &mut tree.documents {
        drop_comments(document, lines);
    }
    let Some((last, parents)) = steps.split_last() else {
        return;
    };
    let home = home(tree, &Path(steps.to_vec()));
    let parent = tree
        .documents
        .get_mut(home)
        .and_then(|root| container_mut(root, parents));
    if let Some(Node {
        value: Value::Map(items) | Value::List(items),
        ..
    }) = parent
    {
        let mut index = 0;
        items.retain(|item| {
            let Item::Entry(entry) = item else {
                return true;
            };
            let keep = step(entry, index) != *last;
            index += 1;
            keep
        });
    }
}

fn drop_comments(node: &mut Node, lines: &Range<usize>) {
    let (Value::Map(items) | Value::List(items)) = &mut node.value else {
        return;
    };
    items.retain_mut(|item| match item {
        Item::Comment(comment) => !lines.contains(&comment.span.start),
        Item::Entry(entry) => {
            drop_comments(&mut entry.node, lines);
            true
        }
    });
}
