//! git, through libgit2, and through git itself where libgit2 does not read a repository that git
//! reads. The only module that names `git2`; what leaves it is owned and plain.

mod ancestry;
mod attributes;
mod blobs;
mod cache;
mod changes;
mod commits;
mod config;
mod conflict;
mod error;
mod graph;
mod index;
mod loose;
mod object;
mod open;
mod paths;
mod plumbing;
mod programs;
mod promised;
mod push;
mod recent;
mod refs;
mod scopes;
mod texts;
mod trees;

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use git2::{AttrCheckFlags, AttrValue, Repository};

pub use ancestry::{Ancestry, CommitChanges, Turns};
pub use attributes::AttributeLine;
pub use blobs::BesideIndex;
pub use cache::WalkKey;
pub use changes::{Commit, CommitWalk, PathChange, Span, Time};
pub use conflict::Operation;
pub use error::RepoError;
pub use index::{IndexEntry, StagedChange};
pub use loose::Loose;
pub use object::{FilesAt, ObjectId, TreeEntry};

use cache::KeptWalks;
use plumbing::Naming;
pub use push::DefaultBranch;
pub use scopes::{Setting, SettingOwner};
pub use texts::{ObjectKind, Pushed};

/// The largest blob that is read. SOPS files of the general profile end at the same size.
pub const BLOB_LIMIT: usize = 32 << 20;

/// An open repository with a work tree. Paths given and returned are relative to
/// [`root`](Self::root), with `/`.
pub struct Repo {
    git: Repository,
    root: PathBuf,
    naming: Naming,
    /// The references are no files.
    asks_git: OnceCell<bool>,
    may_fetch: Cell<bool>,
    kept_walks: Cell<KeptWalks>,
    /// The configuration, where git had to be asked for it, and whether it has to be.
    read_by_git: RefCell<Option<Rc<[Setting]>>>,
    needs_git_to_read: Cell<Option<bool>>,
    /// What a git that is started here has in its environment.
    shield: OnceCell<Vec<(&'static str, OsString)>>,
}

/// The value of a git attribute for one path. `!name` counts as unspecified, as in git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Unspecified,
    True,
    False,
    Value(String),
}

