//! B01: `.stax/vault.json` is read strictly. B02: a file that the policy names is encrypted.

use sops_document::{Format, Scalar};

use super::{Facts, POLICY, VAULT};
use crate::policy::{Finding, RuleId};

/// A file that the policy names and that is no SOPS document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    pub path: String,
    /// The line of the first value that is no template; `None` when there is none.
    pub line: Option<usize>,
    /// Of the other files that its rule names, how many were looked at and how many are sealed.
    pub others: usize,
    pub sealed: usize,
}

impl Plain {
    /// Looks for a value in the bytes of a file. What its format cannot read makes no claim.
    #[must_use]
    pub fn read(path: &str, bytes: &[u8]) -> Self {
        let format = Format::of_path(path);
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let line = match format {
            Format::Binary => text.find("PRIVATE KEY-----").map(|at| sops_document::tree::line_of(text, at)),
            _ => format.parse(text).ok().and_then(|tree| {
                let mut leaves = tree.leaves().into_iter();
                let (_, node, _) = leaves.find(|(_, _, leaf)| is_value(&leaf.scalar))?;
                Some(sops_document::tree::line_of(text, node.span.start))
            }),
        };
        Self { path: path.to_owned(), line, others: 0, sealed: 0 }
    }
}

fn is_value(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Null => false,
        Scalar::Str(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            !text.is_empty() && !text.contains("${") && !text.contains("{{")
        }
        _ => true,
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let broken = facts.vault_fault.iter().map(|fault| {
        Finding::error(RuleId::B01, VAULT, fault).fix("git restore --source=HEAD .stax/vault.json")
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

/// Whether a file name says that the content is encrypted.
#[must_use]
pub fn says_secret(name: &str) -> bool {
    name.contains(".sops.") || name.contains(".enc.")
}
