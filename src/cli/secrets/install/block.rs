//! A marked block in a text file of somebody else: in once, out again without a trace.

use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(super) const BEGIN: &str = "# >>> stax >>>";
pub(super) const END: &str = "# <<< stax <<<";

/// Where our block stands: one, whole, at the begin of lines.
pub(super) fn block_in(bytes: &[u8]) -> Option<Range<usize>> {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line == format!("{BEGIN}\n").as_bytes() {
            starts.push(at);
        }
        at += line.len();
        if line == format!("{END}\n").as_bytes() {
            ends.push(at);
        }
    }
    match (starts.as_slice(), ends.as_slice()) {
        ([start], [end]) if start < end => Some(*start..*end),
        _ => None,
    }
}

/// The text with this block in the place of ours, or at `place` when it has none. `None` where half
/// a block stands.
pub(super) fn with_block(bytes: &[u8], block: &str, place: usize) -> Option<Vec<u8>> {
    let range = match block_in(bytes) {
        Some(range) => range,
        None => {
            let has_part = |mark: &str| {
                bytes
                    .windows(mark.len())
                    .any(|window| window == mark.as_bytes())
            };
            (!has_part(BEGIN) && !has_part(END)).then_some(place..place)?
        }
    };
    let mut new = bytes.to_vec();
    new.splice(range, block.bytes());
    Some(new)
}

/// `None` when there is no block.
pub(super) fn without_block(bytes: &[u8]) -> Option<Vec<u8>> {
    let range = block_in(bytes)?;
    let mut new = bytes.to_vec();
    new.drain(range);
    Some(new)
}

/// Bytes and mode; `None` for no file, a link, a folder or a device.
pub(super) fn plain_file(path: &Path) -> io::Result<Option<(Vec<u8>, u32)>> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => {
            Ok(Some((fs::read(path)?, meta.permissions().mode() & 0o7777)))
        }
        Ok(_) => Ok(None),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Replaces a file, or makes it, in one step.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    file.persist(path)?;
    Ok(())
}
