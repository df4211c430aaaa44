//! Settling keys: in memory, then one write, then the index.

use std::process::ExitCode;

use sops_document::merge::marker;
use sops_document::tree::Path;
use sops_document::{Cleartext, SealError};
use zeroize::Zeroizing;

use super::Settlement;
use super::sides::{Masks, names};
use super::state::{OpenConflict, files, refused};
use crate::cli::escape::Escaped;
use crate::cli::failure::{Exit, Failure};
use crate::cli::secrets::edit::Editor;
use crate::cli::ui::Ui;
use crate::disk::{PrivateDir, Write};
use crate::process;
use crate::repo::Repo;
use crate::workspace::conflicts::{self, Choice};
use crate::workspace::merge::{RECIPIENTS, settle as take};
use crate::workspace::{Caller, MAX_FILE, Workspace, git, sealing};

/// Lines for the author at the top of the text in the editor.
const TALK: &str = "# stax: ";

pub(super) fn settle(
    ui: &Ui,
    workspace: &Workspace,
    mut state: OpenConflict,
    keys: &[String],
    how: Settlement,
) -> Result<ExitCode, Failure> {
    let (path, repo) = (state.path.clone(), workspace.repo()?);
    let format = state.triple.format();
    let left: Vec<String> = state
        .current
        .open
        .iter()
        .filter(|key| !keys.contains(key))
        .cloned()
        .collect();
    // the markers of the text merge stay until all is settled
    let waits = !left.is_empty() && marker::mark(format, "", &[]).is_none();
    let text = settled_text(ui, workspace, &state, keys, how, waits)?;
    let said = said(repo, &state, keys, how);
    state.current.open = left;
    let open = state.current.open.join(", ");
    if let (true, Settlement::Side(choice)) = (waits, how) {
        state
            .settled
            .extend(keys.iter().map(|key| (key.clone(), choice)));
        conflicts::update(repo, &state.conflict())?;
        ui.line(format!(
            "{path}: {said}; written when the rest is settled; still open: {open}"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let after = match open.is_empty() {
        true => text,
        false => marker::mark(format, &text, &state.current.open).unwrap_or(text),
    };
    let write = Write {
        path: path.clone().into(),
        before: state.before.clone(),
        after: after.into(),
        mode: None,
    };
    workspace.save(&[write])?;
    if !open.is_empty() {
        conflicts::update(repo, &state.conflict())?;
        ui.line(format!("{path}: {said}; MAC valid; still open: {open}"));
        return Ok(ExitCode::SUCCESS);
    }
    stage(workspace, &path)?;
    ui.line(format!(
        "{path}: {said}; MAC valid, no conflict left, staged; next: {}",
        next(workspace, otherwise(repo, &state))?
    ));
    Ok(ExitCode::SUCCESS)
}

/// Nothing is open: git merged as text what merges by key, or somebody settled it by hand.
pub(super) fn finish(
    ui: &Ui,
    workspace: &Workspace,
    state: &OpenConflict,
) -> Result<ExitCode, Failure> {
    let path = &state.path;
    let opened = state.document()?.open(&state.current.key);
    opened.map_err(|fault| Failure::new(Exit::Integrity, format!("{path}: {fault}")))?;
    save(workspace, state, state.current.text.clone())?;
    stage(workspace, path)?;
    let how = if state.is_anew {
        "merged by key"
    } else {
        "as it is in the work tree"
    };
    ui.line(format!(
        "{path}: {how}; MAC valid, no conflict left, staged; next: {}",
        next(workspace, otherwise(workspace.repo()?, state))?
    ));
    Ok(ExitCode::SUCCESS)
}

fn save(workspace: &Workspace, state: &OpenConflict, after: String) -> Result<(), Failure> {
    let (path, before) = (state.path.clone().into(), state.before.clone());
    Ok(workspace.save(&[Write {
        path,
        before,
        after: after.into(),
        mode: None,
    }])?)
}

fn settled_text(
    ui: &Ui,
    workspace: &Workspace,
    state: &OpenConflict,
    keys: &[String],
    how: Settlement,
    waits: bool,
) -> Result<String, Failure> {
    let path = &state.path;
    let clear = state
        .document()?
        .open(&state.current.key)
        .map_err(|fault| Failure::new(Exit::Integrity, format!("{path}: {fault}")))?;
    match how {
        Settlement::Edit if waits => Err(Failure::usage(format!(
            "{path}: its format has no comments to say what is still open"
        ))
        .hint(format!(
            "settle the others first, or edit all: stax secrets resolve {path} --edit"
        ))),
        Settlement::Edit => edited(ui, workspace, state, &clear, keys),
        Settlement::Side(choice) => {
            let is_value = |key: &&String| *key != RECIPIENTS;
            let addresses: Vec<Path> = keys
                .iter()
                .filter(is_value)
                .filter_map(|key| state.address(key))
                .collect();
            from_side(state, &clear, choice, &addresses)
        }
    }
}

/// `STRIPE_SECRET_KEY from payments`
fn said(repo: &Repo, state: &OpenConflict, keys: &[String], how: Settlement) -> String {
    let (ours, theirs) = names(repo, &state.path, state.blobs.theirs);
    let from = match how {
        Settlement::Edit => return format!("{} edited", keys.join(", ")),
        Settlement::Side(Choice::Ours) => ours.short,
        Settlement::Side(Choice::Theirs) => theirs.short,
    };
    format!("{} from {from}", keys.join(", "))
}

fn from_side(
    state: &OpenConflict,
    clear: &Cleartext,
    choice: Choice,
    addresses: &[Path],
) -> Result<String, Failure> {
    let (side, their_key) = match choice {
        Choice::Ours => state.triple.ours_opened(),
        Choice::Theirs => state.triple.theirs_opened(),
    };
    let differs = |path: &&Path| match (clear.tree().find(path), side.tree().find(path)) {
        (Some(now), Some(wanted)) => !now.node.means(&wanted.node),
        (None, None) => false,
        _ => true,
    };
    let addresses: Vec<Path> = addresses.iter().filter(differs).cloned().collect();
    if addresses.is_empty() {
        return Ok(state.current.text.clone());
    }
    take((clear, &state.current.key), (side, their_key), &addresses)
        .map_err(|error| refused(&state.path, error))
}

/// What the author makes of the whole document in the editor; the sides of the keys stand on top.
fn edited(
    ui: &Ui,
    workspace: &Workspace,
    state: &OpenConflict,
    clear: &Cleartext,
    keys: &[String],
) -> Result<String, Failure> {
    let path = &state.path;
    let failed = |what: String| Failure::usage(what).hint("nothing was changed");
    let editor = Editor::of_environment()?;
    let folder = PrivateDir::create()?;
    let name = path.rsplit('/').next().unwrap_or("secrets.yaml");
    let shown = match clear.payload() {
        Some(payload) => payload,
        None => Zeroizing::new((talk(workspace, state, keys) + &clear.layout()).into_bytes()),
    };
    let file = folder.write(name, &shown)?;
    let held = ui.is_interactive().then(|| folder.hold_interrupts());
    let status = editor
        .open(ui, &folder, &file)
        .map_err(|failure| failure.hint("nothing was changed"))?;
    drop(held);
    if !status.success() {
        return Err(failed(format!("the editor ended with {status}")));
    }
    let bytes = folder.read(name, MAX_FILE)?;
    let refuse = |error: SealError| failed(format!("{path}: {error}"));
    let key = &state.current.key;
    let sealed = if clear.payload().is_some() {
        sealing(key, |context| clear.reseal_payload(&bytes, context)).map_err(refuse)?
    } else {
        let text =
            std::str::from_utf8(&bytes).map_err(|_| failed(format!("{path}: not UTF-8 text")))?;
        let lines = text
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(TALK));
        let text = Zeroizing::new(lines.collect::<String>());
        sealing(key, |context| clear.reseal(&text, context)).map_err(refuse)?
    };
    sealed.ok_or_else(|| {
        Failure::no(format!("{path}: nothing was changed in the editor, so {} stays open", keys.join(", ")))
            .hint(format!(
                "to keep what the file has, name the keys with --ours: stax secrets resolve {path} --ours"
            ))
    })
}

fn talk(workspace: &Workspace, state: &OpenConflict, keys: &[String]) -> String {
    let has_hashes = state.triple.format().traits().comment_signs.first() == Some(&'#');
    let Some(repo) = workspace.repo().ok().filter(|_| has_hashes) else {
        return String::new();
    };
    let (ours, theirs) = names(repo, &state.path, state.blobs.theirs);
    let masks = Masks::new(workspace);
    let mut out = String::new();
    for key in keys {
        let Some(address) = state.address(key) else {
            continue;
        };
        for (name, tree) in [
            (&ours, state.triple.ours()),
            (&theirs, state.triple.theirs()),
        ] {
            let line = format!("{key} ({}): {}", name.short, masks.shown(&address, tree));
            out += &format!("{TALK}{}\n", Escaped(&line));
        }
    }
    out
}

/// By git itself, which also clears the three stages.
pub(super) fn stage(workspace: &Workspace, path: &str) -> Result<(), Failure> {
    // git stages nothing that a sparse checkout leaves out, also where a merge brought it into the
    // work tree
    let option: &[&str] = if workspace.repo()?.may_be_sparse() {
        &["--sparse"]
    } else {
        &[]
    };
    let words = [&["add"], option, &["--", path]].concat();
    let ended = git::run(
        Some(workspace.repo()?),
        workspace.root(),
        &words,
        process::TIMEOUT,
    );
    // an index that is open does not see what another process writes
    let is_staged = || -> Result<bool, Failure> {
        let entries = workspace.repo()?.again()?.index_entries()?;
        Ok(entries
            .iter()
            .filter(|entry| entry.path == path)
            .all(|entry| entry.stage == 0))
    };
    if ended.is_ok_and(|output| output.status.success()) && is_staged()? {
        conflicts::forget(workspace.repo()?, path);
        return Ok(());
    }
    Err(
        Failure::usage(format!("{path} is settled, but git did not stage it")).hint(format!(
            "stage it: git add {}{path}",
            option
                .iter()
                .map(|word| format!("{word} "))
                .collect::<String>()
        )),
    )
}

/// What ends it where git waits for nothing.
fn otherwise(repo: &Repo, state: &OpenConflict) -> &'static str {
    if repo.is_stashed(&state.path, state.blobs.theirs) {
        "git stash drop"
    } else {
        "git commit"
    }
}

/// What ends the merge, where no other file of it is open.
pub(super) fn next(workspace: &Workspace, otherwise: &str) -> Result<String, Failure> {
    let workspace = Workspace::over(workspace.repo()?.again()?, Caller::Person);
    let repo = workspace.repo()?;
    if let Some((path, _)) = files(&workspace)?.first() {
        return Ok(format!("stax secrets resolve {path}"));
    }
    let operations = repo.operations();
    Ok(match operations.first().map(|operation| operation.head) {
        _ if repo.is_rebase() => "git rebase --continue",
        _ if repo.patch().is_some() => "git am --continue",
        Some("CHERRY_PICK_HEAD") => "git cherry-pick --continue",
        Some("REVERT_HEAD") => "git revert --continue",
        Some(_) => "git commit",
        None => otherwise,
    }
    .into())
}
