//! Changing one value: its own bytes, `lastmodified` and `mac`, and nothing else.

use std::ops::Range;

use zeroize::Zeroizing;

use super::facts::{facts, read_back};
use super::format::Format;
use super::seal::{Fresh, SealError, check_places, stamp};
use super::sealing::{header_comment, rehome, token_range, token_text};
use super::selector::Selected;
use super::tree::{Entry, Item, Leaf, Node, Path, Scalar, Step, Style, Tree, Value, step};
use super::{Cleartext, DataKey, Token, ini, splice};

mod insert;
mod remove;
mod several;

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("`{0}` does not exist")]
    Missing(Path),
    #[error("`{0}` is a map or a list, not a value")]
    NotAValue(Path),
    #[error("`{0}` would be stored in clear: the rule of this file (`{1}`) does not select it")]
    Clear(Path, String),
    #[error("`{0}` is reserved for the metadata of SOPS")]
    Reserved(String),
    #[error("`{0}`: {1}")]
    Value(Path, &'static str),
    #[error("`{0}` is a value: remove it first, to put something below it")]
    InTheWay(Path),
    #[error("`{path}`: the list has {length} items; the next one is [{length}]")]
    Index { path: Path, length: usize },
    #[error(transparent)]
    Seal(#[from] SealError),
}

type Edit = (Range<usize>, Zeroizing<String>);

impl Cleartext {
    /// Sets one value, and makes the maps and lists around it where they are missing; `None` when it has
    /// this type and value already.
    ///
    /// # Errors
    /// [`EditError`]; `Clear` unless `allow_clear`.
    pub fn set(
        &self,
        path: &Path,
        scalar: Scalar,
        allow_clear: bool,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<Option<String>, EditError> {
        self.check(path, &scalar)?;
        let mut tree = self.tree().clone();
        let place = self.place(path)?;
        match &place {
            Place::Value(..) => {
                if let Some(entry) =
                    tree.documents.get_mut(home(self.tree(), path)).and_then(|root| find_in(root, &path.0))
                {
                    entry.node.value = new_leaf(&scalar);
                }
            }
            Place::Below { depth, .. } => insert::into_tree(&mut tree, path, *depth, &scalar),
        }
        let selected = self.selected(&tree, path);
        if !allow_clear && scalar.token_type().is_some() && !selected {
            let (name, text) = self.document().metadata().selector.field();
            return Err(EditError::Clear(path.clone(), format!("{name}: {text}")));
        }
        let edit = match place {
            Place::Value(entry, leaf) => {
                let sealed = leaf.token.is_some() || !selected || leaf.scalar.is_empty_str();
                if leaf.scalar == scalar && sealed {
                    return Ok(None);
                }
                let text = self.stored(path, &scalar, leaf.style, selected, key, fresh);
                self.replacement(&entry.node.span, leaf.style, &text)
            }
            Place::Below { .. } if self.document().format() == Format::Ini => {
                let text = self.stored(path, &scalar, Style::Plain, selected, key, fresh);
                let (source, end) = (self.document().source(), self.document().block.start);
                tree = self.tree().clone();
                ini::insertion(source, &mut tree, path, (&text, &scalar), end)
                    .map_err(|what| EditError::Value(path.clone(), what))?
            }
            Place::Below { container, depth } => {
                let style = self.style_below(container, path, depth);
                let text = self.stored(path, &scalar, style, selected, key, fresh);
                self.insertion(container, path, depth, &text)?
            }
        };
        let text = splice(self.document().source(), vec![edit]);
        Ok(Some(self.finish(&text, &tree, key, fresh)?))
    }

    /// Removes one entry; a map or list that loses its last one stays, empty.
    ///
    /// # Errors
    /// [`EditError::Missing`], or what cannot be spliced.
    pub fn unset(&self, path: &Path, key: &DataKey, fresh: &mut Fresh<'_>) -> Result<String, EditError> {
        self.check(path, &Scalar::Null)?;
        let mut tree = self.tree().clone();
        if self.document().format() == Format::Ini {
            let source = self.document().source();
            let range =
                ini::removal(source, &mut tree, path).ok_or_else(|| EditError::Missing(path.clone()))?;
            let text = splice(source, vec![(range, Zeroizing::default())]);
            return Ok(self.finish(&text, &tree, key, fresh)?);
        }
        let edit = self.removal(path)?;
        remove::from_tree(&mut tree, &path.0, &edit.0);
        let text = splice(self.document().source(), vec![edit]);
        Ok(self.finish(&text, &tree, key, fresh)?)
    }

    fn check(&self, path: &Path, scalar: &Scalar) -> Result<(), EditError> {
        let document = self.document();
        let first = path.keys().next().unwrap_or_default();
        if first == "sops" || (document.format() == Format::Dotenv && first.starts_with("sops_")) {
            return Err(EditError::Reserved(first.to_owned()));
        }
        check_places(self.tree())?;
        document.format().check_value(scalar).map_err(|what| EditError::Value(path.clone(), what))?;
        Ok(())
    }

    /// The document that a path leads into: the first that has it, otherwise the first.
    fn root(&self, path: &Path) -> Option<&Node> {
        self.tree().documents.get(home(self.tree(), path))
    }

    /// Where a path leads: to a value, or to the container that would hold what is missing.
    fn place(&self, path: &Path) -> Result<Place<'_>, EditError> {
        let Some(mut container) = self.root(path) else { return Err(EditError::Missing(path.clone())) };
        for (depth, step) in path.0.iter().enumerate() {
            let found = entry_at(container, step);
            let is_last = depth + 1 == path.0.len();
            match (found, &container.value) {
                (Some(entry), _) if is_last => match &entry.node.value {
                    Value::Leaf(leaf) => return Ok(Place::Value(entry, leaf)),
                    _ => return Err(EditError::NotAValue(path.clone())),
                },
                (Some(entry), _) if matches!(entry.node.value, Value::Leaf(_)) => {
                    return Err(EditError::InTheWay(Path(path.0[..=depth].to_vec())));
                }
                (Some(entry), _) => container = &entry.node,
                (None, Value::List(_)) => {
                    let length = container.entries().count();
                    if *step != Step::Index(length) {
                        return Err(EditError::Index { path: path.clone(), length });
                    }
                    return below(container, path, depth);
                }
                (None, _) if matches!(step, Step::Index(_)) => {
                    return Err(EditError::Value(path.clone(), "an index into a map"));
                }
                (None, _) => return below(container, path, depth),
            }
        }
        Err(EditError::Missing(path.clone()))
    }

    /// Whether the rule of the file selects the value at a path of this tree, comments considered.
    fn selected(&self, tree: &Tree, path: &Path) -> bool {
        let mut found = None;
        let home = tree.documents.get(home(tree, path)).cloned().into_iter().collect();
        let mut tree = Tree { documents: home, ..Tree::default() };
        self.document().metadata().selector.walk(&mut tree, &mut |at, met, selected| {
            if matches!(met, Selected::Leaf(..)) && at == path && found.is_none() {
                found = Some(selected);
            }
        });
        found.unwrap_or(false)
    }

    /// A value as it stands in the file: a token where the selector says so.
    fn stored(
        &self,
        path: &Path,
        scalar: &Scalar,
        style: Style,
        selected: bool,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Zeroizing<String> {
        let format = self.document().format();
        match (scalar.token_type(), scalar.plaintext()) {
            (Some(kind), Some(plain)) if selected => {
                let token = Token::seal(key, kind, &plain, &path.aad(), fresh.random);
                token_text(format, &token, style)
            }
            _ => format.inline(scalar, style),
        }
    }

    fn replacement(&self, span: &Range<usize>, style: Style, text: &str) -> Edit {
        let range = token_range(self.document().source(), span, style);
        let is_empty = match self.document().format() {
            Format::Yaml => range.is_empty(),
            Format::Ini => self.document().source()[range.clone()].trim().is_empty(),
            _ => false,
        };
        let comment = header_comment(self.document().source(), span, style);
        let lead = if is_empty { " " } else { "" };
        (range, Zeroizing::new(format!("{lead}{text}{comment}")))
    }

    fn finish(
        &self,
        text: &str,
        tree: &Tree,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<String, SealError> {
        let format = self.document().format();
        let text = rehome(format, text, self.tree(), key, fresh.random)?;
        let text = stamp(format, &text, self.mac_of(tree), key, fresh)?;
        read_back(format, &text, key, &facts(tree))?;
        Ok(text)
    }
}

enum Place<'a> {
    Value(&'a Entry, &'a Leaf),
    /// The container lacks the step at `depth`.
    Below {
        container: &'a Node,
        depth: usize,
    },
}

/// A new list starts with its first item.
fn below<'a>(container: &'a Node, path: &Path, depth: usize) -> Result<Place<'a>, EditError> {
    if path.0[depth + 1..].iter().any(|step| matches!(step, Step::Index(index) if *index > 0)) {
        return Err(EditError::Index { path: path.clone(), length: 0 });
    }
    Ok(Place::Below { container, depth })
}

