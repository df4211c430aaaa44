//! Texts that cost a reader more than their length allows, unless it takes care: shared by the test
//! that counts what they cost and by the one that lets git show them.

use sops_document::Format;
use sops_document::Format::{Binary, Dotenv, Ini, Json, Yaml};

const YAML: &str = include_str!("../../fixtures/sops/y01-flat.enc.yaml");
const JSON: &str = include_str!("../../fixtures/sops/j01-flat.enc.json");
const DOTENV: &str = include_str!("../../fixtures/sops/d01-flat.enc.env");
const INI: &str = include_str!("../../fixtures/sops/i01-basic.enc.ini");
const TOKEN: &str = "ENC[AES256_GCM,data:dtOk/9l/54pXSYQ=,iv:DImBrQrCimAobzmg2Ax3LMzSe/iZ5KSJVF7dWE5Gg1c=,tag:vTVhcrm7Q0lEM1nu3FA+Gw==,type:comment]";

/// The text with the metadata of a real file.
pub fn with_block(format: Format, text: &str) -> String {
    let block = |of: &'static str, mark: &str| {
        of.find(mark)
            .map(|at| &of[at..])
            .expect("a block of metadata")
    };
    match format {
        Format::Yaml => format!("{text}{}", block(YAML, "sops:\n")),
        Format::Json => format!("{{{text},{}", block(JSON, "\"sops\"")),
        Format::Binary => format!("{{\"data\": \"{text}\",{}", block(JSON, "\"sops\"")),
        Format::Dotenv => {
            let block = DOTENV
                .split_inclusive('\n')
                .filter(|line| line.starts_with("sops_"));
            format!("{text}{}", block.collect::<String>())
        }
        Format::Ini => format!("{text}\n{}", block(INI, "[sops]")),
    }
}

/// A hostile text of a size; what the error says, if it is one.
pub type Case = (
    &'static str,
    Format,
    fn(usize) -> String,
    Option<&'static str>,
);

pub fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// The size that the tests take.
pub const SIZE: usize = 5_000;

/// The whole document of a case.
pub fn document(case: &Case, size: usize) -> String {
    let text = case.2(size);
    // `!`: the case wrote the metadata itself
    let whole = text.strip_prefix('!').map(str::to_owned);
    whole.unwrap_or_else(|| with_block(case.1, &text))
}

pub const YAML_TEXTS: [Case; 11] = [
    ("comments", Yaml, |n| "# c\n".repeat(n) + "a: 1\n", None),
    (
        "inline comments",
        Yaml,
        |n| lines(n, |k| format!("k{k}: 1 # c\n")),
        None,
    ),
    (
        "feet",
        Yaml,
        |n| lines(n / 4, |k| format!("k{k}:\n  c: 1\n  # x\n\n# y\n\n")),
        None,
    ),
    ("keys", Yaml, |n| lines(n, |k| format!("k{k}: 1\n")), None),
    (
        "brackets",
        Yaml,
        |n| format!("a: {}", "[".repeat(n)),
        Some("levels deep"),
    ),
    (
        "braces",
        Yaml,
        |n| format!("a: {}", "{".repeat(n)),
        Some("not a string"),
    ),
    (
        "dashes",
        Yaml,
        |n| format!("a:\n{}\n", "- ".repeat(n)),
        Some("levels deep"),
    ),
    (
        "question marks",
        Yaml,
        |n| "? ".repeat(n),
        Some("not a string"),
    ),
    (
        "documents",
        Yaml,
        |n| "---\n".repeat(n),
        Some("no sops metadata"),
    ),
    (
        "more documents",
        Yaml,
        |n| format!("!{}{}", with_block(Yaml, ""), "---\n".repeat(n)),
        Some("block"),
    ),
    (
        "copies",
        Yaml,
        |n| {
            let block = with_block(Yaml, "a: 1\n");
            format!("!{}", vec![block; n / 200].join("---\n"))
        },
        None,
    ),
];

