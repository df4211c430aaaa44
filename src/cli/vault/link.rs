//! `stax vault link`

use std::path::PathBuf;
use std::process::ExitCode;

use sops_document::{Document, DocumentError, Format};

use crate::cli::failure::Failure;
use crate::cli::secrets::install::guard;
use crate::cli::secrets::interrupted::open_to_write;
use crate::cli::secrets::verify::opinion;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::policy::vault::{Vault, VaultError, check_env, check_path};
use crate::workspace::{Caller, VAULT, Workspace};

/// Bind a SOPS file that is there to an environment
///
/// Writes one line into `.stax/vault.json`, or the whole of it, and nothing else: no policy, no
/// attributes, no hook. The file itself is not touched and no key is used. Says what verify thinks
/// of the file then. Where the file that was bound to the environment is gone, such as after `git
/// mv`, the binding moves. The rest of a store, where it is wanted: stax secrets init --env ENV
#[derive(clap::Args)]
pub struct Args {
    /// What keeps the secrets: SOPS files that are encrypted to age recipients
    #[arg(long, value_name = "BACKEND", default_value = "sops-age")]
    backend: LinkBackend,
    /// The environment, such as production, development or staging
    #[arg(short, long, value_name = "ENV")]
    env: String,
    /// The file: flat YAML, JSON or dotenv
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would be written, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LinkBackend {
    SopsAge,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        // the only one there is; clap refuses any other
        let LinkBackend::SopsAge = self.backend;
        check_env(&self.env).map_err(|error| Failure::usage(error.to_string()))?;
        let workspace = open_to_write(ui, None, Caller::Person, self.dry_run)?;
        let path = workspace.relative(&self.file)?;
        check_path(&path).map_err(|error| Failure::usage(error.to_string()))?;
        check_file(&workspace, &path)?;
        let Some(write) = self.plan(&workspace, &path)? else {
            ui.line(format!("nothing to do: {path} is bound to {}", self.env));
            opinion::tell(ui, &path)?;
            return Ok(ExitCode::SUCCESS);
        };
        if !self.dry_run {
            super::save(ui, &workspace, &[write])?;
        }
        let verb = if self.dry_run { "would bind" } else { "bound" };
        ui.line(format!("{verb} {path} to {} in {VAULT}", self.env));
        opinion::tell(ui, &path)?;
        if self.dry_run {
            ui.note("nothing was written");
        } else {
            guard::cover(workspace.repo()?, &path, ui);
            self.close(ui, &workspace, &path)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The write of `.stax/vault.json`; `None` when it says so already.
    fn plan(&self, workspace: &Workspace, path: &str) -> Result<Option<Write>, Failure> {
        let mut vault = workspace.vault()?.unwrap_or_else(Vault::new);
        let refuse = |error: VaultError| Failure::usage(format!("{VAULT}: {error}"));
        if let Some(bound) = vault.file_for_env(&self.env).cloned() {
            if bound.path == path {
                return Ok(None);
            }
            if workspace.read(&bound.path)?.is_some() {
                let word = shell_words::quote(&bound.path);
                return Err(Failure::usage(format!(
                    "{} is already bound to {}",
                    self.env, bound.path
                ))
                .hint(format!(
                    "choose another --env, or take that binding out: stax vault unlink {word}"
                )));
            }
            vault.rebind(&bound.path, path).map_err(refuse)?;
            return Ok(Some(workspace.plan(VAULT, vault.render())?));
        }
        if let Some(env) = vault.env_for_path(path) {
            return Err(
                Failure::usage(format!("{path} is already bound to {env}")).hint(format!(
                    "use -e {env}, or take that binding out: stax vault unlink {}",
                    shell_words::quote(path)
                )),
            );
        }
        vault.add(path, &self.env).map_err(refuse)?;
        Ok(Some(workspace.plan(VAULT, vault.render())?))
    }

    fn close(&self, ui: &Ui, workspace: &Workspace, path: &str) -> Result<(), Failure> {
        let repo = workspace.repo()?;
        let is_known = repo.is_tracked(path)?;
        let file = if is_known {
            String::new()
        } else {
            format!(" {}", shell_words::quote(path))
        };
        let env = &self.env;
        ui.next(&[
            format!("git add {VAULT}{file}"),
            format!("git commit -m \"chore(secrets): bind {env}\""),
            format!(
                "stax secrets init --env {env}      # adds what is missing: recipients.md, attributes, hooks"
            ),
        ]);
        Ok(())
    }
}

/// A bound file is a flat SOPS document of the format that its name says.
fn check_file(workspace: &Workspace, path: &str) -> Result<(), Failure> {
    let format = Format::of_path(path);
    if !format.is_flat() {
        return Err(Failure::usage(format!(
            "{path}: a bound file ends in .yaml, .yml, .json or .env"
        )));
    }
    let Some(text) = workspace.read_text(path)? else {
        return Err(
            Failure::usage(format!("{path} does not exist")).hint("start one: stax secrets init")
        );
    };
    let document = match Document::parse(format, &text) {
        Ok(document) => document,
        Err(DocumentError::NotSops) => {
            return Err(
                Failure::usage(format!("{path} is not encrypted")).hint(format!(
                    "stax secrets encrypt -i {}",
                    shell_words::quote(path)
                )),
            );
        }
        Err(error) => return Err(Failure::usage(format!("{path}: {error}"))),
    };
    let mut entries = document
        .tree()
        .documents
        .iter()
        .flat_map(|root| root.entries());
    let nested = entries.find(|entry| entry.node.leaf().is_none());
    let Some(entry) = nested else { return Ok(()) };
    let (key, line) = (
        entry.key.as_deref().unwrap_or_default(),
        document.line_of(entry.span.start),
    );
    Err(Failure::usage(format!(
        "{path}: line {line}: `{key}` is not a single value; a bound file is flat"
    ))
    .hint("nested files need no binding: verify, edit and diff know them by their metadata"))
}
