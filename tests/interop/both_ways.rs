//! Written by one, changed by the other, read by both: never a MAC error, never another value.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Output, Sandbox, fixture};

/// Texts that some format or shell would like to read otherwise.
const TEXTS: [(&str, &str); 31] = [
    ("V_EMPTY", ""),
    ("V_BLANKS", "  both ends  "),
    ("V_TABS", "mid\tand end\t"),
    ("V_LINES", "one\ntwo\n"),
    ("V_LINES_OPEN", "one\ntwo"),
    ("V_BLANK_LINES", "\n\na\n\n\n"),
    ("V_CARRIAGE", "a\r\nb\rc"),
    ("V_QUOTES", r#"it's "quoted""#),
    ("V_BACKSLASH", r"C:\temp\"),
    ("V_HASH", "# not a comment"),
    ("V_LATE_HASH", "a # b"),
    ("V_COLON", "a: b:"),
    ("V_DASH", "- item"),
    ("V_DOCUMENT", "---"),
    ("V_YES", "yes"),
    ("V_NULL", "null"),
    ("V_TILDE", "~"),
    ("V_HEX", "0x1f"),
    ("V_OCTAL", "0755"),
    ("V_EXPONENT", "1e3"),
    ("V_DATE", "2024-01-01"),
    ("V_TRUE", "true"),
    ("V_NUMBER", "5432"),
    ("V_UNICODE", "héllo 日本語 שלום"),
    ("V_EMOJI", "🚀 and 🔑"),
    ("V_SEPARATORS", "a\u{200b}b\u{2028}c\u{a0}d"),
    ("V_SHELL", "$(touch pwned) `id` ${HOME} ; & | > <"),
    ("V_INDICATORS", "%d @at &a *b !t [x] {y} , ? = export A=b"),
    ("V_TOKEN", "ENC[not a token]"),
    ("V_MERGE", "<<"),
    (
        "V_KEY",
        "-----BEGIN KEY-----\nMIIEpQ==\n-----END KEY-----\n",
    ),
];

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Yaml,
    Json,
    Dotenv,
}

const FORMATS: [Format; 3] = [Format::Yaml, Format::Json, Format::Dotenv];

impl Format {
    fn name(self) -> &'static str {
        ["yaml", "json", "dotenv"][self as usize]
    }

    fn extension(self) -> &'static str {
        ["yaml", "json", "env"][self as usize]
    }

    /// The file that `init --format` binds.
    fn bound(self) -> String {
        format!("infra/secrets/prod.enc.{}", self.extension())
    }

    fn plain(self, values: &BTreeMap<String, Value>) -> String {
        match self {
            Self::Json => serde_json::to_string(values).expect("JSON"),
            Self::Yaml => values
                .iter()
                .map(|(k, v)| format!("{k}: {}\n", yaml(v)))
                .collect(),
            Self::Dotenv => values
                .iter()
                .map(|(k, v)| format!("{k}={}\n", dotenv(v)))
                .collect(),
        }
    }
}

/// A double-quoted scalar where everything special is escaped; numbers and booleans as they are.
fn yaml(value: &Value) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            ' '..='~' => c.to_string(),
            c => format!("\\U{:08X}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn dotenv(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| text.replace('\n', "\\n"))
}

fn texts() -> BTreeMap<String, Value> {
    let mut values: BTreeMap<String, Value> = TEXTS
        .iter()
        .map(|(key, text)| ((*key).into(), (*text).into()))
        .collect();
    values.insert("V_LONG".into(), "long ".repeat(12_000).into());
    values
}

/// The file that sops encrypts to alice under a policy of its own.
fn written_by_sops(format: Format, values: &BTreeMap<String, Value>) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let alice = sandbox.key();
    sandbox.write(".sops.yaml", format!("creation_rules:\n  - age: {alice}\n"));
    let file = format!("app.enc.{}", format.extension());
    sandbox.write(&file, format.plain(values));
    sandbox.sops(["encrypt", "-i", &file]).ok();
    (sandbox, file)
}

fn written_by_stax(format: Format) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.key();
    sandbox
        .stax([
            "secrets",
            "init",
            "--env",
            "production",
            "--format",
            format.name(),
        ])
        .ok();
    (sandbox, format.bound())
}

