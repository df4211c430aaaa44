//! A plain `.env` as people write it, read strictly.
//!
//! There is no standard, so what readers agree on is read and what they disagree on is refused with
//! its line: a value that changes on the way into a store is found by nobody. Nothing is ever
//! expanded: `$2a$10$…` is a password hash and `$(id)` is text. Messages never quote a line,
//! because the second line of a key that was pasted without quotes is a secret.

use std::collections::HashMap;

use zeroize::Zeroizing;

/// `NAME=value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: Zeroizing<String>,
    /// Counted from 1.
    pub line: usize,
    /// Other readers would put something in the place of `${…}`, `$(…)` or `` `…` `` here.
    pub looks_expanded: bool,
}

/// A line that cannot be read, or that readers disagree about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineFault {
    pub line: usize,
    pub what: String,
}

/// Lines `NAME=value` or `export NAME=value`, with blanks around the `=`; blank lines and lines
/// that start with `#`. Line ends may be CRLF, a byte order mark is skipped.
///
/// - `'…'` is literal, also over several lines.
/// - `"…"` may have several lines, and the escape `\n`.
/// - Anything else goes to the end of the line or to a blank with `#` behind it, less blanks at both ends.
///
/// What node 20, dotenv 17 (npm) and python-dotenv 1 read differently is refused: other escapes, a
/// `#` without a blank before it, `\\` in single quotes. A shell that reads the file itself differs
/// in more: it splits at blanks, expands `$`, and leaves `\n` as it is.
///
/// # Errors
/// Every [`LineFault`]; after a quote that is never closed nothing more can be read.
pub fn parse(text: &str) -> Result<Vec<Assignment>, Vec<LineFault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    let mut reader = EnvFileParser {
        rest: text,
        line: 1,
    };
    while !reader.rest.is_empty() {
        let line = reader.line;
        match reader.pair() {
            Ok(None) => {}
            Ok(Some(pair)) => pairs.push(pair),
            Err(what) => {
                faults.push(LineFault {
                    line,
                    what: what.into(),
                });
                if what == OPEN {
                    break;
                }
                reader.skip_line();
            }
        }
    }
    faults.extend(twins(&pairs));
    if faults.is_empty() {
        Ok(pairs)
    } else {
        Err(faults)
    }
}

fn twins(pairs: &[Assignment]) -> Vec<LineFault> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut faults = Vec::new();
    for pair in pairs {
        if let Some(first) = seen.insert(&pair.name, pair.line) {
            let what = format!("`{}` stands on line {first} already", pair.name);
            faults.push(LineFault {
                line: pair.line,
                what,
            });
        }
    }
    faults
}

const OPEN: &str = "a quote opens here and is never closed";
const NO_EQUALS: &str = "there is no `=`; a value of several lines needs quotes";
const NAME: &str =
    "what stands before the `=` is no name (letters, digits and `_`, not a digit first)";
const BEHIND: &str = "text behind the closing quote; put all of the value into one pair of quotes";
const HASH: &str =
    "a `#` without a blank before it begins a comment for some readers; put the value into quotes";
const EQUALS: &str = "a value that starts with `=`; put it into quotes if it is meant";
const BACKTICK: &str =
    "backticks quote in some readers and run a command in others; use single quotes";
const CONTINUED: &str =
    "a backslash at the end joins lines in some readers; put the value into quotes";
const ESCAPE: &str =
    "readers disagree about this backslash; use single quotes, or stax secrets set";
const LITERAL: &str = "readers disagree about two backslashes in single quotes, and about one at their end; use stax secrets set";
const NUL: &str = "holds NUL, which no environment can carry";

struct EnvFileParser<'a> {
    rest: &'a str,
    /// Of the start of `rest`.
    line: usize,
}

