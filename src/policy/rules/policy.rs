//! P01: `.sops.yaml` is read strictly and governs every managed file.

use super::{Facts, POLICY};
use crate::age::{Recipient, RecipientError};
use crate::policy::config::{Config, CreationRule};
use crate::policy::{Finding, RuleId};

/// The policy, when it can be read, and what is wrong with it.
pub(super) fn check(facts: &Facts) -> (Option<Config>, Vec<Finding>) {
    let Some(text) = &facts.policy else { return (None, absent(facts)) };
    let (config, warnings) = match Config::parse(text) {
        Ok(read) => read,
        Err(error) => {
            let finding = Finding::error(RuleId::P01, POLICY, error.what).at(error.line);
            return (None, vec![finding]);
        }
    };
    let mut findings: Vec<Finding> = warnings
        .into_iter()
        .map(|warning| Finding::warning(RuleId::P01, POLICY, warning.message).at(warning.line))
        .collect();
    for (position, rule) in config.rules.iter().enumerate() {
        let governs = |path: &str| config.rule_for(path).is_some_and(|(found, _)| found == position);
        let is_managed = facts.files.iter().any(|file| file.managed && governs(&file.path));
        findings.extend(recipients(rule, is_managed));
        findings.extend(idle(facts, &config, position));
    }
    for file in facts.files.iter().filter(|file| file.managed && config.rule_for(&file.path).is_none()) {
        findings.push(ungoverned(&file.path, "no rule of .sops.yaml matches this file"));
    }
    (Some(config), findings)
}

/// A rule for files that are nowhere is often a slip in its pattern: what it was meant for then falls to
/// another rule, or to none. One without a pattern is there for whatever comes.
fn idle(facts: &Facts, config: &Config, position: usize) -> Option<Finding> {
    let rule = &config.rules[position];
    let pattern = rule.path_regex.as_ref()?;
    if config.rules[..position].iter().any(|earlier| earlier.path_regex.is_none()) {
        return None;
    }
    let bound = facts.files.iter().map(|file| &file.path);
    let paths = facts.paths.as_ref()?.iter().chain(bound).filter(|path| *path != POLICY);
    let mut taken = None;
    for path in paths.filter(|path| pattern.is_match(path)) {
        match config.rule_for(path) {
            Some((first, other)) if first != position => taken = taken.or(Some(other.line)),
            _ => return None,
        }
    }
    let message = match taken {
        Some(line) => {
            format!("every file that this rule matches falls to an earlier one, such as that in line {line}")
        }
        None => "this rule matches no file of the index".to_owned(),
    };
    Some(Finding::warning(RuleId::P01, POLICY, message).at(rule.line))
}

fn absent(facts: &Facts) -> Vec<Finding> {
    let managed = facts.files.iter().filter(|file| file.managed);
    managed.map(|file| ungoverned(&file.path, "no .sops.yaml says who may read this file")).collect()
}

fn ungoverned(path: &str, message: &str) -> Finding {
    Finding::error(RuleId::P01, path, message).fix("git log -p -- .sops.yaml   (who took the rule away)")
}

/// Keys of a kind that stax cannot wrap to are a fault only where stax itself has to write.
fn recipients(rule: &CreationRule, is_managed: bool) -> Vec<Finding> {
    let all = rule.groups.iter().flatten().chain(&rule.age);
    all.filter_map(|(text, line)| {
        let error = text.parse::<Recipient>().err()?;
        let is_foreign =
            matches!(error, RecipientError::PostQuantum | RecipientError::Ssh | RecipientError::Plugin(_));
        // the text may be a secret key by mistake, so only the reason is shown
        (is_managed || !is_foreign)
            .then(|| Finding::error(RuleId::P01, POLICY, format!("recipient: {error}")).at(*line))
    })
    .collect()
}
