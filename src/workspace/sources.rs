//! What a command that only reads takes besides the files of the work tree: standard input, pipes,
//! and outside any repository what a link leads to.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{MAX_FILE, Result, Target, Workspace, WorkspaceError};
use crate::disk::DiskError;
use crate::workspace::Caller;

/// Standard input by its usual name.
const STDIN: &str = "-";

/// Standard input, a device or a pipe: it has no folder, and is read once.
#[must_use]
pub fn is_stream(file: &Path) -> bool {
    let is_pipe = || fs::metadata(file).is_ok_and(|about| !about.is_file() && !about.is_dir());
    file == Path::new(STDIN)
        || ["/dev", "/proc"]
            .iter()
            .any(|place| file.starts_with(place))
        || is_pipe()
}

impl Workspace {
    /// As [`Self::open`], for a command that only reads: what comes by a pipe has the repository of
    /// this folder.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_read(file: Option<&Path>, caller: Caller) -> Result<Self> {
        Self::open(
            file.map(|file| {
                if is_stream(file) {
                    Path::new(STDIN)
                } else {
                    file
                }
            }),
            caller,
        )
    }

    /// As [`Self::target`], for a command that only reads.
    ///
    /// # Errors
    /// As [`Self::target`]; what cannot be read.
    pub fn target_to_read(&self, env: Option<&str>, file: Option<&Path>) -> Result<Target> {
        match file {
            Some(file) if file == Path::new(STDIN) => self.given("stdin".into(), file),
            Some(file) if is_stream(file) => self.given(file.display().to_string(), file),
            Some(file) if self.repo.is_none() => self.given(self.relative(file)?, file),
            _ => self.target(env, file),
        }
    }

    fn given(&self, path: String, file: &Path) -> Result<Target> {
        self.give(&path, file)?;
        Ok(Target { path, env: None })
    }

    /// Reads a file, and from now on what it holds where this path is asked for.
    ///
    /// # Errors
    /// A file that is not there, cannot be read or is too large.
    pub fn give(&self, path: &str, file: &Path) -> Result<()> {
        let bytes = read_whole(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => WorkspaceError::Missing(file.display().to_string()),
            _ => WorkspaceError::Unreadable {
                path: path.to_owned(),
                what: error.to_string(),
            },
        })?;
        if bytes.len() > MAX_FILE {
            return Err(DiskError::TooLarge {
                path: PathBuf::from(path),
                limit: MAX_FILE,
            }
            .into());
        }
        self.given.borrow_mut().insert(path.to_owned(), bytes);
        Ok(())
    }
}

fn read_whole(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_FILE as u64 + 1;
    match file == Path::new(STDIN) {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes)?,
        false => File::open(file)?.take(limit).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}
