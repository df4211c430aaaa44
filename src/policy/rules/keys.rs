//! K01: the file is encrypted to exactly the recipients of the policy. K02: every wrapped key is one
//! stanza that fits its label.

use std::collections::BTreeSet;

use crate::age::lint;
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
    // several key groups share the data key out; who reads is then no plain list. Of one sops makes one
    if let Some(rule) = rule.filter(|rule| rule.groups.len() < 2) {
        findings.extend(recipients(path, document, rule, holders));
    }
    if managed {
        findings.extend(twice(path, document, holders));
    }
    for stanza in &document.metadata().age {
        if let Err(fault) = lint(stanza) {
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
