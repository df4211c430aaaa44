//! Without a key: only where one side left values, MAC and data key as they were in the base.

use sops_document::Document;
use sops_document::merge::{KeyChanges, key_difference, rule_difference};
use sops_document::tree::Visit;

use super::{AsText, Circumstances, Documents, MergeOutcome, MergeSide};
use crate::workspace::groups::all_stay;

/// Takes the other side as it is; other keys of the quiet side come along where everybody stays.
///
/// # Errors
/// [`AsText::Locked`]: only a key can merge this.
pub(super) fn merge(documents: &Documents, how: Circumstances<'_>) -> Result<MergeOutcome, AsText> {
    let Documents {
        base: Some(base),
        ours,
        theirs,
    } = documents
    else {
        return Err(AsText::Locked);
    };
    let differs = |side: &Document| rule_difference(side, base).is_some();
    if differs(ours) || differs(theirs) || how.is_virtual {
        return Err(AsText::Locked);
    }
    // what a revert brings back only a key can judge
    if how.undoes.unwrap_or(true) && !has_same_keys(theirs, base) {
        return Err(AsText::Locked);
    }
    let (text, whole) = if is_quiet(base, theirs) {
        (with_keys(base, ours, theirs), MergeSide::Ours)
    } else if is_quiet(base, ours) {
        (with_keys(base, theirs, ours), MergeSide::Theirs)
    } else {
        (None, MergeSide::Base)
    };
    let (text, whole) = (text.ok_or(AsText::Locked)?, Some(whole));
    let changes = KeyChanges::default();
    Ok(MergeOutcome {
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
    !a.mac.is_empty()
        && a.mac == b.mac
        && a.lastmodified == b.lastmodified
        && words(base) == words(side)
}

fn words(document: &Document) -> Vec<(String, Vec<u8>)> {
    let mut words = Vec::new();
    document.tree().walk(&mut |path, visit| {
        words.push(match visit {
            Visit::Leaf(_, leaf) => (
                path.to_string(),
                leaf.scalar
                    .plaintext()
                    .map(|text| text.to_vec())
                    .unwrap_or_default(),
            ),
            Visit::Comment(comment) => (format!("#{path}"), comment.text.as_bytes().to_vec()),
            Visit::Empty(_) => (format!("{path}{{}}"), Vec::new()),
        });
    });
    words
}

/// `busy` has the values; `quiet` may have changed the keys, but not both.
fn with_keys(base: &Document, busy: &Document, quiet: &Document) -> Option<String> {
    if has_same_keys(quiet, base) {
        return Some(busy.source().to_owned());
    }
    // the data key stays, so nobody may have left
    if !has_same_keys(busy, base) || !all_stay(base, quiet) {
        return None;
    }
    busy.with_keys_of(quiet)
        .ok()
        .map(|document| document.source().to_owned())
}

/// Each key is wrapped as it was.
fn has_same_keys(side: &Document, base: &Document) -> bool {
    side.metadata().age == base.metadata().age && key_difference(side, base).is_none()
}
