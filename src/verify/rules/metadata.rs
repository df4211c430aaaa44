//! M01 to M05: the metadata. A managed file is held to what stax writes, any other to what some SOPS wrote.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};
use sops_document::{Document, Token, TokenType};

use crate::policy::policies::Policies;
use crate::policy::{Finding, RuleId};
use crate::verify::facts::{Facts, FileFacts};

/// The hexadecimal digits of a SHA-512.
const MAC_LENGTH: usize = 128;
/// A clock may be wrong by this much.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(file: &FileFacts, document: &Document, now: Option<&str>) -> Vec<Finding> {
    let path = &file.path;
    let mut findings = fields(path, document);
    findings.extend(mac(path, document));
    findings.extend(time(path, document, now));
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
    let unknown =
        metadata.unknown.iter().map(|name| error(format!("`sops.{name}` is no field of a SOPS file")));
    nobody.into_iter().chain(unknown).collect()
}

fn managed_fields(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    // whether the policy wants them there is for K01 to say
    let foreign = metadata.foreign.iter().map(|name| {
        Finding::warning(RuleId::M01, path, format!("`sops.{name}` holds keys; only age keys can be checked"))
    });
    let split = "`sops.key_groups` splits the data key; a bound file has one list of keys";
    let split = (!metadata.groups.is_empty()).then(|| Finding::error(RuleId::M01, path, split));
    foreign.chain(split).collect()
}

fn time(path: &str, document: &Document, now: Option<&str>) -> Option<Finding> {
    let text = &document.metadata().lastmodified;
    let time = Timestamp::from_str(text).ok().filter(|_| text.contains('T'));
    let Some(time) = time else {
        let message =
            if text.is_empty() { "is missing" } else { "is no time of the form 2026-01-31T12:00:00Z" };
        return Some(Finding::error(RuleId::M04, path, format!("`sops.lastmodified` {message}")));
    };
    let now = Timestamp::from_str(now?).ok()?;
    let is_ahead = time.duration_since(now) > SKEW;
    is_ahead.then(|| Finding::warning(RuleId::M04, path, "`sops.lastmodified` lies more than a day ahead"))
}

/// sops never applies a changed policy to an old file, so this is for the author to know: one notice a rule.
pub(super) fn drifts(facts: &Facts, policies: &Policies) -> Vec<Finding> {
    let mut drifted: BTreeMap<(String, usize), Vec<&str>> = BTreeMap::new();
    for file in facts.files.iter().filter(|file| !file.managed) {
        let Some(document) = file.document() else { continue };
        let Some((policy, rule)) = policies.rule_for(&file.path, false) else { continue };
        let wanted = rule
            .crypt
            .as_ref()
            .map_or(("unencrypted_suffix", "_unencrypted"), |crypt| (crypt.field, crypt.value.as_str()));
        // of a file that is one value every rule is to encrypt all
        if !document.format().is_whole() && document.metadata().selector.field() != wanted {
            drifted.entry((policy, rule.line)).or_default().push(&file.path);
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
        Finding::notice(RuleId::M05, policy, message).at(line)
    };
    drifted.into_iter().map(notice).collect()
}

fn crypt_rule(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    let mut findings = Vec::new();
    if !metadata.selector.is_default() {
        let (field, _) = metadata.selector.field();
        let message =
            format!("`sops.{field}` leaves values in clear; everything in this file is to be encrypted");
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
    let error =
        |message: &str| Some(Finding::error(RuleId::M03, path, message).fix("git log -p   (who changed it)"));
    if mac.is_empty() {
        return error("the MAC is missing, so any value may have been changed");
    }
    match Token::parse(mac) {
        Ok(token) if token.kind == TokenType::Str && token.data.len() == MAC_LENGTH => None,
        _ => error("the MAC does not have the form of one"),
    }
}
