//! `stax secrets install`: what git needs in this clone to call stax. Nothing of it is committed.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::secrets::interrupted;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::{Caller, Workspace};

mod attributes;
mod block;
pub(super) mod config;
pub(super) mod global;
pub(in crate::cli) mod guard;
pub(in crate::cli) mod hooks;
mod manager;
mod script;
pub(super) mod texts;
pub(super) mod unmarked;
pub(in crate::cli) mod versions;

use config::{GitConfigFile, Local, Put, Taken, put, take_out};
use hooks::{Hook, Hooks};
pub(super) use script::HookName;
use texts::{Author, Driver};

/// Install the diff and merge drivers and the hooks into this clone
///
/// Repeat it after moving stax or the clone. A shell script of somebody else that is a hook already
/// gets a marked block behind its first line and runs on; any other hook, and those of a hook
/// manager, are left alone, and the lines to add are printed. `stax secrets uninstall` takes all of
/// it out again.
#[derive(clap::Args)]
pub struct Args {
    /// Only the drivers, in your own git configuration and attributes: for every repository,
    /// changing none
    #[arg(long, conflicts_with = "guard")]
    global: bool,
    /// Also refuse secrets in clear at `git add`, by a filter that git requires in this clone.
    /// While one stands in the work tree `git diff`, `git stash` and `git blame` of that file end
    /// too; without stax git neither adds nor checks out these files. `git blame` of a guarded file
    /// wants a revision: `git blame HEAD -- FILE`. What is moved to a name that no policy knows is
    /// not guarded there
    #[arg(long)]
    guard: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if self.global {
            return global::install(ui);
        }
        let workspace = Workspace::over(Repo::here()?, Caller::Person);
        interrupted::settle(ui, &workspace)?;
        install(workspace.repo()?)?.report(ui);
        // in a bare repository there is no file to look at
        if let Err(failure) = unmarked::advise(ui, &workspace) {
            ui.warning(failure.message);
        }
        if self.guard {
            report(&guard::install(&program()?)?, ui);
        } else if guard::is_ours(workspace.repo()?)? {
            // its attributes name more files with each version, and with each file
            guard::install(&program()?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The state after an installation.
pub(in crate::cli) struct Installed {
    pub(in crate::cli) hooks: Hooks,
    /// The drivers that are in place.
    drivers: Vec<Driver>,
    left: Vec<(Driver, Author)>,
}

impl Installed {
    /// What is in place, and what is left to do by hand.
    pub(in crate::cli) fn report(&self, ui: &Ui) {
        let own = self.hooks.listed(|hook| *hook == Hook::Installed);
        let hooks = (!own.is_empty()).then(|| format!("hooks {own}"));
        let parts: Vec<String> = said(&self.drivers).into_iter().chain(hooks).collect();
        if !parts.is_empty() {
            ui.line(format!(
                "installed  {}   (this clone only)",
                parts.join("; ")
            ));
        }
        for (what, hook) in [
            ("a block in your hooks", Hook::Inserted),
            ("called by your hooks", Hook::Chained),
        ] {
            let names = self.hooks.listed(|one| *one == hook);
            if !names.is_empty() {
                ui.line(format!("{:10} {what} {names}", ""));
            }
        }
        self.left
            .iter()
            .for_each(|(driver, author)| left(ui, *driver, *author, "--local"));
        let newer = self.hooks.listed(|hook| *hook == Hook::Newer);
        if !newer.is_empty() {
            ui.warning(format!("hooks of a newer stax were left alone: {newer}"));
        }
        self.hooks.advise(ui);
    }
}

/// `diff and merge drivers`
fn said(drivers: &[Driver]) -> Option<String> {
    match drivers {
        [] => None,
        [one] => Some(one.word().to_owned()),
        _ => Some("diff and merge drivers".to_owned()),
    }
}

/// Says that a command in a configuration is not ours, and how to get ours in its place.
fn left(ui: &Ui, driver: Driver, author: Author, level: &str) {
    let name = driver.name();
    if author == Author::Newer {
        return ui.warning(format!("{name} is that of a newer stax and was left alone"));
    }
    ui.warning(format!(
        "{name} is no command that stax wrote and was left alone"
    ));
    let again = if level == "--global" { " --global" } else { "" };
    ui.hint(format!(
        "to have stax's in its place: git config {level} --unset-all {name} && stax secrets install{again}"
    ));
}

/// Takes a driver out of a configuration and says what of its section stays; whether anything was
/// taken out.
pub(super) fn taken(ui: &Ui, config: &dyn GitConfigFile, driver: Driver) -> Result<bool, Failure> {
    match take_out(config, driver)? {
        Taken::Nothing => Ok(false),
        Taken::Left(author) => {
            let whose = if author == Author::Newer {
                "that of a newer stax"
            } else {
                "no command that stax wrote"
            };
            ui.warning(format!("{} is {whose} and was left alone", driver.name()));
            Ok(false)
        }
        Taken::Out(others) => {
            for name in others {
                ui.note(format!("{name} was not written by stax and was left alone"));
            }
            Ok(true)
        }
    }
}

fn report(guard: &guard::InstalledGuard, ui: &Ui) {
    ui.line(format!(
        "{:10} a guard: `git add` refuses secrets in clear",
        ""
    ));
    for path in &guard.left_out {
        ui.warning(format!(
            "{path} has another filter and is not guarded; `git commit` still checks it"
        ));
    }
    ui.note(
        "git needs stax for these files from now on, also for a checkout; `stax secrets uninstall` ends that",
    );
}

/// Writes the drivers into the repository's configuration and the hooks beside it.
pub(in crate::cli) fn install(repo: &Repo) -> Result<Installed, Failure> {
    let program = program()?;
    let (mut drivers, mut left) = (Vec::new(), Vec::new());
    for driver in [Driver::Textconv, Driver::Merge] {
        match put(&Local(repo), driver, &program)? {
            Put::Done => drivers.push(driver),
            Put::Left(author) => left.push((driver, author)),
        }
    }
    // its attributes are renewed by `install` alone: other commands tell which file they add
    if guard::is_ours(repo)? {
        put(&Local(repo), Driver::Filter, &program)?;
    }
    Ok(Installed {
        hooks: Hooks::install(repo, &program)?,
        drivers,
        left,
    })
}

/// Whether git calls stax for diffs and for merges in this clone, and what its hooks are.
pub(in crate::cli) fn state(repo: &Repo) -> Result<(bool, bool, Hooks), Failure> {
    let (diff, merge) = drivers_of(repo)?;
    Ok((diff, merge, Hooks::survey(repo, &program()?)?))
}

/// Whether git calls stax for diffs and for merges in this clone.
pub(in crate::cli) fn drivers_of(repo: &Repo) -> Result<(bool, bool), Failure> {
    let calls = |name: &str, command: &str| -> Result<bool, Failure> {
        Ok(repo
            .config_string(name)?
            .is_some_and(|text| text.contains(command)))
    };
    Ok((
        calls(Driver::Textconv.name(), "git textconv")?,
        calls(Driver::Merge.name(), "git merge ")?,
    ))
}

fn program() -> Result<String, Failure> {
    let path = std::env::current_exe()?;
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!(
            "git cannot be told of `{}`: its path is not UTF-8",
            path.display()
        ))
    })
}
