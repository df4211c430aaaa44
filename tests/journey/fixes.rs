//! Every rule of verify with a repository that breaks it: the command behind `fix:` is run there
//! and the finding is gone, or the line says what only a person can do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use stax::verify::RuleId;

use crate::support::{CANARY, Output, Person, Sandbox, real_sops};

mod breaks;
mod rows;

use rows::{By, CHANGES, FILES, KEYS, POLICY, PRELUDE, REST, Row, Runs, Says, Sh};

/// All rules in one table.
fn rows() -> impl Iterator<Item = &'static Row> {
    [POLICY, FILES, KEYS, CHANGES, REST].into_iter().flatten()
}

#[test]
fn every_rule_has_a_row() {
    let known: BTreeSet<&str> = rows().map(|row| row.rule).collect();
    let all: BTreeSet<&str> = RuleId::all().map(|rule| rule.id).collect();
    assert_eq!(known, all);
}

#[test]
fn what_verify_says_of_the_policy_can_be_done() {
    check(POLICY);
}

#[test]
fn what_verify_says_of_files_can_be_done() {
    check(FILES);
}

#[test]
fn what_verify_says_of_readers_can_be_done() {
    check(KEYS);
}

#[test]
fn what_verify_says_of_changes_can_be_done() {
    check(CHANGES);
}

#[test]
fn what_verify_says_of_clones_and_values_can_be_done() {
    check(REST);
}

#[track_caller]
fn check(rows: &[Row]) {
    let mut wrong = String::new();
    for row in rows {
        if let Err(why) = tried(row) {
            let _ = writeln!(wrong, "{} {}: {why}\n", row.rule, row.what);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn tried(row: &Row) -> Result<(), String> {
    let sandbox = Sandbox::with_store();
    sandbox.git(["tag", "base"]).ok();
    let bob = sandbox.person("bob").key();
    let person = sandbox
        .with("SOPS", real_sops::path())
        .with("ANA", sandbox.key())
        .with("BOB", &bob)
        .with("CANARY", CANARY)
        .with("KEYFILE", sandbox.key_file());
    match row.breaks {
        Sh(script) => {
            let broken = person.sh(&format!("{PRELUDE}{script}"));
            if broken.code != 0 {
                return Err(format!("is not built: {broken}"));
            }
        }
        By(breaks) => breaks(&sandbox, &bob),
    }
    let before = verify(&person, row);
    let Some(finding) = of_rule(&before, row.rule).into_iter().next() else {
        return Err(format!("is not found: {before}"));
    };
    let explain = format!("see stax secrets verify --explain {}", row.rule);
    let fix = finding["fix"].as_str().map_or(explain, str::to_owned);
    match row.way {
        Says(words) if fix.contains(words) => Ok(()),
        Says(words) => Err(format!("says `{fix}` and not `{words}`")),
        Runs => run(&person, row, &finding),
    }
}

/// Each line of the finding that is a command, until nothing of the rule is left but notices.
fn run(person: &Person, row: &Row, finding: &Value) -> Result<(), String> {
    let then = finding["then"].as_array().into_iter().flatten();
    let lines = std::iter::once(&finding["fix"])
        .chain(then)
        .filter_map(Value::as_str);
    let commands: Vec<String> = lines.map(typed).filter(|line| is_command(line)).collect();
    let mut ran = String::new();
    for command in &commands {
        let output = person.sh(command);
        let _ = writeln!(ran, "$ {command}\n{output}");
        if output.code != 0 {
            return Err(format!("the fix fails: {ran}"));
        }
    }
    person
        .sh("git add -A; git diff --cached --quiet || git commit -q --no-verify -m fixed")
        .ok();
    let after = verify(person, row);
    let left: Vec<Value> = of_rule(&after, row.rule)
        .into_iter()
        .filter(|it| it["severity"] != "notice")
        .collect();
    match left.as_slice() {
        [] if !commands.is_empty() => Ok(()),
        _ => Err(format!("is still found: {left:?}\n{ran}")),
    }
}

/// What a person types: less the remark behind it, and with what they know in the place of each
/// `…`.
fn typed(line: &str) -> String {
    line.split("   (")
        .next()
        .unwrap_or_default()
        .replace("--name …", "--name Somebody")
        .replace('…', "known")
}

fn is_command(line: &str) -> bool {
    ["stax ", "git ", "perl "]
        .iter()
        .any(|program| line.starts_with(program))
}

fn verify(person: &Person, row: &Row) -> Output {
    person.git(["add", "--intent-to-add", "--all"]);
    person
        .stax(
            ["secrets", "verify", "--format", "json"]
                .iter()
                .chain(row.verify),
        )
        .exits_with_one_of(&[0, 1])
}

fn of_rule(output: &Output, rule: &str) -> Vec<Value> {
    let json = output.clone().json();
    let findings = json["findings"].as_array().cloned().unwrap_or_default();
    findings
        .into_iter()
        .filter(|finding| finding["rule"] == rule)
        .collect()
}
