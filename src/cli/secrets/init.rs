//! `stax secrets init`

mod plan;
pub(in crate::cli::secrets) mod templates;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::failure::{Exit, Failure, mend_source};
use crate::cli::secrets::install::{guard, install};
use crate::cli::secrets::interrupted::open_to_install;
use crate::cli::secrets::verify::opinion;
use crate::cli::ui::Ui;
use crate::cli::vault;
use crate::disk::Write;
use crate::policy::vault::check_env;
use crate::repo::Repo;
use crate::workspace::{Caller, Workspace};

use plan::{FirstReader, InitPlan, Order};
use sops_document::Format;
use sops_document::age::Recipient;

const FOLDER: &str = "infra/secrets/";

/// Start an encrypted store for an environment, or add one
///
/// Writes policy, binding, an empty SOPS file, the list of recipients, `.envrc` and the lines in
/// `.gitattributes` together or not at all, then installs the git drivers and hooks of this clone.
/// What somebody else wrote keeps every byte: a rule, a line or a block is added beside it. A
/// second run changes nothing.
#[derive(clap::Args)]
pub struct Args {
    /// The environment, such as production, development or staging
    #[arg(short, long, value_name = "ENV")]
    env: String,
    /// The file, when it shall not be infra/secrets/ENV.enc.FORMAT
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The format of the file
    #[arg(long, value_name = "FORMAT", conflicts_with = "file")]
    format: Option<StoreFormat>,
    /// Encrypt to this key instead of the first of your identities
    #[arg(long, value_name = "age1…")]
    recipient: Option<Recipient>,
    /// Whose key it is; by default git's user.name and user.email
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What that person or machine does here
    #[arg(long, value_name = "ROLE", default_value = "owner")]
    role: String,
    /// Say what would be written, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum StoreFormat {
    Yaml,
    Json,
    Dotenv,
}

impl From<StoreFormat> for Format {
    fn from(name: StoreFormat) -> Self {
        match name {
            StoreFormat::Yaml => Self::Yaml,
            StoreFormat::Json => Self::Json,
            StoreFormat::Dotenv => Self::Dotenv,
        }
    }
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        check_env(&self.env).map_err(|error| Failure::usage(error.to_string()))?;
        let workspace = open_to_install(ui, None, Caller::Person, self.dry_run)?;
        let repo = workspace.repo()?;
        let path = self.path(&workspace)?;
        let format = Format::of_path(&path);
        if !format.is_flat() {
            return Err(Failure::usage(format!(
                "{path}: a secret file ends in .yaml, .json or .env"
            )));
        }
        let owner = || self.owner(&workspace, repo);
        let order = Order {
            workspace: &workspace,
            env: &self.env,
            path: &path,
            format,
            owner: &owner,
        };
        let plan = order.plan()?;
        refuse_ignored(repo, &plan.writes)?;
        if self.dry_run {
            self.show(ui, &workspace, &plan, "would write");
            ui.note("nothing was written; drivers and hooks would be installed in this clone");
            return Ok(ExitCode::SUCCESS);
        }
        let first = workspace.vault()?.is_none();
        vault::save(ui, &workspace, &plan.writes)?;
        self.show(ui, &workspace, &plan, "created");
        install(repo)?.report(ui);
        guard::cover(repo, &path, ui);
        self.warn(ui, &workspace, &plan);
        if plan.adopts {
            opinion::tell(ui, &path)?;
        }
        self.close(ui, &workspace, &plan, first);
        Ok(ExitCode::SUCCESS)
    }

    /// `--file`, the file that is bound already, or the one that the environment gives its name.
    fn path(&self, workspace: &Workspace) -> Result<String, Failure> {
        if let Some(file) = &self.file {
            // a file that is bound already may be named as stax prints it
            let is_bound = |path: &&str| {
                workspace
                    .vault()
                    .ok()
                    .flatten()
                    .is_some_and(|vault| vault.env_for_path(path).is_some())
            };
            return match file.to_str().filter(is_bound) {
                Some(path) => Ok(path.to_owned()),
                None => Ok(workspace.relative_new(file)?),
            };
        }
        let vault = workspace.vault()?;
        let bound = vault
            .as_ref()
            .and_then(|vault| vault.file_for_env(&self.env));
        if let (Some(bound), None) = (bound, self.format) {
            return Ok(bound.path.clone());
        }
        let name = match self.env.as_str() {
            "production" => "prod",
            "development" => "dev",
            other => other,
        };
        let format = self.format.map_or(Format::Yaml, Format::from);
        Ok(format!("{FOLDER}{name}.{}", format.traits().new_suffix))
    }

    fn owner(&self, workspace: &Workspace, repo: &Repo) -> Result<FirstReader, Failure> {
        let recipient = match &self.recipient {
            Some(recipient) => recipient.clone(),
            None => own_key(workspace).map(|(_, key)| key)?,
        };
        let name = match &self.name {
            Some(name) => name.clone(),
            None => repo
                .user()?
                .map(|(name, mail)| format!("{name} <{mail}>"))
                .ok_or_else(|| {
                    Failure::usage("git has no user.name and user.email to tell whose key this is")
                        .hint("add: --name \"Name <mail>\"")
                })?,
        };
        Ok(FirstReader {
            recipient,
            name,
            role: self.role.clone(),
        })
    }

    fn show(&self, ui: &Ui, workspace: &Workspace, plan: &InitPlan, verb: &str) {
        if plan.writes.is_empty() {
            ui.line(format!("nothing to do: {} is set up here", self.env));
        } else {
            self.show_owner(ui, workspace, plan);
            let (new, old): (Vec<&Write>, Vec<&Write>) =
                plan.writes.iter().partition(|write| write.before.is_none());
            let changed = if self.dry_run {
                "would change"
            } else {
                "changed"
            };
            for (verb, writes) in [(verb, new), (changed, old)] {
                if !writes.is_empty() {
                    ui.line(format!("{verb:10} {}", braced(&writes)));
                }
            }
        }
    }

    fn show_owner(&self, ui: &Ui, workspace: &Workspace, plan: &InitPlan) {
        if plan.recipients.is_empty() {
            return;
        }
        if self.recipient.is_none()
            && let Ok((source, key)) = own_key(workspace)
        {
            ui.line(format!("{:10} {key}  from {source}", "identity"));
        }
        let own = workspace
            .repo()
            .map_err(Failure::from)
            .and_then(|repo| self.owner(workspace, repo))
            .ok();
        for recipient in &plan.recipients {
            match &own {
                Some(own) if own.recipient == *recipient => {
                    ui.line(format!("{:10} {}, {}", "recipient", own.name, own.role));
                }
                _ => ui.line(format!("{:10} {recipient}", "recipient")),
            }
        }
    }

    fn warn(&self, ui: &Ui, workspace: &Workspace, plan: &InitPlan) {
        for key in &plan.nameless {
            ui.warning(format!(
                "{key} has no row in infra/secrets/recipients.md: add one, so that people know whose it is"
            ));
        }
        let own = self
            .recipient
            .clone()
            .or_else(|| own_key(workspace).ok().map(|(_, key)| key));
        if let Some(own) =
            own.filter(|own| !plan.recipients.is_empty() && !plan.recipients.contains(own))
        {
            ui.warning(format!(
                "the rule in .sops.yaml does not name {own}, so that key does not open the new file"
            ));
        }
        if plan.recipients.len() == 1 {
            let env = &self.env;
            ui.warning(format!("only one recipient; if this key is lost, {env} is lost: stax secrets add-recipient age1… --name …"));
        }
    }

    fn close(&self, ui: &Ui, workspace: &Workspace, plan: &InitPlan, first: bool) {
        if plan.writes.is_empty() {
            return;
        }
        let which = if first {
            String::new()
        } else {
            format!(" -e {}", self.env)
        };
        let message = if first {
            "bootstrap encrypted store".to_owned()
        } else {
            format!("add {}", self.env)
        };
        let mut next = Vec::new();
        if !plan.adopts {
            next.push(format!(
                "stax secrets set{which} DATABASE_URL      # hidden prompt"
            ));
        }
        let here = std::env::current_dir()
            .and_then(|here| here.canonicalize())
            .ok();
        if here != workspace.root().canonicalize().ok() {
            let root = workspace.root().to_string_lossy();
            next.push(format!(
                "cd {}      # the paths are from the top",
                shell_words::quote(&root)
            ));
        }
        next.extend([
            format!("git add {}", added(&plan.writes).join(" ")),
            format!("git commit -m \"chore(secrets): {message}\""),
        ]);
        if plan
            .writes
            .iter()
            .any(|write| write.path.as_os_str() == ".envrc")
        {
            next.push("direnv allow".to_owned());
        }
        ui.next(&next);
    }
}

