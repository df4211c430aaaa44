//! Anchors and aliases of a policy: the names that authors give to keys, and the places that share
//! them.
//!
//! The tree repeats what an alias stands for under the span of the alias, so the text at a span
//! tells the three apart: `*name` is an alias, `&name …` a definition, anything else stands for
//! itself.

use std::ops::Range;

use sops_document::tree::{Entry, Node, Tree};

/// `&name` and the node that it names.
pub(super) struct Definition<'t> {
    pub(super) name: &'t str,
    pub(super) node: &'t Node,
    pub(super) entry: &'t Entry,
    /// The list or map in which it stands.
    pub(super) holder: &'t Node,
    /// The key of the holder or, for a list in a list, the next one above.
    pub(super) section: &'t str,
    /// Stands somewhere below `creation_rules`.
    pub(super) in_rules: bool,
}

/// Every anchor and every alias of a text, in file order.
pub(super) struct Anchors<'t> {
    pub(super) text: &'t str,
    root: Option<&'t Node>,
    definitions: Vec<Definition<'t>>,
    aliases: Vec<(&'t str, Range<usize>)>,
}

impl<'t> Anchors<'t> {
    pub(super) fn of(text: &'t str, tree: &'t Tree) -> Self {
        let root = tree.documents.first();
        let mut anchors = Self {
            text,
            root,
            definitions: Vec::new(),
            aliases: Vec::new(),
        };
        for entry in root.iter().flat_map(|root| root.entries()) {
            let section = entry.key.as_deref().unwrap_or_default();
            if let Some(root) = root {
                anchors.visit(entry, root, section, section == "creation_rules");
            }
        }
        anchors
    }

    fn visit(&mut self, entry: &'t Entry, holder: &'t Node, section: &'t str, in_rules: bool) {
        let node = &entry.node;
        if let Some(name) = alias(self.text, node) {
            self.aliases.push((name, node.span.clone()));
            return;
        }
        if let Some(name) = anchor(self.text, node) {
            self.definitions.push(Definition {
                name,
                node,
                entry,
                holder,
                section,
                in_rules,
            });
        }
        for inner in node.entries() {
            self.visit(
                inner,
                node,
                inner.key.as_deref().unwrap_or(section),
                in_rules,
            );
        }
    }

    pub(super) fn definitions(&self) -> impl Iterator<Item = &Definition<'t>> {
        self.definitions.iter()
    }

    /// Where a name stands as an alias.
    pub(super) fn uses(&self, name: &str) -> impl Iterator<Item = &Range<usize>> {
        self.aliases
            .iter()
            .filter(move |(alias, _)| *alias == name)
            .map(|(_, span)| span)
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.definitions.iter().any(|known| known.name == name) || self.uses(name).next().is_some()
    }

    /// The one definition of a name: a second one would make it a matter of order what an alias
    /// means.
    pub(super) fn definition(&self, name: &str) -> Option<&Definition<'t>> {
        let mut found = self.definitions.iter().filter(|known| known.name == name);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The definition that an alias stands for; `None` for anything else.
    pub(super) fn behind(&self, node: &Node) -> Option<&Definition<'t>> {
        self.definition(alias(self.text, node)?)
    }

    /// The node where the bytes of a value stand.
    pub(super) fn resolve(&self, node: &'t Node) -> Option<&'t Node> {
        match alias(self.text, node) {
            Some(name) => self.definition(name).map(|definition| definition.node),
            None => Some(node),
        }
    }

    /// The value of a field, also one that `<<` brings. As in sops, the map's own field comes
    /// first.
    pub(super) fn field(&self, map: &'t Node, key: &str) -> Option<&'t Node> {
        let map = self.resolve(map)?;
        if let Some(entry) = map.get(key) {
            return self.resolve(&entry.node);
        }
        let merged = self.resolve(&map.get("<<")?.node)?;
        if merged.is_map() {
            return self.field(merged, key);
        }
        merged
            .entries()
            .find_map(|source| self.field(&source.node, key))
    }

    /// The `age` values of a rule or, when it has them, of its key groups; not what a group merges.
    pub(super) fn age_nodes(&self, rule: usize) -> Vec<&'t Node> {
        self.age_holders(rule)
            .into_iter()
            .filter_map(|holder| self.field(holder, "age"))
            .collect()
    }

    /// The same with what the groups merge, and what that merges.
    pub(super) fn all_age_nodes(&self, rule: usize) -> Vec<&'t Node> {
        let mut holders = self.age_holders(rule);
        let mut next = 0;
        while let Some(holder) = holders.get(next) {
            let merged = self.field(holder, "merge");
            holders.extend(
                merged
                    .iter()
                    .flat_map(|merged| merged.entries())
                    .map(|entry| &entry.node),
            );
            next += 1;
        }
        holders
            .into_iter()
            .filter_map(|holder| self.field(holder, "age"))
            .collect()
    }

    pub(super) fn age_holders(&self, rule: usize) -> Vec<&'t Node> {
        let rules = self
            .root
            .and_then(|root| self.field(root, "creation_rules"));
        let Some(rule) = rules.and_then(|rules| rules.entries().nth(rule)) else {
            return Vec::new();
        };
        let groups = self.field(&rule.node, "key_groups");
        let holders: Vec<&'t Node> = groups
            .iter()
            .flat_map(|groups| groups.entries())
            .map(|e| &e.node)
            .collect();
        if holders.is_empty() {
            vec![&rule.node]
        } else {
            holders
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The name of an alias.
pub(super) fn alias<'t>(text: &'t str, node: &Node) -> Option<&'t str> {
    text.get(node.span.clone())?
        .strip_prefix('*')
        .filter(|name| name.chars().all(is_name))
}

