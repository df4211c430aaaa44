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
    /// What it is about beside path and key, such as a recipient: the words may change, this stays.
    pub about: Option<String>,
    /// Equal in findings of one cause, in one file or in several.
    pub cause: Option<String>,
    /// Files or values, where it tells of several at once. A program is handed one element for
    /// each.
    pub parts: Vec<FindingPart>,
    /// The words of the first version of fingerprints, where they are not the message.
    pub first_words: Option<String>,
}

/// One of the things that a finding tells of. What is not said here is as the finding says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingPart {
    pub path: Option<String>,
    pub line: Option<usize>,
    pub key: Option<String>,
    pub message: String,
    pub fix: Option<String>,
    pub detail: Vec<String>,
    pub first_words: Option<String>,
}

impl FindingPart {
    #[must_use]
    pub fn of_file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            message: message.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn of_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            message: message.into(),
            ..Self::default()
        }
    }
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
            about: None,
            cause: None,
            parts: Vec::new(),
            first_words: None,
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

    #[must_use]
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }

    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What it said before its words changed.
    #[must_use]
    pub fn first_words(mut self, words: impl Into<String>) -> Self {
        self.first_words = Some(words.into());
        self
    }

    #[must_use]
    pub fn parts(mut self, parts: impl IntoIterator<Item = FindingPart>) -> Self {
        self.parts.extend(parts);
        self
    }

    /// Each thing that it tells of, as a finding of its own.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        if self.parts.is_empty() {
            return vec![self.clone()];
        }
        let whole = Self {
            parts: Vec::new(),
            ..self.clone()
        };
        self.parts
            .iter()
            .map(|part| whole.narrowed_to(part))
            .collect()
    }

    fn narrowed_to(&self, part: &FindingPart) -> Self {
        let whole = self.clone();
        let is_here = part.path.is_none();
        Self {
            path: part.path.clone().unwrap_or(whole.path),
            line: part.line.or(whole.line.filter(|_| is_here)),
            key: part.key.clone().or(whole.key),
            message: part.message.clone(),
            fix: part.fix.clone().or(whole.fix),
            first_words: part.first_words.clone().or(whole.first_words),
            detail: if part.detail.is_empty() {
                whole.detail
            } else {
                part.detail.clone()
            },
            ..whole
        }
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
        assert_eq!(
            (finding.severity, finding.line, finding.detail.len()),
            (Severity::Error, Some(4), 1)
        );
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Notice);
    }
}
