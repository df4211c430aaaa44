//! The `sops` block: who the data key is wrapped to, the MAC, and which values are encrypted.
//!
//! Read from a node of the tree, whatever the format; dotenv's flattened names are folded into the
//! same shape first.

use crate::misread::MisreadAt;
use crate::other_key::{KEY_SOURCES, OtherKey, field_text, other_keys};
use crate::selector::Selector;
use crate::syntax::Syntax;
use crate::syntax::dotenv::CRLF;
use crate::tree::{Entry, Node, Scalar};

pub(crate) mod types;

const SCALARS: [&str; 5] = [
    "lastmodified",
    "mac",
    "version",
    "mac_only_encrypted",
    "shamir_threshold",
];

/// One entry of the `sops.age` list: a label that nobody authenticates, and an armored age file
/// that holds the 32 bytes of the data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    pub recipient: String,
    pub enc: String,
}

#[derive(Clone, Debug)]
pub struct Metadata {
    /// Every stanza, those of key groups one group after the other.
    pub age: Vec<WrappedKey>,
    /// Empty when the data key is whole: `key_groups` of one group are read as none.
    pub groups: Vec<KeyGroup>,
    /// How many groups give the data key; 0 without groups.
    pub threshold: usize,
    /// RFC 3339, as written.
    pub lastmodified: String,
    /// The token as written; empty when the field is missing.
    pub mac: String,
    pub version: String,
    pub selector: Selector,
    /// The file itself names a rule; without one sops uses its default.
    pub selector_is_written: bool,
    pub mac_only_encrypted: bool,
    /// Other key sources that hold entries (`kms`, `pgp`, …), also inside of key groups.
    pub foreign: Vec<String>,
    /// Their entries, those of key groups one group after the other.
    pub others: Vec<OtherKey>,
    /// Fields that the format does not know.
    pub unknown: Vec<String>,
    /// Fields of other types than sops declares.
    pub(crate) oddities: Vec<MisreadAt>,
    pub(crate) spans: Spans,
}

/// One entry of `key_groups`: any key of it opens one part of the data key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyGroup {
    pub age: Vec<WrappedKey>,
    /// Other key sources that hold entries.
    pub foreign: Vec<String>,
}

/// Where the fields stand that an edit replaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    /// The `age` list, or that of each key group.
    pub(crate) age: Vec<Entry>,
    pub(crate) lastmodified: Option<Node>,
    pub(crate) mac: Option<Node>,
}

impl Spans {
    pub(crate) fn of(block: &Node) -> Self {
        let groups = block
            .get("key_groups")
            .map(group_entries)
            .unwrap_or_default();
        let lists: Vec<Entry> = groups
            .into_iter()
            .filter_map(|group| group.node.get("age").cloned())
            .collect();
        Self {
            age: if lists.is_empty() {
                block.get("age").cloned().into_iter().collect()
            } else {
                lists
            },
            lastmodified: block.get("lastmodified").map(|entry| entry.node.clone()),
            mac: block.get("mac").map(|entry| entry.node.clone()),
        }
    }
}

/// What is wrong with the metadata, and the byte where.
#[derive(Clone, Debug)]
pub(crate) struct MetadataFault {
    pub(crate) offset: usize,
    pub(crate) what: String,
}

impl Metadata {
    pub(crate) fn read(syntax: &dyn Syntax, block: &Node) -> Result<Self, MetadataFault> {
        let fault = |offset: usize, what: String| MetadataFault { offset, what };
        if !block.is_map() {
            return Err(fault(block.span.start, "`sops` is not a map".into()));
        }
        let text = |name: &str| {
            block
                .get(name)
                .and_then(|entry| field_text(&entry.node))
                .unwrap_or_default()
        };
        let (selector, selector_is_written) = selector(block)?;
        let version = text("version");
        if version.ends_with('\r') {
            return Err(fault(block.span.start, CRLF.into()));
        }
        if !is_version(&version) {
            return Err(fault(
                block.span.start,
                "`sops.version` is missing or not MAJOR.MINOR.PATCH".into(),
            ));
        }
        let (groups, mut foreign) = key_groups(block)?;
        let age = match block.get("age") {
            Some(entry) if groups.is_empty() => wrapped_keys(&entry.node)?,
            Some(entry) if entry.node.entries().next().is_some() => {
                return Err(fault(
                    entry.span.start,
                    "`age` beside `key_groups`, which SOPS would ignore".into(),
                ));
            }
            _ => groups.iter().flat_map(|group| group.age.clone()).collect(),
        };
        let threshold = threshold(block, groups.len())?;
        let names = block
            .entries()
            .filter_map(|entry| Some((entry.key.as_deref()?, entry)));
        let in_groups = block
            .get("key_groups")
            .map(group_entries)
            .unwrap_or_default();
        let others = in_groups
            .into_iter()
            .flat_map(|group| other_keys(&group.node))
            .chain(other_keys(block));
        let others = others.collect();
        let mut unknown = strange_in_stanzas(block);
        for (name, entry) in names {
            if KEY_SOURCES.contains(&name) {
                if holds_entries(entry) {
                    foreign.push(name.to_owned());
                }
            } else if !["age", "key_groups"].contains(&name)
                && !SCALARS.contains(&name)
                && !Selector::FIELDS.contains(&name)
            {
                unknown.push(name.to_owned());
            }
        }
        Ok(Self {
            age,
            groups: if groups.len() > 1 { groups } else { Vec::new() },
            threshold,
            lastmodified: text("lastmodified"),
            mac: text("mac"),
            version,
            selector,
            selector_is_written,
            mac_only_encrypted: text("mac_only_encrypted") == "true",
            foreign,
            others,
            unknown,
            oddities: types::oddities(syntax, block),
            spans: Spans::of(block),
        })
    }
}

