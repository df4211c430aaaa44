//! Keys of other kinds than age in a rule, as the readers that they are in a file.

use sops_document::other_key::reader;
use sops_document::tree::{Node, Value};
use sops_document::yaml;

use super::anchors::Anchors;
use super::edit::{by_hand, sorted};
use super::layout::{self, Splice, line_start, next_line};
use super::{Config, ConfigError, CreationRule};

/// The readers of one field. What has an odd shape gives none: sops refuses it, or knows more than
/// stax.
pub(super) fn readers(field: &str, node: &Node) -> Vec<String> {
    let Some(kind) = kind_of(field) else {
        return Vec::new();
    };
    let entries: Vec<&Node> = match &node.value {
        Value::List(_) => node.entries().map(|entry| &entry.node).collect(),
        _ => vec![node],
    };
    let ids = entries.into_iter().flat_map(|entry| match &entry.value {
        Value::Map(_) => Vec::from_iter(of_map(kind, entry)),
        _ => super::split(entry.text().unwrap_or_default())
            .map(str::to_owned)
            .collect(),
    });
    ids.map(|id| reader(kind, &plain(kind, &id))).collect()
}

/// What the files call the kind of a field.
fn kind_of(field: &str) -> Option<&str> {
    Some(match field {
        "azure_keyvault" => "azure_kv",
        "hc_vault" | "hc_vault_transit_uri" => "hc_vault",
        "kms" | "gcp_kms" | "hckms" | "pgp" => field,
        _ => return None,
    })
}

/// `arn: …` and its like in a key group.
fn of_map(kind: &str, node: &Node) -> Option<String> {
    let text = |name: &str| node.get(name).and_then(|entry| entry.node.text());
    match kind {
        "kms" => text("arn").map(str::to_owned),
        "gcp_kms" => text("resource_id").map(str::to_owned),
        "hckms" => text("key_id").map(str::to_owned),
        "azure_kv" => {
            let vault = text("vaultUrl")?.trim_matches('/');
            Some(format!("{vault}/keys/{}", text("key")?))
        }
        _ => None,
    }
}

/// An id without what the file keeps in fields of their own: the role of AWS, the version of a key
/// of Azure.
fn plain(kind: &str, id: &str) -> String {
    match kind {
        "kms" => id.split("+arn:").next().unwrap_or(id).to_owned(),
        "azure_kv" => {
            let Some((vault, key)) = id.split_once("/keys/") else {
                return id.to_owned();
            };
            format!("{vault}/keys/{}", key.split('/').next().unwrap_or(key))
        }
        "hc_vault" => id.trim_matches('/').to_owned(),
        _ => id.to_owned(),
    }
}

impl Config {
    /// The text without a key of another kind of these rules.
    ///
    /// # Errors
    /// As [`Config::without_recipient`].
    pub(super) fn without_other(&self, rules: &[usize], who: &str) -> Result<String, ConfigError> {
        let mut wanted = self.rules.clone();
        for at in sorted(rules) {
            let line = self.rule(at)?.line;
            let rule: &mut CreationRule = &mut wanted[at];
            if !rule.others.iter().any(|other| other == who) {
                continue;
            }
            rule.others.retain(|other| other != who);
            let others = rule.others.clone();
            let has_more = |kind: &str| {
                others
                    .iter()
                    .any(|other| other.split(' ').next() == Some(kind))
            };
            rule.other_keys
                .retain(|field| kind_of(field).is_none_or(has_more));
            if rule.recipients().is_empty() && rule.others.is_empty() {
                let what = format!("`{who}` is the only recipient here: add another one first");
                return Err(ConfigError::new(line, what));
            }
        }
        let mut text = self.text.clone();
        for at in sorted(rules) {
            let refused = || by_hand(self.rules[at].line, &format!("remove `{who}`"));
            loop {
                let now = Self::parse(&text)?.0;
                if !now
                    .rules
                    .get(at)
                    .is_some_and(|rule| rule.others.iter().any(|other| other == who))
                {
                    break;
                }
                text = now.take_other(at, who).ok_or_else(refused)?;
            }
        }
        let line = rules
            .first()
            .and_then(|at| self.rules.get(*at))
            .map_or(1, |rule| rule.line);
        self.read_back(text, &wanted, by_hand(line, &format!("remove `{who}`")))
    }

    /// Takes one mention out: an item, a part of a string, or the field that holds nothing else.
    fn take_other(&self, rule: usize, who: &str) -> Option<String> {
        let text = self.text.as_str();
        let tree = yaml::parse_policy(text).ok()?;
        let anchors = Anchors::of(text, &tree);
        for holder in anchors.age_holders(rule) {
            for (position, field) in holder.entries().enumerate() {
                let name = field.key.as_deref()?;
                let found = readers(name, &field.node);
                if !found.iter().any(|other| other == who) {
                    continue;
                }
                let splice = match found.iter().all(|other| other == who) {
                    true => without_field(text, holder, position),
                    false => without_id(text, name, &field.node, who),
                };
                return Some(splice?.apply(text));
            }
        }
        None
    }
}

