//! B01: `.stax/vault.json` is read strictly. B02: a file that the policy names is encrypted.

use crate::policy::vault::VaultError;
use crate::verify::facts::{Facts, Plain, says_secret};
use crate::verify::finding::Finding;
use crate::verify::rule::{Also, On, RuleId, Severity, rules};
use crate::workspace::{POLICY, VAULT};

rules! {
    B01 {
        name: "binding",
        title: "`.stax/vault.json` breaks its own rules",
        bound: Some(Severity::Error),
        general: None,
        why: "`.stax/vault.json` says which file feeds the environment: a path that leads out of the repository or a second file for one environment would feed another one",
        example: "`\"path\": \"../other/prod.enc.yaml\"`, a symlink on the way, or an unknown field",
        mend: &["correct the line that the finding names: `git diff .stax/vault.json`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    B02 {
        name: "unsealed",
        title: "A file that the policy names is not encrypted",
        bound: Some(Severity::Error),
        general: Some(Severity::Warning),
        why: "the policy or the name says that the file is secret, and it is in clear",
        example: "`db.sops.yaml` without a `sops` block",
        mend: &[
            "seal it: `stax secrets encrypt -i FILE`, and replace its values when they were committed",
            "it holds no secret: give it another name",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::ComparesFiles],
    }
}

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
