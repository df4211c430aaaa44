//! What the recipient commands share: scope, people and their names, dates, and what to type next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::age::Recipient;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::ledger::{Origin, intervals};
use crate::policy::config::{Config, ConfigError};
use crate::policy::roster::Roster;
use crate::policy::{Holders, without_mail};
use crate::repo::Commit;
use crate::workspace::groups::{self, Readers};
use crate::workspace::history::{Named, named_in, names_people};
use crate::workspace::wrap::{Cause, Governed, Keys, Obstacle, Rewrapped, Survey};
use crate::workspace::{Caller, POLICY, ROSTER, Workspace, WorkspaceError};

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

/// The policy, the table of people, the governed files and the history of the policy.
pub(super) struct People {
    pub workspace: Workspace,
    pub config: Config,
    pub roster: Roster,
    pub holders: Holders,
    pub survey: Survey,
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
        Self { date: date(origin.seconds), commit: origin.short().to_owned(), away: Vec::new() }
    }
}

impl From<&Commit> for Since {
    fn from(commit: &Commit) -> Self {
        Self { date: date(commit.author_time.seconds), commit: commit.id.short(), away: Vec::new() }
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
    pub(super) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let workspace = Workspace::open(file, Caller::Person)?;
        let Some(config) = workspace.policy()? else { return Err(no_policy(&workspace)?) };
        let (roster, survey) = (workspace.roster()?, workspace.governed(&config)?);
        let since = onboarded(&workspace)?;
        let holders = Holders::new(&roster, Some(&config));
        Ok(Self { workspace, config, roster, holders, survey, since })
    }

    /// The name by table or policy, else the key.
    pub(super) fn name(&self, key: &str) -> String {
        self.holders.name(key).unwrap_or(key).to_owned()
    }

    /// The name before a mail.
    pub(super) fn short(&self, key: &str) -> String {
        without_mail(&self.name(key)).to_owned()
    }

    pub(super) fn shorts(&self, keys: &[Recipient]) -> String {
        keys.iter().map(|key| self.short(key.as_str())).collect::<Vec<_>>().join(", ")
    }

    /// The one whom WHO means, among policy, table and file labels, then those who ever were in the policy.
    pub(super) fn resolve(&self, who: &str) -> Result<String, Failure> {
        let mut keys: BTreeSet<&str> = self.config.rules.iter().flat_map(|rule| rule.recipients()).collect();
        keys.extend(self.roster.rows().map(|(_, row)| row.recipient.as_str()));
        keys.extend(self.survey.files.iter().flat_map(Governed::labels));
        // only a whole key reaches into the past
        if let Some((key, _)) = self.since.get_key_value(who) {
            keys.insert(key);
        }
        self.holders.resolve(who, keys.into_iter()).map_err(|error| {
            Failure::usage(error.to_string()).hint("see who can read: stax secrets recipients")
        })
    }

