//! What of a value is looked for: all of it, the password of a URL, and the rows of a key of
//! several lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::strength::{is_dense, is_public_block, is_worth};

/// A longer value is looked for by its beginning.
const MAX_LENGTH: usize = 4 << 10;
/// Bytes of a piece. Two neighbours make 64 characters of base64, the narrowest line that writers
/// break: one of them is always whole.
const PIECE: usize = 24;
/// Rows of the shortest key that has public ones and others.
const MIN_ROWS: usize = 12;
/// Pieces of one value.
const MAX_PIECES: usize = 32;

pub(super) struct ValuePart {
    pub text: Zeroizing<Vec<u8>>,
    /// Of a URL.
    pub is_password: bool,
    /// Looked for as it is and in base64, for no other form changes it.
    pub is_piece: bool,
}

/// Nothing where the value is not worth it.
pub(super) fn of(key: &str, value: &[u8]) -> Vec<ValuePart> {
    // what stands around a value in its document is seldom copied with it
    let value = value.trim_ascii();
    let part = |text: &[u8], is_password| ValuePart {
        text: Zeroizing::new(text.to_vec()),
        is_password,
        is_piece: false,
    };
    if let Some(text) = encoded(value) {
        let mut parts = of(key, &text);
        // as it stands in the document, which is base64 of what it holds
        if !parts.is_empty() {
            parts.insert(0, part(&value[..value.len().min(MAX_LENGTH)], false));
        }
        return parts;
    }
    let mut parts = Vec::new();
    if is_worth(key, value) {
        parts.push(part(&value[..value.len().min(MAX_LENGTH)], false));
        parts.extend(pieces(value));
    }
    if let Some(password) = password(value).filter(|password| is_worth("password", password)) {
        parts.push(part(password, true));
        let decoded = decode(password);
        if *decoded != password && is_worth("password", &decoded) {
            parts.push(part(&decoded, true));
        }
        if !parts.iter().any(|part| !part.is_password) {
            parts.insert(0, part(value, false));
        }
    }
    parts
}

/// Signs that a value without padding needs, so that it is no word by chance.
const MIN_BASE64: usize = 12;

/// The text that a value in base64 holds, as each value of a manifest of Kubernetes does. Bytes
/// that are no text are a key, which is written in base64 itself.
fn encoded(value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !(value.ends_with(b"=") || value.len() >= MIN_BASE64) || !value.len().is_multiple_of(4) {
        return None;
    }
    let mut text = Zeroizing::new(vec![0; value.len() / 4 * 3]);
    let length = STANDARD.decode_slice(value, &mut text).ok()?;
    text.truncate(length);
    let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(&text)
        .is_ok_and(|text| text.chars().all(is_text))
        .then_some(text)
}

/// What stands between `user:` and `@` behind `scheme://`.
fn password(value: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(value).ok()?;
    let (_, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#', ' ', '\n']).unwrap_or(rest.len());
    // a password that nobody encoded may hold one of these
    let (user, _) = rest[..end]
        .rsplit_once('@')
        .or_else(|| rest.rsplit_once('@'))?;
    let (_, password) = user.split_once(':')?;
    (!password.contains(char::is_whitespace)).then_some(password.as_bytes())
}

fn decode(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// What is known of a value by a part of it. Of a long key in rows, such as a PEM block, the rows
/// towards its end: the first ones are the same in all keys of a kind, or public. Of one long line
/// its end: the start of a JWT is that of any.
fn pieces(value: &[u8]) -> Vec<ValuePart> {
    let Ok(text) = std::str::from_utf8(value) else {
        return around(value, value.len() / 2);
    };
    // a service account of Google holds its key in JSON
    let lines: Vec<&str> = text
        .split("\\n")
        .flat_map(str::lines)
        .map(str::trim)
        .collect();
    let has_only = |line: &str, signs: &[u8]| {
        line.len() >= 2 * PIECE
            && line
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || signs.contains(&c))
    };
    if let [line] = lines[..] {
        // the end of a URL or of a connection string is an option that others have too
        let is_token = has_only(line, b"+/=_-.");
        return if is_token {
            around(value, value.len() - 2 * PIECE)
        } else {
            Vec::new()
        };
    }
    let is_row = |line: &str| has_only(line, b"+/=_-");
    let (mut found, mut rows, mut head) = (Vec::new(), Vec::new(), "");
    for line in lines.into_iter().chain([""]) {
        if is_row(line) {
            rows.push(line);
            continue;
        }
        if rows.len() >= MIN_ROWS && !is_public_block(head) {
            let secret = rows[rows.len() * 6 / 10..].iter().take(MAX_PIECES / 2);
            found
                .extend(secret.flat_map(|row| around(row.as_bytes(), (row.len() - 2 * PIECE) / 2)));
        }
        rows.clear();
        head = line;
    }
    found.truncate(MAX_PIECES);
    found
}

/// Two neighbours from a place on, as far as they are random; none of a value that is not longer.
fn around(bytes: &[u8], start: usize) -> Vec<ValuePart> {
    if bytes.len() < 2 * PIECE {
        return Vec::new();
    }
    let pieces = bytes[start..].chunks_exact(PIECE).take(2);
    pieces.filter(|piece| is_dense(piece)).map(piece).collect()
}

fn piece(bytes: &[u8]) -> ValuePart {
    ValuePart {
        text: Zeroizing::new(bytes.to_vec()),
        is_password: false,
        is_piece: true,
    }
}
