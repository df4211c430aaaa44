//! `stax secrets list`

use std::process::ExitCode;

use serde_json::json;
use sops_document::{Document, Token};

use super::ledger::{KeyUse, note_depth, warn_gaps};
use super::{Which, WhichFile};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::ledger::Origin;
use crate::workspace::{Target, Workspace};

/// List names, types and lengths
///
/// Needs no key: they stand in the file for everybody.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: WhichFile,
    /// Since when each value is what it is, by the commit log
    #[arg(long)]
    age: bool,
    #[command(flatten)]
    keys: KeyUse,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct ListedKey {
    key: String,
    kind: &'static str,
    bytes: usize,
    encrypted: bool,
    age: Option<Age>,
}

/// When a value was set.
struct Age {
    /// Of the commit; nothing where it is not committed yet.
    set: Option<(i64, String)>,
    /// It was encrypted anew since, and only a key can tell whether it changed.
    unsure: Option<(i64, String)>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let which = self.which.into_which();
        let (workspace, target) = which.open()?;
        let mut rows = rows(&workspace.document(&target)?);
        if self.age {
            add_ages(ui, &which, &self.keys, &target, &mut rows)?;
        }
        if self.json {
            let values: Vec<_> = rows
                .iter()
                .map(|row| {
                    let mut value = json!({"key": row.key, "type": row.kind, "bytes": row.bytes, "encrypted": row.encrypted});
                    if let Some(age) = &row.age {
                        let at = |set: &Option<(i64, String)>| set.as_ref().map(|(time, commit)| json!({"time": time, "commit": commit}));
                        value["set"] = at(&age.set).into();
                        value["unsure_since"] = at(&age.unsure).into();
                    }
                    value
                })
                .collect();
            ui.json(
                &json!({"schema": 1, "file": target.path, "env": target.env, "values": values}),
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let width = rows
            .iter()
            .map(|row| row.key.chars().count())
            .max()
            .unwrap_or(0);
        for row in &rows {
            let clear = if row.encrypted || row.bytes == 0 {
                ""
            } else {
                "  in clear"
            };
            let age = row
                .age
                .as_ref()
                .map_or_else(String::new, |age| format!("  {}", age.told()));
            ui.one_line(format!(
                "{:width$}  {:5}  {:>5} B{clear}{age}",
                row.key, row.kind, row.bytes
            ));
        }
        if rows.is_empty() {
            ui.note(format!("{} holds no values", target.path));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn add_ages(
    ui: &Ui,
    which: &Which,
    keys: &KeyUse,
    target: &Target,
    rows: &mut [ListedKey],
) -> Result<(), Failure> {
    let workspace = Workspace::open(which.file.as_deref(), keys.caller())?;
    let register = workspace.register_of(target, keys.depth())?;
    warn_gaps(ui, &register.history);
    let found = register.blame_of_today(&target.path);
    let at = |origin: &Origin| (origin.seconds, origin.short().to_owned());
    for row in rows {
        let blame = found
            .iter()
            .find(|(key, _)| *key == row.key)
            .map(|(_, blame)| *blame);
        row.age = blame.map(|blame| Age {
            set: blame.map(|blame| at(blame.origin)),
            unsure: blame
                .and_then(|blame| blame.unsure)
                .map(|origin| at(origin)),
        });
    }
    let has_doubts = found
        .iter()
        .any(|(_, blame)| blame.is_some_and(|blame| blame.unsure.is_some()));
    note_depth(ui, &register, has_doubts);
    Ok(())
}

impl Age {
    /// `  12 d  77ab01c`; `12 to 40 d` where only a key can tell more
    fn told(&self) -> String {
        let now = jiff::Timestamp::now().as_second();
        let days = |time: i64| now.saturating_sub(time).max(0) / 86_400;
        match (&self.set, &self.unsure) {
            (None, _) => "not committed".to_owned(),
            (Some((time, commit)), None) => format!("{:>4} d  {commit}", days(*time)),
            (Some((time, commit)), Some((later, other))) => {
                format!("{} to {} d  {other} or {commit}", days(*later), days(*time))
            }
        }
    }
}

fn rows(document: &Document) -> Vec<ListedKey> {
    let row = |(key, leaf): (String, &sops_document::tree::Leaf)| match leaf
        .scalar
        .as_text()
        .map(Token::parse)
    {
        Some(Ok(token)) => ListedKey {
            key,
            kind: token.kind.name(),
            bytes: token.data.len(),
            encrypted: true,
            age: None,
        },
        _ => {
            let bytes = leaf.scalar.plaintext().unwrap_or_default().len();
            ListedKey {
                key,
                kind: leaf.scalar.type_name(),
                bytes,
                encrypted: false,
                age: None,
            }
        }
    };
    crate::ledger::named_leaves(document).map(row).collect()
}
