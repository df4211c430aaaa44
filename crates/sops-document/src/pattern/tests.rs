use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::compile(pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
        .is_match(text)
}

#[test]
fn selects_what_sops_selects() {
    // the first rows were measured on sops 3.11.0 (`--encrypted-regex`); the rest follow Go's
    // syntax
    for (pattern, text, expected) in [
        (r"^\w+$", "ключ", false),
        (r"^\w+$", "päss", false),
        (r"^\w+$", "x", true),
        (r"^\d+$", "１２", false),
        (r"^\d+$", "12", true),
        ("(?i)^PÄSS", "päss", true),
        (r"\pL", "ключ", true),
        (r"\pL", "12", false),
        (r"\Qa.b\E", "a.b", true),
        (r"\Qa.b\E", "axb", false),
        ("^a{,2}$", "a{,2}", true),
        ("^a{,2}$", "aa", false),
        ("^[a&&b]$", "&", true),
        ("^[a&&b]$", "a", true),
        ("^[a&&b]$", "-", false),
        ("^[--c]$", "b", true),
        ("^[x~~y]$", "~", true),
        ("^[[a]$", "[", true),
        ("^[[a]b]$", "[b]", true),
        ("^[[:alpha:]_]+$", "ab_", true),
        ("^[[:alpha:]]+$", "ä", false),
        ("^[[:^alpha:]]+$", "ä1", true),
        ("^[^[:alpha:]]+$", "ä1", true),
        (r"^\W$", "ä", true),
        (r"^[\W]$", "ä", true),
        (r"^[^\W]$", "ä", false),
        (r"^\s$", "\u{b}", false),
        (r"^\S$", "\u{a0}", true),
        (r"^[[:space:]]$", "\u{b}", true),
        (r"\bpass\b", "äpassä", true),
        (r"\bpass\b", "xpass", false),
        (r"^\x41\x{42}$", "AB", true),
        (r"^[]a]+$", "]a", true),
        (r"^[^]a]+$", "b", true),
        (r"^[\d-z]+$", "1-z", true),
        (r"^[a-]+$", "a-", true),
        (r"^a{01}$", "a{01}", true),
        (r"^a{2,3}$", "aa", true),
        (r"^a{2,}$", "a", false),
        (r"^a{1}?$", "a", true),
        (r"^a\_b\-c\/\<$", "a_b-c/<", true),
        (r"^(?P<name>a)(?<other>b)$", "ab", true),
        ("^(?s:.)$", "\n", true),
        ("^.$", "\n", false),
        ("^[^a]$", "\n", true),
        ("(?m)^b$", "a\nb", true),
        ("^b$", "b\n", false),
        (r"^a\z", "a", true),
        ("a(?i)b|c", "C", true),
        ("(?i:a)b", "AB", false),
        (r"^\Qab\E+$", "abb", true),
        (r"^\Q$", "^$", false),
        ("", "anything", true),
        ("a||b", "", true),
        ("a}b]", "a}b]", true),
        (r"^\p{^L}\P{Greek}$", "1a", true),
        ("(?i)^[^k]$", "\u{212a}", false),
        (r"(?i)^\w$", "\u{212a}", true),
        ("# x", "a# x", true),
        (r"\.enc\.ya?ml$", "infra/prod.enc.yml", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn refuses_what_go_refuses_or_reads_otherwise() {
    for (pattern, reason) in [
        ("(?x) a", "flag"),
        ("(?-u:a)", "flag"),
        ("(?u)a", "flag"),
        ("(?R)a", "flag"),
        ("(?ii)a", "twice"),
        ("(?)a", "flag"),
        ("(?i-)a", "flag"),
        ("a**", "two quantifiers"),
        ("a++", "two quantifiers"),
        ("a*??", "two quantifiers"),
        ("a{2}{3}", "two quantifiers"),
        ("a*{2}", "two quantifiers"),
        ("*a", "nothing to repeat"),
        ("++", "nothing to repeat"),
        ("{2}", "nothing to repeat"),
        ("(|*)", "nothing to repeat"),
        ("a(?i)*", "nothing to repeat"),
        (r"a\Q\E*", "nothing to repeat"),
        ("^*", "quantifier on"),
        ("(?=x)", "look-around"),
        ("(?!x)", "look-around"),
        ("(?<=x)", "look-around"),
        ("(?<!x)", "look-around"),
        ("(?>x)", "flag"),
        ("(?#x)", "flag"),
        ("(?P=x)", "flag"),
        (r"(a)\1", "back-reference"),
        (r"\012", "octal"),
        (r"[\1]", "octal"),
        (r"\C", r"\C"),
        (r"\B", r"\B"),
        (r"\Z", "escape"),
        (r"\E", "escape"),
        (r"\é", "escape"),
        (r"[\Qa\E]", "escape"),
        (r"[a-\d]", "escape"),
        (r"\", "backslash"),
        ("a{1001}", "1000"),
        ("a{99999999999}", "1000"),
        ("(a{40}){40}", "1000"),
        ("a{3,2}", "wrong way"),
        ("[z-a]", "wrong way"),
        ("[a--c]", "wrong way"),
        ("[", "not closed"),
        ("[]", "not closed"),
        ("[a", "not closed"),
        ("(a", "not closed"),
        ("a)", "without"),
        ("[[:foo:]]", "class name"),
        (r"\pC", "Unicode class"),
        (r"\p{Letter}", "Unicode class"),
        (r"\p{L", "not closed"),
        (r"\x4", "hexadecimal"),
        (r"\x{d800}", "not a character"),
        (r"\x{110000}", "not a character"),
        ("(?P<a>x)(?P<a>y)", "group name"),
        ("(?P<>x)", "group name"),
        ("((((a{9}){9}){9}){9})", "1000"),
    ] {
        let error = Pattern::compile(pattern).unwrap_err();
        assert!(error.reason.contains(reason), "{pattern}: {error}");
    }
}

#[test]
fn bounds_length_depth_and_size() {
    assert!(Pattern::compile(&"a".repeat((32 << 10) + 1)).is_err());
    let deep = |levels: usize| "(".repeat(levels) + "a" + &")".repeat(levels);
    assert!(Pattern::compile(&deep(30)).is_ok());
    assert!(
        Pattern::compile(&deep(100))
            .unwrap_err()
            .reason
            .contains("nested")
    );
    assert!(
        Pattern::compile(&r"\pL{1000}".repeat(20))
            .unwrap_err()
            .reason
            .contains("too big")
    );
}

/// What is matched first compiles then, and what does not compile is refused when it is read.
#[test]
fn what_waits_for_its_first_text_fits_the_limits() {
    let last = char::MAX.to_string();
    for unit in [
        ".",
        "[^a]",
        r"\D",
        r"\W",
        "é",
        "(.|)",
        ".*",
        "[^\u{7ff}]",
        "[\u{7f}-\u{10000}]",
        "(?:.+)*",
        last.as_str(),
    ] {
        let text = unit.repeat(SHORT / unit.len());
        assert!(is_plain(&text), "{unit}");
        let largest = RegexBuilder::new(&translated(&text))
            .size_limit(MAX_PROGRAM_BYTES / 2)
            .build();
        assert!(largest.is_ok(), "{unit}");
    }
    let deep = "(".repeat(SHALLOW - 1) + "a" + &"|b)*".repeat(SHALLOW - 1);
    assert!(is_plain(&deep) && Pattern::compile(&deep).unwrap().is_match("a"));
    for eager in [
        "(a{2})",
        "(?i)a",
        r"\pL",
        &("(".repeat(SHALLOW) + "a" + &")".repeat(SHALLOW)),
    ] {
        assert!(!is_plain(eager), "{eager}");
    }
}

fn translated(text: &str) -> String {
    let mut translator = Translator::new(text);
    assert_eq!(translator.pattern(), Ok(()));
    translator.out
}

fn is_plain(text: &str) -> bool {
    let mut translator = Translator::new(text);
    translator.pattern().is_ok() && translator.is_plain
}

#[test]
fn an_exact_path_matches_itself_only() {
    let path = r"infra/s+(x)[1]{2}^$|\a b/prod.enc.yaml";
    let text = Pattern::exactly(path);
    assert!(matches(&text, path));
    assert!(!matches(&text, &format!("x{path}")) && !matches(&text, &path.replace('.', "x")));
    assert_eq!(
        Pattern::exactly("infra/secrets/prod.enc.yaml"),
        r"^infra/secrets/prod\.enc\.yaml$"
    );
}

proptest::proptest! {
    #[test]
    fn no_pattern_panics_and_the_translation_compiles_or_is_bounded(text in r"[a-c\\\[\](){}*+?|^$.,&~:QEpPLdws0-9<>=!i-]{0,24}") {
        let mut translator = Translator::new(&text);
        if translator.pattern().is_ok() {
            proptest::prop_assert!(Regex::new(&translator.out).is_ok(), "{} -> {}", text, translator.out);
        }
    }
}

#[test]
fn a_rule_may_name_every_field_of_a_cluster() {
    let names = |count: usize| {
        (0..count)
            .map(|at| format!("someLongFieldName{at:04}"))
            .collect::<Vec<_>>()
    };
    let rule = |count: usize| format!("^(?i)({}|password)$", names(count).join("|"));
    let long = Pattern::compile(&rule(1480)).unwrap();
    assert!(
        long.is_match("password")
            && long.is_match("SOMElongFieldName1479")
            && !long.is_match("name")
    );
    assert!(
        Pattern::compile(&rule(1600))
            .unwrap_err()
            .reason
            .contains("32 KiB")
    );
}
