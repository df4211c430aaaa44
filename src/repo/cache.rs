//! Walks that were made before, as object names: `<common dir>/stax/history/`, one file a question.
//!
//! A warm answer equals the cold one. The order of commits depends on nothing but the commits, so
//! old and new ones can be put together; only [`Commit::landed`] depends on the tip. It is told
//! again for what the two tips do not share on their first-parent lines. libgit2 leaves out too
//! little of a span when a commit claims to be older than its parent; so a span that reaches down
//! to such a commit is not trusted and all is walked anew.
//!
//! Names, dates and messages are not kept but read from git, and nothing needs the files: a folder
//! that cannot be written, an older format or a damaged file mean a walk.
//!
//! Whoever can write into `.git` could make up a log without a removal in it. So a file counts only
//! with an HMAC under a key of the user, which lies outside every repository; and only where
//! [`Repo::keep_walks`] says so.

mod format;

use format::Seal;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use git2::{Odb, Oid};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::changes::{Counts, FastReads, OrderedWalk};
use super::commits::RawCommit;
use super::{Commit, CommitWalk, ObjectId, Repo, RepoError, Span};

/// Where the key comes from that kept walks are authenticated with.
pub type WalkKey = fn() -> Option<Zeroizing<[u8; 32]>>;

/// What this process does with walks that were made before.
#[derive(Clone, Copy, Default)]
pub(super) enum KeptWalks {
    #[default]
    Ignored,
    /// Made anew, and kept for those who may read them.
    Renewed(WalkKey),
    Read(WalkKey),
}

/// A walk over fewer commits is as fast as a file.
const WORTH: usize = 1000;
const FILES: usize = 16;
/// How far first-parent lines are followed to where they part.
const STEPS: usize = 10_000;

type Question<'q> = &'q dyn Fn(&Span) -> Result<OrderedWalk, RepoError>;

impl Repo {
    /// Lets this value read and keep walks. What judges (`verify`, the hooks) never says it.
    pub fn keep_walks(&self, key: WalkKey) {
        self.kept_walks.set(KeptWalks::Read(key));
    }

    /// Every walk from now on is made from the objects of git alone; whoever may read kept walks
    /// finds it.
    pub fn renew_walks(&self, key: WalkKey) {
        self.kept_walks.set(KeptWalks::Renewed(key));
    }

    /// Every walk from now on is made from the objects of git alone.
    pub fn keep_no_walks(&self) {
        self.kept_walks.set(KeptWalks::Ignored);
    }

    fn seal(&self, question: &str) -> Option<Seal> {
        let key = match self.kept_walks.get() {
            KeptWalks::Ignored => return None,
            KeptWalks::Renewed(key) | KeptWalks::Read(key) => key()?,
        };
        let repository = self
            .common_dir()
            .canonicalize()
            .ok()?
            .into_os_string()
            .into_vec();
        Some(Seal {
            key,
            repository,
            question: question.to_owned(),
        })
    }

