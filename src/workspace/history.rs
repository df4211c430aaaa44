//! Versions of SOPS files, of policies and of the table of people, as the commit log has them.

mod snapshots;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::{POLICY, ROSTER, WorkspaceError};
use crate::inventory::is_policy;
use crate::ledger::{FileVersion, OlderVersions, Origin, Removal, Snapshot, Track, short_key};
use crate::policy::config::{Config, CreationRule};
use crate::policy::content::FileContent;
use crate::policy::roster::Roster;
use crate::policy::sniff::EDITION;
use crate::policy::{Holders, without_mail};
use crate::repo::{Commit, CommitWalk, ObjectId, PathChange, Repo, Span, Time};

pub use snapshots::Snapshots;
use sops_document::age::{person, without_comment};
use sops_document::{Document, Format};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// What a walk over commits found.
pub struct History {
    /// Newest first.
    pub versions: Vec<FileVersion>,
    /// Commits that took a secret file away, newest first.
    pub removals: Vec<Removal>,
    pub walked: Vec<Commit>,
    pub commits: usize,
    /// The clone is cut off, or lacks blobs: what is older is unknown.
    pub is_partial: bool,
    /// Versions of the policies and of `recipients.md`, newest first.
    pub central: Vec<Central>,
    /// Versions that speak of SOPS and cannot be read: `path at 1234567: why`.
    pub unreadable: Vec<String>,
    /// Versions whose parents cannot be read.
    open: Vec<usize>,
}

/// A version of a file that names people.
#[derive(Clone, Debug)]
pub struct Central {
    pub path: String,
    pub origin: Rc<Origin>,
    /// `None`: the file is gone.
    pub blob: Option<ObjectId>,
    /// What the parents of its commit hold at the path.
    pub parents: Vec<Option<ObjectId>>,
}

/// Paths whose versions are worth reading: those that hold secrets now, those that the policy
/// names, and those whose name says it.
pub fn candidates(now: BTreeSet<String>, policies: &[String]) -> impl Fn(&str) -> bool + use<> {
    let parsed = policies.iter().filter_map(|text| Config::parse(text).ok());
    let configs: Vec<Config> = parsed.map(|(config, _)| config).collect();
    move |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let named = [".sops", ".enc", "secret"]
            .iter()
            .any(|part| name.contains(part));
        // a rule for everything would name every program and picture too
        let is_text = Format::said_by(path).is_some();
        let governed = |config: &Config| {
            config
                .rule_for(path)
                .is_some_and(|(_, rule)| rule.path_regex.is_some() || is_text)
        };
        now.contains(path) || path == ROSTER || named || configs.iter().any(governed)
    }
}

impl History {
    /// Of versions that HEAD holds; its names count as well.
    ///
    /// # Errors
    /// When git cannot read HEAD.
    pub fn of_head(repo: &Repo, versions: Vec<FileVersion>) -> Result<Self> {
        let mut history = Self::empty();
        history.versions = versions;
        for path in [ROSTER, POLICY] {
            if let Some(entry) = repo.head_entry(path)? {
                let origin = Rc::new(Origin {
                    commit: "HEAD".into(),
                    ..Origin::default()
                });
                let (path, blob) = (path.to_owned(), Some(entry.id));
                history.central.push(Central {
                    path,
                    origin,
                    blob,
                    parents: Vec::new(),
                });
            }
        }
        Ok(history)
    }