impl<'a> EnvFileParser<'a> {
    /// The next line that is no blank and no comment; a fault leaves the reader within its line.
    fn pair(&mut self) -> Result<Option<Assignment>, &'static str> {
        let line = self.line;
        let text = self.this_line().trim();
        if text.is_empty() || text.starts_with('#') {
            self.skip_line();
            return Ok(None);
        }
        if text.contains('\0') {
            return Err(NUL);
        }
        let (before, _) = self.this_line().split_once('=').ok_or(NO_EQUALS)?;
        let name = before.trim();
        let exported = name
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']));
        let name = exported.map_or(name, str::trim_start);
        if !is_name(name) {
            return Err(NAME);
        }
        let name = name.to_owned();
        self.take(before.len() + 1);
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blanks);
        let start = self.rest;
        let (value, is_literal) = match start.chars().next() {
            Some('\'') => (self.single()?, true),
            Some('"') => (self.double()?, false),
            _ => (self.bare(blanks > 0)?, false),
        };
        if value.contains('\0') {
            return Err(NUL);
        }
        let signs: &[&str] = if is_literal {
            &["${"]
        } else {
            &["${", "$(", "`"]
        };
        let looks_expanded = signs.iter().any(|sign| value.contains(sign));
        Ok(Some(Assignment {
            name,
            value,
            line,
            looks_expanded,
        }))
    }

    /// Up to the line break, which is not part of it, nor the CR before it.
    fn this_line(&self) -> &'a str {
        let line = self.rest.split('\n').next().unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.take(end);
    }

    fn single(&mut self) -> Result<Zeroizing<String>, &'static str> {
        let end = self.rest[1..].find('\'').ok_or(OPEN)?;
        let value = Zeroizing::new(self.rest[1..=end].replace("\r\n", "\n"));
        self.take(end + 2);
        if value.contains(r"\\") || value.ends_with('\\') {
            return Err(LITERAL);
        }
        self.end_of_value()?;
        Ok(value)
    }

    fn double(&mut self) -> Result<Zeroizing<String>, &'static str> {
        let mut value = Zeroizing::new(String::with_capacity(self.this_line().len()));
        let mut fault = None;
        let mut signs = self.rest[1..].char_indices().peekable();
        let end = loop {
            let Some((at, sign)) = signs.next() else {
                return Err(OPEN);
            };
            match sign {
                '"' => break at,
                '\\' => match signs.next() {
                    Some((_, 'n')) => value.push('\n'),
                    _ => fault = Some(ESCAPE),
                },
                '\r' if signs.peek().is_some_and(|(_, next)| *next == '\n') => {}
                _ => value.push(sign),
            }
        };
        self.take(end + 2);
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.end_of_value()?;
        Ok(value)
    }

    /// Behind a quoted value a comment may stand.
    fn end_of_value(&mut self) -> Result<(), &'static str> {
        let rest = self.this_line();
        let trimmed = rest.trim_start();
        let is_comment = trimmed.starts_with('#') && trimmed.len() < rest.len();
        if !trimmed.is_empty() && !is_comment {
            return Err(BEHIND);
        }
        self.skip_line();
        Ok(())
    }

    fn bare(&mut self, behind_blank: bool) -> Result<Zeroizing<String>, &'static str> {
        let line = self.this_line();
        let comment = line
            .char_indices()
            .zip(
                std::iter::once(behind_blank)
                    .chain(line.chars().map(|sign| matches!(sign, ' ' | '\t'))),
            )
            .find(|((_, sign), behind_blank)| *sign == '#' && *behind_blank)
            .map(|((at, _), _)| at);
        let value = line[..comment.unwrap_or(line.len())].trim_matches([' ', '\t']);
        if value.contains('#') {
            return Err(HASH);
        }
        if value.starts_with('=') {
            return Err(EQUALS);
        }
        if value.starts_with('`') {
            return Err(BACKTICK);
        }
        if value.ends_with('\\') {
            return Err(CONTINUED);
        }
        let value = Zeroizing::new(value.to_owned());
        self.skip_line();
        Ok(value)
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |sign: char| sign.is_ascii_alphabetic() || sign == '_';
    name.starts_with(is_letter)
        && name
            .chars()
            .all(|sign| is_letter(sign) || sign.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::shell::{dotenv_line, export_line};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let pairs = parse(text).unwrap_or_else(|faults| panic!("{text:?}: {faults:?}"));
        pairs
            .into_iter()
            .map(|pair| (pair.name, pair.value.to_string()))
            .collect()
    }

    #[test]
    fn what_people_write_is_read() {
        for (text, value) in [
            ("A=x", "x"),
            ("A=x\n", "x"),
            ("A=x\r\n", "x"),
            ("\u{feff}A=x", "x"),
            ("export A=x", "x"),
            ("  export\tA = x  ", "x"),
            ("A=", ""),
            ("A=   ", ""),
            ("A= # nothing", ""),
            ("A=a b c", "a b c"),
            ("A='a#b'", "a#b"),
            ("A=a #b", "a"),
            ("A=a\t# b", "a"),
            ("A=a=b==", "a=b=="),
            ("A=it's", "it's"),
            (
                "A=$2a$10$N9qo8uLOickgx2ZMRZoMye",
                "$2a$10$N9qo8uLOickgx2ZMRZoMye",
            ),
            ("A=\"$2a$10$N9\"", "$2a$10$N9"),
            ("A=${HOME}/$(id)", "${HOME}/$(id)"),
            ("A=C:\\x", "C:\\x"),
            ("A='a \\n $b \"c\" # d'", "a \\n $b \"c\" # d"),
            ("A='a\r\nb'", "a\nb"),
            ("A='' # empty", ""),
            (r#"A="a\nb""#, "a\nb"),
            (r"A='C:\x'", r"C:\x"),
            ("A=\"a\nb\n\"", "a\nb\n"),
            ("A=\"a\r\nb\" # why\r\n", "a\nb"),
            ("A=\"# x\"", "# x"),
            ("# c\n\n   # d\nA=ö🚀", "ö🚀"),
            ("#A=y\nA=x", "x"),
        ] {
            assert_eq!(read(text), [("A".to_owned(), value.to_owned())], "{text:?}");
        }
        assert_eq!(read(""), []);
        assert_eq!(
            read("A=1\n_b2=2"),
            [("A".into(), "1".into()), ("_b2".into(), "2".into())]
        );
    }

    #[test]
    fn what_readers_disagree_about_is_refused_with_its_line() {
        for (text, lines, what) in [
            ("A=1\nB\n", &[2][..], NO_EQUALS),
            ("export A", &[1], NO_EQUALS),
            ("A=1\nB C=2", &[2], NAME),
            ("2A=1\n-=2\n=3", &[1, 2, 3], NAME),
            ("A.B=1", &[1], NAME),
            ("exportA =1\nexport =2", &[], ""),
            ("A='x\nB=1\n", &[1], OPEN),
            ("A=1\nB=\"x\\\"\nC=1\n", &[2], OPEN),
            ("A='x'y", &[1], BEHIND),
            (r"A='it'\''s'", &[1], BEHIND),
            ("A=\"x\"#y", &[1], BEHIND),
            ("A=#x", &[1], HASH),
            ("A=a#b", &[1], HASH),
            (r"A='\\server\share'", &[1], LITERAL),
            (r"A='end\'", &[1], LITERAL),
            (r#"A="a\tb""#, &[1], ESCAPE),
            (r#"A="say \"x\"""#, &[1], ESCAPE),
            (r#"A="\$x""#, &[1], ESCAPE),
            ("abcDEF==\n", &[1], EQUALS),
            ("A=`id`", &[1], BACKTICK),
            ("A=x\\\nB=1", &[1], CONTINUED),
            (r#"A="C:\path""#, &[1], ESCAPE),
            ("A=\"a\\\nb\"\nB", &[1, 3], ESCAPE),
            ("A=x\0y", &[1], NUL),
        ] {
            let Err(faults) = parse(text) else {
                assert!(lines.is_empty(), "{text:?} is read");
                continue;
            };
            assert_eq!(
                faults.iter().map(|fault| fault.line).collect::<Vec<_>>(),
                lines,
                "{text:?} {faults:?}"
            );
            assert_eq!(faults[0].what, what, "{text:?}");
        }
        let faults = parse("A=1\nB=2\nA=3\n").unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "line 3: `A` stands on line 1 already"
        );
    }

    #[test]
    fn no_message_quotes_a_secret() {
        let key = "KEY=-----BEGIN KEY-----\nMIIEcanary/1+x==\nMIIEcanary2\n-----END KEY-----\n";
        let faults = parse(key).unwrap_err();
        assert_eq!(
            faults.iter().map(|fault| fault.line).collect::<Vec<_>>(),
            [2, 3, 4]
        );
        assert!(
            faults
                .iter()
                .all(|fault| !fault.to_string().contains("canary"))
        );
    }

    #[test]
    fn what_others_would_expand_is_told() {
        for (text, looks) in [
            ("A=${B}", true),
            ("A=\"$(id)\"", true),
            ("A=x`id`", true),
            ("A='${B}'", true),
            ("A='$(id)'", false),
            ("A=$2a$10$x", false),
        ] {
            assert_eq!(parse(text).unwrap()[0].looks_expanded, looks, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_export_writes_comes_back(values in prop::collection::vec(r#"([^\x00]|['"\\$`!\n\r\t #;=]){0,40}"#, 1..5)) {
            let line = |(at, value): (usize, &String)| dotenv_line(&format!("A{at}"), value).ok();
            let written = values.iter().enumerate().filter_map(|it| Some((line(it)?, it.1.clone())));
            let (lines, values): (Vec<String>, Vec<String>) = written.unzip();
            let found: Vec<String> = read(&lines.concat()).into_iter().map(|(_, value)| value).collect();
            prop_assert_eq!(found, values);
        }

        #[test]
        fn a_shell_line_without_quote_and_backslash_comes_back(value in r#"([^\x00'\r\\]|["$`!\n\t #;=]){0,40}"#) {
            prop_assert_eq!(&read(&export_line("A", &value).unwrap())[0].1, &value);
        }

        #[test]
        fn any_text_is_read_or_refused(text in r#"([^\x00]|[A='"\\$`\n\r #]){0,60}"#) {
            let _ = parse(&text);
        }
    }
}
