//! Which type a scalar has: the rules of go-yaml v3 as sops uses it, in its order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::tree::{Scalar, Style};

pub(super) enum Resolved {
    Scalar(Scalar),
    Refused(&'static str),
}

const TAG: &str = "tag:yaml.org,2002:";
const KINDS: [&str; 8] = [
    "str",
    "merge",
    "binary",
    "int",
    "float",
    "bool",
    "null",
    "timestamp",
];

/// Whether a tag says more than the type that a token has.
pub(super) fn is_of_application(tag: &str) -> bool {
    tag != "!"
        && !tag
            .strip_prefix(TAG)
            .is_some_and(|kind| KINDS.contains(&kind))
}

pub(super) fn resolve(text: &str, style: Style, tag: Option<&str>) -> Resolved {
    let plain = matches!(style, Style::Plain | Style::Flow);
    let Some(tag) = tag.filter(|tag| *tag != "!") else {
        return if plain {
            plain_scalar(text)
        } else {
            Resolved::Scalar(Scalar::str(text))
        };
    };
    let Some(kind) = tag.strip_prefix(TAG) else {
        return Resolved::Scalar(Scalar::str(text));
    };
    match kind {
        "str" | "merge" => Resolved::Scalar(Scalar::str(text)),
        "binary" => binary(text),
        "int" | "float" | "bool" | "null" | "timestamp" => tagged(text, kind),
        _ => Resolved::Scalar(Scalar::str(text)),
    }
}

fn binary(text: &str) -> Resolved {
    let packed: String = text.split_ascii_whitespace().collect();
    match STANDARD.decode(packed) {
        Ok(bytes) => Resolved::Scalar(Scalar::Str(Zeroizing::new(bytes))),
        Err(_) => Resolved::Refused("a !!binary value that is not base64"),
    }
}

fn tagged(text: &str, kind: &str) -> Resolved {
    let scalar = match plain_scalar(text) {
        Resolved::Scalar(scalar) => scalar,
        refused @ Resolved::Refused(_) => return refused,
    };
    match (kind, scalar) {
        #[allow(clippy::cast_precision_loss)] // as Go converts it
        ("float", Scalar::Int(number)) => Resolved::Scalar(Scalar::Float(number as f64)),
        ("int", scalar @ Scalar::Int(_))
        | ("float", scalar @ Scalar::Float(_))
        | ("bool", scalar @ Scalar::Bool(_))
        | ("null", scalar @ Scalar::Null)
        | ("timestamp", scalar @ Scalar::Time(_)) => Resolved::Scalar(scalar),
        _ => Resolved::Refused("a value that does not fit its tag"),
    }
}

fn plain_scalar(text: &str) -> Resolved {
    let scalar = match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        // the merge sign; as a value sops keeps it as a string
        "<<" => Scalar::str(text),
        _ => return numeric(text),
    };
    Resolved::Scalar(scalar)
}

fn numeric(text: &str) -> Resolved {
    let string = Resolved::Scalar(Scalar::str(text));
    match text.as_bytes()[0] {
        b'.' => point_float(text).map_or(string, |number| Resolved::Scalar(Scalar::Float(number))),
        b'+' | b'-' | b'0'..=b'9' => {
            if let Some(time) = timestamp(text) {
                return Resolved::Scalar(Scalar::Time(time));
            }
            let packed = text.replace('_', "");
            match integer(&packed) {
                Some(Ok(number)) => return Resolved::Scalar(Scalar::Int(number)),
                Some(Err(())) => {
                    return Resolved::Refused("an integer above 9223372036854775807: quote it");
                }
                None => {}
            }
            decimal_float(&packed).map_or(string, |number| Resolved::Scalar(Scalar::Float(number)))
        }
        _ => string,
    }
}

/// Go's `ParseFloat` of a text that starts with a point: single underscores between digits pass.
fn point_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between_digits = |at: usize| {
        bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
    };
    let sound = (1..bytes.len()).all(|at| bytes[at] != b'_' || between_digits(at));
    if sound {
        decimal_float(&text.replace('_', ""))
    } else {
        None
    }
}

