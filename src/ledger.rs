//! What the commit log says about SOPS files, without a key: pure, over versions that `repo` read.

mod change;
mod epoch;
mod exposure;
#[cfg(test)]
mod hand_made;
mod keylog;
mod line;
mod lineage;
mod old_mac;
mod returned;
mod snapshot;
mod stale;
mod suspects;
mod timeline;
mod version;

pub use change::{
    FileChanged, Oddity, OlderVersions, Retyped, Track, is_replaced, oddities, retyped,
};
pub use epoch::{Epoch, Epochs, Insight};
pub use exposure::{
    Doubt, ExposedKey, FileExposure, Ledger, Memory, Readable, Standing, ValueState, Why,
};
pub use keylog::{
    Blame, KeyChange, KeyEvent, KeyEventKind, KeyLogEntry, blame, key_change, key_log,
};
pub use line::{LineageStep, Lineages, Removal, line};
pub use lineage::{Behind, Lineage, ParentSide, Turn};
pub use old_mac::{EditedKeys, EditsUnderMac};
pub use returned::{Back, Return, Returns};
pub use snapshot::{
    Mark, SealedValue, Snapshot, is_of_later_document, named_leaves, sealed_names, tokens,
};
pub use stale::{Stale, short_key, stale};
pub use suspects::suspects;
pub use timeline::{
    ChangedList, FileChange, HistoryRow, Interval, Moment, Move, ReadersAtCommit, intervals,
    timeline,
};
pub use version::{FileVersion, Origin, short};
