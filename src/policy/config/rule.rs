//! A new creation rule: in a text of its own, or in the manner of the rules that are there.

use sops_document::pattern::Pattern;
use sops_document::tree::{Entry, Node, Value, line_of};
use sops_document::yaml;

use super::anchors::{Anchors, body};
use super::edit::{ListReference, by_hand, check_comment, check_recipient};
use super::layout::{self, Splice};
use super::{Config, ConfigError, CreationRule};

const PREFACE: &str =
    "# who can read which file; edit with: stax secrets add-recipient, remove-recipient";

/// The `.sops.yaml` of a fresh repository: one rule.
#[must_use]
pub fn render_new<S: AsRef<str>>(path_regex: &str, recipients: &[S]) -> String {
    format!(
        "{PREFACE}\ncreation_rules:\n{}",
        render_rule(path_regex, recipients)
    )
}

/// One rule as an item of `creation_rules`.
#[must_use]
pub fn render_rule<S: AsRef<str>>(path_regex: &str, recipients: &[S]) -> String {
    let items: Vec<&str> = recipients.iter().map(AsRef::as_ref).collect();
    RuleShape::default().render(&quoted(path_regex), &items, "\n")
}

/// How a rule is written.
struct RuleShape {
    /// `  - `, up to the first field of the rule.
    dash: String,
    /// `{path_regex: …, age: […]}`
    is_flow: bool,
    /// `key_groups` instead of `age`, and what stands before its item when that has a line of its
    /// own.
    group: Option<Option<String>>,
    list: List,
}

enum List {
    /// What stands before each item.
    Lines(String),
    Brackets,
    /// One string, which an alias may stand for.
    Text,
}

impl Default for RuleShape {
    fn default() -> Self {
        Self {
            dash: "  - ".into(),
            is_flow: false,
            group: None,
            list: List::Lines("      - ".into()),
        }
    }
}

impl RuleShape {
    /// The manner of a rule; `None` when its item does not start its line.
    fn of(anchors: &Anchors<'_>, rule: &Entry) -> Option<Self> {
        let text = anchors.text;
        let dash = layout::dash(text, &rule.span)?.to_owned();
        let is_flow = text[rule.span.clone()].starts_with('{');
        let groups = anchors
            .field(&rule.node, "key_groups")
            .filter(|groups| groups.entries().next().is_some());
        let item = groups.and_then(|groups| groups.entries().next());
        let holder = item.map_or(&rule.node, |item| &item.node);
        let own = |node: &Node| rule.span.contains(&node.span.start);
        let indent = " ".repeat(dash.len());
        let group = item.map(|item| {
            let prefix =
                layout::dash(text, &item.span).filter(|_| own(&item.node) && item.node.is_map());
            let is_bracket = text[item.span.clone()].starts_with('{');
            prefix.filter(|_| !is_bracket).map(str::to_owned)
        });
        let fallback = match &group {
            Some(Some(prefix)) => format!("{}  - ", " ".repeat(prefix.len())),
            Some(None) => {
                return Some(Self {
                    dash,
                    is_flow,
                    group,
                    list: List::Brackets,
                });
            }
            None => format!("{indent}  - "),
        };
        let list = match anchors.field(holder, "age") {
            Some(age) if matches!(age.value, Value::List(_)) => {
                let start = body(text, age)?.start;
                let prefix = age
                    .entries()
                    .next()
                    .and_then(|item| layout::dash(text, &item.span));
                match prefix {
                    _ if text[start..].starts_with('[') => List::Brackets,
                    Some(prefix) if own(age) => List::Lines(prefix.to_owned()),
                    _ => List::Lines(fallback),
                }
            }
            Some(_) => List::Text,
            None => List::Lines(fallback),
        };
        Some(Self {
            dash,
            is_flow,
            group,
            list,
        })
    }

