//! What the bytes of a file tell in one pass, whatever its size: whether sops could find a document
//! in them, and whether the secret key of a reader stands there.
//!
//! sops reads more spellings than the plain one: `"\u0073ops"` in JSON, `"\x73ops"` and `!!binary
//! c29wcw==` in YAML, `SOPS` and even `ſops` in JSON (Go compares the names of fields without
//! case), and YAML in UTF-16. So the bytes are searched as they are, and where they hold escapes or
//! zeros once more with those resolved.

mod decoder;
mod secret_key;

use decoder::Decoder;
use memchr::memmem;

pub use secret_key::{hide_secret_keys, public_keys, recipients_in, secret_key_fix};

/// What is searched again at the seam of two parts: more than the longest word, a secret key of 77
/// letters.
const SEAM: usize = 96;

/// What is kept of a log names it: another number means that other files count as documents.
pub const EDITION: u32 = 2;

/// What one pass tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Bytes.
    pub size: u64,
    /// The line of the first secret key. Its checksum is checked, so a text that only speaks of
    /// keys has none.
    pub secret_key: Option<usize>,
    names_sops: bool,
    holds_token: bool,
    holds_stanza: bool,
    holds_zero: bool,
    is_utf16: bool,
}

impl Traits {
    /// Whether there is a reason to parse it: the name of the metadata, or a token.
    #[must_use]
    pub fn speaks_of_sops(&self) -> bool {
        self.names_sops || self.holds_token
    }

    /// Whether it was a document, or is meant to be: a chart or a manual may well speak of `sops`.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.names_sops && (self.holds_token || self.holds_stanza)
    }

    /// The same of what nobody parses: sops reads text alone, and zeros stand in text only where it
    /// is UTF-16.
    #[must_use]
    pub fn may_be_document(&self) -> bool {
        self.is_sealed() && (self.is_utf16 || !self.holds_zero)
    }
}

/// Of bytes that are at hand.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Traits {
    let mut sniffer = Sniffer::default();
    sniffer.feed(bytes);
    sniffer.traits()
}

/// Takes a file part by part, and keeps next to nothing of it.
#[derive(Default)]
pub struct Sniffer {
    traits: Traits,
    plain: SearchWindow,
    decoder: Decoder,
    decoded: Option<SearchWindow>,
}

impl Sniffer {
    pub fn feed(&mut self, bytes: &[u8]) {
        let traits = &mut self.traits;
        if traits.size == 0 {
            traits.is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        }
        traits.size += bytes.len() as u64;
        traits.holds_zero = traits.holds_zero || memchr::memchr(0, bytes).is_some();
        if self.decoded.is_none()
            && (traits.holds_zero || decoder::is_needed(bytes, &self.plain.seam))
        {
            // what came before held nothing to decode, so its end is the same in both
            self.decoded = Some(self.plain.clone());
        }
        self.plain.search(bytes, traits);
        if let Some(window) = &mut self.decoded {
            window.search(&self.decoder.decode(bytes), traits);
        }
    }

    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }
}

/// The end of what was searched.
#[derive(Clone, Default)]
struct SearchWindow {
    seam: Vec<u8>,
    /// Line breaks before the seam.
    lines: usize,
}

impl SearchWindow {
    fn search(&mut self, bytes: &[u8], traits: &mut Traits) {
        let known = self.seam.len();
        if known > 0 {
            self.seam.extend_from_slice(&bytes[..bytes.len().min(SEAM)]);
            look(&self.seam, self.lines, traits);
            self.seam.truncate(known);
        }
        let before = self.lines + breaks(&self.seam);
        look(bytes, before, traits);
        self.seam
            .extend_from_slice(&bytes[bytes.len().saturating_sub(SEAM)..]);
        let passed = self.seam.len().saturating_sub(SEAM);
        if bytes.len() >= SEAM {
            self.lines = before + breaks(&bytes[..bytes.len() - SEAM]);
        } else {
            self.lines += breaks(&self.seam[..passed]);
        }
        self.seam.drain(..passed);
    }
}

fn breaks(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

fn look(bytes: &[u8], lines_before: usize, traits: &mut Traits) {
    let holds = |word: &str| memmem::find(bytes, word.as_bytes()).is_some();
    traits.names_sops =
        traits.names_sops || NAMES.iter().any(|name| holds(name)) || names_sops(bytes);
    traits.holds_token = traits.holds_token || holds("ENC[AES256_GCM,");
    traits.holds_stanza = traits.holds_stanza || holds("AGE ENCRYPTED FILE");
    if traits.secret_key.is_none() {
        let at = secret_key::find(bytes).map(|found| found.start);
        traits.secret_key = at.map(|at| lines_before + breaks(&bytes[..at]) + 1);
    }
}

/// The name of the metadata, and the ways in which YAML can say that a key is base64.
const NAMES: [&str; 4] = ["sops", "!!binary", "!<", "%TAG"];

/// `sops` in any case, with the long s as well.
fn names_sops(bytes: &[u8]) -> bool {
    const LONG_S: &[u8] = "ſ".as_bytes();
    let begins = |rest: &[u8]| {
        rest.first()
            .is_some_and(|it| it.eq_ignore_ascii_case(&b's'))
            || rest.starts_with(LONG_S)
    };
    let ends = |rest: &[u8]| {
        rest.last().is_some_and(|it| it.eq_ignore_ascii_case(&b's')) || rest.ends_with(LONG_S)
    };
    memchr::memchr2_iter(b'p', b'P', bytes).any(|at| {
        let (before, behind) = (&bytes[..at], &bytes[at + 1..]);
        let Some((o, before)) = before.split_last() else {
            return false;
        };
        o.eq_ignore_ascii_case(&b'o') && begins(behind) && ends(before)
    })
}

#[cfg(test)]
mod tests;
