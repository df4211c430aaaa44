//! The policy: what the repository says about who may read what.

pub mod config;
pub mod consent;
pub mod content;
pub mod credential;
pub mod entropy;
pub mod holders;
pub mod policies;
pub mod roster;
pub mod sniff;
pub mod vault;
pub mod who;

pub use holders::Holders;
pub use sops_document::pattern;
pub use who::{WhoError, is_same_person, resolve_person, resolve_who, without_mail};
