//! What a run of verify is asked for.

use crate::workspace::register::Depth;

#[derive(Clone, Debug)]
pub struct Options {
    /// Which keys to use.
    pub depth: Depth,
    /// Files and folders from the root of the repository; none means all.
    pub scope: Vec<String>,
    /// Warnings that an honest change gives as well count as errors, where a rule says so.
    pub strict: bool,
    /// Nothing to verify, and what was not looked into, are errors.
    pub require_files: bool,
    /// The revision whose exceptions count, instead of those of the base.
    pub allow_from: Option<String>,
    /// Judge too which values former recipients know.
    pub exposure: bool,
    /// Judge too which values are older than this, in seconds.
    pub max_age: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            depth: Depth::Silent,
            scope: Vec::new(),
            strict: false,
            require_files: false,
            allow_from: None,
            exposure: false,
            max_age: None,
        }
    }
}

impl Options {
    #[must_use]
    pub fn uses_keys(&self) -> bool {
        self.depth != Depth::Keyless
    }

    /// Whether a path is asked about.
    #[must_use]
    pub fn is_in_scope(&self, path: &str) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|folder| is_beneath(path, folder))
    }
}

/// Whether a path is the other one or lies in it.
#[must_use]
pub fn is_beneath(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
