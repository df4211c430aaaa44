//! Files that are one value: any name that is no other format, any bytes.

use crate::support::{Sandbox, fixture};

const VECTORS: [&str; 5] = [
    "b01-text.enc.txt",
    "b02-nul.enc.bin",
    "b03-nonutf8.enc.bin",
    "b04-empty.enc.bin",
    "b05-jsonlike.enc.pem",
];

/// Names that sops takes as binary, and what may stand in such a file.
const FILES: [(&str, &[u8]); 6] = [
    (
        "tls.pem",
        b"-----BEGIN KEY-----\nMIIEpQ==\n-----END KEY-----\n",
    ),
    ("prod.enc.env.local", b"A=1\n# c\n"),
    ("Secretfile", b"no line break"),
    ("raw.bin", b"\0\xff\xfe ENC[ \r\n\x80"),
    ("nothing", b""),
    ("doc.jsonc", b"{\"sops\": \"a word\"} // ENC[AES256_GCM,\n"),
];

fn alice() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    let alice = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {alice}\n    encrypted_regex: ^nothing$\n"),
    );
    sandbox
}

fn both_print(sandbox: &Sandbox, file: &str, bytes: &[u8]) {
    sandbox.sops(["decrypt", file]).ok().prints_exactly(bytes);
    sandbox
        .stax(["secrets", "decrypt", file])
        .ok()
        .prints_exactly(bytes);
}

#[test]
fn binary_files_are_decrypted_to_the_bytes_of_sops() {
    let sandbox = alice();
    for name in VECTORS {
        let path = fixture("sops").join(name);
        let plain = std::fs::read(fixture("sops").join(name.replace(".enc.", ".dec.")))
            .expect("what sops printed");
        sandbox
            .stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()])
            .ok()
            .prints_exactly(plain);
    }
}

#[test]
fn what_one_seals_the_other_opens_and_writes_alike() {
    let sandbox = alice();
    for (name, bytes) in FILES {
        let lines = |text: &str| -> Vec<String> {
            let cut = |line: &str| line.split("\": \"").next().unwrap_or_default().to_owned();
            text.lines().map(cut).collect()
        };
        sandbox.write(name, bytes);
        sandbox.stax(["secrets", "encrypt", "-i", name]).ok();
        both_print(&sandbox, name, bytes);
        let ours = sandbox.read(name);
        sandbox.write(name, bytes);
        sandbox.sops(["encrypt", "-i", name]).ok();
        both_print(&sandbox, name, bytes);
        assert_eq!(
            lines(&ours),
            lines(&sandbox.read(name)),
            "the layout of {name}"
        );
    }
}

