//! INI written: as `sops decrypt` prints it, and the few bytes that an edit needs.

use std::fmt::Write as _;
use std::ops::Range;

use zeroize::Zeroizing;

use super::DEFAULT;
use crate::tree::{Entry, Item, Leaf, Node, Path, Scalar, Step, Style, Tree, Value, line_start};

/// Prints a tree as `ini.v1` does: `=` in one column a section, an empty line between sections.
#[must_use]
pub(crate) fn emit(tree: &Tree) -> Option<String> {
    let root = tree.documents.first()?;
    let mut out = String::new();
    for (position, section) in root.entries().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        let Value::Map(items) = &section.node.value else { return None };
        let (comment, keys) = match items.split_first() {
            Some((Item::Comment(comment), keys)) => (Some(comment), keys),
            _ => (None, items.as_slice()),
        };
        comment.into_iter().for_each(|comment| emit_comment(&header_comment(&comment.text), &mut out));
        if !section.key_span.is_empty() {
            let _ = writeln!(out, "[{}]", section.key.as_deref()?);
        }
        let width = section.node.entries().filter_map(|entry| entry.key.as_ref()).map(String::len).max();
        for (position, item) in keys.iter().enumerate() {
            let Item::Entry(entry) = item else { continue };
            if let Some(Item::Comment(comment)) = keys.get(position + 1) {
                emit_comment(&key_comment(&comment.text), &mut out);
            }
            let name = entry.key.as_deref()?;
            let blanks = " ".repeat(width.unwrap_or(0).saturating_sub(name.len()));
            let value = sops_text(entry.node.leaf()?.scalar.as_text()?);
            let _ = writeln!(out, "{name}{blanks} = {}", value.as_str());
        }
    }
    Some(out)
}

fn emit_comment(text: &str, out: &mut String) {
    // an empty comment is dropped
    if text != "; " {
        out.push_str(text);
        out.push('\n');
    }
}

/// The lines of a comment above a header, each with its mark.
pub(crate) fn header_comment(text: &str) -> Zeroizing<String> {
    comment_lines(text, &|line| line)
}

/// `ini.v1` trims the lines of a comment above a key.
fn key_comment(text: &str) -> Zeroizing<String> {
    comment_lines(text, &str::trim)
}

fn comment_lines(text: &str, unmarked: &dyn Fn(&str) -> &str) -> Zeroizing<String> {
    let line = |line: &str| match line.split_at_checked(1) {
        Some((mark @ ("#" | ";"), rest)) => format!("{mark} {}", rest.trim()),
        _ => format!("; {}", unmarked(line)),
    };
    Zeroizing::new(text.split('\n').map(line).collect::<Vec<_>>().join("\n"))
}

/// A value as `ini.v1` writes it, whether it reads back or not.
pub(super) fn sops_text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(if text.contains(['\n', '`']) {
        format!("\"\"\"{text}\"\"\"")
    } else if text.contains(['#', ';']) {
        format!("`{text}`")
    } else if text.trim().len() != text.len() {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    })
}

/// Whether a written value is read as this text.
pub(super) fn reads_back(written: &str, text: &str) -> bool {
    let source = Zeroizing::new(format!("k = {written}\nz = 1\n"));
    super::parse(&source).is_ok_and(|tree| {
        let path = |key: &str| Path(vec![Step::Key(DEFAULT.into()), Step::Key(key.into())]);
        let found = |key: &str| tree.find(&path(key)).and_then(|entry| entry.node.text().map(str::to_owned));
        found("k").map(Zeroizing::new).is_some_and(|found| found.as_str() == text) && found("z").is_some()
    })
}

/// A value in the first form that reads back.
pub(crate) fn value_text(scalar: &Scalar) -> Zeroizing<String> {
    let text = match scalar {
        Scalar::Str(bytes) => Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
        Scalar::Null => Zeroizing::default(),
        _ => Zeroizing::new(crate::dotenv::scalar_text(scalar)),
    };
    let forms = [
        sops_text(&text),
        Zeroizing::new(format!("`{}`", text.as_str())),
        Zeroizing::new(format!("\"{}\"", text.as_str())),
        Zeroizing::new(format!("'{}'", text.as_str())),
        Zeroizing::new(format!("\"\"\"{}\"\"\"", text.as_str())),
    ];
    let readable = forms.iter().find(|form| reads_back(form, &text));
    readable.unwrap_or(&forms[0]).clone()
}

