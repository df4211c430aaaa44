//! Why a text cannot be read, opened, sealed or changed. None of it holds a value.

use crate::tree::{Path, SyntaxError};

/// Why a text is not a SOPS document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("no sops metadata")]
    NotSops,
    #[error("a SOPS document of another format than its name says")]
    Misnamed,
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: {what}")]
    Metadata { line: usize, what: String },
}

/// A value or the whole document is not what its writer sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    #[error("line {line}: `{path}` {what}")]
    Value {
        line: usize,
        path: String,
        what: String,
    },
    #[error(
        "the MAC does not match: without the data key, values were changed, deleted or put in another order"
    )]
    Mac,
    #[error("the MAC is missing")]
    NoMac,
    /// Of these key groups, counted from 1.
    #[error("the parts of the data key in {} do not belong together", groups(.0))]
    Parts(Vec<usize>),
}

/// `key groups 1, 3`
fn groups(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("key groups {}", numbers.join(", "))
}

/// Why a text cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: `{key}` is reserved for the metadata of SOPS")]
    Reserved { line: usize, key: String },
    #[error("line {line}: {what}")]
    Value { line: usize, what: String },
    #[error("the rule `{0}` selects no value: everything would be written in clear")]
    NothingSelected(String),
    #[error("{0}")]
    Unsupported(&'static str),
    /// A bug of ours, caught before anything was written.
    #[error("the result was read back and does not say what was meant ({0}); nothing was written")]
    ReadBack(String),
}

/// What was just written is not read as a document.
impl From<DocumentError> for SealError {
    fn from(error: DocumentError) -> Self {
        Self::ReadBack(error.to_string())
    }
}

/// What was just written does not open.
impl From<OpenFault> for SealError {
    fn from(fault: OpenFault) -> Self {
        Self::ReadBack(fault.to_string())
    }
}

/// Why a value cannot be set or removed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("`{0}` does not exist")]
    Missing(Path),
    #[error("`{0}` is a map or a list, not a value")]
    NotAValue(Path),
    #[error("`{0}` would be stored in clear: the rule of this file (`{1}`) does not select it")]
    Clear(Path, String),
    #[error("`{0}` is reserved for the metadata of SOPS")]
    Reserved(String),
    #[error("`{0}`: {1}")]
    Value(Path, &'static str),
    #[error("`{0}` is a value: remove it first, to put something below it")]
    InTheWay(Path),
    #[error("`{path}`: the list has {length} items; the next one is [{length}]")]
    Index { path: Path, length: usize },
    #[error(transparent)]
    Seal(#[from] SealError),
}
