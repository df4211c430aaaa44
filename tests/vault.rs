//! `.stax/vault.json`: what the published schema says, the parser does, on examples good and bad.

use std::path::{Path, PathBuf};

use stax::policy::vault::{Vault, VaultError};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vault");

fn schema() -> jsonschema::Validator {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/vault.schema.json"
    ));
    let schema = serde_json::from_str(&text.expect("the schema")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn examples(kind: &str) -> Vec<(PathBuf, String)> {
    let folder = std::fs::read_dir(Path::new(FOLDER).join(kind)).expect("examples");
    let mut found: Vec<(PathBuf, String)> = folder
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                path.clone(),
                std::fs::read_to_string(&path).expect("an example"),
            )
        })
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn fits(schema: &jsonschema::Validator, text: &str) -> bool {
    schema.is_valid(&serde_json::from_str(text).expect("JSON"))
}

#[test]
fn schema_and_parser_accept_the_same_examples() {
    let schema = schema();
    for (path, text) in examples("good") {
        let vault =
            Vault::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(fits(&schema, &text), "{}", path.display());
        // what stax writes of it reads the same, and loses nothing
        let written = vault.render();
        assert!(fits(&schema, &written), "{written}");
        let again = Vault::parse(&written).expect("its own writing");
        assert_eq!(
            again,
            vault.clone().edited().expect("a sound file"),
            "{written}"
        );
        assert_eq!(again.render(), written);
    }
}

#[test]
fn schema_and_parser_refuse_the_same_examples() {
    let schema = schema();
    for (path, text) in examples("bad") {
        assert!(
            Vault::parse(&text).is_err(),
            "the parser takes {}",
            path.display()
        );
        assert!(!fits(&schema, &text), "the schema takes {}", path.display());
    }
}

#[test]
fn the_parser_refuses_what_a_schema_cannot_say() {
    let schema = schema();
    for (path, text) in examples("meaning") {
        assert!(Vault::parse(&text).is_err(), "{}", path.display());
        assert!(fits(&schema, &text), "{}", path.display());
    }
}

#[test]
fn a_binding_beside_later_fields_keeps_each_of_them() {
    let (_, text) = examples("good")
        .into_iter()
        .find(|(path, _)| path.ends_with("two-all.json"))
        .expect("it");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let mut vault = Vault::parse(&text).expect("a sound file");
    vault
        .add("infra/secrets/dev.enc.yaml", "development")
        .expect("a sound binding");
    let (mut old, new) = (value(&text), value(&vault.render()));
    let files = old["files"].as_array_mut().expect("files");
    files.push(serde_json::json!({"path": "infra/secrets/dev.enc.yaml", "env": "development"}));
    assert_eq!(new, old);
}

#[test]
fn the_version_is_the_smallest_that_the_content_needs() {
    for (path, text) in examples("good") {
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let later = [
            "roster",
            "postquantum",
            "readers",
            "vars",
            "keys",
            "backends",
        ];
        let expected = if later.iter().any(|field| value.get(field).is_some()) {
            2
        } else {
            1
        };
        let vault = Vault::parse(&text).expect("a sound file");
        assert_eq!(vault.version(), expected, "{}", path.display());
        let written: serde_json::Value = serde_json::from_str(&vault.render()).expect("JSON");
        assert_eq!(written["version"], expected);
        assert_eq!(written.get("stax").is_some(), expected == 2);
    }
}

#[test]
fn a_newer_file_names_what_it_needs_and_what_is_known_of_it_still_binds() {
    let text = r#"{"version": 3, "stax": "0.4", "backend": "sops-age", "shape": {"of": "things"}, "files": [
        {"path": "a.enc.yaml", "env": "a"}, {"path": "../b", "env": "b"}, {"path": "c.enc.yaml", "env": "c", "mode": 1}, 7],
        "allow": [{"rule": "F04E", "path": "a.enc.yaml", "why": "x"}, {"rule": "F03", "path": "a.enc.yaml", "why": "x"}]}"#;
    let error = Vault::parse(text).expect_err("a newer one");
    assert_eq!(
        error,
        VaultError::Newer {
            version: 3,
            needs: Some("0.4".into())
        }
    );
    let said = "version 3 needs stax ≥ 0.4; this is stax 0.1.0, which knows versions 1 and 2";
    assert_eq!(
        error.to_string(),
        said.replace("0.1.0", env!("CARGO_PKG_VERSION"))
    );
    let known = Vault::known(text).expect("what is known");
    let paths: Vec<&str> = known.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.enc.yaml", "c.enc.yaml"]);
    // whether a rule knows exceptions is for the judge
    assert_eq!(known.allow.len(), 2);
    // a number that is no release is not repeated
    let odd = text.replace("0.4", "; rm -rf /");
    assert!(
        Vault::parse(&odd)
            .expect_err("a newer one")
            .to_string()
            .contains("needs a newer stax;")
    );
    for broken in ["{\"version\": 1}", "{", "{\"version\": 3", "[]"] {
        assert!(Vault::known(broken).is_err(), "{broken}");
    }
}
