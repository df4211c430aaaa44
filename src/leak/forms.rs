//! The forms in which programs write a value.

use std::fmt;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::search::WINDOW;

type Text = Zeroizing<Vec<u8>>;

/// How a value is written. The order is that in which a place is named that fits several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// With `\r\n` for each line break.
    Windows,
    /// Its lines indented, commented out, or put into one.
    Lines,
    Base64,
    Percent,
    Json,
    Shell,
    Xml,
    Utf16,
}

impl Form {
    /// For programs.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Windows => "crlf",
            Self::Lines => "lines",
            Self::Base64 => "base64",
            Self::Percent => "percent",
            Self::Json => "json",
            Self::Shell => "shell",
            Self::Xml => "xml",
            Self::Utf16 => "utf16",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "as it is",
            Self::Windows => "with CRLF",
            Self::Lines => "with other line breaks",
            Self::Base64 => "base64",
            Self::Percent => "percent-encoded",
            Self::Json => "JSON-escaped",
            Self::Shell => "shell-escaped",
            Self::Xml => "XML-escaped",
            Self::Utf16 => "UTF-16",
        })
    }
}

/// Every form that differs from those before it.
pub(super) fn all(value: &[u8]) -> Vec<(Form, Text)> {
    let mut forms: Vec<(Form, Text)> = vec![(Form::Plain, Zeroizing::new(value.to_vec()))];
    // most values are letters and digits, and those are never escaped
    if value
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
    {
        forms.extend(base64(value));
        forms.extend(utf16(value).into_iter().map(|text| (Form::Utf16, text)));
        return forms;
    }
    let others = std::iter::once((Form::Windows, line_breaks(value, b"\r\n")))
        .chain(other_lines(value))
        .chain(base64(value))
        .chain(percent(value).into_iter().map(|text| (Form::Percent, text)))
        .chain(json(value).into_iter().map(|text| (Form::Json, text)))
        .chain(shell(value).into_iter().map(|text| (Form::Shell, text)))
        .chain(xml(value).into_iter().map(|text| (Form::Xml, text)))
        .chain(utf16(value).into_iter().map(|text| (Form::Utf16, text)));
    for (form, text) in others {
        if !forms.iter().any(|(_, known)| *known == text) {
            forms.push((form, text));
        }
    }
    forms
}

/// Each byte as `write` has it. Room is made at once: a buffer that grows leaves copies behind.
fn each(value: &[u8], most: usize, mut write: impl FnMut(u8, &mut Vec<u8>)) -> Text {
    let mut out = Zeroizing::new(Vec::with_capacity(value.len() * most));
    for byte in value {
        write(*byte, &mut out);
    }
    out
}

fn line_breaks(value: &[u8], written: &[u8]) -> Text {
    each(value, written.len().max(1), |byte, out| match byte {
        b'\r' => {}
        b'\n' => out.extend(written),
        byte => out.push(byte),
    })
}

/// Of the widest indentation of a block in YAML: eight levels of two.
const INDENT: &[u8] = b"\n                ";

/// A value of several lines as blocks of YAML, scripts and comments have it. What is short in lines
/// has no rows to be known by (`parts`): an OpenSSH key has six.
fn other_lines(value: &[u8]) -> Vec<(Form, Text)> {
    if !value.contains(&b'\n') {
        return Vec::new();
    }
    let blanks = (2..=INDENT.len()).map(|end| &INDENT[..end]);
    let others: [&[u8]; 7] = [b"\n", b"\n\t", b"\n\t\t", b"\n# ", b"\n// ", b" ", b""];
    blanks
        .chain(others)
        .map(|written| (Form::Lines, line_breaks(value, written)))
        .collect()
}

/// Both alphabets, and wherever the value begins inside of a longer text: three bytes are four
/// characters, and those that it shares with its neighbours are left away.
pub(super) fn base64(value: &[u8]) -> Vec<(Form, Text)> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = Zeroizing::new(Vec::with_capacity(value.len() + before));
        bytes.resize(before, 0);
        bytes.extend_from_slice(value);
        let shared = (before * 8).div_ceil(6);
        let whole = bytes.len() * 8 / 6;
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let mut text = encode(alphabet, &bytes);
            text.truncate(whole);
            text.drain(..shared);
            if text.len() >= WINDOW && !forms.iter().any(|(_, known)| *known == text) {
                forms.push((Form::Base64, text));
            }
        }
    }
    forms
}

fn encode(alphabet: &GeneralPurpose, bytes: &[u8]) -> Text {
    let mut text = Zeroizing::new(vec![0; bytes.len() * 4 / 3 + 4]);
    let length = alphabet.encode_slice(bytes, &mut text).unwrap_or(0);
    text.truncate(length);
    text
}

/// The signs that encoders leave alone beside letters and digits.
const KEPT: [&[u8]; 7] = [
    // RFC 3986, 2.3: Go's QueryEscape, Rust's and Ruby's
    b"-._~",
    // Python's quote
    b"-._~/",
    // encodeURIComponent
    b"-._~!'()*",
    // forms of browsers and of Java
    b"-._*",
    // the user part of a URL, RFC 3986, 3.2.1
    b"-._~!$&'()*+,;=",
    // Go's Userinfo and PathEscape
    b"-._~$&+,;=:@",
    // encodeURI
    b"-._~!'()*;,/?:@&=+$#",
];

