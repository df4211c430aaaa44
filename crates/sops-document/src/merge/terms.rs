//! What a version says besides values, recipients and data key: it has to be the same on both sides.

use crate::document::Document;
use crate::metadata::Metadata;

/// The first field of the metadata in which two versions differ; stanzas, MAC, time and version are left out.
#[must_use]
pub fn difference(ours: &Document, theirs: &Document) -> Option<String> {
    let (a, b) = (ours.metadata(), theirs.metadata());
    if ours.format() != theirs.format() {
        return Some("format".into());
    }
    if a.selector.field() != b.selector.field() {
        let name = if a.selector.is_default() { b.selector.field().0 } else { a.selector.field().0 };
        return Some(name.into());
    }
    if a.mac_only_encrypted != b.mac_only_encrypted {
        return Some("mac_only_encrypted".into());
    }
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
        .map(|group| group.age.iter().map(|stanza| stanza.recipient.as_str()).collect())
        .collect()
}

/// The words of the metadata less what may differ.
fn rest(document: &Document) -> Vec<String> {
    let spans = &document.metadata.spans;
    let fields = [&spans.mac, &spans.lastmodified].into_iter().flatten().map(|node| node.span.clone());
    let skip: Vec<_> = fields.chain(spans.age.iter().map(|entry| entry.span.clone())).collect();
    let source = document.source();
    let mut text = String::new();
    for range in &document.block.cut {
        let mut at = range.start;
        for line in source[range.clone()].split_inclusive('\n') {
            let name = line.trim_start().trim_start_matches("sops_").trim_start_matches('"');
            let flat = document.format().traits().has_flat_metadata;
            let changes =
                ["version", "mac =", "mac=", "lastmodified"].iter().any(|start| name.starts_with(start));
            let skipped = if flat {
                changes || name.starts_with("age__")
            } else {
                changes || skip.iter().any(|span| span.start < at + line.len() && at < span.end)
            };
            if !skipped {
                text.push_str(line);
            }
            at += line.len();
        }
    }
    text.split_whitespace().map(str::to_owned).collect()
}
