//! INI read: every construct that `ini.v1` would lose or join is refused.

use std::collections::HashSet;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::tree::{Comment, Entry, Item, Leaf, Node, Scalar, Style, SyntaxError, Tree, Value};

/// The name of the section above the first header.
pub(super) const DEFAULT: &str = "DEFAULT";
/// Keys and sections.
const MAX_KEYS: usize = 200_000;
const MAX_METADATA: usize = 4096;

/// Parses all sections; the metadata is one of them.
///
/// # Errors
/// [`SyntaxError`]: a duplicate name, and every construct that SOPS reads otherwise than it looks.
pub(super) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut reader = IniParser {
        source,
        at: 0,
        sections: Vec::new(),
        names: HashSet::new(),
        keys: HashSet::new(),
        count: 0,
        comment: None,
    };
    if source.starts_with('\u{feff}') {
        return Err(SyntaxError::at(source, 0, "a byte order mark"));
    }
    if let Some(at) = source
        .match_indices('\r')
        .map(|(at, _)| at)
        .find(|at| !ends_line(source, *at))
    {
        return Err(SyntaxError::at(
            source,
            at,
            "a carriage return inside a line",
        ));
    }
    while reader.at < source.len() {
        reader.line()?;
    }
    let mut items: Vec<Item> = reader.sections.into_iter().map(Item::Entry).collect();
    // SOPS drops what stands behind the last key
    items.extend(reader.comment.map(Item::Comment));
    let root = Node {
        span: 0..source.len(),
        value: Value::Map(items),
    };
    Ok(Tree {
        documents: vec![root],
        ends: vec![source.len()],
        ..Tree::default()
    })
}

/// Whether the carriage return at an offset belongs to a line break.
fn ends_line(source: &str, at: usize) -> bool {
    matches!(source[at + 1..].chars().next(), None | Some('\n'))
}

struct IniParser<'a> {
    source: &'a str,
    at: usize,
    sections: Vec<Entry>,
    names: HashSet<&'a str>,
    /// Of the current section.
    keys: HashSet<&'a str>,
    count: usize,
    /// The block above the next key or header.
    comment: Option<Comment>,
}