/// A stanza has a label and an armored file; what stands beside them no reader looks at.
fn strange_in_stanzas(block: &Node) -> Vec<String> {
    let groups = block
        .get("key_groups")
        .map(group_entries)
        .unwrap_or_default();
    let lists = groups
        .into_iter()
        .filter_map(|group| group.node.get("age"))
        .chain(block.get("age"));
    let fields = lists
        .flat_map(|list| list.node.entries())
        .flat_map(|stanza| stanza.node.entries());
    let mut names: Vec<String> = fields
        .filter_map(|field| field.key.as_deref())
        .filter(|name| !["recipient", "enc"].contains(name))
        .map(|name| format!("age.{name}"))
        .collect();
    names.dedup();
    names
}

fn holds_entries(entry: &Entry) -> bool {
    entry.node.entries().next().is_some()
}

fn group_entries(list: &Entry) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = list.node.entries().collect();
    entries.sort_by_key(|entry| {
        entry
            .key
            .as_deref()
            .and_then(|key| key.parse::<usize>().ok())
    });
    entries
}

/// The groups, and the foreign key sources in them.
fn key_groups(block: &Node) -> Result<(Vec<KeyGroup>, Vec<String>), MetadataFault> {
    let (mut groups, mut foreign) = (Vec::new(), Vec::new());
    let Some(list) = block.get("key_groups") else {
        return Ok((groups, foreign));
    };
    for (position, entry) in group_entries(list).into_iter().enumerate() {
        let fault = |what: &str| MetadataFault {
            offset: entry.span.start,
            what: what.to_owned(),
        };
        if entry
            .key
            .as_ref()
            .is_some_and(|key| *key != position.to_string())
        {
            return Err(fault(
                "the entries of `sops.key_groups` are not counted from 0",
            ));
        }
        let age = entry.node.get("age");
        let stanzas = age
            .map(|age| wrapped_keys(&age.node))
            .transpose()?
            .unwrap_or_default();
        let names = KEY_SOURCES
            .into_iter()
            .filter(|name| entry.node.get(name).is_some_and(holds_entries));
        let group = KeyGroup {
            age: stanzas,
            foreign: names.map(str::to_owned).collect(),
        };
        if group.age.is_empty() && group.foreign.is_empty() {
            return Err(fault("a key group without keys"));
        }
        foreign.extend(
            group
                .foreign
                .iter()
                .filter(|name| !foreign.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        groups.push(group);
    }
    Ok((groups, foreign))
}

/// Without the field every group is needed. One group is no split: SOPS ignores the threshold then.
fn threshold(block: &Node, groups: usize) -> Result<usize, MetadataFault> {
    let Some(entry) = block.get("shamir_threshold").filter(|_| groups > 1) else {
        return Ok(if groups > 1 { groups } else { 0 });
    };
    let number = match entry.node.leaf().map(|leaf| &leaf.scalar) {
        Some(Scalar::Int(number)) => usize::try_from(*number).ok(),
        Some(Scalar::Str(_)) => entry.node.text().and_then(|text| text.parse().ok()),
        _ => None,
    };
    match number {
        Some(0) => Ok(groups),
        Some(number) if (2..=groups).contains(&number) && groups < 256 => Ok(number),
        _ => {
            let what = format!("`sops.shamir_threshold` is not a number from 2 to {groups}");
            Err(MetadataFault {
                offset: entry.span.start,
                what,
            })
        }
    }
}

fn selector(block: &Node) -> Result<(Selector, bool), MetadataFault> {
    let mut found = None;
    for name in Selector::FIELDS {
        let Some(entry) = block.get(name) else {
            continue;
        };
        let offset = entry.span.start;
        let text = field_text(&entry.node).unwrap_or_default();
        let rule = Selector::from_field(name, &text).map_err(|error| MetadataFault {
            offset,
            what: error.to_string(),
        })?;
        if rule.is_some() && found.is_some() {
            return Err(MetadataFault {
                offset,
                what: format!("`{name}` beside another selector"),
            });
        }
        found = rule.or(found);
    }
    let written = found.is_some();
    Ok((found.unwrap_or_default(), written))
}

fn wrapped_keys(list: &Node) -> Result<Vec<WrappedKey>, MetadataFault> {
    let mut keys = Vec::new();
    let mut entries: Vec<&Entry> = list.entries().collect();
    // dotenv sorts `list_10` before `list_2`
    entries.sort_by_key(|entry| {
        entry
            .key
            .as_deref()
            .and_then(|key| key.parse::<usize>().ok())
    });
    for entry in entries {
        let field = |name: &str| {
            entry
                .node
                .get(name)
                .and_then(|entry| field_text(&entry.node))
        };
        let (Some(recipient), Some(enc)) = (field("recipient"), field("enc")) else {
            let what = "an entry of `sops.age` without `recipient` or `enc`".into();
            return Err(MetadataFault {
                offset: entry.span.start,
                what,
            });
        };
        keys.push(WrappedKey { recipient, enc });
    }
    Ok(keys)
}

/// What sops asks of a version: three numbers, behind the last one whatever `-` or `+` begins.
fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return false;
    };
    let patch = rest.split(['-', '+']).next().unwrap_or_default();
    is_number(major) && is_number(minor) && is_number(patch)
}
