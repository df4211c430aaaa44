//! A file format is an object: how its texts are read and printed, how a value is put into one and
//! taken out, and where the metadata stands. [`Format::syntax`](format::Format::syntax) is the one
//! place that chooses it; nobody else asks which format it is.

pub(crate) mod binary;
pub(crate) mod braces;
pub(crate) mod dotenv;
mod flat;
pub(crate) mod format;
pub(crate) mod ini;
pub(crate) mod json;
mod nested;
pub(crate) mod yaml;

use std::ops::Range;

use zeroize::Zeroizing;

use crate::block::{MetadataBlock, NewBlock};
use crate::error::{DocumentError, SealError};
use crate::metadata::types::{Kind, TypeReading};
use crate::metadata::{Metadata, WrappedKey};
use crate::misread::MisreadAt;
use crate::places::put_below;
use crate::selector::Selector;
use crate::splice::Edit;
use crate::tree::{Entry, Leaf, Node, Path, Scalar, Style, SyntaxError, Tree, Value};

/// Columns a level; `None` is the default of sops: 4 in YAML, a tab in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Indent {
    pub yaml: Option<usize>,
    pub json: Option<usize>,
}

/// What a format is called, and what it can hold.
#[derive(Debug)]
pub struct FormatTraits {
    /// As people write it.
    pub title: &'static str,
    /// As sops calls it in `--input-type`.
    pub word: &'static str,
    /// The ends of file names behind which sops expects it; none for what it takes every other file
    /// for.
    pub suffixes: &'static [&'static str],
    /// The end of the name of a new file.
    pub new_suffix: &'static str,
    /// The signs that start a comment; the first one is written. None where there are no comments.
    pub comment_signs: &'static [char],
    /// It can be a flat list of names and values: an environment.
    pub is_flat: bool,
    /// Numbers, booleans and null beside text.
    pub has_types: bool,
    /// The name of the one value that a file of any bytes is; no rule selects there.
    pub only_value: Option<&'static str>,
    /// The metadata has lines of its own, under joined names.
    pub has_flat_metadata: bool,
    /// Every map and list stands in braces.
    pub is_always_flow: bool,
    /// A text without values.
    pub empty: &'static str,
}

/// Encrypted values that have no metadata yet.
pub(crate) struct Body {
    pub(crate) text: Zeroizing<String>,
    /// One document of entries on lines of their own, up to the end of the text: encryption changes
    /// values and nothing of that, so the text need not be parsed to know it.
    pub(crate) is_one_block: bool,
}

/// An encrypted text as an edit meets it; `tree` is opened.
pub(crate) struct Page<'a> {
    pub(crate) source: &'a str,
    pub(crate) tree: &'a Tree,
    pub(crate) block: &'a MetadataBlock,
    pub(crate) metadata: &'a Metadata,
}

/// Where a value is missing: `container` lacks the step of `path` at `depth`.
pub(crate) struct Gap<'a> {
    pub(crate) container: &'a Node,
    pub(crate) path: &'a Path,
    pub(crate) depth: usize,
}

/// An entry with what it stands in: its container, and the entry that holds this.
pub(crate) struct EntryInContext<'a> {
    pub(crate) path: &'a Path,
    pub(crate) owner: Option<&'a Entry>,
    pub(crate) parent: &'a Node,
    pub(crate) entry: &'a Entry,
}

pub(crate) trait Syntax: Sync {
    fn traits(&self) -> &'static FormatTraits;

    /// Reads a text, clear or encrypted; metadata is part of the tree.
    fn parse(&self, source: &str) -> Result<Tree, SyntaxError>;

    /// Prints a clear tree as `sops decrypt` does; `None` where the format cannot hold it.
    fn emit(&self, tree: &Tree, indent: Indent) -> Option<String>;

    /// What is to be sealed: its text, with the place of each value.
    fn read(
        &self,
        clear: &[u8],
        _: Option<usize>,
    ) -> Result<(Zeroizing<String>, Tree), SyntaxError> {
        let text = text(clear)?;
        let tree = self.parse(&text)?;
        Ok((text, tree))
    }

    /// What sops would lose of a clear text, and where.
    fn lost(&self, _: &Tree) -> Option<(usize, &'static str)> {
        None
    }

    /// What sops refuses or reads otherwise in a text, clear or encrypted; `tree` is of its values.
    fn oddities(&self, _source: &str, _tree: &Tree, _: &Selector) -> Vec<MisreadAt> {
        Vec::new()
    }

    /// Refuses a clear text in which its author sees other values than sops.
    fn check_lines(&self, _: &str) -> Result<(), SyntaxError> {
        Ok(())
    }

