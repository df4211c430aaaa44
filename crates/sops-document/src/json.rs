//! JSON with spans: order kept, duplicate names and trailing text refused.
//!
//! sops 3.11 reads every number as a double and keeps duplicate names; here integers stay integers
//! (as in sops 3.13) and a second name of an object is an error.

use std::ops::Range;

use zeroize::Zeroizing;

use super::tree::{Entry, Item, Leaf, Node, Scalar, Style, SyntaxError, Tree, Value, duplicate, keep_point};

const MAX_DEPTH: usize = 100;
const MAX_NODES: usize = 200_000;

/// Parses one object.
///
/// # Errors
/// [`SyntaxError`] with the line and the rule.
pub fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut reader = Reader { source, bytes: source.as_bytes(), at: 0, nodes: 0 };
    reader.blank();
    if reader.peek() != Some(b'{') {
        return Err(reader.error("the top level must be an object"));
    }
    let root = reader.value(0)?;
    reader.blank();
    if reader.at < source.len() {
        return Err(reader.error("text after the end of the object"));
    }
    Ok(Tree { documents: vec![root], ends: vec![source.len()], has_alias: false })
}

struct Reader<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn error(&self, what: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.source, self.at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.peek() != Some(byte) {
            return Err(self.error(format!("`{}` expected", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} levels deep")));
        }
        if self.nodes > MAX_NODES {
            return Err(self.error(format!("more than {MAX_NODES} values")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => Value::Map(self.members(depth)?),
            Some(b'[') => Value::List(self.elements(depth)?),
            _ => Value::Leaf(Leaf { scalar: self.scalar()?, style: Style::Double, token: None }),
        };
        Ok(Node { span: start..self.at, value })
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Item>, SyntaxError> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        while self.peek() != Some(b'}') {
            if !items.is_empty() {
                self.expect(b',')?;
                self.blank();
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            self.blank();
            self.expect(b':')?;
            self.blank();
            let node = self.value(depth + 1)?;
            let span = start..node.span.end;
            items.push(Item::Entry(Entry { key: Some(key.to_string()), span, key_span, node }));
            self.blank();
        }
        if let Some((key, span)) = duplicate(&items) {
            return Err(SyntaxError::at(self.source, span.start, format!("duplicate key `{key}`")));
        }
        items.shrink_to_fit();
        self.at += 1;
        Ok(items)
    }

    fn elements(&mut self, depth: usize) -> Result<Vec<Item>, SyntaxError> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        while self.peek() != Some(b']') {
            if !items.is_empty() {
                self.expect(b',')?;
                self.blank();
            }
            let node = self.value(depth + 1)?;
            let span = node.span.clone();
            items.push(Item::Entry(Entry { key: None, key_span: span.start..span.start, span, node }));
            self.blank();
        }
        items.shrink_to_fit();
        self.at += 1;
        Ok(items)
    }

    fn scalar(&mut self) -> Result<Scalar, SyntaxError> {
        for (word, scalar) in
            [("true", Scalar::Bool(true)), ("false", Scalar::Bool(false)), ("null", Scalar::Null)]
        {
            if self.source[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(scalar);
            }
        }
        match self.peek() {
            Some(b'"') => Ok(Scalar::Str(Zeroizing::new(self.string()?.as_bytes().to_vec()))),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("a value expected")),
        }
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Scalar, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'-' | b'+')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.source[start..self.at];
        if whole
            && text != "-0"
            && let Ok(number) = text.parse()
        {
            return Ok(Scalar::Int(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Scalar::Float(number)),
            _ => Err(self.error("a number beyond the range of a double")),
        }
    }

    fn string(&mut self) -> Result<Zeroizing<String>, SyntaxError> {
        self.expect(b'"')?;
        let mut text = Zeroizing::new(String::new());
        loop {
            let rest = &self.source[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string that does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let byte = self.peek().ok_or_else(|| self.error("a string that does not end"))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex4()?;
                let pair = (0xd800..0xdc00).contains(&high) && self.source[self.at..].starts_with("\\u");
                if !pair {
                    return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                let before = self.at;
                self.at += 2;
                let low = self.hex4()?;
                if !(0xdc00..0xe000).contains(&low) {
                    self.at = before;
                    return Ok(char::REPLACEMENT_CHARACTER);
                }
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.error("an unknown escape in a string")),
        })
    }

    fn hex4(&mut self) -> Result<u32, SyntaxError> {
        let digits = self.source.get(self.at..self.at + 4);
        let code = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|text| u32::from_str_radix(text, 16).ok());
        let code = code.ok_or_else(|| self.error("four hex digits expected after \\u"))?;
        self.at += 4;
        Ok(code)
    }
}

/// Prints the tree as `sops decrypt` does: `indent` a level, Go's escapes, a final newline.
#[must_use]
pub fn emit(tree: &Tree, indent: &str) -> String {
    let mut out = String::new();
    if let Some(root) = tree.documents.first() {
        emit_node(root, indent, 0, &mut out);
    }
    out.push('\n');
    out
}

fn emit_node(node: &Node, indent: &str, depth: usize, out: &mut String) {
    let (open, close) = match &node.value {
        Value::Leaf(leaf) => return out.push_str(&scalar_text(&leaf.scalar)),
        Value::Map(_) => ('{', '}'),
        Value::List(_) => ('[', ']'),
    };
    out.push(open);
    let mut first = true;
    for entry in node.entries() {
        out.push_str(if first { "\n" } else { ",\n" });
        first = false;
        out.push_str(&indent.repeat(depth + 1));
        if let Some(key) = &entry.key {
            out.push_str(&string_text(key));
            out.push_str(": ");
        }
        emit_node(&entry.node, indent, depth + 1, out);
    }
    if !first {
        out.push('\n');
        out.push_str(&indent.repeat(depth));
    }
    out.push(close);
}

/// A scalar as Go's encoder writes it.
#[must_use]
pub fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Str(bytes) => string_text(&String::from_utf8_lossy(bytes)),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => float_text(*number),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Time(text) => string_text(text),
        Scalar::Null => "null".into(),
    }
}

