//! Re-wrapping and rotating every file that a rule governs.
