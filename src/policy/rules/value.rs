//! With a key: C02, every value opens under its own path; C03, the MAC is that of the values.

use super::FileFacts;
use crate::policy::{Finding, RuleId};
use crate::sops::{MacState, OpenFault};

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
