//! Edits of `.sops.yaml`: bytes are spliced, everything else stays. What was written is read back
//! and must say exactly what was meant; where that is not sure, the error names the line to change
//! by hand.

use sops_document::age::is_other_kind;
use sops_document::tree::{Node, line_of};
use sops_document::yaml;

use super::anchors::{Anchors, Definition, invent};
use super::layout::{self, Addition, Splice};
use super::remarks::single;
use super::{Config, ConfigError, CreationRule};
use crate::policy::roster::is_unprintable;

/// Lists below `keys:` in which a person is looked for when a rule takes from several.
const PEOPLE: [&str; 8] = [
    "users",
    "user",
    "people",
    "admins",
    "admin",
    "team",
    "humans",
    "developers",
];

impl Config {
    /// The text with one more recipient at the end of each of these rules; unchanged when they have
    /// it.
    ///
    /// The author's manner decides how: in a list of aliases the key gets an anchor beside the
    /// others, made of the name, unless it has one; a comment with the name where the other items
    /// have one.
    ///
    /// # Errors
    /// [`ConfigError`] when the layout cannot be changed safely; it says what to write where.
    pub fn with_recipient(
        &self,
        rules: &[usize],
        recipient: &str,
        name: Option<&str>,
    ) -> Result<String, ConfigError> {
        self.with_recipient_in(rules, recipient, name, None)
    }

    /// The same in one key group of each rule, counted from 1. A rule of several groups needs it.
    ///
    /// # Errors
    /// As [`Self::with_recipient`]; and a group that a rule does not have.
    pub fn with_recipient_in(
        &self,
        rules: &[usize],
        recipient: &str,
        name: Option<&str>,
        group: Option<usize>,
    ) -> Result<String, ConfigError> {
        let mut wanted = self.rules.clone();
        let mut missing = Vec::new();
        for rule in sorted(rules) {
            let old = self.rule(rule)?;
            if old.recipients().contains(&recipient) {
                continue;
            }
            check_recipient(recipient, old.line)?;
            let list = match chosen_group(old, group)? {
                None => &mut wanted[rule].age,
                Some(at) => &mut wanted[rule].groups[at],
            };
            list.push((recipient.to_owned(), 0));
            missing.push(rule);
        }
        let Some(first) = missing.first() else {
            return Ok(self.text.clone());
        };
        let line = self.rules[*first].line;
        let name = name.map(|name| check_comment(name, line)).transpose()?;
        let mut text = self.text.clone();
        for rule in &missing {
            let now = Self::parse(&text)?.0;
            let has_it = now
                .rules
                .get(*rule)
                .is_some_and(|rule| rule.recipients().contains(&recipient));
            // two rules may share one list
            if !has_it {
                // a line of the text in between would mean nothing to its author
                let at_home = |error| {
                    let here = self.append(*rule, recipient, name, group);
                    here.err().unwrap_or(error)
                };
                text = now.append(*rule, recipient, name, group).map_err(at_home)?;
            }
        }
        let task = format!("add `- {recipient}`");
        self.read_back(text, &wanted, by_hand(line, &task))
    }

    fn append(
        &self,
        rule: usize,
        recipient: &str,
        name: Option<&str>,
        group: Option<usize>,
    ) -> Result<String, ConfigError> {
        let line = self.rules[rule].line;
        let task = format!("add `- {recipient}` to the rule in line {line}");
        let tree = yaml::parse_policy(&self.text)?;
        let anchors = Anchors::of(&self.text, &tree);
        let place = chosen_group(&self.rules[rule], group)?.unwrap_or(0);
        let holder = anchors.age_holders(rule).into_iter().nth(place);
        let Some(node) = holder.and_then(|holder| anchors.field(holder, "age")) else {
            return Err(by_hand(line, &task));
        };
        let refused = || by_hand(line_of(&self.text, node.span.start), &task);
        let ListReference { item, mut splices } =
            anchors.reference(node, node.span.end, recipient, name)?;
        let new = Addition {
            recipient,
            item: &item,
            name,
        };
        splices.push(layout::append(&self.text, node, &new).ok_or_else(refused)?);
        Ok(layout::apply_all(&self.text, splices))
    }

