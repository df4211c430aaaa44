//! M01 and M02 hold the metadata of a managed file to what stax writes; M03 holds for every file.

use crate::policy::{Finding, RuleId};
use crate::sops::{Document, Token, TokenType};

/// The hexadecimal digits of a SHA-512.
const MAC_LENGTH: usize = 128;

pub(super) fn check(path: &str, managed: bool, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::from_iter(mac(path, document));
    if managed {
        findings.extend(fields(path, document));
        findings.extend(crypt_rule(path, document));
    }
    findings
}

fn fields(path: &str, document: &Document) -> Vec<Finding> {
    let metadata = document.metadata();
    let error = |message: String| Finding::error(RuleId::M01, path, message);
    let foreign = metadata
        .foreign
        .iter()
        .map(|name| error(format!("`sops.{name}` holds keys; only age keys can be checked")));
    let split = (!metadata.groups.is_empty())
        .then(|| error("`sops.key_groups` splits the data key; a bound file has one list of keys".into()));
    let unknown =
        metadata.unknown.iter().map(|name| error(format!("`sops.{name}` is no field of a SOPS file")));
    let undated = metadata.lastmodified.is_empty().then(|| error("`sops.lastmodified` is missing".into()));
    foreign.chain(split).chain(unknown).chain(undated).collect()
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
