//! SARIF 2.1.0, for code scanning: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>.

use serde_json::{Value, json};

use super::output::PARTIAL;
use crate::cli::escape::Escaped;
use crate::verify::{Finding, RuleId, Severity};
use crate::verify::{Report, fingerprint};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The whole log, with every rule of this version, so that a reader can tell what was looked for.
pub(super) fn log(report: &Report) -> Value {
    let rules: Vec<Value> = RuleId::all().map(descriptor).collect();
    let mut results: Vec<Value> = report.findings.iter().map(result).collect();
    results.extend(report.accepted.iter().map(|accepted| {
        let mut result = result(&accepted.finding);
        let why = Escaped(&accepted.why).to_string();
        result["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": why}]);
        result
    }));
    let notifications: Vec<Value> = report
        .is_partial
        .then(|| json!({"level": "warning", "message": {"text": PARTIAL}}))
        .into_iter()
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "stax", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "originalUriBaseIds": {
                "%SRCROOT%": {"description": {"text": "The root of the repository."}},
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notifications}],
        }],
    })
}

fn descriptor(rule: RuleId) -> Value {
    let steps: String = rule.mend.iter().map(|step| format!("\n- {step}")).collect();
    let help = format!(
        "{} Example: {}.\n\nTo mend it:{steps}",
        sentence(rule.why),
        rule.example
    );
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": sentence(rule.why)},
        "help": {"text": help, "markdown": help},
        "defaultConfiguration": {"level": level(rule.severity())},
        "properties": {"tags": ["security", "secrets"]},
    })
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
        .unwrap_or_default()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "note",
    }
}

fn result(finding: &Finding) -> Value {
    let mut text = finding.message.clone();
    let fix = finding.fix.iter().map(|fix| format!("fix: {fix}"));
    for line in finding
        .detail
        .iter()
        .cloned()
        .chain(fix)
        .chain(finding.then.iter().cloned())
    {
        text.push_str("; ");
        text.push_str(&line);
    }
    let (first, second) = (fingerprint::first(finding), fingerprint::second(finding));
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": finding.rule.position(),
        "level": level(finding.severity),
        "message": {"text": message(&text)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&finding.path), "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": finding.line.unwrap_or(1).max(1)},
            },
        }],
        // the first is the one that GitHub compares
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{first}:1"),
            "stax/v1": first,
            "stax/v2": second,
        },
    })
}

/// The text of a message: brackets would begin a link, braces a placeholder (SARIF 3.11).
fn message(text: &str) -> String {
    let mut out = String::new();
    for c in Escaped(text).to_string().chars() {
        match c {
            '[' | ']' | '\\' => out.extend(['\\', c]),
            '{' => out.push_str("{{"),
            '}' => out.push_str("}}"),
            _ => out.push(c),
        }
    }
    out
}

/// A path as the relative reference of RFC 3986.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_relative_reference() {
        assert_eq!(uri("infra/a b:c.yaml"), "infra/a%20b%3Ac.yaml");
        assert_eq!(uri("ä#?%"), "%C3%A4%23%3F%25");
    }

    #[test]
    fn a_message_is_no_link_and_no_placeholder() {
        assert_eq!(message("a [b](c) {0}\n"), "a \\[b\\](c) {{0}}\\\\u{{a}}");
    }
}
