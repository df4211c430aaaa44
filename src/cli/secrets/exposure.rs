//! `stax secrets exposure`

mod output;

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::interrupted::mention;
use super::ledger::{KeyUse, PeopleNames, note_depth, warn_from_index, warn_gaps};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::ledger::{Doubt, FileExposure, Ledger, ValueState};
use crate::verify::{Exceptions, with_ledger};
use crate::workspace::Workspace;
use crate::workspace::register::Register;

/// Which values somebody could ever decrypt, and which of them must still be replaced
///
/// Everybody who was named by one version of a file knows its data key, and reads every version
/// under it: on any branch, under older names, and in copies. Each value is exposed, replaced,
/// accepted (`allow` with rule K06 in .stax/vault.json), unknown, or present: in a file that they
/// read today, as a rule says. Across two data keys only a key can tell that a value was replaced.
/// Keys that share a mail or a name are one person, unless WHO is a key. Without WHO it is about
/// everybody who was removed, and begins with a line for each. Exit codes: 0 nothing is exposed, 1
/// something is.
#[derive(clap::Args)]
pub struct Args {
    /// A key, a unique prefix of one, a name or a mail
    #[arg(value_name = "WHO")]
    who: Option<String>,
    #[command(flatten)]
    keys: KeyUse,
    /// Exit with 1 where something is unknown too
    #[arg(long)]
    strict: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: ExposureFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExposureFormat {
    /// For people
    Text,
    /// One object with "schema": 1
    Json,
    /// A checklist in Markdown
    Md,
}

/// Somebody and what they could read.
struct Person {
    /// Never empty.
    keys: Vec<String>,
    files: Vec<FileExposure>,
}

impl Person {
    /// The one that gives the name.
    fn key(&self) -> &str {
        &self.keys[0]
    }
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let workspace = Workspace::open(None, self.keys.caller())?;
        mention(ui, &workspace)?;
        let tips = workspace.repo()?.ref_tips()?;
        let register = workspace.register_of_all(tips, self.keys.depth())?;
        let names = PeopleNames(workspace.names_of(&register.history)?);
        let vault = workspace.vault()?;
        let exceptions = Exceptions::of_head(&workspace)?;
        let people = with_ledger(&register, &exceptions, &workspace, &|ledger| {
            self.people(ledger, &names)
        })?;
        warn_gaps(ui, &register.history);
        warn_from_index(ui, &register);
        let is_of_all = self.who.is_none();
        let told = output::ExposureReport {
            people: &people,
            names: &names,
            vault: vault.as_ref(),
            register: &register,
            is_of_all,
        };
        match self.format {
            _ if self.json => ui.json(&told.json())?,
            ExposureFormat::Json => ui.json(&told.json())?,
            ExposureFormat::Md => ui.bytes(told.markdown().as_bytes())?,
            ExposureFormat::Text => told.print(ui),
        }
        let count = count(&people);
        note_depth(ui, &register, count.unknown > 0);
        note_groups(ui, &register, &people);
        let is_open = count.exposed > 0
            || (self.strict && (count.unknown > 0 || !register.history.is_complete()));
        Ok(if is_open {
            Exit::No.into()
        } else {
            ExitCode::SUCCESS
        })
    }

    fn people(&self, ledger: &Ledger<'_>, names: &PeopleNames) -> Result<Vec<Person>, Failure> {
        let Some(who) = &self.who else {
            let all = ledger
                .former(&|one, other| names.is_one(one, other))
                .into_iter();
            return Ok(all.map(|(keys, files)| Person { keys, files }).collect());
        };
        let versions = ledger.versions.iter().map(|version| &version.snapshot);
        let ever: BTreeSet<&str> = versions
            .chain(ledger.tips.iter().map(|(_, tip)| tip))
            .flat_map(|snapshot| &snapshot.recipients)
            .map(String::as_str)
            .collect();
        let keys = names.resolve_person(who, ever.into_iter().collect())?;
        Ok(vec![Person {
            files: ledger.exposure(&keys),
            keys,
        }])
    }
}

/// The ledger knows readers, not which parts of a data key somebody holds.
fn note_groups(ui: &Ui, register: &Register, people: &[Person]) {
    let is_split = |path: &str| {
        let document = register.today.iter().find(|(other, _)| other == path);
        document.is_some_and(|(_, document)| document.metadata().threshold > 1)
    };
    let files = people.iter().flat_map(|person| &person.files);
    let split: BTreeSet<&str> = files
        .map(|file| file.path.as_str())
        .filter(|path| is_split(path))
        .collect();
    for path in split {
        ui.note(format!(
            "{path} needs keys of several groups: whoever holds one of them counts as a reader here"
        ));
    }
}

/// How many keys are in which state.
#[derive(Clone, Copy, Default)]
struct Count {
    exposed: usize,
    unknown: usize,
    /// In files that they may read.
    present: usize,
    /// No longer in the file.
    gone: usize,
    all: usize,
}

fn count<'p>(people: impl IntoIterator<Item = &'p Person>) -> Count {
    let mut count = Count::default();
    for item in people
        .into_iter()
        .flat_map(|person| &person.files)
        .flat_map(|file| &file.items)
    {
        count.all += 1;
        match &item.state {
            ValueState::Present => count.present += 1,
            ValueState::Exposed(_) => count.exposed += 1,
            ValueState::Unknown(Doubt::Gone { .. }) => count.gone += 1,
            ValueState::Unknown(_) => count.unknown += 1,
            ValueState::Replaced(_) | ValueState::Accepted(_) => {}
        }
    }
    count.unknown += count.gone;
    count
}