    fn render(&self, path_regex: &str, items: &[&str], newline: &str) -> String {
        let flow = format!("[{}]", items.join(", "));
        let dash = &self.dash;
        if self.is_flow {
            let who = if self.group.is_some() {
                format!("key_groups: [{{age: {flow}}}]")
            } else {
                format!("age: {flow}")
            };
            return format!("{dash}{{path_regex: {path_regex}, {who}}}{newline}");
        }
        let age = match &self.list {
            List::Lines(prefix) => items.iter().fold("age:".to_owned(), |list, item| {
                format!("{list}{newline}{prefix}{item}")
            }),
            // what an alias or an anchor says cannot be part of a longer string
            List::Text if items.len() == 1 => format!("age: {}", items[0]),
            List::Text | List::Brackets => format!("age: {flow}"),
        };
        let indent = " ".repeat(dash.len());
        let who = match &self.group {
            None => age,
            Some(Some(prefix)) => format!("key_groups:{newline}{prefix}{age}"),
            Some(None) => format!("key_groups: [{{age: {flow}}}]"),
        };
        format!("{dash}path_regex: {path_regex}{newline}{indent}{who}{newline}")
    }
}

impl Config {
    /// The text with a creation rule for one more recipient, in the manner of the rule before it:
    /// behind the last one, or before the first one that matches every file.
    ///
    /// An earlier rule may still win for the same path: ask [`Config::rule_for`] afterwards.
    ///
    /// # Errors
    /// [`ConfigError`] when the layout cannot be changed safely.
    pub fn with_rule(
        &self,
        path_regex: &str,
        recipient: &str,
        name: Option<&str>,
    ) -> Result<String, ConfigError> {
        let end = line_of(&self.text, self.text.len());
        check_recipient(recipient, end)?;
        let name = name.map(|name| check_comment(name, end)).transpose()?;
        let at = self
            .rules
            .iter()
            .position(|rule| rule.path_regex.is_none())
            .unwrap_or(self.rules.len());
        let line = self
            .rules
            .get(at)
            .or(self.rules.last())
            .map_or(end, |rule| rule.line);
        let refused = by_hand(line, &format!("add a creation rule for `{path_regex}`"));
        let (splices, is_group) = self
            .rule_splices(at, path_regex, recipient, name)?
            .ok_or_else(|| refused.clone())?;
        let mut rule: CreationRule = Self::parse(&render_new(path_regex, &[recipient]))?
            .0
            .rules
            .remove(0);
        if is_group {
            rule.groups = vec![std::mem::take(&mut rule.age)];
        }
        let mut wanted = self.rules.clone();
        wanted.insert(at, rule);
        self.read_back(layout::apply_all(&self.text, splices), &wanted, refused)
    }

    /// The text with a copy of a rule in front of it, for one path alone: what the rule says of
    /// others may change then while it stays as it is for this one.
    ///
    /// # Errors
    /// [`ConfigError`] when the layout cannot be changed safely.
    pub fn with_copy_for(&self, rule: usize, path: &str) -> Result<String, ConfigError> {
        let (regex, line) = (Pattern::exactly(path), self.rule(rule)?.line);
        let refused = by_hand(line, &format!("add a creation rule for `{regex}`"));
        let tree = yaml::parse_policy(&self.text)?;
        let list = tree
            .documents
            .first()
            .and_then(|root| root.get("creation_rules"));
        let entry = list
            .and_then(|list| list.node.entries().nth(rule))
            .ok_or_else(|| refused.clone())?;
        let copy = self.copied(entry, &regex).ok_or_else(|| refused.clone())?;
        let mut start = layout::line_start(&self.text, entry.span.start);
        // comments above a rule belong to it
        let comment = |at: usize| {
            self.text[layout::line_start(&self.text, at - 1)..at]
                .trim_start()
                .starts_with('#')
        };
        while start > 0 && comment(start) {
            start = layout::line_start(&self.text, start - 1);
        }
        let mut wanted = self.rules.clone();
        let own = CreationRule {
            path_regex: Pattern::compile(&regex).ok(),
            ..wanted[rule].clone()
        };
        wanted.insert(rule, own);
        self.read_back(
            layout::insert_lines(&self.text, start, &copy).apply(&self.text),
            &wanted,
            refused,
        )
    }

    /// The lines of a rule with another pattern; `None` where it is not sure.
    fn copied(&self, rule: &Entry, regex: &str) -> Option<String> {
        let text = self.text.as_str();
        let dash = layout::dash(text, &rule.span)?;
        let (start, end) = (layout::line_start(text, rule.span.start), rule.span.end);
        let newline = layout::newline(text);
        let body = text[start..end].trim_end();
        // an anchor cannot be defined twice, and what is in braces has no lines
        if body.contains('&') || text[rule.span.clone()].starts_with('{') {
            return None;
        }
        let copy = match rule.node.get("path_regex") {
            Some(field) => {
                let (from, to) = (field.node.span.start - start, field.node.span.end - start);
                [&body[..from], &quoted(regex), &body[to..]].concat()
            }
            None => {
                let indent = " ".repeat(dash.len());
                let rest = &body[dash.len()..];
                format!("{dash}path_regex: {}{newline}{indent}{rest}", quoted(regex))
            }
        };
        Some(copy + newline)
    }

