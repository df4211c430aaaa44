//! What a run found: data, which any program may read; the command prints it.

use super::beyond::Beyond;
use super::exceptions::Accepted;
use super::finding::Finding;
use super::options::Options;
use super::rule::{Also, Severity};
use super::tree::OpenedCount;
use crate::repo::StagedChange;

#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Errors of files that the commit leaves alone.
    pub older: usize,
    /// Findings that `.stax/vault.json` accepts.
    pub accepted: Vec<Accepted>,
    pub files: usize,
    pub opened: OpenedCount,
    /// Of the next commit what it changes.
    pub changes: Option<Vec<StagedChange>>,
    /// Commits that were looked at; `None` where history plays no part.
    pub commits: Option<usize>,
    /// The clone holds too little history.
    pub is_partial: bool,
    /// Which values were not looked for, and where not.
    pub unsought: Vec<String>,
    /// A removal may lie beyond the edge of the clone, so that nobody can tell whether a reader
    /// returns.
    pub return_is_unknown: bool,
    /// What was not looked into.
    pub beyond: Beyond,
}

impl Report {
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    }

    /// There are documents, and nothing proves that any of them is what its writer sealed.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.files > 0 && self.opened.checked == 0
    }

    /// As strict as the options ask for.
    pub(super) fn under(mut self, options: &Options) -> Self {
        if options.require_files {
            self.findings
                .extend(std::mem::take(&mut self.beyond).findings());
        }
        if options.strict {
            let warnings = self
                .findings
                .iter_mut()
                .filter(|one| one.severity == Severity::Warning);
            warnings
                .filter(|one| one.rule.is(Also::Strict))
                .for_each(|one| one.severity = Severity::Error);
        }
        self
    }
}

/// `1 error, 2 warnings, 1 notice`
#[must_use]
pub fn found(findings: &[Finding]) -> String {
    let kinds = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Notice, "notice"),
    ];
    let number = |kind| {
        findings
            .iter()
            .filter(|finding| finding.severity == kind)
            .count()
    };
    let counted = kinds.map(|(kind, name)| (number(kind), name));
    let said: Vec<String> = counted
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| count(number, name))
        .collect();
    if said.is_empty() {
        "no finding".to_owned()
    } else {
        said.join(", ")
    }
}

/// `1 file`, `2 files`
#[must_use]
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
