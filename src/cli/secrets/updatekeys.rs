//! `stax secrets updatekeys`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sops_document::age::{Recipient, person, same_key};

use super::people::readers::{fits, lists, own_lists};
use super::people::{People, Scope, roster_write};
use super::values::{beside_others, unless_outdated};
use super::verify::count;
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::{Cause, Obstacle, SecretFile};
use crate::workspace::wrap::{DataKeyChange, Rewrapped};
use crate::workspace::{ROSTER, Workspace};

/// Let files follow a policy that was edited by hand
///
/// Every file that a rule governs gets the readers of its rule. Where somebody loses a file, it
/// gets a new data key: with the old one they would open what is written later. Exit codes: 0 done,
/// 1 a file could not follow.
#[derive(clap::Args)]
pub struct Args {
    /// SOPS files of the work tree; without any, all that a rule governs
    #[arg(value_name = "FILE", conflicts_with_all = ["env", "file", "all"])]
    files: Vec<PathBuf>,
    #[command(flatten)]
    scope: Scope,
    /// Keep the data key also where somebody loses a file; not where a key of another kind than age
    /// goes
    #[arg(long)]
    keep_data_key: bool,
    /// Show what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// What a file lacks to be as its rule says.
struct FileUpdate<'p> {
    file: &'p SecretFile,
    joins: Vec<String>,
    leaves: Vec<String>,
    readers: Vec<Vec<Recipient>>,
    /// How many key groups give the data key, where that or the number of groups is new.
    new_threshold: Option<usize>,
    keys: DataKeyChange,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        beside_others(&mut || self.attempt(ui))
    }

    fn attempt(&self, ui: &Ui) -> Result<Option<ExitCode>, Failure> {
        let typed: Vec<&Path> = self
            .files
            .iter()
            .map(PathBuf::as_path)
            .chain(self.scope.files())
            .collect();
        let people = People::open_to_write(ui, &typed, self.dry_run)?;
        unless_outdated(&people.workspace, self.follow(ui, &people))
    }

    /// `None`: somebody else wrote first.
    fn follow(&self, ui: &Ui, people: &People) -> Result<Option<ExitCode>, Failure> {
        let (mut done, mut left) = (Vec::new(), self.unreadable(people)?);
        for file in self.chosen(people)? {
            let step = match step(people, file, self.keep_data_key) {
                Ok(None) => continue,
                Ok(Some(step)) => step,
                Err(obstacle) => {
                    left.push(*obstacle);
                    continue;
                }
            };
            match step.plan(&people.workspace) {
                Ok(rewrapped) => done.push((step, rewrapped)),
                Err(obstacle) => left.push(*obstacle),
            }
        }
        let mut writes: Vec<_> = done
            .iter()
            .map(|(_, rewrapped)| rewrapped.write.clone())
            .collect();
        writes.extend(rows(people, &done, &left)?);
        if !self.dry_run && !people.workspace.save_unless_changed(&writes)? {
            return Ok(None);
        }
        for (step, rewrapped) in &done {
            tell(ui, people, step, rewrapped);
        }
        if writes.len() > done.len() {
            ui.mark("~", ROSTER);
        }
        note_losers(ui, people, &done);
        left.iter().for_each(|obstacle| tell_left(ui, obstacle));
        if done.is_empty() && left.is_empty() {
            ui.line("every file has the readers of its rule; nothing to do");
        } else if self.dry_run {
            ui.note("dry run: nothing was written");
        } else if !done.is_empty() {
            let (policies, message) = (
                edited(people, &done)?,
                "chore(secrets): let files follow .sops.yaml",
            );
            ui.next(&people.finish_beside(ui, &writes, &policies, message)?);
        }
        Ok(Some(if left.is_empty() {
            ExitCode::SUCCESS
        } else {
            Exit::No.into()
        }))
    }

    /// The governed files that were asked for.
    fn chosen<'p>(&self, people: &'p People) -> Result<Vec<&'p SecretFile>, Failure> {
        let Some(paths) = self.paths(people)? else {
            return Ok(people
                .inventory
                .files
                .iter()
                .filter(|file| file.rule.is_some())
                .collect());
        };
        let mut chosen = Vec::new();
        for path in paths {
            match people.inventory.file(&path) {
                Some(file) if file.rule.is_some() => chosen.push(file),
                Some(_) => return Err(Failure::usage(format!("no rule governs {path}"))),
                None if people.inventory.obstacles.iter().any(|it| it.path == path) => {}
                None => return Err(Failure::usage(format!("{path} is no SOPS file"))),
            }
        }
        Ok(chosen)
    }

    /// `None`: all.
    fn paths(&self, people: &People) -> Result<Option<BTreeSet<String>>, Failure> {
        if self.scope.is_named() {
            let target = people
                .workspace
                .target(self.scope.env.as_deref(), self.scope.file.as_deref())?;
            return Ok(Some(BTreeSet::from([target.path])));
        }
        let paths = self
            .files
            .iter()
            .map(|file| people.workspace.relative(file));
        let paths = paths.collect::<Result<BTreeSet<_>, _>>()?;
        Ok(if paths.is_empty() { None } else { Some(paths) })
    }

    /// Governed files that nobody could look at.
    fn unreadable(&self, people: &People) -> Result<Vec<Obstacle>, Failure> {
        let paths = self.paths(people)?;
        let is_asked = |it: &&Obstacle| match &paths {
            Some(paths) => paths.contains(&it.path),
            None => it.rule.is_some(),
        };
        Ok(people
            .inventory
            .obstacles
            .iter()
            .filter(is_asked)
            .cloned()
            .collect())
    }
}

