//! R01: `recipients.md` and the policy name the same keys. R02: it gives no later dates than the
//! log proves.

use std::collections::BTreeSet;

use shell_words::quote;

use crate::policy::Holders;
use crate::policy::config::{Config, CreationRule};
use crate::policy::roster::{Roster, RosterError, RosterRow};
use crate::verify::facts::Facts;
use crate::verify::finding::Finding;
use crate::verify::rule::{Also, On, RuleId, Severity, rules};
use crate::workspace::{POLICY, ROSTER};

rules! {
    R01 {
        name: "roster",
        title: "`recipients.md` and the policy name different keys",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a key is a row of letters; only recipients.md tells whose it is, so a key without a row is a reader whom nobody has approved by name",
        example: "`.sops.yaml` lists a key that `infra/secrets/recipients.md` does not, or the table still names somebody who has left; without `.stax/vault.json` a name in an anchor or comment is enough",
        mend: &[
            "you know whose key it is: `stax secrets recipients --set KEY --name \"Name <mail>\" --role ROLE`, which changes nobody's access",
            "they are not to read any more: `stax secrets remove-recipient KEY`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfPolicy, Also::KnownByWords],
    }
    R02 {
        name: "onboarded",
        title: "`recipients.md` gives somebody a later date than the commit log proves",
        bound: Some(Severity::Warning),
        general: Some(Severity::Warning),
        why: "the commit log proves that the key could read earlier than the table says: whoever asks since when gets a wrong answer",
        example: "`recipients.md` says 2026-05-01, and `.sops.yaml` named the key on 2026-01-10",
        mend: &[
            "write the date that `stax secrets recipients` prints, or see the whole story: `stax secrets history`",
        ],
        on: &[On::Range],
        may_be_allowed: true,
        also: &[],
    }
}

pub(super) fn check(facts: &Facts, config: Option<&Config>, holders: &Holders) -> Vec<Finding> {
    let Some(text) = &facts.roster else {
        let is_needed = facts.files().any(|file| file.managed);
        return Vec::from_iter(is_needed.then(|| missing(facts, config, holders)));
    };
    let roster = match Roster::parse(text) {
        Ok(roster) => roster,
        Err(error) => return vec![of(facts, unreadable(&error))],
    };
    let Some(config) = config else {
        return Vec::new();
    };
    missing_rows(facts, config, &roster, holders)
        .into_iter()
        .chain(stray_rows(facts, config, &roster, holders))
        .map(|finding| of(facts, finding))
        .chain(nameless(&roster, holders))
        .collect()
}

fn missing(facts: &Facts, config: Option<&Config>, holders: &Holders) -> Finding {
    let message = "is missing: nobody can tell whose keys the policy names";
    let finding = Finding::error(RuleId::R01, ROSTER, message);
    if facts.has_roster_at_head {
        return finding.fix(format!("git restore --source=HEAD {ROSTER}"));
    }
    let rules = config
        .map(|config| governing(facts, config))
        .unwrap_or_default();
    let keys: BTreeSet<&str> = rules
        .into_iter()
        .flat_map(CreationRule::recipients)
        .collect();
    let mut rows = keys.into_iter().map(|key| set_row(key, holders));
    let first = rows.next().map_or(finding.clone(), |row| finding.fix(row));
    rows.fold(first, Finding::then)
}

/// Names a key and lets nobody read more.
fn set_row(key: &str, holders: &Holders) -> String {
    let name = holders
        .name(key)
        .filter(|name| !name.trim().is_empty())
        .map_or("…".into(), quote);
    format!(
        "stax secrets recipients --set {} --name {name} --role …",
        quote(key)
    )
}

/// Where nothing is bound the table is a courtesy, and may be of another tool.
fn of(facts: &Facts, finding: Finding) -> Finding {
    let severity = if facts.has_vault {
        finding.severity
    } else {
        Severity::Warning
    };
    Finding {
        severity,
        ..finding
    }
}

fn nameless(roster: &Roster, holders: &Holders) -> impl Iterator<Item = Finding> {
    let rows = roster.rows().filter(|(_, row)| row.name.trim().is_empty());
    rows.map(|(line, row)| {
        Finding::warning(
            RuleId::R01,
            ROSTER,
            format!("the row of {} names nobody", row.recipient),
        )
        .at(line)
        .fix(set_row(&row.recipient, holders))
    })
}

fn unreadable(error: &RosterError) -> Finding {
    let finding = Finding::error(RuleId::R01, ROSTER, error.to_string());
    match error {
        RosterError::SecondTable(line) | RosterError::Cells(line) => finding.at(*line),
        _ => finding,
    }
}

fn governing<'a>(facts: &Facts, config: &'a Config) -> Vec<&'a CreationRule> {
    if !facts.has_vault {
        return config.rules.iter().collect();
    }
    let managed = facts.files().filter(|file| file.managed);
    managed
        .filter_map(|file| config.rule_for(&file.path))
        .map(|(_, rule)| rule)
        .collect()
}