/// The lines of a new metadata section, from its flattened names.
pub(crate) fn block(mut fields: Vec<(String, String)>) -> String {
    fields.sort();
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, text): &(String, String)| {
        format!("{name:width$} = {}\n", value_text(&Scalar::str(&crate::dotenv::encode(text))).as_str())
    };
    format!("\n[sops]\n{}", fields.iter().map(line).collect::<String>())
}

/// The edits that put other entries in place of a flattened list; `entry` is where the old one stands.
pub(crate) fn replace_list(
    source: &str,
    entry: &Entry,
    list: &str,
    fields: &[(String, String)],
) -> Vec<(Range<usize>, String)> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut offset = line_start(source, entry.span.start);
    for line in source[offset..].split_inclusive('\n') {
        if offset > entry.span.end {
            break;
        }
        if line.trim_start().strip_prefix(list).is_some_and(|rest| rest.starts_with("__list_")) {
            let column = line.find('=').map_or(0, |at| line[..at].chars().count().saturating_sub(1));
            let new = |(name, text): &(String, String)| {
                format!("{name:column$} = {}\n", crate::dotenv::encode(text))
            };
            let text = if edits.is_empty() { fields.iter().map(new).collect() } else { String::new() };
            edits.push((offset..offset + line.len(), text));
        }
        offset += line.len();
    }
    edits
}

/// Where a new key goes and the text of its line; the tree gets it too. `value` is what the file holds,
/// `end` is right before the metadata.
pub(crate) fn insertion(
    source: &str,
    tree: &mut Tree,
    path: &Path,
    (value, scalar): (&str, &Scalar),
    end: usize,
) -> Result<(Range<usize>, Zeroizing<String>), &'static str> {
    let [Step::Key(section), Step::Key(name)] = path.0.as_slice() else {
        return Err("is not a key of a section: write it as SECTION.KEY");
    };
    let line = Zeroizing::new(format!("{name} = {value}\n"));
    let mut expected = super::parse(&format!("[{section}]\n{name} = x\n"));
    let fits = expected.as_mut().is_ok_and(|tree| tree.find(path).is_some());
    if !fits {
        return Err("has a name that INI cannot hold");
    }
    let leaf = Leaf { scalar: scalar.clone(), style: Style::Plain, token: None };
    let node = Node { span: end..end, value: Value::Leaf(leaf) };
    let entry = Entry { key: Some(name.clone()), span: end..end, key_span: end..end, node };
    let Some(Node { value: Value::Map(sections), .. }) = tree.documents.first_mut() else {
        return Err("has no place");
    };
    let found = sections.iter_mut().find_map(|item| match item {
        Item::Entry(found) if found.key.as_ref() == Some(section) => Some(found),
        _ => None,
    });
    if let Some(found) = found {
        let lines = crate::whole_lines(source, &found.span);
        let open = if source[..lines.end].ends_with('\n') { "" } else { "\n" };
        if let Value::Map(items) = &mut found.node.value {
            items.push(Item::Entry(entry));
        }
        return Ok((lines.end..lines.end, Zeroizing::new(format!("{open}{}", line.as_str()))));
    }
    let new = |key_span: Range<usize>| {
        let node = Node { span: end..end, value: Value::Map(vec![Item::Entry(entry)]) };
        Item::Entry(Entry { key: Some(section.clone()), span: end..end, key_span, node })
    };
    if section == DEFAULT {
        sections.insert(0, new(0..0));
        return Ok((0..0, Zeroizing::new(format!("{}\n", line.as_str()))));
    }
    sections.push(new(0..1));
    let gap = if source[..end].is_empty() { "" } else { "\n" };
    Ok((end..end, Zeroizing::new(format!("{gap}[{section}]\n{}", line.as_str()))))
}

/// The lines of a key and of the comment above it; both go from the tree.
pub(crate) fn removal(source: &str, tree: &mut Tree, path: &Path) -> Option<Range<usize>> {
    let [Step::Key(section), Step::Key(name)] = path.0.as_slice() else { return None };
    let root = tree.documents.first_mut()?;
    let Value::Map(sections) = &mut root.value else { return None };
    let items = sections.iter_mut().find_map(|item| match item {
        Item::Entry(Entry { key, node: Node { value: Value::Map(items), .. }, .. })
            if key.as_ref() == Some(section) =>
        {
            Some(items)
        }
        _ => None,
    })?;
    let is_it = |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_ref() == Some(name));
    let position = items.iter().position(is_it)?;
    let Item::Entry(entry) = items.remove(position) else { return None };
    let mut range = crate::whole_lines(source, &entry.span);
    if let Some(Item::Comment(comment)) = items.get(position) {
        range.start = line_start(source, comment.span.start);
        items.remove(position);
    }
    Some(range)
}
