//! Rule C04: which values changed when everything in a bound file was encrypted anew. Public keys are enough to
//! write such a file; a key that opens both versions tells it from a rotation.

use shell_words::quote;
use sops_document::Cleartext;
use sops_document::compare::{Change, compare};

use super::error::VerifyError;
use super::facts::FileFacts;
use crate::policy::{Finding, RuleId};
use crate::repo::Entry;
use crate::workspace::{Target, Workspace};

/// Names of values that a message holds.
const SHOWN: usize = 5;

/// Takes back what can only be guessed without a key, and names the values that are others. Where no key opens
/// both versions all stays as it is.
pub(super) fn judge(
    workspace: &Workspace,
    path: &str,
    (old, new): (Option<Entry>, Option<Entry>),
    findings: &mut Vec<Finding>,
) -> Result<(), VerifyError> {
    let (Some(old), Some(new)) = (opened(workspace, path, old)?, opened(workspace, path, new)?) else {
        return Ok(());
    };
    findings.retain(|finding| finding.rule != RuleId::D08);
    let is_sealed =
        |change: &&Change| change.old.iter().chain(&change.new).any(|value| value.token.is_some());
    let changes = compare(old.tree(), new.tree()).changes;
    let names: Vec<String> =
        changes.iter().filter(is_sealed).map(|it| format!("`{}`", it.address())).collect();
    if names.is_empty() {
        return Ok(());
    }
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let message = format!("values changed while all of the file was encrypted anew: {shown}{more}");
    findings.push(
        Finding::warning(RuleId::C04, path, message)
            .detail("a rotation changes no value; public keys are enough to write another file in its place")
            .fix(format!(
                "git log -p -- {}   (compare the values; git diff --cached before the commit)",
                quote(path)
            )),
    );
    Ok(())
}

fn opened(workspace: &Workspace, path: &str, entry: Option<Entry>) -> Result<Option<Cleartext>, VerifyError> {
    let Some(entry) = entry.filter(Entry::is_file) else { return Ok(None) };
    let file = FileFacts::read(path, true, Some(&workspace.repo()?.blob(entry.id)?));
    let Some(document) = file.document() else { return Ok(None) };
    let target = Target { path: path.to_owned(), env: None };
    let key = workspace.unlock(&target, document).ok();
    Ok(key.and_then(|key| document.open_unverified(&key).ok()))
}
