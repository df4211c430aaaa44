//! Who could read each secret file since when: the moments of the log that the ledger tells as a
//! timeline.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use sops_document::Document;
use sops_document::age::person;

use super::history::{History, Snapshots, names_people, origin};
use super::register::Depth;
use super::{POLICY, ROSTER, Target, Workspace, WorkspaceError};
use crate::ledger::{
    Epoch, Epochs, Insight, KeyChange, LineageStep, Lineages, Moment, Origin, ReadersAtCommit,
    Snapshot, key_change,
};
use crate::policy::Holders;
use crate::policy::config::{Config, CreationRule};
use crate::policy::policies::Policies;
use crate::policy::roster::Roster;
use crate::repo::{Commit, ObjectId, PathChange, Repo, Span, TreeEntry};

mod touched;

use touched::{TouchedPaths, changes};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Of which list of readers a story tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Of a file of today, with the path that it has.
    File { path: String, env: Option<String> },
    /// Of a rule that governs no file: the policy and its pattern.
    Rule {
        policy: String,
        pattern: Option<String>,
    },
}

pub struct Story {
    pub subject: Subject,
    /// Newest first.
    pub moments: Vec<Moment>,
    /// For commits that made a version: the oldest commit with the same data key.
    pub back_to: HashMap<String, Rc<Origin>>,
}

/// A key whose name changed.
pub struct LabelChange {
    pub origin: Rc<Origin>,
    pub recipient: String,
    pub from: String,
    pub to: String,
}

pub struct Stories {
    pub stories: Vec<Story>,
    /// Newest first.
    pub labels: Vec<LabelChange>,
    pub history: History,
}

impl Workspace {
    /// The stories of every secret file of the work tree (of `only` one), and of the rules that
    /// govern none.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn stories(&self, only: Option<&str>, depth: Depth) -> Result<Stories> {
        let repo = self.repo()?;
        let vault = self.vault()?;
        let inventory = self.tracked()?;
        let mut files = inventory.today().0;
        let all: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        files.retain(|(path, _)| only.is_none_or(|only| only == path));
        let mut paths: BTreeSet<String> = inventory.policy_paths().map(str::to_owned).collect();
        paths.extend([POLICY, ROSTER].map(str::to_owned));
        paths.extend(files.iter().map(|(path, _)| path.clone()));
        // a policy that is gone may have stood in any folder above a file
        for (path, _) in &files {
            paths.extend(
                path.match_indices('/')
                    .map(|(at, _)| format!("{}/{POLICY}", &path[..at])),
            );
        }
        let span = Span {
            tips: repo.head_commit()?.into_iter().collect(),
            ..Span::default()
        };
        let mut snapshots = Snapshots::new(repo);
        let others: &[String] = if only.is_some() { &all } else { &[] };
        let history = History::load_paths(repo, &span, paths, others, &mut snapshots)?;
        let mut epochs = Epochs::of(&history.versions, &[], &Insight::default());
        if depth != Depth::Keyless {
            let insight = self.data_keys(&history.versions, &epochs)?;
            if depth == Depth::WithKey
                && insight.keys.is_empty()
                && let Some((path, _)) = files.first()
            {
                let target = Target {
                    path: path.clone(),
                    env: None,
                };
                self.unlock(&target, &self.document(&target)?)?;
            }
            epochs = Epochs::of(&history.versions, &[], &insight);
        }
        let mut past = PastCommits::new(repo, &history, snapshots);
        let lines = Lineages::new(&history.versions, &history.removals);
        let touched = TouchedPaths::new(&history.walked);
        let mut stories = Vec::new();
        for (path, _) in &files {
            let env = vault
                .as_ref()
                .and_then(|vault| vault.env_for_path(path))
                .map(str::to_owned);
            let mut story = past.of_file(path, env.is_some(), &touched, &epochs)?;
            story.back_to = back_to(&lines.of(path), &epochs);
            for moment in &mut story.moments {
                let back = story.back_to.get(&moment.origin.commit);
                let is_new = matches!(
                    moment.data_key,
                    Some(KeyChange::New | KeyChange::ProbablyNew)
                );
                if is_new && back.is_some_and(|back| back.commit != moment.origin.commit) {
                    moment.data_key = Some(KeyChange::Old);
                }
            }
            if let Subject::File { env: of_story, .. } = &mut story.subject {
                *of_story = env;
            }
            stories.push(story);
        }
        if only.is_none() {
            stories.extend(past.of_idle_rules(&files, &history.walked, self)?);
        }
        let labels = past.label_changes(&history);
        Ok(Stories {
            stories,
            labels,
            history,
        })
    }
}

