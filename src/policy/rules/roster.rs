//! R01: `recipients.md` and the policy name the same keys.

use std::collections::BTreeSet;

use super::{Facts, POLICY, ROSTER, governing};
use crate::policy::config::Config;
use crate::policy::roster::{Roster, RosterError};
use crate::policy::{Finding, Holders, RuleId, Severity};

pub(super) fn check(facts: &Facts, config: Option<&Config>, holders: &Holders) -> Vec<Finding> {
    let Some(text) = &facts.roster else {
        let is_needed = facts.files.iter().any(|file| file.managed);
        let message = "is missing: nobody can tell whose keys the policy names";
        let fix = "git restore --source=HEAD infra/secrets/recipients.md";
        return Vec::from_iter(is_needed.then(|| Finding::error(RuleId::R01, ROSTER, message).fix(fix)));
    };
    let roster = match Roster::parse(text) {
        Ok(roster) => roster,
        Err(error) => return vec![of(facts, unreadable(&error))],
    };
    let Some(config) = config else { return Vec::new() };
    missing_rows(facts, config, &roster, holders)
        .into_iter()
        .chain(stray_rows(config, &roster, holders))
        .map(|finding| of(facts, finding))
        .chain(nameless(&roster))
        .collect()
}

/// Where nothing is bound the table is a courtesy, and may be of another tool.
fn of(facts: &Facts, finding: Finding) -> Finding {
    let severity = if facts.has_vault { finding.severity } else { Severity::Warning };
    Finding { severity, ..finding }
}

fn nameless(roster: &Roster) -> impl Iterator<Item = Finding> {
    let rows = roster.rows().filter(|(_, row)| row.name.trim().is_empty());
    rows.map(|(line, row)| {
        Finding::warning(RuleId::R01, ROSTER, format!("the row of {} names nobody", row.recipient)).at(line)
    })
}

fn unreadable(error: &RosterError) -> Finding {
    let finding = Finding::error(RuleId::R01, ROSTER, error.to_string());
    match error {
        RosterError::SecondTable(line) | RosterError::Cells(line) => finding.at(*line),
        _ => finding,
    }
}

/// Keys that read a bound file and have no row. Where nothing is bound, the name that an anchor or a
/// comment of the policy gives is enough.
fn missing_rows(facts: &Facts, config: &Config, roster: &Roster, holders: &Holders) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let rules = governing(facts, config);
    let named = rules.iter().flat_map(|rule| rule.groups.iter().flatten().chain(&rule.age));
    named
        .filter(|(key, _)| roster.get(key).is_none() && seen.insert(key.as_str()))
        .filter(|(key, _)| facts.has_vault || holders.name(key).is_none())
        .map(|(key, line)| {
            Finding::error(RuleId::R01, POLICY, format!("{} has no row in {ROSTER}", holders.labelled(key)))
                .at(*line)
                .fix(format!("stax secrets add-recipient {key} --name … --role …"))
        })
        .collect()
}

/// Rows of keys that no rule names, and second rows of one key.
fn stray_rows(config: &Config, roster: &Roster, holders: &Holders) -> Vec<Finding> {
    let rules = config.rules.iter();
    let known: BTreeSet<&str> = rules
        .flat_map(|rule| rule.groups.iter().flatten().chain(&rule.age))
        .map(|(key, _)| key.as_str())
        .collect();
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (line, row) in roster.rows() {
        let key = row.recipient.as_str();
        let who = holders.labelled(key);
        let finding = |what: &str| Finding::error(RuleId::R01, ROSTER, format!("{who} {what}")).at(line);
        if !seen.insert(key) {
            findings.push(finding("has a second row").fix("keep one row a key"));
        } else if !known.contains(key) {
            let fix = format!("stax secrets remove-recipient {key}");
            findings.push(finding("has a row but is not in the policy").fix(fix));
        }
    }
    findings
}
