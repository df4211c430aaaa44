//! Which plaintext is a credential, by its form, or by the name of its key and a text that looks
//! random.

use std::ops::Range;

use sops_document::tree::Path;

use super::entropy::entropy;

/// By these people call a credential: in the name of a key, wherever they stand in it.
pub const WORDS: [&str; 5] = ["password", "passwd", "secret", "token", "credential"];

/// Shorter texts are words.
const MIN_LENGTH: usize = 16;
/// Bits a character: words and names of hosts lie below, keys above.
const MIN_ENTROPY: f64 = 3.3;

/// Whether the value at a path is a credential. References to values that are elsewhere are no part
/// of it.
#[must_use]
pub fn is_credential(path: &Path, text: &str) -> bool {
    let text = without_references(text);
    let key = path.keys().last().unwrap_or_default();
    has_known_form(&text)
        || !names_an_object(path) && names_secret(key, &text) && looks_random(key, &text)
}

/// Whether a text refers to a value that is elsewhere: `${NAME}` of Flux, `{{ … }}` of Helm, and
/// what vault plugins fetch.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    text.contains("${")
        || text.contains("{{")
        || ["<path:", "ref+", "op://", "$ANSIBLE_VAULT"]
            .iter()
            .any(|lead| text.starts_with(lead))
}

/// The forms of a reference within a text: of shells and Flux, of Helm, of Kubernetes, and of
/// Grafana.
const REFERENCES: [(&str, &str); 5] = [
    ("${", "}"),
    ("{{", "}}"),
    ("$(", ")"),
    ("$__file{", "}"),
    ("$__env{", "}"),
];

fn without_references(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(reference) = first_reference(rest) {
        kept += &rest[..reference.start];
        rest = &rest[reference.end..];
    }
    kept + rest
}

fn first_reference(text: &str) -> Option<Range<usize>> {
    let of_form = |(open, close): (&str, &str)| {
        let start = text.find(open)?;
        let inner = start + open.len();
        Some(start..inner + text[inner..].find(close)? + close.len())
    };
    REFERENCES
        .into_iter()
        .filter_map(of_form)
        .min_by_key(|found| found.start)
}

fn has_known_form(text: &str) -> bool {
    const PREFIXES: [(&str, usize); 13] = [
        ("ghp_", 40),
        ("github_pat_", 40),
        ("glpat-", 26),
        ("xoxb-", 30),
        ("xoxp-", 30),
        ("sk_live_", 24),
        ("rk_live_", 24),
        ("AKIA", 20),
        ("AIza", 39),
        ("SG.", 60),
        ("npm_", 40),
        ("hvs.", 24),
        ("AGE-SECRET-KEY-1", 74),
    ];
    let text = text.trim();
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return true;
    }
    let is_word = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_word
        && PREFIXES
            .iter()
            .any(|(prefix, least)| text.starts_with(prefix) && text.len() >= *least)
}

/// Whether the value at a path is what another object is called, or a remark on this one:
/// `secretName`, `existingSecretKey`, an annotation.
fn names_an_object(path: &Path) -> bool {
    let mut keys: Vec<String> = path.keys().map(str::to_ascii_lowercase).collect();
    let key = keys.pop().unwrap_or_default();
    key.ends_with("secretname")
        || key.starts_with("existingsecret")
        || keys.iter().any(|key| key.ends_with("annotations"))
}

fn names_secret(key: &str, text: &str) -> bool {
    // `key` alone is that of a map or a label as well
    const KEYS: [&str; 5] = [
        "apikey",
        "api_key",
        "privatekey",
        "private_key",
        "encryptionkey",
    ];
    let key = key.to_lowercase();
    // a `key` with a slash is the name of a label
    key == "key" && !text.contains('/')
        || key.ends_with("pass")
        || WORDS.iter().chain(&KEYS).any(|word| key.contains(word))
}

fn looks_random(key: &str, text: &str) -> bool {
    if text.len() < MIN_LENGTH || text.contains(char::is_whitespace) || is_name(key, text) {
        return false;
    }
    let refers = ["http:", "https:", "/", "ENC", "op:", "vault:", "ref+"];
    !refers.iter().any(|prefix| text.starts_with(prefix)) && entropy(text.chars()) >= MIN_ENTROPY
}

