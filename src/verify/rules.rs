//! The rules of verify over one tree: facts in, findings out. One file a family.
//!
//! Two profiles. A *managed* file (bound in `.stax/vault.json`) is held to the flat shape that stax
//! writes itself. Any other SOPS file is *general*: only what its own selector and MAC promise is
//! required of it, so that an honest file of another tool is never an error.

mod binding;
mod clear;
pub mod docs;
mod file;
mod git;
mod keys;
mod metadata;
mod nonce;
mod policy;
mod roster;
mod shared;
mod value;

use super::facts::{Facts, FileFacts};
use crate::policy::config::CreationRule;
use crate::policy::roster::Roster;
use crate::policy::{Finding, Holders, RuleId};
pub use git::leaked_key;
pub use roster::unexplained_rows;

/// Every finding of the tree, by path and line.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let policies = facts.policies();
    let config = policies.root();
    let mut findings = policy::check(facts, &policies);
    let table = facts.roster.as_deref().and_then(|text| Roster::parse(text).ok()).unwrap_or_default();
    let holders = Holders::new(&table, config);
    findings.extend(roster::check(facts, config, &holders));
    findings.extend(binding::check(facts));
    for file in &facts.files {
        let rule = policies.rule_for(&file.path, file.managed).map(|(_, rule)| rule);
        findings.extend(judge_file(facts, file, rule, &holders));
    }
    findings.extend(metadata::drifts(facts, &policies));
    findings.extend(shared::check(&facts.files, &holders));
    findings.extend(git::check(facts));
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    findings
}

fn judge_file(
    facts: &Facts,
    file: &FileFacts,
    rule: Option<&CreationRule>,
    holders: &Holders,
) -> Vec<Finding> {
    let mut findings = file::check(file, &facts.allowed_names);
    if let Some(document) = file.document() {
        // what an exception covers is not said, so that the broken proof behind it has to be
        let cannot_open = findings
            .iter()
            .any(|finding| matches!(finding.rule, RuleId::F03 | RuleId::F04) && !facts.accept(finding));
        findings.extend(clear::check(file, document));
        findings.extend(nonce::check(&file.path, document));
        findings.extend(keys::check(&file.path, file.managed, document, rule, holders));
        findings.extend(metadata::check(file, document, facts.now.as_deref()));
        findings.extend(value::check(file, cannot_open));
        findings.extend(value::stanzas(file, holders));
    }
    findings
}

/// What stands in clear although the file or its own crypt rule promises otherwise: F04 alone, without policy.
#[must_use]
pub fn plaintext(file: &FileFacts) -> Vec<Finding> {
    let mut findings = file::check(file, &[]);
    findings.retain(|finding| finding.rule == RuleId::F04);
    findings
}

/// The rules that read names and keys of the whole policy, so that a change of it may break any file.
#[must_use]
pub fn depends_on_policy(finding: &Finding) -> bool {
    use RuleId::{K01, P01, P02, P03, P04, R01};
    matches!(finding.rule, P01 | P02 | P03 | P04 | R01 | K01)
}

#[cfg(test)]
mod tests;
