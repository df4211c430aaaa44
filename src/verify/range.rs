//! Every commit of a range against each of its parents, and the tree at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::base::{self, Against, Base};
use super::beyond::Beyond;
use super::error::VerifyError;
use super::exceptions::Accepted;
use super::facts::FileFacts;
use super::finding::Finding;
use super::moved::{DeletedFiles, plain_names};
use super::options::{Options, is_beneath};
use super::report::Report;
use super::rule::{Also, RuleId, Severity};
use super::rules::{self, change, file};
use super::source::{self, TreeSource};
use super::tree::{self, Gathered};
use super::{history, objects, passing, past, replaced, returned};
use crate::ledger::{
    self, FileChanged, FileVersion, Oddity, OlderVersions, Snapshot, Stale, Track,
};
use crate::policy::content::FileContent;
use crate::repo::{Commit, PathChange, RepoError, Span, StagedChange, TreeEntry};
use crate::trace;
use crate::workspace::history::{History, Snapshots, day};
use crate::workspace::{POLICY, VAULT, Workspace};

/// Judges every commit of a span, and the tree at its end.
///
/// # Errors
/// When git cannot read it; where a key is demanded, when none opens a file.
pub fn range(
    workspace: &Workspace,
    span: &Span,
    against: &Against<'_>,
    options: &Options,
) -> Result<Report, VerifyError> {
    let base = Base::of(workspace, span, against, options)?;
    let mut ranged = verify(workspace, span, &base, options.uses_keys())?;
    trace::step("verify", || {
        format!("range of {} commits judged", ranged.commits)
    });
    let opened = tree::open(workspace, &mut ranged.gathered.facts, options.depth)?;
    ranged
        .findings
        .extend(past::check(options, workspace, &base.exceptions)?);
    let files = ranged.gathered.facts.entries.len();
    let beyond = Beyond {
        is_empty: files == 0,
        unread: ranged.gathered.unread,
    };
    let report = Report {
        findings: ranged.findings,
        older: ranged.older,
        accepted: ranged.accepted,
        files,
        opened,
        commits: Some(ranged.commits),
        is_partial: ranged.is_partial,
        beyond,
        ..Report::default()
    };
    Ok(report.under(options))
}

/// What a range holds.
pub(super) struct Ranged {
    pub(super) findings: Vec<Finding>,
    pub(super) older: usize,
    pub(super) accepted: Vec<Accepted>,
    pub(super) commits: usize,
    pub(super) is_partial: bool,
    pub(super) gathered: Gathered,
}

/// Leaks and tampering count in every commit; the policy and the data keys are judged at the end,
/// of the files that the range changes.
pub(super) fn verify(
    workspace: &Workspace,
    span: &Span,
    base: &Base,
    with_key: bool,
) -> Result<Ranged, VerifyError> {
    let repo = workspace.repo()?;
    let Some(tip) = span.tips.first() else {
        return Err(VerifyError::NoEnd);
    };
    let mut snapshots = Snapshots::new(repo);
    // a file may have been secret only in between: every path that a commit changes is looked at
    let range = History::load(repo, span, &|_| true, None, &mut snapshots)?;
    let sealed: BTreeSet<&str> = range
        .versions
        .iter()
        .map(|version| version.path.as_str())
        .collect();
    let changed: BTreeSet<&str> = range
        .walked
        .iter()
        .flat_map(|commit| &commit.paths)
        .map(|change| change.path.as_str())
        .collect();
    let central = changed.iter().any(|path| source::is_central(path));
    let end = TreeSource::Commit(*tip);
    let gathered = at_end(workspace, end, base, &|path| {
        central || changed.contains(path)
    })?;

    let chosen = returned::touched(repo, span, &range, &gathered, &mut snapshots)?;
    let sealed: BTreeSet<&str> = sealed
        .into_iter()
        .chain(chosen.iter().map(String::as_str))
        .collect();

    // of the time before the range only the files that it changes are read
    let tips = if sealed.is_empty() {
        Vec::new()
    } else {
        span.tips.clone()
    };
    let whole = Span {
        tips,
        ..Span::default()
    };
    let history = History::load(
        repo,
        &whole,
        &|path: &str| sealed.contains(path),
        None,
        &mut snapshots,
    )?;
    let tracks = history.tracks();

    let mut findings = guards(&range.walked, &secret_paths(&gathered, &sealed));
    findings.extend(base.new_exceptions(gathered.vault.as_ref(), COUNTS_LATER));
    for commit in &range.walked {
        let gone = DeletedFiles::by(commit, &mut snapshots)?;
        for change in &commit.paths {
            let past = tracks.past(&change.path, &commit.id.short());
            let context = Context {
                tip: &gathered,
                past,
                gone: &gone,
                with_key,
            };
            findings.extend(of_change(
                workspace,
                commit,
                change,
                &context,
                &mut snapshots,
            )?);
        }
    }
    let (of_end, older): (Vec<Finding>, Vec<Finding>) = rules::judge(&gathered.facts)
        .into_iter()
        .partition(|finding| is_of_range(finding, &changed));
    let (of_end, known) = base.split(workspace, end, of_end)?;
    findings.extend(of_end);
    let brought = objects::check(workspace, span, base)?;
    findings.extend(brought.findings);
    let is_accepted = |one: &Stale| base.exceptions.why(RuleId::K05, &one.path, None).is_some();
    let is_changed = |path: &str| changed.contains(path);
    findings.extend(history::stale(
        &history,
        repo,
        &gathered.facts,
        &is_changed,
        &is_accepted,
    ));
    findings.extend(passing::readers(repo, span, &range, &gathered));
    findings.extend(returned::in_range(
        repo,
        span,
        &sealed,
        &history,
        &gathered,
        &mut snapshots,
    )?);
    let accepted = base.exceptions.take(&mut findings);
    Ok(Ranged {
        findings,
        older: errors(older.iter().chain(&known)),
        accepted,
        commits: range.commits,
        is_partial: range.is_partial || history.is_partial || brought.is_partial,
        gathered,
    })
}

