//! Gathers the facts that the rules judge: from the work tree, or from the index that git names.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::failure::Failure;
use crate::cli::secrets::clone::switch;
use crate::cli::secrets::values::allowed_names;
use crate::policy::rules::{Content, Facts, FileFacts, looks_sealed, mentions};
use crate::policy::vault::Vault;
use crate::repo::{Attribute, ObjectId, RepoError, StagedChange};
use crate::sops::Format;
use crate::workspace::{POLICY, ROSTER, Target, VAULT, Workspace, WorkspaceError, now};

mod around;

pub(super) use around::leaks_in;

/// Where bytes are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    WorkTree,
    Index,
    /// A server or a CI job judges this, whatever is checked out.
    Commit(ObjectId),
}

/// The facts of one tree, and the exceptions that it accepts.
pub(super) struct Gathered {
    pub(super) facts: Facts,
    pub(super) vault: Option<Vault>,
}

/// Any file of the index.
struct Candidate {
    path: String,
    mode: u32,
}

impl Candidate {
    fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
}

impl Source {
    pub(super) fn read(self, workspace: &Workspace, path: &str) -> Result<Option<Vec<u8>>, WorkspaceError> {
        match self {
            // a sparse checkout has some files in the index alone
            Self::WorkTree => match workspace.read(path)? {
                None => Ok(workspace.repo()?.skipped_blob(path)?),
                found => Ok(found),
            },
            Self::Index => Ok(workspace.repo()?.index_blob(path)?),
            Self::Commit(commit) => Ok(workspace.repo()?.blob_at(commit, path)?),
        }
    }

    fn text(self, workspace: &Workspace, path: &str) -> Result<Option<String>, Failure> {
        let Some(bytes) = self.read(workspace, path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| WorkspaceError::NotText(path.to_owned()))?;
        Ok(Some(text))
    }

    /// The bindings, and what is wrong with them.
    pub(super) fn vault(self, workspace: &Workspace) -> Result<(Option<Vault>, Option<String>), Failure> {
        let Some(text) = self.text(workspace, VAULT)? else { return Ok((None, None)) };
        Ok(match Vault::parse(&text) {
            Ok(vault) => (Some(vault), None),
            Err(error) => (None, Some(error.to_string())),
        })
    }
}

/// Every bound file, and every file of the index that `wanted` lets pass and that is or should be a
/// SOPS document. `were_sealed` are paths that held one in the parent.
pub(super) fn gather(
    workspace: &Workspace,
    source: Source,
    wanted: &dyn Fn(&str) -> bool,
    were_sealed: &BTreeSet<String>,
) -> Result<Gathered, Failure> {
    let (vault, vault_fault) = source.vault(workspace)?;
    let bound: BTreeSet<&str> =
        vault.iter().flat_map(|vault| &vault.files).map(|file| file.path.as_str()).collect();
    let candidates = candidates(workspace, source)?;
    let modes: BTreeMap<&str, u32> =
        candidates.iter().map(|candidate| (candidate.path.as_str(), candidate.mode)).collect();
    let mut files = Vec::new();
    for path in &bound {
        let is_link = modes.get(path).is_some_and(|mode| mode & 0o170_000 != 0o100_000);
        files.push(bound_file(workspace, source, path, is_link));
    }
    for candidate in candidates.iter().filter(|candidate| candidate.is_regular()) {
        let path = candidate.path.as_str();
        if !bound.contains(path) && wanted(path) {
            files.extend(general_file(workspace, source, path, were_sealed.contains(path))?);
        }
    }
    for file in &mut files {
        file.mode = modes.get(file.path.as_str()).copied();
        if file.managed {
            file.drivers =
                Some((driver(workspace, &file.path, "diff")?, driver(workspace, &file.path, "merge")?));
            let off = |driver: &Option<String>| driver.as_deref() != Some("stax");
            let name = file
                .drivers
                .as_ref()
                .and_then(|(diff, merge)| off(diff).then_some("diff").or(off(merge).then_some("merge")));
            if let Some(name) = name.filter(|_| source == Source::WorkTree) {
                file.switched_off = switch(workspace.repo()?, &file.path, name)?;
            }
        }
    }
    let policy_is_link = modes.get(POLICY).is_some_and(|mode| mode & 0o170_000 != 0o100_000);
    let mut facts = Facts {
        policy: if policy_is_link { None } else { source.text(workspace, POLICY)? },
        roster: source.text(workspace, ROSTER)?,
        has_vault: vault.is_some() || vault_fault.is_some(),
        vault_fault,
        paths: Some(candidates.iter().map(|candidate| candidate.path.clone()).collect()),
        files,
        now: Some(now()),
        allowed_names: allowed_names(workspace)?,
        ..Facts::default()
    };
    around::add(workspace, source, wanted, &candidates, &mut facts)?;
    Ok(Gathered { facts, vault })
}

fn driver(workspace: &Workspace, path: &str, name: &str) -> Result<Option<String>, Failure> {
    Ok(match workspace.repo()?.attribute_in_quotes(path, name)? {
        Attribute::Value(value) => Some(value),
        _ => None,
    })
}

