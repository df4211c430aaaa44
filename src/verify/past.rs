//! What `verify` judges by the whole log when it is asked to: exposed values, old values; and dates
//! of the table of people.

use super::error::VerifyError;
use super::exceptions::Exceptions;
use super::exposure::with_ledger;
use super::finding::Finding;
use super::options::Options;
use super::rules::keys::exposed;
use super::rules::roster::late_row;
use crate::ledger::{Doubt, ValueState, short_key};
use crate::policy::roster::{Roster, RosterRow};
use crate::workspace::Workspace;
use crate::workspace::history::History;
use crate::workspace::register::Register;

/// Rules K06 and K07, as far as they are asked for.
pub(super) fn check(
    options: &Options,
    workspace: &Workspace,
    exceptions: &Exceptions,
) -> Result<Vec<Finding>, VerifyError> {
    if !options.exposure && options.max_age.is_none() {
        return Ok(Vec::new());
    }
    let register = workspace.register_of_all(workspace.repo()?.ref_tips()?, options.depth)?;
    let mut findings = Vec::new();
    if options.exposure {
        findings.extend(exposed(workspace, &register, exceptions)?);
    }
    if let Some(limit) = options.max_age {
        let now = jiff::Timestamp::now().as_second();
        findings.extend(
            register
                .tips
                .iter()
                .flat_map(|(path, _)| old(&register, path, limit, now)),
        );
    }
    findings.retain(|finding| options.is_in_scope(&finding.path));
    if !register.history.is_complete() {
        findings.push(exposed::incomplete());
    }
    Ok(findings)
}

/// K06: one finding a person and file.
fn exposed(
    workspace: &Workspace,
    register: &Register,
    exceptions: &Exceptions,
) -> Result<Vec<Finding>, VerifyError> {
    let names = workspace.names_of(&register.history)?;
    Ok(with_ledger(register, exceptions, workspace, &|ledger| {
        let mut findings = Vec::new();
        // a key that was given up is judged by itself, whoever has another one
        for (mut keys, files) in ledger.former(&|_, _| false) {
            let recipient = keys.remove(0);
            let name = names.get(&recipient).map(|named| named.short().to_owned());
            let who = name.unwrap_or_else(|| short_key(&recipient));
            for file in files {
                let keys = |wanted: &dyn Fn(&ValueState) -> bool| -> Vec<&str> {
                    let items = file.items.iter().filter(|item| wanted(&item.state));
                    items.map(|item| item.key.as_str()).collect()
                };
                let open = keys(&|state| matches!(state, ValueState::Exposed(_)));
                let unsure =
                    keys(&|state| matches!(state, ValueState::Unknown(Doubt::Reencrypted { .. })));
                if !open.is_empty() {
                    findings.push(exposed::open(&file.path, &who, &recipient, &open));
                }
                if !unsure.is_empty() {
                    findings.push(exposed::unsure(&file.path, &who, &recipient, &unsure));
                }
            }
        }
        findings
    }))
}

/// K07: one finding a file. What a re-encryption may have changed is no finding but a notice.
fn old(register: &Register, path: &str, limit: i64, now: i64) -> Vec<Finding> {
    let (mut too_old, mut unsure) = (Vec::new(), Vec::new());
    let found = register.blame_of_today(path);
    for (key, blame) in &found {
        let Some(blame) = blame.filter(|blame| now.saturating_sub(blame.origin.seconds) > limit)
        else {
            continue;
        };
        match blame.unsure {
            Some(origin) if now.saturating_sub(origin.seconds) <= limit => {
                unsure.push(key.as_str())
            }
            _ => too_old.push(key.as_str()),
        }
    }
    let days = limit / 86_400;
    let mut findings = Vec::new();
    if !too_old.is_empty() {
        findings.push(exposed::old(path, days, &too_old));
    }
    if !unsure.is_empty() {
        findings.push(exposed::maybe_old(path, days, &unsure));
    }
    findings
}

/// R02: dates of the table that are later than the log proves; of the commits that were walked, or
/// else of all.
pub(super) fn late_rows(
    workspace: &Workspace,
    history: Option<&History>,
    roster: Option<&str>,
) -> Result<Vec<Finding>, VerifyError> {
    let Some(table) = roster.and_then(|text| Roster::parse(text).ok()) else {
        return Ok(Vec::new());
    };
    let dated = |row: &&RosterRow| row.onboarded.parse::<jiff::civil::Date>().is_ok();
    if !table.rows().any(|(_, row)| dated(&row)) {
        return Ok(Vec::new());
    }
    let moments = match history {
        Some(history) => workspace.policy_moments_of(history)?,
        None => workspace.policy_moments()?,
    };
    let mut findings = Vec::new();
    for (line, row) in table.rows().filter(|(_, row)| dated(row)) {
        let intervals = crate::ledger::intervals(&moments, &row.recipient, true);
        let Some(first) = intervals.first() else {
            continue;
        };
        let date = date(first.from.seconds);
        if row.onboarded > date {
            findings.push(late_row((line, row), &date, first.from.short()));
        }
    }
    Ok(findings)
}

fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}
