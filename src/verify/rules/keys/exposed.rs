//! K06 and K07: values that former recipients know, and values that are old.

use shell_words::quote;

use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::RuleId;

/// Names of values that a message holds.
const SHOWN: usize = 5;

/// K06: values that are still in use.
pub(in crate::verify) fn open(path: &str, who: &str, recipient: &str, keys: &[&str]) -> Finding {
    let message = format!(
        "{who} could read values that are still in use: {}",
        list(keys)
    );
    let each = |key: &&str| {
        FindingPart::of_key(
            *key,
            format!("{who} could read `{key}`, which is still in use"),
        )
    };
    Finding::error(RuleId::K06, path, message)
        .fix(see(recipient))
        .about(recipient)
        .parts(keys.iter().map(each))
}

/// K06 where only a key can tell.
pub(in crate::verify) fn unsure(path: &str, who: &str, recipient: &str, keys: &[&str]) -> Finding {
    let message = format!(
        "only a key can tell whether {who} still knows {}",
        list(keys)
    );
    let each = |key: &&str| {
        FindingPart::of_key(
            *key,
            format!("only a key can tell whether {who} still knows `{key}`"),
        )
    };
    Finding::notice(RuleId::K06, path, message)
        .fix(see(recipient))
        .about(format!("{recipient} unsure"))
        .parts(keys.iter().map(each))
}

/// K06 where the clone lacks versions.
pub(in crate::verify) fn incomplete() -> Finding {
    let message = "not all versions can be read, so that older values may be missing here";
    Finding::notice(RuleId::K06, ".", message).fix("stax secrets exposure")
}

fn see(recipient: &str) -> String {
    format!("stax secrets exposure {}", quote(recipient))
}

/// K07.
pub(in crate::verify) fn old(path: &str, days: i64, keys: &[&str]) -> Finding {
    let message = format!("set more than {days} days ago: {}", list(keys));
    let each = |key: &&str| {
        FindingPart::of_key(*key, format!("`{key}` was set more than {days} days ago"))
    };
    Finding::error(RuleId::K07, path, message)
        .fix(ages(path))
        .about("old")
        .parts(keys.iter().map(each))
}

/// K07 where only a key can tell.
pub(in crate::verify) fn maybe_old(path: &str, days: i64, keys: &[&str]) -> Finding {
    let message = format!(
        "re-encrypted within {days} days, and only a key can tell whether changed: {}",
        list(keys)
    );
    let each = |key: &&str| {
        let message = format!(
            "`{key}` was re-encrypted within {days} days, and only a key can tell whether it changed"
        );
        FindingPart::of_key(*key, message)
    };
    Finding::notice(RuleId::K07, path, message)
        .fix(ages(path))
        .about("maybe old")
        .parts(keys.iter().map(each))
}

fn ages(path: &str) -> String {
    format!("stax secrets list --age -f {}", quote(path))
}

fn list(keys: &[&str]) -> String {
    let more = keys.len().saturating_sub(SHOWN);
    let shown = keys
        .iter()
        .take(SHOWN)
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
