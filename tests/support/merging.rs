//! Documents with data keys by number, and their merges: for the tables of `sops-document`'s merge
//! and for the oracle.

use super::*;

pub(super) fn sealing<T>(key: &DataKey, call: impl FnOnce(&mut SealContext<'_>) -> T) -> T {
    let mut state = 1_u64;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
    };
    call(&mut SealContext {
        key,
        now: "2026-01-02T03:04:05Z",
        random: &mut random,
    })
}

pub(super) fn wrapped() -> Vec<WrappedKey> {
    vec![WrappedKey {
        recipient: "age1first".into(),
        enc: "armor\n".into(),
    }]
}

pub(super) fn key(number: u8) -> DataKey {
    DataKey::new([number; 32])
}

pub(super) fn version(format: Format, clear: &str, number: u8) -> Cleartext {
    let stanzas = wrapped();
    let text = sealing(&key(number), |context| {
        seal(format, clear, &Terms::of(&stanzas), context)
    });
    let text = text.unwrap_or_else(|error| panic!("{error}: {clear}"));
    Document::parse(format, &text)
        .unwrap()
        .open(&key(number))
        .unwrap()
}

/// Merges under the data key that the numbers ask for, and opens the result again.
pub(super) fn merge(
    format: Format,
    o: Option<&str>,
    a: &str,
    b: &str,
    keys: [u8; 3],
) -> (Cleartext, KeyChanges) {
    let base = o.map(|o| version(format, o, keys[0]));
    let (ours, theirs) = (version(format, a, keys[1]), version(format, b, keys[2]));
    let merged = values(base.as_ref(), &ours, &theirs, None).unwrap();
    let number = match keys {
        [_, a, b] if a == b => a,
        [o, a, b] if o == a => b,
        [o, a, b] if o == b => a,
        _ => 9,
    };
    let stanzas = wrapped();
    let wrapped = (number != keys[1]).then_some(Wrapped::Whole(&stanzas));
    let sides = SidesWithKey {
        is_ours: number == keys[1],
        is_theirs: number == keys[2],
    };
    let text = sealing(&key(number), |context| merged.seal(sides, wrapped, context));
    let text = text
        .unwrap_or_else(|error| panic!("{error}\n--- base\n{o:?}\n--- ours\n{a}\n--- theirs\n{b}"));
    let opened = Document::parse(format, &text)
        .unwrap()
        .open(&key(number))
        .unwrap();
    (opened, merged.changes)
}

pub(super) fn names(paths: &[Path]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}
