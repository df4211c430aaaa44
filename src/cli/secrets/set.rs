//! `stax secrets set`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use sops_document::tree::Node;
use sops_document::{Path, Scalar};
use zeroize::Zeroizing;

use super::names::AllowedNames;
use super::values::{self, Type};
use super::{Which, empty};
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::workspace::{Opened, Target, random, sealing};

/// Set one value, from a hidden prompt, stdin or a file
///
/// A value never stands in argv. The prompt takes one line; from stdin exactly one final newline is
/// dropped; --from-file takes the bytes as they are. An empty value needs --empty. An existing
/// value keeps its type, a new one is a string. --type json takes a map or a list as well.
#[derive(clap::Args)]
pub struct Args {
    /// A key, or a path into nested values: a.b, ["a"]["b"], or a name that `list` prints
    key: String,
    #[command(flatten)]
    which: Which,
    /// The type of the value
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Type>,
    /// Take the value from this file, byte for byte
    #[arg(long, value_name = "PATH")]
    from_file: Option<PathBuf>,
    /// Store the empty value; without this an empty input is refused
    #[arg(long, conflicts_with_all = ["from_file", "generate"])]
    empty: bool,
    /// Make a random value of this many letters and digits
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "40", conflicts_with = "from_file")]
    generate: Option<usize>,
    /// Store it in clear where the rule of the file does not encrypt this path
    #[arg(long)]
    clear: bool,
    #[arg(hide = true)]
    value: Vec<OsString>,
    /// Say what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        if !self.value.is_empty() || self.key.contains('=') {
            return Err(Failure::usage(
                "a value never stands in argv, where every process can read it",
            )
            .hint("type it at the prompt, or pipe it: … | stax secrets set KEY"));
        }
        let (workspace, target) = self.which.open_to_write(ui, self.dry_run)?;
        let names = if target.env.is_some() {
            AllowedNames::of(&workspace)?
        } else {
            AllowedNames::default()
        };
        if target.env.is_some() {
            // before the prompt: a name that cannot be stored needs no value
            let path = values::parse_path(&self.key, workspace.document(&target)?.tree())?;
            values::check_managed_value(&target, &path, &Scalar::Null, &names)?;
        }
        let bytes = self.value(ui)?;
        let (mut what, mut key) = (String::new(), String::new());
        let changed = values::update(&workspace, &target, self.dry_run, &mut |opened: &Opened| {
            let (clear, path) = values::locate(&self.key, &opened.clear)?;
            let entry = clear.tree().find(&path);
            let existing = entry
                .and_then(|entry| entry.node.leaf())
                .map(|leaf| &leaf.scalar);
            let format = clear.document().format();
            let kind = self
                .kind
                .unwrap_or_else(|| values::default_type(format, existing));
            let news = if entry.is_none() {
                "new key"
            } else {
                "changed"
            };
            key = path.to_string();
            if let Some(node) = container(kind, &path, &bytes)? {
                check_container(&target, &path)?;
                what = format!("{path} ({news}, {})", values::node_shape(&node));
                return Ok(sealing(&opened.key, |context| {
                    clear.set_node(&path, &node, self.clear, context)
                })?);
            }
            let is_whole = format.is_whole();
            let scalar = if is_whole {
                Scalar::Str(bytes.clone())
            } else {
                kind.read(&path, &bytes)?
            };
            if target.env.is_some() {
                values::check_managed_value(&target, &path, &scalar, &names)?;
            }
            what = format!("{path} ({news}, {})", values::shape(&scalar));
            Ok(sealing(&opened.key, |context| {
                clear.set(&path, scalar, self.clear, context)
            })?)
        })?;
        match (changed, self.dry_run) {
            (true, true) => ui.note(format!("would set {what} in {}", target.path)),
            (true, false) => ui.note(format!("{}: set {what}", target.path)),
            (false, _) => ui.note(format!(
                "{}: {} has this value already; nothing changed",
                target.path, self.key
            )),
        }
        if !self.dry_run {
            let set_empty = if bytes.is_empty() {
                vec![key]
            } else {
                Vec::new()
            };
            empty::settle(ui, &workspace, &target, &set_empty)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn value(&self, ui: &Ui) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if self.empty {
            return Ok(Zeroizing::default());
        }
        if let Some(length) = self.generate {
            return generate(length);
        }
        let bytes = match &self.from_file {
            Some(path) => std::fs::read(path)
                .map(Zeroizing::new)
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
            None => ui
                .read_value(&self.key)
                .map_err(|failure| failure.hint(self.other_ways()))?,
        };
        // Enter at the prompt, or a pipe from a program that failed, of which a shell says nothing
        if bytes.is_empty() {
            let empty = Failure::usage(format!(
                "the value of `{}` is empty; nothing was changed",
                self.key
            ));
            return Err(empty.hint(format!("if that is meant: {} --empty", self.typed())));
        }
        Ok(bytes)
    }

    fn other_ways(&self) -> String {
        let typed = self.typed();
        format!("pipe the value: … | {typed}; or take it from a file: {typed} --from-file PATH")
    }

    /// The command as it was typed, less the value.
    fn typed(&self) -> String {
        let kind = self
            .kind
            .map(|kind| format!(" --type {}", kind.name()))
            .unwrap_or_default();
        let clear = if self.clear { " --clear" } else { "" };
        format!(
            "stax secrets set {}{}{kind}{clear}",
            shell_words::quote(&self.key),
            self.which.typed()
        )
    }
}

/// The map or list that the input is, where JSON was asked for.
fn container(kind: Type, path: &Path, bytes: &[u8]) -> Result<Option<Node>, Failure> {
    if kind != Type::Json {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes);
    let text =
        text.map_err(|_| Failure::usage(format!("`{path}`: the value is not UTF-8 text")))?;
    Ok(Some(values::read_json(path, text)?).filter(|node| node.leaf().is_none()))
}

fn check_container(target: &Target, path: &Path) -> Result<(), Failure> {
    if target.env.is_none() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{}: `{path}`: a bound file is flat, without maps and lists",
        target.path
    )))
}

/// Letters and digits, each as likely as the others.
fn generate(length: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    const SIGNS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if !(16..=4096).contains(&length) {
        return Err(Failure::usage("--generate takes a length from 16 to 4096"));
    }
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    let mut byte = [0];
    while value.len() < length {
        random(&mut byte);
        // 248 is the largest multiple of 62 in a byte
        if byte[0] < 248 {
            value.push(SIGNS[usize::from(byte[0]) % SIGNS.len()]);
        }
    }
    Ok(value)
}
