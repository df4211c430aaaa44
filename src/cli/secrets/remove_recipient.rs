//! `stax secrets remove-recipient`

mod plan;
mod told;

use std::process::ExitCode;

use super::people::{People, Scope};
use super::values::{beside_others, unless_outdated};
use crate::cli::failure::{Exit, Failure};
use crate::cli::ui::Ui;
use crate::inventory::Inventory;
use crate::workspace::register::{Depth, Register};

use plan::{Plan, Reach};
use told::Told;

/// End somebody's access: new data keys, every value re-encrypted, and what must be replaced
///
/// Everywhere, unless -e or -f names a rule: in every SOPS file that git knows or does not ignore, whether or not
/// a rule governs it. What can be done is done in one write with the policies; what cannot is named with who can
/// do it, and its rule keeps the person until then. Exit codes: 0 done, 1 something is left.
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
        beside_others(&mut || self.attempt(ui))
    }

    fn attempt(&self, ui: &Ui) -> Result<Option<ExitCode>, Failure> {
        let people = People::without_policy(ui, &self.scope.files(), self.dry_run)?;
        unless_outdated(&people.workspace, self.remove(ui, &people))
    }

    /// `None`: somebody else wrote first.
    fn remove(&self, ui: &Ui, people: &People) -> Result<Option<ExitCode>, Failure> {
        let key = people.resolve(&self.who)?;
        let reach = Reach::of(people, &self.scope)?;
        let register = register(people)?;
        let plan = Plan::new(people, &key, &reach, &register.read_by(&key))?;
        if !self.dry_run && !people.workspace.save_unless_changed(&plan.writes())? {
            return Ok(None);
        }
        let told = Told { people, plan: &plan, key: &key, who: &self.who, reach: &reach };
        if !plan.is_empty() {
            told.announce(ui);
        }
        let after =
            if self.dry_run { None } else { Some(people.workspace.inventory(&named(people, &self.scope)?)?) };
        let today = after.as_ref().map_or_else(|| today_of(&people.inventory), today_of);
        let register = people.workspace.renewed(register, today, Depth::Silent)?;
        told.checklists(ui, &register)?;
        told.elsewhere(ui, &register)?;
        match &after {
            Some(inventory) => told.today(ui, inventory, &register)?,
            None => ui.note("dry run: nothing was written"),
        }
        told.next(ui, self.dry_run)?;
        Ok(Some(if plan.left.is_empty() { ExitCode::SUCCESS } else { Exit::No.into() }))
    }
}

/// The log, with the files of the inventory as those of today.
fn register(people: &People) -> Result<Register, Failure> {
    let tips = people.workspace.repo()?.ref_tips()?;
    Ok(people.workspace.register_over(tips, today_of(&people.inventory), Depth::Silent)?)
}

fn today_of(inventory: &Inventory) -> crate::workspace::register::Today {
    (inventory.documents(), Vec::new())
}

fn named(people: &People, scope: &Scope) -> Result<Vec<String>, Failure> {
    Ok(scope.files().into_iter().map(|file| people.workspace.relative(file)).collect::<Result<_, _>>()?)
}
