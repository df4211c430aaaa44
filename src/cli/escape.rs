//! Every untrusted text on its way to a terminal, a table or a log.
//!
//! C0, C1, DEL, bidirectional and zero-width signs, line and paragraph separators and the tag block
//! become `\u{…}`: nothing in a repository can move the cursor, write the clipboard or reorder a line.

use std::fmt;

/// Prints the text with every dangerous character escaped; line breaks included.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| write_char(f, c))
    }
}

/// The same for a text of several lines: line breaks and tabs stay.
#[must_use]
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let keep = matches!(c, '\n' | '\t') || (c == '\r' && chars.peek() == Some(&'\n'));
        if keep {
            out.push(c);
        } else {
            let _ = write_char(&mut out, c);
        }
    }
    out
}

fn write_char(out: &mut impl fmt::Write, c: char) -> fmt::Result {
    if is_dangerous(c) { write!(out, "\\u{{{:x}}}", u32::from(c)) } else { out.write_char(c) }
}

fn is_dangerous(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_reorders_a_line_passes() {
        let hostile = "a\x1b]52;c;x\x07\u{9b}31m\u{202e}\u{200b}\r\nö🚀";
        assert_eq!(
            Escaped(hostile).to_string(),
            "a\\u{1b}]52;c;x\\u{7}\\u{9b}31m\\u{202e}\\u{200b}\\u{d}\\u{a}ö🚀"
        );
        assert_eq!(lines("a\r\nb\rc\td\n"), "a\r\nb\\u{d}c\td\n");
    }
}
