//! F04Z, F05, F06 and F07: what stands in clear in a SOPS file.

use sops_document::selector::Selected;
use sops_document::tree::Path;
use sops_document::{Document, Scalar, Token};

use super::{MAX_NAMED, conflict};
use crate::policy::credential::is_credential;
use crate::verify::finding::Finding;
use crate::verify::rule::RuleId;

use crate::verify::facts::FileFacts;

/// The first line of a file that a merge left open.
const CONFLICT: &str = "stax-conflict";

pub(in crate::verify::rules) fn check(file: &FileFacts, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut values, mut tokens, mut selected_values) = (0_usize, 0_usize, 0_usize);
    let (mut conflicts, mut comments) = (0_usize, 0_usize);
    let mut tree = document.tree().clone();
    document
        .metadata()
        .selector
        .walk(&mut tree, &mut |path, met, selected| match met {
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
                    findings
                        .extend((comments <= MAX_NAMED).then(|| clear_comment(file).at(line())));
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
    let message = format!(
        "`{key}` looks like a credential, and the crypt rule of this file leaves it in clear"
    );
    Finding::error(RuleId::F07, name, message)
        .key(key)
        .fix("widen the crypt rule in .sops.yaml, encrypt the file again, and replace the value where it came from")
}
