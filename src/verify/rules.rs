//! The rules of verify, one file a family: the row of each rule stands above the code that makes
//! its findings.
//!
//! The letter of an id is that of its family: P [`policy`], B [`binding`], R [`roster`], F
//! [`file`], V [`nonce`], K [`keys`], D [`change`], M [`metadata`], G [`git`], C [`value`].
//!
//! Two profiles. A *managed* file (bound in `.stax/vault.json`) is held to the flat shape that stax
//! writes itself. Any other SOPS file is *general*: only what its own selector and MAC promise is
//! required of it, so that an honest file of another tool is never an error.

pub(super) mod binding;
pub(super) mod change;
pub mod docs;
pub(super) mod file;
pub(super) mod git;
pub(super) mod keys;
pub(super) mod metadata;
pub(super) mod nonce;
pub(super) mod policy;
pub(super) mod roster;
pub(super) mod value;

use std::cmp::Ordering;
use std::str::FromStr;

use super::facts::{Facts, FileFacts};
use super::finding::Finding;
use super::rule::RuleId;
use crate::policy::Holders;
use crate::policy::config::CreationRule;
use crate::policy::roster::Roster;

pub use git::leaked_key_in;
pub use roster::unexplained_rows;
pub use value::{leaked_name, leaked_value};

/// Every family, in the order in which rules are listed.
const FAMILIES: [&[RuleId]; 10] = [
    policy::RULES,
    binding::RULES,
    roster::RULES,
    file::RULES,
    nonce::RULES,
    keys::RULES,
    change::RULES,
    metadata::RULES,
    git::RULES,
    value::RULES,
];

impl RuleId {
    pub fn all() -> impl Iterator<Item = Self> {
        FAMILIES.into_iter().flatten().copied()
    }

    /// Its place among all.
    #[must_use]
    pub fn position(self) -> usize {
        Self::all().take_while(|rule| *rule != self).count()
    }
}

impl Ord for RuleId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other {
            Ordering::Equal
        } else {
            self.position().cmp(&other.position())
        }
    }
}

impl PartialOrd for RuleId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule has the id or name {0:?}")]
pub struct UnknownRule(pub String);

/// From the id, in any case, or the name.
impl FromStr for RuleId {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let fits = |rule: &Self| rule.id.eq_ignore_ascii_case(text) || rule.name == text;
        Self::all()
            .find(fits)
            .ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

/// Every finding of the tree, by path and line.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let policies = facts.policies();
    let config = policies.root();
    let mut findings = policy::check(facts, &policies);
    let table = facts
        .roster
        .as_deref()
        .and_then(|text| Roster::parse(text).ok())
        .unwrap_or_default();
    let holders = Holders::new(&table, config);
    findings.extend(roster::check(facts, config, &holders));
    findings.extend(binding::check(facts));
    for file in facts.files() {
        let rule = policies
            .rule_for(&file.path, file.managed)
            .map(|(_, rule)| rule);
        findings.extend(judge_file(facts, file, rule, &holders));
    }
    findings.extend(metadata::drifts(facts, &policies));
    findings.extend(keys::shared::check(
        &facts.files().collect::<Vec<_>>(),
        &holders,
    ));
    findings.extend(git::check(facts));
    in_order(findings)
}

/// What the bytes of a file say by themselves: no tree is around them, so no policy, no table and
/// no git is asked.
#[must_use]
pub fn judge_alone(file: &FileFacts) -> Vec<Finding> {
    let holders = Holders::new(&Roster::new(), None);
    in_order(judge_bytes(file, None, &holders, &[], &|_| false))
}

pub(super) fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    findings
}

fn judge_file(
    facts: &Facts,
    file: &FileFacts,
    rule: Option<&CreationRule>,
    holders: &Holders,
) -> Vec<Finding> {
    let mut findings = judge_bytes(file, rule, holders, &facts.allowed_names, &|finding| {
        facts.accept(finding)
    });
    findings.extend(
        file.document()
            .and_then(|document| metadata::ahead(&file.path, document, facts.now)),
    );
    findings
}

fn judge_bytes(
    file: &FileFacts,
    rule: Option<&CreationRule>,
    holders: &Holders,
    allowed_names: &[String],
    is_accepted: &dyn Fn(&Finding) -> bool,
) -> Vec<Finding> {
    let mut findings = file::check(file, allowed_names);
    if let Some(document) = file.document() {
        // what an exception covers is not said, so that the broken proof behind it has to be
        let cannot_open = findings.iter().any(|finding| {
            [RuleId::F03, RuleId::F04].contains(&finding.rule) && !is_accepted(finding)
        });
        findings.extend(file::clear::check(file, document));
        findings.extend(file::misread::check(file, document));
        findings.extend(nonce::check(&file.path, document));
        findings.extend(keys::check(
            &file.path,
            file.managed,
            document,
            rule,
            holders,
        ));
        findings.extend(metadata::check(file, document));
        findings.extend(value::check(file, cannot_open));
        findings.extend(value::stanzas(file, holders));
    }
    findings
}

/// What stands in clear although the file or its own crypt rule promises otherwise: F04 alone,
/// without policy.
#[must_use]
pub fn plaintext(file: &FileFacts) -> Vec<Finding> {
    let mut findings = file::check(file, &[]);
    findings.retain(|finding| finding.rule == RuleId::F04);
    findings
}

#[cfg(test)]
mod tests;
