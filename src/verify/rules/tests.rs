use sops_document::{Document, Format, MacState, OpenFault};

use super::*;
use crate::verify::facts::TreeFile;
use crate::verify::rule::{RuleId, Severity};

mod families;

const FLAT: &str = include_str!("../../../fixtures/sops/tampered/base-flat.yaml");
const THREE: &str = include_str!("../../../fixtures/sops/y24-three-recipients.enc.yaml");
const EMPTY: &str = include_str!("../../../fixtures/sops/y06-empty.enc.yaml");
const NESTED: &str = include_str!("../../../fixtures/sops/y08-nested.enc.yaml");
const ENCRYPTED_SUFFIX: &str = include_str!("../../../fixtures/sops/y17-enc-suffix.enc.yaml");
const ALICE: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
const PATH: &str = "a.enc.yaml";

fn recipients(text: &str) -> Vec<String> {
    let document = Document::parse(Format::Yaml, text).unwrap();
    document
        .metadata()
        .age
        .iter()
        .map(|stanza| stanza.recipient.clone())
        .collect()
}

fn facts(text: &str, managed: bool, policy: &[String]) -> Facts {
    let rows: String = policy
        .iter()
        .map(|key| format!("| {key} | Somebody |  |  |\n"))
        .collect();
    Facts {
        policy: Some(format!(
            "creation_rules:\n  - path_regex: ^a\n    age: {}\n",
            policy.join(",")
        )),
        roster: Some(format!(
            "| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n{rows}"
        )),
        has_vault: managed,
        ..Facts::of(
            vec![PATH.into()],
            vec![entry(PATH, managed, text)],
            "2030-01-01T00:00:00Z".parse().unwrap(),
        )
    }
}

fn entry(path: &str, managed: bool, text: &str) -> TreeFile {
    TreeFile::general(FileFacts::read(path, managed, Some(text.as_bytes())), None)
}

fn rules_of(facts: &Facts) -> Vec<RuleId> {
    let mut rules: Vec<RuleId> = judge(facts)
        .into_iter()
        .map(|finding| finding.rule)
        .collect();
    rules.dedup();
    rules
}

/// The findings of a file whose policy names exactly its stanzas.
fn judged(text: &str, managed: bool) -> Vec<RuleId> {
    rules_of(&facts(text, managed, &recipients(text)))
}

/// The first token of a text, and what stands in its place.
fn with_first_token(text: &str, change: impl Fn(&str) -> String) -> String {
    let start = text.find("ENC[").unwrap();
    let end = start + text[start..].find(']').unwrap() + 1;
    format!(
        "{}{}{}",
        &text[..start],
        change(&text[start..end]),
        &text[end..]
    )
}

#[test]
fn honest_files_of_sops_have_no_finding() {
    for text in [FLAT, THREE, NESTED] {
        assert_eq!(judged(text, false), [], "{text}");
    }
    // notices: its own crypt rule, which the policy does not have; empty values
    assert_eq!(judged(ENCRYPTED_SUFFIX, false), [RuleId::M05]);
    assert_eq!(judged(EMPTY, false), [RuleId::F04E]);
    assert_eq!(judged(THREE, true), []);
}

#[test]
fn a_clear_value_is_plaintext_and_not_repeated() {
    for managed in [true, false] {
        let text = with_first_token(THREE, |_| "hunter2".into());
        let findings = judge(&facts(&text, managed, &recipients(&text)));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].rule == RuleId::F04
                && findings[0].line.is_some()
                && findings[0].key.is_some()
        );
        assert!(!format!("{findings:?}").contains("hunter2"));
    }
}

#[test]
fn a_file_without_metadata_is_plaintext_as_a_whole() {
    assert_eq!(
        rules_of(&facts("PORT: 1\n", true, &[ALICE.into()])),
        [RuleId::F04]
    );
}

#[test]
fn a_token_has_one_form() {
    assert_eq!(
        judged(&with_first_token(THREE, |token| format!("{token}x")), true),
        [RuleId::F03]
    );
    let comment = with_first_token(THREE, |token| token.replace("type:str", "type:comment"));
    assert_eq!(judged(&comment, true), [RuleId::F03]);
}

#[test]
fn an_empty_value_is_a_warning_in_a_managed_file_and_elsewhere_a_notice() {
    let text = with_first_token(THREE, |_| "\"\"".into());
    let findings = judge(&facts(&text, true, &recipients(&text)));
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].rule, findings[0].severity),
        (RuleId::F04E, Severity::Warning)
    );
    let findings = judge(&facts(&text, false, &recipients(&text)));
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].rule, findings[0].severity),
        (RuleId::F04E, Severity::Notice)
    );
}

#[test]
fn a_managed_file_is_flat_and_names_are_names() {
    assert!(judged(NESTED, true).contains(&RuleId::F02));
    for key in ["a-b", "1A", "sops_x", "A_unencrypted"] {
        let text = format!("{key}: \"\"\n{THREE}");
        assert!(judged(&text, true).contains(&RuleId::F02), "{key}");
    }
}

