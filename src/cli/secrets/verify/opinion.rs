//! What verify thinks of one file that is about to be, or has just been, bound.

use std::collections::BTreeSet;

use super::output::found;
use super::tree::{self, Source};
use super::{Report, judge};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::Severity;
use crate::policy::rules::FileFacts;
use crate::workspace::Workspace;

/// More than these are left to `stax secrets verify`.
const MOST: usize = 3;

/// Prints the verdict of the keyless rules, taking the file as bound, and the worst findings.
pub(in crate::cli) fn tell(ui: &Ui, workspace: &Workspace, path: &str) -> Result<(), Failure> {
    let mut gathered = tree::gather(workspace, Source::WorkTree, &|_| false, &BTreeSet::new())?;
    gathered.facts.has_vault = true;
    gathered.facts.files.retain(|file| file.path != path);
    let others = gathered.facts.files.len();
    gathered.facts.files.push(FileFacts::read(path, true, workspace.read(path)?.as_deref()));
    let (mut findings, accepted) = judge(&gathered);
    if others > 0 {
        // of other bound files only what is said of the policy counts here
        let bound: Vec<String> = gathered.facts.files.iter().map(|file| file.path.clone()).collect();
        findings.retain(|finding| finding.path == path || !bound.contains(&finding.path));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let hidden = findings.len().saturating_sub(MOST);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let verdict = found(&findings);
    let mark = if errors == 0 { "✓" } else { "✗" };
    ui.mark(mark, format!("verify: {verdict} (keyless; MACs and values not checked)"));
    findings.truncate(MOST);
    let report = Report { findings, accepted, files: 1, ..Report::default() };
    report.show(ui, false, true);
    if hidden > 0 {
        ui.note(format!("{hidden} more: stax secrets verify"));
    }
    Ok(())
}
