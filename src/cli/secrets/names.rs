//! Which names a store may hand to programs here, and what to type where one may not.

use crate::cli::failure::Failure;
use crate::environment::names::check_name;
use crate::policy::consent::ConsentKind;
use crate::workspace::consent::Store;
use crate::workspace::settings::{self, Unheard};
use crate::workspace::{Workspace, WorkspaceError};

/// What the user allows in this clone. `default` allows nothing.
#[derive(Default)]
pub struct AllowedNames {
    pub allowed: Vec<String>,
    unheard: Vec<Unheard>,
    /// Names that another repository at this path had leave for, and its first commit.
    others: Vec<(String, String)>,
}

impl AllowedNames {
    pub fn of(workspace: &Workspace) -> Result<Self, Failure> {
        let store = Store::of(workspace.repo()?).map_err(WorkspaceError::from)?;
        let others = store
            .of_others(ConsentKind::Env)
            .map_err(WorkspaceError::from)?;
        Ok(Self {
            allowed: workspace.allowed_names()?,
            unheard: workspace.unheard()?,
            others,
        })
    }

    /// Refuses a name in a file, before its value is looked at.
    pub fn check(&self, path: &str, name: &str) -> Result<(), Failure> {
        let Err(error) = check_name(name, &self.allowed) else {
            return Ok(());
        };
        let mut failure = Failure::usage(format!("{path}: {error}"));
        let is_about = |unheard: &&Unheard| {
            unheard.name == settings::SettingName::AllowEnv && unheard.value == name
        };
        if let Some(unheard) = self.unheard.iter().find(is_about) {
            failure = failure.hint(format!(
                "the repository's own `{}` does not count",
                unheard.setting()
            ));
        }
        if let Some((_, root)) = self.others.iter().find(|(other, _)| other == name) {
            failure = failure.hint(another(root));
        }
        Err(failure)
    }
}

/// Why a consent is asked for again.
pub fn another(root: &str) -> String {
    let short = root.get(..7).unwrap_or(root);
    format!(
        "what you allowed at this path was for a repository that begins with {short}; this is another one"
    )
}
