//! Keys of other kinds than age in a rule, as the readers that they are in a file.

use crate::sops::other_key::reader;
use crate::sops::tree::{Node, Value};

/// The readers of one field. What has an odd shape gives none: sops refuses it, or knows more than stax.
pub(super) fn readers(field: &str, node: &Node) -> Vec<String> {
    let kind = match field {
        "azure_keyvault" => "azure_kv",
        "hc_vault" | "hc_vault_transit_uri" => "hc_vault",
        "kms" | "gcp_kms" | "hckms" | "pgp" => field,
        _ => return Vec::new(),
    };
    let entries: Vec<&Node> = match &node.value {
        Value::List(_) => node.entries().map(|entry| &entry.node).collect(),
        _ => vec![node],
    };
    let ids = entries.into_iter().flat_map(|entry| match &entry.value {
        Value::Map(_) => Vec::from_iter(of_map(kind, entry)),
        _ => super::split(entry.text().unwrap_or_default()).map(str::to_owned).collect(),
    });
    ids.map(|id| reader(kind, &plain(kind, &id))).collect()
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

/// An id without what the file keeps in fields of their own: the role of AWS, the version of a key of Azure.
fn plain(kind: &str, id: &str) -> String {
    match kind {
        "kms" => id.split("+arn:").next().unwrap_or(id).to_owned(),
        "azure_kv" => {
            let Some((vault, key)) = id.split_once("/keys/") else { return id.to_owned() };
            format!("{vault}/keys/{}", key.split('/').next().unwrap_or(key))
        }
        "hc_vault" => id.trim_matches('/').to_owned(),
        _ => id.to_owned(),
    }
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
            let config = Config::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}")).0;
            assert_eq!(config.rules[0].others, expected, "{text}");
        }
    }
}
