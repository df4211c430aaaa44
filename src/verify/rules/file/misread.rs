//! F08: what sops does not read as stax reads it.

use sops_document::{Document, Misread};

use super::MAX_NAMED;
use crate::verify::facts::FileFacts;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{RuleId, Severity};

/// What sops opens goes on working, so its author may have meant it.
fn severity(odd: &Misread) -> Severity {
    if odd.is_refused {
        Severity::Error
    } else {
        Severity::Warning
    }
}

pub(in crate::verify::rules) fn check(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let mut found = document.misread();
    // what sops refuses is named first
    found.sort_by_key(|odd| !odd.is_refused);
    let more = found.split_off(found.len().min(MAX_NAMED));
    let named = found.into_iter();
    let named = named
        .map(|odd| Finding::new(RuleId::F08, severity(&odd), &file.path, odd.what).at(odd.line));
    let mut findings: Vec<Finding> = named.collect();
    if let Some(worst) = more.first() {
        let message = format!("and {} more places that sops reads otherwise", more.len());
        let whole = Finding::new(RuleId::F08, severity(worst), &file.path, message);
        let parts = more.into_iter().map(|odd| FindingPart {
            line: Some(odd.line),
            message: odd.what,
            ..FindingPart::default()
        });
        findings.push(whole.parts(parts));
    }
    findings
}