/// The facts of the end; what the range changes is looked at closely.
fn at_end(
    workspace: &Workspace,
    end: TreeSource,
    base: &Base,
    is_changed: &dyn Fn(&str) -> bool,
) -> Result<Gathered, VerifyError> {
    let mut gathered =
        tree::gather_closely(workspace, end, &|_| true, &BTreeSet::new(), is_changed)?;
    gathered.facts.exceptions = base.exceptions.list().to_vec();
    base.keep_bound(workspace, end, &mut gathered)?;
    Ok(gathered)
}

/// Whether a finding of the end has to do with what the range changes.
fn is_of_range(finding: &Finding, changed: &BTreeSet<&str>) -> bool {
    let central = || changed.iter().any(|path| source::is_central(path));
    let loses_drivers = || {
        changed
            .iter()
            .any(|path| source::is_attributes_for(path, &finding.path))
    };
    changed.contains(finding.path.as_str())
        || (finding.rule.is(Also::OfPolicy) && central())
        || (finding.rule.is(Also::OfAttributes) && loses_drivers())
}

fn errors<'a>(findings: impl Iterator<Item = &'a Finding>) -> usize {
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .count()
}

/// What a range says of an exception that it brings.
const COUNTS_LATER: &str = "it counts for what comes after this, not for this itself";

/// The change rules for what is about to be committed, each file against HEAD.
pub(super) fn staged(
    workspace: &Workspace,
    changes: &[StagedChange],
    gathered: &Gathered,
    base: &Base,
    with_key: bool,
) -> Result<(Vec<Finding>, Vec<Accepted>), VerifyError> {
    let mut snapshots = Snapshots::new(workspace.repo()?);
    let mut findings = Vec::new();
    let (mut versions, mut touched) = (Vec::new(), BTreeSet::new());
    for entry in changes {
        let path = &entry.path;
        let (before, after) = (
            snapshots.of(path, entry.old)?,
            snapshots.of(path, entry.new)?,
        );
        touched.insert(path.as_str());
        // also of a file that goes: it may have another name now
        versions.extend(
            before
                .iter()
                .map(|before| FileVersion::of_parent(path, before.clone())),
        );
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        let managed = gathered
            .vault
            .iter()
            .flat_map(|vault| &vault.files)
            .any(|file| file.path == *path);
        let with = |past| FileChanged {
            path,
            managed,
            before: &before,
            after: &after,
            beside: &[],
            past,
        };
        let mut found = ledger::oddities(&with(OlderVersions::default()));
        let is_rotated = !before.shares_key_with(&after);
        let track;
        let mut change = with(OlderVersions::default());
        if is_rotated
            || found
                .iter()
                .any(|oddity| matches!(oddity, Oddity::StaleMac(_)))
        {
            // history is read only where it tells more: the repair of a file that was changed by
            // hand, and a rotation, which may be the revert of one
            let older = snapshots.history(path)?;
            versions.extend(
                older
                    .iter()
                    .map(|older| FileVersion::of_parent(path, older.clone())),
            );
            track = Track::new(older);
            change = with(track.from(0));
            found = ledger::oddities(&change);
        }
        findings.extend(told(
            workspace,
            &change,
            found,
            (entry.old, entry.new),
            with_key,
            &|| None,
        )?);
    }
    let history = History::of_head(workspace.repo()?, versions)?;
    findings.extend(history::stale(
        &history,
        workspace.repo()?,
        &gathered.facts,
        &|path| touched.contains(path),
        &|one| base.exceptions.why(RuleId::K05, &one.path, None).is_some(),
    ));
    let accepted = base.exceptions.take(&mut findings);
    Ok((findings, accepted))
}

