//! Keeps the house as `src/lib.rs` draws it: who may import whom, who may touch the outside, how
//! heavy a file and a function may be, how many types share a name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "support/rust_text.rs"]
mod rust_text;

use rust_text::{code_only, crate_paths, functions, mentions, tokens, type_names, without_tests};

/// The floor of each module, and its rank where a floor has an order inside.
const HOUSE: [(&str, u8, u8); 15] = [
    ("policy", 0, 0),
    ("environment", 0, 1),
    ("leak", 0, 2),
    ("ledger", 0, 3),
    ("repo", 1, 0),
    ("keyring", 1, 0),
    ("disk", 1, 0),
    ("process", 1, 0),
    ("trace", 1, 0),
    ("inventory", 2, 0),
    ("workspace", 2, 1),
    ("verify", 2, 2),
    ("cli", 3, 0),
    // the binary and the map stand outside
    ("main", 4, 0),
    ("lib", 4, 0),
];

/// What all but the pure floor may write to.
const TRACE: &str = "trace";

/// What only one place may name. A module owns its file and its folder.
const OWNED: [(&str, &str); 14] = [
    ("git2", "src/repo"),
    ("clap", "src/cli"),
    ("clap_complete", "src/cli"),
    ("clap_mangen", "src/cli"),
    // the scanner of YAML, and two switches of libgit2
    (
        "unsafe",
        "crates/sops-document/src/syntax/yaml or src/repo/open",
    ),
    ("print!", "src/cli/ui"),
    ("println!", "src/cli/ui"),
    ("eprint!", "src/cli/ui"),
    ("eprintln!", "src/cli/ui"),
    ("aes_gcm", "crates/sops-document/src/cipher"),
    // who looks for a rule finds all that it says in one place
    ("Finding::new", "src/verify/rules"),
    ("Finding::error", "src/verify/rules"),
    ("Finding::warning", "src/verify/rules"),
    ("Finding::notice", "src/verify/rules"),
];

/// The engine: a crate that cargo keeps from importing anything of the house.
const ENGINE: &str = "crates/sops-document/src";

/// What the engine and the pure floor never touch: time and randomness are arguments there.
const OUTSIDE: [&str; 9] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::net",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "getrandom",
];

/// Tokens, because lines can be packed. These are the heaviest of today, and come down with them: a
/// function that reads well has a fifth.
const FILE_TOKENS: usize = 5_800;
const FUNCTION_TOKENS: usize = 820;

struct Source {
    /// Relative to the crate, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// `src/repo/walk.rs` belongs to `repo`.
    fn module(&self) -> &str {
        let inner = self.path.trim_start_matches("src/");
        inner
            .split('/')
            .next()
            .unwrap_or(inner)
            .trim_end_matches(".rs")
    }

    fn is_pure(&self) -> bool {
        self.path.starts_with(ENGINE) || place(self.module()).is_some_and(|(floor, _)| floor == 0)
    }

