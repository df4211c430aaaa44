//! Values that some reader or writer would like to see otherwise.

use crate::dice::Dice;

/// Plain YAML scalars of every type, and strings that look like one.
pub const PLAIN: [&str; 66] = [
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "Yes",
    "NO",
    "true",
    "True",
    "FALSE",
    "null",
    "~",
    "Null",
    "0",
    "-0",
    "7",
    "-12",
    "+5",
    "0x1F",
    "0o17",
    "0755",
    "08",
    "09.5",
    "1_000",
    "-0b11",
    "1e3",
    "1.5e-7",
    "1.",
    ".5",
    "-.5",
    "._5",
    "1.50",
    "12345678",
    "123456.789",
    "0.00001",
    "1e21",
    "1e-7",
    ".inf",
    "-.Inf",
    ".nan",
    "1:30",
    "190:20:30",
    "2001-12-14",
    "2001-12-14T21:59:43.10-05:00",
    "2001-12-14 21:59:43",
    "2001-2-30",
    "2024-02-29T00:00:00Z",
    "123456789012345678901234567890",
    "9223372036854775807",
    "-9223372036854775808",
    "=",
    "<<x",
    "a b",
    "a#b",
    "a:b",
    "http://x.y/z?q=1&r=2",
    "C:\\temp",
    "a'b\"c",
    "-x",
    "?x",
    ":x",
    "a,b",
    "x%",
    "ключ",
    "日本",
];

/// Texts for quoted scalars.
pub const TEXTS: [&str; 44] = [
    "",
    " ",
    "  both ends  ",
    "tab\tinside",
    "end\t",
    "one\ntwo",
    "one\ntwo\n",
    "a\n\n\nb\n\n",
    "\nlead",
    "a \nb",
    "a\n b",
    "a\r\nb",
    "cr\ronly",
    "it's \"quoted\"",
    "back\\slash",
    "# hash",
    "a # b",
    "a: b",
    "a:",
    "- item",
    "---",
    "...",
    "--- x",
    "[x]",
    "{y}",
    "&a",
    "*b",
    "!t",
    "|",
    ">",
    "%d",
    "@at",
    "`tick`",
    "?",
    "\u{1F680} rocket",
    "\u{85}nel",
    "a\u{2028}b\u{2029}c",
    "nb\u{a0}sp",
    "zero\u{0}byte",
    "\u{7f}del",
    "\u{1b}[31m",
    "<html> & 'x'",
    "$(x) `y` ${Z}",
    "ENC[not a token]",
];

/// A text for YAML: sops loses a text of several lines that starts with a tab, and in a list also
/// one that starts with a blank or a line break.
pub fn yaml_text(dice: &mut Dice) -> String {
    let text = text(dice);
    let lost =
        text.contains('\n') && text.starts_with(|c: char| c.is_whitespace() || c == '\u{85}');
    if lost { format!("x{text}") } else { text }
}

/// A text, now and then a random or a long one.
pub fn text(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..=5 => (*dice.pick(&TEXTS)).to_owned(),
        6 | 7 => random(dice, 12),
        8 => dice.pick(&TEXTS).repeat(3),
        _ => random(dice, 300),
    }
}

fn random(dice: &mut Dice, most: usize) -> String {
    const ALPHABET: [char; 44] = [
        'a',
        'b',
        'Z',
        '0',
        '9',
        ' ',
        ' ',
        ':',
        '#',
        '-',
        '_',
        ',',
        '[',
        ']',
        '{',
        '}',
        '&',
        '*',
        '!',
        '|',
        '>',
        '\'',
        '"',
        '%',
        '@',
        '`',
        '?',
        '=',
        '~',
        '.',
        '/',
        '\\',
        '\n',
        '\t',
        '$',
        'é',
        'я',
        '中',
        '\u{2028}',
        '\u{feff}',
        '\u{10ffff}',
        '\u{e000}',
        '\u{200b}',
        '+',
    ];
    (0..dice.below(most) + 1)
        .map(|_| *dice.pick(&ALPHABET))
        .collect()
}

/// An integer that a double cannot hold.
pub const LARGE: &[u8; 18] = b"781234567890123457";

/// A JSON number, mostly one whose value a double holds exactly.
pub fn number(dice: &mut Dice) -> String {
    const NUMBERS: [&str; 17] = [
        "0",
        "-1",
        "1.5",
        "-0.25",
        "1e3",
        "1E-7",
        "123456789",
        "9007199254740991",
        "0.1",
        "1e21",
        "-1e20",
        "3.0",
        "1.25e2",
        "5e-324",
        "-0",
        "-0.0",
        "9007199254740994",
    ];
    if dice.often(1) {
        String::from_utf8_lossy(LARGE).into_owned()
    } else {
        (*dice.pick(&NUMBERS)).to_owned()
    }
}
