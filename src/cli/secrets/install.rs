//! `stax secrets install`: what git needs in this clone to call stax. Nothing of it is committed.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::secrets::interrupted;
use crate::cli::ui::Ui;
use crate::repo::Repo;
use crate::workspace::{Caller, Workspace};

mod attributes;
mod block;
pub(super) mod global;
pub(in crate::cli) mod guard;
pub(in crate::cli) mod hooks;
mod manager;
mod script;
pub(super) mod unmarked;

use hooks::{Hook, Hooks};
pub(super) use script::Name;

const TEXTCONV: &str = "diff.stax.textconv";
const MERGE: &str = "merge.stax.driver";
/// The key at the top level, as the heading of a hunk: of YAML and dotenv, then of indented JSON.
const XFUNCNAME: &str = "^\"?([A-Za-z_][^:=\"]*)\"?[ \t]*[:=]\n^[ \t]{1,4}\"([^\"]+)\"[ \t]*:";

/// Install the diff and merge drivers and the hooks into this clone
///
/// Repeat it after moving stax or the clone. A shell script of somebody else that is a hook already gets a
/// marked block behind its first line and runs on; any other hook, and those of a hook manager, are left
/// alone, and the lines to add are printed. `stax secrets uninstall` takes all of it out again.
#[derive(clap::Args)]
pub struct Args {
    /// Only the drivers, in your own git configuration and attributes: for every repository, changing none
    #[arg(long, conflicts_with = "guard")]
    global: bool,
    /// Also refuse secrets in clear at `git add`, by a filter that git requires in this clone. While one
    /// stands in the work tree `git diff`, `git stash` and `git blame` of that file end too; without stax
    /// git neither adds nor checks out these files. `git blame` of a guarded file wants a revision:
    /// `git blame HEAD -- FILE`. What is moved to a name that no policy knows is not guarded there
    #[arg(long)]
    guard: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if self.global {
            return global::install(ui);
        }
        let workspace = Workspace::over(Repo::discover(Path::new("."))?, Caller::Person);
        interrupted::settle(ui, &workspace)?;
        install(workspace.repo()?)?.report(ui);
        // in a bare repository there is no file to look at
        if let Err(failure) = unmarked::advise(ui, &workspace) {
            ui.warning(failure.message);
        }
        if self.guard {
            report(&guard::install(&program()?)?, ui);
        }
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
        ui.line(format!("installed  diff and merge drivers{hooks}   (this clone only)"));
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

fn report(guard: &guard::Guard, ui: &Ui) {
    ui.line(format!("{:10} a guard: `git add` refuses secrets in clear", ""));
    for path in &guard.left_out {
        ui.warning(format!("{path} has another filter and is not guarded; `git commit` still checks it"));
    }
    ui.note(
        "git needs stax for these files from now on, also for a checkout; `stax secrets uninstall` ends that",
    );
}

/// Writes the drivers into the repository's configuration and the hooks beside it.
pub(in crate::cli) fn install(repo: &Repo) -> Result<Installed, Failure> {
    let program = program()?;
    for (name, value) in drivers(&program) {
        set(repo, name, &value)?;
    }
    Ok(Installed { hooks: Hooks::install(repo, &program)? })
}

/// The settings of both drivers, in the order in which they are written.
fn drivers(program: &str) -> [(&'static str, String); 5] {
    [
        (TEXTCONV, textconv(program)),
        // a cache would put plaintext into the object store
        ("diff.stax.cachetextconv", "false".to_owned()),
        ("diff.stax.xfuncname", XFUNCNAME.to_owned()),
        // the command first: a named driver without one makes git stop
        (MERGE, merge_driver(program)),
        ("merge.stax.name", "stax: SOPS documents, key by key".to_owned()),
    ]
}

/// Whether git calls stax for diffs and for merges in this clone, and what its hooks are.
pub(in crate::cli) fn state(repo: &Repo) -> Result<(bool, bool, Hooks), Failure> {
    let (diff, merge) = drivers_of(repo)?;
    Ok((diff, merge, Hooks::survey(repo, &program()?)?))
}

/// Whether git calls stax for diffs and for merges in this clone.
pub(in crate::cli) fn drivers_of(repo: &Repo) -> Result<(bool, bool), Failure> {
    let calls = |name: &str, command: &str| -> Result<bool, Failure> {
        Ok(repo.config_string(name)?.is_some_and(|text| text.contains(command)))
    };
    Ok((calls(TEXTCONV, "git textconv")?, calls(MERGE, "git merge ")?))
}

/// Whether a driver is there that another version of stax wrote. Which program it starts first may differ, and one
/// that somebody wrote by hand is theirs.
pub(in crate::cli) fn has_old_drivers(repo: &Repo) -> Result<bool, Failure> {
    let is_old = |name: &str, now: &str| -> Result<bool, Failure> {
        // behind the quoted path
        let rest = now.splitn(3, '"').nth(2).unwrap_or_default();
        Ok(repo.config_string(name)?.is_some_and(|text| text.starts_with("f(){ ") && !text.ends_with(rest)))
    };
    Ok(is_old(TEXTCONV, &textconv(""))? || is_old(MERGE, &merge_driver(""))?)
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

/// Within double quotes of a shell.
fn quoted(program: &str) -> String {
    let mut quoted = String::with_capacity(program.len());
    for c in program.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// Begins a `case` of the shell whose first branch only a stax takes: any program may have that name.
fn case_of_stax(program: &str) -> String {
    format!("case $({program} --version 2>/dev/null </dev/null) in \"stax \"*)")
}

/// git stops in the middle of a diff when a textconv fails, so this one ends with `cat`. A file may be named
/// like an option. Another program of the name stax would hide a change by printing nothing.
fn textconv(program: &str) -> String {
    let (quoted, if_stax) = (quoted(program), case_of_stax("stax"));
    format!(
        "f(){{ \"{quoted}\" git textconv -- \"$1\" 2>/dev/null || \
         {if_stax} stax git textconv -- \"$1\" 2>/dev/null;; \
         *) false;; esac || cat -- \"$1\"; }}; f"
    )
}

/// Where no stax answers with 0 or 1, git's own text merge leaves its markers: without them the other
/// side would be lost with the next `git add`. git reads `%%` as `%`. `--`: help for a file of that name ends
/// with 0, and then the other side would be lost too; so it would where another program of that name ends with 0.
fn merge_driver(program: &str) -> String {
    let quoted = quoted(program).replace('%', "%%");
    let if_stax = case_of_stax("\"$s\"");
    format!(
        "f(){{ for s in \"{quoted}\" stax; do command -v \"$s\" >/dev/null 2>&1 || continue; \
         {if_stax} ;; *) continue;; esac; \
         \"$s\" git merge -- \"$@\"; case $? in 0) return 0;; 1) return 1;; esac; done; \
         echo \"stax: not found, $5 is merged as text\" >&2; \
         git merge-file --diff3 --marker-size \"$4\" -L \"$7\" -L \"$6\" -L \"$8\" \"$2\" \"$1\" \"$3\" \
         && {{ echo '<<<<<<< merged as text'; echo '======='; echo '>>>>>>> its MAC is wrong'; }} >>\"$2\"; \
         return 1; }}; f %O %A %B %L %P %S %X %Y"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let hostile = r#"/a b/$(x)`y`"z\'/stax"#;
        let command = textconv(hostile);
        assert!(
            command.starts_with(r#"f(){ "/a b/\$(x)\`y\`\"z\\'/stax" git textconv -- "$1""#),
            "{command}"
        );
        let driver = merge_driver("/a%Ob/$(x)/stax");
        assert!(driver.starts_with(r#"f(){ for s in "/a%%Ob/\$(x)/stax" stax; do "#), "{driver}");
        assert!(driver.ends_with("return 1; }; f %O %A %B %L %P %S %X %Y"), "{driver}");
    }
}
