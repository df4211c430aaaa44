//! Metadata written: a whole new block as sops 3.11 writes it, or only the `age` list of an old one.

use std::fmt::Write as _;
use std::ops::Range;

use super::WrappedKey;
use super::format::Format;
use super::json;
use super::selector::Selector;
use super::tree::{Entry, line_start};

/// The version whose field order new files follow.
pub(super) const VERSION: &str = "3.11.0";

/// The values of a new block.
pub(super) struct NewBlock<'a> {
    pub(super) age: &'a [WrappedKey],
    pub(super) lastmodified: &'a str,
    pub(super) mac: String,
    /// A binary file has none.
    pub(super) selector: Option<&'a Selector>,
    pub(super) mac_only_encrypted: bool,
}

impl NewBlock<'_> {
    /// Fields after `age`, in the order of sops; the boolean is the only one that is not a string.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("lastmodified", self.lastmodified.to_owned()), ("mac", self.mac.clone())];
        fields.extend(self.selector.map(|selector| {
            let (rule, text) = selector.field();
            (rule, text.to_owned())
        }));
        if self.mac_only_encrypted {
            fields.push(("mac_only_encrypted", "true".into()));
        }
        fields.push(("version", VERSION.into()));
        fields
    }

    /// The lines to append to a YAML document, `unit` columns a level.
    pub(super) fn yaml(&self, unit: usize) -> String {
        let margin = " ".repeat(unit);
        let mut out = format!("sops:\n{margin}age:\n{}", yaml_age(self.age, unit * 2, unit));
        for (name, text) in self.fields() {
            let text = match name {
                "mac_only_encrypted" => text,
                _ => super::yaml::scalar_text(&super::Scalar::str(&text), unit * 2, unit),
            };
            let _ = writeln!(out, "{margin}{name}: {text}");
        }
        out
    }

    /// The member `"sops": {…}` at depth 1 of an object indented by `unit`.
    pub(super) fn json(&self, unit: &str) -> String {
        let margin = unit.repeat(2);
        let mut out = format!("\"sops\": {{\n{margin}\"age\": {}", json_age(self.age, &margin, unit));
        for (name, text) in self.fields() {
            let text = if name == "mac_only_encrypted" { text } else { json::string_text(&text) };
            let _ = write!(out, ",\n{margin}\"{name}\": {text}");
        }
        let _ = write!(out, "\n{unit}}}");
        out
    }

    /// The sorted `sops_…` lines of a dotenv file.
    pub(super) fn dotenv(&self) -> String {
        let mut lines = dotenv_age("sops_age", self.age);
        lines.extend(self.fields().iter().map(|(name, text)| format!("sops_{name}={text}\n")));
        lines.sort();
        lines.concat()
    }

    /// The section of an INI file.
    pub(super) fn ini(&self) -> String {
        let mut fields = flat_age("age", self.age);
        fields.extend(self.fields().into_iter().map(|(name, text)| (name.to_owned(), text)));
        super::ini::block(fields)
    }
}

fn yaml_age(age: &[WrappedKey], column: usize, unit: usize) -> String {
    let mut out = String::new();
    let margin = " ".repeat(column);
    for key in age {
        let recipient = super::yaml::scalar_text(&super::Scalar::str(&key.recipient), column, unit);
        let _ = writeln!(out, "{margin}- recipient: {recipient}\n{margin}  enc: |");
        for line in key.enc.lines() {
            let _ = writeln!(out, "{margin}{}{line}", " ".repeat(unit.max(4)));
        }
    }
    if age.is_empty() { format!("{margin}[]\n") } else { out }
}

fn json_age(age: &[WrappedKey], margin: &str, unit: &str) -> String {
    if age.is_empty() {
        return "[]".into();
    }
    let entries: Vec<String> = age
        .iter()
        .map(|key| {
            let inner = format!("{margin}{unit}{unit}");
            let recipient = json::string_text(&key.recipient);
            let enc = json::string_text(&key.enc);
            format!("{margin}{unit}{{\n{inner}\"recipient\": {recipient},\n{inner}\"enc\": {enc}\n{margin}{unit}}}")
        })
        .collect();
    format!("[\n{}\n{margin}]", entries.join(",\n"))
}

fn dotenv_age(list: &str, age: &[WrappedKey]) -> Vec<String> {
    let fields = flat_age(list, age);
    let mut lines: Vec<String> =
        fields.into_iter().map(|(name, text)| format!("{name}={}\n", super::dotenv::encode(&text))).collect();
    lines.sort();
    lines
}

/// The flattened names of a list, with their texts.
fn flat_age(list: &str, age: &[WrappedKey]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (index, key) in age.iter().enumerate() {
        fields.push((format!("{list}__list_{index}__map_enc"), key.enc.clone()));
        fields.push((format!("{list}__list_{index}__map_recipient"), key.recipient.clone()));
    }
    fields
}

/// The edits that replace the stanzas of a document, or of one key group, and touch nothing else.
pub(super) fn replace_age(
    format: Format,
    source: &str,
    entry: &Entry,
    group: Option<usize>,
    age: &[WrappedKey],
) -> Vec<(Range<usize>, String)> {
    match format {
        Format::Yaml => vec![yaml_edit(source, entry, group.is_some(), age)],
        Format::Json | Format::Binary => {
            let start = line_start(source, entry.span.start);
            let margin = blanks(&source[start..entry.span.start]);
            let unit = if margin.starts_with('\t') || margin.is_empty() {
                "\t".to_owned()
            } else {
                " ".repeat(margin.len() / 2)
            };
            vec![(entry.node.span.clone(), json_age(age, margin, &unit))]
        }
        Format::Ini => {
            let list = group.map_or("age".to_owned(), |at| format!("key_groups__list_{at}__map_age"));
            super::ini::replace_list(source, entry, &list, &flat_age(&list, age))
        }
        Format::Dotenv => {
            let list =
                group.map_or("sops_age".to_owned(), |at| format!("sops_key_groups__list_{at}__map_age"));
            let mut offset = 0;
            let mut edits = Vec::new();
            for line in source.split_inclusive('\n') {
                if line.strip_prefix(&list).is_some_and(|rest| rest.starts_with("__list_")) {
                    let text = if edits.is_empty() { dotenv_age(&list, age).concat() } else { String::new() };
                    edits.push((offset..offset + line.len(), text));
                }
                offset += line.len();
            }
            edits
        }
    }
}

fn yaml_edit(source: &str, entry: &Entry, in_group: bool, age: &[WrappedKey]) -> (Range<usize>, String) {
    let margin = entry.key_span.start - line_start(source, entry.key_span.start);
    let list = entry.node.span.clone();
    let own_line = list.start > entry.key_span.end && source[entry.key_span.end..list.start].contains('\n');
    let column = if own_line { list.start - line_start(source, list.start) } else { margin * 2 };
    // a group stands deeper, so its margin is no unit
    let unit = if in_group { 4 } else { margin.max(2) };
    let text = yaml_age(age, column.max(margin), unit);
    let ends_line = source[..list.end].ends_with('\n');
    let text = if ends_line { text } else { text.trim_end_matches('\n').to_owned() };
    (entry.key_span.end..list.end, format!(":\n{text}"))
}

fn blanks(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches([' ', '\t']).len()]
}
