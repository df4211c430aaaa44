//! `stax secrets decrypt`

use std::path::PathBuf;
use std::process::ExitCode;

use sops_document::{Cleartext, Format, Indent};
use zeroize::Zeroizing;

use super::Which;
use super::formats::FormatName;
use super::interrupted::open_to_write;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::{Caller, Workspace, is_stream};

/// Print a whole file in clear, as `sops decrypt` does
///
/// What is written into a new file is for its owner alone (mode 0600).
#[derive(clap::Args)]
pub struct Args {
    /// Any SOPS file; - is stdin
    #[arg(value_name = "FILE", required_unless_present_any = ["env", "file"], conflicts_with_all = ["env", "file"])]
    alone: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Write the clear text into the file itself; `git commit` will refuse it
    #[arg(short, long)]
    in_place: bool,
    /// Write the clear text into this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    output: Option<PathBuf>,
    /// What the file is, whatever its name says
    #[arg(long, value_name = "FORMAT", value_enum)]
    input_type: Option<FormatName>,
    /// Print it in this format
    #[arg(long, value_name = "FORMAT", value_enum, conflicts_with = "in_place")]
    output_type: Option<FormatName>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let only_prints = !self.in_place
            && self
                .output
                .as_ref()
                .is_none_or(|output| output.as_os_str() == "-");
        let which = Which {
            file: self.alone.or(self.which.file),
            ..self.which
        };
        let file = which.file.as_deref();
        let place = if file.is_some_and(is_stream) && !self.in_place {
            self.output.as_deref()
        } else {
            file
        };
        let workspace = match only_prints {
            true => Workspace::open_to_read(file, Caller::Person)?,
            false => open_to_write(ui, place, Caller::Person, false)?,
        };
        if let Some(format) = self.input_type {
            workspace.read_as(format.into());
        }
        let target = match self.in_place {
            true => workspace.target(which.env.as_deref(), file)?,
            false => workspace.target_to_read(which.env.as_deref(), file)?,
        };
        let opened = workspace.opened(&target)?;
        let text = printed(
            &workspace,
            &opened.clear,
            self.output_type.map(Format::from),
        );
        let text = text.ok_or_else(|| {
            Failure::usage(format!("{}: cannot be printed in this format", target.path))
        })?;
        let output = match &self.output {
            Some(output) if output.as_os_str() != "-" => {
                workspace.write_in_clear(output, text.to_vec())?;
                output
            }
            None if self.in_place => {
                workspace.replace_in_clear(&opened, text.to_vec())?;
                &PathBuf::from(&target.path)
            }
            _ => {
                ui.bytes(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let output = output.display();
        ui.note(format!(
            "{output} is in clear; seal it again with: stax secrets encrypt -i {output}"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn printed(
    workspace: &Workspace,
    clear: &Cleartext,
    format: Option<Format>,
) -> Option<Zeroizing<Vec<u8>>> {
    match format {
        Some(format) => clear.emit_as(format, indent(workspace)),
        None => clear.emit(indent(workspace)),
    }
}

/// `stores` of the policy; a policy that cannot be read does not stand between a reader and a file.
fn indent(workspace: &Workspace) -> Indent {
    let Ok(Some(policy)) = workspace.policy() else {
        return Indent::default();
    };
    let columns = |indent: Option<i64>| indent.and_then(|columns| usize::try_from(columns).ok());
    Indent {
        yaml: columns(policy.stores.yaml_indent),
        json: columns(policy.stores.json_indent),
    }
}
