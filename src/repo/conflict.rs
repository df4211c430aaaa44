//! What git has under way: the other commit of a merge, a rebase or a pick, and who made it.

use git2::{ObjectType, Oid, Sort};

use super::{ObjectId, Repo, RepoError};

/// What in the git folder names the other commit while a command waits for a person.
const HEADS: [&str; 4] = [
    "MERGE_HEAD",
    "REBASE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
];
/// How far back the last commit that changed a file is looked for.
const FAR: usize = 20_000;

/// An unfinished merge, rebase, cherry-pick or revert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `MERGE_HEAD` or one of its kin.
    pub head: &'static str,
    pub commit: ObjectId,
}

impl Repo {
    /// What waits for a person in this work tree.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        let read = |head: &'static str| {
            Some(Operation {
                head,
                commit: self.pseudo_ref(head)?,
            })
        };
        // git leaves this one behind a rebase that ended
        let is_past = |head: &&'static str| *head == "REBASE_HEAD" && !self.is_rebase();
        HEADS
            .into_iter()
            .filter(|head| !is_past(head))
            .filter_map(read)
            .collect()
    }

    /// The further parents of the merge that git is about to commit. While `git merge` runs its
    /// hook they stand in the environment alone, as `GITHEAD_<name>`.
    #[must_use]
    pub fn merging(&self) -> Vec<ObjectId> {
        let text = std::fs::read_to_string(self.git_dir().join("MERGE_HEAD")).unwrap_or_default();
        let mut heads: Vec<ObjectId> = text
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect();
        if heads.is_empty() {
            let named = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            heads.extend(
                named.filter_map(|name| name.strip_prefix("GITHEAD_")?.parse::<ObjectId>().ok()),
            );
            heads.sort_unstable();
        }
        heads.retain(|head| self.git.find_commit(self.oid(*head)).is_ok());
        heads
    }

    /// Whether a rebase waits for a person, with either of git's backends.
    #[must_use]
    pub fn is_rebase(&self) -> bool {
        let git_dir = self.git_dir();
        git_dir.join("rebase-merge").is_dir()
            || git_dir.join("rebase-apply").is_dir()
                && !git_dir.join("rebase-apply/applying").exists()
    }

    /// The commit whose changes `git merge --squash` brings; git names it nowhere but in the
    /// message to be.
    #[must_use]
    pub fn squashed(&self) -> Option<ObjectId> {
        let text = std::fs::read_to_string(self.git_dir().join("SQUASH_MSG")).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("commit ")?.parse().ok())
    }

    /// Whether the newest stash holds this blob at a path.
    #[must_use]
    pub fn is_stashed(&self, path: &str, blob: ObjectId) -> bool {
        let entry = self
            .commit_named("refs/stash")
            .and_then(|stash| self.entry_at(stash, path));
        matches!(entry, Ok(Some(entry)) if entry.id == blob)
    }

    /// The number of the patch at which `git am` waits for a person; it names no commit.
    #[must_use]
    pub fn patch(&self) -> Option<String> {
        let folder = self.git_dir().join("rebase-apply");
        let is_patch = folder.join("applying").exists();
        let number = std::fs::read_to_string(folder.join("next"))
            .ok()
            .filter(|_| is_patch)?;
        number
            .trim()
            .parse::<u32>()
            .ok()
            .map(|number| number.to_string())
    }

    /// The name that git gives these bytes as a blob; nothing is written.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn blob_name(&self, bytes: &[u8]) -> Result<ObjectId, RepoError> {
        Ok(Oid::hash_object_ext(ObjectType::Blob, bytes, self.git.object_format())?.into())
    }

    /// The last commit up to `tip` that gave a path what it holds there, and its author.
    ///
    /// # Errors
    /// [`RepoError`] when the log cannot be read.
    pub fn last_change(
        &self,
        tip: ObjectId,
        path: &str,
    ) -> Result<Option<(ObjectId, String)>, RepoError> {
        let at = |commit: &git2::Commit<'_>| -> Option<Oid> {
            commit
                .tree()
                .ok()?
                .get_path(std::path::Path::new(path))
                .ok()
                .map(|entry| entry.id())
        };
        let mut walk = self.git.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL)?;
        walk.push(self.oid(tip))?;
        for id in walk.take(FAR) {
            let commit = self.git.find_commit(id?)?;
            let now = at(&commit);
            if now.is_some() && commit.parents().all(|parent| at(&parent) != now) {
                let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
                return Ok(Some((commit.id().into(), author)));
            }
        }
        Ok(None)
    }
}