impl Workspace {
    /// What each commit behind HEAD made of the list of all whom any policy names, newest first.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn policy_moments(&self) -> Result<Vec<Moment>> {
        let repo = self.repo()?;
        let index = repo.index_entries()?.into_iter().map(|entry| entry.path);
        let mut paths: BTreeSet<String> = index.filter(|path| names_people(path)).collect();
        paths.insert(POLICY.to_owned());
        let history = History::load_paths(
            repo,
            &repo.head_span()?,
            paths,
            &[],
            &mut Snapshots::new(repo),
        )?;
        self.policy_moments_of(&history)
    }

    /// The same of commits that were walked already.
    ///
    /// # Errors
    /// When git cannot read the commits.
    pub fn policy_moments_of(&self, history: &History) -> Result<Vec<Moment>> {
        let repo = self.repo()?;
        let mut past = PastCommits::new(repo, history, Snapshots::new(repo));
        let changes_people = |commit: &&Commit| {
            commit
                .paths
                .iter()
                .chain(&commit.choices)
                .any(|change| names_people(&change.path))
        };
        let mut moments = Vec::new();
        for commit in history.walked.iter().filter(changes_people) {
            let mut list = |commit| {
                let center = past.center(commit)?;
                let rules = center.policies.iter().flat_map(|(_, config)| &config.rules);
                let policy = rules.flat_map(CreationRule::readers).collect();
                Ok(ReadersAtCommit {
                    policy: Some(policy),
                    ..ReadersAtCommit::default()
                })
            };
            let now = list(commit.id)?;
            let parents = repo.parents_of(commit.id)?.into_iter().map(&mut list);
            let before = match repo.is_shallow() {
                true => parents.filter_map(Result::ok).collect(),
                false => parents.collect::<Result<Vec<_>>>()?,
            };
            let origin = Rc::new(origin(commit));
            moments.push(Moment {
                origin,
                now,
                before,
                bases: Vec::new(),
                data_key: None,
            });
        }
        Ok(moments)
    }
}

fn readable(history: &History) -> HashMap<String, Vec<(usize, Rc<Snapshot>)>> {
    let places: HashMap<String, usize> = history
        .walked
        .iter()
        .enumerate()
        .map(|(at, commit)| (commit.id.to_string(), at))
        .collect();
    let mut readable: HashMap<String, Vec<(usize, Rc<Snapshot>)>> = HashMap::new();
    for version in &history.versions {
        if let Some(at) = places.get(&version.origin.commit) {
            readable
                .entry(version.path.clone())
                .or_default()
                .push((*at, version.snapshot.clone()));
        }
    }
    readable
}

/// For each commit of a line that made a version, the oldest with the same data key.
fn back_to(line: &[LineageStep<'_>], epochs: &Epochs) -> HashMap<String, Rc<Origin>> {
    let mut oldest: HashMap<Epoch, &Rc<Origin>> = HashMap::new();
    let mut back = HashMap::new();
    for version in line.iter().rev().filter_map(|step| step.version) {
        let Some(epoch) = epochs.at(&version.snapshot) else {
            continue;
        };
        let oldest = *oldest.entry(epoch).or_insert(&version.origin);
        back.insert(version.origin.commit.clone(), oldest.clone());
    }
    back
}

/// What any commit held, remembered.
struct PastCommits<'a> {
    repo: &'a Repo,
    snapshots: Snapshots<'a>,
    /// Every policy that the walk met.
    policies: Vec<String>,
    configs: HashMap<ObjectId, Option<Rc<Config>>>,
    tables: HashMap<ObjectId, Rc<BTreeSet<String>>>,
    central: HashMap<ObjectId, Rc<Center>>,
    /// Of policies, newest first.
    versions: Vec<(String, ObjectId)>,
    /// Of files: where in the walk each readable version stands.
    readable: HashMap<String, Vec<(usize, Rc<Snapshot>)>>,
}

/// The policies and the table of one commit.
struct Center {
    policies: Policies,
    table: Option<Rc<BTreeSet<String>>>,
}

