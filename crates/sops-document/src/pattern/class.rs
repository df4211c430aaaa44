//! Character classes: ASCII where Go is ASCII, and never the set operations that only Rust has.

use super::{Parsed, Translator, push_literal, refuse};

/// General categories that both engines know by this spelling. Without `C`, `Cn`, `Cs` and `LC`,
/// whose extent differs between Go versions and from Rust.
const CATEGORIES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc",
    "Cf", "Co",
];

const SCRIPTS: &[&str] = &[
    "Arabic",
    "Armenian",
    "Bengali",
    "Cyrillic",
    "Devanagari",
    "Georgian",
    "Greek",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Katakana",
    "Latin",
    "Tamil",
    "Thai",
];

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

impl Translator {
    /// `[…]`; the opening bracket is already taken.
    pub(super) fn bracket_class(&mut self) -> Parsed {
        self.out.push('[');
        if self.take_if('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(character) = self.take() else {
                return refuse("a class that is not closed");
            };
            if character == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if character == '[' && self.peek(0) == Some(':') && self.posix_class()? {
                continue;
            }
            if character == '\\'
                && matches!(
                    self.peek(0),
                    Some('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')
                )
            {
                let letter = self.take().unwrap_or_default();
                let set = self.escaped_class(letter)?;
                self.out.push_str(&set);
                continue;
            }
            self.range(character)?;
        }
    }

    /// One character, or `a-z`. As in Go a `-` is a range only between two characters.
    fn range(&mut self, first: char) -> Parsed {
        let low = self.class_character(first)?;
        push_literal(&mut self.out, low);
        if self.peek(0) != Some('-') || matches!(self.peek(1), None | Some(']')) {
            return Ok(());
        }
        self.position += 1;
        let Some(next) = self.take() else {
            return refuse("a class that is not closed");
        };
        let high = self.class_character(next)?;
        if high < low {
            return refuse("a range the wrong way round");
        }
        self.out.push('-');
        push_literal(&mut self.out, high);
        Ok(())
    }

    fn class_character(&mut self, character: char) -> Parsed<char> {
        if character != '\\' {
            return Ok(character);
        }
        match self.take() {
            None => refuse("a class that is not closed"),
            Some('0'..='9') => refuse("an octal escape"),
            Some(letter) => self.escaped_literal(letter),
        }
    }

    /// `[:alpha:]` or `[:^alpha:]` with its `[` taken; false when Go reads a literal bracket.
    fn posix_class(&mut self) -> Parsed<bool> {
        let rest: String = self.input[self.position + 1..].iter().collect();
        let Some((name, _)) = rest.split_once(":]") else {
            return Ok(false);
        };
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return refuse("a class name that sops does not know");
        }
        // `:`, the name, `:]`
        self.position += name.len() + 3;
        self.out.push_str(&format!("[:{name}:]"));
        Ok(true)
    }

    /// `\d` and its kin, and `\p…`; the letter is already taken. The result is one set that may
    /// stand in a pattern and in a class.
    pub(super) fn escaped_class(&mut self, letter: char) -> Parsed<String> {
        Ok(match letter {
            'd' => "[0-9]".into(),
            'D' => "[^0-9]".into(),
            // without the vertical tab that Rust's `\s` has
            's' => r"[\t\n\x{c}\r\x{20}]".into(),
            'S' => r"[^\t\n\x{c}\r\x{20}]".into(),
            'w' => "[0-9A-Za-z_]".into(),
            'W' => "[^0-9A-Za-z_]".into(),
            _ => return self.unicode_class(letter == 'P'),
        })
    }

    /// `L`, `{L}` or `{^Greek}` after `\p` or `\P`.
    fn unicode_class(&mut self, mut negated: bool) -> Parsed<String> {
        self.is_plain = false;
        let mut name = String::new();
        match self.take() {
            Some('{') => loop {
                match self.take() {
                    Some('}') => break,
                    Some('^') if name.is_empty() && !name.contains('^') => negated = !negated,
                    Some(character) => name.push(character),
                    None => return refuse(r"a `\p{` that is not closed"),
                }
            },
            Some(character) => name.push(character),
            None => return refuse(r"`\p` without a name"),
        }
        if !CATEGORIES.contains(&name.as_str()) && !SCRIPTS.contains(&name.as_str()) {
            return refuse("a Unicode class that may mean something else here");
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }
}
