//! C01 to C07: what a key tells of stanzas, values, the MAC and other files. C05 stands with K04,
//! C06 with the names of a file.

use shell_words::quote;
use sops_document::{MacState, OpenFault};

use crate::leak::{LeakGuard, Match};

use super::change::see;
use crate::policy::Holders;
use crate::verify::facts::FileFacts;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};
use crate::workspace::StanzaFault;

rules! {
    C01 {
        name: "label",
        title: "A stanza does not open for the one that its label names",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the label of a stanza is not authenticated: it may say Bob and open for somebody else",
        example: "a stanza labelled with your key that your key does not open; `get` and `export` say so too (exit code 4)",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "wrap it again, by a reader whose own stanza opens: `stax secrets rotate FILE`",
        ],
        on: &[On::Tree, On::Key],
        may_be_allowed: false,
        also: &[],
    }
    C02 {
        name: "value",
        title: "A value does not open under its own path, or is no text of its type",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "every token is sealed under its own path: one that does not open there was moved, forged or left over from another data key; and its text has to be one that its type can have",
        example: "the token of `STAGING_URL` copied to `DATABASE_URL`; `type:str` made `type:int` over a text that is no number",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "or give the value again: `stax secrets set KEY`",
        ],
        on: &[On::Tree, On::Key],
        may_be_allowed: false,
        also: &[],
    }
    C03 {
        name: "mac-value",
        title: "The MAC is not that of the values",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "somebody changed, added or removed a value without the data key, such as by a hand edit or a textual merge",
        example: "two branches change different keys, and git merges the lines but not the MAC",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore the last good version: `git restore --source=COMMIT FILE`",
            "see what differs, and make a new MAC where that is unencrypted and meant: `stax secrets reseal FILE`",
            "a merge did it: take one side whole, then set the values of the other again: `stax secrets set KEY`",
        ],
        on: &[On::Tree, On::Key],
        may_be_allowed: false,
        also: &[],
    }
    C04 {
        name: "replaced-values",
        title: "Values changed while all of a bound file was encrypted anew",
        bound: Some(Severity::Warning),
        general: None,
        why: "public keys are enough to write a whole new file with a valid MAC: who holds no key can put their own database address in, and call it a rotation",
        example: "a commit that says `rotate data keys`, and `DATABASE_URL` is another one; to remove somebody and set the values of the checklist in one commit looks the same; judged in ranges and by the hook, of files that a key at hand opens before and after; an error with `--strict`",
        mend: &[
            "look at the values: `git log -p -- FILE`, where the driver of stax is installed",
            "they are not yours: `git restore --source=COMMIT FILE`, then ask who made the commit",
        ],
        on: &[On::Change, On::Key],
        may_be_allowed: false,
        also: &[Also::Strict],
    }
    C05 {
        name: "same-data-key",
        title: "Two files share a data key, as a key shows",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "two files have one data key, which equal tokens did not show: who reads one of them reads the other",
        example: "a file re-encrypted by a script that keeps the data key of another",
        mend: &["give one of them a data key of its own: `stax secrets rotate FILE`"],
        on: &[On::Tree, On::Key],
        may_be_allowed: false,
        also: &[],
    }
    C06 {
        name: "env-name",
        title: "A key of a bound file is a name that programs obey",
        bound: Some(Severity::Warning),
        general: None,
        why: "`export` would hand a name to programs that changes what they run, load or trust; it refuses the whole file then",
        example: "`LD_PRELOAD`, `NODE_OPTIONS` or `GIT_SSH_COMMAND` as a key",
        mend: &["rename it: `stax secrets edit`, or allow it in your clone: `stax allow env NAME`"],
        on: &[On::Tree],
        may_be_allowed: false,
        also: &[],
    }
    C07 {
        name: "value-in-clear",
        title: "Another file holds a value of a SOPS file in plaintext",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a value that stands in a program, a fixture or a log is known to everybody who reads that file, however well the SOPS file is kept",
        example: "`data: c2tfbGl2ZV8…` in a manifest: the value of `STRIPE_SECRET_KEY` in base64; `verify --staged`, the hooks and `stax secrets scan` look for it",
        mend: &[
            "not committed yet: take it out of the file, and hand it to the program: `stax secrets exec -- CMD`",
            "committed or pushed: also replace it at its source and here: `stax secrets set KEY`; git keeps the old one",
            "it is no secret: keep it in clear, `stax secrets set KEY --clear`, or leave it out for yourself: `git config --global --add stax.scanSkip KEY`",
        ],
        on: &[On::Change, On::Range, On::Key],
        may_be_allowed: false,
        also: &[Also::Plaintext],
    }
}

/// Names of values that a message holds.
const SHOWN: usize = 5;

/// `cannot_open`: the form of a value is already found wrong, so that this would repeat it.
pub(super) fn check(file: &FileFacts, cannot_open: bool) -> Option<Finding> {
    match file.opened.as_ref()? {
        Ok(MacState::Bad) | Err(OpenFault::Mac) => Some(broken_mac(&file.path)),
        // M03 says so without a key
        Ok(MacState::Ok | MacState::Missing) | Err(OpenFault::NoMac) => None,
        Err(fault @ OpenFault::Parts(_)) => {
            Some(Finding::error(RuleId::C02, &file.path, fault.to_string()).fix(see(&file.path)))
        }
        Err(OpenFault::Value { .. }) if cannot_open => None,
        Err(OpenFault::Value { line, path, what }) => {
            let finding = Finding::error(RuleId::C02, &file.path, format!("`{path}` {what}"));
            Some(finding.at(*line).key(path).fix(see(&file.path)))
        }
    }
}

