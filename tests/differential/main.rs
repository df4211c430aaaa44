//! stax against the real sops on random documents.
//!
//! `STAX_TEST_VALUES` sets how many values of each format are tried (1,500 without it) and
//! `STAX_TEST_SEED` where to begin. A failure names its seed and prints the document.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
// the result of a long run is its output
#![allow(clippy::print_stdout)]

use sops_document::tree::{Scalar, Step};
use sops_document::{Document, EditError, Format, Path};

mod dice;
mod flat;
mod oracle;
#[path = "../support/real_sops.rs"]
mod real_sops;
mod scalars;
mod yaml;

use dice::Dice;
use oracle::{Rule, Sops, data_key, sealing};

const VALUES_A_DOCUMENT: usize = 100;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Tally {
    documents: usize,
    values: usize,
    refused: usize,
    damaged: usize,
    survived: usize,
    moved: usize,
    stricter: usize,
    told: usize,
    unreadable: usize,
}

/// Why stax does not seal what sops would lose or read otherwise afterwards.
const STRICTER: [&str; 4] = [
    "a tag that would be lost",
    "lines end in CRLF",
    "a value over several lines",
    "beyond 2^53",
];

fn run(format: Format, author: fn(&mut Dice, usize) -> Vec<u8>) {
    let (first, wanted) = (
        variable("STAX_TEST_SEED", 1),
        variable("STAX_TEST_VALUES", 1_500) as usize,
    );
    let sops = Sops::new();
    let mut tally = Tally::default();
    let mut seed = first;
    // a binary file is one value
    let wanted = if format == Format::Binary {
        wanted / 50
    } else {
        wanted
    };
    while tally.values < wanted {
        let mut dice = Dice::new(seed * 8 + format as u64);
        let size = 1 + dice.below(2 * VALUES_A_DOCUMENT);
        let clear = author(&mut dice, size);
        let rule = Rule::random(&mut dice, format);
        let told = || {
            format!(
                "seed {seed}, {} {}\n{}",
                rule.field,
                rule.text,
                String::from_utf8_lossy(&clear)
            )
        };
        check(format, &clear, &rule, &mut dice, &sops, &mut tally, &told);
        seed += 1;
    }
    let Tally {
        documents,
        values,
        refused,
        damaged,
        survived,
        moved,
        stricter,
        told,
        unreadable,
    } = tally;
    println!(
        "{format:?}: {documents} documents, {values} values, {refused} refused by both, {stricter} by stax, {told} told to be otherwise to sops, {unreadable} unreadable to sops that wrote them, \
         {moved} with a comment elsewhere, {damaged} damaged of which {survived} still open"
    );
    assert!(
        stricter <= documents,
        "{stricter} documents beside {documents} were refused by stax alone"
    );
    assert!(
        unreadable * 10 <= documents,
        "sops could not read {unreadable} documents of its own"
    );
    assert!(
        refused * 5 <= documents,
        "{refused} of {} documents were refused",
        documents + refused
    );
}

#[allow(clippy::too_many_arguments)]
fn check(
    format: Format,
    clear: &[u8],
    rule: &Rule,
    dice: &mut Dice,
    sops: &Sops,
    tally: &mut Tally,
    told: &dyn Fn() -> String,
) {
    let theirs = sops.encrypt(format, clear, rule);
    let ours = oracle::encrypt(dice, format, clear, rule);
    let (theirs, ours) = match (theirs, ours) {
        // sops rounds it before it encrypts it
        (Ok(_), Ok(_))
            if format == Format::Json && clear.windows(18).any(|part| part == scalars::LARGE) =>
        {
            return tally.stricter += 1;
        }
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (Err(_), Err(_)) => return tally.refused += 1,
        // sops writes everything in clear where a rule selects nothing
        (Ok(_), Err(why)) if why.contains("selects no value") => return tally.refused += 1,
        // ini.v1 joins, drops or cannot print some texts that sops seals
        (Ok(_), Err(_)) if format == Format::Ini => return tally.stricter += 1,
        (Ok(_), Err(why)) if STRICTER.iter().any(|what| why.contains(what)) => {
            return tally.stricter += 1;
        }
        (Ok(_), Err(why)) => panic!("stax refuses what sops seals: {why}\n{}", told()),
        (Err(why), Ok(_)) => panic!("stax seals what sops refuses: {why}\n{}", told()),
    };
    // sops moves comments when it writes a document, and then cannot always read its own selection
    let Ok(meaning) = sops.decrypt(format, &theirs) else {
        return tally.unreadable += 1;
    };
    let same = |what: &str, text: &str, found: Result<Vec<u8>, String>| match found {
        Ok(found) if alike(format, &meaning, &found) => {}
        Ok(found) => panic!(
            "{what}: {}\n{text}\n{}",
            difference(&meaning, &found),
            told()
        ),
        Err(why) => panic!("{what}: {why}\n{text}\n{}", told()),
    };
    let is_misread = |text: &&String| !Document::parse(format, text).unwrap().misread().is_empty();
    if let Some(text) = [&theirs, &ours].into_iter().find(is_misread) {
        return misread(format, text, sops, tally, told);
    }
    same(
        "stax opens what sops sealed",
        &theirs,
        oracle::decrypt(format, &theirs),
    );
    let read = sops
        .decrypt(format, &ours)
        .unwrap_or_else(|why| panic!("{why}\n{ours}\n{}", told()));
    assert!(
        values(format, &read) == values(format, &meaning),
        "sops opens what stax sealed\n{ours}\n{}",
        told()
    );
    agree("stax opens what stax sealed", format, &ours, sops, told);
    tally.documents += 1;
    // a comment may stand elsewhere: sops moves some when it writes the document its own way
    tally.moved += usize::from(read != meaning);
    let document = Document::parse(format, &ours).unwrap();
    tally.values += document.tree().leaves().len();
    let rotated = rotated(format, &theirs, dice);
    same(
        "sops opens what stax rotated",
        &rotated,
        sops.decrypt(format, &rotated),
    );
    for text in [&ours, &theirs] {
        edited(format, text, dice, sops, tally, told);
        for _ in 0..4 {
            damage(format, text, dice, sops, tally, told);
        }
    }
}

