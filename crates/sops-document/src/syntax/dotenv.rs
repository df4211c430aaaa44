//! Dotenv as sops reads it: `KEY=value` lines, everything verbatim, `\n` for a line break, `#`
//! comments in column 0, no quotes, no `export`.

use std::collections::HashSet;
use std::ops::Range;

use zeroize::Zeroizing;

use super::{Body, EntryInContext, FormatTraits, Gap, Indent, Page, Syntax, flat};
use crate::block::{MetadataBlock, NewBlock};
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::metadata::types::{Kind, TypeReading};
use crate::splice::{Edit, whole_lines, with_break};
use crate::tree::{
    Comment, Entry, Item, Leaf, Node, Scalar, Step, Style, SyntaxError, Tree, Value,
};

mod lines;

pub(crate) struct Dotenv;

/// Why a text with such line ends is nothing to sops.
pub(crate) const CRLF: &str = "the lines end in CRLF, which SOPS cannot read in dotenv: convert the file to LF, and let .gitattributes say `eol=lf`";

/// The start of the names of all metadata.
const METADATA: &str = "sops_";

impl Syntax for Dotenv {
    fn traits(&self) -> &'static FormatTraits {
        &FormatTraits {
            title: "dotenv",
            word: "dotenv",
            suffixes: &["env"],
            new_suffix: "enc.env",
            comment_signs: &['#'],
            is_flat: true,
            has_types: false,
            only_value: None,
            has_flat_metadata: true,
            is_always_flow: false,
            empty: "",
        }
    }

    fn parse(&self, source: &str) -> Result<Tree, SyntaxError> {
        parse(source)
    }

    fn check_lines(&self, clear: &str) -> Result<(), SyntaxError> {
        lines::check(clear)
    }

    fn emit(&self, tree: &Tree, _: Indent) -> Option<String> {
        emit(tree)
    }

    fn reading(&self, kind: Kind, node: &Node) -> TypeReading {
        flat::reading(kind, node)
    }

    fn inline(&self, scalar: &Scalar, _: Style) -> Zeroizing<String> {
        Zeroizing::new(scalar_text(scalar))
    }

    fn check_value(&self, scalar: &Scalar) -> Result<(), &'static str> {
        if can_hold(scalar) {
            return Ok(());
        }
        Err("dotenv cannot hold a backslash before `n`: SOPS reads it as a line break")
    }

    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize> {
        Ok(take_lines(source, tree))
    }

    fn is_reserved(&self, key: &str) -> bool {
        key == "sops" || key.starts_with(METADATA)
    }

    fn block_text(&self, source: &str, _: &Tree, block: &MetadataBlock) -> String {
        with_break(
            &block
                .cut
                .iter()
                .map(|range| &source[range.clone()])
                .collect::<String>(),
        )
    }

    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError> {
        Ok(with_break(&body.text) + block)
    }

    fn with_new_block(&self, body: &Body, block: &NewBlock<'_>) -> Result<String, SealError> {
        let mut lines = metadata_lines(flat::stanzas(block));
        lines.extend(
            block
                .fields()
                .iter()
                .map(|(name, text)| format!("{METADATA}{name}={text}\n")),
        );
        lines.sort();
        Ok(with_break(&body.text) + &lines.concat())
    }

    fn replace_age(
        &self,
        source: &str,
        _: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit> {
        let list = flat::age_list(group);
        let mut offset = 0;
        let mut edits = Vec::new();
        for line in source.split_inclusive('\n') {
            let rest = line
                .strip_prefix(METADATA)
                .and_then(|name| name.strip_prefix(&list));
            if rest.is_some_and(|rest| rest.starts_with("__list_")) {
                let text = if edits.is_empty() {
                    age_lines(&list, age).concat()
                } else {
                    String::new()
                };
                edits.push((offset..offset + line.len(), Zeroizing::new(text)));
            }
            offset += line.len();
        }
        edits
    }

    fn first_of_others(&self, source: &str) -> Vec<Range<usize>> {
        flat::first_of_others(source, 0, METADATA)
            .into_iter()
            .collect()
    }

    fn insert(&self, page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Result<Edit, &'static str> {
        match gap.path.0.as_slice() {
            [Step::Key(name)] => {
                let start = page.block.start;
                Ok((start..start, Zeroizing::new(format!("{name}={text}\n"))))
            }
            _ => Err("dotenv holds no nested keys; a name with a dot is written [\"a.b\"]"),
        }
    }

    fn remove(
        &self,
        page: &Page<'_>,
        found: &EntryInContext<'_>,
    ) -> Result<Option<Edit>, &'static str> {
        Ok(Some((
            whole_lines(page.source, &found.entry.span),
            Zeroizing::default(),
        )))
    }
}

/// Values and comments.
const MAX_LINES: usize = 200_000;
/// Some thousand recipients.
const MAX_METADATA: usize = 4096;

