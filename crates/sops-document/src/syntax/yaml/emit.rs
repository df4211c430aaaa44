//! YAML written the way sops writes it: block style, no folding, its own choice of quotes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::resolve::{Resolved, resolve};
use crate::tree::{Comment, Item, Scalar, Style, Tree, Value, keep_point};

/// Prints every document as `sops decrypt` does, with `indent` columns a level.
///
/// Differences, on purpose, all for strings of several lines: one that starts with a tab is written
/// in double quotes, where sops writes `null` and loses it; so is one that starts with a blank or a
/// line break and is an item of a list, where sops writes YAML that cannot be read, as it does in a
/// map below a list, where the header of the block says here how far it is really indented.
#[must_use]
pub fn emit(tree: &Tree, indent: usize) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        unit: indent.max(1),
    };
    for (position, document) in tree.documents.iter().enumerate() {
        if position > 0 {
            emitter.out.push_str("---\n");
        }
        let (Value::Map(items) | Value::List(items)) = &document.value else {
            continue;
        };
        emitter.items(items, 0, false);
        if is_empty(items) {
            emitter.out.push_str("{}\n");
        }
    }
    emitter.out
}

/// The items of a container at a column; `hanging` when the first continues a line that has begun.
pub(super) fn block_items(items: &[Item], column: usize, unit: usize, hanging: bool) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        unit,
    };
    emitter.items(items, column, hanging);
    emitter.out
}

struct Emitter {
    out: String,
    unit: usize,
}

impl Emitter {
    /// `hanging`: the first entry continues the line of its `- `.
    fn items(&mut self, items: &[Item], column: usize, mut hanging: bool) {
        for (position, item) in items.iter().enumerate() {
            match item {
                Item::Comment(comment) => self.comment(comment, column, &mut hanging),
                Item::Entry(entry) => {
                    let lead = if entry.key.is_none() {
                        leading(&entry.node.value)
                    } else {
                        &[]
                    };
                    // the comments at the head of an item that is a container stand above its dash
                    for comment in lead {
                        if let Item::Comment(comment) = comment {
                            self.comment(comment, column, &mut hanging);
                        }
                    }
                    self.indent(column, &mut hanging);
                    match &entry.key {
                        Some(key) => self.out.push_str(&key_text(key, column, self.unit)),
                        None => self.out.push('-'),
                    }
                    self.value(&entry.node.value, lead.len(), column, entry.key.is_none());
                    if let (Some(_), Value::List(inner)) = (&entry.key, &entry.node.value)
                        && is_empty(inner)
                        && self.after_empty(inner, &items[position + 1..], column)
                    {
                        return;
                    }
                }
            }
        }
    }

    /// The comments of an empty list come behind it, unless comments of the next key overtake them;
    /// at the end of a document they even come behind its last comments, which are then all
    /// written.
    fn after_empty(&mut self, inside: &[Item], rest: &[Item], column: usize) -> bool {
        let seen = |item: &&Item| !matches!(item, Item::Comment(comment) if comment.stray);
        let followed = matches!(rest.iter().find(seen), Some(Item::Comment(_)));
        let holds = inside.iter().any(|item| seen(&item));
        match (followed && holds, is_empty(rest)) {
            (true, false) => false,
            (true, true) if column == 0 => {
                self.items(rest, column, false);
                self.out.push('\n');
                self.items(inside, column, false);
                true
            }
            _ => {
                self.items(inside, column, false);
                false
            }
        }
    }

    fn indent(&mut self, column: usize, hanging: &mut bool) {
        if !*hanging {
            self.out.extend(std::iter::repeat_n(' ', column));
        }
        *hanging = false;
    }

    /// A line of its own, unless sops would have lost it.
    fn comment(&mut self, comment: &Comment, column: usize, hanging: &mut bool) {
        if !comment.stray {
            self.indent(column, hanging);
            self.out.push('#');
            self.out.push_str(&comment.text);
            self.out.push('\n');
        }
    }

    /// The next level is a multiple of the unit, also below the odd columns of a list item.
    fn next(&self, column: usize) -> usize {
        (column / self.unit + 1) * self.unit
    }

    /// What stands behind a key or a dash, less the first `skip` items, which stand above it.
    fn value(&mut self, value: &Value, skip: usize, column: usize, in_list: bool) {
        match value {
            Value::Leaf(leaf) => {
                self.out.push(' ');
                let text = match leaf.scalar.as_text() {
                    // sops announces more columns here than it writes, and nobody can read that
                    Some(text) if in_list && is_announced(text) => double_quoted(text),
                    _ if in_list => scalar_text(&leaf.scalar, column + 2, self.unit),
                    _ => scalar_text(&leaf.scalar, self.next(column), self.next(column) - column),
                };
                self.out.push_str(&text);
                // a literal that ends in a line separator ends its line with it
                let separator = leaf
                    .scalar
                    .as_text()
                    .is_some_and(|text| text.ends_with(['\u{2028}', '\u{2029}']));
                if !(separator && text.starts_with('|')) {
                    self.out.push('\n');
                }
            }
            Value::Map(items) | Value::List(items) if is_empty(items) => {
                self.empty(&items[skip..], matches!(value, Value::Map(_)), column);
            }
            Value::Map(items) | Value::List(items) if in_list => {
                self.out.push(' ');
                self.items(&items[skip..], column + 2, true);
            }
            Value::Map(items) | Value::List(items) => {
                self.out.push('\n');
                self.items(&items[overtaken(value)..], self.next(column), false);
            }
        }
    }