    fn empty() -> Self {
        Self {
            versions: Vec::new(),
            removals: Vec::new(),
            walked: Vec::new(),
            commits: 0,
            is_partial: false,
            central: Vec::new(),
            unreadable: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Every version of the wanted paths in a span, under their older names too, and of what names
    /// people. `kept` says in words what is wanted, where an answer from before will do; then what
    /// was no document before and after a commit is not among what was walked.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn load(
        repo: &Repo,
        span: &Span,
        wanted: &dyn Fn(&str) -> bool,
        kept: Option<&str>,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Self> {
        let all = |path: &str| wanted(path) || names_people(path);
        let mut found = match kept {
            Some(spec) => {
                // an answer says what it looked for, since another stax may look for something else
                let spec = format!("{spec}\ndocuments: edition {EDITION}");
                repo.changes_cached(span, &spec, &all, &|change| snapshots.counts(change))?
            }
            None => repo.changes(span, &all)?,
        };
        let mut sources: BTreeSet<String> = BTreeSet::new();
        // a secret file may have had another name before; its readers then still know the data key
        for _ in 0..RENAMES {
            let more = sources_of(&found, snapshots, &|path| {
                all(path) || sources.contains(path)
            })?;
            if more.is_empty() {
                break;
            }
            let paths: Vec<&str> = more.iter().map(String::as_str).collect();
            found = found.join(match kept {
                Some(_) => repo.changes_of_cached(span, &paths)?,
                None => repo.changes_of(span, &paths)?,
            });
            sources.extend(more);
        }
        Self::of_walk(repo, found, snapshots)
    }

    /// The same of paths by name, which reads no tree that holds none of them. A new file may be a
    /// copy of one of the `others`; what is found so is followed as well.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn load_paths(
        repo: &Repo,
        span: &Span,
        mut paths: BTreeSet<String>,
        others: &[String],
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Self> {
        let mut walk = CommitWalk::default();
        for _ in 0..=RENAMES {
            let names: Vec<&str> = paths.iter().map(String::as_str).collect();
            walk = repo.changes_of_cached(span, &names)?;
            let mut found = sources_of(&walk, snapshots, &|path| paths.contains(path))?;
            found.extend(
                copied(repo, &walk, others, snapshots)?
                    .into_iter()
                    .filter(|it| !paths.contains(it)),
            );
            if found.is_empty() {
                break;
            }
            paths.extend(found);
        }
        Self::of_walk(repo, walk, snapshots)
    }

    fn of_walk(repo: &Repo, walk: CommitWalk, snapshots: &mut Snapshots<'_>) -> Result<Self> {
        let mut history = Self {
            commits: walk.commits,
            ..Self::empty()
        };
        for commit in &walk.changed {
            let origin = Rc::new(origin(commit));
            for change in &commit.paths {
                if names_people(&change.path) {
                    history.central.push(Central {
                        path: change.path.clone(),
                        origin: origin.clone(),
                        blob: change.new.map(|entry| entry.id),
                        parents: change
                            .old
                            .iter()
                            .map(|old| old.map(|entry| entry.id))
                            .collect(),
                    });
                    continue;
                }
                history.note(change, &origin, snapshots)?;
            }
        }
        for at in std::mem::take(&mut history.open) {
            let (path, older) = (
                history.versions[at].path.clone(),
                at + 1..history.versions.len(),
            );
            let older = older
                .map(|at| &history.versions[at])
                .find(|older| older.path == path);
            history.versions[at].parents = older
                .map(|older| older.snapshot.clone())
                .into_iter()
                .collect();
        }
        history.walked = walk.changed;
        history.is_partial = repo.is_shallow() || snapshots.is_partial.get();
        Ok(history)
    }

    /// Nothing that was there is missing from the answers.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_partial && self.unreadable.is_empty()
    }

    /// The versions that HEAD has behind it, and what was taken away there.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn behind_head(
        &self,
        repo: &Repo,
        tips: &[ObjectId],
    ) -> Result<(Vec<FileVersion>, Vec<Removal>)> {
        let head: Vec<ObjectId> = repo.head_commit()?.into_iter().collect();
        let beside: BTreeSet<String> = repo
            .beyond(&head, tips)?
            .into_iter()
            .map(|commit| commit.to_string())
            .collect();
        let is_behind = |origin: &Origin| !beside.contains(&origin.commit);
        let mut places = Vec::with_capacity(self.versions.len());
        let mut versions = Vec::new();
        for version in &self.versions {
            places.push(versions.len());
            if is_behind(&version.origin) {
                versions.push(version.clone());
            }
        }
        let removals = self
            .removals
            .iter()
            .filter(|removal| is_behind(&removal.origin))
            .map(|removal| {
                let place = places.get(removal.place).copied().unwrap_or(versions.len());
                Removal {
                    place,
                    ..removal.clone()
                }
            });
        let removals = removals.collect();
        Ok((versions, removals))
    }

