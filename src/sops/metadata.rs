//! The `sops` block: who the data key is wrapped to, the MAC, and which values are encrypted.
//!
//! Read from a node of the tree, whatever the format; dotenv's flattened names are folded into the
//! same shape first.

use super::WrappedKey;
use super::selector::Selector;
use super::tree::{Entry, Item, Node, Scalar, Tree, Value};

/// Field names of the SOPS format besides `age`, selectors and the four scalars.
const KEY_SOURCES: [&str; 6] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"];
const SCALARS: [&str; 5] = ["lastmodified", "mac", "version", "mac_only_encrypted", "shamir_threshold"];

#[derive(Clone, Debug)]
pub struct Metadata {
    pub age: Vec<WrappedKey>,
    /// RFC 3339, as written.
    pub lastmodified: String,
    /// The token as written; empty when the field is missing.
    pub mac: String,
    pub version: String,
    pub selector: Selector,
    /// The file itself names a rule; without one sops uses its default.
    pub selector_is_written: bool,
    pub mac_only_encrypted: bool,
    /// Other key sources that hold entries (`kms`, `pgp`, …), and `key_groups`.
    pub foreign: Vec<String>,
    /// Fields that the format does not know.
    pub unknown: Vec<String>,
    pub(super) spans: Spans,
}

/// Where the fields stand that an edit replaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    pub(super) age: Option<Entry>,
    pub(super) lastmodified: Option<Node>,
    pub(super) mac: Option<Node>,
}

impl Spans {
    pub(super) fn of(block: &Node) -> Self {
        Self {
            age: block.get("age").cloned(),
            lastmodified: block.get("lastmodified").map(|entry| entry.node.clone()),
            mac: block.get("mac").map(|entry| entry.node.clone()),
        }
    }
}

/// What is wrong with the metadata, and the byte where.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) what: String,
}

impl Metadata {
    pub(super) fn read(block: &Node) -> Result<Self, Fault> {
        let fault = |offset: usize, what: String| Fault { offset, what };
        if !block.is_map() {
            return Err(fault(block.span.start, "`sops` is not a map".into()));
        }
        let text = |name: &str| block.get(name).and_then(|entry| field_text(&entry.node)).unwrap_or_default();
        let (selector, selector_is_written) = selector(block)?;
        let version = text("version");
        if version.ends_with('\r') {
            let what = "the file was converted to CRLF line ends, which SOPS cannot read in dotenv".into();
            return Err(fault(block.span.start, what));
        }
        if version.split('.').filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count() < 3 {
            return Err(fault(block.span.start, "`sops.version` is missing or not MAJOR.MINOR.PATCH".into()));
        }
        let age = match block.get("age") {
            Some(entry) => wrapped_keys(&entry.node)?,
            None => Vec::new(),
        };
        let names = block.entries().filter_map(|entry| Some((entry.key.as_deref()?, entry)));
        let mut foreign = Vec::new();
        let mut unknown = Vec::new();
        for (name, entry) in names {
            if KEY_SOURCES.contains(&name) || name == "key_groups" {
                if entry.node.entries().next().is_some() {
                    foreign.push(name.to_owned());
                }
            } else if name != "age" && !SCALARS.contains(&name) && !Selector::FIELDS.contains(&name) {
                unknown.push(name.to_owned());
            }
        }
        Ok(Self {
            age,
            lastmodified: text("lastmodified"),
            mac: text("mac"),
            version,
            selector,
            selector_is_written,
            mac_only_encrypted: text("mac_only_encrypted") == "true",
            foreign,
            unknown,
            spans: Spans::of(block),
        })
    }
}

fn field_text(node: &Node) -> Option<String> {
    match &node.leaf()?.scalar {
        Scalar::Str(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Time(text) => Some(text.clone()),
        _ => None,
    }
}

fn selector(block: &Node) -> Result<(Selector, bool), Fault> {
    let mut found = None;
    for name in Selector::FIELDS {
        let Some(entry) = block.get(name) else { continue };
        let offset = entry.span.start;
        let text = field_text(&entry.node).unwrap_or_default();
        let rule = Selector::from_field(name, &text).map_err(|what| Fault { offset, what })?;
        if rule.is_some() && found.is_some() {
            return Err(Fault { offset, what: format!("`{name}` beside another selector") });
        }
        found = rule.or(found);
    }
    let written = found.is_some();
    Ok((found.unwrap_or_default(), written))
}

fn wrapped_keys(list: &Node) -> Result<Vec<WrappedKey>, Fault> {
    let mut keys = Vec::new();
    let mut entries: Vec<&Entry> = list.entries().collect();
    // dotenv sorts `list_10` before `list_2`
    entries.sort_by_key(|entry| entry.key.as_deref().and_then(|key| key.parse::<usize>().ok()));
    for entry in entries {
        let field = |name: &str| entry.node.get(name).and_then(|entry| field_text(&entry.node));
        let (Some(recipient), Some(enc)) = (field("recipient"), field("enc")) else {
            let what = "an entry of `sops.age` without `recipient` or `enc`".into();
            return Err(Fault { offset: entry.span.start, what });
        };
        keys.push(WrappedKey { recipient, enc });
    }
    Ok(keys)
}

/// Folds dotenv's `sops_age__list_0__map_enc=…` lines into the node that other formats have.
pub(super) fn unflatten(tree: &mut Tree) -> Option<Node> {
    let Value::Map(items) = &mut tree.documents.first_mut()?.value else { return None };
    let is_metadata = |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_deref().is_some_and(|key| key.starts_with("sops_")));
    let (flat, rest): (Vec<Item>, Vec<Item>) = std::mem::take(items).into_iter().partition(is_metadata);
    *items = rest;
    let mut root = Node { span: 0..0, value: Value::Map(Vec::new()) };
    for item in flat {
        let Item::Entry(entry) = item else { continue };
        root.span = if root.span.is_empty() { entry.span.clone() } else { root.span.start..entry.span.end };
        let name = entry.key.as_deref().unwrap_or_default()["sops_".len()..].to_owned();
        graft(&mut root, &name, &entry, 0);
    }
    (!root.span.is_empty()).then_some(root)
}

/// Names nest at most this deep in any file that sops writes; deeper ones are left alone.
const MAX_NESTING: usize = 8;

fn graft(node: &mut Node, name: &str, leaf: &Entry, depth: usize) {
    let Value::Map(items) = &mut node.value else { return };
    let Some(at) = [name.find("__list_"), name.find("__map_")].into_iter().flatten().min() else {
        return items.push(Item::Entry(Entry { key: Some(name.to_owned()), ..leaf.clone() }));
    };
    let (head, rest) = name.split_at(at);
    let rest = rest.trim_start_matches("__list_").trim_start_matches("__map_");
    let is_head = |item: &Item| matches!(item, Item::Entry(entry) if entry.key.as_deref() == Some(head));
    let position = items.iter().position(is_head).unwrap_or_else(|| {
        let node = Node { span: leaf.span.clone(), value: Value::Map(Vec::new()) };
        items.push(Item::Entry(Entry { key: Some(head.to_owned()), node, ..leaf.clone() }));
        items.len() - 1
    });
    if let Item::Entry(entry) = &mut items[position]
        && depth < MAX_NESTING
    {
        entry.span.end = leaf.span.end;
        entry.node.span.end = leaf.span.end;
        graft(&mut entry.node, rest, leaf, depth + 1);
    }
}
