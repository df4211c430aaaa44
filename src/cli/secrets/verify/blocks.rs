//! Findings as people read them: one block a cause, one line a file, the reason once.

use std::collections::{HashMap, HashSet};

use crate::verify::{Also, Finding, RuleId, Severity};

/// Lines of one block, and fixes: who has more reads them with a program.
const MAX_LINES: usize = 100;
const MAX_FIXES: usize = 10;
/// Files that one finding tells of.
const MAX_PARTS: usize = 20;

/// What is wrong in the same way: findings of one rule in one file, and of other files where the
/// words are the same.
pub(super) struct Block<'f> {
    /// The findings of each file; never empty.
    files: Vec<Vec<&'f Finding>>,
}

/// In the order of their first findings.
pub(super) fn blocks(findings: &[Finding]) -> Vec<Block<'_>> {
    let mut files: Vec<Vec<&Finding>> = Vec::new();
    let mut known = HashMap::new();
    for finding in findings {
        let Some(what) = what(finding) else {
            files.push(vec![finding]);
            continue;
        };
        let place = (finding.rule, finding.severity, finding.path.as_str(), what);
        let number = *known.entry(place).or_insert(files.len());
        if number == files.len() {
            files.push(Vec::new());
        }
        files[number].push(finding);
    }
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut known = HashMap::new();
    for file in files {
        let words: Vec<Words<'_>> = file.iter().map(|finding| Words::of(finding)).collect();
        let number = *known.entry(words).or_insert(blocks.len());
        if number == blocks.len() {
            blocks.push(Block { files: Vec::new() });
        }
        blocks[number].files.push(file);
    }
    blocks
}

/// What makes two findings of a file one: the cause, or that each has a line of its own. `None`
/// where a finding stands for itself.
fn what(finding: &Finding) -> Option<&str> {
    // those name their files themselves, and are one block already
    let is_block = finding.rule.is(Also::NamesItsFiles);
    let cause = finding.cause.as_deref().or(finding.line.map(|_| ""));
    cause.filter(|_| !is_block)
}

/// What findings of two files have to share to stand in one block.
#[derive(PartialEq, Eq, Hash)]
struct Words<'f> {
    rule: RuleId,
    severity: Severity,
    message: &'f str,
    detail: &'f [String],
    then: &'f [String],
}

impl<'f> Words<'f> {
    fn of(finding: &'f Finding) -> Self {
        let Finding {
            rule,
            severity,
            message,
            detail,
            then,
            ..
        } = finding;
        Self {
            rule: *rule,
            severity: *severity,
            message,
            detail,
            then,
        }
    }
}

impl<'f> Block<'f> {
    /// Its message is the title.
    pub(super) fn first(&self) -> &'f Finding {
        self.files[0][0]
    }

    fn findings(&self) -> impl Iterator<Item = &'f Finding> {
        self.files.iter().flatten().copied()
    }

    /// Where it is: one line a file, or a value where each has words of its own. `location` says
    /// how a place is written.
    pub(super) fn places(&self, location: &dyn Fn(&Finding) -> String) -> Vec<String> {
        let first = self.first();
        let has_own_words = |finding: &&&Finding| finding.message != first.message;
        let mut lines: Vec<String> = Vec::new();
        let wordy = self.files[0]
            .iter()
            .filter(|finding| finding.line.is_none());
        lines.extend(
            wordy
                .filter(has_own_words)
                .map(|finding| finding.message.clone()),
        );
        let findings: Vec<&Finding> = self.findings().collect();
        for same in findings.chunk_by(|one, next| one.detail == next.detail) {
            for finding in same
                .iter()
                .filter(|finding| !finding.rule.is(Also::NamesItsFiles))
            {
                let has_words = finding.line.is_some() && finding.message != first.message;
                let words = if has_words {
                    format!("  {}", finding.message)
                } else {
                    String::new()
                };
                lines.push(format!("{}{words}", location(finding)));
                lines.extend(parts(finding, location));
            }
            lines.extend(same[0].detail.iter().cloned());
        }
        let mut told = HashSet::new();
        lines.retain(|line| told.insert(line.clone()));
        cut(&mut lines, MAX_LINES);
        lines
    }

    /// Each fix once; one that differs from another in the file alone is that of all these files.
    /// `other` stands where a finding has none.
    pub(super) fn fixes(&self, other: Option<&str>) -> Vec<String> {
        let mut fixes: Vec<(String, &Finding, bool)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for finding in self.findings() {
            let Some(fix) = finding.fix.as_deref().or(other) else {
                continue;
            };
            let number = *known
                .entry(fix.replace(&finding.path, ""))
                .or_insert(fixes.len());
            match fixes.get_mut(number) {
                Some((first, _, is_shared)) => *is_shared |= first != fix,
                None => fixes.push((fix.to_owned(), finding, false)),
            }
        }
        let left = fixes.len().saturating_sub(MAX_FIXES);
        let mut lines = Vec::new();
        for (fix, finding, is_shared) in fixes.into_iter().take(MAX_FIXES) {
            let others = if is_shared {
                "   (and the same for each of these files)"
            } else {
                ""
            };
            lines.push(format!("fix: {fix}{others}"));
            lines.extend(finding.then.iter().map(|line| format!("     {line}")));
        }
        lines.extend(
            (left > 0).then(|| format!("     and {left} more: stax secrets verify --json")),
        );
        lines
    }
}

/// The files that a finding tells of beside its own.
fn parts(finding: &Finding, location: &dyn Fn(&Finding) -> String) -> Vec<String> {
    let others = finding
        .each()
        .into_iter()
        .filter(|part| part.path != finding.path);
    let mut lines: Vec<String> = others.map(|part| location(&part)).collect();
    cut(&mut lines, MAX_PARTS);
    lines
}

fn cut(lines: &mut Vec<String>, most: usize) {
    let left = lines.len().saturating_sub(most);
    if left > 0 {
        lines.truncate(most);
        lines.push(format!("and {left} more: stax secrets verify --json"));
    }
}
