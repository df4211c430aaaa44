//! What a pre-push hook says.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::{count, output, say};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::verify::{self, Report};
use crate::verify::{Finding, Severity};
use crate::workspace::{Caller, Workspace};

/// What a pre-push hook runs: `lines` come from git. Silent unless something is wrong.
pub(in crate::cli) fn in_hook(remote: &str, lines: &str, ui: &Ui) -> Result<ExitCode, Failure> {
    let workspace = Workspace::over(Repo::from_env_without_work_tree()?, Caller::Git);
    refuse(&verify::push(&workspace, remote, lines)?, ui)
}

fn refuse(report: &Report, ui: &Ui) -> Result<ExitCode, Failure> {
    output::show(report, ui, true, false);
    say(ui, &report.unsought);
    if report.errors() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let paths: BTreeSet<&str> = errors(&report.findings)
        .map(|finding| finding.path.as_str())
        .collect();
    ui.say(format!(
        "stax: push refused: {} in {}, {} looked at; nothing was sent",
        count(report.errors(), "error"),
        count(paths.len(), "file"),
        count(report.commits.unwrap_or_default(), "commit"),
    ));
    if errors(&report.findings).any(|finding| finding.is_of_commit) {
        ui.note("a later commit does not take back what an earlier one holds: git commit --amend, or git rebase -i");
    }
    Ok(Exit::No.into())
}

fn errors(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
}
