//! JSON with spans: order kept, duplicate names and trailing text refused.
//!
//! sops 3.11 reads every number as a double and keeps duplicate names; here integers stay integers
//! (as in sops 3.13) and a second name of an object is an error.

use std::fmt::Write as _;
use std::ops::Range;

use zeroize::Zeroizing;

use super::{Body, EntryInContext, FormatTraits, Gap, Indent, Page, Syntax, braces, nested};
use crate::block::{BOOLEAN, MetadataBlock, NewBlock, THRESHOLD};
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::misread::MisreadAt;
use crate::selector::{Selected, Selector};
use crate::splice::{Edit, blanks};
use crate::tree::{Entry, Node, Scalar, Style, SyntaxError, Tree, Value, keep_point, line_start};
use crate::wrapped::Wrapped;

mod parse;

use parse::parse;

pub(crate) struct Json;

impl Syntax for Json {
    fn traits(&self) -> &'static FormatTraits {
        &FormatTraits {
            title: "JSON",
            word: "json",
            suffixes: &["json"],
            new_suffix: "enc.json",
            comment_signs: &[],
            is_flat: true,
            has_types: true,
            only_value: None,
            has_flat_metadata: false,
            is_always_flow: true,
            empty: "{}\n",
        }
    }

    fn parse(&self, source: &str) -> Result<Tree, SyntaxError> {
        parse(source)
    }

    fn emit(&self, tree: &Tree, indent: Indent) -> Option<String> {
        Some(emit(tree, &unit(indent.json)))
    }

    fn oddities(&self, _: &str, tree: &Tree, selector: &Selector) -> Vec<MisreadAt> {
        rounded(tree, selector)
    }

    fn inline(&self, scalar: &Scalar, _: Style) -> Zeroizing<String> {
        Zeroizing::new(scalar_inline(scalar))
    }

    fn token(&self, token: String, _: Style) -> String {
        ["\"", &token, "\""].concat()
    }

    fn take_block(
        &self,
        source: &str,
        tree: &mut Tree,
    ) -> Result<Option<(Node, MetadataBlock)>, usize> {
        nested::take_block(self, source, tree)
    }

    /// Go compares the fields of an object without case: of the long s the large letter is S.
    fn disguises_metadata(&self, key: &str, _: &Node) -> bool {
        key.to_uppercase() == "SOPS"
    }

    fn block_text(&self, source: &str, tree: &Tree, block: &MetadataBlock) -> String {
        nested::block_text(source, tree, block)
    }

    fn with_block(&self, body: &Body, block: &str) -> Result<String, SealError> {
        let body = &body.text;
        let Some(end) = body.rfind('}') else {
            return Err(SealError::ReadBack("no object".into()));
        };
        Ok(format!(
            "{}{}",
            braces::member_before(&body[..end], block),
            &body[end..]
        ))
    }

    fn with_new_block(&self, body: &Body, new: &NewBlock<'_>) -> Result<String, SealError> {
        if new.indent.is_some() {
            return self.with_block(body, &block(new, &unit(new.indent)));
        }
        self.with_block(body, &block(new, unit_of(&body.text)))
    }

    fn replace_age(
        &self,
        source: &str,
        entry: &Entry,
        group: Option<usize>,
        age: &[WrappedKey],
    ) -> Vec<Edit> {
        let start = line_start(source, entry.span.start);
        let margin = blanks(&source[start..entry.span.start]);
        let unit = if margin.starts_with('\t') || margin.is_empty() {
            "\t".to_owned()
        } else {
            let levels = if group.is_some() { 4 } else { 2 };
            " ".repeat(margin.len() / levels)
        };
        vec![(
            entry.node.span.clone(),
            Zeroizing::new(age_list(age, margin, &unit)),
        )]
    }

    fn first_of_others(&self, source: &str) -> Vec<Range<usize>> {
        nested::first_of_others(self, source)
    }

    fn insert(&self, page: &Page<'_>, gap: &Gap<'_>, text: &str) -> Result<Edit, &'static str> {
        Ok(braces::insert(page, gap, text, &string_text))
    }

    fn replace_node(
        &self,
        source: &str,
        _: &Node,
        entry: &Entry,
        depth: usize,
        node: &Node,
    ) -> Option<Edit> {
        let mut text = Zeroizing::new(String::new());
        emit_node(node, unit_of(source), depth, &scalar_inline, &mut text);
        Some((entry.node.span.clone(), text))
    }

    fn remove(
        &self,
        page: &Page<'_>,
        found: &EntryInContext<'_>,
    ) -> Result<Option<Edit>, &'static str> {
        Ok(Some(braces::remove(page, found)))
    }
}

/// A member of the outer object, indented by `unit`.
pub(super) fn member(key: &str, node: &Node, unit: &str) -> String {
    let mut out = format!("{}: ", string_text(key));
    emit_node(node, unit, 1, &scalar_text, &mut out);
    out
}

/// Integers in clear of which sops, which reads every number as a double, keeps another one and
/// finds a wrong MAC.
fn rounded(tree: &Tree, selector: &Selector) -> Vec<MisreadAt> {
    if !tree.documents.iter().any(holds_rounded) {
        return Vec::new();
    }
    let mut found = Vec::new();
    selector.walk(&mut tree.clone(), &mut |path, met, selected| {
        if let Selected::Leaf(leaf, span) = met
            && !selected
            && is_rounded(&leaf.scalar)
        {
            let what = format!("`{path}` is an unencrypted integer beyond 2^53, which SOPS rounds, and then finds a wrong MAC: write it as a string, or let the rule encrypt it");
            found.push(MisreadAt { offset: span.start, what, is_refused: true });
        }
    });
    found
}

