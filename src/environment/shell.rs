//! Names and values written for others to read: POSIX shells, dotenv files and GitHub Actions.
//!
//! Names are checked by [`super::names`] before they come here; each function checks the shape
//! again, because a name is written unquoted.

use super::names::{NameError, check_shape};

/// Shorter lines would mask ordinary words all over a log.
const MIN_MASKED_LINE: usize = 4;

/// A pair that cannot be written; the value is never part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("the value of `{0}` holds a NUL, which no environment can carry")]
    Nul(String),
    #[error(
        "readers of .env files disagree about every way to write the value of `{0}` (quotes, backslashes, `${{`, \
         carriage returns)"
    )]
    Readers(String),
    #[error("the delimiter is part of the value of `{0}`, or is not 16 or more letters and digits")]
    Delimiter(String),
}

/// `export NAME='value'` with a line break: survives `eval "$(…)"` in sh, dash, bash and zsh, and
/// `| source` in fish, unchanged. Backslashes stand outside of the quotes, because fish undoes them
/// within.
///
/// # Errors
/// [`ExportError`]: a name of the wrong shape, or NUL in the value.
pub fn export_line(name: &str, value: &str) -> Result<String, ExportError> {
    check(name, value)?;
    let mut quoted = String::with_capacity(value.len() + 2);
    for character in value.chars() {
        match character {
            '\'' | '\\' => quoted.extend(['\'', '\\', character, '\'']),
            _ => quoted.push(character),
        }
    }
    Ok(format!("export {name}='{quoted}'\n"))
}

/// `NAME=value` with a line break, for dotenv readers.
///
/// Only in ways that node, dotenv (npm), python-dotenv, docker compose and bash read alike: raw
/// when every character is plain, else in single quotes, else in double quotes without any escape.
/// python-dotenv undoes `\\` in single quotes and expands `${…}` in all; the others undo neither,
/// and of a carriage return each makes something else.
///
/// # Errors
/// [`ExportError`]: a name of the wrong shape, NUL in the value, or a value that they read
/// differently.
pub fn dotenv_line(name: &str, value: &str) -> Result<String, ExportError> {
    check(name, value)?;
    let raw = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    if value.chars().all(raw) {
        return Ok(format!("{name}={value}\n"));
    }
    if value.contains('\r') || value.contains("${") {
        return Err(ExportError::Readers(name.to_owned()));
    }
    if !value.contains('\'') && !value.contains(r"\\") && !value.ends_with('\\') {
        return Ok(format!("{name}='{value}'\n"));
    }
    if !value.contains(['"', '\\', '$', '`']) {
        return Ok(format!("{name}=\"{value}\"\n"));
    }
    Err(ExportError::Readers(name.to_owned()))
}

