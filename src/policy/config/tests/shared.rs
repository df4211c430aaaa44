//! Edits where anchors and aliases tie places together, as sops-nix has it.

use super::*;

const NIX: &str = "# who reads what
keys:
  - &admin_ana ANA
  - &ravi BOB   # Ravi Patel

creation_rules:
  - path_regex: secrets/prod\\.yaml$
    key_groups:
      - age:
          - *admin_ana
          - *ravi
  - path_regex: ^b
    key_groups: [{age: [*admin_ana, *ravi]}]   # inline
";

/// An edit of some rules and what it makes of a text; `Err` holds the line and part of the reason.
struct Case {
    before: &'static str,
    rules: &'static [usize],
    after: Result<&'static str, (usize, &'static str)>,
}

fn check(cases: &[Case], edit: impl Fn(&Config, &[usize]) -> Result<String, ConfigError>) {
    for case in cases {
        let before = config(&filled(case.before));
        let found = edit(&before, case.rules);
        match (&found, case.after) {
            (Ok(text), Ok(after)) => {
                assert_eq!(*text, filled(after), "of\n{}", before.text());
                assert_eq!(
                    edit(&config(text), case.rules).unwrap(),
                    *text,
                    "the second time"
                );
            }
            (Err(error), Err((line, what))) => {
                assert!(
                    error.line == line && error.what.contains(what),
                    "{error}\n{}",
                    before.text()
                );
            }
            _ => panic!("{found:?} of\n{}", before.text()),
        }
    }
}

fn lines_that_differ(before: &str, after: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(before, after);
    let changes = diff
        .iter_all_changes()
        .filter(|change| change.tag() != similar::ChangeTag::Equal);
    changes
        .map(|change| format!("{}{}", change.tag(), change.value().trim_end()))
        .collect()
}

#[test]
fn a_newcomer_gets_an_anchor_beside_the_others_and_an_alias_in_each_list() {
    let text = filled(NIX);
    let added = config(&text)
        .with_recipient(&[0, 1], NEW, Some("Łucja Núñez <lucja@example.com>"))
        .unwrap();
    assert_eq!(
        lines_that_differ(&text, &added),
        [
            "+  - &lucja_nunez age1newwwwwwww # Łucja Núñez <lucja@example.com>",
            "+          - *lucja_nunez",
            "-    key_groups: [{age: [*admin_ana, *ravi]}]   # inline",
            "+    key_groups: [{age: [*admin_ana, *ravi, *lucja_nunez]}]   # inline",
        ]
    );
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(
        config(&crlf)
            .with_recipient(&[0, 1], NEW, Some("Łucja Núñez <lucja@example.com>"))
            .unwrap(),
        added.replace('\n', "\r\n")
    );
    // and everything goes again with the person
    assert_eq!(
        config(&added).without_recipient(&[0, 1], NEW).unwrap(),
        text
    );
    assert_eq!(
        config(&crlf).without_recipient(&[0], BOB).unwrap(),
        crlf.replacen("          - *ravi\r\n", "", 1)
    );
}

#[test]
fn an_anchor_is_legal_and_new() {
    for (name, anchor) in [
        ("Ravi", "ravi_2"),
        ("Admin-Ana", "admin_ana_2"),
        ("<ravi.patel@example.com>", "ravi_patel"),
        ("o'Neil, Jr. #2", "o_neil_jr_2"),
        ("名前", "key_newwww"),
        ("- *x: [", "x"),
    ] {
        let added = config(&filled(NIX))
            .with_recipient(&[1], NEW, Some(name))
            .unwrap();
        assert!(
            added.contains(&format!("  - &{anchor} {NEW} # {name}\n")),
            "{name}: {added}"
        );
        assert!(
            added.contains(&format!("*ravi, *{anchor}]")),
            "{name}: {added}"
        );
    }
    let dashed = config("keys: [&host-web ANA]\ncreation_rules:\n  - age: [*host-web]\n");
    assert_eq!(
        dashed.with_recipient(&[0], NEW, Some("Ana Silva")).unwrap(),
        "keys: [&host-web ANA, &ana-silva age1newwwwwwww]\ncreation_rules:\n  - age: [*host-web, *ana-silva]\n"
    );
}

