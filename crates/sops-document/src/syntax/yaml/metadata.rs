//! The `sops` block of a YAML text.

use std::fmt::Write as _;
use std::ops::Range;

use zeroize::Zeroizing;

use super::emit::scalar_text;
use super::parse::parse;
use crate::block::{BOOLEAN, NewBlock, THRESHOLD};
use crate::error::SealError;
use crate::metadata::WrappedKey;
use crate::splice::{Edit, blanks, splice, with_break};
use crate::syntax::{Body, braces, json};
use crate::tree::{Entry, Node, Scalar, Value, line_start};
use crate::wrapped::Wrapped;

/// Columns a level of the blocks that stax writes, as sops does.
const UNIT: usize = 4;

/// What is merged may itself merge.
const MAX_DEPTH: usize = 8;

/// Whether a merge key brings metadata along.
pub(super) fn is_merged(node: &Node, depth: usize) -> bool {
    let is_list = matches!(node.value, Value::List(_));
    depth < MAX_DEPTH
        && node.entries().any(|entry| match entry.key.as_deref() {
            Some("sops") => true,
            Some("<<") => is_merged(&entry.node, depth + 1),
            _ => is_list && is_merged(&entry.node, depth + 1),
        })
}

/// A new block behind the values of every document.
pub(super) fn join_new(body: &Body, new: &NewBlock<'_>) -> Result<String, SealError> {
    join(
        body,
        &lines(new, UNIT),
        &json::block(new, &" ".repeat(UNIT)),
    )
}

/// The lines to append to a document, `unit` columns a level.
fn lines(new: &NewBlock<'_>, unit: usize) -> String {
    let margin = " ".repeat(unit);
    let mut out = "sops:\n".to_owned();
    match new.wrapped {
        Wrapped::Whole(age) => {
            let _ = write!(out, "{margin}age:\n{}", age_list(age, unit * 2, unit));
        }
        Wrapped::Groups(groups) => {
            let _ = writeln!(
                out,
                "{margin}{THRESHOLD}: {}\n{margin}key_groups:",
                new.threshold
            );
            groups
                .iter()
                .for_each(|age| out.push_str(&group(age, unit)));
        }
    }
    for (name, text) in new.fields() {
        let text = if name == BOOLEAN {
            text
        } else {
            scalar_text(&Scalar::str(&text), unit * 2, unit)
        };
        let _ = writeln!(out, "{margin}{name}: {text}");
    }
    out
}

/// One key group as sops writes it.
fn group(age: &[WrappedKey], unit: usize) -> String {
    let margin = " ".repeat(unit * 2);
    format!(
        "{margin}- hc_vault: []\n{margin}  age:\n{}",
        age_list(age, unit * 3, unit)
    )
}

fn age_list(age: &[WrappedKey], column: usize, unit: usize) -> String {
    let mut out = String::new();
    let margin = " ".repeat(column);
    for key in age {
        let recipient = scalar_text(&Scalar::str(&key.recipient), column, unit);
        let _ = writeln!(out, "{margin}- recipient: {recipient}\n{margin}  enc: |");
        for line in key.enc.lines() {
            let _ = writeln!(out, "{margin}{}{line}", " ".repeat(unit.max(4)));
        }
    }
    if age.is_empty() {
        format!("{margin}[]\n")
    } else {
        out
    }
}

/// The edit that puts other stanzas in place of a list.
pub(super) fn replace_age(source: &str, entry: &Entry, in_group: bool, age: &[WrappedKey]) -> Edit {
    let start = line_start(source, entry.key_span.start);
    let margin = entry.key_span.start - start;
    let list = entry.node.span.clone();
    if source[list.start..].starts_with('[') && entry.node.entries().next().is_some() {
        let margin = format!("{}{}", blanks(&source[start..]), " ".repeat(UNIT));
        return (
            list,
            Zeroizing::new(json::age_list(age, &margin, &" ".repeat(UNIT))),
        );
    }
    let own_line =
        list.start > entry.key_span.end && source[entry.key_span.end..list.start].contains('\n');
    let column = if own_line {
        list.start - line_start(source, list.start)
    } else {
        margin * 2
    };
    // a group stands deeper, so its margin is no unit
    let unit = if in_group { 4 } else { margin.max(2) };
    let text = age_list(age, column.max(margin), unit);
    let ends_line = source[..list.end].ends_with('\n');
    let text = if ends_line {
        text
    } else {
        text.trim_end_matches('\n').to_owned()
    };
    (
        entry.key_span.end..list.end,
        Zeroizing::new(format!(":\n{text}")),
    )
}

