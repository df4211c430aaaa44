//! `stax git textconv` over whatever a folder can hold: it ends well, in time, says nothing on
//! stderr, and prints nothing only for nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Sandbox, fixture};

#[path = "../support/hostile_texts.rs"]
mod hostile_texts;

/// A document of each format, which alice opens, and a name that says so.
const DOCUMENTS: [(&str, &str); 6] = [
    ("x.enc.yaml", "y01-flat.enc.yaml"),
    ("n.enc.yaml", "y02-unicode.enc.yaml"),
    ("x.enc.json", "j02-nested.enc.json"),
    ("x.enc.env", "d02-comments.enc.env"),
    ("x.ini", "i02-comments.enc.ini"),
    ("x.bin", "b02-nul.enc.bin"),
];
/// Larger than any document may be.
const HUGE: usize = 50 << 20;

fn with_key() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox
}

/// What is printed for the bytes under the name.
#[track_caller]
fn converted(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Vec<u8> {
    sandbox.write(name, bytes);
    let output = sandbox.stax(["git", "textconv", name]).ok();
    assert!(output.stderr.is_empty(), "{output}");
    assert_eq!(
        output.bytes.is_empty(),
        bytes.is_empty(),
        "{name}, {} bytes",
        bytes.len()
    );
    output.bytes
}

/// The same where nothing can be understood: the bytes as they are.
#[track_caller]
fn as_it_is(sandbox: &Sandbox, name: &str, bytes: &[u8]) {
    assert!(
        converted(sandbox, name, bytes) == bytes,
        "{name}, {} bytes",
        bytes.len()
    );
}

fn document(name: &str) -> Vec<u8> {
    fs::read(fixture(&format!("sops/{name}"))).expect("a fixture")
}

#[test]
fn what_is_no_document_is_printed_as_it_is() {
    let sandbox = with_key();
    let utf16: Vec<u8> = "\u{feff}a: 1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let table: [&[u8]; 14] = [
        b"",
        b"x",
        b"\n",
        b"\0",
        b"\0\0\0\0",
        b"\xff\xfe\xfd",
        b"a: \xc3\x28\n",
        b"\xef\xbb\xbf",
        &utf16,
        b"a: 1\r\nb: 2\r\n",
        b"sops: x\n",
        b"{\"sops\": {\"mac\": 1}}",
        b"sops_mac=1\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
    ];
    for (name, _) in DOCUMENTS {
        table
            .iter()
            .for_each(|bytes| as_it_is(&sandbox, name, bytes));
    }
}

#[test]
fn a_document_under_any_name_is_printed() {
    let sandbox = with_key();
    for (name, _) in DOCUMENTS {
        for (right, fixture) in DOCUMENTS {
            let text = converted(&sandbox, name, &document(fixture));
            let is_shown = String::from_utf8_lossy(&text).contains("\n#stax data key #");
            assert!(is_shown || name != right, "{fixture} as {name}");
        }
    }
    let dotted = [
        "enc.yaml",
        ".enc.yaml",
        "-.yaml",
        "a b.yaml",
        "ü.yaml",
        "x.YAML",
        "x.enc.yaml.orig",
        "x",
    ];
    dotted
        .iter()
        .for_each(|name| drop(converted(&sandbox, name, &document("y01-flat.enc.yaml"))));
}

#[test]
fn marks_line_ends_and_conflicts_do_not_empty_a_document() {
    let sandbox = with_key();
    for (name, fixture) in DOCUMENTS {
        let text = document(fixture);
        let other = [b"\xef\xbb\xbf".as_slice(), &text].concat();
        converted(&sandbox, name, &other);
        converted(&sandbox, name, &[&text, b"\0".as_slice()].concat());
        converted(
            &sandbox,
            name,
            &String::from_utf8_lossy(&text)
                .replace('\n', "\r\n")
                .into_bytes(),
        );
        let utf16: Vec<u8> = String::from_utf8_lossy(&text)
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        as_it_is(&sandbox, name, &utf16);
        for middle in ["=======\n", "||||||| base\n=======\n"] {
            let parts = [
                b"<<<<<<< ours\n",
                text.as_slice(),
                middle.as_bytes(),
                &text,
                b">>>>>>> theirs\n",
            ];
            as_it_is(&sandbox, name, &parts.concat());
        }
    }
}

#[test]
fn a_document_may_end_anywhere() {
    let sandbox = with_key();
    for (name, fixture) in DOCUMENTS {
        let text = document(fixture);
        (1..text.len())
            .step_by(97)
            .for_each(|end| drop(converted(&sandbox, name, &text[..end])));
    }
}

