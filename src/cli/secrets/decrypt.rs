//! `stax secrets decrypt`

use std::path::PathBuf;
use std::process::ExitCode;

use sops_document::Indent;

use super::interrupted::open_to_write;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::{Caller, Workspace};

/// Print a whole file in clear, as `sops decrypt` does
///
/// What is written into a new file is for its owner alone (mode 0600).
#[derive(clap::Args)]
pub struct Args {
    file: PathBuf,
    /// Write the clear text into the file itself; `git commit` will refuse it
    #[arg(short, long)]
    in_place: bool,
    /// Write the clear text into this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    output: Option<PathBuf>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let only_prints =
            !self.in_place && self.output.as_ref().is_none_or(|output| output.as_os_str() == "-");
        let workspace = match only_prints {
            true => Workspace::open(Some(&self.file), Caller::Person)?,
            false => open_to_write(ui, Some(&self.file), Caller::Person, false)?,
        };
        let target = workspace.target(None, Some(&self.file))?;
        let opened = workspace.opened(&target)?;
        let text = opened.clear.emit(indent(&workspace));
        let text =
            text.ok_or_else(|| Failure::usage(format!("{}: cannot be printed in this format", target.path)))?;
        let output = match &self.output {
            Some(output) if output.as_os_str() != "-" => {
                workspace.write_in_clear(output, text.to_vec())?;
                output
            }
            None if self.in_place => {
                workspace.replace_in_clear(&opened, text.to_vec())?;
                &self.file
            }
            _ => {
                ui.bytes(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let output = output.display();
        ui.note(format!("{output} is in clear; seal it again with: stax secrets encrypt -i {output}"));
        Ok(ExitCode::SUCCESS)
    }
}

/// `stores` of the policy; a policy that cannot be read does not stand between a reader and a file.
fn indent(workspace: &Workspace) -> Indent {
    let Ok(Some(policy)) = workspace.policy() else { return Indent::default() };
    let columns = |indent: Option<i64>| indent.and_then(|columns| usize::try_from(columns).ok());
    Indent { yaml: columns(policy.stores.yaml_indent), json: columns(policy.stores.json_indent) }
}
