//! G01 to G06: how git treats the files, in the repository and in this clone, and keys that must
//! not be in it.

use crate::policy::policies::folder;
use crate::policy::sniff::{hide_secret_keys, secret_key_fix};
use crate::verify::finding::Finding;
use crate::verify::rule::{Also, On, RuleId, Severity, rules};

use crate::verify::facts::{Drivers, Facts, InClone, Leak, LeakPlace, Link, Owner, TreeFile};
use crate::verify::plain::says_secret;

rules! {
    G01 {
        name: "drivers",
        title: "`.gitattributes` does not give a bound file the diff and the merge of stax",
        bound: Some(Severity::Warning),
        general: None,
        why: "without the drivers git diffs and merges ciphertext as text",
        example: "a `.gitattributes` without `infra/secrets/prod.enc.yaml diff=stax merge=stax`, or with a later line that switches it off",
        mend: &[
            "add the line that the finding names to `.gitattributes`, or mend the line that it names: later lines win, a file nearer to the secret wins over one above it, and `.git/info/attributes` over all",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfAttributes, Also::KnownByWords],
    }
    G02 {
        name: "mode",
        title: "A SOPS file is executable, or a link",
        bound: Some(Severity::Error),
        general: Some(Severity::Warning),
        why: "a link lets a file of another place pass for the one that was reviewed; a secret file is never a program",
        example: "`git add prod.enc.yaml` where it is a symlink, or after `chmod +x`",
        mend: &["`git update-index --chmod=-x FILE`, or put the file itself where the link is"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::KnownByWords, Also::ComparesFiles],
    }
    G03 {
        name: "textconv-cache",
        title: "git keeps decrypted text in `refs/notes/textconv`, or is told to",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "git keeps what a diff decrypted under `refs/notes/textconv`, in clear, and a mirror clone takes it along",
        example: "`git config diff.sopsdiffer.cachetextconv true`",
        mend: &[
            "`git config --unset diff.DRIVER.cachetextconv`, then: `git update-ref -d refs/notes/textconv/DRIVER`",
        ],
        on: &[On::Clone],
        may_be_allowed: true,
        also: &[],
    }
    G05 {
        name: "age-key",
        title: "The secret key of a reader is in the repository",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "a secret age key in the repository opens every file that is encrypted to it, for everybody who can clone",
        example: "a `keys.txt` with `AGE-SECRET-KEY-1…` and a valid checksum; also in UTF-16 or behind escapes, as the name of a file, the target of a link, or in what a commit or a tag says; a warning where it is there already and no file and no policy names its public key, as that of a test",
        mend: &[
            "make a new key: `stax secrets keygen`, and let it in: `stax secrets add-recipient`",
            "then `stax secrets remove-recipient` the old one, and replace what it could read",
        ],
        on: &[On::Tree, On::Range],
        may_be_allowed: true,
        also: &[Also::OnlyInChanges],
    }
    G06 {
        name: "clone",
        title: "This clone lacks drivers, its guard misses a secret, or `stax` is another program",
        bound: Some(Severity::Warning),
        general: Some(Severity::Warning),
        why: "what `.gitattributes` asks for and what a guard keeps out works only in a clone that is set up; git never runs what a repository brings",
        example: "a fresh clone, in which `git diff` shows ciphertext; drivers that an older stax wrote; a guarded one in which somebody added `certs/tls.json`; `/usr/games/stax` in front on `PATH`. Not judged in CI, in hooks, over a range, or as SARIF",
        mend: &[
            "drivers and hooks: `stax secrets install`",
            "where the guard is wanted: `stax secrets install --guard`",
            "another program: put the folder of this stax in front of it in `PATH`",
        ],
        on: &[On::Clone],
        may_be_allowed: true,
        also: &[],
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let leaks = facts.leaks.iter().map(leaked_key);
    let files = facts
        .entries
        .iter()
        .flat_map(|entry| mode(entry).into_iter().chain(drivers(entry)));
    let links = facts
        .links
        .iter()
        .filter_map(|link| self::link(facts, link));
    leaks
        .chain(files)
        .chain(links)
        .chain(caches(facts))
        .chain(caching(facts))
        .collect()
}

/// G05. A path that is the key itself is shown without it.
pub(in crate::verify) fn leaked_key(leak: &Leak) -> Finding {
    let path = hide_secret_keys(&leak.path);
    let finding = |lead: &str| key_of(&path, &leak.owners, leak.is_new, lead);
    match leak.place {
        LeakPlace::Line(line) => finding("holds ").at(line),
        LeakPlace::Target => finding("is a link whose target is "),
        LeakPlace::Name => finding("its name is "),
    }
}

/// G05 of what a commit or a tag says: it is published with it.
pub(in crate::verify) fn leaked_key_of_text(name: &str, owners: &[Owner]) -> Finding {
    key_of(".git", owners, true, &format!("the text of {name} holds "))
}

/// G05 of a file that holds one somewhere.
#[must_use]
pub fn leaked_key_in(path: &str) -> Finding {
    key_of(path, &[], true, &format!("{path} holds "))
}

/// Of several keys the one that opens most counts. `lead` says where it stands. One that opens
/// nothing yet may be that of a reader tomorrow, so a change that brings it is refused all the
/// same.
fn key_of(path: &str, owners: &[Owner], is_new: bool, lead: &str) -> Finding {
    const KEY: &str = "(`AGE-SECRET-KEY-1…`)";
    let is_harmless =
        !owners.is_empty() && owners.iter().all(|owner| matches!(owner, Owner::Nobody(_)));
    let rank = |owner: &&Owner| match owner {
        Owner::Reader(_) => 0,
        Owner::Former(_) => 1,
        Owner::Unknown => 2,
        Owner::Nobody(_) => 3,
    };
    let what = match owners.iter().min_by_key(rank) {
        Some(Owner::Reader(who)) => format!("the secret key of {who} {KEY}"),
        Some(Owner::Former(who)) => {
            format!("the secret key of {who} {KEY}, who could read files here")
        }
        Some(Owner::Nobody(who)) => {
            format!("a secret key {KEY}; {who} is a reader of nothing here")
        }
        Some(Owner::Unknown) | None => format!("a secret key of age {KEY}"),
    };
    let message = format!("{lead}{what}");
    let finding = match is_harmless && !is_new {
        true => Finding::warning(RuleId::G05, path, message).fix(TEST_KEY),
        false => Finding::error(RuleId::G05, path, message).fix(secret_key_fix()),
    };
    finding.first_words(format!("{lead}the secret key of a reader {KEY}"))
}

const TEST_KEY: &str = "nothing to do where it was made for a test; else never use it, and make another: stax secrets keygen";

fn mode(entry: &TreeFile) -> Option<Finding> {
    let TreeFile { file, mode, .. } = entry;
    let is_executable = mode.is_some_and(|mode| mode & 0o111 != 0 && mode & 0o170_000 == 0o100_000);
    let (path, message) = (&file.path, "is executable in git");
    let fix = format!("git update-index --chmod=-x {}", shell_words::quote(path));
    match (is_executable, file.managed) {
        (false, _) => None,
        (true, true) => Some(Finding::error(RuleId::G02, path, message).fix(fix)),
        (true, false) => Some(Finding::warning(RuleId::G02, path, message).fix(fix)),
    }
}

fn drivers(entry: &TreeFile) -> Option<Finding> {
    let Drivers::Asked {
        diff,
        merge,
        switched_off,
    } = &entry.drivers
    else {
        return None;
    };
    let file = &entry.file;
    let missing: Vec<&str> = [("diff=stax", diff), ("merge=stax", merge)]
        .into_iter()
        .filter(|(_, value)| value.as_deref() != Some("stax"))
        .map(|(name, _)| name)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let attributes = missing.join(" and ");
    let Some(cause) = switched_off else {
        let finding = Finding::warning(
            RuleId::G01,
            &file.path,
            format!(".gitattributes does not give it {attributes}"),
        );
        // any other name needs quotes or a backslash there
        let is_plain = file
            .path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        return Some(match is_plain {
            true => finding.fix(format!(
                "add to .gitattributes: /{} -text diff=stax merge=stax",
                file.path
            )),
            false => finding,
        });
    };
    let message = format!(
        "does not get {attributes}: line {} of {} decides",
        cause.line, cause.file
    );
    let fix = format!(
        "take it out of line {} of {}, or put a line with it below",
        cause.line, cause.file
    );
    Some(
        Finding::warning(RuleId::G01, &file.path, message)
            .detail(cause.text.clone())
            .fix(fix),
    )
}

/// G06.
pub(in crate::verify) fn in_clone(clone: &InClone) -> Vec<Finding> {
    let InClone::Asked(clone) = clone else {
        return Vec::new();
    };
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
        let message =
            format!("the guard of this clone does not see {path}: `git add` takes it in clear");
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

/// A link to a SOPS file makes sops write where nobody looks; one that leaves the repository brings
/// the secrets of another one into this (for a bound file F01 says so).
fn link(facts: &Facts, link: &Link) -> Option<Finding> {
    let is_bound = facts.files().any(|file| file.path == link.path);
    let target = resolve(&link.path, &link.target);
    let message = match target {
        Some(target) if facts.files().any(|file| file.path == target) => {
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
    let mut parts: Vec<&str> = folder(path)
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
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
        let message =
            format!("git is told to keep decrypted text of diff={driver} in its object store");
        let fix = format!("git config diff.{driver}.cachetextconv false");
        Finding::error(RuleId::G03, ".git", message).fix(fix)
    })
}