/// Places that are the same in each run.
fn places(count: usize, below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    })
    .take(count)
}

#[test]
fn a_document_may_have_any_bit_wrong() {
    let sandbox = with_key();
    for (name, fixture) in DOCUMENTS {
        let text = document(fixture);
        for place in places(40, 8 * text.len()) {
            let mut text = text.clone();
            text[place / 8] ^= 1 << (place % 8);
            converted(&sandbox, name, &text);
        }
    }
}

#[test]
fn a_hostile_document_ends_too() {
    use hostile_texts::{OTHER_TEXTS, SIZE, STRETCHED, YAML_TEXTS, document};
    use sops_document::Format;
    let sandbox = with_key();
    for case in YAML_TEXTS.iter().chain(&STRETCHED).chain(&OTHER_TEXTS) {
        let name = match case.1 {
            Format::Yaml => "x.enc.yaml",
            Format::Json => "x.enc.json",
            Format::Dotenv => "x.enc.env",
            Format::Ini => "x.ini",
            Format::Binary => "x.bin",
        };
        println!("{}", case.0);
        converted(&sandbox, name, document(case, SIZE).as_bytes());
    }
    for folder in ["yaml", "dotenv"] {
        for entry in fs::read_dir(fixture("fuzz").join(folder)).expect("what the fuzzer found") {
            let bytes = fs::read(entry.expect("an entry").path()).expect("an input");
            DOCUMENTS
                .iter()
                .for_each(|(name, _)| drop(converted(&sandbox, name, &bytes)));
        }
    }
}

#[test]
fn what_is_too_large_for_a_document_is_printed_as_it_is() {
    let sandbox = with_key();
    let mut noise: Vec<u8> = places(1 << 16, 256)
        .map(|byte| u8::try_from(byte).expect("a byte"))
        .collect();
    while noise.len() < HUGE {
        noise.extend_from_within(..);
    }
    let mut text = b"a: x\n".repeat(HUGE / 5);
    text.extend(document("y01-flat.enc.yaml"));
    for (name, _) in [DOCUMENTS[0], DOCUMENTS[5]] {
        as_it_is(&sandbox, name, &noise);
        as_it_is(&sandbox, name, &text);
    }
}

#[test]
fn what_is_no_file_is_one_line() {
    let sandbox = with_key();
    sandbox
        .sh("mkfifo pipe.yaml; mkdir folder.yaml; ln -s gone.yaml link.yaml; ln -s link2.yaml link2.yaml")
        .ok();
    sandbox.write("secret.yaml", document("y01-flat.enc.yaml"));
    let long = "x".repeat(5000);
    let names = [
        "pipe.yaml",
        "folder.yaml",
        "link.yaml",
        "link2.yaml",
        "absent.yaml",
        "/dev/zero",
        "secret.yaml/x",
        &long,
    ];
    for name in names {
        let output = sandbox.stax(["git", "textconv", name]).ok();
        assert!(output.stderr.is_empty(), "{output}");
        output.prints_exactly("#stax this file cannot be read\n");
    }
    // root reads it all the same
    fs::set_permissions(
        sandbox.path("secret.yaml"),
        fs::Permissions::from_mode(0o000),
    )
    .expect("no permission");
    let output = sandbox.stax(["git", "textconv", "secret.yaml"]).ok();
    assert!(
        output.stderr.is_empty() && !output.bytes.is_empty(),
        "{output}"
    );
}

#[test]
fn a_file_that_is_named_like_an_option_is_shown_as_any_other() {
    for name in ["-q", "--help", "-C", "--color", "--", "--version", "-"] {
        let sandbox = Sandbox::with_store();
        sandbox.write(
            ".gitattributes",
            sandbox.read(".gitattributes") + "/-* diff=stax\n",
        );
        sandbox.write(name, "one\n");
        sandbox.git(["add", "--all"]).ok();
        sandbox.write(name, "two\n");
        let diff = sandbox.git(["diff", "--", name]).ok().hides("fatal");
        assert_eq!(diff.changed_lines(), ["-one", "+two"], "{diff}");
    }
}

#[test]
fn without_a_repository_or_a_home_it_prints_as_well() {
    let sandbox = Sandbox::without_git();
    sandbox.take_key("alice");
    let text = document("y01-flat.enc.yaml");
    converted(&sandbox, "x.enc.yaml", &text);
    let lost = sandbox
        .with("HOME", "/nowhere")
        .with("XDG_CONFIG_HOME", "/nowhere")
        .with("CI", "1");
    let output = lost.stax(["git", "textconv", "x.enc.yaml"]).ok();
    output
        .prints("B ~")
        .hides("ENC[")
        .prints("#stax data key unknown");
}
