//! Rule C07 of what a commit or a push brings, where a key opens without a question.

use std::collections::{BTreeMap, BTreeSet};

use super::tree;
use crate::cli::failure::Failure;
use crate::policy::leak::{COMMITTED, HERE};
use crate::policy::rules::{Content, FileFacts, looks_sealed};
use crate::policy::{Finding, RuleId, Severity};
use crate::repo::{Entry, ObjectId, Repo, RepoError, Span, StagedChange};
use crate::workspace::Workspace;
use crate::workspace::history::day;

/// Of the blobs that the next commit changes. Values are opened only when one of them is no SOPS document:
/// that costs an unwrap and a decryption for each file of the index.
pub(super) fn staged(workspace: &Workspace, changes: &[&StagedChange]) -> Result<Vec<Finding>, Failure> {
    let repo = workspace.repo()?;
    let new = changes.iter().filter_map(|change| Some((change.path.as_str(), change.new?)));
    let mut texts = Vec::new();
    if !is_wanted(workspace)? {
        return Ok(Vec::new());
    }
    for (path, entry) in new {
        texts.extend(text(repo, path, entry)?.map(|text| (path, text)));
    }
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let guard = workspace.guard(&workspace.values_of_index()?)?;
    let found = |(path, text): &(&str, Vec<u8>)| {
        let matches = guard.search(text).values;
        matches.iter().map(|found| guard.finding(path, found).fix(HERE)).collect::<Vec<_>>()
    };
    Ok(texts.iter().flat_map(found).collect())
}

/// Of the blobs that commits bring to a remote, each with the first of them.
pub(super) fn pushed(workspace: &Workspace, span: &Span) -> Result<Vec<Finding>, Failure> {
    let repo = workspace.repo()?;
    if span.tips.is_empty() || !is_wanted(workspace)? {
        return Ok(Vec::new());
    }
    let mut guard = None;
    let mut findings: BTreeMap<(String, usize), Finding> = BTreeMap::new();
    repo.each_new_blob(span, &mut |commit: ObjectId, path: &str, entry| {
        let Some(text) = text(repo, path, entry)? else { return Ok(()) };
        if guard.is_none() {
            guard = Some(workspace.guard(&workspace.values_of_index()?)?);
        }
        let Some(guard) = &guard else { return Ok(()) };
        for found in guard.search(&text).values {
            let place = (path.to_owned(), found.value);
            if findings.contains_key(&place) {
                continue;
            }
            let about = repo.commit(commit)?;
            let (short, day) = (commit.short(), day(about.author_time));
            let line = format!("in commit {short} of {day}, {}: {}", about.author_name, about.summary);
            findings.insert(place, guard.finding(path, &found).detail(line).fix(COMMITTED));
        }
        Ok::<(), Failure>(())
    })?;
    Ok(findings.into_values().collect())
}

/// Not without a key that opens silently, and not where the user said no.
fn is_wanted(workspace: &Workspace) -> Result<bool, Failure> {
    let is_off = || Ok::<_, Failure>(workspace.repo()?.config_bool("stax.scan")? == Some(false));
    Ok(workspace.keyring.first_source().is_some() && !is_off()?)
}

/// What there is to search; nothing of a SOPS document, which other rules judge, and of what names people.
fn text(repo: &Repo, path: &str, entry: Entry) -> Result<Option<Vec<u8>>, Failure> {
    if entry.mode & 0o170_000 != 0o100_000 || tree::is_central(path) {
        return Ok(None);
    }
    let bytes = match repo.old_blob(entry.id) {
        Err(RepoError::TooLarge { .. } | RepoError::Missing(_)) => return Ok(None),
        bytes => bytes?,
    };
    let is_document = || matches!(FileFacts::read(path, false, Some(&bytes)).content, Content::Document(_));
    Ok(if looks_sealed(&bytes) && is_document() { None } else { Some(bytes) })
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
