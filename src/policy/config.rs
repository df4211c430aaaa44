//! `.sops.yaml`: which file is encrypted to whom.
//!
//! Read through the same YAML reader as the documents. sops ignores fields that it does not know
//! and so turns a slip of the pen into a rule that matches everything or encrypts nothing; here a
//! near-miss spelling is an error, any other unknown field a warning. Lines count from 1; the path
//! of the file is the caller's to add.

use std::collections::BTreeSet;

use sops_document::Selector;
use sops_document::age::person;
use sops_document::pattern::Pattern;
use sops_document::tree::{Entry, Lines, Node, Scalar, SyntaxError, Value, line_of};
use sops_document::yaml;

mod anchors;
mod edit;
mod fields;
mod layout;
mod others;
mod remarks;
mod rule;

use fields::{FieldVerdict, Level};
pub use remarks::Holder;
pub use rule::{render_new, render_rule};

/// The policy of a repository, with the text it was read from.
#[derive(Clone, Debug, Default)]
pub struct Config {
    text: String,
    pub rules: Vec<CreationRule>,
    pub stores: Stores,
}

/// One entry of `creation_rules`; the first that matches a path decides.
#[derive(Clone, Debug)]
pub struct CreationRule {
    /// Line of the rule's first field.
    pub line: usize,
    /// `None` matches every file.
    pub path_regex: Option<Pattern>,
    /// Recipients of `age` in file order with their lines, duplicates included; sops writes one
    /// stanza for each. Ignored by sops when `groups` is not empty.
    pub age: Vec<(String, usize)>,
    /// The age recipients of each entry of `key_groups`, in the order and without the duplicates
    /// that sops writes.
    pub groups: Vec<Vec<(String, usize)>>,
    /// Names of the fields that bring keys of other kinds: `kms`, `pgp`, `hc_vault`, …
    pub other_keys: Vec<String>,
    /// The keys of those fields as readers, `pgp FBC7…` and `kms arn:…`.
    pub others: Vec<String>,
    /// At most one of the six fields that select what is encrypted.
    pub crypt: Option<Crypt>,
    pub mac_only_encrypted: bool,
    pub shamir_threshold: Option<i64>,
}

/// A field such as `encrypted_regex`, its value and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypt {
    pub field: &'static str,
    pub value: String,
    pub line: usize,
}

/// `stores.*.indent`: columns a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stores {
    pub yaml_indent: Option<i64>,
    pub json_indent: Option<i64>,
    pub json_binary_indent: Option<i64>,
}

/// Something that sops accepts but its author hardly meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub line: usize,
    pub message: String,
}

/// A policy that cannot be read or edited safely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ConfigError {
    pub line: usize,
    pub what: String,
    /// A pattern is not RE2.
    pub is_pattern: bool,
}

impl ConfigError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
            is_pattern: false,
        }
    }
}

impl From<SyntaxError> for ConfigError {
    fn from(error: SyntaxError) -> Self {
        Self::new(error.line, error.what)
    }
}

impl CreationRule {
    /// Every recipient a file of this rule is encrypted to, in order, duplicates included. As in
    /// sops, `key_groups` hides `age`.
    #[must_use]
    pub fn recipients(&self) -> Vec<&str> {
        let groups = self.groups.iter().flatten();
        let flat = if self.groups.is_empty() {
            self.age.as_slice()
        } else {
            &[]
        };
        groups
            .chain(flat)
            .map(|(recipient, _)| recipient.as_str())
            .collect()
    }

    /// Everybody who reads a file of this rule, one name a reader whatever its spelling.
    #[must_use]
    pub fn readers(&self) -> BTreeSet<String> {
        self.recipients()
            .into_iter()
            .map(person)
            .chain(self.others.iter().cloned())
            .collect()
    }

    /// How many key groups give the data key: all of them unless the rule says a number; 0 without
    /// groups.
    #[must_use]
    pub fn threshold(&self) -> usize {
        let groups = if self.groups.len() > 1 {
            self.groups.len()
        } else {
            0
        };
        let number = self
            .shamir_threshold
            .and_then(|number| usize::try_from(number).ok());
        number
            .filter(|number| *number > 0 && groups > 0)
            .unwrap_or(groups)
    }

    /// Which values of a file it encrypts.
    #[must_use]
    pub fn selector(&self) -> Selector {
        // its pattern was compiled when the policy was read
        let of_field = |crypt: &Crypt| {
            Selector::from_field(crypt.field, &crypt.value)
                .ok()
                .flatten()
        };
        self.crypt.as_ref().and_then(of_field).unwrap_or_default()
    }

    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.path_regex
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(path))
    }
}

