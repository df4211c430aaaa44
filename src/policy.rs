//! The policy: what the repository says about who may read what, and the findings of verify.

pub mod config;
pub mod names;
pub mod roster;
pub mod shell;
pub mod who;

pub use crate::sops::pattern;