/// `web.example.com-tls`, `POSTGRES_APP_PASSWORD`, and where no password is asked for any words:
/// `CriticalAddonsOnly`, `ovh_application_key`. What stands around it marks a place that a program
/// fills: `<<API_KEY>>`, `$API_KEY`.
fn is_name(key: &str, text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let holds_only = |is_letter: fn(&u8) -> bool, signs: &[u8]| {
        text.bytes()
            .all(|byte| is_letter(&byte) || byte.is_ascii_digit() || signs.contains(&byte))
    };
    text.contains('-') && holds_only(u8::is_ascii_lowercase, b".-")
        || text.contains('_') && holds_only(u8::is_ascii_uppercase, b"_")
        || !asks_for_password(key) && is_of_words(text)
}

fn asks_for_password(key: &str) -> bool {
    let key = key.to_lowercase();
    key.contains("passw") || key.ends_with("pass")
}

/// Several words, or one in camel case: a row of small letters alone may well be random.
fn is_of_words(text: &str) -> bool {
    let mut words = text
        .split(['-', '_', '.', '/', ':'])
        .filter(|word| !word.is_empty());
    let is_joined = text.contains(['-', '_', '.', '/', ':']);
    (is_joined || turns(text) > 0) && words.all(is_word)
}

/// Letters in which small and large ones take turns no more than in words, and a short number
/// behind them.
fn is_word(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() - letters.len() <= 4
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (letters.len() < 4 || turns(letters) * 3 < letters.len())
}

/// How often small letters and capitals take turns.
fn turns(text: &str) -> usize {
    let is_turn = |pair: &&[u8]| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase();
    text.as_bytes().windows(2).filter(is_turn).count()
}

#[cfg(test)]
mod tests {
    use sops_document::tree::Step;

    use super::*;

    const RANDOM: &str = "xK9mQ2vR7tLw4ZpB8nYc";

    fn at(path: &str, text: &str) -> bool {
        let keys = path.split(['.', '[', ']']).filter(|key| !key.is_empty());
        is_credential(
            &Path(keys.map(|key| Step::Key(key.to_owned())).collect()),
            text,
        )
    }

    #[test]
    fn a_credential_is_known_by_its_form_or_by_name_and_randomness() {
        for (path, text) in [
            ("note", "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"),
            ("tls.crt", "-----BEGIN RSA PRIVATE KEY-----\nx"),
            ("spec.apiToken", RANDOM),
            ("machine.ca.key", RANDOM),
            ("password", "kXqvBtYzLmNpRsWd"),
            ("password", "qpwoeirutyalskdj"),
            ("password", "Correct_Horse_Battery9"),
            ("machine.token", "8fk3ls.0jq2m5xk2a9s8d7f"),
            ("secretKey", "kXqvBtYzLmNp_RsWdQzXw"),
            // what stands beside a reference is judged by itself
            ("password", "${PREFIX}xK9mQ2vR7tLw4ZpB8nYc"),
            ("metadata.annotations.note", "glpat-0123456789abcdefghij"),
        ] {
            assert!(at(path, text), "{path}: {text}");
        }
    }

    #[test]
    fn a_reference_a_name_and_a_word_are_none() {
        for (path, text) in [
            ("password", "$__file{/run/secrets/grafana-Admin9Password}"),
            ("password", "${GRAFANA_ADMIN_PASSWORD_2024}"),
            (
                "password",
                "${PREFIX_OF_THE_DATABASE}-${NAME_OF_THE_DATABASE}",
            ),
            ("password", "{{ .Values.grafana.adminPassword9 | quote }}"),
            ("token", "$(DATABASE_TOKEN_OF_Production1)"),
            (
                "tls[0].secretName",
                "dashboard.LongCompanyName9.example.com",
            ),
            ("auth.existingSecretPasswordKey", "Keycloak9AdminPassword"),
            (
                "metadata.annotations.checksum-secret",
                "8f14e45fceea167a5a36dedd4bea2543",
            ),
            ("valueFrom.secretKeyRef.key", "POSTGRES_APP_PASSWORD_2"),
            ("secretRef", "web.example.com-tls"),
            ("tolerations[0].key", "CriticalAddonsOnly"),
            ("secretKeyRef.key", "adminPasswordOfGrafana"),
            ("spec.data[0].secretKey", "ovh_application_key"),
            ("configMap.key", "additionalScrapeConfigs.yaml"),
            ("includes.externalsecrets", ".taskfiles/externalsecrets"),
            ("plex.token", "<<PLEX_ACCOUNT_API_KEY>>"),
            ("mqtt.password", "{FRIGATE_MQTT_PASSWORD}"),
            ("datasource.password", "$TESLAMATE_DB_PASSWORD"),
            (
                "with.token",
                "x-access-token:${{ steps.generate-token.outputs.token }}",
            ),
            ("password", "hunter2"),
            ("image", RANDOM),
        ] {
            assert!(!at(path, text), "{path}: {text}");
        }
    }
}
