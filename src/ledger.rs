//! What the commit log says about SOPS files, without a key: pure, over versions that `repo` read.

mod change;
mod snapshot;
mod stale;
mod version;

pub use change::{Change, Past, Track, judge};
pub use snapshot::Snapshot;
pub use stale::{Stale, findings, stale};
pub use version::{Origin, Version, short};
