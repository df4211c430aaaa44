//! Which values of a document are encrypted: one of six rules, matched per key and never on the
//! joined path.

use super::pattern::Pattern;
use super::tree::{Comment, Item, Leaf, Node, Path, Tree, Value, step};

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
    pub fn from_field(name: &str, text: &str) -> Result<Option<Self>, String> {
        let pattern = || Pattern::compile(text).map_err(|error| format!("`{name}`: {error}"));
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
        self.selects_with(path, &[])
    }

    fn selects_with(&self, path: &Path, active: &[Vec<String>]) -> bool {
        let commented = |pattern: &Pattern| active.iter().flatten().any(|text| pattern.is_match(text));
        match self {
            Self::UnencryptedSuffix(suffix) => !path.keys().any(|key| key.ends_with(suffix)),
            Self::EncryptedSuffix(suffix) => path.keys().any(|key| key.ends_with(suffix)),
            Self::UnencryptedRegex(pattern) => !path.keys().any(|key| pattern.is_match(key)),
            Self::EncryptedRegex(pattern) => path.keys().any(|key| pattern.is_match(key)),
            Self::UnencryptedCommentRegex(pattern) => !commented(pattern),
            Self::EncryptedCommentRegex(pattern) => commented(pattern),
        }
    }

    /// The comment that switches encryption on stays readable.
    fn keeps_clear(&self, comment: &Comment) -> bool {
        matches!(self, Self::EncryptedCommentRegex(pattern) if pattern.is_match(&comment.text))
    }

    /// Walks all documents in file order and tells for every value and comment whether it is
    /// selected. Comments must be in clear.
    pub fn walk(&self, tree: &mut Tree, visit: &mut dyn FnMut(&Path, Selected<'_>, bool)) {
        for document in &mut tree.documents {
            self.walk_node(document, &mut Path::default(), &mut Vec::new(), visit);
        }
    }

    fn walk_node(
        &self,
        node: &mut Node,
        path: &mut Path,
        active: &mut Vec<Vec<String>>,
        visit: &mut dyn FnMut(&Path, Selected<'_>, bool),
    ) {
        let span = node.span.clone();
        let items = match &mut node.value {
            Value::Leaf(leaf) => {
                let selected = self.selects_with(path, active);
                return visit(path, Selected::Leaf(leaf, span), selected);
            }
            Value::Map(items) | Value::List(items) => items,
        };
        active.push(Vec::new());
        let mut index = 0;
        for item in items {
            match item {
                Item::Comment(comment) => {
                    if let Some(level) = active.last_mut().filter(|_| !comment.stray) {
                        level.push(comment.text.to_string());
                    }
                    let selected = self.selects_with(path, active) && !self.keeps_clear(comment);
                    visit(path, Selected::Comment(comment), selected);
                }
                Item::Entry(entry) => {
                    path.0.push(step(entry, index));
                    index += 1;
                    self.walk_node(&mut entry.node, path, active, visit);
                    path.0.pop();
                    if let Some(level) = active.last_mut() {
                        level.clear();
                    }
                }
            }
        }
        active.pop();
    }
}

/// What [`Selector::walk`] meets. The path of a comment is that of its container.
pub enum Selected<'a> {
    Leaf(&'a mut Leaf, std::ops::Range<usize>),
    Comment(&'a mut Comment),
}