    /// How somebody was called who is no longer named, by the last table or policy of the log that did.
    pub(super) fn formerly(&self, key: &str) -> Result<Option<Named>, Failure> {
        let repo = self.workspace.repo()?;
        let walk = repo.changes_of(&repo.head_span()?, &[ROSTER, POLICY])?;
        for path in [ROSTER, POLICY] {
            for (commit, change) in walk.versions(path) {
                let Some(blob) = change.new else { continue };
                let Ok(text) = repo.old_blob(blob.id) else { continue };
                let at = format!(" at {}", commit.id.short());
                if let Some(named) = named_in(path, &String::from_utf8_lossy(&text), &at).remove(key) {
                    return Ok(Some(named));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn governed(&self, rule: usize) -> impl Iterator<Item = &Governed> {
        self.survey.files.iter().filter(move |file| file.rule == rule)
    }

    /// Rules that govern a file, also one that cannot follow.
    pub(super) fn governing(&self) -> BTreeSet<usize> {
        let obstacles = self.survey.obstacles.iter().map(|(rule, _)| *rule);
        self.survey.files.iter().map(|file| file.rule).chain(obstacles).collect()
    }

    /// What people call a rule: its environments, else its file, else how many files.
    pub(super) fn label(&self, rule: usize) -> String {
        let files: Vec<&Governed> = self.governed(rule).collect();
        let envs: Vec<&str> = files.iter().filter_map(|file| file.target.env.as_deref()).collect();
        match files.as_slice() {
            _ if !envs.is_empty() => envs.join(", "),
            [one] => one.target.path.clone(),
            [] => format!(".sops.yaml line {}", self.config.rules[rule].line),
            several => format!("{} files", several.len()),
        }
    }

    pub(super) fn labels(&self, rules: &[usize]) -> String {
        rules.iter().map(|rule| self.label(*rule)).collect::<Vec<_>>().join(", ")
    }

    /// The rules that a command is about: named ones, or the only one that comes into question.
    pub(super) fn rules(&self, scope: &Scope, candidates: &BTreeSet<usize>) -> Result<Vec<usize>, Failure> {
        if scope.env.is_some() || scope.file.is_some() {
            let target = self.workspace.target(scope.env.as_deref(), scope.file.as_deref())?;
            let found = self.config.rule_for(&target.path).map(|(rule, _)| vec![rule]);
            return found.ok_or_else(|| Failure::usage(format!("no rule governs {}", target.path)));
        }
        let rules: Vec<usize> = candidates.iter().copied().collect();
        if scope.all || rules.len() < 2 {
            return Ok(rules);
        }
        let mut failure =
            Failure::usage("several rules come into question; name one with -e or -f, or --all");
        for file in self.survey.files.iter().filter(|file| candidates.contains(&file.rule)) {
            let env = file.target.env.as_ref().map(|env| format!("  (-e {env})")).unwrap_or_default();
            failure = failure.detail(format!("{}{env}", file.target.path));
        }
        Err(failure)
    }

    /// Files of these rules that cannot follow are an error before anything is planned.
    pub(super) fn check(&self, rules: &[usize], mut found: Vec<Obstacle>) -> Result<(), Failure> {
        for (rule, obstacle) in &self.survey.obstacles {
            if rules.contains(rule)
                && let Cause::Other(what) = &obstacle.cause
            {
                found.push(Obstacle { path: obstacle.path.clone(), cause: Cause::Other(what.clone()) });
            }
        }
        if found.is_empty() { Ok(()) } else { Err(refused(found, self.governing().len() > 1)) }
    }

    /// Plans every file or refuses them all.
    pub(super) fn plan(
        &self,
        rules: &[usize],
        files: &[(&Governed, Readers)],
        keys: Keys,
    ) -> Result<Vec<Rewrapped>, Failure> {
        let (mut planned, mut obstacles) = (Vec::new(), Vec::new());
        for (file, readers) in files {
            match self.workspace.rewrap(file, readers, keys) {
                Ok(rewrapped) => planned.push(rewrapped),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        self.check(rules, obstacles)?;
        Ok(planned)
    }

    /// The policy's strings in policy order, less those whom the file does not know yet: nobody gets
    /// access by the way. `newcomer` is the one who shall get it.
    pub(super) fn readers(
        &self,
        config: &Config,
        file: &Governed,
        newcomer: Option<&str>,
    ) -> Result<Readers, Failure> {
        let (rule, path) = (&config.rules[file.rule], &file.target.path);
        let metadata = file.document.metadata();
        if !rule.other_keys.is_empty() && metadata.foreign.is_empty() {
            let what = format!("this rule has keys of other kinds, and {path} has none");
            let failure = Failure::usage(format!("{POLICY}: line {}: {what}", rule.line));
            return Err(failure.hint(format!("sops updatekeys -y {path}")));
        }
        let is_split = rule.groups.len() > 1;
        if (is_split || !metadata.groups.is_empty()) && !groups::same_split(rule, &file.document) {
            return Err(WorkspaceError::Groups(path.clone()).into());
        }
        let lists = if is_split {
            let names = rule.groups.iter().map(|group| group.iter().map(|(key, _)| key.as_str()).collect());
            names.collect()
        } else {
            vec![rule.recipients()]
        };
        let mut readers = Readers::new();
        for (position, wanted) in lists.into_iter().enumerate() {
            let found = metadata.groups.get(position).map_or(&metadata.age, |group| &group.age);
            let is_there = |key: &str| found.iter().any(|stanza| stanza.recipient == key);
            let wanted = wanted.into_iter().filter(|key| is_there(key) || newcomer == Some(*key));
            let list = wanted.map(parse_recipient).collect::<Result<Vec<_>, _>>()?;
            if list.is_empty() {
                let group = if is_split { format!(" in key group {}", position + 1) } else { String::new() };
                return Err(Failure::usage(format!("{path}: the policy names none of its readers{group}")));
            }
            readers.push(list);
        }
        Ok(readers)
    }

    /// Those of the policy whom a file does not know.
    pub(super) fn missing<'a>(&self, config: &'a Config, file: &Governed, but: &str) -> Vec<&'a str> {
        let wanted = config.rules[file.rule].recipients().into_iter();
        wanted.filter(|key| !file.names(key) && *key != but).collect()
    }

    pub(super) fn warn_missing(&self, ui: &Ui, config: &Config, rules: &[usize], but: &str) {
        for file in rules.iter().flat_map(|rule| self.governed(*rule)) {
            for key in self.missing(config, file, but) {
                let (name, path) = (self.name(key), &file.target.path);
                ui.warning(format!(
                    "{name} is in the policy but still cannot read {path}; if that is right: stax secrets add-recipient {key}"
                ));
            }
        }
    }

    /// What to commit and how to take it back. An undo is shown only where it is exact.
    pub(super) fn finish(&self, ui: &Ui, writes: &[Write], message: &str) -> Result<Vec<String>, Failure> {
        let repo = self.workspace.repo()?;
        let entries = repo.index_entries()?;
        let at_root = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok())
            == self.workspace.root().canonicalize().ok();
        let (mut paths, mut new, mut exact) = (Vec::new(), Vec::new(), true);
        for write in writes.iter().filter(|write| write.before.as_ref() != Some(&write.after)) {
            let path = write.path.to_string_lossy();
            let spec = if at_root { path.to_string() } else { format!(":/{path}") };
            let spec = shell_words::quote(&spec).into_owned();
            if !entries.iter().any(|entry| entry.path == path) {
                new.push(spec.clone());
                exact = false;
            } else if repo.index_blob(&path)? != write.before {
                exact = false;
            }
            paths.push(spec);
        }
        let paths = paths.join(" ");
        let mut next = vec!["git diff".to_owned()];
        if !new.is_empty() {
            next.push(format!("git add {}", new.join(" ")));
        }
        next.push(format!("git commit -m {} {paths}", quoted(message)));
        if exact {
            ui.labelled("undo", &[format!("git restore {paths}")]);
        }
        Ok(next)
    }
}

/// The recipient commands change the policy at the root.
fn no_policy(workspace: &Workspace) -> Result<Failure, Failure> {
    let entries = workspace.repo()?.index_entries()?;
    let below: Vec<String> =
        entries.into_iter().map(|entry| entry.path).filter(|path| names_people(path)).collect();
    Ok(match below.first() {
        None => Failure::usage("there is no .sops.yaml here").hint("stax secrets init --env production"),
        Some(path) => Failure::usage(format!("there is no .sops.yaml at the root, only {path}"))
            .hint("who can read since when, by any of them: stax secrets history")
            .hint(format!(
                "to change who reads: edit {path}, then `sops updatekeys` and `stax secrets rotate` each file"
            )),
    })
}

pub(super) fn parse_recipient(key: &str) -> Result<Recipient, Failure> {
    key.parse().map_err(|error| Failure::usage(format!("a recipient of the policy: {error}")))
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

fn quoted(message: &str) -> String {
    if message.contains(['"', '$', '`', '\\', '!']) {
        shell_words::quote(message).into_owned()
    } else {
        format!("\"{message}\"")
    }
}

/// The first commit in which each recipient is in a policy, and when they were away since; old policies that
/// do not parse are passed over.
pub(super) fn onboarded(workspace: &Workspace) -> Result<BTreeMap<String, Since>, Failure> {
    let moments = workspace.policy_moments()?;
    let ever = moments.iter().filter_map(|moment| moment.now.policy.as_ref()).flatten();
    let mut since = BTreeMap::new();
    for key in ever.collect::<BTreeSet<_>>() {
        let intervals = intervals(&moments, key, true);
        let Some(first) = intervals.first() else { continue };
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
        Cause::Other(_) => Exit::Usage,
    };
    let mut failure = Failure::new(exit, "nothing was written, because not every file can follow");
    for Obstacle { path, cause } in obstacles {
        failure = match cause {
            Cause::Locked { readers, .. } => failure
                .detail(format!("{path}: no identity at hand opens it"))
                .hint(format!("{} can run the same command for {path}", readers.join(" or "))),
            Cause::Integrity(what) | Cause::Other(what) => failure.detail(format!("{path}: {what}")),
        };
    }
    if several_rules {
        failure.hint("the files of another rule can be changed alone, with -e or -f")
    } else {
        failure
    }
}