/// The same, but a whole float keeps its point, so that it reads as a float again.
#[must_use]
pub fn scalar_inline(scalar: &Scalar) -> String {
    keep_point(scalar, scalar_text(scalar))
}

fn float_text(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return number.to_string();
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => scientific,
    }
}

/// A string with Go's escapes: `<`, `>`, `&` and the line separators are escaped too.
#[must_use]
pub fn string_text(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The bytes to cut so that the member at `index` of the object `node` is gone, comma included.
#[must_use]
pub fn member_range(source: &str, node: &Node, index: usize) -> Range<usize> {
    let entries: Vec<&Entry> = node.entries().collect();
    match (index.checked_sub(1), entries.get(index + 1)) {
        (Some(before), _) => entries[before].span.end..entries[index].span.end,
        (None, Some(after)) => entries[index].span.start..after.span.start,
        (None, None) => {
            let inner = node.span.start + 1..node.span.end.saturating_sub(1);
            if source[inner.clone()].trim().is_empty() { inner.start..inner.start } else { inner }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_and_we_print_the_same() {
        let source =
            r#"{"a": "<é\u2028\ud83d\ude80\ud800x>", "b": [1, -0, 1.50, 1e-7, 1e21, {}], "c": null}"#;
        let expected = "{\n\t\"a\": \"\\u003cé\\u2028🚀\u{fffd}x\\u003e\",\n\t\"b\": [\n\t\t1,\n\t\t-0,\n\t\t1.5,\n\t\t1e-7,\n\t\t1e+21,\n\t\t{}\n\t],\n\t\"c\": null\n}\n";
        assert_eq!(emit(&parse(source).unwrap(), "\t"), expected);
    }

    #[test]
    fn bad_json_is_refused_with_its_line() {
        for (text, line, rule) in [
            ("[1]", 1, "top level"),
            ("{\"a\": 1,\n\"a\": 2}", 2, "duplicate key `a`"),
            ("{\"a\": 1} x", 1, "after the end"),
            ("{\"a\": 01}", 1, "expected"),
            ("{\"a\": \"\n\"}", 1, "control"),
            ("{\"a\": \"x", 1, "does not end"),
            ("{\"a\": 1e999}", 1, "range"),
            ("{,}", 1, "expected"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.line == line && error.what.contains(rule), "{text:?}: {error}");
        }
        assert!(parse(&format!("{{\"a\": {}", "[".repeat(5000))).unwrap_err().what.contains("deep"));
    }
}
