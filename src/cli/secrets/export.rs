//! `stax secrets export`

use std::process::ExitCode;

use zeroize::Zeroizing;

use super::WhichFile;
use super::environment::{Door, variables};
use super::resolve::whose;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::environment::shell::{self, ExportError};

/// Print all values for a shell or a dotenv file
///
/// All or nothing: one value that cannot be exported, or one name that changes what programs run,
/// and nothing is printed. Booleans are in lower case, numbers without exponent.
///
/// Left out with a line: an empty value, unless `.stax/vault.json` has an exception for it (`set
/// --empty` and `import` write one), because SOPS does not authenticate it; and a name that points
/// programs at a proxy, certificates or configuration (`HTTPS_PROXY`, `KUBECONFIG`) and came after
/// the first export of this clone, until `stax allow env NAME`. In CI, whose clones are new, the
/// latter pass with a note.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: WhichFile,
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

/// The key is named, and how its value gets out all the same.
fn refused(path: &str, error: &ExportError) -> Failure {
    let failure = Failure::usage(format!("{path}: {error}"));
    match error {
        ExportError::Readers(_) => failure.hint("--format shell, or: stax secrets exec -- COMMAND"),
        _ => failure,
    }
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (workspace, target) = self.which.into_which().open()?;
        let opened = workspace.opened(&target)?;
        whose::say(
            ui,
            &workspace,
            &target.path,
            opened.clear.document().source(),
        );
        let mut out = Zeroizing::new(String::new());
        for (name, value) in variables(ui, &workspace, &target, opened.clear.tree(), Door::Export)?
        {
            let line = match self.format {
                ExportFormat::Shell => shell::export_line(&name, &value),
                ExportFormat::Dotenv => shell::dotenv_line(&name, &value),
            };
            out.push_str(&Zeroizing::new(
                line.map_err(|error| refused(&target.path, &error))?,
            ));
        }
        ui.bytes(out.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