    /// The text without a recipient of these rules, wherever they name it. An anchor below `keys:`
    /// goes with the last alias of it; one that stands in a rule moves to its next alias.
    ///
    /// # Errors
    /// [`ConfigError`] when it is the last one of a rule or of a key group, or when the layout
    /// cannot be changed safely; it says what to change where.
    pub fn without_recipient(
        &self,
        rules: &[usize],
        recipient: &str,
    ) -> Result<String, ConfigError> {
        if is_other_kind(recipient) {
            return self.without_other(rules, recipient);
        }
        let mut wanted = self.rules.clone();
        for rule in sorted(rules) {
            let line = self.rule(rule)?.line;
            let wanted = &mut wanted[rule];
            let lists = wanted.groups.iter_mut().chain([&mut wanted.age]);
            for list in lists.filter(|list| list.iter().any(|(known, _)| known == recipient)) {
                list.retain(|(known, _)| known != recipient);
                if list.is_empty() {
                    let what =
                        format!("`{recipient}` is the only recipient here: add another one first");
                    return Err(ConfigError::new(line, what));
                }
            }
        }
        let mut text = self.text.clone();
        // aliases stand behind their anchor: from the back they are gone before it is
        for rule in sorted(rules).into_iter().rev() {
            let refused = || self.cannot_remove(rule, recipient);
            while let Some(now) = Self::parse(&text).ok().filter(|(now, _)| {
                now.rules
                    .get(rule)
                    .is_some_and(|rule| mentions(rule, recipient))
            }) {
                text = now.0.take(rule, recipient).ok_or_else(refused)?;
            }
        }
        if let Some(first) = rules.first() {
            text = without_anchor(text, recipient);
            return self.read_back(text, &wanted, self.cannot_remove(*first, recipient));
        }
        Ok(text)
    }

    /// Takes one mention of a recipient out of a rule.
    fn take(&self, rule: usize, recipient: &str) -> Option<String> {
        let text = self.text.as_str();
        let tree = yaml::parse_policy(text).ok()?;
        let anchors = Anchors::of(text, &tree);
        anchors.all_age_nodes(rule).into_iter().find_map(|node| {
            let entry = node.entries().find(|entry| {
                super::split(entry.node.text().unwrap_or_default()).any(|r| r == recipient)
            });
            let Some(entry) = entry else {
                return Some(layout::remove(text, node, recipient)?.apply(text));
            };
            // an alias of a string with several keys
            if let Some(shared) = anchors
                .behind(&entry.node)
                .filter(|shared| single(shared.node).is_none())
            {
                return Some(layout::remove(text, shared.node, recipient)?.apply(text));
            }
            let mut splices = vec![layout::remove(text, node, recipient)?];
            let own = anchors
                .definitions()
                .find(|known| known.node.span == entry.node.span);
            if let Some(own) = own.filter(|_| single(&entry.node).is_some()) {
                splices.extend(moved(&anchors, own)?);
            }
            Some(layout::apply_all(text, splices))
        })
    }

    pub(super) fn rule(&self, position: usize) -> Result<&CreationRule, ConfigError> {
        let what = "no such creation rule".to_owned();
        self.rules.get(position).ok_or(ConfigError::new(1, what))
    }

    /// With the line of the recipient itself.
    fn cannot_remove(&self, rule: usize, recipient: &str) -> ConfigError {
        let rule = &self.rules[rule];
        let known = rule
            .groups
            .iter()
            .flatten()
            .chain(&rule.age)
            .find(|(known, _)| known == recipient);
        let task = format!("remove `{recipient}` from the rule in line {}", rule.line);
        by_hand(known.map_or(rule.line, |(_, line)| *line), &task)
    }

