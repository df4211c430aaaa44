//! The metadata put behind the values of every document of a file.

use std::ops::Range;

use zeroize::Zeroizing;

use super::block::NewBlock;
use super::format::Format;
use super::seal::{Edit, SealError};
use super::tree::{Node, line_start};
use super::{splice, yaml};

/// Columns a level of the blocks that stax writes, as sops does.
const UNIT: usize = 4;

/// A new block: its form follows the text it joins.
pub(super) fn with_new(format: Format, body: &str, block: &NewBlock<'_>) -> Result<String, SealError> {
    match format {
        Format::Yaml => yaml_documents(body, &block.yaml(UNIT), &block.json(&" ".repeat(UNIT))),
        Format::Json | Format::Binary => {
            let line = body.lines().find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
            let unit = line.map_or("\t", |line| &line[..line.len() - line.trim_start().len()]);
            json_member(body, &block.json(unit))
        }
        Format::Dotenv => Ok(with_break(body) + &block.dotenv()),
        Format::Ini => Ok(ini_section(body, &block.ini())),
    }
}

/// The block that the file had.
pub(super) fn with_old(format: Format, body: &str, block: &str) -> Result<String, SealError> {
    match format {
        Format::Yaml => yaml_documents(body, block, block),
        Format::Json | Format::Binary => json_member(body, block),
        Format::Dotenv => Ok(with_break(body) + block),
        Format::Ini => Ok(ini_section(body, block)),
    }
}

fn with_break(body: &str) -> String {
    if body.is_empty() || body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") }
}

fn ini_section(body: &str, section: &str) -> String {
    if body.is_empty() { section.trim_start().to_owned() } else { with_break(body) + section }
}

pub(super) fn json_member(body: &str, member: &str) -> Result<String, SealError> {
    let Some(end) = body.rfind('}') else {
        return Err(SealError::ReadBack("no object".into()));
    };
    Ok(format!("{}{}", member_before(&body[..end], member), &body[end..]))
}

/// `inside` up to its closing brace, with one more member.
fn member_before(inside: &str, member: &str) -> String {
    let inside = inside.trim_end();
    let comma = if inside.ends_with('{') { "" } else { "," };
    format!("{inside}{comma}\n{}\n", with_unit(member))
}

/// The member at the column of its closing brace.
fn with_unit(member: &str) -> String {
    let line = member.lines().last().unwrap_or_default();
    format!("{}{member}", &line[..line.len() - line.trim_start().len()])
}

/// `block` behind the entries of a block map, `member` into a map in braces.
fn yaml_documents(body: &str, block: &str, member: &str) -> Result<String, SealError> {
    let is_member = member.starts_with(['"', '\'', '{']);
    let tree = yaml::parse(body)?;
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let block =
        if newline == "\n" || block.contains('\r') { block.to_owned() } else { block.replace('\n', newline) };
    if tree.documents.is_empty() {
        return Ok(with_break(body) + &block);
    }
    let mut edits: Vec<Edit> = Vec::new();
    for (root, end) in tree.documents.iter().zip(&tree.ends) {
        let is_flow = body[root.span.start..].starts_with('{');
        if let Some(last) = root.entries().last().filter(|_| is_flow) {
            if !is_member {
                return Err(SealError::Unsupported(
                    "a block in braces needs its metadata in braces: keep the style of the file",
                ));
            }
            let (at, close) = (last.span.end, root.span.end - 1);
            let tail = &body[at..close];
            if tail.contains('#') {
                // behind the comments, whose lines end with them
                let code = tail.lines().map(|line| line.split('#').next().unwrap_or_default());
                if !code.collect::<String>().contains(',') {
                    edits.push((at..at, Zeroizing::new(",".into())));
                }
                edits.push((close..close, Zeroizing::new(format!("{}\n", with_unit(member)))));
            } else {
                let comma = if tail.contains(',') { "" } else { "," };
                let end = at + tail.trim_end().len();
                edits.push((end..close, Zeroizing::new(format!("{comma}\n{}\n", with_unit(member)))));
            }
            continue;
        }
        edits.push((empty_root(body, root), Zeroizing::default()));
        let at = if *end < body.len() { line_start(body, *end) } else { *end };
        let lead = if at > 0 && !body[..at].ends_with('\n') { newline } else { "" };
        edits.push((at..at, Zeroizing::new(format!("{lead}{block}"))));
    }
    Ok(splice(body, edits).to_string())
}

/// `{}` or `null` in the place of a document, with the rest of its line where that is blank.
fn empty_root(body: &str, root: &Node) -> Range<usize> {
    if root.entries().next().is_some() {
        return root.span.start..root.span.start;
    }
    let rest = &body[root.span.end..];
    let line = rest.find('\n').map_or(rest.len(), |at| at + 1);
    let starts_line = line_start(body, root.span.start) == root.span.start;
    let end = if starts_line && !root.span.is_empty() && rest[..line].trim().is_empty() { line } else { 0 };
    root.span.start..root.span.end + end
}
