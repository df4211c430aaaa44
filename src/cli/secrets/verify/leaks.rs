//! Rule C07 of what a commit or a push brings, where a key opens without a question.

use std::collections::{BTreeMap, BTreeSet};

use super::count;
use crate::cli::failure::Failure;
use crate::policy::leak::{COMMITTED, Guard, HERE};
use crate::policy::rules::{FileFacts, looks_sealed};
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Entry, ObjectId, Repo, RepoError, Span, StagedChange};
use crate::sops::selector::Selected;
use crate::sops::{Document, Token};
use crate::workspace::Workspace;
use crate::workspace::history::day;
use crate::workspace::leaks::{Cut, IN_HOOKS, Values};

/// What a hook found, and what it did not look for.
#[derive(Default)]
pub(super) struct Leaks {
    pub(super) findings: Vec<Finding>,
    pub(super) note: Option<String>,
}

/// Of the blobs that the next commit changes. Values are opened only when one of them has something in clear:
/// that costs an unwrap and a decryption for each file of the index.
pub(super) fn staged(workspace: &Workspace, changes: &[&StagedChange]) -> Result<Leaks, Failure> {
    let repo = workspace.repo()?;
    if !is_wanted(workspace)? {
        return Ok(Leaks::default());
    }
    let new = changes.iter().filter_map(|change| Some((change.path.clone(), change.new?)));
    let new: Vec<(String, Entry)> = new.chain(repo.staged_at_odd_paths()?).collect();
    let mut texts = Vec::new();
    for (path, entry) in &new {
        let bytes = bytes(repo, *entry)?.filter(|bytes| !is_sealed_whole(path, bytes));
        texts.extend(bytes.map(|bytes| (path, bytes)));
    }
    if texts.is_empty() {
        return Ok(Leaks::default());
    }
    let (guard, note) = guard(workspace)?;
    let mut findings: Vec<Finding> =
        new.iter().flat_map(|(path, _)| guard.findings_of_name(path)).map(|it| it.fix(HERE)).collect();
    for (path, text) in texts {
        let matches = guard.search(&text).values;
        findings.extend(matches.iter().map(|found| guard.finding(path, found).fix(HERE)));
    }
    Ok(Leaks { findings, note })
}

/// Of the blobs that commits bring to a remote, each with the first of them.
pub(super) fn pushed(workspace: &Workspace, span: &Span) -> Result<Leaks, Failure> {
    let repo = workspace.repo()?;
    if span.tips.is_empty() || !is_wanted(workspace)? {
        return Ok(Leaks::default());
    }
    let mut opened = None;
    let mut findings: BTreeMap<(String, String), Finding> = BTreeMap::new();
    repo.each_new_blob(span, &mut |commit: ObjectId, path: &str, entry| {
        let Some(text) = bytes(repo, entry)? else { return Ok(()) };
        let (guard, _) = match &mut opened {
            Some(opened) => opened,
            none => none.insert(guard(workspace)?),
        };
        let matches = guard.search(&text).values;
        let of_text = matches.iter().map(|found| guard.finding(path, found));
        for finding in guard.findings_of_name(path).into_iter().chain(of_text) {
            let place = (path.to_owned(), finding.message.clone());
            if findings.contains_key(&place) {
                continue;
            }
            let about = repo.commit(commit)?;
            let (short, day) = (commit.short(), day(about.author_time));
            let line = format!("in commit {short} of {day}, {}: {}", about.author_name, about.summary);
            findings.insert(place, finding.detail(guard.hide(&line)).fix(COMMITTED));
        }
        Ok::<(), Failure>(())
    })?;
    let note = opened.and_then(|(_, note)| note);
    Ok(Leaks { findings: findings.into_values().collect(), note })
}

/// What is looked for, within the limits of a hook.
fn guard(workspace: &Workspace) -> Result<(Guard, Option<String>), Failure> {
    let values = workspace.values_of_index(IN_HOOKS)?;
    Ok((workspace.guard(&values)?, unsought(&values)))
}

/// Which values are not looked for although a key is at hand, and what to type.
fn unsought(values: &Values) -> Option<String> {
    let all = "stax secrets scan looks for all of them";
    match values.cut {
        Some(Cut::Files { left }) => Some(format!(
            "values of {} SOPS files were looked for, and no hook opens more; {} left that may hold others: {all}",
            IN_HOOKS.files,
            count(left, "file")
        )),
        Some(Cut::Blobs { left }) => Some(format!(
            "{} files were read to find SOPS files, and no hook reads more; {} left that may hold values: {all}",
            IN_HOOKS.blobs,
            count(left, "file")
        )),
        None if values.missing > 0 => Some(format!(
            "values of {} were not looked for: this clone lacks them, and a hook fetches nothing",
            count(values.missing, "file")
        )),
        None => None,
    }
}

/// Not without a key that opens silently, and not where the user said no.
fn is_wanted(workspace: &Workspace) -> Result<bool, Failure> {
    let is_off = || Ok::<_, Failure>(workspace.repo()?.config_bool("stax.scan")? == Some(false));
    Ok(workspace.keyring.first_source().is_some() && !is_off()?)
}

/// What there is to search: of a link the text that it is.
fn bytes(repo: &Repo, entry: Entry) -> Result<Option<Vec<u8>>, Failure> {
    if entry.mode == 0o160_000 {
        return Ok(None);
    }
    match repo.old_blob(entry.id) {
        Err(RepoError::TooLarge { .. } | RepoError::Missing(_)) => Ok(None),
        bytes => Ok(Some(bytes?)),
    }
}

/// A SOPS document without a value or a comment in clear: nothing is to be looked for in it.
fn is_sealed_whole(path: &str, bytes: &[u8]) -> bool {
    looks_sealed(bytes)
        && FileFacts::read(path, false, Some(bytes)).document().is_some_and(|document| !has_clear(document))
}

fn has_clear(document: &Document) -> bool {
    let mut found = false;
    let mut tree = document.tree().clone();
    document.metadata().selector.walk(&mut tree, &mut |_, met, _| {
        let text = match met {
            Selected::Leaf(leaf, _) => leaf.scalar.as_text().unwrap_or_default(),
            Selected::Comment(comment) => comment.text.trim(),
        };
        found |= !text.is_empty() && Token::parse(text).is_err();
    });
    found
}

/// A path in which the value of a document stands in clear is judged by F04 already.
pub(super) fn drop_known(leaks: &mut Vec<Finding>, findings: &[Finding]) {
    let clear: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| {
            finding.severity == Severity::Error && matches!(finding.rule, RuleId::F04 | RuleId::B02)
        })
        .map(|finding| finding.path.as_str())
        .collect();
    leaks.retain(|leak| !clear.contains(leak.path.as_str()));
}
