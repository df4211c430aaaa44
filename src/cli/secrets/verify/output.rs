//! How a report is printed: for people, for a hook, as JSON; the other forms have their own files.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Report, beyond, count, github, sarif};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::rules::docs::RuleDoc;
use crate::policy::{Finding, RuleId, Severity};

/// Unknown is said loudly, in every form.
pub(super) const PARTIAL: &str =
    "this clone holds not all history: who knew older data keys, and who was removed, is unknown";

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
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

impl Output {
    /// A check that could not run is shown where findings would be; stderr has it anyway.
    pub(super) fn announce(self, failure: &Failure, ui: &Ui) {
        if self == Self::Github {
            let _ = ui.bytes(github::failed(&failure.message).as_bytes());
        }
    }
}

impl Report {
    pub(super) fn show_as(&self, output: Output, in_hook: bool, ui: &Ui) -> Result<(), Failure> {
        match output {
            Output::Json => ui.json(&self.json())?,
            Output::Sarif => ui.json(&sarif::log(self))?,
            Output::Github => github::print(self, ui)?,
            Output::Text if in_hook => self.refuse(ui),
            Output::Text => self.print(ui),
        }
        Ok(())
    }

    pub(super) fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    fn location(&self, finding: &Finding) -> String {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let staged = if self.changes.is_some() { " (staged)" } else { "" };
        // in a log of GitHub a line that begins with `::` would be a command
        let here = if finding.path.starts_with("::") { "./" } else { "" };
        format!("{here}{}{line}{staged}", finding.path)
    }

    /// `with_why`: the reason of each rule, once, and where to read on.
    pub(super) fn show(&self, ui: &Ui, on_stderr: bool, with_why: bool) {
        let mut told = BTreeSet::new();
        for finding in &self.findings {
            // the message or the lines below it name the file
            let has_place = !matches!(finding.rule, RuleId::K05 | RuleId::K08);
            let place = has_place.then(|| self.location(finding));
            let mut more = Vec::from_iter(place);
            more.extend(finding.detail.iter().cloned());
            let is_first = with_why && told.insert(finding.rule);
            if is_first && !finding.detail.iter().any(|line| line.starts_with("why: ")) {
                more.push(format!("why: {}", RuleDoc::of(finding.rule).why));
            }
            match &finding.fix {
                Some(fix) => more.push(format!("fix: {fix}")),
                None if with_why => {
                    more.push(format!("fix: see stax secrets verify --explain {}", finding.rule.id()));
                }
                None => {}
            }
            more.extend(finding.then.iter().map(|line| format!("     {line}")));
            ui.finding(finding.severity, &finding.rule.to_string(), &finding.message, &more, on_stderr);
        }
    }

    /// `2 files: 1 error; keyless: MACs and values not checked`
    pub(super) fn summary(&self) -> String {
        let found = found(&self.findings);
        let accepted = match self.accepted.len() {
            0 => String::new(),
            accepted => format!("; {accepted} accepted in .stax/vault.json"),
        };
        let depth = match (self.opened.files, self.opened.checked) {
            _ if self.beyond.is_empty => String::new(),
            (0, _) => "; keyless: MACs and values not checked".to_owned(),
            (opened, 0) => format!("; a key opened {opened}, and no MAC could be checked"),
            (_, checked) => format!("; MAC and values checked in {checked}"),
        };
        let commits =
            self.commits.map_or_else(String::new, |commits| format!(", {}", count(commits, "commit")));
        let files = match self.beyond.is_empty {
            true => beyond::NOTHING.to_owned(),
            false => count(self.files, "file"),
        };
        format!("{files}{commits}: {found}{accepted}{depth}")
    }

    /// There are documents, and nothing proves that any of them is what its writer sealed.
    pub(super) fn is_unproven(&self) -> bool {
        self.files > 0 && self.opened.checked == 0
    }

    /// For a person or CI: findings and a summary on stdout.
    fn print(&self, ui: &Ui) {
        self.show(ui, false, true);
        ui.line(self.summary());
        for accepted in &self.accepted {
            let (finding, why) = (&accepted.finding, &accepted.why);
            let what = format!("accepted {} in {}: {}", finding.rule, finding.path, finding.message);
            ui.note(format!("{what} ({why})"));
        }
        self.beyond.notes().iter().for_each(|note| ui.note(note));
        self.warn_partial(ui);
        self.note_older(ui);
    }

    pub(super) fn warn_partial(&self, ui: &Ui) {
        if self.is_partial {
            ui.warning(PARTIAL);
            ui.note(
                "the whole history: fetch-depth: 0 in actions/checkout, git fetch --unshallow, \
                 or in a partial clone git fetch --refetch --no-filter",
            );
        }
    }

    /// For a hook: silent unless something is wrong, and then on stderr.
    pub(super) fn refuse(&self, ui: &Ui) {
        self.show(ui, true, false);
        self.note_older(ui);
        let changes = self.changes.as_deref().unwrap_or_default();
        let errors = self.errors();
        if errors == 0 {
            return;
        }
        let broken: BTreeSet<&str> = self
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
        let is_clear = |finding: &&Finding| matches!(finding.rule, RuleId::F04 | RuleId::C07);
        for path in self.findings.iter().filter(is_clear).map(|f| &f.path).collect::<BTreeSet<_>>() {
            let blob = changes.iter().find(|change| change.path == *path).and_then(|change| change.new);
            if let Some(blob) = blob {
                let id = blob.id.short();
                ui.note(format!(
                    "git keeps the clear text as blob {id}; once it is mended: stax secrets scrub"
                ));
            }
        }
    }

    pub(super) fn note_older(&self, ui: &Ui) {
        if self.older > 0 {
            let findings = count(self.older, "older finding");
            ui.note(format!("{findings}, there before this change: stax secrets verify"));
        }
    }

    fn json(&self) -> serde_json::Value {
        let accepted = self.accepted.iter().map(|accepted| {
            let mut value = finding_json(&accepted.finding);
            value["why"] = accepted.why.clone().into();
            value
        });
        json!({
            "schema": 1,
            "findings": self.findings.iter().map(finding_json).collect::<Vec<_>>(),
            "files": self.files,
            "checked_with_key": self.opened.checked,
            "opened_with_key": self.opened.files,
            "nothing_to_verify": self.beyond.is_empty,
            "not_looked_into": self.beyond.json(),
            "accepted": self.accepted.len(),
            "accepted_findings": accepted.collect::<Vec<_>>(),
            "older": self.older,
            "commits": self.commits,
            "history_is_complete": !self.is_partial,
        })
    }
}

/// `1 error, 2 warnings, 1 notice`
pub(super) fn found(findings: &[Finding]) -> String {
    let kinds = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Notice, "notice")];
    let number = |kind| findings.iter().filter(|finding| finding.severity == kind).count();
    let counted = kinds.map(|(kind, name)| (number(kind), name));
    let said: Vec<String> = counted
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| count(number, name))
        .collect();
    if said.is_empty() { "no finding".to_owned() } else { said.join(", ") }
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "rule": finding.rule.id(),
        "name": finding.rule.name(),
        "severity": finding.severity.to_string(),
        "path": finding.path,
        "line": finding.line,
        "key": finding.key,
        "message": finding.message,
        "fix": finding.fix,
        "then": finding.then,
        "detail": finding.detail,
    })
}
