//! Documents that the real sops wrote, and what it prints for them.

use serde_yaml::Value;

use crate::support::{Output, Sandbox, fixture};

const FLAT_YAML: [&str; 15] = [
    "y01-flat",
    "y02-unicode",
    "y03-multiline",
    "y04-special-strings",
    "y05-long",
    "y13-numbers",
    "y14-timestamps",
    "y15-bools",
    "y28-empty-doc",
    "y30-crlf-input",
    "y31-bom-input",
    "y33-open-ended",
    "y35-flat-200",
    "y41-quoted-keys",
    "y42-doc-start-marker",
];

const FLAT_JSON: [&str; 5] = [
    "j01-flat",
    "j03-numbers",
    "j04-escapes",
    "j06-empty",
    "j07-unenc-suffix",
];

const DOTENV: [&str; 9] = [
    "d01-flat",
    "d02-comments",
    "d03-quotes-escapes",
    "d04-odd-keys",
    "d05-unicode",
    "d06-crlf",
    "d07-suffix",
    "d08-empty",
    "d10-mac-only",
];

const NESTED: [&str; 22] = [
    "y06-empty.yaml",
    "y07-comments.yaml",
    "y08-nested.yaml",
    "y09-k8s-secret.yaml",
    "y10-k8s-multidoc.yaml",
    "y11-multidoc.yaml",
    "y12-anchors-merge.yaml",
    "y16-unenc-suffix.yaml",
    "y17-enc-suffix.yaml",
    "y18-unenc-regex.yaml",
    "y19-enc-comment-regex.yaml",
    "y20-unenc-comment-regex.yaml",
    "y21-mac-only-encrypted.yaml",
    "y32-flow-input.yaml",
    "y34-duplicate-list-items.yaml",
    "y36-after-set.yaml",
    "y37-after-unset.yaml",
    "y38-after-edit.yaml",
    "j02-nested.json",
    "j08-regex.json",
    "y41-quoted-keys.yaml",
    "j03-numbers.json",
];

fn alice() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.take_key("alice");
    sandbox
}

fn decrypt(sandbox: &Sandbox, name: &str, extension: &str) -> (Output, Vec<u8>) {
    let path = fixture(&format!("sops/{name}.enc.{extension}"));
    let expected = fixture(&format!("sops/{name}.dec.{extension}"));
    let output = sandbox.stax(["secrets".as_ref(), "decrypt".as_ref(), path.as_os_str()]);
    (output, std::fs::read(expected).expect("what sops printed"))
}

fn opens_byte_for_byte(names: &[&str], extension: &str) {
    let sandbox = alice();
    for name in names {
        let (output, expected) = decrypt(&sandbox, name, extension);
        output.ok().prints_exactly(expected);
    }
}

#[test]
fn flat_yaml_is_decrypted_to_the_bytes_of_sops() {
    opens_byte_for_byte(&FLAT_YAML, "yaml");
}

#[test]
fn flat_json_is_decrypted_to_the_bytes_of_sops() {
    opens_byte_for_byte(&FLAT_JSON, "json");
}

#[test]
fn dotenv_is_decrypted_to_the_bytes_of_sops() {
    opens_byte_for_byte(&DOTENV, "env");
}

#[test]
fn nested_documents_are_decrypted_to_the_bytes_of_sops() {
    let sandbox = alice();
    for file in NESTED {
        let (name, extension) = file.split_once('.').expect("an extension");
        let (output, expected) = decrypt(&sandbox, name, extension);
        output.ok().prints_exactly(&expected);
    }
}

#[test]
fn the_indent_of_the_policy_decides_the_layout() {
    let sandbox = alice();
    sandbox.write(
        ".sops.yaml",
        "stores: {yaml: {indent: 2}, json: {indent: 2}}\n",
    );
    for (name, extension) in [("y26-indent2", "yaml"), ("j09-indent2", "json")] {
        let file = format!("{name}.enc.{extension}");
        let source = std::fs::read_to_string(fixture("sops").join(&file)).expect("a vector");
        sandbox.write(&file, source);
        let expected =
            std::fs::read(fixture(&format!("sops/{name}.dec.{extension}"))).expect("a vector");
        sandbox
            .stax(["secrets", "decrypt", &file])
            .ok()
            .prints_exactly(&expected);
        sandbox
            .sops(["decrypt", &file])
            .ok()
            .prints_exactly(&expected);
    }
}

fn meaning(text: &str) -> Vec<Value> {
    use serde::Deserialize;
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap_or_else(|e| panic!("{e}\n{text}")))
        .collect()
}

#[test]
fn duplicate_keys_that_sops_opens_are_refused() {
    let sandbox = alice();
    for (name, extension) in [("d11-dup", "env"), ("j05-dup-keys", "json")] {
        decrypt(&sandbox, name, extension).0.exits(2).one_error();
    }
}

#[test]
fn a_split_data_key_is_refused_or_opened_but_never_half() {
    let (output, _) = decrypt(&alice(), "d09-shamir", "env");
    output.exits_with_one_of(&[2, 3]).one_error();
}

#[test]
fn a_text_with_a_leading_tab_is_not_lost_as_sops_loses_it() {
    let (output, _) = decrypt(&alice(), "y29-tab-dataloss", "yaml");
    let output = output.ok();
    let plain =
        std::fs::read_to_string(fixture("sops/y29-tab-dataloss.plain.yaml")).expect("the input");
    assert_eq!(meaning(&output.stdout), meaning(&plain), "{output}");
}

#[test]
fn textconv_shows_the_values_of_nested_documents() {
    let sandbox = alice();
    for (name, value) in [
        ("y08-nested.enc.yaml", "a"),
        ("y09-k8s-secret.enc.yaml", "stringData"),
    ] {
        let path = fixture("sops").join(name);
        let output = sandbox
            .stax(["git".as_ref(), "textconv".as_ref(), path.as_os_str()])
            .ok();
        output
            .prints(value)
            .prints("#stax ")
            .hides("ENC[AES256_GCM");
    }
}
