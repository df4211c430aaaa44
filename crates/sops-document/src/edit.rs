//! Changing values: their own bytes, `lastmodified` and `mac`, and nothing else.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use zeroize::Zeroizing;

use crate::context::SealContext;
use crate::document::Cleartext;
use crate::error::EditError;
use crate::places::{entry_at, entry_mut, home, new_leaf, root};
use crate::seal::check_places;
use crate::sealing::{header_comment, token_range, token_text};
use crate::selector::Selected;
use crate::splice::Edit;
use crate::syntax::Gap;
use crate::tree::{Entry, Leaf, Node, Path, Scalar, Step, Style, Tree, Value};

impl Cleartext {
    /// Sets one value, and makes the maps and lists around it where they are missing; `None` when
    /// it has this type and value already.
    ///
    /// # Errors
    /// [`EditError`]; `Clear` unless `allow_clear`.
    pub fn set(
        &self,
        path: &Path,
        scalar: Scalar,
        allow_clear: bool,
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, EditError> {
        self.set_values(&[(path.clone(), scalar)], allow_clear, context)
    }

    /// Sets several values at different paths; `None` when all of them are there already. None of
    /// them may be left in clear, and where there are several, what is new has to be an entry of a
    /// map or list that exists.
    ///
    /// # Errors
    /// [`EditError`] of the first value that cannot be set.
    pub fn set_all(
        &self,
        values: &[(Path, Scalar)],
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, EditError> {
        self.set_values(values, false, context)
    }

    /// Whether a value can stand at a path at all: its name and what the format can carry.
    ///
    /// # Errors
    /// [`EditError`].
    pub fn check_set(&self, path: &Path, scalar: &Scalar) -> Result<(), EditError> {
        let syntax = self.document().format().syntax();
        let first = path.keys().next().unwrap_or_default();
        if syntax.is_reserved(first) {
            return Err(EditError::Reserved(first.to_owned()));
        }
        check_places(self.tree())?;
        syntax
            .check_value(scalar)
            .map_err(|what| EditError::Value(path.clone(), what))
    }

    fn set_values(
        &self,
        values: &[(Path, Scalar)],
        allow_clear: bool,
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, EditError> {
        let mut tree = self.tree().clone();
        let mut places = Vec::new();
        for (path, scalar) in values {
            self.check_set(path, scalar)?;
            let place = self.place(path)?;
            if values.len() > 1 && place.makes_containers(path) {
                return Err(EditError::Value(
                    path.clone(),
                    "is new, and so is what it stands in",
                ));
            }
            self.put(&mut tree, path, scalar, &place);
            places.push(place);
        }
        let selections = self.selections(&tree, values);
        let mut edits = Vec::new();
        for ((path, scalar), place) in values.iter().zip(places) {
            let selected = selections.contains(&(home(&tree, path), path));
            if !allow_clear && scalar.token_type().is_some() && !selected {
                let (name, text) = self.document().metadata().selector.field();
                return Err(EditError::Clear(path.clone(), format!("{name}: {text}")));
            }
            let value = New {
                path,
                scalar,
                selected,
            };
            edits.extend(self.edit_at(&value, place, context)?);
        }
        if edits.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.finish(edits, &tree, context)?))
    }

    fn put(&self, tree: &mut Tree, path: &Path, scalar: &Scalar, place: &SetTarget<'_>) {
        match place {
            SetTarget::Below { depth, .. } => {
                self.document()
                    .format()
                    .syntax()
                    .put(tree, path, *depth, scalar);
            }
            SetTarget::Value(..) => {
                let root = tree.documents.get_mut(home(self.tree(), path));
                if let Some(entry) = root.and_then(|root| entry_mut(root, &path.0)) {
                    entry.node.value = new_leaf(scalar);
                }
            }
        }
    }

    /// Where a path leads: to a value, or to the container that would hold what is missing.
    fn place(&self, path: &Path) -> Result<SetTarget<'_>, EditError> {
        let missing = || EditError::Missing(path.clone());
        let mut container = root(self.tree(), path).ok_or_else(missing)?;
        for (depth, step) in path.0.iter().enumerate() {
            let found = entry_at(container, step);
            let is_last = depth + 1 == path.0.len();
            match (found, &container.value) {
                (Some(entry), _) if is_last => match &entry.node.value {
                    Value::Leaf(leaf) => return Ok(SetTarget::Value(entry, leaf)),
                    _ => return Err(EditError::NotAValue(path.clone())),
                },
                (Some(entry), _) if matches!(entry.node.value, Value::Leaf(_)) => {
                    return Err(EditError::InTheWay(Path(path.0[..=depth].to_vec())));
                }
                (Some(entry), _) => container = &entry.node,
                (None, Value::List(_)) => {
                    let length = container.entries().count();
                    if *step != Step::Index(length) {
                        return Err(EditError::Index {
                            path: path.clone(),
                            length,
                        });
                    }
                    return below(container, path, depth);
                }
                (None, _) if matches!(step, Step::Index(_)) => {
                    return Err(EditError::Value(path.clone(), "an index into a map"));
                }
                (None, _) => return below(container, path, depth),
            }
        }
        Err(missing())
    }

