//! Where go-yaml, which sops reads with, sees another YAML than libyaml.

use super::events::{self, TokenKind};
use super::parse::BOM;
use crate::metadata::types::{Kind, TypeReading};
use crate::misread::MisreadAt;
use crate::selector::{Selected, Selector};
use crate::tree::{Comment, Item, Node, Scalar, Style, Tree, Value};

pub(super) fn oddities(source: &str, tree: &Tree, selector: &Selector) -> Vec<MisreadAt> {
    let mut found = question_marks(source);
    found.extend(empty_items(tree, selector));
    found
}

/// go-yaml ends an unquoted scalar there.
fn question_marks(source: &str) -> Vec<MisreadAt> {
    if !(source.contains('?') && source.contains(['{', '['])) {
        return Vec::new();
    }
    let body = source.strip_prefix(BOM).unwrap_or(source);
    let shift = source.len() - body.len();
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for token in events::tokens(body).unwrap_or_default() {
        match token.kind {
            TokenKind::FlowListStart | TokenKind::FlowMapStart => depth += 1,
            TokenKind::FlowListEnd | TokenKind::FlowMapEnd => depth = depth.saturating_sub(1),
            TokenKind::Scalar(Style::Plain)
                if depth > 0 && body[token.start..token.end].contains('?') =>
            {
                let what = "`?` in an unquoted text between braces or brackets, which SOPS cannot read: quote it";
                found.push(MisreadAt {
                    offset: token.start + shift,
                    what: what.to_owned(),
                    is_refused: true,
                });
            }
            _ => {}
        }
    }
    found
}

/// sops never encrypts an empty comment, and what is not encrypted in an encrypted list is a value
/// to it.
fn empty_items(tree: &Tree, selector: &Selector) -> Vec<MisreadAt> {
    let mut places = Vec::new();
    for document in &tree.documents {
        find_empty_items(document, &mut places);
    }
    if places.is_empty() {
        return Vec::new();
    }
    places.sort_unstable();
    let mut found = Vec::new();
    selector.walk(&mut tree.clone(), &mut |_, met, selected| {
        if let Selected::Comment(comment) = met
            && selected
            && places.binary_search(&comment.span.start).is_ok()
        {
            let what = "an empty comment in an encrypted list, which SOPS reads as an empty item: take it away, or write something behind its `#`";
            found.push(MisreadAt { offset: comment.span.start, what: what.to_owned(), is_refused: false });
        }
    });
    found
}

fn find_empty_items(node: &Node, places: &mut Vec<usize>) {
    let (Value::Map(items) | Value::List(items)) = &node.value else {
        return;
    };
    for item in items {
        match item {
            Item::Comment(Comment {
                text,
                span,
                stray: false,
                ..
            }) if text.is_empty() && matches!(node.value, Value::List(_)) => {
                places.push(span.start);
            }
            Item::Comment(_) => {}
            Item::Entry(entry) => find_empty_items(&entry.node, places),
        }
    }
}

/// As yaml.v3 decodes a field of the metadata: any scalar as text, some words of YAML 1.1 as a
/// truth.
pub(super) fn reading(kind: Kind, node: &Node) -> TypeReading {
    let leaf = match (kind, &node.value) {
        (_, Value::Leaf(leaf)) => &leaf.scalar,
        (Kind::Map, Value::Map(_)) | (Kind::List, Value::List(_)) => return TypeReading::Same,
        _ => return TypeReading::Refused,
    };
    match (kind, leaf) {
        (_, Scalar::Null)
        | (Kind::Text, Scalar::Str(_) | Scalar::Time(_) | Scalar::Bool(_))
        | (Kind::Number, Scalar::Int(_))
        | (Kind::Truth, Scalar::Bool(_)) => TypeReading::Same,
        (Kind::Text, _) | (Kind::Number, Scalar::Float(_)) => TypeReading::Other,
        (Kind::Truth, Scalar::Str(_)) => match leaf.as_text() {
            Some("y" | "Y" | "yes" | "on") => TypeReading::Other,
            Some("n" | "N" | "no" | "off") => TypeReading::Same,
            _ => TypeReading::Refused,
        },
        _ => TypeReading::Refused,
    }
}
