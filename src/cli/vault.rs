//! `stax vault …`: which files of the repository are its environments.

use std::process::ExitCode;

use super::failure::Failure;
use super::ui::Ui;
use crate::disk::Write;
use crate::policy::vault::Vault as Bindings;
use crate::workspace::{VAULT, Workspace};

mod link;
mod unlink;

/// Applies writes of which one may be that of `.stax/vault.json`, and tells in one line when it is
/// the first that needs a later version: whoever works here needs that stax then. Every command
/// that writes the file comes through here.
pub(in crate::cli) fn save(
    ui: &Ui,
    workspace: &Workspace,
    writes: &[Write],
) -> Result<(), Failure> {
    workspace.save(writes)?;
    for write in writes
        .iter()
        .filter(|write| write.path.as_os_str() == VAULT)
    {
        if let Some(note) = upgrade(write) {
            ui.warning(format!("{VAULT}: {note}"));
        }
    }
    Ok(())
}

fn upgrade(write: &Write) -> Option<String> {
    let parsed = |bytes: &[u8]| Bindings::parse(std::str::from_utf8(bytes).ok()?).ok();
    parsed(&write.after)?.upgrade(write.before.as_deref().and_then(parsed).as_ref())
}

#[derive(clap::Subcommand)]
pub enum VaultCommand {
    Link(link::Args),
    Unlink(unlink::Args),
}

impl VaultCommand {
    pub fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self {
            Self::Link(args) => args.run(ui),
            Self::Unlink(args) => args.run(ui),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_write_of_a_later_field_says_what_teammates_need_and_no_other_does() {
        let one = r#"{"version": 1, "backend": "sops-age", "files": []}"#;
        let mut later = Bindings::new();
        later.roster = Some("people.md".into());
        let two = later.edited().unwrap().render();
        let three = two.replace("people.md", "team.md");
        let told = |before: Option<&str>, after: &str| {
            let before = before.map(|text| text.as_bytes().to_vec());
            upgrade(&Write {
                path: VAULT.into(),
                before,
                after: after.into(),
                mode: None,
            })
        };
        let note = "`roster` makes it version 2: whoever works here needs stax ≥ 0.2 from now on";
        assert_eq!(told(Some(one), &two).as_deref(), Some(note));
        assert_eq!(told(None, &two).as_deref(), Some(note));
        assert_eq!(told(Some(&two), &three), None);
        assert_eq!(told(Some(one), one), None);
        assert_eq!(told(Some(&two), one), None);
    }
}
