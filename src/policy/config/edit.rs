//! Edits of `.sops.yaml`: bytes are spliced, everything else stays. What was written is read back and
//! must say exactly what was meant; where that is not sure, the error names the line to change by hand.

use super::layout::{self, Splice};
use super::{Config, ConfigError, CreationRule};
use crate::sops::tree::{Entry, Node, Tree, line_of};
use crate::sops::yaml;

const PREFACE: &str = "# who can read which file; edit with: stax secrets add-recipient, remove-recipient";

/// The `.sops.yaml` of a fresh repository: one rule.
#[must_use]
pub fn render_new<S: AsRef<str>>(path_regex: &str, recipients: &[S]) -> String {
    let rule = render_rule("  - ", 2, path_regex, recipients, "\n");
    format!("{PREFACE}\ncreation_rules:\n{rule}")
}

fn render_rule<S: AsRef<str>>(
    dash: &str,
    list_indent: usize,
    path_regex: &str,
    recipients: &[S],
    newline: &str,
) -> String {
    let indent = " ".repeat(dash.len());
    let list = " ".repeat(dash.len() + list_indent);
    let mut rule = format!("{dash}path_regex: {}{newline}{indent}age:{newline}", quoted(path_regex));
    for recipient in recipients {
        rule += &format!("{list}- {}{newline}", recipient.as_ref());
    }
    rule
}

/// Plain where any reader takes it for the same string.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "^(.\\".contains(c))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || r"^$\./_-+()|?".contains(c))
        && yaml::reads_as_string(text);
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

impl Config {
    /// The text with one more recipient at the end of a rule; unchanged when the rule has it already.
    /// The comment stands behind the recipient where the layout has a line for it.
    ///
    /// # Errors
    /// [`ConfigError`] when the layout cannot be changed safely; it says what to write where.
    pub fn with_recipient(
        &self,
        rule: usize,
        recipient: &str,
        comment: Option<&str>,
    ) -> Result<String, ConfigError> {
        let old = self.rule(rule)?;
        if old.recipients().contains(&recipient) {
            return Ok(self.text.clone());
        }
        check_recipient(recipient, old.line)?;
        let comment = comment.map(|comment| check_comment(comment, old.line)).transpose()?;
        let mut wanted = self.rules.clone();
        match wanted[rule].groups.len() {
            0 => wanted[rule].age.push((recipient.to_owned(), 0)),
            1 => wanted[rule].groups[0].push((recipient.to_owned(), 0)),
            _ => return Err(by_hand(old.line, &format!("choose a key group and add `{recipient}`"))),
        }
        let tree = yaml::parse(&self.text)?;
        let task = format!("add `- {recipient}`");
        let nodes = age_nodes(&tree, rule);
        let [node] = nodes.as_slice() else { return Err(by_hand(old.line, &task)) };
        let refused = by_hand(line_of(&self.text, node.span.start), &task);
        let splice = layout::append(&self.text, node, recipient, comment).ok_or_else(|| refused.clone())?;
        self.read_back(&splice, &wanted, refused)
    }

    /// The text without a recipient of a rule, wherever the rule names it; unchanged when it does not.
    ///
    /// # Errors
    /// [`ConfigError`] when it is the last one of the rule or of a key group, or when the layout cannot
    /// be changed safely; it says what to change where.
    pub fn without_recipient(&self, rule: usize, recipient: &str) -> Result<String, ConfigError> {
        let old = self.rule(rule)?;
        let mut wanted = self.rules.clone();
        let wanted_rule = &mut wanted[rule];
        let lists = wanted_rule.groups.iter_mut().chain([&mut wanted_rule.age]);
        for list in lists.filter(|list| list.iter().any(|(known, _)| known == recipient)) {
            list.retain(|(known, _)| known != recipient);
            if list.is_empty() {
                let what = format!("`{recipient}` is the only recipient here: add another one first");
                return Err(ConfigError { line: old.line, what });
            }
        }
        let mut text = self.text.clone();
        let names_it = |text: &str| {
            let rule = Self::parse(text).ok().and_then(|(config, _)| config.rules.get(rule).cloned());
            rule.is_some_and(|rule| {
                rule.groups.iter().flatten().chain(&rule.age).any(|(r, _)| r == recipient)
            })
        };
        while names_it(&text) {
            let tree = yaml::parse(&text)?;
            let splice =
                age_nodes(&tree, rule).iter().find_map(|node| layout::remove(&text, node, recipient));
            text = splice.ok_or_else(|| self.cannot_remove(rule, recipient))?.apply(&text);
        }
        let whole = Splice { range: 0..self.text.len(), insert: text };
        self.read_back(&whole, &wanted, self.cannot_remove(rule, recipient))
    }

