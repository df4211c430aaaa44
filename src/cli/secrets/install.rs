//! `stax secrets install`: what git needs in this clone to call stax. Nothing of it is committed.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::repo::Repo;

pub(in crate::cli) mod hooks;
mod manager;
mod script;

use hooks::{Hook, Hooks};

const TEXTCONV: &str = "diff.stax.textconv";
/// The key at the top level, as the heading of a hunk: of YAML and dotenv, then of indented JSON.
const XFUNCNAME: &str = "^\"?([A-Za-z_][^:=\"]*)\"?[ \t]*[:=]\n^[ \t]{1,4}\"([^\"]+)\"[ \t]*:";

/// Install the diff driver and the hooks into this clone
///
/// Repeat it after moving stax or the clone. A shell script of somebody else that is a hook already gets a
/// marked block behind its first line and runs on; any other hook, and those of a hook manager, are left
/// alone, and the lines to add are printed. `stax secrets uninstall` takes all of it out again.
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let repo = Repo::discover(Path::new("."))?;
        install(&repo)?.report(ui);
        Ok(ExitCode::SUCCESS)
    }
}

/// The state after an installation.
pub(in crate::cli) struct Installed {
    pub(in crate::cli) hooks: Hooks,
}

impl Installed {
    /// What is in place, and what is left to do by hand.
    pub(in crate::cli) fn report(&self, ui: &Ui) {
        let own = self.hooks.listed(|hook| *hook == Hook::Installed);
        let hooks = if own.is_empty() { String::new() } else { format!("; hooks {own}") };
        ui.line(format!("installed  diff driver{hooks}   (this clone only)"));
        for (what, hook) in
            [("a block in your hooks", Hook::Inserted), ("called by your hooks", Hook::Chained)]
        {
            let names = self.hooks.listed(|one| *one == hook);
            if !names.is_empty() {
                ui.line(format!("{:10} {what} {names}", ""));
            }
        }
        self.hooks.advise(ui);
    }
}

/// Writes the diff driver into the repository's configuration and the hooks beside it.
///
/// There is no merge driver yet: the attribute alone means git's own merge, while a named driver
/// without a command makes git stop.
pub(in crate::cli) fn install(repo: &Repo) -> Result<Installed, Failure> {
    let program = program()?;
    set(repo, TEXTCONV, &textconv(&program))?;
    // a cache would put plaintext into the object store
    set(repo, "diff.stax.cachetextconv", "false")?;
    set(repo, "diff.stax.xfuncname", XFUNCNAME)?;
    Ok(Installed { hooks: Hooks::install(repo, &program)? })
}

/// Whether git calls stax for diffs in this clone, and what its hooks are.
pub(in crate::cli) fn state(repo: &Repo) -> Result<(bool, Hooks), Failure> {
    let driver = repo.config_string(TEXTCONV)?.is_some_and(|command| command.contains("git textconv"));
    Ok((driver, Hooks::survey(repo, &program()?)?))
}

fn set(repo: &Repo, name: &str, value: &str) -> Result<(), Failure> {
    if repo.config_multi(name)? != [value] {
        repo.unset_config(name)?;
        repo.set_config(name, value)?;
    }
    Ok(())
}

fn program() -> Result<String, Failure> {
    let path = std::env::current_exe()?;
    path.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("git cannot be told of `{}`: its path is not UTF-8", path.display()))
    })
}

/// git stops in the middle of a diff when a textconv fails, so this one ends with `cat`.
fn textconv(program: &str) -> String {
    let mut quoted = String::with_capacity(program.len());
    for c in program.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    format!(
        "f(){{ \"{quoted}\" git textconv \"$1\" 2>/dev/null || stax git textconv \"$1\" 2>/dev/null || cat \"$1\"; }}; f"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let hostile = r#"/a b/$(x)`y`"z\'/stax"#;
        let command = textconv(hostile);
        assert!(command.starts_with(r#"f(){ "/a b/\$(x)\`y\`\"z\\'/stax" git textconv "$1""#), "{command}");
    }
}
