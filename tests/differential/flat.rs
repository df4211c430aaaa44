//! Random JSON, dotenv, INI and bytes.

use crate::dice::Dice;
use crate::scalars::{number, text};

/// An object with about `values` values.
pub fn json(dice: &mut Dice, values: usize) -> String {
    let unit = *dice.pick(&["", "\t", "  ", "    "]);
    let mut budget = values;
    let mut keys = 0;
    let text = object(dice, unit, 1, &mut budget, &mut keys) + *dice.pick(&["", "\n", "\n\n"]);
    if dice.often(8) {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}

fn object(
    dice: &mut Dice,
    unit: &str,
    depth: usize,
    budget: &mut usize,
    keys: &mut usize,
) -> String {
    let mut members = Vec::new();
    let count = if depth == 1 {
        usize::MAX
    } else {
        dice.below(5)
    };
    while *budget > 0 && members.len() < count {
        *keys += 1;
        let name = *dice.pick(&[
            "key",
            "data",
            "é\\u00e9",
            "a.b",
            "<x>",
            "x_unencrypted",
            "with \\\"quote",
        ]);
        members.push(format!(
            "\"{name}{keys}\": {}",
            value(dice, unit, depth, budget, keys)
        ));
    }
    enclose(&members, ('{', '}'), unit, depth)
}

fn value(
    dice: &mut Dice,
    unit: &str,
    depth: usize,
    budget: &mut usize,
    keys: &mut usize,
) -> String {
    *budget = budget.saturating_sub(1);
    match dice.below(14) {
        0 | 1 if depth < 5 => object(dice, unit, depth + 1, budget, keys),
        2 if depth < 5 => {
            let count = dice.below(4);
            let items: Vec<String> = (0..count)
                .map(|_| value(dice, unit, depth + 1, budget, keys))
                .collect();
            enclose(&items, ('[', ']'), unit, depth + 1)
        }
        3 => (*dice.pick(&["true", "false", "null"])).to_owned(),
        4..=6 => number(dice),
        _ => quoted(dice),
    }
}

fn quoted(dice: &mut Dice) -> String {
    let text = text(dice);
    let text = serde_json::to_string(&text).unwrap();
    if dice.often(10) {
        text.replace('a', "\\u0061").replace('/', "\\/")
    } else {
        text
    }
}

fn enclose(parts: &[String], (open, close): (char, char), unit: &str, depth: usize) -> String {
    if parts.is_empty() {
        return format!("{open}{close}");
    }
    if unit.is_empty() {
        return format!("{open}{}{close}", parts.join(", "));
    }
    let margin = format!("\n{}", unit.repeat(depth));
    format!(
        "{open}{margin}{}\n{}{close}",
        parts.join(&format!(",{margin}")),
        unit.repeat(depth - 1)
    )
}

/// Lines of a dotenv file.
pub fn dotenv(dice: &mut Dice, values: usize) -> String {
    let mut out = String::new();
    for index in 0..values {
        match dice.below(12) {
            0 => out.push('\n'),
            1 => out.push_str(&format!("# comment {index}\n")),
            2 => out.push_str("#\n"),
            _ => {}
        }
        let name = *dice.pick(&[
            "KEY",
            "export KEY",
            "key.with-odd",
            " K",
            "K ",
            "Ключ",
            "X_unencrypted",
        ]);
        // sops has no escape for a backslash before n, and a line break is written as one
        let value = text(dice).replace("\\n", "\\ n").replace('\n', "\\n");
        out.push_str(&format!("{name}{index}={value}\n"));
    }
    if dice.often(20) {
        out.pop();
    }
    if dice.often(4) {
        out.replace('\n', "\r\n")
    } else {
        out
    }
}

/// Sections with keys, values and comments.
pub fn ini(dice: &mut Dice, values: usize) -> String {
    const VALUES: [&str; 20] = [
        "word",
        "two words",
        "5",
        "1.50",
        "true",
        "",
        "\"quoted\"",
        "'single'",
        "a=b",
        "a:b",
        "http://x/?q=1",
        "%(x)s",
        "$HOME",
        "é я 日本",
        "  lead",
        "[x]",
        "{y}",
        "a\\b",
        "tab\tinside",
        "x, y, z",
    ];
    let mut out = String::new();
    for index in 0..values {
        if index > 0 && dice.often(12) {
            let blank = *dice.pick(&["\n", "", "\n\n"]);
            out.push_str(blank);
            if dice.often(30) {
                out.push_str(&format!("; about s{index}\n"));
            }
            let name = *dice.pick(&["s", "Section ", "a.b", "é"]);
            // keys above the first header are in that section as well
            let is_default = dice.often(10) && out.starts_with('[') && !out.contains("[DEFAULT]");
            out.push_str(&if is_default {
                "[DEFAULT]\n".into()
            } else {
                format!("[{name}{index}]\n")
            });
        }
        if dice.often(10) {
            out.push_str(&format!("{} comment {index}\n", dice.pick(&[";", "#"])));
        }
        let name = *dice.pick(&["key", "Key", "with space", "k.e-y", "x_unencrypted", "ключ"]);
        let sign = *dice.pick(&[" = ", "=", " =", "= ", "   =   "]);
        out.push_str(&format!("{name}{index}{sign}{}\n", dice.pick(&VALUES)));
    }
    if dice.often(15) {
        out.replace('\n', "\r\n")
    } else {
        out
    }
}

/// Any bytes; now and then a text, or nothing.
pub fn binary(dice: &mut Dice, size: usize) -> Vec<u8> {
    match dice.below(8) {
        0 => Vec::new(),
        1 => text(dice).into_bytes(),
        2 => b"{\"data\": \"x\"}\n".to_vec(),
        _ => {
            let mut bytes = vec![0; 1 + dice.below(size * 40)];
            dice.fill(&mut bytes);
            bytes
        }
    }
}