    /// The text with a creation rule added behind the last one, in the layout of the file.
    ///
    /// An earlier rule may still win for the same path: ask [`Config::rule_for`] afterwards.
    ///
    /// # Errors
    /// [`ConfigError`] when a rule before it matches every file, or when the layout cannot be changed
    /// safely.
    pub fn with_rule<S: AsRef<str>>(
        &self,
        path_regex: &str,
        recipients: &[S],
    ) -> Result<String, ConfigError> {
        let end = line_of(&self.text, self.text.len());
        for recipient in recipients {
            check_recipient(recipient.as_ref(), end)?;
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.path_regex.is_none()) {
            let what = "this rule matches every file: put the new one before it by hand".to_owned();
            return Err(ConfigError { line: rule.line, what });
        }
        let tree = yaml::parse(&self.text)?;
        let task = format!("add a creation rule for `{path_regex}`");
        let Some(splice) = self.rule_splice(&tree, path_regex, recipients) else {
            return Err(by_hand(self.rules.last().map_or(end, |rule| rule.line), &task));
        };
        let fresh = render_new(path_regex, recipients);
        let mut wanted = self.rules.clone();
        wanted.extend(Self::parse(&fresh)?.0.rules);
        self.read_back(&splice, &wanted, by_hand(end, &task))
    }

    fn rule_splice<S: AsRef<str>>(&self, tree: &Tree, path_regex: &str, recipients: &[S]) -> Option<Splice> {
        let text = self.text.as_str();
        let newline = layout::newline(text);
        let Some(list) = tree.documents.first().and_then(|root| root.get("creation_rules")) else {
            let rule = render_rule("  - ", 2, path_regex, recipients, newline);
            return Some(layout::insert_lines(text, text.len(), &format!("creation_rules:{newline}{rule}")));
        };
        let rules: Vec<&Entry> = list.node.entries().collect();
        let last = rules.last()?;
        let dash = layout::dash(text, &last.span)?;
        let mut rule = render_rule(dash, list_indent(text, &rules), path_regex, recipients, newline);
        let apart = rules.len() > 1 && {
            let before = &text[rules[rules.len() - 2].span.end..layout::line_start(text, last.span.start)];
            before.lines().skip(1).any(|line| line.trim().is_empty())
        };
        if apart {
            rule = format!("{newline}{rule}");
        }
        let mut end = last.span.end;
        if !text[..end].ends_with('\n') {
            end = layout::next_line(text, end);
        }
        // a comment indented below the dash still belongs to the rule before
        let deeper = |line: &str| {
            let body = line.trim_start();
            body.starts_with('#') && line.len() - body.len() > dash.find('-').unwrap_or(0)
        };
        while text.get(end..).and_then(|rest| rest.lines().next()).is_some_and(deeper) {
            end = layout::next_line(text, end);
        }
        Some(layout::insert_lines(text, end, &rule))
    }

    fn rule(&self, position: usize) -> Result<&CreationRule, ConfigError> {
        let what = "no such creation rule".to_owned();
        self.rules.get(position).ok_or(ConfigError { line: 1, what })
    }