/// Parses all lines; metadata lines (`sops_…`) are entries like the others.
///
/// # Errors
/// [`SyntaxError`] for a line without `=`, a duplicate name, a leading byte order mark, or a line
/// that ends in CR alone (a file converted to CRLF, which sops cannot read).
fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut items = Vec::new();
    let mut names = HashSet::new();
    let mut metadata = 0;
    let mut start = 0;
    for line in source.split('\n') {
        let span = start..start + line.len();
        start = span.end + 1;
        if line.is_empty() {
            continue;
        }
        // also behind empty lines, which are not printed: it would come first
        if line.starts_with('\u{feff}') {
            let what = "a byte order mark would become part of the first name";
            return Err(SyntaxError::at(source, span.start, what));
        }
        if items.len() >= MAX_LINES {
            let what = format!("more than {MAX_LINES} values and comments");
            return Err(SyntaxError::at(source, span.start, what));
        }
        if let Some(text) = line.strip_prefix('#') {
            let text = Zeroizing::new(text.to_owned());
            items.push(Item::Comment(Comment {
                text,
                span,
                token: None,
                stray: false,
            }));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            lines::check_values(source)?;
            let what = if line == "\r" {
                CRLF
            } else {
                "a line without `=`"
            };
            return Err(SyntaxError::at(source, span.start, what));
        };
        metadata += usize::from(key.starts_with(METADATA));
        if metadata > MAX_METADATA {
            return Err(SyntaxError::at(
                source,
                span.start,
                format!("more than {MAX_METADATA} metadata lines"),
            ));
        }
        if !names.insert(key) {
            return Err(SyntaxError::at(
                source,
                span.start,
                format!("duplicate key `{key}`"),
            ));
        }
        let key_span = span.start..span.start + key.len();
        let scalar = Scalar::Str(Zeroizing::new(decode(value).into_bytes()));
        let leaf = Leaf {
            scalar,
            style: Style::Plain,
            token: None,
        };
        let node = Node {
            span: key_span.end + 1..span.end,
            value: Value::Leaf(leaf),
        };
        items.push(Item::Entry(Entry {
            key: Some(key.to_owned()),
            span,
            key_span,
            node,
        }));
    }
    items.shrink_to_fit();
    let root = Node {
        span: 0..source.len(),
        value: Value::Map(items),
    };
    Ok(Tree {
        documents: vec![root],
        ends: vec![source.len()],
        ..Tree::default()
    })
}

/// Prints a flat tree; `None` when it holds maps or lists.
fn emit(tree: &Tree) -> Option<String> {
    let mut out = String::new();
    for document in &tree.documents {
        let Value::Map(items) = &document.value else {
            return None;
        };
        for item in items {
            match item {
                Item::Comment(comment) => {
                    out.push('#');
                    out.push_str(&encode(&comment.text));
                }
                Item::Entry(entry) => {
                    out.push_str(entry.key.as_deref()?);
                    out.push('=');
                    out.push_str(&scalar_text(&entry.node.leaf()?.scalar));
                }
            }
            out.push('\n');
        }
    }
    Some(out)
}

/// A value as one line.
pub(super) fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Str(bytes) => encode(&String::from_utf8_lossy(bytes)),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Time(text) => text.clone(),
        Scalar::Null => String::new(),
    }
}

/// sops has no escape for a backslash before `n`: such a value would read back as a line break.
fn can_hold(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Str(bytes) => {
            let raw_break = bytes.windows(2).any(|two| two == b"\\n");
            !raw_break && std::str::from_utf8(bytes).is_ok()
        }
        _ => true,
    }
}

pub(super) fn encode(text: &str) -> String {
    text.replace('\n', "\\n")
}

pub(super) fn decode(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// The metadata lines.
fn take_lines(source: &str, tree: &mut Tree) -> Option<(Node, MetadataBlock)> {
    let node = unflatten(tree)?;
    let mut cut = Vec::new();
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        if line.starts_with(METADATA) {
            cut.push(offset..offset + line.len());
        }
        offset += line.len();
    }
    let start = cut.first()?.start;
    Some((
        node,
        MetadataBlock {
            cut,
            start,
            copies: Vec::new(),
        },
    ))
}

/// Folds the `sops_age__list_0__map_enc=…` lines into the node that other formats have.
fn unflatten(tree: &mut Tree) -> Option<Node> {
    let Value::Map(items) = &mut tree.documents.first_mut()?.value else {
        return None;
    };
    let is_metadata = |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_deref().is_some_and(|key| key.starts_with(METADATA)));
    let (metadata, rest): (Vec<Item>, Vec<Item>) =
        std::mem::take(items).into_iter().partition(is_metadata);
    *items = rest;
    let mut root = Node {
        span: 0..0,
        value: Value::Map(Vec::new()),
    };
    for item in metadata {
        let Item::Entry(entry) = item else { continue };
        root.span = if root.span.is_empty() {
            entry.span.clone()
        } else {
            root.span.start..entry.span.end
        };
        let name = entry.key.as_deref().unwrap_or_default()[METADATA.len()..].to_owned();
        flat::graft(&mut root, &name, &entry, 0);
    }
    (!root.span.is_empty()).then_some(root)
}

/// The sorted lines of a list of stanzas.
fn age_lines(list: &str, age: &[WrappedKey]) -> Vec<String> {
    metadata_lines(flat::age(list, age))
}

fn metadata_lines(fields: Vec<(String, String)>) -> Vec<String> {
    let mut lines: Vec<String> = fields
        .into_iter()
        .map(|(name, text)| format!("{METADATA}{name}={}\n", encode(&text)))
        .collect();
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_verbatim() {
        let tree = parse("# c\nA= \"x\" # y\n\nB=1\\n2\nexport C=$D\r\n").unwrap();
        let values: Vec<String> = tree
            .leaves()
            .iter()
            .map(|(path, _, leaf)| format!("{path}={:?}", leaf.scalar.as_text().unwrap()))
            .collect();
        assert_eq!(
            values,
            [r#"A=" \"x\" # y""#, r#"B="1\n2""#, r#"export C="$D\r""#]
        );
        assert_eq!(
            emit(&tree).unwrap(),
            "# c\nA= \"x\" # y\nB=1\\n2\nexport C=$D\r\n"
        );
    }

    #[test]
    fn lines_that_sops_reads_otherwise_are_refused() {
        assert_eq!(parse("A=1\nB\n").unwrap_err().line, 2);
        assert_eq!(
            parse("A=1\nA=2\n").unwrap_err().to_string(),
            "line 2: duplicate key `A`"
        );
        assert!(parse("\u{feff}A=1\n").is_err());
    }
}
