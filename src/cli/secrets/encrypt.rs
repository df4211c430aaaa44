//! `stax secrets encrypt`

use std::path::PathBuf;
use std::process::ExitCode;

use super::install::guard;
use crate::age;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::sops::{DataKey, Document, DocumentError, Format, Selector, Terms, binary, seal};
use crate::workspace::{Caller, Target, Workspace, fresh, random};

/// Encrypt a clear file, or what is in clear in a half-encrypted one
///
/// YAML, JSON, dotenv and INI by their suffix; any other file is sealed whole. Recipients and rule come
/// from .sops.yaml. A file that is a SOPS document already keeps its data
/// key and every token; only values in clear that its rule selects are sealed.
#[derive(clap::Args)]
pub struct Args {
    file: PathBuf,
    /// Write the result into the file itself
    #[arg(short, long)]
    in_place: bool,
    /// Write the result into this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    output: Option<PathBuf>,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(Some(&self.file), Caller::Person)?;
        let target = workspace.target(None, Some(&self.file))?;
        self.check_name(&target.path)?;
        let before = workspace.read(&target.path)?.unwrap_or_default();
        let clear = Clear::read(&target.path, &before)?;
        let sealed = match clear.document() {
            Ok(document) => half_clear(ui, &workspace, &target, &document)?,
            Err(DocumentError::NotSops) => Some(whole(&workspace, &target, &clear)?),
            Err(error) => return Err(Failure::usage(format!("{}: {error}", target.path))),
        };
        let Some(sealed) = sealed else {
            ui.note(format!("{}: nothing is in clear that should not be", target.path));
            return Ok(ExitCode::SUCCESS);
        };
        match &self.output {
            Some(output) if output.as_os_str() != "-" => {
                workspace.write_to(output, sealed.into())?;
                if let (Ok(repo), Ok(path)) = (workspace.repo(), workspace.relative(output)) {
                    guard::cover(repo, &path, ui);
                }
            }
            None if self.in_place => {
                let path = target.path.clone().into();
                workspace.save(&[Write { path, before: Some(before), after: sealed.into(), mode: None }])?;
                if let Ok(repo) = workspace.repo() {
                    guard::cover(repo, &target.path, ui);
                }
            }
            _ => ui.bytes(sealed.as_bytes())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Args {
    /// The format goes by the name, so the result must be named like what it was made of.
    fn check_name(&self, path: &str) -> Result<(), Failure> {
        let Some(output) = self.output.as_ref().filter(|output| output.as_os_str() != "-") else {
            return Ok(());
        };
        if output.to_str().map(Format::of_path) == Some(Format::of_path(path)) {
            return Ok(());
        }
        let what = format!("{}: by its name sops would read another format", output.display());
        Err(Failure::usage(what).hint(format!("end it as {path} ends")))
    }
}

/// What a file holds: text, or for a binary file any bytes.
enum Clear<'a> {
    Text(Format, &'a str),
    Bytes(&'a [u8]),
}

impl<'a> Clear<'a> {
    fn read(path: &str, bytes: &'a [u8]) -> Result<Self, Failure> {
        match (Format::of_path(path), std::str::from_utf8(bytes)) {
            (Format::Binary, _) => Ok(Self::Bytes(bytes)),
            (format, Ok(text)) => Ok(Self::Text(format, text)),
            (_, Err(_)) => Err(Failure::usage(format!("{path} is not UTF-8 text"))),
        }
    }

    fn document(&self) -> Result<Document, DocumentError> {
        match self {
            Self::Text(format, text) => Document::parse(*format, text),
            Self::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotSops)?;
                // a template that only looks like a document is a file like any other
                Document::parse(Format::Binary, text).map_err(|error| match error {
                    DocumentError::Syntax(_) if !text.contains("ENC[AES256_GCM,") => DocumentError::NotSops,
                    error => error,
                })
            }
        }
    }
}

fn half_clear(
    ui: &Ui,
    workspace: &Workspace,
    target: &Target,
    document: &Document,
) -> Result<Option<String>, Failure> {
    workspace.check_recipients(target, document)?;
    let key = workspace.unlock(target, document)?;
    let result = fresh(|fresh| document.seal_clear(&key, fresh));
    let result = result.map_err(|error| Failure::usage(format!("{}: {error}", target.path)))?;
    Ok(result.map(|(text, paths)| {
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        ui.note(format!("{}: sealed {}", target.path, names.join(", ")));
        ui.note("the old MAC could not vouch for a file edited by hand: look at the whole diff");
        text
    }))
}

fn whole(workspace: &Workspace, target: &Target, clear: &Clear<'_>) -> Result<String, Failure> {
    let policy = workspace.policy()?;
    let rule = policy.as_ref().and_then(|policy| policy.rule_for(&target.path)).map(|(_, rule)| rule);
    let Some(rule) = rule else {
        return Err(Failure::usage(format!("no rule of .sops.yaml governs {}", target.path))
            .hint("stax secrets init --env ENV, or add a rule with this path"));
    };
    if rule.groups.len() > 1 || !rule.other_keys.is_empty() {
        return Err(Failure::usage(format!(".sops.yaml:{}: this rule needs sops", rule.line))
            .hint(format!("sops encrypt -i {}", target.path)));
    }
    let recipients: Vec<age::Recipient> = rule
        .recipients()
        .into_iter()
        .map(|key| key.parse().map_err(|error| Failure::usage(format!(".sops.yaml:{}: {error}", rule.line))))
        .collect::<Result<_, _>>()?;
    if recipients.is_empty() {
        return Err(Failure::usage(format!(".sops.yaml:{}: this rule names no recipient", rule.line))
            .hint("nobody could open the file; nothing was written"));
    }
    let selector = match &rule.crypt {
        Some(crypt) => Selector::from_field(crypt.field, &crypt.value).map_err(Failure::usage)?,
        None => None,
    }
    .unwrap_or_default();
    let key = DataKey::generate(&mut random);
    let wrapped = age::wrap(&key, &recipients);
    let terms = Terms { selector, mac_only_encrypted: rule.mac_only_encrypted, wrapped: &wrapped };
    let indent = policy.as_ref().and_then(|policy| policy.stores.json_binary_indent);
    let unit = indent.and_then(|columns| usize::try_from(columns).ok());
    let unit = unit.map_or("\t".to_owned(), |columns| " ".repeat(columns));
    let sealed = fresh(|fresh| match clear {
        Clear::Text(format, text) => seal(*format, text, &terms, &key, fresh),
        Clear::Bytes(bytes) => binary::seal(bytes, &unit, &wrapped, &key, fresh),
    });
    sealed.map_err(|error| Failure::usage(format!("{}: {error}", target.path)))
}
