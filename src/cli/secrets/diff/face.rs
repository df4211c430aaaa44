//! How one value looks to whom.

use sops_document::compare::SeenValue;
use sops_document::{Path, Scalar, Selector};

use crate::cli::secrets::values::plain_text;
use crate::cli::show::{Show, ciphertext};

/// A value on its way to the screen.
#[derive(Clone)]
pub(super) struct Face {
    pub(super) text: String,
    /// The text is the value itself.
    pub(super) is_value: bool,
}

impl Face {
    pub(super) fn of(
        path: &Path,
        known: &SeenValue,
        show: Show<'_>,
        selector: Option<&Selector>,
    ) -> Self {
        let hidden = |text: String| Self {
            text,
            is_value: false,
        };
        let (scalar, token) = (known.scalar.as_ref(), known.token.as_ref());
        match (scalar, token) {
            (None, None) => hidden(String::new()),
            (None, Some(token)) => hidden(ciphertext(token)),
            (Some(scalar), Some(token)) => {
                if matches!(show, Show::Values)
                    && let Some(text) = text(scalar)
                {
                    return Self {
                        text,
                        is_value: true,
                    };
                }
                let plain = scalar.plaintext().unwrap_or_default();
                let mask = show.mask(path, known.kind(), &plain);
                hidden(mask.unwrap_or_else(|| ciphertext(token)))
            }
            (Some(scalar), None) => {
                // a secret that somebody left in clear is still no line for a log
                let is_empty = *scalar == Scalar::Null || scalar.is_empty_str();
                let leaked = !matches!(show, Show::Values)
                    && !is_empty
                    && selector.is_some_and(|selector| selector.selects(path));
                match text(scalar).filter(|_| !leaked) {
                    Some(text) => Self {
                        text,
                        is_value: true,
                    },
                    None => hidden(format!("«{} {}B in clear»", known.kind(), known.bytes())),
                }
            }
        }
    }
}

/// `None` for bytes that no terminal can show.
fn text(scalar: &Scalar) -> Option<String> {
    match scalar {
        Scalar::Null => Some("null".to_owned()),
        _ => String::from_utf8(plain_text(scalar).to_vec()).ok(),
    }
}