    /// [`changes`](Self::changes) from memory where that is possible, of the changes that count.
    /// `spec` says in words what `wanted` and `counts` let pass: what has the same words has the
    /// same answer.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn changes_cached(
        &self,
        span: &Span,
        spec: &str,
        wanted: &dyn Fn(&str) -> bool,
        counts: Counts<'_>,
    ) -> Result<CommitWalk, RepoError> {
        let question = |span: &Span| self.find(span, wanted, counts);
        let walk = self.cached(span, &name("pattern", &[spec]), WORTH, &question)?;
        self.bring_versions(&walk);
        Ok(walk)
    }

    /// [`changes_of`](Self::changes_of) from memory where that is possible.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn changes_of_cached(&self, span: &Span, paths: &[&str]) -> Result<CommitWalk, RepoError> {
        let mut sorted = paths.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let walk = self.cached(span, &name("paths", &sorted), WORTH, &|span| {
            self.find_of(span, paths)
        })?;
        self.bring_versions(&walk);
        Ok(walk)
    }

    /// Histories of fewer commits than `worth` are not kept.
    pub(super) fn cached(
        &self,
        span: &Span,
        name: &str,
        worth: usize,
        question: Question<'_>,
    ) -> Result<CommitWalk, RepoError> {
        let is_kept = span.is_whole() && !span.tips.is_empty() && !self.is_shallow();
        let Some(seal) = is_kept.then(|| self.seal(name)).flatten() else {
            return Ok(question(span)?.walk);
        };
        let _fast = FastReads::begin();
        let folder = self.common_dir().join("stax/history");
        let is_read = matches!(self.kept_walks.get(), KeptWalks::Read(_));
        let known = is_read.then(|| fs::read(folder.join(name)).ok()).flatten();
        let known =
            known.and_then(|bytes| format::parse(&seal, &bytes, span.tips[0].bytes().len()));
        let is_same = known.as_ref().is_some_and(|(tips, _)| *tips == span.tips);
        if let Some((tips, old)) = known
            && let Ok(Some(found)) = self.go_on(&tips, old, span, question)
        {
            if !is_same {
                keep(&folder, &seal, &span.tips, &found);
            }
            return Ok(found.walk);
        }
        let found = question(span)?;
        if found.walk.commits >= worth {
            keep(&folder, &seal, &span.tips, &found);
        }
        Ok(found.walk)
    }

    /// From an old answer to the one for other tips; `None` where that cannot be told.
    fn go_on(
        &self,
        old_tips: &[ObjectId],
        old: OrderedWalk,
        span: &Span,
        question: Question<'_>,
    ) -> Result<Option<OrderedWalk>, RepoError> {
        let mut all: Vec<(i64, Commit)> =
            old.walk.dates.into_iter().zip(old.walk.changed).collect();
        let (mut commits, mut skew) = (old.walk.commits, old.skew);
        let mut new = OrderedWalk::default();
        if old_tips != span.tips {
            let odb = self.git.odb()?;
            new = question(&between(old_tips, &span.tips))?;
            skew = skew.max(new.skew);
            let dropped = self.commits(&odb, &between(&span.tips, old_tips), None)?;
            let Some(fork) = fork(&odb, self.oid(old_tips[0]), self.oid(span.tips[0]))? else {
                return Ok(None);
            };
            let ahead = self.commits(&odb, &between(&[fork], &span.tips[..1]), None)?;
            let behind = self.commits(&odb, &between(&[fork], &old_tips[..1]), None)?;
            let oldest = new.oldest.min(ahead.oldest()).min(behind.oldest());
            if oldest <= old.skew || dropped.oldest() <= skew {
                return Ok(None);
            }
            let gone: HashSet<ObjectId> = dropped.ids().collect();
            all.retain(|(_, commit)| !gone.contains(&commit.id));
            commits = commits + new.walk.commits - gone.len();
            let landed: HashMap<ObjectId, Option<ObjectId>> = behind
                .ids()
                .map(|id| (id, None))
                .chain(ahead.landed(self.oid(span.tips[0])))
                .collect();
            for commit in all
                .iter_mut()
                .map(|(_, commit)| commit)
                .chain(&mut new.walk.changed)
            {
                if let Some(landed) = landed.get(&commit.id) {
                    commit.landed = *landed;
                }
            }
        }
        let mailmap = self.git.mailmap()?;
        for (_, commit) in &mut all {
            commit.fill(&self.git.find_commit(self.oid(commit.id))?, &mailmap)?;
        }
        all.extend(new.walk.dates.into_iter().zip(new.walk.changed));
        all.sort_by(|(a, one), (b, other)| (b, other.id).cmp(&(a, one.id)));
        let (dates, changed) = all.into_iter().unzip();
        Ok(Some(OrderedWalk {
            walk: CommitWalk {
                commits,
                changed,
                dates,
            },
            skew,
            oldest: 0,
        }))
    }
}

fn between(hidden: &[ObjectId], tips: &[ObjectId]) -> Span {
    Span {
        tips: tips.to_vec(),
        hidden: hidden.to_vec(),
        hide_references: false,
    }
}

/// Where two first-parent lines meet.
fn fork(odb: &Odb<'_>, a: Oid, b: Oid) -> Result<Option<ObjectId>, RepoError> {
    let (mut lines, mut seen) = ([Some(a), Some(b)], [HashSet::new(), HashSet::new()]);
    for _ in 0..STEPS {
        for side in 0..2 {
            let Some(id) = lines[side] else { continue };
            if seen[1 - side].contains(&id) || lines[1 - side] == Some(id) {
                return Ok(Some(id.into()));
            }
            seen[side].insert(id);
            lines[side] = RawCommit::read(odb, id)?.parents.first().copied();
        }
    }
    Ok(None)
}

/// The name of a file: a digest of the question.
fn name(kind: &str, words: &[&str]) -> String {
    let mut digest = Sha256::new();
    for word in [kind].iter().chain(words) {
        digest.update((word.len() as u64).to_be_bytes());
        digest.update(word);
    }
    base16ct::lower::encode_string(&digest.finalize()[..16])
}

/// Whatever goes wrong here costs a walk next time and nothing else.
fn keep(folder: &Path, seal: &Seal, tips: &[ObjectId], found: &OrderedWalk) {
    let write = || -> std::io::Result<()> {
        let bytes = format::bytes(seal, tips, found).ok_or(std::io::ErrorKind::InvalidData)?;
        fs::create_dir_all(folder)?;
        // readable by its owner alone
        let mut file = tempfile::Builder::new()
            .prefix(".history-")
            .tempfile_in(folder)?;
        file.write_all(&bytes)?;
        file.persist(folder.join(&seal.question))?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
        files.sort();
        files
            .iter()
            .rev()
            .skip(FILES)
            .try_for_each(|(_, path)| fs::remove_file(path))
    };
    let _ = write();
}