/// Keys that read a bound file and have no row. Where nothing is bound, the name that an anchor or
/// a comment of the policy gives is enough.
fn missing_rows(
    facts: &Facts,
    config: &Config,
    roster: &Roster,
    holders: &Holders,
) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let rules = governing(facts, config);
    let named = rules
        .iter()
        .flat_map(|rule| rule.groups.iter().flatten().chain(&rule.age));
    named
        .filter(|(key, _)| roster.get(key).is_none() && seen.insert(key.as_str()))
        .filter(|(key, _)| facts.has_vault || holders.name(key).is_none())
        .map(|(key, line)| {
            Finding::error(
                RuleId::R01,
                POLICY,
                format!("{} has no row in {ROSTER}", holders.labelled(key)),
            )
            .at(*line)
            .fix(set_row(key, holders))
        })
        .collect()
}

/// Rows of keys that nothing names, and second rows of one key. Who still reads a file keeps the
/// row, although no rule names them any more: a removal may have to leave a file to a colleague.
fn stray_rows(facts: &Facts, config: &Config, roster: &Roster, holders: &Holders) -> Vec<Finding> {
    let known = named_keys(facts, config);
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for (line, row) in roster.rows() {
        let key = row.recipient.as_str();
        let who = holders.labelled(key);
        let finding =
            |what: &str| Finding::error(RuleId::R01, ROSTER, format!("{who} {what}")).at(line);
        if !seen.insert(key) {
            findings.push(finding("has a second row").fix("keep one row a key"));
        } else if !known.contains(key) && !facts.read_elsewhere.contains(key) {
            let fix = format!("stax secrets remove-recipient {key}");
            findings.push(finding("has a row but is not in the policy").fix(fix));
        }
    }
    findings
}

/// The keys that a policy or a document at hand names.
fn named_keys(facts: &Facts, config: &Config) -> BTreeSet<String> {
    let nested = facts
        .others
        .iter()
        .filter_map(|other| Config::parse(other.text.as_deref()?).ok());
    let nested: Vec<Config> = nested.map(|(config, _)| config).collect();
    let rules = nested
        .iter()
        .chain([config])
        .flat_map(|config| &config.rules);
    let named = rules.flat_map(|rule| rule.groups.iter().flatten().chain(&rule.age));
    let documents = facts.files().filter_map(|file| file.document());
    let labels = documents.flat_map(|document| &document.metadata().age);
    named
        .map(|(key, _)| key.clone())
        .chain(labels.map(|stanza| stanza.recipient.clone()))
        .collect()
}

/// Rows of keys that neither a policy nor one of the documents names: whether another file does has
/// to be looked up.
#[must_use]
pub fn unexplained_rows(facts: &Facts) -> Vec<String> {
    let roster = facts
        .roster
        .as_deref()
        .and_then(|text| Roster::parse(text).ok())
        .unwrap_or_default();
    let config = facts
        .policy
        .as_deref()
        .and_then(|text| Config::parse(text).ok())
        .map(|(config, _)| config);
    let Some(config) = config else {
        return Vec::new();
    };
    let known = named_keys(facts, &config);
    let rows = roster.rows().map(|(_, row)| row.recipient.clone());
    rows.filter(|key| !known.contains(key)).collect()
}

/// R02: a row whose date is later than the log proves.
pub(in crate::verify) fn late_row(
    (line, row): (usize, &RosterRow),
    date: &str,
    commit: &str,
) -> Finding {
    let (name, said) = (&row.name, &row.onboarded);
    let message = format!("{name} is in the policy since {date} {commit}, not since {said}");
    let fix = format!("write {date} into the row of {name}   (all dates: stax secrets recipients)");
    Finding::warning(RuleId::R02, ROSTER, message)
        .at(line)
        .fix(fix)
}
