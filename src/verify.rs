//! The judge: facts of a tree, a change, a range or a clone, one table of rules, and a [`Report`].
//!
//! Whoever prints asks here: [`TreeCheck`] for a work tree, [`staged`] for the next commit,
//! [`range`] for commits, [`push`] for what a push brings, [`verdict`] for one line. What is looked
//! at stands in [`facts`], what is judged in [`rules`].

mod base;
mod beyond;
mod error;
mod exceptions;
mod exposure;
pub mod facts;
mod finding;
pub mod fingerprint;
mod history;
mod leaks;
mod moved;
mod objects;
mod options;
mod owners;
mod passing;
mod past;
pub mod plain;
mod push;
mod range;
mod replaced;
mod report;
mod returned;
mod rule;
pub mod rules;
mod source;
mod staged;
mod state;
pub mod tree;
mod verdict;

pub use base::{Against, PushTarget};
pub use beyond::{Beyond, NOTHING};
pub use error::VerifyError;
pub use exceptions::{Accepted, Exceptions, covers};
pub use exposure::with_ledger;
pub use finding::{Finding, FindingPart};
pub use options::{Options, is_beneath};
pub use push::push;
pub use range::range;
pub use report::{Report, count, found};
pub use returned::UNKNOWN;
pub use rule::{Also, On, Rule, RuleId, Severity};
pub use staged::staged;
pub use state::TreeCheck;
pub use tree::OpenedCount;
pub use verdict::{Looked, PATIENCE, Verdict, verdict};