    /// A container without entries; comments inside it come out as sops has them.
    fn empty(&mut self, items: &[Item], is_map: bool, column: usize) {
        let holds_comments = items
            .iter()
            .any(|item| matches!(item, Item::Comment(comment) if !comment.stray));
        match (is_map, holds_comments) {
            (true, false) => self.out.push_str(" {}\n"),
            (false, _) => self.out.push_str(" []\n"),
            (true, true) => {
                self.out.push_str(" {\n");
                self.items(items, self.next(column), false);
                self.out.push_str("}\n");
            }
        }
    }
}

/// The comments before the first entry.
fn leading(value: &Value) -> &[Item] {
    let (Value::Map(items) | Value::List(items)) = value else {
        return &[];
    };
    let count = items
        .iter()
        .take_while(|item| matches!(item, Item::Comment(_)))
        .count();
    &items[..count]
}

/// How many comments at the head of a list sops forgets: all, when its first item has some as well.
fn overtaken(list: &Value) -> usize {
    let (Value::List(items), lead) = (list, leading(list)) else {
        return 0;
    };
    let Some(Item::Entry(first)) = items.get(lead.len()) else {
        return 0;
    };
    let has_own = leading(&first.node.value)
        .iter()
        .any(|item| matches!(item, Item::Comment(comment) if !comment.stray));
    if has_own { lead.len() } else { 0 }
}

fn is_empty(items: &[Item]) -> bool {
    !items.iter().any(|item| matches!(item, Item::Entry(_)))
}

/// A key at a column, with its colon; long or multi-line keys take the explicit form.
#[must_use]
pub fn key_text(key: &str, column: usize, unit: usize) -> String {
    let unit = unit.max(1);
    let indent = (column / unit + 1) * unit;
    let text = scalar_text(&Scalar::str(key), indent, indent - column);
    if key.len() > 128 || key.contains('\n') {
        format!("? {text}\n{}:", " ".repeat(column))
    } else {
        text + ":"
    }
}

/// A scalar in block context; `indent` is the column of the lines of a literal block and `unit` the
/// number written into its header when one is needed.
#[must_use]
pub fn scalar_text(scalar: &Scalar, indent: usize, unit: usize) -> String {
    let Scalar::Str(bytes) = scalar else {
        return number_text(scalar);
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return binary_text(bytes, indent);
    };
    match style(text, requested(text)) {
        _ if text.is_empty() => "\"\"".into(),
        _ if text == "<<" => "!!merge <<".into(),
        ScalarStyle::Plain => text.into(),
        ScalarStyle::Single => single_quoted(text, indent),
        ScalarStyle::Literal if !text.starts_with('\t') => literal(text, indent, unit),
        ScalarStyle::Literal | ScalarStyle::Double => double_quoted(text),
    }
}

/// A scalar on one line, in the style that the author gave it where that is possible; `flow` when
/// it stands inside `[…]` or `{…}`.
#[must_use]
pub fn scalar_inline(scalar: &Scalar, wanted: Style) -> String {
    let Scalar::Str(bytes) = scalar else {
        return keep_point(scalar, number_text(scalar));
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("!!binary {}", STANDARD.encode(bytes));
    };
    if text.is_empty() || text == "<<" {
        return double_quoted(text);
    }
    let one_line = !text.contains(is_break);
    let flow_sign =
        wanted == Style::Flow && text.contains([',', '[', ']', '{', '}', ':', '#', '?']);
    match (
        wanted,
        style(
            text,
            if one_line {
                requested(text)
            } else {
                ScalarStyle::Double
            },
        ),
    ) {
        (Style::Double, _) => double_quoted(text),
        (Style::Single, ScalarStyle::Plain | ScalarStyle::Single) => single_quoted(text, 0),
        (Style::Single, ScalarStyle::Double)
            if one_line && matches!(style(text, ScalarStyle::Single), ScalarStyle::Single) =>
        {
            single_quoted(text, 0)
        }
        (_, ScalarStyle::Plain) if !flow_sign => text.into(),
        (_, ScalarStyle::Plain | ScalarStyle::Single) => single_quoted(text, 0),
        _ => double_quoted(text),
    }
}

fn number_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => float_text(*number),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Time(text) => text.clone(),
        Scalar::Null | Scalar::Str(_) => "null".into(),
    }
}

fn binary_text(bytes: &[u8], indent: usize) -> String {
    let packed = STANDARD.encode(bytes);
    if packed.len() <= 70 {
        return format!("!!binary {packed}");
    }
    let margin = " ".repeat(indent);
    let lines: Vec<&str> = (0..packed.len())
        .step_by(70)
        .map(|at| &packed[at..packed.len().min(at + 70)])
        .collect();
    format!("!!binary |\n{margin}{}", lines.join(&format!("\n{margin}")))
}

