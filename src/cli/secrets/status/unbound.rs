//! The SOPS files that no environment is bound to.

use serde_json::{Value, json};

use crate::cli::ui::Ui;
use crate::inventory::{GitState, Inventory};
use crate::policy::Holders;

/// More lines than these nobody reads; `--json` has them all.
const SHOWN: usize = 20;

/// How many keys a file has, and who reads it; else why that is unknown.
pub(super) type KeysAndReaders = Result<(usize, Vec<String>), String>;

pub(super) struct Unbound {
    path: String,
    /// `None` where the file cannot be read.
    state: Option<GitState>,
    content: KeysAndReaders,
}

pub(super) fn of(inventory: &Inventory, holders: &Holders) -> Vec<Unbound> {
    let mut found = Vec::new();
    for file in inventory
        .files
        .iter()
        .filter(|file| file.target.env.is_none())
    {
        let name = |key: &str| holders.name(key).unwrap_or(key).to_owned();
        let readers = file
            .readers()
            .iter()
            .map(|reader| name(&reader.key))
            .collect();
        let content = Ok((file.document.tree().leaves().len(), readers));
        found.push(Unbound {
            path: file.target.path.clone(),
            state: Some(file.state),
            content,
        });
    }
    for obstacle in inventory
        .obstacles
        .iter()
        .filter(|obstacle| obstacle.env.is_none())
    {
        let content = Err(obstacle.cause.to_string());
        found.push(Unbound {
            path: obstacle.path.clone(),
            state: None,
            content,
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

pub(super) fn print(ui: &Ui, files: &[Unbound]) {
    for file in files.iter().take(SHOWN) {
        let state = if file.state == Some(GitState::Untracked) {
            ", not in git"
        } else {
            ""
        };
        ui.line(format!(
            "  • {}",
            line(&file.path, &format!("not bound{state}"), &file.content)
        ));
    }
    if files.len() > SHOWN {
        ui.line(format!(
            "  • {} more [not bound]: stax secrets status --json",
            files.len() - SHOWN
        ));
    }
}

/// `prod.enc.yaml [env=production]  2 keys, readable by Ana, CI`
pub(super) fn line(path: &str, mark: &str, content: &KeysAndReaders) -> String {
    let start = format!("{path} [{mark}]");
    match content {
        Ok((keys, readers)) => {
            let plural = if *keys == 1 { "" } else { "s" };
            let names: Vec<&str> = readers
                .iter()
                .map(|name| name.split(" <").next().unwrap_or(name))
                .collect();
            format!(
                "{start}  {keys} key{plural}, readable by {}",
                names.join(", ")
            )
        }
        Err(error) => format!("{start}  {error}"),
    }
}

impl Unbound {
    pub(super) fn json(&self) -> Value {
        let content = self.content.as_ref().ok();
        let state = self.state.map(|state| {
            if state == GitState::Tracked {
                "tracked"
            } else {
                "untracked"
            }
        });
        json!({
            "path": self.path,
            "state": state,
            "keys": content.map(|(keys, _)| keys),
            "readers": content.map(|(_, readers)| readers),
            "error": self.content.as_ref().err(),
        })
    }
}
