//! Three versions of a document become one, in memory: base (O), ours (A) and theirs (B).
//!
//! [`access`] says who reads the result and under which data key; [`values`] merges what it holds,
//! key by key, in the layout of ours; [`Merged::seal`] encrypts it and reads it back. Nothing here
//! knows git.

mod access;
mod comments;
mod decide;
mod edits;
mod meaning;
mod sealing;
mod shown;
mod terms;
mod unmergeable;

use zeroize::Zeroizing;

use crate::cipher::Random;
use crate::document::Cleartext;
use crate::tree::{Node, Path, Scalar, Tree, Value};

pub use crate::marker;
pub use access::{AccessVersion, KeyFrom, MergedAccess, access};
pub use decide::KeyChanges;
pub(crate) use sealing::indent_of;
pub use sealing::{Merged, SidesWithKey};
pub use terms::{difference, key_difference, rule_difference};
pub use unmergeable::Unmergeable;

use decide::DecideWalk;
use edits::Edits;
use meaning::Meaning;
use shown::Shown;
use unmergeable::TOO_MUCH;

/// Merges the values of three versions; without a base whatever differs in both is a conflict.
///
/// `placeholder` is for a base that git itself makes of several: there a conflict must equal
/// neither side, so that the merge above it sees one too.
///
/// # Errors
/// [`Unmergeable`] where only the text can be merged.
pub fn values<'a>(
    base: Option<&'a Cleartext>,
    ours: &'a Cleartext,
    theirs: &'a Cleartext,
    placeholder: Option<Random<'_>>,
) -> Result<Merged<'a>, Unmergeable> {
    if let Some(field) = difference(ours.document(), theirs.document()) {
        return Err(Unmergeable::Terms(field));
    }
    if let Some(name) = ours.document().format().traits().only_value {
        return Ok(whole(name, base, ours, theirs));
    }
    let (shown_ours, shown_theirs) = (show(ours)?, show(theirs)?);
    let shown_base = base.map(show).transpose()?;
    let mut count: Vec<usize> = vec![
        shown_ours.tree.documents.len(),
        shown_theirs.tree.documents.len(),
    ];
    count.extend(shown_base.as_ref().map(|base| base.tree.documents.len()));
    // an empty text has no document
    count.retain(|count| *count > 0);
    if count.iter().any(|number| *number != count[0]) {
        return Err(Unmergeable::Shape(
            "the sides hold another number of documents",
        ));
    }
    let mut edits = Edits::new(&shown_ours, &shown_theirs);
    let changes = walk(shown_base.as_ref(), &mut edits);
    if let Some(random) = placeholder {
        put_placeholders(&mut edits, &changes, random)?;
    }
    comments::merge(shown_base.as_ref(), &mut edits)?;
    edits.close_emptied();
    if edits.overflows() {
        return Err(Unmergeable::Shape(TOO_MUCH));
    }
    Ok(finish(&edits, changes))
}

/// Ours with what theirs has at some paths: how a conflict is settled.
///
/// # Errors
/// As [`values`].
pub fn settle<'a>(
    ours: &'a Cleartext,
    theirs: &'a Cleartext,
    paths: &[Path],
) -> Result<Merged<'a>, Unmergeable> {
    // those of ours stay
    if let Some(field) = rule_difference(ours.document(), theirs.document()) {
        return Err(Unmergeable::Terms(field));
    }
    if ours.document().format().is_whole() {
        return Ok(of_payload(ours, theirs, theirs, KeyChanges::default()));
    }
    let (shown_ours, shown_theirs) = (show(ours)?, show(theirs)?);
    let mut edits = Edits::new(&shown_ours, &shown_theirs);
    for path in paths {
        let place = |tree: &Tree| {
            tree.documents
                .iter()
                .position(|root| root.find(&path.0).is_some())
        };
        let document = place(&shown_theirs.tree).or_else(|| place(&shown_ours.tree));
        edits.take(document.unwrap_or(0), path);
    }
    edits.close_emptied();
    if edits.overflows() {
        return Err(Unmergeable::Shape(TOO_MUCH));
    }
    Ok(finish(
        &edits,
        KeyChanges {
            theirs: paths.to_vec(),
            ..KeyChanges::default()
        },
    ))
}

