//! `stax secrets encrypt`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sops_document::age::RecipientError;
use sops_document::{DataKey, Document, DocumentError, Format, Selector, Terms, seal};

use super::install::guard;
use super::interrupted::open_to_write;
use super::people;
use super::values;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::policy::config::CreationRule;
use crate::policy::content::{FileContent, is_lfs_pointer, mentions};
use crate::policy::sniff::sniff;
use crate::workspace::groups::{ReaderGroups, Stanzas};
use crate::workspace::{
    Caller, MISNAMED_POLICY, POLICY, Target, Workspace, WorkspaceError, is_stream, random, sealing,
};

/// Each group has a number of one byte, and 0 is none.
const MAX_GROUPS: usize = 255;

/// Encrypt a plaintext file, or the plaintext values of a SOPS file
///
/// YAML, JSON, dotenv and INI by their suffix; any other file is sealed whole. Recipients and rule
/// come from .sops.yaml, by the name of the file that is written. A file that is a SOPS document
/// already, whatever its name, keeps its readers, its data key and every token: only plaintext
/// values that it should encrypt are sealed.
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
        let only_prints = !self.in_place
            && self
                .output
                .as_ref()
                .is_none_or(|output| output.as_os_str() == "-");
        let kept = self
            .output
            .as_deref()
            .filter(|output| output.as_os_str() != "-");
        let (workspace, target) = self.open(ui, kept, only_prints)?;
        let kept = kept.and_then(|output| workspace.relative(output).ok());
        let before = workspace.read(&target.path)?.unwrap_or_default();
        if is_lfs_pointer(&before) {
            return Err(WorkspaceError::LfsPointer(target.path).into());
        }
        if let Some(kept) = &kept {
            refuse_other_readers(&workspace, &target.path, kept)?;
        }
        let sealed = match document(&target.path, &before)? {
            Some(document) => match half_clear(ui, &workspace, &target, &document)? {
                Some(sealed) => sealed,
                None if self.in_place => return Ok(ExitCode::SUCCESS),
                None => document.source().to_owned(),
            },
            None => {
                self.check_name(&target.path)?;
                check_text(&target.path, &before)?;
                whole(&workspace, kept.as_deref(), &target, &before)?
            }
        };
        values::warn_misread(ui, &target.path, Format::of_path(&target.path), &sealed);
        match &self.output {
            Some(output) if output.as_os_str() != "-" => {
                workspace.write_to(output, sealed.into())?;
                if let (Ok(repo), Ok(path)) = (workspace.repo(), workspace.relative(output)) {
                    guard::cover(repo, &path, ui);
                }
            }
            None if self.in_place => {
                let path = target.path.clone().into();
                workspace.save(&[Write {
                    path,
                    before: Some(before),
                    after: sealed.into(),
                    mode: None,
                }])?;
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
    /// A text that comes by a pipe goes by the name of the file that is written.
    fn open(
        &self,
        ui: &Ui,
        kept: Option<&Path>,
        only_prints: bool,
    ) -> Result<(Workspace, Target), Failure> {
        if !is_stream(&self.file) {
            let workspace = open_to_write(ui, Some(&self.file), Caller::Person, only_prints)?;
            let target = workspace.target(None, Some(&self.file))?;
            return Ok((workspace, target));
        }
        let Some(kept) = kept else {
            let what = "what comes by a pipe has no name that tells its rule and its format";
            return Err(Failure::usage(what).hint("name the file that is written: -o FILE"));
        };
        let workspace = open_to_write(ui, Some(kept), Caller::Person, false)?;
        let path = workspace.relative(kept)?;
        let env = workspace
            .vault()?
            .and_then(|vault| vault.env_for_path(&path).map(str::to_owned));
        workspace.give(&path, &self.file)?;
        Ok((workspace, Target { path, env }))
    }

    /// The format goes by the name, so the result must be named like what it was made of.
    fn check_name(&self, path: &str) -> Result<(), Failure> {
        let Some(output) = self
            .output
            .as_ref()
            .filter(|output| output.as_os_str() != "-")
        else {
            return Ok(());
        };
        if output.to_str().map(Format::of_path) == Some(Format::of_path(path)) {
            return Ok(());
        }
        let what = format!(
            "{}: by its name sops would read another format",
            output.display()
        );
        Err(Failure::usage(what).hint(format!("end it as {path} ends")))
    }
}

/// A file is text, unless its format takes any bytes.
fn check_text(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    if Format::of_path(path).is_whole() || std::str::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    Err(Failure::usage(format!("{path} is not UTF-8 text")))
}

/// A SOPS document by its name or by its content: what is sealed is never sealed again.
fn document(path: &str, bytes: &[u8]) -> Result<Option<Document>, Failure> {
    // nothing of SOPS is in it: it is parsed when it is sealed, and not twice
    if !sniff(bytes).speaks_of_sops() {
        return Ok(None);
    }
    let format = Format::of_path(path);
    let text = std::str::from_utf8(bytes).ok();
    let named = text.map(|text| Document::parse(format, text));
    match named {
        Some(Ok(document)) => return Ok(Some(document)),
        Some(Err(error)) if !format.is_whole() => {
            if let FileContent::Document(found) = FileContent::read(path, false, Some(bytes)) {
                return Ok(Some(*found));
            }
            return match error {
                DocumentError::NotSops => Ok(None),
                error => Err(Failure::usage(format!("{path}: {error}"))),
            };
        }
        _ => {}
    }
    match (FileContent::read(path, false, Some(bytes)), named) {
        (FileContent::Document(found), _) => Ok(Some(*found)),
        // a template that only looks like a document is a file like any other
        (_, Some(Err(DocumentError::Syntax(_)))) if !mentions(bytes, b"ENC[AES256_GCM,") => {
            Ok(None)
        }
        (_, None | Some(Ok(_) | Err(DocumentError::NotSops))) => Ok(None),
        (_, Some(Err(error))) => Err(Failure::usage(format!("{path}: {error}"))),
    }
}

/// Who shall read this file by its rule is not asked here: sealing changes no reader.
fn note_readers(ui: &Ui, workspace: &Workspace, target: &Target, document: &Document) {
    if let Err(error @ (WorkspaceError::Recipients { .. } | WorkspaceError::Groups { .. })) =
        workspace.check_recipients(target, document)
    {
        ui.warning(format!("{error}: it keeps its own"));
        ui.hint(format!(
            "to change them: stax secrets updatekeys {}",
            shell_words::quote(&target.path)
        ));
    }
}

fn half_clear(
    ui: &Ui,
    workspace: &Workspace,
    target: &Target,
    document: &Document,
) -> Result<Option<String>, Failure> {
    if !document.has_plaintext() {
        ui.note(format!(
            "{}: nothing is plaintext that should be encrypted",
            target.path
        ));
        return Ok(None);
    }
    note_readers(ui, workspace, target, document);
    let key = workspace.unlock(target, document)?;
    let result = sealing(&key, |context| document.seal_clear(context));
    let result = result.map_err(|error| Failure::usage(format!("{}: {error}", target.path)))?;
    Ok(result.map(|(text, paths)| {
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        ui.note(format!("{}: sealed {}", target.path, names.join(", ")));
        ui.note("the old MAC could not vouch for a file edited by hand: look at the whole diff");
        text
    }))
}

/// Nobody shall read a file because of where a copy of it stood.
fn refuse_other_readers(workspace: &Workspace, source: &str, kept: &str) -> Result<(), Failure> {
    let readers = |path: &str| -> Result<_, Failure> {
        let is_bound = workspace
            .vault()?
            .is_some_and(|vault| vault.env_for_path(path).is_some());
        Ok(workspace
            .governing(path, is_bound)?
            .map(|governing| governing.rule().readers()))
    };
    match (readers(source)?, readers(kept)?) {
        (Some(of_source), Some(of_kept)) if of_source != of_kept => {
            let (from, to) = (shell_words::quote(source), shell_words::quote(kept));
            Err(Failure::usage(format!(
                "{source} and {kept} are governed by rules with different readers"
            ))
            .hint(format!(
                "for the readers of {kept}: stax secrets encrypt - -o {to} < {from}"
            )))
        }
        _ => Ok(()),
    }
}

/// No rule, and what looks like the reason.
fn ungoverned(workspace: &Workspace, path: &str) -> Failure {
    let root = workspace.root();
    if root.join(MISNAMED_POLICY).is_file() {
        let what = format!(
            "no rule governs {path}: sops reads {POLICY}, and the policy is called {MISNAMED_POLICY}"
        );
        return Failure::usage(what).hint(format!("mv {MISNAMED_POLICY} {POLICY}"));
    }
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let above = root
        .ancestors()
        .skip(1)
        .find(|folder| folder.join(POLICY).is_file());
    if let Some(above) = above.filter(|_| workspace.repo().is_err()) {
        let above = above.display();
        let what = format!(
            "no rule governs {path}: outside of git the {POLICY} in {above} does not count here"
        );
        return Failure::usage(what).hint(format!("make it a repository: git init {above}"));
    }
    Failure::usage(format!("no rule of {POLICY} governs {path}"))
        .hint("stax secrets init --env ENV, or add a rule with this path")
}

/// The rule is that of the file which is kept: `kept`, or the file itself.
fn whole(
    workspace: &Workspace,
    kept: Option<&str>,
    target: &Target,
    clear: &[u8],
) -> Result<String, Failure> {
    let path = kept.unwrap_or(&target.path);
    let is_bound = workspace
        .vault()?
        .is_some_and(|vault| vault.env_for_path(path).is_some());
    let Some(governing) = workspace.governing(path, is_bound)? else {
        return Err(ungoverned(workspace, path));
    };
    let rule = governing.rule();
    let place = format!("{}:{}", governing.policy, rule.line);
    if !rule.other_keys.is_empty() {
        return Err(Failure::usage(format!("{place}: this rule needs sops"))
            .hint(format!("sops encrypt -i {}", target.path)));
    }
    let readers = readers(rule).map_err(|what| Failure::usage(format!("{place}: {what}")))?;
    if readers.iter().any(Vec::is_empty) {
        let what = if readers.len() > 1 {
            "a key group of this rule"
        } else {
            "this rule"
        };
        return Err(
            Failure::usage(format!("{place}: {what} names no recipient"))
                .hint("nobody could open the file; nothing was written"),
        );
    }
    let selector = match &rule.crypt {
        Some(crypt) => Selector::from_field(crypt.field, &crypt.value)
            .map_err(|error| Failure::usage(error.to_string()))?,
        None => None,
    }
    .unwrap_or_default();
    let key = DataKey::generate(&mut random);
    let stanzas = Stanzas::new(&key, &readers, rule.threshold());
    let indent = governing.config.stores.json_binary_indent;
    let terms = Terms {
        selector,
        mac_only_encrypted: rule.mac_only_encrypted,
        wrapped: (&stanzas).into(),
        threshold: rule.threshold(),
        indent: indent.and_then(|columns| usize::try_from(columns).ok()),
    };
    let format = Format::of_path(&target.path);
    let sealed = sealing(&key, |context| seal(format, clear, &terms, context));
    sealed.map_err(|error| Failure::usage(format!("{}: {error}", target.path)))
}

/// Those whom the rule names, for each key group; the error is what sops would refuse too.
fn readers(rule: &CreationRule) -> Result<ReaderGroups, String> {
    let groups = rule.groups.len();
    // without a number, or with 0, every group is needed
    let number = rule
        .shamir_threshold
        .filter(|number| *number != 0 && groups > 1);
    let is_in_range =
        |number: i64| usize::try_from(number).is_ok_and(|it| (2..=groups).contains(&it));
    if number.is_some_and(|number| !is_in_range(number)) {
        return Err(format!(
            "`shamir_threshold` is not a number from 2 to {groups}"
        ));
    }
    if groups > MAX_GROUPS {
        return Err(format!("more than {MAX_GROUPS} key groups"));
    }
    let parse = |keys: Vec<&str>| {
        keys.into_iter()
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()
    };
    let lists = people::readers::lists(rule, groups > 1);
    let lists = lists.into_iter().map(parse).collect::<Result<_, _>>();
    lists.map_err(|error: RecipientError| error.to_string())
}
