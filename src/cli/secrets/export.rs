//! `stax secrets export`

use std::process::ExitCode;

use zeroize::Zeroizing;

use super::resolve::whose;
use super::{Which, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::shell;
use crate::sops::Tree;
use crate::workspace::{Target, Workspace};

/// Print all values for a shell or a dotenv file
///
/// All or nothing: one value or name that cannot be exported, and nothing is printed. Booleans are
/// in lower case, numbers without exponent.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[arg(long, value_enum, default_value = "shell")]
    format: ExportFormat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ExportFormat {
    /// `export NAME='value'` lines for eval in sh, bash, dash and zsh
    Shell,
    /// `NAME=value` lines, quoted where needed
    Dotenv,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.open()?;
        let opened = workspace.opened(&target)?;
        whose::say(ui, &workspace, &target.path, opened.clear.document().source());
        let mut out = Zeroizing::new(String::new());
        for (name, value) in variables(&workspace, &target, opened.clear.tree())? {
            let line = match self.format {
                ExportFormat::Shell => shell::export_line(&name, &value),
                ExportFormat::Dotenv => shell::dotenv_line(&name, &value),
            };
            out.push_str(&Zeroizing::new(
                line.map_err(|error| Failure::usage(format!("{}: {error}", target.path)))?,
            ));
        }
        ui.bytes(out.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What may enter an environment: every value of a bound file, or an error for all of them.
pub fn variables(
    workspace: &Workspace,
    target: &Target,
    tree: &Tree,
) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    if target.env.is_none() {
        return Err(Failure::usage(format!("{} is not bound to an environment", target.path)).hint(
            "only files of .stax/vault.json are exported; print any other with: stax secrets decrypt",
        ));
    }
    values::check_managed(workspace, target, tree)?;
    tree.leaves()
        .into_iter()
        .map(|(path, _, leaf)| {
            let bytes = values::plain_text(&leaf.scalar);
            let text = String::from_utf8(bytes.to_vec())
                .map_err(|_| Failure::usage(format!("{}: `{path}` is not UTF-8 text", target.path)))?;
            Ok((path.keys().collect(), Zeroizing::new(text)))
        })
        .collect()
}
