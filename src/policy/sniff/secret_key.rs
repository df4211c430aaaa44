//! Secret keys of age in any bytes.

use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;
use sops_document::age::parse_identities;
use zeroize::Zeroizing;

use super::decoder::Decoder;

/// What follows is `1` and the key, or `PQ-1` where it withstands quantum computers. Both have a
/// seed of 32 bytes.
const START: &[u8] = b"AGE-SECRET-KEY-";
/// In small letters no program takes it, and everybody can make it large.
const SMALL: &[u8] = b"age-secret-key-";
const KINDS: [&[u8]; 2] = [b"1", b"PQ-1"];
/// 52 characters of key and 6 of checksum.
const LENGTH: usize = 58;

/// Where the first one stands.
pub(super) fn find(bytes: &[u8]) -> Option<Range<usize>> {
    let first = |start: &[u8]| {
        memmem::find_iter(bytes, start).find_map(|at| Some(at..at + length(&bytes[at..])?))
    };
    let (large, small) = (first(START), first(SMALL));
    large
        .into_iter()
        .chain(small)
        .min_by_key(|found| found.start)
}

fn length(start: &[u8]) -> Option<usize> {
    let kind = KINDS.iter().find(|kind| is_secret_key(start, kind))?;
    Some(START.len() + kind.len() + LENGTH)
}

/// The public key of every secret key in some bytes, however they are written; `None` for one of a
/// kind that stax cannot read. Each once.
#[must_use]
pub fn public_keys(bytes: &[u8]) -> Vec<Option<String>> {
    let decoded = Zeroizing::new(Decoder::default().decode(bytes));
    let mut found = Vec::new();
    for text in [bytes, &decoded] {
        let mut rest = text;
        while let Some(key) = find(rest) {
            let public = public_key(&rest[key.clone()]);
            if !found.contains(&public) {
                found.push(public);
            }
            rest = &rest[key.end..];
        }
    }
    found
}

fn public_key(secret: &[u8]) -> Option<String> {
    let text = Zeroizing::new(std::str::from_utf8(secret).ok()?.to_ascii_uppercase());
    let identities = parse_identities(&text).ok()?;
    Some(identities.first()?.recipient().as_str().to_owned())
}

/// The public keys of age that some bytes name.
#[must_use]
pub fn recipients_in(bytes: &[u8]) -> BTreeSet<String> {
    const LENGTH: usize = 62;
    let word = |at: usize| {
        let text = bytes.get(at..at + LENGTH)?;
        let is_word = text
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        is_word.then(|| String::from_utf8_lossy(text).into_owned())
    };
    memmem::find_iter(bytes, b"age1").filter_map(word).collect()
}

/// A text that is about to be shown, such as a path, without the keys in it.
#[must_use]
pub fn hide_secret_keys(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(found) = find(rest.as_bytes()) {
        shown += &rest[..found.start];
        shown += "AGE-SECRET-KEY-…";
        rest = &rest[found.end..];
    }
    shown + rest
}

/// What to do about such a key.
#[must_use]
pub fn secret_key_fix() -> &'static str {
    "stax secrets remove-recipient WHO, for that key; git rm --cached the file; a key once pushed is lost"
}

/// BIP 173: the text before the last `1`, then 5 bits a character, and a checksum over both. All
/// letters are large or all are small.
fn is_secret_key(start: &[u8], kind: &[u8]) -> bool {
    let head = START.len() + kind.len();
    let Some(text) = start.get(..head + LENGTH) else {
        return false;
    };
    let lower = text.to_ascii_lowercase();
    if !lower[START.len()..].starts_with(&kind.to_ascii_lowercase())
        || lower != text && text.to_ascii_uppercase() != text
    {
        return false;
    }
    let (name, rest) = (&lower[..head - 1], &lower[head..]);
    let sign = |byte: &u8| {
        b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
            .iter()
            .position(|sign| sign == byte)
    };
    let Some(rest) = rest.iter().map(sign).collect::<Option<Vec<usize>>>() else {
        return false;
    };
    let high = name.iter().map(|byte| usize::from(byte >> 5));
    let low = name.iter().map(|byte| usize::from(byte & 31));
    let all = high.chain(std::iter::once(0)).chain(low).chain(rest);
    all.fold(1, |sum, value| {
        const GENERATOR: [usize; 5] = [
            0x3b6a_57b2,
            0x2650_8e6d,
            0x1ea1_19fa,
            0x3d42_33dd,
            0x2a14_62b3,
        ];
        let next = (sum & 0x1ff_ffff) << 5 ^ value;
        (0..5)
            .filter(|bit| sum >> (25 + bit) & 1 == 1)
            .fold(next, |next, bit| next ^ GENERATOR[bit])
    }) == 1
}
