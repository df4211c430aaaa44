//! The formats by name.

use zeroize::Zeroizing;

use super::binary::Binary;
use super::dotenv::Dotenv;
use super::ini::Ini;
use super::json::Json;
use super::yaml::Yaml;
use super::{FormatTraits, Indent, Syntax};
use crate::bounds::check_paths;
use crate::tree::{Scalar, SyntaxError, Tree};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Yaml,
    Json,
    Dotenv,
    Ini,
    /// Any other file, as one value.
    Binary,
}

impl Format {
    /// All of them, the narrow ones first: YAML reads JSON too.
    pub const ALL: [Self; 5] = [
        Self::Binary,
        Self::Json,
        Self::Yaml,
        Self::Ini,
        Self::Dotenv,
    ];

    /// The object that does what differs between the formats.
    pub(crate) fn syntax(self) -> &'static dyn Syntax {
        match self {
            Self::Yaml => &Yaml,
            Self::Json => &Json,
            Self::Dotenv => &Dotenv,
            Self::Ini => &Ini,
            Self::Binary => &Binary,
        }
    }

    /// What the format is called, and what it can hold.
    #[must_use]
    pub fn traits(self) -> &'static FormatTraits {
        self.syntax().traits()
    }

    /// By the suffix, as sops chooses: what it does not know (`.env.local`, no suffix) is binary.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        Self::said_by(path).unwrap_or(Self::Binary)
    }

    /// The format that a name says; `None` where sops would take the file for any bytes.
    #[must_use]
    pub fn said_by(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (_, suffix) = name.rsplit_once('.')?;
        Self::ALL
            .into_iter()
            .find(|format| format.traits().suffixes.contains(&suffix))
    }

    /// Whether a file of this format can be an environment: a flat list of names and values.
    #[must_use]
    pub fn is_flat(self) -> bool {
        self.traits().is_flat
    }

    /// Whether a file is one value of any bytes, which every rule encrypts.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.traits().only_value.is_some()
    }

    /// Whether values are more than text.
    #[must_use]
    pub fn has_types(self) -> bool {
        self.traits().has_types
    }

    /// Parses a clear or encrypted text; metadata is part of the tree.
    ///
    /// # Errors
    /// [`SyntaxError`] with line and rule.
    pub fn parse(self, source: &str) -> Result<Tree, SyntaxError> {
        let tree = self.syntax().parse(source)?;
        check_paths(source, &tree)?;
        Ok(tree)
    }

    /// The text to seal and its tree; `indent` is for a text that the format makes by itself.
    pub(crate) fn read(
        self,
        clear: &[u8],
        indent: Option<usize>,
    ) -> Result<(Zeroizing<String>, Tree), SyntaxError> {
        let (text, tree) = self.syntax().read(clear, indent)?;
        check_paths(&text, &tree)?;
        Ok((text, tree))
    }

    /// Prints a clear tree as `sops decrypt` does; `None` where the format cannot hold it.
    #[must_use]
    pub fn emit(self, tree: &Tree, indent: Indent) -> Option<String> {
        self.syntax().emit(tree, indent)
    }

    /// A text whose aliases are written out; its tree tells where they are.
    #[must_use]
    pub fn without_aliases(self, source: &str, tree: &Tree) -> Zeroizing<String> {
        self.syntax().without_aliases(source, tree)
    }

    /// Whether SOPS prints a value of this format so that it reads it back.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check_value(self, scalar: &Scalar) -> Result<(), &'static str> {
        self.syntax().check_value(scalar)
    }
}
