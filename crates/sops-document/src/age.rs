//! age: who can open a data key, and how it is wrapped for them.
//!
//! Only X25519 keys (`age1…`) are written or used. Other kinds are recognised, so that they can be
//! refused by name.

mod identity;
mod lint;
mod person;
mod recipient;

use std::io::{Read as _, Write as _};

use ::age::armor::{ArmoredReader, ArmoredWriter, Format};
use ::age::{DecryptError, Decryptor, EncryptError, Encryptor};
use zeroize::Zeroizing;

pub use identity::{Identity, IdentityFileError, parse_identities};
pub use lint::{HeaderFault, Lint, MAX_STANZAS, lint, lint_part};
pub use person::{is_other_kind, is_service, person, same_key, without_comment};
pub use recipient::{Recipient, RecipientError};

use crate::shamir::KeyShare;
use crate::{DataKey, WrappedKey};

/// Wraps the data key for each recipient: one complete armored age file each, as sops writes them
/// (lines of 64 columns, LF, a final LF).
#[must_use]
pub fn wrap(key: &DataKey, recipients: &[Recipient]) -> Vec<WrappedKey> {
    recipients
        .iter()
        .map(|recipient| wrap_bytes(key.bytes(), recipient))
        .collect()
}

/// The same for one part of a split data key, for the readers of one key group.
#[must_use]
pub fn wrap_part(part: &KeyShare, recipients: &[Recipient]) -> Vec<WrappedKey> {
    recipients
        .iter()
        .map(|recipient| wrap_bytes(part.bytes(), recipient))
        .collect()
}

fn wrap_bytes(plain: &[u8], recipient: &Recipient) -> WrappedKey {
    WrappedKey {
        recipient: recipient.to_string(),
        enc: seal(plain, recipient).expect("an age file for one X25519 key is written to memory"),
    }
}

fn seal(plain: &[u8], recipient: &Recipient) -> Result<String, EncryptError> {
    let encryptor =
        Encryptor::with_recipients(std::iter::once(recipient.key() as &dyn ::age::Recipient))?;
    let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armor)?;
    writer.write_all(plain)?;
    let text = writer.finish()?.finish()?;
    Ok(String::from_utf8(text).expect("armor is ASCII"))
}

/// Why a stanza gave no data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// A sound file for somebody else.
    #[error("is not encrypted to this identity")]
    NotForThisIdentity,
    #[error("is not a valid age file")]
    Malformed,
    #[error("has {0} stanzas, and at most {max} are read", max = MAX_STANZAS)]
    ManyStanzas(usize),
    #[error("does not hold a data key of 32 bytes, or the part of one")]
    Length,
}

/// Opens one entry of `sops.age`. The label is not compared: anyone can write any label.
///
/// # Errors
/// [`UnwrapError::NotForThisIdentity`] lets the caller try the next identity; the others are faults
/// of the file.
pub fn unwrap(wrapped: &WrappedKey, identity: &Identity) -> Result<DataKey, UnwrapError> {
    unwrap_bytes(wrapped, identity).map(|bytes| DataKey::new(*bytes))
}

/// Opens one stanza of a key group.
///
/// # Errors
/// As [`unwrap`].
pub fn unwrap_part(wrapped: &WrappedKey, identity: &Identity) -> Result<KeyShare, UnwrapError> {
    unwrap_bytes(wrapped, identity).map(|bytes| KeyShare::new(*bytes))
}

