//! `stax secrets recipients`

use std::process::ExitCode;

use super::people::{People, roster_write, today};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;

/// Who can read, by the policy, and since when, by the commit log
#[derive(clap::Args)]
pub struct Args {
    /// One JSON document
    #[arg(long)]
    json: bool,
    /// Change the name of a key in recipients.md
    #[arg(long, num_args = 2, value_names = ["KEY", "NAME"], conflicts_with = "json")]
    set_name: Option<Vec<String>>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let mut people = People::open(None)?;
        if let Some([who, name]) = self.set_name.as_deref() {
            let key = people.resolve(who)?;
            people.roster.rename(&key, name).map_err(|error| Failure::usage(error.to_string()))?;
            people.workspace.save(&[roster_write(&people.workspace, &people.roster)?])?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut list: Vec<serde_json::Value> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (rule, policy) in people.config.rules.iter().enumerate() {
            if !self.json {
                ui.line(people.label(rule));
                ui.line("  Name  Role  Onboarded   Key");
            }
            for key in policy.recipients() {
                let row = people.roster.get(key).map(|(_, row)| row);
                let since = people.since.get(key);
                let claimed = row.map(|row| row.onboarded.clone()).filter(|date| !date.is_empty());
                let date = since.map(|s| s.date.clone()).or(claimed.clone()).unwrap_or_else(today);
                if claimed.is_some_and(|claimed| claimed > date) && seen.insert((key, true)) {
                    ui.warning(format!(
                        "recipients.md is later than the commit log for {}",
                        people.name(key)
                    ));
                }
                if !self.json {
                    let role = row.map_or("", |row| row.role.as_str());
                    ui.line(format!("  {}  {role}  {date}  {key}", people.name(key)));
                } else if seen.insert((key, false)) {
                    let of = |rule: &usize| people.config.rules[*rule].recipients().contains(&key);
                    let rules = (0..people.config.rules.len()).filter(of);
                    let envs: Vec<String> = rules
                        .flat_map(|rule| {
                            people
                                .governed(rule)
                                .filter_map(|file| file.target.env.clone())
                                .collect::<Vec<_>>()
                        })
                        .collect();
                    list.push(serde_json::json!({
                        "key": key, "name": row.map(|row| &row.name), "role": row.map(|row| &row.role),
                        "onboarded": date, "commit": since.map(|s| &s.commit), "environments": envs,
                    }));
                }
            }
        }
        if self.json {
            ui.json(&serde_json::json!({"schema": 1, "recipients": list}))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
