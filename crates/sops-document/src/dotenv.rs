//! Dotenv as sops reads it: `KEY=value` lines, everything verbatim, `\n` for a line break, `#`
//! comments in column 0, no quotes, no `export`.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::tree::{Comment, Entry, Item, Leaf, Node, Scalar, Style, SyntaxError, Tree, Value};

/// Values and comments.
const MAX_LINES: usize = 200_000;
/// Some thousand recipients.
const MAX_METADATA: usize = 4096;

/// Parses all lines; metadata lines (`sops_…`) are entries like the others.
///
/// # Errors
/// [`SyntaxError`] for a line without `=`, a duplicate name, a leading byte order mark, or a line
/// that ends in CR alone (a file converted to CRLF, which sops cannot read).
pub fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut items = Vec::new();
    let mut names = HashSet::new();
    let mut metadata = 0;
    let mut start = 0;
    for line in source.split('\n') {
        let span = start..start + line.len();
        start = span.end + 1;
        if line.is_empty() {
            continue;
        }
        // also behind empty lines, which are not printed: it would come first
        if line.starts_with('\u{feff}') {
            let what = "a byte order mark would become part of the first name";
            return Err(SyntaxError::at(source, span.start, what));
        }
        if items.len() >= MAX_LINES {
            let what = format!("more than {MAX_LINES} values and comments");
            return Err(SyntaxError::at(source, span.start, what));
        }
        if let Some(text) = line.strip_prefix('#') {
            let text = Zeroizing::new(text.to_owned());
            items.push(Item::Comment(Comment { text, span, token: None, stray: false }));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(SyntaxError::at(source, span.start, "a line without `=`"));
        };
        metadata += usize::from(key.starts_with("sops_"));
        if metadata > MAX_METADATA {
            return Err(SyntaxError::at(
                source,
                span.start,
                format!("more than {MAX_METADATA} metadata lines"),
            ));
        }
        if !names.insert(key) {
            return Err(SyntaxError::at(source, span.start, format!("duplicate key `{key}`")));
        }
        let key_span = span.start..span.start + key.len();
        let scalar = Scalar::Str(Zeroizing::new(decode(value).into_bytes()));
        let leaf = Leaf { scalar, style: Style::Plain, token: None };
        let node = Node { span: key_span.end + 1..span.end, value: Value::Leaf(leaf) };
        items.push(Item::Entry(Entry { key: Some(key.to_owned()), span, key_span, node }));
    }
    items.shrink_to_fit();
    let root = Node { span: 0..source.len(), value: Value::Map(items) };
    Ok(Tree { documents: vec![root], ends: vec![source.len()], has_alias: false })
}

/// Prints a flat tree; `None` when it holds maps or lists.
#[must_use]
pub fn emit(tree: &Tree) -> Option<String> {
    let mut out = String::new();
    for document in &tree.documents {
        let Value::Map(items) = &document.value else { return None };
        for item in items {
            match item {
                Item::Comment(comment) => {
                    out.push('#');
                    out.push_str(&encode(&comment.text));
                }
                Item::Entry(entry) => {
                    out.push_str(entry.key.as_deref()?);
                    out.push('=');
                    out.push_str(&scalar_text(&entry.node.leaf()?.scalar));
                }
            }
            out.push('\n');
        }
    }
    Some(out)
}

/// A value as one line.
#[must_use]
pub fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Str(bytes) => encode(&String::from_utf8_lossy(bytes)),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => number.to_string(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Time(text) => text.clone(),
        Scalar::Null => String::new(),
    }
}

/// sops has no escape for a backslash before `n`: such a value would read back as a line break.
#[must_use]
pub fn can_hold(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Str(bytes) => {
            let raw_break = bytes.windows(2).any(|two| two == b"\\n");
            !raw_break && std::str::from_utf8(bytes).is_ok()
        }
        _ => true,
    }
}

#[must_use]
pub fn encode(text: &str) -> String {
    text.replace('\n', "\\n")
}

fn decode(text: &str) -> String {
    text.replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_verbatim() {
        let tree = parse("# c\nA= \"x\" # y\n\nB=1\\n2\nexport C=$D\r\n").unwrap();
        let values: Vec<String> = tree
            .leaves()
            .iter()
            .map(|(path, _, leaf)| format!("{path}={:?}", leaf.scalar.as_text().unwrap()))
            .collect();
        assert_eq!(values, [r#"A=" \"x\" # y""#, r#"B="1\n2""#, r#"export C="$D\r""#]);
        assert_eq!(emit(&tree).unwrap(), "# c\nA= \"x\" # y\nB=1\\n2\nexport C=$D\r\n");
    }

    #[test]
    fn lines_that_sops_reads_otherwise_are_refused() {
        assert_eq!(parse("A=1\nB\n").unwrap_err().line, 2);
        assert_eq!(parse("A=1\nA=2\n").unwrap_err().to_string(), "line 2: duplicate key `A`");
        assert!(parse("\u{feff}A=1\n").is_err());
    }
}
