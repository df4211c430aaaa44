//! What `git push` is about to publish: every commit that the remote does not have, however it was made.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::tree::{self, Source};
use super::{Report, count, leaks, range, take_accepted};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::policy::rules::mentions;
use crate::policy::{Finding, Severity};
use crate::repo::{ObjectId, Repo, RepoError, Span};
use crate::workspace::{Caller, Workspace};

/// A line of what git tells a pre-push hook.
struct Update<'a> {
    new: &'a str,
    old: &'a str,
}

impl<'a> Update<'a> {
    /// `LOCAL-REF LOCAL-ID REMOTE-REF REMOTE-ID`; the first may be an expression with spaces.
    fn parse(line: &'a str) -> Result<Self, Failure> {
        let mut words = line.rsplitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(old), Some(_), Some(new), Some(_)) if is_id(old) && is_id(new) => Ok(Self { new, old }),
            _ => Err(Failure::usage("git told the pre-push hook of a reference in an unknown form")),
        }
    }

    fn is_deletion(&self) -> bool {
        self.new.bytes().all(|byte| byte == b'0')
    }
}

fn is_id(word: &str) -> bool {
    word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a pre-push hook runs: `lines` come from git. Silent unless something is wrong.
pub(in crate::cli) fn in_hook(remote: &str, lines: &str, ui: &Ui) -> Result<ExitCode, Failure> {
    let workspace = Workspace::over(Repo::from_env_without_work_tree()?, Caller::Git);
    let mut updates = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let update = Update::parse(line)?;
        if !update.is_deletion() {
            updates.push((update.new, update.old));
        }
    }
    let span = workspace.repo()?.push_span(remote, &updates)?;
    let mut findings = Vec::new();
    let commits = match touched(&workspace, &span)? {
        Touched::Others(commits) if tree::leaks_in(workspace.repo()?, &span)?.is_empty() => commits,
        Touched::Others(commits) | Touched::Secrets(commits) => {
            // what one reference brings is judged by the policy and the exceptions at its end
            for tip in &span.tips {
                let one = Span { tips: vec![*tip], ..span.clone() };
                for finding in judge(&workspace, &one)? {
                    if !findings.contains(&finding) {
                        findings.push(finding);
                    }
                }
            }
            commits
        }
    };
    let mut leaks = leaks::pushed(&workspace, &span)?;
    leaks::drop_known(&mut leaks.findings, &findings);
    findings.extend(leaks.findings);
    // what a later commit healed, and that a policy changed, stops no push
    findings.retain(|finding| finding.severity != Severity::Notice);
    drop_repeated(&mut findings);
    refuse(Report { findings, commits: Some(commits), unsought: leaks.notes, ..Report::default() }, ui)
}

fn refuse(report: Report, ui: &Ui) -> Result<ExitCode, Failure> {
    report.show(ui, true, false);
    report.unsought.iter().for_each(|note| ui.note(note));
    if report.errors() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let paths: BTreeSet<&str> = errors(&report.findings).map(|finding| finding.path.as_str()).collect();
    ui.say(format!(
        "stax: push refused: {} in {}, {} looked at; nothing was sent",
        count(report.errors(), "error"),
        count(paths.len(), "file"),
        count(report.commits.unwrap_or_default(), "commit"),
    ));
    if errors(&report.findings).any(is_of_commit) {
        ui.note("a later commit does not take back what an earlier one holds: git commit --amend, or git rebase -i");
    }
    Ok(Exit::No.into())
}

/// A commit that is looked at holds it, not only the files at the end.
fn is_of_commit(finding: &Finding) -> bool {
    finding.detail.iter().any(|line| line.starts_with("in commit "))
}

/// What stands in a commit and at the end as well is told once, with its commit.
fn drop_repeated(findings: &mut Vec<Finding>) {
    let of_commits: Vec<Finding> = findings.iter().filter(|finding| is_of_commit(finding)).cloned().collect();
    findings.retain(|finding| {
        let is_same = |other: &Finding| {
            (other.rule, &other.path, &other.message) == (finding.rule, &finding.path, &finding.message)
        };
        is_of_commit(finding) || !of_commits.iter().any(is_same)
    });
}

fn errors(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Error)
}

fn judge(workspace: &Workspace, span: &Span) -> Result<Vec<Finding>, Failure> {
    if let Touched::Secrets(_) = touched(workspace, span)? {
        return Ok(range::verify(workspace, span, false)?.findings);
    }
    let mut findings = tree::leaks_in(workspace.repo()?, span)?;
    if let Some(tip) = span.tips.first().filter(|_| !findings.is_empty()) {
        take_accepted(&mut findings, Source::Commit(*tip).vault(workspace)?.0.as_ref());
    }
    Ok(findings)
}

/// What commits change, and how many they are.
enum Touched {
    Others(usize),
    Secrets(usize),
}

/// Most pushes touch no secret, and then the tree at the end need not be read.
fn touched(workspace: &Workspace, span: &Span) -> Result<Touched, Failure> {
    let repo = workspace.repo()?;
    if span.tips.is_empty() {
        return Ok(Touched::Others(0));
    }
    let walk = repo.changes(span, &|_| true)?;
    let mut bound = BTreeSet::new();
    for tip in span.tips.iter().filter(|_| !walk.changed.is_empty()) {
        let vault = Source::Commit(*tip).vault(workspace)?.0;
        bound.extend(vault.into_iter().flat_map(|vault| vault.files).map(|file| file.path));
    }
    let mut seen = BTreeSet::new();
    // a merge that takes the version of one side changes nothing, and may take the wrong one
    let choices = repo.choices(span)?;
    let chosen = choices.iter().flat_map(|(_, choices)| choices);
    for change in walk.changed.iter().flat_map(|commit| &commit.paths).chain(chosen) {
        if tree::is_central(&change.path) || bound.contains(&change.path) {
            return Ok(Touched::Secrets(walk.commits));
        }
        let entries = change.old.iter().flatten().chain(&change.new);
        for entry in entries.filter(|entry| entry.is_file()) {
            if seen.insert(entry.id) && mentions_sops(repo, entry.id)? {
                return Ok(Touched::Secrets(walk.commits));
            }
        }
    }
    Ok(Touched::Others(walk.commits))
}

fn mentions_sops(repo: &Repo, id: ObjectId) -> Result<bool, Failure> {
    match repo.blob(id) {
        Ok(bytes) => Ok(mentions(&bytes, b"sops")),
        // no document is so large
        Err(RepoError::TooLarge { .. }) => Ok(false),
        // the range says what cannot be told in this clone
        Err(RepoError::Missing(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
