//! What the recipient commands share: scope, people and their names, dates, and what to type next.

mod finish;
pub(super) mod readers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sops_document::age::{Recipient, person, same_key};

use super::interrupted::open_to_write;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::{Cause, Inventory, Obstacle, RuleAt, SecretFile};
use crate::ledger::{Origin, intervals};
use crate::policy::config::{ConfigError, CreationRule};
use crate::policy::roster::Roster;
use crate::policy::{Holders, WhoError, without_mail};
use crate::repo::Commit;
use crate::workspace::groups::ReaderGroups;
use crate::workspace::history::{KeyName, named_in};
use crate::workspace::wrap::{DataKeyChange, Rewrapped};
use crate::workspace::{Caller, POLICY, ROSTER, Workspace};

/// Which rules of the policy
#[derive(clap::Args)]
pub(super) struct Scope {
    /// The rule of a bound environment
    #[arg(short, long, value_name = "ENV", conflicts_with_all = ["file", "all"])]
    pub env: Option<String>,
    /// The rule of any SOPS file
    #[arg(short, long, value_name = "FILE", conflicts_with = "all")]
    pub file: Option<PathBuf>,
    /// Every rule of the policy
    #[arg(long)]
    pub all: bool,
}

impl Scope {
    /// Whether it names an environment or a file.
    pub(super) fn is_named(&self) -> bool {
        self.env.is_some() || self.file.is_some()
    }

    pub(super) fn files(&self) -> Vec<&Path> {
        self.file.as_deref().into_iter().collect()
    }
}

/// The policies, the table of people, the SOPS files of the work tree and the history of the
/// policies.
pub(super) struct People {
    pub workspace: Workspace,
    pub roster: Roster,
    pub holders: Holders,
    pub inventory: Inventory,
    /// Since when each recipient is in the policy, by the commit log.
    pub since: BTreeMap<String, Since>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Since {
    /// `YYYY-MM-DD`, UTC, author date.
    pub date: String,
    pub commit: String,
    /// Times in between when they were not there: from, until.
    pub away: Vec<(Self, Self)>,
}

impl Since {
    pub(super) fn of(origin: &Origin) -> Self {
        Self {
            date: date(origin.seconds),
            commit: origin.short().to_owned(),
            away: Vec::new(),
        }
    }
}

impl From<&Commit> for Since {
    fn from(commit: &Commit) -> Self {
        Self {
            date: date(commit.author_time.seconds),
            commit: commit.id.short(),
            away: Vec::new(),
        }
    }
}

/// `YYYY-MM-DD`, UTC
pub(super) fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

pub(super) fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

impl People {
    /// Files that somebody typed count although git ignores them.
    pub(super) fn open(files: &[&Path]) -> Result<Self, Failure> {
        Self::over(
            Workspace::open(files.first().copied(), Caller::Person)?,
            files,
        )?
        .with_policy()
    }

    /// The same for a command that writes.
    pub(super) fn open_to_write(ui: &Ui, files: &[&Path], dry_run: bool) -> Result<Self, Failure> {
        Self::without_policy(ui, files, dry_run)?.with_policy()
    }

    /// The same where no policy may be: a file of no rule has readers too.
    pub(super) fn without_policy(ui: &Ui, files: &[&Path], dry_run: bool) -> Result<Self, Failure> {
        Self::over(
            open_to_write(ui, files.first().copied(), Caller::Person, dry_run)?,
            files,
        )
    }

    fn with_policy(self) -> Result<Self, Failure> {
        if self.inventory.rules().next().is_none() {
            return Err(Failure::usage("no .sops.yaml here has a creation rule")
                .hint("stax secrets init --env production"));
        }
        Ok(self)
    }

    fn over(workspace: Workspace, files: &[&Path]) -> Result<Self, Failure> {
        let named = files
            .iter()
            .map(|file| workspace.relative(file))
            .collect::<Result<Vec<_>, _>>()?;
        let (roster, inventory) = (workspace.roster()?, workspace.inventory(&named)?);
        let since = onboarded(&workspace)?;
        let holders = Holders::over(
            &roster,
            inventory.policies.readable.iter().map(|file| &*file.config),
        );
        Ok(Self {
            workspace,
            roster,
            holders,
            inventory,
            since,
        })
    }

