//! The document in its author's own layout: tokens replaced by values, the `sops` block cut.

use zeroize::Zeroizing;

use crate::document::{Cleartext, Document};
use crate::selector::{Selected, Selector};
use crate::splice::{Edit, splice};
use crate::syntax::Indent;
use crate::tree::{Comment, Leaf, Path, Scalar, Tree, Visit};

/// What stands in place of a value or a comment; `None` shows it as it is.
pub trait Layout {
    fn value(&self, path: &Path, leaf: &Leaf) -> Option<String>;
    fn comment(&self, path: &Path, comment: &Comment) -> Option<String>;
}

/// Values and comments in clear.
struct Clear;

impl Layout for Clear {
    fn value(&self, _: &Path, _: &Leaf) -> Option<String> {
        None
    }

    fn comment(&self, _: &Path, _: &Comment) -> Option<String> {
        None
    }
}

impl Cleartext {
    /// The text that its author would edit.
    #[must_use]
    pub fn layout(&self) -> Zeroizing<String> {
        self.layout_with(&Clear)
    }

    /// The same with some values replaced, for display.
    #[must_use]
    pub fn layout_with(&self, show: &dyn Layout) -> Zeroizing<String> {
        shown(&self.document, &self.tree, show)
    }
}

impl Document {
    /// The encrypted document without its metadata, every token replaced by what `show` says.
    #[must_use]
    pub fn layout_with(&self, show: &dyn Layout) -> Zeroizing<String> {
        shown(self, &self.tree, show)
    }
}

fn shown(document: &Document, tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    if document.format.is_whole() {
        return whole_text(tree, show);
    }
    if tree.has_alias {
        // the copies of an alias have one place in the text: print the document instead
        return masked(document, tree, show);
    }
    render(document, tree, show)
}

fn masked(document: &Document, tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    let mut tree = tree.clone();
    Selector::default().walk(&mut tree, &mut |path, met, _| match met {
        Selected::Leaf(leaf, _) => {
            if let Some(text) = show.value(path, leaf) {
                leaf.scalar = Scalar::str(&text);
            }
        }
        Selected::Comment(comment) => {
            if let Some(text) = show.comment(path, comment) {
                comment.text = Zeroizing::new(text);
            }
        }
    });
    Zeroizing::new(
        document
            .format
            .emit(&tree, Indent::default())
            .unwrap_or_default(),
    )
}

fn render(document: &Document, tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    let (source, syntax) = (document.source(), document.format.syntax());
    let mut edits: Vec<Edit> = Vec::new();
    tree.walk(&mut |path, visit| match visit {
        Visit::Leaf(node, leaf) => {
            let text = match show.value(path, leaf) {
                Some(text) => Zeroizing::new(text),
                None if leaf.token.is_none() => return,
                None => syntax.shown(source, &node.span, leaf),
            };
            edits.push((node.span.clone(), text));
        }
        Visit::Comment(comment) => {
            let text = show.comment(path, comment);
            if comment.token.is_none() && text.is_none() {
                return;
            }
            let text = text.map_or_else(|| comment.text.clone(), Zeroizing::new);
            // what does not fit stays encrypted
            if let Some(text) = syntax.comment(&text) {
                edits.push((comment.span.clone(), text));
            }
        }
        Visit::Empty(_) => {}
    });
    edits.extend(
        document
            .block
            .cut
            .iter()
            .map(|range| (range.clone(), Zeroizing::default())),
    );
    splice(source, edits)
}

/// A file that is one value, without its envelope.
fn whole_text(tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    let leaves = tree.leaves();
    let Some((path, _, leaf)) = leaves.first() else {
        return Zeroizing::default();
    };
    let text = show.value(path, leaf).map(Zeroizing::new);
    text.unwrap_or_else(|| {
        let plain = leaf.scalar.plaintext().unwrap_or_default();
        Zeroizing::new(String::from_utf8_lossy(&plain).into_owned())
    })
}
