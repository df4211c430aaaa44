//! Any value in any text, written by encoders that are made otherwise than ours.

use proptest::prelude::*;

use super::*;

/// By bits, six at a time.
fn base64(bytes: &[u8], last: [char; 2], padded: bool) -> String {
    let bits: Vec<bool> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1))
        .collect();
    let sign = |six: &[bool]| {
        let number = (0..6).fold(0, |number, at| {
            number * 2 + u32::from(six.get(at) == Some(&true))
        });
        let letter = |from: char, at: u32| char::from_u32(u32::from(from) + at).expect("a letter");
        match number {
            0..26 => letter('A', number),
            26..52 => letter('a', number - 26),
            52..62 => letter('0', number - 52),
            number => last[number as usize - 62],
        }
    };
    let mut text: String = bits.chunks(6).map(sign).collect();
    while padded && !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn percent(text: &str, kept: &str, upper: bool, plus: bool) -> String {
    let code = |byte: u8| {
        if upper {
            format!("%{byte:02X}")
        } else {
            format!("%{byte:02x}")
        }
    };
    let mut out = String::new();
    for c in text.chars() {
        let is_kept = c.is_ascii_alphanumeric() || kept.contains(c);
        match c {
            ' ' if plus => out.push('+'),
            c if is_kept => out.push(c),
            c => out.extend(c.to_string().bytes().map(code)),
        }
    }
    out
}

/// As a shell of bash reads it, by its own words.
fn double_quoted(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$")
        .replace('`', "\\`")
}

fn encoded(value: &str, before: &str, behind: &str) -> Vec<String> {
    let within = [before, value, behind].concat();
    let mut forms = vec![
        value.to_owned(),
        value.replace('\n', "\r\n"),
        serde_json::Value::from(value).to_string(),
        serde_json::json!({"a": [within]}).to_string(),
        serde_json::Value::from(value)
            .to_string()
            .replace('/', "\\/"),
        serde_json::Value::from(serde_json::Value::from(value).to_string()).to_string(),
        format!("'{}'", value.replace('\'', r"'\''")),
        double_quoted(value),
    ];
    for (text, padded) in [(value, true), (value, false), (&within, true)] {
        forms.push(base64(text.as_bytes(), ['+', '/'], padded));
        forms.push(base64(text.as_bytes(), ['-', '_'], padded));
    }
    for kept in ["-._~", "-._~/", "-._~!'()*", "-._*"] {
        for (upper, plus) in [(true, false), (false, false), (true, true), (false, true)] {
            forms.push(percent(value, kept, upper, plus));
        }
    }
    forms
}

/// Letters, digits and signs in turn, so that it is worth it.
fn value() -> impl Strategy<Value = String> {
    let tail = r#"[ -~\n\tä€🚀]{0,24}"#;
    (r"[a-z][0-9][A-Z][0-9][a-z]{2}[0-9][!-/][a-z][0-9]", tail).prop_map(|(head, tail)| {
        // a line break at the end is none of the value
        head + tail.trim_end()
    })
}

proptest! {
    #[test]
    fn any_value_is_found_however_it_is_written(
        value in value(),
        before in "[a-z:]{0,5}",
        behind in "[a-z:]{0,5}",
        lines in "[ -~]{0,30}\n{0,3}",
    ) {
        let guard = guard(&[("API_TOKEN", &value)]);
        prop_assert_eq!(guard.tally().looked_for, 1);
        for text in encoded(&value, &before, &behind) {
            let text = [lines.as_str(), &text, &lines].concat();
            let found = guard.search(text.as_bytes()).values;
            prop_assert_eq!(found.len(), 1, "{}", text);
            prop_assert_eq!(found[0].line, lines.matches('\n').count() + 1, "{}", text);
        }
    }

    #[test]
    fn a_text_without_the_value_gives_no_match(
        values in prop::collection::vec(value(), 1..20),
        text in prop::collection::vec(any::<u8>(), 0..4_000),
        cut in 1_usize..8,
    ) {
        let secrets: Vec<Secret> = values.iter().map(|value| secret("API_TOKEN", value)).collect();
        let guard = LeakGuard::new(&secrets, &BTreeSet::new(), &[]);
        prop_assert_eq!(guard.search(&text), Matches::default());
        // a part of a value is none
        let value = values[0].as_bytes();
        let part = &value[..10 - cut];
        prop_assert_eq!(guard.search(&[&text, part, b"\x01", &text].concat()), Matches::default());
    }
}
