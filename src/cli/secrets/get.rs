//! `stax secrets get`

use std::process::ExitCode;

use sops_document::tree::Node;
use sops_document::{Format, Indent};
use zeroize::Zeroizing;

use super::past::PastVersion;
use super::resolve::whose;
use super::{Which, values};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::Caller;

/// Print one value, as it is or as it was
///
/// Prints the value and a newline on stdout, and nothing else; a map or a list as its file has it.
/// With --at it is the value of a commit: a version from before you could read the file opens too,
/// as long as the file still has the data key that it had then. A value or a MAC that does not
/// authenticate is never printed.
///
/// Exit codes: 0 printed, 1 no such key (or no such file in that revision), 2 no such revision, 3
/// no identity opens it, 4 it does not authenticate.
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"], or a name that `list` prints
    key: String,
    #[command(flatten)]
    which: Which,
    /// The value as of this commit, in git's spelling: HEAD~3, main@{yesterday}, v1.2, 77ab01c
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Print no newline after the value
    #[arg(long)]
    no_newline: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let (node, format) = match &self.at {
            Some(revision) => self.past(revision)?,
            None => self.present(ui)?,
        };
        let mut value = match node.leaf() {
            Some(leaf) => values::plain_text(&leaf.scalar),
            None => self.printed(&node, format)?,
        };
        if !self.no_newline {
            value.reserve_exact(1);
            value.push(b'\n');
        }
        ui.bytes(&value)?;
        Ok(ExitCode::SUCCESS)
    }

    /// A map or a list in the format of its file, without the final newline.
    fn printed(&self, node: &Node, format: Format) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let text = format.emit_node(node, Indent::default());
        let text = text
            .ok_or_else(|| Failure::usage(format!("`{}` is a section, not a value", self.key)))?;
        Ok(Zeroizing::new(
            text.trim_end_matches('\n').as_bytes().to_vec(),
        ))
    }

    fn present(&self, ui: &Ui) -> Result<(Node, Format), Failure> {
        let (workspace, target) = self.which.open()?;
        let opened = workspace.opened(&target)?;
        whose::say(
            ui,
            &workspace,
            &target.path,
            opened.clear.document().source(),
        );
        let (clear, path) = values::locate(&self.key, &opened.clear)?;
        let entry = clear
            .tree()
            .find(&path)
            .ok_or_else(|| self.which.lacks(&path))?;
        Ok((entry.node.clone(), clear.document().format()))
    }

    fn past(&self, revision: &str) -> Result<(Node, Format), Failure> {
        let (workspace, target) = self.which.open_past(Caller::Person)?;
        let past = PastVersion::open(&workspace, &target, revision)?;
        let node = past.node(&self.key)?.ok_or_else(|| past.lacks(&self.key))?;
        Ok((node, past.format()))
    }
}
