//! Changing one value: its own bytes, `lastmodified` and `mac`, and nothing else.

use std::ops::Range;

use zeroize::Zeroizing;

use super::facts::{facts, read_back};
use super::format::Format;
use super::seal::{Fresh, SealError, check_places, stamp};
use super::sealing::{token_range, token_text};
use super::tree::{Entry, Item, Leaf, Node, Path, Scalar, Step, Style, Tree, Value, line_start, step};
use super::{Cleartext, DataKey, Token, ini, json, splice, whole_lines, yaml};

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
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Cleartext {
    /// Sets one value; `None` when it has this type and value already.
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
        self.check(path, &scalar, allow_clear)?;
        let selected = self.document().metadata().selector.selects(path);
        let mut tree = self.tree().clone();
        let (range, text) = match find_mut(&mut tree, &path.0) {
            Some(entry) => {
                let Value::Leaf(leaf) = &mut entry.node.value else {
                    return Err(EditError::NotAValue(path.clone()));
                };
                let sealed = leaf.token.is_some() || !selected || leaf.scalar.is_empty_str();
                if leaf.scalar == scalar && sealed {
                    return Ok(None);
                }
                leaf.scalar = scalar.clone();
                let style = leaf.style;
                self.replacement(&entry.node.span.clone(), style, path, &scalar, key, fresh)
            }
            None => self.insertion(path, &scalar, &mut tree, key, fresh)?,
        };
        let text = splice(self.document().source(), vec![(range, text)]);
        Ok(Some(self.finish(&text, &tree, key, fresh)?))
    }

    /// Removes one entry.
    ///
    /// # Errors
    /// [`EditError::Missing`], or what cannot be spliced.
    pub fn unset(&self, path: &Path, key: &DataKey, fresh: &mut Fresh<'_>) -> Result<String, EditError> {
        let document = self.document();
        let source = document.source();
        let entry = self.tree().find(path).ok_or_else(|| EditError::Missing(path.clone()))?;
        if document.format() == Format::Ini {
            let mut tree = self.tree().clone();
            let range =
                ini::removal(source, &mut tree, path).ok_or_else(|| EditError::NotAValue(path.clone()))?;
            let text = splice(source, vec![(range, Zeroizing::default())]);
            return Ok(self.finish(&text, &tree, key, fresh)?);
        }
        let parent = match path.0.split_last() {
            Some((_, [])) => self.tree().documents.first(),
            Some((_, parents)) => self.tree().find(&Path(parents.to_vec())).map(|entry| &entry.node),
            None => None,
        };
        let Some(parent) = parent else { return Err(EditError::Missing(path.clone())) };
        let range = match document.format() {
            Format::Json => self.json_range(parent, entry),
            Format::Binary => return Err(EditError::Value(path.clone(), "is all that a binary file holds")),
            Format::Yaml if !is_own_lines(source, entry, parent) => {
                let rule = "cannot be removed without touching its neighbours: use stax secrets edit";
                return Err(EditError::Value(path.clone(), rule));
            }
            Format::Yaml | Format::Dotenv | Format::Ini => whole_lines(source, &entry.span),
        };
        let text = splice(source, vec![(range, Zeroizing::default())]);
        let mut tree = self.tree().clone();
        remove(&mut tree, &path.0);
        Ok(self.finish(&text, &tree, key, fresh)?)
    }

    fn check(&self, path: &Path, scalar: &Scalar, allow_clear: bool) -> Result<(), EditError> {
        let document = self.document();
        let first = path.keys().next().unwrap_or_default();
        if first == "sops" || (document.format() == Format::Dotenv && first.starts_with("sops_")) {
            return Err(EditError::Reserved(first.to_owned()));
        }
        check_places(self.tree())?;
        document.format().check_value(scalar).map_err(|what| EditError::Value(path.clone(), what))?;
        let selector = &document.metadata().selector;
        if !allow_clear && scalar.token_type().is_some() && !selector.selects(path) {
            let (name, text) = selector.field();
            return Err(EditError::Clear(path.clone(), format!("{name}: {text}")));
        }
        Ok(())
    }

    /// A value as it stands in the file: a token where the selector says so.
    fn stored(
        &self,
        path: &Path,
        scalar: &Scalar,
        style: Style,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Zeroizing<String> {
        let document = self.document();
        let selected = document.metadata().selector.selects(path);
        match (scalar.token_type(), scalar.plaintext()) {
            (Some(kind), Some(plain)) if selected => {
                let token = Token::seal(key, kind, &plain, &path.aad(), fresh.random);
                token_text(document.format(), &token, style)
            }
            _ => document.format().inline(scalar, style),
        }
    }

    fn replacement(
        &self,
        span: &Range<usize>,
        style: Style,
        path: &Path,
        scalar: &Scalar,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> (Range<usize>, Zeroizing<String>) {
        let text = self.stored(path, scalar, style, key, fresh);
        let range = token_range(self.document().source(), span, style);
        let is_empty = match self.document().format() {
            Format::Yaml => range.is_empty(),
            Format::Ini => self.document().source()[range.clone()].trim().is_empty(),
            _ => false,
        };
        let text = if is_empty { Zeroizing::new(format!(" {}", text.as_str())) } else { text };
        (range, text)
    }

    /// A new key goes to the end of the values, right before the metadata, as sops puts it.
    fn insertion(
        &self,
        path: &Path,
        scalar: &Scalar,
        tree: &mut Tree,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<(Range<usize>, Zeroizing<String>), EditError> {
        if self.document().format() == Format::Ini {
            let value = self.stored(path, scalar, Style::Plain, key, fresh);
            let (source, end) = (self.document().source(), self.document().block.start);
            return ini::insertion(source, tree, path, (&value, scalar), end)
                .map_err(|what| EditError::Value(path.clone(), what));
        }
        let [Step::Key(name)] = path.0.as_slice() else {
            let rule = "does not exist, and a nested key is added with: stax secrets edit";
            return Err(EditError::Value(path.clone(), rule));
        };
        let document = self.document();
        let (source, start) = (document.source(), document.block.start);
        let style = Style::Plain;
        let value = self.stored(path, scalar, style, key, fresh);
        let text = match document.format() {
            Format::Dotenv => format!("{name}={}\n", value.as_str()),
            Format::Yaml => {
                if source[start..].starts_with(['"', '\'']) || !source[start..].starts_with("sops") {
                    let rule =
                        "is new, and this file's layout has no safe place for it: use stax secrets edit";
                    return Err(EditError::Value(path.clone(), rule));
                }
                format!("{} {}\n", yaml::key_text(name, 4), value.as_str())
            }
            Format::Binary | Format::Ini => {
                let rule = "does not exist: all that a binary file holds is `data`";
                return Err(EditError::Value(path.clone(), rule));
            }
            Format::Json => {
                let before = source[..start].trim_end_matches([' ', '\t', '\n', '\r']).len();
                format!("{}: {},{}", json::string_text(name), value.as_str(), &source[before..start])
            }
        };
        let node = Node {
            span: start..start,
            value: Value::Leaf(Leaf { scalar: scalar.clone(), style, token: None }),
        };
        let entry = Entry { key: Some(name.clone()), span: start..start, key_span: start..start, node };
        let root = tree.documents.first_mut();
        if let Some(Node { value: Value::Map(items), .. }) = root {
            items.push(Item::Entry(entry));
        }
        Ok((start..start, Zeroizing::new(text)))
    }

    fn json_range(&self, parent: &Node, entry: &Entry) -> Range<usize> {
        let source = self.document().source();
        let position = parent.entries().position(|other| other.span == entry.span).unwrap_or(0);
        let last = position + 1 == parent.entries().count();
        let at_root = self.tree().documents.first().is_some_and(|root| root.span == parent.span);
        // at the top level the metadata follows the last value, so the comma behind it goes
        if at_root && last && position == 0 && self.document().block.start > entry.span.start {
            return entry.span.start..self.document().block.start;
        }
        json::member_range(source, parent, position)
    }

    fn finish(
        &self,
        text: &str,
        tree: &Tree,
        key: &DataKey,
        fresh: &mut Fresh<'_>,
    ) -> Result<String, SealError> {
        let format = self.document().format();
        let text = stamp(format, text, self.mac_of(tree), key, fresh)?;
        read_back(format, &text, key, &facts(tree))?;
        Ok(text)
    }
}

fn find_mut<'a>(tree: &'a mut Tree, steps: &[Step]) -> Option<&'a mut Entry> {
    tree.documents.iter_mut().find_map(|document| find_in(document, steps))
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

fn remove(tree: &mut Tree, steps: &[Step]) {
    let Some((last, parents)) = steps.split_last() else { return };
    let parent = match parents {
        [] => tree.documents.first_mut(),
        _ => find_mut(tree, parents).map(|entry| &mut entry.node),
    };
    if let Some(Node { value: Value::Map(items) | Value::List(items), .. }) = parent {
        let mut index = 0;
        items.retain(|item| {
            let Item::Entry(entry) = item else { return true };
            let keep = step(entry, index) != *last;
            index += 1;
            keep
        });
    }
}

/// Whether the lines of an entry hold nothing else: it is not the first of a list item, not in flow
/// style, and its container keeps another entry.
fn is_own_lines(source: &str, entry: &Entry, parent: &Node) -> bool {
    let start = line_start(source, entry.span.start);
    let at_root = source[start..entry.span.start].is_empty();
    let alone = source[start..entry.span.start].trim().is_empty() && entry.key.is_some();
    alone && (at_root || parent.entries().count() > 1)
}