#[test]
fn adding_follows_the_author() {
    check(
        &[
            // known already: only the alias
            Case {
                before: "keys: [&a ANA, &n NEW]\ncreation_rules:\n  - age:\n    - *a\n",
                rules: &[0],
                after: Ok(
                    "keys: [&a ANA, &n NEW]\ncreation_rules:\n  - age:\n    - *a\n    - *n\n",
                ),
            },
            // a map of lists: the people are meant
            Case {
                before: "keys:\n  users:\n    - &a ANA\n  hosts:\n    - &b BOB\ncreation_rules:\n  - age:\n    - *a\n    - *b\n",
                rules: &[0],
                after: Ok(
                    "keys:\n  users:\n    - &a ANA\n    - &new NEW\n  hosts:\n    - &b BOB\ncreation_rules:\n  - age:\n    - *a\n    - *b\n    - *new\n",
                ),
            },
            Case {
                before: "keys:\n  north:\n    - &a ANA\n  south:\n    - &b BOB\ncreation_rules:\n  - age: [*a, *b]\n",
                rules: &[0],
                after: Err((
                    3,
                    "add `- &new age1newwwwwwww` to the one in line 3 or in line 5 by hand, then run",
                )),
            },
            // a map of keys; comments above
            Case {
                before: "keys:\n  # Ana\n  a: &a ANA\n  # Bob\n  b: &b BOB\ncreation_rules:\n  - age: [*a, *b]\n",
                rules: &[0],
                after: Ok(
                    "keys:\n  # Ana\n  a: &a ANA\n  # Bob\n  b: &b BOB\n  # New\n  new: &new NEW\ncreation_rules:\n  - age: [*a, *b, *new]\n",
                ),
            },
            // a line above an alias is a heading
            Case {
                before: "keys:\n  - &a ANA\ncreation_rules:\n  - age:\n    # people\n    - *a\n",
                rules: &[0],
                after: Ok(
                    "keys:\n  - &a ANA\n  - &new NEW\ncreation_rules:\n  - age:\n    # people\n    - *a\n    - *new\n",
                ),
            },
            // anchors in the rules: the first rule defines, the second refers
            Case {
                before: "creation_rules:\n  - path_regex: a\n    age:\n      - &a ANA # Ana\n      - &b BOB\n  - age: [*a, *b]\n",
                rules: &[1, 0],
                after: Ok(
                    "creation_rules:\n  - path_regex: a\n    age:\n      - &a ANA # Ana\n      - &b BOB\n      - &new NEW # New\n  - age: [*a, *b, *new]\n",
                ),
            },
            // an anchor further down cannot be referred to
            Case {
                before: "creation_rules:\n  - path_regex: a\n    age:\n      - ANA\n  - age: [&n NEW]\n",
                rules: &[0],
                after: Ok(
                    "creation_rules:\n  - path_regex: a\n    age:\n      - ANA\n      - NEW\n  - age: [&n NEW]\n",
                ),
            },
            // brackets over several lines
            Case {
                before: "keys:\n  - &a ANA\ncreation_rules:\n  - age: [\n      *a # Ana\n    ]\n",
                rules: &[0],
                after: Ok(
                    "keys:\n  - &a ANA\n  - &new NEW\ncreation_rules:\n  - age: [\n      *a, # Ana\n      *new # New\n    ]\n",
                ),
            },
        ],
        |config, rules| config.with_recipient(rules, NEW, Some("New")),
    );
}

#[test]
fn what_rules_share_changes_for_all_of_them_or_not_at_all() {
    let team = "team: &team\n  - ANA\n  - BOB\ncreation_rules:\n  - path_regex: a\n    age: *team\n  - age: *team\n";
    let text = "x: &x >-\n  ANA,\n  BOB\ncreation_rules:\n  - age: *x\n";
    let own = "creation_rules:\n  - path_regex: a\n    age: &x ANA,BOB\n  - age: *x\n";
    let base = "base: &base\n  age: [ANA, BOB]\ncreation_rules:\n  - <<: *base\n    path_regex: a\n  - <<: [*base]\n";
    let cases = |rules: [Result<&'static str, (usize, &'static str)>; 6]| {
        let [team_all, team_one, text_one, own_all, own_one, base_all] = rules;
        [
            Case {
                before: team,
                rules: &[0, 1],
                after: team_all,
            },
            Case {
                before: team,
                rules: &[1],
                after: team_one,
            },
            Case {
                before: text,
                rules: &[0],
                after: text_one,
            },
            Case {
                before: own,
                rules: &[0, 1],
                after: own_all,
            },
            Case {
                before: own,
                rules: &[0],
                after: own_one,
            },
            Case {
                before: base,
                rules: &[0, 1],
                after: base_all,
            },
        ]
    };
    check(
        &cases([
            Ok(
                "team: &team\n  - ANA\n  - BOB\n  - NEW\ncreation_rules:\n  - path_regex: a\n    age: *team\n  - age: *team\n",
            ),
            Err((
                7,
                "the rule in line 5 reads the same list and would change too (--all changes both)",
            )),
            Ok("x: &x >-\n  ANA,\n  BOB,\n  NEW\ncreation_rules:\n  - age: *x\n"),
            Ok("creation_rules:\n  - path_regex: a\n    age: &x ANA,BOB,NEW\n  - age: *x\n"),
            Err((2, "the rule in line 4 reads the same list")),
            Ok(
                "base: &base\n  age: [ANA, BOB, NEW]\ncreation_rules:\n  - <<: *base\n    path_regex: a\n  - <<: [*base]\n",
            ),
        ]),
        |config, rules| config.with_recipient(rules, NEW, None),
    );
    check(
        &cases([
            Ok(
                "team: &team\n  - BOB\ncreation_rules:\n  - path_regex: a\n    age: *team\n  - age: *team\n",
            ),
            Err((7, "the rule in line 5 reads the same list")),
            Ok("x: &x >-\n  BOB\ncreation_rules:\n  - age: *x\n"),
            Ok("creation_rules:\n  - path_regex: a\n    age: &x BOB\n  - age: *x\n"),
            Err((3, "the rule in line 4 reads the same list")),
            Ok(
                "base: &base\n  age: [BOB]\ncreation_rules:\n  - <<: *base\n    path_regex: a\n  - <<: [*base]\n",
            ),
        ]),
        |config, rules| config.without_recipient(rules, ANA),
    );
}