/// The lines for the file that `$GITHUB_ENV` names. The caller draws the delimiter at random, at
/// least 16 letters and digits, new for each value.
///
/// # Errors
/// [`ExportError`]: a name of the wrong shape, NUL in the value, or a delimiter that is weak or
/// occurs in it.
pub fn github_env(name: &str, value: &str, delimiter: &str) -> Result<String, ExportError> {
    check(name, value)?;
    let strong =
        delimiter.len() >= 16 && delimiter.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !strong || value.contains(delimiter) {
        return Err(ExportError::Delimiter(name.to_owned()));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

/// The `::add-mask::` lines to print before anything else can print the value: one for the whole
/// value and, when it has several lines, one for each that is long enough, since a log is masked
/// line by line.
#[must_use]
pub fn github_masks(value: &str) -> String {
    let mut masks = Vec::new();
    if !value.trim().is_empty() {
        masks.push(value);
    }
    if value.contains(['\n', '\r']) {
        let lines = value.split(['\n', '\r']).map(str::trim);
        masks.extend(lines.filter(|line| line.len() >= MIN_MASKED_LINE));
    }
    let escape = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    masks
        .iter()
        .map(|mask| format!("::add-mask::{}\n", escape(mask)))
        .collect()
}

/// Which names are refused is decided before; here only the shape counts.
fn check(name: &str, value: &str) -> Result<(), ExportError> {
    check_shape(name)?;
    if value.contains('\0') {
        Err(ExportError::Nul(name.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a POSIX shell makes of one word of quoted and escaped pieces.
    fn unquote(word: &str) -> Option<String> {
        let (mut value, mut characters) = (String::new(), word.chars());
        while let Some(character) = characters.next() {
            match character {
                '\'' => loop {
                    match characters.next()? {
                        '\'' => break,
                        inside => value.push(inside),
                    }
                },
                '\\' => value.push(characters.next()?),
                _ => return None,
            }
        }
        Some(value)
    }

    proptest! {
        #[test]
        fn any_value_survives_the_shell(value in r#"([^\x00]|['"\\$`!\n\r #;]){0,40}"#) {
            let line = export_line("A", &value).unwrap();
            let word = line.strip_prefix("export A=").unwrap().strip_suffix('\n').unwrap();
            prop_assert_eq!(unquote(word), Some(value));
        }
    }

    #[test]
    fn lines_look_as_a_person_would_write_them() {
        for (value, shell, dotenv) in [
            ("", "''", ""),
            ("5432", "'5432'", "5432"),
            (
                "postgres://u:p@h/db",
                "'postgres://u:p@h/db'",
                "postgres://u:p@h/db",
            ),
            ("a b", "'a b'", "'a b'"),
            ("$(id) `id` #", "'$(id) `id` #'", "'$(id) `id` #'"),
            ("it's", r"'it'\''s'", "\"it's\""),
            ("a\nb", "'a\nb'", "'a\nb'"),
            (r"C:\x", r"'C:'\\'x'", r"'C:\x'"),
            (r#"{"a":1}"#, r#"'{"a":1}'"#, r#"'{"a":1}'"#),
        ] {
            assert_eq!(
                export_line("A", value).unwrap(),
                format!("export A={shell}\n")
            );
            assert_eq!(dotenv_line("A", value).unwrap(), format!("A={dotenv}\n"));
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused_without_its_value() {
        let error = export_line("A", "s3cret\0").unwrap_err();
        assert_eq!(error, ExportError::Nul("A".into()));
        assert!(!error.to_string().contains("s3cret"));
        for write in [export_line, dotenv_line] {
            assert!(write("A;id", "x").is_err() && write("A", "\0").is_err());
        }
    }

    #[test]
    fn what_readers_of_dotenv_read_differently_is_refused() {
        for value in [
            "it's $5",
            r"\\server\share",
            r"end\",
            "a\rb",
            "${HOME}",
            "it's \"x\"",
            "it's `x`",
        ] {
            let error = dotenv_line("A", value).unwrap_err();
            assert_eq!(error, ExportError::Readers("A".into()), "{value}");
            assert!(!error.to_string().contains(value));
        }
    }

    #[test]
    fn github_gets_a_heredoc_and_masks() {
        let delimiter = "ghadelimiter0123456789";
        assert_eq!(
            github_env("A", "x\ny\n", delimiter).unwrap(),
            "A<<ghadelimiter0123456789\nx\ny\n\nghadelimiter0123456789\n"
        );
        assert!(github_env("A", &format!("x\n{delimiter}\nB=1"), delimiter).is_err());
        assert!(
            github_env("A", "x", "EOF").is_err()
                && github_env("A", "x", "0123456789abcdef\n").is_err()
        );
        assert_eq!(github_masks("sk_live"), "::add-mask::sk_live\n");
        assert_eq!(
            github_masks("line one\r\n{\n50% off\n"),
            "::add-mask::line one%0D%0A{%0A50%25 off%0A\n::add-mask::line one\n::add-mask::50%25 off\n"
        );
        assert_eq!(github_masks(""), "");
    }
}
