//! JSON read: order kept, duplicate names and trailing text refused.

use zeroize::Zeroizing;

use crate::bounds::duplicate;
use crate::tree::{Entry, Item, Leaf, Node, Scalar, Style, SyntaxError, Tree, Value};

const MAX_DEPTH: usize = 100;
const MAX_NODES: usize = 200_000;

/// Parses one object.
///
/// # Errors
/// [`SyntaxError`] with the line and the rule.
pub(super) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut reader = JsonParser {
        source,
        bytes: source.as_bytes(),
        at: 0,
        nodes: 0,
    };
    reader.blank();
    if source.starts_with('\u{feff}') {
        return Err(reader.error(
            "a byte order mark, which SOPS does not read in JSON: save the file without it",
        ));
    }
    if reader.peek() != Some(b'{') {
        return Err(reader.error("the top level must be an object"));
    }
    let root = reader.value(0)?;
    reader.blank();
    if reader.at < source.len() {
        return Err(reader.error("text after the end of the object"));
    }
    Ok(Tree {
        documents: vec![root],
        ends: vec![source.len()],
        ..Tree::default()
    })
}

struct JsonParser<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
}

/// What a string says: mostly what stands in the source.
enum JsonText<'a> {
    Plain(&'a str),
    Escaped(Zeroizing<String>),
}

impl<'a> JsonParser<'a> {
    fn error(&self, what: impl Into<String>) -> SyntaxError {
        let rest = &self.source[self.at..];
        if ["//", "/*", "#"].iter().any(|sign| rest.starts_with(sign)) {
            return SyntaxError::at(self.source, self.at, "a comment, which JSON does not have");
        }
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
            _ => Value::Leaf(Leaf {
                scalar: self.scalar()?,
                style: Style::Double,
                token: None,
            }),
        };
        Ok(Node {
            span: start..self.at,
            value,
        })
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
            let key = match self.string()? {
                JsonText::Plain(text) => text.to_owned(),
                JsonText::Escaped(text) => text.to_string(),
            };
            let key_span = start..self.at;
            self.blank();
            self.expect(b':')?;
            self.blank();
            let node = self.value(depth + 1)?;
            let span = start..node.span.end;
            items.push(Item::Entry(Entry {
                key: Some(key),
                span,
                key_span,
                node,
            }));
            self.blank();
        }
        if let Some((key, span)) = duplicate(&items) {
            return Err(SyntaxError::at(
                self.source,
                span.start,
                format!("duplicate key `{key}`"),
            ));
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
            items.push(Item::Entry(Entry {
                key: None,
                key_span: span.start..span.start,
                span,
                node,
            }));
            self.blank();
        }
        items.shrink_to_fit();
        self.at += 1;
        Ok(items)
    }

    fn scalar(&mut self) -> Result<Scalar, SyntaxError> {
        for (word, scalar) in [
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
            ("null", Scalar::Null),
        ] {
            if self.source[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(scalar);
            }
        }
        match self.peek() {
            Some(b'"') => Ok(Scalar::Str(match self.string()? {
                JsonText::Plain(text) => Zeroizing::new(text.as_bytes().to_vec()),
                JsonText::Escaped(mut text) => {
                    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
                }
            })),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("a value expected")),
        }
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("a digit expected"))
        } else {
            Ok(())
        }
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

    fn string(&mut self) -> Result<JsonText<'a>, SyntaxError> {
        self.expect(b'"')?;
        let start = self.at;
        self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(JsonText::Plain(&self.source[start..self.at - 1]));
        }
        self.escaped(start).map(JsonText::Escaped)
    }

    /// Up to a sign that means more than itself.
    fn plain(&mut self) {
        let rest = &self.bytes[self.at..];
        let plain = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
        self.at += plain.unwrap_or(rest.len());
    }

    /// A string from its first sign on, read up to one that means more than itself.
    fn escaped(&mut self, start: usize) -> Result<Zeroizing<String>, SyntaxError> {
        let mut text = Zeroizing::new(self.source[start..self.at].to_owned());
        loop {
            let start = self.at;
            self.plain();
            text.push_str(&self.source[start..self.at]);
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
        let byte = self
            .peek()
            .ok_or_else(|| self.error("a string that does not end"))?;
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
                let pair =
                    (0xd800..0xdc00).contains(&high) && self.source[self.at..].starts_with("\\u");
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

#[cfg(test)]
mod tests {
    use super::parse;

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
            assert!(
                error.line == line && error.what.contains(rule),
                "{text:?}: {error}"
            );
        }
        assert!(
            parse(&format!("{{\"a\": {}", "[".repeat(5000)))
                .unwrap_err()
                .what
                .contains("deep")
        );
    }
}