    /// The new text, if it says what was meant and nothing else changed its meaning.
    pub(super) fn read_back(
        &self,
        text: String,
        wanted: &[CreationRule],
        refused: ConfigError,
    ) -> Result<String, ConfigError> {
        let Ok((config, _)) = Self::parse(&text) else {
            return Err(refused);
        };
        if config.rules.len() != wanted.len() || config.stores != self.stores {
            return Err(refused);
        }
        let wrong = config
            .rules
            .iter()
            .zip(wanted)
            .position(|(new, wanted)| !same_meaning(new, wanted));
        let Some(wrong) = wrong else { return Ok(text) };
        let untouched = self
            .rules
            .get(wrong)
            .filter(|old| same_meaning(old, &wanted[wrong]));
        let Some(other) = untouched.filter(|_| self.rules.len() == wanted.len()) else {
            return Err(refused);
        };
        let what = format!(
            "{}: the rule in line {} reads the same list and would change too (--all changes both)",
            refused.what, other.line
        );
        Err(ConfigError { what, ..refused })
    }
}

/// The place of the key group that is meant; `None` where a rule has a plain list.
fn chosen_group(rule: &CreationRule, group: Option<usize>) -> Result<Option<usize>, ConfigError> {
    let wrong = |what: String| Err(ConfigError::new(rule.line, what));
    match (rule.groups.len(), group) {
        (0, None) => Ok(None),
        (0, Some(_)) => wrong("the rule has no key groups".to_owned()),
        (1, None) => Ok(Some(0)),
        (all, Some(number)) if (1..=all).contains(&number) => Ok(Some(number - 1)),
        (all, _) => wrong(format!(
            "the rule has {all} key groups: choose one with --group, 1 to {all}"
        )),
    }
}

/// How a list shall name a recipient, and what must be written elsewhere for it.
pub(super) struct ListReference {
    pub(super) item: String,
    pub(super) splices: Vec<Splice>,
}

impl Anchors<'_> {
    /// How a list that stands, or will stand, before `end` names a recipient in the manner of
    /// `model`.
    pub(super) fn reference(
        &self,
        model: &Node,
        end: usize,
        recipient: &str,
        name: Option<&str>,
    ) -> Result<ListReference, ConfigError> {
        let as_is = |item: String| {
            Ok(ListReference {
                item,
                splices: Vec::new(),
            })
        };
        let known = self.definitions().find(|known| {
            single(known.node) == Some(recipient)
                && known.node.span.end <= end
                && self.definition(known.name).is_some()
        });
        if let Some(known) = known {
            return as_is(format!("*{}", known.name));
        }
        let aliased: Vec<&Definition<'_>> = model
            .entries()
            .filter_map(|entry| self.behind(&entry.node))
            .collect();
        let is_own = |known: &Definition<'_>| known.holder.span == model.span;
        let is_named = aliased.iter().any(|known| known.in_rules) || self.definitions().any(is_own);
        let mut homes: Vec<&Definition<'_>> = Vec::new();
        for home in aliased
            .into_iter()
            .filter(|known| !known.in_rules && single(known.node).is_some())
        {
            if !homes
                .iter()
                .any(|other| other.holder.span == home.holder.span)
            {
                homes.push(home);
            }
        }
        let people: Vec<_> = homes
            .iter()
            .filter(|home| PEOPLE.contains(&home.section))
            .copied()
            .collect();
        if homes.len() > 1 && people.len() == 1 {
            homes = people;
        }
        let definition = format!("&{} {recipient}", invent(self, name, recipient));
        let line = |home: &Definition<'_>| line_of(self.text, home.holder.span.start);
        match homes.as_slice() {
            [] if is_named => as_is(definition),
            [] => as_is(recipient.to_owned()),
            [home] => {
                let new = Addition {
                    recipient,
                    item: &definition,
                    name,
                };
                let refused = || {
                    ConfigError::new(
                        line(home),
                        format!(
                            "the layout cannot be changed safely: add `- {definition}` by hand, then run the same command again"
                        ),
                    )
                };
                let splice = layout::append(self.text, home.holder, &new).ok_or_else(refused)?;
                let alias = definition
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .replacen('&', "*", 1);
                Ok(ListReference {
                    item: alias,
                    splices: vec![splice],
                })
            }
            [first, second, ..] => Err(ConfigError::new(
                line(first),
                format!(
                    "the rule takes keys from several lists: add `- {definition}` to the one in line {} or in line {} by hand, then run the same command again",
                    line(first),
                    line(second)
                ),
            )),
        }
    }
}