fn show(clear: &Cleartext) -> Result<Shown<'_>, Unmergeable> {
    Shown::of(clear).ok_or(Unmergeable::Shape(
        "a version with YAML aliases is merged as text",
    ))
}

fn walk(base: Option<&Shown<'_>>, edits: &mut Edits<'_, '_>) -> KeyChanges {
    let mut changes = KeyChanges::default();
    let empty = Node {
        span: 0..0,
        value: Value::Map(Vec::new()),
    };
    let count = edits
        .ours
        .tree
        .documents
        .len()
        .max(edits.theirs.tree.documents.len());
    let (ours, theirs) = (edits.ours, edits.theirs);
    let (our_roots, their_roots) = (&ours.tree.documents, &theirs.tree.documents);
    for document in 0..count {
        let ours = our_roots.get(document).unwrap_or(&empty);
        let theirs = their_roots.get(document).unwrap_or(&empty);
        let base = base.and_then(|base| base.tree.documents.get(document));
        let mut walk = DecideWalk {
            edits,
            document,
            changes: &mut changes,
        };
        walk.map(base, ours, theirs, &mut Path::default());
    }
    changes
}

fn put_placeholders(
    edits: &mut Edits<'_, '_>,
    changes: &KeyChanges,
    random: Random<'_>,
) -> Result<(), Unmergeable> {
    for path in &changes.conflicts {
        let mut bytes = [0; 16];
        random(&mut bytes);
        let text = base16ct::lower::encode_string(&bytes);
        let root = edits
            .ours
            .tree
            .documents
            .iter()
            .position(|root| root.find(&path.0).is_some());
        let scalar = Scalar::str(&format!("{} {text}", marker::WORD));
        if !root.is_some_and(|document| edits.put(document, path, &scalar)) {
            return Err(Unmergeable::Shape(
                "the merged bases conflict in more than a value",
            ));
        }
    }
    Ok(())
}

fn finish<'a>(edits: &Edits<'_, 'a>, changes: KeyChanges) -> Merged<'a> {
    let (ours, theirs) = (edits.ours.clear, edits.theirs.clear);
    let format = ours.document().format();
    let spliced = (!edits.is_unsafe).then(|| edits.text());
    let printed = || {
        format
            .emit(&edits.tree, sealing::indent_of(&edits.ours.text))
            .map(Zeroizing::new)
    };
    let texts = if edits.is_changed {
        spliced.into_iter().chain(printed()).collect()
    } else {
        Vec::new()
    };
    let expected = Meaning::of(&edits.tree);
    Merged {
        ours,
        theirs,
        changes,
        texts,
        payload: None,
        expected,
        is_changed: edits.is_changed,
    }
}

/// A file that is one value of this name.
fn whole<'a>(
    name: &str,
    base: Option<&Cleartext>,
    ours: &'a Cleartext,
    theirs: &'a Cleartext,
) -> Merged<'a> {
    let data = vec![Path::key(name)];
    let (o, a, b) = (
        base.and_then(Cleartext::payload),
        ours.payload(),
        theirs.payload(),
    );
    let mut changes = KeyChanges::default();
    if a == b {
        return of_payload(ours, theirs, ours, changes);
    }
    if o == a && base.is_some() {
        changes.theirs = data;
        return of_payload(ours, theirs, theirs, changes);
    }
    if o == b && base.is_some() {
        changes.ours = data;
    } else {
        changes.conflicts = data;
    }
    of_payload(ours, theirs, ours, changes)
}

fn of_payload<'a>(
    ours: &'a Cleartext,
    theirs: &'a Cleartext,
    from: &Cleartext,
    changes: KeyChanges,
) -> Merged<'a> {
    Merged {
        ours,
        theirs,
        changes,
        texts: Vec::new(),
        payload: from.payload(),
        expected: Meaning::of(from.tree()),
        is_changed: from.payload() != ours.payload(),
    }
}

#[cfg(test)]
mod tests;
