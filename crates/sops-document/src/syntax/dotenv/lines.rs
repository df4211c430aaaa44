//! Lines that other readers of dotenv join or cut, while sops takes each as it stands.

use crate::tree::SyntaxError;

/// A text that would be sealed as something else than its author sees in it.
///
/// # Errors
/// [`SyntaxError`]: lines that end in CRLF, and values over several lines.
pub(super) fn check(text: &str) -> Result<(), SyntaxError> {
    let mut lines = text
        .split_inclusive('\n')
        .filter(|line| !line.trim().is_empty())
        .peekable();
    if lines.peek().is_some() && lines.all(|line| line.ends_with("\r\n")) {
        let what = "the lines end in CRLF, and SOPS would make the carriage return a part of each value: convert the file to LF";
        return Err(SyntaxError {
            line: 1,
            what: what.into(),
        });
    }
    check_values(text)
}

/// # Errors
/// [`SyntaxError`]: a value over several lines.
pub(super) fn check_values(text: &str) -> Result<(), SyntaxError> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if is_open(line, &text[offset + line.len()..]) {
            let what = "a value over several lines, which SOPS would take apart: read the file with stax secrets import, or write `\\n` for each line break";
            return Err(SyntaxError::at(text, offset, what));
        }
        offset += line.len();
    }
    Ok(())
}

/// Whether the quotes around a value close at the end of a later line. A quote that never closes so
/// is a part of its value to every reader.
fn is_open(line: &str, below: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else {
        return false;
    };
    let Some(quote) = value
        .trim_start()
        .chars()
        .next()
        .filter(|sign| ['"', '\''].contains(sign))
    else {
        return false;
    };
    let inner = &value.trim_start()[1..];
    if name.starts_with('#') || closing(inner, quote).is_some() {
        return false;
    }
    closing(below, quote).is_some_and(|at| {
        let rest = below[at + 1..]
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start();
        rest.is_empty() || rest.starts_with('#')
    })
}

/// The next quote without a backslash before it.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices()
        .find(|(_, sign)| {
            let ends = *sign == quote && !is_escaped;
            is_escaped = *sign == '\\' && !is_escaped && quote == '"';
            ends
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_another_reader_joins_is_refused_with_its_line() {
        for (text, line) in [
            ("A=1\nNOTE=\"first\nsecond\"\nB=2\n", 2),
            ("OPTS='host=db\npassword=x'\n", 1),
            ("K = \"a\n\n b\" # note\nB=\"1\"\n", 1),
            ("A=1\r\n\r\nB=2\r\n", 1),
        ] {
            assert_eq!(check(text).unwrap_err().line, line, "{text}");
        }
        for text in [
            "A=\"one\"\nB='two' # note\n",
            "PASS=\"abc\nB=\"two\"\n",
            "PASS='abc\nB=it's\n",
            "A=\"x\\\"y\"\nB=\"\"\n",
            "#A=\"x\n#y\"\n",
            "A=1\r\nB=2\n",
            "",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
    }
}
