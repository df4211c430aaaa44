//! The file of a commit message: `git commit -v` leaves the diff in it, with values if they were
//! shown.

use std::fs;
use std::io;
use std::path::Path;

/// git writes it behind the comment prefix; all below it is not of the message.
const SCISSORS: &[u8] = b" ------------------------ >8 ------------------------";

/// Takes out the scissors line and the diff below it.
pub(super) fn drop_diff(file: &Path) -> io::Result<()> {
    let bytes = fs::read(file)?;
    match message_end(&bytes) {
        // in place: git looks at this very file, and what is cut off shall not stay beside it
        Some(end) => fs::OpenOptions::new()
            .write(true)
            .open(file)?
            .set_len(end as u64),
        None => Ok(()),
    }
}

/// Where the scissors line begins. Without a diff below it is text of the author, or of a clean-up
/// mode.
fn message_end(bytes: &[u8]) -> Option<usize> {
    let mut end = None;
    let mut start = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match end {
            None if is_scissors(line) => end = Some(start),
            Some(_) if line.starts_with(b"diff --") => return end,
            _ => {}
        }
        start += line.len();
    }
    None
}

/// Whatever `core.commentChar` and `core.commentString` are.
fn is_scissors(line: &[u8]) -> bool {
    line.trim_ascii_end()
        .strip_suffix(SCISSORS)
        .is_some_and(|prefix| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_diff_below_the_scissors_is_cut_off() {
        let scissors = String::from_utf8_lossy(SCISSORS);
        let diff = "x\ndiff --git a/x b/x\n+value\n";
        for prefix in ["#", ";", "//", "REM"] {
            let text = format!("subject\n\nbody\n{prefix}{scissors}\n{diff}");
            assert_eq!(message_end(text.as_bytes()), Some(14), "{text}");
        }
        assert_eq!(
            message_end(format!("s\r\n#{scissors}\r\n{diff}").as_bytes()),
            Some(3)
        );
        assert_eq!(
            message_end(format!("#{scissors}\ndiff --cc x\n").as_bytes()),
            Some(0)
        );
        let kept = [
            format!("subject\n#{scissors}\n# nothing below\n"),
            format!("subject\n{scissors}\n{diff}"),
            format!("subject\n# see {scissors} there\n{diff}"),
            diff.to_owned(),
            String::new(),
        ];
        kept.iter()
            .for_each(|text| assert_eq!(message_end(text.as_bytes()), None, "{text}"));
    }
}