/// The findings of a change; where everything is new, what a key tells of it. `end`: the file where
/// the range ends.
fn told(
    workspace: &Workspace,
    change: &FileChanged<'_>,
    mut oddities: Vec<Oddity>,
    entries: (Option<TreeEntry>, Option<TreeEntry>),
    with_key: bool,
    end: &dyn Fn() -> Option<Snapshot>,
) -> Result<Vec<Finding>, VerifyError> {
    let mut by_key = None;
    if with_key && ledger::is_replaced(change) {
        by_key = replaced::judge(workspace, change.path, entries)?;
    }
    if by_key.is_some() {
        oddities.retain(|oddity| *oddity != Oddity::Replaced);
    }
    let is_old_mac = oddities
        .iter()
        .any(|oddity| matches!(oddity, Oddity::StaleMac(_)));
    let end = if is_old_mac { end() } else { None };
    let found = oddities
        .iter()
        .map(|oddity| change::odd(change, oddity, end.as_ref()));
    Ok(found.chain(by_key.flatten()).collect())
}

/// What holds secrets at the end of a range or within it.
fn secret_paths<'a>(gathered: &'a Gathered, sealed: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    sealed
        .iter()
        .copied()
        .chain(gathered.facts.files().map(|file| file.path.as_str()))
        .collect()
}

/// D12: one notice for each file that decides about the others, with the commits that change it.
fn guards(walked: &[Commit], secret: &BTreeSet<&str>) -> Vec<Finding> {
    let mut changed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for commit in walked {
        for change in commit
            .paths
            .iter()
            .filter(|change| is_guard(&change.path, secret))
        {
            changed
                .entry(&change.path)
                .or_default()
                .push(commit.id.short());
        }
    }
    changed
        .into_iter()
        .map(|(path, commits)| change::guard_changed(path, &commits))
        .collect()
}

/// In a folder such a file decides about what lies below it.
fn is_guard(path: &str, secret: &BTreeSet<&str>) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return GUARDS.contains(&path);
    };
    let is_beneath = |other: &&str| is_beneath(other, folder);
    path == VAULT || [POLICY, ".gitattributes"].contains(&name) && secret.iter().any(is_beneath)
}

const GUARDS: [&str; 4] = [POLICY, VAULT, ".gitattributes", ".envrc"];

/// What a change is judged with.
struct Context<'a> {
    tip: &'a Gathered,
    past: OlderVersions<'a>,
    /// What the same commit takes away.
    gone: &'a DeletedFiles,
    with_key: bool,
}

fn of_change(
    workspace: &Workspace,
    commit: &Commit,
    change: &PathChange,
    context: &Context<'_>,
    snapshots: &mut Snapshots<'_>,
) -> Result<Vec<Finding>, VerifyError> {
    let (path, tip) = (&change.path, context.tip);
    let after = snapshots.of(path, change.new)?;
    let managed = tip
        .vault
        .iter()
        .flat_map(|vault| &vault.files)
        .any(|file| file.path == *path);
    let at_end = tip
        .facts
        .files()
        .find(|file| file.path == *path)
        .and_then(FileFacts::document);
    let end = || at_end.map(Snapshot::of);
    let mut parents = Vec::new();
    for old in &change.old {
        parents.extend(snapshots.of(path, *old)?.map(|before| (*old, before)));
    }
    let beside: Vec<Rc<Snapshot>> = parents.iter().map(|(_, before)| before.clone()).collect();
    let mut findings = Vec::new();
    for (old, before) in &parents {
        let Some(after) = &after else { continue };
        let judged = FileChanged {
            path,
            managed,
            before,
            after,
            beside: &beside,
            past: context.past,
        };
        let found = ledger::oddities(&judged);
        findings.extend(told(
            workspace,
            &judged,
            found,
            (*old, change.new),
            context.with_key,
            &end,
        )?);
    }
    let was_sealed = beside.last().map(|before| &**before);
    findings.extend(published(
        workspace,
        change,
        context.gone,
        managed,
        (was_sealed, after.is_some()),
    )?);
    findings.dedup();
    let short = commit.id.short();
    let line = format!(
        "in commit {short} of {}, {}: {}",
        day(commit.author_time),
        commit.author_name,
        commit.summary
    );
    for finding in &mut findings {
        heal(finding, &end, snapshots, change)?;
    }
    Ok(findings
        .into_iter()
        .map(|finding| finding.in_commit(line.clone()))
        .collect())
}

