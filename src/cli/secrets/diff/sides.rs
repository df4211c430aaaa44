//! Which two states are compared: the revision forms of `git diff`.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::repo::{FilesAt, ObjectId, Repo};
use crate::workspace::Workspace;

/// What the user asked for.
pub(super) struct Asked {
    pub(super) old: FilesAt,
    pub(super) new: FilesAt,
    /// As a person would call them: `the index`, `HEAD`, `main`.
    pub(super) old_name: String,
    pub(super) new_name: String,
    /// Files and folders below the root; none means all.
    pub(super) scope: Vec<String>,
}

const INDEX: &str = "the index";
const WORK_TREE: &str = "the work tree";

/// As git, it takes what is no revision but exists for a path.
pub(super) fn read(
    workspace: &Workspace,
    revisions: &[String],
    paths: &[PathBuf],
    staged: bool,
) -> Result<Asked, Failure> {
    let repo = workspace.repo()?;
    let is_path = |text: &String| {
        !text.contains("..")
            && repo.commit_named(text).is_err()
            && Path::new(text).symlink_metadata().is_ok()
    };
    let first_path = revisions
        .iter()
        .position(is_path)
        .unwrap_or(revisions.len());
    let (revisions, more) = revisions.split_at(first_path);
    let scope = more
        .iter()
        .map(Path::new)
        .chain(paths.iter().map(PathBuf::as_path));
    let scope = scope
        .map(|path| below(workspace, path))
        .collect::<Result<Vec<_>, _>>()?;
    let ((old, old_name), (new, new_name)) = states(repo, revisions, staged)?;
    Ok(Asked {
        old,
        new,
        old_name,
        new_name,
        scope,
    })
}

impl Asked {
    pub(super) fn wants(&self, path: &str) -> bool {
        let is_beneath = |folder: &String| {
            let rest = path.strip_prefix(folder.as_str());
            folder.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.scope.is_empty() || self.scope.iter().any(is_beneath)
    }
}

type NamedState = (FilesAt, String);

fn states(
    repo: &Repo,
    revisions: &[String],
    staged: bool,
) -> Result<(NamedState, NamedState), Failure> {
    let commit = |text: &str| -> Result<NamedState, Failure> {
        let text = if text.is_empty() { "HEAD" } else { text };
        Ok((FilesAt::Commit(repo.commit_named(text)?), text.to_owned()))
    };
    let (index, work_tree) = (
        (FilesAt::Index, INDEX.to_owned()),
        (FilesAt::WorkTree, WORK_TREE.to_owned()),
    );
    match revisions {
        [] if staged => Ok(((FilesAt::Head, "HEAD".to_owned()), index)),
        [] => Ok((index, work_tree)),
        [one] if staged && !one.contains("..") => Ok((commit(one)?, index)),
        _ if staged => Err(Failure::usage(
            "--staged compares the index with one commit, not with a range",
        )),
        [one] => {
            if let Some((left, right)) = one.split_once("...") {
                let (left, right) = (commit(left)?, commit(right)?);
                return Ok((merge_base(repo, &left, &right)?, right));
            }
            if let Some((left, right)) = one.split_once("..") {
                return Ok((commit(left)?, commit(right)?));
            }
            // what the commit did to its first parent
            match one.strip_suffix("^!") {
                Some(one) => Ok((commit(&format!("{one}^"))?, commit(one)?)),
                None => Ok((commit(one)?, work_tree)),
            }
        }
        [left, right] => Ok((commit(left)?, commit(right)?)),
        _ => Err(Failure::usage("diff takes at most two revisions")
            .hint("stax secrets diff A B -- PATH")),
    }
}

fn merge_base(repo: &Repo, left: &NamedState, right: &NamedState) -> Result<NamedState, Failure> {
    let id = |named: &NamedState| -> Option<ObjectId> {
        match named.0 {
            FilesAt::Commit(id) => Some(id),
            _ => None,
        }
    };
    let base = match (id(left), id(right)) {
        (Some(left), Some(right)) => repo.merge_bases(left, right)?.first().copied(),
        _ => None,
    };
    let none = || {
        Failure::usage(format!(
            "{} and {} have no common ancestor",
            left.1, right.1
        ))
    };
    let base = base.ok_or_else(none)?;
    Ok((FilesAt::Commit(base), base.short()))
}

/// A path as typed, below the root; the root itself is the empty text.
fn below(workspace: &Workspace, path: &Path) -> Result<String, Failure> {
    let ends_in_name = matches!(
        path.components().next_back(),
        Some(std::path::Component::Normal(_))
    );
    if ends_in_name {
        return Ok(workspace.relative(path)?);
    }
    let outside = || Failure::usage(format!("{} is not inside this repository", path.display()));
    let whole = path.canonicalize().map_err(|_| outside())?;
    let root = workspace.root().canonicalize().map_err(|_| outside())?;
    let inner = whole.strip_prefix(&root).map_err(|_| outside())?;
    inner.to_str().map(str::to_owned).ok_or_else(outside)
}
