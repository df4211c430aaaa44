use super::*;

fn secret(key: &str, value: &str) -> Secret {
    let name = ValueName {
        key: key.into(),
        file: "prod.enc.yaml".into(),
        env: Some("production".into()),
        is_old: false,
    };
    Secret {
        name,
        value: Zeroizing::new(value.as_bytes().to_vec()),
    }
}

fn guard(secrets: &[(&str, &str)]) -> LeakGuard {
    let secrets: Vec<Secret> = secrets
        .iter()
        .map(|(key, value)| secret(key, value))
        .collect();
    LeakGuard::new(&secrets, &BTreeSet::new(), &[])
}

const SPECIAL: &str = "p\"4 s\\w'0/r<d>&$x`é9";

#[track_caller]
fn found(value: &str, text: impl AsRef<[u8]>) -> Match {
    let matches = guard(&[("API_TOKEN", value)]).search(text.as_ref());
    assert_eq!(matches.values.len(), 1, "{}", text.as_ref().escape_ascii());
    matches.values[0]
}

#[test]
fn a_value_is_found_in_each_form() {
    let table = [
        (Form::Plain, "p\"4 s\\w'0/r<d>&$x`é9"),
        // printf '%s' … | base64
        (Form::Base64, "cCI0IHNcdycwL3I8ZD4mJHhgw6k5"),
        // printf 'user:%s' … | base64
        (Form::Base64, "dXNlcjpwIjQgc1x3JzAvcjxkPiYkeGDDqTk="),
        // printf 'ab%s\n' … | base64
        (Form::Base64, "YWJwIjQgc1x3JzAvcjxkPiYkeGDDqTkK"),
        (
            Form::Percent,
            "p%224%20s%5Cw%270%2Fr%3Cd%3E%26%24x%60%C3%A99",
        ),
        (Form::Percent, "p%224+s%5cw%270%2fr%3cd%3e%26%24x%60%c3%a99"),
        (Form::Percent, "p%224%20s%5Cw'0%2Fr%3Cd%3E%26%24x%60%C3%A99"),
        (Form::Json, r#"p\"4 s\\w'0/r<d>&$x`é9"#),
        (Form::Json, r#"p\"4 s\\w'0\/r<d>&$x`\u00e99"#),
        (Form::Json, r#"p\"4 s\\w'0/r\u003cd\u003e\u0026$x`é9"#),
        (Form::Shell, r#"p"4 s\w'\''0/r<d>&$x`é9"#),
        (Form::Shell, r#"p"4 s\w'"'"'0/r<d>&$x`é9"#),
        (Form::Shell, r#"p\"4 s\\w'0/r<d>&\$x\`é9"#),
        (Form::Shell, r#"p"4 s\\w\'0/r<d>&$x`é9"#),
        (Form::Shell, r#"p\"4\ s\\w\'0/r\<d\>\&\$x\`é9"#),
        (Form::Xml, r#"p"4 s\w'0/r&lt;d&gt;&amp;$x`é9"#),
        (Form::Xml, r#"p&quot;4 s\w&#x27;0/r&lt;d&gt;&amp;$x`é9"#),
        (Form::Xml, r#"p&#34;4 s\w&#39;0/r&lt;d&gt;&amp;$x`é9"#),
    ];
    for (form, text) in table {
        let found = found(SPECIAL, format!("one\ntwo <{text}> three\n"));
        assert_eq!(
            (found.form, found.line, found.count),
            (form, 2, 1),
            "{text}"
        );
    }
}

#[test]
fn lines_are_counted_and_places_too() {
    let text = "x\nhunter2hunter2\n\nhunter2hunter2 hunter2hunter2\n";
    let found = found("hunter2hunter2", text);
    assert_eq!(
        (found.line, found.count, found.how().as_deref()),
        (2, 3, Some("3 times"))
    );
    let two = guard(&[("A", "a1b2c3d4e5"), ("B", "z9y8x7w6v5")]).search(b"z9y8x7w6v5\na1b2c3d4e5");
    assert_eq!(
        two.values
            .iter()
            .map(|it| (it.value, it.line))
            .collect::<Vec<_>>(),
        [(1, 1), (0, 2)]
    );
}

#[test]
fn what_is_blank_around_a_value_is_none_of_it() {
    for value in [
        "hunter2hunter2\n",
        "hunter2hunter2\r\n",
        " hunter2hunter2\n\n",
        "\thunter2hunter2",
    ] {
        assert_eq!(found(value, "a=hunter2hunter2;").form, Form::Plain);
    }
}

#[test]
fn keys_with_one_value_are_named_together() {
    let guard = guard(&[("A", "a1b2c3d4e5"), ("B", "a1b2c3d4e5")]);
    let found = guard.search(b"a1b2c3d4e5").values;
    assert_eq!(
        guard.told(found[0].value, false),
        "the value of A (production) and 1 more"
    );
    let key = guard.name(found[0].value).key.as_str();
    assert_eq!((key, found[0].line, guard.tally().looked_for), ("A", 1, 2));
}

#[test]
fn of_a_url_the_password_is_looked_for_too() {
    let url = "postgres://app:s3cr3t%2Fw0rd@db.example.com/app";
    let whole = found(url, format!("url = {url}"));
    assert!(!whole.is_password && whole.count == 1);
    for text in [
        "PGPASSWORD=s3cr3t/w0rd",
        "s3cr3t%2Fw0rd",
        "YXBwOnMzY3IzdC93MHJk",
    ] {
        assert!(found(url, text).is_password, "{text}");
    }
    let guard = guard(&[("URL", url)]);
    let found = guard.search(b"s3cr3t/w0rd").values[0];
    assert_eq!(
        guard.told(found.value, found.is_password),
        "the password in the value of URL (production)"
    );
}

#[test]
fn what_is_weak_is_counted_and_not_looked_for() {
    let weak = [
        ("DB", "postgres"),
        ("REGION", "us-east-1"),
        ("URL", "https://example.com"),
        ("URL", "https://auth.example.com/token?grant=x&scope=y"),
        ("DATABASE_URL", "postgres://db.example.com/app"),
        (
            "DATABASE_URL",
            "postgres://postgres:postgres@localhost:5432/postgres",
        ),
        ("DB_PASSWORD", "postgres"),
        ("DB_PASSWORD", "hunter2"),
        ("PASSWORD", "aaaaaaaaaaaaaaaa1"),
        ("ACCOUNT", "123456789012"),
        ("HOST", "ip-10-0-0-1.ec2.internal"),
        ("WHEN", "2024-01-01T00:00:00Z"),
        ("ARN", "arn:aws:iam::123456789012:role/my-role"),
        ("IMAGE", "ghcr.io/acme/api:v1.2.3"),
        ("BUCKET", "my-company-prod-uploads"),
        ("NOTE", "please ask the team before you change this"),
        ("CLASS", "AdministratorAccess"),
        ("MAIL", "ana@example.com"),
        (
            "SSH",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx9K2mQ4vXw7tR1 ana",
        ),
        (
            "AGE",
            "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78",
        ),
        (
            "PGP",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBFa1b2c3\n-----END PGP PUBLIC KEY BLOCK-----\n",
        ),
        (
            "SSH",
            "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t ana",
        ),
        ("TENANT_ID", "550e8400-e29b-41d4-a716-446655440000"),
        (
            "JAVA_OPTS",
            "-Xms512m -Xmx2048m -XX:+UseG1GC -XX:+HeapDumpOnOutOfMemoryError",
        ),
        (
            "ARGS",
            "--listen 0.0.0.0:8443 --log-level=debug --max-old-space-size=4096",
        ),
        (
            "CRT",
            "-----BEGIN CERTIFICATE-----\nMIIB4TCCAYugAwIBAgIUa1b2c3\n-----END CERTIFICATE-----\n",
        ),
    ];
    for (key, value) in weak {
        let tally = guard(&[(key, value)]).tally();
        assert_eq!(
            tally,
            Tally {
                weak: 1,
                ..Tally::default()
            },
            "{key}: {value}"
        );
    }
    let worth = [
        ("A", "hunter2hunter2"),
        ("STRIPE_SECRET_KEY", "canary-hunter2"),
        ("PASSPHRASE", "correct-horse-battery-staple"),
        ("API_KEY_ID", "550e8400-e29b-41d4-a716-446655440000"),
        ("DB_PASS", "550E8400-E29B-41D4-A716-446655440000"),
        ("ARGS", "--listen 0.0.0.0:8443 --token a1b2c3d4e5"),
        (
            "ARGS",
            "-Djavax.net.ssl.trustStorePassword=changeit2024 -Xmx512m",
        ),
        ("ARGS", "-phunter2hunter2"),
        ("A", "-x9!kQ#2mZ"),
        ("A", "eiB4Phae"),
        ("A", "p@$$word!x"),
        ("A", "kXqvBtYzLmNpRs"),
        (
            "A",
            "https://hooks.slack.com/services/T0AB1CD2E/B0FG3HI4J/x7Kq9Lp2Zr5Tn8Wm",
        ),
        ("A", "aB3+xK/9Lp=="),
        ("A", "4539148803436467"),
    ];
    for (key, value) in worth {
        assert_eq!(
            guard(&[(key, value)]).tally().looked_for,
            1,
            "{key}: {value}"
        );
    }
}

#[test]
fn what_stands_in_clear_on_purpose_is_ordinary_and_what_the_user_names_is_skipped() {
    let secrets = [
        secret("A", "a1b2c3d4e5"),
        secret("B", "z9y8x7w6v5"),
        secret("C", "q1w2e3r4t5"),
    ];
    let guard = LeakGuard::new(
        &secrets,
        &BTreeSet::from([b"a1b2c3d4e5".to_vec()]),
        &["B".to_owned()],
    );
    assert_eq!(
        guard.tally(),
        Tally {
            looked_for: 1,
            weak: 1,
            skipped: 1
        }
    );
    assert_eq!(
        guard
            .search(b"a1b2c3d4e5 z9y8x7w6v5 q1w2e3r4t5")
            .values
            .len(),
        1
    );
}

/// The body of a key: rows of 64 characters that no two keys share.
fn pem(rows: usize, kind: &str) -> String {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize]
            as char
    };
    let row = |_| (0..64).map(|_| next()).collect::<String>();
    let body: Vec<String> = (0..rows).map(row).collect();
    format!(
        "-----BEGIN {kind}-----\n{}\nabc=\n-----END {kind}-----\n",
        body.join("\n")
    )
}

#[test]
fn a_key_of_many_lines_is_found_whole_and_by_its_rows() {
    use base64::Engine as _;
    let key = pem(25, "RSA PRIVATE KEY");
    let base64 = base64::engine::general_purpose::STANDARD.encode(&key);
    let wrapped: Vec<&str> = (0..base64.len())
        .step_by(76)
        .map(|at| &base64[at..base64.len().min(at + 76)])
        .collect();
    let rows: Vec<&str> = key.lines().collect();
    let table = [
        (key.clone(), Form::Plain),
        (key.replace('\n', "\r\n"), Form::Windows),
        (key.replace('\n', "\\n"), Form::Json),
        (format!("    {}\n", rows[18]), Form::Plain),
        (base64.clone(), Form::Base64),
        (wrapped.join("\n"), Form::Base64),
    ];
    for (text, form) in table {
        let found = found(&key, format!("first\n{text}"));
        assert_eq!((found.form, found.count), (form, 1), "{text}");
    }
    let json = format!(
        "{{\"id\": \"x\", \"private_key\": \"{}\"}}",
        key.replace('\n', "\\n")
    );
    assert_eq!(found(&json, &key).form, Form::Plain);
    // the end of a token in wrapped base64, and never the start, which all of a kind have
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9Ple7";
    assert_eq!(
        found(
            token,
            base64::engine::general_purpose::STANDARD.encode(&token[60..])
        )
        .form,
        Form::Base64
    );
    assert_eq!(
        guard(&[("T", token)]).search(&token.as_bytes()[..70]),
        Matches::default()
    );
    let options = "postgres://app:s3cr3tw0rds3@db-7f3k9x2m.example.com/app?sslmode=require&connect_timeout=10";
    assert_eq!(
        guard(&[("T", options)]).search(&options.as_bytes()[28..]),
        Matches::default()
    );
    // what all keys of a kind share, and what is public
    assert_eq!(
        guard(&[("K", &key)]).search(rows[1].as_bytes()),
        Matches::default()
    );
    let bundle = format!("{}{}", pem(25, "CERTIFICATE"), "password: s3cr3tw0rds3\n");
    let row = bundle.lines().nth(18).expect("a row").to_owned();
    assert_eq!(found(&bundle, &bundle).form, Form::Plain);
    assert_eq!(
        guard(&[("K", &bundle)]).search(row.as_bytes()),
        Matches::default()
    );
}

#[test]
fn a_secret_key_of_a_reader_is_found_in_the_same_pass() {
    let key = "AGE-SECRET-KEY-1RA6LA8N3EGETWR3QF2064UDGMUMGREFQSTVN3SC29PS5QCKCWSUQ5HS82R";
    let nothing = guard(&[]);
    assert_eq!(
        nothing.search(format!("a\nb {key}\n").as_bytes()).age_key,
        Some(2)
    );
    assert_eq!(
        nothing.search(key.to_lowercase().as_bytes()).age_key,
        Some(1)
    );
    assert_eq!(
        nothing.search(b"put AGE-SECRET-KEY-1... into keys.txt"),
        Matches::default()
    );
    assert_eq!(nothing.search(&key.as_bytes()[..60]).age_key, None);
}

#[test]
fn short_texts_and_many_places_are_no_matter() {
    let guard = guard(&[("A", "ab1cd2ef3")]);
    for length in 0..9 {
        assert_eq!(guard.search(&b"ab1cd2ef3"[..length]), Matches::default());
    }
    let many = guard.search("ab1cd2ef3\n\n\n\n".repeat(MAX_PLACES + 5).as_bytes());
    assert_eq!(many.values[0].count, MAX_PLACES);
}

#[test]
fn many_places_of_one_value_hide_no_other_one() {
    let text = "ab1cd2ef3\n\n\n\n".repeat(MAX_PLACES + 5) + "z9y8x7w6v5";
    let found = guard(&[("A", "ab1cd2ef3"), ("B", "z9y8x7w6v5")])
        .search(text.as_bytes())
        .values;
    assert_eq!(
        found
            .iter()
            .map(|it| (it.value, it.count))
            .collect::<Vec<_>>(),
        [(0, MAX_PLACES), (1, 1)]
    );
}

#[test]
fn a_text_in_utf_16_is_read_too() {
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let text: Vec<u8> = format!("one\n{SPECIAL}\n")
            .encode_utf16()
            .flat_map(bytes)
            .collect();
        let found = found(SPECIAL, text);
        assert_eq!((found.form, found.line), (Form::Utf16, 2));
    }
}

#[test]
fn what_is_shown_holds_no_value() {
    let guard = guard(&[("A", "a1b2c3d4e5"), ("B", "d4e5f6g7h8")]);
    for (text, shown) in [
        ("a1b2c3d4e5", "***"),
        ("backup/ä-a1b2c3d4e5.txt", "backup/ä-***.txt"),
        ("a1b2c3d4e5f6g7h8 and d4e5f6g7h8", "*** and ***"),
        ("set it to YTFiMmMzZDRlNQ==", "set it to ***Q=="),
        ("a1b2c3d4", "a1b2c3d4"),
    ] {
        assert_eq!(guard.hide(text), shown);
    }
}

/// What `ssh-keygen -t ed25519` writes is too short in lines to be known by some of them.
#[test]
fn a_short_key_is_found_in_a_block_of_yaml() {
    let key = pem(6, "OPENSSH PRIVATE KEY");
    let lines: Vec<&str> = key.lines().collect();
    for between in ["\n  ", "\n        ", "\n   ", "\n\t", "\n# ", " ", ""] {
        let found = found(&key, format!("key: |{}", lines.join(between)));
        assert_eq!((found.form, found.count), (Form::Lines, 1), "{between:?}");
    }
    assert_eq!(found(&key.replace('\n', "\r\n"), &key).form, Form::Lines);
}

/// The values of a manifest of Kubernetes stand in base64 in the SOPS file itself.
#[test]
fn of_a_value_in_base64_what_it_holds_counts() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let value = encode("s3cr3tW0rds4");
    assert_eq!(found(&value, &value).form, Form::Plain);
    assert_eq!(found(&value, "password = 's3cr3tW0rds4'").form, Form::Plain);
    assert!(found(&encode("postgres://app:s3cr3tw0rds@db/app"), "s3cr3tw0rds").is_password);
    for ordinary in [
        "postgres",
        "db.example.com",
        "https://example.com",
        &pem(25, "CERTIFICATE"),
    ] {
        assert_eq!(
            guard(&[("A", &encode(ordinary))]).tally().weak,
            1,
            "{ordinary}"
        );
    }
}

mod any;