/// What sops reads; it checks the MAC.
fn by_sops(sandbox: &Sandbox, file: &str) -> BTreeMap<String, Value> {
    let output = sandbox
        .sops(["decrypt", "--output-type", "json", file])
        .ok();
    serde_json::from_slice(&output.bytes).unwrap_or_else(|e| panic!("{e}\n{output}"))
}

fn set(sandbox: &Sandbox, file: &str, key: &str, value: &str) -> Output {
    let empty = value.is_empty().then_some("--empty");
    let args = ["secrets", "set", "-f", file, key].into_iter().chain(empty);
    sandbox.stax_with(args, format!("{value}\n"))
}

/// Both print the same, and stax gets each value.
fn both_read(sandbox: &Sandbox, file: &str) {
    let theirs = sandbox.sops(["decrypt", file]).ok();
    sandbox
        .stax(["secrets", "decrypt", file])
        .ok()
        .prints_exactly(&theirs.bytes);
    let listed = sandbox.stax(["secrets", "list", "-f", file, "--json"]).ok();
    for (key, value) in by_sops(sandbox, file) {
        let got = sandbox
            .stax(["secrets", "get", "-f", file, &key, "--no-newline"])
            .ok();
        if let Value::String(text) = value {
            got.prints_exactly(text);
        }
        assert!(
            listed.stdout.contains(&format!("\"{key}\"")),
            "{key} is not listed\n{listed}"
        );
    }
    listed.json();
}

/// The line that holds the token of a key.
fn line_of(text: &str, key: &str) -> String {
    let found = text
        .lines()
        .find(|line| line.trim_start_matches(['\t', '"']).starts_with(key));
    found.expect("the key").trim_end_matches(',').to_string()
}

