//! Each rule as it fires, and an honest case in which it is silent.

use sops_document::Selector;

use super::*;
use crate::verify::facts::{
    Drivers, InClone, Leak, LeakPlace, Link, OtherPolicy, Owner, ThisClone,
};
use crate::verify::plain::{Credential, Plain};
use crate::verify::rule::{RuleId, Severity};
use crate::workspace::StanzaFault;

const E: Severity = Severity::Error;
const W: Severity = Severity::Warning;
const N: Severity = Severity::Notice;

const K8S: &str = include_str!("../../../../fixtures/sops/y09-k8s-secret.enc.yaml");

/// What was found, less what every test here has: rule and severity.
fn found(facts: &Facts) -> Vec<(RuleId, Severity)> {
    let mut found: Vec<_> = judge(facts)
        .into_iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect();
    found.dedup();
    found
}

/// An honest file of three readers, and what is changed in its facts.
fn with(managed: bool, change: impl FnOnce(&mut Facts)) -> Vec<(RuleId, Severity)> {
    let mut facts = facts(THREE, managed, &recipients(THREE));
    change(&mut facts);
    found(&facts)
}

fn of_text(text: &str, managed: bool) -> Vec<(RuleId, Severity)> {
    found(&facts(text, managed, &recipients(text)))
}

/// The text with a line before a field of the metadata.
fn with_field(text: &str, line: &str) -> String {
    text.replacen(
        "    lastmodified:",
        &format!("    {line}\n    lastmodified:"),
        1,
    )
}

fn without_stanzas(text: &str) -> String {
    let (start, end) = (
        text.find("    age:\n").unwrap(),
        text.find("    lastmodified:").unwrap(),
    );
    format!("{}{}", &text[..start], &text[end..])
}

/// The armored files of a text, in order.
fn armors(text: &str) -> Vec<&str> {
    let end = "-----END AGE ENCRYPTED FILE-----";
    text.match_indices("-----BEGIN AGE")
        .map(|(at, _)| &text[at..at + text[at..].find(end).unwrap() + end.len()])
        .collect()
}

#[test]
fn another_policy_is_an_error_above_a_bound_file_alone() {
    for (path, text, general, managed) in [
        (
            "x/.sops.yaml",
            Some("creation_rules: []\n"),
            Some(W),
            Some(W),
        ),
        // the bound file stands in its folder
        (
            "infra/.sops.yaml",
            Some("creation_rules: []\n"),
            Some(W),
            Some(E),
        ),
        ("infra/.sops.yaml", None, Some(W), Some(E)),
        (".sops.yaml", None, Some(E), Some(E)),
    ] {
        for (is_managed, expected) in [(false, general), (true, managed)] {
            let all = recipients(THREE);
            let mut facts = facts(THREE, is_managed, &all);
            facts.policy = Some(format!(
                "creation_rules:\n  - path_regex: enc\n    age: {}\n",
                all.join(",")
            ));
            facts.entries = vec![entry("infra/a.enc.yaml", is_managed, THREE)];
            facts.others = vec![OtherPolicy {
                path: path.into(),
                text: text.map(str::to_owned),
            }];
            let found: Vec<_> = judge(&facts)
                .iter()
                .filter(|f| f.rule == RuleId::P02)
                .map(|f| f.severity)
                .collect();
            assert_eq!(found, Vec::from_iter(expected), "{path} {is_managed}");
        }
    }
}

#[test]
fn the_nearest_policy_that_has_a_rule_governs_a_general_file() {
    let all = recipients(THREE);
    let nested = |pattern: &str, keys: &[String]| OtherPolicy {
        path: "talos/.sops.yaml".into(),
        text: Some(format!(
            "creation_rules:\n  - path_regex: {pattern}\n    age: {}\n",
            keys.join(",")
        )),
    };
    let root = format!(
        "creation_rules:\n  - path_regex: enc\n    age: {}\n",
        all[1..].join(",")
    );
    for (other, expected) in [
        (nested("^a", &all), vec![(RuleId::P02, W)]),
        // it has no rule for this file, so the root decides
        (
            nested("^zz", &all),
            vec![(RuleId::P02, W), (RuleId::K01, E)],
        ),
    ] {
        let mut facts = facts(THREE, false, &all);
        (facts.policy, facts.others, facts.roster) = (Some(root.clone()), vec![other], None);
        facts.entries = vec![entry("talos/a.enc.yaml", false, THREE)];
        assert_eq!(found(&facts), expected);
    }
}

