//! What stands in the way of a change.

use std::fmt;

use sops_document::Document;

use super::{MAX_FILE, RuleAt, SecretFile};

/// A file that cannot be changed, and why.
#[derive(Clone, Debug)]
pub struct Obstacle {
    pub path: String,
    pub env: Option<String>,
    pub rule: Option<RuleAt>,
    pub cause: Cause,
    /// The recipients that it names, as far as that can be read.
    pub labels: Vec<String>,
    /// Commands that lead on.
    pub steps: Vec<String>,
    /// What stands for the file in a look at the present: its copy here, else that of the index.
    pub known: Option<KnownVersion>,
}

/// A version of a file that cannot be changed.
#[derive(Clone, Debug)]
pub struct KnownVersion {
    pub document: Box<Document>,
    /// The work tree does not have it.
    pub is_from_index: bool,
}

impl Obstacle {
    #[must_use]
    pub fn new(path: &str, rule: Option<RuleAt>, cause: Cause) -> Self {
        let (labels, steps) = (Vec::new(), Vec::new());
        Self {
            path: path.to_owned(),
            env: None,
            rule,
            cause,
            labels,
            steps,
            known: None,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Cause {
    /// No identity opens it.
    Locked {
        readers: Vec<String>,
    },
    /// A value or the MAC does not authenticate.
    Integrity(String),
    /// It has keys of these other kinds, which stay.
    Foreign(Vec<String>),
    TooLarge,
    /// It may be a SOPS document and cannot be read as one.
    Unreadable(String),
    /// git has several versions of it.
    Unmerged,
    /// git has it, and this work tree does not.
    Absent,
    /// git has a SOPS document, and this work tree has something else.
    NoLongerSops,
    /// It is bound to an environment, and no SOPS document.
    BoundToOther,
    /// The nearest policy above it cannot be read.
    Policy {
        path: String,
        what: String,
    },
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { .. } => f.write_str("no identity opens it"),
            Self::Foreign(kinds) => write!(
                f,
                "has keys of other kinds ({}), which stay",
                kinds.join(", ")
            ),
            Self::TooLarge => write!(f, "is larger than {} MiB", MAX_FILE >> 20),
            Self::Unmerged => f.write_str("has an unfinished merge"),
            Self::Absent => f.write_str("is in the index and not in this work tree"),
            Self::NoLongerSops => f.write_str("is no longer a SOPS file in the work tree"),
            Self::BoundToOther => {
                f.write_str("is bound in .stax/vault.json and is no SOPS document")
            }
            Self::Policy { path, what } => write!(f, "its policy {path} cannot be read: {what}"),
            Self::Integrity(what) | Self::Unreadable(what) | Self::Other(what) => f.write_str(what),
        }
    }
}

/// What becomes of the data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKeyChange {
    /// Stays: whoever is added can open older versions too.
    Keep,
    /// New: whoever held the old one opens nothing of the new version.
    New,
    /// The same, and keys of other kinds than age go.
    NewForAgeAlone,
}

impl SecretFile {
    #[must_use]
    pub fn obstacle(&self, cause: Cause) -> Box<Obstacle> {
        Box::new(Obstacle {
            path: self.target.path.clone(),
            env: self.target.env.clone(),
            rule: self.rule,
            cause,
            labels: self.labels().into_iter().map(str::to_owned).collect(),
            steps: Vec::new(),
            known: Some(KnownVersion {
                document: Box::new(self.document.clone()),
                is_from_index: false,
            }),
        })
    }

    /// Whether a file may get new stanzas or a new data key, as far as that can be told without any
    /// key.
    ///
    /// # Errors
    /// [`Cause::Foreign`]: only the programs of those keys could encrypt to them.
    pub fn admits(&self, keys: DataKeyChange) -> Result<(), Box<Obstacle>> {
        let metadata = self.document.metadata();
        // new parts of an old key concern the foreign keys of key groups as well
        let are_concerned = match keys {
            DataKeyChange::Keep | DataKeyChange::NewForAgeAlone => !metadata.groups.is_empty(),
            DataKeyChange::New => true,
        };
        if metadata.foreign.is_empty() || !are_concerned {
            return Ok(());
        }
        let command = if keys == DataKeyChange::Keep {
            "updatekeys -y"
        } else {
            "rotate -i"
        };
        let path = shell_words::quote(&self.target.path);
        let step = format!("sops {command} {}{path}", self.sops_types());
        Err(self
            .obstacle(Cause::Foreign(metadata.foreign.clone()))
            .step(step))
    }
}

impl Obstacle {
    #[must_use]
    pub fn step(mut self: Box<Self>, command: impl Into<String>) -> Box<Self> {
        self.steps.push(command.into());
        self
    }
}