    /// How sops takes a field of the metadata that is to hold a kind; as Go's decoder of JSON takes
    /// it.
    fn reading(&self, kind: Kind, node: &Node) -> TypeReading {
        let is_same = match (kind, &node.value) {
            (_, Value::Leaf(leaf)) if leaf.scalar == Scalar::Null => true,
            (Kind::Text, Value::Leaf(leaf)) => matches!(leaf.scalar, Scalar::Str(_)),
            (Kind::Number, Value::Leaf(leaf)) => matches!(leaf.scalar, Scalar::Int(_)),
            (Kind::Truth, Value::Leaf(leaf)) => matches!(leaf.scalar, Scalar::Bool(_)),
            (Kind::Map, Value::Map(_)) | (Kind::List, Value::List(_)) => true,
            _ => false,
        };
        if is_same {
            TypeReading::Same
        } else {
            TypeReading::Refused
        }
    }

    /// The text with every alias written out.
    fn without_aliases(&self, source: &str, _: &Tree) -> Zeroizing<String> {
        Zeroizing::new(source.to_owned())
    }

    /// Whether it is worth reading a text as a document of this format at all.
    fn may_be(&self, _: &str) -> bool {
        true
    }

    /// Holds the values of a document to the shape that the format has.
    fn check_shape(&self, _: &Tree) -> Result<(), DocumentError> {
        Ok(())
    }

    /// A value on one line, in the style it had where that is possible.
    fn inline(&self, scalar: &Scalar, style: Style) -> Zeroizing<String>;

    /// A value as its author sees it in place of its token at `span`.
    fn shown(&self, _source: &str, _span: &Range<usize>, leaf: &Leaf) -> Zeroizing<String> {
        self.inline(&leaf.scalar, leaf.style)
    }

    /// A token where a value of this style stood: quoted as it was, so that the author's quotes
    /// come back.
    fn token(&self, token: String, _: Style) -> String {
        token
    }

    /// A comment with its sign; `None` where it does not fit.
    fn comment(&self, text: &str) -> Option<Zeroizing<String>> {
        let sign = self.traits().comment_signs.first()?;
        (!text.contains(['\n', '\r'])).then(|| Zeroizing::new(format!("{sign}{text}")))
    }

    /// Whether sops prints a value so that it reads it back.
    fn check_value(&self, _: &Scalar) -> Result<(), &'static str> {
        Ok(())
    }

    /// What a value needs before it where it takes the place of these bytes.
    fn lead(&self, _replaced: &str) -> &'static str {
        ""
    }

    /// Whether the entries of a container are members of braces, with commas between them.
    fn is_flow(&self, _source: &str, _: &Node) -> bool {
        self.traits().is_always_flow
    }

    /// Takes the metadata out of a tree: its node, and the bytes to cut. The error is where a
    /// further document does not repeat it.
    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize>;

    /// Whether sops, unlike a reader that compares names as they stand, finds its metadata in this
    /// entry.
    fn disguises_metadata(&self, _key: &str, _: &Node) -> bool {
        false
    }

    /// Whether a key of the top level belongs to the metadata.
    fn is_reserved(&self, key: &str) -> bool {
        key == "sops"
    }

    /// The metadata as it stands in the (first) document.
    fn block_text(&self, source: &str, tree: &Tree, block: &MetadataBlock) -> String;

    /// Encrypted values with the block that the file had.
    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError>;

    /// Encrypted values with a new block, whose form follows the text it joins.
    fn with_new_block(&self, body: &Body, block: &NewBlock<'_>) -> Result<String, SealError>;

    /// The edits that replace the stanzas of a document, or of one key group, and touch nothing
    /// else.
    fn replace_age(
        &self,
        source: &str,
        entry: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit>;

    /// The bytes of the first field in each document, or of the first line of one, that holds keys
    /// of another kind than age.
    fn first_of_others(&self, source: &str) -> Vec<Range<usize>>;

    /// The style of a value that is put into a gap.
    fn style_in(&self, _: &Page<'_>, _: &Gap<'_>) -> Style {
        Style::Plain
    }

    /// Puts a value into a tree where [`Self::insert`] puts it into the text.
    fn put(&self, tree: &mut Tree, path: &Path, depth: usize, scalar: &Scalar) {
        put_below(tree, path, depth, scalar);
    }

    /// The edit that puts `text` into a gap: behind the entries of its container, at the top level
    /// right before the metadata, as sops puts it.
    fn insert(&self, page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Result<Edit, &'static str>;

    /// The edit of a clear text that puts a map or list in place of a value `depth` levels down;
    /// `None` where the format holds none.
    fn replace_node(
        &self,
        _source: &str,
        _parent: &Node,
        _: &Entry,
        _depth: usize,
        _: &Node,
    ) -> Option<Edit> {
        None
    }

    /// The edit that takes an entry out; `None` where it is no value to this format.
    fn remove(
        &self,
        page: &Page<'_>,
        found: &EntryInContext<'_>,
    ) -> Result<Option<Edit>, &'static str>;
}

/// Clear bytes as text.
fn text(clear: &[u8]) -> Result<Zeroizing<String>, SyntaxError> {
    match std::str::from_utf8(clear) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let breaks = clear[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            Err(SyntaxError {
                line: breaks + 1,
                what: "not UTF-8".into(),
            })
        }
    }
}
