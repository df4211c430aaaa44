//! What a document means, and the check that a text says exactly that before it is written.

use zeroize::Zeroizing;

use crate::cipher::DataKey;
use crate::document::Document;
use crate::error::SealError;
use crate::syntax::format::Format;
use crate::tree::{Node, Tree, Visit};

/// Where, of what type and (as bytes) what: the meaning of a document.
pub(crate) type Fact = (String, &'static str, Zeroizing<Vec<u8>>);

pub(crate) fn facts(tree: &Tree) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for (number, document) in tree.documents.iter().enumerate() {
        if number > 0 {
            facts.push((String::new(), "document", Zeroizing::default()));
        }
        add_facts(document, &mut facts);
    }
    facts
}

fn add_facts(document: &Node, facts: &mut Vec<Fact>) {
    document.walk(&mut |path, visit| match visit {
        Visit::Leaf(_, leaf) => {
            facts.push((
                path.to_string(),
                leaf.scalar.type_name(),
                leaf.scalar.plaintext().unwrap_or_default(),
            ));
        }
        Visit::Comment(comment) => {
            facts.push((
                String::new(),
                COMMENT,
                Zeroizing::new(comment.text.as_bytes().to_vec()),
            ));
        }
        // a document without values may hold comments or nothing
        Visit::Empty(_) if path.0.is_empty() => {}
        Visit::Empty(_) => facts.push((path.to_string(), "empty", Zeroizing::default())),
    });
}

/// Whether two documents mean the same: values in order, comments in any. Where a comment stands
/// depends on the lines around it, and a token has one line where a text had several.
pub(crate) fn same(left: &[Fact], right: &[Fact]) -> bool {
    let comments = |facts: &[Fact]| {
        let mut comments: Vec<Fact> = facts
            .iter()
            .filter(|fact| fact.1 == COMMENT)
            .cloned()
            .collect();
        comments.sort_by(|a, b| a.2.cmp(&b.2));
        comments
    };
    left == right
        || (values(left.to_vec()) == values(right.to_vec()) && comments(left) == comments(right))
}

/// Without the comments.
pub(crate) fn values(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.retain(|fact| fact.1 != COMMENT);
    facts
}

const COMMENT: &str = "comment";

/// Parses and opens what is about to be written: every value must be there, encrypted where the
/// selector says so (a clear one does not open), under a valid MAC.
pub(crate) fn read_back(
    format: Format,
    text: &str,
    key: &DataKey,
    expected: &Tree,
) -> Result<(), SealError> {
    let clear = Document::parse(format, text)?.open(key)?;
    if clear.tree().reads_as(expected) || same(&facts(clear.tree()), &facts(expected)) {
        return Ok(());
    }
    Err(SealError::ReadBack("a value differs".into()))
}
