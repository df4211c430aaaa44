//! B01: `.stax/vault.json` is read strictly. B02: a file that the policy names is encrypted.

use crate::policy::vault::VaultError;
use crate::policy::{Finding, RuleId};
use crate::verify::facts::{Facts, Plain, says_secret};
use crate::workspace::{POLICY, VAULT};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let broken = facts.vault_fault.iter().map(|fault| {
        let fix = match fault {
            VaultError::Newer { needs: Some(release), .. } => format!("install stax {release} or later"),
            VaultError::Newer { needs: None, .. } => "install a newer stax".to_owned(),
            _ => "git restore --source=HEAD .stax/vault.json".to_owned(),
        };
        Finding::error(RuleId::B01, VAULT, fault.to_string()).fix(fix)
    });
    broken.chain(facts.plain.iter().filter_map(unsealed)).collect()
}

/// A pattern such as `kubernetes/.*\.yaml` names much that was never meant to be secret. It counts where the
/// name says so, or where at least half of what the rule names is sealed.
fn unsealed(file: &Plain) -> Option<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let is_policy = name == POLICY;
    let is_sample = ["example", "template", "tmpl"].iter().any(|word| file.path.contains(word));
    let is_meant = says_secret(name) || file.others > 0 && file.sealed * 2 >= file.others;
    let line = file.line.filter(|_| is_meant && !is_policy && !is_sample)?;
    let message = "a rule of the policy names this file, and it is in clear";
    let fix = format!("stax secrets encrypt -i {}", file.path);
    Some(Finding::warning(RuleId::B02, &file.path, message).at(line).fix(fix))
}
