//! Which files of a tree are secret, and which hold the secret key of a reader: told in one pass
//! over each, whatever its size and name.

use std::collections::BTreeSet;

use sops_document::Format;

use crate::disk::DiskError;
use crate::inventory::{Read, secret};
use crate::policy::content::{FileContent, ODD_NAME};
use crate::policy::sniff::sniff;
use crate::repo::{Attribute, ObjectId};
use crate::verify::error::VerifyError;
use crate::verify::facts::{FileFacts, Leak, LeakPlace};
use crate::verify::source::{Candidate, TreeSource, is_attributes, may_be_secret};
use crate::workspace::{Workspace, WorkspaceError};

/// What a commit holds under a name that says nothing is read without a reason when it is small, as
/// sealed keys and tokens are (bytes), or when its name speaks of secrets.
const LARGE: usize = 16 << 10;

/// How a tree is looked at.
pub(super) struct TreeLook<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) source: TreeSource,
    /// Paths whose files are judged.
    pub(super) wanted: &'a dyn Fn(&str) -> bool,
    /// Paths of a commit that are read whatever their size and name say.
    pub(super) closely: &'a dyn Fn(&str) -> bool,
    pub(super) were_sealed: &'a BTreeSet<String>,
    pub(super) bound: &'a BTreeSet<&'a str>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) files: Vec<FileFacts>,
    pub(super) leaks: Vec<Leak>,
    /// Files that could not be read, and why.
    pub(super) unread: Vec<(String, String)>,
}

