//! D03 to D13: a version of a file against those before it, and what a commit changes beside the
//! files.

pub(in crate::verify) mod old_mac;

use shell_words::quote;

use crate::ledger::{FileChanged, Oddity, Origin, Retyped, Snapshot};
use crate::policy::vault::Allow;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};
use crate::workspace::VAULT;

rules! {
    D03 {
        name: "kept-stanza",
        title: "A stanza from before a removal is still there",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a stanza that survives a removal was not made by the one who removed: it may be wrapped to a key that its label does not name",
        example: "a recipient is gone and every value is new, but one `enc` block is byte for byte that of the commit before",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "make key and stanzas anew: `stax secrets rotate FILE`",
        ],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[Also::HealedByRotation],
    }
    D05 {
        name: "crypt-rule-changed",
        title: "The crypt rule of a file changed while its tokens stayed",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the selector decides what the next edit encrypts: one that is changed by hand lets an honest edit write plaintext",
        example: "`encrypted_regex: ^(data|stringData)$` becomes `^data$`, and no value changes in that commit",
        mend: &[
            "see who changed it, and restore the line: `git log -p -- FILE`",
            "the change is meant: decrypt the file and encrypt it again under the new rule",
        ],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[Also::HealedByRotation],
    }
    D06 {
        name: "old-token",
        title: "The token of an older version is back",
        bound: Some(Severity::Notice),
        general: Some(Severity::Notice),
        why: "a revert brings an old value back, and so does somebody who wants a withdrawn password to work again",
        example: "the token of `DATABASE_URL` is that of three commits ago",
        mend: &["a revert was meant: nothing to do", "else set the value again: `stax secrets set KEY`"],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[],
    }
    D08 {
        name: "all-replaced",
        title: "Everything in a bound file is new: a rotation, or another file in its place",
        bound: Some(Severity::Notice),
        general: None,
        why: "public keys are enough to write a whole new file with a valid MAC; without a key nobody can tell that from a rotation",
        example: "a commit that says `chore: rotate` and brings a database address of somebody else",
        mend: &["compare the values with a key: `git show COMMIT`, where the driver of stax is installed"],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[],
    }
    D09 {
        name: "type-changed",
        title: "A token changed its type and nothing else",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the type of a token is not authenticated: `type:str` made `type:int` changes what a program reads, without a key",
        example: "`ENC[AES256_GCM,data:x,…,type:str]` and in a later commit the same with `type:bool`",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore the line",
            "the other type is meant: `stax secrets set KEY --type int`",
        ],
        on: &[On::Change, On::Range],
        may_be_allowed: true,
        also: &[],
    }
    D10 {
        name: "iv-reused",
        title: "A value changed under the iv that it had",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "two values under one iv and one key tell an attacker how they differ, and let tokens be forged; a damaged token looks the same",
        example: "the data of a token changed and its `iv:` did not",
        mend: &[
            "restore the token: `git log -p -- FILE`, or set the value again: `stax secrets set KEY`",
            "a tool wrote it: make a new data key with `stax secrets rotate FILE`, and stop using that tool",
        ],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[Also::HealedByRotation],
    }
    D11 {
        name: "mac-unchanged",
        title: "Values changed under the MAC of the version before",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "every writer of SOPS makes a new MAC for what it writes: what is other under the old one was written without the data key",
        example: "a line is taken from another branch by hand, or a formatter sorts the keys; an unencrypted field that a GitOps tool edits in an unbound file is a warning, and a notice where a later commit of the range makes a new MAC",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "unencrypted values, their order or their format changed, and that is meant: `stax secrets reseal FILE` makes a new MAC",
        ],
        on: &[On::Change],
        may_be_allowed: true,
        also: &[],
    }
    D12 {
        name: "guard-changed",
        title: "What decides about readers, drivers and environments changed",
        bound: Some(Severity::Notice),
        general: Some(Severity::Notice),
        why: "these files decide who reads, what git runs and what a shell loads; a change of them deserves its own look",
        example: "a commit of a range that touches `.sops.yaml`, `.stax/vault.json`, `.gitattributes` or `.envrc`, or one of the first and third in a folder above a secret; each new exception",
        mend: &["read it: `git show COMMIT -- FILE`"],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[],
    }
    D13 {
        name: "value-returned",
        title: "A value that was replaced is in use again",
        bound: Some(Severity::Warning),
        general: Some(Severity::Warning),
        why: "a password that was replaced because it leaked is in use again, and the commit that did it speaks of something else",
        example: "`DB_PASS` is replaced on `main`, and a merge keeps the file of a branch that has the old one: the token is that from before",
        mend: &[
            "take the newer value over: `stax secrets revert KEY --to COMMIT`, with the commit that had replaced it",
            "or replace it at its source, then: `stax secrets set KEY`",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[],
    }
}