    /// What is written where, and whether the new rule has a key group; `None` where it is not
    /// sure.
    fn rule_splices(
        &self,
        at: usize,
        path_regex: &str,
        recipient: &str,
        name: Option<&str>,
    ) -> Result<Option<(Vec<Splice>, bool)>, ConfigError> {
        let text = self.text.as_str();
        let newline = layout::newline(text);
        let tree = yaml::parse_policy(text)?;
        let list = tree
            .documents
            .first()
            .and_then(|root| root.get("creation_rules"));
        let rules: Vec<&Entry> = list.iter().flat_map(|list| list.node.entries()).collect();
        let anchors = Anchors::of(text, &tree);
        let Some(model) = rules.get(at.saturating_sub(1)) else {
            let rule = RuleShape::default().render(&quoted(path_regex), &[recipient], newline);
            let splice = match list {
                None => layout::insert_lines(
                    text,
                    text.len(),
                    &format!("creation_rules:{newline}{rule}"),
                ),
                // `creation_rules:` with nothing behind it
                Some(list) if list.node.span.is_empty() => {
                    layout::insert_lines(text, layout::next_line(text, list.key_span.end), &rule)
                }
                Some(_) => return Ok(None),
            };
            return Ok(Some((vec![splice], false)));
        };
        let Some(mut shape) = RuleShape::of(&anchors, model) else {
            return Ok(None);
        };
        let place = if at < rules.len() {
            layout::line_start(text, rules[at].span.start)
        } else {
            text.len()
        };
        let ages = anchors.age_nodes(at.saturating_sub(1));
        let reference = match ages.first() {
            Some(age) => anchors.reference(age, place, recipient, name)?,
            None => ListReference {
                item: recipient.to_owned(),
                splices: Vec::new(),
            },
        };
        if matches!(shape.list, List::Text) && !reference.splices.is_empty() {
            shape.list = List::Brackets;
        }
        let regex = if shape.is_flow {
            flow_quoted(path_regex)
        } else {
            quoted(path_regex)
        };
        let rule = shape.render(&regex, &[&reference.item], newline);
        let mut splices = reference.splices;
        splices.push(placed(text, &rules, at, rule, &shape.dash));
        Ok(Some((splices, shape.group.is_some())))
    }
}

/// The rule before the `at`-th, or behind the last; with a blank line where the others have one.
fn placed(text: &str, rules: &[&Entry], at: usize, rule: String, dash: &str) -> Splice {
    let newline = layout::newline(text);
    let is_apart = rules.len() > 1 && {
        let [.., before, last] = rules else {
            unreachable!("two rules")
        };
        let between = &text[before.span.end..layout::line_start(text, last.span.start)];
        between.lines().skip(1).any(|line| line.trim().is_empty())
    };
    if let Some(next) = rules.get(at) {
        let mut start = layout::line_start(text, next.span.start);
        // comments above a rule belong to it
        while start > 0
            && text[layout::line_start(text, start - 1)..start]
                .trim_start()
                .starts_with('#')
        {
            start = layout::line_start(text, start - 1);
        }
        let rule = if is_apart { rule + newline } else { rule };
        return layout::insert_lines(text, start, &rule);
    }
    let rule = if is_apart {
        format!("{newline}{rule}")
    } else {
        rule
    };
    let mut end = rules.last().map_or(text.len(), |last| last.span.end);
    if !text[..end].ends_with('\n') {
        end = layout::next_line(text, end);
    }
    // a comment indented below the dash still belongs to the rule before
    let is_deeper = |line: &str| {
        let body = line.trim_start();
        body.starts_with('#') && line.len() - body.len() > dash.find('-').unwrap_or(0)
    };
    while text
        .get(end..)
        .and_then(|rest| rest.lines().next())
        .is_some_and(is_deeper)
    {
        end = layout::next_line(text, end);
    }
    layout::insert_lines(text, end, &rule)
}

/// Plain where any reader takes it for the same string.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "^(.\\".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || r"^$\./_-+()|?".contains(c))
        && yaml::reads_as_string(text);
    if plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn flow_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
