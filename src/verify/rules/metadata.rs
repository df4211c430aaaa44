//! M01 to M05: the metadata. A managed file is held to what stax writes, any other to what some
//! SOPS wrote.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};
use sops_document::{Document, Token, TokenType};

use crate::policy::policies::Policies;
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};

use super::change::see;
use crate::verify::facts::{Facts, FileFacts};

rules! {
    M01 {
        name: "metadata",
        title: "The metadata has an unknown field, or keys of another kind",
        bound: Some(Severity::Error),
        general: None,
        why: "a key of another kind (kms, pgp, vault) opens the file beside the age keys, and nothing in the list of recipients says whose it is",
        example: "`sops.kms` holds an ARN in a file that the policy encrypts to age keys only",
        mend: &[
            "make the file anew: `stax secrets decrypt FILE`, take the `sops` block out, `stax secrets encrypt -i FILE`",
            "the other key is meant: take the file's line out of `.stax/vault.json`; it then counts as any SOPS file",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    M02 {
        name: "crypt-rule",
        title: "The crypt rule of a bound file leaves something out",
        bound: Some(Severity::Error),
        general: None,
        why: "a selector in the metadata decides which values are encrypted from the next write on, and no list of values shows that it changed",
        example: "`sops.unencrypted_regex: .*`, or `mac_only_encrypted: true`, in a bound file",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
            "the selector is meant: take the file's line out of `.stax/vault.json`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::KnownByWords],
    }
    M03 {
        name: "mac",
        title: "The MAC is missing, or does not have the form of one",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the MAC is what binds the values together: without one, values can be dropped, swapped or brought back from an older version",
        example: "`mac: \"\"`, or a `mac` that is the token of a value",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    M04 {
        name: "lastmodified",
        title: "The time of the last change is no time, or lies in the future",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "the time belongs to the MAC: one that is no time was put there by hand, and sops does not open the file",
        example: "`lastmodified: yesterday`; a time more than a day ahead is a warning",
        mend: &[
            "see who changed it: `git log -p -- FILE`, and restore it: `git restore --source=COMMIT FILE`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[],
    }
    M05 {
        name: "crypt-drift",
        title: "A file follows another crypt rule than that of the policy",
        bound: None,
        general: Some(Severity::Notice),
        why: "sops never applies a changed crypt rule to a file that is there: it goes on as it was first sealed",
        example: "`encrypted_regex: ^data$` in the policy, `unencrypted_suffix: _unencrypted` in the file",
        mend: &["to follow the policy: `stax secrets decrypt -i FILE`, then `stax secrets encrypt -i FILE`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::KnownByWords],
    }
}

/// The hexadecimal digits of a SHA-512.
const MAC_LENGTH: usize = 128;
/// A clock may be wrong by this much.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let path = &file.path;
    let mut findings = fields(path, document);
    findings.extend(mac(path, document));
    findings.extend(undated(path, document));
    if file.managed {
        findings.extend(managed_fields(path, document));
        findings.extend(crypt_rule(path, document));
    }
    findings
}

fn fields(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    let error = |message: String| Finding::error(RuleId::M01, path, message);
    let nobody = metadata.age.is_empty() && metadata.foreign.is_empty();
    let nobody = nobody.then(|| error("no key opens this file: it has no recipient".into()));
    let unknown = metadata
        .unknown
        .iter()
        .map(|name| error(format!("`sops.{name}` is no field of a SOPS file")));
    nobody.into_iter().chain(unknown).collect()
}

fn managed_fields(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    // whether the policy wants them there is for K01 to say
    let foreign = metadata.foreign.iter().map(|name| {
        Finding::warning(
            RuleId::M01,
            path,
            format!("`sops.{name}` holds keys; only age keys can be checked"),
        )
    });
    let split = "`sops.key_groups` splits the data key; a bound file has one list of keys";
    let split = (!metadata.groups.is_empty()).then(|| Finding::error(RuleId::M01, path, split));
    foreign.chain(split).collect()
}

fn time(document: &Document) -> Option<Timestamp> {
    let text = &document.metadata().lastmodified;
    Timestamp::from_str(text)
        .ok()
        .filter(|_| text.contains('T'))
}

fn undated(path: &str, document: &Document) -> Option<Finding> {
    let message = match document.metadata().lastmodified.is_empty() {
        true => "is missing",
        false => "is no time of the form 2026-01-31T12:00:00Z",
    };
    let finding = || Finding::error(RuleId::M04, path, format!("`sops.lastmodified` {message}"));
    time(document).is_none().then(finding)
}

/// M04 by the clock.
pub(super) fn ahead(path: &str, document: &Document, now: Timestamp) -> Option<Finding> {
    let is_ahead = time(document)?.duration_since(now) > SKEW;
    is_ahead.then(|| {
        Finding::warning(
            RuleId::M04,
            path,
            "`sops.lastmodified` lies more than a day ahead",
        )
    })
}

/// sops never applies a changed policy to an old file, so this is for the author to know: one
/// notice a rule.
pub(super) fn drifts(facts: &Facts, policies: &Policies) -> Vec<Finding> {
    let mut drifted: BTreeMap<(String, usize), Vec<&str>> = BTreeMap::new();
    for file in facts.files().filter(|file| !file.managed) {
        let Some(document) = file.document() else {
            continue;
        };
        let Some((policy, rule)) = policies.rule_for(&file.path, false) else {
            continue;
        };
        let wanted = rule
            .crypt
            .as_ref()
            .map_or(("unencrypted_suffix", "_unencrypted"), |crypt| {
                (crypt.field, crypt.value.as_str())
            });
        // of a file that is one value every rule is to encrypt all
        if !document.format().is_whole() && document.metadata().selector.field() != wanted {
            drifted
                .entry((policy, rule.line))
                .or_default()
                .push(&file.path);
        }
    }
    let notice = |((policy, line), paths): ((String, usize), Vec<&str>)| {
        let message = match paths.as_slice() {
            [path] => format!("{path} selects its values otherwise than this rule"),
            paths => format!(
                "{} files select their values otherwise than this rule, such as {}",
                paths.len(),
                paths[0]
            ),
        };
        let each = |path: &&str| {
            FindingPart::of_file(
                *path,
                format!("{path} selects its values otherwise than its rule"),
            )
        };
        Finding::notice(RuleId::M05, policy, message)
            .at(line)
            .parts(paths.iter().map(each))
    };
    drifted.into_iter().map(notice).collect()
}

fn crypt_rule(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    let mut findings = Vec::new();
    if !metadata.selector.is_default() {
        let (field, _) = metadata.selector.field();
        let message = format!(
            "`sops.{field}` leaves values in clear; everything in this file is to be encrypted"
        );
        findings.push(Finding::error(RuleId::M02, path, message));
    }
    if metadata.mac_only_encrypted {
        let message = "`sops.mac_only_encrypted` leaves clear values out of the MAC";
        findings.push(Finding::error(RuleId::M02, path, message));
    }
    findings
}

fn mac(path: &str, document: &Document) -> Option<Finding> {
    let mac = &document.metadata().mac;
    let error = |message: &str| Some(Finding::error(RuleId::M03, path, message).fix(see(path)));
    if mac.is_empty() {
        return error("the MAC is missing, so any value may have been changed");
    }
    match Token::parse(mac) {
        Ok(token) if token.kind == TokenType::Str && token.data.len() == MAC_LENGTH => None,
        _ => error("the MAC does not have the form of one"),
    }
}
