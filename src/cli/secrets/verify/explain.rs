//! `--explain RULE`: what a rule means, why it is there, and how to mend what it finds.

use std::process::ExitCode;

use serde_json::json;

use super::output::OutputFormat;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::verify::RuleId;
use crate::verify::rules::docs::{judged_on, level};

/// A rule by id or name; the error lists all of them.
pub(super) fn rule(text: &str) -> Result<RuleId, String> {
    text.parse().map_err(|error| {
        let known: Vec<String> = RuleId::all().map(|rule| rule.to_string()).collect();
        format!("{error}; there are: {}", known.join(", "))
    })
}

pub(super) fn print(rule: RuleId, output: OutputFormat, ui: &Ui) -> Result<ExitCode, Failure> {
    match output {
        OutputFormat::Text => text(rule, ui),
        OutputFormat::Json => ui.json(&json(rule))?,
        OutputFormat::Sarif | OutputFormat::Github => {
            return Err(Failure::usage("--explain prints text, or JSON with --json"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(rule: RuleId, ui: &Ui) {
    ui.line(format!("{rule}: {}", rule.title));
    ui.line(format!(
        "bound file: {}; any other SOPS file: {}",
        level(rule.bound),
        level(rule.general)
    ));
    let allowed = if rule.may_be_allowed { "yes" } else { "no" };
    ui.line(format!(
        "judged on: {}; may be allowed: {allowed}",
        judged_on(rule)
    ));
    ui.line(format!("\nwhy\n  {}", rule.why));
    ui.line(format!("\nexample\n  {}", rule.example));
    ui.line("\nmend");
    for step in rule.mend {
        ui.line(format!("  {step}"));
    }
}

fn json(rule: RuleId) -> serde_json::Value {
    json!({
        "schema": 1,
        "rule": rule.id,
        "name": rule.name,
        "summary": rule.title,
        "bound": rule.bound.map(|severity| severity.to_string()),
        "general": rule.general.map(|severity| severity.to_string()),
        "why": rule.why,
        "example": rule.example,
        "mend": rule.mend,
        "judged_on": rule.on.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "may_be_allowed": rule.may_be_allowed,
    })
}