impl Repo {
    /// The repository of the current folder as git finds it: where `GIT_DIR` or `GIT_WORK_TREE` say
    /// so, that one.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    pub fn here() -> Result<Self, RepoError> {
        if !Self::is_named_by_environment() {
            return Self::discover(Path::new("."));
        }
        Self::new(open::named()?, Naming::Environment).with_work_tree()
    }

    /// `GIT_DIR` or `GIT_WORK_TREE` is set, so that git looks nowhere else.
    #[must_use]
    pub fn is_named_by_environment() -> bool {
        ["GIT_DIR", "GIT_WORK_TREE"]
            .iter()
            .any(|name| std::env::var_os(name).is_some())
    }

    /// The same repository, opened anew.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    pub fn again(&self) -> Result<Self, RepoError> {
        match self.naming {
            Naming::Discovered => Self::discover(&self.root),
            Naming::Environment => Self::here(),
        }
    }

    /// Finds the repository that holds a folder. It does not look at `GIT_*` variables.
    ///
    /// # Errors
    /// [`RepoError`] for no repository, a bare one, one that git does not trust or one with an
    /// extension that is not known here.
    pub fn discover(folder: &Path) -> Result<Self, RepoError> {
        Self::new(open::discover(folder)?, Naming::Discovered).with_work_tree()
    }

    /// Opens what git names in the environment. In a hook only this is right: `git commit -a` and
    /// `git commit PATH` check an index of their own, in `GIT_INDEX_FILE`.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    pub fn from_env() -> Result<Self, RepoError> {
        Self::from_env_without_work_tree()?.with_work_tree()
    }

    /// The same for a server's hook: a bare repository will do, its root is its own folder.
    ///
    /// # Errors
    /// As [`discover`](Self::discover), but for the bare one.
    pub fn from_env_without_work_tree() -> Result<Self, RepoError> {
        let repo = Self::new(open::from_env()?, Naming::Environment);
        repo.let_git_fetch();
        Ok(repo)
    }

    fn new(git: Repository, naming: Naming) -> Self {
        let root = plain(git.workdir().unwrap_or_else(|| git.path()));
        Self {
            git,
            root,
            naming,
            asks_git: OnceCell::new(),
            may_fetch: Cell::new(false),
            kept_walks: Cell::default(),
            read_by_git: RefCell::default(),
            needs_git_to_read: Cell::default(),
            shield: OnceCell::new(),
        }
    }

    fn with_work_tree(self) -> Result<Self, RepoError> {
        if self.git.workdir().is_none() {
            Err(RepoError::Bare(self.root))
        } else {
            Ok(self)
        }
    }

    /// The top of the work tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.git`, or the folder of this linked work tree below it.
    #[must_use]
    pub fn git_dir(&self) -> PathBuf {
        plain(self.git.path())
    }

    /// `.git`, shared by all linked work trees.
    #[must_use]
    pub fn common_dir(&self) -> PathBuf {
        plain(self.git.commondir())
    }

    /// Where git looks for hooks: `core.hooksPath` (relative to the top of the work tree), else
    /// `hooks` in the common folder.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the configuration cannot be read.
    pub fn hooks_dir(&self) -> Result<PathBuf, RepoError> {
        let named = self.config_path("core.hooksPath")?;
        Ok(named.map_or_else(
            || self.common_dir().join("hooks"),
            |path| plain(&self.root.join(path)),
        ))
    }

    /// An attribute as git sees it in the work tree.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn attribute(&self, path: &str, name: &str) -> Result<Attribute, RepoError> {
        let ask = || {
            self.git
                .get_attr_bytes(Path::new(path), name, AttrCheckFlags::FILE_THEN_INDEX)
        };
        let value = match ask() {
            Ok(value) => value,
            // files of attributes may stand in the index alone
            Err(_) => self.index().and_then(|_| Ok(ask()?))?,
        };
        Ok(Attribute::from(value))
    }

    /// The same by what the next commit would hold.
    ///
    /// # Errors
    /// As [`index_entries`](Self::index_entries).
    pub fn attribute_staged(&self, path: &str, name: &str) -> Result<Attribute, RepoError> {
        self.index()?;
        let value = self
            .git
            .get_attr_bytes(Path::new(path), name, AttrCheckFlags::INDEX_ONLY)?;
        Ok(Attribute::from(value))
    }

    /// Whether the ignore rules match a path, tracked or not.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the rules cannot be read.
    pub fn is_ignored(&self, path: &str) -> Result<bool, RepoError> {
        Ok(self.git.is_path_ignored(Path::new(path))?)
    }

    /// Whether history is cut off, as in most CI checkouts.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow()
    }

    /// Local and remote-tracking branches (`main`, `origin/main`) and their commits. Names that are
    /// not UTF-8 and symbolic ones (`origin/HEAD`) are left out.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the references cannot be read.
    pub fn branch_tips(&self) -> Result<Vec<(String, ObjectId)>, RepoError> {
        let mut tips = Vec::new();
        for start in ["refs/heads/", "refs/remotes/"] {
            for reference in self
                .references(start)?
                .into_iter()
                .filter(|reference| !reference.is_symbolic)
            {
                let name = std::str::from_utf8(&reference.name[start.len()..]);
                tips.extend(name.ok().map(|name| (name.to_owned(), reference.id.into())));
            }
        }
        Ok(tips)
    }

    /// The diff drivers of which git keeps converted text, by the last part of
    /// `refs/notes/textconv/…`.
    ///
    /// # Errors
    /// [`RepoError::Git`] when the references cannot be read.
    pub fn textconv_caches(&self) -> Result<Vec<String>, RepoError> {
        let start = "refs/notes/textconv/";
        let name = |name: &[u8]| String::from_utf8_lossy(&name[start.len()..]).into_owned();
        Ok(self
            .references(start)?
            .iter()
            .map(|reference| name(&reference.name))
            .collect())
    }

    /// Adds a line to `info/exclude` unless it is there; says whether it did.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn add_exclude_line(&self, line: &str) -> Result<bool, RepoError> {
        let path = self.common_dir().join("info/exclude");
        let failed = |error| RepoError::Io(path.clone(), error);
        let old = match fs::read(&path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        if old
            .split(|byte| *byte == b'\n')
            .any(|present| present == line.as_bytes())
        {
            return Ok(false);
        }
        let gap = if old.is_empty() || old.ends_with(b"\n") {
            ""
        } else {
            "\n"
        };
        fs::create_dir_all(self.common_dir().join("info")).map_err(failed)?;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(failed)?;
        file.write_all(format!("{gap}{line}\n").as_bytes())
            .map_err(failed)?;
        Ok(true)
    }
}

impl From<Option<&[u8]>> for Attribute {
    fn from(value: Option<&[u8]>) -> Self {
        // the raw value of `!name` is a marker string; AttrValue knows it by its address
        match AttrValue::from_bytes(value) {
            AttrValue::True => Self::True,
            AttrValue::False => Self::False,
            AttrValue::Unspecified => Self::Unspecified,
            AttrValue::String(text) => Self::Value(text.to_owned()),
            AttrValue::Bytes(bytes) => Self::Value(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// libgit2 ends folders with a slash.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests;
