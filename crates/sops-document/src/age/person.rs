//! One reader under several spellings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;

/// Kinds of keys beside age that belong to a service, which whoever may use it can ask.
const SERVICES: [&str; 5] = ["kms", "gcp_kms", "hckms", "azure_kv", "hc_vault"];

/// The one name of a reader: an ssh-ed25519 key and the age key that ssh-to-age derives from it are
/// one, a fingerprint is in upper case and says its kind, and so does a key of AWS. Everything else
/// is as it is written, less the comment of an ssh key.
#[must_use]
pub fn person(key: &str) -> String {
    let key = without_comment(key);
    if let Some(derived) = key.strip_prefix("ssh-ed25519 ").and_then(derived_from_ssh) {
        return derived;
    }
    let hex: String = key.chars().filter(|c| *c != ' ').collect();
    let hex = hex.strip_prefix("pgp").unwrap_or(&hex);
    if hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("pgp {}", hex.to_uppercase());
    }
    if key.starts_with("arn:aws") {
        format!("kms {key}")
    } else {
        key
    }
}

/// A key without the comment that an ssh key may carry, which is no part of it.
#[must_use]
pub fn without_comment(key: &str) -> String {
    if key.starts_with("ssh-") {
        return key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    }
    key.to_owned()
}

/// Whether two texts are one reader.
#[must_use]
pub fn same_key(one: &str, other: &str) -> bool {
    one == other || person(one) == person(other)
}

/// Whether a reader is a key of a service and not of somebody.
#[must_use]
pub fn is_service(reader: &str) -> bool {
    reader
        .split_once(' ')
        .is_some_and(|(kind, _)| SERVICES.contains(&kind))
}

/// Whether a reader has a key of another kind than age and ssh.
#[must_use]
pub fn is_other_kind(reader: &str) -> bool {
    is_service(reader) || reader.starts_with("pgp ")
}

/// The public key of the curve that both are points of: u = (1 + y) / (1 - y), RFC 7748.
fn derived_from_ssh(base64: &str) -> Option<String> {
    let blob = STANDARD.decode(base64).ok()?;
    // the name of the type and the key, each behind its length in four bytes
    let key = blob.strip_prefix(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20")?;
    let point = CompressedEdwardsY(key.try_into().ok()?).decompress()?;
    let hrp = Hrp::parse("age").ok()?;
    bech32::encode::<Bech32>(hrp, point.to_montgomery().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_has_one_name_whatever_the_spelling() {
        // derived by ssh-to-age
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIEddolHINyAWE6+acLnUqQAdNig6YMjF3fTaq5Mbp9B";
        let age = "age1rr4w67te2fu40g3ddep5aafu6wsz4ftecvthaka3nmez7es2ps6qyhdz5f";
        let hex = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4";
        let pgp = format!("pgp {hex}");
        let arn = "arn:aws:kms:eu-west-1:1:key/x";
        for (written, expected) in [
            (ssh, age),
            (&format!("{ssh} root@host"), age),
            (age, age),
            ("ssh-rsa AAAAB3Nz me@host", "ssh-rsa AAAAB3Nz"),
            ("ssh-ed25519 AAAA", "ssh-ed25519 AAAA"),
            (hex, pgp.as_str()),
            (&hex.to_lowercase(), &pgp),
            (&pgp, &pgp),
            ("FBC7 B9E2 A4F9 289A C0C1  D484 3D16 CEE4 A273 81B4", &pgp),
            (arn, &format!("kms {arn}")),
            (&format!("kms {arn}"), &format!("kms {arn}")),
        ] {
            assert_eq!(person(written), expected, "{written}");
        }
        assert!(
            is_service("kms arn:x") && !is_service(&pgp) && !is_service(age) && is_other_kind(&pgp)
        );
    }
}
