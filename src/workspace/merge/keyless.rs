//! Without a key: only where one side left values, MAC and data key as they were in the base.

use std::collections::BTreeSet;

use sops_document::Document;
use sops_document::merge::{Changes, difference};
use sops_document::tree::Visit;

use super::{AsText, Circumstances, Documents, Outcome, Side};

/// Takes the other side as it is; new stanzas of the quiet side come along where they only add readers.
///
/// # Errors
/// [`AsText::Locked`]: only a key can merge this.
pub(super) fn merge(documents: &Documents, how: Circumstances<'_>) -> Result<Outcome, AsText> {
    let Documents { base: Some(base), ours, theirs } = documents else { return Err(AsText::Locked) };
    if difference(ours, theirs).is_some() || difference(ours, base).is_some() || how.is_virtual {
        return Err(AsText::Locked);
    }
    // what a revert brings back only a key can judge
    if how.undoes.unwrap_or(true) && theirs.metadata().age != base.metadata().age {
        return Err(AsText::Locked);
    }
    let (text, whole) = if is_quiet(base, theirs) {
        (with_stanzas(base, ours, theirs), Side::Ours)
    } else if is_quiet(base, ours) {
        (with_stanzas(base, theirs, ours), Side::Theirs)
    } else {
        (None, Side::Base)
    };
    let (text, whole) = (text.ok_or(AsText::Locked)?, Some(whole));
    let changes = Changes::default();
    Ok(Outcome {
        text,
        changes,
        returned: Vec::new(),
        unapproved: Vec::new(),
        is_empty: false,
        is_fresh: false,
        whole,
    })
}

/// Values, comments and MAC as in the base, and with the MAC its data key.
fn is_quiet(base: &Document, side: &Document) -> bool {
    let (a, b) = (base.metadata(), side.metadata());
    !a.mac.is_empty() && a.mac == b.mac && a.lastmodified == b.lastmodified && words(base) == words(side)
}

fn words(document: &Document) -> Vec<(String, Vec<u8>)> {
    let mut words = Vec::new();
    document.tree().walk(&mut |path, visit| {
        words.push(match visit {
            Visit::Leaf(_, leaf) => {
                (path.to_string(), leaf.scalar.plaintext().map(|text| text.to_vec()).unwrap_or_default())
            }
            Visit::Comment(comment) => (format!("#{path}"), comment.text.as_bytes().to_vec()),
            Visit::Empty(_) => (format!("{path}{{}}"), Vec::new()),
        });
    });
    words
}

/// `busy` has the values; `quiet` may have changed the stanzas, but not both.
fn with_stanzas(base: &Document, busy: &Document, quiet: &Document) -> Option<String> {
    let stanzas = |document: &Document| document.metadata().age.clone();
    if stanzas(quiet) == stanzas(base) {
        return Some(busy.source().to_owned());
    }
    let is_whole = busy.metadata().groups.is_empty() && busy.metadata().foreign.is_empty();
    let labels = |document: &Document| -> BTreeSet<String> { super::labels(document).into_iter().collect() };
    // the data key stays, so nobody may have left
    if stanzas(busy) != stanzas(base) || !is_whole || !labels(quiet).is_superset(&labels(base)) {
        return None;
    }
    busy.rewrap(&stanzas(quiet)).ok()
}
