//! HEAD and the references. libgit2 reads them as files; in any other storage (reftable) it sees
//! none, and they are asked of git.

use std::path::PathBuf;

use git2::{ErrorCode, Oid, ReferenceType};

use super::{ObjectId, Repo, RepoError};

/// One reference, as it stands.
pub(super) struct GitRef {
    /// `refs/heads/main`
    pub name: Vec<u8>,
    /// What it names, or for a symbolic one what that leads to.
    pub id: Oid,
    pub is_symbolic: bool,
}

impl Repo {
    /// Whether `extensions.refStorage` names anything but files.
    pub(super) fn asks_git(&self) -> bool {
        *self.asks_git.get_or_init(|| {
            let storage = self.config_string("extensions.refstorage").ok().flatten();
            storage.is_some_and(|storage| storage != "files")
        })
    }

    /// The references whose names begin with `start`, which ends in a slash; those that lead
    /// nowhere are left out.
    pub(super) fn references(&self, start: &str) -> Result<Vec<GitRef>, RepoError> {
        if self.asks_git() {
            return self.references_of_git(start);
        }
        let mut found = Vec::new();
        for reference in self.git.references_glob(&format!("{start}*"))?.flatten() {
            let is_symbolic = reference.kind() == Some(ReferenceType::Symbolic);
            let Some(id) = reference
                .resolve()
                .ok()
                .and_then(|reference| reference.target())
            else {
                continue;
            };
            found.push(GitRef {
                name: reference.name_bytes().to_owned(),
                id,
                is_symbolic,
            });
        }
        Ok(found)
    }

    fn references_of_git(&self, start: &str) -> Result<Vec<GitRef>, RepoError> {
        let format = "--format=%(objectname) %(if)%(symref)%(then)1%(else)0%(end) %(refname)";
        let text = self
            .ask(&["for-each-ref", format, "--", start])?
            .unwrap_or_default();
        let parse = |line: &[u8]| {
            let mut words = line.splitn(3, |byte| *byte == b' ');
            let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            Some(GitRef {
                id: self.oid(id),
                is_symbolic: words.next()? == b"1",
                name: words.next()?.to_owned(),
            })
        };
        Ok(text
            .split(|byte| *byte == b'\n')
            .filter_map(parse)
            .collect())
    }

    /// The name and the commit of every reference that leads to one.
    pub(super) fn named_commits(&self) -> Result<Vec<(Vec<u8>, Oid)>, RepoError> {
        let mut found = Vec::new();
        if self.asks_git() {
            for reference in self.references_of_git("refs/")? {
                let object = self.git.find_object(reference.id, None);
                let Ok(commit) = object.and_then(|object| object.peel_to_commit()) else {
                    continue;
                };
                found.push((reference.name, commit.id()));
            }
            return Ok(found);
        }
        for reference in self.git.references()?.flatten() {
            // a tag may name a tree or a blob
            let Ok(commit) = reference.peel_to_commit() else {
                continue;
            };
            found.push((reference.name_bytes().to_owned(), commit.id()));
        }
        Ok(found)
    }

    /// The commit that a text names, as git reads revisions.
    ///
    /// # Errors
    /// [`RepoError::Revision`] when git does not know it.
    pub fn commit_named(&self, text: &str) -> Result<ObjectId, RepoError> {
        let unknown = |_| RepoError::Revision(text.to_owned());
        let object = if self.asks_git() {
            let id = self.id_of_git(text).ok().flatten();
            let id = id.ok_or_else(|| RepoError::Revision(text.to_owned()))?;
            self.git.find_object(self.oid(id), None).map_err(unknown)?
        } else {
            self.git.revparse_single(text).map_err(unknown)?
        };
        Ok(object.peel_to_commit().map_err(unknown)?.id().into())
    }

    fn id_of_git(&self, text: &str) -> Result<Option<ObjectId>, RepoError> {
        let name = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", text])?;
        let name = name.and_then(|name| String::from_utf8(name).ok());
        Ok(name.and_then(|name| name.trim_end().parse().ok()))
    }