impl Center {
    fn readers(&self, path: &str, managed: bool) -> Option<BTreeSet<String>> {
        let (_, rule) = self.policies.rule_for(path, managed)?;
        Some(rule.readers())
    }
}

impl<'a> PastCommits<'a> {
    fn new(repo: &'a Repo, history: &History, snapshots: Snapshots<'a>) -> Self {
        let all: BTreeSet<&str> = history
            .central
            .iter()
            .map(|it| it.path.as_str())
            .filter(|path| *path != ROSTER)
            .collect();
        let policies: Vec<String> = all.into_iter().map(str::to_owned).collect();
        Self {
            repo,
            snapshots,
            policies,
            configs: HashMap::new(),
            tables: HashMap::new(),
            central: HashMap::new(),
            versions: history
                .central
                .iter()
                .filter_map(|it| Some((it.path.clone(), it.blob?)))
                .collect(),
            readable: readable(history),
        }
    }

    fn center(&mut self, commit: ObjectId) -> Result<Rc<Center>> {
        if let Some(known) = self.central.get(&commit) {
            return Ok(known.clone());
        }
        let mut policies = Vec::new();
        let paths = self.policies.clone();
        let names: Vec<&str> = paths.iter().map(String::as_str).chain([ROSTER]).collect();
        let mut entries = self.repo.entries_at(commit, &names)?;
        let table = entries
            .pop()
            .flatten()
            .and_then(|entry| self.table(entry.id));
        for (path, entry) in paths.into_iter().zip(entries) {
            if let Some(entry) = entry
                && let Some(config) = self
                    .config(entry.id)
                    .or_else(|| self.older_config(&path, entry.id))
            {
                policies.push((path, config));
            }
        }
        let policies = policies
            .iter()
            .map(|(path, config)| (path.as_str(), config.clone()))
            .collect();
        let center = Rc::new(Center { policies, table });
        self.central.insert(commit, center.clone());
        Ok(center)
    }

    /// Instead of a version that cannot be read: the newest before it that can.
    fn older_config(&mut self, path: &str, blob: ObjectId) -> Option<Rc<Config>> {
        let of_path: Vec<ObjectId> = self
            .versions
            .iter()
            .filter(|(other, _)| other == path)
            .map(|(_, blob)| *blob)
            .collect();
        let place = of_path.iter().position(|other| *other == blob)?;
        of_path[place..]
            .iter()
            .find_map(|older| self.config(*older))
    }

    fn config(&mut self, blob: ObjectId) -> Option<Rc<Config>> {
        let repo = self.repo;
        let read = || {
            let text = String::from_utf8(repo.blob(blob).ok()?).ok()?;
            Some(Rc::new(Config::parse(&text).ok()?.0))
        };
        self.configs.entry(blob).or_insert_with(read).clone()
    }

    fn table(&mut self, blob: ObjectId) -> Option<Rc<BTreeSet<String>>> {
        if let Some(known) = self.tables.get(&blob) {
            return Some(known.clone());
        }
        let text = String::from_utf8(self.repo.blob(blob).ok()?).ok()?;
        let rows = Roster::parse(&text).ok()?;
        let keys = Rc::new(
            rows.rows()
                .map(|(_, row)| person(&row.recipient))
                .collect::<BTreeSet<_>>(),
        );
        self.tables.insert(blob, keys.clone());
        Some(keys)
    }

    /// From the table and from anchors and comments of the policies.
    fn label_changes(&mut self, history: &History) -> Vec<LabelChange> {
        let mut found = Vec::new();
        for change in &history.central {
            let Some(now) = change
                .blob
                .and_then(|blob| self.holders(&change.path, blob))
            else {
                continue;
            };
            let Some(before) = change.parents.iter().flatten().next().copied() else {
                continue;
            };
            let Some(before) = self.holders(&change.path, before) else {
                continue;
            };
            for key in now.keys() {
                let (Some(from), Some(to)) = (before.name(key), now.name(key)) else {
                    continue;
                };
                if from != to {
                    let (from, to) = (from.to_owned(), to.to_owned());
                    let (origin, recipient) = (change.origin.clone(), key.to_owned());
                    found.push(LabelChange {
                        origin,
                        recipient,
                        from,
                        to,
                    });
                }
            }
        }
        found
    }

