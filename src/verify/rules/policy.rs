//! P01 to P05: `.sops.yaml` is read strictly and governs every managed file; no other one comes
//! between.

use std::collections::BTreeMap;

use sops_document::age::{Recipient, RecipientError};
use sops_document::merge::marker;

use crate::policy::config::{Config, ConfigError, CreationRule};
use crate::policy::pattern::Pattern;
use crate::policy::policies::{Policies, folder};
use crate::verify::finding::{Finding, FindingPart};
use crate::verify::rule::{Also, On, RuleId, Severity, rules};

use crate::verify::facts::{Facts, OtherPolicy};
use crate::workspace::{MISNAMED_POLICY, POLICY};

rules! {
    P01 {
        name: "policy",
        title: "The policy is wrong, or no rule of it governs a bound file",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "sops skips what it does not understand: behind a mistyped field or a pattern that does not compile it encrypts to other people, or writes plaintext and exits 0",
        example: "`path_regexp:` for `path_regex:`, a recipient with one letter wrong, or a pattern with a look-ahead; a rule that matches no file and an unknown field are warnings",
        mend: &[
            "correct the line that the finding names, and read what changed: `git diff .sops.yaml`",
            "a rule that is gone: `git log -p -- .sops.yaml` says who took it away",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfPolicy, Also::KnownByWords],
    }
    P02 {
        name: "other-policy",
        title: "Another policy than that at the root decides about a file, or the policy is a link",
        bound: Some(Severity::Error),
        general: Some(Severity::Warning),
        why: "sops takes the nearest policy above the folder it is started in: a second one decides about readers and nobody reviews it",
        example: "`infra/.sops.yaml` above a bound file, or a `.sops.yaml` that is a symlink",
        mend: &["move its rules into the policy of the root, then: `git rm FILE`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfPolicy, Also::KnownByWords],
    }
    P03 {
        name: "rule-order",
        title: "A file falls to another rule than the one that was meant for it, or to none",
        bound: Some(Severity::Error),
        general: Some(Severity::Notice),
        why: "the first rule that matches wins, so a broad one in front decides about a file that another one was written for",
        example: "`path_regex: .*` before `path_regex: ^infra/secrets/prod`",
        mend: &[
            "put the special rule first: edit `.sops.yaml`",
            "see who reads now: `stax secrets recipients`",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfPolicy, Also::KnownByWords, Also::ComparesFiles],
    }
    P04 {
        name: "policy-rule",
        title: "A pattern does not compile, or the rule of a bound file does not encrypt all of it to age keys",
        bound: Some(Severity::Error),
        general: Some(Severity::Error),
        why: "sops takes a pattern that does not compile as one that matches nothing, and writes every value in plaintext; one that stax cannot judge as sops does may do the same",
        example: "`encrypted_regex: '^(?!PUBLIC_)'`; in the rule of a bound file also key groups, `mac_only_encrypted` or a crypt rule",
        mend: &[
            "write the pattern without look-around, as RE2 has it, or drop it: the default encrypts everything",
        ],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::OfPolicy, Also::KnownByWords],
    }
    P05 {
        name: "idle-rule",
        title: "A rule of the policy decides about no file",
        bound: Some(Severity::Warning),
        general: Some(Severity::Notice),
        why: "a rule that decides about no file is most often a mistyped path, and the file it was meant for falls to another one",
        example: "`path_regex: ^infra/secret/` for files in `infra/secrets/`",
        mend: &["correct the path or delete the rule in `.sops.yaml`"],
        on: &[On::Tree],
        may_be_allowed: true,
        also: &[Also::KnownByWords, Also::ComparesFiles],
    }
}

/// What is wrong with the policies of a tree.
pub(super) fn check(facts: &Facts, policies: &Policies) -> Vec<Finding> {
    let mut findings = others(facts);
    findings.extend(misnamed(facts));
    findings.extend(ungoverned_files(facts, policies));
    let Some(text) = &facts.policy else {
        findings.extend(absent(facts));
        return findings;
    };
    let (config, warnings) = match Config::parse(text) {
        Ok(read) => read,
        Err(error) => {
            findings.push(unreadable(&error, text));
            return findings;
        }
    };
    findings.extend(
        warnings
            .into_iter()
            .map(|warning| Finding::warning(RuleId::P01, POLICY, warning.message).at(warning.line)),
    );
    for (position, rule) in config.rules.iter().enumerate() {
        let governs = |path: &str| {
            config
                .rule_for(path)
                .is_some_and(|(found, _)| found == position)
        };
        let is_managed = facts
            .files()
            .any(|file| file.managed && governs(&file.path));
        findings.extend(recipients(rule, is_managed));
        if is_managed {
            findings.extend(narrow(rule));
        }
        findings.extend(idle(facts, &config, position));
    }
    findings.extend(order(facts, &config));
    findings
}

