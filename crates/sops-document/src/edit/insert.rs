//! A value where there was none.

use zeroize::Zeroizing;

use super::{Edit, EditError, container_mut, home, is_flow, new_entry, new_leaf};
use crate::format::Format;
use crate::tree::{Node, Path, Scalar, Step, Style, Tree, Value, line_start};
use crate::{Cleartext, json, yaml};

/// Puts a value into a tree below the container that lacks the step at `depth`.
pub(super) fn into_tree(tree: &mut Tree, path: &Path, depth: usize, scalar: &Scalar) {
    let mut value = new_leaf(scalar);
    for step in path.0[depth + 1..].iter().rev() {
        value = match step {
            Step::Key(key) => Value::Map(vec![new_entry(Some(key.clone()), value)]),
            Step::Index(_) => Value::List(vec![new_entry(None, value)]),
        };
    }
    let key = match &path.0[depth] {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) => None,
    };
    let home = home(tree, path);
    let home_root = tree.documents.get_mut(home);
    if let Some(Node { value: Value::Map(items) | Value::List(items), .. }) =
        home_root.and_then(|root| container_mut(root, &path.0[..depth]))
    {
        items.push(new_entry(key, value));
    }
}

impl Cleartext {
    /// The style of a value that is put into a container.
    pub(super) fn style_below(&self, container: &Node, path: &Path, depth: usize) -> Style {
        let in_flow = self.document().format() == Format::Yaml
            && (is_flow(self.document().source(), container) || self.is_in_flow(path, depth));
        if in_flow { Style::Flow } else { Style::Plain }
    }

    fn is_in_flow(&self, path: &Path, depth: usize) -> bool {
        let source = self.document().source();
        let above = (1..=depth).filter_map(|length| self.tree().find(&Path(path.0[..length].to_vec())));
        self.root(path).is_some_and(|root| is_flow(source, root))
            || above.into_iter().any(|entry| is_flow(source, &entry.node))
    }

    /// The edit that puts `text` below a container: behind its entries, at the top level right before the
    /// metadata, as sops puts it.
    pub(super) fn insertion(
        &self,
        container: &Node,
        path: &Path,
        depth: usize,
        text: &str,
    ) -> Result<Edit, EditError> {
        let document = self.document();
        let rest = &path.0[depth..];
        match document.format() {
            Format::Dotenv => match rest {
                [Step::Key(name)] if depth == 0 => {
                    let start = document.block.start;
                    Ok((start..start, Zeroizing::new(format!("{name}={text}\n"))))
                }
                _ => Err(EditError::Value(
                    path.clone(),
                    "dotenv holds no nested keys; a name with a dot is written [\"a.b\"]",
                )),
            },
            Format::Binary | Format::Ini => {
                Err(EditError::Value(path.clone(), "does not exist: all that a binary file holds is `data`"))
            }
            Format::Json => Ok(self.member(container, rest, text)),
            Format::Yaml if self.style_below(container, path, depth) == Style::Flow => {
                Ok(self.member(container, rest, text))
            }
            Format::Yaml => Ok(self.lines(container, depth, rest, text)),
        }
    }

    /// A member of an object or of a YAML container in brackets, on a line of its own where the others
    /// have one.
    fn member(&self, container: &Node, steps: &[Step], text: &str) -> Edit {
        let document = self.document();
        let (source, is_json) = (document.source(), document.format() == Format::Json);
        let member = in_braces(steps, text, is_json);
        let at_root = self.tree().documents.first().is_some_and(|root| root.span == container.span);
        if let Some(last) = container.entries().last() {
            let start = line_start(source, last.span.start);
            let margin = &source[start..last.span.start];
            let own_line = margin.trim().is_empty() && start > container.span.start;
            let lead = if own_line { format!(",\n{margin}") } else { ", ".to_owned() };
            return (last.span.end..last.span.end, Zeroizing::new(format!("{lead}{member}")));
        }
        if at_root {
            let start = document.block.start;
            let before = source[..start].trim_end_matches([' ', '\t', '\n', '\r']).len();
            return (start..start, Zeroizing::new(format!("{member},{}", &source[before..start])));
        }
        let at = container.span.start + 1;
        (at..container.span.end - 1, Zeroizing::new(member))
    }