/// What makes the next alias of an anchor its definition; nothing when there is no alias.
fn moved(anchors: &Anchors<'_>, own: &Definition<'_>) -> Option<Option<Splice>> {
    let Some(next) = anchors.uses(own.name).min_by_key(|span| span.start) else {
        return Some(None);
    };
    anchors.definition(own.name)?;
    let text = &anchors.text[own.node.span.clone()];
    (!text.contains('\n')).then(|| {
        Some(Splice {
            range: next.clone(),
            insert: text.to_owned(),
        })
    })
}

/// Takes out anchors outside of the rules that stand for this recipient alone and that nothing
/// reads. One that cannot be taken out safely stays: it gives nobody access.
fn without_anchor(mut text: String, recipient: &str) -> String {
    loop {
        let Ok((now, _)) = Config::parse(&text) else {
            return text;
        };
        let Ok(tree) = yaml::parse_policy(&text) else {
            return text;
        };
        if now.rules.iter().any(|rule| mentions(rule, recipient)) {
            return text;
        }
        let anchors = Anchors::of(&text, &tree);
        let is_idle = |known: &&Definition<'_>| {
            !known.in_rules
                && single(known.node) == Some(recipient)
                && anchors.uses(known.name).next().is_none()
        };
        let shorter = anchors.definitions().filter(is_idle).find_map(|known| {
            let position = known
                .holder
                .entries()
                .position(|entry| entry.span == known.entry.span)?;
            let is_top = known.holder.get("creation_rules").is_some();
            let splice = layout::remove_entry(&text, known.holder, position).filter(|_| !is_top)?;
            Some(splice.apply(&text)).filter(|text| Config::parse(text).is_ok())
        });
        match shorter {
            Some(shorter) => text = shorter,
            None => return text,
        }
    }
}

pub(super) fn sorted(rules: &[usize]) -> Vec<usize> {
    let mut rules = rules.to_vec();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Whether a rule names a recipient, also where `key_groups` hides it.
fn mentions(rule: &CreationRule, recipient: &str) -> bool {
    rule.groups
        .iter()
        .flatten()
        .chain(&rule.age)
        .any(|(known, _)| known == recipient)
}

/// Equal but for the lines.
fn same_meaning(left: &CreationRule, right: &CreationRule) -> bool {
    let names = |list: &[(String, usize)]| {
        list.iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    let groups = |rule: &CreationRule| {
        rule.groups
            .iter()
            .map(|group| names(group))
            .collect::<Vec<_>>()
    };
    let crypt = |rule: &CreationRule| {
        rule.crypt
            .as_ref()
            .map(|crypt| (crypt.field, crypt.value.clone()))
    };
    left.path_regex == right.path_regex
        && names(&left.age) == names(&right.age)
        && groups(left) == groups(right)
        && left.other_keys == right.other_keys
        && left.others == right.others
        && crypt(left) == crypt(right)
        && left.mac_only_encrypted == right.mac_only_encrypted
        && left.shamir_threshold == right.shamir_threshold
}

pub(super) fn by_hand(line: usize, task: &str) -> ConfigError {
    ConfigError::new(
        line,
        format!("the layout cannot be changed safely: {task} by hand"),
    )
}

/// Only what stands for itself in every YAML style.
pub(super) fn check_recipient(recipient: &str, line: usize) -> Result<(), ConfigError> {
    let starts_well = recipient.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = recipient
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || " -_+/=@.".contains(c));
    if starts_well && plain && recipient.trim() == recipient && yaml::reads_as_string(recipient) {
        return Ok(());
    }
    Err(ConfigError::new(
        line,
        "a recipient with characters that YAML would read otherwise",
    ))
}

pub(super) fn check_comment(name: &str, line: usize) -> Result<&str, ConfigError> {
    if name.chars().any(is_unprintable) {
        return Err(ConfigError::new(
            line,
            "a name is one line of text without control characters",
        ));
    }
    Ok(name.trim())
}
