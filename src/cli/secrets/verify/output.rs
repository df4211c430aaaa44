//! How a report is printed: for people, for a hook, as JSON; the other forms have their own files.

use std::collections::BTreeSet;

use serde_json::json;

use super::blocks::blocks;
use super::{Report, count, github, sarif};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::verify::{Also, Beyond, Finding, NOTHING, Severity, fingerprint, found};

/// Unknown is said loudly, in every form.
pub(super) const PARTIAL: &str =
    "this clone holds not all history: who knew older data keys, and who was removed, is unknown";

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// One object with "schema": 1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions, and a summary of the job
    Github,
}

impl OutputFormat {
    /// A check that could not run is shown where findings would be; stderr has it anyway.
    pub(super) fn announce(self, failure: &Failure, ui: &Ui) {
        if self == Self::Github {
            let _ = ui.bytes(github::failed(&failure.message).as_bytes());
        }
    }
}

pub(super) fn show_as(
    report: &Report,
    output: OutputFormat,
    in_hook: bool,
    ui: &Ui,
) -> Result<(), Failure> {
    match output {
        OutputFormat::Json => ui.json(&json(report))?,
        OutputFormat::Sarif => ui.json(&sarif::log(report))?,
        OutputFormat::Github => github::print(report, ui)?,
        OutputFormat::Text if in_hook => refuse(report, ui),
        OutputFormat::Text => print(report, ui),
    }
    Ok(())
}

fn location(report: &Report, finding: &Finding) -> String {
    let line = finding
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let staged = if report.changes.is_some() {
        " (staged)"
    } else {
        ""
    };
    // in a log of GitHub a line that begins with `::` would be a command
    let here = if finding.path.starts_with("::") {
        "./"
    } else {
        ""
    };
    format!("{here}{}{line}{staged}", finding.path)
}

/// `with_why`: the reason of each rule, once, and where to read on.
pub(super) fn show(report: &Report, ui: &Ui, on_stderr: bool, with_why: bool) {
    let mut told = BTreeSet::new();
    for block in blocks(&report.findings) {
        let finding = block.first();
        let rule = finding.rule;
        let mut more = block.places(&|finding| location(report, finding));
        let is_first = with_why && told.insert(rule);
        if is_first && !rule.is(Also::GivesItsReason) {
            more.push(format!("why: {}", rule.why));
        }
        let explain = format!("see stax secrets verify --explain {}", rule.id);
        more.extend(block.fixes(with_why.then_some(explain.as_str())));
        ui.finding(
            finding.severity,
            &rule.to_string(),
            &finding.message,
            &more,
            on_stderr,
        );
    }
}

/// `2 files: 1 error; keyless: MACs and values not checked`
pub(super) fn summary(report: &Report) -> String {
    let found = found(&report.findings);
    let accepted = match report.accepted.len() {
        0 => String::new(),
        accepted => format!("; {accepted} accepted in .stax/vault.json"),
    };
    let depth = match (report.opened.files, report.opened.checked) {
        _ if report.beyond.is_empty => String::new(),
        (0, _) => "; keyless: MACs and values not checked".to_owned(),
        (opened, 0) => format!("; a key opened {opened}, and no MAC could be checked"),
        (_, checked) => format!("; MAC and values checked in {checked}"),
    };
    let commits = report.commits.map_or_else(String::new, |commits| {
        format!(", {}", count(commits, "commit"))
    });
    let files = match report.beyond.is_empty {
        true => NOTHING.to_owned(),
        false => count(report.files, "file"),
    };
    format!("{files}{commits}: {found}{accepted}{depth}")
}

/// For a person or CI: findings and a summary on stdout.
fn print(report: &Report, ui: &Ui) {
    show(report, ui, false, true);
    ui.line(summary(report));
    for accepted in &report.accepted {
        let (finding, why) = (&accepted.finding, &accepted.why);
        let what = format!(
            "accepted {} in {}: {}",
            finding.rule, finding.path, finding.message
        );
        ui.note(format!("{what} ({why})"));
    }
    unread(&report.beyond).iter().for_each(|note| ui.note(note));
    warn_partial(report, ui);
    note_older(report, ui);
}

