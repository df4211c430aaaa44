use super::*;

const TWO: &str = r#"{
  "version": 1,
  "backend": "sops-age",
  "files": [
    {"path": "infra/secrets/prod.enc.yaml", "env": "production"},
    {"path": "infra/secrets/dev.enc.yaml", "env": "development"}
  ]
}
"#;

#[test]
fn binds_files_to_environments() {
    let mut vault = Vault::new();
    vault
        .add("infra/secrets/prod.enc.yaml", "production")
        .unwrap();
    vault
        .add("infra/secrets/dev.enc.yaml", "development")
        .unwrap();
    vault
        .add("infra/secrets/dev.enc.yaml", "development")
        .unwrap();
    assert_eq!(vault.render(), TWO);
    assert_eq!(Vault::parse(TWO).unwrap(), vault);
    assert_eq!(
        vault
            .file_for_env("production")
            .map(|file| file.path.as_str()),
        Some("infra/secrets/prod.enc.yaml")
    );
    assert_eq!(
        vault.env_for_path("infra/secrets/dev.enc.yaml"),
        Some("development")
    );
    assert!(vault.file_for_env("staging").is_none() && vault.env_for_path("x").is_none());
    assert_eq!(Vault::parse(&Vault::new().render()).unwrap(), Vault::new());
}

#[test]
fn the_one_line_form_reads_the_same() {
    let text =
        r#"{"version": 1, "backend": "sops-age", "files": [{"path": "a.enc.yaml", "env": "a"}]}"#;
    assert_eq!(
        Vault::parse(&Vault::parse(text).unwrap().render()).unwrap(),
        Vault::parse(text).unwrap()
    );
}

#[test]
fn a_path_stays_beneath_the_root() {
    let long = "a/".repeat(600) + "b";
    for path in [
        "",
        ".",
        "..",
        "./a.yaml",
        "../a.yaml",
        "a/../../b.yaml",
        "../../other/infra/secrets/prod.enc.yaml",
        "a/./b",
        "a//b",
        "a/",
        "/etc/passwd",
        "//host/share",
        "~/a",
        "~root/a",
        "C:\\a",
        "C:/a",
        "c:a",
        "a\\b",
        "..\\a",
        "a\0b",
        "a\nb",
        "a\u{1b}[2J",
        "a\u{7f}",
        "a\u{85}",
        ".git/config",
        ".GIT/hooks/pre-commit",
        "sub/.Git/config",
        "GIT~1/config",
        ".git./config",
        ".git /config",
        ".g\u{200c}it/config",
        "a\u{202e}b",
        "a.yaml.",
        "a.yaml ",
        " a.yaml",
        "dir./a",
        "a.yaml::$DATA",
        "-rf",
        "--output=x",
        "\u{feff}a",
        long.as_str(),
    ] {
        assert!(
            matches!(check_path(path), Err(VaultError::Path { .. })),
            "{path:?}"
        );
        let error = Vault::new().add(path, "a").unwrap_err().to_string();
        assert!(
            !error.contains(['\0', '\n', '\u{1b}', '\u{7f}', '\u{202e}']),
            "{error:?}"
        );
    }
    for path in [
        "prod.enc.yaml",
        "infra/secrets/prod.enc.yaml",
        ".secrets/a.yaml",
        "a b/c.yaml",
        "ключ/ä.json",
        "a..b/c",
        "...a",
        ".gitsecret/a",
        ".github/a.enc.yaml",
        "a~b",
        "a-b/-c",
        "git/a",
    ] {
        assert_eq!(check_path(path), Ok(()), "{path}");
    }
}

#[test]
fn what_is_not_exactly_the_form_is_refused_without_its_content() {
    let files =
        |files: &str| format!(r#"{{"version": 1, "backend": "sops-age", "files": [{files}]}}"#);
    for (text, what) in [
        (String::new(), "line 1: EOF"),
        ("[]".into(), "line 1: "),
        (
            TWO.replace("\"version\": 1", "\"version\": 3"),
            "version 3 needs a newer stax; this is stax",
        ),
        (
            TWO.replace("\"version\": 1", "\"version\": 0"),
            "version 0; stax",
        ),
        (TWO.replace("sops-age", "other"), "backend \"other\""),
        (
            TWO.replace("\"version\": 1,", ""),
            "missing field `version`",
        ),
        (
            TWO.replace("\"version\": 1,", "\"version\": \"s3cret\","),
            "line 2: expected u64",
        ),
        (
            TWO.replace("\"version\": 1,", "\"version\": 1, \"version\": 1,"),
            "duplicate field `version`",
        ),
        (
            TWO.replace("\"version\": 1,", "\"version\": 1, \"x\": \"s3cret\","),
            "unknown field `x`",
        ),
        (
            files(r#"{"path": "a", "env": "a", "mode": 1}"#),
            "unknown field `mode`",
        ),
        (files(r#"{"path": "a"}"#), "missing field `env`"),
        (
            files(r#"{"path": "a", "env": "s3cret", "env": "a"}"#),
            "duplicate field `env`",
        ),
        (
            files(r#"{"path": "a/B", "env": "a"}, {"path": "A/b", "env": "b"}"#),
            "path \"A/b\" is bound twice",
        ),
        (
            files(r#"{"path": "a", "env": "a"}, {"path": "b", "env": "a"}"#),
            "environment `a` is bound twice",
        ),
        (files(r#"{"path": "a/../b", "env": "a"}"#), "not normalised"),
        (TWO.to_owned() + "x", "trailing characters"),
        ("\u{feff}".to_owned() + TWO, "line 1: expected value"),
    ] {
        let error = Vault::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains(what) && !error.contains("s3cret"),
            "{text}: {error}"
        );
    }
    for env in [
        "",
        "Prod",
        "-a",
        "_a",
        "a b",
        "a/b",
        "a.b",
        "ä",
        "a\n",
        &"a".repeat(65),
    ] {
        assert!(matches!(check_env(env), Err(VaultError::Env(_))), "{env:?}");
    }
    for env in ["production", "0", "a_b-c", &"a".repeat(64)] {
        assert_eq!(check_env(env), Ok(()));
    }
}

#[test]
fn exceptions_are_named_and_reasoned() {
    let with = |allow: &str| {
        Vault::parse(&format!(
            r#"{{"version": 1, "backend": "sops-age", "files": [], "allow": [{allow}]}}"#
        ))
    };
    let vault = with(r#"{"rule": "plaintext", "path": "a", "key": "PORT", "why": "not a secret"}, {"rule": "F04E", "path": "b", "why": "x \"y\""}"#).unwrap();
    assert_eq!(Vault::parse(&vault.render()).unwrap(), vault);
    for (allow, what) in [
        (
            r#"{"rule": "F04", "path": "../a", "why": "x"}"#,
            "not normalised",
        ),
        (r#"{"rule": "F04", "path": "a", "why": " "}"#, "reason"),
        (
            r#"{"rule": "F04", "path": "a", "key": "", "why": "x"}"#,
            "empty",
        ),
        (r#"{"rule": "F04", "path": "a"}"#, "missing field `why`"),
    ] {
        let error = with(allow).unwrap_err().to_string();
        assert!(error.contains(what), "{allow}: {error}");
    }
}
