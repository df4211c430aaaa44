//! Where values cannot be merged key by key.

/// Why three versions cannot be merged by key: they have to be merged as text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    #[error("the sides differ in `{0}`")]
    Terms(String),
    #[error("{0}")]
    Shape(&'static str),
}

pub(super) const TOO_MUCH: &str = "theirs changed more than 10,000 keys or comments";
