//! `stax secrets scrub`

use std::collections::BTreeSet;
use std::process::ExitCode;

use sops_document::tree::{Path, Tree};
use sops_document::{Document, Format};

use super::interrupted::open_to_write;
use super::verify::count;
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::git::textconv::is_shown;
use crate::cli::ui::Ui;
use crate::leak::LeakGuard;
use crate::policy::content::{FileContent, looks_sealed};
use crate::policy::sniff::sniff;
use crate::repo::{ObjectId, Repo, RepoError};
use crate::verify::facts::FileFacts;
use crate::verify::rules::plaintext;
use crate::workspace::leaks::ALL;
use crate::workspace::wrap::secret_paths;
use crate::workspace::{Caller, Workspace};

/// Remove from git's object store what a refused commit left there in clear
///
/// `git add` keeps every version of a file as an object, also where the commit is refused later.
/// Looked at are the loose blobs that nothing reaches: no reference, no reflog, no stash, no index
/// of any work tree. Removed are those that hold a value in clear of a SOPS document, a file in
/// clear with the keys of a SOPS file of today, the text of a diff, a secret key of age, or, where
/// a key opens silently, a value of today. Every other object stays.
///
/// What a reflog, a stash or ORIG_HEAD reaches stays too: `git reflog expire --expire=now --all`
/// and `git update-ref -d ORIG_HEAD` give up the first and the last. An object in a pack goes with
/// `git gc --prune=now`. Where another clone borrows the objects of this one (`git clone --shared`,
/// `--reference`), nobody here knows what it reaches. A copy that was pushed is public: replace the
/// value.
#[derive(clap::Args)]
pub struct Args {
    /// Only name them
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = open_to_write(ui, None, Caller::Git, self.dry_run)?;
        let repo = workspace.repo()?;
        if !self.dry_run {
            refuse_beside_git(repo)?;
        }
        let known = ComparedWith::read(&workspace)?;
        let unreachable = repo.unreachable_blobs()?;
        let (mut found, mut unsure) = (Vec::new(), Vec::new());
        let mut unread = 0;
        for blob in &unreachable {
            match known.judge(repo, blob.id)? {
                BlobVerdict::Clear(what) => found.push((*blob, what)),
                BlobVerdict::Unsure => unsure.push(blob.id),
                BlobVerdict::Unread => unread += 1,
                BlobVerdict::Harmless => {}
            }
        }
        let clear = found.len();
        if !found.is_empty() && !self.dry_run {
            // what came to be reached meanwhile, or was stored again, is somebody's
            refuse_beside_git(repo)?;
            let still = repo.unreachable_blobs()?;
            found.retain(|(blob, _)| still.contains(blob));
        }
        let mut removed = 0;
        for (blob, what) in &found {
            if self.dry_run || repo.remove_loose(*blob)? {
                removed += 1;
                let done = if self.dry_run { "holds" } else { "removed" };
                ui.line(format!("{done:8} {}  {}", blob.id.short(), Escaped(what)));
            }
        }
        if removed < clear {
            ui.note(format!(
                "{} stored again, reached or gone meanwhile",
                count(clear - removed, "blob")
            ));
        }
        if removed > 0 || clear == 0 {
            self.close(ui, removed, unreachable.len());
        }
        if let Some(first) = unsure.first() {
            let (number, first) = (count(unsure.len(), "blob"), first.short());
            ui.note(format!(
                "{number} may be a damaged SOPS document and stays: git cat-file blob {first}"
            ));
        }
        known.tell_limits(ui, repo, unread);
        Ok(ExitCode::SUCCESS)
    }

    fn close(&self, ui: &Ui, removed: usize, all: usize) {
        let blobs = count(all, "blob");
        match (removed, all) {
            (0, 0) => ui.line("nothing to remove: git reaches every blob that it keeps"),
            (0, 1) => {
                ui.line("nothing to remove: the one blob that git does not reach holds no known secret");
            }
            (0, _) => ui.line(format!(
                "nothing to remove: of the {blobs} that git does not reach none holds a known secret"
            )),
            _ if self.dry_run => {
                ui.note(format!("{removed} of {blobs} that git does not reach; nothing was removed"));
            }
            _ => ui.note(format!(
                "{removed} of {blobs} that git did not reach; every other object is as it was"
            )),
        }
    }
}

/// A command at work has stored what no index names yet.
fn refuse_beside_git(repo: &Repo) -> Result<(), Failure> {
    let Some(lock) = repo.index_lock() else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "another git command is at work here: {}",
        lock.display()
    ))
    .hint("let it end, then again: stax secrets scrub")
    .hint("where none is, it died: remove that file"))
}