impl FileUpdate<'_> {
    fn plan(&self, workspace: &Workspace) -> Result<Rewrapped, Box<Obstacle>> {
        match self.new_threshold {
            Some(threshold) => workspace.resplit(self.file, &self.readers, threshold, self.keys),
            None => workspace.rewrap(self.file, &self.readers, self.keys),
        }
    }
}

/// `None` where the file is as its rule says.
fn step<'p>(
    people: &'p People,
    file: &'p SecretFile,
    keep_data_key: bool,
) -> Result<Option<FileUpdate<'p>>, Box<Obstacle>> {
    let Some(rule) = file.rule.map(|at| people.inventory.rule(at)) else {
        return Ok(None);
    };
    let others = file.others();
    let is_split_anew = !fits(rule, file);
    let has_others = !(others.is_empty() && rule.others.is_empty());
    if is_split_anew && has_others || rule.others.iter().any(|other| !names(&others, other)) {
        let what =
            "the policy asks for keys of other kinds, or other key groups, than the file has";
        return Err(by_sops(file, Cause::Other(what.into()), &["updatekeys -y"]));
    }
    let (wanted, own) = (lists(rule, rule.groups.len() > 1), own_lists(file));
    let gone = others
        .iter()
        .filter(|other| !names(&rule.others, other))
        .cloned()
        .collect::<Vec<_>>();
    if gone.is_empty() && same_people(&wanted, &own) && !is_split_anew {
        return Ok(None);
    }
    if wanted.iter().any(Vec::is_empty) {
        return Err(file.obstacle(Cause::Other("its rule names nobody with an age key".into())));
    }
    let (wanted_all, own_all) = (wanted.concat(), own.concat());
    let lost = own_all
        .iter()
        .filter(|label| !names(&wanted_all, label))
        .map(|label| (*label).to_owned());
    let leaves: Vec<String> = gone.iter().cloned().chain(lost).collect();
    let keys = match () {
        () if leaves.is_empty() || (keep_data_key && gone.is_empty()) => DataKeyChange::Keep,
        // who stays with another kind of key gets a new data key by sops alone
        () if gone.len() < others.len() => {
            let cause = Cause::Foreign(file.document.metadata().foreign.clone());
            return Err(by_sops(file, cause, &["updatekeys -y", "rotate -i"]));
        }
        () if gone.is_empty() => DataKeyChange::New,
        () => DataKeyChange::NewForAgeAlone,
    };
    let joins = wanted_all
        .iter()
        .filter(|key| !names(&own_all, key))
        .map(|key| (*key).to_owned())
        .collect();
    let readers = wanted
        .iter()
        .map(|list| list.iter().map(|key| key.parse()).collect());
    let readers = readers
        .collect::<Result<Vec<Vec<Recipient>>, _>>()
        .map_err(|error| {
            file.obstacle(Cause::Other(format!("a recipient of the policy: {error}")))
        })?;
    let new_threshold = is_split_anew.then(|| rule.threshold());
    Ok(Some(FileUpdate {
        file,
        joins,
        leaves,
        readers,
        new_threshold,
        keys,
    }))
}

/// In each key group the same labels, whatever their order.
fn same_people(wanted: &[Vec<&str>], own: &[Vec<&str>]) -> bool {
    let sets = |lists: &[Vec<&str>]| -> Vec<BTreeSet<String>> {
        lists
            .iter()
            .map(|list| list.iter().map(|key| (*key).to_owned()).collect())
            .collect()
    };
    sets(wanted) == sets(own)
}

