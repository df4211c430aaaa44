//! What `git push` is about to publish: every commit that the remote does not have, however it was
//! made.

use std::collections::BTreeSet;

use super::base::{Base, PushTarget};
use super::error::VerifyError;
use super::finding::Finding;
use super::leaks::{self, PushedBeside};
use super::owners::Owners;
use super::report::Report;
use super::rule::Severity;
use super::source::{self, TreeSource};
use super::{objects, range};
use crate::policy::sniff::Traits;
use crate::repo::{ObjectKind, Span, TreeEntry};
use crate::workspace::Workspace;

mod bare;

/// A line of what git tells a pre-push hook.
struct Update<'a> {
    new: &'a str,
    /// `refs/heads/main`
    name: &'a str,
    old: &'a str,
}

impl<'a> Update<'a> {
    /// `LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID`; the first may be an expression with spaces.
    fn parse(line: &'a str) -> Result<Self, VerifyError> {
        let mut words = line.rsplitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(old), Some(name), Some(new), Some(_)) if is_id(old) && is_id(new) => {
                Ok(Self { new, name, old })
            }
            _ => Err(VerifyError::UnknownUpdate),
        }
    }

    fn is_deletion(&self) -> bool {
        self.new.bytes().all(|byte| byte == b'0')
    }
}

fn is_id(word: &str) -> bool {
    word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Judges what a pre-push hook is told of: `lines` come from git.
///
/// # Errors
/// When git cannot read a commit, or told of it in an unknown form.
pub fn push(workspace: &Workspace, remote: &str, lines: &str) -> Result<Report, VerifyError> {
    let mut updates = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let update = Update::parse(line)?;
        if !update.is_deletion() {
            updates.push(update);
        }
    }
    let repo = workspace.repo()?;
    let pairs: Vec<(&str, &str)> = updates
        .iter()
        .map(|update| (update.new, update.old))
        .collect();
    let span = repo.push_span(remote, &pairs)?;
    let mut findings = Vec::new();
    let mut add = |found: Vec<Finding>| {
        for finding in found {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    };
    // what one reference brings is judged by the policy at its end and by the exceptions that count
    // for it
    let mut beside = PushedBeside::default();
    for update in &updates {
        let target = PushTarget {
            remote,
            branch: update.name,
            old: update.old,
        };
        add(one(workspace, update, &span, &target, &mut beside)?);
    }
    let commits = touched(workspace, &span)?.commits();
    let mut leaks = leaks::pushed(workspace, &span, &beside)?;
    leaks::drop_known(&mut leaks.findings, &findings);
    findings.extend(leaks.findings);
    // what a later commit healed, and that a policy changed, stops no push
    findings.retain(|finding| finding.severity != Severity::Notice);
    drop_repeated(&mut findings);
    Ok(Report {
        findings,
        commits: Some(commits),
        unsought: leaks.notes,
        ..Report::default()
    })
}

/// What stands in a commit and at the end as well is told once, with its commit.
fn drop_repeated(findings: &mut Vec<Finding>) {
    let of_commits: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.is_of_commit)
        .cloned()
        .collect();
    findings.retain(|finding| {
        let is_same = |other: &Finding| {
            (other.rule, &other.path, &other.message)
                == (finding.rule, &finding.path, &finding.message)
        };
        finding.is_of_commit || !of_commits.iter().any(is_same)
    });
}

/// What one reference brings.
fn one(
    workspace: &Workspace,
    update: &Update<'_>,
    span: &Span,
    target: &PushTarget<'_>,
    beside: &mut PushedBeside,
) -> Result<Vec<Finding>, VerifyError> {
    let repo = workspace.repo()?;
    let Ok(id) = update.new.parse() else {
        return Ok(Vec::new());
    };
    let pushed = repo.pushed(id)?;
    let mut findings = Vec::new();
    let end = pushed
        .end
        .filter(|(kind, _)| [ObjectKind::Commit, ObjectKind::Tree].contains(kind));
    let owners = Owners::new(workspace, end.map(|(_, end)| TreeSource::Commit(end)));
    for tag in &pushed.tags {
        let (name, text) = (format!("tag {}", tag.short()), repo.text_of(*tag)?);
        findings.extend(objects::of_text(&owners, &name, &text)?);
        beside.texts.push((name, text));
    }
    let base = Base::of_push(workspace, target)?;
    match pushed.end {
        Some((ObjectKind::Commit, tip)) if span.tips.contains(&tip) => {
            findings.extend(judge(
                workspace,
                &Span {
                    tips: vec![tip],
                    ..span.clone()
                },
                &base,
            )?);
        }
        Some((ObjectKind::Tree, tree)) => {
            findings.extend(bare::of_tree(workspace, tree, &base)?);
            beside
                .files
                .extend(bare::new_files(workspace, tree, &base)?);
        }
        Some((ObjectKind::Blob, blob)) => {
            findings.extend(bare::of_blob(workspace, blob, update.name)?);
            beside.files.push((
                update.name.to_owned(),
                TreeEntry {
                    id: blob,
                    mode: 0o100_644,
                },
            ));
        }
        _ => {}
    }
    Ok(findings)
}

fn judge(workspace: &Workspace, span: &Span, base: &Base) -> Result<Vec<Finding>, VerifyError> {
    if let TouchedFiles::Secrets(_) = touched(workspace, span)? {
        return Ok(range::verify(workspace, span, base, false)?.findings);
    }
    let mut findings = objects::check(workspace, span, base)?.findings;
    base.exceptions.take(&mut findings);
    Ok(findings)
}

/// What commits change, and how many they are.
enum TouchedFiles {
    Others(usize),
    Secrets(usize),
}

impl TouchedFiles {
    fn commits(&self) -> usize {
        let (Self::Others(commits) | Self::Secrets(commits)) = self;
        *commits
    }
}

/// Most pushes touch no secret, and then the tree at the end need not be read.
fn touched(workspace: &Workspace, span: &Span) -> Result<TouchedFiles, VerifyError> {
    let repo = workspace.repo()?;
    if span.tips.is_empty() {
        return Ok(TouchedFiles::Others(0));
    }
    let walk = repo.changes(span, &|_| true)?;
    let mut bound = BTreeSet::new();
    for tip in span.tips.iter().filter(|_| !walk.changed.is_empty()) {
        let vault = TreeSource::Commit(*tip).vault(workspace)?.0;
        bound.extend(
            vault
                .into_iter()
                .flat_map(|vault| vault.files)
                .map(|file| file.path),
        );
    }
    let mut seen = BTreeSet::new();
    // a merge that takes the version of one side changes nothing, and may take the wrong one
    let choices = repo.choices(span)?;
    let chosen = choices.iter().flat_map(|(_, choices)| choices);
    for change in walk
        .changed
        .iter()
        .flat_map(|commit| &commit.paths)
        .chain(chosen)
    {
        let path = &change.path;
        if source::is_central(path) || source::is_attributes(path) || bound.contains(path) {
            return Ok(TouchedFiles::Secrets(walk.commits));
        }
        let entries = change.old.iter().flatten().chain(&change.new);
        for entry in entries.filter(|entry| entry.is_file()) {
            // the range says what cannot be told in this clone
            let speaks = |traits: Traits| traits.speaks_of_sops();
            if seen.insert(entry.id) && objects::traits(workspace, *entry)?.is_none_or(speaks) {
                return Ok(TouchedFiles::Secrets(walk.commits));
            }
        }
    }
    Ok(TouchedFiles::Others(walk.commits))
}
