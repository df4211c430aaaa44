//! YAML read the way sops reads it: one spanned tree, comments included, scalar typing our own.
//!
//! The scanner is libyaml, the ancestor of the one in sops, behind guards for what the two read
//! differently: UTF-8 only, no inner byte order mark, no `%YAML` but 1.1, no `\/` escape. Stricter
//! than sops where it is lax: duplicate keys are refused at every level of every document, and
//! depth, nodes and alias expansion are bounded.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{Body, EntryInContext, FormatTraits, Gap, Indent, Page, Syntax, braces, nested};
use crate::block::{MetadataBlock, NewBlock};
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::metadata::types::{Kind, TypeReading};
use crate::misread::MisreadAt;
use crate::selector::Selector;
use crate::splice::Edit;
use crate::tree::{Entry, Leaf, Node, Scalar, Style, SyntaxError, Tree};

mod comments;
mod copies;
mod emit;
mod events;
mod last_line;
mod lines;
mod metadata;
mod misread;
mod parse;
mod placing;
mod resolve;
mod write_out;

pub use parse::parse_policy;
pub use resolve::reads_as_string;

pub(crate) struct Yaml;

impl Syntax for Yaml {
    fn traits(&self) -> &'static FormatTraits {
        &FormatTraits {
            title: "YAML",
            word: "yaml",
            suffixes: &["yaml", "yml"],
            new_suffix: "enc.yaml",
            comment_signs: &['#'],
            is_flat: true,
            has_types: true,
            only_value: None,
            has_flat_metadata: false,
            is_always_flow: false,
            empty: "",
        }
    }

    fn parse(&self, source: &str) -> Result<Tree, SyntaxError> {
        parse::parse(source)
    }

    fn read(
        &self,
        clear: &[u8],
        _: Option<usize>,
    ) -> Result<(Zeroizing<String>, Tree), SyntaxError> {
        let text = super::text(clear)?;
        let tree = self.parse(&text)?;
        match last_line::closed(&text, &tree) {
            Some(text) => {
                let tree = self.parse(&text)?;
                Ok((text, tree))
            }
            None => Ok((text, tree)),
        }
    }

    fn emit(&self, tree: &Tree, indent: Indent) -> Option<String> {
        Some(emit::emit(tree, indent.yaml.unwrap_or(4)))
    }

    fn oddities(&self, source: &str, tree: &Tree, selector: &Selector) -> Vec<MisreadAt> {
        misread::oddities(source, tree, selector)
    }

    fn reading(&self, kind: Kind, node: &Node) -> TypeReading {
        misread::reading(kind, node)
    }

    fn without_aliases(&self, source: &str, tree: &Tree) -> Zeroizing<String> {
        write_out::write_out(source, tree)
    }

    fn inline(&self, scalar: &Scalar, style: Style) -> Zeroizing<String> {
        Zeroizing::new(emit::scalar_inline(scalar, style))
    }

    /// A text of several lines as a block, where that can stand.
    fn shown(&self, source: &str, span: &Range<usize>, leaf: &Leaf) -> Zeroizing<String> {
        lines::shown_block(source, span, leaf)
            .unwrap_or_else(|| self.inline(&leaf.scalar, leaf.style))
    }

    fn token(&self, token: String, style: Style) -> String {
        match style {
            Style::Single => format!("'{token}'"),
            Style::Double | Style::Flow => format!("\"{token}\""),
            Style::Plain | Style::Block => token,
        }
    }

    fn lead(&self, replaced: &str) -> &'static str {
        if replaced.is_empty() { " " } else { "" }
    }

    fn is_flow(&self, source: &str, node: &Node) -> bool {
        source[node.span.start..].starts_with(['{', '['])
    }

    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize> {
        nested::take_block(self, source, tree)
    }

    /// yaml.v3 follows merge keys.
    fn disguises_metadata(&self, key: &str, node: &Node) -> bool {
        key == "<<" && metadata::is_merged(node, 0)
    }

    fn block_text(&self, source: &str, tree: &Tree, block: &MetadataBlock) -> String {
        nested::block_text(source, tree, block)
    }

    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError> {
        metadata::join_old(body, block)
    }

    fn with_new_block(&self, body: &Body, block: &NewBlock<'_>) -> Result<String, SealError> {
        metadata::join_new(body, block)
    }

    fn replace_age(
        &self,
        source: &str,
        entry: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit> {
        vec![metadata::replace_age(source, entry, group.is_some(), age)]
    }

    fn first_of_others(&self, source: &str) -> Vec<Range<usize>> {
        nested::first_of_others(self, source)
    }

    fn style_in(&self, page: &Page<'_>, gap: &Gap<'_>) -> Style {
        if is_gap_in_flow(page, gap) {
            Style::Flow
        } else {
            Style::Plain
        }
    }

    fn insert(&self, page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Result<Edit, &'static str> {
        if is_gap_in_flow(page, gap) {
            let key = |name: &str| emit::scalar_inline(&Scalar::str(name), Style::Flow);
            return Ok(braces::insert(page, gap, text, &key));
        }
        Ok(lines::insert(page, gap, text))
    }

    fn replace_node(
        &self,
        source: &str,
        parent: &Node,
        entry: &Entry,
        _: usize,
        node: &Node,
    ) -> Option<Edit> {
        if self.is_flow(source, parent) {
            return Some(braces::replace(source, entry, node, &|scalar| {
                emit::scalar_inline(scalar, Style::Flow)
            }));
        }
        Some(lines::replace(source, entry, node))
    }

    fn remove(
        &self,
        page: &Page<'_>,
        found: &EntryInContext<'_>,
    ) -> Result<Option<Edit>, &'static str> {
        let root = crate::places::root(page.tree, found.path);
        let is_flow = |length: usize| {
            let node = match length {
                0 => root,
                _ => root
                    .and_then(|root| root.find(&found.path.0[..length]))
                    .map(|entry| &entry.node),
            };
            node.is_some_and(|node| self.is_flow(page.source, node))
        };
        if (0..found.path.0.len()).any(is_flow) {
            return Ok(Some(braces::remove(page, found)));
        }
        lines::remove(page.source, found).map(Some)
    }
}

