//! The exposure ledger of a register, less what the repository accepts.

use super::exceptions::Exceptions;
use super::rule::RuleId;
use crate::ledger::{Ledger, Memory, Standing};
use crate::workspace::Workspace;
use crate::workspace::register::Register;

/// Calls `with` with the ledger of a register.
pub fn with_ledger<T>(
    register: &Register,
    exceptions: &Exceptions,
    workspace: &Workspace,
    with: &dyn Fn(&Ledger<'_>) -> T,
) -> T {
    let accepted = |path: &str, key: &str| {
        exceptions
            .why(RuleId::K06, path, Some(key))
            .map(str::to_owned)
    };
    let vault = workspace.vault().ok().flatten();
    let tips = register.tips.iter().map(|(path, _)| path.as_str());
    let policies = workspace.policies_above(tips).unwrap_or_default();
    let standing = |path: &str, key: &str| {
        let is_bound = vault
            .as_ref()
            .is_some_and(|vault| vault.env_for_path(path).is_some());
        let rule = policies.known_rule_for(path, is_bound).ok().flatten();
        match rule.map(|at| policies.rule(at).readers()) {
            None => Standing::Unknown,
            Some(keys) if keys.is_empty() => Standing::Unknown,
            Some(keys) if keys.contains(key) => Standing::Named,
            Some(_) => Standing::Dismissed,
        }
    };
    with(&Ledger {
        versions: &register.history.versions,
        removals: &register.history.removals,
        tips: &register.tips,
        epochs: &register.epochs,
        insight: &register.reading.insight,
        accepted: &accepted,
        head: (&register.head.0, &register.head.1),
        standing: &standing,
        memory: Memory::default(),
    })
}
