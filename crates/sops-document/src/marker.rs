//! The line that a merge leaves on top of a file while keys of it are open: `# stax-conflict KEY…`.
//!
//! It is a comment in clear, so sops opens the file, and no hook, no CI and no reader passes over
//! it.

use crate::syntax::format::Format;

/// The first word of the comment.
pub const WORD: &str = "stax-conflict";

/// Puts the line on top; `None` where the format has no comments.
#[must_use]
pub fn mark(format: Format, text: &str, keys: &[String]) -> Option<String> {
    let sign = format.traits().comment_signs.first()?;
    let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
    let (bom, rest) = text.split_at(if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    });
    Some(format!("{bom}{sign} {WORD} {}\n{rest}", keys.join(" ")))
}

/// The text without such lines, and the keys that they name; `None` where there is no such line.
#[must_use]
pub fn unmark(text: &str) -> Option<(String, Vec<String>)> {
    let (mut keys, mut rest, mut is_marked) =
        (Vec::new(), String::with_capacity(text.len()), false);
    for line in text.split_inclusive('\n') {
        match names(line) {
            Some(names) => {
                is_marked = true;
                keys.extend(names);
            }
            None => rest.push_str(line),
        }
    }
    is_marked.then_some((rest, keys))
}

/// Whether a comment is the line; its text stays in clear.
#[must_use]
pub fn is_marker(comment: &str) -> bool {
    comment.split_whitespace().next() == Some(WORD)
}

/// Whether a text holds the markers of a text merge, as git writes them.
#[must_use]
pub fn has_text_markers(text: &str) -> bool {
    text_markers(text).is_some()
}

/// The number of the first line of such markers.
#[must_use]
pub fn text_markers(text: &str) -> Option<usize> {
    let first = |sign: char| {
        let sign = sign.to_string().repeat(7);
        text.lines().position(|line| line.starts_with(&sign))
    };
    first('=')
        .and(first('>'))
        .and(first('<'))
        .map(|position| position + 1)
}

fn names(line: &str) -> Option<Vec<String>> {
    let comment = line
        .trim_start_matches('\u{feff}')
        .strip_prefix(['#', ';'])?;
    if !is_marker(comment) {
        return None;
    }
    let mut rest = comment.trim_start().strip_prefix(WORD)?.trim();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let string = rest.strip_prefix('\'').and_then(unquote);
        // behind a string its closing quote
        let (name, end) = string.map_or_else(|| word(rest), |(name, end)| (name, end + 2));
        names.push(name);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Some(names)
}

/// A key with blanks or signs that no line can carry stands as a JSON string in single quotes.
fn quoted(key: &str) -> String {
    if !key.is_empty() && key.bytes().all(|c| c.is_ascii_graphic() && c != b'\'') {
        return key.to_owned();
    }
    let mut out = "'".to_owned();
    for c in serde_json::Value::from(key).to_string().chars() {
        if c.is_ascii_graphic() || c == ' ' {
            out.push(c);
        } else {
            let mut units = [0; 2];
            out.extend(
                c.encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            );
        }
    }
    out + "'"
}

fn word(text: &str) -> (String, usize) {
    let end = text.find(' ').unwrap_or(text.len());
    (text[..end].to_owned(), end)
}

/// A JSON string at the start of a text, and where it ends.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let name = values.next()?.ok()?;
    Some((name, values.byte_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_line_read_back_whatever_they_hold() {
        let keys: Vec<String> = [
            "A",
            "a.b[0]",
            r#"["x y"].z"#,
            "quo'te",
            "ключ",
            "e\u{202e}vil",
            "line\nbreak",
            "",
        ]
        .map(str::to_owned)
        .to_vec();
        for format in [Format::Yaml, Format::Dotenv, Format::Ini] {
            let text = mark(format, "A=1\n", &keys).unwrap();
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(text.is_ascii(), "{text}");
            assert_eq!(
                unmark(&text),
                Some(("A=1\n".to_owned(), keys.clone())),
                "{text}"
            );
        }
        assert_eq!(mark(Format::Json, "{}", &keys), None);
        assert_eq!(unmark("# a stax-conflict in words\nA=1\n"), None);
    }
}
