//! Rule C07 of what a commit or a push brings, where a key opens without a question.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::selector::Selected;
use sops_document::{Document, Token};

use super::error::VerifyError;
use super::facts::FileFacts;
use super::finding::Finding;
use super::report::count;
use super::rule::{Also, Severity};
use super::rules::value::{leaked, leaked_in_text, leaked_names};
use crate::leak::{COMMITTED, HERE, LeakGuard};
use crate::policy::content::looks_sealed;
use crate::repo::{BLOB_LIMIT, ObjectId, RepoError, Span, StagedChange, TreeEntry};
use crate::workspace::Workspace;
use crate::workspace::history::day;
use crate::workspace::leaks::{Cut, IN_HOOKS, Values};
use crate::workspace::settings::Settings;

/// What a hook found, and what it did not look for.
#[derive(Default)]
pub(super) struct Leaks {
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
}

/// Of the blobs that the next commit changes. Values are opened only when one of them has something
/// in clear: that costs an unwrap and a decryption for each file of the index.
pub(super) fn staged(
    workspace: &Workspace,
    changes: &[&StagedChange],
) -> Result<Leaks, VerifyError> {
    let repo = workspace.repo()?;
    if !is_wanted(workspace)? {
        return Ok(Leaks::default());
    }
    let new = changes
        .iter()
        .filter_map(|change| Some((change.path.clone(), change.new?)));
    let new: Vec<(String, TreeEntry)> = new.chain(repo.staged_at_odd_paths()?).collect();
    let mut search = LeakSearch::new(workspace);
    let mut findings = Vec::new();
    for (path, entry) in &new {
        let text = search
            .bytes(path, *entry)?
            .filter(|bytes| !is_sealed_whole(path, bytes));
        let Some(text) = text else { continue };
        let guard = search.guard()?;
        findings.extend(
            guard
                .search(&text)
                .values
                .iter()
                .map(|found| leaked(guard, path, found)),
        );
    }
    if let Some(guard) = &search.guard {
        findings.extend(new.iter().flat_map(|(path, _)| leaked_names(guard, path)));
    }
    let findings = findings
        .into_iter()
        .map(|finding| finding.fix(HERE))
        .collect();
    Ok(Leaks {
        findings,
        notes: search.notes,
    })
}

/// What a push brings that no commit holds.
#[derive(Default)]
pub(super) struct PushedBeside {
    /// Of tags that name a tree or a file.
    pub(super) files: Vec<(String, TreeEntry)>,
    /// What tags say, each with a name for it.
    pub(super) texts: Vec<(String, Vec<u8>)>,
}

/// Of the blobs that commits bring to a remote, each with the first of them; of what commits say;
/// and of what tags hold.
pub(super) fn pushed(
    workspace: &Workspace,
    span: &Span,
    beside: &PushedBeside,
) -> Result<Leaks, VerifyError> {
    let repo = workspace.repo()?;
    let is_empty = span.tips.is_empty() && beside.files.is_empty() && beside.texts.is_empty();
    if is_empty || !is_wanted(workspace)? {
        return Ok(Leaks::default());
    }
    let mut search = LeakSearch::new(workspace);
    let mut findings: BTreeMap<(String, String), Finding> = BTreeMap::new();
    let mut add = |finding: Finding, detail: Option<String>| {
        let place = (finding.path.clone(), finding.message.clone());
        findings.entry(place).or_insert_with(|| {
            detail
                .into_iter()
                .fold(finding, Finding::in_commit)
                .fix(COMMITTED)
        });
    };
    if !span.tips.is_empty() {
        repo.each_new_blob(span, &mut |commit: ObjectId, path: &str, entry| {
            let found = search.in_file(path, entry)?;
            if !found.is_empty() {
                let about = repo.commit(commit)?;
                let (short, day) = (commit.short(), day(about.author_time));
                let line = format!(
                    "in commit {short} of {day}, {}: {}",
                    about.author_name, about.summary
                );
                let line = search.guard()?.hide(&line);
                found
                    .into_iter()
                    .for_each(|finding| add(finding, Some(line.clone())));
            }
            Ok::<(), VerifyError>(())
        })?;
        repo.each_commit_text(span, &mut |commit, text| {
            let found = search.in_text(&format!("commit {}", commit.short()), text)?;
            found.into_iter().for_each(|finding| add(finding, None));
            Ok::<(), VerifyError>(())
        })?;
    }
    for (path, entry) in &beside.files {
        search
            .in_file(path, *entry)?
            .into_iter()
            .for_each(|finding| add(finding, None));
    }
    for (name, text) in &beside.texts {
        search
            .in_text(name, text)?
            .into_iter()
            .for_each(|finding| add(finding, None));
    }
    Ok(Leaks {
        findings: findings.into_values().collect(),
        notes: search.notes,
    })
}