/// The block that the file had behind the values of every document, in braces where the document
/// is.
pub(super) fn join_old(body: &Body, block: &str) -> Result<String, SealError> {
    if body.is_one_block || is_member(block) || !body.text.contains('{') {
        return join(body, block, block);
    }
    let sops = parse(block)?
        .documents
        .first()
        .and_then(|root| root.get("sops").cloned());
    let member = sops.map(|sops| json::member("sops", &sops.node, &" ".repeat(UNIT)));
    join(body, block, &member.unwrap_or_default())
}

/// Whether a text that is an entry may stand in braces.
fn is_member(entry: &str) -> bool {
    entry
        .split_once(':')
        .is_some_and(|(_, value)| value.trim_start().starts_with('{'))
}

/// `block` behind the entries of a block map, `member` into a map in braces; one text may be both.
pub(super) fn join(body: &Body, block: &str, member: &str) -> Result<String, SealError> {
    let Body {
        text: body,
        is_one_block,
    } = body;
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let block = if newline == "\n" || block.contains('\r') {
        block.to_owned()
    } else {
        block.replace('\n', newline)
    };
    let block = with_break(&block);
    if *is_one_block {
        let lead = if body.ends_with('\n') { "" } else { newline };
        return Ok([body.as_str(), lead, block.as_str()].concat());
    }
    let tree = parse(body)?;
    if tree.documents.is_empty() {
        return Ok(with_break(body) + &block);
    }
    let mut edits: Vec<Edit> = Vec::new();
    for (root, end) in tree.documents.iter().zip(&tree.ends) {
        let is_flow = body[root.span.start..].starts_with('{');
        if let Some(last) = root.entries().last().filter(|_| is_flow) {
            edits.extend(member_edits(body, last.span.end, root.span.end - 1, member));
            continue;
        }
        edits.push((empty_root(body, root), Zeroizing::default()));
        let at = if *end < body.len() {
            line_start(body, *end)
        } else {
            *end
        };
        let lead = if at > 0 && !body[..at].ends_with('\n') {
            newline
        } else {
            ""
        };
        edits.push((at..at, Zeroizing::new(format!("{lead}{block}"))));
    }
    Ok(splice(body, edits).to_string())
}

/// Puts a member between the end of the last one and the closing brace.
fn member_edits(body: &str, at: usize, close: usize, member: &str) -> Vec<Edit> {
    let member = braces::with_unit(member);
    let tail = &body[at..close];
    if !tail.contains('#') {
        let comma = if tail.contains(',') { "" } else { "," };
        let end = at + tail.trim_end().len();
        return vec![(end..close, Zeroizing::new(format!("{comma}\n{member}\n")))];
    }
    // behind the comments, whose lines end with them
    let code = tail
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let has_comma = code.collect::<String>().contains(',');
    let comma = (!has_comma).then(|| (at..at, Zeroizing::new(",".to_owned())));
    comma
        .into_iter()
        .chain([(close..close, Zeroizing::new(format!("{member}\n")))])
        .collect()
}

/// `{}` or `null` in the place of a document, with the rest of its line where that is blank.
fn empty_root(body: &str, root: &Node) -> Range<usize> {
    if root.entries().next().is_some() {
        return root.span.start..root.span.start;
    }
    let rest = &body[root.span.end..];
    let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
    let starts_line = line_start(body, root.span.start) == root.span.start;
    let end = if starts_line && !root.span.is_empty() && rest[..line].trim().is_empty() {
        line
    } else {
        0
    };
    root.span.start..root.span.end + end
}
