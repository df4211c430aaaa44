//! The types that sops declares for the fields of its metadata: it opens no file with another.

use crate::misread::MisreadAt;
use crate::other_key::field_text;
use crate::syntax::Syntax;
use crate::tree::{Entry, Node};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Truth,
    Map,
    List,
}

/// How sops takes what a field of a kind holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeReading {
    Same,
    /// It takes it for something else.
    Other,
    /// It does not open the file.
    Refused,
}

enum Shape {
    Is(Kind),
    /// A map whose values are texts.
    Texts,
    /// RFC 3339; not there it is none either.
    Time,
    ListOf(&'static [MetadataField]),
}

type MetadataField = (&'static str, Shape);

const TEXT: Shape = Shape::Is(Kind::Text);

const FIELDS: [MetadataField; 19] = [
    ("age", Shape::ListOf(&AGE)),
    ("pgp", Shape::ListOf(&PGP)),
    ("kms", Shape::ListOf(&KMS)),
    ("gcp_kms", Shape::ListOf(&GCP)),
    ("hckms", Shape::ListOf(&HUAWEI)),
    ("azure_kv", Shape::ListOf(&AZURE)),
    ("hc_vault", Shape::ListOf(&VAULT)),
    ("key_groups", Shape::ListOf(&GROUP)),
    ("shamir_threshold", Shape::Is(Kind::Number)),
    ("mac_only_encrypted", Shape::Is(Kind::Truth)),
    ("lastmodified", TEXT),
    ("mac", TEXT),
    ("version", TEXT),
    ("unencrypted_suffix", TEXT),
    ("encrypted_suffix", TEXT),
    ("unencrypted_regex", TEXT),
    ("encrypted_regex", TEXT),
    ("unencrypted_comment_regex", TEXT),
    ("encrypted_comment_regex", TEXT),
];

const GROUP: [MetadataField; 7] = [
    ("age", Shape::ListOf(&AGE)),
    ("pgp", Shape::ListOf(&PGP)),
    ("kms", Shape::ListOf(&KMS)),
    ("gcp_kms", Shape::ListOf(&GCP)),
    ("hckms", Shape::ListOf(&HUAWEI)),
    ("azure_kv", Shape::ListOf(&AZURE)),
    ("hc_vault", Shape::ListOf(&VAULT)),
];

const AGE: [MetadataField; 2] = [("recipient", TEXT), ("enc", TEXT)];
const PGP: [MetadataField; 3] = [("created_at", Shape::Time), ("enc", TEXT), ("fp", TEXT)];
const GCP: [MetadataField; 3] = [
    ("resource_id", TEXT),
    ("created_at", Shape::Time),
    ("enc", TEXT),
];
const HUAWEI: [MetadataField; 3] = [("key_id", TEXT), ("created_at", Shape::Time), ("enc", TEXT)];
const KMS: [MetadataField; 6] = [
    ("arn", TEXT),
    ("role", TEXT),
    ("context", Shape::Texts),
    ("created_at", Shape::Time),
    ("enc", TEXT),
    ("aws_profile", TEXT),
];
const AZURE: [MetadataField; 5] = [
    ("vault_url", TEXT),
    ("name", TEXT),
    ("version", TEXT),
    ("created_at", Shape::Time),
    ("enc", TEXT),
];
const VAULT: [MetadataField; 5] = [
    ("vault_address", TEXT),
    ("engine_path", TEXT),
    ("key_name", TEXT),
    ("created_at", Shape::Time),
    ("enc", TEXT),
];

/// Every field of a block whose type is another.
pub(crate) fn oddities(syntax: &dyn Syntax, block: &Node) -> Vec<MisreadAt> {
    let mut found = Vec::new();
    check_fields(syntax, block, &FIELDS, "sops", &mut found);
    found
}

fn check_fields(
    syntax: &dyn Syntax,
    map: &Node,
    fields: &[MetadataField],
    name: &str,
    found: &mut Vec<MisreadAt>,
) {
    for (field, shape) in fields {
        let name = format!("{name}.{field}");
        let Some(entry) = map.get(field) else {
            if matches!(shape, Shape::Time) {
                found.push(MisreadAt {
                    offset: map.span.start,
                    what: not(&name, "there"),
                    is_refused: true,
                });
            }
            continue;
        };
        match shape {
            Shape::Is(kind) => found.extend(oddity(syntax, *kind, entry, &name)),
            Shape::Texts => match oddity(syntax, Kind::Map, entry, &name) {
                Some(odd) => found.push(odd),
                None => found.extend(
                    entry
                        .node
                        .entries()
                        .filter_map(|text| oddity(syntax, Kind::Text, text, &name)),
                ),
            },
            Shape::Time => found
                .extend(oddity(syntax, Kind::Text, entry, &name).or_else(|| no_time(entry, &name))),
            Shape::ListOf(fields) => match oddity(syntax, Kind::List, entry, &name) {
                Some(odd) => found.push(odd),
                None => check_entries(syntax, &entry.node, fields, &name, found),
            },
        }
    }
}

fn check_entries(
    syntax: &dyn Syntax,
    list: &Node,
    fields: &[MetadataField],
    name: &str,
    found: &mut Vec<MisreadAt>,
) {
    for entry in list.entries() {
        match oddity(syntax, Kind::Map, entry, &format!("an entry of {name}")) {
            Some(odd) => found.push(odd),
            None if entry.node.is_map() => check_fields(syntax, &entry.node, fields, name, found),
            // null
            None => {}
        }
    }
}

fn oddity(syntax: &dyn Syntax, kind: Kind, entry: &Entry, name: &str) -> Option<MisreadAt> {
    let wanted = match kind {
        Kind::Text => "a text",
        Kind::Number => "a whole number",
        Kind::Truth => "`true` or `false`",
        Kind::Map => "a map",
        Kind::List => "a list",
    };
    let what = match syntax.reading(kind, &entry.node) {
        TypeReading::Same => return None,
        TypeReading::Other => {
            format!("{name} is not {wanted}: SOPS takes it for one, and stax does not")
        }
        TypeReading::Refused => not(name, wanted),
    };
    Some(MisreadAt {
        offset: entry.span.start,
        what,
        is_refused: true,
    })
}

fn no_time(entry: &Entry, name: &str) -> Option<MisreadAt> {
    let text = field_text(&entry.node).unwrap_or_default();
    let what = not(name, "a time of the form 2026-01-31T12:00:00Z");
    if is_time(&text) {
        None
    } else {
        Some(MisreadAt {
            offset: entry.span.start,
            what,
            is_refused: true,
        })
    }
}

fn not(name: &str, wanted: &str) -> String {
    format!("{name} is not {wanted}: SOPS does not open the file")
}

/// By the form alone.
fn is_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let form = date
        .bytes()
        .map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    let zone = rest.strip_prefix('.').map_or(rest, |rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit())
    });
    let zone_form: Vec<u8> = zone
        .bytes()
        .map(|byte| if byte.is_ascii_digit() { b'0' } else { byte })
        .collect();
    form.eq(*b"0000-00-00T00:00:00")
        && [&b"Z"[..], b"+00:00", b"-00:00"].contains(&zone_form.as_slice())
}