    /// One file that a commit changed.
    fn note(
        &mut self,
        change: &PathChange,
        origin: &Rc<Origin>,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<()> {
        let path = change.path.clone();
        let mut parents = Vec::new();
        for old in &change.old {
            parents.extend(snapshots.of(&path, *old)?);
        }
        let Some(entry) = change.new else {
            if !parents.is_empty() {
                let place = self.versions.len();
                self.removals.push(Removal {
                    path,
                    origin: origin.clone(),
                    before: parents,
                    place,
                });
            }
            return Ok(());
        };
        // a parent that nobody can read is no reason to take all for new
        let is_open = parents.is_empty() && change.old.iter().any(Option::is_some);
        let Some(snapshot) = snapshots.of(&path, Some(entry))? else {
            if let Some(why) = snapshots.broken.borrow().get(&entry.id) {
                self.unreadable
                    .push(format!("{path} at {}: {why}", origin.short()));
            }
            return Ok(());
        };
        let (blob, origin) = (entry.id.to_string(), origin.clone());
        if is_open {
            self.open.push(self.versions.len());
        }
        self.versions.push(FileVersion {
            path,
            blob,
            origin,
            snapshot,
            parents,
        });
        Ok(())
    }

    /// The versions of every path, and where each commit stands among them.
    #[must_use]
    pub fn tracks(&self) -> Tracks {
        let mut lists: BTreeMap<&str, Vec<Rc<Snapshot>>> = BTreeMap::new();
        let mut places = HashMap::new();
        for version in &self.versions {
            let list = lists.entry(&version.path).or_default();
            places.insert(
                (version.path.clone(), version.origin.short().to_owned()),
                list.len(),
            );
            list.push(version.snapshot.clone());
        }
        let tracks = lists
            .into_iter()
            .map(|(path, list)| (path.to_owned(), Track::new(list)));
        Tracks {
            tracks: tracks.collect(),
            places,
        }
    }

    /// Every key that ever had a name, and where it has it: what stands now wins, then the newest.
    #[must_use]
    pub fn names(
        &self,
        repo: &Repo,
        roster: Option<&str>,
        policy: Option<&str>,
    ) -> BTreeMap<String, KeyName> {
        let mut names = BTreeMap::new();
        for (path, text) in [(ROSTER, roster), (POLICY, policy)] {
            if let Some(text) = text {
                learn(&mut names, path, text, "");
            }
        }
        for Central {
            path, origin, blob, ..
        } in &self.central
        {
            let text = blob.and_then(|blob| repo.blob(blob).ok());
            if let Some(text) = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
                learn(&mut names, path, &text, &format!(" at {}", origin.short()));
            }
        }
        names
    }
}

/// The versions of every path.
pub struct Tracks {
    tracks: HashMap<String, Track>,
    places: HashMap<(String, String), usize>,
}

impl Tracks {
    /// What is older than the version before that of a commit.
    #[must_use]
    pub fn past(&self, path: &str, commit: &str) -> OlderVersions<'_> {
        let place = self.places.get(&(path.to_owned(), commit.to_owned()));
        match (self.tracks.get(path), place) {
            (Some(track), Some(place)) => track.from(place + 2),
            _ => OlderVersions::default(),
        }
    }
}

/// How many renames of one file are followed.
const RENAMES: usize = 32;

/// SOPS files that a commit takes away while it adds one of the wanted.
pub(super) fn sources_of(
    walk: &CommitWalk,
    snapshots: &mut Snapshots<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for commit in &walk.changed {
        for change in &commit.gone {
            if !wanted(&change.path)
                && let Some(old) = change.old.iter().flatten().next()
                && (names_people(&change.path) || snapshots.of(&change.path, Some(*old))?.is_some())
            {
                found.insert(change.path.clone());
            }
        }
    }
    Ok(found)
}

