use super::*;

const POST_QUANTUM: &str =
    "AGE-SECRET-KEY-PQ-1S76KZA955ELKP7HR6056AQ0P252XTSQFJKEXSXR9QXPNCU4MLS8SSHAXT3";
const SECRET: &str = "AGE-SECRET-KEY-1RA6LA8N3EGETWR3QF2064UDGMUMGREFQSTVN3SC29PS5QCKCWSUQ5HS82R";
const TOKEN: &str = "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]";

fn utf16(text: &str, order: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter()
        .chain(text.encode_utf16())
        .flat_map(order)
        .collect()
}

fn in_parts(bytes: &[u8], size: usize) -> Traits {
    let mut sniffer = Sniffer::default();
    bytes.chunks(size).for_each(|part| sniffer.feed(part));
    sniffer.traits()
}

/// Spellings that the real sops 3.11 takes for its metadata, each tried with it.
#[test]
fn every_spelling_that_sops_reads_is_a_document() {
    let plain = format!("DB: {TOKEN}\nsops:\n    age: []\n");
    for (text, what) in [
        (plain.clone(), "YAML"),
        (
            plain.replace("sops:", "\"\\x73ops\":"),
            "YAML, two hex digits",
        ),
        (plain.replace("sops:", "\"\\U00000073ops\":"), "YAML, eight"),
        (
            plain.replace("sops:", "? \"so\\\n  ps\"\n:"),
            "YAML, a key over two lines",
        ),
        (
            plain.replace("sops:", "!!binary \"c29wcw==\":"),
            "YAML, base64",
        ),
        (
            format!("{{\"a\": \"{TOKEN}\", \"\\u0073ops\": {{}}}}"),
            "JSON, an escape",
        ),
        (
            format!("{{\"a\": \"{TOKEN}\", \"SoPS\": {{}}}}"),
            "JSON, another case",
        ),
        (
            format!("{{\"a\": \"{TOKEN}\", \"ſops\": {{}}}}"),
            "JSON, a long s",
        ),
        (
            format!("{{\"a\": \"{TOKEN}\", \"\\u017fops\": {{}}}}"),
            "JSON, a long s in an escape",
        ),
        (
            format!("{{\"a\": \"\\u0045NC{}\", \"sops\": {{}}}}", &TOKEN[3..]),
            "JSON, a token with an escape",
        ),
    ] {
        assert!(sniff(text.as_bytes()).may_be_document(), "{what}");
    }
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        assert!(sniff(&utf16(&plain, order, true)).may_be_document());
    }
}

#[test]
fn what_only_speaks_of_sops_is_none() {
    for (bytes, what) in [
        (b"We keep secrets with sops.".to_vec(), "a manual"),
        (
            format!("Values look like {TOKEN}").into_bytes(),
            "a manual of tokens",
        ),
        (
            br#"window.a="\u0073\x6fps",b="{\n""#.to_vec(),
            "minified JavaScript",
        ),
        (b"C:\\sops\\bin".to_vec(), "a path of Windows"),
        (
            format!("\x7fELF\0sops\0{TOKEN}\0AGE ENCRYPTED FILE\0").into_bytes(),
            "the program itself",
        ),
        (
            utf16("Sops and other oddities", u16::to_le_bytes, true),
            "UTF-16",
        ),
        (Vec::new(), "nothing"),
    ] {
        assert!(!sniff(&bytes).may_be_document(), "{what}");
    }
}

#[test]
fn a_secret_key_is_known_by_its_checksum() {
    for (text, line) in [
        (format!("# created\n# public\n{SECRET}\n"), Some(3)),
        (format!("\u{fffd}export SOPS_AGE_KEY={SECRET}"), Some(1)),
        (format!("AGE-SECRET-KEY-1{SECRET}"), Some(1)),
        (SECRET.replace("RA6L", "RA6A"), None),
        // age-encryption.js wrote it
        (format!("a\n{POST_QUANTUM}"), Some(2)),
        (SECRET.to_lowercase(), Some(1)),
        (SECRET.replace("AGE-SECRET", "age-secret"), None),
        (format!("age-secret-key-1 {SECRET}"), Some(1)),
        ("AGE-PLUGIN-YUBIKEY-1Q2W3E4R5T6Y7U8I9O0P".into(), None),
        ("AGE-SECRET-KEY-1…\nAGE-SECRET-KEY-1".into(), None),
        (SECRET[..73].into(), None),
        (SECRET.replace('-', "\\u002d"), Some(1)),
        (String::new(), None),
    ] {
        assert_eq!(sniff(text.as_bytes()).secret_key, line, "{text}");
    }
    assert_eq!(
        sniff(&[&[0xff, b'\n'], SECRET.as_bytes()].concat()).secret_key,
        Some(2)
    );
    for (order, mark) in [
        (u16::to_le_bytes as fn(u16) -> [u8; 2], true),
        (u16::to_be_bytes, false),
    ] {
        assert_eq!(
            sniff(&utf16(&format!("a\r\nb\n{SECRET}"), order, mark)).secret_key,
            Some(3)
        );
    }
}

#[test]
fn a_secret_key_tells_its_public_key() {
    const PUBLIC: &str = "age147zy7f5juz43arn96sadlx2ftg2ulshsvplc8l3q68570w9t69fsmy4d78";
    let own = || vec![Some(PUBLIC.to_owned())];
    for (text, expected) in [
        (format!("a\n{SECRET}\n{SECRET}\n"), own()),
        (SECRET.to_lowercase(), own()),
        (SECRET.replace('-', "\\u002d"), own()),
        (
            format!("{POST_QUANTUM} {SECRET}"),
            vec![None, Some(PUBLIC.to_owned())],
        ),
        ("AGE-SECRET-KEY-1…".into(), Vec::new()),
    ] {
        assert_eq!(public_keys(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(public_keys(&utf16(SECRET, u16::to_le_bytes, true)), own());
    let named = recipients_in(format!("age: [{PUBLIC},age1short, x{PUBLIC}]").as_bytes());
    assert_eq!(named.into_iter().collect::<Vec<_>>(), [PUBLIC]);
}

#[test]
fn a_path_is_shown_without_the_key_in_it() {
    let path = format!("a/{SECRET}/{}.txt", SECRET.to_lowercase());
    assert_eq!(
        hide_secret_keys(&path),
        "a/AGE-SECRET-KEY-…/AGE-SECRET-KEY-….txt"
    );
    assert_eq!(
        hide_secret_keys("a/AGE-SECRET-KEY-1.md"),
        "a/AGE-SECRET-KEY-1.md"
    );
}

#[test]
fn the_seams_between_parts_hide_nothing() {
    let lines = "x\n".repeat(70);
    let escaped = format!(
        "{lines}{{\"\\u0073ops\": \"{}\"}}",
        TOKEN.replace('E', "\\x45")
    );
    let folded = format!("{lines}? \"so\\\r\n   ps\"\n: {TOKEN}\n{POST_QUANTUM}");
    let samples = [
        escaped.into_bytes(),
        folded.into_bytes(),
        utf16(
            &format!("{lines}{SECRET}\nsops: {TOKEN}"),
            u16::to_le_bytes,
            true,
        ),
        format!("{lines}{SECRET}").into_bytes(),
        format!("{}\\", "a".repeat(96)).into_bytes(),
    ];
    for bytes in &samples {
        let whole = sniff(bytes);
        for size in (2..200).chain([1000]) {
            assert_eq!(in_parts(bytes, size), whole, "parts of {size}");
        }
    }
    assert_eq!(sniff(&samples[3]).secret_key, Some(71));
}