/// Names of values that a message holds.
const SHOWN: usize = 3;
/// Commits that a notice names.
const COMMITS: usize = 5;

/// What no honest writer of SOPS does, and what a reviewer should know. `end`: the file where a
/// range ends.
pub(in crate::verify) fn odd(
    change: &FileChanged<'_>,
    oddity: &Oddity,
    end: Option<&Snapshot>,
) -> Finding {
    let path = change.path;
    let error = |rule, message: String| Finding::error(rule, path, message).fix(see(path));
    match oddity {
        Oddity::StaleMac(edits) => old_mac::finding(change, edits, end),
        Oddity::OtherType { key } => retyped(&Retyped {
            path: path.to_owned(),
            key: key.clone(),
        }),
        Oddity::ReusedIv { key } => {
            let message =
                format!("`{key}` changed under the same iv: a damaged token, or a broken writer");
            error(RuleId::D10, message)
        }
        Oddity::OtherSelector { before, after } => {
            let message = format!(
                "the rule of the file changed from `{before}` to `{after}` while its tokens stayed"
            );
            error(RuleId::D05, message)
        }
        Oddity::KeptStanza { removed } => {
            let message = format!("a stanza from before the removal of {removed} is still there");
            error(RuleId::D03, message)
        }
        Oddity::OldToken { keys } => {
            let more = if keys.len() > 1 {
                format!(" and {} more", keys.len() - 1)
            } else {
                String::new()
            };
            let words = |what: &str| format!("{what}: the token of an older version is back");
            let each = |key: &String| FindingPart::of_key(key, words(&format!("`{key}`")));
            Finding::notice(RuleId::D06, path, words(&format!("`{}`{more}", keys[0])))
                .parts(keys.iter().map(each))
        }
        Oddity::Replaced => {
            let message = "every value and stanza is new: a rotation, or another file in its place";
            Finding::notice(RuleId::D08, path, message)
                .fix("somebody with a key: git diff, which shows whether the values are the same")
        }
    }
}

/// Who changed a file is for a person to see, and so is what to restore.
pub(super) fn see(path: &str) -> String {
    format!(
        "git log -p -- {}   (who changed it; then restore it)",
        quote(path)
    )
}

fn names(keys: &[String]) -> String {
    let more = if keys.len() > SHOWN {
        format!(" and {} more", keys.len() - SHOWN)
    } else {
        String::new()
    };
    format!(
        "`{}`{more}",
        keys.iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join("`, `")
    )
}

/// D09.
pub(in crate::verify) fn retyped(one: &Retyped) -> Finding {
    let key = &one.key;
    let message =
        format!("`{key}` has another type and the same token: the type is not authenticated");
    Finding::error(RuleId::D09, &one.path, message)
        .key(key)
        .fix(see(&one.path))
}

/// D12: one notice for a file that decides about the others, with the commits that change it.
pub(in crate::verify) fn guard_changed(path: &str, commits: &[String]) -> Finding {
    let more = commits.len().saturating_sub(COMMITS);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let shown = commits[..commits.len().min(COMMITS)].join(", ");
    let message = format!("changed in {shown}{more}: it decides about the other files");
    Finding::notice(RuleId::D12, path, message).fix(format!("git log -p -- {}", quote(path)))
}

/// D12 of an exception that the base does not have.
pub(in crate::verify) fn new_exception(allow: &Allow) -> Finding {
    let rule = allow
        .rule
        .parse::<RuleId>()
        .map_or_else(|_| allow.rule.clone(), |rule| rule.to_string());
    let key = allow
        .key
        .as_ref()
        .map(|key| format!("`{key}` in "))
        .unwrap_or_default();
    let message = format!(
        "a new exception: {rule} of {key}{} ({})",
        allow.path, allow.why
    );
    Finding::notice(RuleId::D12, VAULT, message)
}

/// D13: `deed` did it; `newer` is the commit that has the value of today.
pub(in crate::verify) fn value_returned(
    path: &str,
    deed: &str,
    keys: &[&str],
    replaced: &Origin,
    newer: Option<&str>,
) -> Finding {
    let names: Vec<String> = keys
        .iter()
        .take(SHOWN)
        .map(|key| format!("`{key}`"))
        .collect();
    let more = keys.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let key = keys.first().copied().unwrap_or_default();
    let message = format!(
        "{deed} brings back what was replaced: {}{more}",
        names.join(", ")
    );
    let finding = Finding::warning(RuleId::D13, path, message).detail(format!(
        "`{key}` was replaced in {} ({})",
        replaced.short(),
        replaced.date
    ));
    match newer {
        Some(commit) => finding.fix(format!(
            "stax secrets revert {} --to {commit} -f {}   (the value that it had replaced)",
            quote(key),
            quote(path)
        )),
        None => finding,
    }
}
