//! Documents changed behind the writer's back: refused with a code that says why, never opened, and
//! never the death of `git diff`.

use crate::support::{Sandbox, fixture};

/// A value, the MAC or a stanza does not authenticate.
const INTEGRITY: &[i32] = &[4];
/// The document cannot be read.
const MALFORMED: &[i32] = &[2];
/// A token or the metadata is not what any writer writes; both readings are honest.
const EITHER: &[i32] = &[2, 4];
/// No stanza opens, which a reader may see as damage or as a missing identity.
const UNOPENED: &[i32] = &[2, 3, 4];

const REFUSED: [(&str, &[i32]); 50] = [
    ("01-value-tampered.yaml", INTEGRITY),
    ("02-iv-tampered.yaml", INTEGRITY),
    ("03-tag-tampered.yaml", INTEGRITY),
    ("04-values-swapped.yaml", INTEGRITY),
    ("05-key-renamed.yaml", INTEGRITY),
    ("06-keys-reordered.yaml", INTEGRITY),
    ("07-key-deleted.yaml", INTEGRITY),
    ("08-list-items-swapped.yaml", INTEGRITY),
    ("09-mac-removed.yaml", INTEGRITY),
    ("10-mac-emptied.yaml", INTEGRITY),
    ("11-lastmodified-changed.yaml", INTEGRITY),
    ("12-lastmodified-missing.yaml", EITHER),
    ("13-unencrypted-changed.yaml", INTEGRITY),
    ("17-duplicate-key-top.yaml", MALFORMED),
    // sops opens these two; a second key with an empty value would win in some readers
    ("18-duplicate-key-nested-empty.yaml", MALFORMED),
    ("60-json-duplicate-empty.json", MALFORMED),
    ("23-type-str-to-comment.yaml", EITHER),
    ("24-type-bytes.yaml", EITHER),
    ("25-type-unknown.yaml", EITHER),
    ("26-type-int-bad.yaml", EITHER),
    // sops opens these two as well; no writer writes them
    ("27-trailing-after-bracket.yaml", EITHER),
    ("28-tag-bytes-moved-to-data.yaml", EITHER),
    ("29-plaintext-in-encrypted-slot.yaml", EITHER),
    ("30-number-in-encrypted-slot.yaml", EITHER),
    ("31-malformed-base64.yaml", EITHER),
    ("38-recipient-stanza-replaced.yaml", INTEGRITY),
    ("39-datakey-wrong-length.yaml", UNOPENED),
    ("40-stanza-corrupted.yaml", UNOPENED),
    ("41-suffix-rule-changed.yaml", EITHER),
    ("42-rule-hides-ciphertext.yaml", INTEGRITY),
    ("44-two-rules.yaml", MALFORMED),
    ("45-mac-only-added.yaml", INTEGRITY),
    // sops opens the empty one
    ("46-second-doc-appended-empty.yaml", MALFORMED),
    ("47-second-doc-appended-clear.yaml", MALFORMED),
    ("48-truncated-metadata.yaml", MALFORMED),
    ("49-truncated-value.yaml", MALFORMED),
    ("50-empty-file.yaml", MALFORMED),
    ("51-metadata-missing.yaml", MALFORMED),
    ("52-metadata-not-map.yaml", MALFORMED),
    ("53-no-recipients.yaml", UNOPENED),
    ("54-version-missing.yaml", MALFORMED),
    ("55-anchor-duplicated-value.yaml", EITHER),
    ("61-json-trailing-garbage.json", MALFORMED),
    ("62-json-truncated.json", MALFORMED),
    ("63-json-number-in-slot.json", EITHER),
    ("64-json-value-tampered.json", INTEGRITY),
    ("65-json-unencrypted-changed.json", INTEGRITY),
    ("66-json-duplicate-sops.json", MALFORMED),
    ("67-json-reordered.json", INTEGRITY),
    ("71-env-mac-removed.env", INTEGRITY),
];

