//! `stax git filter`: the guard of `install --guard`. git hands it every guarded file on its way
//! into the object store and out again; none is changed, and what holds a secret in clear does not
//! go in.

mod protocol;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use sops_document::Selector;

use super::listed;
use super::textconv::is_shown;
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::secrets::install::guard;
use crate::cli::ui::Ui;
use crate::inventory::is_policy;
use crate::policy::content::{FileContent, looks_sealed};
use crate::policy::vault::Vault;
use crate::repo::Repo;
use crate::trace;
use crate::verify::facts::FileFacts;
use crate::verify::plain::{Plain, says_secret};
use crate::verify::rules::plaintext;
use crate::workspace::{Caller, VAULT, Workspace};

use protocol::{Answer, FilterCommand};

/// More values than these are counted, not named.
const SHOWN: usize = 5;

/// A long-running filter process (gitattributes(5))
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        std::panic::set_hook(Box::new(|_| {}));
        let guard = FilterGuard::default();
        let answer = |command: FilterCommand, path: &str, bytes: &[u8]| {
            trace::step("filter", || {
                let way = if command == FilterCommand::Smudge {
                    "out"
                } else {
                    "in"
                };
                format!("{way} {path}, {} bytes", bytes.len())
            });
            if command == FilterCommand::Smudge {
                if path == VAULT {
                    // a pull may bind files that this clone did not know
                    let _ = catch_unwind(AssertUnwindSafe(|| learn(bytes, ui)));
                }
                return Answer::AsItIs;
            }
            match catch_unwind(AssertUnwindSafe(|| guard.refusal(path, bytes))) {
                Ok(None) => Answer::AsItIs,
                Ok(Some(refusal)) => refuse(ui, path, &refusal),
                Err(_) => refuse(ui, path, &Refusal::clear("stax failed inside")),
            }
        };
        protocol::serve(io::stdin().lock(), io::stdout().lock(), answer)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Lets git ask about what a new `.stax/vault.json` binds. With a repository of its own: git writes
/// the index while this process runs, and the guard looks at it when the first file comes.
fn learn(vault: &[u8], ui: &Ui) {
    if let Ok(repo) = Repo::from_env() {
        guard::cover_bound(&repo, vault, ui);
    }
}

/// Why bytes do not go into the object store.
struct Refusal {
    why: String,
    /// They are what a diff shows, not what the file holds.
    is_shown: bool,
}

impl Refusal {
    fn clear(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_shown: false,
        }
    }
}

fn refuse(ui: &Ui, path: &str, refusal: &Refusal) -> Answer {
    trace::step("filter", || format!("refused {path}"));
    ui.say(Escaped(&format!("stax: {path}: {}", refusal.why)).to_string());
    let path = shell_words::quote(path);
    let hint = match refusal.is_shown {
        // git hands over its text of the work tree, and a filter cannot tell that from `git add`
        true => format!("git blame HEAD -- {path}"),
        false => format!("stax secrets encrypt -i {path}, or: git restore {path}"),
    };
    ui.hint(Escaped(&hint).to_string());
    Answer::Refused
}

/// What decides, read when the first file comes.
#[derive(Default)]
struct FilterGuard {
    around: OnceCell<Option<Around>>,
}

struct Around {
    workspace: Workspace,
    /// `None` where `.stax/vault.json` cannot be read: then any file may be bound.
    bound: Option<BTreeSet<String>>,
}

impl Around {
    fn read() -> Option<Self> {
        let workspace = Workspace::over(Repo::from_env().ok()?, Caller::Git);
        let files = |vault: Vault| vault.files.into_iter().map(|file| file.path).collect();
        let bound = workspace
            .bindings()
            .ok()
            .map(|vault| vault.map(files).unwrap_or_default());
        Some(Self { workspace, bound })
    }

    fn stored(&self, path: &str) -> Option<Vec<u8>> {
        self.workspace.repo().ok()?.index_blob(path).ok().flatten()
    }

    /// What git had before, in the index or else in HEAD.
    fn before(&self, path: &str) -> Option<Vec<u8>> {
        self.stored(path)
            .or_else(|| self.workspace.repo().ok()?.head_blob(path).ok().flatten())
    }

    /// A policy that cannot be read may name it.
    fn is_named(&self, path: &str) -> bool {
        let is_ruled = || match self.workspace.governing(path, false) {
            Ok(governing) => {
                governing.is_some_and(|governing| governing.rule().path_regex.is_some())
            }
            Err(_) => true,
        };
        says_secret(path) && is_ruled()
    }
}

impl FilterGuard {
    fn refusal(&self, path: &str, bytes: &[u8]) -> Option<Refusal> {
        if path == VAULT || is_policy(path) || bytes.is_empty() {
            return None;
        }
        let around = self.around.get_or_init(Around::read).as_ref();
        let why = Self::judge(around, path, bytes)?;
        // an older version in clear that is checked out: git compares it with what it has, and
        // stores nothing
        let is_stored = around
            .and_then(|around| around.stored(path))
            .is_some_and(|stored| stored == bytes);
        if is_stored {
            return None;
        }
        Some(match std::str::from_utf8(bytes).is_ok_and(is_shown) {
            true => Refusal {
                why: "this is what a diff shows, and not the file".to_owned(),
                is_shown: true,
            },
            false => Refusal::clear(why),
        })
    }

    fn judge(around: Option<&Around>, path: &str, bytes: &[u8]) -> Option<String> {
        let bound = around.and_then(|around| around.bound.as_ref());
        let managed = bound.is_some_and(|bound| bound.contains(path));
        let file = FileFacts::read(path, managed, Some(bytes));
        if let FileContent::Document(_) = &file.content {
            return named(
                &plaintext(&file)
                    .iter()
                    .filter_map(|one| one.key.clone())
                    .collect::<Vec<_>>(),
            );
        }
        if looks_sealed(bytes) {
            // half a merge holds both sides, and the hook judges it
            let FileContent::Broken { line, what, .. } = &file.content else {
                return None;
            };
            let was_document = || {
                around
                    .and_then(|around| around.before(path))
                    .is_some_and(|old| is_document(path, &old))
            };
            let is_damaged = !has_markers(bytes) && (managed || was_document());
            return is_damaged
                .then(|| format!("line {line}: {what}, so what is in clear is unknown"));
        }
        let Some(around) = around else {
            return Some(
                "what is secret here is unknown: stax cannot read this repository".to_owned(),
            );
        };
        if around.bound.is_none() {
            return Some(format!(
                "what is secret here is unknown: {VAULT} cannot be read"
            ));
        }
        let is_secret = managed
            || around.before(path).is_some_and(|old| looks_sealed(&old))
            || around.is_named(path)
                && Plain::read(path, bytes, &Selector::default())
                    .line
                    .is_some();
        is_secret.then(|| "the whole file is in clear".to_owned())
    }
}

fn is_document(path: &str, bytes: &[u8]) -> bool {
    matches!(
        FileContent::read(path, false, Some(bytes)),
        FileContent::Document(_)
    )
}

/// Whether git, or stax, left both sides of a merge in it.
fn has_markers(bytes: &[u8]) -> bool {
    bytes
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"<<<<<<< "))
}

/// ``A`, `B` and 3 more are in clear``
fn named(keys: &[String]) -> Option<String> {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    let are = if keys.len() == 1 { "is" } else { "are" };
    (!keys.is_empty()).then(|| format!("{} {are} in clear", listed(&quoted, SHOWN)))
}
