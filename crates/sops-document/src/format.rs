//! The file formats, and what differs between them.

use zeroize::Zeroizing;

use super::tree::{Scalar, Style, SyntaxError, Tree, check_paths};
use super::{dotenv, ini, json, yaml};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Yaml,
    Json,
    Dotenv,
    Ini,
    /// Any other file, as one value.
    Binary,
}

/// Columns a level; `None` is the default of sops: 4 in YAML, a tab in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Indent {
    pub yaml: Option<usize>,
    pub json: Option<usize>,
}

impl Format {
    /// By the suffix, as sops chooses: what it does not know (`.env.local`, no suffix) is binary.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }

    /// Whether a file of this format can be an environment: a flat list of names and values.
    #[must_use]
    pub fn is_flat(self) -> bool {
        matches!(self, Self::Yaml | Self::Json | Self::Dotenv)
    }

    /// As sops calls it in `--input-type`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }

    /// The suffix of a file that `init` names.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Yaml => "enc.yaml",
            Self::Json => "enc.json",
            Self::Dotenv => "enc.env",
            Self::Ini => "enc.ini",
            Self::Binary => "enc",
        }
    }

    /// Parses a clear or encrypted text; metadata is part of the tree.
    ///
    /// # Errors
    /// [`SyntaxError`] with line and rule.
    pub fn parse(self, source: &str) -> Result<Tree, SyntaxError> {
        let tree = match self {
            Self::Yaml => yaml::parse(source),
            Self::Json | Self::Binary => json::parse(source),
            Self::Dotenv => dotenv::parse(source),
            Self::Ini => ini::parse(source),
        }?;
        check_paths(source, &tree)?;
        Ok(tree)
    }

    /// Prints a clear tree as `sops decrypt` does.
    pub(super) fn emit(self, tree: &Tree, indent: Indent) -> Option<String> {
        match self {
            Self::Yaml => Some(yaml::emit(tree, indent.yaml.unwrap_or(4))),
            Self::Json => {
                let unit = indent.json.map_or("\t".to_owned(), |columns| " ".repeat(columns));
                Some(json::emit(tree, &unit))
            }
            Self::Dotenv => dotenv::emit(tree),
            Self::Ini => ini::emit(tree),
            // its bytes need not be text
            Self::Binary => None,
        }
    }

    /// A comment with its mark; `None` where it does not fit: only INI has comments of several lines.
    pub(super) fn comment(self, text: &str) -> Option<Zeroizing<String>> {
        match self {
            Self::Ini => Some(ini::header_comment(text)),
            _ if text.contains(['\n', '\r']) => None,
            _ => Some(Zeroizing::new(format!("#{text}"))),
        }
    }

    /// Whether SOPS prints a value of this format so that it reads it back.
    pub(super) fn check_value(self, scalar: &Scalar) -> Result<(), &'static str> {
        match self {
            Self::Dotenv if !dotenv::can_hold(scalar) => {
                Err("dotenv cannot hold a backslash before `n`: SOPS reads it as a line break")
            }
            Self::Ini if !ini::can_hold(scalar) => Err(
                "INI cannot hold this value: SOPS would print its quotes or last backslash so that they are lost",
            ),
            _ => Ok(()),
        }
    }

    /// A scalar on one line, in the style it had where that is possible.
    pub(super) fn inline(self, scalar: &Scalar, style: Style) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Yaml => yaml::scalar_inline(scalar, style),
            Self::Json | Self::Binary => json::scalar_inline(scalar),
            Self::Dotenv => dotenv::scalar_text(scalar),
            Self::Ini => return ini::value_text(scalar),
        })
    }
}
