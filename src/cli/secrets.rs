//! `stax secrets …`: one command, one file.

use std::path::PathBuf;
use std::process::ExitCode;

use super::failure::Failure;
use super::ui::Ui;

mod add_recipient;
mod blame;
mod clone;
mod compare;
mod decrypt;
mod diff;
mod edit;
mod empty;
mod encrypt;
mod environment;
mod exec;
mod export;
mod exposure;
mod formats;
mod get;
mod history;
mod import;
mod init;
pub(super) mod install;
pub(super) mod interrupted;
mod keygen;
mod ledger;
mod list;
mod log;
pub(super) mod names;
mod past;
mod people;
mod pubkey;
mod recipients;
mod remove_recipient;
mod reseal;
mod resolve;
mod revert;
mod rotate;
mod scan;
mod scrub;
mod set;
mod status;
mod uninstall;
mod unset;
mod updatekeys;
mod values;
pub(super) mod verify;

#[derive(clap::Subcommand)]
pub enum Secrets {
    Keygen(keygen::Args),
    Pubkey(pubkey::Args),
    Init(init::Args),
    Install(install::Args),
    Uninstall(uninstall::Args),
    Edit(edit::Args),
    Set(set::Args),
    #[command(visible_aliases = ["rm", "delete"])]
    Unset(unset::Args),
    Get(get::Args),
    #[command(visible_alias = "ls")]
    List(list::Args),
    Import(import::Args),
    Export(export::Args),
    Exec(exec::Args),
    #[command(visible_alias = "cat")]
    Decrypt(decrypt::Args),
    Encrypt(encrypt::Args),
    Verify(verify::Args),
    Recipients(recipients::Args),
    AddRecipient(add_recipient::Args),
    RemoveRecipient(remove_recipient::Args),
    Rotate(rotate::Args),
    Updatekeys(updatekeys::Args),
    Reseal(reseal::Args),
    Log(log::Args),
    Blame(blame::Args),
    Diff(diff::Args),
    Revert(revert::Args),
    Compare(compare::Args),
    History(history::Args),
    Exposure(exposure::Args),
    Resolve(resolve::Args),
    Scan(scan::Args),
    Scrub(scrub::Args),
    Status(status::Args),
}

impl Secrets {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self {
            Self::Keygen(args) => args.run(ui),
            Self::Pubkey(args) => args.run(ui),
            Self::Init(args) => args.run(ui),
            Self::Install(args) => args.run(ui),
            Self::Uninstall(args) => args.run(ui),
            Self::Edit(args) => args.run(ui),
            Self::Set(args) => args.run(ui),
            Self::Unset(args) => args.run(ui),
            Self::Get(args) => args.run(ui),
            Self::List(args) => args.run(ui),
            Self::Import(args) => args.run(ui),
            Self::Export(args) => args.run(ui),
            Self::Exec(args) => args.run(ui),
            Self::Decrypt(args) => args.run(ui),
            Self::Encrypt(args) => args.run(ui),
            Self::Verify(args) => args.run(ui),
            Self::Recipients(args) => args.run(ui),
            Self::AddRecipient(args) => args.run(ui),
            Self::RemoveRecipient(args) => args.run(ui),
            Self::Rotate(args) => args.run(ui),
            Self::Updatekeys(args) => args.run(ui),
            Self::Reseal(args) => args.run(ui),
            Self::Log(args) => args.run(ui),
            Self::Blame(args) => args.run(ui),
            Self::Diff(args) => args.run(ui),
            Self::Revert(args) => args.run(ui),
            Self::Compare(args) => args.run(ui),
            Self::History(args) => args.run(ui),
            Self::Exposure(args) => args.run(ui),
            Self::Resolve(args) => args.run(ui),
            Self::Scan(args) => args.run(ui),
            Self::Scrub(args) => args.run(ui),
            Self::Status(args) => args.run(ui),
        }
    }
}

/// Which file a command is about that takes no key, so that a file may stand alone.
#[derive(clap::Args)]
pub struct WhichFile {
    /// Any SOPS file
    #[arg(value_name = "FILE", conflicts_with_all = ["env", "file"])]
    alone: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

impl WhichFile {
    pub fn into_which(self) -> Which {
        Which {
            file: self.alone.or(self.which.file),
            ..self.which
        }
    }
}

/// Which file a command is about.
#[derive(clap::Args)]
pub struct Which {
    /// A bound environment; the only one is the default
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<String>,
    /// Any SOPS file
    #[arg(short, long, value_name = "FILE", conflicts_with = "env")]
    pub file: Option<PathBuf>,
}
