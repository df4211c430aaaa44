//! What `init` would write, as one set: nothing is written before all of it is known to be right.

use crate::age::{self, Recipient};
use crate::cli::failure::Failure;
use crate::disk::Write;
use crate::policy::config::{Config, CreationRule, render_new};
use crate::policy::roster::Row;
use crate::policy::vault::Vault;
use crate::sops::{self, DataKey, Document, DocumentError, Format, Selector, Terms};
use crate::workspace::{POLICY, ROSTER, VAULT, Workspace, fresh, now, random};

use super::templates;

const README: &str = "infra/secrets/README.md";
const ATTRIBUTES: &str = ".gitattributes";
const ENVRC: &str = ".envrc";

/// Who can open the new file first.
pub struct Owner {
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
    pub owner: &'a dyn Fn() -> Result<Owner, Failure>,
}

pub struct Plan {
    pub writes: Vec<Write>,
    /// Lines for an `.envrc` that is not ours.
    pub envrc_lines: Vec<String>,
    /// Who can open the new file; empty when the file was there.
    pub recipients: Vec<Recipient>,
    /// Recipients without a row in `recipients.md`.
    pub nameless: Vec<String>,
}

impl Order<'_> {
    pub fn plan(&self) -> Result<Plan, Failure> {
        let vault = self.vault()?;
        let policy = self.policy()?;
        let (config, _) =
            Config::parse(&policy).map_err(|error| Failure::usage(format!("{POLICY}: {error}")))?;
        let Some((_, rule)) = config.rule_for(self.path) else {
            return Err(Failure::usage(format!("{POLICY} has no rule for {}", self.path)));
        };
        let (document, recipients) = self.document(rule)?;
        let (roster, nameless) = self.roster(rule)?;
        let (envrc, envrc_lines) = self.envrc()?;
        let attributes = self.workspace.read_text(ATTRIBUTES)?.unwrap_or_default();
        let readme = self.workspace.read_text(README)?.unwrap_or_else(|| templates::README.to_owned());
        let texts = [
            (POLICY, Some(policy)),
            (VAULT, Some(vault)),
            (ENVRC, envrc),
            (ATTRIBUTES, Some(templates::attributes_with(&attributes, self.path))),
            (README, Some(readme)),
            (ROSTER, Some(roster)),
            (self.path, document),
        ];
        let mut writes = Vec::new();
        for (path, text) in texts {
            let Some(text) = text else { continue };
            let write = self.workspace.plan(path, text)?;
            if write.before.as_ref() != Some(&write.after) {
                writes.push(write);
            }
        }
        Ok(Plan { writes, envrc_lines, recipients, nameless })
    }

    fn vault(&self) -> Result<String, Failure> {
        let text = self.workspace.read_text(VAULT)?;
        let mut vault = self.workspace.vault()?.unwrap_or_else(Vault::new);
        let before = vault.clone();
        vault.add(self.path, self.env).map_err(|error| Failure::usage(format!("{VAULT}: {error}")))?;
        // a file that says it already keeps its layout
        Ok(text.filter(|_| vault == before).unwrap_or_else(|| vault.render()))
    }

    /// The policy with a rule for the file. One that we did not write is never changed.
    fn policy(&self) -> Result<String, Failure> {
        let regex = templates::path_regex(self.path);
        let Some(config) = self.workspace.policy()? else {
            return Ok(render_new(&regex, &[(self.owner)()?.recipient.as_str()]));
        };
        if config.rule_for(self.path).is_some() {
            return Ok(config.text().to_owned());
        }
        let owner = (self.owner)()?;
        let recipients = [owner.recipient.as_str()];
        let ours = render_new(&regex, &recipients);
        if config.text().lines().next() == ours.lines().next() {
            return config
                .with_rule(&regex, &recipients)
                .map_err(|error| Failure::usage(format!("{POLICY}: {error}")));
        }
        let what = format!("{POLICY} was not written by stax and has no rule for {}", self.path);
        let failure = Failure::usage(what).detail("nothing was written; add below `creation_rules:`");
        let rule = ours.lines().skip(2);
        Err(rule.fold(failure, Failure::detail).hint("then run the same command again"))
    }

    /// The new file, unless it is there.
    fn document(&self, rule: &CreationRule) -> Result<(Option<String>, Vec<Recipient>), Failure> {
        if let Some(text) = self.workspace.read_text(self.path)? {
            return match Document::parse(self.format, &text) {
                Ok(_) => Ok((None, Vec::new())),
                Err(DocumentError::NotSops) => Err(Failure::usage(format!("{} is not encrypted", self.path))
                    .hint("move it away, run the same command again, then: stax secrets edit")),
                Err(error) => Err(Failure::usage(format!("{}: {error}", self.path))),
            };
        }
        if !rule.groups.is_empty() || !rule.other_keys.is_empty() {
            let what = "asks for key_groups or keys other than age";
            return Err(Failure::usage(format!(
                "{POLICY}: line {}: the rule for {} {what}",
                rule.line, self.path
            ))
            .hint("stax does not start such a file; make it with sops, then run the same command again"));
        }
        let mut recipients = Vec::new();
        for (text, line) in &rule.age {
            let recipient: Recipient =
                text.parse().map_err(|error| Failure::usage(format!("{POLICY}: line {line}: {error}")))?;
            if !recipients.contains(&recipient) {
                recipients.push(recipient);
            }
        }
        if recipients.is_empty() {
            let what = format!("{POLICY}: line {}: the rule for {} names nobody", rule.line, self.path);
            return Err(Failure::usage(what));
        }
        let key = DataKey::generate(&mut random);
        let wrapped = age::wrap(&key, &recipients);
        let text = fresh(|fresh| {
            let terms = Terms {
                selector: selector(rule)?,
                mac_only_encrypted: rule.mac_only_encrypted,
                wrapped: &wrapped,
            };
            sops::empty(self.format, &terms, &key, fresh).map_err(Failure::from)
        })?;
        Ok((Some(text), recipients))
    }

    /// A row for the owner where the rule names them; nobody else's name is known here.
    fn roster(&self, rule: &CreationRule) -> Result<(String, Vec<String>), Failure> {
        let mut roster = self.workspace.roster()?;
        let nameless = |roster: &crate::policy::roster::Roster| -> Vec<String> {
            let without = rule.recipients().into_iter().filter(|key| roster.get(key).is_none());
            without.map(str::to_owned).collect()
        };
        let missing = nameless(&roster);
        if !missing.is_empty()
            && let Ok(owner) = (self.owner)()
            && missing.contains(&owner.recipient.to_string())
        {
            let onboarded = now().chars().take(10).collect();
            let recipient = owner.recipient.to_string();
            roster
                .add_row(Row { recipient, name: owner.name, role: owner.role, onboarded })
                .map_err(|error| Failure::usage(format!("{ROSTER}: {error}")))?;
        }
        let missing = nameless(&roster);
        Ok((roster.render(), missing))
    }

    /// The text to write, or the lines for an author's own file.
    fn envrc(&self) -> Result<(Option<String>, Vec<String>), Failure> {
        let Some(text) = self.workspace.read_text(ENVRC)? else {
            return Ok((Some(templates::envrc(self.env, self.path)), Vec::new()));
        };
        if text.starts_with(templates::ENVRC_MARK) {
            return Ok((Some(templates::envrc_with(&text, self.path)), Vec::new()));
        }
        let done = text.contains("stax secrets export") && text.contains(self.path);
        let lines = if done { Vec::new() } else { templates::envrc_lines(self.env, self.path) };
        Ok((None, lines))
    }
}

fn selector(rule: &CreationRule) -> Result<Selector, Failure> {
    let Some(crypt) = &rule.crypt else { return Ok(Selector::default()) };
    let selector = Selector::from_field(crypt.field, &crypt.value)
        .map_err(|error| Failure::usage(format!("{POLICY}: line {}: {error}", crypt.line)))?;
    Ok(selector.unwrap_or_default())
}