    fn belongs_to(&self, owner: &str) -> bool {
        self.path == format!("{owner}.rs") || self.path.starts_with(&format!("{owner}/"))
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a source folder") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root)
                    .expect("beneath the crate")
                    .to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("source text");
                found.push(Source {
                    path: name.replace('\\', "/"),
                    text,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The house and the engine beneath it.
fn code() -> Vec<Source> {
    let mut all = sources("src");
    all.extend(sources(ENGINE));
    all
}

fn place(module: &str) -> Option<(u8, u8)> {
    HOUSE
        .iter()
        .find(|(name, ..)| *name == module)
        .map(|(_, floor, rank)| (*floor, *rank))
}

fn wrong_imports(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some((floor, rank)) = place(module) else {
        return vec![format!(
            "{}: `{module}` stands on no floor of the house",
            source.path
        )];
    };
    let code = without_tests(&code_only(&source.text));
    let mut wrong = Vec::new();
    for (line, imported) in crate_paths(&code) {
        let Some((its_floor, its_rank)) = place(&imported) else {
            continue;
        };
        let ordered = floor != 1;
        let fine = imported == module
            || its_floor < floor
            || (its_floor == floor && ordered && its_rank < rank)
            || (floor > 0 && imported == TRACE);
        if !fine {
            wrong.push(format!(
                "{}:{line}: `{module}` may not import `{imported}`",
                source.path
            ));
        }
    }
    wrong
}

fn wrong_mentions(source: &Source) -> Vec<String> {
    let code = without_tests(&code_only(&source.text));
    let mut wrong = Vec::new();
    for (name, owner) in OWNED {
        if !owner.split(" or ").any(|owner| source.belongs_to(owner)) {
            let lines = mentions(&code, name);
            wrong.extend(
                lines
                    .iter()
                    .map(|n| format!("{}:{n}: only {owner} uses `{name}`", source.path)),
            );
        }
    }
    if source.is_pure() {
        for name in OUTSIDE {
            let lines = mentions(&code, name);
            wrong.extend(
                lines
                    .iter()
                    .map(|n| format!("{}:{n}: is pure and uses `{name}`", source.path)),
            );
        }
    }
    wrong
}

fn too_heavy(source: &Source) -> Vec<String> {
    let mut heavy = Vec::new();
    let (path, code) = (&source.path, code_only(&source.text));
    let whole = tokens(&code);
    if whole > FILE_TOKENS {
        heavy.push(format!("{path}: {whole} tokens, at most {FILE_TOKENS}"));
    }
    for (line, name, weight) in functions(&code) {
        if weight > FUNCTION_TOKENS {
            heavy.push(format!(
                "{path}:{line}: `{name}` has {weight} tokens, at most {FUNCTION_TOKENS}"
            ));
        }
    }
    heavy
}

/// Of 100 definitions of types at most so many share their name with another. Every command has its
/// `Args`.
const SHARED_NAMES: usize = 15;

#[test]
fn few_types_share_a_name() {
    let mut names: Vec<String> = Vec::new();
    for source in code()
        .iter()
        .filter(|source| !source.path.contains("tests"))
    {
        names.extend(type_names(&without_tests(&code_only(&source.text))));
    }
    let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let shared: Vec<String> = names
        .iter()
        .filter(|name| is_shared(name))
        .cloned()
        .collect();
    assert!(names.len() > 400, "types are found");
    assert!(
        shared.len() * 100 < names.len() * SHARED_NAMES,
        "of {}: {}",
        names.len(),
        shared.join(" ")
    );
}

fn assert_none(what: &str, violations: &[String]) {
    let mut list = String::new();
    for violation in violations {
        let _ = writeln!(list, "  {violation}");
    }
    assert!(violations.is_empty(), "{what}:\n{list}");
}

/// What lists the paths of a tree, tells a document by its bytes, or asks a name for a format.
const SEEKS: [&str; 7] = [
    "index_entries",
    "beside_index",
    "ignored_files",
    "Format::of_path",
    "Format::said_by",
    "looks_sealed",
    "sniff",
];

/// Which files are secret is asked of the inventory. Who looks beside it, and why.
const SEEKERS: [(&str, &str); 17] = [
    (
        "src/policy",
        "what the bytes of one file say: the inventory asks it",
    ),
    ("src/leak", "secret keys in any text"),
    (
        "src/workspace",
        "one file that was named: what its name says comes into the message",
    ),
    ("src/workspace/history", "versions of the log, blob by blob"),
    (
        "src/workspace/leaks",
        "hooks open a limited number of blobs, the likely ones first",
    ),
    (
        "src/workspace/past",
        "namesakes of a blob, for textconv, which waits for no whole tree",
    ),
    (
        "src/workspace/secret_files",
        "hands on what one pass over a file tells",
    ),
    ("src/workspace/stories", "where policies stand"),
    (
        "src/verify",
        "facts of every file, also of those that are no secret files",
    ),
    ("src/cli/git/filter", "bytes that git hands over"),
    ("src/cli/vault/link", "a bound file is what its name says"),
    ("src/cli/secrets/init", "a new file is what its name says"),
    ("src/cli/secrets/encrypt", "plaintext is what its name says"),
    (
        "src/cli/secrets/resolve",
        "the sides of a conflict stand in the index alone",
    ),
    (
        "src/cli/secrets/install/guard",
        "names that a pattern of the guard covers anyway",
    ),
    ("src/cli/secrets/scan", "searches every file"),
    ("src/cli/secrets/scrub", "objects that no path leads to"),
];

fn seeks(source: &Source) -> bool {
    let code = without_tests(&code_only(&source.text));
    SEEKS.iter().any(|name| !mentions(&code, name).is_empty())
}

/// `src/workspace` is the file of that room alone, `src/workspace/history` also its folder.
fn is_seeker(source: &Source, owner: &str) -> bool {
    match owner {
        "src/workspace" => source.path == "src/workspace.rs",
        owner => source.belongs_to(owner),
    }
}

#[test]
fn secret_files_are_found_in_one_room() {
    let mut seeking: Vec<Source> = sources("src").into_iter().filter(seeks).collect();
    seeking.retain(|source| !["inventory", "repo"].contains(&source.module()));
    seeking.retain(|source| !source.path.contains("tests"));
    let is_known = |source: &&Source| SEEKERS.iter().any(|(owner, _)| is_seeker(source, owner));
    let new: Vec<String> = seeking
        .iter()
        .filter(|source| !is_known(source))
        .map(|it| it.path.clone())
        .collect();
    assert_none(
        "look for secret files by themselves; ask the inventory",
        &new,
    );
    let is_idle = |owner: &str| !seeking.iter().any(|source| is_seeker(source, owner));
    let idle: Vec<String> = SEEKERS
        .iter()
        .filter(|(owner, _)| is_idle(owner))
        .map(|(owner, _)| (*owner).to_owned())
        .collect();
    assert_none(
        "do not look for files any more; take them out of the list",
        &idle,
    );
}

#[test]
fn who_looks_for_files_is_seen() {
    for (text, expected) in [
        ("fn f() { repo.index_entries() }", true),
        ("fn f() { let format = Format::of_path(path); }", true),
        ("fn f() { families.of_path(path) }", false),
        ("// index_entries", false),
        (
            "#[cfg(test)]\nmod tests {\n    fn f() { sniff(b) }\n}",
            false,
        ),
    ] {
        assert_eq!(
            seeks(&Source::new("src/cli/secrets/list.rs", text)),
            expected,
            "{text}"
        );
    }
}

/// Where a program called git is started: what stands between it and the configuration of a
/// repository is there.
const STARTS_GIT: [&str; 3] = [
    "src/repo/plumbing.rs",
    "src/workspace/git.rs",
    "src/cli/secrets/install/global.rs",
];

#[test]
fn git_is_started_in_few_places() {
    let starts = |source: &Source| {
        let code = without_tests(&source.text);
        code.contains("Command::new(\"git\")") || code.contains("[\"git\"")
    };
    let mut found: Vec<String> = sources("src")
        .into_iter()
        .filter(starts)
        .map(|source| source.path)
        .collect();
    found.retain(|path| !path.contains("tests"));
    let mut known = STARTS_GIT.map(str::to_owned);
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

/// Where a format is asked what it is, and everywhere else what it can do.
const FORMATS: &str = "crates/sops-document/src/syntax";

/// Outside of it a format is named where a person or a program chooses one.
const FORMAT_NAMES: usize = 20;

fn format_names(source: &Source) -> usize {
    if source.belongs_to(FORMATS)
        || source.path.ends_with("tests.rs")
        || source.path.contains("/tests/")
    {
        return 0;
    }
    let code = without_tests(&code_only(&source.text));
    let names = ["Yaml", "Json", "Dotenv", "Ini", "Binary"];
    names
        .iter()
        .map(|name| code.matches(&format!("Format::{name}")).count())
        .sum()
}

#[test]
fn few_places_name_a_format() {
    let named = code()
        .iter()
        .map(|source| (format_names(source), source.path.clone()))
        .collect::<Vec<_>>();
    let count: usize = named.iter().map(|(count, _)| count).sum();
    let places: Vec<String> = named
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, path)| format!("{path}: {count}"))
        .collect();
    assert!(
        count < FORMAT_NAMES,
        "{count} places name a format:\n  {}",
        places.join("\n  ")
    );
    let source = Source::new("src/disk.rs", "fn f() { Format::Yaml; } // Format::Json");
    assert_eq!(format_names(&source), 1);
}

#[test]
fn modules_import_only_from_lower_floors() {
    let wrong: Vec<String> = sources("src").iter().flat_map(wrong_imports).collect();
    assert_none("imports against the floors", &wrong);
}

#[test]
fn each_outside_thing_has_one_owner() {
    let wrong: Vec<String> = code().iter().flat_map(wrong_mentions).collect();
    assert_none("used outside its owner", &wrong);
}

#[test]
fn files_and_functions_stay_readable() {
    let mut heavy: Vec<String> = code().iter().flat_map(too_heavy).collect();
    heavy.extend(sources("tests").iter().flat_map(too_heavy));
    assert_none("too heavy", &heavy);
}

#[test]
fn an_import_against_the_floors_is_reported() {
    let table = [
        ("src/policy/roster.rs", "use crate::ledger::Epoch;", 1),
        ("src/policy.rs", "use crate::{ledger::Epoch, cli::Ui};", 2),
        ("src/ledger.rs", "fn f() { crate::repo::open() }", 1),
        ("src/disk.rs", "use crate::process::Child;", 1),
        (
            "src/workspace.rs",
            "use crate::{\n    repo,\n    cli::{ui::Ui},\n};",
            1,
        ),
        ("src/cellar.rs", "", 1),
        ("src/disk.rs", "use crate::trace;", 0),
        ("src/policy.rs", "use crate::trace;", 1),
        ("src/ledger.rs", "use crate::{policy::{self, Policy}};", 0),
        (
            "src/cli/edit.rs",
            "use crate::{disk, workspace::Workspace};",
            0,
        ),
        (
            "src/policy/roster.rs",
            "// use crate::cli;\nconst T: &str = \"crate::cli\";",
            0,
        ),
        (
            "src/policy/roster.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::ledger::Epoch;\n}",
            0,
        ),
    ];
    for (path, text, expected) in table {
        let wrong = wrong_imports(&Source::new(path, text));
        assert_eq!(wrong.len(), expected, "{path}: {text}\nreported: {wrong:?}");
    }
}

#[test]
fn a_foreign_tool_is_reported() {
    let table = [
        ("src/workspace.rs", "use git2::Repository;", 1),
        ("src/repo/walk.rs", "use git2::Repository;", 0),
        ("src/repo.rs", "use git2::Repository;", 0),
        ("src/policy.rs", "#[derive(clap::Args)]", 1),
        (
            "src/verify/range.rs",
            "found.push(Finding::error(RuleId::F01, path, why))",
            1,
        ),
        (
            "src/verify/rules/file.rs",
            "Finding::error(RuleId::F01, path, why)",
            0,
        ),
        ("src/cli/edit.rs", "fn f() { println!(\"{}\", 1) }", 1),
        ("src/cli/ui.rs", "fn f() { eprintln!(\"{}\", 1) }", 0),
        (
            "crates/sops-document/src/syntax/json.rs",
            "unsafe { f() }",
            1,
        ),
        (
            "crates/sops-document/src/syntax/yaml/events.rs",
            "unsafe { f() }",
            0,
        ),
        ("src/repo/open.rs", "unsafe { f() }", 0),
        ("src/repo/object.rs", "unsafe { f() }", 1),
        ("src/policy/vault.rs", "// unsafe\nlet s = \"println!\";", 0),
        (
            "crates/sops-document/src/syntax/json.rs",
            "let t = std::time::SystemTime::now(); std::fs::read(p)",
            2,
        ),
        ("src/disk.rs", "std::fs::read(p)", 0),
    ];
    for (path, text, expected) in table {
        let wrong = wrong_mentions(&Source::new(path, text));
        assert_eq!(wrong.len(), expected, "{path}: {text}\nreported: {wrong:?}");
    }
}

#[test]
fn a_heavy_file_and_a_heavy_function_are_reported() {
    // `step`, two brackets and a semicolon
    let body = |steps: usize| "    step();\n".repeat(steps);
    let function = |steps: usize| format!("fn walk() {{\n{}}}\n", body(steps));
    let heavy = function(FUNCTION_TOKENS / 4 + 1) + "fn short() { let brace = '{'; }\n";
    assert_eq!(too_heavy(&Source::new("src/disk.rs", &heavy)).len(), 1);
    assert_eq!(
        too_heavy(&Source::new(
            "src/disk.rs",
            &function(FUNCTION_TOKENS / 4 - 2)
        ))
        .len(),
        0
    );
    assert_eq!(
        too_heavy(&Source::new("src/disk.rs", &body(FILE_TOKENS / 4 + 1))).len(),
        1
    );
}