#[test]
fn the_order_of_rules_decides() {
    let all = recipients(THREE);
    let policy = |rules: &[(&str, &[String])]| {
        rules
            .iter()
            .fold("creation_rules:\n".to_owned(), |text, (pattern, keys)| {
                format!(
                    "{text}  - path_regex: {pattern}\n    age: {}\n",
                    keys.join(",")
                )
            })
    };
    let own = r"^a\.enc\.yaml$";
    for (rules, managed, expected) in [
        (policy(&[(own, &all), (".*", &all[..1])]), true, vec![]),
        (
            policy(&[("a", &all), (own, &all)]),
            true,
            vec![(RuleId::P03, E)],
        ),
        (
            policy(&[("a", &all), ("enc", &all[..1])]),
            false,
            vec![(RuleId::P03, N)],
        ),
        (policy(&[("a", &all), ("enc", &all)]), false, vec![]),
        (policy(&[("zz", &all)]), false, vec![(RuleId::P03, N)]),
    ] {
        let mut found = with(managed, |facts| facts.policy = Some(rules));
        // that the other one matches nothing is another matter
        found.retain(|(rule, _)| *rule != RuleId::P05);
        assert_eq!(found, expected);
    }
}

#[test]
fn a_rule_of_a_bound_file_encrypts_everything() {
    let all = recipients(THREE).join(",");
    let policy = |line: &str| {
        Some(format!(
            "creation_rules:\n  - path_regex: ^a\n    age: {all}\n    {line}\n"
        ))
    };
    for (line, managed, expected) in [
        ("encrypted_regex: ^(data)$", true, vec![(RuleId::P04, E)]),
        ("unencrypted_suffix: _unencrypted", true, vec![]),
        ("mac_only_encrypted: true", true, vec![(RuleId::P04, E)]),
        (
            "pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21",
            true,
            vec![(RuleId::P04, W)],
        ),
        (
            "pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21",
            false,
            vec![],
        ),
        ("mac_only_encrypted: true", false, vec![]),
        // sops never re-applies it
        ("encrypted_regex: ^(data)$", false, vec![(RuleId::M05, N)]),
    ] {
        assert_eq!(
            with(managed, |facts| facts.policy = policy(line)),
            expected,
            "{line} {managed}"
        );
    }
    let regex = policy("encrypted_regex: ^(?!PUBLIC_).*");
    assert!(with(false, |facts| facts.policy = regex.clone()).contains(&(RuleId::P04, E)));
}

#[test]
fn bindings_and_files_that_a_rule_names() {
    let plain = |path: &str, line, (others, sealed)| Plain {
        path: path.into(),
        is_named: true,
        line,
        others,
        sealed,
        ..Plain::default()
    };
    let credential = Some(Credential {
        line: 2,
        key: Some("machine.token".into()),
    });
    for (plain, expected) in [
        (
            plain("app.sops.yaml", Some(1), (9, 0)),
            vec![(RuleId::B02, E)],
        ),
        (
            Plain {
                credential,
                ..plain("kubernetes/b.yaml", Some(1), (9, 1))
            },
            vec![(RuleId::B02, E)],
        ),
        (
            plain("secrets/b.yaml", Some(1), (4, 3)),
            vec![(RuleId::B02, W)],
        ),
        (
            Plain {
                is_named: false,
                ..plain("app.enc.yaml", Some(1), (0, 0))
            },
            vec![(RuleId::B02, W)],
        ),
        (
            Plain {
                is_named: false,
                ..plain("app.yaml", Some(1), (0, 0))
            },
            vec![],
        ),
        // a rule for every manifest of a cluster
        (plain("kubernetes/b.yaml", Some(1), (9, 1)), vec![]),
        (plain("app.sops.yaml", None, (4, 3)), vec![]),
        (plain("tmpl/b.sops.yaml", Some(1), (4, 3)), vec![]),
        (plain("b.sops.yaml.example", Some(1), (4, 3)), vec![]),
        (plain("b.sops.yaml.j2", Some(1), (4, 3)), vec![]),
        (plain("lonely.yaml", Some(1), (0, 0)), vec![]),
    ] {
        assert_eq!(
            with(false, |facts| facts.plain = vec![plain.clone()]),
            expected,
            "{plain:?}"
        );
    }
    let fault = with(true, |facts| {
        facts.vault_fault = Some(crate::policy::vault::VaultError::Version(0))
    });
    assert_eq!(fault, [(RuleId::B01, E)]);
}

