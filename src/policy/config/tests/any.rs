//! Edits of policies that nobody wrote: whatever the shape, an edit means what it says or is
//! refused.

use proptest::prelude::*;
use similar::ChangeTag;

use super::*;

/// Whether a text became another one by insertions alone, or by deletions alone.
fn changed_by(before: &str, after: &str, tag: ChangeTag) -> bool {
    let diff = similar::TextDiff::from_chars(before, after);
    diff.iter_all_changes()
        .all(|change| change.tag() == ChangeTag::Equal || change.tag() == tag)
}

fn recipients(config: &Config) -> Vec<Vec<String>> {
    let rule = |rule: &CreationRule| rule.recipients().into_iter().map(str::to_owned).collect();
    config.rules.iter().map(rule).collect()
}

/// Adds and removes under the rules that the bits choose, and compares every rule.
fn try_edits(text: &str, bits: u8) -> Result<(), TestCaseError> {
    let Ok((before, _)) = Config::parse(text) else {
        return Ok(());
    };
    let chosen: Vec<usize> = (0..before.rules.len())
        .filter(|rule| bits & (1 << (rule % 8)) != 0)
        .collect();
    let _ = before.holders();
    let _ = before.with_rule("^b$", NEW, Some("New"));
    if let Ok(after) = before.with_recipient(&chosen, NEW, Some("New")) {
        prop_assert!(changed_by(text, &after, ChangeTag::Insert), "{}", after);
        let mut wanted = recipients(&before);
        chosen
            .iter()
            .for_each(|rule| wanted[*rule].push(NEW.to_owned()));
        let after = config(&after);
        prop_assert_eq!(recipients(&after), wanted);
        // nobody who was added is stuck
        let undone = after
            .without_recipient(&chosen, NEW)
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(undone.as_str(), text);
    }
    if let Ok(after) = before.without_recipient(&chosen, ANA) {
        let mut wanted = recipients(&before);
        chosen
            .iter()
            .for_each(|rule| wanted[*rule].retain(|key| key != ANA));
        prop_assert_eq!(recipients(&config(&after)), wanted);
        // only a definition that moves to an alias is more than a deletion
        prop_assert!(
            changed_by(text, &after, ChangeTag::Delete) || text.matches("&a ").count() > 0,
            "{}",
            after
        );
    }
    Ok(())
}

/// Lists of keys in every manner, below `keys:` and in rules.
fn policies() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "keys:\n  - &a ANA\n  - &b BOB\n  - &c CI # CI\n",
        "keys:\n- &a 'ANA' # Ana\n- &b \"BOB\" # Bob\n- &c CI\n",
        "keys: [&a ANA, &b BOB, &c CI]\n",
        "keys:\n  users: [&a ANA]\n  hosts:\n    - &b BOB\n    - &c CI\n",
        "keys:\n  a: &a ANA\n  b: &b BOB\n  c: &c CI\n",
        "keys:\n  # Ana\n  - &a ANA\n  # Bob\n  - &b BOB\n  # the machine\n  - &c CI\n",
        "x: &t\n  - ANA\n  - BOB\nkeys: &s ANA,CI\ny: {l: &a ANA, m: &b BOB, n: &c CI}\n",
        "x: &m {age: [ANA, BOB]}\nkeys:\n  - &a ANA\n\n  - &b BOB\n\n  - &c CI\n",
    ]);
    let rule = prop::sample::select(vec![
        "- path_regex: P\n  age:\n  - *a\n  - *b\n",
        "- path_regex: P\n  age:\n    - *a # Ana\n    - *c\n  pgp: x\n",
        "- path_regex: P\n  key_groups:\n  - age:\n    - *b\n    - ANA\n",
        "- path_regex: P\n  age: [*a, *b] # both\n",
        "- {path_regex: P, key_groups: [{age: [*b, *a, CI]}]}\n",
        "- path_regex: P\n  age: ANA, BOB\n",
        "- path_regex: P\n  age: >-\n    CI,\n    ANA\n",
        "- path_regex: P\n  age: [\n    *a, # Ana\n    *b, # Bob\n    ]\n",
        "- path_regex: P\n  age:\n  - &d ANA\n  - &e BOB\n",
        "- path_regex: P\n  age: *t\n",
        "- path_regex: P\n  age: [*s, BOB]\n",
        "- path_regex: P\n  <<: *m\n",
        "- path_regex: P\n  age: [*d, BOB]\n",
    ]);
    (
        keys,
        prop::collection::vec(rule, 1..5),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(keys, rules, (crlf, open, indented))| {
            let rules: String = rules.concat();
            let rules = if indented {
                rules.lines().map(|line| format!("  {line}\n")).collect()
            } else {
                rules
            };
            let text = filled(&format!("{keys}creation_rules:\n{rules}"));
            let text = if open {
                text.trim_end().to_owned()
            } else {
                text
            };
            if crlf {
                text.replace('\n', "\r\n")
            } else {
                text
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_of_any_shape_means_what_it_says(text in policies(), bits in any::<u8>()) {
        try_edits(&text, bits)?;
    }

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(prop::sample::select(vec![
        "keys:\n", "creation_rules:\n", "  - ", "    - ", "&a ", "*a", "&b ", "*b", "age1x", "age1y", "age: ",
        "key_groups:\n", "[", "]", "{", "}", ", ", "\n", " # c\n", "path_regex: a\n", "<<: ", "'", ">-\n", "    ", "x: ",
    ]), 0..24)) {
        try_edits(&pieces.concat(), 255)?;
    }
}