    /// Those of the values that the rule of the file encrypts, with the number of their document;
    /// comments considered.
    fn selections<'v>(
        &self,
        tree: &Tree,
        values: &'v [(Path, Scalar)],
    ) -> HashSet<(usize, &'v Path)> {
        let wanted: HashMap<&Path, &'v Path> =
            values.iter().map(|(path, _)| (path, path)).collect();
        let mut found = HashSet::new();
        for (number, document) in tree.documents.iter().enumerate() {
            let mut one = Tree {
                documents: vec![document.clone()],
                ..Tree::default()
            };
            self.document()
                .metadata()
                .selector
                .walk(&mut one, &mut |path, met, selected| {
                    if let Some(path) = wanted.get(path)
                        && selected
                        && matches!(met, Selected::Leaf(..))
                    {
                        found.insert((number, *path));
                    }
                });
        }
        found
    }

    fn edit_at(
        &self,
        value: &New<'_>,
        place: SetTarget<'_>,
        context: &mut SealContext<'_>,
    ) -> Result<Option<Edit>, EditError> {
        let document = self.document();
        match place {
            SetTarget::Value(entry, leaf) => {
                let sealed = leaf.token.is_some() || !value.selected || leaf.scalar.is_empty_str();
                if leaf.scalar == *value.scalar && sealed {
                    return Ok(None);
                }
                let text = self.stored(value, leaf.style, context);
                Ok(Some(self.replacement(&entry.node.span, leaf.style, &text)))
            }
            SetTarget::Below { container, depth } => {
                let syntax = document.format().syntax();
                let (page, gap) = (
                    document.page(self.tree()),
                    Gap {
                        container,
                        path: value.path,
                        depth,
                    },
                );
                let text = self.stored(value, syntax.style_in(&page, &gap), context);
                let edit = syntax.insert(&page, &gap, &text);
                edit.map(Some)
                    .map_err(|what| EditError::Value(value.path.clone(), what))
            }
        }
    }

    /// A value as it stands in the file: a token where the selector says so.
    fn stored(
        &self,
        value: &New<'_>,
        style: Style,
        context: &mut SealContext<'_>,
    ) -> Zeroizing<String> {
        let syntax = self.document().format().syntax();
        match (value.scalar.token_type(), value.scalar.plaintext()) {
            (Some(kind), Some(plain)) if value.selected => {
                let token = context.token(kind, &plain, &value.path.aad());
                token_text(syntax, &token, style)
            }
            _ => syntax.inline(value.scalar, style),
        }
    }

    fn replacement(&self, span: &Range<usize>, style: Style, text: &str) -> Edit {
        let source = self.document().source();
        let range = token_range(source, span, style);
        let lead = self
            .document()
            .format()
            .syntax()
            .lead(&source[range.clone()]);
        let comment = header_comment(source, span, style);
        (range, Zeroizing::new(format!("{lead}{text}{comment}")))
    }
}

/// A value on its way into the file, and whether it is encrypted there.
struct New<'a> {
    path: &'a Path,
    scalar: &'a Scalar,
    selected: bool,
}

enum SetTarget<'a> {
    Value(&'a Entry, &'a Leaf),
    /// The container lacks the step at `depth`.
    Below {
        container: &'a Node,
        depth: usize,
    },
}

impl SetTarget<'_> {
    /// Whether maps or lists are missing around the value.
    fn makes_containers(&self, path: &Path) -> bool {
        matches!(self, Self::Below { depth, .. } if depth + 1 != path.0.len())
    }
}

/// A new list starts with its first item.
fn below<'a>(container: &'a Node, path: &Path, depth: usize) -> Result<SetTarget<'a>, EditError> {
    if path.0[depth + 1..]
        .iter()
        .any(|step| matches!(step, Step::Index(index) if *index > 0))
    {
        return Err(EditError::Index {
            path: path.clone(),
            length: 0,
        });
    }
    Ok(SetTarget::Below { container, depth })
}

#[cfg(test)]
mod tests;
