//! `stax secrets add-recipient`

use std::process::ExitCode;

use sops_document::age::{Recipient, RecipientError};

use super::people::{People, Scope, parse_recipient, roster_write, today};
use super::values::{beside_others, unless_outdated};
use super::verify::count;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::{PolicyFile, RuleAt};
use crate::ledger::short_key;
use crate::policy::config::Config;
use crate::policy::roster::RosterRow;
use crate::policy::{Holders, WhoError};
use crate::workspace::ROSTER;
use crate::workspace::history::KeyName;
use crate::workspace::wrap::{DataKeyChange, Rewrapped};

/// Let somebody read: policy, recipients.md and every governed file change together
///
/// The data key stays, so the newcomer can also open older versions that are in git; `--rotate`
/// gives each file a new one. A change that another tool left half done is finished.
#[derive(clap::Args)]
pub struct Args {
    /// The public key, `age1…`, or the name of one that .sops.yaml or recipients.md knows
    #[arg(value_name = "KEY")]
    recipient: String,
    /// Who that is, for recipients.md: `Ravi <ravi@example.com>`; of somebody who returns, as it
    /// was
    #[arg(long)]
    name: Option<String>,
    /// What for: owner, engineer, ci, …
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// In which key group of the rule, counted from 1; a rule of several groups needs it
    #[arg(long, value_name = "N")]
    group: Option<usize>,
    /// Also make new data keys, so that older versions stay closed
    #[arg(long)]
    rotate: bool,
    /// Show what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(mut self, ui: &Ui) -> Result<ExitCode, Failure> {
        beside_others(&mut || self.attempt(ui))
    }

    fn attempt(&mut self, ui: &Ui) -> Result<Option<ExitCode>, Failure> {
        let mut people = People::open_to_write(ui, &self.scope.files(), self.dry_run)?;
        let added = self.add(ui, &mut people);
        unless_outdated(&people.workspace, added)
    }

    /// `None`: somebody else wrote first.
    fn add(&mut self, ui: &Ui, people: &mut People) -> Result<Option<ExitCode>, Failure> {
        let parsed = self.recipient.parse::<Recipient>();
        let recipient = parsed.or_else(|error| self.known(people, &error))?;
        let key = recipient.as_str();
        let mut candidates = people.governing();
        if candidates.is_empty() {
            candidates = people.inventory.rules().collect();
        }
        let rules = people.rules(&self.scope, &candidates)?;
        self.remember(ui, people, key)?;
        let name = self
            .name
            .clone()
            .or_else(|| people.holders.name(key).map(str::to_owned));
        let after = policies_with(people, &rules, key, name.as_deref(), self.group)?;
        let mut writes = Vec::new();
        for (old, new) in people.inventory.policies.readable.iter().zip(&after) {
            if old.config.text() != new.text() {
                writes.push(people.workspace.plan(&old.path, new.text())?);
            }
        }
        writes.extend(self.row(people, &after, key, name)?);
        people.holders = Holders::over(&people.roster, &after);
        let planned = self.plan(people, &after, &rules, key)?;
        writes.extend(planned.iter().map(|file| file.write.clone()));
        writes.retain(|write| write.before.as_ref() != Some(&write.after));
        if writes.is_empty() {
            let (name, what) = (people.name(key), people.labels(&rules));
            ui.line(format!("{name} can already read {what}; nothing to do"));
            people.note_left_out(ui, key);
            return Ok(Some(ExitCode::SUCCESS));
        }
        if !self.dry_run && !people.workspace.save_unless_changed(&writes)? {
            return Ok(None);
        }
        self.tell(ui, people, &rules, &writes, &planned, key);
        people.warn_missing(
            ui,
            rules
                .iter()
                .map(|at| (*at, &after[at.policy].rules[at.rule])),
            key,
        );
        people.note_left_out(ui, key);
        if self.dry_run {
            ui.note("dry run: nothing was written");
            return Ok(Some(ExitCode::SUCCESS));
        }
        if !self.rotate {
            note_older_versions(ui, people, &planned, key)?;
        }
        let message = format!(
            "chore(secrets): add {} to {}",
            people.name(key),
            people.labels(&rules)
        );
        ui.next(&people.finish(ui, &writes, &message)?);
        Ok(Some(ExitCode::SUCCESS))
    }

    /// The key of somebody whom the policy or the table names already. What is neither key nor name
    /// may be a secret key by mistake, so it is not repeated.
    fn known(&self, people: &People, error: &RecipientError) -> Result<Recipient, Failure> {
        match people
            .holders
            .resolve(&self.recipient, people.holders.keys())
        {
            Ok(key) => parse_recipient(&key),
            Err(WhoError::Nobody(_)) => Err(Failure::usage(format!("KEY: {error}"))),
            Err(ambiguous) => Err(Failure::usage(ambiguous.to_string())),
        }
    }

    /// Name and role of somebody who was here before are those of then, unless others are given.
    fn remember(&mut self, ui: &Ui, people: &People, key: &str) -> Result<(), Failure> {
        if self.name.is_some() || people.holders.name(key).is_some() {
            return Ok(());
        }
        if let Some(KeyName { name, role, how }) = people.formerly(key)? {
            ui.note(format!(
                "{} is {name}, {how}; another name: --name NAME",
                short_key(key)
            ));
            self.name = Some(name);
            self.role.get_or_insert(role);
        }
        Ok(())
    }

    /// The row in recipients.md. A row that is there stays: `recipients --set-name` changes it.
    /// Where nothing is bound and there is no table, the name that the policy gives is enough.
    fn row(
        &self,
        people: &mut People,
        after: &[Config],
        key: &str,
        name: Option<String>,
    ) -> Result<Option<Write>, Failure> {
        if people.roster.get(key).is_some() {
            return Ok(None);
        }
        let name = name.ok_or_else(|| {
            Failure::usage("this key has no name in recipients.md yet")
                .hint("give one with --name NAME")
        })?;
        let has_table =
            people.workspace.read(ROSTER)?.is_some() || people.workspace.vault()?.is_some();
        let is_named = Holders::over(&people.roster, after).name(key).is_some();
        let role = self.role.clone().unwrap_or_default();
        if !has_table && is_named && role.is_empty() {
            return Ok(None);
        }
        let onboarded = people
            .since(key)
            .map_or_else(today, |since| since.date.clone());
        let row = RosterRow {
            recipient: key.to_owned(),
            name,
            role,
            onboarded,
        };
        people
            .roster
            .add_row(row)
            .map_err(|error| Failure::usage(error.to_string()))?;
        roster_write(&people.workspace, &people.roster).map(Some)
    }

    fn plan(
        &self,
        people: &People,
        after: &[Config],
        rules: &[RuleAt],
        key: &str,
    ) -> Result<Vec<Rewrapped>, Failure> {
        let keys = if self.rotate {
            DataKeyChange::New
        } else {
            DataKeyChange::Keep
        };
        let mut files = Vec::new();
        for at in rules {
            let rule = &after[at.policy].rules[at.rule];
            for file in people.governed(*at).filter(|file| !file.names(key)) {
                people.refuse_strangers(rule, file, "finish that removal first: ")?;
                files.push((file, people.readers(Some(rule), file, Some(key), None)));
            }
        }
        people.plan(rules, &files, keys)
    }

    fn tell(
        &self,
        ui: &Ui,
        people: &People,
        rules: &[RuleAt],
        writes: &[Write],
        planned: &[Rewrapped],
        key: &str,
    ) {
        let role = people
            .roster
            .get(key)
            .map_or("", |(_, row)| row.role.as_str());
        let role = if role.is_empty() {
            String::new()
        } else {
            format!(", {role}")
        };
        let values: usize = planned.iter().map(|file| file.values).sum();
        let (what, values) = (people.labels(rules), count(values, "key"));
        let name = people.name(key);
        if planned.is_empty() && people.rules_name(rules, key) {
            ui.mark(
                "+",
                format!("{name}{role}: a row in {ROSTER}; they read {what} as before"),
            );
        } else {
            ui.mark("+", format!("{name}{role}: can read {what} ({values})"));
        }
        for write in writes {
            let path = write.path.to_string_lossy();
            match planned.iter().find(|file| file.target.path == path) {
                Some(file) => {
                    let fresh = if self.rotate { "new data key, " } else { "" };
                    ui.mark(
                        "~",
                        format!(
                            "{path} ({fresh}wrapped to {})",
                            people.shorts(&file.readers)
                        ),
                    );
                }
                None => ui.mark("~", path),
            }
        }
    }
}

