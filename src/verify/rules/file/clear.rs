//! F04Z, F05, F06 and F07: what stands in clear in a SOPS file.

use sops_document::selector::Selected;
use sops_document::tree::Path;
use sops_document::{Document, Scalar, Token};

use super::{MAX_NAMED, conflict};
use crate::policy::credential::WORDS;
use crate::policy::entropy::entropy;
use crate::verify::finding::Finding;
use crate::verify::rule::RuleId;

use crate::verify::facts::FileFacts;

/// Shorter texts are words.
const MIN_LENGTH: usize = 16;
/// Bits a character: words and names of hosts lie below, keys above.
const MIN_ENTROPY: f64 = 3.3;
/// The first line of a file that a merge left open.
const CONFLICT: &str = "stax-conflict";

pub(in crate::verify::rules) fn check(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut values, mut tokens, mut selected_values) = (0_usize, 0_usize, 0_usize);
    let (mut conflicts, mut comments) = (0_usize, 0_usize);
    let mut tree = document.tree().clone();
    document.metadata().selector.walk(&mut tree, &mut |path, met, selected| match met {
        Selected::Leaf(leaf, span) => {
            if leaf.scalar == Scalar::Null || leaf.scalar.is_empty_str() {
                return;
            }
            let text = leaf.scalar.as_text().unwrap_or_default();
            let is_token = Token::parse(text).is_ok();
            values += 1;
            tokens += usize::from(is_token);
            selected_values += usize::from(selected);
            if !selected && !file.managed && !is_token && is_credential(path, text) {
                findings.push(credential(file, path).at(document.line_of(span.start)));
            }
        }
        Selected::Comment(comment) => {
            let text = comment.text.trim();
            let line = || document.line_of(comment.span.start);
            if text.split_whitespace().next() == Some(CONFLICT) {
                conflicts += 1;
                findings.extend((conflicts <= MAX_NAMED).then(|| conflict(file).at(line())));
            } else if file.managed && !text.is_empty() && Token::parse(text).is_err() {
                comments += 1;
                findings.extend((comments <= MAX_NAMED).then(|| clear_comment(file).at(line())));
            }
        }
    });
    if comments > MAX_NAMED {
        let message = format!("and {} more comments are in clear", comments - MAX_NAMED);
        findings.push(Finding::warning(RuleId::F05, &file.path, message));
    }
    if !file.managed && values > 0 && tokens == 0 && selected_values == 0 {
        findings.push(nothing(file, document));
    }
    findings
}

fn nothing(file: &FileFacts, document: &Document) -> Finding {
    let (field, _) = document.metadata().selector.field();
    let message = format!("`{field}` selects no value of this file: everything in it is in clear");
    Finding::warning(RuleId::F04Z, &file.path, message)
}

fn clear_comment(file: &FileFacts) -> Finding {
    let message = "a comment is in clear, and the MAC does not cover comments";
    Finding::warning(RuleId::F05, &file.path, message)
}

fn credential(file: &FileFacts, path: &Path) -> Finding {
    let (key, name) = (path.to_string(), &file.path);
    let message =
        format!("`{key}` looks like a credential, and the crypt rule of this file leaves it in clear");
    Finding::error(RuleId::F07, name, message)
        .key(key)
        .fix("widen the crypt rule in .sops.yaml, encrypt the file again, and replace the value where it came from")
}

/// By a form that only credentials have, or by the name of the key and a text that looks random.
fn is_credential(path: &Path, text: &str) -> bool {
    let key = path.keys().last().unwrap_or_default();
    has_known_form(text) || names_secret(key, text) && looks_random(text)
}

fn has_known_form(text: &str) -> bool {
    const PREFIXES: [(&str, usize); 13] = [
        ("ghp_", 40),
        ("github_pat_", 40),
        ("glpat-", 26),
        ("xoxb-", 30),
        ("xoxp-", 30),
        ("sk_live_", 24),
        ("rk_live_", 24),
        ("AKIA", 20),
        ("AIza", 39),
        ("SG.", 60),
        ("npm_", 40),
        ("hvs.", 24),
        ("AGE-SECRET-KEY-1", 74),
    ];
    let text = text.trim();
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return true;
    }
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_word && PREFIXES.iter().any(|(prefix, least)| text.starts_with(prefix) && text.len() >= *least)
}

fn names_secret(key: &str, text: &str) -> bool {
    // `key` alone is that of a map or a label as well
    const KEYS: [&str; 5] = ["apikey", "api_key", "privatekey", "private_key", "encryptionkey"];
    let key = key.to_lowercase();
    // a `key` with a slash is the name of a label
    key == "key" && !text.contains('/')
        || key.ends_with("pass")
        || WORDS.iter().chain(&KEYS).any(|word| key.contains(word))
}

fn looks_random(text: &str) -> bool {
    if text.len() < MIN_LENGTH
        || text.contains(char::is_whitespace)
        || text.contains("${")
        || text.contains("{{")
    {
        return false;
    }
    let refers = ["http:", "https:", "/", "ENC", "op:", "vault:", "ref+"];
    let is_name = text.contains('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    !refers.iter().any(|prefix| text.starts_with(prefix)) && !is_name && entropy(text.chars()) >= MIN_ENTROPY
}
