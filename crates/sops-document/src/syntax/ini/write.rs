//! INI written: as `sops decrypt` prints it, and the few bytes that an edit needs.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::read::{DEFAULT, parse};
use crate::splice::{Edit, whole_lines, with_breaks_of};
use crate::syntax::{Page, dotenv};
use crate::tree::{Entry, Item, Path, Scalar, Step, Tree, Value, line_start};

/// Prints a tree as `ini.v1` does: `=` in one column a section, an empty line between sections.
pub(super) fn emit(tree: &Tree) -> Option<String> {
    let root = tree.documents.first()?;
    let mut out = String::new();
    for (position, section) in root.entries().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        let Value::Map(items) = &section.node.value else {
            return None;
        };
        let (comment, keys) = match items.split_first() {
            Some((Item::Comment(comment), keys)) => (Some(comment), keys),
            _ => (None, items.as_slice()),
        };
        comment
            .into_iter()
            .for_each(|comment| emit_comment(&header_comment(&comment.text), &mut out));
        if !section.key_span.is_empty() {
            let _ = writeln!(out, "[{}]", section.key.as_deref()?);
        }
        let width = section
            .node
            .entries()
            .filter_map(|entry| entry.key.as_ref())
            .map(String::len)
            .max();
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
pub(super) fn header_comment(text: &str) -> Zeroizing<String> {
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
    parse(&source).is_ok_and(|tree| {
        let path = |key: &str| Path(vec![Step::Key(DEFAULT.into()), Step::Key(key.into())]);
        let found = |key: &str| {
            tree.find(&path(key))
                .and_then(|entry| entry.node.text().map(str::to_owned))
        };
        found("k")
            .map(Zeroizing::new)
            .is_some_and(|found| found.as_str() == text)
            && found("z").is_some()
    })
}

/// A value in the first form that reads back.
pub(super) fn value_text(scalar: &Scalar) -> Zeroizing<String> {
    let text = match scalar {
        Scalar::Str(bytes) => Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
        Scalar::Null => Zeroizing::default(),
        _ => Zeroizing::new(dotenv::scalar_text(scalar)),
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
pub(super) fn block(mut fields: Vec<(String, String)>) -> String {
    fields.sort();
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, text): &(String, String)| {
        format!(
            "{name:width$} = {}\n",
            value_text(&Scalar::str(&dotenv::encode(text))).as_str()
        )
    };
    format!("\n[sops]\n{}", fields.iter().map(line).collect::<String>())
}

/// The edits that put other entries in place of a flattened list; `entry` is where the old one
/// stands.
pub(super) fn replace_list(
    source: &str,
    entry: &Entry,
    list: &str,
    fields: &[(String, String)],
) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut offset = line_start(source, entry.span.start);
    for line in source[offset..].split_inclusive('\n') {
        if offset > entry.span.end {
            break;
        }
        if line
            .trim_start()
            .strip_prefix(list)
            .is_some_and(|rest| rest.starts_with("__list_"))
        {
            let column = line
                .find('=')
                .map_or(0, |at| line[..at].chars().count().saturating_sub(1));
            let new = |(name, text): &(String, String)| {
                format!("{name:column$} = {}\n", dotenv::encode(text))
            };
            let text = if edits.is_empty() {
                fields.iter().map(new).collect()
            } else {
                String::new()
            };
            edits.push((
                offset..offset + line.len(),
                Zeroizing::new(with_breaks_of(source, text)),
            ));
        }
        offset += line.len();
    }
    edits
}

/// Where a new key goes and the text of its line, `value` being what the file holds.
pub(super) fn insertion(page: &Page<'_>, path: &Path, value: &str) -> Result<Edit, &'static str> {
    let (range, lines) = new_lines(page, path, value)?;
    Ok((
        range,
        Zeroizing::new(with_breaks_of(page.source, lines.as_str().to_owned())),
    ))
}

fn new_lines(page: &Page<'_>, path: &Path, value: &str) -> Result<Edit, &'static str> {
    let [Step::Key(section), Step::Key(name)] = path.0.as_slice() else {
        return Err("is not a key of a section: write it as SECTION.KEY");
    };
    let line = Zeroizing::new(format!("{name} = {value}\n"));
    let expected = parse(&format!("[{section}]\n{name} = x\n"));
    if !expected.is_ok_and(|tree| tree.find(path).is_some()) {
        return Err("has a name that INI cannot hold");
    }
    let (source, end) = (page.source, page.block.start);
    let Some(root) = page.tree.documents.first() else {
        return Err("has no place");
    };
    if let Some(found) = root.get(section) {
        let lines = whole_lines(source, &found.span);
        let open = if source[..lines.end].ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return Ok((
            lines.end..lines.end,
            Zeroizing::new(format!("{open}{}", line.as_str())),
        ));
    }
    if section == DEFAULT {
        return Ok((0..0, Zeroizing::new(format!("{}\n", line.as_str()))));
    }
    let gap = if source[..end].is_empty() { "" } else { "\n" };
    Ok((
        end..end,
        Zeroizing::new(format!("{gap}[{section}]\n{}", line.as_str())),
    ))
}