const REFUSED_DOTENV: [(&str, &[i32]); 6] = [
    ("70-env-duplicate-empty.env", MALFORMED),
    ("72-env-value-tampered.env", INTEGRITY),
    ("73-env-metadata-missing.env", MALFORMED),
    ("74-env-bad-line.env", MALFORMED),
    ("75-env-lastmodified.env", INTEGRITY),
    ("76-env-crlf.env", MALFORMED),
];

const REFUSED_BINARY: [(&str, &[i32]); 3] = [
    ("80-bin-tampered.bin", INTEGRITY),
    // sops opens these two, the second as an empty file
    ("81-bin-extra-key.bin", MALFORMED),
    ("82-bin-data-duplicate.bin", MALFORMED),
];

fn refused() -> impl Iterator<Item = &'static (&'static str, &'static [i32])> {
    REFUSED.iter().chain(&REFUSED_DOTENV).chain(&REFUSED_BINARY)
}

/// Values that the untouched documents hold.
const SECRETS: [&str; 3] = ["secret-one", "secret-two", "s3cret"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox
}

#[test]
fn tampered_documents_are_refused_with_a_code_that_says_why() {
    let sandbox = sandbox();
    for (name, codes) in refused() {
        let path = fixture("sops/tampered").join(name);
        let output = sandbox.stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()]);
        let output = output.exits_with_one_of(codes).one_error();
        SECRETS
            .iter()
            .fold(output, |output, secret| output.hides(secret));
    }
}

#[test]
fn what_stax_opens_sops_opens_with_the_same_values() {
    let sandbox = sandbox();
    let mut opened = 0;
    for entry in std::fs::read_dir(fixture("sops/tampered")).expect("the folder") {
        let path = entry.expect("an entry").path();
        let ours = sandbox.stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()]);
        if ours.code == 0 {
            let theirs = sandbox.sops(["decrypt".as_ref(), path.as_os_str()]).ok();
            ours.prints_exactly(&theirs.bytes);
            opened += 1;
        }
    }
    assert!(opened > 10, "only {opened} documents open");
}

#[test]
fn untouched_documents_open_as_sops_opens_them() {
    let sandbox = sandbox();
    for name in [
        "base-flat.yaml",
        "base-doc.json",
        "base-app.env",
        "base-blob.bin",
    ] {
        let path = fixture("sops/tampered").join(name);
        let theirs = sandbox.sops(["decrypt".as_ref(), path.as_os_str()]).ok();
        let ours = sandbox
            .stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()])
            .ok();
        ours.prints_exactly(&theirs.bytes);
    }
}

#[test]
fn textconv_shows_something_of_every_tampered_document() {
    let sandbox = sandbox();
    for (name, _) in refused() {
        let path = fixture("sops/tampered").join(name);
        for person in [sandbox.keyless(), sandbox.person("ana")] {
            let output = person
                .stax(["git".as_ref(), "textconv".as_ref(), path.as_os_str()])
                .ok();
            let empty = std::fs::metadata(&path).expect("the document").len() == 0;
            assert!(empty || !output.bytes.is_empty(), "nothing shown of {name}");
        }
    }
}

#[test]
fn a_wrong_mac_is_named_in_the_trailer_of_textconv() {
    let sandbox = sandbox();
    let path = fixture("sops/tampered/07-key-deleted.yaml");
    let output = sandbox
        .stax(["git".as_ref(), "textconv".as_ref(), path.as_os_str()])
        .ok();
    output.prints("#stax ").hides("mac ok");
}

#[test]
fn a_stranger_is_told_that_no_identity_opens() {
    let sandbox = Sandbox::new();
    sandbox.take_key("ci");
    let path = fixture("sops/y01-flat.enc.yaml");
    let output = sandbox.stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()]);
    output.exits(3).one_error().says("no identity opens");
}
