//! K01 to K08: who can read a file. K01: it is encrypted to exactly the recipients of the policy.
//! K02: every wrapped key is one stanza that fits its label. K03: none is a copy of another.

pub(in crate::verify) mod exposed;
pub(in crate::verify) mod returned;
pub(in crate::verify) mod shared;
pub(in crate::verify) mod stale;

use std::collections::{BTreeMap, BTreeSet};

use shell_words::quote;
use sops_document::Document;
use sops_document::age::{Lint, lint, lint_part, without_comment};

use crate::ledger::Origin;
use crate::policy::Holders;
use crate::policy::config::CreationRule;
use crate::verify::finding::Finding;
use crate::verify::rule::{Also, On, RuleId, Severity, rules};

rules! {
    K01 {
        name: "recipients",
        title: "A file is not encrypted to exactly the recipients of the policy",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the policy is what people review, the file is what decides who reads: an extra recipient reads without approval, a missing one is locked out at the next deployment",
        example: "somebody ran `sops rotate --add-age`, or edited `.sops.yaml` and no file followed; in a range also a reader who comes in one commit and is gone at its end, which is a warning",
        mend: &[
            "the policy is right: `stax secrets updatekeys FILE`, which makes a new data key where somebody loses the file",
            "the policy is wrong: restore its line, and ask who changed it: `git log -p -- .sops.yaml`",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: false,
        also: &[Also::OfPolicy, Also::KnownByWords],
    }
    K02 {
        name: "stanza",
        title: "A wrapped key holds more than one stanza, or one that does not fit its label",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "sops tries every stanza behind a label and believes the label: a second stanza smuggles in a reader whom no list shows",
        example: "an entry for Ana whose armor holds two stanzas, or a passphrase stanza behind an `age1…` label; more than 16 stanzas are not even tried",
        mend: &[
            "see who changed it: `git log -p -- FILE`",
            "wrap a new data key to the policy alone: `stax secrets rotate`, then replace the values at their source",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: false,
        also: &[Also::InEveryCommit],
    }
    K03 {
        name: "copied-stanza",
        title: "Two wrapped keys of a file are copies of one",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a stanza is made anew for every reader; two equal ones mean that one label lies",
        example: "one `enc` block under two `recipient` lines",
        mend: &["wrap the data key again, to everybody in the policy: `stax secrets rotate FILE`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    K04 {
        name: "shared-data-key",
        title: "Two files share a data key, as equal tokens or stanzas show",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "who reads one of the files has the data key of the other, whatever its policy says",
        example: "`cp prod.enc.yaml staging.enc.yaml`, then other readers for staging; with the same readers it is a notice",
        mend: &["give one of them a data key of its own: `stax secrets rotate FILE`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::ComparesFiles],
    }
    K05 {
        name: "stale-data-key",
        title: "Somebody who was removed can still open a file, because it kept its data key",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "`sops updatekeys` keeps the data key: who was removed opens an old commit with their own key, takes the data key from there, and reads today's file with it",
        example: "Bob is taken out of `.sops.yaml`, somebody runs `sops updatekeys`, and a value that is set months later is still readable for Bob",
        mend: &[
            "make a new data key, which changes no value: `stax secrets rotate FILE`",
            "replace at its source what they could read; after a removal by `stax secrets remove-recipient WHO` the list is printed",
            "keys of gpg, of ssh and of plugins count like those of age; a key of a service (AWS, GCP, Azure, Vault) is a warning, because only the service knows who may use it, and `--strict` makes that an error",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[Also::Strict, Also::NamesItsFiles, Also::GivesItsReason],
    }
    K06 {
        name: "exposed-value",
        title: "A former recipient could read a value that is still in use",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "encryption cannot take back what somebody has read: a value that a former recipient knows is theirs until it is replaced at its source; judged only with `--exposure`",
        example: "Bob was removed with a new data key, and the database password is still the one that he could read",
        mend: &[
            "see what is open: `stax secrets exposure WHO`",
            "replace the value at its source, then: `stax secrets set KEY`",
            "accept what is no secret, with the reason: `allow` with rule K06, path and key in `.stax/vault.json`",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[],
    }
    K07 {
        name: "old-value",
        title: "A value is older than `--max-age` allows",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the longer a value lives the more copies of it there are; judged only with `--max-age`",
        example: "`verify --max-age 90d`, and a value was set 200 days ago; without a key a re-encryption counts as unknown",
        mend: &[
            "replace the value at its source, then: `stax secrets set KEY`",
            "see the ages: `stax secrets list --age`",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[],
    }
    K08 {
        name: "reader-returned",
        title: "Somebody who was removed reads a file again, and nobody added them",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "git takes the version of one side as it is, and a version from before a removal still has the stanza of whom it removed: they read the file again, and nobody decided that",
        example: "Bob is removed on `main`, a branch that never heard of it runs `git merge -s ours main`, and the file is the one that Bob reads; a revert of the removal does the same; a plain rotation that is undone is a warning, because its old data key is in use again",
        mend: &[
            "the merge is not committed: `git merge --abort`, then merge again with the drivers of stax, which keep a removal",
            "it is committed: `stax secrets remove-recipient WHO`, which makes a new data key",
            "they are to return: add them in a commit after the merge, `stax secrets add-recipient WHO`; or accept the return where it is, with `allow` (rule K08, path, why) in `.stax/vault.json`",
            "where a removal may lie beyond the edge of a shallow clone nobody can tell: `--require-history` makes that fail",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[Also::NamesItsFiles],
    }
}

pub(super) fn check(
    path: &str,
    managed: bool,
    document: &Document,
    rule: Option<&CreationRule>,
    holders: &Holders,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_split = !document.metadata().groups.is_empty();
    match rule {
        Some(rule) if is_split || rule.groups.len() > 1 => {
            findings.extend(groups(path, managed, document, rule));
        }
        // of one group sops makes a plain list
        Some(rule) => findings.extend(recipients(path, managed, document, rule, holders)),
        None => {}
    }
    findings.extend(
        rule.into_iter()
            .flat_map(|rule| kinds(path, document, rule)),
    );
    findings.extend(twice(path, managed, document, holders));
    findings.extend(stanzas(path, document, holders));
    findings
}

/// K01 in the middle of a range: who comes in one commit and is gone at the end has read everything
/// up to then.
pub(in crate::verify) fn in_passing(
    path: &str,
    who: &str,
    recipient: &str,
    origin: &Origin,
) -> Finding {
    let message = format!(
        "{who} could read the file in the middle of the range, and knows what it held then"
    );
    let see = format!(
        "stax secrets exposure {}   (what to replace at its source)",
        quote(recipient)
    );
    let (commit, date, author) = (origin.short(), &origin.date, &origin.author);
    Finding::warning(RuleId::K01, path, message)
        .detail(format!("who: {recipient}"))
        .in_commit(format!(
            "in commit {commit} of {date}, {author}: {}",
            origin.summary
        ))
        .fix(see)
}

/// The one file becomes what its rule says, and nobody reads more than that.
fn follow_policy(path: &str) -> String {
    format!(
        "stax secrets updatekeys {}   (the file follows the policy)",
        quote(path)
    )
}

/// What a file lacks, nobody reads: in a public history it is most often a policy that the files
/// have not caught up with yet.
fn missing_severity(managed: bool) -> Severity {
    if managed {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn stanzas(path: &str, document: &Document, holders: &Holders) -> Vec<Finding> {
    let is_split = !document.metadata().groups.is_empty();
    let fix = format!(
        "stax secrets rotate {}   (after: git log -p, to see who changed it)",
        quote(path)
    );
    let mut findings = Vec::new();
    let mut shares: BTreeMap<[u8; 32], &str> = BTreeMap::new();
    for stanza in &document.metadata().age {
        let label = stanza.recipient.as_str();
        match if is_split {
            lint_part(stanza)
        } else {
            lint(stanza)
        } {
            Err(fault) => {
                let message = format!("the data key for {} {fault}", holders.labelled(label));
                findings.push(Finding::error(RuleId::K02, path, message).fix(&fix));
            }
            Ok(Lint::X25519 { share, .. }) => {
                if let Some(other) = shares.insert(share, label) {
                    let (one, two) = (holders.labelled(other), holders.labelled(label));
                    let message = format!(
                        "the data keys for {one} and {two} are copies: one of them cannot open"
                    );
                    findings.push(Finding::error(RuleId::K03, path, message).fix(&fix));
                }
            }
            Ok(_) => {}
        }
    }
    findings
}

fn recipients(
    path: &str,
    managed: bool,
    document: &Document,
    rule: &CreationRule,
    holders: &Holders,
) -> Vec<Finding> {
    let wanted: BTreeSet<String> = rule.recipients().into_iter().map(without_comment).collect();
    let found: BTreeSet<String> = labels(document).map(without_comment).collect();
    // who is too many, and who is missing, are one cause each: text shows them together
    let finding = |severity, message: String, command: &str, key: &str| {
        Finding::new(RuleId::K01, severity, path, message)
            .fix(follow_policy(path))
            .about(format!("{command} {key}"))
            .cause(format!("{command} {path}"))
    };
    let extra = found.difference(&wanted).map(|key| {
        let message = format!(
            "encrypted to {} who is not in the policy",
            holders.labelled(key)
        );
        finding(Severity::Error, message, "remove-recipient", key)
    });
    let missing = wanted.difference(&found).map(|key| {
        let message = format!("not encrypted to {}", holders.labelled(key));
        finding(missing_severity(managed), message, "add-recipient", key)
    });
    extra.chain(missing).collect()
}

/// Keys of kinds that the policy does not name read the file as any other recipient does.
fn kinds(path: &str, document: &Document, rule: &CreationRule) -> Vec<Finding> {
    // the policy has its own names for two of them
    let in_policy = |kind: &str| match kind {
        "azure_kv" => rule.other_keys.iter().any(|key| key == "azure_keyvault"),
        "hc_vault" => rule
            .other_keys
            .iter()
            .any(|key| key.starts_with("hc_vault")),
        _ => rule.other_keys.iter().any(|key| key == kind),
    };
    let extra = document
        .metadata()
        .foreign
        .iter()
        .filter(|kind| !in_policy(kind));
    extra
        .map(|kind| {
            let message = format!("encrypted to keys of `{kind}`, which the policy does not name");
            Finding::error(RuleId::K01, path, message).fix(follow_policy(path))
        })
        .collect()
}

/// Key groups share the data key out, so it counts who stands in which.
fn groups(path: &str, managed: bool, document: &Document, rule: &CreationRule) -> Option<Finding> {
    let sets = |groups: Vec<Vec<&str>>| -> Vec<BTreeSet<String>> {
        groups
            .into_iter()
            .map(|keys| keys.into_iter().map(without_comment).collect())
            .collect()
    };
    let metadata = document.metadata();
    let wanted = rule
        .groups
        .iter()
        .map(|group| group.iter().map(|(key, _)| key.as_str()).collect());
    let found = metadata.groups.iter();
    let found = found.map(|group| {
        group
            .age
            .iter()
            .map(|stanza| stanza.recipient.as_str())
            .collect()
    });
    let (wanted, found) = (sets(wanted.collect()), sets(found.collect()));
    if wanted == found && rule.threshold() == metadata.threshold {
        return None;
    }
    // who stands in another group may open with other people than the policy says
    let is_part =
        found.len() == wanted.len() && found.iter().zip(&wanted).all(|(f, w)| f.is_subset(w));
    let is_weaker = !is_part || metadata.threshold < rule.threshold();
    let severity = if is_weaker {
        Severity::Error
    } else {
        missing_severity(managed)
    };
    let message = "encrypted to other key groups than those of the policy";
    Some(Finding::new(RuleId::K01, severity, path, message).fix(follow_policy(path)))
}

/// A policy may hold one key under two names, and sops writes two stanzas then.
fn twice(path: &str, managed: bool, document: &Document, holders: &Holders) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let repeated = labels(document).filter(|label| !seen.insert(*label));
    repeated
        .map(|key| {
            let message = format!("encrypted to {} twice", holders.labelled(key));
            let fix = format!("stax secrets rotate {}", quote(path));
            Finding::new(RuleId::K01, missing_severity(managed), path, message).fix(fix)
        })
        .collect()
}

fn labels(document: &Document) -> impl Iterator<Item = &str> {
    document
        .metadata()
        .age
        .iter()
        .map(|stanza| stanza.recipient.as_str())
}
