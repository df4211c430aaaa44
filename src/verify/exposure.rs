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
    let accepted = |path: &str, key: &str| exceptions.why(RuleId::K06, path, Some(key)).map(str::to_owned);
    let vault = workspace.vault().ok().flatten();
    let policy = workspace.policy().ok().flatten();
    let standing = |path: &str, key: &str| {
        let is_general = vault.as_ref().is_none_or(|vault| vault.env_for_path(path).is_none());
        let rule = policy.as_ref().and_then(|policy| policy.rule_for(path)).map(|(_, rule)| rule.readers());
        match rule {
            _ if is_general && workspace.has_nearer_policy(path) => Standing::Unknown,
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
