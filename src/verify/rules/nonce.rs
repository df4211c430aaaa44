//! V01: an iv that two different values share, which lets a reader of the text compare and forge
//! them. sops keeps the iv of a value only while path and value stay, so equal ones are equal
//! tokens.

use std::collections::HashMap;

use crate::verify::finding::Finding;
use crate::verify::rule::{On, RuleId, Severity, rules};
use sops_document::tree::Visit;
use sops_document::{Document, Token};

rules! {
    V01 {
        name: "nonce",
        title: "Two values of a file share an iv",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "two different values under one iv tell their difference to everybody, and let tokens be forged",
        example: "two keys whose tokens have the same `iv:` and other data",
        mend: &["make new ivs: `stax secrets rotate FILE`; the writer that made them is broken"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
}

pub(super) fn check(path: &str, document: &Document) -> Vec<Finding> {
    let mut seen: HashMap<[u8; 32], Token> = HashMap::new();
    let mut findings = Vec::new();
    seen.extend(
        Token::parse(&document.metadata().mac)
            .ok()
            .map(|mac| (mac.iv, mac)),
    );
    document.tree().walk(&mut |place, visit| {
        let (text, span) = match visit {
            Visit::Leaf(node, leaf) => (leaf.scalar.as_text().unwrap_or_default(), &node.span),
            Visit::Comment(comment) => (comment.text.as_str(), &comment.span),
            Visit::Empty(_) => return,
        };
        let Ok(token) = Token::parse(text) else {
            return;
        };
        let first = seen.entry(token.iv).or_insert_with(|| token.clone());
        if (&first.data, first.tag) != (&token.data, token.tag) {
            let message = format!("`{place}` has the iv of another value");
            let finding =
                Finding::error(RuleId::V01, path, message).at(document.line_of(span.start));
            findings.push(
                finding
                    .key(place.to_string())
                    .fix(format!("stax secrets rotate {}", shell_words::quote(path))),
            );
        }
    });
    findings
}
