//! A block scalar that ends with the text and without a line break: what is put behind it would
//! give it one.

use zeroize::Zeroizing;

use crate::tree::{Leaf, Node, Style, Tree, Value};

/// The text with an end of its last line that adds nothing to the value; `None` where it needs
/// none.
pub(super) fn closed(text: &str, tree: &Tree) -> Option<Zeroizing<String>> {
    let (node, leaf) = last_leaf(tree.documents.last()?)?;
    let is_last = text
        .get(node.span.end..)?
        .trim_matches([' ', '\t'])
        .is_empty();
    if leaf.style != Style::Block || !is_last || text.ends_with(['\n', '\r']) {
        return None;
    }
    let value = leaf.scalar.as_text()?;
    if value.ends_with('\n') {
        // blanks alone on the last line
        let lines = text.trim_end_matches([' ', '\t']);
        return Some(Zeroizing::new(lines.to_owned()));
    }
    let header = node.span.start + header_at(&text[node.span.clone()])?;
    let (before, block) = text.split_at(header);
    let (sign, rest) = block.split_at(1);
    let digits = rest.len()
        - rest
            .trim_start_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            .len();
    let indent = rest[..digits].replace(['+', '-'], "");
    Some(Zeroizing::new(format!(
        "{before}{sign}{indent}-{}\n",
        &rest[digits..]
    )))
}

fn last_leaf(node: &Node) -> Option<(&Node, &Leaf)> {
    match &node.value {
        Value::Leaf(leaf) => Some((node, leaf)),
        _ => last_leaf(&node.entries().last()?.node),
    }
}

/// Where the `|` or `>` stands, behind a tag and an anchor.
fn header_at(scalar: &str) -> Option<usize> {
    let mut at = 0;
    while scalar[at..].starts_with(['!', '&']) {
        at += scalar[at..].find(char::is_whitespace)?;
        at += scalar[at..].find(|c: char| !c.is_whitespace())?;
    }
    scalar[at..].starts_with(['|', '>']).then_some(at)
}

#[cfg(test)]
mod tests {
    use crate::syntax::yaml::parse::parse;
    use crate::tree::Tree;

    use super::closed;

    #[test]
    fn the_last_block_scalar_means_the_same_with_something_behind_it() {
        for text in [
            "a: |\n  one\n  two",
            "a: |+\n  one",
            "a: >2-\n   one",
            "a: |4\n      one",
            "a: |2+\n  one",
            "a: &x !!str |  # note\n  one",
            "a: |\n  one\n  ",
            "a: |+\n  one\n\n ",
            "a:\n  - |\n    one  ",
            "a: |",
            "a: |+",
            "a: >\n  one\n\n  two",
        ] {
            let value = |tree: &Tree| tree.leaves()[0].2.scalar.clone();
            let before = parse(text).unwrap();
            let closed = closed(text, &before).unwrap_or_default();
            let after = parse(&format!("{}z: 1\n", closed.as_str())).unwrap();
            assert!(
                value(&before) == value(&after),
                "{text:?}: {:?}",
                closed.as_str()
            );
        }
        for text in ["a: |\n  one\n", "a: one", "a: |\n  one\nb: 1"] {
            assert!(closed(text, &parse(text).unwrap()).is_none(), "{text:?}");
        }
    }
}
