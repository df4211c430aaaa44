//! B01: `.stax/vault.json` is read strictly. B02: a file that the policy names is encrypted.

use crate::policy::vault::VaultError;
use crate::verify::facts::Facts;
use crate::verify::finding::Finding;
use crate::verify::plain::{Credential, Plain, is_exempt, says_secret};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};
use crate::workspace::VAULT;

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
        general: Some(Severity::Error),
        why: "the policy or the name says that the file is secret, and everybody who can read the repository can read it",
        example: "`talsecret.sops.yaml` without a `sops` block, or a credential in another file that a rule names; a warning where no rule names it, or where only the other files of the rule are sealed. Policies, templates, examples and files without a value are left out",
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
            VaultError::Newer {
                needs: Some(release),
                ..
            } => format!("install stax {release} or later"),
            VaultError::Newer { needs: None, .. } => "install a newer stax".to_owned(),
            _ => "git restore --source=HEAD .stax/vault.json".to_owned(),
        };
        Finding::error(RuleId::B01, VAULT, fault.to_string()).fix(fix)
    });
    broken
        .chain(facts.plain.iter().filter_map(unsealed))
        .collect()
}

/// A pattern such as `kubernetes/.*\.yaml` names much that was never meant to be secret. It counts
/// where the name says so, where a credential stands in the file, or where at least half of what
/// the rule names is sealed.
fn unsealed(file: &Plain) -> Option<Finding> {
    let line = file.line.filter(|_| !is_exempt(&file.path))?;
    let says_secret = says_secret(file.path.rsplit('/').next().unwrap_or(&file.path));
    let fix = format!("stax secrets encrypt -i {}", file.path);
    if !file.is_named {
        let message =
            "its name says that it is encrypted, and it is not; no rule of the policy names it";
        let fix = format!("name it in .sops.yaml, then: {fix}");
        return says_secret.then(|| {
            Finding::warning(RuleId::B02, &file.path, message)
                .at(line)
                .fix(fix)
        });
    }
    let named = "a rule of the policy names this file, and it is not encrypted";
    let finding = match &file.credential {
        _ if says_secret => Finding::error(RuleId::B02, &file.path, named).at(line),
        Some(Credential { line, key: None }) => Finding::error(
            RuleId::B02,
            &file.path,
            format!("{named}: it holds a private key"),
        )
        .at(*line),
        Some(Credential {
            line,
            key: Some(key),
        }) => {
            let message = format!("{named}: `{key}` looks like a credential");
            Finding::error(RuleId::B02, &file.path, message)
                .at(*line)
                .key(key)
        }
        None if file.others > 0 && file.sealed * 2 >= file.others => {
            Finding::warning(RuleId::B02, &file.path, named).at(line)
        }
        None => return None,
    };
    Some(
        finding
            .first_words("a rule of the policy names this file, and it is in clear")
            .fix(fix),
    )
}
