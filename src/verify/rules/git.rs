//! G01 to G06: how git treats the files, in the repository and in this clone, and keys that must not be in it.

use crate::policy::policies::folder;
use crate::policy::sniff::{hide_secret_keys, secret_key_fix};
use crate::policy::{Finding, RuleId};
use crate::verify::facts::{Facts, FileFacts, Leak, LeakPlace, Link, ThisClone, says_secret};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let leaks = facts.leaks.iter().map(leaked_key);
    let files = facts.files.iter().flat_map(|file| mode(file).into_iter().chain(drivers(file)));
    let links = facts.links.iter().filter_map(|link| self::link(facts, link));
    let clone = facts.clone.iter().flat_map(in_clone);
    leaks.chain(files).chain(links).chain(caches(facts)).chain(caching(facts)).chain(clone).collect()
}

/// G05. A path that is the key itself is shown without it.
#[must_use]
pub fn leaked_key(leak: &Leak) -> Finding {
    let what = "the secret key of a reader (`AGE-SECRET-KEY-1…`)";
    let finding = |message: String| {
        Finding::error(RuleId::G05, hide_secret_keys(&leak.path), message).fix(secret_key_fix())
    };
    match leak.place {
        LeakPlace::Line(line) => finding(format!("holds {what}")).at(line),
        LeakPlace::Target => finding(format!("is a link whose target is {what}")),
        LeakPlace::Name => finding(format!("its name is {what}")),
    }
}

fn mode(file: &FileFacts) -> Option<Finding> {
    let is_executable = file.mode.is_some_and(|mode| mode & 0o111 != 0 && mode & 0o170_000 == 0o100_000);
    let (path, message) = (&file.path, "is executable in git");
    let fix = format!("git update-index --chmod=-x {path}");
    match (is_executable, file.managed) {
        (false, _) => None,
        (true, true) => Some(Finding::error(RuleId::G02, path, message).fix(fix)),
        (true, false) => Some(Finding::warning(RuleId::G02, path, message).fix(fix)),
    }
}

fn drivers(file: &FileFacts) -> Option<Finding> {
    let (diff, merge) = file.drivers.as_ref().filter(|_| file.managed)?;
    let missing: Vec<&str> = [("diff=stax", diff), ("merge=stax", merge)]
        .into_iter()
        .filter(|(_, value)| value.as_deref() != Some("stax"))
        .map(|(name, _)| name)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let attributes = missing.join(" and ");
    let Some(cause) = &file.switched_off else {
        let finding = Finding::warning(
            RuleId::G01,
            &file.path,
            format!(".gitattributes does not give it {attributes}"),
        );
        // any other name needs quotes or a backslash there
        let is_plain = file.path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        return Some(match is_plain {
            true => finding.fix(format!("add to .gitattributes: /{} -text diff=stax merge=stax", file.path)),
            false => finding,
        });
    };
    let message = format!("does not get {attributes}: line {} of {} decides", cause.line, cause.file);
    let fix = format!("take it out of line {} of {}, or put a line with it below", cause.line, cause.file);
    Some(Finding::warning(RuleId::G01, &file.path, message).detail(cause.text.clone()).fix(fix))
}

fn in_clone(clone: &ThisClone) -> Vec<Finding> {
    let warning = |message: String| Finding::warning(RuleId::G06, ".git", message);
    let mut findings = Vec::new();
    if !clone.unserved.is_empty() {
        let message = format!(
            ".gitattributes asks for {}, and this clone has no such driver: git shows and merges ciphertext",
            clone.unserved.join(" and ")
        );
        findings.push(warning(message).fix("stax secrets install"));
    }
    if clone.has_old_drivers {
        let message = "the drivers of this clone are those of another version of stax".to_owned();
        findings.push(warning(message).fix("stax secrets install"));
    }
    if let Some(path) = &clone.stranger {
        let message = format!("the `stax` on PATH is another program: {path}");
        findings.push(warning(message).fix("put the folder of this stax in front of it in PATH"));
    }
    for (path, cause) in &clone.unguarded {
        let message = format!("the guard of this clone does not see {path}: `git add` takes it in clear");
        findings.push(match cause {
            None => warning(message).fix("stax secrets install --guard"),
            Some(cause) => warning(message).detail(cause.text.clone()).fix(format!(
                "take `filter` out of line {} of {}, or name the file below it with filter=stax",
                cause.line, cause.file
            )),
        });
    }
    findings
}

/// A link to a SOPS file makes sops write where nobody looks; one that leaves the repository brings the
/// secrets of another one into this (for a bound file F01 says so).
fn link(facts: &Facts, link: &Link) -> Option<Finding> {
    let is_bound = facts.files.iter().any(|file| file.path == link.path);
    let target = resolve(&link.path, &link.target);
    let message = match target {
        Some(target) if facts.files.iter().any(|file| file.path == target) => {
            format!("is a link to the SOPS file {target}")
        }
        None if says_secret(&link.path) => "is a link that leaves the repository".to_owned(),
        _ => return None,
    };
    (!is_bound).then(|| Finding::warning(RuleId::G02, &link.path, message))
}

/// Where a link leads, from the root of the repository; `None` outside of it.
fn resolve(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder(path).split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn caches(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.caches.iter().map(|driver| {
        let message = format!("git keeps decrypted text of diff={driver} in refs/notes/textconv/{driver}");
        let fix = format!(
            "git config diff.{driver}.cachetextconv false; git update-ref -d refs/notes/textconv/{driver}"
        );
        Finding::error(RuleId::G03, ".git", message).fix(fix)
    })
}

fn caching(facts: &Facts) -> impl Iterator<Item = Finding> {
    facts.caching.iter().map(|driver| {
        let message = format!("git is told to keep decrypted text of diff={driver} in its object store");
        let fix = format!("git config diff.{driver}.cachetextconv false");
        Finding::error(RuleId::G03, ".git", message).fix(fix)
    })
}