fn unwrap_bytes<const LEN: usize>(
    wrapped: &WrappedKey,
    identity: &Identity,
) -> Result<Zeroizing<[u8; LEN]>, UnwrapError> {
    let malformed = |_| UnwrapError::Malformed;
    let mut file = Vec::with_capacity(wrapped.enc.len());
    ArmoredReader::new(wrapped.enc.as_bytes())
        .read_to_end(&mut file)
        .map_err(malformed)?;
    let stanzas = lint::count_stanzas(&file);
    if stanzas > MAX_STANZAS {
        return Err(UnwrapError::ManyStanzas(stanzas));
    }
    let decryptor = Decryptor::new_buffered(file.as_slice()).map_err(|_| UnwrapError::Malformed)?;
    let reader = decryptor
        .decrypt(std::iter::once(identity.key() as &dyn ::age::Identity))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys => UnwrapError::NotForThisIdentity,
            _ => UnwrapError::Malformed,
        })?;
    // one byte more than a key, so that a longer file is seen without reading it
    let mut plain = Zeroizing::new(Vec::with_capacity(LEN + 1));
    reader
        .take(LEN as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(malformed)?;
    <[u8; LEN]>::try_from(plain.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| UnwrapError::Length)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const ALICE: &str = include_str!("../../../fixtures/sops/keys/alice.txt");
    const BOB: &str = include_str!("../../../fixtures/sops/keys/bob.txt");
    const CI: &str = include_str!("../../../fixtures/sops/keys/ci.txt");

    pub(crate) fn identity(file: &str) -> Identity {
        parse_identities(file).unwrap().remove(0)
    }

    /// The `sops.age` list of a document that sops wrote, taken by its indentation.
    pub(crate) fn stanzas(document: &str) -> Vec<WrappedKey> {
        let mut found: Vec<WrappedKey> = Vec::new();
        for line in document.lines() {
            if let Some(label) = line.strip_prefix("        - recipient: ") {
                found.push(WrappedKey {
                    recipient: label.to_owned(),
                    enc: String::new(),
                });
            } else if let (Some(text), Some(last)) =
                (line.strip_prefix("            "), found.last_mut())
            {
                last.enc.push_str(text);
                last.enc.push('\n');
            }
        }
        found
    }

    fn three() -> Vec<WrappedKey> {
        stanzas(include_str!(
            "../../../fixtures/sops/y24-three-recipients.enc.yaml"
        ))
    }

    #[test]
    fn each_identity_opens_its_own_stanza_of_a_sops_file_and_no_other() {
        let keys = [ALICE, BOB, CI].map(identity);
        let stanzas = three();
        let whole = unwrap(&stanzas[0], &keys[0]).unwrap();
        for (i, stanza) in stanzas.iter().enumerate() {
            for (j, key) in keys.iter().enumerate() {
                match unwrap(stanza, key) {
                    Ok(data_key) => assert!(i == j && data_key == whole),
                    Err(error) => assert!(i != j && error == UnwrapError::NotForThisIdentity),
                }
            }
        }
    }

    #[test]
    fn what_is_wrapped_opens_and_passes_the_lint() {
        let key = DataKey::new([7; 32]);
        let identities = [ALICE, BOB].map(identity);
        let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
        let wrapped = wrap(&key, &recipients);
        assert_eq!(wrapped.len(), 2);
        for (entry, identity) in wrapped.iter().zip(&identities) {
            assert_eq!(entry.recipient, identity.recipient().to_string());
            assert!(
                entry.enc.ends_with("-----END AGE ENCRYPTED FILE-----\n")
                    && !entry.enc.contains('\r')
            );
            assert!(unwrap(entry, identity).unwrap() == key);
            assert!(
                matches!(lint(entry), Ok(Lint::X25519 { stanzas: 2, .. })),
                "{:?}",
                lint(entry)
            );
        }
    }

    #[test]
    fn a_file_that_does_not_hold_32_bytes_is_refused() {
        let alice = identity(ALICE);
        for length in [0, 16, 31, 33, 100] {
            let text = ::age::encrypt_and_armor(alice.recipient().key(), &vec![1; length]).unwrap();
            let wrapped = WrappedKey {
                recipient: String::new(),
                enc: text,
            };
            assert!(
                matches!(unwrap(&wrapped, &alice), Err(UnwrapError::Length)),
                "{length}"
            );
        }
    }

    /// An age file whose header repeats this line and body before those that are there.
    fn stretched(good: &WrappedKey, stanza: &str, times: usize) -> WrappedKey {
        let mut file = Vec::new();
        ArmoredReader::new(good.enc.as_bytes())
            .read_to_end(&mut file)
            .unwrap();
        let start = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let header = stanza.repeat(times).into_bytes();
        file.splice(start..start, header);
        let mut writer = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).unwrap();
        writer.write_all(&file).unwrap();
        WrappedKey {
            enc: String::from_utf8(writer.finish().unwrap()).unwrap(),
            ..good.clone()
        }
    }

    #[test]
    fn many_stanzas_are_refused_before_any_of_them_is_tried() {
        let alice = identity(ALICE);
        let good = three().remove(0);
        let share = "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n\
                     EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n";
        for stanza in [share, "-> x-grease\n\n"] {
            assert_eq!(unwrap(&stretched(&good, stanza, 0), &alice).err(), None);
            for (times, lint_says) in [(16, 17), (4_000, 4_001)] {
                let bomb = stretched(&good, stanza, times);
                assert_eq!(
                    unwrap(&bomb, &alice).err(),
                    Some(UnwrapError::ManyStanzas(times + 1))
                );
                assert_eq!(lint(&bomb), Err(HeaderFault::ManyStanzas(lint_says)));
                // also in an armor that only a lax reader takes
                let lax = WrappedKey {
                    enc: bomb.enc.replace('\n', "\r\n"),
                    ..bomb
                };
                assert_eq!(
                    unwrap(&lax, &alice).err(),
                    Some(UnwrapError::ManyStanzas(times + 1))
                );
            }
        }
    }

    #[test]
    fn a_broken_file_is_malformed_not_somebody_elses() {
        let good = three().remove(0);
        let alice = identity(ALICE);
        for enc in [
            String::new(),
            "hello".to_owned(),
            good.enc
                .replace("YWdlLWVuY3J5cHRpb24", "YWdlLWVuY3J5cHRpb25"),
            good.enc.replace("dNg==", "dNQ=="),
            good.enc[..200].to_owned(),
        ] {
            let wrapped = WrappedKey {
                enc,
                ..good.clone()
            };
            assert!(
                matches!(unwrap(&wrapped, &alice), Err(UnwrapError::Malformed)),
                "{}",
                wrapped.enc
            );
        }
    }
}
