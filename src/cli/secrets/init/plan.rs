//! What `init` would write, as one set: nothing is written before all of it is known to be right.

use std::collections::BTreeSet;

use sops_document::age::{self, Recipient, person};
use sops_document::{DataKey, Document, DocumentError, Format, Selector, Terms};

use crate::cli::failure::Failure;
use crate::cli::secrets::people::{onboarded, today};
use crate::disk::Write;
use crate::policy::Holders;
use crate::policy::config::{Config, CreationRule, render_new, render_rule};
use crate::policy::roster::RosterRow;
use crate::policy::vault::Vault;
use crate::workspace::{POLICY, ROSTER, VAULT, Workspace, random, sealing};

use super::templates;

const README: &str = "infra/secrets/README.md";
const ATTRIBUTES: &str = ".gitattributes";
const ENVRC: &str = ".envrc";

/// Who can open the new file first.
pub struct FirstReader {
    pub recipient: Recipient,
    pub name: String,
    pub role: String,
}

/// What is to be made; `owner` is asked for only where a rule or a row needs one.
pub struct Order<'a> {
    pub workspace: &'a Workspace,
    pub env: &'a str,
    pub path: &'a str,
    pub format: Format,
    pub owner: &'a dyn Fn() -> Result<FirstReader, Failure>,
}

pub struct InitPlan {
    pub writes: Vec<Write>,
    /// Who can open the new file; empty when the file was there.
    pub recipients: Vec<Recipient>,
    /// Recipients without a row in `recipients.md`.
    pub nameless: Vec<String>,
    /// The file was there and is bound only now.
    pub adopts: bool,
}