#[test]
fn an_anchor_goes_with_its_last_alias_and_never_before() {
    check(
        &[
            Case {
                before: "keys:\n  # Ana\n  - &a ANA\n  # Bob\n  - &b BOB\ncreation_rules:\n  - path_regex: a\n    age: [*a, *b]\n  - age: [*b, *a]\n",
                rules: &[0],
                after: Ok(
                    "keys:\n  # Ana\n  - &a ANA\n  # Bob\n  - &b BOB\ncreation_rules:\n  - path_regex: a\n    age: [*b]\n  - age: [*b, *a]\n",
                ),
            },
            Case {
                before: "keys:\n  # Ana\n  - &a ANA\n  # Bob\n  - &b BOB\ncreation_rules:\n  - path_regex: a\n    age: [*a, *b]\n  - age: [*b, *a]\n",
                rules: &[0, 1],
                after: Ok(
                    "keys:\n  # Bob\n  - &b BOB\ncreation_rules:\n  - path_regex: a\n    age: [*b]\n  - age: [*b]\n",
                ),
            },
            // an alias that is no recipient of a rule is one all the same
            Case {
                before: "keys: [&a ANA, &b BOB]\nnotes: [*a]\ncreation_rules:\n  - age: [*a, *b]\n",
                rules: &[0],
                after: Ok("keys: [&a ANA, &b BOB]\nnotes: [*a]\ncreation_rules:\n  - age: [*b]\n"),
            },
            Case {
                before: "keys: {one: [&a ANA], two: &b BOB}\ncreation_rules:\n  - age: [*a, *b]\n",
                rules: &[0],
                after: Ok("keys: {one: [], two: &b BOB}\ncreation_rules:\n  - age: [*b]\n"),
            },
            // defined in the rule that it leaves: the next alias takes the definition over
            Case {
                before: "creation_rules:\n  - path_regex: a\n    age:\n      - &a ANA # Ana\n      - BOB\n  - path_regex: b\n    age: [BOB, *a]\n  - age: [*a, BOB]\n",
                rules: &[0],
                after: Ok(
                    "creation_rules:\n  - path_regex: a\n    age:\n      - BOB\n  - path_regex: b\n    age: [BOB, &a ANA]\n  - age: [*a, BOB]\n",
                ),
            },
            Case {
                before: "creation_rules:\n  - path_regex: a\n    age:\n      - &a ANA # Ana\n      - BOB\n  - path_regex: b\n    age: [BOB, *a]\n  - age: [*a, BOB]\n",
                rules: &[0, 1, 2],
                after: Ok(
                    "creation_rules:\n  - path_regex: a\n    age:\n      - BOB\n  - path_regex: b\n    age: [BOB]\n  - age: [BOB]\n",
                ),
            },
            // which of the two `*a` means is a matter of order: not touched
            Case {
                before: "creation_rules:\n  - path_regex: a\n    age: [&a ANA, &a BOB]\n  - age: [*a, CI]\n",
                rules: &[0],
                after: Err((3, "remove `age1anaaaaaaaa` from the rule in line 2 by hand")),
            },
            // an alias that stands for two keys
            Case {
                before: "both: &both ANA,BOB\ncreation_rules:\n  - age: [*both, CI]\n",
                rules: &[0],
                after: Ok("both: &both BOB\ncreation_rules:\n  - age: [*both, CI]\n"),
            },
        ],
        |config, rules| config.without_recipient(rules, ANA),
    );
}

