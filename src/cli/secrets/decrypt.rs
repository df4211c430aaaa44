//! `stax secrets decrypt`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::sops::format::Indent;
use crate::workspace::{Caller, Workspace};

/// Print a whole file in clear, as `sops decrypt` does
#[derive(clap::Args)]
pub struct Args {
    file: PathBuf,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(Some(&self.file), Caller::Person)?;
        let target = workspace.target(None, Some(&self.file))?;
        let opened = workspace.opened(&target)?;
        let text = opened.clear.emit(indent(&workspace));
        let text =
            text.ok_or_else(|| Failure::usage(format!("{}: cannot be printed in this format", target.path)))?;
        ui.bytes(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// `stores` of the policy; a policy that cannot be read does not stand between a reader and a file.
fn indent(workspace: &Workspace) -> Indent {
    let Ok(Some(policy)) = workspace.policy() else { return Indent::default() };
    let columns = |indent: Option<i64>| indent.and_then(|columns| usize::try_from(columns).ok());
    Indent { yaml: columns(policy.stores.yaml_indent), json: columns(policy.stores.json_indent) }
}
