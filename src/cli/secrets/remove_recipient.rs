//! `stax secrets remove-recipient`

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use super::exposure::with_ledger;
use super::people::{People, Scope, Since, roster_write};
use super::verify::count;
use crate::cli::failure::Failure;
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::ledger::{Item, Snapshot, State, is_of_later_document};
use crate::policy::config::Config;
use crate::repo::ObjectId;
use crate::workspace::POLICY;
use crate::workspace::groups::Readers;
use crate::workspace::register::{Depth, Register};
use crate::workspace::wrap::{Governed, Keys, Rewrapped, secret_paths};

/// End somebody's access: new data keys, every value re-encrypted, and what must be replaced
#[derive(clap::Args)]
pub struct Args {
    /// A key, a unique prefix of one, a name or a mail
    #[arg(value_name = "WHO")]
    who: String,
    #[command(flatten)]
    scope: Scope,
    /// Show what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let people = People::open(self.scope.file.as_deref())?;
        let key = people.resolve(&self.who)?;
        let name = people.name(&key);
        let tips = people.workspace.repo()?.ref_tips()?;
        let register = people.workspace.register_of_all(tips, Depth::Silent)?;
        let known = still_open(&register, &key);
        let open = |file: &&Governed| file.names(&key) || known.contains(&file.target.path);
        let exposed: BTreeSet<&str> =
            people.survey.files.iter().filter(open).map(|file| file.target.path.as_str()).collect();
        let in_rule = |rule: &usize| people.config.rules[*rule].recipients().contains(&key.as_str());
        let candidates: BTreeSet<usize> = (0..people.config.rules.len())
            .filter(|rule| in_rule(rule) || people.governed(*rule).any(|f| exposed.contains(&*f.target.path)))
            .collect();
        let rules = people.rules(&self.scope, &candidates)?;
        let after = Config::parse(&people.config.without_recipient(&rules, &key)?)?.0;
        let mut files = Vec::new();
        for file in rules.iter().flat_map(|rule| people.governed(*rule)) {
            if exposed.contains(&*file.target.path) {
                files.push((file, people.readers(&after, file, None)?));
            }
        }
        let planned = people.plan(&rules, &files, Keys::New)?;
        let mut writes = vec![people.workspace.plan(POLICY, after.text())?];
        let stays = after.rules.iter().any(|rule| rule.recipients().contains(&key.as_str()));
        let mut roster = people.roster.clone();
        if !stays && roster.remove_row(&key).is_ok() {
            writes.push(roster_write(&people.workspace, &roster)?);
        }
        writes.extend(planned.iter().map(|file| file.write.clone()));
        writes.retain(|write| write.before.as_ref() != Some(&write.after));
        if writes.is_empty() {
            ui.line(format!("{name} can read nothing here; nothing to do"));
            return Ok(ExitCode::SUCCESS);
        }
        let what = people.labels(&rules);
        announce(ui, &people, &key, &what, &writes, &planned);
        if !self.dry_run {
            people.workspace.save(&writes)?;
        }
        if !files.is_empty() {
            checklists(ui, &people, register, &files, &key)?;
        }
        people.warn_missing(ui, &after, &rules, &key);
        if self.dry_run {
            ui.note("dry run: nothing was written");
            return Ok(ExitCode::SUCCESS);
        }
        let message = format!("chore(secrets): remove {name} from {what}");
        let next = people.finish(ui, &writes, &message)?;
        ui.next(&next);
        if !files.is_empty() {
            ui.note(format!(
                "the list shrinks as values change: stax secrets exposure {}",
                shell_words::quote(&key)
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Who loses what, and each file that changes.
fn announce(ui: &Ui, people: &People, key: &str, what: &str, writes: &[Write], planned: &[Rewrapped]) {
    let since = people.since.get(key).map(|s| format!(" since {} {}", s.date, s.commit)).unwrap_or_default();
    ui.mark("-", format!("{} {key}: could read {what}{since}", people.name(key)));
    for write in writes {
        let path = write.path.to_string_lossy();
        let line = match planned.iter().find(|file| file.target.path == path) {
            Some(file) => format!(
                "{path}: new data key, {} re-encrypted, wrapped to {}",
                count(file.values, "value"),
                people.shorts(&file.readers)
            ),
            None => path.into_owned(),
        };
        ui.mark("~", line);
    }
    if !planned.is_empty() {
        ui.line("checked: the old data key opens no value and no MAC of the new file");
    }
    let is_own = |keys: &Vec<crate::age::Recipient>| keys.iter().any(|own| own.as_str() == key);
    if people.workspace.keyring.survey().iter().any(|tried| tried.outcome.as_ref().is_ok_and(is_own)) {
        ui.warning("this is your own key: you will not be able to read what is written now");
    }
}

/// `sops updatekeys` drops a stanza and keeps the data key: an old commit still gives it away, also under
/// another name of the file.
fn still_open(register: &Register, key: &str) -> BTreeSet<String> {
    let is_known =
        |tip: &Snapshot| register.epochs.at(tip).is_some_and(|epoch| register.epochs.was_read_by(epoch, key));
    let known = register.tips.iter().filter(|(_, tip)| is_known(tip));
    known.map(|(path, _)| path.clone()).collect()
}

/// What they could read and nobody has replaced, by the log as it was and the files as they are now.
fn checklists(
    ui: &Ui,
    people: &People,
    register: Register,
    files: &[(&Governed, Readers)],
    key: &str,
) -> Result<(), Failure> {
    let workspace = &people.workspace;
    let register = workspace.renewed(register, Depth::Silent)?;
    ui.line(format!(
        "{} could read these values and encryption cannot take that back. Replace each at its source, then:",
        people.short(key)
    ));
    let vault = workspace.vault()?;
    let exposure = with_ledger(&register, vault.as_ref(), workspace, &|ledger| Ok(ledger.exposure(key)))?;
    let branches = branches(people)?;
    for (file, _) in files {
        let items = exposure.iter().filter(|it| it.path == file.target.path).flat_map(|it| &it.items);
        checklist(ui, file, &items.collect::<Vec<_>>());
        for (branch, tip) in &branches {
            let text =
                workspace.repo()?.blob_at(*tip, &file.target.path)?.and_then(|it| String::from_utf8(it).ok());
            if text.is_some_and(|text| text.contains(key)) {
                ui.warning(format!("branch `{branch}` still has the old data key; what is set there before it merges, {} can read", people.short(key)));
            }
        }
    }
    Ok(())
}

fn checklist(ui: &Ui, file: &Governed, items: &[&Item]) {
    let mut groups: BTreeMap<Option<Since>, Vec<String>> = BTreeMap::new();
    let mut gone = Vec::new();
    let today: Vec<String> = secret_paths(&file.document).iter().map(ToString::to_string).collect();
    for name in &today {
        let item = items.iter().find(|item| item.key == *name);
        if item.is_some_and(|item| matches!(item.state, State::Replaced(_) | State::Accepted(_))) {
            continue;
        }
        let since = item.and_then(|item| item.readable.first()).map(|first| Since::of(&first.origin));
        groups.entry(since).or_default().push(name.clone());
    }
    for item in items.iter().filter(|item| !today.contains(&item.key)) {
        if !matches!(item.state, State::Replaced(_) | State::Accepted(_)) {
            gone.extend(item.readable.first().map(|first| (&item.key, Since::of(&first.origin))));
        }
    }
    for (since, names) in groups {
        let since =
            since.map_or("not committed".into(), |since| format!("since {} {}", since.date, since.commit));
        let one = if let [name] = names.as_slice() { name } else { "KEY" };
        let command = match names.iter().any(|name| is_of_later_document(name)) {
            true => "edit".to_owned(),
            false => format!("set {}", shell_words::quote(one)),
        };
        let path = shell_words::quote(&file.target.path);
        ui.one_line(format!("  [ ] {}   {since}   stax secrets {command} -f {path}", names.join(", ")));
    }
    for (name, since) in gone {
        ui.one_line(format!(
            "  [ ] {name}   since {} {}   no longer in the file; revoke it at its source",
            since.date, since.commit
        ));
    }
}

fn branches(people: &People) -> Result<Vec<(String, ObjectId)>, Failure> {
    let repo = people.workspace.repo()?;
    let head = repo.head_commit()?;
    Ok(repo.branch_tips()?.into_iter().filter(|(_, tip)| Some(*tip) != head).collect())
}