#[test]
fn a_layout_that_is_not_sure_is_left_to_the_author() {
    for (text, line) in [
        (
            "creation_rules:\n  - {age: age1x, <<: {age: age1y}, path_regex: a}\n",
            2,
        ),
        (
            "creation_rules:\n  - age: !!seq\n      - age1x\n      - age1y\n",
            2,
        ),
    ] {
        let Err(error) = config(text).without_recipient(&[0], "age1x") else {
            panic!("{text}")
        };
        assert!(
            error.line >= line && !error.what.contains("age1y"),
            "{text}: {error}"
        );
    }
    let tagged = config("creation_rules:\n  - age: !!seq\n      - age1x\n");
    let error = tagged.with_recipient(&[0], NEW, None).unwrap_err();
    let task = format!("add `- {NEW}` to the rule in line 2 by hand");
    assert!(error.line == 2 && error.what.contains(&task), "{error}");
}

#[test]
fn a_new_rule_is_written_like_the_one_before_it() {
    let name = Some("New");
    for (before, after) in [
        (
            "keys:\n  - &a ANA # Ana\ncreation_rules:\n  - path_regex: a\n    key_groups:\n    - age:\n      - *a\n",
            "keys:\n  - &a ANA # Ana\n  - &new NEW # New\ncreation_rules:\n  - path_regex: a\n    key_groups:\n    - age:\n      - *a\n  - path_regex: ^b$\n    key_groups:\n    - age:\n      - *new\n",
        ),
        (
            "keys: [&n NEW, &a ANA]\ncreation_rules:\n  - {path_regex: a, key_groups: [{age: [*a]}]}\n\n  # the rest\n  - key_groups: [{age: [*a]}]\n",
            "keys: [&n NEW, &a ANA]\ncreation_rules:\n  - {path_regex: a, key_groups: [{age: [*a]}]}\n\n  - {path_regex: '^b$', key_groups: [{age: [*n]}]}\n\n  # the rest\n  - key_groups: [{age: [*a]}]\n",
        ),
        (
            "creation_rules:\n  - pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n",
            "creation_rules:\n  - path_regex: ^b$\n    age:\n      - NEW\n  - pgp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n",
        ),
        (
            "creation_rules:\n  - path_regex: a\n    age: [ANA]\n    pgp: x # why\n    # end\nstores: {}\n",
            "creation_rules:\n  - path_regex: a\n    age: [ANA]\n    pgp: x # why\n    # end\n  - path_regex: ^b$\n    age: [NEW]\nstores: {}\n",
        ),
        (
            "creation_rules:\n# none yet\n",
            "creation_rules:\n  - path_regex: ^b$\n    age:\n      - NEW\n# none yet\n",
        ),
    ] {
        let before = config(&filled(before));
        let text = before
            .with_rule("^b$", NEW, name)
            .unwrap_or_else(|error| panic!("{error}\n{}", before.text()));
        assert_eq!(text, filled(after));
        let (_, rule) = config(&text)
            .rule_for("b")
            .map(|(at, rule)| (at, rule.clone()))
            .unwrap();
        assert_eq!(rule.recipients(), [NEW]);
    }
}

#[test]
fn people_are_called_what_their_author_calls_them() {
    let text = "keys:\n  - &admin_ana ANA\n  - &ravi BOB   # Ravi Patel\ncreation_rules:\n  - age:\n    # Build\n    - CI\n    # New one\n    - NEW\n  - age: [*admin_ana, *ravi] # all of them\n  - age:\n    # the team\n    - age1x\n    - age1y # - age1z\n  - age: age1w # Wim\n";
    let holders = config(&filled(text)).holders();
    let named: Vec<(String, Option<String>)> = holders
        .iter()
        .map(|h| (h.recipient.clone(), h.name()))
        .collect();
    let expected = [
        (ANA, "admin_ana"),
        (BOB, "ravi (Ravi Patel)"),
        (CI, "Build"),
        (NEW, "New one"),
        ("age1w", "Wim"),
    ];
    assert_eq!(
        named,
        expected.map(|(key, name)| (key.to_owned(), Some(name.to_owned())))
    );
    for strange in ["a\u{202e}b", &"x".repeat(65), "- AGE-SECRET-KEY-1", "****"] {
        let text = format!("creation_rules:\n  - age: age1x # {strange}\n");
        assert_eq!(config(&text).holders(), [], "{strange}");
    }
}
