//! `stax secrets compare`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use sops_document::compare::{SeenValue, values};

use super::verify::count;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::workspace::{Caller, Target, Workspace, WorkspaceError};

/// Which keys two environments have, and whether they share a value
///
/// Lists the keys that only one of them has (`-` and `+`), keys with different types (`~`), and,
/// when a key at hand opens both without asking, the names of the keys with the same value in both
/// (`=`): a production value in development is worth knowing. It prints names and types, never a
/// value.
///
/// An operand is the name of a bound environment, or a file where it holds a `/` or exists as one.
///
/// Exit codes: 0 both have the same keys, 1 one lacks a key of the other, 2 usage, 4 a file does
/// not authenticate.
#[derive(clap::Args)]
pub struct Args {
    /// Two environments or files
    #[arg(value_name = "ENV", num_args = 0..=2)]
    operands: Vec<String>,
    /// A SOPS file in the place of an environment
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Use no key
    #[arg(long)]
    keyless: bool,
}

/// One of the two.
struct ComparedFile {
    /// As the user would call it.
    name: String,
    path: String,
    values: BTreeMap<String, SeenValue>,
    is_open: bool,
}

/// What there is to say, by name.
#[derive(Default)]
struct ComparedKeys<'a> {
    only_left: Vec<&'a str>,
    only_right: Vec<&'a str>,
    /// With both types.
    types: Vec<(&'a str, &'static str, &'static str)>,
    /// `None`: nobody can tell.
    same: Option<Vec<&'a str>>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, [left, right]) = self.targets()?;
        if left == right {
            return Err(Failure::usage(format!("both are {}", left.path)));
        }
        let (left, right) = (
            self.side(&workspace, &left)?,
            self.side(&workspace, &right)?,
        );
        let report = report(&left, &right);
        if self.json {
            ui.json(&report.json(&left, &right))?;
        } else {
            report.print(&left, &right, ui);
        }
        let is_complete = report.only_left.is_empty() && report.only_right.is_empty();
        Ok(if is_complete {
            ExitCode::SUCCESS
        } else {
            Exit::No.into()
        })
    }

    /// Both operands, the environments first.
    fn targets(&self) -> Result<(Workspace, [Target; 2]), Failure> {
        if self.operands.len() + self.file.len() != 2 {
            return Err(Failure::usage("compare takes two environments or files")
                .hint("stax secrets compare production development"));
        }
        let first = self.file.first().map(PathBuf::as_path);
        let is_path = |operand: &String| operand.contains('/') || Path::new(operand).is_file();
        let first = first.or_else(|| self.operands.iter().find(|one| is_path(one)).map(Path::new));
        let workspace = match Workspace::open(None, Caller::Git) {
            Err(WorkspaceError::Repo(crate::repo::RepoError::NotARepository(_)))
                if first.is_some() =>
            {
                Workspace::open(first, Caller::Git)?
            }
            opened => opened?,
        };
        let bound = |name: &str| {
            let vault = workspace.vault().ok().flatten();
            vault.is_some_and(|vault| vault.file_for_env(name).is_some())
        };
        let operand = |operand: &String| {
            let is_file =
                operand.contains('/') || (!bound(operand) && Path::new(operand).is_file());
            let (env, file) = if is_file {
                (None, Some(Path::new(operand)))
            } else {
                (Some(operand.as_str()), None)
            };
            workspace.target(env, file)
        };
        let files = self
            .file
            .iter()
            .map(|file| workspace.target(None, Some(file)));
        let targets: Vec<Target> = self
            .operands
            .iter()
            .map(operand)
            .chain(files)
            .collect::<Result<_, _>>()?;
        let pair = <[Target; 2]>::try_from(targets)
            .map_err(|_| Failure::usage("two operands are needed"))?;
        Ok((workspace, pair))
    }

    fn side(&self, workspace: &Workspace, target: &Target) -> Result<ComparedFile, Failure> {
        let document = workspace.document(target)?;
        let key = if self.keyless {
            None
        } else {
            workspace.unlock(target, &document).ok()
        };
        let name = target.env.clone().unwrap_or_else(|| target.path.clone());
        let (path, is_open) = (target.path.clone(), key.is_some());
        let values = match key {
            None => values(document.tree()),
            Some(key) => {
                let opened = document.open(&key);
                let clear = opened.map_err(|fault| WorkspaceError::Integrity {
                    path: path.clone(),
                    fault,
                    has_plaintext: document.has_plaintext(),
                })?;
                values(clear.tree())
            }
        };
        Ok(ComparedFile {
            name,
            path,
            values,
            is_open,
        })
    }
}

