//! What somebody who left can still open.

use crate::age::{parse_identities, unwrap};
use crate::cli::failure::Failure;
use crate::sops::{Document, Format, Token};

pub struct Found {
    pub values: usize,
    /// Values of the new file that the data key of the old one opens.
    pub opened: usize,
    /// Whether a stanza of the new file opens for the identity.
    pub identity_opens: bool,
}

/// Takes the data key out of `old` with an identity, and tries it on every token of `new`.
pub fn try_old_key(old: &str, new: &str, key_file: &str) -> Result<Found, Failure> {
    let parse = |text: &str| Document::parse(Format::Yaml, text).map_err(|e| Failure::no(e.to_string()));
    let (old, new) = (parse(old)?, parse(new)?);
    let identities = parse_identities(key_file).map_err(|error| Failure::no(error.to_string()))?;
    let open = |document: &Document| {
        let stanzas = document.metadata().age.iter();
        stanzas.flat_map(|stanza| identities.iter().map(move |own| unwrap(stanza, own))).find_map(Result::ok)
    };
    let key = open(&old).ok_or_else(|| Failure::no("the identity did not open the old file either"))?;
    let leaves = new.tree().leaves();
    let opens = |node: &crate::sops::tree::Node, aad: &str| {
        let token = node.text().and_then(|text| Token::parse(text).ok());
        token.is_none_or(|token| token.open(&key, aad).is_ok())
    };
    let opened = leaves.iter().filter(|(path, node, _)| opens(node, &path.aad())).count();
    Ok(Found { values: leaves.len(), opened, identity_opens: open(&new).is_some() })
}
