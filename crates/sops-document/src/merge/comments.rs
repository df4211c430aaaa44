//! Comments, which belong to nobody: what theirs added comes, what theirs took away goes.
//!
//! They are told apart by their text and found again by the entry that they stand above, behind or
//! beside.

use std::collections::HashMap;
use std::ops::Range;

use zeroize::Zeroizing;

use super::edits::{Edits, MAX_CHANGES};
use super::shown::{Shown, locate, moved};
use super::unmergeable::{TOO_MUCH, Unmergeable};
use crate::tree::{Entry, Item, Node, Path, Value, line_start, step};

/// The address of an entry: its document and its path there.
type EntryAddress = (usize, Path);

struct Note<'s> {
    text: &'s str,
    /// The whole line, or what stands behind a value.
    range: Range<usize>,
    has_own_line: bool,
    /// No empty line stands between it and the next entry or comment.
    is_attached: bool,
    /// The entry on its line, or the next one.
    at: Option<EntryAddress>,
    /// The entry before it.
    behind: Option<EntryAddress>,
}

pub(super) fn merge(
    base: Option<&Shown<'_>>,
    edits: &mut Edits<'_, '_>,
) -> Result<(), Unmergeable> {
    if edits.ours.format().traits().comment_signs.is_empty() {
        return Ok(());
    }
    let (ours, theirs) = (edits.ours, edits.theirs);
    let (ours_notes, theirs_notes) = (notes(ours), notes(theirs));
    let base_notes = base.map(notes).unwrap_or_default();
    // what is new in both comes once
    let mut added = beside(&theirs_notes, &base_notes);
    let both = beside(&ours_notes, &base_notes);
    added = beside_refs(&added, &both);
    let removed = beside(&base_notes, &theirs_notes);
    if added.len() + removed.len() > MAX_CHANGES {
        return Err(Unmergeable::Shape(TOO_MUCH));
    }
    for note in added {
        if !edits
            .come
            .iter()
            .any(|range| range.contains(&note.range.start))
        {
            add(edits, ours, theirs, note);
        }
    }
    for old in removed {
        let found = ours_notes.iter().find(|note| {
            let is_gone = |range: &Range<usize>| range.contains(&note.range.start);
            note.text == old.text
                && note.has_own_line == old.has_own_line
                && !edits.gone.iter().any(is_gone)
                && !edits.edits.iter().any(|(range, _)| *range == note.range)
        });
        if let Some(note) = found {
            edits.is_changed = true;
            edits.edits.push((note.range.clone(), Zeroizing::default()));
        }
    }
    Ok(())
}

/// Those of the first list for which the second has no partner of the same text.
fn beside<'n, 's>(left: &'n [Note<'s>], right: &[Note<'_>]) -> Vec<&'n Note<'s>> {
    beside_refs(
        &left.iter().collect::<Vec<_>>(),
        &right.iter().collect::<Vec<_>>(),
    )
}

fn beside_refs<'n, 's>(left: &[&'n Note<'s>], right: &[&Note<'_>]) -> Vec<&'n Note<'s>> {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for note in right {
        *known.entry(note.text).or_default() += 1;
    }
    let is_new = |note: &&&'n Note<'s>| match known.get_mut(note.text) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    left.iter().filter(is_new).copied().collect()
}

fn add(edits: &mut Edits<'_, '_>, ours: &Shown<'_>, theirs: &Shown<'_>, note: &Note<'_>) {
    let entry = |place: &Option<EntryAddress>| {
        let (document, path) = place.as_ref()?;
        locate(ours.tree.documents.get(*document)?, path).map(|found| found.2)
    };
    let line = |at: usize| line_start(&ours.text, at);
    let margin = |entry: &Entry| {
        let start = line(entry.span.start);
        let text = &ours.text[start..];
        &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
    };
    // what is said of a key that ours removed
    if note.is_attached && note.at.is_some() && entry(&note.at).is_none() {
        return;
    }
    edits.is_changed = true;
    let own = |to: &str| {
        let from = &theirs.text[line_start(&theirs.text, note.range.start)..];
        let from = &from[..from.len() - from.trim_start_matches([' ', '\t']).len()];
        let text = if note.has_own_line {
            moved(&theirs.text[note.range.clone()], from, to)
        } else {
            format!("{to}{}\n", note.text)
        };
        if text.ends_with('\n') {
            text
        } else {
            text + "\n"
        }
    };
    let edit = match (entry(&note.at), entry(&note.behind)) {
        (Some(next), _) if note.has_own_line => (line(next.span.start), own(margin(next))),
        (Some(beside), _) => {
            let end = beside.span.start
                + ours.text[beside.span.start..]
                    .find('\n')
                    .unwrap_or(ours.text.len() - beside.span.start);
            let is_one_line = beside.span.end <= end && matches!(beside.node.value, Value::Leaf(_));
            if is_one_line && ours.text[beside.span.end..end].trim().is_empty() {
                (beside.span.end, format!(" {}", note.text))
            } else {
                (line(beside.span.start), own(margin(beside)))
            }
        }
        (None, Some(before)) => {
            // before whatever comes in there
            let at = ours.lines(before).end;
            edits
                .edits
                .insert(0, (at..at, Zeroizing::new(own(margin(before)))));
            return;
        }
        (None, None) => {
            let end = ours.text.len();
            let gap = if ours.text.is_empty() || ours.text.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            (end, format!("{gap}{}", own("")))
        }
    };
    edits.edits.push((edit.0..edit.0, Zeroizing::new(edit.1)));
}

fn notes<'s>(shown: &'s Shown<'_>) -> Vec<Note<'s>> {
    let (mut comments, mut entries) = (Vec::new(), Vec::new());
    for (document, root) in shown.tree.documents.iter().enumerate() {
        collect(
            root,
            document,
            &mut Path::default(),
            &mut comments,
            &mut entries,
        );
    }
    comments.sort_by_key(|span| span.start);
    entries.sort_by_key(|(start, _)| *start);
    let text = &*shown.text;
    let note = |span: Range<usize>| {
        let start = line_start(text, span.start);
        let has_own_line = text[start..span.start].trim().is_empty();
        let split = entries.partition_point(|(at, _)| *at < span.start);
        let before = entries[..split].last();
        let (range, at) = if has_own_line {
            let end = text[span.end..]
                .find('\n')
                .map_or(text.len(), |at| span.end + at + 1);
            (start..end, entries.get(split))
        } else {
            let code = text[..span.start].trim_end_matches([' ', '\t']).len();
            (code..span.end, before.filter(|(at, _)| *at >= start))
        };
        let is_attached = !text[range.end..].starts_with(['\n', '\r']);
        let place = |entry: Option<&(usize, EntryAddress)>| entry.map(|(_, place)| place.clone());
        Note {
            text: text[span].trim(),
            range,
            has_own_line,
            is_attached,
            at: place(at),
            behind: place(before),
        }
    };
    comments.into_iter().map(note).collect()
}

fn collect(
    node: &Node,
    document: usize,
    path: &mut Path,
    comments: &mut Vec<Range<usize>>,
    entries: &mut Vec<(usize, EntryAddress)>,
) {
    let (Value::Map(items) | Value::List(items)) = &node.value else {
        return;
    };
    let mut index = 0;
    for item in items {
        match item {
            Item::Comment(comment) => comments.push(comment.span.clone()),
            Item::Entry(entry) => {
                path.0.push(step(entry, index));
                index += 1;
                entries.push((entry.span.start, (document, path.clone())));
                collect(&entry.node, document, path, comments, entries);
                path.0.pop();
            }
        }
    }
}
