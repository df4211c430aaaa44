//! Keys of other kinds than age in the metadata: who holds them reads the file like anybody else.

use crate::tree::{Node, Scalar};

/// Field names of the SOPS format besides `age`, selectors and the four scalars.
pub(crate) const KEY_SOURCES: [&str; 6] =
    ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"];

/// One entry of `pgp`, `kms`, `gcp_kms`, `hckms`, `azure_kv` or `hc_vault`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherKey {
    pub kind: &'static str,
    /// A fingerprint, an ARN, the address of a key: what its kind is known by.
    pub id: String,
    /// The same as sops takes it at its options, with the version of a key of Azure.
    pub written: String,
    /// The data key, or a part of it, as its service wrapped it.
    pub enc: String,
}

impl OtherKey {
    /// As a reader: kind and id.
    #[must_use]
    pub fn reader(&self) -> String {
        reader(self.kind, &self.id)
    }
}

/// Kind and id as one name of a reader.
#[must_use]
pub fn reader(kind: &str, id: &str) -> String {
    match kind {
        // people write them in lower case, in groups, or with 0x
        "pgp" => {
            let hex: String = id.chars().filter(|c| !c.is_whitespace()).collect();
            format!("pgp {}", hex.trim_start_matches("0x").to_uppercase())
        }
        kind => format!("{kind} {}", id.trim()),
    }
}

/// The entries of a block or a key group, in the order of their kinds.
pub(crate) fn other_keys(block: &Node) -> Vec<OtherKey> {
    let mut keys = Vec::new();
    for kind in KEY_SOURCES {
        let Some(list) = block.get(kind) else {
            continue;
        };
        for entry in list.node.entries() {
            let field = |name: &str| {
                entry
                    .node
                    .get(name)
                    .and_then(|it| field_text(&it.node))
                    .unwrap_or_default()
            };
            let trimmed = |name: &str| field(name).trim_matches('/').to_owned();
            let id = match kind {
                "kms" => field("arn"),
                "gcp_kms" => field("resource_id"),
                "hckms" => field("key_id"),
                "azure_kv" => format!("{}/keys/{}", trimmed("vault_url"), field("name")),
                "hc_vault" => format!(
                    "{}/v1/{}/keys/{}",
                    trimmed("vault_address"),
                    trimmed("engine_path"),
                    field("key_name")
                ),
                _ => field("fp"),
            };
            let written = match kind {
                "azure_kv" => format!("{id}/{}", field("version")),
                _ => id.clone(),
            };
            keys.push(OtherKey {
                kind,
                id,
                written,
                enc: field("enc"),
            });
        }
    }
    keys
}

pub(crate) fn field_text(node: &Node) -> Option<String> {
    match &node.leaf()?.scalar {
        Scalar::Str(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Time(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Document, Format};

    fn readers(format: Format, source: &str) -> Vec<String> {
        let document = Document::parse(format, source).unwrap();
        document
            .metadata()
            .others
            .iter()
            .map(super::OtherKey::reader)
            .collect()
    }

    #[test]
    fn every_entry_is_a_reader_with_kind_and_id() {
        let yaml = "sops:
    version: 3.11.0
    kms: [{arn: 'arn:aws:kms:a:1:key/x', enc: e}]
    gcp_kms: [{resource_id: projects/p, enc: e}]
    azure_kv: [{vault_url: 'https://v.vault.azure.net', name: k, version: v1, enc: e}]
    hc_vault: [{vault_address: 'https://vault:8200', engine_path: sops, key_name: k, enc: e}]
    pgp: [{fp: fbc7b9e2a4f9289ac0c1d4843d16cee4a27381b4, enc: e}, {fp: 0xAB12, enc: e}]
";
        let expected = [
            "kms arn:aws:kms:a:1:key/x",
            "gcp_kms projects/p",
            "azure_kv https://v.vault.azure.net/keys/k",
            "hc_vault https://vault:8200/v1/sops/keys/k",
            "pgp FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4",
            "pgp AB12",
        ];
        assert_eq!(
            readers(Format::Yaml, &yaml.replace("0xAB12", "'0xAB12'")),
            expected
        );
        let env =
            "sops_version=3.11.0\nsops_pgp__list_0__map_fp=AB12\nsops_pgp__list_0__map_enc=e\n";
        assert_eq!(readers(Format::Dotenv, env), ["pgp AB12"]);
        // in key groups as well
        let groups = "{\"sops\": {\"version\": \"3.11.0\", \"key_groups\": [{\"pgp\": [{\"fp\": \"AB12\", \"enc\": \"e\"}]}, {\"kms\": [{\"arn\": \"arn:x\", \"enc\": \"e\"}]}]}}";
        assert_eq!(readers(Format::Json, groups), ["pgp AB12", "kms arn:x"]);
    }
}
