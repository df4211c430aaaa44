//! The diff for people.

use similar::{ChangeTag, TextDiff};
use sops_document::Path;
use sops_document::compare::{Change, SeenValue};

use super::face::Face;
use super::file::{FilePair, FileSide, SideFault, SideVersion};
use super::sides::Asked;
use crate::cli::escape::Escaped;
use crate::cli::secrets::verify::count as count_of;
use crate::cli::show::{Show, key_print};
use crate::cli::ui::Ui;
use crate::policy::Holders;

/// Longer values are not searched for what they have in common.
const MAX_INLINE: usize = 2048;
/// Less in common than this, and marking the rest says nothing.
const MIN_COMMON: f64 = 0.5;
/// Lines of a value that stayed, shown around those that changed.
const CONTEXT: usize = 1;

pub(super) struct Printer<'a> {
    pub(super) ui: &'a Ui,
    pub(super) show: Show<'a>,
    pub(super) holders: &'a Holders,
    pub(super) asked: &'a Asked,
}

impl Printer<'_> {
    pub(super) fn print(&self, pairs: &[FilePair]) {
        for pair in pairs {
            self.pair(pair);
        }
        if pairs.iter().any(FilePair::is_renewed) {
            self.ui.note(
                "probably a new data key; only a key can tell whether a value or the whole file was replaced",
            );
        }
    }

    fn pair(&self, pair: &FilePair) {
        let name = match &pair.old_path {
            Some(old) => format!("{old} => {}", pair.path),
            None => pair.path.clone(),
        };
        let (old_name, new_name) = (&self.asked.old_name, &self.asked.new_name);
        let title = |what: &str| self.ui.one_line(format!("{name}: {what}"));
        match (&pair.old, &pair.new) {
            (FileSide::Broken(reason), _) => title(&format!(
                "cannot be compared: in {old_name} it {}",
                why(reason)
            )),
            (_, FileSide::Broken(reason)) => title(&format!(
                "cannot be compared: in {new_name} it {}",
                why(reason)
            )),
            (FileSide::Document(_), FileSide::Other) => title(&format!(
                "ENCRYPTED in {old_name}, NO SOPS file in {new_name}; no value is shown (check it: stax secrets verify)"
            )),
            (FileSide::Other, FileSide::Document(_)) => title(&format!(
                "no SOPS file in {old_name}, ENCRYPTED in {new_name}; no value is shown (git keeps what stood there in clear)"
            )),
            (FileSide::Absent, FileSide::Other) => title(&format!(
                "new, and NO SOPS file in {new_name}; no value is shown"
            )),
            (FileSide::Other, FileSide::Absent) => {
                title(&format!("deleted; it was NO SOPS file in {old_name}"))
            }
            _ if pair.is_renewed() => self.renewed(pair, &name),
            _ => self.versions(pair, &name),
        }
    }

    fn versions(&self, pair: &FilePair, name: &str) {
        let what = summary(pair);
        self.ui.one_line(format!("{name}: {what}"));
        for change in &pair.differences.changes {
            self.change(pair, change);
        }
        self.comments(pair);
        self.access(pair);
    }

    /// Every token is new: one line, and what can be told in spite of it.
    fn renewed(&self, pair: &FilePair, name: &str) {
        let (values, access) = (&pair.differences, &pair.access);
        let shape = |known: &SeenValue| (known.kind(), known.bytes(), known.token.is_some());
        let told = |change: &&Change| match (&change.old, &change.new) {
            (Some(old), Some(new)) => shape(old) != shape(new),
            _ => true,
        };
        let changes: Vec<&Change> = values.changes.iter().filter(told).collect();
        let both = |change: &&&Change| change.old.is_some() && change.new.is_some();
        let has = |differs: &dyn Fn(&SeenValue, &SeenValue) -> bool| {
            let pairs = changes
                .iter()
                .filter_map(|change| change.old.as_ref().zip(change.new.as_ref()));
            pairs.into_iter().any(|(old, new)| differs(old, new))
        };
        let same: Vec<&str> = [
            ("keys", changes.iter().all(|change| both(&change))),
            ("types", !has(&|old, new| old.kind() != new.kind())),
            ("lengths", !has(&|old, new| old.bytes() != new.bytes())),
            (
                "recipients",
                access.added.is_empty() && access.removed.is_empty(),
            ),
        ]
        .into_iter()
        .filter_map(|(what, is_same)| is_same.then_some(what))
        .collect();
        let mac = if access.new_mac { ", MAC" } else { "" };
        let same = if same.is_empty() {
            String::new()
        } else {
            format!("; {} same", same.join(", "))
        };
        self.ui.one_line(format!(
            "{name}: {} of {} values{mac} and {} of {} stanzas re-encrypted{same}",
            values.renewed, values.sealed, access.renewed, access.stanzas
        ));
        for change in changes {
            self.change(pair, change);
        }
        self.recipients(pair);
    }

    fn change(&self, pair: &FilePair, change: &Change) {
        let face = |side: &FileSide, known: &SeenValue| {
            let selector = side
                .version()
                .map(|version| &version.document.metadata().selector);
            Face::of(&change.path, known, self.show, selector)
        };
        let old = change
            .old
            .as_ref()
            .map(|known| (known, face(&pair.old, known)));
        let new = change
            .new
            .as_ref()
            .map(|known| (known, face(&pair.new, known)));
        let key = Escaped(&change.address()).to_string();
        match (old, new) {
            (Some((was, old)), Some((is, new))) => {
                let label = |known: &SeenValue, other: &SeenValue| {
                    let kind = (known.kind() != other.kind()).then(|| known.kind().to_owned());
                    let sealed = known.token.is_some() != other.token.is_some();
                    let place = sealed.then(|| {
                        known
                            .token
                            .as_ref()
                            .map_or("in clear", |_| "encrypted")
                            .to_owned()
                    });
                    let words: Vec<String> = kind.into_iter().chain(place).collect();
                    if words.is_empty() {
                        key.clone()
                    } else {
                        format!("{key} ({})", words.join(", "))
                    }
                };
                self.two(&(label(was, is), old), &(label(is, was), new));
            }
            (Some((_, old)), None) => self.one("-", &key, &old),
            (None, Some((_, new))) => self.one("+", &key, &new),
            (None, None) => {}
        }
    }

    fn one(&self, mark: &str, key: &str, face: &Face) {
        let lines: Vec<&str> = face.text.split('\n').collect();
        match lines.as_slice() {
            [line] => self.ui.parts(mark, &[(format!("{key}: {line}"), false)]),
            lines => {
                self.ui.parts(mark, &[(format!("{key}:"), false)]);
                lines
                    .iter()
                    .for_each(|line| self.ui.parts(mark, &[(format!("    {line}"), false)]));
            }
        }
    }

    fn two(&self, (old_key, old): &(String, Face), (new_key, new): &(String, Face)) {
        let is_text = old.is_value && new.is_value;
        if is_text && old.text.contains('\n') && new.text.contains('\n') && old_key == new_key {
            return self.lines(old_key, &old.text, &new.text);
        }
        let short = old.text.len().max(new.text.len()) <= MAX_INLINE;
        if !is_text || !short || old.text.contains('\n') || new.text.contains('\n') {
            self.one("-", old_key, old);
            return self.one("+", new_key, new);
        }
        let diff = TextDiff::from_chars(old.text.as_str(), new.text.as_str());
        let is_alike = f64::from(diff.ratio()) >= MIN_COMMON;
        for (mark, key, own, other) in [
            ("-", old_key, ChangeTag::Delete, ChangeTag::Insert),
            ("+", new_key, ChangeTag::Insert, ChangeTag::Delete),
        ] {
            let mut parts = vec![(format!("{key}: "), false)];
            for change in diff
                .iter_all_changes()
                .filter(|change| change.tag() != other)
            {
                let stands_out = is_alike && change.tag() == own;
                match parts.last_mut() {
                    Some((text, last)) if *last == stands_out => text.push_str(change.value()),
                    _ => parts.push((change.value().to_owned(), stands_out)),
                }
            }
            self.ui.parts(mark, &parts);
        }
    }

    /// The lines of a long value that changed.
    fn lines(&self, key: &str, old: &str, new: &str) {
        self.ui.mark_line("~", format!("{key}:"));
        let diff = TextDiff::from_lines(old, new);
        for group in diff.grouped_ops(CONTEXT) {
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let text = change.value().trim_end_matches('\n');
                match change.tag() {
                    ChangeTag::Equal => self.ui.one_line(format!("      {text}")),
                    ChangeTag::Delete => self.ui.parts("-", &[(format!("    {text}"), false)]),
                    ChangeTag::Insert => self.ui.parts("+", &[(format!("    {text}"), false)]),
                }
            }
        }
    }

    fn comments(&self, pair: &FilePair) {
        let here = Path::default();
        for (mark, comments) in [
            ("-", &pair.differences.old_comments),
            ("+", &pair.differences.new_comments),
        ] {
            for comment in comments {
                self.ui.parts(
                    mark,
                    &[(
                        format!("#{}", Face::of(&here, comment, self.show, None).text),
                        false,
                    )],
                );
            }
        }
    }

    fn access(&self, pair: &FilePair) {
        self.recipients(pair);
        let (values, access) = (&pair.differences, &pair.access);
        let print = |side: &FileSide| {
            side.version()
                .and_then(|one| one.opened.as_ref())
                .map(|(key, _)| key_print(key))
        };
        match (print(&pair.old), print(&pair.new)) {
            (Some(old), Some(new)) if old != new => {
                let and = if values.changes.is_empty() {
                    "; no value changed"
                } else {
                    ""
                };
                self.ui.mark("~", format!("data key {old} -> {new}{and}"));
            }
            (None, Some(new)) if pair.old.version().is_none() => {
                self.ui.mark("+", format!("data key {new}"))
            }
            (Some(old), None) if pair.new.version().is_none() => {
                self.ui.mark("-", format!("data key {old}"))
            }
            _ if access.renewed > 0 && access.added.is_empty() && access.removed.is_empty() => {
                let (some, all) = (access.renewed, access.stanzas);
                self.ui.mark(
                    "~",
                    format!("{some} of {all} stanzas re-encrypted; recipients same"),
                );
            }
            _ => {}
        }
        if let Some((old, new)) = &access.rule {
            self.ui.parts("-", &[(format!("encrypts by {old}"), false)]);
            self.ui.parts("+", &[(format!("encrypts by {new}"), false)]);
        }
        if access.other {
            self.ui.mark(
                "~",
                "other metadata changed: version, key groups or keys of other services",
            );
        }
        for (side, name) in [
            (&pair.old, &self.asked.old_name),
            (&pair.new, &self.asked.new_name),
        ] {
            let mac = side
                .version()
                .and_then(SideVersion::mac)
                .filter(|mac| mac != "ok");
            if let Some(mac) = mac {
                self.ui.mark_line("✗", format!("MAC in {name}: {mac}"));
            }
        }
    }

    fn recipients(&self, pair: &FilePair) {
        for (mark, keys) in [("-", &pair.access.removed), ("+", &pair.access.added)] {
            for key in keys {
                let name = self
                    .holders
                    .name(key)
                    .map(|name| format!(" {name}"))
                    .unwrap_or_default();
                self.ui
                    .parts(mark, &[(format!("recipient {key}{name}"), false)]);
            }
        }
    }
}

/// What follows `it`.
fn why(fault: &SideFault) -> String {
    match fault {
        SideFault::Is(what) => what.clone(),
        SideFault::Unread(reason) => format!("cannot be read: {reason}"),
    }
}

/// `2 changed, 1 added`
fn summary(pair: &FilePair) -> String {
    let count = |verb: &str| {
        pair.differences
            .changes
            .iter()
            .filter(|change| change.verb() == verb)
            .count()
    };
    let counts = ["changed", "added", "removed"].map(|verb| (count(verb), verb));
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, verb)| format!("{number} {verb}"))
        .collect();
    let keys = pair.differences.changes.len();
    match (&pair.old, &pair.new) {
        (FileSide::Absent, _) => format!("new file, {}", count_of(keys, "key")),
        (_, FileSide::Absent) => format!("deleted, {}", count_of(keys, "key")),
        _ if !words.is_empty() => words.join(", "),
        _ if pair.old_path.is_some() => "renamed; keys and values same".to_owned(),
        _ => "keys and values same".to_owned(),
    }
}
