//! `stax secrets status`

mod unbound;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::clone::{on_path, stranger, unguarded};
use super::install;
use super::install::hooks::{Hook, Hooks};
use super::install::versions::InstalledVersions;
use super::interrupted;
use super::resolve;
use crate::cli::failure::{Failure, mend_source};
use crate::cli::ui::Ui;
use crate::disk::Interrupted;
use crate::inventory::{Extent, Inventory, TreeSource};
use crate::keyring::{IDENTITY_VARIABLES, OpenFile, SourceName, Tried};
use crate::process;
use crate::repo::Repo;
use crate::verify::Severity;
use crate::verify::facts::SwitchedOff;
use crate::verify::{self, Looked, Verdict};
use crate::workspace::settings::Unheard;
use crate::workspace::{Caller, Target, VAULT, Workspace};
use unbound::{KeysAndReaders, Unbound};

/// sops needs some 80 ms; a wrapper that asks the network does not hold us up.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is set up here and what to do next
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Run the `sops` of the PATH to tell its version
    #[arg(long)]
    versions: bool,
}

/// One bound file.
struct Bound {
    path: String,
    env: String,
    content: KeysAndReaders,
    is_open: bool,
    has_attribute: bool,
}

struct StatusReport {
    /// The sops of the `PATH`, and its version where that was asked.
    sops: Option<(String, Option<String>)>,
    identity: Option<(SourceName, Vec<String>)>,
    /// Sources that are there and hold no key.
    broken: Vec<Tried>,
    /// Key files that others may read.
    open_files: Vec<OpenFile>,
    /// Where identities are looked for.
    places: String,
    /// `None`: no `.stax/vault.json`.
    bound: Result<Option<Vec<Bound>>, String>,
    /// `Err`: why nobody could look for them.
    unbound: Result<Vec<Unbound>, String>,
    /// A change that a crash cut off, or why that is unknown.
    interrupted: Result<Option<Interrupted>, String>,
    has_driver: bool,
    has_merge_driver: bool,
    versions: InstalledVersions,
    /// The program that `git diff` runs for every file instead of a driver.
    external_diff: Option<String>,
    has_guard: bool,
    /// Secret files that are not bound, without the drivers' attributes, and how many secret files
    /// there are.
    unmarked: (usize, usize),
    /// Bound files that it does not see, and why.
    unguarded: Vec<(String, Option<SwitchedOff>)>,
    /// What answers to `stax` on the `PATH` and is none.
    stranger: Option<String>,
    hooks: Hooks,
    /// Settings of the repository that do not count, and the commands that say the same.
    unheard: Result<Vec<Unheard>, String>,
    /// Secret files in conflict, and whose values they hold.
    conflicts: Vec<String>,
    /// What verify says, or why it could not run.
    verdict: Result<Verdict, String>,
}

/// The SOPS files of the work tree, for all that is told of them here.
fn look(workspace: &Workspace) -> Result<Inventory, String> {
    let tree = workspace
        .tree(TreeSource::WorkTree)
        .map_err(|error| error.to_string())?;
    tree.inventory(Extent {
        is_whole: true,
        ..Extent::default()
    })
    .map_err(|error| error.to_string())
}

/// Where nothing is bound: how many secret files the drivers do not get, and how many there are.
fn unmarked(repo: &Repo, inventory: &Inventory) -> Result<(usize, usize), Failure> {
    let paths = inventory.files.iter().map(|file| file.target.path.clone());
    Ok((
        install::unmarked::among(repo, paths)?.len(),
        inventory.files.len(),
    ))
}

