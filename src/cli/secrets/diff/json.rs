//! The diff for programs. A value is in it only where the text would show it.

use serde_json::{Value, json};
use sops_document::Path;
use sops_document::compare::SeenValue;

use super::face::Face;
use super::file::{FilePair, FileSide, SideVersion};
use crate::cli::show::{Show, key_print};
use crate::policy::Holders;

pub(super) fn of(pair: &FilePair, show: Show<'_>, holders: &Holders) -> Value {
    let known = |side: &FileSide, path: &Path, known: Option<&SeenValue>| {
        let Some(known) = known else {
            return Value::Null;
        };
        let selector = side
            .version()
            .map(|version| &version.document.metadata().selector);
        let face = Face::of(path, known, show, selector);
        let name = if face.is_value { "value" } else { "print" };
        json!({"type": known.kind(), "bytes": known.bytes(), "encrypted": known.token.is_some(), name: face.text})
    };
    let changes: Vec<Value> = pair
        .differences
        .changes
        .iter()
        .map(|change| {
            json!({
                "key": change.address(), "change": change.verb(),
                "old": known(&pair.old, &change.path, change.old.as_ref()),
                "new": known(&pair.new, &change.path, change.new.as_ref()),
            })
        })
        .collect();
    let comments = |comments: &[SeenValue]| -> Vec<Value> {
        comments
            .iter()
            .map(|comment| Face::of(&Path::default(), comment, show, None).text.into())
            .collect()
    };
    let people = |keys: &[String]| -> Vec<Value> {
        keys.iter()
            .map(|key| json!({"key": key, "name": holders.name(key)}))
            .collect()
    };
    let access = &pair.access;
    json!({
        "path": pair.path, "old_path": pair.old_path, "status": status(pair),
        "old": side(&pair.old), "new": side(&pair.new), "keys": changes,
        "comments": {"removed": comments(&pair.differences.old_comments), "added": comments(&pair.differences.new_comments)},
        "recipients": {"removed": people(&access.removed), "added": people(&access.added)},
        "reencrypted": {
            "values": pair.differences.renewed, "of_values": pair.differences.sealed,
            "stanzas": access.renewed, "of_stanzas": access.stanzas, "mac": access.new_mac,
        },
        "unknown_values": pair.is_renewed(),
    })
}

fn status(pair: &FilePair) -> &'static str {
    match (&pair.old, &pair.new) {
        (FileSide::Broken(_), _) | (_, FileSide::Broken(_)) => "unreadable",
        (FileSide::Document(_), FileSide::Other) => "no longer encrypted",
        (FileSide::Other, FileSide::Document(_)) => "newly encrypted",
        (FileSide::Absent, _) => "added",
        (_, FileSide::Absent) => "deleted",
        _ if pair.old_path.is_some() => "renamed",
        _ => "modified",
    }
}

fn side(side: &FileSide) -> Value {
    match side {
        FileSide::Absent => Value::Null,
        FileSide::Other => json!({"sops": false}),
        FileSide::Broken(fault) => json!({"sops": null, "reason": fault.reason()}),
        FileSide::Document(version) => json!({
            "sops": true, "mac": SideVersion::mac(version).as_deref().unwrap_or("unchecked"),
            "data_key": version.opened.as_ref().map(|(key, _)| key_print(key)),
        }),
    }
}
