//! `stax secrets reseal`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use sops_document::tree::Leaf;
use sops_document::{Cleartext, Document, MacState, Path, Scalar, Token};

use super::interrupted::open_to_write;
use super::past::quoted;
use super::values::{parse_path, plain_text};
use super::verify::count;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::ledger::{EditsUnderMac, Snapshot, named_leaves};
use crate::workspace::intact::{Intact, NoIntact};
use crate::workspace::{Caller, Opened, Target, Workspace, sealing};

/// Encrypted values that a refusal names.
const SHOWN: usize = 10;

/// Make a new MAC for a file whose unencrypted values were changed by hand
///
/// sops refuses a file whose MAC does not hold. Every encrypted value is compared with the newest
/// version in git whose MAC holds: where one was changed, added, deleted, moved, or got another
/// type, nothing is written (exit 4). Each unencrypted value that differs is shown, and asked about
/// at a terminal, or accepted by name. Another order or format alone needs no answer.
///
/// Exit codes: 0 done or nothing to do, 1 not accepted at the terminal, 2 not accepted, or nothing
/// to compare with, 3 no identity opens it, 4 an encrypted value is not what it was.
#[derive(clap::Args)]
pub struct Args {
    file: PathBuf,
    /// Unencrypted values that may be as they are now
    #[arg(long, value_name = "KEY", num_args = 1..)]
    accept: Vec<String>,
    /// Show what differs and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = open_to_write(ui, Some(&self.file), Caller::Person, self.dry_run)?;
        let target = workspace.target(None, Some(&self.file))?;
        let opened = open(&workspace, &target)?;
        if opened.clear.mac() == MacState::Ok {
            ui.note(format!("{}: the MAC holds; nothing to do", target.path));
            return Ok(ExitCode::SUCCESS);
        }
        let intact = workspace
            .newest_intact(&target)?
            .map_err(|why| self.nothing_to_compare(&target, why))?;
        check_terms(&target, &intact, &opened.clear)?;
        let snapshot = |clear: &Cleartext| Snapshot::of(clear.document());
        let edits = EditsUnderMac::between(&snapshot(&intact.clear), &snapshot(&opened.clear));
        check_tokens(&target, &intact, &opened.clear, &edits)?;
        let shown = tell(ui, &target, &intact, &opened.clear, &edits);
        if self.dry_run {
            ui.note("dry run: nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
        if !self.is_accepted(ui, &target, opened.clear.document(), &edits)? {
            ui.note("nothing was changed");
            return Ok(Exit::No.into());
        }
        let text = sealing(&opened.key, |context| opened.clear.renew_mac(context))
            .map_err(|error| Failure::usage(format!("{}: {error}", target.path)))?;
        workspace.save(&[workspace.replace(&opened, text)])?;
        ui.note(format!("{}: new MAC over {}", target.path, shown));
        Ok(ExitCode::SUCCESS)
    }

    fn nothing_to_compare(&self, target: &Target, why: NoIntact) -> Failure {
        let word = quoted(&self.file.to_string_lossy());
        let failure = Failure::usage(format!(
            "{}: could not look at an earlier version: {why}",
            target.path
        ))
        .detail("so nothing tells which values were changed, and nothing was written");
        match why {
            NoIntact::Shallow => failure.hint("get the older commits: git fetch --unshallow"),
            _ => failure.hint(format!(
                "read every value, and seal the text anew: sops decrypt --ignore-mac {word}"
            )),
        }
    }

    /// Whether somebody takes each unencrypted value as it is now.
    fn is_accepted(
        &self,
        ui: &Ui,
        target: &Target,
        now: &Document,
        edits: &EditsUnderMac,
    ) -> Result<bool, Failure> {
        let accepted = self.accept.iter().map(|typed| name_of(typed, now, edits));
        let accepted = accepted.collect::<Result<BTreeSet<String>, _>>()?;
        let open = edits
            .unencrypted
            .all()
            .filter(|key| !accepted.contains(*key))
            .count();
        let (path, values) = (&target.path, count(open, "unencrypted value"));
        if open == 0 {
            return Ok(true);
        }
        if ui.is_interactive() {
            return Ok(ui.confirm(&format!(
                "make a new MAC for {path} with {values} as shown?"
            )));
        }
        let keys: Vec<String> = edits.unencrypted.all().map(|key| quoted(key)).collect();
        let (file, keys) = (quoted(&self.file.to_string_lossy()), keys.join(" "));
        Err(
            Failure::usage(format!("{path}: nobody has accepted {values}")).hint(format!(
                "where all of that is meant: stax secrets reseal {file} --accept {keys}"
            )),
        )
    }
}

/// The document with its values, whatever its MAC says; every token authenticates under its path.
fn open(workspace: &Workspace, target: &Target) -> Result<Opened, Failure> {
    let document = workspace.document(target)?;
    let key = workspace.unlock(target, &document)?;
    let clear = document
        .open_unverified(&key)
        .map_err(|fault| refused(target, fault.to_string()))?;
    if clear.mac() == MacState::Missing {
        return Err(refused(target, "the MAC is missing".into()));
    }
    if let Some(path) = loose_token(&clear) {
        let what = format!("`{path}` is encrypted, and the rule of the file does not select it");
        return Err(refused(target, what));
    }
    Ok(Opened {
        target: target.clone(),
        key,
        clear,
    })
}

/// Where a token stands that was not opened, so that its text would count as the value.
fn loose_token(clear: &Cleartext) -> Option<Path> {
    let is_token = |leaf: &Leaf| {
        leaf.scalar
            .as_text()
            .is_some_and(|text| Token::parse(text).is_ok())
    };
    let leaves = clear.tree().leaves().into_iter();
    let mut loose = leaves.filter(|(_, _, leaf)| leaf.token.is_none() && is_token(leaf));
    loose.next().map(|(path, ..)| path)
}

fn refused(target: &Target, what: String) -> Failure {
    let path = quoted(&target.path);
    Failure::new(Exit::Integrity, format!("{}: {what}", target.path))
        .detail("nothing was written")
        .hint(format!(
            "see who changed it, then restore it: git log -p -- {path}"
        ))
}

/// What decides which values are encrypted and which the MAC covers: no MAC is made over a file
/// where that is new.
fn check_terms(target: &Target, intact: &Intact, now: &Cleartext) -> Result<(), Failure> {
    if terms(&intact.clear) == terms(now) {
        return Ok(());
    }
    Err(refused(
        target,
        format!(
            "what the file encrypts is another rule than in {}",
            intact.name
        ),
    ))
}

fn terms(clear: &Cleartext) -> (&str, &str, bool) {
    let metadata = clear.document().metadata();
    let (field, text) = metadata.selector.field();
    (field, text, metadata.mac_only_encrypted)
}

/// Against the version that was intact, which the MAC of today was not made for.
fn check_tokens(
    target: &Target,
    intact: &Intact,
    now: &Cleartext,
    edits: &EditsUnderMac,
) -> Result<(), Failure> {
    let (before, after) = (
        Snapshot::of(intact.clear.document()),
        Snapshot::of(now.document()),
    );
    let retyped: Vec<String> = after.retyped_since(&before).cloned().collect();
    let tokens = &edits.tokens;
    let deeds = [
        (&tokens.changed, "has another encrypted value"),
        (&tokens.added, "is an encrypted value that was not there"),
        (&tokens.deleted, "was encrypted and is gone"),
        (&retyped, "has another type"),
    ];
    let lines: Vec<String> = deeds
        .iter()
        .flat_map(|(keys, deed)| keys.iter().map(move |key| format!("`{key}` {deed}")))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let what = format!(
        "encrypted values are not those of {}, the newest version whose MAC holds",
        intact.name
    );
    let failure = refused(target, what);
    let more = lines.len().saturating_sub(SHOWN);
    let failure = lines.into_iter().take(SHOWN).fold(failure, Failure::detail);
    Err(if more > 0 {
        failure.detail(format!("and {more} more"))
    } else {
        failure
    })
}

/// Each unencrypted value that differs, old and new; returns what was found in a few words.
fn tell(
    ui: &Ui,
    target: &Target,
    intact: &Intact,
    now: &Cleartext,
    edits: &EditsUnderMac,
) -> String {
    let (before, after) = (values(&intact.clear), values(now));
    ui.line(format!(
        "{} against {}, the newest version whose MAC holds",
        target.path, intact.name
    ));
    for key in edits.unencrypted.all() {
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => ui.mark_line("~", format!("{key}: {old} → {new}")),
            (None, Some(new)) => ui.mark_line("+", format!("{key}: {new}")),
            (Some(old), None) => ui.mark_line("-", format!("{key}: {old}")),
            (None, None) => {}
        }
    }
    if edits.is_reordered {
        ui.mark_line("~", "the values are in another order");
    }
    match edits.unencrypted.all().count() {
        0 if edits.is_reordered => "the values in another order".to_owned(),
        0 => "the same values".to_owned(),
        number => count(number, "changed unencrypted value"),
    }
}

/// What the MAC covers and nobody encrypts, by the names that findings have.
fn values(clear: &Cleartext) -> BTreeMap<String, String> {
    let document = clear.document();
    let covered = Snapshot::of(document).clear;
    let leaves = named_leaves(document).filter(|(name, _)| covered.contains_key(name));
    leaves
        .map(|(name, leaf)| (name, shown(&leaf.scalar)))
        .collect()
}

fn shown(scalar: &Scalar) -> String {
    let text = String::from_utf8_lossy(&plain_text(scalar)).into_owned();
    if matches!(scalar, Scalar::Str(_)) {
        format!("\"{text}\"")
    } else {
        text
    }
}

/// The name of a changed value as it is typed: as it was printed, or in sops's spelling.
fn name_of(typed: &str, document: &Document, edits: &EditsUnderMac) -> Result<String, Failure> {
    let is_changed = |name: &str| edits.unencrypted.all().any(|key| key == name);
    if is_changed(typed) {
        return Ok(typed.to_owned());
    }
    let name = parse_path(typed, document.tree())?.to_string();
    if is_changed(&name) {
        return Ok(name);
    }
    Err(Failure::usage(format!(
        "--accept {typed}: no unencrypted value of this name has changed"
    )))
}
