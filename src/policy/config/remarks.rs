//! The comments and anchors by which an author says whose key it is.

use std::collections::HashMap;
use std::ops::Range;

use sops_document::tree::{Node, Value};
use sops_document::yaml;

use super::Config;
use super::anchors::Anchors;
use super::layout::{line_start, next_line};
use crate::policy::roster::is_unprintable;

/// A longer comment tells a story and is no name.
const MAX_CHARS: usize = 64;

/// What the policy itself calls the holder of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub recipient: String,
    /// Names of anchors, in file order.
    pub anchors: Vec<String>,
    /// The first comment that stands behind the key or alone above it.
    pub remark: Option<String>,
}

impl Holder {
    /// `ravi (Ravi Patel)`, or the one of the two that there is.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match (self.anchors.first(), &self.remark) {
            (Some(anchor), Some(remark)) if !anchor.eq_ignore_ascii_case(remark) => {
                Some(format!("{anchor} ({remark})"))
            }
            (Some(anchor), _) => Some(anchor.clone()),
            (None, remark) => remark.clone(),
        }
    }
}

impl Config {
    /// Every text of the policy that stands alone as a key may and has a name, in file order. Names
    /// are claims of the author: one line, without control characters.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        // without a comment and without an anchor nobody has a name
        if memchr::memchr2(b'#', b'&', self.text.as_bytes()).is_none() {
            return Vec::new();
        }
        let Ok(tree) = yaml::parse_policy(&self.text) else {
            return Vec::new();
        };
        let mut found: Vec<Holder> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut note = |recipient: &str, anchor: Option<&str>, remark: Option<&str>| {
            if anchor.is_none() && remark.is_none() {
                return;
            }
            let position = *places.entry(recipient.to_owned()).or_insert_with(|| {
                let recipient = recipient.to_owned();
                found.push(Holder {
                    recipient,
                    anchors: Vec::new(),
                    remark: None,
                });
                found.len() - 1
            });
            found[position].anchors.extend(anchor.map(str::to_owned));
            let remark = remark.map(str::to_owned);
            found[position].remark = found[position].remark.take().or(remark);
        };
        let anchors = Anchors::of(&self.text, &tree);
        for definition in anchors.definitions() {
            if let Some(recipient) = single(definition.node) {
                note(recipient, Some(definition.name), None);
            }
        }
        for document in &tree.documents {
            remarks(&self.text, document, &mut |recipient, remark| {
                note(recipient, None, Some(remark))
            });
        }
        found
    }
}

/// The text of a scalar that holds one key.
pub(super) fn single(node: &Node) -> Option<&str> {
    let mut keys = super::split(node.text()?);
    let first = keys.next()?;
    keys.next().is_none().then_some(first)
}

fn remarks<'t>(text: &'t str, node: &'t Node, note: &mut dyn FnMut(&'t str, &'t str)) {
    let entries: Vec<_> = node.entries().collect();
    let spans: Vec<Range<usize>> = entries.iter().map(|entry| entry.span.clone()).collect();
    let is_list = matches!(node.value, Value::List(_));
    let manner = if is_list {
        Manner::of(text, &spans)
    } else {
        Manner::None
    };
    for entry in entries {
        match single(&entry.node) {
            Some(recipient) => {
                let above = || above(text, &entry.span).filter(|_| manner == Manner::Above);
                let comment =
                    behind(text, &entry.span).or_else(|| above().map(|(_, comment)| comment));
                if let Some(comment) = comment {
                    note(recipient, comment);
                }
            }
            // the copies below an alias have its span, not their own
            None if !text[entry.node.span.clone()].starts_with('*') => {
                remarks(text, &entry.node, note)
            }
            None => {}
        }
    }
}

/// Where the author of a list writes names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    None,
    /// Behind at least half of the items.
    Behind,
    /// A line above every item; above some of them, or above aliases, it is a heading.
    Above,
}

impl Manner {
    pub(super) fn of(text: &str, items: &[Range<usize>]) -> Self {
        let is_above = |item: &Range<usize>| {
            above(text, item).is_some() && !text[item.clone()].starts_with('*')
        };
        let count = items
            .iter()
            .filter(|item| behind(text, item).is_some())
            .count();
        if count > 0 && count * 2 >= items.len() {
            Self::Behind
        } else if !items.is_empty() && items.iter().all(is_above) {
            Self::Above
        } else {
            Self::None
        }
    }
}

/// The comment at the end of the line of an item that has the line to itself.
fn behind<'a>(text: &'a str, item: &Range<usize>) -> Option<&'a str> {
    if !has_short_line(text, item) {
        return None;
    }
    let start = line_start(text, item.start);
    let inside = text.get(start..item.end)?;
    if inside.contains('\n') || text[start..item.start].contains(',') {
        return None;
    }
    let rest = text[item.end..next_line(text, item.end)].trim();
    name(rest.strip_prefix(',').unwrap_or(rest).trim_start())
}

/// A comment that is the whole line above an item, in its column, with its range; one of several
/// such lines is prose.
pub(super) fn above<'a>(text: &'a str, item: &Range<usize>) -> Option<(Range<usize>, &'a str)> {
    if !has_short_line(text, item) {
        return None;
    }
    let start = line_start(text, item.start);
    let prefix = &text[start..item.start];
    let indent = &prefix[..prefix.len() - prefix.trim_start().len()];
    let comment_before = |start: usize| {
        let before = line_start(text, start.checked_sub(1)?);
        let line = &text[before..start];
        line.trim_start()
            .starts_with('#')
            .then_some((before..start, line))
    };
    if !matches!(prefix.trim(), "-" | "") {
        return None;
    }
    let (range, line) = comment_before(start)?;
    let body = line
        .strip_prefix(indent)
        .filter(|body| body.starts_with('#'))?;
    if comment_before(range.start).is_some() {
        return None;
    }
    Some((range, name(body.trim_end())?))
}

/// Nobody names one of many keys on a line this long, and every one would look through all of it.
const MAX_LINE: usize = 4096;

fn has_short_line(text: &str, item: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let before = &bytes[item.start.saturating_sub(MAX_LINE)..item.start];
    let behind = &bytes[item.end..bytes.len().min(item.end + MAX_LINE)];
    let ends = |part: &[u8]| part.len() < MAX_LINE || part.contains(&b'\n');
    ends(before) && ends(behind)
}

/// A comment, when it can be a name; a key that was commented out is none.
fn name(comment: &str) -> Option<&str> {
    let name = comment.strip_prefix('#')?.trim();
    let good = name.chars().count() <= MAX_CHARS
        && !name.chars().any(is_unprintable)
        && name.contains(char::is_alphanumeric)
        && !["age1", "AGE-SECRET-KEY", "ssh-", "*", "&"]
            .iter()
            .any(|mark| name.contains(mark));
    good.then_some(name)
}
