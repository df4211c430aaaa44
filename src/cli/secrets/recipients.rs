//! `stax secrets recipients`

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::interrupted::mention;
use super::people::{People, roster_write, today};
use super::verify::count;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::inventory::{RuleAt, Target};
use crate::policy::roster::RosterRow;
use crate::workspace::ROSTER;

/// Who can read, by the policy, and since when, by the commit log
#[derive(clap::Args)]
pub struct Args {
    /// One JSON document
    #[arg(long)]
    json: bool,
    /// Change the name of a key in recipients.md
    #[arg(long, num_args = 2, value_names = ["KEY", "NAME"], conflicts_with = "json")]
    set_name: Option<Vec<String>>,
    /// Write the row of a key that the policy or a file names into recipients.md; nobody's access
    /// changes
    #[arg(long, value_name = "KEY", requires = "name", conflicts_with_all = ["json", "set_name"])]
    set: Option<String>,
    /// Whose key it is: `Ravi <ravi@example.com>`
    #[arg(long, requires = "set")]
    name: Option<String>,
    /// What for: owner, engineer, ci, …
    #[arg(long, requires = "set")]
    role: Option<String>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if let Some([who, name]) = self.set_name.as_deref() {
            let mut people = People::open_to_write(ui, &[], false)?;
            let key = people.resolve(who)?;
            people
                .roster
                .rename(&key, name)
                .map_err(|error| Failure::usage(error.to_string()))?;
            people
                .workspace
                .save(&[roster_write(&people.workspace, &people.roster)?])?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some((who, name)) = self.set.as_deref().zip(self.name.as_deref()) {
            return set_row(ui, who, name, self.role.as_deref());
        }
        let people = People::open(&[])?;
        mention(ui, &people.workspace)?;
        let rules: Vec<(RuleAt, Vec<RecipientRow>)> = people
            .inventory
            .rules()
            .map(|rule| (rule, readers(&people, rule)))
            .collect();
        for reader in rules
            .iter()
            .flat_map(|(_, readers)| readers)
            .filter(|reader| reader.is_late)
        {
            ui.warning(format!(
                "recipients.md is later than the commit log for {}",
                reader.name
            ));
        }
        if people.workspace.repo()?.is_shallow() {
            ui.warning("this clone holds not all history: dates are not older than its edge");
        }
        if self.json {
            ui.json(&serde_json::json!({"schema": 1, "recipients": list(&people, &rules)}))?;
            return Ok(ExitCode::SUCCESS);
        }
        for (readers, of) in same_readers(&rules) {
            ui.line(title(&people, &of));
            table(ui, readers);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Rules with the same readers stand together.
fn same_readers(rules: &[(RuleAt, Vec<RecipientRow>)]) -> Vec<(&[RecipientRow], Vec<RuleAt>)> {
    let keys = |readers: &[RecipientRow]| {
        readers
            .iter()
            .map(|reader| reader.key.clone())
            .collect::<BTreeSet<_>>()
    };
    let mut groups: Vec<(&[RecipientRow], Vec<RuleAt>)> = Vec::new();
    for (rule, readers) in rules {
        match groups
            .iter_mut()
            .find(|(known, _)| keys(known) == keys(readers))
        {
            Some((_, rules)) => rules.push(*rule),
            None => groups.push((readers, vec![*rule])),
        }
    }
    groups
}

/// Environments and files, and rules that govern none.
fn title(people: &People, rules: &[RuleAt]) -> String {
    let mut names: Vec<String> = Vec::new();
    for rule in rules {
        let files = people.governed(*rule).map(|file| &file.target);
        let name = |target: &Target| target.env.clone().unwrap_or_else(|| target.path.clone());
        let before = names.len();
        names.extend(files.map(name));
        if names.len() == before {
            names.push(people.label(*rule));
        }
    }
    let left = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = if left > 0 {
        format!(" and {}", count(left, "more file"))
    } else {
        String::new()
    };
    names.join(", ") + &more
}

/// Files of one title.
const SHOWN: usize = 5;

/// The row of somebody who can read; what they read stays.
fn set_row(ui: &Ui, who: &str, name: &str, role: Option<&str>) -> Result<ExitCode, Failure> {
    let mut people = People::open_to_write(ui, &[], false)?;
    let key = people.resolve(who)?;
    let written = match people.roster.get(&key) {
        Some(_) => people.roster.change(&key, name, role),
        None => {
            let onboarded = people
                .since(&key)
                .map_or_else(today, |since| since.date.clone());
            let (name, role) = (name.to_owned(), role.unwrap_or_default().to_owned());
            people.roster.add_row(RosterRow {
                recipient: key,
                name,
                role,
                onboarded,
            })
        }
    };
    written.map_err(|error| Failure::usage(error.to_string()))?;
    people
        .workspace
        .save(&[roster_write(&people.workspace, &people.roster)?])?;
    ui.note(format!("{ROSTER}: the row of {name}"));
    Ok(ExitCode::SUCCESS)
}

/// One recipient of one rule.
struct RecipientRow {
    key: String,
    name: String,
    role: String,
    onboarded: String,
    commit: Option<String>,
    /// Dates between which they were not in the policy.
    away: Vec<(String, String)>,
    /// By table, anchor or comment.
    has_name: bool,
    /// The table claims a later date than the log proves.
    is_late: bool,
}

/// The date is that of the first commit whose policy names the key; before the first commit it is
/// what the table says.
fn readers(people: &People, rule: RuleAt) -> Vec<RecipientRow> {
    let reader = |key: &str| {
        let row = people.roster.get(key).map(|(_, row)| row);
        let since = people.since(key);
        let claimed = row
            .map(|row| row.onboarded.clone())
            .filter(|date| !date.is_empty());
        let onboarded = since
            .map(|since| since.date.clone())
            .or(claimed.clone())
            .unwrap_or_else(today);
        RecipientRow {
            key: key.to_owned(),
            name: people.name(key),
            role: row.map(|row| row.role.clone()).unwrap_or_default(),
            is_late: claimed.is_some_and(|claimed| claimed > onboarded),
            onboarded,
            commit: since.map(|since| since.commit.to_string()),
            away: since
                .map(|since| {
                    since
                        .away
                        .iter()
                        .map(|(from, to)| (from.date.clone(), to.date.clone()))
                        .collect()
                })
                .unwrap_or_default(),
            has_name: people.holders.name(key).is_some(),
        }
    };
    // who stands in two key groups is one reader
    let mut seen = BTreeSet::new();
    let rule = people.inventory.rule(rule);
    let all = rule
        .recipients()
        .into_iter()
        .chain(rule.others.iter().map(String::as_str));
    all.filter(|key| seen.insert(*key)).map(reader).collect()
}

fn table(ui: &Ui, readers: &[RecipientRow]) {
    let width = |text: &dyn Fn(&RecipientRow) -> &str, title: &str| {
        let widest = readers
            .iter()
            .map(|reader| text(reader).chars().count())
            .max()
            .unwrap_or(0);
        widest.max(title.len())
    };
    let name = width(&|reader| &reader.name, "Name");
    let role = width(&|reader| &reader.role, "Role");
    ui.line(format!(
        "  {:name$}  {:role$}  {:10}  Key",
        "Name", "Role", "Onboarded"
    ));
    for reader in readers {
        let RecipientRow {
            name: who,
            role: what,
            onboarded,
            key,
            away,
            ..
        } = reader;
        ui.line(format!(
            "  {who:name$}  {what:role$}  {onboarded:10}  {key}"
        ));
        for (from, to) in away {
            ui.line(format!(
                "  {:name$}  {:role$}  away from {from} to {to}",
                "", ""
            ));
        }
    }
}

/// Each key once, with every environment that it reads.
fn list(people: &People, rules: &[(RuleAt, Vec<RecipientRow>)]) -> Vec<serde_json::Value> {
    let mut seen = BTreeSet::new();
    let all = rules.iter().flat_map(|(_, readers)| readers);
    let first = all.filter(|reader| seen.insert(reader.key.as_str()));
    first
        .map(|reader| {
            let reads =
                rules.iter().filter(|(_, readers)| readers.iter().any(|other| other.key == reader.key));
            let envs: Vec<String> = reads
                .flat_map(|(rule, _)| people.governed(*rule).filter_map(|file| file.target.env.clone()))
                .collect();
            let text = |text: &str| reader.has_name.then(|| text.to_owned());
            serde_json::json!({
                "key": reader.key, "name": text(&reader.name), "role": text(&reader.role),
                "onboarded": reader.onboarded, "commit": reader.commit, "environments": envs,
                "away": reader.away.iter().map(|(from, to)| serde_json::json!({"from": from, "to": to})).collect::<Vec<_>>(),
            })
        })
        .collect()
}
