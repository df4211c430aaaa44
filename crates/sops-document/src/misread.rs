//! What sops refuses or reads otherwise in a text that is read here.

use crate::document::Document;
use crate::error::SealError;
use crate::selector::Selector;
use crate::syntax::format::Format;
use crate::tree::{SyntaxError, Tree};

/// Something in a document that sops does not read as it is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// From 1.
    pub line: usize,
    /// What is there and what sops makes of it; no value.
    pub what: String,
    /// It does not open the document, or reads other metadata; else it opens it and reads another
    /// value.
    pub is_refused: bool,
}

/// The same at a byte of a text.
#[derive(Clone, Debug)]
pub(crate) struct MisreadAt {
    pub(crate) offset: usize,
    pub(crate) what: String,
    pub(crate) is_refused: bool,
}

impl Document {
    /// What sops refuses or reads otherwise here; no key is needed.
    #[must_use]
    pub fn misread(&self) -> Vec<Misread> {
        let values =
            self.format
                .syntax()
                .oddities(&self.source, &self.tree, &self.metadata.selector);
        let all = self.metadata.oddities.iter().cloned().chain(values);
        all.map(|odd| Misread {
            line: self.line_of(odd.offset),
            what: odd.what,
            is_refused: odd.is_refused,
        })
        .collect()
    }
}

/// A clear text that sops refuses, or takes for something else than its author, is not sealed.
pub(crate) fn check_readable(
    format: Format,
    clear: &str,
    tree: &Tree,
    selector: &Selector,
) -> Result<(), SealError> {
    let syntax = format.syntax();
    syntax.check_lines(clear)?;
    let mut oddities = syntax.oddities(clear, tree, selector).into_iter();
    match oddities.find(|odd| odd.is_refused) {
        Some(odd) => Err(SyntaxError::at(clear, odd.offset, odd.what).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Document, Format};

    fn misread(format: Format, source: &str) -> Vec<(usize, bool)> {
        let document = Document::parse(format, source).unwrap();
        document
            .misread()
            .iter()
            .map(|odd| (odd.line, odd.is_refused))
            .collect()
    }

    #[test]
    fn metadata_has_the_types_that_sops_declares() {
        for (field, expected) in [
            ("shamir_threshold: \"2\"", Some(true)),
            ("shamir_threshold: two", Some(true)),
            ("shamir_threshold: 0x2", None),
            ("shamir_threshold: ~", None),
            ("mac_only_encrypted: \"false\"", Some(true)),
            ("mac_only_encrypted: yes", Some(true)),
            ("mac_only_encrypted: no", None),
            ("mac_only_encrypted: 1", Some(true)),
            ("kms: {}", Some(true)),
            ("kms: ''", Some(true)),
            ("kms: []", None),
            (
                "pgp: [{created_at: '2026-01-31T12:00:00Z', fp: [x]}]",
                Some(true),
            ),
            ("pgp: [x]", Some(true)),
            ("pgp: [~]", None),
            ("pgp: [{fp: A}]", Some(true)),
            ("pgp: [{fp: A, created_at: yesterday}]", Some(true)),
            ("pgp: [{fp: A, created_at: 2026-01-31T12:00:00Z}]", None),
            (
                "kms: [{arn: a, created_at: '2026-01-31T12:00:00.5+01:00', context: {a: b}}]",
                None,
            ),
            (
                "kms: [{arn: a, created_at: '2026-01-31T12:00:00Z', context: {a: [b]}}]",
                Some(true),
            ),
            ("key_groups: []", None),
            ("encrypted_suffix: [x]", Some(true)),
            ("unencrypted_suffix: 5", Some(true)),
        ] {
            let source = format!("sops:\n  version: 3.11.0\n  {field}\n");
            let expected: Vec<(usize, bool)> =
                expected.into_iter().map(|refused| (3, refused)).collect();
            assert_eq!(misread(Format::Yaml, &source), expected, "{field}");
        }
        for (field, expected) in [
            ("\"shamir_threshold\": \"2\"", Some(true)),
            ("\"shamir_threshold\": 2.5", Some(true)),
            ("\"shamir_threshold\": 2", None),
            ("\"mac_only_encrypted\": \"true\"", Some(true)),
            ("\"mac\": 5", Some(true)),
            ("\"kms\": null", None),
            ("\"age\": {}", Some(true)),
        ] {
            let source = format!("{{\"sops\": {{\"version\": \"3.11.0\",\n{field}}}}}\n");
            let expected: Vec<(usize, bool)> =
                expected.into_iter().map(|refused| (2, refused)).collect();
            assert_eq!(misread(Format::Json, &source), expected, "{field}");
        }
        for (field, expected) in [
            ("shamir_threshold=two", Some(true)),
            ("shamir_threshold=2", None),
            ("mac_only_encrypted=yes", None),
            ("kms=x", Some(true)),
            ("shamir_threshold=2.0", None),
            ("kms__map_arn=x", Some(true)),
            ("pgp__list_0__map_fp=x", Some(true)),
        ] {
            let source = format!("sops_version=3.11.0\nsops_{field}\n");
            let expected: Vec<(usize, bool)> =
                expected.into_iter().map(|refused| (2, refused)).collect();
            assert_eq!(misread(Format::Dotenv, &source), expected, "{field}");
        }
    }

    #[test]
    fn values_that_sops_reads_otherwise_are_told() {
        const SOPS: &str = "sops: {version: 3.11.0, encrypted_regex: ^data$}\n";
        for (values, expected) in [
            ("link: {a: http://g/?a=1}\n", vec![(1, true)]),
            ("link: [a?]\n", vec![(1, true)]),
            ("a?: {b: 'x?', c: \"?\"}\nlink: http://g/?a=1\n", vec![]),
            ("data:\n  - ENC[x]\n  #\n  # note\n", vec![(3, false)]),
            ("clear:\n  - x\n  #\n", vec![]),
            ("data:\n  a: ENC[x]\n  #\n", vec![]),
        ] {
            assert_eq!(
                misread(Format::Yaml, &format!("{values}{SOPS}")),
                expected,
                "{values}"
            );
        }
        let json = "{\"a_unencrypted\": 9007199254740993,\n\"b_unencrypted\": 9007199254740992,\n\"sops\": {\"version\": \"3.11.0\"}}";
        assert_eq!(misread(Format::Json, json), [(1, true)]);
    }
}
