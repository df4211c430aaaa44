//! `stax allow`: what a user allows a clone, kept outside of every repository.

use std::process::ExitCode;

use serde_json::json;

use super::failure::Failure;
use super::secrets::names::another;
use super::ui::Ui;
use crate::environment::names::{Class, check_shape, class};
use crate::policy::consent::{Consent, ConsentKind};
use crate::workspace::consent::{ANY_COMMAND, Store};
use crate::workspace::{Caller, Workspace, WorkspaceError};

/// Allow this clone what a repository cannot allow itself
///
/// Alone it lists what is allowed here. It is kept in `stax/allow.json` of your configuration
/// folder ($XDG_CONFIG_HOME, else ~/.config), for the git folder of this clone with all its work
/// trees, and for the repository that begins with the same commit. Nothing in a repository, its
/// `.git/config` included, allows any of it; `git config --global` does, for every repository:
/// `stax.allowEnv NAME`, `stax.useCommand true`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<ConsentCommand>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Forget all that was allowed here, and the names that the first export recorded
    #[arg(long, conflicts_with = "json")]
    forget: bool,
}

#[derive(clap::Subcommand)]
enum ConsentCommand {
    /// Let names of a store enter the environment
    ///
    /// Names that change what programs run, load or trust (LD_PRELOAD, NODE_OPTIONS, CC) are
    /// refused without it, and names that point at a proxy, certificates or configuration
    /// (HTTPS_PROXY, KUBECONFIG) are left out by `export` when they came after the first export of
    /// this clone.
    Env {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Let git run SOPS_AGE_KEY_CMD for a diff, a merge or a hook
    ///
    /// With NAME only while the command of that variable starts the program NAME.
    Command {
        /// The program, as the variable names it
        name: Option<String>,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
    /// Let an age plugin open files
    ///
    /// The consent is kept; this version of stax starts no plugins yet.
    Plugin {
        /// `yubikey` for age-plugin-yubikey
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Take it back
        #[arg(long)]
        remove: bool,
    },
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(None, Caller::Person)?;
        let store = Store::of(workspace.repo()?).map_err(WorkspaceError::from)?;
        let Some(what) = self.what else {
            return if self.forget {
                forget(ui, &store)
            } else {
                self.list(ui, &workspace, &store)
            };
        };
        let (kind, names, remove) = match what {
            ConsentCommand::Env { names, remove } => (ConsentKind::Env, names, remove),
            ConsentCommand::Command { name, remove } => (
                ConsentKind::Command,
                vec![name.unwrap_or_else(|| ANY_COMMAND.to_owned())],
                remove,
            ),
            ConsentCommand::Plugin { names, remove } => {
                let bare =
                    |name: &String| name.strip_prefix("age-plugin-").unwrap_or(name).to_owned();
                (
                    ConsentKind::Plugin,
                    names.iter().map(bare).collect(),
                    remove,
                )
            }
        };
        if remove {
            return take_back(ui, &store, kind, &names);
        }
        names.iter().try_for_each(|name| check(kind, name))?;
        let others = store.of_others(kind).map_err(WorkspaceError::from)?;
        for name in &names {
            if let Some((_, root)) = others.iter().find(|(other, _)| other == name) {
                ui.note(another(root));
            }
        }
        let new = store.change(true, &mut |consent| {
            names
                .iter()
                .filter(|name| consent.allow(kind, name))
                .cloned()
                .collect::<Vec<_>>()
        });
        let new = new.map_err(WorkspaceError::from)?;
        for name in &names {
            let already = if new.contains(name) { "" } else { " already" };
            ui.note(format!(
                "{} {name} is allowed in this clone{already}",
                kind.word()
            ));
            if let Some(remark) = remark(kind, name) {
                ui.note(remark);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, ui: &Ui, workspace: &Workspace, store: &Store<'_>) -> Result<ExitCode, Failure> {
        let consent = store
            .consent()
            .map_err(WorkspaceError::from)?
            .unwrap_or_default();
        let unheard = workspace.unheard()?;
        if self.json {
            ui.json(&json!({
                "schema": 1,
                "file": Store::file().ok(),
                "git": store.git(),
                "root": consent.root,
                "env": consent.env,
                "command": consent.command,
                "plugin": consent.plugin,
                "seen": consent.seen,
                "unheard": unheard.iter().map(|line| json!({"setting": line.setting(), "command": line.command()}))
                    .collect::<Vec<_>>(),
            }))?;
            return Ok(ExitCode::SUCCESS);
        }
        let lines = lines(&consent);
        lines.iter().for_each(|line| ui.one_line(line));
        if lines.is_empty() {
            ui.note("nothing is allowed in this clone beyond what needs no leave");
        }
        unheard.iter().for_each(|line| ui.note(line.to_string()));
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(consent: &Consent) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in [ConsentKind::Env, ConsentKind::Command, ConsentKind::Plugin] {
        lines.extend(
            consent
                .names(kind)
                .iter()
                .map(|name| format!("{:8} {name}", kind.word())),
        );
    }
    if let Some(seen) = consent.seen.as_ref().filter(|seen| !seen.is_empty()) {
        lines.push(format!(
            "{:8} {}   (at the first export)",
            "seen",
            seen.join(", ")
        ));
    }
    lines
}

fn check(kind: ConsentKind, name: &str) -> Result<(), Failure> {
    match kind {
        ConsentKind::Env => {
            check_shape(name).map_err(|error| Failure::usage(error.to_string()))?;
            if class(name) == Some(Class::Own) {
                return Err(Failure::usage(format!(
                    "`{name}` is read by stax or sops itself, and nothing lets a store decide what they do next"
                )));
            }
            Ok(())
        }
        // a name becomes a part of a file name; a slash would lead elsewhere
        ConsentKind::Plugin
            if !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)) =>
        {
            Ok(())
        }
        ConsentKind::Plugin => Err(Failure::usage(format!(
            "{name:?} is not the name of an age plugin"
        ))),
        ConsentKind::Command if name.is_empty() => Err(Failure::usage("a command has a name")),
        ConsentKind::Command => Ok(()),
    }
}

fn remark(kind: ConsentKind, name: &str) -> Option<&'static str> {
    match kind {
        ConsentKind::Env if class(name).is_none() => {
            Some("no program is known to obey this name: it passes without")
        }
        ConsentKind::Plugin => Some("this version of stax starts no plugins yet"),
        _ => None,
    }
}

fn take_back(
    ui: &Ui,
    store: &Store<'_>,
    kind: ConsentKind,
    names: &[String],
) -> Result<ExitCode, Failure> {
    let missing = store.change(false, &mut |consent| {
        names
            .iter()
            .filter(|name| !consent.take_back(kind, name))
            .cloned()
            .collect::<Vec<_>>()
    });
    let missing = missing.map_err(WorkspaceError::from)?;
    for name in names {
        let was = if missing.contains(name) {
            "was not allowed"
        } else {
            "is no longer allowed"
        };
        ui.note(format!("{} {name} {was} in this clone", kind.word()));
    }
    Ok(ExitCode::SUCCESS)
}

fn forget(ui: &Ui, store: &Store<'_>) -> Result<ExitCode, Failure> {
    let had = store.forget().map_err(WorkspaceError::from)?;
    ui.note(if had {
        "forgotten; the next export records its names anew"
    } else {
        "nothing was known of this clone"
    });
    Ok(ExitCode::SUCCESS)
}
