//! SOPS documents of the benches, the same in every run.

use sops_document::age::wrap;
use sops_document::{DataKey, Format, SealContext, Terms, seal};

/// A YAML document for one reader, under a data key of its seed.
pub fn sealed(seed: u64, recipient: &str, clear: &str) -> String {
    let mut counter = seed;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            counter = counter
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (counter >> 56) as u8;
        }
    };
    let key = DataKey::generate(&mut random);
    let wrapped = wrap(&key, &[recipient.parse().expect("a recipient")]);
    let mut context = SealContext {
        key: &key,
        now: "2026-01-02T03:04:05Z",
        random: &mut random,
    };
    seal(Format::Yaml, clear, &Terms::of(&wrapped), &mut context).expect("a document")
}