fn candidates(workspace: &Workspace, source: Source) -> Result<Vec<Candidate>, Failure> {
    let mut candidates: Vec<Candidate> = Vec::new();
    if let Source::Commit(commit) = source {
        let files = workspace.repo()?.files_of(commit)?.into_iter();
        return Ok(files.map(|(path, entry)| Candidate { path, mode: entry.mode }).collect());
    }
    for entry in workspace.repo()?.index_entries()? {
        // an unmerged path stands there once a side
        if candidates.last().is_none_or(|last| last.path != entry.path) {
            candidates.push(Candidate { path: entry.path, mode: entry.mode });
        }
    }
    Ok(candidates)
}

fn bound_file(workspace: &Workspace, source: Source, path: &str, is_link: bool) -> FileFacts {
    let unread = |content| FileFacts { content, ..FileFacts::read(path, true, None) };
    if is_link {
        return unread(Content::NotRegular);
    }
    match source.read(workspace, path) {
        Ok(bytes) => FileFacts::read(path, true, bytes.as_deref()),
        Err(error) => unread(Content::Broken { line: 1, what: error.to_string(), is_unmerged: false }),
    }
}

/// `None` for a file that has nothing to do with SOPS.
fn general_file(
    workspace: &Workspace,
    source: Source,
    path: &str,
    was_sealed: bool,
) -> Result<Option<FileFacts>, Failure> {
    if !may_be_secret(path) {
        return Ok(None);
    }
    let is_commit = matches!(source, Source::Commit(_));
    let marked = !is_commit && workspace.repo()?.attribute(path, "diff")? == Attribute::Value("stax".into());
    if let Source::Commit(commit) = source
        && Format::of_path(path) == Format::Binary
        && !has_secret_name(path)
        && workspace.repo()?.size_at(commit, path)?.is_none_or(|size| size > LARGE)
    {
        return Ok(None);
    }
    // almost every file of a repository is binary by its name, and almost none is a document
    if !marked && !was_sealed && source == Source::WorkTree && !may_start_document(workspace, path) {
        return Ok(None);
    }
    // an unreadable stranger is not ours to judge; `git status` names it
    let bytes = match source.read(workspace, path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(_) => return Ok((marked || was_sealed).then(|| FileFacts::read(path, false, None))),
    };
    if !marked && !was_sealed && !mentions(&bytes, b"sops") {
        return Ok(None);
    }
    let file = FileFacts::read(path, false, Some(&bytes));
    let is_secret = match &file.content {
        Content::Document(_) => true,
        Content::OtherFormat => marked || was_sealed,
        _ => marked || was_sealed || looks_sealed(&bytes) && !matches!(file.content, Content::Clear),
    };
    Ok(is_secret.then_some(file))
}

/// What is binary by its name is read from a commit when it is small, as sealed keys and tokens are
/// (bytes), or when its name speaks of secrets.
const LARGE: usize = 16 << 10;

fn has_secret_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.contains('.') || ["sops", "enc", "secret"].iter().any(|part| name.contains(part))
}

/// By its name: any file but the policy of sops itself.
pub(super) fn may_be_secret(path: &str) -> bool {
    path.rsplit('/').next().unwrap_or(path) != POLICY
}

fn may_start_document(workspace: &Workspace, path: &str) -> bool {
    Format::of_path(path) != Format::Binary || workspace.may_hold_document(path)
}

pub(super) fn is_central(path: &str) -> bool {
    [POLICY, ROSTER, VAULT].contains(&path)
}

/// The paths whose version in HEAD was a SOPS document.
pub(super) fn sealed_before(
    workspace: &Workspace,
    changes: &[StagedChange],
) -> Result<BTreeSet<String>, Failure> {
    let repo = workspace.repo()?;
    let mut sealed = BTreeSet::new();
    for change in changes.iter().filter(|change| may_be_secret(&change.path)) {
        let Some(old) = change.old.filter(|old| old.is_file()) else { continue };
        let bytes = match repo.blob(old.id) {
            Err(RepoError::TooLarge { .. }) => continue,
            blob => blob?,
        };
        let is_document =
            || matches!(FileFacts::read(&change.path, false, Some(&bytes)).content, Content::Document(_));
        if mentions(&bytes, b"sops") && is_document() {
            sealed.insert(change.path.clone());
        }
    }
    Ok(sealed)
}

/// Opens what a key at hand opens; says in how many MAC and values were
/// checked. With `demand` a file that nothing opens ends it.
pub(super) fn open(workspace: &Workspace, facts: &mut Facts, demand: bool) -> Result<usize, Failure> {
    let (mut opened, mut checked) = (0, 0);
    let mut locked = None;
    for file in &mut facts.files {
        let Some(document) = file.document() else { continue };
        let target = Target { path: file.path.clone(), env: None };
        match workspace.unlock(&target, document) {
            Ok(key) => {
                let result = document.open_unverified(&key).map(|clear| clear.mac());
                let stanzas = workspace.stanza_faults(document);
                opened += 1;
                // behind a value that does not open the MAC was not reached
                checked += usize::from(result.is_ok());
                file.opened = Some(result);
                file.stanzas = stanzas;
                file.key_digest = Some(key.digest());
            }
            Err(WorkspaceError::Integrity { fault, .. }) => {
                opened += 1;
                file.opened = Some(Err(fault));
            }
            // a reader whose own stanza does not open is no stranger
            Err(WorkspaceError::OwnStanza { .. }) => {
                opened += 1;
                file.stanzas = workspace.stanza_faults(document);
            }
            Err(error) => locked = locked.or(Some(error)),
        }
    }
    match locked {
        Some(error) if demand && opened == 0 => Err(error.into()),
        _ => Ok(checked),
    }
}