/// What became of one blob.
enum BlobVerdict {
    /// It holds this in clear.
    Clear(String),
    Harmless,
    /// A SOPS document by its look, that cannot be read as one.
    Unsure,
    /// Too large, or gone.
    Unread,
}

/// What a blob is compared with.
struct ComparedWith {
    shapes: Vec<DocumentShape>,
    guard: LeakGuard,
    /// Files of which no value is known, because no key at hand opens them.
    locked: usize,
}

impl ComparedWith {
    fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let values = workspace.values_of_index(ALL)?;
        let shapes = workspace
            .secret_files()?
            .into_iter()
            .filter_map(DocumentShape::of)
            .collect();
        Ok(Self {
            shapes,
            guard: workspace.guard(&values)?,
            locked: values.locked.len(),
        })
    }

    /// What was not looked at, so that nobody takes silence for an answer.
    fn tell_limits(&self, ui: &Ui, repo: &Repo, unread: usize) {
        if self.locked > 0 {
            let files = count(self.locked, "SOPS file");
            ui.note(format!(
                "no key here opens {files}, so their values were not looked for"
            ));
        }
        if unread > 0 {
            ui.note(format!("{} too large to look at", count(unread, "blob")));
        }
        if repo.has_cruft_pack() {
            ui.note(
                "git has packed objects that it does not reach, and those stay: git gc --prune=now",
            );
        }
    }

    /// The document of which a text in clear has every encrypted key, and no key that it has not.
    fn shape_of(&self, text: &str) -> Option<&DocumentShape> {
        let used = Format::ALL
            .into_iter()
            .filter(|format| self.shapes.iter().any(|shape| shape.format == *format));
        used.filter_map(|format| Some((format, keys(&format.parse(text).ok()?))))
            .find_map(|(format, keys)| {
                let fits = |shape: &&DocumentShape| {
                    shape.format == format
                        && shape.encrypted.is_subset(&keys)
                        && keys.is_subset(&shape.all)
                };
                self.shapes.iter().find(fits)
            })
    }

    fn judge(&self, repo: &Repo, id: ObjectId) -> Result<BlobVerdict, Failure> {
        match repo.blob(id) {
            Ok(bytes) => Ok(self.verdict(&bytes)),
            Err(RepoError::TooLarge { .. } | RepoError::Missing(_)) => Ok(BlobVerdict::Unread),
            Err(error) => Err(error.into()),
        }
    }

    fn verdict(&self, bytes: &[u8]) -> BlobVerdict {
        let file = FileFacts::read("blob.yaml", false, Some(bytes));
        if let FileContent::Document(_) = &file.content {
            let key = plaintext(&file).into_iter().find_map(|finding| finding.key);
            return key.map_or(BlobVerdict::Harmless, |key| {
                BlobVerdict::Clear(format!("a SOPS document with `{key}` in clear"))
            });
        }
        match self.clear_in(bytes) {
            Some(what) => BlobVerdict::Clear(what),
            None if looks_sealed(bytes) => BlobVerdict::Unsure,
            None => BlobVerdict::Harmless,
        }
    }

    /// What stands in clear in what is no document.
    fn clear_in(&self, bytes: &[u8]) -> Option<String> {
        if sniff(bytes).secret_key.is_some() {
            return Some("the secret key of a reader".to_owned());
        }
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|_| !looks_sealed(bytes));
        if text.is_some_and(is_shown) {
            return Some("what a diff showed".to_owned());
        }
        if let Some(shape) = text.and_then(|text| self.shape_of(text)) {
            return Some(format!("{} in clear", shape.path));
        }
        let found = self.guard.search(bytes).values.into_iter().next()?;
        Some(self.guard.told(found.value, found.is_password))
    }
}

/// The keys of a document of today.
struct DocumentShape {
    path: String,
    format: Format,
    all: BTreeSet<Path>,
    encrypted: BTreeSet<Path>,
}

impl DocumentShape {
    /// `None` where no key is encrypted, or where there are none.
    fn of((path, document): (String, Document)) -> Option<Self> {
        let encrypted: BTreeSet<Path> = secret_paths(&document).into_iter().collect();
        let is_keyed = !document.format().is_whole() && !encrypted.is_empty();
        is_keyed.then(|| Self {
            path,
            format: document.format(),
            all: keys(document.tree()),
            encrypted,
        })
    }
}

fn keys(tree: &Tree) -> BTreeSet<Path> {
    tree.leaves().into_iter().map(|(path, ..)| path).collect()
}
