//! What a removal says: what changed, what is left and who can do it, what must be replaced, and
//! who reads what today.

use std::collections::{BTreeMap, BTreeSet};

use sops_document::age::{Recipient, is_other_kind, person, same_key};

use super::plan::{Reach, RemovalPlan};
use crate::cli::failure::Failure;
use crate::cli::secrets::ledger::set_command;
use crate::cli::secrets::people::{People, Since};
use crate::cli::secrets::verify::count;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::{Cause, Inventory, Obstacle, SecretFile};
use crate::ledger::{ExposedKey, ValueState, is_of_later_document, sealed_names};
use crate::policy::vault::Vault;
use crate::repo::{ObjectId, Repo};
use crate::verify::{Exceptions, with_ledger};
use crate::workspace::register::Register;
use crate::workspace::wrap::{Rewrapped, secret_paths};
use crate::workspace::{Caller, Workspace};

/// So many files are listed one by one, and so many branches.
const SHOWN: usize = 20;

pub(super) struct RemovalReport<'a> {
    pub(super) people: &'a People,
    pub(super) plan: &'a RemovalPlan<'a>,
    pub(super) key: &'a str,
    /// As it was typed.
    pub(super) who: &'a str,
    pub(super) reach: &'a Reach,
}

impl RemovalReport<'_> {
    fn short(&self) -> String {
        self.people.short(self.key)
    }

    /// Who loses what, each file that changes, and each that does not.
    pub(super) fn announce(&self, ui: &Ui) {
        let (people, plan) = (self.people, self.plan);
        let name = people.name(self.key);
        let name = if name == self.key {
            name
        } else {
            format!("{name} {}", self.key)
        };
        let since = people.since(self.key);
        let since = since
            .map(|s| format!(" since {} {}", s.date, s.commit))
            .unwrap_or_default();
        let could = [
            self.what(),
            plan.left.iter().map(|it| it.path.clone()).collect(),
        ]
        .concat();
        let what = if could.is_empty() {
            "nothing here".to_owned()
        } else {
            some(&could)
        };
        ui.mark("-", format!("{name}: could read {what}{since}"));
        for write in &plan.central {
            ui.mark_line("~", write.path.to_string_lossy());
        }
        self.changes(ui);
        for left in &plan.left {
            self.left(ui, left);
        }
        for (file, done) in &plan.done {
            self.others_dropped(ui, file, done);
        }
        for unread in &plan.unread {
            ui.warning(format!(
                "{}: {}; whether {} reads it is unknown",
                unread.path,
                unread.cause,
                self.short()
            ));
        }
        let is_own = |keys: &Vec<Recipient>| keys.iter().any(|own| own.as_str() == self.key);
        if people
            .workspace
            .keyring
            .survey()
            .iter()
            .any(|tried| tried.outcome.as_ref().is_ok_and(is_own))
        {
            ui.warning("this is your own key: you will not be able to read what is written now");
        }
    }

    fn changes(&self, ui: &Ui) {
        let done = &self.plan.done;
        let line = |path: &str, values: usize, readers: &str| {
            let values = count(values, "value");
            ui.mark_line(
                "~",
                format!("{path}: new data key, {values} re-encrypted, wrapped to {readers}"),
            );
        };
        if done.len() <= SHOWN {
            for (file, new) in done {
                line(
                    &file.target.path,
                    new.values,
                    &self.people.shorts(&new.readers),
                );
            }
        } else {
            let mut folders: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
            for (file, new) in done {
                let folder = file
                    .target
                    .path
                    .rsplit_once('/')
                    .map_or(".", |(folder, _)| folder);
                let sum = folders
                    .entry((folder, self.people.shorts(&new.readers)))
                    .or_default();
                *sum = (sum.0 + 1, sum.1 + new.values);
            }
            for ((folder, readers), (files, values)) in folders {
                line(
                    &format!("{folder}: {}", count(files, "file")),
                    values,
                    &readers,
                );
            }
        }
        if !done.is_empty() {
            ui.line("checked: the old data key opens no value and no MAC of the new file");
        }
    }

    /// One file that could not be done, who can do it, and how.
    fn left(&self, ui: &Ui, left: &Obstacle) {
        let people = self.people;
        let others: Vec<&String> = left
            .labels
            .iter()
            .filter(|label| !same_key(label, self.key))
            .collect();
        let whom = |keys: &[&String], name: &dyn Fn(&str) -> String, word: &str| {
            keys.iter()
                .map(|key| name(key))
                .collect::<Vec<_>>()
                .join(word)
        };
        let what = match &left.cause {
            Cause::Locked { .. } => {
                let readers = whom(
                    &left.labels.iter().collect::<Vec<_>>(),
                    &|key| people.short(key),
                    ", ",
                );
                format!("encrypted for {readers}; no key here opens it")
            }
            cause => cause.to_string(),
        };
        ui.mark_line("✗", format!("{}: {what}", left.path));
        for step in self.steps(left, &whom(&others, &|key| people.name(key), " or ")) {
            ui.one_line(format!("    {step}"));
        }
        if let Some((policy, fits)) = self.plan.keeper(people, left, self.key) {
            let short = self.short();
            let passes = if fits && !self.plan.done.is_empty() {
                ", so this commit passes"
            } else {
                ""
            };
            ui.one_line(format!(
                "    {policy} still names {short} for {} until then{passes}",
                left.path
            ));
        }
    }

    fn steps(&self, left: &Obstacle, others: &str) -> Vec<String> {
        let again = self.again(left);
        let rotate = || {
            let file = self.people.inventory.file(&left.path);
            let types = file.map(SecretFile::sops_types).unwrap_or_default();
            let path = shell_words::quote(&left.path);
            let flag = match self.key.split_once(' ') {
                Some((kind, id)) if is_other_kind(self.key) => {
                    let mut keys = file
                        .iter()
                        .flat_map(|file| &file.document.metadata().others);
                    let key = keys.find(|other| other.reader() == self.key);
                    let id = key.map_or(id, |key| key.written.as_str());
                    format!("{} {}", flag_of(kind), shell_words::quote(id))
                }
                _ => format!("--rm-age {}", shell_words::quote(self.key)),
            };
            vec![
                format!("run: sops rotate -i {types}{flag} {path}"),
                format!("then: {again}"),
            ]
        };
        match &left.cause {
            Cause::Locked { .. } if !others.is_empty() => {
                vec![format!("ask {others} to run: {again}")]
            }
            Cause::Locked { .. } => {
                vec!["nobody else can open it: take it out, or replace it".into()]
            }
            Cause::Foreign(_) | Cause::TooLarge => rotate(),
            Cause::Integrity(_) => {
                vec![format!(
                    "see who changed it: git log -p {}",
                    shell_words::quote(&left.path)
                )]
            }
            Cause::Unreadable(_) | Cause::BoundToOther => vec![format!("mend it, then: {again}")],
            _ if left.steps.is_empty() => Vec::new(),
            _ => {
                let steps = left.steps.iter().map(|step| format!("run: {step}"));
                steps.chain([format!("then: {again}")]).collect()
            }
        }
    }

    /// The same command for what is left.
    fn again(&self, left: &Obstacle) -> String {
        let who = shell_words::quote(self.who);
        match self.reach {
            Reach::Everywhere => format!("stax secrets remove-recipient {who}"),
            _ => format!(
                "stax secrets remove-recipient {who} -f {}",
                shell_words::quote(&left.path)
            ),
        }
    }

    /// Whom a file named and its rule does not: they go with the old data key.
    fn others_dropped(&self, ui: &Ui, file: &SecretFile, done: &Rewrapped) {
        let stays = |label: &str| {
            done.readers
                .iter()
                .any(|reader| same_key(reader.as_str(), label))
        };
        let labels: BTreeSet<&str> = file.labels().into_iter().collect();
        let gone = labels
            .into_iter()
            .filter(|label| !stays(label) && !same_key(label, self.key));
        for label in gone {
            let (path, name) = (&file.target.path, self.people.name(label));
            ui.warning(format!(
                "{path}: {name} goes as well, whom the policy does not name"
            ));
        }
    }

    /// What people call that which changed: rules by their environments or files, and files of no
    /// rule.
    fn what(&self) -> Vec<String> {
        let rules = self.plan.rules.iter().map(|rule| self.people.label(*rule));
        let loose = self
            .plan
            .done
            .iter()
            .filter(|(file, _)| file.rule.is_none());
        rules
            .chain(loose.map(|(file, _)| file.target.path.clone()))
            .collect()
    }

    /// What they could read and nobody has replaced, by the log as it was and the files as they are
    /// now.
    pub(super) fn checklists(&self, ui: &Ui, register: &Register) -> Result<(), Failure> {
        if self.plan.done.is_empty() {
            return Ok(());
        }
        let short = self.short();
        ui.line(format!(
            "{short} could read these values and encryption cannot take that back. Replace each at its source, then:"
        ));
        let workspace = &self.people.workspace;
        let exceptions = Exceptions::of_head(workspace)?;
        let exposure = with_ledger(register, &exceptions, workspace, &|ledger| {
            ledger.exposure(&[person(self.key)])
        });
        let vault = workspace.vault()?;
        for (file, _) in &self.plan.done {
            let items = exposure
                .iter()
                .filter(|it| it.path == file.target.path)
                .flat_map(|it| &it.items);
            checklist(ui, file, &items.collect::<Vec<_>>(), vault.as_ref());
        }
        Ok(())
    }

    /// Branches, other work trees and ignored files are named and never written.
    pub(super) fn elsewhere(&self, ui: &Ui, register: &Register) -> Result<(), Failure> {
        let (repo, short) = (self.people.workspace.repo()?, self.short());
        let branches = register.read_at(repo, &branches(repo)?, self.key)?;
        for (branch, paths) in branches.iter().take(SHOWN) {
            let what = some(paths);
            ui.warning(format!("branch `{branch}` still has the old data key of {what}; what is set there before it merges, {short} can read"));
        }
        if branches.len() > SHOWN {
            ui.warning(format!("and {} more branches", branches.len() - SHOWN));
        }
        for root in repo.other_work_trees()? {
            let open = Repo::discover(&root).map(|repo| Workspace::over(repo, Caller::Git));
            let files = open.ok().and_then(|there| there.inventory(&[]).ok());
            let root = root.display();
            let Some(inventory) = files else {
                ui.warning(format!("the work tree {root} could not be looked at"));
                continue;
            };
            let paths: Vec<String> = inventory
                .files
                .iter()
                .filter(|file| {
                    register.lets_read(&crate::ledger::Snapshot::of(&file.document), self.key)
                })
                .map(|file| file.target.path.clone())
                .collect();
            if !paths.is_empty() {
                let what = some(&paths);
                ui.warning(format!(
                    "the work tree {root} is not changed: there {short} still reads {what}"
                ));
            }
        }
        Ok(())
    }

    /// What the ledger says that they still read, as the last line of the answer.
    pub(super) fn today(
        &self,
        ui: &Ui,
        inventory: &Inventory,
        register: &Register,
    ) -> Result<(), Failure> {
        let short = self.short();
        let open = register.read_by(self.key);
        let values = |path: &String| {
            let values = inventory
                .file(path)
                .map_or(0, |file| sealed_names(&file.document).len());
            format!("{path} ({})", count(values, "value"))
        };
        let mut reads: Vec<String> = open.iter().map(values).collect();
        let obstacles = inventory.obstacles.iter();
        let named = obstacles.filter(|it| it.labels.iter().any(|label| same_key(label, self.key)));
        reads.extend(named.map(|it| it.path.clone()));
        let ignored = self.people.workspace.ignored()?.into_iter();
        let is_open = |file: &SecretFile| {
            !open.contains(&file.target.path)
                && register.lets_read(&crate::ledger::Snapshot::of(&file.document), self.key)
        };
        let ignored: Vec<String> = ignored
            .filter(is_open)
            .map(|file| file.target.path)
            .collect();
        for path in &ignored {
            let command = format!(
                "stax secrets remove-recipient {} -f {}",
                shell_words::quote(self.who),
                shell_words::quote(path)
            );
            ui.warning(format!(
                "git ignores {path}, so it is not changed, and {short} reads it: {command}"
            ));
        }
        for path in &inventory.submodules {
            ui.note(format!(
                "{path} is a repository of its own and was not looked at"
            ));
        }
        if inventory.skips_untracked {
            ui.note("files that git does not know were not looked at, as status.showUntrackedFiles says");
        }
        let unread: Vec<String> = self.plan.unread.iter().map(|it| it.path.clone()).collect();
        let mut limits = Vec::new();
        if !ignored.is_empty() {
            limits.push(format!("ignored by git: {}", ignored.join(", ")));
        }
        if !unread.is_empty() {
            limits.push(format!("not readable here: {}", some(&unread)));
        }
        if !inventory.odd.is_empty() {
            limits.push(format!(
                "not looked at, because the name is not UTF-8: {}",
                some(&inventory.odd)
            ));
        }
        if register.history.is_partial {
            limits.push("as far as this clone has the history".to_owned());
        }
        let limits = if limits.is_empty() {
            String::new()
        } else {
            format!("; {}", limits.join("; "))
        };
        if reads.is_empty() {
            let what = if limits.is_empty() {
                "nothing here"
            } else {
                "nothing else here"
            };
            ui.one_line(format!("today {short} reads {what}{limits}"));
        } else {
            ui.one_line(format!(
                "today {short} still reads: {}{limits}",
                reads.join(", ")
            ));
        }
        Ok(())
    }

    /// `writes` are those of the whole command.
    pub(super) fn next(&self, ui: &Ui, writes: &[Write], is_dry: bool) -> Result<(), Failure> {
        let rules = self
            .plan
            .after
            .iter()
            .enumerate()
            .flat_map(|(policy, config)| {
                let same = config.rules.len()
                    == self.people.inventory.policies.readable[policy]
                        .config
                        .rules
                        .len();
                let rules = config.rules.iter().enumerate().filter(move |_| same);
                rules.map(move |(rule, new)| (crate::inventory::RuleAt { policy, rule }, new))
            });
        let rules = rules.filter(|(at, _)| self.plan.rules.contains(at));
        self.people.warn_missing(ui, rules, self.key);
        if is_dry {
            return Ok(());
        }
        if writes.is_empty() {
            ui.note(if self.plan.is_empty() {
                "nothing to do"
            } else {
                "nothing was written"
            });
            return Ok(());
        }
        let message = format!(
            "chore(secrets): remove {} from {}",
            self.people.name(self.key),
            some(&self.what())
        );
        ui.next(&self.people.finish(ui, writes, &message)?);
        if !self.plan.done.is_empty() {
            ui.note(format!(
                "the list shrinks as values change: stax secrets exposure {}",
                shell_words::quote(self.key)
            ));
        }
        Ok(())
    }
}

