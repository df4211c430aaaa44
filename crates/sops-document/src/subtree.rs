//! Maps and lists as values: printed by themselves, and put in place of whatever stands at a path.

use zeroize::Zeroizing;

use crate::context::SealContext;
use crate::document::{Cleartext, Document};
use crate::error::{EditError, SealError};
use crate::places::root;
use crate::splice::splice;
use crate::syntax::Indent;
use crate::syntax::format::Format;
use crate::tree::{Leaf, Node, Path, Scalar, Tree, Value};

/// What stands in a new place until the map or list does.
const PLACEHOLDER: &str = "placeholder";

const WHOLE_FLOAT: &str = "holds a number like 1.0, or one beyond 64 bits, which would be read as another one: set it as text";

impl Format {
    /// A map or list as sops prints it; `None` where the format has none by itself.
    #[must_use]
    pub fn emit_node(self, node: &Node, indent: Indent) -> Option<Zeroizing<String>> {
        if !self.has_types() {
            return None;
        }
        let text = match &node.value {
            Value::Leaf(_) => return None,
            Value::List(_) if node.entries().next().is_none() => "[]\n".to_owned(),
            _ => self.emit(
                &Tree {
                    documents: vec![node.clone()],
                    ..Tree::default()
                },
                indent,
            )?,
        };
        Some(Zeroizing::new(text))
    }
}

impl Cleartext {
    /// Puts a map or list at a path; `None` when the same one is there already. What is equal in it
    /// keeps its token, comments in what it replaces go.
    ///
    /// # Errors
    /// [`EditError`]; `Clear` unless `allow_clear`.
    pub fn set_node(
        &self,
        path: &Path,
        node: &Node,
        allow_clear: bool,
        context: &mut SealContext<'_>,
    ) -> Result<Option<String>, EditError> {
        let format = self.document().format();
        if !format.has_types() {
            return Err(EditError::Value(
                path.clone(),
                "this format holds no maps and lists",
            ));
        }
        if has_whole_float(node) {
            return Err(EditError::Value(path.clone(), WHOLE_FLOAT));
        }
        self.check_set(path, &Scalar::Null)?;
        match self.tree().find(path) {
            Some(found) if found.node.means(node) => return Ok(None),
            Some(_) => {}
            None => return self.set_new(path, node, allow_clear, context).map(Some),
        }
        let layout = self.layout();
        let edited = self.with_node(&layout, path, node)?;
        let text = self
            .reseal(&edited, context)?
            .unwrap_or_else(|| self.document().source().to_owned());
        let opened = self.opened_again(&text, context)?;
        let found = opened
            .tree()
            .find(path)
            .filter(|found| found.node.means(node));
        let found = found.ok_or_else(|| SealError::ReadBack("a value differs".into()))?;
        match first_in_clear(&mut path.clone(), &found.node).filter(|_| !allow_clear) {
            Some(clear) => {
                let (name, text) = self.document().metadata().selector.field();
                Err(EditError::Clear(clear, format!("{name}: {text}")))
            }
            None => Ok(Some(text)),
        }
    }

    /// The place first, as a value gets it.
    fn set_new(
        &self,
        path: &Path,
        node: &Node,
        allow_clear: bool,
        context: &mut SealContext<'_>,
    ) -> Result<String, EditError> {
        let missing = || EditError::Missing(path.clone());
        let text = self
            .set(path, Scalar::str(PLACEHOLDER), true, context)?
            .ok_or_else(missing)?;
        let made = self.opened_again(&text, context)?;
        made.set_node(path, node, allow_clear, context)?
            .ok_or_else(missing)
    }

    /// A text that follows from this one, its paths in the same document.
    fn opened_again(&self, text: &str, context: &SealContext<'_>) -> Result<Self, EditError> {
        let document = Document::parse(self.document().format(), text).map_err(SealError::from)?;
        let mut opened = document.open(context.key).map_err(SealError::from)?;
        opened.tree.home = self.tree().home;
        Ok(opened)
    }

    /// The clear text with a map or list in place of the value at a path.
    fn with_node(
        &self,
        layout: &str,
        path: &Path,
        node: &Node,
    ) -> Result<Zeroizing<String>, EditError> {
        let missing = || EditError::Missing(path.clone());
        let format = self.document().format();
        let mut shown = format.parse(layout).map_err(SealError::from)?;
        shown.home = self.tree().home;
        let root = root(&shown, path).ok_or_else(missing)?;
        let (_, parents) = path.0.split_last().ok_or_else(missing)?;
        let parent = match parents {
            [] => root,
            _ => &root.find(parents).ok_or_else(missing)?.node,
        };
        let entry = root.find(&path.0).ok_or_else(missing)?;
        let edit = format
            .syntax()
            .replace_node(layout, parent, entry, path.0.len(), node);
        Ok(splice(layout, vec![edit.ok_or_else(missing)?]))
    }
}

/// The first value below a path that is not encrypted although it is one.
fn first_in_clear(path: &mut Path, node: &Node) -> Option<Path> {
    if let Value::Leaf(Leaf { scalar, token, .. }) = &node.value {
        let is_clear = token.is_none() && scalar.token_type().is_some() && !scalar.is_empty_str();
        return is_clear.then(|| path.clone());
    }
    for (index, entry) in node.entries().enumerate() {
        path.0.push(crate::tree::step(entry, index));
        let found = first_in_clear(path, &entry.node);
        path.0.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// sops prints such a number as a whole one, and so would the text that is sealed.
fn has_whole_float(node: &Node) -> bool {
    match &node.value {
        Value::Leaf(leaf) => matches!(leaf.scalar, Scalar::Float(number) if number.fract() == 0.0),
        _ => node.entries().any(|entry| has_whole_float(&entry.node)),
    }
}

#[cfg(test)]
mod tests;