/// Reads what is new, and makes what is looked for when it is asked for first.
struct LeakSearch<'w> {
    workspace: &'w Workspace,
    guard: Option<LeakGuard>,
    notes: Vec<String>,
}

impl<'w> LeakSearch<'w> {
    fn new(workspace: &'w Workspace) -> Self {
        Self {
            workspace,
            guard: None,
            notes: Vec::new(),
        }
    }

    fn guard(&mut self) -> Result<&LeakGuard, VerifyError> {
        let guard = match self.guard.take() {
            Some(guard) => guard,
            None => {
                let values = self.workspace.values_of_index(IN_HOOKS)?;
                self.notes.extend(unsought(&values));
                self.workspace.guard(&values)?
            }
        };
        Ok(self.guard.insert(guard))
    }

    fn in_file(&mut self, path: &str, entry: TreeEntry) -> Result<Vec<Finding>, VerifyError> {
        let Some(text) = self.bytes(path, entry)? else {
            return Ok(Vec::new());
        };
        let guard = self.guard()?;
        let mut findings = leaked_names(guard, path);
        findings.extend(
            guard
                .search(&text)
                .values
                .iter()
                .map(|found| leaked(guard, path, found)),
        );
        Ok(findings)
    }

    /// What a commit or a tag says is read by all who get it.
    fn in_text(&mut self, name: &str, text: &[u8]) -> Result<Vec<Finding>, VerifyError> {
        let guard = self.guard()?;
        let values = guard.search(text).values;
        Ok(values
            .iter()
            .map(|found| leaked_in_text(guard, name, found))
            .collect())
    }

    /// What there is to search: of a link the text that it is.
    fn bytes(&mut self, path: &str, entry: TreeEntry) -> Result<Option<Vec<u8>>, VerifyError> {
        if entry.is_submodule() {
            return Ok(None);
        }
        match self.workspace.repo()?.old_blob(entry.id) {
            Err(RepoError::TooLarge { .. }) => {
                let limit = BLOB_LIMIT >> 20;
                let note =
                    format!("{path} is larger than {limit} MiB: no value was looked for in it");
                self.notes.push(note);
                Ok(None)
            }
            Err(RepoError::Missing(_)) => Ok(None),
            bytes => Ok(Some(bytes?)),
        }
    }
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
fn is_wanted(workspace: &Workspace) -> Result<bool, VerifyError> {
    Ok(workspace.keyring.first_source().is_some() && Settings::of(workspace.repo()?)?.scans())
}

/// A SOPS document without a value or a comment in clear: nothing is to be looked for in it.
fn is_sealed_whole(path: &str, bytes: &[u8]) -> bool {
    looks_sealed(bytes)
        && FileFacts::read(path, false, Some(bytes))
            .document()
            .is_some_and(|document| !has_clear(document))
}

fn has_clear(document: &Document) -> bool {
    let mut found = false;
    let mut tree = document.tree().clone();
    document
        .metadata()
        .selector
        .walk(&mut tree, &mut |_, met, _| {
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
        .filter(|finding| finding.severity == Severity::Error && finding.rule.is(Also::Plaintext))
        .map(|finding| finding.path.as_str())
        .collect();
    leaks.retain(|leak| !clear.contains(leak.path.as_str()));
}
