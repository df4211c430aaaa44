use super::read::parse;
use super::write::{emit, value_text};
use super::*;

fn shown(source: &str) -> Vec<String> {
    let tree = parse(source).unwrap();
    let text = |leaf: &Leaf| format!("{:?}", leaf.scalar.as_text().unwrap());
    tree.leaves()
        .iter()
        .map(|(path, _, leaf)| format!("{path}={}", text(leaf)))
        .collect()
}

#[test]
fn values_are_read_as_ini_v1_reads_them() {
    let source = "top=1\n\n; about s\n[s]\n  a : x=y\nb = \" two \"\nc='q'\nd = `#x;`\ne=\n# one\n; two\nf = \"\"\"l1\nl2\"\"\"\ng=\"a\"\"b\"\n[s.child]\nh=%(a)s\n";
    let expected = [
        r#"DEFAULT.top="1""#,
        r#"s.a="x=y""#,
        r#"s.b=" two ""#,
        r#"s.c="q""#,
        r##"s.d="#x;""##,
        r#"s.e="""#,
        r#"s.f="l1\nl2""#,
        r#"s.g="\"a\"\"b\"""#,
        r#"["s.child"].h="%(a)s""#,
    ];
    assert_eq!(shown(source), expected);
    assert_eq!(
        emit(&parse(source).unwrap()).unwrap(),
        "top = 1\n\n; about s\n[s]\na = x=y\nb = \" two \"\nc = q\nd = `#x;`\ne = \n; one\n; two\nf = \"\"\"l1\nl2\"\"\"\ng = \"a\"\"b\"\n\n[s.child]\nh = %(a)s\n"
    );
}

#[test]
fn what_ini_v1_loses_or_joins_is_refused_with_its_line() {
    for (text, line, rule) in [
        ("a=1\na=2\n", 2, "duplicate key `a`"),
        ("[s]\n[t]\n[s]\n", 3, "duplicate section `s`"),
        ("a=1\n[DEFAULT]\nb=2\n", 2, "keys without a section"),
        ("a\n", 1, "without `=`"),
        ("=1\n", 1, "would change"),
        ("-=1\n", 1, "would change"),
        ("\"a\"=1\n", 1, "in quotes"),
        ("[s] ; x\n", 1, "nothing else"),
        ("[s\n", 1, "nothing else"),
        ("[]\n", 1, "without a name"),
        ("a=x ; y\n", 1, "starts a comment"),
        ("u=http://x#y\n", 1, "starts a comment"),
        ("a=x\\\nb=2\n", 1, "joins the next"),
        ("a=`x` y\n", 1, "behind the closing"),
        ("a=\"\"\"x\n\n", 1, "do not close"),
        ("a=1\rb\n", 1, "carriage return"),
        ("a=\"\"\"x\r\ny\"\"\"\r\n", 1, "carriage returns"),
        ("\u{feff}a=1\n", 1, "byte order mark"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(
            error.line == line && error.what.contains(rule),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn a_value_is_shown_so_that_it_reads_back() {
    for (text, sops_keeps_it) in [
        ("plain", true),
        ("", true),
        (" blank ", true),
        ("a#b;c", true),
        ("l1\nl2\n", true),
        ("tick ` tick", true),
        ("a=b:c", true),
        ("say \"x\" twice", true),
        ("'quoted'", false),
        ("\"quoted\"", false),
        ("ends\\", false),
        ("`x", true),
        ("\"\"\"", false),
    ] {
        let scalar = Scalar::str(text);
        assert_eq!(Ini.check_value(&scalar).is_ok(), sops_keeps_it, "{text:?}");
        if !text.contains("\"\"\"") {
            assert!(write::reads_back(&value_text(&scalar), text), "{text:?}");
        }
    }
}
