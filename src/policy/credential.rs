//! Words by which people call a credential.

/// In the name of a key, wherever they stand in it.
pub const WORDS: [&str; 5] = ["password", "passwd", "secret", "token", "credential"];
