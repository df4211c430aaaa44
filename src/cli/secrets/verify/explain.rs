//! `--explain RULE`: what a rule means, why it is there, and how to mend what it finds.

use std::process::ExitCode;

use serde_json::json;

use super::output::Output;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::RuleId;
use crate::verify::rules::docs::{RuleDoc, level};

/// A rule by id or name; the error lists all of them.
pub(super) fn rule(text: &str) -> Result<RuleId, String> {
    text.parse().map_err(|error| {
        let known: Vec<String> = RuleId::ALL.iter().map(ToString::to_string).collect();
        format!("{error}; there are: {}", known.join(", "))
    })
}

pub(super) fn print(rule: RuleId, output: Output, ui: &Ui) -> Result<ExitCode, Failure> {
    let doc = RuleDoc::of(rule);
    match output {
        Output::Text => text(doc, ui),
        Output::Json => ui.json(&json(doc))?,
        Output::Sarif | Output::Github => {
            return Err(Failure::usage("--explain prints text, or JSON with --json"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(doc: &RuleDoc, ui: &Ui) {
    ui.line(format!("{}: {}", doc.rule, doc.rule.summary()));
    ui.line(format!("bound file: {}; any other SOPS file: {}", level(doc.bound), level(doc.general)));
    ui.line(format!("\nwhy\n  {}", doc.why));
    ui.line(format!("\nexample\n  {}", doc.example));
    ui.line("\nmend");
    for step in doc.mend {
        ui.line(format!("  {step}"));
    }
}

fn json(doc: &RuleDoc) -> serde_json::Value {
    json!({
        "schema": 1,
        "rule": doc.rule.id(),
        "name": doc.rule.name(),
        "summary": doc.rule.summary(),
        "bound": doc.bound.map(|severity| severity.to_string()),
        "general": doc.general.map(|severity| severity.to_string()),
        "why": doc.why,
        "example": doc.example,
        "mend": doc.mend,
    })
}