    /// The commit of HEAD; `None` before the first commit.
    ///
    /// # Errors
    /// [`RepoError`] when HEAD does not lead to a commit of this clone.
    pub fn head_commit(&self) -> Result<Option<ObjectId>, RepoError> {
        if self.asks_git() {
            return self.id_of_git("HEAD^{commit}");
        }
        Ok(match self.git.head() {
            Ok(head) => Some(head.peel_to_commit()?.id().into()),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                None
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// The commit that begins the history of HEAD, by first parents; `None` before the first
    /// commit, and where history is cut off.
    ///
    /// # Errors
    /// As [`head_commit`](Self::head_commit).
    pub fn first_commit(&self) -> Result<Option<ObjectId>, RepoError> {
        let Some(head) = self.head_commit()?.filter(|_| !self.is_shallow()) else {
            return Ok(None);
        };
        let mut commit = self.git.find_commit(self.oid(head))?;
        while commit.parent_count() > 0 {
            commit = commit.parent(0)?;
        }
        Ok(Some(commit.id().into()))
    }

    /// Whether a commit is here and has no parent; `true` where history is cut off, since nobody
    /// can tell.
    #[must_use]
    pub fn may_begin_with(&self, name: &str) -> bool {
        let commit = || self.git.find_commit(self.oid(name.parse().ok()?)).ok();
        self.is_shallow() || commit().is_some_and(|commit| commit.parent_count() == 0)
    }

    /// The branch that is checked out; `None` for a detached HEAD.
    #[must_use]
    pub fn head_branch(&self) -> Option<String> {
        Some(
            self.symbolic_target("HEAD")?
                .strip_prefix("refs/heads/")?
                .to_owned(),
        )
    }

    /// The name that a symbolic reference holds.
    pub(super) fn symbolic_target(&self, name: &str) -> Option<String> {
        if self.asks_git() {
            let target = self.ask(&["symbolic-ref", "--quiet", name]).ok()??;
            return Some(String::from_utf8(target).ok()?.trim_end().to_owned());
        }
        Some(
            self.git
                .find_reference(name)
                .ok()?
                .symbolic_target()
                .ok()??
                .to_owned(),
        )
    }

    /// What a name of the git folder such as `MERGE_HEAD` says. git keeps some of them with the
    /// references.
    pub(super) fn pseudo_ref(&self, name: &str) -> Option<ObjectId> {
        if self.asks_git() {
            return self.id_of_git(name).ok().flatten();
        }
        let text = std::fs::read_to_string(self.git_dir().join(name)).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// What was stashed, the newest first.
    pub(super) fn stashed(&self) -> Vec<ObjectId> {
        if self.asks_git() {
            let log = self
                .ask(&["rev-list", "--walk-reflogs", "refs/stash", "--"])
                .ok()
                .flatten();
            let log = String::from_utf8(log.unwrap_or_default()).unwrap_or_default();
            return log.lines().filter_map(|line| line.parse().ok()).collect();
        }
        let Ok(log) = self.git.reflog("refs/stash") else {
            return Vec::new();
        };
        log.iter().map(|entry| entry.id_new().into()).collect()
    }

    /// What other work trees have checked out without a branch.
    pub(super) fn heads_of_work_trees(&self) -> Vec<ObjectId> {
        if self.asks_git() {
            let list = self
                .ask(&["worktree", "list", "--porcelain"])
                .ok()
                .flatten()
                .unwrap_or_default();
            let head = |line: &[u8]| {
                std::str::from_utf8(line.strip_prefix(b"HEAD ")?)
                    .ok()?
                    .parse::<ObjectId>()
                    .ok()
            };
            return list.split(|byte| *byte == b'\n').filter_map(head).collect();
        }
        let trees = std::fs::read_dir(self.common_dir().join("worktrees"))
            .into_iter()
            .flatten()
            .flatten();
        let heads: Vec<PathBuf> = trees.map(|tree| tree.path().join("HEAD")).collect();
        let text = heads
            .into_iter()
            .filter_map(|head| std::fs::read_to_string(head).ok());
        text.filter_map(|head| head.trim().parse().ok()).collect()
    }
}