/// The first key of the first source that holds one, and how the source is shown.
fn own_key(workspace: &Workspace) -> Result<(String, Recipient), Failure> {
    let found = workspace.keyring.first_source();
    let own = found
        .and_then(|(source, keys)| keys.into_iter().next().map(|key| (source.to_string(), key)));
    own.ok_or_else(|| {
        let failure = Failure::new(Exit::Locked, "there is no age identity here to encrypt to");
        let tried = workspace.keyring.survey().into_iter().filter_map(|tried| {
            tried
                .outcome
                .err()
                .map(|error| format!("tried: {}, which {error}", tried.source))
        });
        let failure = tried.fold(failure, Failure::detail);
        let mend = mend_source(&workspace.keyring.survey());
        failure
            .hint(mend.unwrap_or_else(|| "make one: stax secrets keygen".to_owned()))
            .hint("or name a key: --recipient age1…")
    })
}

/// A file that git ignores would never reach a teammate.
fn refuse_ignored(repo: &Repo, writes: &[Write]) -> Result<(), Failure> {
    for write in writes.iter().filter(|write| write.before.is_none()) {
        let path = write.path.to_string_lossy();
        if repo.is_ignored(&path)? {
            return Err(Failure::usage(format!(
                "git ignores {path}, so it would never be committed; nothing was written"
            ))
            .hint(format!(
                "see which line does it: git check-ignore -v {}",
                shell_words::quote(&path)
            )));
        }
    }
    Ok(())
}

/// Paths for people: those of the secrets folder in one brace.
fn braced(writes: &[&Write]) -> String {
    let paths = writes.iter().map(|write| write.path.to_string_lossy());
    let (inside, mut shown): (Vec<String>, Vec<String>) = paths
        .map(std::borrow::Cow::into_owned)
        .partition(|path| path.starts_with(FOLDER));
    let names: Vec<&str> = inside
        .iter()
        .filter_map(|path| path.strip_prefix(FOLDER))
        .collect();
    match names.as_slice() {
        [] => {}
        [name] => shown.push(format!("{FOLDER}{name}")),
        _ => shown.push(format!("{FOLDER}{{{}}}", names.join(","))),
    }
    shown.join(" ")
}

/// Paths for `git add`, from the top of the work tree.
fn added(writes: &[Write]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for write in writes {
        let path = write.path.to_string_lossy();
        let path = if path.starts_with(FOLDER) {
            FOLDER.into()
        } else {
            shell_words::quote(&path).into_owned()
        };
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}