/// The option of `sops rotate` that takes out a key of a kind.
fn flag_of(kind: &str) -> &'static str {
    match kind {
        "kms" => "--rm-kms",
        "gcp_kms" => "--rm-gcp-kms",
        "hckms" => "--rm-hckms",
        "azure_kv" => "--rm-azure-kv",
        "hc_vault" => "--rm-hc-vault-transit",
        _ => "--rm-pgp",
    }
}

/// A few names, and how many more there are.
fn some(names: &[String]) -> String {
    const FEW: usize = 5;
    let shown = names
        .iter()
        .take(FEW)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn branches(repo: &Repo) -> Result<Vec<(String, ObjectId)>, Failure> {
    let head = repo.head_commit()?;
    Ok(repo
        .branch_tips()?
        .into_iter()
        .filter(|(_, tip)| Some(*tip) != head)
        .collect())
}

fn checklist(ui: &Ui, file: &SecretFile, items: &[&ExposedKey], vault: Option<&Vault>) {
    let mut groups: BTreeMap<Option<Since>, Vec<String>> = BTreeMap::new();
    let mut gone = Vec::new();
    let today: Vec<String> = secret_paths(&file.document)
        .iter()
        .map(ToString::to_string)
        .collect();
    for name in &today {
        let item = items.iter().find(|item| item.key == *name);
        if item.is_some_and(|item| {
            matches!(
                item.state,
                ValueState::Replaced(_) | ValueState::Accepted(_)
            )
        }) {
            continue;
        }
        let since = item
            .and_then(|item| item.readable.first())
            .map(|first| Since::of(&first.origin));
        groups.entry(since).or_default().push(name.clone());
    }
    for item in items.iter().filter(|item| !today.contains(&item.key)) {
        if !matches!(
            item.state,
            ValueState::Replaced(_) | ValueState::Accepted(_)
        ) {
            gone.extend(
                item.readable
                    .first()
                    .map(|first| (&item.key, Since::of(&first.origin))),
            );
        }
    }
    for (since, names) in groups {
        let since = since.map_or("not committed".into(), |since| {
            format!("since {} {}", since.date, since.commit)
        });
        let later = names.iter().find(|name| is_of_later_document(name));
        let one = if let [name] = names.as_slice() {
            name
        } else {
            "KEY"
        };
        let command = set_command(vault, &file.target.path, later.map_or(one, String::as_str));
        ui.one_line(format!("  [ ] {}   {since}   {command}", names.join(", ")));
    }
    for (name, since) in gone {
        ui.one_line(format!(
            "  [ ] {name}   since {} {}   no longer in the file; revoke it at its source",
            since.date, since.commit
        ));
    }
}