fn report<'a>(left: &'a ComparedFile, right: &'a ComparedFile) -> ComparedKeys<'a> {
    let only = |side: &'a ComparedFile, other: &ComparedFile| -> Vec<&'a str> {
        side.values
            .keys()
            .filter(|key| !other.values.contains_key(*key))
            .map(String::as_str)
            .collect()
    };
    let both: Vec<(&str, &SeenValue, &SeenValue)> = left
        .values
        .iter()
        .filter_map(|(key, one)| Some((key.as_str(), one, right.values.get(key)?)))
        .collect();
    let is_same = |one: &SeenValue, other: &SeenValue| {
        let plain = |known: &SeenValue| {
            known
                .scalar
                .as_ref()?
                .plaintext()
                .filter(|plain| !plain.is_empty())
        };
        plain(one).is_some_and(|value| plain(other).is_some_and(|other| other == value))
    };
    let types = both
        .iter()
        .filter(|(_, one, other)| one.kind() != other.kind());
    let same = both
        .iter()
        .filter(|(_, one, other)| is_same(one, other))
        .map(|(key, ..)| *key);
    ComparedKeys {
        only_left: only(left, right),
        only_right: only(right, left),
        types: types
            .map(|(key, one, other)| (*key, one.kind(), other.kind()))
            .collect(),
        same: (left.is_open && right.is_open).then(|| same.collect()),
    }
}

impl ComparedKeys<'_> {
    fn print(&self, left: &ComparedFile, right: &ComparedFile, ui: &Ui) {
        let types = self.types.iter().map(|(key, ..)| *key);
        let same = self.same.iter().flatten().copied();
        let named: BTreeSet<&str> = self
            .only_left
            .iter()
            .chain(&self.only_right)
            .copied()
            .chain(types)
            .chain(same)
            .collect();
        let width = named
            .iter()
            .map(|key| key.chars().count())
            .max()
            .unwrap_or(0);
        for side in [left, right] {
            let place = if side.name == side.path {
                String::new()
            } else {
                format!("  {}", side.path)
            };
            ui.one_line(format!(
                "{}{place}: {}",
                side.name,
                count(side.values.len(), "key")
            ));
        }
        for (mark, keys, side) in [("-", &self.only_left, left), ("+", &self.only_right, right)] {
            for key in keys {
                let known = side
                    .values
                    .get(*key)
                    .map(|known| format!("{} {}B", known.kind(), known.bytes()));
                let shape = known.unwrap_or_default();
                ui.mark_line(
                    mark,
                    format!("{key:width$}  only in {}  ({shape})", side.name),
                );
            }
        }
        for (key, one, other) in &self.types {
            ui.mark_line(
                "~",
                format!(
                    "{key:width$}  {one} in {}, {other} in {}",
                    left.name, right.name
                ),
            );
        }
        for key in self.same.iter().flatten() {
            ui.mark_line("=", format!("{key:width$}  same value in both"));
        }
        if named.is_empty() {
            ui.line("no difference in names and types");
        }
        if self.same.is_none() {
            ui.note(
                "no key was used for both files, so nobody can tell whether they share a value",
            );
        }
    }

    fn json(&self, left: &ComparedFile, right: &ComparedFile) -> serde_json::Value {
        let side = |side: &ComparedFile, only: &[&str]| {
            json!({"name": side.name, "file": side.path, "keys": side.values.len(),
                   "opened": side.is_open, "only_here": only})
        };
        let types: Vec<_> = self
            .types
            .iter()
            .map(|(key, one, other)| json!({"key": key, "left": one, "right": other}))
            .collect();
        json!({
            "schema": 1, "left": side(left, &self.only_left), "right": side(right, &self.only_right),
            "types_differ": types, "same_value": self.same,
        })
    }
}