    /// Lines behind the last entry of a block container.
    fn lines(&self, container: &Node, depth: usize, steps: &[Step], text: &str) -> Edit {
        let document = self.document();
        let source = document.source();
        let newline = if source.contains("\r\n") { "\r\n" } else { "\n" };
        let block = document.block.start;
        let unit = self.unit();
        let (at, column) = match container.entries().last() {
            // at the top level right before the metadata, where that comes last
            Some(last) if depth == 0 && block >= last.span.end => (block, 0),
            None => (block, 0),
            Some(last) => (next_line(source, last.span.end), self.column(container)),
        };
        let is_list = matches!(container.value, Value::List(_));
        let mut out =
            if at > 0 && !source[..at].ends_with('\n') { newline.to_owned() } else { String::new() };
        out.push_str(&" ".repeat(column));
        out.push_str(&block_text(steps, text, column, unit, is_list));
        (at..at, Zeroizing::new(if newline == "\n" { out } else { out.replace('\n', newline) }))
    }

    /// The column of the entries of a block container: of its keys or its dashes.
    fn column(&self, container: &Node) -> usize {
        let source = self.document().source();
        let Some(first) = container.entries().next() else { return 0 };
        let start = line_start(source, first.span.start);
        let line = &source[start..first.span.start];
        let width = |text: &str| text.chars().count();
        match container.value {
            // the dash before the first item: the last one, where lists start in one line
            Value::List(_) => match line.rfind('-') {
                Some(dash) => width(&line[..dash]),
                None => {
                    let above = source[..start].rfind('-').unwrap_or(0);
                    width(&source[line_start(source, above)..above])
                }
            },
            _ => width(line),
        }
    }

    /// Columns a level, as the metadata has them.
    fn unit(&self) -> usize {
        let source = self.document().source();
        let time = self.document().metadata().spans.lastmodified.as_ref();
        let line = time.map_or("", |node| &source[line_start(source, node.span.start)..]);
        let column = line.len() - line.trim_start_matches(' ').len();
        if (1..=16).contains(&column) { column } else { 4 }
    }
}

/// `"a": {"b": text}` for the steps a, b.
fn in_braces(steps: &[Step], text: &str, is_json: bool) -> String {
    let Some((first, rest)) = steps.split_first() else { return text.to_owned() };
    let inner = match rest.first() {
        None => text.to_owned(),
        Some(Step::Key(_)) => format!("{{{}}}", in_braces(rest, text, is_json)),
        Some(Step::Index(_)) => format!("[{}]", in_braces(rest, text, is_json)),
    };
    match first {
        Step::Key(key) if is_json => format!("{}: {inner}", json::string_text(key)),
        Step::Key(key) => format!("{}: {inner}", yaml::scalar_inline(&Scalar::str(key), Style::Flow)),
        Step::Index(_) => inner,
    }
}

/// The lines of an entry that starts at a column, final line break included.
fn block_text(steps: &[Step], text: &str, column: usize, unit: usize, is_list: bool) -> String {
    let (rest, head, inner) = match steps.split_first() {
        None => return format!(" {text}\n"),
        Some((Step::Key(key), rest)) if !is_list => (rest, yaml::key_text(key, column, unit), column + unit),
        Some((_, rest)) => (rest, "-".to_owned(), column + 2),
    };
    match rest.first() {
        None => format!("{head} {text}\n"),
        // below a dash the first key continues its line
        Some(next) if head == "-" => {
            format!("- {}", block_text(rest, text, inner, unit, matches!(next, Step::Index(_))))
        }
        Some(next) => {
            let is_list = matches!(next, Step::Index(_));
            format!("{head}\n{}{}", " ".repeat(inner), block_text(rest, text, inner, unit, is_list))
        }
    }
}

/// The start of the line behind the one in which a value ends.
fn next_line(source: &str, end: usize) -> usize {
    if source[..end].ends_with('\n') {
        return end;
    }
    source[end..].find('\n').map_or(source.len(), |at| end + at + 1)
}
