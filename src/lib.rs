//! stax: secrets live in git as standard SOPS files; stax makes git understand them.
//!
//! Documents, their keys and their merges are [`sops_document`], a crate of its own that knows
//! nothing of this one.
//!
//! The map, lowest floor first. A module imports only from lower floors; inside floors 0 and 2 from
//! those above it in this table; modules of floor 1 do not know each other. `tests/architecture.rs`
//! keeps it so.
//!
//! | floor | module        | owns                                                                   |
//! |-------|---------------|------------------------------------------------------------------------|
//! | 0     | [`policy`]    | `.sops.yaml`, `.stax/vault.json`, `recipients.md`                      |
//! | 0     | [`environment`] | names that programs obey, `.env` files, quoting for a shell          |
//! | 0     | [`leak`]      | searching values in other files                                        |
//! | 0     | [`ledger`]    | what the commit log says: data keys, former readers, change rules      |
//! | 1     | [`repo`]      | git; the only user of `git2`                                           |
//! | 1     | [`keyring`]   | where identities come from                                             |
//! | 1     | [`disk`]      | atomic writes, lock, journal, private folders                          |
//! | 1     | [`process`]   | child processes, without the identity variables                        |
//! | 1     | [`trace`]     | what this process does, for who has to find out; every floor above 0 may write to it |
//! | 2     | [`inventory`] | every SOPS file of a work tree, an index or a commit: format, binding, rule, readers, obstacles |
//! | 2     | [`workspace`] | repo, policy and keyring opened together: read, unlock, save           |
//! | 2     | [`verify`]    | facts, one table of rules, and a report: tree, change, range, clone    |
//! | 3     | [`cli`]       | clap, printing, prompting, exit codes; one file a command              |

pub mod cli;
pub mod disk;
pub mod environment;
pub mod inventory;
pub mod keyring;
pub mod leak;
pub mod ledger;
pub mod policy;
pub mod process;
pub mod repo;
pub mod trace;
pub mod verify;
pub mod workspace;
