//! Versions of files, as commits made them.

use std::rc::Rc;

use super::Snapshot;

/// The commit that made a version. Names and dates are what it claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// 40 hex digits; empty for what is not committed.
    pub commit: String,
    pub author: String,
    pub email: String,
    /// YYYY-MM-DD, as the calendar of the author had it.
    pub date: String,
    /// Seconds since 1970.
    pub seconds: i64,
    /// The first paragraph of the message, on one line.
    pub summary: String,
    /// It carries a signature; nobody has checked it.
    pub signed: bool,
    /// The commit on the first-parent line of the first tip that brought it there, unless it stands
    /// there itself.
    pub landed: Option<String>,
}

impl Origin {
    /// Seven digits.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.commit)
    }
}

/// Seven digits of a commit.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// One version of a file.
#[derive(Clone, Debug)]
pub struct FileVersion {
    pub path: String,
    /// 40 hex digits of the blob; empty where nobody asks for it.
    pub blob: String,
    pub origin: Rc<Origin>,
    pub snapshot: Rc<Snapshot>,
    /// What the parents of its commit hold at the path.
    pub parents: Vec<Rc<Snapshot>>,
}

impl FileVersion {
    /// What HEAD holds, against a change that is not committed yet.
    #[must_use]
    pub fn of_parent(path: &str, snapshot: Rc<Snapshot>) -> Self {
        Self {
            path: path.to_owned(),
            blob: String::new(),
            origin: Rc::default(),
            snapshot,
            parents: Vec::new(),
        }
    }
}
