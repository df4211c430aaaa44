//! G01 to G05: how git treats the files, and keys that must not be in it.

use super::{Facts, FileFacts};
use crate::age::parse_identities;
use crate::policy::{Finding, RuleId};

/// The secret key of a reader in a tracked file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    pub path: String,
    pub line: usize,
}

/// A tracked link, and the text it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub path: String,
    pub target: String,
}

const SECRET_KEY: &[u8; 16] = b"AGE-SECRET-KEY-1";
/// The prefix, 52 characters of key and 6 of checksum.
const SECRET_KEY_LENGTH: usize = 16 + 58;

/// The line of the first secret key in the bytes of a file. The checksum of 30 bits is checked, so a text
/// that only speaks of keys is none.
#[must_use]
pub fn secret_key_line(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = bytes[from..].windows(SECRET_KEY.len()).position(|window| window == SECRET_KEY) {
        let at = from + found;
        let text = bytes.get(at..at + SECRET_KEY_LENGTH).and_then(|text| std::str::from_utf8(text).ok());
        if text.is_some_and(|text| parse_identities(text).is_ok()) {
            return Some(bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1);
        }
        from = at + SECRET_KEY.len();
    }
    None
}

/// What to do about such a key.
#[must_use]
pub fn secret_key_fix() -> &'static str {
    "stax secrets remove-recipient WHO for that key; git rm --cached the file; a key once pushed is lost"
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let leaks = facts.leaks.iter().map(|leak| {
        let message = "holds the secret key of a reader (`AGE-SECRET-KEY-1…`)";
        Finding::error(RuleId::G05, &leak.path, message).at(leak.line).fix(secret_key_fix())
    });
    let files = facts.files.iter().flat_map(|file| mode(file).into_iter().chain(drivers(file)));
    let links = facts.links.iter().filter_map(|link| self::link(facts, link));
    leaks.chain(files).chain(links).chain(caches(facts)).chain(caching(facts)).collect()
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
    let message = format!(".gitattributes does not give it {}", missing.join(" and "));
    (!missing.is_empty())
        .then(|| Finding::warning(RuleId::G01, &file.path, message).fix("stax secrets install"))
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
        None if super::binding::says_secret(&link.path) => "is a link that leaves the repository".to_owned(),
        _ => return None,
    };
    (!is_bound).then(|| Finding::warning(RuleId::G02, &link.path, message))
}

/// Where a link leads, from the root of the repository; `None` outside of it.
fn resolve(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> =
        super::policies::folder(path).split('/').filter(|part| !part.is_empty()).collect();
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