    /// The name by table or policy, else the key.
    pub(super) fn name(&self, key: &str) -> String {
        self.holders.name(key).unwrap_or(key).to_owned()
    }

    /// Since when somebody is in the policy.
    pub(super) fn since(&self, key: &str) -> Option<&Since> {
        self.since.get(&person(key))
    }

    /// The name before a mail.
    pub(super) fn short(&self, key: &str) -> String {
        without_mail(&self.name(key)).to_owned()
    }

    pub(super) fn shorts(&self, keys: &[Recipient]) -> String {
        keys.iter()
            .map(|key| self.short(key.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The one whom WHO means, among policy, table and file labels, then those who ever were in the
    /// policy.
    pub(super) fn resolve(&self, who: &str) -> Result<String, Failure> {
        self.holders
            .resolve(who, self.known(who).iter().map(String::as_str))
            .map_err(nobody)
    }

    /// The same where one person may have several keys.
    pub(super) fn resolve_person(&self, who: &str) -> Result<Vec<String>, Failure> {
        self.holders
            .resolve_person(who, self.known(who).iter().map(String::as_str))
            .map_err(nobody)
    }

    /// Every key that WHO may mean.
    fn known(&self, who: &str) -> Vec<String> {
        let rules = || self.inventory.rules().map(|at| self.inventory.rule(at));
        let mut keys: Vec<&str> = rules().flat_map(CreationRule::recipients).collect();
        keys.extend(rules().flat_map(|rule| &rule.others).map(String::as_str));
        keys.extend(self.roster.rows().map(|(_, row)| row.recipient.as_str()));
        keys.extend(self.inventory.files.iter().flat_map(SecretFile::labels));
        keys.extend(
            self.inventory
                .obstacles
                .iter()
                .flat_map(|it| &it.labels)
                .map(String::as_str),
        );
        let others: Vec<String> = self
            .inventory
            .files
            .iter()
            .flat_map(SecretFile::others)
            .collect();
        keys.extend(others.iter().map(String::as_str));
        // only a whole key reaches into the past
        if let Some((key, _)) = self.since.get_key_value(&person(who)) {
            keys.push(key);
        }
        // one reader may be spelled in several ways; the policy's comes first
        let mut seen = BTreeSet::new();
        keys.into_iter()
            .filter(|key| seen.insert(person(key)))
            .map(str::to_owned)
            .collect()
    }

    /// How somebody was called who is no longer named, by the last table or policy of the log that
    /// did.
    pub(super) fn formerly(&self, key: &str) -> Result<Option<KeyName>, Failure> {
        let repo = self.workspace.repo()?;
        let walk = repo.changes_of(&repo.head_span()?, &[ROSTER, POLICY])?;
        for path in [ROSTER, POLICY] {
            for (commit, change) in walk.versions(path) {
                let Some(blob) = change.new else { continue };
                let Ok(text) = repo.old_blob(blob.id) else {
                    continue;
                };
                let at = format!(" at {}", commit.id.short());
                if let Some(named) =
                    named_in(path, &String::from_utf8_lossy(&text), &at).remove(key)
                {
                    return Ok(Some(named));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn governed(&self, rule: RuleAt) -> impl Iterator<Item = &SecretFile> {
        self.inventory
            .files
            .iter()
            .filter(move |file| file.rule == Some(rule))
    }

    /// Rules that govern a file, also one that cannot follow.
    pub(super) fn governing(&self) -> BTreeSet<RuleAt> {
        let obstacles = self
            .inventory
            .obstacles
            .iter()
            .filter_map(|obstacle| obstacle.rule);
        self.inventory
            .files
            .iter()
            .filter_map(|file| file.rule)
            .chain(obstacles)
            .collect()
    }

    /// What people call a rule: its environments, else its file, else how many files.
    pub(super) fn label(&self, at: RuleAt) -> String {
        let files: Vec<&SecretFile> = self.governed(at).collect();
        let envs: Vec<&str> = files
            .iter()
            .filter_map(|file| file.target.env.as_deref())
            .collect();
        match files.as_slice() {
            _ if !envs.is_empty() => envs.join(", "),
            [one] => one.target.path.clone(),
            [] => {
                format!(
                    "{} line {}",
                    self.inventory.policies.file(at).path,
                    self.inventory.rule(at).line
                )
            }
            several => format!("{} files", several.len()),
        }
    }

    /// Whether these rules name somebody as they are.
    pub(super) fn rules_name(&self, rules: &[RuleAt], key: &str) -> bool {
        rules
            .iter()
            .all(|at| self.inventory.rule(*at).readers().contains(&person(key)))
    }

    pub(super) fn labels(&self, rules: &[RuleAt]) -> String {
        rules
            .iter()
            .map(|rule| self.label(*rule))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The rule of a path, whether or not something stands there.
    pub(super) fn rule_of(&self, path: &str) -> Result<Option<RuleAt>, Failure> {
        let vault = self.workspace.vault()?;
        let is_bound = vault.is_some_and(|vault| vault.env_for_path(path).is_some());
        Ok(self.inventory.policies.rule_for(path, is_bound))
    }

    /// The rules that a command is about: named ones, or the only one that comes into question.
    pub(super) fn rules(
        &self,
        scope: &Scope,
        candidates: &BTreeSet<RuleAt>,
    ) -> Result<Vec<RuleAt>, Failure> {
        if scope.is_named() {
            let target = self
                .workspace
                .target(scope.env.as_deref(), scope.file.as_deref())?;
            let found = self.rule_of(&target.path)?.map(|rule| vec![rule]);
            return found.ok_or_else(|| Failure::usage(format!("no rule governs {}", target.path)));
        }
        let rules: Vec<RuleAt> = candidates.iter().copied().collect();
        if scope.all || rules.len() < 2 {
            return Ok(rules);
        }
        let mut failure =
            Failure::usage("several rules come into question; name one with -e or -f, or --all");
        let in_question =
            |file: &&SecretFile| file.rule.is_some_and(|rule| candidates.contains(&rule));
        for file in self.inventory.files.iter().filter(in_question) {
            let env = file
                .target
                .env
                .as_ref()
                .map(|env| format!("  (-e {env})"))
                .unwrap_or_default();
            failure = failure.detail(format!("{}{env}", file.target.path));
        }
        Err(failure)
    }

    /// Plans every file or refuses them all: files of these rules that cannot follow are an error
    /// before anything is planned.
    pub(super) fn plan(
        &self,
        rules: &[RuleAt],
        files: &[(&SecretFile, Result<ReaderGroups, Box<Obstacle>>)],
        keys: DataKeyChange,
    ) -> Result<Vec<Rewrapped>, Failure> {
        let (mut planned, mut obstacles) = (Vec::new(), Vec::new());
        for (file, readers) in files {
            let readers = readers.as_ref().map_err(Clone::clone);
            match readers.and_then(|readers| self.workspace.rewrap(file, readers, keys)) {
                Ok(rewrapped) => planned.push(rewrapped),
                Err(obstacle) => obstacles.push(*obstacle),
            }
        }
        let others = self.inventory.obstacles.iter();
        obstacles.extend(
            others
                .filter(|it| it.rule.is_some_and(|rule| rules.contains(&rule)))
                .cloned(),
        );
        if obstacles.is_empty() {
            return Ok(planned);
        }
        Err(refused(obstacles, self.governing().len() > 1))
    }

    /// Those of the policy whom a file does not know.
    pub(super) fn missing<'a>(
        &self,
        rule: &'a CreationRule,
        file: &SecretFile,
        but: &str,
    ) -> Vec<&'a str> {
        rule.recipients()
            .into_iter()
            .filter(|key| !file.names(key) && *key != but)
            .collect()
    }

    /// Whoever reads a file and is not in its rule would get the new data key, or lose the file, by
    /// the way.
    pub(super) fn refuse_strangers(
        &self,
        rule: &CreationRule,
        file: &SecretFile,
        first: &str,
    ) -> Result<(), Failure> {
        let wanted = rule.recipients();
        let is_known = |label: &&str| wanted.iter().any(|key| same_key(key, label));
        let Some(stranger) = file.labels().into_iter().find(|label| !is_known(label)) else {
            return Ok(());
        };
        let path = &file.target.path;
        let message = format!(
            "{path} is readable by {}, who is not in the policy",
            self.name(stranger)
        );
        Err(Failure::usage(message).hint(format!(
            "{first}stax secrets updatekeys {}",
            shell_words::quote(path)
        )))
    }

    /// Files that no rule governs follow no rule; who joins a rule does not read them.
    pub(super) fn note_left_out(&self, ui: &Ui, key: &str) {
        let loose = self
            .inventory
            .files
            .iter()
            .filter(|file| file.rule.is_none() && !file.names(key));
        for file in loose {
            let path = &file.target.path;
            ui.note(format!(
                "no rule governs {path}, so {} cannot read it",
                self.short(key)
            ));
        }
        let loose = self
            .inventory
            .obstacles
            .iter()
            .filter(|obstacle| obstacle.rule.is_none());
        for obstacle in loose {
            ui.warning(format!(
                "{}: {}; not changed",
                obstacle.path, obstacle.cause
            ));
        }
    }

    /// Of these rules, each as it is afterwards.
    pub(super) fn warn_missing<'a>(
        &self,
        ui: &Ui,
        rules: impl IntoIterator<Item = (RuleAt, &'a CreationRule)>,
        but: &str,
    ) {
        for (at, rule) in rules {
            for file in self.governed(at) {
                for key in self.missing(rule, file, but) {
                    let (name, path) = (self.name(key), &file.target.path);
                    ui.warning(format!(
                        "{name} is in the policy but still cannot read {path}; if that is right: stax secrets add-recipient {key}"
                    ));
                }
            }
        }
    }
}

fn nobody(error: WhoError) -> Failure {
    Failure::usage(error.to_string()).hint("see who can read: stax secrets recipients")
}

pub(super) fn parse_recipient(key: &str) -> Result<Recipient, Failure> {
    key.parse()
        .map_err(|error| Failure::usage(format!("a recipient of the policy: {error}")))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("{POLICY}: {error}"))
    }
}

/// The roster as a write; a new file where there is none.
pub(super) fn roster_write(workspace: &Workspace, roster: &Roster) -> Result<Write, Failure> {
    Ok(workspace.plan(ROSTER, roster.render())?)
}

/// The first commit in which each recipient is in a policy, and when they were away since; old
/// policies that do not parse are passed over.
pub(super) fn onboarded(workspace: &Workspace) -> Result<BTreeMap<String, Since>, Failure> {
    let moments = workspace.policy_moments()?;
    let ever = moments
        .iter()
        .filter_map(|moment| moment.now.policy.as_ref())
        .flatten();
    let mut since = BTreeMap::new();
    for key in ever.collect::<BTreeSet<_>>() {
        let intervals = intervals(&moments, key, true);
        let Some(first) = intervals.first() else {
            continue;
        };
        let mut found = Since::of(&first.from);
        for (before, after) in intervals.iter().zip(intervals.iter().skip(1)) {
            if let Some(until) = &before.until {
                found.away.push((Since::of(until), Since::of(&after.from)));
            }
        }
        since.insert(key.clone(), found);
    }
    Ok(since)
}

fn refused(obstacles: Vec<Obstacle>, several_rules: bool) -> Failure {
    let exit = match &obstacles[0].cause {
        Cause::Locked { .. } => Exit::Locked,
        Cause::Integrity(_) => Exit::Integrity,
        _ => Exit::Usage,
    };
    let mut failure = Failure::new(
        exit,
        "nothing was written, because not every file can follow",
    );
    for Obstacle {
        path, cause, steps, ..
    } in obstacles
    {
        failure = failure.detail(format!("{path}: {cause}"));
        if let Cause::Locked { readers, .. } = cause {
            failure = failure.hint(format!(
                "{} can run the same command for {path}",
                readers.join(" or ")
            ));
        }
        failure = steps.into_iter().fold(failure, Failure::hint);
    }
    if several_rules {
        failure.hint("the files of another rule can be changed alone, with -e or -f")
    } else {
        failure
    }
}