impl Config {
    /// Reads a `.sops.yaml`. A text without rules is a policy that governs nothing.
    ///
    /// # Errors
    /// [`ConfigError`]: not YAML as sops reads it, a near-miss field name, a value of the wrong
    /// type, a pattern that is not RE2, or more than one crypt rule in a creation rule.
    pub fn parse(text: &str) -> Result<(Self, Vec<Warning>), ConfigError> {
        let tree = yaml::parse_policy(text)?;
        if let Some(second) = tree.documents.get(1) {
            let line = line_of(text, second.span.start);
            return Err(ConfigError::new(
                line,
                "a second document, which sops would ignore",
            ));
        }
        let mut reader = ConfigParser {
            text,
            lines: Lines::of(text),
            warnings: Vec::new(),
        };
        let mut config = Self {
            text: text.to_owned(),
            rules: Vec::new(),
            stores: Stores::default(),
        };
        if let Some(root) = tree.documents.first() {
            for field in reader.fields(root, Level::Top)? {
                match field.name {
                    "creation_rules" => config.rules = reader.rules(&field.entry.node)?,
                    "stores" => config.stores = reader.stores(&field.entry.node)?,
                    _ => {}
                }
            }
        }
        reader.unreachable(&config.rules);
        reader.warnings.sort_by_key(|warning| warning.line);
        Ok((config, reader.warnings))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first rule that matches, with its position in `rules`.
    ///
    /// The path is relative to the folder of the policy, with `/` between its parts.
    #[must_use]
    pub fn rule_for(&self, path: &str) -> Option<(usize, &CreationRule)> {
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches(path))
    }
}

/// Each rule may hold patterns, and each recipient is compared with the others.
const MAX_RULES: usize = 1000;
const MAX_RECIPIENTS: usize = 4096;

/// A field that sops knows, under the name that sops gives it.
struct Field<'a> {
    name: &'static str,
    entry: &'a Entry,
}

struct ConfigParser<'a> {
    text: &'a str,
    lines: Lines,
    warnings: Vec<Warning>,
}