fn holds_rounded(node: &Node) -> bool {
    match &node.value {
        Value::Leaf(leaf) => is_rounded(&leaf.scalar),
        _ => node.entries().any(|entry| holds_rounded(&entry.node)),
    }
}

#[allow(clippy::cast_precision_loss)] // as Go reads it
fn is_rounded(scalar: &Scalar) -> bool {
    let Scalar::Int(number) = scalar else {
        return false;
    };
    number.unsigned_abs() > 1 << 53 && (*number as f64).to_string() != number.to_string()
}

/// What one level is indented by in a text.
fn unit_of(text: &str) -> &str {
    let line = text
        .lines()
        .find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    line.map_or("\t", |line| &line[..line.len() - line.trim_start().len()])
}

/// What one level is indented by.
pub(super) fn unit(columns: Option<usize>) -> String {
    columns.map_or("\t".to_owned(), |columns| " ".repeat(columns))
}

/// The member `"sops": {…}` at depth 1 of an object indented by `unit`.
pub(super) fn block(new: &NewBlock<'_>, unit: &str) -> String {
    let margin = unit.repeat(2);
    let stanzas = match new.wrapped {
        Wrapped::Whole(age) => format!("\"age\": {}", age_list(age, &margin, unit)),
        Wrapped::Groups(groups) => {
            let groups: Vec<String> = groups.iter().map(|age| group(age, &margin, unit)).collect();
            let (number, groups) = (new.threshold, groups.join(",\n"));
            format!("\"{THRESHOLD}\": {number},\n{margin}\"key_groups\": [\n{groups}\n{margin}]")
        }
    };
    let mut out = format!("\"sops\": {{\n{margin}{stanzas}");
    for (name, text) in new.fields() {
        let text = if name == BOOLEAN {
            text
        } else {
            string_text(&text)
        };
        let _ = write!(out, ",\n{margin}\"{name}\": {text}");
    }
    let _ = write!(out, "\n{unit}}}");
    out
}

/// One key group as sops writes it.
fn group(age: &[WrappedKey], margin: &str, unit: &str) -> String {
    let (outer, inner) = (format!("{margin}{unit}"), format!("{margin}{unit}{unit}"));
    let age = age_list(age, &inner, unit);
    format!("{outer}{{\n{inner}\"hc_vault\": null,\n{inner}\"age\": {age}\n{outer}}}")
}

pub(super) fn age_list(age: &[WrappedKey], margin: &str, unit: &str) -> String {
    if age.is_empty() {
        return "[]".into();
    }
    let entries: Vec<String> = age
        .iter()
        .map(|key| {
            let inner = format!("{margin}{unit}{unit}");
            let recipient = string_text(&key.recipient);
            let enc = string_text(&key.enc);
            format!("{margin}{unit}{{\n{inner}\"recipient\": {recipient},\n{inner}\"enc\": {enc}\n{margin}{unit}}}")
        })
        .collect();
    format!("[\n{}\n{margin}]", entries.join(",\n"))
}

/// Prints the tree as `sops decrypt` does: `indent` a level, Go's escapes, a final newline.
fn emit(tree: &Tree, indent: &str) -> String {
    let mut out = String::new();
    if let Some(root) = tree.documents.first() {
        emit_node(root, indent, 0, &scalar_text, &mut out);
    }
    out.push('\n');
    out
}

fn emit_node(
    node: &Node,
    indent: &str,
    depth: usize,
    scalar: &dyn Fn(&Scalar) -> String,
    out: &mut String,
) {
    let (open, close) = match &node.value {
        Value::Leaf(leaf) => return out.push_str(&scalar(&leaf.scalar)),
        Value::Map(_) => ('{', '}'),
        Value::List(_) => ('[', ']'),
    };
    out.push(open);
    let mut first = true;
    for entry in node.entries() {
        out.push_str(if first { "\n" } else { ",\n" });
        first = false;
        out.push_str(&indent.repeat(depth + 1));
        if let Some(key) = &entry.key {
            out.push_str(&string_text(key));
            out.push_str(": ");
        }
        emit_node(&entry.node, indent, depth + 1, scalar, out);
    }
    if !first {
        out.push('\n');
        out.push_str(&indent.repeat(depth));
    }
    out.push(close);
}

/// A scalar as Go's encoder writes it.
pub(super) fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Str(bytes) => string_text(&String::from_utf8_lossy(bytes)),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => float_text(*number),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Time(text) => string_text(text),
        Scalar::Null => "null".into(),
    }
}

/// The same, but a whole float keeps its point, so that it reads as a float again.
fn scalar_inline(scalar: &Scalar) -> String {
    keep_point(scalar, scalar_text(scalar))
}

fn float_text(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{mantissa}e+{exponent}")
        }
        _ => scientific,
    }
}

/// A string with Go's escapes: `<`, `>`, `&` and the line separators are escaped too.
fn string_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_and_we_print_the_same() {
        let source = r#"{"a": "<é\u2028\ud83d\ude80\ud800x>", "b": [1, -0, 1.50, 1e-7, 1e21, {}], "c": null}"#;
        let expected = "{\n\t\"a\": \"\\u003cé\\u2028🚀\u{fffd}x\\u003e\",\n\t\"b\": [\n\t\t1,\n\t\t-0,\n\t\t1.5,\n\t\t1e-7,\n\t\t1e+21,\n\t\t{}\n\t],\n\t\"c\": null\n}\n";
        assert_eq!(emit(&parse(source).unwrap(), "\t"), expected);
    }
}
