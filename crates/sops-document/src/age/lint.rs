//! The keyless check of one stanza list (rule K02).
//!
//! A label proves nothing, and an age file can be encrypted to more keys than its label says. The
//! ciphertext does not tell for whom it is, but it does tell how many readers it has.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::shamir::KeyShare;
use crate::{DataKey, WrappedKey};

/// One age file is for one reader: one stanza, and some grease. Each costs a multiplication on the
/// curve, and anybody can write thousands.
pub const MAX_STANZAS: usize = 16;

/// A file that has the form its label promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lint {
    /// One reader with an X25519 key. `share` is fresh in every honest wrap; `stanzas` counts
    /// grease as well.
    X25519 { share: [u8; 32], stanzas: usize },
    /// One reader of another kind, with the stanza that its label asks for.
    Other {
        stanza: &'static str,
        stanzas: usize,
    },
    /// A label (of a plugin) whose stanza type is not known here. Only the frame was checked.
    Unchecked { stanzas: usize },
}

/// What is wrong with the age file of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    #[error("is not in canonical age armor")]
    Armor,
    #[error("is not an age-encryption.org/v1 file")]
    Version,
    #[error("has a header that is not canonical")]
    Header,
    #[error("has no {0} stanza, which its label asks for")]
    NoStanza(&'static str),
    #[error("has {0} stanzas, and at most {max} are read", max = MAX_STANZAS)]
    ManyStanzas(usize),
    #[error("is encrypted to {0} readers, and its label names one")]
    ManyReaders(usize),
    #[error("has a stanza of type `{0}`, which its label does not name")]
    Stranger(String),
    #[error("has an X25519 stanza of the wrong length")]
    Length,
    #[error("does not hold a data key: its payload is {0} bytes, not {1}")]
    Payload(usize, usize),
}

/// Checks the armor, the header, the number and the type of the stanzas and the length of the
/// payload, without a key.
///
/// # Errors
/// The first [`HeaderFault`].
pub fn lint(wrapped: &WrappedKey) -> Result<Lint, HeaderFault> {
    lint_payload(wrapped, DataKey::LEN)
}

/// The same for a stanza of a key group, which holds one part of a data key.
///
/// # Errors
/// The first [`HeaderFault`].
pub fn lint_part(wrapped: &WrappedKey) -> Result<Lint, HeaderFault> {
    lint_payload(wrapped, KeyShare::LEN)
}

fn lint_payload(wrapped: &WrappedKey, plain: usize) -> Result<Lint, HeaderFault> {
    let file = dearmor(&wrapped.enc).ok_or(HeaderFault::Armor)?;
    let rest = file
        .strip_prefix(b"age-encryption.org/v1\n")
        .ok_or(HeaderFault::Version)?;
    let (all, payload) = parse_header(rest).ok_or(HeaderFault::Header)?;
    let stanzas = all.len();
    if stanzas > MAX_STANZAS {
        return Err(HeaderFault::ManyStanzas(stanzas));
    }
    let expected = expected_stanza(&wrapped.recipient);
    if let Some(tag) = expected {
        check_readers(&all, tag)?;
    }
    let expected_length = NONCE + plain + TAG;
    if payload.len() != expected_length {
        return Err(HeaderFault::Payload(payload.len(), expected_length));
    }
    match expected {
        Some("X25519") => Ok(Lint::X25519 {
            share: share(&all)?,
            stanzas,
        }),
        Some(stanza) => Ok(Lint::Other { stanza, stanzas }),
        None => Ok(Lint::Unchecked { stanzas }),
    }
}

/// Around the plain bytes of a payload.
const NONCE: usize = 16;
const TAG: usize = 16;

/// File key and tag.
const X25519_BODY: usize = 16 + 16;

struct Stanza<'a> {
    tag: &'a str,
    args: Vec<&'a str>,
    body: Vec<u8>,
}

/// The stanza type of a recipient's label; `None` for plugins this table does not know. A text that
/// is no recipient at all is held to the common kind.
fn expected_stanza(label: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 5] = [
        ("ssh-ed25519 ", "ssh-ed25519"),
        ("ssh-rsa ", "ssh-rsa"),
        ("age1pq1", "mlkem768x25519"),
        ("age1yubikey1", "piv-p256"),
        ("age1tag1", "p256tag"),
    ];
    if let Some((_, tag)) = KINDS.iter().find(|(prefix, _)| label.starts_with(prefix)) {
        return Some(tag);
    }
    let is_plugin = label
        .strip_prefix("age1")
        .is_some_and(|rest| rest.contains('1'));
    (!is_plugin).then_some("X25519")
}