fn by_sops(file: &SecretFile, cause: Cause, commands: &[&str]) -> Box<Obstacle> {
    let (types, path) = (file.sops_types(), shell_words::quote(&file.target.path));
    let steps = commands
        .iter()
        .map(|command| format!("sops {command} {types}{path}"));
    steps.fold(file.obstacle(cause), Obstacle::step)
}

/// The policies of these files that git does not have as they are: without them a commit would be
/// refused.
fn edited<'p>(
    people: &'p People,
    done: &[(FileUpdate<'_>, Rewrapped)],
) -> Result<Vec<&'p str>, Failure> {
    let places: BTreeSet<usize> = done
        .iter()
        .filter_map(|(step, _)| Some(step.file.rule?.policy))
        .collect();
    let mut edited = Vec::new();
    for file in places
        .into_iter()
        .map(|place| &people.inventory.policies.readable[place])
    {
        let committed = people.workspace.repo()?.head_blob(&file.path)?;
        if committed.as_deref() != Some(file.config.text().as_bytes()) {
            edited.push(file.path.as_str());
        }
    }
    Ok(edited)
}

/// The table of people without those whom nothing names any more.
fn rows(
    people: &People,
    done: &[(FileUpdate<'_>, Rewrapped)],
    left: &[Obstacle],
) -> Result<Option<Write>, Failure> {
    let mut roster = people.roster.clone();
    let mut is_changed = false;
    for key in done.iter().flat_map(|(step, _)| &step.leaves) {
        let in_policy = people
            .inventory
            .rules()
            .any(|at| people.inventory.rule(at).readers().contains(&person(key)));
        let loses = |file: &SecretFile| {
            done.iter()
                .any(|(step, _)| step.file.target == file.target && names(&step.leaves, key))
        };
        let in_file = people
            .inventory
            .files
            .iter()
            .any(|file| file.names(key) && !loses(file));
        let in_left = left.iter().any(|obstacle| names(&obstacle.labels, key));
        if !in_policy && !in_file && !in_left {
            is_changed |= roster.remove_row(key).is_ok();
        }
    }
    if is_changed {
        roster_write(&people.workspace, &roster).map(Some)
    } else {
        Ok(None)
    }
}

fn names(keys: &[impl AsRef<str>], key: &str) -> bool {
    keys.iter().any(|known| same_key(known.as_ref(), key))
}

fn tell(ui: &Ui, people: &People, step: &FileUpdate<'_>, rewrapped: &Rewrapped) {
    let signed = |sign: &str, keys: &[String]| -> Vec<String> {
        keys.iter()
            .map(|key| format!("{sign}{}", people.short(key)))
            .collect()
    };
    let mut what = signed("+", &step.joins);
    what.extend(signed("-", &step.leaves));
    if step.keys != DataKeyChange::Keep {
        what.push(format!(
            "new data key, {} re-encrypted",
            count(rewrapped.values, "value")
        ));
    }
    if let Some(threshold @ 1..) = step.new_threshold {
        what.push(format!(
            "{threshold} of {} open it",
            count(step.readers.len(), "key group")
        ));
    }
    what.push(format!("wrapped to {}", people.shorts(&rewrapped.readers)));
    ui.mark(
        "~",
        format!("{}: {}", step.file.target.path, what.join(", ")),
    );
}

/// Whoever loses a file has seen its values, and with a data key that stays sees those that come.
fn note_losers(ui: &Ui, people: &People, done: &[(FileUpdate<'_>, Rewrapped)]) {
    let leaves: BTreeSet<&String> = done.iter().flat_map(|(step, _)| &step.leaves).collect();
    for key in leaves {
        let name = people.short(key);
        let keeps = |(step, _): &&(FileUpdate<'_>, Rewrapped)| {
            step.keys == DataKeyChange::Keep && names(&step.leaves, key)
        };
        if let Some((step, _)) = done.iter().find(keeps) {
            let path = shell_words::quote(&step.file.target.path);
            ui.warning(format!(
                "{name} has the data key that stays; a new one: stax secrets rotate {path}"
            ));
        }
        ui.note(format!(
            "{name} has read these values; what to replace: stax secrets exposure {}",
            shell_words::quote(key)
        ));
    }
}

fn tell_left(ui: &Ui, obstacle: &Obstacle) {
    ui.mark_line("✗", format!("{}: {}", obstacle.path, obstacle.cause));
    if let Cause::Locked { readers } = &obstacle.cause {
        ui.hint(format!(
            "{} can run the same command for {}",
            readers.join(" or "),
            obstacle.path
        ));
    }
    obstacle.steps.iter().for_each(|step| ui.hint(step));
}
