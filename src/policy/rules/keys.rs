//! K01: the file is encrypted to exactly the recipients of the policy. K02: every wrapped key is one
//! stanza that fits its label.

use std::collections::BTreeSet;

use crate::age::{lint, lint_part};
use crate::policy::config::CreationRule;
use crate::policy::{Finding, Holders, RuleId};
use crate::sops::Document;

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
        Some(rule) if is_split || rule.groups.len() > 1 => findings.extend(groups(path, document, rule)),
        // of one group sops makes a plain list
        Some(rule) => findings.extend(recipients(path, document, rule, holders)),
        None => {}
    }
    if managed {
        findings.extend(twice(path, document, holders));
    }
    for stanza in &document.metadata().age {
        if let Err(fault) = if is_split { lint_part(stanza) } else { lint(stanza) } {
            let message = format!("the data key for {} {fault}", holders.labelled(&stanza.recipient));
            let fix = "stax secrets rotate   (after: git log -p, to see who changed it)";
            findings.push(Finding::error(RuleId::K02, path, message).fix(fix));
        }
    }
    findings
}

fn recipients(path: &str, document: &Document, rule: &CreationRule, holders: &Holders) -> Vec<Finding> {
    let wanted: BTreeSet<String> = rule.recipients().into_iter().map(plain).collect();
    let found: BTreeSet<String> = labels(document).map(plain).collect();
    let finding = |message: String, command: &str, key: &str| {
        Finding::error(RuleId::K01, path, message).fix(format!("stax secrets {command} {key}"))
    };
    let extra = found.difference(&wanted).map(|key| {
        let message = format!("encrypted to {} who is not in the policy", holders.labelled(key));
        finding(message, "remove-recipient", key)
    });
    let missing = wanted
        .difference(&found)
        .map(|key| finding(format!("not encrypted to {}", holders.labelled(key)), "add-recipient", key));
    extra.chain(missing).collect()
}

/// Key groups share the data key out, so it counts who stands in which.
fn groups(path: &str, document: &Document, rule: &CreationRule) -> Option<Finding> {
    let sets = |groups: Vec<Vec<&str>>| -> Vec<BTreeSet<String>> {
        groups.into_iter().map(|keys| keys.into_iter().map(plain).collect()).collect()
    };
    let wanted = rule.groups.iter().map(|group| group.iter().map(|(key, _)| key.as_str()).collect());
    let found = document.metadata().groups.iter();
    let found = found.map(|group| group.age.iter().map(|stanza| stanza.recipient.as_str()).collect());
    let message = "encrypted to other key groups than those of the policy";
    let differ =
        sets(wanted.collect()) != sets(found.collect()) || rule.threshold() != document.metadata().threshold;
    differ.then(|| Finding::error(RuleId::K01, path, message).fix(format!("sops updatekeys -y {path}")))
}

fn twice(path: &str, document: &Document, holders: &Holders) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let repeated = labels(document).filter(|label| !seen.insert(*label));
    repeated
        .map(|key| {
            Finding::error(RuleId::K01, path, format!("encrypted to {} twice", holders.labelled(key)))
                .fix("stax secrets rotate")
        })
        .collect()
}

fn labels(document: &Document) -> impl Iterator<Item = &str> {
    document.metadata().age.iter().map(|stanza| stanza.recipient.as_str())
}

/// An ssh key may carry a comment, which is no part of the key.
fn plain(key: &str) -> String {
    if key.starts_with("ssh-") {
        return key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    }
    key.to_owned()
}