/// What stax tells of is so: sops reads other values in the text, or none.
fn misread(format: Format, text: &str, sops: &Sops, tally: &mut Tally, told: &dyn Fn() -> String) {
    tally.told += 1;
    let ours = oracle::decrypt(format, text).unwrap();
    if let Ok(theirs) = sops.decrypt(format, text) {
        assert!(
            values(format, &theirs) != values(format, &ours),
            "a false alarm\n{text}\n{}",
            told()
        );
    }
}

/// Everything under a new data key.
fn rotated(format: Format, text: &str, dice: &mut Dice) -> String {
    let document = Document::parse(format, text).unwrap();
    let clear = document.open(&data_key(&document)).unwrap();
    let key = sops_document::DataKey::generate(&mut |buffer| dice.fill(buffer));
    let wrapped = sops_document::age::wrap(&key, &[oracle::ALICE.parse().unwrap()]);
    sealing(dice, &key, |context| clear.rotate(&wrapped, context)).unwrap()
}

/// One value changed by stax, then another by sops: both read the same afterwards.
fn edited(
    format: Format,
    text: &str,
    dice: &mut Dice,
    sops: &Sops,
    tally: &mut Tally,
    told: &dyn Fn() -> String,
) {
    let document = Document::parse(format, text).unwrap();
    let key = data_key(&document);
    let clear = document.open(&key).unwrap();
    let leaves = clear.tree().leaves();
    // both write into the first document
    let end = clear.tree().ends[0];
    let paths: Vec<Path> = leaves
        .iter()
        .filter(|(_, node, _)| node.span.start < end)
        .map(|(path, _, _)| path.clone())
        .collect();
    if paths.is_empty() {
        return;
    }
    let path = dice.pick(&paths).clone();
    let value = scalars::yaml_text(dice).replace("\\n", "x");
    let set = sealing(dice, &key, |context| {
        clear.set(&path, Scalar::str(&value), true, context)
    });
    let set = match set {
        Ok(set) => set,
        Err(EditError::Value(..)) if format == Format::Ini => return,
        Err(error) => panic!("set {path}: {error}\n{text}\n{}", told()),
    };
    let set = set.unwrap_or_else(|| text.to_owned());
    agree("after stax set", format, &set, sops, told);
    let path = bracketed(dice.pick(&paths));
    let Ok(set) = sops.set(format, &set, &path, "\"changed by sops\"") else {
        return;
    };
    // now and then sops prints a document anew in a way that it reads otherwise
    match sops.decrypt(format, &set) {
        Ok(_) => agree("after sops set", format, &set, sops, told),
        Err(_) => tally.unreadable += 1,
    }
}

fn agree(what: &str, format: Format, text: &str, sops: &Sops, told: &dyn Fn() -> String) {
    let theirs = sops
        .decrypt(format, text)
        .unwrap_or_else(|why| panic!("{what}: {why}\n{text}\n{}", told()));
    let ours = oracle::decrypt(format, text)
        .unwrap_or_else(|why| panic!("{what}: {why}\n{text}\n{}", told()));
    assert!(
        alike(format, &theirs, &ours),
        "{what}: {}\n{text}\n{}",
        difference(&theirs, &ours),
        told()
    );
}

fn bracketed(path: &Path) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => format!("[{}]", serde_json::to_string(key).unwrap()),
        Step::Index(index) => format!("[{index}]"),
    };
    path.0.iter().map(step).collect()
}

