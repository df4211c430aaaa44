//! Versions of SOPS files from the commit log, for the rules that compare them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::cli::failure::Failure;
use crate::ledger::{self, Past, Snapshot, Stale, Track, Version};
use crate::policy::config::Config;
use crate::policy::roster::Roster;
use crate::policy::rules::{Facts, FileFacts, mentions};
use crate::policy::{Finding, Holders};
use crate::repo::{Commit, Entry, ObjectId, Repo, RepoError, Span, Time, Walk};
use crate::sops::Format;
use crate::workspace::{POLICY, ROSTER};

/// What a walk over commits found.
pub(super) struct History {
    /// Newest first.
    pub(super) versions: Vec<Version>,
    pub(super) walked: Vec<Commit>,
    pub(super) commits: usize,
    /// The clone is cut off, or lacks blobs: what is older is unknown.
    pub(super) is_partial: bool,
    /// Versions of the policy and of `recipients.md`, newest first: commit, path, blob.
    central: Vec<(String, String, ObjectId)>,
}

/// Snapshots by blob: most versions stand in many commits.
pub(super) struct Snapshots<'a> {
    repo: &'a Repo,
    known: HashMap<(ObjectId, Format), Option<Rc<Snapshot>>>,
    is_partial: Cell<bool>,
}

impl<'a> Snapshots<'a> {
    pub(super) fn new(repo: &'a Repo) -> Self {
        Self { repo, known: HashMap::new(), is_partial: Cell::new(false) }
    }

    /// `None` for what is no SOPS document.
    pub(super) fn of(&mut self, path: &str, entry: Option<Entry>) -> Result<Option<Rc<Snapshot>>, Failure> {
        let Some(entry) = entry.filter(|entry| entry.mode & 0o170_000 == 0o100_000) else { return Ok(None) };
        let format = Format::of_path(path);
        if let Some(known) = self.known.get(&(entry.id, format)) {
            return Ok(known.clone());
        }
        let snapshot = self.read(path, entry.id)?;
        self.known.insert((entry.id, format), snapshot.clone());
        Ok(snapshot)
    }

    /// Every version of one path behind HEAD.
    pub(super) fn history(&mut self, path: &str) -> Result<Vec<Rc<Snapshot>>, Failure> {
        let mut versions = Vec::new();
        for revision in self.repo.history(path)? {
            let entry = revision.blob.map(|id| Entry { id, mode: 0o100_644 });
            versions.extend(self.of(path, entry)?);
        }
        Ok(versions)
    }

    fn read(&self, path: &str, id: ObjectId) -> Result<Option<Rc<Snapshot>>, Failure> {
        let bytes = match self.repo.blob(id) {
            Ok(bytes) => bytes,
            Err(RepoError::TooLarge { .. }) => return Ok(None),
            Err(RepoError::Missing(_)) => {
                self.is_partial.set(true);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if !mentions(&bytes, b"sops") {
            return Ok(None);
        }
        let file = FileFacts::read(path, false, Some(&bytes));
        Ok(file.document().map(|document| Rc::new(Snapshot::of(document))))
    }
}

/// Paths whose versions are worth reading: those that hold secrets now, those that the policy names, and
/// those whose name says it.
pub(super) fn candidates(facts: &Facts) -> impl Fn(&str) -> bool + use<> {
    let now: BTreeSet<String> = facts.files.iter().map(|file| file.path.clone()).collect();
    let config = facts.policy.as_deref().and_then(|text| Config::parse(text).ok()).map(|(config, _)| config);
    move |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let named = [".sops", ".enc", "secret"].iter().any(|part| name.contains(part));
        let governed = config.as_ref().and_then(|config| config.rule_for(path));
        now.contains(path)
            || path == ROSTER
            || named
            || governed.is_some_and(|(_, rule)| rule.path_regex.is_some())
    }
}

impl History {
    /// Of versions that HEAD holds; its names count as well.
    pub(super) fn of_head(repo: &Repo, versions: Vec<Version>) -> Result<Self, Failure> {
        let mut central = Vec::new();
        for path in [ROSTER, POLICY] {
            let entry = repo.head_entry(path)?;
            central.extend(entry.map(|entry| ("HEAD".to_owned(), path.to_owned(), entry.id)));
        }
        Ok(Self { versions, walked: Vec::new(), commits: 0, is_partial: false, central })
    }

    pub(super) fn load(
        repo: &Repo,
        span: &Span,
        wanted: &dyn Fn(&str) -> bool,
        snapshots: &mut Snapshots<'_>,
    ) -> Result<Self, Failure> {
        let mut sources: BTreeSet<String> = BTreeSet::new();
        let mut walk = repo.changes(span, &|path| wanted(path) || names_people(path))?;
        // a secret file may have had another name before; its readers then still know the data key
        for _ in 0..RENAMES {
            let found = sources_of(&walk, snapshots, &|path| wanted(path) || sources.contains(path))?;
            if found.is_empty() {
                break;
            }
            sources.extend(found);
            walk =
                repo.changes(span, &|path| wanted(path) || names_people(path) || sources.contains(path))?;
        }
        let mut history = Self {
            versions: Vec::new(),
            commits: walk.commits,
            walked: walk.changed,
            is_partial: repo.is_shallow(),
            central: Vec::new(),
        };
        for commit in &history.walked {
            for change in &commit.paths {
                let Some(entry) = change.new else { continue };
                if names_people(&change.path) {
                    history.central.push((commit.id.short(), change.path.clone(), entry.id));
                } else if let Some(snapshot) = snapshots.of(&change.path, Some(entry))? {
                    let mut parents = Vec::new();
                    for old in &change.old {
                        parents.extend(snapshots.of(&change.path, *old)?);
                    }
                    history.versions.push(Version {
                        path: change.path.clone(),
                        commit: commit.id.short(),
                        date: day(commit.author_time),
                        seconds: commit.author_time.seconds,
                        snapshot,
                        parents,
                    });
                }
            }
        }
        history.is_partial |= snapshots.is_partial.get();
        Ok(history)
    }

