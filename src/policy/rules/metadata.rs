//! M01 to M05: the metadata. A managed file is held to what stax writes, any other to what some SOPS wrote.

use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};

use super::FileFacts;
use crate::policy::config::CreationRule;
use crate::policy::{Finding, RuleId};
use crate::sops::{Document, Token, TokenType};

/// The hexadecimal digits of a SHA-512.
const MAC_LENGTH: usize = 128;
/// A clock may be wrong by this much.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(
    file: &FileFacts,
    document: &Document,
    rule: Option<&CreationRule>,
    now: Option<&str>,
) -> Vec<Finding> {
    let path = &file.path;
    let mut findings = fields(path, document);
    findings.extend(mac(path, document));
    findings.extend(time(path, document, now));
    if file.managed {
        findings.extend(managed_fields(path, document));
        findings.extend(crypt_rule(path, document));
    } else {
        findings.extend(rule.and_then(|rule| drift(path, document, rule)));
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

/// sops never applies a changed policy to an old file, so this is for the author to know.
fn drift(path: &str, document: &Document, rule: &CreationRule) -> Option<Finding> {
    let metadata = document.metadata();
    let found = metadata.selector.field();
    let wanted = rule
        .crypt
        .as_ref()
        .map_or(("unencrypted_suffix", "_unencrypted"), |crypt| (crypt.field, crypt.value.as_str()));
    let message = format!("selects values by `{}`, and the policy by `{}`", found.0, wanted.0);
    let message =
        if found.0 == wanted.0 { format!("has another `{}` than the policy", found.0) } else { message };
    (found != wanted).then(|| Finding::notice(RuleId::M05, path, message))
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
