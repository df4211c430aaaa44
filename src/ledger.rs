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

pub use change::{Change, Oddity, Past, Retyped, Track, is_replaced, oddities, retyped};
pub use epoch::{Epoch, Epochs, Insight};
pub use exposure::{Doubt, FileExposure, Item, Ledger, Memory, Readable, Standing, State, Why};
pub use keylog::{Blame, Entry, Event, KeyChange, KeyEvent, blame, key_change, key_log};
pub use line::{Lines, Removal, Step, line};
pub use lineage::{Behind, Lineage, Side, Turn};
pub use old_mac::{Edits, Keys};
pub use returned::{Back, Return, Returns};
pub use snapshot::{Mark, Sealed, Snapshot, is_of_later_document, named_leaves, sealed_names, tokens};
pub use stale::{Stale, short_key, stale};
pub use suspects::suspects;
pub use timeline::{FileChange, Interval, Moment, Move, Place, Readers, Row, intervals, timeline};
pub use version::{Origin, Version, short};