impl<'a> IniParser<'a> {
    fn error(&self, at: usize, what: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.source, at, what)
    }

    /// The end of the line at an offset, without its line break, and the start of the next one.
    fn line_end(&self, at: usize) -> (usize, usize) {
        let end = self.source[at..]
            .find('\n')
            .map_or(self.source.len(), |length| at + length);
        let line = self.source[at..end]
            .strip_suffix('\r')
            .map_or(end, |line| at + line.len());
        (line, end + 1)
    }

    fn line(&mut self) -> Result<(), SyntaxError> {
        let (end, next) = self.line_end(self.at);
        let line: &'a str = &self.source[self.at..end];
        let text = line.trim_start();
        let span = end - text.len()..end;
        self.at = next;
        match text.chars().next() {
            None => Ok(()),
            Some('#' | ';') => {
                self.comment_line(text, span);
                Ok(())
            }
            Some('[') => self.header(text, span),
            Some(_) => self.key(text, span),
        }
    }

    fn comment_line(&mut self, text: &str, span: Range<usize>) {
        match &mut self.comment {
            Some(block) => {
                block.text.push('\n');
                block.text.push_str(text);
                block.span.end = span.end;
            }
            None => {
                let marks: &[char] = if text.starts_with(';') {
                    &[';', ' ']
                } else {
                    &['#', ' ']
                };
                let text = Zeroizing::new(text.trim_start_matches(marks).to_owned());
                self.comment = Some(Comment {
                    text,
                    span,
                    token: None,
                    stray: false,
                });
            }
        }
    }

    /// The block, without blanks at its end.
    fn take_comment(&mut self) -> Option<Comment> {
        let mut block = self.comment.take()?;
        let length = block.text.trim_end().len();
        block.text.truncate(length);
        Some(block)
    }

    fn header(&mut self, text: &'a str, span: Range<usize>) -> Result<(), SyntaxError> {
        let inner = text
            .trim_end()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let Some(name) = inner.filter(|name| !name.contains([']', '['])) else {
            return Err(self.error(
                span.start,
                "a header that is not `[section]` and nothing else",
            ));
        };
        if name.is_empty() {
            return Err(self.error(span.start, "a section without a name"));
        }
        if name == DEFAULT && self.names.contains(DEFAULT) {
            let what = "a header `[DEFAULT]` behind keys without a section, which belong to it: take the header away, or move its keys up";
            return Err(self.error(span.start, what));
        }
        if !self.names.insert(name) {
            return Err(self.error(span.start, format!("duplicate section `{name}`")));
        }
        self.keys.clear();
        self.count(span.start)?;
        let key_span = span.start + 1..span.start + 1 + name.len();
        self.open(name, span.start..key_span.end + 1, key_span);
        Ok(())
    }

    fn count(&mut self, at: usize) -> Result<(), SyntaxError> {
        self.count += 1;
        if self.count > MAX_KEYS {
            return Err(self.error(at, format!("more than {MAX_KEYS} keys and sections")));
        }
        Ok(())
    }

    fn open(&mut self, name: &str, span: Range<usize>, key_span: Range<usize>) {
        if let Some(Entry {
            node: Node {
                value: Value::Map(items),
                ..
            },
            ..
        }) = self.sections.last_mut()
        {
            items.shrink_to_fit();
        }
        let is_written = !key_span.is_empty();
        // the block above the metadata is dropped by SOPS like any at the end
        let comment = if is_written && name != "sops" {
            self.take_comment()
        } else {
            None
        };
        let items = comment.map(Item::Comment).into_iter().collect();
        let node = Node {
            span: span.end..span.end,
            value: Value::Map(items),
        };
        self.sections.push(Entry {
            key: Some(name.to_owned()),
            span,
            key_span,
            node,
        });
    }

    fn key(&mut self, text: &'a str, line: Range<usize>) -> Result<(), SyntaxError> {
        if text.starts_with(['"', '`']) {
            return Err(self.error(line.start, "a name in quotes"));
        }
        let Some(delimiter) = text.find(['=', ':']) else {
            return Err(self.error(line.start, "a line without `=`"));
        };
        let name = text[..delimiter].trim();
        if name.is_empty() || name == "-" || name.contains(['"', '`']) {
            return Err(self.error(line.start, "a name that SOPS would change"));
        }
        if self.sections.is_empty() {
            self.names.insert(DEFAULT);
            self.open(DEFAULT, line.start..line.start, line.start..line.start);
        }
        if !self.keys.insert(name) {
            return Err(self.error(line.start, format!("duplicate key `{name}`")));
        }
        let (value, span) = self.value(line.start + delimiter + 1, line.end)?;
        let in_metadata = self
            .sections
            .last()
            .is_some_and(|section| section.key.as_deref() == Some("sops"));
        if in_metadata && self.keys.len() > MAX_METADATA {
            return Err(self.error(
                line.start,
                format!("more than {MAX_METADATA} metadata lines"),
            ));
        }
        self.count(line.start)?;
        let leaf = Leaf {
            scalar: Scalar::str(value),
            style: Style::Plain,
            token: None,
        };
        let end = span.end;
        let entry = Entry {
            key: Some(name.to_owned()),
            span: line.start..end,
            key_span: line.start..line.start + name.len(),
            node: Node {
                span,
                value: Value::Leaf(leaf),
            },
        };
        let comment = self.take_comment();
        if let Some(section) = self.sections.last_mut() {
            section.span.end = end;
            section.node.span.end = end;
            if let Value::Map(items) = &mut section.node.value {
                items.push(Item::Entry(entry));
                items.extend(comment.map(Item::Comment));
            }
        }
        Ok(())
    }

    /// The value that starts behind a delimiter, and its bytes with the quotes around them.
    fn value(&mut self, start: usize, end: usize) -> Result<(&'a str, Range<usize>), SyntaxError> {
        let rest = &self.source[start..end];
        let text = rest.trim();
        if text.is_empty() {
            return Ok(("", start..end));
        }
        let at = end - rest.trim_start().len();
        if let Some(quote) = ["\"\"\"", "`"]
            .into_iter()
            .find(|quote| text.starts_with(quote))
        {
            return self.quoted(at, end, quote);
        }
        let span = at..at + text.len();
        if text.ends_with('\\') {
            return Err(self.error(
                at,
                "a backslash at the end of a line, which joins the next one",
            ));
        }
        if text.contains(['#', ';']) {
            let what = "`#` or `;` starts a comment in the middle of a line: put the value in backquotes, or the comment above";
            return Err(self.error(at, what));
        }
        for quote in ['"', '\''] {
            let inner = text
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote));
            if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
                return Ok((inner, span));
            }
        }
        Ok((text, span))
    }

    /// Up to the last quote of the first line that has one; nothing may follow it.
    fn quoted(
        &mut self,
        at: usize,
        first_end: usize,
        quote: &str,
    ) -> Result<(&'a str, Range<usize>), SyntaxError> {
        let inner = at + quote.len();
        let (mut line, mut end) = (inner, first_end);
        loop {
            if let Some(found) = self.source[line..end].rfind(quote) {
                let close = line + found;
                if !self.source[close + quote.len()..end].trim().is_empty() {
                    return Err(self.error(close, "text behind the closing quotes"));
                }
                self.at = self.line_end(line).1;
                return Ok((&self.source[inner..close], at..close + quote.len()));
            }
            if end >= self.source.len() {
                return Err(self.error(at, "quotes that do not close"));
            }
            if self.source[end..].starts_with('\r') {
                let what = "a value of several lines whose lines end in CRLF: SOPS would keep the carriage returns";
                return Err(self.error(at, what));
            }
            line = end + 1;
            end = self.line_end(line).0;
        }
    }
}