    fn holders(&mut self, path: &str, blob: ObjectId) -> Option<Holders> {
        if path == ROSTER {
            let text = String::from_utf8(self.repo.blob(blob).ok()?).ok()?;
            return Some(Holders::new(&Roster::parse(&text).ok()?, None));
        }
        Some(Holders::new(&Roster::new(), Some(&*self.config(blob)?)))
    }

    fn of_file(
        &mut self,
        path: &str,
        managed: bool,
        touched: &TouchedPaths<'_>,
        epochs: &Epochs,
    ) -> Result<Story> {
        let (mut name, mut from) = (path.to_owned(), 0);
        let mut moments = Vec::new();
        while let Some(place) = touched.next(&name, from) {
            let commit = &touched.walked[place];
            let own = changes(commit).find(|change| change.path == name);
            let source = own.map_or(Ok(None), |own| self.source(commit, own))?;
            let before_name = source.unwrap_or_else(|| name.clone());
            let subject = FileAtCommit {
                now: &name,
                before: &before_name,
                managed,
                place,
            };
            moments.extend(self.moment(touched, &subject, own, epochs)?);
            (name, from) = (before_name, place + 1);
        }
        let subject = Subject::File {
            path: path.to_owned(),
            env: None,
        };
        Ok(Story {
            subject,
            moments,
            back_to: HashMap::new(),
        })
    }

    /// Under which name a file stood that is new under this one.
    fn source(&mut self, commit: &Commit, change: &PathChange) -> Result<Option<String>> {
        if change.old.iter().any(Option::is_some) {
            return Ok(None);
        }
        let Some(new) = self.snapshots.of(&change.path, change.new)? else {
            return Ok(None);
        };
        let gone = commit
            .gone
            .iter()
            .chain(commit.paths.iter().filter(|it| it.new.is_none()));
        for other in gone.filter(|other| other.path != change.path) {
            for old in &other.old {
                if let Some(old) = self.snapshots.of(&other.path, *old)?
                    && old.shares_key_with(&new)
                {
                    return Ok(Some(other.path.clone()));
                }
            }
        }
        Ok(None)
    }

    fn moment(
        &mut self,
        touched: &TouchedPaths<'_>,
        subject: &FileAtCommit<'_>,
        own: Option<&PathChange>,
        epochs: &Epochs,
    ) -> Result<Option<Moment>> {
        let commit = &touched.walked[subject.place];
        let parents: Vec<ObjectId> = if self.repo.is_shallow() {
            self.known_parents(commit)?
        } else {
            self.repo.parents_of(commit.id)?
        };
        let policy = self
            .center(commit.id)?
            .readers(subject.now, subject.managed);
        let mut same = own.is_none();
        for parent in &parents {
            same &= self
                .center(*parent)?
                .readers(subject.before, subject.managed)
                == policy;
        }
        if same && !parents.is_empty() {
            return Ok(None);
        }
        let entry = own.map_or_else(
            || self.repo.entry_at(commit.id, subject.now),
            |own| Ok(own.new),
        )?;
        let (now, snapshot) = self.readers(commit.id, entry, subject.now, subject)?;
        let (mut before, mut snapshots) = (Vec::new(), Vec::new());
        // the walk says what each parent holds under the same name
        let known =
            own.filter(|own| subject.now == subject.before && own.old.len() == parents.len());
        for (side, parent) in parents.iter().enumerate() {
            let entry = known.map_or_else(
                || self.repo.entry_at(*parent, subject.before),
                |own| Ok(own.old[side]),
            )?;
            let (readers, snapshot) = self.readers(*parent, entry, subject.before, subject)?;
            before.push(readers);
            snapshots.extend(snapshot);
        }
        let mut bases = Vec::new();
        if let [first, second] = parents.as_slice()
            && before[0] != before[1]
        {
            for base in self.repo.merge_bases(*first, *second)? {
                let entry = self.repo.entry_at(base, subject.before)?;
                bases.push(self.readers(base, entry, subject.before, subject)?.0);
            }
        }
        let is_changed = own.is_some_and(|own| commit.paths.contains(own));
        let data_key = snapshot
            .filter(|_| is_changed)
            .map(|now| key_change(&now, &snapshots.iter().collect::<Vec<_>>(), epochs));
        Ok(Some(Moment {
            origin: touched.origin(subject.place),
            now,
            before,
            bases,
            data_key,
        }))
    }

