//! Files that are no SOPS documents although a rule of the policy, or their name, says that they
//! are meant to be.

use sops_document::selector::Selected;
use sops_document::tree::line_of;
use sops_document::{Format, Scalar, Selector};

use crate::inventory::is_policy;
use crate::policy::credential::{is_credential, is_reference};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    pub path: String,
    /// A rule with a pattern names it.
    pub is_named: bool,
    /// The line of the first value that is no template; `None` when there is none.
    pub line: Option<usize>,
    /// The first one among what its rule would encrypt.
    pub credential: Option<Credential>,
    /// Of the other files that its rule names, how many were looked at and how many are sealed.
    pub others: usize,
    pub sealed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub line: usize,
    /// `None` where the whole file is one value.
    pub key: Option<String>,
}

impl Plain {
    /// Looks for values in the bytes of a file. What its format cannot read makes no claim.
    #[must_use]
    pub fn read(path: &str, bytes: &[u8], selector: &Selector) -> Self {
        let format = Format::of_path(path);
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut plain = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        if format.is_whole() {
            plain.line = private_key(text).map(|at| line_of(text, at));
            plain.credential = plain.line.map(|line| Credential { line, key: None });
            return plain;
        }
        let Ok(mut tree) = format.parse(text) else {
            return plain;
        };
        let (mut value, mut credential) = (None, None);
        selector.walk(&mut tree, &mut |path, met, selected| {
            let Selected::Leaf(leaf, span) = met else {
                return;
            };
            if value.is_none() && is_value(&leaf.scalar) {
                value = Some(span.start);
            }
            let is_found = || {
                leaf.scalar
                    .as_text()
                    .is_some_and(|text| is_credential(path, text))
            };
            if credential.is_none() && selected && is_found() {
                credential = Some((span.start, path.to_string()));
            }
        });
        plain.line = value.map(|at| line_of(text, at));
        plain.credential = credential.map(|(at, key)| Credential {
            line: line_of(text, at),
            key: Some(key),
        });
        plain
    }
}

/// The kind of key that nobody needs a passphrase for.
fn private_key(text: &str) -> Option<usize> {
    const END: &str = "PRIVATE KEY-----";
    text.match_indices(END)
        .map(|(at, _)| at)
        .find(|at| !text[..*at].ends_with("ENCRYPTED "))
}

fn is_value(scalar: &Scalar) -> bool {
    match scalar.as_text() {
        Some(text) => !text.is_empty() && !is_reference(text),
        None => *scalar != Scalar::Null,
    }
}

/// What is never encrypted whatever names it: a policy, and what other files are made from.
#[must_use]
pub fn is_exempt(path: &str) -> bool {
    const WORDS: [&str; 4] = ["example", "sample", "template", "tmpl"];
    const SUFFIXES: [&str; 4] = [".j2", ".tpl", ".erb", ".dist"];
    let lower = path.to_ascii_lowercase();
    // sops does not read it under this name, and people think so
    let is_meant_as_policy = lower == ".sops.yml" || lower.ends_with("/.sops.yml");
    is_policy(path)
        || is_meant_as_policy
        || WORDS.iter().any(|word| lower.contains(word))
        || SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
}

/// Whether a file name says that the content is encrypted.
#[must_use]
pub fn says_secret(name: &str) -> bool {
    name.contains(".sops.") || name.contains(".enc.")
}