/// What a change shows to everybody who gets the commit. `is_sealed`: the file is a document
/// afterwards.
fn published(
    workspace: &Workspace,
    change: &PathChange,
    gone: &DeletedFiles,
    managed: bool,
    (was_sealed, is_sealed): (Option<&Snapshot>, bool),
) -> Result<Vec<Finding>, VerifyError> {
    let path = &change.path;
    let Some(entry) = change.new.filter(|entry| entry.is_file()) else {
        return Ok(Vec::new());
    };
    let is_added = !change.old.iter().any(Option::is_some);
    let may_be_moved = is_added && !is_sealed && gone.may_hold(entry);
    if !is_sealed && was_sealed.is_none() && !may_be_moved {
        return Ok(Vec::new());
    }
    let bytes = match workspace.repo()?.blob(entry.id) {
        // where it looks like a document, what commits bring is told of it
        Err(RepoError::TooLarge { .. }) => {
            let is_plain =
                was_sealed.is_some() && !workspace.sniff_blob(entry.id)?.may_be_document();
            return Ok(is_plain.then(|| file::grown(path)).into_iter().collect());
        }
        blob => blob?,
    };
    let moved = || gone.source_of(path, &bytes).filter(|_| may_be_moved);
    let before = was_sealed.or_else(moved);
    if !is_sealed && before.is_none() {
        return Ok(Vec::new());
    }
    let mut leaks = leaks(path, managed, &bytes, before);
    drop_older(&mut leaks, workspace, change, managed, &bytes);
    Ok(leaks)
}

/// A commit is blamed for what it brings: what stands in a parent on the same line was there
/// before.
fn drop_older(
    leaks: &mut Vec<Finding>,
    workspace: &Workspace,
    change: &PathChange,
    managed: bool,
    bytes: &[u8],
) {
    for old in change.old.iter().flatten().filter(|old| old.is_file()) {
        if leaks.is_empty() {
            return;
        }
        let Some(before) = workspace
            .repo()
            .ok()
            .and_then(|repo| repo.old_blob(old.id).ok())
        else {
            continue;
        };
        let known = self::leaks(&change.path, managed, &before, None);
        leaks.retain(|leak| {
            let mut same = known
                .iter()
                .filter(|known| (known.rule, &known.key) == (leak.rule, &leak.key));
            !same.any(|known| base::is_unchanged((known, &before), (leak, bytes)))
        });
    }
}

/// What a later commit of the range put right is worth a notice.
fn heal(
    finding: &mut Finding,
    end: &dyn Fn() -> Option<Snapshot>,
    snapshots: &mut Snapshots<'_>,
    change: &PathChange,
) -> Result<(), VerifyError> {
    if !finding.rule.is(Also::HealedByRotation) {
        return Ok(());
    }
    let Some(end) = end() else { return Ok(()) };
    let here = snapshots.of(&change.path, change.new)?;
    if here.is_some_and(|here| !here.shares_key_with(&end)) {
        finding.severity = Severity::Notice;
        finding
            .detail
            .push("a later commit made a new data key".into());
    }
    Ok(())
}

/// Values that the commit itself publishes, also when a later one hides them.
fn leaks(path: &str, managed: bool, bytes: &[u8], before: Option<&Snapshot>) -> Vec<Finding> {
    let file = FileFacts::read(path, managed, Some(bytes));
    match (&file.content, before) {
        (FileContent::Clear, Some(before)) => return opened(path, bytes, before),
        (
            FileContent::Broken {
                is_unmerged: true, ..
            },
            Some(_),
        ) => return vec![file::left_by_merge(path)],
        // what nobody can read as a document may well hold the values in plaintext
        (FileContent::Broken { line, what, .. }, Some(_)) => {
            return vec![file::unreadable(path).at(*line).detail(what)];
        }
        (FileContent::NotText | FileContent::OtherFormat, Some(_)) => {
            return vec![file::unreadable(path)];
        }
        _ => {}
    }
    let mut findings = rules::judge_alone(&file);
    findings.retain(|finding| {
        finding.rule.is(Also::InEveryCommit) && finding.severity == Severity::Error
    });
    findings
}

/// A file that was a SOPS document and holds values in clear where tokens were.
fn opened(path: &str, bytes: &[u8], before: &Snapshot) -> Vec<Finding> {
    let names = plain_names(path, bytes);
    let clear: Vec<&str> = before
        .sealed
        .keys()
        .filter(|key| names.contains(*key))
        .map(String::as_str)
        .collect();
    Vec::from_iter((!clear.is_empty()).then(|| file::opened(path, &clear)))
}
