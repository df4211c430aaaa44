//! Environment variables: the names that programs obey, `.env` files as sops and shells read them,
//! and what is printed for a shell.

pub mod env_file;
pub mod names;
pub mod shell;
