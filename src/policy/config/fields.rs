//! The field names that sops 3.11 reads at each level of `.sops.yaml`, and what to say of all
//! others.

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Top,
    Rule,
    Group,
    Stores,
    Store,
}

pub(super) enum FieldVerdict {
    Known(&'static str),
    /// Not of sops, but customary: nothing to say.
    Normal,
    NearMiss(&'static str),
    /// A known field of another level.
    Elsewhere(&'static str),
    Unknown,
}

const RULE: &[&str] = &[
    "path_regex",
    "age",
    "key_groups",
    "shamir_threshold",
    "mac_only_encrypted",
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
    "kms",
    "aws_profile",
    "pgp",
    "gcp_kms",
    "hckms",
    "azure_keyvault",
    "hc_vault_transit_uri",
];

/// What people write, too far from the field they mean to be caught by distance.
const SLIPS: &[(Level, &str, &str)] = &[
    (Level::Top, "rules", "creation_rules"),
    (Level::Top, "creationrules", "creation_rules"),
    (Level::Rule, "pathregex", "path_regex"),
    (Level::Rule, "path", "path_regex"),
    (Level::Rule, "regex", "path_regex"),
    (Level::Rule, "filename_regex", "path_regex"),
    (Level::Rule, "recipient", "age"),
    (Level::Rule, "recipients", "age"),
    (Level::Rule, "age_recipients", "age"),
    (Level::Rule, "gpg", "pgp"),
    (Level::Rule, "hc_vault", "hc_vault_transit_uri"),
    (Level::Rule, "vault", "hc_vault_transit_uri"),
    (Level::Group, "recipient", "age"),
    (Level::Group, "recipients", "age"),
    (Level::Group, "gpg", "pgp"),
    (Level::Group, "vault", "hc_vault"),
];

impl Level {
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Top => "the policy",
            Self::Rule => "a creation rule",
            Self::Group => "a key group",
            Self::Stores => "`stores`",
            Self::Store => "a store",
        }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["creation_rules", "destination_rules", "stores"],
            Self::Rule => RULE,
            Self::Group => &[
                "age",
                "merge",
                "kms",
                "pgp",
                "gcp_kms",
                "hckms",
                "azure_keyvault",
                "hc_vault",
            ],
            Self::Stores => &["yaml", "json", "json_binary", "dotenv", "ini"],
            Self::Store => &["indent"],
        }
    }
}

pub(super) fn judge(key: &str, level: Level) -> FieldVerdict {
    let known = level.known();
    if let Some(name) = known.iter().find(|name| **name == key) {
        return FieldVerdict::Known(name);
    }
    // sops-nix keeps the anchors of people and hosts here
    if level == Level::Top && key == "keys" {
        return FieldVerdict::Normal;
    }
    let plain = key.to_lowercase().replace(['-', ' ', '.'], "_");
    let slip = SLIPS
        .iter()
        .find(|(at, slip, _)| *at == level && *slip == plain);
    if let Some((_, _, name)) = slip {
        return FieldVerdict::NearMiss(name);
    }
    let near = known
        .iter()
        .map(|name| (distance(&plain, name), name))
        .min();
    if let Some((distance, name)) = near {
        // two letters of a short name make another word
        if distance <= if name.len() < 5 { 1 } else { 2 } {
            return FieldVerdict::NearMiss(name);
        }
    }
    match level {
        Level::Top if RULE.contains(&key) => {
            FieldVerdict::Elsewhere("in a rule under `creation_rules`")
        }
        Level::Rule if key == "creation_rules" || key == "stores" => {
            FieldVerdict::Elsewhere("at the top level")
        }
        _ => FieldVerdict::Unknown,
    }
}

/// Levenshtein.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let swapped = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = swapped.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
