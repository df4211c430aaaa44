//! One document from its first encryption to a removed reader, with keys that are thrown away.
//!
//! `cargo run -p sops-document --example life_of_a_document`

use std::error::Error;
use std::io::Write as _;

use sops_document::age::{self, Identity};
use sops_document::{DataKey, Document, Format, Path, Scalar, SealContext, Terms, seal};

const CLEAR: &str = "# who pays\nAPI_KEY: hunter2\nports:\n    - 8080\n";

pub fn main() -> Result<(), Box<dyn Error>> {
    let (ana, bob) = (Identity::generate(), Identity::generate());
    let mut random =
        |buffer: &mut [u8]| getrandom::fill(buffer).expect("the system gives random bytes");

    // seal: a fresh data key, wrapped to ana
    let key = DataKey::generate(&mut random);
    let to_ana = age::wrap(&key, &[ana.recipient()]);
    let mut context = SealContext {
        key: &key,
        now: "2026-01-02T03:04:05Z",
        random: &mut random,
    };
    let first = seal(Format::Yaml, CLEAR, &Terms::of(&to_ana), &mut context)?;

    // open: ana's identity gives the data key, and the data key every value
    let document = Document::parse(Format::Yaml, &first)?;
    let key = age::unwrap(&document.metadata().age[0], &ana)?;
    let opened = document.open(&key)?;
    assert_eq!(opened.layout().as_str(), CLEAR);

    // edit: one value is one line, beside `lastmodified` and `mac`
    let mut context = SealContext {
        key: &key,
        now: "2026-02-03T04:05:06Z",
        random: &mut random,
    };
    let second = opened.set(
        &Path::key("API_KEY"),
        Scalar::str("hunter3"),
        false,
        &mut context,
    )?;
    let second = second.ok_or("the value was there already")?;
    let changed = first
        .lines()
        .zip(second.lines())
        .filter(|(old, new)| old != new)
        .count();
    assert_eq!(changed, 3);

    // rewrap: bob reads too, under the same data key
    let document = Document::parse(Format::Yaml, &second)?;
    let to_both = age::wrap(&key, &[ana.recipient(), bob.recipient()]);
    let third = Document::parse(Format::Yaml, &document.rewrap(&to_both)?)?;

    // rotate: ana leaves, so every value gets a key that she never had
    let new_key = DataKey::generate(&mut random);
    let to_bob = age::wrap(&new_key, &[bob.recipient()]);
    let mut context = SealContext {
        key: &new_key,
        now: "2026-03-04T05:06:07Z",
        random: &mut random,
    };
    let last = third.open(&key)?.rotate(&to_bob, &mut context)?;

    let last = Document::parse(Format::Yaml, &last)?;
    assert!(age::unwrap(&last.metadata().age[0], &ana).is_err());
    let key = age::unwrap(&last.metadata().age[0], &bob)?;
    writeln!(std::io::stdout(), "{}", last.open(&key)?.layout().as_str())?;
    Ok(())
}