#[test]
fn a_broken_or_absent_file_is_a_parse_finding() {
    assert_eq!(
        rules_of(&facts("a: [\n", true, &[ALICE.into()])),
        [RuleId::F01]
    );
    let mut missing = facts("", true, &[ALICE.into()]);
    missing.entries = vec![TreeFile::general(FileFacts::read(PATH, true, None), None)];
    assert_eq!(rules_of(&missing), [RuleId::F01]);
    let duplicate = format!("A: \"\"\nA: \"\"\n{THREE}");
    assert_eq!(
        rules_of(&facts(&duplicate, true, &recipients(THREE))),
        [RuleId::F01]
    );
}

#[test]
fn strangers_and_absentees_are_named() {
    let all = recipients(THREE);
    let extra = judge(&facts(THREE, true, &all[1..]));
    assert_eq!(
        extra[0].message,
        format!("encrypted to {} who is not in the policy", all[0])
    );
    assert_eq!(
        extra[0].fix,
        Some(format!(
            "stax secrets updatekeys {PATH}   (the file follows the policy)"
        ))
    );
    let missing = judge(&facts(FLAT, false, &all));
    assert!(
        missing.iter().all(|finding| finding.rule == RuleId::K01),
        "{missing:?}"
    );
    let absent: Vec<&String> = all
        .iter()
        .filter(|key| !recipients(FLAT).contains(key))
        .collect();
    assert!(!absent.is_empty());
    for key in absent {
        assert!(
            missing
                .iter()
                .any(|finding| finding.message == format!("not encrypted to {key} (Somebody)"))
        );
    }
}

#[test]
fn a_stanza_fits_its_label() {
    let text = THREE.replacen(
        "YWdlLWVuY3J5cHRpb24ub3JnL3Yx",
        "YWdlLWVuY3J5cHRpb24ub3JnL3Yy",
        1,
    );
    assert_eq!(judged(&text, false), [RuleId::K02]);
}

#[test]
fn metadata_is_closed_and_the_mac_is_one() {
    let with = |line: &str| {
        THREE.replacen(
            "    lastmodified:",
            &format!("    {line}\n    lastmodified:"),
            1,
        )
    };
    assert_eq!(judged(&with("strange: 1"), true), [RuleId::M01]);
    assert_eq!(judged(&with("strange: 1"), false), [RuleId::M01]);
    assert_eq!(
        judged(&with("mac_only_encrypted: true"), true),
        [RuleId::M02]
    );
    let start = THREE.find("    mac: ").unwrap();
    let end = start + THREE[start..].find('\n').unwrap();
    let without = format!("{}{}", &THREE[..start], &THREE[end + 1..]);
    assert_eq!(judged(&without, false), [RuleId::M03]);
    let short = format!("{}    mac: x{}", &THREE[..start], &THREE[end..]);
    assert_eq!(judged(&short, false), [RuleId::M03]);
}

#[test]
fn the_policy_is_read_strictly_and_governs_what_is_bound() {
    let with = |policy: Option<&str>| {
        let facts = Facts {
            policy: policy.map(str::to_owned),
            ..facts(THREE, true, &recipients(THREE))
        };
        rules_of(&facts)
    };
    assert!(with(None).contains(&RuleId::P01));
    assert!(with(Some("creation_rules: []\n")).contains(&RuleId::P01));
    assert!(with(Some("creation_rules: [\n")).contains(&RuleId::P01));
    assert!(with(Some("creation_rules:\n  - path_regexp: a\n    age: x\n")).contains(&RuleId::P01));
    let typo = Some("creation_rules:\n  - path_regex: ^a\n    age: age1typo\n");
    assert!(with(typo).contains(&RuleId::P01));
}

#[test]
fn the_roster_names_the_keys_of_the_policy() {
    let all = recipients(THREE);
    let honest = facts(THREE, true, &all);
    let table = honest.roster.clone().unwrap();
    let with = |roster: Option<String>| {
        judge(&Facts {
            roster,
            ..facts(THREE, true, &all)
        })
        .iter()
        .map(|f| f.rule)
        .collect::<Vec<_>>()
    };
    assert_eq!(with(Some(table.clone())), []);
    assert_eq!(with(None), [RuleId::R01]);
    assert_eq!(
        with(Some(table.replace(&all[0], "age1other"))),
        [RuleId::R01, RuleId::R01]
    );
    assert_eq!(with(Some("no table".into())), [RuleId::R01]);
}

#[test]
fn what_a_key_told_is_a_finding() {
    let with = |opened| {
        let mut facts = facts(THREE, true, &recipients(THREE));
        facts.entries[0].file.opened = Some(opened);
        rules_of(&facts)
    };
    let fault = OpenFault::Value {
        line: 1,
        path: "A".into(),
        what: "does not decrypt".into(),
    };
    assert_eq!(with(Ok(MacState::Ok)), []);
    assert_eq!(with(Ok(MacState::Bad)), [RuleId::C03]);
    assert_eq!(with(Err(fault.clone())), [RuleId::C02]);
    // an empty value, which anyone can add, hides nothing
    let text = format!("B: \"\"\n{THREE}");
    let mut facts = facts(&text, true, &recipients(&text));
    facts.entries[0].file.opened = Some(Err(fault));
    assert!(rules_of(&facts).contains(&RuleId::C02));
}

