//! A hostile text costs memory and work in proportion to its length, and ends in an answer or a
//! clear error. Nothing here looks at the clock: what is allocated is counted, and a scan inside a
//! scan over these sizes would not end in any patience.

#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};

use sops_document::{DataKey, Document, Format};
use stax::policy::config::Config;
use stax::policy::roster::Roster;
use stax::verify::facts::FileFacts;
use stax::verify::rules::judge_alone;

#[path = "support/hostile_texts.rs"]
mod hostile_texts;
#[path = "support/properties.rs"]
mod properties;

use hostile_texts::{Case, lines};

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
    (
        result,
        ALLOCATED.get() - before,
        usize::try_from(PEAK.get() - live).unwrap_or(0),
    )
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
    for managed in [false, true] {
        let _ = judge_alone(&FileFacts::read(name, managed, Some(text.as_bytes())));
    }
    Ok(())
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
    assert!(
        twice * 10 <= once * 23 + (4 << 20),
        "{name}: {once} bytes, then {twice}"
    );
    let most = 64 * length.max(1 << 20);
    assert!(peak <= most, "{name}: {peak} bytes at once for {length}");
}

fn check(cases: &[Case]) {
    for case in cases {
        let run = |size: usize| {
            let text = hostile_texts::document(case, size);
            (text.len(), read(case.1, &text))
        };
        grows_evenly(case.0, hostile_texts::SIZE, &run, case.3);
    }
}

#[test]
fn a_hostile_yaml_text_costs_what_its_length_allows() {
    check(&hostile_texts::YAML_TEXTS);
}

#[test]
fn what_yaml_repeats_or_stretches_is_bounded() {
    check(&hostile_texts::STRETCHED);
}

#[test]
fn a_hostile_text_of_another_format_does_not_either() {
    check(&hostile_texts::OTHER_TEXTS);
}

/// Each line is a finding, and each finding has the number of its line.
#[test]
fn a_finding_on_every_line_needs_no_count_of_all_lines_before_it() {
    type Lines = (&'static str, fn(usize) -> String);
    let kinds: [Lines; 6] = [
        ("comments", |_| "# c\n".into()),
        ("conflicts", |_| "# stax-conflict A\n".into()),
        ("empty lines", |_| "\n".into()),
        ("empty comments", |_| "#\n".into()),
        ("values in clear", |k| format!("k{k}: 1\n")),
        ("names twice, values in clear", |k| {
            format!("{}{}: 1\n", if k % 2 == 0 { "a" } else { "A" }, k / 2)
        }),
    ];
    for (name, line) in kinds {
        let text = hostile_texts::with_block(Format::Yaml, &(lines(80_000, line) + "z: 1\n"));
        for managed in [false, true] {
            let found = judge_alone(&FileFacts::read("a.yaml", managed, Some(text.as_bytes())));
            // the value behind all of it is still found; of 80,001 values 1,000 are named
            let is_found = found
                .iter()
                .any(|finding| finding.key.as_deref() == Some("z"));
            assert_eq!(
                is_found,
                !name.contains("value"),
                "{name}: {} findings",
                found.len()
            );
        }
    }
}

#[test]
fn a_hostile_policy_does_not_either() {
    const KEY: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
    type Policy = (&'static str, fn(usize) -> String, Option<&'static str>);
    let policies: [Policy; 5] = [
        (
            "rules",
            |n| "creation_rules:\n".to_owned() + &"  - age: x\n".repeat(n),
            Some("rules"),
        ),
        (
            "recipients",
            |n| format!("creation_rules:\n  - age: {}\n", "x,".repeat(n)),
            Some("recipients"),
        ),
        (
            "keys on a line",
            |n| format!("keys: [{}]\n", lines(n, |k| format!("&a{k} {KEY}{k},"))),
            None,
        ),
        ("fields", |n| lines(n, |k| format!("x{k}: 1\n")), None),
        (
            "anchors",
            |n| format!("keys:\n{}", lines(n, |k| format!("  - &a{k} {KEY} # n\n"))),
            None,
        ),
    ];
    for (name, text, says) in policies {
        let run = |size: usize| {
            let text = text(size);
            let config = Config::parse(&text).map_err(|error| error.to_string());
            (
                text.len(),
                config.map(|(config, _)| assert!(config.holders().len() <= size)),
            )
        };
        grows_evenly(name, 5_000, &run, says);
    }
    let run = |size: usize| {
        let table = format!(
            "| Public key | Name | Role | Onboarded |\n|---|---|---|---|\n{}",
            "| a | b | c | d |\n".repeat(size)
        );
        (
            table.len(),
            Roster::parse(&table)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        )
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
            let tree = b"creation_rules:\n  - path_regex: ^a\n    age: age1\n\xff\xff\xff";
            properties::judged(&[tree, data.as_slice()].concat());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}
