//! Escapes of JSON and of YAML in double quotes, resolved wherever they stand, and zeros left out: that makes UTF-16
//! of both orders, with and without a mark, the text that it says, as far as it is ASCII.

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
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
    state: State,
}

/// What stands for a letter that no word holds.
const OTHER: u8 = b'?';

/// Whether bytes hold an escape that may stand for a letter, or the start of one at their end.
pub(super) fn is_needed(bytes: &[u8], before: &[u8]) -> bool {
    let is_telling =
        |next: Option<&u8>| next.is_none_or(|next| matches!(next, b'u' | b'U' | b'x' | b'\n' | b'\r'));
    before.last() == Some(&b'\\') || memchr::memchr_iter(b'\\', bytes).any(|at| is_telling(bytes.get(at + 1)))
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
            State::Plain if byte == b'\\' => State::Escape,
            State::Plain => {
                out.push(byte);
                State::Plain
            }
            State::Escape => escape(byte, out),
            State::Hex { left, value } => match char::from(byte).to_digit(16) {
                Some(digit) if left == 1 => {
                    out.push(letter(value << 4 | digit));
                    State::Plain
                }
                Some(digit) => State::Hex { left: left - 1, value: value << 4 | digit },
                None => self.again(OTHER, byte, out),
            },
            State::Fold if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => State::Fold,
            State::Fold => {
                self.state = State::Plain;
                self.push(byte, out);
                return;
            }
        };
    }

    /// An escape that broke off, and the byte behind it.
    fn again(&mut self, instead: u8, byte: u8, out: &mut Vec<u8>) -> State {
        out.push(instead);
        self.state = State::Plain;
        self.push(byte, out);
        self.state
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) -> State {
    match byte {
        b'x' => return State::Hex { left: 2, value: 0 },
        b'u' => return State::Hex { left: 4, value: 0 },
        b'U' => return State::Hex { left: 8, value: 0 },
        b'\r' | b'\n' => return State::Fold,
        b'"' | b'/' | b'\\' => out.push(byte),
        // a blank of some kind
        b'n' | b't' | b'r' | b'b' | b'f' => out.push(b' '),
        other => out.extend([b'\\', other]),
    }
    State::Plain
}

fn letter(value: u32) -> u8 {
    match u8::try_from(value) {
        Ok(byte) if byte.is_ascii() => byte,
        // the long s, which Go takes for an s
        _ if value == 0x17f => b's',
        _ => OTHER,
    }
}
