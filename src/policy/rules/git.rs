//! G01 to G06: how git treats the files, in the repository and in this clone, and keys that must not be in it.

use super::{Facts, FileFacts};
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

/// The line of attributes that takes a driver from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchedOff {
    pub file: String,
    pub line: usize,
    pub text: String,
}

/// What is so in this clone alone, and not in what is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThisClone {
    /// Attributes that SOPS files have, such as `diff=stax`, and for which git has no command here.
    pub unserved: Vec<&'static str>,
    /// A driver that another version of stax wrote.
    pub has_old_drivers: bool,
    /// Another program that answers to `stax`.
    pub stranger: Option<String>,
    /// SOPS files that the guard of this clone does not see, and the line that hides them from it.
    pub unguarded: Vec<(String, Option<SwitchedOff>)>,
}

/// What follows is `1` and the key, or `PQ-1` where it withstands quantum computers. Both have a seed of 32 bytes.
const SECRET_KEY: &[u8] = b"AGE-SECRET-KEY-";
const KINDS: [&[u8]; 2] = [b"1", b"PQ-1"];
/// 52 characters of key and 6 of checksum.
const SECRET_KEY_LENGTH: usize = 58;

/// The line of the first secret key in the bytes of a file. The checksum of 30 bits is checked, so a text
/// that only speaks of keys is none. In small letters no program takes it, and everybody can make it large.
#[must_use]
pub fn secret_key_line(bytes: &[u8]) -> Option<usize> {
    let is_start = |at: &usize| {
        let start = &bytes[*at..];
        start.get(..SECRET_KEY.len()).is_some_and(|start| start.eq_ignore_ascii_case(SECRET_KEY))
            && KINDS.iter().any(|kind| is_secret_key(start, kind))
    };
    let at = (0..bytes.len()).filter(|at| matches!(bytes[*at], b'A' | b'a')).find(is_start)?;
    Some(bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1)
}

/// BIP 173: the text before the last `1`, then 5 bits a character, and a checksum over both. All letters are large
/// or all are small.
fn is_secret_key(start: &[u8], kind: &[u8]) -> bool {
    let head = SECRET_KEY.len() + kind.len();
    let Some(text) = start.get(..head + SECRET_KEY_LENGTH) else { return false };
    let lower = text.to_ascii_lowercase();
    if !lower[SECRET_KEY.len()..].starts_with(&kind.to_ascii_lowercase())
        || lower != text && text.to_ascii_uppercase() != text
    {
        return false;
    }
    let (name, rest) = (&lower[..head - 1], &lower[head..]);
    let sign = |byte: &u8| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".iter().position(|sign| sign == byte);
    let Some(rest) = rest.iter().map(sign).collect::<Option<Vec<usize>>>() else { return false };
    let high = name.iter().map(|byte| usize::from(byte >> 5));
    let low = name.iter().map(|byte| usize::from(byte & 31));
    let all = high.chain(std::iter::once(0)).chain(low).chain(rest);
    all.fold(1, |sum, value| {
        const GENERATOR: [usize; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let next = (sum & 0x1ff_ffff) << 5 ^ value;
        (0..5).filter(|bit| sum >> (25 + bit) & 1 == 1).fold(next, |next, bit| next ^ GENERATOR[bit])
    }) == 1
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
    let clone = facts.clone.iter().flat_map(in_clone);
    leaks.chain(files).chain(links).chain(caches(facts)).chain(caching(facts)).chain(clone).collect()
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
