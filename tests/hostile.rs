//! A hostile text costs memory and work in proportion to its length, and ends in an answer or a clear
//! error. Nothing here looks at the clock: what is allocated is counted, and a scan inside a scan over
//! these sizes would not end in any patience.

#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};

use stax::policy::config::Config;
use stax::policy::roster::Roster;
use stax::policy::rules::{Facts, FileFacts, judge};
use stax::sops::{DataKey, Document, Format};

#[path = "support/properties.rs"]
mod properties;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(more: usize, less: usize) {
    // a thread that ends may still free something
    let _ = ALLOCATED.try_with(|all| all.set(all.get() + more));
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + more as isize - less as isize);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it is
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `work` gives, the bytes that it allocated, and the most that it held at once.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (before, live) = (ALLOCATED.get(), LIVE.get());
    PEAK.set(live);
    let result = work();
    (result, ALLOCATED.get() - before, usize::try_from(PEAK.get() - live).unwrap_or(0))
}

const YAML: &str = include_str!("../fixtures/sops/y01-flat.enc.yaml");
const JSON: &str = include_str!("../fixtures/sops/j01-flat.enc.json");
const DOTENV: &str = include_str!("../fixtures/sops/d01-flat.enc.env");
const INI: &str = include_str!("../fixtures/sops/i01-basic.enc.ini");
const TOKEN: &str = "ENC[AES256_GCM,data:dtOk/9l/54pXSYQ=,iv:DImBrQrCimAobzmg2Ax3LMzSe/iZ5KSJVF7dWE5Gg1c=,tag:vTVhcrm7Q0lEM1nu3FA+Gw==,type:comment]";

/// A text with the metadata of a real file.
fn with_block(format: Format, text: &str) -> String {
    match format {
        Format::Yaml => format!("{text}{}", &YAML[YAML.find("sops:\n").unwrap()..]),
        Format::Json => format!("{{{text},{}", &JSON[JSON.find("\"sops\"").unwrap()..]),
        Format::Binary => format!("{{\"data\": \"{text}\",{}", &JSON[JSON.find("\"sops\"").unwrap()..]),
        Format::Dotenv => {
            let block = DOTENV.split_inclusive('\n').filter(|line| line.starts_with("sops_"));
            format!("{text}{}", block.collect::<String>())
        }
        Format::Ini => format!("{text}\n{}", &INI[INI.find("[sops]").unwrap()..]),
    }
}

/// Everything that reads without a key, and an attempt with a wrong one.
fn read(format: Format, text: &str) -> Result<(), String> {
    let name = match format {
        Format::Yaml => "a.yaml",
        Format::Json => "a.json",
        Format::Dotenv => "a.env",
        Format::Ini => "a.ini",
        Format::Binary => "a.bin",
    };
    let document = Document::parse(format, text).map_err(|error| error.to_string())?;
    assert!(document.open(&DataKey::new([1; 32])).is_err());
    assert!(!document.layout_with(&properties::Masked).is_empty());
    let files = vec![FileFacts::read(name, false, Some(text.as_bytes()))];
    let _ = judge(&Facts { files, ..Facts::default() });
    Ok(())
}

