//! The document in its author's own layout: tokens replaced by values, the `sops` block cut.

use std::ops::Range;

use zeroize::Zeroizing;

use super::format::{Format, Indent};
use super::selector::Selected;
use super::tree::{Comment, Leaf, Path, Scalar, Style, Tree, Visit, line_start};
use super::yaml;
use super::{Cleartext, Document, binary, splice};

/// Columns that a literal block is indented below its key.
const BLOCK_INDENT: usize = 4;

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
        if self.document.format == Format::Binary {
            return binary::shown(&self.tree, show);
        }
        if self.tree.has_alias {
            // the copies of an alias have one place in the text: print the document instead
            return masked(&self.tree, self.document.format, show);
        }
        render(&self.document, &self.tree, show)
    }
}

impl Document {
    /// The encrypted document without its metadata, every token replaced by what `show` says.
    #[must_use]
    pub fn layout_with(&self, show: &dyn Layout) -> Zeroizing<String> {
        if self.format == Format::Binary {
            return binary::shown(&self.tree, show);
        }
        if self.tree.has_alias {
            return masked(&self.tree, self.format, show);
        }
        render(self, &self.tree, show)
    }
}

fn masked(tree: &Tree, format: Format, show: &dyn Layout) -> Zeroizing<String> {
    let mut tree = tree.clone();
    super::Selector::default().walk(&mut tree, &mut |path, met, _| match met {
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
    Zeroizing::new(format.emit(&tree, Indent::default()).unwrap_or_default())
}

fn render(document: &Document, tree: &Tree, show: &dyn Layout) -> Zeroizing<String> {
    let source = document.source();
    let mut edits: Vec<(Range<usize>, Zeroizing<String>)> = Vec::new();
    tree.walk(&mut |path, visit| match visit {
        Visit::Leaf(node, leaf) => {
            let text = match show.value(path, leaf) {
                Some(text) => Zeroizing::new(text),
                None if leaf.token.is_none() => return,
                None => value_text(document.format, source, &node.span, leaf),
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
            if let Some(text) = document.format.comment(&text) {
                edits.push((comment.span.clone(), text));
            }
        }
        Visit::Empty(_) => {}
    });
    edits.extend(document.block.cut.iter().map(|range| (range.clone(), Zeroizing::default())));
    splice(source, edits)
}

fn value_text(format: Format, source: &str, span: &Range<usize>, leaf: &Leaf) -> Zeroizing<String> {
    let breaks = leaf.scalar.as_text().is_some_and(|text| text.contains('\n'));
    let other_breaks =
        leaf.scalar.as_text().is_some_and(|text| text.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']));
    if format == Format::Yaml
        && leaf.style == Style::Plain
        && breaks
        && !other_breaks
        && let Some(column) = block_column(source, span)
    {
        let indent = column + BLOCK_INDENT;
        return Zeroizing::new(yaml::scalar_text(&leaf.scalar, indent, BLOCK_INDENT));
    }
    format.inline(&leaf.scalar, leaf.style)
}

/// The column of the entry whose value stands at `span`; `None` where a block scalar cannot stand:
/// something follows on the line, or the value has a line of its own.
fn block_column(source: &str, span: &Range<usize>) -> Option<usize> {
    let rest = &source[span.end..];
    let line_end = rest.find('\n').unwrap_or(rest.len());
    let start = line_start(source, span.start);
    let prefix = &source[start..span.start];
    if !rest[..line_end].trim().is_empty() || prefix.trim().is_empty() {
        return None;
    }
    let mut column = prefix.len() - prefix.trim_start_matches(' ').len();
    while let Some(after) = prefix[column..].strip_prefix('-') {
        let inner = after.trim_start_matches(' ');
        if inner.is_empty() || inner.len() == after.len() {
            break;
        }
        column += 1 + after.len() - inner.len();
    }
    Some(column)
}
