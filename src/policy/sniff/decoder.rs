//! Escapes of JSON and of YAML in double quotes, resolved wherever they stand, and zeros left out:
//! that makes UTF-16 of both orders, with and without a mark, the text that it says, as far as it
//! is ASCII.

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum DecoderState {
    #[default]
    Plain,
    /// Behind a backslash.
    Escape,
    /// So many hex digits are left.
    Hex { left: u8, value: u32 },
    /// A line that goes on: the break and the indentation belong to nobody.
    Fold,
}

/// Holds what an escape has said so far, since a part may end within it.
#[derive(Default)]
pub(super) struct Decoder {
    state: DecoderState,
}

/// What stands for a letter that no word holds.
const OTHER: u8 = b'?';

/// Whether bytes hold an escape that may stand for a letter, or the start of one at their end.
pub(super) fn is_needed(bytes: &[u8], before: &[u8]) -> bool {
    let is_telling = |next: Option<&u8>| {
        next.is_none_or(|next| matches!(next, b'u' | b'U' | b'x' | b'\n' | b'\r'))
    };
    before.last() == Some(&b'\\')
        || memchr::memchr_iter(b'\\', bytes).any(|at| is_telling(bytes.get(at + 1)))
}

impl Decoder {
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes.iter().copied().filter(|byte| *byte != 0) {
            self.push(byte, &mut out);
        }
        out
    }

    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.state = match self.state {
            DecoderState::Plain if byte == b'\\' => DecoderState::Escape,
            DecoderState::Plain => {
                out.push(byte);
                DecoderState::Plain
            }
            DecoderState::Escape => escape(byte, out),
            DecoderState::Hex { left, value } => match char::from(byte).to_digit(16) {
                Some(digit) if left == 1 => {
                    out.push(letter(value << 4 | digit));
                    DecoderState::Plain
                }
                Some(digit) => DecoderState::Hex {
                    left: left - 1,
                    value: value << 4 | digit,
                },
                None => self.again(OTHER, byte, out),
            },
            DecoderState::Fold if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => {
                DecoderState::Fold
            }
            DecoderState::Fold => {
                self.state = DecoderState::Plain;
                self.push(byte, out);
                return;
            }
        };
    }

    /// An escape that broke off, and the byte behind it.
    fn again(&mut self, instead: u8, byte: u8, out: &mut Vec<u8>) -> DecoderState {
        out.push(instead);
        self.state = DecoderState::Plain;
        self.push(byte, out);
        self.state
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) -> DecoderState {
    match byte {
        b'x' => return DecoderState::Hex { left: 2, value: 0 },
        b'u' => return DecoderState::Hex { left: 4, value: 0 },
        b'U' => return DecoderState::Hex { left: 8, value: 0 },
        b'\r' | b'\n' => return DecoderState::Fold,
        b'"' | b'/' | b'\\' => out.push(byte),
        // a blank of some kind
        b'n' | b't' | b'r' | b'b' | b'f' => out.push(b' '),
        other => out.extend([b'\\', other]),
    }
    DecoderState::Plain
}

fn letter(value: u32) -> u8 {
    match u8::try_from(value) {
        Ok(byte) if byte.is_ascii() => byte,
        // the long s, which Go takes for an s
        _ if value == 0x17f => b's',
        _ => OTHER,
    }
}