impl Order<'_> {
    pub fn plan(&self) -> Result<InitPlan, Failure> {
        let vault = self.vault()?;
        let policy = self.policy()?;
        let (config, _) =
            Config::parse(&policy).map_err(|error| Failure::usage(format!("{POLICY}: {error}")))?;
        let Some((_, rule)) = config.rule_for(self.path) else {
            return Err(Failure::usage(format!(
                "{POLICY} has no rule for {}",
                self.path
            )));
        };
        let (document, recipients) = self.document(rule)?;
        let (roster, nameless) = self.roster(&config, rule)?;
        let attributes = self.workspace.read_text(ATTRIBUTES)?.unwrap_or_default();
        let readme = self
            .workspace
            .read_text(README)?
            .unwrap_or_else(|| templates::README.to_owned());
        let texts = [
            (POLICY, Some(policy)),
            (VAULT, Some(vault)),
            (ENVRC, Some(self.envrc()?)),
            (
                ATTRIBUTES,
                Some(templates::attributes_with(&attributes, self.path)),
            ),
            (README, Some(readme)),
            (ROSTER, Some(roster)),
            (self.path, document),
        ];
        let is_there = texts.iter().any(|(_, text)| text.is_none());
        let mut writes = Vec::new();
        for (path, text) in texts {
            let Some(text) = text else { continue };
            let write = self.workspace.plan(path, text)?;
            if write.before.as_ref() != Some(&write.after) {
                writes.push(write);
            }
        }
        let adopts = is_there && writes.iter().any(|write| write.path.as_os_str() == VAULT);
        Ok(InitPlan {
            writes,
            recipients,
            nameless,
            adopts,
        })
    }

    fn vault(&self) -> Result<String, Failure> {
        let text = self.workspace.read_text(VAULT)?;
        let mut vault = self.workspace.vault()?.unwrap_or_else(Vault::new);
        let before = vault.clone();
        vault
            .add(self.path, self.env)
            .map_err(|error| Failure::usage(format!("{VAULT}: {error}")))?;
        // a file that says it already keeps its layout
        Ok(text
            .filter(|_| vault == before)
            .unwrap_or_else(|| vault.render()))
    }

    /// The policy with a rule for the file, written like its neighbours where there are some.
    fn policy(&self) -> Result<String, Failure> {
        let regex = templates::path_regex(self.path);
        let Some(config) = self.workspace.policy()? else {
            return Ok(render_new(&regex, &[(self.owner)()?.recipient.as_str()]));
        };
        // what an author has for all other files may be nothing that stax can start a file with
        let leaves_room = |rule: &CreationRule| rule.path_regex.is_none() && is_beyond(rule);
        if config
            .rule_for(self.path)
            .is_some_and(|(_, rule)| !leaves_room(rule))
        {
            return Ok(config.text().to_owned());
        }
        let owner = (self.owner)()?;
        let key = owner.recipient.as_str();
        config
            .with_rule(&regex, key, Some(&owner.name))
            .map_err(|error| {
                let failure = Failure::usage(format!("{POLICY}: {error}"));
                let failure = failure.detail("nothing was written; add below `creation_rules:`");
                let lines = render_rule(&regex, &[key]);
                lines
                    .lines()
                    .fold(failure, Failure::detail)
                    .hint("then run the same command again")
            })
    }

    /// The new file, unless it is there.
    fn document(&self, rule: &CreationRule) -> Result<(Option<String>, Vec<Recipient>), Failure> {
        if let Some(text) = self.workspace.read_text(self.path)? {
            return match Document::parse(self.format, &text) {
                Ok(_) => Ok((None, Vec::new())),
                Err(DocumentError::NotSops) => {
                    Err(Failure::usage(format!("{} is not encrypted", self.path))
                        .hint("move it away, run the same command again, then: stax secrets edit"))
                }
                Err(error) => Err(Failure::usage(format!("{}: {error}", self.path))),
            };
        }
        if is_beyond(rule) {
            let what = "asks for several key_groups or keys other than age";
            return Err(Failure::usage(format!(
                "{POLICY}: line {}: the rule for {} {what}",
                rule.line, self.path
            ))
            .hint("stax does not start such a file; make it with sops, then run the same command again"));
        }
        let mut recipients = Vec::new();
        for (text, line) in rule.groups.first().unwrap_or(&rule.age) {
            let recipient: Recipient = text
                .parse()
                .map_err(|error| Failure::usage(format!("{POLICY}: line {line}: {error}")))?;
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        if recipients.is_empty() {
            let what = format!(
                "{POLICY}: line {}: the rule for {} names nobody",
                rule.line, self.path
            );
            return Err(Failure::usage(what));
        }
        let key = DataKey::generate(&mut random);
        let wrapped = age::wrap(&key, &recipients);
        let text = sealing(&key, |context| {
            let terms = Terms {
                selector: selector(rule)?,
                mac_only_encrypted: rule.mac_only_encrypted,
                ..Terms::of(&wrapped)
            };
            sops_document::empty(self.format, &terms, context).map_err(Failure::from)
        })?;
        Ok((Some(text), recipients))
    }

    /// A row for the owner where the rule names them, and for everyone whom the policy itself gives
    /// a name; others are unknown here.
    fn roster(
        &self,
        config: &Config,
        rule: &CreationRule,
    ) -> Result<(String, Vec<String>), Failure> {
        let mut roster = self.workspace.roster()?;
        let missing: Vec<&str> = rule
            .recipients()
            .into_iter()
            .filter(|key| roster.get(key).is_none())
            .collect();
        if missing.is_empty() {
            return Ok((roster.render(), Vec::new()));
        }
        let (holders, owner) = (Holders::new(&roster, Some(config)), (self.owner)().ok());
        let since = onboarded(self.workspace)?;
        let mut nameless = Vec::new();
        for key in missing.into_iter().collect::<BTreeSet<_>>() {
            let own = owner
                .as_ref()
                .filter(|owner| owner.recipient.as_str() == key);
            let named = own.map(|owner| (owner.name.clone(), owner.role.clone()));
            let named = named.or_else(|| Some((holders.name(key)?.to_owned(), String::new())));
            let Some((name, role)) = named else {
                nameless.push(key.to_owned());
                continue;
            };
            let onboarded = since
                .get(&person(key))
                .map_or_else(today, |since| since.date.clone());
            roster
                .add_row(RosterRow {
                    recipient: key.to_owned(),
                    name,
                    role,
                    onboarded,
                })
                .map_err(|error| Failure::usage(format!("{ROSTER}: {error}")))?;
        }
        Ok((roster.render(), nameless))
    }

    fn envrc(&self) -> Result<String, Failure> {
        Ok(match self.workspace.read_text(ENVRC)? {
            None => templates::envrc(self.env, self.path),
            Some(text) if text.starts_with(templates::ENVRC_MARK) => {
                templates::envrc_with(&text, self.path)
            }
            Some(text) => templates::envrc_adopted(&text, self.env, self.path),
        })
    }
}

/// Whether stax cannot start a file under a rule.
fn is_beyond(rule: &CreationRule) -> bool {
    rule.groups.len() > 1 || !rule.other_keys.is_empty()
}

fn selector(rule: &CreationRule) -> Result<Selector, Failure> {
    let Some(crypt) = &rule.crypt else {
        return Ok(Selector::default());
    };
    let selector = Selector::from_field(crypt.field, &crypt.value)
        .map_err(|error| Failure::usage(format!("{POLICY}: line {}: {error}", crypt.line)))?;
    Ok(selector.unwrap_or_default())
}