fn is_gap_in_flow(page: &Page<'_>, gap: &Gap<'_>) -> bool {
    let is_flow = |node: &Node| Yaml.is_flow(page.source, node);
    let above = |length: usize| {
        page.tree
            .find(&crate::tree::Path(gap.path.0[..length].to_vec()))
    };
    is_flow(gap.container)
        || crate::places::root(page.tree, gap.path).is_some_and(is_flow)
        || (1..=gap.depth)
            .filter_map(above)
            .any(|entry| is_flow(&entry.node))
}

#[cfg(test)]
mod tests {
    use super::emit::emit;
    use super::parse::parse;

    fn emitted(text: &str) -> String {
        emit(&parse(text).unwrap(), 4)
    }

    #[test]
    fn comments_land_where_sops_puts_them() {
        let text = "# top\na: 1 # inline\nm: # on parent\n  # inner\n  b: 2 # at b\n  # foot\nl:\n  - x # at x\n  # foot of l\n#last\nz: 3\n";
        let expected = "# top\n# inline\na: 1\n# on parent\nm:\n    # inner\n    # at b\n    b: 2\n    # foot\nl:\n    # at x\n    - x\n    # foot of l\n#last\nz: 3\n";
        assert_eq!(emitted(text), expected);
    }

    #[test]
    fn what_two_readers_would_read_differently_is_refused() {
        for (text, line, rule) in [
            ("a: 1\na: 2\n", 2, "duplicate key `a`"),
            ("a:\n  b: 1\n  \"b\": 2\n", 3, "duplicate key `b`"),
            ("%YAML 1.2\n---\na: 1\n", 1, "%YAML"),
            ("a: \"x\\/y\"\n", 1, "escape"),
            ("a: *b\n", 1, "alias"),
            ("- a\n", 1, "top level"),
            ("text\n", 1, "top level"),
            ("1: a\n", 1, "not a string"),
            ("a: \u{feff}b\n", 1, "byte order mark"),
            ("a: 18446744073709551615\n", 1, "integer above"),
            ("a: [1\n", 2, ""),
            ("--- !!map {a: 1}\n", 1, "top level"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.line == line && error.what.contains(rule),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn depth_and_alias_expansion_are_bounded() {
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        assert!(parse(&deep).unwrap_err().what.contains("levels deep"));
        let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let item = format!("*l{}", level - 1);
            bomb += &format!("l{level}: &l{level} [{}]\n", vec![item; 10].join(", "));
        }
        assert!(parse(&bomb).unwrap_err().what.contains("values"));
        let nested: String = (0..90).map(|level| format!("&a{level} [")).collect();
        let nested = format!("a: {nested}{}{}", "0,".repeat(10_000), "]".repeat(90));
        assert!(parse(&nested).unwrap_err().what.contains("anchors"));
        let wide = format!(
            "a: &a \"{}\"\nl: [{}]\n",
            "A".repeat(100_000),
            "*a, ".repeat(200)
        );
        assert!(parse(&wide).unwrap_err().what.contains("expand"));
        assert!(
            parse(&"%TAG !a! b\n".repeat(101))
                .unwrap_err()
                .what
                .contains("directives")
        );
        let comments = "k: 1 #\n".replace('k', "# c\nk") + &"#\n".repeat(200_001);
        assert!(parse(&comments).unwrap_err().what.contains("comments"));
    }

    #[test]
    fn spans_cut_exactly_the_value() {
        let text = "ключ: \"a b\" # c\nb:  'x'\nc: |\n  one\n  two\n\nd: &x !!str 5\ne:\n";
        let tree = parse(text).unwrap();
        let cut: Vec<&str> = tree
            .leaves()
            .iter()
            .map(|(_, node, _)| &text[node.span.clone()])
            .collect();
        assert_eq!(
            cut,
            ["\"a b\"", "'x'", "|\n  one\n  two\n\n", "&x !!str 5", ""]
        );
    }
}
