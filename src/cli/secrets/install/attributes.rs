//! Our block in a file of attributes that is not committed. It stands first, so that the lines of
//! the user win.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::block::{BEGIN, END, block_in, with_block, without_block, write};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    Written,
    AsBefore,
}

/// A file of attributes: that of the user, or `info/attributes` of a clone.
pub(super) struct Attributes {
    path: PathBuf,
}

/// The block with these lines.
pub(super) fn block(about: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{BEGIN}\n# {about}\n{lines}{END}\n")
}

impl Attributes {
    /// Links are followed: people keep their configuration elsewhere.
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        }
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the block in, or renews it; every other byte stays.
    pub(super) fn put(&self, block: &str) -> io::Result<WriteOutcome> {
        let old = self.read()?.unwrap_or_default();
        let new = with_block(&old, block, 0)
            .ok_or_else(|| io::Error::other("half a block of stax stands in it"))?;
        if new == old {
            return Ok(WriteOutcome::AsBefore);
        }
        write(&self.path, &new, self.mode())?;
        Ok(WriteOutcome::Written)
    }

    /// Adds a line at the end of the block; without one nothing is written.
    pub(super) fn add(&self, line: &str) -> io::Result<WriteOutcome> {
        let old = self.read()?.unwrap_or_default();
        let Some(range) = block_in(&old) else {
            return Ok(WriteOutcome::AsBefore);
        };
        let line = format!("{line}\n");
        if old[range.clone()]
            .split_inclusive(|byte| *byte == b'\n')
            .any(|known| known == line.as_bytes())
        {
            return Ok(WriteOutcome::AsBefore);
        }
        let end = range.end - END.len() - 1;
        let new = [&old[..end], line.as_bytes(), &old[end..]].concat();
        write(&self.path, &new, self.mode())?;
        Ok(WriteOutcome::Written)
    }

    /// Takes the block out; a file that held nothing else goes with it.
    pub(super) fn take_out(&self) -> io::Result<WriteOutcome> {
        let Some(new) = self.read()?.and_then(|old| without_block(&old)) else {
            return Ok(WriteOutcome::AsBefore);
        };
        if new.is_empty() {
            fs::remove_file(&self.path)?;
        } else {
            write(&self.path, &new, self.mode())?;
        }
        Ok(WriteOutcome::Written)
    }

    fn mode(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(&self.path).map_or(0o644, |meta| meta.permissions().mode() & 0o7777)
    }
}
