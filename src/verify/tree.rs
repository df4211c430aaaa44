//! Gathers the facts that the rules judge: from the work tree, or from the index that git names.

use std::collections::{BTreeMap, BTreeSet};

use super::error::VerifyError;
use super::facts::{Drivers, Facts, FileFacts, Gone, SwitchedOff, TreeFile};
use super::owners::Owners;
use super::source::{TreeSource, candidates, may_be_secret};
use jiff::Timestamp;

use crate::ledger::Snapshot;
use crate::policy::content::FileContent;
use crate::policy::sniff::sniff;
use crate::policy::vault::Vault;
use crate::repo::{Attribute, Repo, RepoError, StagedChange, TreeEntry};
use crate::trace;
use crate::workspace::register::Depth;
use crate::workspace::{POLICY, ROSTER, Target, Workspace, WorkspaceError};

mod around;
mod files;

use files::TreeLook;

/// The facts of one tree, and its bindings.
pub(super) struct Gathered {
    pub(super) facts: Facts,
    pub(super) vault: Option<Vault>,
    /// Files that could not be read, and why.
    pub(super) unread: Vec<(String, String)>,
}

impl Gathered {
    /// Whether there is something to say although no SOPS file changed.
    pub(super) fn finds_more(&self) -> bool {
        let facts = &self.facts;
        !(facts.leaks.is_empty()
            && facts.plain.is_empty()
            && facts.links.is_empty()
            && facts.others.is_empty())
    }
}

/// Every bound file, and every file of the index that `wanted` lets pass and that is or should be a
/// SOPS document. `were_sealed` are paths that held one in the parent.
pub(super) fn gather(
    workspace: &Workspace,
    source: TreeSource,
    wanted: &dyn Fn(&str) -> bool,
    were_sealed: &BTreeSet<String>,
) -> Result<Gathered, VerifyError> {
    gather_closely(workspace, source, wanted, were_sealed, &|_| true)
}

/// The same; of a commit large files whose names say nothing are read only where `closely` says so.
pub(super) fn gather_closely(
    workspace: &Workspace,
    source: TreeSource,
    wanted: &dyn Fn(&str) -> bool,
    were_sealed: &BTreeSet<String>,
    closely: &dyn Fn(&str) -> bool,
) -> Result<Gathered, VerifyError> {
    let (vault, vault_fault) = source.vault(workspace)?;
    let bound: BTreeSet<&str> = vault
        .iter()
        .flat_map(|vault| &vault.files)
        .map(|file| file.path.as_str())
        .collect();
    let candidates = candidates(workspace, source)?;
    let modes: BTreeMap<&str, u32> = candidates
        .iter()
        .map(|candidate| (candidate.path.as_str(), candidate.mode))
        .collect();
    let mut files = Vec::new();
    for path in &bound {
        let is_link = modes
            .get(path)
            .is_some_and(|mode| mode & 0o170_000 != 0o100_000);
        files.push(bound_file(workspace, source, path, is_link));
    }
    let look = TreeLook {
        workspace,
        source,
        wanted,
        closely,
        were_sealed,
        bound: &bound,
    };
    let mut seen = look.all(&candidates)?;
    let owners = Owners::new(workspace, source);
    for leak in &mut seen.leaks {
        leak.owners = owners.of_leak(leak)?;
        leak.is_new = source != TreeSource::WorkTree;
    }
    files.extend(seen.files);
    add_gone(workspace, vault.as_ref(), &mut files)?;
    let mut entries = Vec::new();
    for file in files {
        let mode = modes.get(file.path.as_str()).copied();
        let drivers = if file.managed {
            drivers(workspace, source, &file.path)?
        } else {
            Drivers::Free
        };
        entries.push(TreeFile {
            file,
            mode,
            drivers,
        });
    }
    let policy_is_link = modes
        .get(POLICY)
        .is_some_and(|mode| mode & 0o170_000 != 0o100_000);
    let paths = candidates
        .iter()
        .map(|candidate| candidate.path.clone())
        .collect();
    let mut facts = Facts {
        policy: if policy_is_link {
            None
        } else {
            source.text(workspace, POLICY)?
        },
        roster: source.text(workspace, ROSTER)?,
        has_roster_at_head: workspace.repo()?.head_entry(ROSTER)?.is_some(),
        has_vault: vault.is_some() || vault_fault.is_some(),
        vault_fault,
        leaks: seen.leaks,
        allowed_names: workspace.allowed_names()?,
        ..Facts::of(paths, entries, Timestamp::now())
    };
    around::add(
        workspace,
        source,
        (wanted, closely),
        &candidates,
        &mut facts,
    )?;
    Ok(Gathered {
        facts,
        vault,
        unread: seen.unread,
    })
}

/// What became of the bound files that are missing: another file may hold their tokens.
fn add_gone(
    workspace: &Workspace,
    vault: Option<&Vault>,
    files: &mut [FileFacts],
) -> Result<(), VerifyError> {
    for at in 0..files.len() {
        if !matches!(files[at].content, FileContent::Missing) {
            continue;
        }
        let path = files[at].path.clone();
        let repo = workspace.repo()?;
        let Some(last) = last_entry(repo, &path)? else {
            continue;
        };
        let old = FileFacts::read(&path, true, Some(&repo.old_blob(last.id)?));
        let is_moved = |file: &&FileFacts| !file.managed && share_tokens(&old, file);
        let env = vault.and_then(|vault| vault.env_for_path(&path));
        files[at].gone = match files.iter().find(is_moved).zip(env) {
            Some((file, env)) => Some(Gone::Moved {
                env: env.to_owned(),
                to: file.path.clone(),
            }),
            None => repo.head_entry(&path)?.map(|_| Gone::Deleted),
        };
    }
    Ok(())
}