/// `[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?` within the range of a double.
fn decimal_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent =
        exponent.is_none_or(|text| digits(text.strip_prefix(['-', '+']).unwrap_or(text)));
    let number: f64 = if whole && exponent {
        text.parse().ok()?
    } else {
        return None;
    };
    number.is_finite().then_some(number)
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint`: `Err` is a number only the latter holds.
fn integer(text: &str) -> Option<Result<i64, ()>> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -magnitude } else { magnitude };
    match i64::try_from(value) {
        Ok(value) => Some(Ok(value)),
        Err(_) if !text.starts_with(['-', '+']) && u64::try_from(value).is_ok() => Some(Err(())),
        Err(_) => None,
    }
}

/// `Y-M-D`, `Y-M-DTh:m:s[.f](Z|±hh:mm)` or `Y-M-D h:m:s[.f]`, printed as sops prints it.
fn timestamp(text: &str) -> Option<String> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let (day, clock) = match rest.find(['T', 't', ' ']) {
        Some(at) => (&rest[..at], Some((rest.as_bytes()[at], &rest[at + 1..]))),
        None => (rest, None),
    };
    if year.len() != 4 {
        return None;
    }
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > days {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match clock {
        None => Some(format!("{date}T00:00:00Z")),
        Some((b' ', clock)) => Some(format!("{date}T{}Z", time_of_day(clock)?)),
        Some((_, clock)) => {
            let at = clock.find(['Z', '+', '-'])?;
            Some(format!(
                "{date}T{}{}",
                time_of_day(&clock[..at])?,
                zone(&clock[at..])?
            ))
        }
    }
}

fn time_of_day(text: &str) -> Option<String> {
    let (hour, rest) = text.split_once(':')?;
    let (minute, rest) = rest.split_once(':')?;
    let (second, fraction) = match rest.find(['.', ',']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match fraction {
        None => String::new(),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let digits = digits[..digits.len().min(9)].trim_end_matches('0');
            if digits.is_empty() {
                String::new()
            } else {
                format!(".{digits}")
            }
        }
        Some(_) => return None,
    };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}"))
}

fn zone(text: &str) -> Option<String> {
    if text == "Z" {
        return Some("Z".into());
    }
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || number(hours, 2)? > 24 || number(minutes, 2)? > 59
    {
        return None;
    }
    Some(if hours == "00" && minutes == "00" {
        "Z".into()
    } else {
        text.into()
    })
}

fn number(text: &str, most: usize) -> Option<u32> {
    let sound =
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// Whether a plain scalar of this text reads as a string.
#[must_use]
pub fn reads_as_string(text: &str) -> bool {
    matches!(
        resolve(text, Style::Plain, None),
        Resolved::Scalar(Scalar::Str(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_have_the_types_that_sops_gives_them() {
        for (text, expected) in [
            ("yes", "str yes"),
            ("on", "str on"),
            ("0x1F", "int 31"),
            ("0o17", "int 15"),
            ("0777", "int 511"),
            ("08", "float 8"),
            ("1_000", "int 1000"),
            ("-0b11", "int -3"),
            ("1e3", "float 1000"),
            ("1.", "float 1"),
            (".5", "float 0.5"),
            ("._5", "str ._5"),
            ("1:30", "str 1:30"),
            ("2001-12-14", "time 2001-12-14T00:00:00Z"),
            (
                "2001-12-14t21:59:43.10-05:00",
                "time 2001-12-14T21:59:43.1-05:00",
            ),
            ("2001-2-30", "str 2001-2-30"),
            (
                "123456789012345678901234567890",
                "float 123456789012345680000000000000",
            ),
            ("~", "null"),
            ("+.inf", "float +Inf"),
            ("1e999", "str 1e999"),
            ("-", "str -"),
        ] {
            let Resolved::Scalar(scalar) = resolve(text, Style::Plain, None) else {
                panic!("{text}")
            };
            let shown = match scalar.plaintext() {
                Some(bytes) => format!(
                    "{} {}",
                    scalar.type_name(),
                    std::str::from_utf8(&bytes).unwrap()
                ),
                None => scalar.type_name().to_owned(),
            };
            assert_eq!(shown, expected, "{text}");
        }
        assert!(matches!(
            resolve("18446744073709551615", Style::Plain, None),
            Resolved::Refused(_)
        ));
        assert!(matches!(
            resolve("5", Style::Double, None),
            Resolved::Scalar(Scalar::Str(_))
        ));
        let float = resolve("5", Style::Plain, Some("tag:yaml.org,2002:float"));
        assert!(matches!(float, Resolved::Scalar(Scalar::Float(_))));
    }
}