fn percent(value: &[u8]) -> Vec<Text> {
    let mut forms = Vec::new();
    for kept in KEPT {
        for (digits, blank) in [
            (UPPER, &b"%20"[..]),
            (LOWER, b"%20"),
            (UPPER, b"+"),
            (LOWER, b"+"),
        ] {
            forms.push(each(value, 3, |byte, out| match byte {
                b' ' => out.extend(blank),
                byte if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.push(byte),
                byte => {
                    out.push(b'%');
                    hex(byte, digits, out);
                }
            }));
        }
    }
    forms
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

fn hex(byte: u8, digits: &[u8; 16], out: &mut Vec<u8>) {
    out.extend([
        digits[usize::from(byte >> 4)],
        digits[usize::from(byte & 15)],
    ]);
}

/// What a writer of JSON escapes more than it must.
#[derive(Clone, Copy)]
struct JsonEscapes {
    slash: bool,
    ascii: bool,
    /// As `\u003c`.
    also: &'static [u8],
    digits: &'static [u8; 16],
}

const STRICT: JsonEscapes = JsonEscapes {
    slash: false,
    ascii: false,
    also: b"",
    digits: LOWER,
};
const WRITERS: [JsonEscapes; 7] = [
    STRICT,
    // Python
    JsonEscapes {
        ascii: true,
        ..STRICT
    },
    // PHP
    JsonEscapes {
        slash: true,
        ascii: true,
        ..STRICT
    },
    JsonEscapes {
        slash: true,
        ..STRICT
    },
    // Go
    JsonEscapes {
        also: b"<>&",
        ..STRICT
    },
    // .NET
    JsonEscapes {
        ascii: true,
        also: b"<>&'\"+`",
        digits: UPPER,
        ..STRICT
    },
    JsonEscapes {
        ascii: true,
        digits: UPPER,
        ..STRICT
    },
];

fn json(value: &[u8]) -> Vec<Text> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Vec::new();
    };
    let mut forms: Vec<Text> = WRITERS.iter().map(|writer| writer.write(text)).collect();
    // JSON inside of a text of JSON
    forms.extend(
        std::str::from_utf8(&forms[0])
            .ok()
            .map(|once| STRICT.write(once)),
    );
    forms
}

impl JsonEscapes {
    fn write(self, text: &str) -> Text {
        let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 6));
        for c in text.chars() {
            match c {
                c if u8::try_from(c).is_ok_and(|byte| self.also.contains(&byte)) => {
                    self.unit(c as u16, &mut out)
                }
                '"' => out.extend(b"\\\""),
                '\\' => out.extend(b"\\\\"),
                '/' if self.slash => out.extend(b"\\/"),
                '\n' => out.extend(b"\\n"),
                '\r' => out.extend(b"\\r"),
                '\t' => out.extend(b"\\t"),
                '\u{8}' => out.extend(b"\\b"),
                '\u{c}' => out.extend(b"\\f"),
                '\0'..='\x1f' => self.unit(c as u16, &mut out),
                c if c.is_ascii() || !self.ascii => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                c => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| self.unit(*unit, &mut out)),
            }
        }
        out
    }

    fn unit(self, unit: u16, out: &mut Vec<u8>) {
        out.extend(b"\\u");
        unit.to_be_bytes()
            .iter()
            .for_each(|byte| hex(*byte, self.digits, out));
    }
}

/// Inside of single quotes, of double quotes, of `$'…'`, and without any.
fn shell(value: &[u8]) -> Vec<Text> {
    let escaped = |signs: &'static [u8]| {
        each(value, 2, |byte, out| {
            if signs.contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        })
    };
    let quoted = |quote: &'static [u8]| {
        each(value, quote.len(), |byte, out| match byte {
            b'\'' => out.extend(quote),
            byte => out.push(byte),
        })
    };
    let ansi = each(value, 4, |byte, out| match byte {
        b'\\' | b'\'' => out.extend([b'\\', byte]),
        b'\n' => out.extend(b"\\n"),
        b'\r' => out.extend(b"\\r"),
        b'\t' => out.extend(b"\\t"),
        0..=31 | 127 => out.extend([
            b'\\',
            b'0' + (byte >> 6),
            b'0' + (byte >> 3 & 7),
            b'0' + (byte & 7),
        ]),
        byte => out.push(byte),
    });
    // `printf %q`
    let bare = each(value, 2, |byte, out| {
        if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"_@%+=:,./-".contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    });
    vec![
        quoted(b"'\\''"),
        quoted(b"'\"'\"'"),
        escaped(b"\"\\$`"),
        escaped(b"\"\\$`!"),
        ansi,
        bare,
    ]
}

/// How writers put `"` and `'`; none leaves `&`, `<` and `>`.
const QUOTES: [(&[u8], &[u8]); 6] = [
    (b"\"", b"'"),
    (b"&quot;", b"'"),
    (b"&quot;", b"&apos;"),
    // PHP, Django and Java
    (b"&quot;", b"&#39;"),
    // Python and React
    (b"&quot;", b"&#x27;"),
    // Go
    (b"&#34;", b"&#39;"),
];

fn xml(value: &[u8]) -> Vec<Text> {
    let write = |(double, single): (&[u8], &[u8])| {
        each(value, 6, |byte, out| match byte {
            b'&' => out.extend(b"&amp;"),
            b'<' => out.extend(b"&lt;"),
            b'>' => out.extend(b"&gt;"),
            b'"' => out.extend(double),
            b'\'' => out.extend(single),
            byte => out.push(byte),
        })
    };
    QUOTES.into_iter().map(write).collect()
}

/// Either order of bytes: what PowerShell redirects is UTF-16.
fn utf16(value: &[u8]) -> Vec<Text> {
    let Ok(text) = std::str::from_utf8(value) else {
        return Vec::new();
    };
    let write = |bytes: fn(u16) -> [u8; 2]| {
        let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 2));
        text.encode_utf16().for_each(|unit| out.extend(bytes(unit)));
        out
    };
    vec![write(u16::to_le_bytes), write(u16::to_be_bytes)]
}