/// Exactly one stanza of the type, and beside it only grease (age in Rust always adds some).
fn check_readers(all: &[Stanza<'_>], tag: &'static str) -> Result<(), HeaderFault> {
    if let Some(stranger) = all
        .iter()
        .find(|s| s.tag != tag && !s.tag.ends_with("-grease"))
    {
        return Err(HeaderFault::Stranger(stranger.tag.to_owned()));
    }
    match all.iter().filter(|s| s.tag == tag).count() {
        0 => Err(HeaderFault::NoStanza(tag)),
        1 => Ok(()),
        many => Err(HeaderFault::ManyReaders(many)),
    }
}

fn share(all: &[Stanza<'_>]) -> Result<[u8; 32], HeaderFault> {
    let stanza = all
        .iter()
        .find(|s| s.tag == "X25519")
        .ok_or(HeaderFault::NoStanza("X25519"))?;
    let [arg] = stanza.args[..] else {
        return Err(HeaderFault::Length);
    };
    if stanza.body.len() != X25519_BODY {
        return Err(HeaderFault::Length);
    }
    let share = STANDARD_NO_PAD
        .decode(arg)
        .map_err(|_| HeaderFault::Header)?;
    share.try_into().map_err(|_| HeaderFault::Length)
}

/// The bytes in an armor of the one form that age writes. A missing last LF is fine: a YAML
/// formatter drops it, and it carries nothing.
fn dearmor(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let body = text.strip_prefix("-----BEGIN AGE ENCRYPTED FILE-----\n")?;
    let body = body.strip_suffix("\n-----END AGE ENCRYPTED FILE-----")?;
    let lines: Vec<&str> = body.split('\n').collect();
    let (last, full) = lines.split_last()?;
    let is_wrapped = full.iter().all(|line| line.len() == 64) && (1..=64).contains(&last.len());
    if !is_wrapped {
        return None;
    }
    // the strict engine refuses wrong padding and trailing bits, so there is one text for the bytes
    STANDARD.decode(lines.concat()).ok()
}

/// The stanzas that a reader of age would find in the bytes of a file; it is laxer than the lint.
pub(super) fn count_stanzas(file: &[u8]) -> usize {
    let lines = file.split(|byte| *byte == b'\n');
    lines
        .take_while(|line| !line.starts_with(b"---"))
        .filter(|line| line.starts_with(b"->"))
        .count()
}

/// The stanzas and the payload of what follows the version line.
fn parse_header(mut rest: &[u8]) -> Option<(Vec<Stanza<'_>>, &[u8])> {
    let mut stanzas = Vec::new();
    loop {
        let line = take_line(&mut rest)?;
        if let Some(mac) = line.strip_prefix("--- ") {
            let is_mac = STANDARD_NO_PAD
                .decode(mac)
                .is_ok_and(|bytes| bytes.len() == 32);
            return is_mac.then_some((stanzas, rest));
        }
        let mut words = line.strip_prefix("-> ")?.split(' ');
        let tag = words.next().filter(|tag| is_word(tag))?;
        let args: Vec<&str> = words.collect();
        if !args.iter().all(|arg| is_word(arg)) {
            return None;
        }
        stanzas.push(Stanza {
            tag,
            args,
            body: take_body(&mut rest)?,
        });
    }
}

/// A body is lines of 64 columns and one shorter line, which may be empty.
fn take_body(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut text = String::new();
    loop {
        let line = take_line(rest)?;
        text.push_str(line);
        match line.len() {
            64 => {}
            0..64 => return STANDARD_NO_PAD.decode(text).ok(),
            _ => return None,
        }
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 1..];
    Some(line)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::tests::stanzas;
    use super::*;

    const LABEL: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

    /// An armored file with the given header lines after the version and a payload of this length.
    fn file(version: &str, header: &str, payload: usize) -> String {
        let mut bytes = format!(
            "{version}\n{header}--- {}\n",
            STANDARD_NO_PAD.encode([9; 32])
        )
        .into_bytes();
        bytes.extend(vec![0xa5; payload]);
        let text = STANDARD.encode(bytes);
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|i| &text[i..text.len().min(i + 64)])
            .collect();
        format!(
            "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n",
            lines.join("\n")
        )
    }

    fn stanza(tag: &str, arg: usize, body: usize) -> String {
        format!(
            "-> {tag} {}\n{}\n",
            STANDARD_NO_PAD.encode(vec![1; arg]),
            STANDARD_NO_PAD.encode(vec![2; body])
        )
    }

    fn check(label: &str, enc: String) -> Result<Lint, HeaderFault> {
        lint(&WrappedKey {
            recipient: label.to_owned(),
            enc,
        })
    }

    #[test]
    fn what_sops_writes_is_sound_and_every_share_is_fresh() {
        let mut shares = BTreeSet::new();
        for document in [
            include_str!("../../../../fixtures/sops/y01-flat.enc.yaml"),
            include_str!("../../../../fixtures/sops/y24-three-recipients.enc.yaml"),
        ] {
            for wrapped in stanzas(document) {
                let Ok(Lint::X25519 { share, stanzas: 1 }) = lint(&wrapped) else {
                    panic!("{:?}", lint(&wrapped));
                };
                shares.insert(share);
            }
        }
        assert_eq!(shares.len(), 4);
    }

    #[test]
    fn the_header_must_be_what_the_label_says() {
        use HeaderFault as F;
        const V1: &str = "age-encryption.org/v1";
        let good = stanza("X25519", 32, 32);
        let grease = stanza("?x-grease", 3, 0);
        let ok = |stanzas| {
            Ok(Lint::X25519 {
                share: [1; 32],
                stanzas,
            })
        };
        for (enc, expected) in [
            (file(V1, &good, 64), ok(1)),
            (file(V1, &format!("{good}{grease}"), 64), ok(2)),
            (file(V1, &format!("{grease}{good}"), 64), ok(2)),
            (file(V1, &good, 64).trim_end().to_owned(), ok(1)),
            (
                file(V1, &format!("{good}{good}"), 64),
                Err(F::ManyReaders(2)),
            ),
            (
                file(V1, &format!("{good}{}", stanza("scrypt", 16, 32)), 64),
                Err(F::Stranger("scrypt".into())),
            ),
            (
                file(V1, &stanza("ssh-ed25519", 32, 32), 64),
                Err(F::Stranger("ssh-ed25519".into())),
            ),
            (file(V1, &grease, 64), Err(F::NoStanza("X25519"))),
            (file(V1, "", 64), Err(F::NoStanza("X25519"))),
            (file(V1, &stanza("X25519", 31, 32), 64), Err(F::Length)),
            (file(V1, &stanza("X25519", 32, 33), 64), Err(F::Length)),
            (
                file(V1, &good.replace("-> X25519 ", "-> X25519 a "), 64),
                Err(F::Length),
            ),
            (
                file(V1, &good.replace("-> X25519 ", "-> X25519  "), 64),
                Err(F::Header),
            ),
            (file(V1, &good, 63), Err(F::Payload(63, 64))),
            (file(V1, &good, 65), Err(F::Payload(65, 64))),
            (file("age-encryption.org/v2", &good, 64), Err(F::Version)),
            (file(V1, &good, 64).replace('\n', "\r\n"), Err(F::Armor)),
            (format!("{}\n", file(V1, &good, 64)), Err(F::Armor)),
            (format!(" {}", file(V1, &good, 64)), Err(F::Armor)),
            (file(V1, &good, 64).replace("==\n", "\n"), Err(F::Armor)),
            (String::new(), Err(F::Armor)),
        ] {
            assert_eq!(check(LABEL, enc.clone()), expected, "{enc}");
        }
    }

    #[test]
    fn other_kinds_are_held_to_their_own_stanza_and_plugins_to_the_frame() {
        const V1: &str = "age-encryption.org/v1";
        let ssh = file(V1, &stanza("ssh-ed25519", 32, 32), 64);
        let plugin = file(V1, &format!("{0}{0}", stanza("tpm-ecc", 32, 32)), 64);
        assert_eq!(
            check("ssh-ed25519 AAAA me", ssh.clone()),
            Ok(Lint::Other {
                stanza: "ssh-ed25519",
                stanzas: 1
            })
        );
        assert_eq!(
            check("ssh-rsa AAAA", ssh.clone()),
            Err(HeaderFault::Stranger("ssh-ed25519".into()))
        );
        assert_eq!(
            check("age1pq1qqq", ssh),
            Err(HeaderFault::Stranger("ssh-ed25519".into()))
        );
        assert_eq!(
            check("age1tpm1qqq", plugin),
            Ok(Lint::Unchecked { stanzas: 2 })
        );
    }
}