    /// The versions of every path, and where each commit stands among them.
    pub(super) fn tracks(&self) -> Tracks {
        let mut lists: BTreeMap<&str, Vec<Rc<Snapshot>>> = BTreeMap::new();
        let mut places = HashMap::new();
        for version in &self.versions {
            let list = lists.entry(&version.path).or_default();
            places.insert((version.path.clone(), version.commit.clone()), list.len());
            list.push(version.snapshot.clone());
        }
        let tracks = lists.into_iter().map(|(path, list)| (path.to_owned(), Track::new(list)));
        Tracks { tracks: tracks.collect(), places }
    }

    /// Rule K05 over the files of a tree; `accepted` says which the repository lives with.
    pub(super) fn stale(
        &self,
        repo: &Repo,
        facts: &Facts,
        is_tip: &dyn Fn(&str) -> bool,
        accepted: &dyn Fn(&Stale) -> bool,
    ) -> Vec<Finding> {
        let documents = facts.files.iter().filter_map(|file| Some((file.path.clone(), file.document()?)));
        let tips: Vec<(String, Rc<Snapshot>)> = documents
            .filter(|(path, _)| is_tip(path))
            .map(|(path, document)| (path, Rc::new(Snapshot::of(document))))
            .collect();
        let mut stale = ledger::stale(&self.versions, &tips);
        stale.retain(|one| !accepted(one));
        if stale.is_empty() {
            return Vec::new();
        }
        let names = self.names(repo, facts);
        ledger::findings(&stale, &|key| names.get(key).cloned(), jiff::Timestamp::now().as_second())
    }

    /// Every key that ever had a name, and where it has it: the newest wins.
    fn names(&self, repo: &Repo, facts: &Facts) -> BTreeMap<String, (String, String)> {
        let mut names = BTreeMap::new();
        let now = |name: &str, text: &Option<String>| text.clone().map(|text| (name.to_owned(), text));
        let current = [now(ROSTER, &facts.roster), now(POLICY, &facts.policy)].into_iter().flatten();
        for (path, text) in current {
            learn(&mut names, &path, &text, "");
        }
        for (commit, path, blob) in &self.central {
            if let Ok(text) = repo.blob(*blob).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
                learn(&mut names, path, &text, &format!(" at {commit}"));
            }
        }
        names
    }
}

/// The versions of every path.
pub(super) struct Tracks {
    tracks: HashMap<String, Track>,
    places: HashMap<(String, String), usize>,
}

impl Tracks {
    /// What is older than the version before that of a commit.
    pub(super) fn past(&self, path: &str, commit: &str) -> Past<'_> {
        let place = self.places.get(&(path.to_owned(), commit.to_owned()));
        match (self.tracks.get(path), place) {
            (Some(track), Some(place)) => track.from(place + 2),
            _ => Past::default(),
        }
    }
}

/// How many renames of one file are followed.
const RENAMES: usize = 4;

/// SOPS files that a commit takes away while it adds one of the wanted.
fn sources_of(
    walk: &Walk,
    snapshots: &mut Snapshots<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeSet<String>, Failure> {
    let mut found = BTreeSet::new();
    for commit in &walk.changed {
        for change in &commit.gone {
            if !wanted(&change.path)
                && let Some(old) = change.old.iter().flatten().next()
                && snapshots.of(&change.path, Some(*old))?.is_some()
            {
                found.insert(change.path.clone());
            }
        }
    }
    Ok(found)
}

/// A policy, also one in a folder below the root, or the table of people.
fn names_people(path: &str) -> bool {
    path == ROSTER || path.rsplit('/').next() == Some(POLICY)
}

fn learn(names: &mut BTreeMap<String, (String, String)>, path: &str, text: &str, at: &str) {
    let (roster, config) = if path == ROSTER {
        (Roster::parse(text).unwrap_or_default(), None)
    } else {
        (Roster::default(), Config::parse(text).ok().map(|(config, _)| config))
    };
    let holders = Holders::new(&roster, config.as_ref());
    for key in holders.keys() {
        let Some(name) = holders.name(key) else { continue };
        let how = format!("named in {path}{at}");
        names.entry(key.to_owned()).or_insert_with(|| (name.to_owned(), how));
    }
}

/// YYYY-MM-DD, as its author's calendar had it.
pub(super) fn day(time: Time) -> String {
    let local = jiff::Timestamp::from_second(time.seconds + i64::from(time.offset_minutes) * 60);
    local.map_or_else(|_| "?".to_owned(), |local| local.strftime("%Y-%m-%d").to_string())
}
