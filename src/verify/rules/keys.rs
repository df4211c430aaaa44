//! K01: the file is encrypted to exactly the recipients of the policy. K02: every wrapped key is one
//! stanza that fits its label. K03: none is a copy of another.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::Document;
use sops_document::age::{Lint, lint, lint_part, without_comment};

use crate::policy::config::CreationRule;
use crate::policy::{Finding, Holders, RuleId, Severity};

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
    findings.extend(rule.into_iter().flat_map(|rule| kinds(path, document, rule)));
    findings.extend(twice(path, managed, document, holders));
    findings.extend(stanzas(path, document, holders));
    findings
}

/// What a file lacks, nobody reads: in a public history it is most often a policy that the files have not
/// caught up with yet.
fn missing_severity(managed: bool) -> Severity {
    if managed { Severity::Error } else { Severity::Warning }
}

fn stanzas(path: &str, document: &Document, holders: &Holders) -> Vec<Finding> {
    let is_split = !document.metadata().groups.is_empty();
    let fix = "stax secrets rotate   (after: git log -p, to see who changed it)";
    let mut findings = Vec::new();
    let mut shares: BTreeMap<[u8; 32], &str> = BTreeMap::new();
    for stanza in &document.metadata().age {
        let label = stanza.recipient.as_str();
        match if is_split { lint_part(stanza) } else { lint(stanza) } {
            Err(fault) => {
                let message = format!("the data key for {} {fault}", holders.labelled(label));
                findings.push(Finding::error(RuleId::K02, path, message).fix(fix));
            }
            Ok(Lint::X25519 { share, .. }) => {
                if let Some(other) = shares.insert(share, label) {
                    let (one, two) = (holders.labelled(other), holders.labelled(label));
                    let message =
                        format!("the data keys for {one} and {two} are copies: one of them cannot open");
                    findings.push(Finding::error(RuleId::K03, path, message).fix(fix));
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
    let finding = |severity, message: String, command: &str, key: &str| {
        Finding::new(RuleId::K01, severity, path, message).fix(format!("stax secrets {command} {key}"))
    };
    let extra = found.difference(&wanted).map(|key| {
        let message = format!("encrypted to {} who is not in the policy", holders.labelled(key));
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
        "hc_vault" => rule.other_keys.iter().any(|key| key.starts_with("hc_vault")),
        _ => rule.other_keys.iter().any(|key| key == kind),
    };
    let extra = document.metadata().foreign.iter().filter(|kind| !in_policy(kind));
    extra
        .map(|kind| {
            let message = format!("encrypted to keys of `{kind}`, which the policy does not name");
            Finding::error(RuleId::K01, path, message).fix(format!("sops updatekeys -y {path}"))
        })
        .collect()
}

/// Key groups share the data key out, so it counts who stands in which.
fn groups(path: &str, managed: bool, document: &Document, rule: &CreationRule) -> Option<Finding> {
    let sets = |groups: Vec<Vec<&str>>| -> Vec<BTreeSet<String>> {
        groups.into_iter().map(|keys| keys.into_iter().map(without_comment).collect()).collect()
    };
    let metadata = document.metadata();
    let wanted = rule.groups.iter().map(|group| group.iter().map(|(key, _)| key.as_str()).collect());
    let found = metadata.groups.iter();
    let found = found.map(|group| group.age.iter().map(|stanza| stanza.recipient.as_str()).collect());
    let (wanted, found) = (sets(wanted.collect()), sets(found.collect()));
    if wanted == found && rule.threshold() == metadata.threshold {
        return None;
    }
    // who stands in another group may open with other people than the policy says
    let is_part = found.len() == wanted.len() && found.iter().zip(&wanted).all(|(f, w)| f.is_subset(w));
    let is_weaker = !is_part || metadata.threshold < rule.threshold();
    let severity = if is_weaker { Severity::Error } else { missing_severity(managed) };
    let message = "encrypted to other key groups than those of the policy";
    Some(Finding::new(RuleId::K01, severity, path, message).fix(format!("sops updatekeys -y {path}")))
}

/// A policy may hold one key under two names, and sops writes two stanzas then.
fn twice(path: &str, managed: bool, document: &Document, holders: &Holders) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let repeated = labels(document).filter(|label| !seen.insert(*label));
    repeated
        .map(|key| {
            let message = format!("encrypted to {} twice", holders.labelled(key));
            Finding::new(RuleId::K01, missing_severity(managed), path, message).fix("stax secrets rotate")
        })
        .collect()
}

fn labels(document: &Document) -> impl Iterator<Item = &str> {
    document.metadata().age.iter().map(|stanza| stanza.recipient.as_str())
}