/// The name that a node gets by an anchor, before or behind a tag.
fn anchor<'t>(text: &'t str, node: &Node) -> Option<&'t str> {
    let mut rest = text.get(node.span.clone())?;
    if rest.starts_with('!') {
        rest = rest[rest.find(char::is_whitespace)?..].trim_start();
    }
    let name = rest.strip_prefix('&')?;
    let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
    Some(&name[..end])
}

/// The span of a node without its anchor; a comment may stand between the two.
pub(super) fn body(text: &str, node: &Node) -> Option<Range<usize>> {
    let Some(name) = text.get(node.span.clone())?.strip_prefix('&') else {
        return Some(node.span.clone());
    };
    let mut rest = name.trim_start_matches(is_name).trim_start();
    while rest.starts_with('#') {
        rest = rest.split_once('\n')?.1.trim_start();
    }
    Some(node.span.end - rest.len()..node.span.end)
}

/// A legal anchor for a person or a machine, in the manner of the other anchors, that nobody has
/// yet.
///
/// `Ravi Patel <ravi@example.com>` becomes `ravi_patel`, a lone mail its part before the `@`.
pub(super) fn invent(anchors: &Anchors<'_>, name: Option<&str>, recipient: &str) -> String {
    let name = name.unwrap_or_default();
    let person = name.split('<').next().unwrap_or_default().trim();
    let person = if person.is_empty() {
        name.trim_matches(['<', '>', ' '])
    } else {
        person
    };
    let person = person.split('@').next().unwrap_or_default();
    let has_dash = |name: &str| name.contains('-') && !name.contains('_');
    let gap = if anchors.definitions().any(|known| has_dash(known.name)) {
        "-"
    } else {
        "_"
    };
    let folded: String = person.to_lowercase().chars().map(fold).collect();
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let mut base = words.join(gap);
    if base.is_empty() {
        let tail: String = recipient
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .skip(4)
            .take(6)
            .collect();
        base = format!("key{gap}{tail}");
    }
    let numbered = (2..).map(|number| format!("{base}{gap}{number}"));
    let free = std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| !anchors.is_taken(name));
    free.unwrap_or(base)
}

/// Letters of western European names without their marks: YAML allows ASCII alone in an anchor.
fn fold(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ę' | 'ě' => 'e',
        'ì'..='ï' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ś' | 'š' => 's',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'ž' | 'ż' | 'ź' => 'z',
        other => other,
    }
}