/// A hostile text of a size; what the error says, if it is one.
type Case = (&'static str, Format, fn(usize) -> String, Option<&'static str>);

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// The same text twice as long: the same answer for about twice the work.
fn grows_evenly(
    name: &str,
    size: usize,
    run: &dyn Fn(usize) -> (usize, Result<(), String>),
    says: Option<&str>,
) {
    let ((_, first), once, _) = measured(|| run(size));
    let ((length, second), twice, peak) = measured(|| run(2 * size));
    for result in [first, second] {
        match (result, says) {
            (Ok(()), None) => {}
            (Err(error), Some(says)) => assert!(error.contains(says), "{name}: {error}"),
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
    assert!(twice * 10 <= once * 23 + (4 << 20), "{name}: {once} bytes, then {twice}");
    let most = 64 * length.max(1 << 20);
    assert!(peak <= most, "{name}: {peak} bytes at once for {length}");
}

fn check(cases: &[Case], size: usize) {
    for (name, format, text, says) in cases {
        let run = |size: usize| {
            let text = text(size);
            // `!`: the case wrote the metadata itself
            let whole = text.strip_prefix('!').map(str::to_owned);
            let text = whole.unwrap_or_else(|| with_block(*format, &text));
            (text.len(), read(*format, &text))
        };
        grows_evenly(name, size, &run, *says);
    }
}

#[test]
fn a_hostile_yaml_text_costs_what_its_length_allows() {
    use Format::Yaml;
    let cases: [Case; 11] = [
        ("comments", Yaml, |n| "# c\n".repeat(n) + "a: 1\n", None),
        ("inline comments", Yaml, |n| lines(n, |k| format!("k{k}: 1 # c\n")), None),
        ("feet", Yaml, |n| lines(n / 4, |k| format!("k{k}:\n  c: 1\n  # x\n\n# y\n\n")), None),
        ("keys", Yaml, |n| lines(n, |k| format!("k{k}: 1\n")), None),
        ("brackets", Yaml, |n| format!("a: {}", "[".repeat(n)), Some("levels deep")),
        ("braces", Yaml, |n| format!("a: {}", "{".repeat(n)), Some("not a string")),
        ("dashes", Yaml, |n| format!("a:\n{}\n", "- ".repeat(n)), Some("levels deep")),
        ("question marks", Yaml, |n| "? ".repeat(n), Some("not a string")),
        ("documents", Yaml, |n| "---\n".repeat(n), Some("no sops metadata")),
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
    check(&cases, 5_000);
}

#[test]
fn what_yaml_repeats_or_stretches_is_bounded() {
    use Format::Yaml;
    let cases: [Case; 15] = [
        ("anchors", Yaml, |n| lines(n, |k| format!("k{k}: &a{k} 1\n")), None),
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
            |n| format!("a: &a \"{}\"\nl: [{}]\n", "x".repeat(n * 8), "*a,".repeat(n)),
            Some("far more"),
        ),
        (
            "tag directives",
            Yaml,
            |n| format!("!{}---\na: 1\n", lines(n, |k| format!("%TAG !x{k}! tag:x\n"))),
            Some("directives"),
        ),
        ("a long line", Yaml, |n| format!("a: [{}] # c\n", "x,".repeat(n)), None),
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
                    text.replace("unencrypted_suffix: _unencrypted", "encrypted_comment_regex: a|b")
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
        ("a plain scalar", Yaml, |n| format!("a: {}\n", "x".repeat(n * 100)), None),
        ("a literal", Yaml, |n| format!("a: |\n{}", "  x\n".repeat(n * 10)), None),
        ("quotes that do not close", Yaml, |n| format!("a: \"{}", "x\n ".repeat(n)), Some("did not find")),
        (
            "stanzas",
            Yaml,
            |n| {
                let entries = "        - {recipient: a, enc: b}\n".repeat(n / 2);
                format!(
                    "!{}",
                    with_block(Yaml, "a: 1\n").replace("    lastmodified", &(entries + "    lastmodified"))
                )
            },
            None,
        ),
        ("line separators", Yaml, |n| format!("b: 1\n{}a: 1\n", "#\u{2028}#\u{85}".repeat(n)), None),
        (
            "merge keys",
            Yaml,
            |n| format!("a: &a {{b: 1}}\n{}", lines(n / 4, |k| format!("m{k}:\n  <<: *a\n"))),
            None,
        ),
    ];
    check(&cases, 5_000);
}

#[test]
fn a_hostile_text_of_another_format_does_not_either() {
    use Format::{Binary, Dotenv, Ini, Json};
    let cases: [Case; 19] = [
        ("objects", Json, |n| format!("\"a\": [{}{{}}]", "{},".repeat(n)), None),
        ("a million objects", Json, |n| format!("\"a\": [{}{{}}]", "{},".repeat(n * 50)), Some("values")),
        ("names", Json, |n| lines(n, |k| format!("\"k{k}\":0,")) + "\"z\":0", None),
        ("brackets", Json, |n| format!("\"a\": {}", "[".repeat(n)), Some("levels deep")),
        ("a string", Json, |n| format!("\"a\": \"{}\"", "x\\n".repeat(n * 50)), None),
        ("a number", Json, |n| format!("\"a\": {}", "1".repeat(n)), Some("range")),
        (
            "a long name",
            Json,
            |n| format!("\"{}\": [{}0]", "k".repeat(n * 50), "0,".repeat(n)),
            Some("proportion"),
        ),
        ("comment tokens", Json, |n| format!("\"a\": [{}0]", format!("\"{TOKEN}\",").repeat(n / 2)), None),
        ("lines", Dotenv, |n| lines(n, |k| format!("k{k}=1\n")), None),
        ("a million lines", Dotenv, |n| lines(n * 50, |k| format!("k{k}=\n")), Some("values and comments")),
        ("metadata lines", Dotenv, |n| lines(n, |k| format!("sops_x{k}=1\n")), Some("metadata lines")),
        ("comments", Dotenv, |n| "#\n".repeat(n), None),
        ("a value", Dotenv, |n| format!("a={}\n", "x\\n".repeat(n * 50)), None),
        ("keys", Ini, |n| format!("[a]\n{}", lines(n, |k| format!("k{k}=1\n"))), None),
        ("sections", Ini, |n| lines(n, |k| format!("[s{k}]\na=1\n")), None),
        ("empty sections", Ini, |n| lines(n * 50, |k| format!("[s{k}]\n")), Some("keys and sections")),
        ("a value of many lines", Ini, |n| format!("a=\"\"\"{}\"\"\"\n", "x\n".repeat(n * 50)), None),
        ("a payload", Binary, |n| "QUJD".repeat(n * 50), None),
        ("no payload", Binary, |n| format!("!{{\"sops\" \"mac\"{}", "{".repeat(n)), Some("expected")),
    ];
    check(&cases, 5_000);
}

#[test]
fn a_hostile_policy_does_not_either() {
    const KEY: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
    type Policy = (&'static str, fn(usize) -> String, Option<&'static str>);
    let policies: [Policy; 5] = [
        ("rules", |n| "creation_rules:\n".to_owned() + &"  - age: x\n".repeat(n), Some("rules")),
        ("recipients", |n| format!("creation_rules:\n  - age: {}\n", "x,".repeat(n)), Some("recipients")),
        ("keys on a line", |n| format!("keys: [{}]\n", lines(n, |k| format!("&a{k} {KEY}{k},"))), None),
        ("fields", |n| lines(n, |k| format!("x{k}: 1\n")), None),
        ("anchors", |n| format!("keys:\n{}", lines(n, |k| format!("  - &a{k} {KEY} # n\n"))), None),
    ];
    for (name, text, says) in policies {
        let run = |size: usize| {
            let text = text(size);
            let config = Config::parse(&text).map_err(|error| error.to_string());
            (text.len(), config.map(|(config, _)| assert!(config.holders().len() <= size)))
        };
        grows_evenly(name, 5_000, &run, says);
    }
    let run = |size: usize| {
        let table = format!(
            "| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n{}",
            "| a | b | c | d |\n".repeat(size)
        );
        (table.len(), Roster::parse(&table).map(|_| ()).map_err(|error| error.to_string()))
    };
    grows_evenly("roster", 15_000, &run, None);
}

/// The inputs that the fuzzer found, by target; the name says what was wrong.
#[test]
fn what_the_fuzzer_found_stays_fixed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz");
    for (name, property) in properties::ALL {
        for path in files(&root.join(name)) {
            let data = std::fs::read(&path).unwrap();
            let result = std::panic::catch_unwind(|| property(&data));
            assert!(result.is_ok(), "{}", path.display());
        }
    }
}

/// The properties hold for what the real tools wrote.
#[test]
fn the_fixtures_have_every_property() {
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sops")) {
        let data = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        match name.rsplit('.').next().unwrap() {
            "yaml" => properties::yaml(&data),
            "json" => properties::json(&data),
            "env" => properties::dotenv(&data),
            "ini" => properties::ini(&data),
            _ => {}
        }
        if name.contains(".enc.") {
            properties::metadata(&data);
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}