/// What stood at a path last, as far as HEAD tells.
fn last_entry(repo: &Repo, path: &str) -> Result<Option<TreeEntry>, VerifyError> {
    if let Some(entry) = repo.head_entry(path)? {
        return Ok(Some(entry));
    }
    let walk = repo.changes_of(&repo.head_span()?, &[path])?;
    let newest = walk.versions(path).next();
    Ok(newest.and_then(|(_, change)| change.new.or(change.old.iter().flatten().next().copied())))
}

/// The drivers that git gives to a bound file, and the line that takes one away.
pub(super) fn drivers(
    workspace: &Workspace,
    source: TreeSource,
    path: &str,
) -> Result<Drivers, VerifyError> {
    let driver = |name: &str| -> Result<Option<String>, VerifyError> {
        Ok(match source.attribute(workspace, path, name)? {
            Attribute::Value(value) => Some(value),
            _ => None,
        })
    };
    let (diff, merge) = (driver("diff")?, driver("merge")?);
    let off = |driver: &Option<String>| driver.as_deref() != Some("stax");
    let name = off(&diff)
        .then_some("diff")
        .or(off(&merge).then_some("merge"));
    let switched_off = match name.filter(|_| !matches!(source, TreeSource::Commit(_))) {
        Some(name) => switch(workspace.repo()?, path, name)?,
        None => None,
    };
    Ok(Drivers::Asked {
        diff,
        merge,
        switched_off,
    })
}

/// The line that takes an attribute from a path.
///
/// # Errors
/// When git cannot tell the attributes.
pub fn switch(repo: &Repo, path: &str, name: &str) -> Result<Option<SwitchedOff>, VerifyError> {
    // the index may still hold what the work tree does not
    let gives = format!("{name}=stax");
    let line = repo
        .attribute_line(path, name)?
        .filter(|line| !line.text.contains(&gives));
    Ok(line.map(|found| SwitchedOff {
        file: found.file,
        line: found.number,
        text: found.text,
    }))
}

fn bound_file(workspace: &Workspace, source: TreeSource, path: &str, is_link: bool) -> FileFacts {
    let unread = |content| FileFacts {
        content,
        ..FileFacts::read(path, true, None)
    };
    if is_link {
        return unread(FileContent::NotRegular);
    }
    match source.read(workspace, path) {
        Ok(bytes) => FileFacts::read(path, true, bytes.as_deref()),
        Err(error) => unread(FileContent::Broken {
            line: 1,
            what: error.to_string(),
            is_unmerged: false,
        }),
    }
}

/// Whether a value of one file stands in the other as it is: the file moved.
pub(super) fn share_tokens(old: &FileFacts, new: &FileFacts) -> bool {
    let (Some(old), Some(new)) = (old.document(), new.document()) else {
        return false;
    };
    let new = Snapshot::of(new);
    Snapshot::of(old)
        .sealed
        .values()
        .any(|sealed| new.holds(&sealed.mark))
}

/// The paths whose version in HEAD was a SOPS document.
pub(super) fn sealed_before(
    workspace: &Workspace,
    changes: &[StagedChange],
) -> Result<BTreeSet<String>, VerifyError> {
    let repo = workspace.repo()?;
    let mut sealed = BTreeSet::new();
    for change in changes.iter().filter(|change| may_be_secret(&change.path)) {
        let Some(old) = change.old.filter(|old| old.is_file()) else {
            continue;
        };
        let was_sealed = match repo.blob(old.id) {
            Err(RepoError::TooLarge { .. }) => workspace.sniff_blob(old.id)?.may_be_document(),
            blob => {
                let bytes = blob?;
                let read = || FileFacts::read(&change.path, false, Some(&bytes));
                sniff(&bytes).speaks_of_sops() && matches!(read().content, FileContent::Document(_))
            }
        };
        if was_sealed {
            sealed.insert(change.path.clone());
        }
    }
    Ok(sealed)
}

/// What a key told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenedCount {
    /// Files whose data key opened.
    pub files: usize,
    /// Those of which MAC and values were checked.
    pub checked: usize,
}

/// Opens what a key opens. Where one is demanded a file that nothing opens ends it.
pub(super) fn open(
    workspace: &Workspace,
    facts: &mut Facts,
    depth: Depth,
) -> Result<OpenedCount, VerifyError> {
    if depth == Depth::Keyless {
        return Ok(OpenedCount::default());
    }
    trace::step("verify", || {
        format!("open what a key opens of {} files", facts.entries.len())
    });
    let mut told = OpenedCount::default();
    let mut locked = None;
    for file in facts.entries.iter_mut().map(|entry| &mut entry.file) {
        let Some(document) = file.document() else {
            continue;
        };
        let target = Target {
            path: file.path.clone(),
            env: None,
        };
        match workspace.unlock(&target, document) {
            Ok(key) => {
                let result = document.open_unverified(&key).map(|clear| clear.mac());
                let stanzas = workspace.stanza_faults(document);
                told.files += 1;
                // behind a value that does not open the MAC was not reached
                told.checked += usize::from(result.is_ok());
                file.opened = Some(result);
                file.stanzas = stanzas;
                file.key_digest = Some(key.digest());
            }
            Err(WorkspaceError::Integrity { fault, .. }) => {
                told.files += 1;
                file.opened = Some(Err(fault));
            }
            // a reader whose own stanza does not open is no stranger
            Err(WorkspaceError::OwnStanza { .. }) => {
                told.files += 1;
                file.stanzas = workspace.stanza_faults(document);
            }
            Err(error) => locked = locked.or(Some(error)),
        }
    }
    match locked {
        Some(error) if depth == Depth::WithKey && told.files == 0 => Err(error.into()),
        _ => Ok(told),
    }
}