#[test]
fn a_value_is_one_that_is_no_template() {
    for (path, text, line) in [
        ("a.yaml", "b:\n  c: 1\n", Some(2)),
        ("a.yaml", "a: ${A}\nb: '{{ b }}'\nc:\n", None),
        ("a.yaml", "a: [\n", None),
        ("a.env", "A=\nB=x\n", Some(2)),
        ("tls.pem", "-----BEGIN PRIVATE KEY-----\n", Some(1)),
        ("tls.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", None),
        ("README.md", "hello\n", None),
    ] {
        assert_eq!(
            Plain::read(path, text.as_bytes(), &Selector::default()).line,
            line,
            "{path} {text}"
        );
    }
}

#[test]
fn a_credential_counts_where_the_rule_would_encrypt_it() {
    let text = b"name: web\nmachine:\n  token: 8fk3ls.0jq2m5xk2a9s8d7f\n";
    let with = |field: &str| {
        Selector::from_field("encrypted_regex", field)
            .unwrap()
            .unwrap()
    };
    let read = |selector: &Selector| Plain::read("a.yaml", text, selector);
    let credential = Some(Credential {
        line: 3,
        key: Some("machine.token".into()),
    });
    for (selector, expected) in [
        (Selector::default(), credential.clone()),
        (with("^machine$"), credential),
        (with("^data$"), None),
    ] {
        let plain = read(&selector);
        assert_eq!(
            (plain.line, plain.credential),
            (Some(1), expected),
            "{selector:?}"
        );
    }
}

#[test]
fn names_that_programs_obey_are_told() {
    for (line, expected) in [
        ("GIT_SSL_NO_VERIFY: \"\"", vec![(RuleId::F04E, E)]),
        ("EMPTY: \"\"", vec![(RuleId::F04E, W)]),
        ("GITHUB_CLIENT_SECRET: \"\"", vec![(RuleId::F04E, W)]),
    ] {
        assert_eq!(
            of_text(&format!("{line}\n{THREE}"), true),
            expected,
            "{line}"
        );
    }
    let key = THREE.split(':').next().unwrap();
    let renamed = THREE.replacen(key, "LD_PRELOAD", 1);
    assert_eq!(of_text(&renamed, true), [(RuleId::C06, W)]);
    assert_eq!(of_text(&renamed, false), []);
    let mut allowed = facts(&renamed, true, &recipients(THREE));
    allowed.allowed_names = vec!["LD_PRELOAD".into()];
    assert_eq!(found(&allowed), []);
    let twin = THREE.replacen(key, &key.to_uppercase(), 1);
    let twins = format!("{}\n{twin}", THREE.lines().next().unwrap());
    assert!(of_text(&twins, true).contains(&(RuleId::F02, W)));
}

#[test]
fn what_stands_in_clear_is_weighed() {
    // sops takes such a rule and encrypts nothing
    let nothing = format!(
        "host: db.example.com\n{}",
        &NESTED[NESTED.find("sops:").unwrap()..]
    )
    .replace(
        "unencrypted_suffix: _unencrypted",
        "encrypted_regex: ^data$",
    );
    assert_eq!(
        of_text(&nothing, false),
        [(RuleId::M05, N), (RuleId::F04Z, W)]
    );
    let sealed = |line: &str| K8S.replacen("type: Opaque", &format!("type: Opaque\n{line}"), 1);
    let general = |line: &str| {
        let mut found = of_text(&sealed(line), false);
        found.retain(|(rule, _)| *rule != RuleId::M05);
        found
    };
    for line in [
        "password: vX9q2LmT7bRz4KpW",
        "apiToken: \"8f3a1c9e7b2d4f6a8c0e\"",
        "key: Zk3vQ9mX2pL7rT5wB8nY",
        "note: ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
        "tls: |\n  -----BEGIN RSA PRIVATE KEY-----\n  MIIE\n",
    ] {
        assert_eq!(general(line), [(RuleId::F07, E)], "{line}");
    }
    for line in [
        "secretName: my-application-credentials",
        "password: ${SECRET_PASSWORD_OF_APP}",
        "tokenUrl: https://example.com/Oauth2/V1/x9Q",
        "key: app.kubernetes.io/Instance_Name1",
        "existingSecret: short",
        "image: ghcr.io/Owner/Image:v1.2.3-Xy9Zq",
    ] {
        assert_eq!(general(line), [], "{line}");
    }
}

