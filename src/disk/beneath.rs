//! Walking down from a root, one component at a time, never through a symlink.
//!
//! The folder stays open as a descriptor, so nobody can swap a component between check and use.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, fstat, mkdirat, open, openat, statat};
use rustix::io::Errno;

use super::DiskError;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Reads a regular file below a root.
///
/// # Errors
/// [`DiskError::Outside`] for an absolute path or one with `..`, [`DiskError::Symlink`] when any
/// component is one, [`DiskError::TooLarge`] above `limit` bytes, [`DiskError::NotFound`].
pub fn read_beneath(root: &Path, relative: &Path, limit: usize) -> Result<Vec<u8>, DiskError> {
    let (folders, name) = split(relative)?;
    let folder = open_folder(root, &folders, relative, false)?;
    match read_at(&folder, name, relative, limit)? {
        Some(found) => Ok(found.bytes),
        None => Err(DiskError::NotFound(relative.to_owned())),
    }
}

/// Hands a regular file below a root over in parts, whatever its size.
///
/// # Errors
/// As [`read_beneath`], but for the size.
pub fn stream_beneath(
    root: &Path,
    relative: &Path,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), DiskError> {
    let (folders, name) = split(relative)?;
    let folder = open_folder(root, &folders, relative, false)?;
    let Some((mut file, _)) = open_at(&folder, name, relative)? else {
        return Err(DiskError::NotFound(relative.to_owned()));
    };
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DiskError::new(relative, "read", error)),
        }
    }
}

/// Bytes that are read at once.
const PART: usize = 64 << 10;

/// A regular file as it was read.
pub(super) struct ReadFile {
    pub(super) bytes: Vec<u8>,
    pub(super) look: FileMode,
}

/// What a file looks like beside its bytes, and keeps when it is replaced.
#[derive(Clone, Copy)]
pub(super) struct FileMode {
    pub(super) mode: Mode,
    pub(super) owner: Uid,
    pub(super) group: Gid,
}

/// The folders of a relative path, and the name of the file in them.
pub(super) fn split(relative: &Path) -> Result<(Vec<&OsStr>, &OsStr), DiskError> {
    let outside = || DiskError::Outside(relative.to_owned());
    let mut names = Vec::new();
    for component in relative.components() {
        let Component::Normal(name) = component else {
            return Err(outside());
        };
        names.push(name);
    }
    let name = names.pop().ok_or_else(outside)?;
    Ok((names, name))
}

/// What stax writes never lies in a git folder: a hook or a configuration there is a program that
/// git starts.
pub(super) fn check_target(relative: &Path) -> Result<(), DiskError> {
    let is_git = |name: &OsStr| name.eq_ignore_ascii_case(".git");
    match relative
        .components()
        .any(|component| is_git(component.as_os_str()))
    {
        true => Err(DiskError::GitFolder(relative.to_owned())),
        false => Ok(()),
    }
}

/// Opens the folder that holds `shown`. The root itself may be reached through symlinks.
pub(super) fn open_folder(
    root: &Path,
    folders: &[&OsStr],
    shown: &Path,
    create: bool,
) -> Result<OwnedFd, DiskError> {
    let mut folder =
        open(root, FOLDER, Mode::empty()).map_err(|errno| DiskError::new(root, "open", errno))?;
    if !create && let Some(found) = open_at_once(&folder, folders) {
        return Ok(found);
    }
    for name in folders {
        if create
            && let Err(errno) = mkdirat(&folder, *name, Mode::from_raw_mode(0o777))
            && errno != Errno::EXIST
        {
            return Err(DiskError::new(shown, "make the folder of", errno));
        }
        folder = openat(&folder, *name, FOLDER | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| explain(&folder, name, shown, errno))?;
    }
    Ok(folder)
}

/// The same walk in one call, where the system has one. Whatever is in its way is told by the walk
/// in steps.
#[cfg(target_os = "linux")]
fn open_at_once(root: &OwnedFd, folders: &[&OsStr]) -> Option<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let path: PathBuf = (folders.len() > 1).then(|| folders.iter().collect())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, &path, FOLDER, Mode::empty(), resolve).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_at_once(_: &OwnedFd, _: &[&OsStr]) -> Option<OwnedFd> {
    None
}

/// Systems disagree about the error for a symlink where a folder is wanted.
fn explain(folder: &OwnedFd, name: &OsStr, shown: &Path, errno: Errno) -> DiskError {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .map(|stat| FileType::from_raw_mode(stat.st_mode))
    {
        Ok(FileType::Symlink) => DiskError::Symlink(shown.to_owned()),
        _ => DiskError::new(shown, "open", errno),
    }
}

/// Reads a file in an open folder; `None` when nothing has this name.
pub(super) fn read_at(
    folder: &OwnedFd,
    name: &OsStr,
    shown: &Path,
    limit: usize,
) -> Result<Option<ReadFile>, DiskError> {
    let Some((file, look)) = open_at(folder, name, shown)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| DiskError::new(shown, "read", error))?;
    if bytes.len() > limit {
        return Err(DiskError::TooLarge {
            path: shown.to_owned(),
            limit,
        });
    }
    Ok(Some(ReadFile { bytes, look }))
}

/// Opens a regular file in an open folder; `None` when nothing has this name.
fn open_at(
    folder: &OwnedFd,
    name: &OsStr,
    shown: &Path,
) -> Result<Option<(File, FileMode)>, DiskError> {
    // NONBLOCK: a pipe put in place of the file must not hang the command
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(explain(folder, name, shown, errno)),
    };
    let stat = fstat(&file).map_err(|errno| DiskError::new(shown, "read", errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(DiskError::NotRegular(shown.to_owned()));
    }
    let look = FileMode {
        mode: Mode::from_raw_mode(stat.st_mode),
        owner: Uid::from_raw(stat.st_uid),
        group: Gid::from_raw(stat.st_gid),
    };
    Ok(Some((File::from(file), look)))
}
