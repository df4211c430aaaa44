//! A rule of verify. Its row is all that is known of it: what it says, how bad that is, and how the
//! judge treats it.
//!
//! The rows stand with the code that judges, one file a family, in [`super::rules`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// From the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Notice,
    Warning,
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The row of a rule. Texts are in lower case without a full stop, backticks round what is typed;
/// the title is a sentence.
#[derive(Debug)]
pub struct Rule {
    /// `F04`; the letter is that of its family.
    pub id: &'static str,
    pub name: &'static str,
    /// The violation: forges print it above a finding.
    pub title: &'static str,
    /// In a file that `.stax/vault.json` binds; `None` where the rule is silent.
    pub bound: Option<Severity>,
    /// In any other SOPS file.
    pub general: Option<Severity>,
    /// What a finding would let happen.
    pub why: &'static str,
    /// What such a file, commit or line looks like.
    pub example: &'static str,
    /// What to do, step by step.
    pub mend: &'static [&'static str],
    pub on: &'static [On],
    /// Whether `allow` in `.stax/vault.json` excuses it: not where that would hide an attack or a
    /// broken proof.
    pub may_be_allowed: bool,
    pub also: &'static [Also],
}

/// What a rule is judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The files of a work tree, of an index or at the end of a range.
    Tree,
    /// A version of a file against the one before.
    Change,
    /// The commits of a range, or those behind HEAD.
    Range,
    /// What is so in this clone alone.
    Clone,
    /// What only a key tells.
    Key,
}

/// How the judge treats a rule otherwise than most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    /// `--strict` makes its warnings errors.
    Strict,
    /// What it says names the files, so no line does.
    NamesItsFiles,
    /// What it says gives the reason.
    GivesItsReason,
    /// Counts in every commit of a range, also where a later one mends it.
    InEveryCommit,
    /// A notice where a later commit made a new data key.
    HealedByRotation,
    /// A value is in plaintext: git keeps it, and that it stands in a file as well is not told
    /// again.
    Plaintext,
    /// Names and keys of the whole policy matter, so that a change of it may break any file.
    OfPolicy,
    /// A change of a file of attributes may break any file below.
    OfAttributes,
    /// Looked for in what changes alone, so never an older finding.
    OnlyInChanges,
    /// Older than a change where the base says the same of the file, whatever its lines are.
    KnownByWords,
    /// Compares files, so the base is read as a whole.
    ComparesFiles,
}

impl Rule {
    #[must_use]
    pub fn is(&self, also: Also) -> bool {
        self.also.contains(&also)
    }

    /// The worst that the rule reports.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.bound.max(self.general).unwrap_or(Severity::Notice)
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "tree",
            Self::Change => "change",
            Self::Range => "range",
            Self::Clone => "clone",
            Self::Key => "key",
        })
    }
}

/// One of the rules: [`RuleId::F04`] and so on. Each has an id and a name; both select it.
#[derive(Clone, Copy)]
pub struct RuleId(pub(super) &'static Rule);

impl Deref for RuleId {
    type Target = Rule;

    fn deref(&self) -> &Rule {
        self.0
    }
}

impl PartialEq for RuleId {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for RuleId {}

impl Hash for RuleId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// `F04 plaintext`
impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.name)
    }
}

/// The rows of a family, in their order: `F04 { name: …, title: …, … }`.
macro_rules! rules {
    ($($id:ident { $($row:tt)* })*) => {
        impl crate::verify::rule::RuleId {
            $(pub const $id: Self = Self(&crate::verify::rule::Rule { id: stringify!($id), $($row)* });)*
        }

        pub(super) const RULES: &[crate::verify::rule::RuleId] = &[$(crate::verify::rule::RuleId::$id,)*];
    };
}

pub(super) use rules;
