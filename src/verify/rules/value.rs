//! With a key: C01, every stanza opens for whom its label names; C02, every value opens under its own path;
//! C03, the MAC is that of the values.

use sops_document::{MacState, OpenFault};

use crate::policy::{Finding, Holders, RuleId};
use crate::verify::facts::FileFacts;
use crate::workspace::StanzaFault;

/// `cannot_open`: the form of a value is already found wrong, so that this would repeat it.
pub(super) fn check(file: &FileFacts, cannot_open: bool) -> Option<Finding> {
    let mac = || {
        Finding::error(
            RuleId::C03,
            &file.path,
            "the MAC does not match: values were changed without the data key",
        )
        .fix("git log -p   (who changed it), then restore it from the last good commit")
    };
    match file.opened.as_ref()? {
        Ok(MacState::Bad) | Err(OpenFault::Mac) => Some(mac()),
        // M03 says so without a key
        Ok(MacState::Ok | MacState::Missing) | Err(OpenFault::NoMac) => None,
        Err(fault @ OpenFault::Parts(_)) => {
            let fix = "git log -p   (who changed it)";
            Some(Finding::error(RuleId::C02, &file.path, fault.to_string()).fix(fix))
        }
        Err(OpenFault::Value { .. }) if cannot_open => None,
        Err(OpenFault::Value { line, path, what }) => {
            Some(Finding::error(RuleId::C02, &file.path, format!("`{path}` {what}")).at(*line).key(path))
        }
    }
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
            format!("the stanza for {} holds another data key", holders.labelled(label))
        }
    };
    let path = &file.path;
    let fix = |fault: &StanzaFault| match fault {
        StanzaFault::Locked { .. } => {
            format!(
                "git log -p -- {path}   (who changed it; then another reader: stax secrets rotate {path})"
            )
        }
        _ => "stax secrets rotate   (after: git log -p, to see who changed it)".to_owned(),
    };
    let finding = |fault| Finding::error(RuleId::C01, path, told(fault)).fix(fix(fault));
    file.stanzas.iter().map(finding).collect()
}