#[test]
fn a_binary_file_is_changed_on_either_side() {
    let sandbox = alice();
    for (name, bytes) in FILES {
        sandbox.write(name, bytes);
        sandbox.stax(["secrets", "encrypt", "-i", name]).ok();
        let before = sandbox.bytes(name);
        sandbox
            .editing("touch \"$1\"")
            .stax(["secrets", "edit", "-f", name])
            .ok();
        assert_eq!(
            sandbox.bytes(name),
            before,
            "{name}: an edit that changes nothing"
        );
        let mut expected = bytes.to_vec();
        expected.extend_from_slice(b"more \xfe\n");
        let editor = sandbox.editing(r#"printf 'more \376\n' >> "$1""#);
        editor.stax(["secrets", "edit", "-f", name]).ok();
        both_print(&sandbox, name, &expected);
        sandbox.sops(["rotate", "-i", name]).ok();
        both_print(&sandbox, name, &expected);
        sandbox
            .stax_with(["secrets", "set", "-f", name, "data"], b"\xffset\n")
            .ok();
        both_print(&sandbox, name, b"\xffset");
        let listed = sandbox.stax(["secrets", "list", "-f", name, "--json"]).ok();
        listed.prints("\"data\"").prints("\"bytes\": 4");
        sandbox
            .stax(["secrets", "get", "-f", name, "data"])
            .ok()
            .prints_exactly(b"\xffset\n");
        sandbox
            .stax(["secrets", "unset", "-f", name, "data"])
            .exits(2)
            .one_error();
        sandbox
            .stax_with(["secrets", "set", "-f", name, "other"], b"x\n")
            .exits(2)
            .one_error();
    }
}

#[test]
fn recipients_of_a_binary_file_come_and_go() {
    let sandbox = Sandbox::initialised();
    let policy = sandbox.read(".sops.yaml");
    let (first, _) = policy.split_once("path_regex: ").expect("a rule");
    let key = sandbox.key();
    sandbox.write(
        ".sops.yaml",
        format!("{first}path_regex: ''\n    age:\n      - {key}\n"),
    );
    sandbox.write("tls.pem", b"-----BEGIN\xff");
    sandbox.write("notes.txt", "sops ENC[AES256_GCM, is a word\n{\n");
    sandbox.stax(["secrets", "encrypt", "-i", "tls.pem"]).ok();
    sandbox.commit_all("a store");
    let bob = sandbox.person("bob");
    sandbox
        .stax([
            "secrets",
            "add-recipient",
            &bob.key(),
            "--name",
            "Bob <bob@example.com>",
        ])
        .ok();
    bob.stax(["secrets", "decrypt", "tls.pem"])
        .ok()
        .prints_exactly(b"-----BEGIN\xff");
    both_print(&sandbox, "tls.pem", b"-----BEGIN\xff");
    sandbox.commit_all("bob reads");
    sandbox.stax(["secrets", "verify"]).ok();
    sandbox
        .stax(["secrets", "rotate"])
        .ok()
        .prints("tls.pem: new data key");
    both_print(&sandbox, "tls.pem", b"-----BEGIN\xff");
    sandbox.commit_all("rotated");
    sandbox.stax(["secrets", "remove-recipient", "bob"]).ok();
    bob.stax(["secrets", "decrypt", "tls.pem"]).exits(3);
    both_print(&sandbox, "tls.pem", b"-----BEGIN\xff");
}

#[test]
fn a_diff_shows_text_and_no_envelope() {
    let sandbox = alice();
    sandbox.write("tls.pem", "one\ntwo\n");
    sandbox.stax(["secrets", "encrypt", "-i", "tls.pem"]).ok();
    let shown = sandbox.stax(["git", "textconv", "tls.pem"]).ok();
    assert!(
        shown.stdout.starts_with("one\ntwo\n#stax data key #"),
        "{shown}"
    );
    let locked = sandbox.keyless().stax(["git", "textconv", "tls.pem"]).ok();
    assert!(locked.stdout.starts_with("«str 8B ~"), "{locked}");
    sandbox
        .stax_with(["secrets", "set", "-f", "tls.pem", "data"], b"\xff\n")
        .ok();
    let raw = sandbox.stax(["git", "textconv", "tls.pem"]).ok();
    assert!(raw.stdout.starts_with("«str 1B ~"), "{raw}");
    sandbox.write("README", "a file that is no document\n");
    sandbox
        .stax(["git", "textconv", "README"])
        .ok()
        .prints_exactly("a file that is no document\n");
}

#[test]
fn a_file_without_metadata_is_no_document() {
    let sandbox = alice();
    for (name, bytes) in FILES {
        sandbox.write(name, bytes);
        sandbox
            .stax(["secrets", "decrypt", name])
            .exits(2)
            .one_error()
            .says("no sops metadata");
    }
    let yaml = std::fs::read(fixture("sops/y01-flat.enc.yaml")).expect("a document");
    sandbox.write("manual.md", yaml);
    let json = std::fs::read(fixture("sops/j01-flat.enc.json")).expect("a document");
    sandbox.write("copy.json.bak", json);
    sandbox
        .stax(["secrets", "decrypt", "copy.json.bak"])
        .exits(2)
        .one_error()
        .says("another format");
    sandbox.commit_all("strangers");
    sandbox.stax(["secrets", "verify"]).ok();
}