/// git-config(1), `diff.external`: the variable wins.
fn external_diff(repo: &Repo) -> Result<Option<String>, Failure> {
    let named = match std::env::var_os("GIT_EXTERNAL_DIFF") {
        Some(program) => Some(program.to_string_lossy().into_owned()),
        None => repo.config_string("diff.external")?,
    };
    Ok(named.filter(|program| !program.is_empty()))
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(None, Caller::Person)?;
        let report = StatusReport::of(&workspace, self.versions)?;
        if self.json {
            ui.json(&report.json())?;
        } else {
            report.print(ui);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl StatusReport {
    fn of(workspace: &Workspace, versions: bool) -> Result<Self, Failure> {
        let identity = workspace.keyring.first_source();
        let broken = if identity.is_some() {
            Vec::new()
        } else {
            workspace.keyring.survey()
        };
        let bound = match workspace.vault() {
            Ok(vault) => Ok(vault.map(|vault| {
                vault
                    .files
                    .into_iter()
                    .map(|file| Bound::of(workspace, file.path, file.env))
                    .collect()
            })),
            Err(error) => Err(error.to_string()),
        };
        let inventory = look(workspace);
        let unmarked = match (&bound, &inventory) {
            (Ok(None), Ok(inventory)) => unmarked(workspace.repo()?, inventory)?,
            _ => (0, 0),
        };
        let unbound = inventory.map(|inventory| unbound::of(&inventory, &workspace.holders()));
        let (has_driver, has_merge_driver, hooks) = install::state(workspace.repo()?)?;
        let files = bound.iter().flatten().flatten();
        let unguarded = unguarded(
            workspace.repo()?,
            files.map(|file: &Bound| file.path.as_str()),
        )?;
        Ok(Self {
            sops: real_sops(versions),
            identity: identity
                .map(|(source, keys)| (source, keys.iter().map(ToString::to_string).collect())),
            broken,
            open_files: workspace.keyring.open_files(),
            places: places(workspace),
            bound,
            unbound,
            interrupted: workspace.interrupted().map_err(|error| error.to_string()),
            has_driver,
            has_merge_driver,
            versions: InstalledVersions::of(workspace.repo()?)?,
            external_diff: external_diff(workspace.repo()?)?,
            unmarked,
            has_guard: install::guard::is_installed(workspace.repo()?)?,
            unguarded,
            stranger: stranger(),
            hooks,
            unheard: workspace.unheard().map_err(|error| error.to_string()),
            conflicts: conflicts(workspace)?,
            // last: a thread judges, and nothing else reads the repository meanwhile
            verdict: verify::verdict(verify::PATIENCE, None).map_err(|failure| failure.to_string()),
        })
    }

    fn print(&self, ui: &Ui) {
        let sops = match &self.sops {
            Some((path, version)) => {
                let version = version
                    .as_ref()
                    .map(|version| format!(" {version}"))
                    .unwrap_or_default();
                format!("; {path}{version} (not needed)")
            }
            None => String::new(),
        };
        ui.mark("✓", format!("SOPS: built in (format 3.11){sops}"));
        match &self.identity {
            Some((source, keys)) => {
                ui.mark("✓", format!("Identity source: {}", source_text(source)));
                keys.iter().for_each(|key| ui.line(format!("  • {key}")));
            }
            None => ui.mark("✗", format!("Identity source: none in {}", self.places)),
        }
        self.open_files
            .iter()
            .for_each(|open| ui.mark_line("!", open.to_string()));
        for Tried { source, outcome } in &self.broken {
            if let Err(error) = outcome {
                ui.line(format!("  • {source} {error}"));
            }
        }
        match &self.bound {
            Ok(Some(files)) => {
                ui.mark("✓", format!("Canonical source: git ({VAULT})"));
                files
                    .iter()
                    .for_each(|file| ui.line(format!("  • {}", file.text())));
            }
            Ok(None) => ui.mark(
                "✗",
                format!("Canonical source: no {VAULT}, so no environment is bound"),
            ),
            Err(error) => ui.mark("✗", format!("Canonical source: {error}")),
        }
        match &self.unbound {
            Ok(files) => unbound::print(ui, files),
            // the bindings cannot be read, and the line above says so
            Err(_) if self.bound.is_err() => {}
            Err(error) => ui.mark(
                "✗",
                format!("other SOPS files: nobody could look for them: {error}"),
            ),
        }
        match &self.interrupted {
            Ok(None) => {}
            Ok(Some(found)) => {
                let (what, then) = (interrupted::text(found), interrupted::outcome(found));
                ui.mark_line("✗", format!("Interrupted: {what}; {then}"));
            }
            Err(error) => ui.mark_line(
                "✗",
                format!("Interrupted: whether a command was cut off is unknown: {error}"),
            ),
        }
        self.print_git(ui);
        self.conflicts
            .iter()
            .for_each(|conflict| ui.mark_line("✗", conflict));
        self.print_verdict(ui);
        ui.next(&self.next());
    }

    fn print_verdict(&self, ui: &Ui) {
        match &self.verdict {
            Ok(verdict) => {
                let (mark, line) = verdict.line();
                ui.mark_line(mark, line);
            }
            Err(error) => ui.mark("✗", format!("verify: could not run: {error}")),
        }
    }

    fn print_git(&self, ui: &Ui) {
        let (driver, diff) = match (self.has_driver, self.has_merge_driver) {
            (true, true) => ("diff and merge drivers", ""),
            (true, false) => (
                "diff driver, no merge driver",
                "; `git merge` leaves a wrong MAC",
            ),
            (false, _) => ("no drivers", "; `git diff` shows ciphertext"),
        };
        let guard = if self.has_guard { ", guard" } else { "" };
        let (hooks, unchecked) = (hooks_text(&self.hooks), self.hooks.gaps());
        let gap = if unchecked.is_empty() {
            String::new()
        } else {
            format!("; {}", unchecked.join(", "))
        };
        let mark = if diff.is_empty() && gap.is_empty() {
            "✓"
        } else {
            "✗"
        };
        ui.mark(
            mark,
            format!("git: {driver}{guard}, {hooks} in this clone{diff}{gap}"),
        );
        if let (true, Some(program)) = (self.has_driver, &self.external_diff) {
            let line = format!(
                "diff: {program} is shown instead of the driver; with it: git diff --no-ext-diff"
            );
            ui.mark_line("✗", line);
        }
        if let Some(text) = self.versions.text() {
            ui.mark("✗", format!("git: {text}"));
        }
        if let Some(path) = &self.stranger {
            ui.mark(
                "✗",
                format!("PATH: {path} is another program; git calls this stax by its whole path"),
            );
        }
        if let Err(error) = &self.unheard {
            ui.mark_line("✗", format!("what you allow here is not known: {error}"));
        }
        self.unheard
            .iter()
            .flatten()
            .for_each(|line| ui.mark_line("✗", line.to_string()));
        for (path, cause) in &self.unguarded {
            let end = cause.as_ref().map_or_else(
                || "; stax secrets install --guard".to_owned(),
                |cause| format!(": line {} of {} decides", cause.line, cause.file),
            );
            ui.mark_line("✗", format!("guard: it does not see {path}{end}"));
        }
        if let (true, (found @ 1.., all)) = (self.has_driver, self.unmarked) {
            ui.mark(
                "✗",
                format!(".gitattributes: {}", install::unmarked::said(found, all)),
            );
        }
        for file in self.files().iter().filter(|file| !file.has_attribute) {
            ui.mark(
                "✗",
                format!(".gitattributes does not give diff=stax to {}", file.path),
            );
        }
    }

    fn files(&self) -> &[Bound] {
        self.bound
            .as_ref()
            .ok()
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }

    fn next(&self) -> Vec<String> {
        let mut next = Vec::new();
        if matches!(self.interrupted, Ok(Some(_))) {
            next.push(format!(
                "{}     # finishes what was cut off",
                interrupted::FINISH
            ));
        }
        if matches!(self.bound, Ok(None)) {
            next.push("stax secrets init --env production".to_owned());
        }
        if !self.has_driver
            || !self.has_merge_driver
            || self.versions.is_older()
            || self
                .hooks
                .found
                .iter()
                .any(|(_, hook)| hook.is_for_install())
        {
            next.push("stax secrets install     # drivers and hooks".to_owned());
        }
        if self.unmarked.0 > 0 {
            next.push("stax secrets install     # prints the lines for .gitattributes".to_owned());
        }
        if !self.hooks.foreign().is_empty() {
            next.push(
                "stax secrets install     # prints what to add to the hooks of others".to_owned(),
            );
        }
        next.dedup_by_key(|line| line.split('#').next().map(str::to_owned));
        if self
            .verdict
            .as_ref()
            .is_ok_and(|verdict| !matches!(verdict.line().0, "✓"))
        {
            next.push("stax secrets verify".to_owned());
        }
        let reader = |file: &Bound| {
            file.content
                .as_ref()
                .ok()
                .and_then(|(_, readers)| readers.first().cloned())
        };
        let Some((_, keys)) = &self.identity else {
            let reader = self
                .files()
                .iter()
                .find_map(reader)
                .unwrap_or_else(|| "a reader".to_owned());
            let make = format!(
                "stax secrets keygen      # then send the age1… line it prints to {reader}"
            );
            next.push(mend_source(&self.broken).unwrap_or(make));
            return next;
        };
        for file in self
            .files()
            .iter()
            .filter(|file| file.content.is_ok() && !file.is_open)
        {
            let (Some(reader), Some(key)) = (reader(file), keys.first()) else {
                continue;
            };
            next.push(format!(
                "ask {reader} to run: stax secrets add-recipient {key} --name … --role … -e {}",
                file.env
            ));
        }
        next
    }

    fn json(&self) -> Value {
        let files: Vec<Value> = self.files().iter().map(Bound::json).collect();
        let hooks: serde_json::Map<String, Value> = self
            .hooks
            .found
            .iter()
            .map(|(name, hook)| (name.text().to_owned(), hook.word().into()))
            .collect();
        // null where nobody could look
        let unheard: Option<Vec<Value>> = self.unheard.as_ref().ok().map(|lines| {
            lines
                .iter()
                .map(|line| json!({"setting": line.setting(), "command": line.command()}))
                .collect()
        });
        let unguarded: Vec<&String> = self.unguarded.iter().map(|(path, _)| path).collect();
        json!({
            "schema": 1,
            "sops": {
                "format": "3.11",
                "external": self.sops.as_ref().map(|(path, version)| json!({"path": path, "version": version})),
            },
            "identity": self.identity.as_ref().map(|(source, keys)| {
                json!({"source": source.to_string(), "recipients": keys})
            }),
            "canonical": {
                "source": matches!(self.bound, Ok(Some(_))).then_some(VAULT),
                "error": self.bound.as_ref().err(),
                "files": files,
            },
            "unbound": self.unbound.iter().flatten().map(Unbound::json).collect::<Vec<_>>(),
            "interrupted": self.interrupted.as_ref().ok().and_then(Option::as_ref).map(interrupted::json),
            "verify": self.verdict.as_ref().ok().map(verdict_json),
            "conflicts": self.conflicts,
            "stranger": self.stranger,
            "unheard": unheard,
            "git": {"diff_driver": self.has_driver, "merge_driver": self.has_merge_driver, "guard": self.has_guard, "unguarded": unguarded, "hooks": hooks, "older": self.versions.older()},
            "next": self.next(),
        })
    }
}

impl Bound {
    fn of(workspace: &Workspace, path: String, env: String) -> Self {
        let target = Target {
            path,
            env: Some(env.clone()),
        };
        let document = workspace.document(&target);
        let is_open = document
            .as_ref()
            .is_ok_and(|document| workspace.unlock(&target, document).is_ok());
        let content = match &document {
            Ok(document) => Ok((document.tree().leaves().len(), workspace.names(document))),
            Err(error) => Err(error.to_string()),
        };
        let gets_driver = |repo| Repo::is_for_stax(repo, &target.path, "diff").unwrap_or(false);
        let has_attribute = workspace.repo().is_ok_and(gets_driver);
        Self {
            path: target.path,
            env,
            content,
            is_open,
            has_attribute,
        }
    }

    fn text(&self) -> String {
        unbound::line(&self.path, &format!("env={}", self.env), &self.content)
    }

    fn json(&self) -> Value {
        let content = self.content.as_ref().ok();
        json!({
            "path": self.path,
            "env": self.env,
            "keys": content.map(|(keys, _)| keys),
            "readers": content.map(|(_, readers)| readers),
            "opens": self.is_open,
            "diff_attribute": self.has_attribute,
            "error": self.content.as_ref().err(),
        })
    }
}

/// Each secret file in conflict, and whose values it holds meanwhile.
fn conflicts(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    for (path, _) in resolve::state::files(workspace)? {
        let text = workspace
            .read_text(&path)
            .ok()
            .flatten()
            .unwrap_or_default();
        told.push(
            resolve::whose::conflict(workspace.repo()?, &path, &text).unwrap_or_else(|| {
                format!(
                    "{path} is in conflict, until: stax secrets resolve {}",
                    shell_words::quote(&path)
                )
            }),
        );
    }
    Ok(told)
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({
        "errors": verdict.number(Severity::Error),
        "warnings": verdict.number(Severity::Warning),
        "notices": verdict.number(Severity::Notice),
        "files": verdict.files,
        "keyless": verdict.opened.files == 0,
        "checked_with_key": verdict.opened.checked,
        "history": match verdict.history {
            Looked::Whole => "whole",
            Looked::Partly => "partial",
            Looked::NotAtAll => "not looked at",
        },
    })
}

/// `hooks pre-commit, pre-push; old: commit-msg`
fn hooks_text(hooks: &Hooks) -> String {
    if hooks.found.iter().all(|(_, hook)| *hook == Hook::Absent) {
        return "no hooks".to_owned();
    }
    let kinds: [(&str, Hook); 6] = [
        ("hooks", Hook::Installed),
        ("a block in your hooks", Hook::Inserted),
        ("called by your hooks", Hook::Chained),
        ("of another stax: hooks", Hook::Outdated),
        ("of a newer stax: hooks", Hook::Newer),
        ("missing: hooks", Hook::Absent),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (what, kind) in kinds {
        let names = hooks.listed(|hook| *hook == kind);
        if !names.is_empty() {
            parts.push(format!("{what} {names}"));
        }
    }
    parts.extend(
        hooks
            .foreign()
            .iter()
            .map(|path| format!("{} does not call stax", path.display())),
    );
    parts.join(", ")
}

fn source_text(source: &SourceName) -> String {
    match source {
        SourceName::StandardFile(path) => format!("file {path}"),
        SourceName::VariableFile(path) => format!("file {path} (SOPS_AGE_KEY_FILE)"),
        SourceName::Variable | SourceName::Command => source.to_string(),
    }
}

fn places(workspace: &Workspace) -> String {
    let mut places = vec![
        "SOPS_AGE_KEY".to_owned(),
        "SOPS_AGE_KEY_FILE".to_owned(),
        "SOPS_AGE_KEY_CMD".to_owned(),
    ];
    if let Some(file) = workspace.keyring.standard_file() {
        let home = std::env::var_os("HOME");
        let below = home
            .as_deref()
            .and_then(|home| file.strip_prefix(Path::new(home)).ok());
        places.push(below.map_or_else(
            || file.display().to_string(),
            |rest| format!("~/{}", rest.display()),
        ));
    }
    places.join(", ")
}

/// The sops of `PATH`; it is started only for its version, when somebody asks for that.
fn real_sops(versions: bool) -> Option<(String, Option<String>)> {
    let program = on_path("sops")?.to_str()?.to_owned();
    let version = if versions { version(&program) } else { None };
    Some((program, version))
}

fn version(program: &str) -> Option<String> {
    let argv = [program, "--version", "--disable-version-check"].map(str::to_owned);
    let environment = process::ChildEnvironment {
        add: &[],
        remove: IDENTITY_VARIABLES,
    };
    let output = process::run_command(&argv, Path::new("/"), environment, PATIENCE).ok();
    let output = output.filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(
        text.lines()
            .next()?
            .strip_prefix("sops ")?
            .split(' ')
            .next()?
            .to_owned(),
    )
}