/// Every policy as it is with somebody more in some of its rules.
fn policies_with(
    people: &People,
    rules: &[RuleAt],
    key: &str,
    name: Option<&str>,
    group: Option<usize>,
) -> Result<Vec<Config>, Failure> {
    let one = |(policy, file): (usize, &PolicyFile)| {
        let own: Vec<usize> = rules
            .iter()
            .filter(|at| at.policy == policy)
            .map(|at| at.rule)
            .collect();
        let text = file.config.with_recipient_in(&own, key, name, group);
        let config = text.and_then(|text| Config::parse(&text).map(|(config, _)| config));
        config.map_err(|error| Failure::usage(format!("{}: {error}", file.path)))
    };
    people
        .inventory
        .policies
        .readable
        .iter()
        .enumerate()
        .map(one)
        .collect()
}

fn note_older_versions(
    ui: &Ui,
    people: &People,
    planned: &[Rewrapped],
    key: &str,
) -> Result<(), Failure> {
    let paths: Vec<&str> = planned
        .iter()
        .map(|file| file.target.path.as_str())
        .collect();
    let repo = people.workspace.repo()?;
    let walk = repo.changes_of(&repo.head_span()?, &paths)?;
    let oldest = paths.iter().filter_map(|path| walk.versions(path).last());
    let first = oldest
        .map(|(commit, _)| super::people::Since::from(commit))
        .min();
    if let Some(first) = first {
        let name = people.short(key);
        ui.note(format!(
            "the data key stays, so {name} can also open every older version since {} ({}); to prevent that: --rotate",
            first.commit, first.date
        ));
    }
    Ok(())
}
