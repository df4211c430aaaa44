//! `stax secrets remove-recipient`

mod plan;
mod told;

use std::path::Path;
use std::process::ExitCode;

use super::people::{People, Scope};
use super::values::{beside_others, unless_outdated};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::disk::Write;
use crate::inventory::Inventory;
use crate::workspace::register::{Depth, Register};

use plan::{Reach, RemovalPlan};
use told::RemovalReport;

/// End somebody's access: new data keys, every value re-encrypted, and what must be replaced
///
/// Everywhere, unless -e or -f names a rule: in every SOPS file that git knows or does not ignore,
/// whether or not a rule governs it. What can be done is done in one write with the policies; what
/// cannot is named with who can do it, and its rule keeps the person until then. Exit codes: 0
/// done, 1 something is left.
#[derive(clap::Args)]
pub struct Args {
    /// A key, a unique prefix of one, a name or a mail; several keys of one mail or name go
    /// together
    #[arg(value_name = "WHO")]
    who: String,
    #[command(flatten)]
    scope: Scope,
    /// Show what would change and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// What the removal of one key did.
struct Done {
    writes: Vec<Write>,
    is_complete: bool,
}

impl Args {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        let keys = People::without_policy(ui, &self.scope.files(), self.dry_run)?
            .resolve_person(&self.who)?;
        let mut all = Done {
            writes: Vec::new(),
            is_complete: true,
        };
        for (position, key) in keys.iter().enumerate() {
            let is_last = position + 1 == keys.len();
            let done = beside_others(&mut || self.attempt(ui, key, (&all.writes, is_last)))?;
            all = Done {
                writes: joined(&all.writes, done.writes),
                is_complete: all.is_complete && done.is_complete,
            };
        }
        Ok(if all.is_complete {
            ExitCode::SUCCESS
        } else {
            Exit::No.into()
        })
    }

    fn attempt(
        &self,
        ui: &Ui,
        key: &str,
        (earlier, is_last): (&[Write], bool),
    ) -> Result<Option<Done>, Failure> {
        let people = People::without_policy(ui, &self.scope.files(), self.dry_run)?;
        unless_outdated(
            &people.workspace,
            self.remove(ui, &people, key, (earlier, is_last)),
        )
    }

    /// `None`: somebody else wrote first.
    fn remove(
        &self,
        ui: &Ui,
        people: &People,
        key: &str,
        (earlier, is_last): (&[Write], bool),
    ) -> Result<Option<Done>, Failure> {
        let reach = Reach::of(people, &self.scope)?;
        let register = register(people)?;
        let plan = RemovalPlan::new(people, key, &reach, &register.read_by(key))?;
        let writes = plan.writes();
        if !self.dry_run && !people.workspace.save_unless_changed(&writes)? {
            return Ok(None);
        }
        let told = RemovalReport {
            people,
            plan: &plan,
            key,
            who: &self.who,
            reach: &reach,
        };
        if !plan.is_empty() {
            told.announce(ui);
        }
        let after = if self.dry_run {
            None
        } else {
            Some(people.workspace.inventory(&named(people, &self.scope)?)?)
        };
        let today = after
            .as_ref()
            .map_or_else(|| today_of(&people.inventory), today_of);
        let register = people.workspace.renewed(register, today, Depth::Silent)?;
        told.checklists(ui, &register)?;
        told.elsewhere(ui, &register)?;
        match &after {
            Some(inventory) => told.today(ui, inventory, &register)?,
            None => ui.note("dry run: nothing was written"),
        }
        // of somebody with several keys all is committed at once
        if is_last {
            told.next(ui, &joined(earlier, writes.clone()), self.dry_run)?;
        }
        Ok(Some(Done {
            writes,
            is_complete: plan.left.is_empty(),
        }))
    }
}

/// Writes one after the other as one: each file as it was first, and as it is now.
fn joined(earlier: &[Write], later: Vec<Write>) -> Vec<Write> {
    let is_later = |path: &Path| later.iter().any(|write| write.path == path);
    let mut all: Vec<Write> = earlier
        .iter()
        .filter(|write| !is_later(&write.path))
        .cloned()
        .collect();
    all.extend(later.into_iter().map(
        |write| match earlier.iter().find(|it| it.path == write.path) {
            Some(first) => Write {
                before: first.before.clone(),
                ..write
            },
            None => write,
        },
    ));
    all
}

/// The log, with the files of the inventory as those of today.
fn register(people: &People) -> Result<Register, Failure> {
    let tips = people.workspace.repo()?.ref_tips()?;
    Ok(people
        .workspace
        .register_over(tips, today_of(&people.inventory), Depth::Silent)?)
}

fn today_of(inventory: &Inventory) -> crate::workspace::register::Today {
    (inventory.documents(), Vec::new())
}

fn named(people: &People, scope: &Scope) -> Result<Vec<String>, Failure> {
    Ok(scope
        .files()
        .into_iter()
        .map(|file| people.workspace.relative(file))
        .collect::<Result<_, _>>()?)
}
