//! `stax secrets list`

use std::process::ExitCode;

use serde_json::json;

use super::Which;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::sops::{Document, Token};

/// List names, types and lengths
///
/// Needs no key: they stand in the file for everybody.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct Row {
    key: String,
    kind: &'static str,
    bytes: usize,
    encrypted: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open()?;
        let rows = rows(&workspace.document(&target)?);
        if self.json {
            let values: Vec<_> = rows
                .iter()
                .map(|row| json!({"key": row.key, "type": row.kind, "bytes": row.bytes, "encrypted": row.encrypted}))
                .collect();
            ui.json(&json!({"schema": 1, "file": target.path, "env": target.env, "values": values}))?;
            return Ok(ExitCode::SUCCESS);
        }
        let width = rows.iter().map(|row| row.key.chars().count()).max().unwrap_or(0);
        for row in &rows {
            let clear = if row.encrypted || row.bytes == 0 { "" } else { "  in clear" };
            ui.line(format!("{:width$}  {:5}  {:>5} B{clear}", row.key, row.kind, row.bytes));
        }
        if rows.is_empty() {
            ui.note(format!("{} holds no values", target.path));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rows(document: &Document) -> Vec<Row> {
    let leaves = document.tree().leaves();
    let row = |(path, _, leaf): &(crate::sops::Path, _, &crate::sops::tree::Leaf)| {
        let key = path.to_string();
        match leaf.scalar.as_text().map(Token::parse) {
            Some(Ok(token)) => Row { key, kind: token.kind.name(), bytes: token.data.len(), encrypted: true },
            _ => {
                let bytes = leaf.scalar.plaintext().unwrap_or_default().len();
                Row { key, kind: leaf.scalar.type_name(), bytes, encrypted: false }
            }
        }
    };
    leaves.iter().map(row).collect()
}
