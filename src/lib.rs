//! stax: secrets live in git as standard SOPS files; stax makes git understand them.
//!
//! The map, lowest floor first. A module imports only from lower floors; modules of floor 1 do not
//! know each other. `tests/architecture.rs` keeps it so.
//!
//! | floor | module        | owns                                                                   |
//! |-------|---------------|------------------------------------------------------------------------|
//! | 0     | [`sops`]      | documents: parse, open, reseal, rewrap, rotate; pure                   |
//! | 0     | [`age`]       | recipients, identities, wrapping a data key, strict header lint        |
//! | 0     | [`policy`]    | `.sops.yaml`, `.stax/vault.json`, `recipients.md`, findings, the rules |
//! | 0     | [`ledger`]    | what the commit log says: data keys, former readers, change rules      |
//! | 1     | [`repo`]      | git; the only user of `git2`                                           |
//! | 1     | [`keyring`]   | where identities come from                                             |
//! | 1     | [`disk`]      | atomic writes, lock, journal, private folders                          |
//! | 1     | [`process`]   | child processes, without the identity variables                        |
//! | 2     | [`workspace`] | repo, policy and keyring opened together: read, unlock, save           |
//! | 3     | [`cli`]       | clap, printing, prompting, exit codes; one file a command              |

pub mod age;
pub mod cli;
pub mod disk;
pub mod keyring;
pub mod ledger;
pub mod policy;
pub mod process;
pub mod repo;
pub mod sops;
pub mod workspace;
