//! D11: what changed under a MAC that was made for an earlier version.

use shell_words::quote;

use super::{names, see};
use crate::ledger::{EditedKeys, EditsUnderMac, FileChanged, Snapshot};
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{RuleId, Severity};

/// Keys that a command names; of more the command itself asks.
const NAMED: usize = 20;

/// What was done to which keys, in the words for one and for several.
fn by_deed(keys: &EditedKeys) -> [(&[String], [&'static str; 2]); 4] {
    [
        (&keys.changed, ["changed", "changed"]),
        (&keys.reformatted, ["was reformatted", "were reformatted"]),
        (&keys.added, ["was added", "were added"]),
        (&keys.deleted, ["was deleted", "were deleted"]),
    ]
}

/// `end`: the file where a range ends. A new MAC there, or the values of the old one, settle what
/// was unencrypted.
pub(in crate::verify) fn finding(
    change: &FileChanged<'_>,
    edits: &EditsUnderMac,
    end: Option<&Snapshot>,
) -> Finding {
    if !edits.tokens.is_empty() {
        return tampered(change.path, &edits.tokens);
    }
    let finding = unencrypted(change, edits);
    let end = end.unwrap_or(change.after);
    let healed_by = match () {
        () if end.mac.is_some() && end.mac != change.after.mac => "a later commit made a new MAC",
        () if change.edits_up_to(end).is_empty() => "a later commit restored the values",
        () => return finding.fix(reseal(change, end)),
    };
    Finding {
        severity: Severity::Notice,
        ..finding.detail(healed_by)
    }
}

/// Nobody without the data key makes a token, but everybody can delete, move or copy one.
fn tampered(path: &str, keys: &EditedKeys) -> Finding {
    const HOW: &str = "without the data key: the MAC is the one before";
    let first = |what: &str| format!("{what} changed {HOW}");
    let finding =
        Finding::error(RuleId::D11, path, format!("{} {HOW}", deeds(keys))).fix(see(path));
    with_parts(finding, keys, HOW, &first)
}

/// GitOps tools edit such values and do not look at the MAC.
fn unencrypted(change: &FileChanged<'_>, edits: &EditsUnderMac) -> Finding {
    const HOW: &str = "under the old MAC: sops will refuse this file";
    let severity = if change.managed {
        Severity::Error
    } else {
        Severity::Warning
    };
    let keys = &edits.unencrypted;
    if keys.is_empty() {
        return Finding::new(
            RuleId::D11,
            severity,
            change.path,
            format!("the values are in another order {HOW}"),
        );
    }
    let first = |what: &str| format!("{what} changed in clear {HOW}");
    let finding = Finding::new(
        RuleId::D11,
        severity,
        change.path,
        format!("unencrypted {} {HOW}", deeds(keys)),
    );
    with_parts(finding, keys, HOW, &first)
}

/// One part a key; `first` gives the words that its fingerprint was first made of.
fn with_parts(
    finding: Finding,
    keys: &EditedKeys,
    how: &str,
    first: &dyn Fn(&str) -> String,
) -> Finding {
    let mut parts = Vec::new();
    for (list, [deed, _]) in by_deed(keys) {
        parts.extend(list.iter().map(|key| FindingPart {
            first_words: Some(first(&format!("`{key}`"))),
            ..FindingPart::of_key(key, format!("`{key}` {deed} {how}"))
        }));
    }
    parts.sort_by(|one, other| one.key.cmp(&other.key));
    finding.parts(parts)
}

/// `` `a` and 3 more changed, `b` was deleted ``
fn deeds(keys: &EditedKeys) -> String {
    let told: Vec<String> = by_deed(keys)
        .into_iter()
        .filter(|(list, _)| !list.is_empty())
        .map(|(list, deed)| format!("{} {}", names(list), deed[usize::from(list.len() > 1)]))
        .collect();
    told.join(", ")
}

/// The command that makes a new MAC for the file as it is at the end.
fn reseal(change: &FileChanged<'_>, end: &Snapshot) -> String {
    let edits = change.edits_up_to(end);
    if !edits.tokens.is_empty() {
        return see(change.path);
    }
    // F04 tells of these as well: what encrypts them makes a new MAC
    let is_plaintext = |key: &String| end.clear.get(key).is_some_and(|value| value.is_selected);
    if edits.unencrypted.all().any(is_plaintext) {
        return format!("stax secrets encrypt -i {}", quote(change.path));
    }
    let command = format!("stax secrets reseal {}", quote(change.path));
    let keys: Vec<_> = edits.unencrypted.all().map(|key| quote(key)).collect();
    match keys.len() {
        0 => command,
        1..=NAMED => format!("{command} --accept {}", keys.join(" ")),
        more => format!("{command}   (it asks about {more} values)"),
    }
}
