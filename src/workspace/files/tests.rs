//! What is a SOPS file, and whom it names.

use sops_document::age::{self, Recipient};
use sops_document::{DataKey, SealContext, Terms, seal};

use super::*;

const KEY: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";

fn sealed(format: Format, clear: &str) -> String {
    let recipient: Recipient = KEY.parse().unwrap();
    let key = DataKey::new([1; 32]);
    let wrapped = age::wrap(&key, &[recipient]);
    let mut random = crate::workspace::random;
    let mut context = SealContext { key: &key, now: "2026-01-10T12:00:00Z", random: &mut random };
    seal(format, clear, &Terms::of(&wrapped), &mut context).unwrap()
}

fn kind(path: &str, text: &str) -> &'static str {
    match parse(path, false, text.as_bytes()) {
        Found::Document(_) => "document",
        Found::Obstacle(..) => "obstacle",
        Found::NotSops => "other",
    }
}

#[test]
fn what_is_sops_is_seen_by_its_content_whatever_its_name() {
    let (yaml, env) = (sealed(Format::Yaml, "a: x\n"), sealed(Format::Dotenv, "A=x\n"));
    let table = [
        ("a.yaml", yaml.as_str(), "document"),
        ("b.yaml.enc", &yaml, "document"),
        ("UPPER.YML", &yaml, "document"),
        (".env.sops", &env, "document"),
        ("a.yaml", "sops: is a word\n", "other"),
        ("a.ini", "[sops]\nx = 1\n", "other"),
    ];
    for (path, text, expected) in table {
        assert_eq!(kind(path, text), expected, "{path}");
    }
    // what cannot be read is an obstacle that names its readers
    let doubled = format!("a: y\n{yaml}");
    let Found::Obstacle(Cause::Unreadable(what), labels, _) = parse("a.yaml", false, doubled.as_bytes())
    else {
        panic!("an obstacle")
    };
    assert!(what.contains("duplicate key"), "{what}");
    assert_eq!(labels, [KEY]);
}

#[test]
fn recipients_are_found_in_any_text() {
    let text = format!("x {KEY}\",\nrecipient: ssh-ed25519 AAAAC3Nz+/= somebody@host\n");
    let found: Vec<String> = recipients_in(text.as_bytes()).into_iter().collect();
    assert_eq!(found, [KEY, "ssh-ed25519 AAAAC3Nz+/="]);
}
