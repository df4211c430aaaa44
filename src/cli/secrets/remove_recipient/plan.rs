//! What a removal changes, and what it has to leave.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::age::{is_other_kind, person, same_key};

use crate::cli::failure::Failure;
use crate::cli::secrets::people::{People, Scope, roster_write};
use crate::disk::Write;
use crate::inventory::{Cause, Obstacle, PolicyFile, RuleAt, SecretFile};
use crate::policy::config::{Config, ConfigError, CreationRule};
use crate::workspace::POLICY;
use crate::workspace::wrap::{DataKeyChange, Rewrapped};

/// How far a removal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Everywhere,
    Rule(RuleAt),
    /// A file of no rule.
    File(String),
}

impl Reach {
    pub(super) fn of(people: &People, scope: &Scope) -> Result<Self, Failure> {
        if !scope.is_named() {
            return Ok(Self::Everywhere);
        }
        let target = people
            .workspace
            .target(scope.env.as_deref(), scope.file.as_deref())?;
        if let Some(rule) = people.rule_of(&target.path)? {
            return Ok(Self::Rule(rule));
        }
        let is_known = people.inventory.file(&target.path).is_some()
            || people
                .inventory
                .obstacles
                .iter()
                .any(|obstacle| obstacle.path == target.path);
        if is_known {
            return Ok(Self::File(target.path));
        }
        Err(Failure::usage(format!(
            "{} is no SOPS file, and no rule governs it",
            target.path
        )))
    }

    fn holds(&self, path: &str, rule: Option<RuleAt>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Rule(at) => rule == Some(*at),
            Self::File(file) => path == file,
        }
    }
}

/// What a removal does, all in one write, and what it cannot do.
pub(super) struct RemovalPlan<'p> {
    pub(super) done: Vec<(&'p SecretFile, Rewrapped)>,
    /// Files, or rules without one, that let the person read on.
    pub(super) left: Vec<Obstacle>,
    /// Files that nobody could look at and that do not name the person.
    pub(super) unread: Vec<Obstacle>,
    /// Policies and the table of people.
    pub(super) central: Vec<Write>,
    /// Rules that named the person and do not any more, or whose files changed.
    pub(super) rules: Vec<RuleAt>,
    /// The policies as they are afterwards.
    pub(super) after: Vec<Config>,
}

