//! What the commit log says about SOPS files, without a key: pure, over versions that `repo` read.

mod change;
mod snapshot;
mod stale;

pub use change::{Change, Past, Track, judge};
pub use snapshot::Snapshot;
pub use stale::{Stale, Version, findings, stale};
