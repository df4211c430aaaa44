//! What verify says of a file: data, which the command prints.

use super::rule::{RuleId, Severity};

/// Something that verify found. Data only: floor 3 prints it, escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: RuleId,
    pub severity: Severity,
    /// From the root of the repository, with `/`.
    pub path: String,
    /// From 1, where the rule speaks of a line.
    pub line: Option<usize>,
    /// The key of the document, where the rule speaks of one.
    pub key: Option<String>,
    /// Lower case, no full stop, never a value.
    pub message: String,
    /// The command that mends it.
    pub fix: Option<String>,
    /// What to do after that, or instead.
    pub then: Vec<String>,
    /// Further lines: who, why, since when.
    pub detail: Vec<String>,
    /// A commit that is looked at holds it, not only the files at the end.
    pub is_of_commit: bool,
}

impl Finding {
    #[must_use]
    pub fn new(
        rule: RuleId,
        severity: Severity,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (path, message) = (path.into(), message.into());
        let (then, detail) = (Vec::new(), Vec::new());
        Self {
            rule,
            severity,
            path,
            line: None,
            key: None,
            message,
            fix: None,
            then,
            detail,
            is_of_commit: false,
        }
    }

    #[must_use]
    pub fn error(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, path, message)
    }

    #[must_use]
    pub fn warning(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, path, message)
    }

    #[must_use]
    pub fn notice(rule: RuleId, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(rule, Severity::Notice, path, message)
    }

    /// A commit that holds it, told in a line.
    #[must_use]
    pub fn in_commit(mut self, line: impl Into<String>) -> Self {
        self.is_of_commit = true;
        self.detail(line)
    }

    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(command.into());
        self
    }

    #[must_use]
    pub fn then(mut self, line: impl Into<String>) -> Self {
        self.then.push(line.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.detail.push(line.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_built_step_by_step() {
        let finding = Finding::error(RuleId::F04, "a.enc.yaml", "`PORT` is in clear")
            .at(4)
            .fix("stax secrets encrypt -i a.enc.yaml")
            .detail("why");
        assert_eq!((finding.severity, finding.line, finding.detail.len()), (Severity::Error, Some(4), 1));
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Notice);
    }
}