/// `reseal` tells what differs, and mends it where no encrypted value does.
fn broken_mac(path: &str) -> Finding {
    let word = quote(path);
    let mut finding = Finding::error(RuleId::C03, path, OpenFault::Mac.to_string())
        .fix(format!(
            "stax secrets reseal {word}   (shows what differs; refuses where encrypted values do)"
        ))
        .then(format!("git log -p -- {word}   (who changed it)"));
    finding.first_words =
        Some("the MAC does not match: values were changed without the data key".into());
    finding
}

pub(super) fn stanzas(file: &FileFacts, holders: &Holders) -> Vec<Finding> {
    let told = |fault: &StanzaFault| match fault {
        StanzaFault::Locked { label } => format!(
            "the data key for {} does not open with that key: it is damaged, or encrypted to somebody else",
            holders.labelled(label)
        ),
        StanzaFault::Mislabelled { label, by } => {
            let (label, by) = (holders.labelled(label), holders.labelled(by));
            format!("the data key for {label} is encrypted to {by}")
        }
        StanzaFault::Differs { label } => {
            format!(
                "the stanza for {} holds another data key",
                holders.labelled(label)
            )
        }
    };
    let path = &file.path;
    let word = quote(path);
    let fix = |fault: &StanzaFault| match fault {
        StanzaFault::Locked { .. } => {
            format!(
                "git log -p -- {word}   (who changed it; then another reader: stax secrets rotate {word})"
            )
        }
        _ => format!("stax secrets rotate {word}   (after: git log -p, to see who changed it)"),
    };
    let finding = |fault| Finding::error(RuleId::C01, path, told(fault)).fix(fix(fault));
    file.stanzas.iter().map(finding).collect()
}

/// C04: the names of values that are others.
pub(in crate::verify) fn replaced(path: &str, names: &[String]) -> Finding {
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let quoted = |name: &String| format!("`{name}`");
    let shown: Vec<String> = names.iter().take(SHOWN).map(quoted).collect();
    let shown = shown.join(", ");
    let message = format!("values changed while all of the file was encrypted anew: {shown}{more}");
    let each = |name: &String| {
        FindingPart::of_key(
            name,
            format!("`{name}` changed while all of the file was encrypted anew"),
        )
    };
    Finding::warning(RuleId::C04, path, message)
        .parts(names.iter().map(each))
        .detail("a rotation changes no value; public keys are enough to write another file in its place")
        .fix(format!(
            "git log -p -- {}   (compare the values; git diff --cached before the commit)",
            quote(path)
        ))
}

/// C07 of a match in a file.
pub(in crate::verify) fn leaked(guard: &LeakGuard, path: &str, found: &Match) -> Finding {
    let finding = leaked_value(guard, path, found.value, found.is_password);
    found
        .how()
        .into_iter()
        .fold(finding.at(found.line), Finding::detail)
}

/// C07 of a value wherever it stands in the file.
#[must_use]
pub fn leaked_value(guard: &LeakGuard, path: &str, value: usize, is_password: bool) -> Finding {
    let path = guard.hide(path);
    let message = format!("{} stands in {path}", guard.told(value, is_password));
    Finding::error(RuleId::C07, path, message).key(&guard.name(value).key)
}

/// C07 of a value in the path itself: each commit shows it.
#[must_use]
pub fn leaked_name(guard: &LeakGuard, path: &str, value: usize) -> Finding {
    let path = guard.hide(path);
    let message = format!("{} is in the name of {path}", guard.told(value, false));
    Finding::error(RuleId::C07, path, message).key(&guard.name(value).key)
}

/// C07 of every value in a path.
pub(in crate::verify) fn leaked_names(guard: &LeakGuard, path: &str) -> Vec<Finding> {
    let values = guard.search(path.as_bytes()).values;
    values
        .iter()
        .map(|found| leaked_name(guard, path, found.value))
        .collect()
}

/// C07 of what a commit or a tag says: all who get it read it.
pub(in crate::verify) fn leaked_in_text(guard: &LeakGuard, name: &str, found: &Match) -> Finding {
    let message = format!(
        "{} stands in the text of {name}",
        guard.told(found.value, found.is_password)
    );
    Finding::error(RuleId::C07, ".git", message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::leak::{Secret, ValueName};

    #[test]
    fn a_path_is_shown_without_the_value_that_it_holds() {
        let name = ValueName {
            key: "A".into(),
            file: "f".into(),
            env: Some("production".into()),
            is_old: false,
        };
        let secret = Secret {
            name,
            value: b"a1b2c3d4e5".to_vec().into(),
        };
        let guard = LeakGuard::new(&[secret], &BTreeSet::new(), &[]);
        let named = leaked_names(&guard, "dump/a1b2c3d4e5.txt");
        assert_eq!(
            named[0].message,
            "the value of A (production) is in the name of dump/***.txt"
        );
    }
}