/// sops drops the error of a pattern that does not compile, matches nothing and writes plaintext.
fn unreadable(error: &ConfigError, text: &str) -> Finding {
    if let Some(line) = marker::text_markers(text) {
        let fix = format!("keep what is right of both sides, then: git add {POLICY}");
        return Finding::error(RuleId::P01, POLICY, "holds the markers of a merge")
            .at(line)
            .fix(fix);
    }
    let rule = if error.is_pattern {
        RuleId::P04
    } else {
        RuleId::P01
    };
    Finding::error(rule, POLICY, &error.what).at(error.line)
}

/// sops takes the policy nearest to the folder where it runs. In a nested one beside a bound file
/// nobody looks for recipients; elsewhere it is usual.
fn others(facts: &Facts) -> Vec<Finding> {
    let above_bound = |path: &str| {
        facts
            .files()
            .any(|file| file.managed && file.path.starts_with(folder(path)))
    };
    let finding = |other: &OtherPolicy| {
        if other.text.is_none() {
            let message = "is a link or no text: the policy must be a file of this repository";
            let severity = if above_bound(&other.path) || other.path == POLICY {
                Severity::Error
            } else {
                Severity::Warning
            };
            return Finding::new(RuleId::P02, severity, &other.path, message);
        }
        if above_bound(&other.path) {
            let message = "sops, started beside a bound file, would read this policy and not that at the root";
            return Finding::error(RuleId::P02, &other.path, message);
        }
        let message =
            "a second policy: sops reads it in this folder, and stax judges the files below by it";
        Finding::warning(RuleId::P02, &other.path, message)
    };
    facts.others.iter().map(finding).collect()
}

/// sops looks for one name alone.
fn misnamed(facts: &Facts) -> Vec<Finding> {
    let is_misnamed = |path: &&String| path.rsplit('/').next() == Some(MISNAMED_POLICY);
    let found = facts.paths.iter().filter(is_misnamed);
    let finding = |path: &String| {
        let message = "sops reads `.sops.yaml` only, so this policy decides about no file";
        let right = shell_words::quote(&path.replace(MISNAMED_POLICY, POLICY)).into_owned();
        Finding::warning(RuleId::P01, path, message)
            .fix(format!("git mv {} {right}", shell_words::quote(path)))
    };
    found.map(finding).collect()
}

/// P01 for a bound file; for the others one notice, because other tools keep recipients in their
/// own places.
fn ungoverned_files(facts: &Facts, policies: &Policies) -> Vec<Finding> {
    let Some(config) = policies.root() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut strangers = Vec::new();
    for file in facts
        .files()
        .filter(|file| policies.rule_for(&file.path, file.managed).is_none())
    {
        if file.managed {
            findings.push(ungoverned(
                &file.path,
                "no rule of .sops.yaml matches this file",
            ));
        } else if !config.rules.is_empty() {
            strangers.push(file.path.as_str());
        }
    }
    let (number, files) = (
        strangers.len(),
        if strangers.len() == 1 {
            "SOPS file is"
        } else {
            "SOPS files are"
        },
    );
    let message = format!("{number} {files} governed by no rule: nothing says who may read them");
    let each = |path: &&str| {
        FindingPart::of_file(
            *path,
            format!("{path} is governed by no rule: nothing says who may read it"),
        )
    };
    let notice = || Finding::notice(RuleId::P03, POLICY, message).parts(strangers.iter().map(each));
    findings.extend((number > 0).then(notice));
    findings
}

/// The first rule that matches decides. For a bound file it is wrong that a broad one stands before
/// the one made for it; elsewhere the specific before the broad is the idiom, and only worth a line
/// where the readers differ.
fn order(facts: &Facts, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut doubly: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for file in facts
        .files()
        .filter(|file| file.managed || file.document().is_some())
    {
        let Some((first, rule)) = config.rule_for(&file.path) else {
            continue;
        };
        let is_exact = |rule: &CreationRule| {
            rule.path_regex
                .as_ref()
                .is_some_and(|found| names_only(found, &file.path))
        };
        let mut later = config.rules[first + 1..]
            .iter()
            .filter(|rule| rule.matches(&file.path));
        if file.managed && !is_exact(rule) {
            if let Some(own) = config.rules[first + 1..].iter().find(|rule| is_exact(rule)) {
                let message = format!(
                    "falls to the rule in line {} of .sops.yaml before its own in line {}",
                    rule.line, own.line
                );
                findings.push(Finding::error(RuleId::P03, &file.path, message));
            }
        } else if !file.managed
            && let Some(other) = later.find(|other| other.recipients() != rule.recipients())
        {
            doubly
                .entry((rule.line, other.line))
                .or_default()
                .push(&file.path);
        }
    }
    findings.extend(doubly.into_iter().map(|((line, other), paths)| {
        let what = if paths.len() == 1 {
            "1 file".to_owned()
        } else {
            format!("{} files", paths.len())
        };
        let of = |line: usize| {
            config
                .rules
                .iter()
                .find(|rule| rule.line == line)
                .map_or("", pattern)
        };
        let (here, there) = (of(line), of(other));
        let message = format!(
            "{what} of `{here}` also match `{there}` in line {other}, which names other readers"
        );
        let each = |path: &&str| {
            let message = format!(
                "{path} matches the rules in lines {line} and {other}, which name other readers"
            );
            FindingPart::of_file(*path, message)
        };
        Finding::notice(RuleId::P03, POLICY, message)
            .first_words(format!(
                "{what} of this rule also match that in line , which names other readers"
            ))
            .at(line)
            .parts(paths.iter().map(each))
    }));
    findings
}