    /// With the line of the recipient itself.
    fn cannot_remove(&self, rule: usize, recipient: &str) -> ConfigError {
        let rule = &self.rules[rule];
        let known = rule.groups.iter().flatten().chain(&rule.age).find(|(known, _)| known == recipient);
        by_hand(known.map_or(rule.line, |(_, line)| *line), &format!("remove `{recipient}`"))
    }

    /// The new text, if it says what was meant and nothing else changed its meaning.
    fn read_back(
        &self,
        splice: &Splice,
        wanted: &[CreationRule],
        refused: ConfigError,
    ) -> Result<String, ConfigError> {
        let text = splice.apply(&self.text);
        let Ok((config, _)) = Self::parse(&text) else { return Err(refused) };
        let same = config.rules.len() == wanted.len()
            && config.rules.iter().zip(wanted).all(|(new, wanted)| same_meaning(new, wanted))
            && config.stores == self.stores;
        if same { Ok(text) } else { Err(refused) }
    }
}

/// Equal but for the lines.
fn same_meaning(left: &CreationRule, right: &CreationRule) -> bool {
    let names = |list: &[(String, usize)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let groups = |rule: &CreationRule| rule.groups.iter().map(|group| names(group)).collect::<Vec<_>>();
    let crypt = |rule: &CreationRule| rule.crypt.as_ref().map(|crypt| (crypt.field, crypt.value.clone()));
    left.path_regex == right.path_regex
        && names(&left.age) == names(&right.age)
        && groups(left) == groups(right)
        && left.other_keys == right.other_keys
        && crypt(left) == crypt(right)
        && left.mac_only_encrypted == right.mac_only_encrypted
        && left.shamir_threshold == right.shamir_threshold
}

/// The `age` values of a rule or, when it has them, of its key groups; not those that `<<` brings.
fn age_nodes(tree: &Tree, rule: usize) -> Vec<&Node> {
    let rules = tree.documents.first().and_then(|root| root.get("creation_rules"));
    let Some(rule) = rules.and_then(|rules| rules.node.entries().nth(rule)) else { return Vec::new() };
    let groups = rule.node.get("key_groups").map(|groups| groups.node.entries().collect::<Vec<_>>());
    let holders = match groups {
        Some(groups) if !groups.is_empty() => groups,
        _ => vec![rule],
    };
    holders.iter().filter_map(|holder| holder.node.get("age")).map(|age| &age.node).collect()
}

/// Columns from `age` to the dash of its items, as the file has it.
fn list_indent(text: &str, rules: &[&Entry]) -> usize {
    let column = |at: usize| at - layout::line_start(text, at);
    let ages = rules.iter().filter_map(|rule| rule.node.get("age"));
    let lists = ages.filter(|age| text[age.node.span.start..].starts_with("- "));
    let mut indents = lists.map(|age| column(age.node.span.start).saturating_sub(column(age.key_span.start)));
    indents.next().unwrap_or(2)
}

fn by_hand(line: usize, task: &str) -> ConfigError {
    ConfigError { line, what: format!("the layout cannot be changed safely: {task} by hand") }
}

/// Only what stands for itself in every YAML style.
fn check_recipient(recipient: &str, line: usize) -> Result<(), ConfigError> {
    let starts_well = recipient.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = recipient.chars().all(|c| c.is_ascii_alphanumeric() || " -_+/=@.".contains(c));
    if starts_well && plain && recipient.trim() == recipient && yaml::reads_as_string(recipient) {
        return Ok(());
    }
    Err(ConfigError { line, what: "a recipient with characters that YAML would read otherwise".into() })
}

fn check_comment(comment: &str, line: usize) -> Result<&str, ConfigError> {
    if comment.chars().any(char::is_control) || comment.contains(['\u{2028}', '\u{2029}', '\u{feff}']) {
        return Err(ConfigError { line, what: "a comment is one line of text".into() });
    }
    Ok(comment.trim())
}