#[test]
fn comments_of_a_managed_file_are_sealed_and_a_conflict_is_never_committed() {
    let comment = format!("# ask Ana\n{THREE}");
    assert_eq!(of_text(&comment, true), [(RuleId::F05, W)]);
    assert_eq!(of_text(&comment, false), []);
    let conflict = format!("# stax-conflict DATABASE_URL\n{THREE}");
    for managed in [true, false] {
        assert_eq!(of_text(&conflict, managed), [(RuleId::F06, E)]);
    }
}

#[test]
fn what_sops_refuses_or_reads_otherwise_is_an_error() {
    for (field, expected) in [
        ("shamir_threshold: \"2\"", vec![(RuleId::F08, E)]),
        ("mac_only_encrypted: yes", vec![(RuleId::F08, E)]),
        ("kms: {}", vec![(RuleId::F08, E)]),
        ("kms: []", vec![]),
    ] {
        for managed in [true, false] {
            assert_eq!(
                of_text(&with_field(THREE, field), managed),
                expected,
                "{field}"
            );
        }
    }
    let list = "l_unencrypted: [http://g/?a=1]\nl:\n  - \"\"\n  #\n";
    let found = of_text(&format!("{list}{THREE}"), false);
    assert_eq!(
        found,
        [
            (RuleId::F04E, Severity::Notice),
            (RuleId::F08, E),
            (RuleId::F08, W)
        ]
    );
    // no number of warnings makes an error
    let empty = "  #\n  - x\n".repeat(40);
    let found = of_text(&format!("l:\n  - x\n{empty}{THREE}"), false);
    let told: Vec<_> = found
        .iter()
        .filter(|(rule, _)| *rule == RuleId::F08)
        .collect();
    assert!(
        told.len() > 2 && told.iter().all(|(_, severity)| *severity == W),
        "{found:?}"
    );
}

#[test]
fn an_iv_is_used_once() {
    let part = |text: &str, name: &str| {
        let start = text.find(name).unwrap() + name.len();
        text[start..start + text[start..].find(',').unwrap()].to_owned()
    };
    let mac = &THREE[THREE.find("mac: ").unwrap()..];
    let twice = THREE.replacen(&part(THREE, "iv:"), &part(mac, "iv:"), 1);
    assert_eq!(of_text(&twice, false), [(RuleId::V01, E)]);
    // the same token in two places is one value
    let again = format!(
        "AGAIN: {}\n{THREE}",
        &FLAT[FLAT.find("ENC[").unwrap()..]
            .lines()
            .next()
            .unwrap()
            .trim()
    );
    assert!(!of_text(&again, false).contains(&(RuleId::V01, E)));
}