pub(super) fn warn_partial(report: &Report, ui: &Ui) {
    if report.is_partial {
        ui.warning(PARTIAL);
        ui.note(
            "the whole history: fetch-depth: 0 in actions/checkout, git fetch --unshallow, \
             or in a partial clone git fetch --refetch --no-filter",
        );
    }
}

/// For a hook: silent unless something is wrong, and then on stderr.
pub(super) fn refuse(report: &Report, ui: &Ui) {
    show(report, ui, true, false);
    note_older(report, ui);
    let changes = report.changes.as_deref().unwrap_or_default();
    let errors = report.errors();
    if errors == 0 {
        return;
    }
    let broken: BTreeSet<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.path.as_str())
        .collect();
    ui.say(format!(
        "stax: commit refused: {} in {}, {} staged; your work tree is as you left it",
        count(errors, "error"),
        count(broken.len(), "file"),
        changes.len()
    ));
    let is_clear = |finding: &&Finding| finding.rule.is(Also::Plaintext);
    for path in report
        .findings
        .iter()
        .filter(is_clear)
        .map(|f| &f.path)
        .collect::<BTreeSet<_>>()
    {
        let blob = changes
            .iter()
            .find(|change| change.path == *path)
            .and_then(|change| change.new);
        if let Some(blob) = blob {
            let id = blob.id.short();
            ui.note(format!(
                "git keeps the clear text as blob {id}; once it is mended: stax secrets scrub"
            ));
        }
    }
}

pub(super) fn note_older(report: &Report, ui: &Ui) {
    if report.older > 0 {
        let findings = count(report.older, "older finding");
        ui.note(format!(
            "{findings}, there before this change: stax secrets verify"
        ));
    }
}

fn json(report: &Report) -> serde_json::Value {
    let accepted = report.accepted.iter().flat_map(|accepted| {
        let why = |mut value: serde_json::Value| {
            value["why"] = accepted.why.clone().into();
            value
        };
        finding_json(&accepted.finding).into_iter().map(why)
    });
    json!({
        "schema": 1,
        "findings": report.findings.iter().flat_map(finding_json).collect::<Vec<_>>(),
        "files": report.files,
        "checked_with_key": report.opened.checked,
        "opened_with_key": report.opened.files,
        "nothing_to_verify": report.beyond.is_empty,
        "not_looked_into": report.beyond.unread.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect::<Vec<_>>(),
        "accepted": report.accepted.len(),
        "accepted_findings": accepted.collect::<Vec<_>>(),
        "older": report.older,
        "commits": report.commits,
        "history_is_complete": !report.is_partial,
    })
}

/// What was not looked into, as far as it is named.
fn unread(beyond: &Beyond) -> Vec<String> {
    let named = beyond.unread.iter().take(NAMED);
    let mut notes: Vec<String> = named
        .map(|(path, why)| format!("{path} was not looked into: {why}"))
        .collect();
    let more = beyond.unread.len().saturating_sub(NAMED);
    if more > 0 {
        notes.push(format!(
            "{more} more were not looked into: stax secrets verify --json"
        ));
    }
    notes
}

/// More are counted, not named.
const NAMED: usize = 10;

/// One element for each file or value that it tells of; `cause` joins those of one cause.
fn finding_json(finding: &Finding) -> Vec<serde_json::Value> {
    let cause = fingerprint::cause(finding);
    let element = |one: Finding| {
        json!({
            "rule": one.rule.id,
            "name": one.rule.name,
            "severity": one.severity.to_string(),
            "path": one.path,
            "line": one.line,
            "key": one.key,
            "message": one.message,
            "fix": one.fix,
            "then": one.then,
            "detail": one.detail,
            "cause": cause,
        })
    };
    finding.each().into_iter().map(element).collect()
}