#[test]
fn one_key_group_is_held_to_its_recipients_as_a_flat_rule_is() {
    let all = recipients(THREE);
    let with = |group: &[String], more: &str| {
        let list = group.join(", ");
        let policy = format!("creation_rules:\n  - key_groups: [{{age: [{list}]}}{more}]\n");
        Facts {
            policy: Some(policy),
            ..facts(THREE, false, &all)
        }
    };
    assert_eq!(rules_of(&with(&all, "")), []);
    assert_eq!(
        rules_of(&Facts {
            roster: None,
            ..with(&all[1..], "")
        }),
        [RuleId::K01]
    );
    // two groups share the data key out, which this file does not
    assert_eq!(
        rules_of(&Facts {
            roster: None,
            ..with(&all, ", {pgp: [x]}")
        }),
        [RuleId::K01]
    );
}

#[test]
fn a_rule_without_a_file_is_told() {
    let all = recipients(THREE).join(",");
    let rules = |patterns: &[&str]| {
        patterns
            .iter()
            .fold("creation_rules:\n".to_owned(), |text, pattern| {
                format!(
                    "{text}  - age: {all}\n{}",
                    if pattern.is_empty() {
                        String::new()
                    } else {
                        format!("    path_regex: {pattern}\n")
                    }
                )
            })
    };
    let lines = |patterns: &[&str], paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let facts = Facts {
            policy: Some(rules(patterns)),
            paths,
            ..facts(THREE, false, &recipients(THREE))
        };
        let findings = judge(&facts);
        assert!(
            findings
                .iter()
                .all(|f| f.rule == RuleId::P05 || f.message.starts_with("never reached")),
            "{findings:?}"
        );
        findings
            .iter()
            .filter_map(|finding| finding.line)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&["^a", "^zz", ""], &[PATH, ".sops.yaml", "b"]), [4]);
    assert_eq!(
        lines(&["^a", "^b$", "sops"], &[PATH, ".sops.yaml", "b"]),
        [6]
    );
    assert_eq!(lines(&["a", "enc"], &[PATH]), [4]);
    // behind a rule for all files the reader of the policy has said it already
    assert_eq!(lines(&["", "enc"], &[PATH]), [3]);
}

#[test]
fn a_name_in_the_policy_is_enough_where_nothing_is_bound() {
    for (managed, expected) in [(false, vec![]), (true, vec![RuleId::R01])] {
        let mut facts = facts(FLAT, managed, &recipients(FLAT)[..1]);
        let policy = facts.policy.as_mut().unwrap();
        *policy = policy.replace("    age: ", "    age: &alice ");
        facts.roster = facts
            .roster
            .map(|text| text.lines().take(2).collect::<Vec<_>>().join("\n"));
        let found: Vec<RuleId> = rules_of(&facts)
            .into_iter()
            .filter(|rule| *rule == RuleId::R01)
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_document_is_known_by_its_content_where_its_name_says_nothing() {
    let json = include_str!("../../../fixtures/sops/j02-nested.enc.json");
    let dotenv = include_str!("../../../fixtures/sops/d01-flat.enc.env");
    let ini = include_str!("../../../fixtures/sops/i01-basic.enc.ini");
    let binary = include_str!("../../../fixtures/sops/b01-text.enc.txt");
    let table = [
        ("secrets.yaml.enc", THREE, Format::Yaml, 1),
        ("secrets.json.enc", json, Format::Json, 1),
        (".env.sops", dotenv, Format::Dotenv, 1),
        ("app.ini.sops", ini, Format::Ini, 1),
        (".sops", binary, Format::Binary, 0),
        ("app.env", binary, Format::Binary, 1),
        ("app.json", THREE, Format::Yaml, 1),
        // sops reads JSON as YAML without a word
        ("app.yaml", json, Format::Yaml, 0),
    ];
    for (path, text, format, warnings) in table {
        let file = FileFacts::read(path, false, Some(text.as_bytes()));
        assert_eq!(
            file.document().map(Document::format),
            Some(format),
            "{path}"
        );
        let mut found = judge_alone(&file);
        // the documents of sops have empty values, which are told
        found.retain(|finding| finding.severity > Severity::Notice);
        assert!(
            found
                .iter()
                .all(|f| (f.rule, f.severity) == (RuleId::F01, Severity::Warning)),
            "{found:?}"
        );
        assert_eq!(found.len(), warnings, "{path}: {found:?}");
    }
    for (path, text) in [
        ("manual.md", "# `sops:` and ENC[AES256_GCM,…]\n"),
        ("a.enc", "A: 1\n"),
    ] {
        let file = FileFacts::read(path, false, Some(text.as_bytes()));
        assert!(file.document().is_none(), "{path}");
    }
}