/// Files from which a new one was copied: they stood in the parent, with one of its tokens.
fn copied(
    repo: &Repo,
    walk: &CommitWalk,
    others: &[String],
    snapshots: &mut Snapshots<'_>,
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for commit in &walk.changed {
        for change in commit
            .paths
            .iter()
            .filter(|change| !change.old.iter().any(Option::is_some))
        {
            let Some(new) = snapshots.of(&change.path, change.new)? else {
                continue;
            };
            let Some(parent) = repo.parents_of(commit.id)?.first().copied() else {
                continue;
            };
            for other in others.iter().filter(|other| **other != change.path) {
                // beyond the edge of a shallow clone there is nothing to ask
                let Ok(entry) = repo.entry_at(parent, other) else {
                    break;
                };
                if let Some(old) = snapshots.of(other, entry)?
                    && old.sealed.values().any(|sealed| new.holds(&sealed.mark))
                {
                    found.insert(other.clone());
                }
            }
        }
    }
    Ok(found)
}

/// A policy, also one in a folder below the root, or the table of people.
#[must_use]
pub fn names_people(path: &str) -> bool {
    path == ROSTER || is_policy(path)
}

/// How a key is or was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyName {
    pub name: String,
    pub role: String,
    /// `named in .sops.yaml at 1234567`
    pub how: String,
}

impl KeyName {
    /// The name before a mail.
    #[must_use]
    pub fn short(&self) -> &str {
        without_mail(&self.name)
    }
}

/// Whom a policy or the table of people names; `at` says where the text is from.
#[must_use]
pub fn named_in(path: &str, text: &str, at: &str) -> BTreeMap<String, KeyName> {
    let mut names = BTreeMap::new();
    learn(&mut names, path, text, at);
    names
}

fn learn(names: &mut BTreeMap<String, KeyName>, path: &str, text: &str, at: &str) {
    let (roster, config) = if path == ROSTER {
        (Roster::parse(text).unwrap_or_default(), None)
    } else {
        (
            Roster::default(),
            Config::parse(text).ok().map(|(config, _)| config),
        )
    };
    let holders = Holders::new(&roster, config.as_ref());
    for key in holders.keys() {
        let Some(name) = holders.name(key) else {
            continue;
        };
        let role = roster
            .get(key)
            .map(|(_, row)| row.role.clone())
            .unwrap_or_default();
        let named = KeyName {
            name: name.to_owned(),
            role,
            how: format!("named in {path}{at}"),
        };
        names.entry(key.to_owned()).or_insert(named);
    }
    // somebody without a name is called as the policy spells the key
    for key in config
        .iter()
        .flat_map(|config| &config.rules)
        .flat_map(CreationRule::recipients)
    {
        let reader = person(key);
        if reader != without_comment(key) {
            let named = KeyName {
                name: short_key(key),
                role: String::new(),
                how: format!("{key} in {path}{at}"),
            };
            names.entry(reader).or_insert(named);
        }
    }
}

pub(super) fn origin(commit: &Commit) -> Origin {
    Origin {
        commit: commit.id.to_string(),
        author: commit.author_name.clone(),
        email: commit.author_email.clone(),
        date: day(commit.author_time),
        seconds: commit.author_time.seconds,
        summary: commit.summary.clone(),
        signed: commit.signed,
        landed: commit.landed.map(|commit| commit.to_string()),
    }
}

/// The document of a version.
///
/// # Errors
/// When git cannot read it.
pub fn document_of(repo: &Repo, version: &FileVersion) -> Result<Option<Document>> {
    let Ok(id) = version.blob.parse::<ObjectId>() else {
        return Ok(None);
    };
    Ok(
        match FileContent::read(&version.path, false, Some(&repo.blob(id)?)) {
            FileContent::Document(document) => Some(*document),
            _ => None,
        },
    )
}

/// YYYY-MM-DD, as its author's calendar had it.
#[must_use]
pub fn day(time: Time) -> String {
    let local = jiff::Timestamp::from_second(
        time.seconds
            .saturating_add(i64::from(time.offset_minutes) * 60),
    );
    local.map_or_else(
        |_| "?".to_owned(),
        |local| local.strftime("%Y-%m-%d").to_string(),
    )
}