#[test]
fn metadata_that_no_writer_writes() {
    let date = "lastmodified: \"";
    let at = THREE.find(date).unwrap() + date.len();
    let dated = |text: &str| format!("{}{text}{}", &THREE[..at], &THREE[at + 20..]);
    for (text, managed, expected) in [
        (without_stanzas(THREE), false, vec![(RuleId::M01, E)]),
        (without_stanzas(THREE), true, vec![(RuleId::M01, E)]),
        (
            with_field(THREE, "strange: 1"),
            false,
            vec![(RuleId::M01, E)],
        ),
        (with_field(THREE, "hckms: []"), true, vec![]),
        (with_field(THREE, "pgp: null"), true, vec![]),
        (
            THREE.replacen("          enc: |", "          note: x\n          enc: |", 1),
            true,
            vec![(RuleId::M01, E)],
        ),
        (dated("yesterday"), false, vec![(RuleId::M04, E)]),
        (dated("2024-02-29T10:00:00Z"), false, vec![]),
        (dated("2031-01-01T10:00:00Z"), false, vec![(RuleId::M04, W)]),
    ] {
        let all = recipients(&text);
        let mut facts = facts(&text, managed, &all);
        if all.is_empty() {
            (facts.policy, facts.roster) = (
                Some("creation_rules:\n  - path_regex: ^a\n".into()),
                Some(String::new()),
            );
        }
        let mut found = found(&facts);
        found.retain(|(rule, _)| ![RuleId::P01, RuleId::R01].contains(rule));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn who_reads_is_who_the_policy_names() {
    let all = recipients(THREE);
    let of = |text: &str, managed, keys: &[String], more: &str| {
        let mut facts = facts(text, managed, keys);
        facts.policy = facts.policy.map(|policy| policy + more);
        let mut found = found(&facts);
        found.retain(|(rule, _)| *rule != RuleId::R01);
        found
    };
    let fewer = recipients(FLAT);
    assert_eq!(of(THREE, false, &all[1..], ""), [(RuleId::K01, E)]);
    let more: Vec<String> = fewer.iter().chain(&all[2..]).cloned().collect();
    assert_eq!(of(FLAT, false, &more, ""), [(RuleId::K01, W)]);
    assert!(of(FLAT, true, &more, "").contains(&(RuleId::K01, E)));
    let vault = with_field(
        THREE,
        "hc_vault:\n        - vault_address: https://evil.example\n          created_at: \"2026-01-10T12:00:00Z\"\n          enc: x",
    );
    assert_eq!(of(&vault, false, &all, ""), [(RuleId::K01, E)]);
    assert_eq!(
        of(&vault, false, &all, "    hc_vault_transit_uri: https://x\n"),
        []
    );
    assert_eq!(
        of(&vault, true, &all, ""),
        [(RuleId::K01, E), (RuleId::M01, W)]
    );
    let twice = THREE.replacen(&all[1], &all[0], 1);
    assert!(of(&twice, false, &all, "").contains(&(RuleId::K01, W)));
}

#[test]
fn one_stanza_under_two_labels_is_a_copy() {
    let parts = armors(THREE);
    let copied = THREE.replacen(parts[1], parts[0], 1);
    for managed in [true, false] {
        assert_eq!(of_text(&copied, managed), [(RuleId::K03, E)]);
    }
}

#[test]
fn a_data_key_belongs_to_one_file_or_to_equal_readers() {
    let all = recipients(THREE);
    let two = |second: &str, digests: [Option<[u8; 32]>; 2]| {
        with(false, |facts| {
            facts.policy = None;
            facts.entries = vec![
                entry(PATH, false, THREE),
                entry("b.enc.yaml", false, second),
            ];
            for (entry, digest) in facts.entries.iter_mut().zip(digests) {
                entry.file.key_digest = digest;
            }
            facts.roster = None;
        })
    };
    assert_eq!(two(THREE, [None; 2]), [(RuleId::K04, N)]);
    // one reader less: the file of the others is as open as this one
    let start = THREE
        .find(&format!("        - recipient: {}", all[2]))
        .unwrap();
    let fewer = format!(
        "{}{}",
        &THREE[..start],
        &THREE[THREE.find("    lastmodified:").unwrap()..]
    );
    assert_eq!(two(&fewer, [None; 2]), [(RuleId::K04, E)]);
    assert_eq!(two(FLAT, [None; 2]), []);
    assert_eq!(two(FLAT, [Some([1; 32]), Some([2; 32])]), []);
    assert_eq!(two(FLAT, [Some([1; 32]); 2]), [(RuleId::C05, E)]);
    assert_eq!(two(THREE, [Some([1; 32]); 2]), [(RuleId::K04, N)]);
}

#[test]
fn what_git_does_with_the_files() {
    let drivers = |diff: Option<&str>, merge: Option<&str>| {
        let (diff, merge) = (diff.map(str::to_owned), merge.map(str::to_owned));
        Drivers::Asked {
            diff,
            merge,
            switched_off: None,
        }
    };
    let stax = || drivers(Some("stax"), Some("stax"));
    for (managed, mode, drivers, expected) in [
        (true, 0o100_644, stax(), vec![]),
        (true, 0o100_755, stax(), vec![(RuleId::G02, E)]),
        (false, 0o100_755, Drivers::Free, vec![(RuleId::G02, W)]),
        (
            true,
            0o100_644,
            drivers(Some("stax"), None),
            vec![(RuleId::G01, W)],
        ),
        // a file that a change unbinds is held to the rest
        (true, 0o100_644, Drivers::Free, vec![]),
    ] {
        let found = with(managed, |facts| {
            (facts.entries[0].mode, facts.entries[0].drivers) = (Some(mode), drivers);
        });
        assert_eq!(found, expected);
    }
    for (path, target, expected) in [
        ("x/link", "../a.enc.yaml", vec![(RuleId::G02, W)]),
        (
            "x/b.enc.yaml",
            "../../other/b.enc.yaml",
            vec![(RuleId::G02, W)],
        ),
        (
            "x/b.enc.yaml",
            "/home/ana/b.enc.yaml",
            vec![(RuleId::G02, W)],
        ),
        ("result", "/nix/store/x", vec![]),
        ("x/link", "README.md", vec![]),
    ] {
        let link = Link {
            path: path.into(),
            target: target.into(),
        };
        assert_eq!(
            with(false, |facts| facts.links = vec![link]),
            expected,
            "{path}"
        );
    }
    assert_eq!(
        with(false, |facts| facts.caches = vec!["stax".into()]),
        [(RuleId::G03, E)]
    );
    assert_eq!(
        with(false, |facts| facts.caching = vec!["stax".into()]),
        [(RuleId::G03, E)]
    );
    let nothing = ThisClone::default;
    for lacking in [
        ThisClone {
            unserved: vec!["diff=stax"],
            ..nothing()
        },
        ThisClone {
            has_old_drivers: true,
            ..nothing()
        },
        ThisClone {
            stranger: Some("/usr/games/stax".into()),
            ..nothing()
        },
        ThisClone {
            unguarded: vec![("a.json".into(), None)],
            ..nothing()
        },
    ] {
        let found = git::in_clone(&InClone::Asked(lacking));
        assert_eq!(
            found
                .iter()
                .map(|it| (it.rule, it.severity))
                .collect::<Vec<_>>(),
            [(RuleId::G06, W)]
        );
    }
    assert_eq!(git::in_clone(&InClone::Asked(nothing())), []);
}

#[test]
fn a_secret_key_is_as_bad_as_what_it_opens() {
    let (reader, former) = (Owner::Reader("Ana".into()), Owner::Former("Bob".into()));
    let nobody = || Owner::Nobody("age1test…".into());
    for (owners, severity, words) in [
        (
            vec![reader.clone()],
            E,
            "holds the secret key of Ana (`AGE-SECRET-KEY-1…`)",
        ),
        (
            vec![nobody(), former, reader],
            E,
            "holds the secret key of Ana (`AGE-SECRET-KEY-1…`)",
        ),
        (
            vec![nobody(), Owner::Unknown],
            E,
            "holds a secret key of age (`AGE-SECRET-KEY-1…`)",
        ),
        (vec![], E, "holds a secret key of age (`AGE-SECRET-KEY-1…`)"),
        (
            vec![nobody(), nobody()],
            W,
            "holds a secret key (`AGE-SECRET-KEY-1…`); age1test… is a reader of nothing here",
        ),
    ] {
        let leak = Leak {
            path: "keys.txt".into(),
            place: LeakPlace::Line(3),
            owners,
            is_new: false,
        };
        let mut facts = facts(THREE, false, &recipients(THREE));
        facts.leaks = vec![leak];
        let [finding] = &judge(&facts)[..] else {
            panic!("{words}")
        };
        assert_eq!(
            (finding.rule, finding.severity, finding.message.as_str()),
            (RuleId::G05, severity, words)
        );
    }
}

#[test]
fn a_stanza_opens_for_the_one_on_its_label() {
    for fault in [
        StanzaFault::Locked {
            label: ALICE.into(),
        },
        StanzaFault::Mislabelled {
            label: "age1bob".into(),
            by: ALICE.into(),
        },
        StanzaFault::Differs {
            label: ALICE.into(),
        },
    ] {
        assert_eq!(
            with(true, |facts| facts.entries[0].file.stanzas =
                vec![fault.clone()]),
            [(RuleId::C01, E)]
        );
    }
}