pub const STRETCHED: [Case; 15] = [
    (
        "anchors",
        Yaml,
        |n| lines(n, |k| format!("k{k}: &a{k} 1\n")),
        None,
    ),
    (
        "nested anchors",
        Yaml,
        |n| {
            let open = lines(90, |k| format!("&a{k} ["));
            format!("a: {open}{}{}\n", "0,".repeat(n), "]".repeat(90))
        },
        Some("anchors"),
    ),
    (
        "aliases",
        Yaml,
        |n| format!("a: &a [{}]\nl: [{}]\n", "x,".repeat(n), "*a,".repeat(n)),
        Some("more than"),
    ),
    (
        "an alias of a long text",
        Yaml,
        |n| {
            format!(
                "a: &a \"{}\"\nl: [{}]\n",
                "x".repeat(n * 8),
                "*a,".repeat(n)
            )
        },
        Some("far more"),
    ),
    (
        "tag directives",
        Yaml,
        |n| {
            format!(
                "!{}---\na: 1\n",
                lines(n, |k| format!("%TAG !x{k}! tag:x\n"))
            )
        },
        Some("directives"),
    ),
    (
        "a long line",
        Yaml,
        |n| format!("a: [{}] # c\n", "x,".repeat(n)),
        None,
    ),
    (
        "comment tokens on a line",
        Yaml,
        |n| format!("a: [{}]\n", format!("\"{TOKEN}\",").repeat(n / 2)),
        None,
    ),
    (
        "a marking comment",
        Yaml,
        |n| {
            let text = with_block(Yaml, &("# c\n".repeat(n) + "a: 1\n"));
            format!(
                "!{}",
                text.replace(
                    "unencrypted_suffix: _unencrypted",
                    "encrypted_comment_regex: a|b"
                )
            )
        },
        None,
    ),
    (
        "a long key",
        Yaml,
        |n| format!("? {}\n: [{}]\n", "k".repeat(n * 50), "0,".repeat(n)),
        Some("proportion"),
    ),
    (
        "a plain scalar",
        Yaml,
        |n| format!("a: {}\n", "x".repeat(n * 100)),
        None,
    ),
    (
        "a literal",
        Yaml,
        |n| format!("a: |\n{}", "  x\n".repeat(n * 10)),
        None,
    ),
    (
        "quotes that do not close",
        Yaml,
        |n| format!("a: \"{}", "x\n ".repeat(n)),
        Some("did not find"),
    ),
    (
        "stanzas",
        Yaml,
        |n| {
            let entries = "        - {recipient: a, enc: b}\n".repeat(n / 2);
            format!(
                "!{}",
                with_block(Yaml, "a: 1\n")
                    .replace("    lastmodified", &(entries + "    lastmodified"))
            )
        },
        None,
    ),
    (
        "line separators",
        Yaml,
        |n| format!("b: 1\n{}a: 1\n", "#\u{2028}#\u{85}".repeat(n)),
        None,
    ),
    (
        "merge keys",
        Yaml,
        |n| {
            format!(
                "a: &a {{b: 1}}\n{}",
                lines(n / 4, |k| format!("m{k}:\n  <<: *a\n"))
            )
        },
        None,
    ),
];

pub const OTHER_TEXTS: [Case; 19] = [
    (
        "objects",
        Json,
        |n| format!("\"a\": [{}{{}}]", "{},".repeat(n)),
        None,
    ),
    (
        "a million objects",
        Json,
        |n| format!("\"a\": [{}{{}}]", "{},".repeat(n * 50)),
        Some("values"),
    ),
    (
        "names",
        Json,
        |n| lines(n, |k| format!("\"k{k}\":0,")) + "\"z\":0",
        None,
    ),
    (
        "brackets",
        Json,
        |n| format!("\"a\": {}", "[".repeat(n)),
        Some("levels deep"),
    ),
    (
        "a string",
        Json,
        |n| format!("\"a\": \"{}\"", "x\\n".repeat(n * 50)),
        None,
    ),
    (
        "a number",
        Json,
        |n| format!("\"a\": {}", "1".repeat(n)),
        Some("range"),
    ),
    (
        "a long name",
        Json,
        |n| format!("\"{}\": [{}0]", "k".repeat(n * 50), "0,".repeat(n)),
        Some("proportion"),
    ),
    (
        "comment tokens",
        Json,
        |n| format!("\"a\": [{}0]", format!("\"{TOKEN}\",").repeat(n / 2)),
        None,
    ),
    ("lines", Dotenv, |n| lines(n, |k| format!("k{k}=1\n")), None),
    (
        "a million lines",
        Dotenv,
        |n| lines(n * 50, |k| format!("k{k}=\n")),
        Some("values and comments"),
    ),
    (
        "metadata lines",
        Dotenv,
        |n| lines(n, |k| format!("sops_x{k}=1\n")),
        Some("metadata lines"),
    ),
    ("comments", Dotenv, |n| "#\n".repeat(n), None),
    (
        "a value",
        Dotenv,
        |n| format!("a={}\n", "x\\n".repeat(n * 50)),
        None,
    ),
    (
        "keys",
        Ini,
        |n| format!("[a]\n{}", lines(n, |k| format!("k{k}=1\n"))),
        None,
    ),
    (
        "sections",
        Ini,
        |n| lines(n, |k| format!("[s{k}]\na=1\n")),
        None,
    ),
    (
        "empty sections",
        Ini,
        |n| lines(n * 50, |k| format!("[s{k}]\n")),
        Some("keys and sections"),
    ),
    (
        "a value of many lines",
        Ini,
        |n| format!("a=\"\"\"{}\"\"\"\n", "x\n".repeat(n * 50)),
        None,
    ),
    ("a payload", Binary, |n| "QUJD".repeat(n * 50), None),
    (
        "no payload",
        Binary,
        |n| format!("!{{\"sops\" \"mac\"{}", "{".repeat(n)),
        Some("expected"),
    ),
];
