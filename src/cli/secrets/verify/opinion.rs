//! What verify thinks once a file is bound, for the command that binds it.

use super::output;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::verify::{PATIENCE, Report, verdict};

/// More than these are left to `stax secrets verify`.
const MOST: usize = 3;

/// Prints the verdict, taking the file as bound, and the worst findings: those of this file before
/// others as bad.
pub(in crate::cli) fn tell(ui: &Ui, path: &str) -> Result<(), Failure> {
    let verdict = verdict(PATIENCE, Some(path))?;
    let (mark, line) = verdict.line();
    ui.mark(mark, line);
    let mut findings = verdict.findings;
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.path != path));
    let hidden = findings.len().saturating_sub(MOST);
    findings.truncate(MOST);
    let report = Report {
        findings,
        files: 1,
        ..Report::default()
    };
    output::show(&report, ui, false, true);
    if hidden > 0 {
        ui.note(format!("{hidden} more: stax secrets verify"));
    }
    Ok(())
}
