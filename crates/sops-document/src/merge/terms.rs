//! What a version says besides values and data key: it has to be the same on both sides.

use crate::document::Document;
use crate::metadata::Metadata;

/// The first field of the metadata in which two versions differ; stanzas, MAC, time and version are
/// left out.
#[must_use]
pub fn difference(ours: &Document, theirs: &Document) -> Option<String> {
    rule_difference(ours, theirs).or_else(|| key_difference(ours, theirs))
}

/// The same of what says how values are encrypted.
#[must_use]
pub fn rule_difference(ours: &Document, theirs: &Document) -> Option<String> {
    let (a, b) = (ours.metadata(), theirs.metadata());
    if ours.format() != theirs.format() {
        return Some("format".into());
    }
    if a.selector.field() != b.selector.field() {
        let name = if a.selector.is_default() {
            b.selector.field().0
        } else {
            a.selector.field().0
        };
        return Some(name.into());
    }
    if a.mac_only_encrypted != b.mac_only_encrypted {
        return Some("mac_only_encrypted".into());
    }
    None
}

/// The same of key groups and of keys of other kinds.
#[must_use]
pub fn key_difference(ours: &Document, theirs: &Document) -> Option<String> {
    let (a, b) = (ours.metadata(), theirs.metadata());
    if a.threshold != b.threshold || labels(a) != labels(b) {
        return Some("key_groups".into());
    }
    let extra = |metadata: &Metadata| [metadata.foreign.clone(), metadata.unknown.clone()].concat();
    let names = extra(a);
    if names != extra(b) {
        return names.into_iter().chain(extra(b)).next();
    }
    if !names.is_empty() && rest(ours) != rest(theirs) {
        return names.into_iter().next();
    }
    None
}

fn labels(metadata: &Metadata) -> Vec<Vec<&str>> {
    metadata
        .groups
        .iter()
        .map(|group| {
            group
                .age
                .iter()
                .map(|stanza| stanza.recipient.as_str())
                .collect()
        })
        .collect()
}

/// The lines of the metadata less what may differ; an INI file has them in any order.
fn rest(document: &Document) -> Vec<Vec<String>> {
    let spans = &document.metadata.spans;
    let fields = [&spans.mac, &spans.lastmodified]
        .into_iter()
        .flatten()
        .map(|node| node.span.clone());
    let skip: Vec<_> = fields
        .chain(spans.age.iter().map(|entry| entry.span.clone()))
        .collect();
    let is_flat = document.format().traits().has_flat_metadata;
    let mut lines = Vec::new();
    for range in &document.block.cut {
        let mut at = range.start;
        for line in document.source()[range.clone()].split_inclusive('\n') {
            let (start, end) = (at, at + line.len());
            at = end;
            let name = field(line);
            let is_age = is_flat && name.starts_with("age__");
            let in_skipped =
                !is_flat && skip.iter().any(|span| span.start < end && start < span.end);
            if !["version", "mac", "lastmodified"].contains(&name) && !is_age && !in_skipped {
                lines.push(line.split_whitespace().map(str::to_owned).collect());
            }
        }
    }
    if is_flat {
        lines.sort_unstable();
    }
    lines
}

/// The name that a line of the metadata begins with.
fn field(line: &str) -> &str {
    let line = line
        .trim_start()
        .trim_start_matches("sops_")
        .trim_start_matches('"');
    line.split(['=', ':', '"', ' ']).next().unwrap_or_default()
}
