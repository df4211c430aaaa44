//! The secret key of one reader, and the file that holds it.

use std::sync::OnceLock;

use ::age::secrecy::SecretString;

use super::Recipient;

/// An X25519 secret key. It has no `Debug` and no `Display`: the text leaves only through
/// [`secret_text`](Self::secret_text).
pub struct Identity {
    key: ::age::x25519::Identity,
    /// A multiplication on the curve, and it is asked for with each stanza.
    public: OnceLock<Recipient>,
}

impl Identity {
    /// A fresh key from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self::new(::age::x25519::Identity::generate())
    }

    fn new(key: ::age::x25519::Identity) -> Self {
        Self {
            key,
            public: OnceLock::new(),
        }
    }

    #[must_use]
    pub fn recipient(&self) -> Recipient {
        self.public
            .get_or_init(|| Recipient::new(self.key.to_public()))
            .clone()
    }

    /// `AGE-SECRET-KEY-1…`
    #[must_use]
    pub fn secret_text(&self) -> SecretString {
        self.key.to_string()
    }

    pub(super) fn key(&self) -> &::age::x25519::Identity {
        &self.key
    }
}

/// Why an identity file gives no key. Lines count from 1; the text of a line is never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    #[error("holds no key")]
    Empty,
    #[error("line {line} is not an age identity, so sops and stax use none of its keys")]
    BadLine { line: usize },
    #[error("line {line}: not supported yet: post-quantum identities")]
    PostQuantum { line: usize },
    #[error("line {line}: not supported yet: plugin identities")]
    Plugin { line: usize },
    #[error("is encrypted with a passphrase, which is not supported yet")]
    Encrypted,
}

/// Reads the text of a key file by the rules of sops: empty lines and lines that start with `#` are
/// skipped, CRLF is fine, and one bad line voids the whole source (also a blank beside a key). A
/// line that sops can use and stax cannot is passed over while another line holds a usable key.
///
/// # Errors
/// [`IdentityFileError`]; the result is never empty.
pub fn parse_identities(text: &str) -> Result<Vec<Identity>, IdentityFileError> {
    if text.starts_with("age-encryption") || text.starts_with("-----BEGIN AGE") {
        return Err(IdentityFileError::Encrypted);
    }
    let mut identities = Vec::new();
    let mut unsupported = None;
    for (index, line) in text.split('\n').enumerate() {
        let line_number = index + 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line, line_number) {
            Ok(identity) => identities.push(identity),
            Err(error @ IdentityFileError::BadLine { .. }) => return Err(error),
            Err(error) => unsupported = unsupported.or(Some(error)),
        }
    }
    if identities.is_empty() {
        return Err(unsupported.unwrap_or(IdentityFileError::Empty));
    }
    Ok(identities)
}

fn parse_line(text: &str, line: usize) -> Result<Identity, IdentityFileError> {
    let is_one_word = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b.is_ascii_lowercase());
    if is_one_word && text.starts_with("AGE-SECRET-KEY-PQ-1") {
        return Err(IdentityFileError::PostQuantum { line });
    }
    if is_one_word && text.starts_with("AGE-PLUGIN-") {
        return Err(IdentityFileError::Plugin { line });
    }
    // the age crate also reads lower case, which sops refuses
    if !is_one_word || !text.starts_with("AGE-SECRET-KEY-1") {
        return Err(IdentityFileError::BadLine { line });
    }
    text.parse()
        .map(Identity::new)
        .map_err(|_| IdentityFileError::BadLine { line })
}

#[cfg(test)]
mod tests {
    use ::age::secrecy::ExposeSecret as _;

    use super::*;

    const SECRET: &str =
        "AGE-SECRET-KEY-1RA6LA8N3EGETWR3QF2064UDGMUMGREFQSTVN3SC29PS5QCKCWSUQ5HS82R";
    const PUBLIC: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

    fn publics(text: &str) -> Result<Vec<String>, IdentityFileError> {
        Ok(parse_identities(text)?
            .iter()
            .map(|i| i.recipient().to_string())
            .collect())
    }

    #[test]
    fn an_identity_keeps_its_text_and_knows_its_recipient() {
        let identity = parse_identities(SECRET).unwrap().remove(0);
        assert_eq!(identity.secret_text().expose_secret(), SECRET);
        assert_eq!(identity.recipient().to_string(), PUBLIC);
        let fresh = Identity::generate();
        let again = parse_identities(fresh.secret_text().expose_secret())
            .unwrap()
            .remove(0);
        assert_eq!(again.recipient(), fresh.recipient());
    }

    #[test]
    fn lines_follow_the_rules_of_sops() {
        use IdentityFileError as E;
        let one = Ok(vec![PUBLIC.to_owned()]);
        let lower = SECRET.to_lowercase();
        let typo = SECRET.replace("1RA6", "1RA7");
        for (text, expected) in [
            (
                format!("# created: x\n# public key: y\n{SECRET}\n"),
                one.clone(),
            ),
            (format!("#\r\n\r\n{SECRET}\r\n"), one.clone()),
            (format!("{SECRET}\r"), one.clone()),
            (format!("AGE-PLUGIN-YUBIKEY-1QQ\n{SECRET}"), one),
            (
                format!("{SECRET}\n{SECRET}"),
                Ok(vec![PUBLIC.to_owned(); 2]),
            ),
            (String::new(), Err(E::Empty)),
            ("# only\n\n".to_owned(), Err(E::Empty)),
            (format!("{SECRET}\n "), Err(E::BadLine { line: 2 })),
            (format!(" {SECRET}"), Err(E::BadLine { line: 1 })),
            (format!("{SECRET} "), Err(E::BadLine { line: 1 })),
            (
                format!("{SECRET}\n # indented"),
                Err(E::BadLine { line: 2 }),
            ),
            (format!("{SECRET} {SECRET}"), Err(E::BadLine { line: 1 })),
            (format!("{SECRET}\n{PUBLIC}"), Err(E::BadLine { line: 2 })),
            (lower, Err(E::BadLine { line: 1 })),
            (format!("#\n{typo}"), Err(E::BadLine { line: 2 })),
            (
                "AGE-SECRET-KEY-PQ-166TWJL".to_owned(),
                Err(E::PostQuantum { line: 1 }),
            ),
            (
                "AGE-PLUGIN-YUBIKEY-1QQ".to_owned(),
                Err(E::Plugin { line: 1 }),
            ),
            (
                "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned(),
                Err(E::Encrypted),
            ),
            ("age-encryption.org/v1\n".to_owned(), Err(E::Encrypted)),
        ] {
            assert_eq!(publics(&text), expected, "{text}");
        }
    }
}
