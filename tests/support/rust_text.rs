//! Just enough reading of Rust for `architecture.rs`. Lines are counted from 1.

/// The text with comments, strings and character literals blanked; every line keeps its number.
pub(crate) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped_end(bytes, at);
        if end > at {
            out.extend(
                bytes[at..end]
                    .iter()
                    .map(|b| if *b == b'\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else {
            out.push(if bytes[at].is_ascii() {
                char::from(bytes[at])
            } else {
                '_'
            });
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins here.
fn skipped_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment_end(bytes, at);
    }
    if rest[0] == b'"' {
        return quoted_end(bytes, at + 1, b'"');
    }
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if starts_word && rest[0] == b'r' && rest.get(1 + hashes) == Some(&b'"') {
        let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        let body = at + 2 + hashes;
        let found = bytes[body..]
            .windows(close.len())
            .position(|window| window == close);
        return found.map_or(bytes.len(), |n| body + n + close.len());
    }
    // a lifetime has no closing quote two characters on
    if rest[0] == b'\'' && rest.get(1) == Some(&b'\\') {
        return quoted_end(bytes, at + 1, b'\'');
    }
    let text = String::from_utf8_lossy(&rest[..rest.len().min(8)]);
    let literal = text.chars().nth(2) == Some('\'') && rest[0] == b'\'';
    let width = text.chars().nth(1).map_or(0, char::len_utf8);
    if literal { at + 2 + width } else { at }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn quoted_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|b| *b == b'\n').count() + 1
}

/// The code with every `#[cfg(test)] mod … { … }` blanked: tests may look anywhere.
pub(crate) fn without_tests(code: &str) -> String {
    let mut code = code.to_string();
    while let Some(start) = code.find("#[cfg(test)]") {
        let open = code[start..]
            .find(['{', ';'])
            .map_or(code.len(), |n| start + n);
        let end = if code[open..].starts_with('{') {
            closing(&code, open)
        } else {
            open
        };
        let blank: String = code[start..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Just behind the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (n, byte) in code[open..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return open + n + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Line and module of every `crate::module` and `stax::module`, groups in braces included.
pub(crate) fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "stax::"] {
        for (at, _) in code.match_indices(root) {
            if at > 0 && is_word(code.as_bytes()[at - 1]) {
                continue;
            }
            let start = at + root.len();
            if code[start..].starts_with('{') {
                let end = closing(code, start);
                found.extend(group_heads(&code[start + 1..end - 1], start + 1, code));
            } else {
                found.push((line_of(code, at), word_at(&code[start..])));
            }
        }
    }
    found
}

/// The first word of each item of a `use` group, at its outermost level.
fn group_heads(group: &str, offset: usize, code: &str) -> Vec<(usize, String)> {
    let mut heads = Vec::new();
    let (mut depth, mut fresh) = (0_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                heads.push((line_of(code, offset + at), word_at(&group[at..])));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

fn word_at(text: &str) -> String {
    text.bytes()
        .take_while(|b| is_word(*b))
        .map(char::from)
        .collect()
}

/// The lines where the name stands as a word of its own.
pub(crate) fn mentions(code: &str, name: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let alone = |at: usize| {
        let before = at == 0 || !is_word(bytes[at - 1]);
        before && !bytes.get(at + name.len()).is_some_and(|b| is_word(*b))
    };
    code.match_indices(name)
        .filter(|(at, _)| alone(*at))
        .map(|(at, _)| line_of(code, at))
        .collect()
}

/// Signs of several characters that are one token.
const SIGNS: [&str; 12] = [
    "::", "->", "=>", "..=", "..", "&&", "||", "==", "!=", "<=", ">=", "+=",
];

/// Words and signs. Literals are blanked, so that a table of texts weighs little.
pub(crate) fn tokens(code: &str) -> usize {
    let mut count = 0;
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = word_at(rest).len();
        let sign = SIGNS
            .iter()
            .find(|sign| rest.starts_with(**sign))
            .map_or(first.len_utf8(), |sign| sign.len());
        rest = rest[if word > 0 { word } else { sign }..].trim_start();
        count += 1;
    }
    count
}

/// Line, name and tokens of every function with a body.
pub(crate) fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if at > 0 && is_word(code.as_bytes()[at - 1]) {
            continue;
        }
        let name = word_at(&code[at + 3..]);
        let Some(open) = code[at..].find(['{', ';']).map(|n| at + n) else {
            continue;
        };
        if !name.is_empty() && code[open..].starts_with('{') {
            found.push((
                line_of(code, at),
                name,
                tokens(&code[at..closing(code, open)]),
            ));
        }
    }
    found
}

/// The names of types, traits and aliases that the code defines.
pub(crate) fn type_names(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines() {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| word.starts_with("pub") || *word == "in");
        // `pub(in crate::verify) struct`
        let mut first = words.next();
        while first.is_some_and(|word| word.ends_with(')') && !word.starts_with('#')) {
            first = words.next();
        }
        if let (Some("struct" | "enum" | "type" | "trait" | "union"), Some(name)) =
            (first, words.next())
        {
            found.push(word_at(name));
        }
    }
    found
}

#[test]
fn words_and_signs_are_counted() {
    for (text, expected) in [
        ("", 0),
        ("fn f() {}", 6),
        ("a::b(c_1, &d)?;  x", 12),
        ("a => b..=c", 5),
    ] {
        assert_eq!(tokens(text), expected, "{text}");
    }
}

#[test]
fn comments_and_literals_are_blanked() {
    let table = [
        ("a // b", "a     "),
        ("/*b/*c*/*/ d", "           d"),
        (r#"f("crate::x", 'y', b)"#, "f(          ,    , b)"),
        (r##"r#"a " b"# c"##, "           c"),
        ("&'a str", "&'a str"),
        (r"'\'' x", "     x"),
    ];
    for (text, expected) in table {
        assert_eq!(code_only(text).trim_end(), expected.trim_end(), "{text}");
    }
}