/// How a rule is told from the others.
fn pattern(rule: &CreationRule) -> &str {
    rule.path_regex
        .as_ref()
        .map_or("a rule without a pattern", Pattern::as_str)
}

/// Whether a pattern is `^path$`, escaped or not.
fn names_only(pattern: &Pattern, path: &str) -> bool {
    let inner = pattern
        .as_str()
        .strip_prefix('^')
        .and_then(|rest| rest.strip_suffix('$'));
    inner.is_some_and(|inner| inner.replace('\\', "") == path)
}

/// The rule of a bound file encrypts everything, to age keys in one list.
fn narrow(rule: &CreationRule) -> Vec<Finding> {
    let finding = |severity, line, message: String| {
        Finding::new(RuleId::P04, severity, POLICY, message).at(line)
    };
    let is_default =
        |field: &str, value: &str| field == "unencrypted_suffix" && value == "_unencrypted";
    let crypt = rule
        .crypt
        .iter()
        .filter(|crypt| !is_default(crypt.field, &crypt.value))
        .map(|crypt| {
            let message = format!("`{}` leaves values of a bound file in clear", crypt.field);
            finding(Severity::Error, crypt.line, message)
        });
    let mac = "`mac_only_encrypted` leaves clear values of a bound file out of the MAC";
    let mac = rule
        .mac_only_encrypted
        .then(|| finding(Severity::Error, rule.line, mac.into()));
    let split = "`key_groups` splits the data key of a bound file";
    let split = (rule.groups.len() > 1).then(|| finding(Severity::Error, rule.line, split.into()));
    let other = rule.other_keys.iter().map(|kind| {
        let message = format!("`{kind}` lets keys read a bound file that stax cannot check");
        finding(Severity::Warning, rule.line, message)
    });
    crypt.chain(mac).chain(split).chain(other).collect()
}

/// A rule for files that are nowhere is often a slip in its pattern: what it was meant for then
/// falls to another rule, or to none. Yet rules outlive their files, so it is a warning only where
/// files are bound. One without a pattern is there for whatever comes.
fn idle(facts: &Facts, config: &Config, position: usize) -> Option<Finding> {
    let rule = &config.rules[position];
    let pattern = rule.path_regex.as_ref()?;
    if config.rules[..position]
        .iter()
        .any(|earlier| earlier.path_regex.is_none())
    {
        return None;
    }
    let bound = facts.files().map(|file| &file.path);
    let paths = facts
        .paths
        .iter()
        .chain(bound)
        .filter(|path| *path != POLICY);
    let mut taken = None;
    for path in paths.filter(|path| pattern.is_match(path)) {
        match config.rule_for(path) {
            Some((first, other)) if first != position => taken = taken.or(Some(other.line)),
            _ => return None,
        }
    }
    let words = |what: &str| match taken {
        Some(line) => {
            format!(
                "every file that {what} matches falls to an earlier one, such as that in line {line}"
            )
        }
        None => format!("{what} matches no file of the index"),
    };
    let severity = if facts.has_vault {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let message = words(&format!("the rule `{}`", pattern.as_str()));
    let finding = Finding::new(RuleId::P05, severity, POLICY, message).at(rule.line);
    Some(finding.first_words(words("this rule")))
}

fn absent(facts: &Facts) -> Vec<Finding> {
    let managed = facts.files().filter(|file| file.managed);
    managed
        .map(|file| ungoverned(&file.path, "no .sops.yaml says who may read this file"))
        .collect()
}

fn ungoverned(path: &str, message: &str) -> Finding {
    Finding::error(RuleId::P01, path, message)
        .fix("git log -p -- .sops.yaml   (who took the rule away)")
}

/// Keys of a kind that stax cannot wrap to are a fault only where stax itself has to write.
fn recipients(rule: &CreationRule, is_managed: bool) -> Vec<Finding> {
    let all = rule.groups.iter().flatten().chain(&rule.age);
    all.filter_map(|(text, line)| {
        let error = text.parse::<Recipient>().err()?;
        let is_foreign = matches!(
            error,
            RecipientError::PostQuantum | RecipientError::Ssh | RecipientError::Plugin(_)
        );
        // the text may be a secret key by mistake, so only the reason is shown
        (is_managed || !is_foreign)
            .then(|| Finding::error(RuleId::P01, POLICY, format!("recipient: {error}")).at(*line))
    })
    .collect()
}
