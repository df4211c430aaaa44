//! `stax secrets uninstall`: takes out of this clone what `install` put there.

use std::path::Path;
use std::process::ExitCode;

use super::install::config::Local;
use super::install::hooks::{Hooks, Removed};
use super::install::texts::Driver;
use super::install::{self, global, guard};
use super::interrupted;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::{Caller, Workspace};

/// Take the drivers and hooks out of this clone again
///
/// Hooks of others get back every byte. The secrets, the files of the repository and the `stax.*`
/// settings stay; nothing is checked any more.
#[derive(clap::Args)]
pub struct Args {
    /// What `install --global` wrote, and nothing of this clone
    #[arg(long)]
    global: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if self.global {
            let removed = global::uninstall(ui)?;
            for what in &removed {
                ui.line(format!("removed    {what}"));
            }
            if removed.is_empty() {
                ui.line("nothing to do: your git configuration holds nothing of stax");
            }
            return Ok(ExitCode::SUCCESS);
        }
        let workspace = Workspace::over(Repo::here()?, Caller::Person);
        interrupted::settle(ui, &workspace)?;
        let repo = workspace.repo()?;
        let hooks = Hooks::uninstall(repo)?;
        let config = Local(repo);
        let mut drivers = Vec::new();
        // the attributes first: a required filter without a command would stop git
        let had_attributes = guard::uninstall(repo)?;
        if install::taken(ui, &config, Driver::Filter)? || had_attributes {
            drivers.push(Driver::Filter.word());
        }
        for driver in [Driver::Textconv, Driver::Merge] {
            if install::taken(ui, &config, driver)? {
                drivers.push(driver.word());
            }
        }
        report(&hooks, &drivers, ui);
        Ok(ExitCode::SUCCESS)
    }
}

fn report(hooks: &Removed, drivers: &[&str], ui: &Ui) {
    let mut removed: Vec<String> = drivers.iter().map(|word| (*word).to_owned()).collect();
    if !hooks.deleted.is_empty() {
        let names: Vec<&str> = hooks.deleted.iter().map(|name| name.text()).collect();
        removed.push(format!("hooks {}", names.join(", ")));
    }
    if !removed.is_empty() {
        ui.line(format!("removed    {}", removed.join("; ")));
    }
    for path in &hooks.restored {
        ui.line(format!("restored   {}", path.display()));
    }
    if removed.is_empty() && hooks.restored.is_empty() {
        ui.line("nothing to do: nothing of stax is installed in this clone");
    }
    for path in &hooks.calling {
        let (path, lines) = (path.display(), calls_in(path).join(", "));
        ui.warning(format!(
            "{path} calls stax in line {lines} and was left alone: take its lines out by hand"
        ));
    }
}

/// The numbers of the lines that call stax, or that name the hook of its repository.
fn calls_in(path: &Path) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let with = |words: &[&str]| -> Vec<String> {
        let is = |line: &str| {
            !line.trim_start().starts_with('#') && words.iter().any(|word| line.contains(word))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| is(line));
        lines.map(|(number, _)| (number + 1).to_string()).collect()
    };
    let calls = with(&["stax secrets verify", "stax git hook"]);
    if calls.is_empty() {
        with(&["stax-verify"])
    } else {
        calls
    }
}
