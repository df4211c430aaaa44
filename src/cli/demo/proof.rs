//! What somebody who left can still open.

use sops_document::age::{Recipient, parse_identities, unwrap, wrap};
use sops_document::{Document, Format, Token};

use crate::cli::failure::Failure;

pub struct RemovalProof {
    pub values: usize,
    /// Values of the new file that the data key of the old one opens.
    pub opened: usize,
    /// Whether a stanza of the new file opens for the identity.
    pub identity_opens: bool,
}

/// Takes the data key out of `old` with an identity, and tries it on every token of `new`.
pub fn try_old_key(old: &str, new: &str, key_file: &str) -> Result<RemovalProof, Failure> {
    let parse =
        |text: &str| Document::parse(Format::Yaml, text).map_err(|e| Failure::no(e.to_string()));
    let (old, new) = (parse(old)?, parse(new)?);
    let identities = parse_identities(key_file).map_err(|error| Failure::no(error.to_string()))?;
    let open = |document: &Document| {
        let stanzas = document.metadata().age.iter();
        stanzas
            .flat_map(|stanza| identities.iter().map(move |own| unwrap(stanza, own)))
            .find_map(Result::ok)
    };
    let key =
        open(&old).ok_or_else(|| Failure::no("the identity did not open the old file either"))?;
    let leaves = new.tree().leaves();
    let opens = |node: &sops_document::tree::Node, aad: &str| {
        let token = node.text().and_then(|text| Token::parse(text).ok());
        token.is_none_or(|token| token.open(&key, aad).is_ok())
    };
    let opened = leaves
        .iter()
        .filter(|(path, node, _)| opens(node, &path.aad()))
        .count();
    Ok(RemovalProof {
        values: leaves.len(),
        opened,
        identity_opens: open(&new).is_some(),
    })
}

/// The file re-wrapped to everybody but `leaver` under the data key that it has.
pub fn without(text: &str, key_file: &str, leaver: &str) -> Result<String, Failure> {
    let no = |error: &dyn std::fmt::Display| Failure::no(error.to_string());
    let document = Document::parse(Format::Yaml, text).map_err(|error| no(&error))?;
    let identities = parse_identities(key_file).map_err(|error| no(&error))?;
    let stanzas = &document.metadata().age;
    let mut opened = stanzas
        .iter()
        .flat_map(|stanza| identities.iter().map(move |own| unwrap(stanza, own)));
    let key = opened
        .find_map(Result::ok)
        .ok_or_else(|| Failure::no("no key opens the file"))?;
    let stay = stanzas
        .iter()
        .map(|stanza| stanza.recipient.as_str())
        .filter(|recipient| *recipient != leaver);
    let stay: Vec<Recipient> = stay
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| no(&error))?;
    document
        .rewrap(&wrap(&key, &stay))
        .map_err(|error| no(&error))
}