impl TreeLook<'_> {
    pub(super) fn all(&self, candidates: &[Candidate]) -> Result<Seen, VerifyError> {
        let mut seen = Seen::default();
        let marked = self.marked(candidates)?;
        let changed = self.changed()?;
        let is_searched = |path: &str| match self.source {
            // a range is judged by its commits: see `objects`
            TreeSource::Commit(_) => false,
            _ => changed
                .as_ref()
                .is_none_or(|changed| changed.contains(path)),
        };
        for candidate in candidates
            .iter()
            .filter(|candidate| (self.wanted)(&candidate.path))
        {
            let is_searched = is_searched(&candidate.path);
            if is_searched && sniff(candidate.path.as_bytes()).secret_key.is_some() {
                seen.leaks.push(leak(&candidate.path, LeakPlace::Name));
            }
            if candidate.is_regular() {
                self.one(candidate, &marked, is_searched, &mut seen)?;
            } else if is_searched && candidate.is_link() {
                seen.leaks.extend(self.leak_of_link(&candidate.path));
            }
        }
        self.odd_names(&mut seen)?;
        Ok(seen)
    }

    fn one(
        &self,
        candidate: &Candidate,
        marked: &BTreeSet<&str>,
        is_searched: bool,
        seen: &mut Seen,
    ) -> Result<(), VerifyError> {
        let path = candidate.path.as_str();
        let is_judged = may_be_secret(path) && !self.bound.contains(path);
        if !is_judged && !is_searched || self.is_passed_over(path, candidate.id)? {
            return Ok(());
        }
        let is_named = marked.contains(path) || self.were_sealed.contains(path);
        let read = match self.workspace.tree(self.source)?.look(path, candidate.id) {
            Ok(read) => read,
            Err(error) => {
                seen.unread.push((path.to_owned(), error.to_string()));
                if is_named && is_judged {
                    seen.files.push(FileFacts::read(path, false, None));
                }
                return Ok(());
            }
        };
        let Some(traits) = read.traits() else {
            return Ok(());
        };
        if is_searched && let Some(line) = traits.secret_key {
            seen.leaks.push(leak(path, LeakPlace::Line(line)));
        }
        if is_judged {
            let content = secret(path, is_named, &read, traits);
            seen.files
                .extend(content.map(|content| facts(path, content, &read)));
        }
        Ok(())
    }

    /// Almost every file of a commit is binary by its name, and almost none is a document.
    fn is_passed_over(&self, path: &str, id: ObjectId) -> Result<bool, VerifyError> {
        if !matches!(self.source, TreeSource::Commit(_))
            || (self.closely)(path)
            || Format::said_by(path).is_some()
            || has_secret_name(path)
        {
            return Ok(false);
        }
        Ok(self
            .workspace
            .repo()?
            .size_of(id)?
            .is_none_or(|size| size > LARGE))
    }

    /// Paths that the attributes give to stax.
    fn marked<'c>(&self, candidates: &'c [Candidate]) -> Result<BTreeSet<&'c str>, VerifyError> {
        let repo = self.workspace.repo()?;
        let regular = candidates
            .iter()
            .filter(|candidate| candidate.is_regular() && (self.wanted)(&candidate.path));
        let paths: Vec<&str> = regular.map(|candidate| candidate.path.as_str()).collect();
        let is_stax = |value: &Attribute| *value == Attribute::Value("stax".into());
        let TreeSource::Commit(commit) = self.source else {
            let mut marked = BTreeSet::new();
            for path in paths {
                // for all files of a repository git cannot be started
                let value = match self.source {
                    TreeSource::Index => repo.attribute_staged(path, "diff")?,
                    _ => repo.attribute(path, "diff")?,
                };
                if is_stax(&value) {
                    marked.insert(path);
                }
            }
            return Ok(marked);
        };
        if !self.gives_drivers(candidates)? {
            return Ok(BTreeSet::new());
        }
        let values = repo
            .attributes_at(commit, "diff", &paths)?
            .unwrap_or_default();
        Ok(paths
            .into_iter()
            .zip(&values)
            .filter(|(_, value)| is_stax(value))
            .map(|(path, _)| path)
            .collect())
    }

    /// Whether any file of attributes names the driver: git is asked about every path otherwise.
    fn gives_drivers(&self, candidates: &[Candidate]) -> Result<bool, VerifyError> {
        for candidate in candidates
            .iter()
            .filter(|candidate| is_attributes(&candidate.path))
        {
            let text = self.workspace.repo()?.blob(candidate.id);
            if text.is_ok_and(|text| memchr::memmem::find(&text, b"stax").is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// In an index only what the commit changes is searched: older files were there before.
    fn changed(&self) -> Result<Option<BTreeSet<String>>, VerifyError> {
        if self.source != TreeSource::Index {
            return Ok(None);
        }
        let changes = self.workspace.repo()?.staged_changes()?.into_iter();
        Ok(Some(
            changes
                .filter(|change| change.new.is_some())
                .map(|change| change.path)
                .collect(),
        ))
    }

    fn leak_of_link(&self, path: &str) -> Option<Leak> {
        // in the work tree a link is never followed; its text stands in the index as well
        let source = if self.source == TreeSource::WorkTree {
            TreeSource::Index
        } else {
            self.source
        };
        let target = source.read(self.workspace, path).ok().flatten()?;
        sniff(&target)
            .secret_key
            .map(|_| leak(path, LeakPlace::Target))
    }

    /// No rule can name them; they are searched like any other, and a document there is an error.
    fn odd_names(&self, seen: &mut Seen) -> Result<(), VerifyError> {
        let repo = self.workspace.repo()?;
        let found: Vec<_> = match self.source {
            TreeSource::Commit(_) => return Ok(()),
            TreeSource::WorkTree => repo
                .odd_entries()?
                .into_iter()
                .map(|(raw, path, it)| (Some(raw), path, it))
                .collect(),
            TreeSource::Index => repo
                .staged_at_odd_paths()?
                .into_iter()
                .map(|(path, it)| (None, path, it))
                .collect(),
        };
        for (raw, path, entry) in found {
            if !(self.wanted)(&path) {
                continue;
            }
            let read = match raw.filter(|_| entry.is_file()) {
                Some(raw) => self.workspace.sniff(&raw),
                None if entry.is_submodule() => continue,
                None => self.workspace.sniff_blob(entry.id),
            };
            let traits = match read {
                Ok(traits) => traits,
                Err(WorkspaceError::Disk(DiskError::NotFound(_))) => continue,
                Err(error) => {
                    seen.unread.push((path, error.to_string()));
                    continue;
                }
            };
            let name = sniff(path.as_bytes()).secret_key.map(|_| LeakPlace::Name);
            let place = traits.secret_key.map(LeakPlace::Line);
            seen.leaks.extend(
                name.into_iter()
                    .chain(place)
                    .map(|place| leak(&path, place)),
            );
            if entry.is_file() && traits.may_be_document() {
                seen.files
                    .push(FileFacts::of(&path, false, FileContent::Unjudged(ODD_NAME)));
            }
        }
        Ok(())
    }
}

/// Whose it is nobody has asked yet.
fn leak(path: &str, place: LeakPlace) -> Leak {
    Leak {
        path: path.to_owned(),
        place,
        owners: Vec::new(),
        is_new: false,
    }
}

fn facts(path: &str, content: FileContent, read: &Read) -> FileFacts {
    match read {
        Read::Whole(bytes) => FileFacts::of_bytes(path, false, content, bytes),
        _ => FileFacts::of(path, false, content),
    }
}

fn has_secret_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.contains('.')
        || ["sops", "enc", "secret"]
            .iter()
            .any(|part| name.contains(part))
}