/// One of several ids.
fn without_id(text: &str, field: &str, node: &Node, who: &str) -> Option<Splice> {
    let kind = kind_of(field)?;
    let position = node
        .entries()
        .position(|entry| readers(field, &entry.node) == [who]);
    if let (Value::List(_), Some(position)) = (&node.value, position) {
        return layout::remove_entry(text, node, position);
    }
    let holder = node
        .entries()
        .find(|entry| readers(field, &entry.node).iter().any(|other| other == who));
    let string = holder.map_or(node, |entry| &entry.node).text()?;
    let id = super::split(string).find(|id| reader(kind, &plain(kind, id)) == who)?;
    layout::remove(text, node, id)
}

/// A whole field of a rule or a key group, also of several lines, also the one behind the dash.
fn without_field(text: &str, holder: &Node, position: usize) -> Option<Splice> {
    let entries: Vec<_> = holder.entries().collect();
    let field = entries.get(position)?;
    if text[holder.span.clone()].starts_with('{') {
        return layout::remove_entry(text, holder, position);
    }
    let start = line_start(text, field.key_span.start);
    let end = if text[..field.span.end].ends_with('\n') {
        field.span.end
    } else {
        next_line(text, field.span.end)
    };
    if text[start..field.key_span.start].trim().is_empty() {
        return Some(Splice {
            range: start..end,
            insert: String::new(),
        });
    }
    let next = entries.get(position + 1)?.key_span.start;
    let is_bare = !text[field.span.end..next].contains('#');
    is_bare.then(|| Splice {
        range: field.key_span.start..next,
        insert: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use crate::policy::config::Config;

    #[test]
    fn a_rule_names_keys_of_every_kind_as_the_files_do() {
        let id = "fbc7b9e2a4f9289ac0c1d4843d16cee4a27381b4";
        let pgp = format!("pgp {}", id.to_uppercase());
        let table: [(String, &[&str]); 8] = [
            (format!("pgp: '{id}'"), &[&pgp]),
            (format!("pgp: >-\n      {id},\n      {}", id.to_uppercase()), &[&pgp, &pgp]),
            (format!("key_groups:\n      - pgp: [{id}]\n        age: [age1x]"), &[&pgp]),
            (
                "kms: arn:aws:kms:a:1:key/x+arn:aws:iam::1:role/r,arn:aws:kms:b:1:key/y".into(),
                &["kms arn:aws:kms:a:1:key/x", "kms arn:aws:kms:b:1:key/y"],
            ),
            (
                "key_groups:\n      - kms:\n          - arn: arn:aws:kms:a:1:key/x\n            role: r"
                    .into(),
                &["kms arn:aws:kms:a:1:key/x"],
            ),
            ("gcp_kms: projects/p/k".into(), &["gcp_kms projects/p/k"]),
            (
                "azure_keyvault: https://v.vault.azure.net/keys/k/0123".into(),
                &["azure_kv https://v.vault.azure.net/keys/k"],
            ),
            (
                "hc_vault_transit_uri: https://vault.example.com:8200/v1/sops/keys/k".into(),
                &["hc_vault https://vault.example.com:8200/v1/sops/keys/k"],
            ),
        ];
        for (field, expected) in table {
            let text = format!("creation_rules:\n  - {field}\n");
            let config = Config::parse(&text)
                .unwrap_or_else(|error| panic!("{text}: {error}"))
                .0;
            assert_eq!(config.rules[0].others, expected, "{text}");
        }
    }

    #[test]
    fn one_key_goes_and_the_rest_stays_as_it_is_written() {
        let (a, b) = (
            "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
            "D7229043384BCC60326C6FB9D8720D957C3D3074",
        );
        let table = [
            ("  - pgp: <A>\n    age: age1x\n", "  - age: age1x\n"),
            (
                "  - age: age1x\n    pgp: <A> # Ana\n    shamir_threshold: 0\n",
                "  - age: age1x\n    shamir_threshold: 0\n",
            ),
            (
                "  - path_regex: x\n    pgp: >-\n      <A>,\n      <B>\n    age: age1x\n",
                "  - path_regex: x\n    pgp: >-\n      <B>\n    age: age1x\n",
            ),
            ("  - pgp: '<A>,<B>'\n", "  - pgp: '<B>'\n"),
            (
                "  - key_groups:\n      - pgp:\n          - <A> # Ana\n          - <B>\n        age: [age1x]\n",
                "  - key_groups:\n      - pgp:\n          - <B>\n        age: [age1x]\n",
            ),
            (
                "  - key_groups:\n      - pgp:\n          - <A>\n        age:\n          - age1x\n",
                "  - key_groups:\n      - age:\n          - age1x\n",
            ),
            ("  - {pgp: <A>, age: age1x}\n", "  - {age: age1x}\n"),
        ];
        let filled = |text: &str| {
            format!("creation_rules:\n{text}")
                .replace("<A>", a)
                .replace("<B>", b)
        };
        for (before, after) in table {
            let config = Config::parse(&filled(before)).unwrap().0;
            let found = config.without_recipient(&[0], &format!("pgp {a}"));
            assert_eq!(
                found.as_deref().map_err(ToString::to_string),
                Ok(filled(after).as_str()),
                "{before}"
            );
        }
        let alone = Config::parse(&filled("  - pgp: <A>\n")).unwrap().0;
        assert!(alone.without_recipient(&[0], &format!("pgp {a}")).is_err());
    }
}
