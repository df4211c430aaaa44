//! Blobs that only the object store knows.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use super::{ObjectId, Repo, RepoError};

/// A loose object as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loose {
    pub id: ObjectId,
    /// git renews it whenever somebody stores the same bytes again.
    written: SystemTime,
}

/// Folders in which git keeps what it will go on with.
const UNDER_WAY: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];
/// What nobody goes back to: git prunes it too. The first may be long, the second stays behind when
/// a merge ends.
const FLEETING: [&str; 2] = ["FETCH_HEAD", "AUTO_MERGE"];

impl Repo {
    /// The loose blobs that nothing reaches: no reference or reflog, no index or HEAD of any work
    /// tree, and nothing that a command under way has put aside. git says which, as `git prune`
    /// would remove them.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot tell.
    pub fn unreachable_blobs(&self) -> Result<Vec<Loose>, RepoError> {
        let kept: Vec<String> = self.put_aside()?.iter().map(ToString::to_string).collect();
        let mut args = vec!["prune", "--dry-run", "--expire=now", "--"];
        args.extend(kept.iter().map(String::as_str));
        let text = self.ask(&args)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let ids = text
            .lines()
            .filter_map(|line| line.strip_suffix(" blob")?.parse().ok());
        Ok(ids
            .filter_map(|id| {
                Some(Loose {
                    id,
                    written: self.written(id)?,
                })
            })
            .collect())
    }

    /// Removes a loose object, unless somebody stored the same bytes again since it was found; says
    /// whether it did.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn remove_loose(&self, loose: Loose) -> Result<bool, RepoError> {
        if self.written(loose.id) != Some(loose.written) {
            return Ok(false);
        }
        let path = self.loose_path(loose.id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(RepoError::Io(path, error)),
        }
    }

    /// The lock of a command that writes an index: what it has stored may stand nowhere else yet.
    #[must_use]
    pub fn index_lock(&self) -> Option<PathBuf> {
        self.git_dirs()
            .into_iter()
            .map(|folder| folder.join("index.lock"))
            .find(|lock| lock.exists())
    }

    /// Whether git has packed objects that nothing reaches.
    #[must_use]
    pub fn has_cruft_pack(&self) -> bool {
        let packs = fs::read_dir(self.common_dir().join("objects/pack"))
            .into_iter()
            .flatten()
            .flatten();
        packs
            .into_iter()
            .any(|pack| pack.path().extension().is_some_and(|end| end == "mtimes"))
    }

    fn loose_path(&self, id: ObjectId) -> PathBuf {
        let name = id.to_string();
        let (folder, file) = name.split_at(2);
        self.common_dir().join("objects").join(folder).join(file)
    }

    fn written(&self, id: ObjectId) -> Option<SystemTime> {
        fs::metadata(self.loose_path(id))
            .and_then(|found| found.modified())
            .ok()
    }

    fn git_dirs(&self) -> Vec<PathBuf> {
        let linked = fs::read_dir(self.common_dir().join("worktrees"))
            .into_iter()
            .flatten()
            .flatten();
        [self.common_dir()]
            .into_iter()
            .chain(linked.map(|folder| folder.path()))
            .collect()
    }

    /// What stands in `MERGE_AUTOSTASH` and its kin. git does not count all of them as references,
    /// and `git prune` would take what a merge or a rebase gives back to the work tree when it
    /// ends.
    fn put_aside(&self) -> Result<Vec<ObjectId>, RepoError> {
        let mut found = Vec::new();
        if self.asks_git() {
            let format = "--format=%(objectname) %(refname)";
            let all = self
                .ask(&["for-each-ref", "--include-root-refs", format])?
                .unwrap_or_default();
            let all = String::from_utf8_lossy(&all).into_owned();
            let lasting = all
                .lines()
                .filter(|line| !FLEETING.iter().any(|name| line.ends_with(name)));
            found.extend(lasting.flat_map(|line| self.named_in(line)));
        }
        let is_head = |name: &str| {
            !FLEETING.contains(&name)
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        for folder in self.git_dirs() {
            let top = fs::read_dir(&folder).into_iter().flatten().flatten();
            let heads = top.filter(|file| file.file_name().to_str().is_some_and(is_head));
            let under_way = UNDER_WAY
                .iter()
                .filter_map(|name| fs::read_dir(folder.join(name)).ok());
            for file in heads.chain(under_way.flatten().flatten()) {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                found.extend(self.named_in(&text));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The objects of this repository that begin lines.
    fn named_in(&self, text: &str) -> Vec<ObjectId> {
        let ids = text
            .lines()
            .filter_map(|line| line.split_whitespace().next()?.parse().ok());
        ids.filter(|id| self.git.odb().is_ok_and(|odb| odb.exists(self.oid(*id))))
            .collect()
    }
}