/// Go's `FormatFloat(f, 'g', -1, 64)`, with an exponent below -4 and from 6 on.
fn float_text(number: f64) -> String {
    if number.is_nan() {
        return ".nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            ".inf".into()
        } else {
            "-.inf".into()
        };
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScalarStyle {
    Plain,
    Single,
    Double,
    Literal,
}

fn requested(text: &str) -> ScalarStyle {
    if text.contains('\n') {
        ScalarStyle::Literal
    } else if !matches!(
        resolve(text, Style::Plain, None),
        Resolved::Scalar(Scalar::Str(_))
    ) || is_old_bool(text)
        || is_base60(text)
    {
        ScalarStyle::Double
    } else {
        ScalarStyle::Plain
    }
}

fn is_old_bool(text: &str) -> bool {
    const OLD: [&str; 16] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    OLD.contains(&text)
}

/// `^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (unsigned, None),
    };
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut count = 0;
    let sexagesimal = parts.all(|part| {
        count += 1;
        match part.as_bytes() {
            [low] => low.is_ascii_digit(),
            [high, low] => (b'0'..=b'5').contains(high) && low.is_ascii_digit(),
            _ => false,
        }
    });
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && sexagesimal
        && count > 0
        && fraction.is_none_or(digits)
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

/// Whether the requested style can hold the text, and which one can if not.
fn style(text: &str, wanted: ScalarStyle) -> ScalarStyle {
    let chars: Vec<char> = text.chars().collect();
    let Some((first, last)) = chars.first().zip(chars.last()) else {
        return wanted;
    };
    let pair = |test: &dyn Fn(char, char) -> bool| chars.windows(2).any(|two| test(two[0], two[1]));
    let special = chars.iter().any(|c| !is_printable(*c) && *c != '\t');
    let space_break = pair(&|a, b| a == ' ' && is_break(b));
    let break_space = pair(&|a, b| is_break(a) && b == ' ');
    let tab = text.contains('\t');
    let edge = *first == ' ' || is_break(*first) || *last == ' ' || is_break(*last);
    let mut choice = wanted;
    if choice == ScalarStyle::Plain
        && (edge || tab || special || chars.iter().any(|c| is_break(*c)) || has_indicator(&chars))
    {
        choice = ScalarStyle::Single;
    }
    if choice == ScalarStyle::Single && (break_space || space_break || tab || special) {
        choice = ScalarStyle::Double;
    }
    if choice == ScalarStyle::Literal && (*last == ' ' || space_break || special) {
        choice = ScalarStyle::Double;
    }
    choice
}

fn has_indicator(chars: &[char]) -> bool {
    let blank = |at: usize| chars.get(at).is_none_or(|c| matches!(c, ' ' | '\t'));
    let marker = chars.len() >= 3 && matches!(chars[..3], ['-', '-', '-'] | ['.', '.', '.']);
    marker
        || chars.iter().enumerate().any(|(at, c)| match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`'
                if at == 0 =>
            {
                true
            }
            '?' | '-' if at == 0 => blank(1),
            ':' => blank(at + 1),
            '#' => matches!(chars[at - 1], ' ' | '\t' | '\0') || is_break(chars[at - 1]),
            _ => false,
        })
}

fn single_quoted(text: &str, indent: usize) -> String {
    let mut out = String::from("'");
    let mut after_break = false;
    for c in text.chars() {
        if after_break && !is_break(c) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        after_break = is_break(c);
        if c == '\'' {
            out.push('\'');
        }
        out.push(c);
    }
    out.push('\'');
    out
}

fn double_quoted(text: &str) -> String {
    use std::fmt::Write as _;
    // go-yaml looks at the first bytes of the whole text for its byte order mark test
    let escape_all = text.starts_with('\u{feff}');
    let mut out = String::from("\"");
    for c in text.chars() {
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' if escape_all => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ if is_printable(c) && !escape_all => {
                out.push(c);
                continue;
            }
            _ => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(out, "\\u{code:04X}"),
                    _ => write!(out, "\\U{code:08X}"),
                };
                continue;
            }
        };
        out.push('\\');
        out.push(short);
    }
    out.push('"');
    out
}

/// A literal block whose header must say how far it is indented.
fn is_announced(text: &str) -> bool {
    style(text, requested(text)) == ScalarStyle::Literal
        && text.starts_with(|c| c == ' ' || is_break(c))
}

fn literal(text: &str, indent: usize, unit: usize) -> String {
    let mut out = String::from("|");
    if text.starts_with(|c| c == ' ' || is_break(c)) {
        out.push_str(&unit.to_string());
    }
    let mut backwards = text.chars().rev();
    match (backwards.next().is_some_and(is_break), backwards.next()) {
        (false, _) => out.push('-'),
        (true, None) => out.push('+'),
        (true, Some(before)) if is_break(before) => out.push('+'),
        _ => {}
    }
    out.push('\n');
    let mut after_break = true;
    for c in text.chars() {
        if after_break && !is_break(c) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        after_break = is_break(c);
        out.push(c);
    }
    if out.ends_with('\n') {
        out.pop();
    }
    out
}