    /// Beyond the edge of a shallow clone there is nothing to compare with.
    fn known_parents(&self, commit: &Commit) -> Result<Vec<ObjectId>> {
        let mut parents = self.repo.parents_of(commit.id)?;
        parents.retain(|parent| self.repo.parents_of(*parent).is_ok());
        Ok(parents)
    }

    fn readers(
        &mut self,
        commit: ObjectId,
        entry: Option<TreeEntry>,
        path: &str,
        subject: &FileAtCommit<'_>,
    ) -> Result<(ReadersAtCommit, Option<Rc<Snapshot>>)> {
        let center = self.center(commit)?;
        let mut snapshot = self.snapshots.of(path, entry)?;
        if snapshot.is_none() && entry.is_some() {
            // not readable, or not in this clone: as it was before, as far as anybody can tell
            let older = self
                .readable
                .get(path)
                .and_then(|list| list.iter().find(|it| it.0 > subject.place));
            snapshot = older.map(|(_, snapshot)| snapshot.clone());
        }
        let readers = ReadersAtCommit {
            policy: center.readers(path, subject.managed),
            file: snapshot
                .as_ref()
                .map(|snapshot| snapshot.recipients.clone()),
            table: center.table.as_ref().map(|table| (**table).clone()),
        };
        Ok((readers, snapshot))
    }

    /// Rules of the policies of HEAD that govern no file of today.
    fn of_idle_rules(
        &mut self,
        files: &[(String, Document)],
        walked: &[Commit],
        workspace: &Workspace,
    ) -> Result<Vec<Story>> {
        let Some(head) = self.repo.head_commit()? else {
            return Ok(Vec::new());
        };
        let center = self.center(head)?;
        let bound = workspace.vault()?;
        let mut stories = Vec::new();
        for (folder, config) in center.policies.iter() {
            let governed: BTreeSet<usize> = files
                .iter()
                .filter(|(path, _)| {
                    let managed = bound
                        .as_ref()
                        .is_some_and(|bound| bound.env_for_path(path).is_some());
                    !managed || folder.is_empty()
                })
                .filter_map(|(path, _)| Some(config.rule_for(path.strip_prefix(folder)?)?.0))
                .collect();
            for (_, rule) in config
                .rules
                .iter()
                .enumerate()
                .filter(|(at, _)| !governed.contains(at))
            {
                let pattern = rule
                    .path_regex
                    .as_ref()
                    .map(|pattern| pattern.as_str().to_owned());
                let policy = format!("{folder}{POLICY}");
                let moments = self.of_rule(&policy, pattern.as_deref(), walked)?;
                let subject = Subject::Rule { policy, pattern };
                stories.push(Story {
                    subject,
                    moments,
                    back_to: HashMap::new(),
                });
            }
        }
        Ok(stories)
    }

    fn of_rule(
        &mut self,
        policy: &str,
        pattern: Option<&str>,
        walked: &[Commit],
    ) -> Result<Vec<Moment>> {
        let mut moments = Vec::new();
        for commit in walked {
            let Some(change) = commit.paths.iter().find(|change| change.path == policy) else {
                continue;
            };
            let mut list = |entry: Option<TreeEntry>| {
                let config = entry.and_then(|entry| self.config(entry.id));
                let rule = config.as_ref().and_then(|config| {
                    let is_it = |rule: &&crate::policy::config::CreationRule| {
                        rule.path_regex.as_ref().map(|pattern| pattern.as_str()) == pattern
                    };
                    config.rules.iter().find(is_it)
                });
                let keys = rule.map(CreationRule::readers);
                ReadersAtCommit {
                    policy: keys,
                    ..ReadersAtCommit::default()
                }
            };
            let now = list(change.new);
            let before = change.old.iter().map(|old| list(*old)).collect();
            let origin = Rc::new(origin(commit));
            moments.push(Moment {
                origin,
                now,
                before,
                bases: Vec::new(),
                data_key: None,
            });
        }
        Ok(moments)
    }
}

/// A file at a commit and before it.
struct FileAtCommit<'a> {
    now: &'a str,
    before: &'a str,
    managed: bool,
    /// Of the commit in the walk.
    place: usize,
}
