//! Every untrusted text on its way to a terminal, a table or a log.
//!
//! What moves the cursor, reorders a line or shows nothing becomes `\u{…}`: controls, bidirectional
//! marks, separators, and what Unicode calls default ignorable (zero-width signs, fillers, tags,
//! variation selectors). Nothing in a repository can write the clipboard, and no two names look
//! alike because one hides a sign.

use std::fmt;

/// Prints the text with every dangerous character escaped; line breaks included.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        self.0
            .chars()
            .try_for_each(|c| write_char(f, before.replace(c), c))
    }
}

/// The same for a text of several lines: line breaks and tabs stay.
#[must_use]
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        let keep = matches!(c, '\n' | '\t') || (c == '\r' && chars.peek() == Some(&'\n'));
        if keep {
            out.push(c);
        } else {
            let _ = write_char(&mut out, before, c);
        }
        before = Some(c);
    }
    out
}

fn write_char(out: &mut impl fmt::Write, before: Option<char>, c: char) -> fmt::Result {
    if is_hidden(c) && !is_emoji_style(before, c) {
        write!(out, "\\u{{{:x}}}", u32::from(c))
    } else {
        out.write_char(c)
    }
}

/// Moves a cursor, reorders a line, or cannot be seen. From the default ignorable code points of
/// Unicode 16 (DerivedCoreProperties.txt), with the controls, the two separators and the marks of
/// annotations.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The two selectors behind a symbol say whether it is shown in colour, and people type them
/// unknowingly. Behind a letter or a digit they would only make two equal names differ.
fn is_emoji_style(before: Option<char>, c: char) -> bool {
    let is_symbol = |c: char| !c.is_ascii() && !c.is_alphanumeric() && !is_hidden(c);
    matches!(c, '\u{fe0e}' | '\u{fe0f}') && before.is_some_and(is_symbol)
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

    #[test]
    fn nothing_that_cannot_be_seen_passes() {
        for hidden in [
            '\u{ad}',
            '\u{34f}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{2060}',
            '\u{3164}',
            '\u{fe00}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{e01ef}',
        ] {
            let expected = format!("A\\u{{{:x}}}B", u32::from(hidden));
            assert_eq!(Escaped(&format!("A{hidden}B")).to_string(), expected);
            assert_eq!(lines(&format!("A{hidden}B")), expected);
        }
        // what is seen, and the style of an emoji, are as they were typed
        for honest in [
            "Ana ❤\u{fe0f}",
            "☎\u{fe0e} 12",
            "Łukasz Żółć",
            "田中\u{3000}太郎",
            "12\u{202f}000 €",
        ] {
            assert_eq!(Escaped(honest).to_string(), honest);
        }
        for twice in ["A\u{fe0f}", "1\u{fe0f}", "❤\u{fe0f}\u{fe0f}", "\u{fe0f}"] {
            assert!(
                Escaped(twice).to_string().contains("\\u{fe0f}"),
                "{twice:?}"
            );
        }
    }
}
