//! One value, and the bytes that are encrypted for it.

use zeroize::Zeroizing;

use crate::cipher::TokenType;

/// A value with its SOPS type.
#[derive(Clone)]
pub enum Scalar {
    /// Mostly UTF-8; sops also carries raw bytes (`!!binary`) as a string.
    Str(Zeroizing<Vec<u8>>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// RFC 3339 as sops writes it.
    Time(String),
    Null,
}

impl Scalar {
    #[must_use]
    pub fn str(text: &str) -> Self {
        Self::Str(Zeroizing::new(text.as_bytes().to_vec()))
    }

    /// The bytes that are encrypted and fed to the MAC; `None` for null, which is neither.
    #[must_use]
    pub fn plaintext(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text = match self {
            Self::Str(bytes) => return Some(bytes.clone()),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => float_text(*number),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Time(text) => text.clone(),
            Self::Null => return None,
        };
        Some(Zeroizing::new(text.into_bytes()))
    }

    /// The type written into a token; `None` for what is never encrypted: null and the empty
    /// string.
    #[must_use]
    pub fn token_type(&self) -> Option<TokenType> {
        Some(match self {
            Self::Str(bytes) if bytes.is_empty() => return None,
            Self::Str(_) => TokenType::Str,
            Self::Int(_) => TokenType::Int,
            Self::Float(_) => TokenType::Float,
            Self::Bool(_) => TokenType::Bool,
            Self::Time(_) => TokenType::Time,
            Self::Null => return None,
        })
    }

    /// The inverse of [`Self::plaintext`]: only the canonical text of a type is accepted.
    #[must_use]
    pub fn from_plaintext(kind: TokenType, bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        if kind == TokenType::Str {
            return Some(Self::Str(bytes));
        }
        let text = std::str::from_utf8(&bytes).ok()?;
        let scalar = match kind {
            TokenType::Int => Self::Int(text.parse().ok()?),
            TokenType::Float => Self::Float(float_value(text)?),
            TokenType::Bool => Self::Bool(match text {
                "True" => true,
                "False" => false,
                _ => return None,
            }),
            TokenType::Time => Self::Time(text.to_owned()),
            TokenType::Str | TokenType::Comment => return None,
        };
        (scalar.plaintext()? == bytes).then_some(scalar)
    }

    /// `str`, `int`, `float`, `bool`, `time` or `null`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Str(_) => "str",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Bool(_) => "bool",
            Self::Time(_) => "time",
            Self::Null => "null",
        }
    }

    #[must_use]
    pub fn is_empty_str(&self) -> bool {
        matches!(self, Self::Str(bytes) if bytes.is_empty())
    }

    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Str(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            // as they are written: there is one text for what is no number, and 0 is not -0
            (Self::Float(a), Self::Float(b)) => float_text(*a) == float_text(*b),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Null, Self::Null) => true,
            _ => false,
        }
    }
}

/// Names the type and nothing of the value.
impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(…)", self.type_name())
    }
}

/// Go's `FormatFloat(f, 'f', -1, 64)`: shortest digits that read back, never an exponent.
#[must_use]
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        }
    } else {
        number.to_string()
    }
}

/// sops prints the float 1 as `1` and reads an integer the next time; with a point it stays a
/// float.
pub(crate) fn keep_point(scalar: &Scalar, text: String) -> String {
    let is_whole =
        matches!(scalar, Scalar::Float(_)) && text.bytes().all(|c| c == b'-' || c.is_ascii_digit());
    if is_whole { text + ".0" } else { text }
}

fn float_value(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_accepts_only_its_canonical_text() {
        for (kind, text, ok) in [
            (TokenType::Int, "5432", true),
            (TokenType::Int, "+5", false),
            (TokenType::Int, "05", false),
            (TokenType::Bool, "True", true),
            (TokenType::Bool, "true", false),
            (TokenType::Float, "1.5", true),
            (TokenType::Float, "1e3", false),
            (TokenType::Float, "-0", true),
            (TokenType::Float, "inf", false),
            (TokenType::Float, "+Inf", true),
        ] {
            let bytes = Zeroizing::new(text.as_bytes().to_vec());
            assert_eq!(
                Scalar::from_plaintext(kind, bytes).is_some(),
                ok,
                "{kind:?} {text}"
            );
        }
    }
}