impl<'p> RemovalPlan<'p> {
    /// `open` are the files of today that the ledger says the person reads.
    pub(super) fn new(
        people: &'p People,
        key: &str,
        reach: &Reach,
        open: &BTreeSet<String>,
    ) -> Result<Self, Failure> {
        let inventory = &people.inventory;
        let (mut done, mut left, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        let concerned = inventory
            .files
            .iter()
            .filter(|file| reach.holds(&file.target.path, file.rule));
        for file in concerned.filter(|file| file.names(key) || open.contains(&file.target.path)) {
            let rule = file.rule.map(|at| inventory.rule(at));
            let readers = people.readers(rule, file, None, Some(key));
            let keys = if others_go(file, key) {
                DataKeyChange::NewForAgeAlone
            } else {
                DataKeyChange::New
            };
            match readers.and_then(|readers| people.workspace.rewrap(file, &readers, keys)) {
                Ok(rewrapped) => done.push((file, rewrapped)),
                Err(obstacle) => left.push(*obstacle),
            }
        }
        for obstacle in inventory
            .obstacles
            .iter()
            .filter(|it| reach.holds(&it.path, it.rule))
        {
            let is_named = obstacle.labels.iter().any(|label| same_key(label, key));
            let in_rule = obstacle
                .rule
                .is_some_and(|at| names(inventory.rule(at), key));
            // of a file that can be read the labels are known
            let is_open = matches!(
                obstacle.cause,
                Cause::Unreadable(_) | Cause::BoundToOther | Cause::TooLarge
            );
            if is_named || (in_rule && is_open) || open.contains(&obstacle.path) {
                left.push(obstacle.clone());
            } else if is_open {
                unread.push(obstacle.clone());
            }
        }
        let mut plan = Self {
            done,
            left,
            unread,
            central: Vec::new(),
            rules: Vec::new(),
            after: Vec::new(),
        };
        for (policy, file) in inventory.policies.readable.iter().enumerate() {
            plan.edit(people, key, reach, policy, file)?;
        }
        plan.central.extend(plan.row(people, key)?);
        plan.central
            .retain(|write| write.before.as_ref() != Some(&write.after));
        Ok(plan)
    }

    /// Whether there is nothing to do and nothing to say of a file.
    pub(super) fn is_empty(&self) -> bool {
        self.writes().is_empty() && self.left.is_empty() && self.unread.is_empty()
    }

    /// Every write, files last.
    pub(super) fn writes(&self) -> Vec<Write> {
        let files = self.done.iter().map(|(_, file)| file.write.clone());
        self.central.iter().cloned().chain(files).collect()
    }

    /// One policy. The rule of a file that is left keeps the person: that file would be a finding
    /// otherwise, and the commit that should bring the rest to a colleague would be refused. A rule
    /// that governs other files as well loses them, and gets a copy for the file that is left.
    fn edit(
        &mut self,
        people: &People,
        key: &str,
        reach: &Reach,
        policy: usize,
        file: &PolicyFile,
    ) -> Result<(), Failure> {
        let mut drop = BTreeSet::new();
        let mut copies: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for rule in 0..file.config.rules.len() {
            let at = RuleAt { policy, rule };
            let named = names(people.inventory.rule(at), key);
            let is_done = self.done.iter().any(|(file, _)| file.rule == Some(at));
            if is_done || (named && reach.holds("", Some(at))) {
                self.rules.push(at);
            }
            if !named || !reach.holds("", Some(at)) {
                continue;
            }
            let left: Vec<String> = self
                .left
                .iter()
                .filter(|it| it.rule == Some(at))
                .map(|it| it.path.clone())
                .collect();
            if is_only(people.inventory.rule(at), key) {
                self.keep_only(file, at, people.inventory.rule(at), &left);
            } else if left.is_empty() || is_done {
                drop.insert(rule);
                let folder = file.path.strip_suffix(POLICY).unwrap_or_default();
                let inner = left
                    .iter()
                    .map(|path| path.strip_prefix(folder).unwrap_or(path).to_owned());
                copies.insert(rule, inner.collect());
            }
        }
        self.rules.retain(|at| {
            at.policy != policy
                || drop.contains(&at.rule)
                || self.done.iter().any(|(file, _)| file.rule == Some(*at))
        });
        let text = match edited(&file.config, &drop, &copies, key) {
            Ok(text) => text,
            // without copies a shared rule keeps the person for all of its files
            Err(error) if copies.values().all(Vec::is_empty) => {
                return Err(in_policy(&file.path, &error));
            }
            Err(_) => {
                drop.retain(|rule| copies.get(rule).is_none_or(Vec::is_empty));
                edited(&file.config, &drop, &BTreeMap::new(), key)
                    .map_err(|error| in_policy(&file.path, &error))?
            }
        };
        if text != file.config.text() {
            self.central
                .push(people.workspace.plan(&file.path, text.as_str())?);
        }
        self.after.push(
            Config::parse(&text)
                .map_err(|error| in_policy(&file.path, &error))?
                .0,
        );
        Ok(())
    }

    /// A rule without a reader would let sops write files that nobody opens.
    fn keep_only(&mut self, file: &PolicyFile, at: RuleAt, rule: &CreationRule, left: &[String]) {
        if left.is_empty() {
            let what = format!(
                "the rule in line {} names no other age key: take the rule out, or add somebody to it first",
                rule.line
            );
            self.left
                .push(Obstacle::new(&file.path, Some(at), Cause::Other(what)));
        }
    }

    /// The row in the table of people goes when nothing is left of them.
    fn row(&self, people: &People, key: &str) -> Result<Option<Write>, Failure> {
        let in_policy = self
            .after
            .iter()
            .flat_map(|config| &config.rules)
            .any(|rule| names(rule, key));
        let is_done =
            |file: &SecretFile| self.done.iter().any(|(done, _)| done.target == file.target);
        let in_file = people
            .inventory
            .files
            .iter()
            .any(|file| file.names(key) && !is_done(file));
        let mut roster = people.roster.clone();
        let rows: Vec<String> = roster
            .rows()
            .map(|(_, row)| row.recipient.clone())
            .collect();
        let row = rows
            .iter()
            .find(|row| same_key(row, key))
            .map_or(key, String::as_str);
        if in_policy || in_file || !self.left.is_empty() || roster.remove_row(row).is_err() {
            return Ok(None);
        }
        roster_write(&people.workspace, &roster).map(Some)
    }

    /// The policy that still names the person for a file that is left, and whether it names exactly
    /// the readers of that file, so that the hooks have nothing to say.
    pub(super) fn keeper<'a>(
        &self,
        people: &'a People,
        left: &Obstacle,
        key: &str,
    ) -> Option<(&'a str, bool)> {
        let at = left.rule?;
        let file = &people.inventory.policies.file(at);
        let inner = left.path.strip_prefix(file.path.strip_suffix(POLICY)?)?;
        let (_, rule) = self.after.get(at.policy)?.rule_for(inner)?;
        let labels: BTreeSet<String> = left.labels.iter().map(|label| person(label)).collect();
        let fits = rule
            .recipients()
            .into_iter()
            .map(person)
            .collect::<BTreeSet<_>>()
            == labels;
        names(rule, key).then_some((file.path.as_str(), fits))
    }
}

/// Whether a rule names a reader, in whatever spelling.
fn names(rule: &CreationRule, key: &str) -> bool {
    rule.readers().contains(&person(key))
}

/// Whether only age keys stay: then a file needs neither sops nor gpg to lose the one of another
/// kind.
fn others_go(file: &SecretFile, key: &str) -> bool {
    file.others().iter().all(|other| same_key(other, key))
}

/// Whether a list of the rule would be empty without the recipient.
fn is_only(rule: &CreationRule, key: &str) -> bool {
    if is_other_kind(key) {
        return rule.recipients().is_empty()
            && rule.others.iter().all(|other| same_key(other, key));
    }
    let flat = if rule.groups.is_empty() {
        vec![&rule.age]
    } else {
        rule.groups.iter().collect()
    };
    flat.into_iter()
        .any(|list| !list.is_empty() && list.iter().all(|(known, _)| same_key(known, key)))
}

fn edited(
    config: &Config,
    drop: &BTreeSet<usize>,
    copies: &BTreeMap<usize, Vec<String>>,
    key: &str,
) -> Result<String, ConfigError> {
    let mut now = config.clone();
    // from the back, so that the places of the rules before stay
    for (rule, paths) in copies.iter().rev() {
        for path in paths {
            now = Config::parse(&now.with_copy_for(*rule, path)?)?.0;
        }
    }
    let shifted = |rule: &usize| {
        rule + copies
            .range(..=rule)
            .map(|(_, paths)| paths.len())
            .sum::<usize>()
    };
    now.without_recipient(&drop.iter().map(shifted).collect::<Vec<_>>(), key)
}

fn in_policy(path: &str, error: &ConfigError) -> Failure {
    Failure::usage(format!("{path}: {error}"))
}