impl ConfigParser<'_> {
    fn line(&self, node: &Node) -> usize {
        self.lines.at(node.span.start)
    }

    fn error<T>(&self, node: &Node, what: impl Into<String>) -> Result<T, ConfigError> {
        Err(ConfigError::new(self.line(node), what))
    }

    /// The known fields of a map, those of `<<` included where the map does not set them itself.
    fn fields<'n>(&mut self, node: &'n Node, level: Level) -> Result<Vec<Field<'n>>, ConfigError> {
        if !node.is_map() {
            return self.error(node, format!("{} must be a map", level.what()));
        }
        let mut found: Vec<Field<'n>> = Vec::new();
        let mut merged: Vec<&'n Node> = Vec::new();
        for entry in node.entries() {
            match entry.key.as_deref() {
                Some("<<") => merged.push(&entry.node),
                Some(key) => {
                    let name = self.field(key, entry, level)?;
                    found.extend(name.map(|name| Field { name, entry }));
                }
                None => {}
            }
        }
        for source in merged {
            let sources: Vec<&Node> = match &source.value {
                Value::List(_) => source.entries().map(|entry| &entry.node).collect(),
                _ => vec![source],
            };
            for source in sources {
                for field in self.fields(source, level)? {
                    if !found.iter().any(|own| own.name == field.name) {
                        found.push(field);
                    }
                }
            }
        }
        Ok(found)
    }

    fn field(
        &mut self,
        key: &str,
        entry: &Entry,
        level: Level,
    ) -> Result<Option<&'static str>, ConfigError> {
        let line = self.lines.at(entry.key_span.start);
        match fields::judge(key, level) {
            FieldVerdict::Known(name) => Ok(Some(name)),
            FieldVerdict::Normal => Ok(None),
            FieldVerdict::Elsewhere(place) => Err(ConfigError::new(
                line,
                format!("`{key}` belongs {place}; sops ignores it here"),
            )),
            FieldVerdict::NearMiss(name) => {
                let what = format!(
                    "sops does not know the field `{key}` and ignores it; did you mean `{name}`?"
                );
                Err(ConfigError::new(line, what))
            }
            FieldVerdict::Unknown => {
                let message = format!("unknown field `{key}` in {}; sops ignores it", level.what());
                self.warnings.push(Warning { line, message });
                Ok(None)
            }
        }
    }

    fn rules(&mut self, node: &Node) -> Result<Vec<CreationRule>, ConfigError> {
        match &node.value {
            Value::List(_) if node.entries().count() > MAX_RULES => {
                self.error(node, format!("more than {MAX_RULES} rules"))
            }
            Value::List(_) => node.entries().map(|entry| self.rule(&entry.node)).collect(),
            _ if is_null(node) => Ok(Vec::new()),
            _ => self.error(node, "`creation_rules` must be a list"),
        }
    }

    fn rule(&mut self, node: &Node) -> Result<CreationRule, ConfigError> {
        let mut rule = CreationRule {
            line: self.line(node),
            path_regex: None,
            age: Vec::new(),
            groups: Vec::new(),
            other_keys: Vec::new(),
            others: Vec::new(),
            crypt: None,
            mac_only_encrypted: false,
            shamir_threshold: None,
        };
        for Field { name, entry } in self.fields(node, Level::Rule)? {
            let value = &entry.node;
            match name {
                "path_regex" => rule.path_regex = self.pattern(name, value)?,
                "age" => rule.age = self.recipients(value, true)?,
                "key_groups" => {
                    let groups = self.groups(value, &mut rule)?;
                    rule.groups = groups;
                }
                "mac_only_encrypted" => rule.mac_only_encrypted = self.boolean(name, value)?,
                "shamir_threshold" => rule.shamir_threshold = self.integer(name, value)?,
                _ if Selector::FIELDS.contains(&name) => self.crypt(&mut rule, name, value)?,
                _ => note_other(&mut rule, name, value),
            }
        }
        self.check_rule(&rule);
        Ok(rule)
    }

    fn check_rule(&mut self, rule: &CreationRule) {
        let mut warn = |line, message: String| self.warnings.push(Warning { line, message });
        if !rule.groups.is_empty() && !rule.age.is_empty() {
            warn(
                rule.age[0].1,
                "sops ignores `age` where `key_groups` stands".into(),
            );
        }
        let recipients = rule.recipients();
        if recipients.is_empty() && rule.other_keys.is_empty() {
            warn(
                rule.line,
                "the rule names no recipient, so sops encrypts nothing under it".into(),
            );
        }
        for (position, (recipient, line)) in rule.age.iter().enumerate() {
            if rule.age[..position]
                .iter()
                .any(|(earlier, _)| earlier == recipient)
            {
                warn(
                    *line,
                    format!("`{recipient}` stands twice; sops writes two stanzas for it"),
                );
            }
        }
    }

    fn unreachable(&mut self, rules: &[CreationRule]) {
        let Some(position) = rules.iter().position(|rule| rule.path_regex.is_none()) else {
            return;
        };
        for rule in &rules[position + 1..] {
            let message = format!(
                "never reached: the rule in line {} has no `path_regex` and matches every file",
                rules[position].line
            );
            self.warnings.push(Warning {
                line: rule.line,
                message,
            });
        }
    }

    fn crypt(
        &mut self,
        rule: &mut CreationRule,
        field: &'static str,
        node: &Node,
    ) -> Result<(), ConfigError> {
        let value = self.string(field, node)?;
        if value.is_empty() {
            return Ok(());
        }
        if let Some(other) = &rule.crypt {
            return self.error(
                node,
                format!(
                    "`{field}` beside `{}`: sops takes only one of them",
                    other.field
                ),
            );
        }
        if field.ends_with("_regex") {
            self.pattern(field, node)?;
        }
        rule.crypt = Some(Crypt {
            field,
            value,
            line: self.line(node),
        });
        Ok(())
    }

    fn pattern(&self, field: &str, node: &Node) -> Result<Option<Pattern>, ConfigError> {
        let text = self.string(field, node)?;
        if text.is_empty() {
            return Ok(None);
        }
        match Pattern::compile(&text) {
            Ok(pattern) => Ok(Some(pattern)),
            Err(error) => {
                let error = ConfigError::new(self.line(node), format!("`{field}`: {error}"));
                Err(ConfigError {
                    is_pattern: true,
                    ..error
                })
            }
        }
    }

    fn string(&self, field: &str, node: &Node) -> Result<String, ConfigError> {
        match node.leaf().map(|leaf| &leaf.scalar) {
            Some(Scalar::Null) => Ok(String::new()),
            Some(scalar) if scalar.as_text().is_some() => {
                Ok(scalar.as_text().unwrap_or_default().to_owned())
            }
            _ => self.error(node, format!("`{field}` must be a string")),
        }
    }

    fn boolean(&self, field: &str, node: &Node) -> Result<bool, ConfigError> {
        match node.leaf().map(|leaf| &leaf.scalar) {
            Some(Scalar::Bool(value)) => Ok(*value),
            Some(Scalar::Null) => Ok(false),
            _ => self.error(node, format!("`{field}` must be true or false")),
        }
    }

    fn integer(&self, field: &str, node: &Node) -> Result<Option<i64>, ConfigError> {
        match node.leaf().map(|leaf| &leaf.scalar) {
            Some(Scalar::Int(value)) => Ok(Some(*value)),
            Some(Scalar::Null) => Ok(None),
            _ => self.error(node, format!("`{field}` must be a whole number")),
        }
    }

    /// A list of strings or, in a flat rule, one string; each string may hold several with commas.
    fn recipients(
        &self,
        node: &Node,
        string_allowed: bool,
    ) -> Result<Vec<(String, usize)>, ConfigError> {
        if is_null(node) {
            return Ok(Vec::new());
        }
        let strings: Vec<&Node> = match &node.value {
            Value::List(_) => node.entries().map(|entry| &entry.node).collect(),
            Value::Leaf(_) if string_allowed => vec![node],
            _ => return self.error(node, "`age` must be a list of recipients"),
        };
        let mut found = Vec::new();
        for string in strings {
            let Some(text) = string.text() else {
                return self.error(string, "a recipient in `age` must be a string");
            };
            let mut cursor = string.span.start;
            for recipient in split(text) {
                let at = self.text[cursor..string.span.end]
                    .find(recipient)
                    .map(|at| cursor + at);
                found.push((recipient.to_owned(), self.lines.at(at.unwrap_or(cursor))));
                cursor = at.map_or(cursor, |at| at + recipient.len());
                if found.len() > MAX_RECIPIENTS {
                    return self.error(string, format!("more than {MAX_RECIPIENTS} recipients"));
                }
            }
        }
        Ok(found)
    }

    fn groups(
        &mut self,
        node: &Node,
        rule: &mut CreationRule,
    ) -> Result<Vec<Vec<(String, usize)>>, ConfigError> {
        match &node.value {
            Value::List(_) => node
                .entries()
                .map(|entry| self.group(&entry.node, rule))
                .collect(),
            _ if is_null(node) => Ok(Vec::new()),
            _ => self.error(node, "`key_groups` must be a list"),
        }
    }

    fn group(
        &mut self,
        node: &Node,
        rule: &mut CreationRule,
    ) -> Result<Vec<(String, usize)>, ConfigError> {
        let mut own = Vec::new();
        let mut merged = Vec::new();
        for Field { name, entry } in self.fields(node, Level::Group)? {
            match name {
                "age" => own = self.recipients(&entry.node, false)?,
                "merge" => merged = self.groups(&entry.node, rule)?.concat(),
                _ => note_other(rule, name, &entry.node),
            }
        }
        // as sops does: what is merged comes first, and duplicates go, though not in a flat rule
        let mut group: Vec<(String, usize)> = Vec::new();
        for recipient in merged.into_iter().chain(own) {
            if !group.iter().any(|(known, _)| *known == recipient.0) {
                group.push(recipient);
            }
        }
        if group.len() > MAX_RECIPIENTS {
            return self.error(node, format!("more than {MAX_RECIPIENTS} recipients"));
        }
        Ok(group)
    }

    fn stores(&mut self, node: &Node) -> Result<Stores, ConfigError> {
        let mut stores = Stores::default();
        if is_null(node) {
            return Ok(stores);
        }
        for store in self.fields(node, Level::Stores)? {
            let slot = match store.name {
                "yaml" => &mut stores.yaml_indent,
                "json" => &mut stores.json_indent,
                "json_binary" => &mut stores.json_binary_indent,
                _ => continue,
            };
            if is_null(&store.entry.node) {
                continue;
            }
            for field in self.fields(&store.entry.node, Level::Store)? {
                *slot = self.integer(field.name, &field.entry.node)?;
            }
        }
        Ok(stores)
    }
}

fn is_null(node: &Node) -> bool {
    node.leaf().is_some_and(|leaf| leaf.scalar == Scalar::Null)
}

/// A key of another kind counts only when something is written there.
fn note_other(rule: &mut CreationRule, name: &str, node: &Node) {
    rule.others.extend(others::readers(name, node));
    let others = &mut rule.other_keys;
    let modifier = name == "aws_profile";
    let empty = is_null(node)
        || node.text().is_some_and(|text| text.trim().is_empty())
        || (node.leaf().is_none() && node.entries().next().is_none());
    if !modifier && !empty && !others.iter().any(|known| known == name) {
        others.push(name.to_owned());
    }
}

/// Recipients of a comma string; blanks and empty places do not count.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|recipient| !recipient.is_empty())
}

#[cfg(test)]
mod tests;
