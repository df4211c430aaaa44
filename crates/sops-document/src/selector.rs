//! Which values of a document are encrypted: one of six rules, matched per key and never on the
//! joined path.

use crate::cipher::Token;
use crate::pattern::{Pattern, PatternError};
use crate::tree::{Comment, Item, Leaf, Node, Path, Tree, Value, step};

/// The rule of a file. Without any rule SOPS uses the suffix `_unencrypted`.
#[derive(Clone, Debug)]
pub enum Selector {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Pattern),
    EncryptedRegex(Pattern),
    UnencryptedCommentRegex(Pattern),
    EncryptedCommentRegex(Pattern),
}

/// A field whose pattern is not read as Go would read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {error}")]
pub struct SelectorError {
    pub field: String,
    pub error: PatternError,
}

impl Default for Selector {
    fn default() -> Self {
        Self::UnencryptedSuffix("_unencrypted".into())
    }
}

impl Selector {
    /// The names of the six fields, in the order in which sops writes them.
    pub const FIELDS: [&'static str; 6] = [
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ];

    /// The rule that a field of this name and text stands for; an empty text is no rule.
    ///
    /// # Errors
    /// The reason why a pattern is not read as Go would read it. sops takes such a pattern as "no
    /// match" and leaves secrets in clear.
    pub fn from_field(name: &str, text: &str) -> Result<Option<Self>, SelectorError> {
        let of_field = |error| SelectorError {
            field: name.to_owned(),
            error,
        };
        let pattern = || Pattern::compile(text).map_err(of_field);
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(match name {
            "unencrypted_suffix" => Self::UnencryptedSuffix(text.into()),
            "encrypted_suffix" => Self::EncryptedSuffix(text.into()),
            "unencrypted_regex" => Self::UnencryptedRegex(pattern()?),
            "encrypted_regex" => Self::EncryptedRegex(pattern()?),
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex(pattern()?),
            "encrypted_comment_regex" => Self::EncryptedCommentRegex(pattern()?),
            _ => return Ok(None),
        }))
    }

    /// The field and text of the rule, as metadata writes them.
    #[must_use]
    pub fn field(&self) -> (&'static str, &str) {
        match self {
            Self::UnencryptedSuffix(text) => (Self::FIELDS[0], text),
            Self::EncryptedSuffix(text) => (Self::FIELDS[1], text),
            Self::UnencryptedRegex(pattern) => (Self::FIELDS[2], pattern.as_str()),
            Self::EncryptedRegex(pattern) => (Self::FIELDS[3], pattern.as_str()),
            Self::UnencryptedCommentRegex(pattern) => (Self::FIELDS[4], pattern.as_str()),
            Self::EncryptedCommentRegex(pattern) => (Self::FIELDS[5], pattern.as_str()),
        }
    }

    /// Whether this is the rule that sops uses when a file names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        matches!(self, Self::UnencryptedSuffix(suffix) if suffix == "_unencrypted")
    }

    /// Whether a value at this path is encrypted, with no comment above it.
    #[must_use]
    pub fn selects(&self, path: &Path) -> bool {
        self.selects_below(path.keys().any(|key| self.names(key)))
    }

    /// Whether the values below a key, or behind a comment, that the rule names are encrypted, or
    /// the others.
    fn selects_below(&self, is_named: bool) -> bool {
        match self {
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) | Self::EncryptedCommentRegex(_) => {
                is_named
            }
            Self::UnencryptedSuffix(_)
            | Self::UnencryptedRegex(_)
            | Self::UnencryptedCommentRegex(_) => !is_named,
        }
    }

    fn names(&self, key: &str) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => {
                key.ends_with(suffix)
            }
            Self::UnencryptedRegex(pattern) | Self::EncryptedRegex(pattern) => {
                pattern.is_match(key)
            }
            Self::UnencryptedCommentRegex(_) | Self::EncryptedCommentRegex(_) => false,
        }
    }

    fn names_by(&self, comment: &Comment) -> bool {
        match self {
            Self::UnencryptedCommentRegex(pattern) | Self::EncryptedCommentRegex(pattern) => {
                pattern.is_match(&comment.text)
            }
            _ => false,
        }
    }

    /// The comment that switches encryption on stays readable.
    fn keeps_clear(&self, comment: &Comment) -> bool {
        matches!(self, Self::EncryptedCommentRegex(pattern) if pattern.is_match(&comment.text))
    }

    /// Whether an encrypted comment would mark what follows as clear: sops refuses to write such a
    /// file.
    pub(super) fn takes_for_clear(&self, comment: &Token) -> bool {
        matches!(self, Self::UnencryptedCommentRegex(pattern) if pattern.is_match(&comment.to_string()))
    }

    /// Walks all documents in file order and tells for every value and comment whether it is
    /// selected. Comments must be in clear.
    pub fn walk(&self, tree: &mut Tree, visit: &mut dyn FnMut(&Path, Selected<'_>, bool)) {
        for document in &mut tree.documents {
            self.walk_node(document, &mut Path::default(), false, visit);
        }
    }

    fn walk_node(
        &self,
        node: &mut Node,
        path: &mut Path,
        is_named: bool,
        visit: &mut dyn FnMut(&Path, Selected<'_>, bool),
    ) {
        let span = node.span.clone();
        let items = match &mut node.value {
            Value::Leaf(leaf) => {
                return visit(
                    path,
                    Selected::Leaf(leaf, span),
                    self.selects_below(is_named),
                );
            }
            Value::Map(items) | Value::List(items) => items,
        };
        // a comment is in force up to the end of the entry behind it
        let mut is_marked = is_named;
        let mut index = 0;
        for item in items {
            match item {
                Item::Comment(comment) => {
                    is_marked = is_marked || !comment.stray && self.names_by(comment);
                    let selected = self.selects_below(is_marked) && !self.keeps_clear(comment);
                    visit(path, Selected::Comment(comment), selected);
                }
                Item::Entry(entry) => {
                    let is_named_here = entry.key.as_ref().is_some_and(|key| self.names(key));
                    path.0.push(step(entry, index));
                    index += 1;
                    self.walk_node(&mut entry.node, path, is_marked || is_named_here, visit);
                    path.0.pop();
                    is_marked = is_named;
                }
            }
        }
    }
}

/// What [`Selector::walk`] meets. The path of a comment is that of its container.
pub enum Selected<'a> {
    Leaf(&'a mut Leaf, std::ops::Range<usize>),
    Comment(&'a mut Comment),
}