fn entry_at<'a>(node: &'a Node, wanted: &Step) -> Option<&'a Entry> {
    node.entries().enumerate().find(|(index, entry)| step(entry, *index) == *wanted).map(|(_, entry)| entry)
}

/// The document that has the most of a path; the first where several do.
fn home(tree: &Tree, path: &Path) -> usize {
    let known = |document: &Node| {
        (1..=path.0.len()).rev().find(|length| document.find(&path.0[..*length]).is_some()).unwrap_or(0)
    };
    let depths: Vec<usize> = tree.documents.iter().map(known).collect();
    let most = depths.iter().copied().max().unwrap_or(0);
    depths.iter().position(|depth| *depth == most).unwrap_or(0)
}

fn find_in<'a>(node: &'a mut Node, steps: &[Step]) -> Option<&'a mut Entry> {
    let (first, rest) = steps.split_first()?;
    let (Value::Map(items) | Value::List(items)) = &mut node.value else { return None };
    let entries = items.iter_mut().filter_map(|item| match item {
        Item::Entry(entry) => Some(entry),
        Item::Comment(_) => None,
    });
    let (_, entry) = entries.enumerate().find(|(index, entry)| step(entry, *index) == *first)?;
    if rest.is_empty() { Some(entry) } else { find_in(&mut entry.node, rest) }
}

/// The container that the last step of a path is taken in.
fn container_mut<'a>(root: &'a mut Node, parents: &[Step]) -> Option<&'a mut Node> {
    match parents {
        [] => Some(root),
        _ => find_in(root, parents).map(|entry| &mut entry.node),
    }
}

fn new_entry(key: Option<String>, value: Value) -> Item {
    Item::Entry(Entry { key, span: 0..0, key_span: 0..0, node: Node { span: 0..0, value } })
}

fn new_leaf(scalar: &Scalar) -> Value {
    Value::Leaf(Leaf { scalar: scalar.clone(), style: Style::Plain, token: None })
}

/// Whether a container of YAML stands in brackets or braces.
fn is_flow(source: &str, node: &Node) -> bool {
    source[node.span.start..].starts_with(['{', '['])
}