/// Random damage: what stax still opens, sops opens with the same values.
fn damage(
    format: Format,
    text: &str,
    dice: &mut Dice,
    sops: &Sops,
    tally: &mut Tally,
    told: &dyn Fn() -> String,
) {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + dice.below(3) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len());
        match dice.below(5) {
            0 => bytes[at] = *dice.pick(b"\n #:-[]{}\"'0aA,=\t"),
            1 => {
                let end = (at + dice.below(40)).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            2 => bytes.insert(at, *dice.pick(b"\n #:-\"'0aA,=")),
            3 => {
                let end = (at + dice.below(80)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => drop(bytes.remove(at)),
        }
    }
    let Ok(damaged) = String::from_utf8(bytes) else {
        return;
    };
    tally.damaged += 1;
    let opened = std::panic::catch_unwind(|| open_any(format, &damaged)).unwrap();
    if let Some(ours) = opened {
        if !Document::parse(format, &damaged)
            .unwrap()
            .misread()
            .is_empty()
        {
            return misread(format, &damaged, sops, tally, told);
        }
        let theirs = sops.decrypt(format, &damaged);
        let theirs =
            theirs.unwrap_or_else(|why| panic!("stax is laxer: {why}\n{damaged}\n{}", told()));
        assert!(
            alike(format, &theirs, &ours),
            "damage: {}\n{damaged}\n{}",
            difference(&theirs, &ours),
            told()
        );
        tally.survived += 1;
    }
}

fn open_any(format: Format, text: &str) -> Option<Vec<u8>> {
    let document = Document::parse(format, text).ok()?;
    let identities = oracle::identities();
    let key = document
        .metadata()
        .age
        .iter()
        .find_map(|stanza| sops_document::age::unwrap(stanza, &identities[0]).ok())?;
    let clear = document.open(&key).ok()?;
    oracle::emitted(&clear)
}

/// The same bytes, or for now and then:
/// - sops could not read a comment of its own file (it wrote it with the path of one container and reads
///   it in another) and printed the token: only the values count;
/// - sops prints the comments behind a list that ends in a container some lines too late, or between the
///   dash and the container of the next item: the same lines, dashes aside. Where others follow
///   there, it loses them.
fn alike(format: Format, theirs: &[u8], ours: &[u8]) -> bool {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (a, b) = (text(theirs), text(ours));
    let lines = |text: &str| {
        let bare = text
            .lines()
            .map(|line| line.trim_start_matches(['-', ' ']).trim_end().to_owned());
        let mut lines: Vec<String> = bare.filter(|line| !line.is_empty()).collect();
        lines.sort();
        lines
    };
    let lost = a.contains(",type:comment]") || b.contains(",type:comment]");
    a == b
        || ((lost || lacks_comments(lines(&a), lines(&b)))
            && values(format, theirs) == values(format, ours))
}

/// Whether the sorted lines are the same but for comments that sops lost.
fn lacks_comments(theirs: Vec<String>, ours: Vec<String>) -> bool {
    let mut theirs = theirs.into_iter().peekable();
    let more: Vec<String> = ours
        .into_iter()
        .filter(|line| theirs.next_if_eq(line).is_none())
        .collect();
    theirs.next().is_none() && more.iter().all(|line| line.starts_with('#'))
}

fn values(format: Format, text: &[u8]) -> Vec<(Path, Scalar)> {
    if format == Format::Binary {
        return vec![(
            Path::key("data"),
            Scalar::Str(zeroize::Zeroizing::new(text.to_vec())),
        )];
    }
    let tree = format.parse(std::str::from_utf8(text).unwrap()).unwrap();
    tree.leaves()
        .into_iter()
        .map(|(path, _, leaf)| (path, leaf.scalar.clone()))
        .collect()
}

/// The first line that differs.
fn difference(theirs: &[u8], ours: &[u8]) -> String {
    let (theirs, ours) = (
        String::from_utf8_lossy(theirs),
        String::from_utf8_lossy(ours),
    );
    let mut lines = theirs.lines().zip(ours.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((line, (a, b))) => format!("line {}\n  sops: {a:?}\n  stax: {b:?}\n", line + 1),
        None => format!(
            "{} and {} lines\n--- sops\n{theirs}\n--- stax\n{ours}",
            theirs.lines().count(),
            ours.lines().count()
        ),
    }
}

#[test]
fn yaml_means_the_same_to_both() {
    run(Format::Yaml, |dice, values| {
        yaml::document(dice, values).into_bytes()
    });
}

#[test]
fn json_means_the_same_to_both() {
    run(Format::Json, |dice, values| {
        flat::json(dice, values).into_bytes()
    });
}

#[test]
fn dotenv_means_the_same_to_both() {
    run(Format::Dotenv, |dice, values| {
        flat::dotenv(dice, values).into_bytes()
    });
}

#[test]
fn ini_means_the_same_to_both() {
    run(Format::Ini, |dice, values| {
        flat::ini(dice, values).into_bytes()
    });
}

#[test]
fn binary_means_the_same_to_both() {
    run(Format::Binary, flat::binary);
}
