//! The public key of one reader.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// An X25519 public key, `age1…`. Parsing is the proof: it has a valid checksum, is written the one
/// canonical way, and a data key can be wrapped for it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    text: String,
    key: ::age::x25519::Recipient,
}

/// Why a text is not a recipient. It never holds the text, which may be a secret key by mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    #[error(
        "this is a secret key, not a recipient; its public key is printed by `stax secrets pubkey`"
    )]
    SecretKey,
    #[error("not supported yet: post-quantum recipients (`age1pq1…`); use an `age1…` key")]
    PostQuantum,
    #[error("not supported yet: ssh keys as recipients; use an `age1…` key")]
    Ssh,
    #[error("not supported yet: recipients of age-plugin-{0}; use an `age1…` key")]
    Plugin(String),
    #[error("not an age recipient: it does not start with `age1`")]
    Unknown,
    #[error("not a valid age recipient: it must be written in lower case, without blanks")]
    NotCanonical,
    #[error("not a valid age recipient: a character is wrong or missing")]
    Checksum,
    #[error("not a usable age recipient: whatever is encrypted to this key is open to everyone")]
    LowOrder,
}

const LENGTH: usize = 62;
const PREFIX: &str = "age1";

impl Recipient {
    pub(super) fn new(key: ::age::x25519::Recipient) -> Self {
        Self {
            text: key.to_string(),
            key,
        }
    }

    pub(super) fn key(&self) -> &::age::x25519::Recipient {
        &self.key
    }

    /// The canonical text, as [`Display`](fmt::Display) prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let Ok(key) = text.parse::<::age::x25519::Recipient>() else {
            return Err(reason(text));
        };
        let recipient = Self::new(key);
        // sops is stricter than the age crate here: it refuses upper case
        if recipient.text != text {
            return Err(RecipientError::NotCanonical);
        }
        if is_low_order(&recipient.text) {
            return Err(RecipientError::LowOrder);
        }
        Ok(recipient)
    }
}

/// What a text that does not parse most likely is.
fn reason(text: &str) -> RecipientError {
    let lower = text.trim().to_ascii_lowercase();
    if lower.contains("age-secret-key-") || lower.starts_with("age-plugin-") {
        return RecipientError::SecretKey;
    }
    if lower.starts_with("ssh-") {
        return RecipientError::Ssh;
    }
    if lower.starts_with("age1pq1") {
        return RecipientError::PostQuantum;
    }
    let Some(rest) = lower.strip_prefix(PREFIX) else {
        return RecipientError::Unknown;
    };
    if text != lower {
        return RecipientError::NotCanonical;
    }
    // a `1` typed for an `l` in a key of the usual length is a typo, not a plugin
    match rest.rsplit_once('1') {
        Some((name, _)) if text.len() != LENGTH && is_plugin_name(name) => {
            RecipientError::Plugin(name.to_owned())
        }
        _ => RecipientError::Checksum,
    }
}

fn is_plugin_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// The points of small order on Curve25519, least byte first, and the two other spellings of 0 and
/// 1 (RFC 7748, section 6.1; the list is libsodium's). A shared secret with one of them is zero:
/// the age crate panics rather than encrypt to it, and a repository must not be able to cause that.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    point(0x01, 0x00, 0x00),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    point(0xec, 0xff, 0x7f),
    point(0xed, 0xff, 0x7f),
    point(0xee, 0xff, 0x7f),
];

const fn point(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

fn is_low_order(text: &str) -> bool {
    let mut bytes = payload(text);
    // X25519 ignores the top bit
    bytes[31] &= 0x7f;
    LOW_ORDER.contains(&bytes)
}

/// The 32 bytes behind a bech32 text whose checksum was verified; the age crate does not show them.
fn payload(text: &str) -> [u8; 32] {
    const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mut bytes = [0; 32];
    let (mut pending, mut bits, mut filled) = (0_u32, 0, 0);
    for byte in text.bytes().skip(PREFIX.len()) {
        let value = CHARSET.iter().position(|c| *c == byte).unwrap_or(0);
        pending = (pending << 5 | value as u32) & 0xfff;
        bits += 5;
        if bits >= 8 && filled < bytes.len() {
            bits -= 8;
            bytes[filled] = (pending >> bits) as u8;
            filled += 1;
        }
    }
    bytes
}

impl PartialOrd for Recipient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Recipient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

    #[test]
    fn a_recipient_prints_as_it_was_read() {
        let recipient: Recipient = ALICE.parse().unwrap();
        assert_eq!(recipient.to_string(), ALICE);
        assert_eq!(format!("{recipient:?}"), ALICE);
    }

    #[test]
    fn each_wrong_text_has_its_own_reason() {
        use RecipientError as E;
        let upper = ALICE.to_uppercase();
        let blank = format!("{ALICE} ");
        let typo = ALICE.replace("zy7", "zy8");
        let one = ALICE.replace("sm", "s1");
        for (text, error) in [
            ("", E::Unknown),
            ("age", E::Unknown),
            ("bob", E::Unknown),
            ("age1", E::Checksum),
            (typo.as_str(), E::Checksum),
            (one.as_str(), E::Checksum),
            (&ALICE[..40], E::Checksum),
            (upper.as_str(), E::NotCanonical),
            (blank.as_str(), E::NotCanonical),
            ("AGE-SECRET-KEY-1RA6", E::SecretKey),
            ("age-secret-key-1ra6", E::SecretKey),
            ("key: AGE-SECRET-KEY-1RA6", E::SecretKey),
            ("AGE-PLUGIN-YUBIKEY-1Q", E::SecretKey),
            ("age1pq19ptu5p3", E::PostQuantum),
            ("ssh-ed25519 AAAAC3", E::Ssh),
            ("ssh-rsa AAAAB3", E::Ssh),
            ("age1yubikey1qwerty", E::Plugin("yubikey".to_owned())),
        ] {
            assert_eq!(text.parse::<Recipient>(), Err(error), "{text}");
        }
    }

    #[test]
    fn no_reason_repeats_the_text() {
        let error = "AGE-SECRET-KEY-1RA6LA8N3EGETWR3QF"
            .parse::<Recipient>()
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("1RA6"));
    }

    #[test]
    fn a_key_of_low_order_is_refused_before_it_can_be_used() {
        for text in [
            "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
            "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m",
            "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
            "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
            "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
            "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
            "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
            "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
            "age1amlllllllllllllllllllllllllllllllllllllllllllllllllsam3fc4",
        ] {
            assert_eq!(
                text.parse::<Recipient>(),
                Err(RecipientError::LowOrder),
                "{text}"
            );
        }
        assert!(!is_low_order(ALICE));
    }
}
