//! `stax secrets scrub`

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::verify::count;
use crate::cli::escape::Escaped;
use crate::cli::failure::Failure;
use crate::cli::git::textconv::is_shown;
use crate::cli::ui::Ui;
use crate::policy::leak::Guard;
use crate::policy::rules::{Content, FileFacts, looks_sealed, plaintext, secret_key_line};
use crate::repo::{ObjectId, Repo, RepoError};
use crate::sops::tree::{Path, Tree};
use crate::sops::{Document, Format};
use crate::workspace::wrap::secret_paths;
use crate::workspace::{Caller, Workspace};

/// Remove from git's object store what a refused commit left there in clear
///
/// `git add` keeps every version of a file as an object, also where the commit is refused later. Looked at are the
/// loose blobs that nothing reaches: no reference, no reflog, no stash, no index of any work tree. Removed are
/// those that hold a value in clear of a SOPS document, a file in clear with the keys of a SOPS file of today, the
/// text of a diff, a secret key of age, or, where a key opens silently, a value of today. Every other object stays.
///
/// What a reflog or a stash reaches stays too: `git reflog expire --expire=now --all` gives up the first. An object
/// in a pack goes with `git gc --prune=now`. A copy that was pushed is public: replace the value.
#[derive(clap::Args)]
pub struct Args {
    /// Only name them
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(None, Caller::Git)?;
        let repo = workspace.repo()?;
        let known = Known::read(&workspace)?;
        let unreachable = repo.unreachable_blobs()?;
        let mut found = Vec::new();
        for id in &unreachable {
            found.extend(known.judge(repo, *id)?.map(|what| (*id, what)));
        }
        if !found.is_empty() && !self.dry_run {
            // what came to be reached meanwhile is somebody's
            let still = repo.unreachable_blobs()?;
            found.retain(|(id, _)| still.contains(id));
        }
        for (id, what) in &found {
            if self.dry_run || repo.remove_loose(*id)? {
                let done = if self.dry_run { "holds" } else { "removed" };
                ui.line(format!("{done:8} {}  {}", id.short(), Escaped(what)));
            }
        }
        let all = count(unreachable.len(), "unreachable blob");
        match found.len() {
            0 => ui.line(format!("nothing to remove: {all}, none with a secret in clear")),
            number => ui.note(format!("{number} of {all}; every other object is as it was")),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a blob is compared with.
struct Known {
    shapes: Vec<Shape>,
    guard: Guard,
}

impl Known {
    fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let guard = workspace.guard(&workspace.values_of_index()?)?;
        Ok(Self { shapes: workspace.secret_files()?.into_iter().filter_map(Shape::of).collect(), guard })
    }

    /// The document of which a text in clear has every encrypted key, and no key that it has not.
    fn shape_of(&self, text: &str) -> Option<&Shape> {
        let formats = [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini];
        let used =
            formats.into_iter().filter(|format| self.shapes.iter().any(|shape| shape.format == *format));
        used.filter_map(|format| Some((format, keys(&format.parse(text).ok()?)))).find_map(
            |(format, keys)| {
                let fits = |shape: &&Shape| {
                    shape.format == format && shape.encrypted.is_subset(&keys) && keys.is_subset(&shape.all)
                };
                self.shapes.iter().find(fits)
            },
        )
    }

    /// What stands in clear in a blob.
    fn judge(&self, repo: &Repo, id: ObjectId) -> Result<Option<String>, Failure> {
        match repo.blob(id) {
            Ok(bytes) => Ok(self.clear_in(&bytes)),
            Err(RepoError::TooLarge { .. } | RepoError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn clear_in(&self, bytes: &[u8]) -> Option<String> {
        let file = FileFacts::read("blob.yaml", false, Some(bytes));
        if let Content::Document(_) = &file.content {
            let key = plaintext(&file).into_iter().find_map(|finding| finding.key)?;
            return Some(format!("a SOPS document with `{key}` in clear"));
        }
        if looks_sealed(bytes) {
            return None;
        }
        if secret_key_line(bytes).is_some() {
            return Some("the secret key of a reader".to_owned());
        }
        let text = std::str::from_utf8(bytes).ok();
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
struct Shape {
    path: String,
    format: Format,
    all: BTreeSet<Path>,
    encrypted: BTreeSet<Path>,
}

impl Shape {
    /// `None` where no key is encrypted, or where there are none.
    fn of((path, document): (String, Document)) -> Option<Self> {
        let encrypted: BTreeSet<Path> = secret_paths(&document).into_iter().collect();
        let is_keyed = document.format() != Format::Binary && !encrypted.is_empty();
        is_keyed.then(|| Self { path, format: document.format(), all: keys(document.tree()), encrypted })
    }
}

fn keys(tree: &Tree) -> BTreeSet<Path> {
    tree.leaves().into_iter().map(|(path, ..)| path).collect()
}