/// Rewrites `c` to `edited` at the end of its line, as `edit` shows it in any format.
fn replacing(c: char) -> String {
    format!(r#"sed 's/{c}\(["]*,*\)$/edited\1/' "$1" > "$0.new"; cat "$0.new" > "$1""#)
}

fn with_typed(format: Format, mut values: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    if format != Format::Dotenv {
        values.insert("T_INT".into(), 5432.into());
        values.insert("T_NEGATIVE".into(), (-7).into());
        values.insert("T_FLOAT".into(), 1.5.into());
        values.insert("T_BOOL".into(), true.into());
    }
    values
}

#[test]
fn stax_opens_and_lists_what_sops_wrote() {
    let written = FORMATS.map(|format| {
        let values = with_typed(format, texts());
        let (sandbox, file) = written_by_sops(format, &values);
        assert_eq!(
            by_sops(&sandbox, &file),
            values,
            "sops itself, {}",
            format.name()
        );
        (sandbox, file)
    });
    for (sandbox, file) in written {
        both_read(&sandbox, &file);
    }
}

#[test]
fn sops_opens_what_stax_wrote() {
    for format in FORMATS {
        let (sandbox, file) = written_by_stax(format);
        assert!(
            by_sops(&sandbox, &file).is_empty(),
            "the first file holds no value"
        );
        let mut expected = texts();
        for (key, value) in &expected {
            set(&sandbox, &file, key, value.as_str().expect("a text")).ok();
        }
        if format != Format::Dotenv {
            for (key, value, kind) in [
                ("T_INT", "5432", "int"),
                ("T_NEGATIVE", "-7", "int"),
                ("T_BOOL", "true", "bool"),
            ] {
                sandbox.set_typed(key, value, kind).ok();
            }
            sandbox.set_typed("T_FLOAT", "1.5", "float").ok();
            expected = with_typed(format, expected);
        }
        assert_eq!(by_sops(&sandbox, &file), expected, "{}", format.name());
        both_read(&sandbox, &file);
    }
}

#[test]
fn sops_opens_what_stax_changed() {
    for format in FORMATS {
        let values =
            ["A", "B", "C", "D"].map(|key| (key.to_string(), Value::from(key.to_lowercase())));
        let (sandbox, file) = written_by_sops(format, &values.into());
        let before = sandbox.read(&file);
        set(&sandbox, &file, "A", "new\nvalue").ok();
        set(&sandbox, &file, "E", "added").ok();
        sandbox.stax(["secrets", "unset", "-f", &file, "B"]).ok();
        let editor = sandbox.editing(&replacing('c'));
        editor.stax(["secrets", "edit", "-f", &file]).ok();
        let expected = [
            ("A", "new\nvalue"),
            ("C", "edited"),
            ("D", "d"),
            ("E", "added"),
        ];
        let expected: BTreeMap<String, Value> = expected
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        assert_eq!(by_sops(&sandbox, &file), expected, "{}", format.name());
        let untouched = line_of(&before, "D");
        assert!(
            sandbox.read(&file).contains(&untouched),
            "D has another token, was {untouched}"
        );
        both_read(&sandbox, &file);
    }
}

#[test]
fn stax_opens_what_sops_changed() {
    for format in FORMATS {
        let (sandbox, file) = written_by_stax(format);
        for (key, value) in [("A", "a"), ("B", "b"), ("C", "multi\nline")] {
            set(&sandbox, &file, key, value).ok();
        }
        sandbox.sops(["set", &file, r#"["A"]"#, r#""new""#]).ok();
        both_read(&sandbox, &file);
        let editor = sandbox.editing(&replacing('b'));
        editor.sops(["edit", &file]).ok();
        both_read(&sandbox, &file);
        let bob = sandbox.person("bob");
        sandbox.add_to_policy_only(&sandbox.key(), &bob.key());
        sandbox.sops(["updatekeys", "-y", &file]).ok();
        both_read(&sandbox, &file);
        bob.stax(["secrets", "get", "-f", &file, "A"])
            .ok()
            .prints_exactly("new\n");
        sandbox.sops(["rotate", "-i", &file]).ok();
        both_read(&sandbox, &file);
        sandbox.sops(["unset", &file, r#"["B"]"#]).ok();
        both_read(&sandbox, &file);
        set(&sandbox, &file, "A", "again").ok();
        let expected = [("A", "again"), ("C", "multi\nline")];
        let expected: BTreeMap<String, Value> = expected
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        assert_eq!(by_sops(&sandbox, &file), expected, "{}", format.name());
    }
}

/// A document of the vectors, the key to change and its value.
const COMMITTED: [(&str, &str, &str); 3] = [
    ("y01-flat.enc.yaml", "DB_PASSWORD", "s3cr3t-Pa55"),
    ("j01-flat.enc.json", "PASSWORD", "s3cret"),
    ("d01-flat.enc.env", "DB_PASSWORD", "s3cr3t"),
];

fn committed(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox.write(
        name,
        std::fs::read(fixture("sops").join(name)).expect("the document"),
    );
    sandbox.write(".gitattributes", "* -text\n");
    sandbox.commit_all("a document of sops");
    sandbox
}

#[test]
fn one_changed_value_is_a_diff_of_three_lines() {
    for (name, key, _) in COMMITTED {
        let sandbox = committed(name);
        set(&sandbox, name, key, "canary-hunter2")
            .ok()
            .hides("canary-hunter2");
        let diff = sandbox.git(["diff", "--no-textconv", "--numstat"]).ok();
        diff.prints_exactly(format!("3\t3\t{name}\n"));
        assert_eq!(by_sops(&sandbox, name)[key], "canary-hunter2");
    }
}

#[test]
fn setting_the_same_value_changes_no_byte() {
    for (name, key, value) in COMMITTED {
        let sandbox = committed(name);
        let before = sandbox.bytes(name);
        set(&sandbox, name, key, value).ok();
        assert_eq!(before, sandbox.bytes(name), "{name} changed");
    }
}

#[test]
fn an_edit_that_changes_nothing_changes_no_byte() {
    for (name, ..) in COMMITTED {
        let sandbox = committed(name);
        let before = sandbox.bytes(name);
        sandbox
            .editing("touch \"$1\"")
            .stax(["secrets", "edit", "-f", name])
            .ok();
        assert_eq!(before, sandbox.bytes(name), "{name} changed");
    }
}

#[test]
fn an_edited_type_is_kept_and_a_new_value_takes_the_old_type() {
    let sandbox = committed("y01-flat.enc.yaml");
    let file = "y01-flat.enc.yaml";
    set(&sandbox, file, "DB_PORT", "6543").ok();
    set(&sandbox, file, "ENABLED", "false").ok();
    let values = by_sops(&sandbox, file);
    assert_eq!(
        (&values["DB_PORT"], &values["ENABLED"]),
        (&Value::from(6543), &Value::from(false))
    );
    set(&sandbox, file, "DB_PORT", "not a number")
        .exits(2)
        .one_error()
        .hides("not a number");
}
