//! What a merge left open, kept in the git folder: names of keys and of three blobs, never a value.
//!
//! git drops the three versions from its index with `git add`; these names find them again. They
//! count only while the same commit is checked out and the same merge, rebase or pick is under way.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::repo::{ObjectId, Repo};

/// Three versions of one path in git's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blobs {
    /// `None`: both sides added the file.
    pub base: Option<ObjectId>,
    pub ours: ObjectId,
    pub theirs: ObjectId,
}

/// What is open in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub path: String,
    pub keys: Vec<String>,
    pub blobs: Blobs,
    /// Keys that were settled while the file could not say so itself, with the side that they have.
    pub settled: Vec<(String, Choice)>,
}

impl Conflict {
    /// The keys that nobody settled yet.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let is_open = |key: &&String| !self.settled.iter().any(|(name, _)| name == *key);
        self.keys.iter().filter(is_open).cloned().collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    Ours,
    Theirs,
}

/// The commit that theirs comes from, as far as git told the driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Other {
    /// The start of the name of MERGE_HEAD, REBASE_HEAD, CHERRY_PICK_HEAD or REVERT_HEAD.
    Commit(String),
    /// No commit is under way.
    Stash,
    /// Any of the four.
    Unknown,
}

/// The version of a kept conflict.
const SCHEMA: u32 = 1;

/// A file of the folder.
enum Kept {
    Known(ConflictRecord),
    /// That of a stax to come, which is left to it.
    Newer,
    Damaged,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConflictRecord {
    schema: u32,
    path: String,
    keys: Vec<String>,
    base: Option<String>,
    ours: String,
    theirs: String,
    head: Option<String>,
    other: Other,
    #[serde(default)]
    settled: Vec<(String, Choice)>,
}

/// Keeps what is open in a file.
///
/// # Errors
/// When the git folder cannot be written.
pub fn keep(repo: &Repo, conflict: &Conflict, other: Other) -> std::io::Result<()> {
    let text = |id: &ObjectId| id.to_string();
    let record = ConflictRecord {
        schema: SCHEMA,
        path: conflict.path.clone(),
        keys: conflict.keys.clone(),
        base: conflict.blobs.base.as_ref().map(text),
        ours: text(&conflict.blobs.ours),
        theirs: text(&conflict.blobs.theirs),
        head: repo.head_commit().ok().flatten().as_ref().map(text),
        other,
        settled: conflict.settled.clone(),
    };
    write(repo, &record)
}

/// Keeps the same with other open and settled keys; what it is bound to stays.
///
/// # Errors
/// As [`keep`].
pub fn update(repo: &Repo, conflict: &Conflict) -> std::io::Result<()> {
    let old = match read(&file(repo, &conflict.path)) {
        Kept::Known(record) if record.path == conflict.path => Some(record),
        _ => None,
    };
    let waits = repo.operations().is_empty() && repo.patch().is_none();
    let other = old.map_or(
        if waits { Other::Stash } else { Other::Unknown },
        |record| record.other,
    );
    keep(repo, conflict, other)
}

fn write(repo: &Repo, record: &ConflictRecord) -> std::io::Result<()> {
    let path = file(repo, &record.path);
    let folder = folder(repo);
    fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec(record)?;
    let mut new = tempfile::NamedTempFile::new_in(&folder)?;
    std::io::Write::write_all(&mut new, &text)?;
    new.persist(path)?;
    Ok(())
}

/// Forgets a file.
pub fn forget(repo: &Repo, path: &str) {
    let _ = fs::remove_file(file(repo, path));
}

/// What is open and still belongs to what git has under way; everything else is removed.
#[must_use]
pub fn known(repo: &Repo) -> Vec<Conflict> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(repo)).into_iter().flatten().flatten() {
        let current = match read(&entry.path()) {
            Kept::Known(record) if is_current(repo, &record) => conflict(record),
            Kept::Newer => continue,
            Kept::Known(_) | Kept::Damaged => None,
        };
        match current {
            Some(conflict) => found.push(conflict),
            None => drop(fs::remove_file(entry.path())),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn conflict(record: ConflictRecord) -> Option<Conflict> {
    let base = record.base.map(|text| text.parse().ok());
    let blobs = Blobs {
        base: match base {
            Some(None) => return None,
            Some(base) => base,
            None => None,
        },
        ours: record.ours.parse().ok()?,
        theirs: record.theirs.parse().ok()?,
    };
    Some(Conflict {
        path: record.path,
        keys: record.keys,
        blobs,
        settled: record.settled,
    })
}

fn is_current(repo: &Repo, record: &ConflictRecord) -> bool {
    let head = repo.head_commit().ok().flatten().map(|id| id.to_string());
    let operations = repo.operations();
    let is_under_way = match &record.other {
        Other::Commit(start) => {
            let squashed = repo.squashed();
            let commits = operations
                .iter()
                .map(|operation| &operation.commit)
                .chain(&squashed);
            commits
                .into_iter()
                .any(|commit| commit.to_string().starts_with(start))
        }
        Other::Stash => operations.is_empty(),
        Other::Unknown => !operations.is_empty() || repo.is_rebase() || repo.patch().is_some(),
    };
    record.schema == SCHEMA && record.head == head && is_under_way
}

fn read(path: &std::path::Path) -> Kept {
    let bytes = fs::read(path).unwrap_or_default();
    let known: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if known
        .get("schema")
        .and_then(serde_json::Value::as_u64)
        .is_some_and(|schema| schema > SCHEMA.into())
    {
        return Kept::Newer;
    }
    serde_json::from_slice(&bytes).map_or(Kept::Damaged, Kept::Known)
}

fn folder(repo: &Repo) -> PathBuf {
    repo.git_dir().join("stax/conflicts")
}

fn file(repo: &Repo, path: &str) -> PathBuf {
    let name = base16ct::lower::encode_string(&Sha256::digest(path)[..16]);
    folder(repo).join(name + ".json")
}
