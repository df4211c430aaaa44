//! Something to debug with: `STAX_TRACE=1` writes one line a step to stderr,
//! `STAX_TRACE=/path/to/file` appends it there.
//!
//! A line names the process, the milliseconds since its start, a module, and what it did: names of
//! files, settings and keys, counts, kinds. Never a value, a key, an argument that somebody typed,
//! or what another program printed.
//!
//! A variable of the user's own environment names the file, and that is consent to write it. All
//! the same a line may hold names that somebody else chose: so the file is new or begins as a trace
//! does, belongs to the user, is reached through no link at its end, and lies in no work tree,
//! where it could be committed.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const VARIABLE: &str = "STAX_TRACE";
/// How a trace begins.
const HEAD: &[u8] = b"# stax trace\n";

/// Read before every step; without the variable nothing else is done.
static IS_ON: AtomicBool = AtomicBool::new(false);
static SINK: OnceLock<Sink> = OnceLock::new();

struct Sink {
    start: Instant,
    /// `None`: stderr.
    file: Option<File>,
}

/// Looks at the variable, once, at the start of the program. A trace that cannot be written is
/// named on stderr and stops nothing.
pub fn begin() {
    let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty() && value != "0")
    else {
        return;
    };
    let path = Path::new(&value);
    let file = match value == "1" {
        true => None,
        false => match open(path) {
            Ok(file) => Some(file),
            Err(error) => {
                let line = format!("stax: no trace: {}: {error}\n", path.display());
                let _ = io::stderr().write_all(escaped(&line).as_bytes());
                return;
            }
        },
    };
    IS_ON.store(
        SINK.set(Sink {
            start: Instant::now(),
            file,
        })
        .is_ok(),
        Ordering::Relaxed,
    );
}

/// One line of a module. The text is made only where somebody reads it.
#[inline]
pub fn step(module: &str, text: impl FnOnce() -> String) {
    if IS_ON.load(Ordering::Relaxed) {
        write(module, &text());
    }
}

fn write(module: &str, text: &str) {
    let Some(sink) = SINK.get() else { return };
    let ms = sink.start.elapsed().as_secs_f64() * 1000.0;
    let line = format!(
        "stax[{}] {ms:9.3} ms {module}: {text}\n",
        std::process::id()
    );
    let line = escaped(&line);
    // one write a line: hooks and drivers of one command share the file
    let _ = match &sink.file {
        Some(file) => (&*file).write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    };
}

fn open(path: &Path) -> io::Result<File> {
    let refused = |why: &str| Err(io::Error::other(why.to_owned()));
    if !path.is_absolute() {
        return refused("STAX_TRACE is 1, or a whole path");
    }
    let Some(folder) = path.parent().and_then(|folder| folder.canonicalize().ok()) else {
        return refused("its folder is not there");
    };
    if folder
        .ancestors()
        .any(|folder| folder.join(".git").symlink_metadata().is_ok())
    {
        return refused("it lies in a work tree, where it could be committed");
    }
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("it is no file of yours");
    }
    if meta.len() == 0 {
        file.write_all(HEAD)?;
        return Ok(file);
    }
    let mut head = vec![0; HEAD.len()];
    match file.read_exact(&mut head) {
        Ok(()) if head == HEAD => Ok(file),
        _ => refused("it holds something else than a trace"),
    }
}

/// What moves a cursor, reorders a line or cannot be seen becomes `\u{…}`; the line break at the
/// end stays.
fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.trim_end_matches('\n').chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => drop(write!(out, "{}", c.escape_debug())),
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(
            escaped("a\nb\u{1b}[2J\u{202e}\"c\\ü\n"),
            "a\\nb\\u{1b}[2J\\u{202e}\"c\\ü\n"
        );
    }

    #[test]
    fn only_a_file_of_traces_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        open(&path).unwrap();
        assert_eq!(
            (std::fs::read(&path).unwrap(), mode(&path)),
            (HEAD.to_vec(), 0o600)
        );
        open(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), HEAD);

        let other = folder.path().join("other");
        std::fs::write(&other, "export PATH\n").unwrap();
        assert!(open(&other).is_err());
        assert_eq!(std::fs::read(&other).unwrap(), b"export PATH\n");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link).is_err());
        assert!(open(Path::new("trace")).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
        std::fs::create_dir_all(folder.path().join("tree/.git")).unwrap();
        std::fs::create_dir(folder.path().join("tree/inside")).unwrap();
        for path in ["tree/trace", "tree/inside/trace", "tree/.git/trace"] {
            assert!(open(&folder.path().join(path)).is_err());
            assert!(!folder.path().join(path).exists());
        }
    }
}
