//! `stax git filter`: the guard of `install --guard`. git hands it every guarded file on its way into the object
//! store and out again; none is changed, and what holds a secret in clear does not go in.

mod protocol;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use super::listed;
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::policy::config::Config;
use crate::policy::rules::{Content, FileFacts, Plain, looks_sealed, plaintext, says_secret};
use crate::repo::Repo;
use crate::workspace::{Caller, POLICY, Workspace};

use protocol::{Answer, Command};

/// More values than these are counted, not named.
const SHOWN: usize = 5;

/// A long-running filter process (gitattributes(5))
#[derive(clap::Args)]
pub struct Args {}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        std::panic::set_hook(Box::new(|_| {}));
        let guard = Guard::default();
        let answer = |command: Command, path: &str, bytes: &[u8]| {
            if command == Command::Smudge {
                return Answer::AsItIs;
            }
            match catch_unwind(AssertUnwindSafe(|| guard.refusal(path, bytes))) {
                Ok(None) => Answer::AsItIs,
                Ok(Some(why)) => refuse(ui, path, &why),
                Err(_) => refuse(ui, path, "stax failed inside"),
            }
        };
        protocol::serve(io::stdin().lock(), io::stdout().lock(), answer)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn refuse(ui: &Ui, path: &str, why: &str) -> Answer {
    ui.say(Escaped(&format!("stax: {path}: {why}")).to_string());
    let path = shell_words::quote(path);
    ui.hint(Escaped(&format!("stax secrets encrypt -i {path}, or: git restore {path}")).to_string());
    Answer::Refused
}

/// What decides, read when the first file comes.
#[derive(Default)]
struct Guard {
    around: OnceCell<Option<Around>>,
}

struct Around {
    workspace: Workspace,
    bound: BTreeSet<String>,
    policy: Option<Config>,
}

impl Around {
    fn read() -> Option<Self> {
        let workspace = Workspace::over(Repo::from_env().ok()?, Caller::Git);
        let vault = workspace.vault().ok().flatten();
        let bound = vault.map(|vault| vault.files.into_iter().map(|file| file.path).collect());
        let policy = workspace.policy().ok().flatten();
        Some(Self { workspace, bound: bound.unwrap_or_default(), policy })
    }

    fn was_sealed(&self, path: &str) -> bool {
        let repo = self.workspace.repo();
        let old = repo.and_then(|repo| Ok(repo.index_blob(path)?.or(repo.head_blob(path)?)));
        old.ok().flatten().is_some_and(|old| looks_sealed(&old))
    }

    fn is_named(&self, path: &str) -> bool {
        let rule = self.policy.as_ref().and_then(|policy| policy.rule_for(path));
        says_secret(path) && rule.is_some_and(|(_, rule)| rule.path_regex.is_some())
    }
}

impl Guard {
    /// Why these bytes do not go into the object store.
    fn refusal(&self, path: &str, bytes: &[u8]) -> Option<String> {
        if path.rsplit('/').next() == Some(POLICY) || bytes.is_empty() {
            return None;
        }
        let around = self.around.get_or_init(Around::read).as_ref();
        let managed = around.is_some_and(|around| around.bound.contains(path));
        let file = FileFacts::read(path, managed, Some(bytes));
        let is_secret = || {
            managed
                || around.is_some_and(|around| {
                    around.was_sealed(path)
                        || around.is_named(path) && Plain::read(path, bytes).line.is_some()
                })
        };
        match &file.content {
            Content::Document(_) => {
                named(&plaintext(&file).iter().filter_map(|one| one.key.clone()).collect::<Vec<_>>())
            }
            // half a merge holds tokens, and the hook judges it
            _ if looks_sealed(bytes) || !is_secret() => None,
            _ => Some("the whole file is in clear".to_owned()),
        }
    }
}

/// ``A`, `B` and 3 more are in clear``
fn named(keys: &[String]) -> Option<String> {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    let are = if keys.len() == 1 { "is" } else { "are" };
    (!keys.is_empty()).then(|| format!("{} {are} in clear", listed(&quoted, SHOWN)))
}
