use super::*;

const ANA: &str = "age1anaaaaaaaa";
const BOB: &str = "age1bobbbbbbbb";
const CI: &str = "age1ciiiiiiiii";
const NEW: &str = "age1newwwwwwww";

fn config(text: &str) -> Config {
    Config::parse(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .0
}

fn refused(text: &str) -> ConfigError {
    Config::parse(text).map(|_| ()).unwrap_err()
}

#[test]
fn reads_what_sops_reads() {
    let text = "keys:\n  - &ana age1ana\n  - &bob age1bob\ncreation_rules:\n  - path_regex: '\\.enc\\.yaml$'\n    age: |-\n      age1x,\n      age1y , ,age1z,\n    encrypted_regex: ^data$\n    mac_only_encrypted: true\n  - path_regex: ^k8s/\n    kms: arn:aws:kms:x\n    pgp: ''\n    key_groups:\n      - age:\n          - *ana\n          - *bob\n        hc_vault: [http://x]\n      - merge:\n          - age: [age1ana, age1ana]\n    shamir_threshold: 2\n  - age: [\"age1a,age1b\", age1c]\nstores:\n  yaml:\n    indent: 2\n  json: {indent: 3}\n  json_binary:\n";
    let (config, warnings) = Config::parse(text).unwrap();
    assert_eq!(warnings, []);
    let [first, second, third] = config.rules.as_slice() else {
        panic!("three rules")
    };
    assert_eq!(
        first.age,
        [
            ("age1x".into(), 7),
            ("age1y".into(), 8),
            ("age1z".into(), 8)
        ]
    );
    assert_eq!(
        first.crypt,
        Some(Crypt {
            field: "encrypted_regex",
            value: "^data$".into(),
            line: 9
        })
    );
    assert!(first.mac_only_encrypted && first.line == 5);
    assert_eq!(
        second.groups,
        [
            vec![("age1ana".into(), 16), ("age1bob".into(), 17)],
            vec![("age1ana".into(), 20)]
        ]
    );
    assert_eq!(second.other_keys, ["kms", "hc_vault"]);
    assert_eq!(second.shamir_threshold, Some(2));
    assert_eq!(second.recipients(), ["age1ana", "age1bob", "age1ana"]);
    assert_eq!(third.recipients(), ["age1a", "age1b", "age1c"]);
    let indents = (
        config.stores.yaml_indent,
        config.stores.json_indent,
        config.stores.json_binary_indent,
    );
    assert_eq!(indents, (Some(2), Some(3), None));
    let found = |path| config.rule_for(path).map(|(position, _)| position);
    assert_eq!(
        (found("a/b.enc.yaml"), found("k8s/x"), found("x")),
        (Some(0), Some(1), Some(2))
    );
}

#[test]
fn a_list_of_anchors_may_have_a_key_without_a_name() {
    let text = "keys:\n  - &users:\n    - &ana age1ana\ncreation_rules:\n  - key_groups:\n      - age: [*ana]\n";
    assert_eq!(config(text).rules[0].recipients(), ["age1ana"]);
}

#[test]
fn a_rule_takes_over_what_a_merge_key_brings() {
    let text = "common: &common\n  age: age1x\n  encrypted_regex: a\ncreation_rules:\n  - <<: *common\n    path_regex: b\n    encrypted_regex: c\n";
    let (config, warnings) = Config::parse(text).unwrap();
    assert_eq!(config.rules[0].recipients(), ["age1x"]);
    assert_eq!(
        config.rules[0]
            .crypt
            .as_ref()
            .map(|crypt| crypt.value.as_str()),
        Some("c")
    );
    assert_eq!(
        warnings,
        [Warning {
            line: 1,
            message: "unknown field `common` in the policy; sops ignores it".into()
        }]
    );
}

#[test]
fn a_key_group_is_read_in_the_order_that_sops_writes() {
    let text = "creation_rules:\n  - key_groups:\n      - age: [age1a, age1c, age1c]\n        merge:\n          - age: [age1b, age1a]\n";
    let policy = config(text);
    assert_eq!(policy.rules[0].recipients(), ["age1b", "age1a", "age1c"]);
    assert_eq!(
        policy.without_recipient(&[0], "age1c").unwrap(),
        text.replace(", age1c", "")
    );
    assert_eq!(
        policy.with_recipient(&[0], "age1d", None).unwrap(),
        text.replace("age1c]", "age1c, age1d]")
    );
    assert_eq!(
        policy.without_recipient(&[0], "age1b").unwrap(),
        text.replace("age1b, ", "")
    );
}

#[test]
fn no_rules_govern_nothing() {
    for text in [
        "",
        "# only a comment\n",
        "creation_rules:\n",
        "creation_rules: []\n",
        "stores:\n  yaml:\n    indent: 2\n",
    ] {
        assert!(config(text).rule_for("a").is_none(), "{text:?}");
    }
}

#[test]
fn a_slip_of_the_pen_is_an_error() {
    for (field, meant) in [
        ("path-regex", "path_regex"),
        ("pathregex", "path_regex"),
        ("Path_Regex", "path_regex"),
        ("path_regexp", "path_regex"),
        ("path", "path_regex"),
        ("recipients", "age"),
        ("Age", "age"),
        ("ages", "age"),
        ("encrypted-regex", "encrypted_regex"),
        ("encrypt_regex", "encrypted_regex"),
        ("unencrypted_sufix", "unencrypted_suffix"),
        ("keygroups", "key_groups"),
        ("gpg", "pgp"),
    ] {
        let error = refused(&format!("creation_rules:\n  - age: x\n    {field}: y\n"));
        assert!(
            error.line == 3 && error.what.ends_with(&format!("did you mean `{meant}`?")),
            "{field}: {error}"
        );
    }
    assert!(
        refused("creation_rule:\n")
            .what
            .contains("did you mean `creation_rules`?")
    );
    assert!(
        refused("creation-rules:\n")
            .what
            .contains("did you mean `creation_rules`?")
    );
    assert!(refused("store:\n").what.contains("did you mean `stores`?"));
    assert!(
        refused("path_regex: x\n")
            .what
            .contains("belongs in a rule")
    );
    let (_, warnings) =
        Config::parse("creation_rules:\n  - age: x\n    owner: team\nnotes: y\n").unwrap();
    assert_eq!(
        warnings
            .iter()
            .map(|warning| warning.line)
            .collect::<Vec<_>>(),
        [3, 4]
    );
}

#[test]
fn what_sops_would_take_badly_is_refused() {
    for (text, line, what) in [
        (
            "creation_rules:\n  - age: x\n    path_regex: '['\n",
            3,
            "`path_regex`: pattern",
        ),
        (
            "creation_rules:\n  - age: x\n    encrypted_regex: (?=x)\n",
            3,
            "look-around",
        ),
        (
            "creation_rules:\n  - age: x\n    encrypted_regex: a\n    encrypted_suffix: b\n",
            4,
            "only one",
        ),
        ("creation_rules:\n  - age: [1]\n", 2, "must be a string"),
        ("creation_rules:\n  - age: [[x]]\n", 2, "must be a string"),
        ("creation_rules:\n  - age: {x: y}\n", 2, "must be a list"),
        (
            "creation_rules:\n  - key_groups:\n    - age: x\n",
            3,
            "must be a list",
        ),
        ("creation_rules: x\n", 1, "must be a list"),
        ("creation_rules:\n  - x\n", 2, "must be a map"),
        (
            "creation_rules:\n  - age: x\n    path_regex: 5\n",
            3,
            "must be a string",
        ),
        (
            "creation_rules:\n  - age: x\n    mac_only_encrypted: 'true'\n",
            3,
            "true or false",
        ),
        (
            "creation_rules:\n---\ncreation_rules:\n",
            3,
            "second document",
        ),
        ("creation_rules:\ncreation_rules:\n", 2, "duplicate key"),
        (
            "creation_rules:\n  - age: x\n    age: y\n",
            3,
            "duplicate key",
        ),
    ] {
        let error = refused(text);
        assert!(
            error.line == line && error.what.contains(what),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn what_its_author_hardly_meant_is_a_warning() {
    for (text, line, what) in [
        (
            "creation_rules:\n  - age: x,y,\n      x\n",
            3,
            "stands twice",
        ),
        ("creation_rules:\n  - path_regex: a\n", 2, "no recipient"),
        (
            "creation_rules:\n  - age: x\n  - path_regex: a\n    age: x\n",
            3,
            "never reached",
        ),
        (
            "creation_rules:\n  - age: x\n    key_groups: [{age: [y]}]\n",
            2,
            "ignores `age`",
        ),
    ] {
        let (_, warnings) = Config::parse(text).unwrap();
        let [warning] = warnings.as_slice() else {
            panic!("{text:?}: {warnings:?}")
        };
        assert!(
            warning.line == line && warning.message.contains(what),
            "{text:?}: {warning:?}"
        );
    }
}

/// A layout with its recipients ana, bob and ci, and the same after each edit.
struct Layout {
    before: &'static str,
    added: &'static str,
    without_ana: &'static str,
    without_ci: &'static str,
}

const LAYOUTS: &[Layout] = &[
    // a block list with comments, and text behind it
    Layout {
        before: "creation_rules:\n  - path_regex: x # why\n    age:\n      # people\n      - ANA # Ana\n      - BOB\n      - CI # ci\n    # end\n\nstores: {}\n",
        added: "creation_rules:\n  - path_regex: x # why\n    age:\n      # people\n      - ANA # Ana\n      - BOB\n      - CI # ci\n      - NEW # New\n    # end\n\nstores: {}\n",
        without_ana: "creation_rules:\n  - path_regex: x # why\n    age:\n      # people\n      - BOB\n      - CI # ci\n    # end\n\nstores: {}\n",
        without_ci: "creation_rules:\n  - path_regex: x # why\n    age:\n      # people\n      - ANA # Ana\n      - BOB\n    # end\n\nstores: {}\n",
    },
    // dashes under the key, quotes, no newline at the end
    Layout {
        before: "creation_rules:\n- age:\n  - \"ANA\"\n  - 'BOB'\n  -  CI",
        added: "creation_rules:\n- age:\n  - \"ANA\"\n  - 'BOB'\n  -  CI\n  -  NEW",
        without_ana: "creation_rules:\n- age:\n  - 'BOB'\n  -  CI",
        without_ci: "creation_rules:\n- age:\n  - \"ANA\"\n  - 'BOB'",
    },
    // CRLF
    Layout {
        before: "creation_rules:\r\n  - age:\r\n      - ANA\r\n      - BOB\r\n      - CI\r\n",
        added: "creation_rules:\r\n  - age:\r\n      - ANA\r\n      - BOB\r\n      - CI\r\n      - NEW\r\n",
        without_ana: "creation_rules:\r\n  - age:\r\n      - BOB\r\n      - CI\r\n",
        without_ci: "creation_rules:\r\n  - age:\r\n      - ANA\r\n      - BOB\r\n",
    },
    // a comma string
    Layout {
        before: "creation_rules:\n  - age: ANA,BOB,CI # all\n    path_regex: x\n",
        added: "creation_rules:\n  - age: ANA,BOB,CI,NEW # all\n    path_regex: x\n",
        without_ana: "creation_rules:\n  - age: BOB,CI # all\n    path_regex: x\n",
        without_ci: "creation_rules:\n  - age: ANA,BOB # all\n    path_regex: x\n",
    },
    Layout {
        before: "creation_rules:\n  - {age: \"ANA, BOB, CI, \"}\n",
        added: "creation_rules:\n  - {age: \"ANA, BOB, CI, NEW, \"}\n",
        without_ana: "creation_rules:\n  - {age: \"BOB, CI, \"}\n",
        without_ci: "creation_rules:\n  - {age: \"ANA, BOB, \"}\n",
    },
    // folded, as the sops manual has it
    Layout {
        before: "creation_rules:\n  - age: >-\n      ANA,\n      BOB,\n      CI\n    path_regex: x\n",
        added: "creation_rules:\n  - age: >-\n      ANA,\n      BOB,\n      CI,\n      NEW\n    path_regex: x\n",
        without_ana: "creation_rules:\n  - age: >-\n      BOB,\n      CI\n    path_regex: x\n",
        without_ci: "creation_rules:\n  - age: >-\n      ANA,\n      BOB\n    path_regex: x\n",
    },
    // inline lists
    Layout {
        before: "creation_rules:\n  - age: [ANA, BOB, CI]\n",
        added: "creation_rules:\n  - age: [ANA, BOB, CI, NEW]\n",
        without_ana: "creation_rules:\n  - age: [BOB, CI]\n",
        without_ci: "creation_rules:\n  - age: [ANA, BOB]\n",
    },
    Layout {
        before: "creation_rules:\n  - age: [\n      \"ANA\",\n      \"BOB\",\n      \"CI\",\n    ]\n",
        added: "creation_rules:\n  - age: [\n      \"ANA\",\n      \"BOB\",\n      \"CI\",\n      \"NEW\",\n    ]\n",
        without_ana: "creation_rules:\n  - age: [\n      \"BOB\",\n      \"CI\",\n    ]\n",
        without_ci: "creation_rules:\n  - age: [\n      \"ANA\",\n      \"BOB\",\n    ]\n",
    },
    // an item that holds two, and one that stands twice
    Layout {
        before: "creation_rules:\n  - age:\n      - ANA,BOB\n      - ANA\n      - CI\n",
        added: "creation_rules:\n  - age:\n      - ANA,BOB\n      - ANA\n      - CI\n      - NEW\n",
        without_ana: "creation_rules:\n  - age:\n      - BOB\n      - CI\n",
        without_ci: "creation_rules:\n  - age:\n      - ANA,BOB\n      - ANA\n",
    },
    // people as anchors, one key group
    Layout {
        before: "keys:\n  - &ana ANA\n  - &bob BOB\n  - &ci CI\ncreation_rules:\n  - key_groups:\n      - age:\n          - *ana\n          - *bob\n          - *ci\n",
        added: "keys:\n  - &ana ANA\n  - &bob BOB\n  - &ci CI\n  - &new NEW\ncreation_rules:\n  - key_groups:\n      - age:\n          - *ana\n          - *bob\n          - *ci\n          - *new\n",
        without_ana: "keys:\n  - &bob BOB\n  - &ci CI\ncreation_rules:\n  - key_groups:\n      - age:\n          - *bob\n          - *ci\n",
        without_ci: "keys:\n  - &ana ANA\n  - &bob BOB\ncreation_rules:\n  - key_groups:\n      - age:\n          - *ana\n          - *bob\n",
    },
];

fn filled(text: &str) -> String {
    text.replace("ANA", ANA)
        .replace("BOB", BOB)
        .replace("CI", CI)
        .replace("NEW", NEW)
}

#[test]
fn edits_keep_the_layout_and_the_order() {
    for layout in LAYOUTS {
        let before = config(&filled(layout.before));
        let added = before.with_recipient(&[0], NEW, Some("New")).unwrap();
        assert_eq!(added, filled(layout.added));
        for (who, expected) in [(ANA, layout.without_ana), (CI, layout.without_ci)] {
            let removed = before
                .without_recipient(&[0], who)
                .unwrap_or_else(|error| panic!("{error}\n{}", layout.before));
            assert_eq!(removed, filled(expected));
        }
        // a new one that goes again leaves the file as it was
        let undone = config(&added).without_recipient(&[0], NEW).unwrap();
        assert_eq!(undone.trim_end(), before.text().trim_end());
        // repeatable
        assert_eq!(
            before.with_recipient(&[0], ANA, None).unwrap(),
            before.text()
        );
        assert_eq!(before.without_recipient(&[0], NEW).unwrap(), before.text());
    }
}

#[test]
fn only_the_chosen_rule_changes() {
    let text = "creation_rules:\n  - path_regex: a\n    age: age1x\n  - path_regex: b\n    age: age1x, age1y\n";
    assert_eq!(
        config(text).with_recipient(&[1], NEW, None).unwrap(),
        text.replace("age1x, age1y", "age1x, age1y, age1newwwwwwww")
    );
    assert_eq!(
        config(text).with_recipient(&[0], NEW, None).unwrap(),
        text.replace("age: age1x\n", "age: age1x,age1newwwwwwww\n")
    );
    assert_eq!(
        config(text).without_recipient(&[1], "age1x").unwrap(),
        text.replace("age1x, ", "")
    );
}

#[test]
fn a_rule_keeps_one_recipient_and_takes_only_plain_ones() {
    let one = config("creation_rules:\n  - age: age1x\n");
    assert!(
        one.without_recipient(&[0], "age1x")
            .unwrap_err()
            .what
            .contains("only recipient")
    );
    for bad in [
        "",
        "age1x\n    path_regex: y",
        "a,b",
        "a: b",
        "a #b",
        "*a",
        "true",
        " a",
    ] {
        assert!(one.with_recipient(&[0], bad, None).is_err(), "{bad:?}");
    }
    assert!(one.with_recipient(&[0], NEW, Some("two\nlines")).is_err());
    assert!(one.with_recipient(&[7], NEW, None).is_err());
    let ssh = "ssh-ed25519 AAAAC3Nza ana@host";
    assert_eq!(
        config(&one.with_recipient(&[0], ssh, None).unwrap()).rules[0].recipients(),
        ["age1x", ssh]
    );
}

#[test]
fn a_new_policy_and_a_new_rule() {
    let text = render_new(&Pattern::exactly("infra/secrets/prod.enc.yaml"), &[ANA]);
    insta::assert_snapshot!(text, @r"
    # who can read which file; edit with: stax secrets add-recipient, remove-recipient
    creation_rules:
      - path_regex: ^infra/secrets/prod\.enc\.yaml$
        age:
          - age1anaaaaaaaa
    ");
    let two = config(&text)
        .with_rule(&Pattern::exactly("infra/secrets/dev.enc.yaml"), BOB, None)
        .unwrap();
    insta::assert_snapshot!(two, @r"
    # who can read which file; edit with: stax secrets add-recipient, remove-recipient
    creation_rules:
      - path_regex: ^infra/secrets/prod\.enc\.yaml$
        age:
          - age1anaaaaaaaa
      - path_regex: ^infra/secrets/dev\.enc\.yaml$
        age:
          - age1bobbbbbbbb
    ");
    let config = config(&two);
    assert_eq!(
        config
            .rule_for("infra/secrets/dev.enc.yaml")
            .map(|(position, _)| position),
        Some(1)
    );
}

#[test]
fn a_new_rule_takes_the_layout_of_the_file() {
    for (before, after) in [
        (
            "",
            "creation_rules:\n  - path_regex: ^b$\n    age:\n      - NEW\n",
        ),
        (
            "stores: {}",
            "stores: {}\ncreation_rules:\n  - path_regex: ^b$\n    age:\n      - NEW",
        ),
        (
            "creation_rules:\n- path_regex: a\n  age:\n  - ANA\n\n- path_regex: c\n  age:\n  - ANA\n  # - BOB left\n\n# stores\nstores: {}\n",
            "creation_rules:\n- path_regex: a\n  age:\n  - ANA\n\n- path_regex: c\n  age:\n  - ANA\n  # - BOB left\n\n- path_regex: ^b$\n  age:\n  - NEW\n\n# stores\nstores: {}\n",
        ),
        (
            "creation_rules:\r\n    -   path_regex: a\r\n        age: >-\r\n            ANA\r\nstores: {}\r\n",
            "creation_rules:\r\n    -   path_regex: a\r\n        age: >-\r\n            ANA\r\n    -   path_regex: ^b$\r\n        age: NEW\r\nstores: {}\r\n",
        ),
    ] {
        assert_eq!(
            config(&filled(before)).with_rule("^b$", NEW, None).unwrap(),
            filled(after)
        );
    }
    for text in [
        "creation_rules: [{path_regex: a, age: age1x}]\n",
        "creation_rules: []\n",
    ] {
        assert!(config(text).with_rule("^b$", NEW, None).is_err(), "{text}");
    }
    assert!(config("").with_rule("(", NEW, None).is_err());
    assert_eq!(
        config(&config("").with_rule("^it's: #1$", NEW, None).unwrap()).rules[0]
            .path_regex
            .as_ref()
            .map(Pattern::as_str),
        Some("^it's: #1$")
    );
}

#[test]
fn a_copy_of_a_rule_is_for_one_path_and_says_the_same() {
    for (before, after) in [
        (
            "creation_rules:\n  # all\n  - age: ANA,BOB\n",
            "creation_rules:\n  - path_regex: ^a/b\\.yaml$\n    age: ANA,BOB\n  # all\n  - age: ANA,BOB\n",
        ),
        (
            "creation_rules:\r\n- encrypted_regex: ^x$\r\n  path_regex: 'b'\r\n  age:\r\n  - ANA # why\r\n  - BOB",
            "creation_rules:\r\n- encrypted_regex: ^x$\r\n  path_regex: ^a/b\\.yaml$\r\n  age:\r\n  - ANA # why\r\n  - BOB\r\n- encrypted_regex: ^x$\r\n  path_regex: 'b'\r\n  age:\r\n  - ANA # why\r\n  - BOB",
        ),
        (
            "keys: [&a ANA]\ncreation_rules:\n  - path_regex: b\n    key_groups:\n      - age: [*a, BOB]\nstores: {}\n",
            "keys: [&a ANA]\ncreation_rules:\n  - path_regex: ^a/b\\.yaml$\n    key_groups:\n      - age: [*a, BOB]\n  - path_regex: b\n    key_groups:\n      - age: [*a, BOB]\nstores: {}\n",
        ),
    ] {
        assert_eq!(
            config(&filled(before))
                .with_copy_for(0, "a/b.yaml")
                .unwrap(),
            filled(after)
        );
    }
    // an anchor cannot stand twice, and what is in braces has no lines
    for text in [
        "creation_rules:\n  - age: [&a ANA, BOB]\n",
        "creation_rules: [{age: ANA}]\n",
    ] {
        assert!(
            config(&filled(text)).with_copy_for(0, "b").is_err(),
            "{text}"
        );
    }
}

mod any;
mod shared;
